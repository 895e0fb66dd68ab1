"""`python -m bench.policies`: what it costs to read policies, to lint them, and to ask them about an image.

200 policies as people write them, a file each: keys, workflows of GitHub, identities, patterns, dated exceptions; every
tenth with a GateException of its namespace. Parsed is: read, parsed and compiled into a set, in this process. Lint is
the whole command in a process of its own. Asked is: one image of whom the evidence is at hand, planned and concluded;
ten policies match, whatever others there are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.rows import Row, table
from gate.demo.signing import SigningKey
from gate.documents import Document
from gate.evidence.facts import Evidence, Format, KeySigner, VerifiedSignature, Witness
from gate.feeds.folder import require
from gate.image.digest import Digest
from gate.image.reference import Reference
from gate.policy.evaluate import conclude
from gate.policy.finding import Verdict
from gate.policy.known import Known
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from gate.policy.reading.sets import parse_set
from gate.policy.trust import PUBLIC_GOOD

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.policy.policy_set import PolicySet

POLICIES, TIMES, MATCHING, ROUNDS = 200, 7, 10, 100
BAR_PARSED, BAR_LINT, BAR_ASKED = 500.0, 1000.0, 300.0
AT = "2026-11-23T12:00:00Z"
_KEY = SigningKey.generate()

POLICY = """\
# What team {i} runs, and who signs it.
apiVersion: imagegate.dev/v1
kind: ClusterGatePolicy
metadata:
  name: team-{i}
  labels: {{team: team-{i}}}
spec:
  mode: enforce
  match:
    images:
    - ghcr.io/acme-{i}/**
    - "registry.acme.example/team-{i}/*"
    - quay.io/acme/team-{i}-*
    exclude: ["ghcr.io/acme-{i}/sandbox/**"]
    namespaces:
      matchLabels: {{team: team-{i}, env: prod}}
      matchExpressions:
      - {{key: tier, operator: In, values: [web, batch]}}
    kinds: [Deployment, StatefulSet, CronJob]
  signers:
    release: {{key: {{pem: {pem}, validFrom: 2026-01-01}}}}
    ci:
      github:
        workflow: acme-{i}/api/.github/workflows/release.yml
        refs: [refs/heads/main, "refs/tags/v*"]
    person:
      keyless:
        issuer: https://accounts.google.com
        subjectRegex: "(alice|bob|carol)\\\\+team{i}@acme\\\\.example"
  rules:
  - image:
      registries: [ghcr.io/acme-{i}, registry.acme.example/team-{i}, quay.io/acme]
      tags: pin
      denyTags: [latest, main, "*-snapshot", "pr-*"]
  - name: signed
    signature: {{by: [release, ci]}}
  - name: two-people
    signature:
      by: {{all: [ci, {{atLeast: 1, of: [person, release]}}]}}
      minAge: 2h
      unless: {{by: person}}
  exceptions:
  - rule: two-people
    images: [ghcr.io/acme-{i}/legacy]
    until: 2026-12-31
    reason: the old pipeline is being replaced
    ticket: SEC-{i}
  exceptionsFrom: {{names: [team-{i}]}}
"""

EXCEPTION = """\
---
apiVersion: imagegate.dev/v1
kind: GateException
metadata: {{name: rollout, namespace: team-{i}}}
spec:
  policies: [team-{i}]
  exceptions:
  - {{rule: signed, images: ["ghcr.io/acme-{i}/tools/*"], until: 2027-01-31, reason: signed from February on}}
"""


def write(folder: Path, count: int = POLICIES) -> None:
    """So many policies, a file each, every one with a key of its own."""
    for i in range(count):
        pem = json.dumps(SigningKey.generate().pem.decode())
        text = POLICY + (EXCEPTION if i % 10 == 0 else "")
        (folder / f"team-{i:03}.yaml").write_text(text.format(i=i, pem=pem), encoding="utf-8")


def measured(what: str, work: Callable[[], object], bar: float) -> Row:
    """What it takes, after one time that is not counted; beside it the processors' time, of children too."""
    work()
    took, busy = [], []
    for _ in range(TIMES):
        started, before = time.perf_counter(), sum(os.times()[:4])
        work()
        took.append((time.perf_counter() - started) * 1000)
        busy.append((sum(os.times()[:4]) - before) * 1000)
    return Row.of(what, took, bar=bar, note=f"{min(busy):.0f} ms of CPU at best")


def parsed(folder: Path) -> Row:
    """Reading, parsing and compiling them all, in this process."""
    return measured(f"parse and compile {POLICIES} policies", lambda: require([folder]), BAR_PARSED)


def linted(folder: Path) -> Row:
    """`gate policy lint` of them all, start to end."""
    command = [sys.executable, "-m", "gate", "policy", "lint", str(folder), "--at", AT]

    def lint() -> None:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"lint found errors, so nothing was measured: {done.stdout[:500]}{done.stderr[:500]}")

    return measured(f"`gate policy lint` of {POLICIES} policies, start to end", lint, BAR_LINT)


ASKED = {10: None, 50: BAR_ASKED, 200: None, 1000: None}
"""Policies in a set of which ten match, and what asking them about one image may take."""


def asked(count: int, bar: float | None) -> Row:
    """Planning and concluding one image, its evidence at hand; CPU, for the machine may be shared."""
    found, now = _ten_match_of(count), datetime(2026, 11, 23, 12, tzinfo=UTC)
    reference = Reference.parse(f"ghcr.io/acme/api:v1@{Digest.of(b'image')}")
    signer = KeySigner(_KEY.public, PUBLIC_GOOD)
    fact = VerifiedSignature(Format.LEGACY, Digest.of(b"payload"), signer, Witness(), {}, reference.name)
    workload = Workload("Pod", "prod", {})

    def once() -> None:
        planned = plan(found, reference, workload, Stage.VALIDATE, now)
        known = Known(Digest.of(b"image"), dict.fromkeys(planned.sources, Evidence((fact,))))
        decision = conclude(planned, known, now)
        if decision.verdict is not Verdict.ALLOW or len(decision.outcomes) != 2 * MATCHING:
            raise SystemExit(f"nothing was measured: {decision}")

    once()
    took = []
    for _ in range(TIMES):
        before = time.process_time()
        for _ in range(ROUNDS):
            once()
        took.append((time.process_time() - before) * 1_000_000 / ROUNDS)
    return Row.of(f"CPU of one image asked of {count} policies, {MATCHING} of which match", took, "µs", bar)


def _ten_match_of(count: int) -> PolicySet:
    """Each with an image rule and a signature of either of two keys."""
    pems = [key.pem.decode() for key in (_KEY, SigningKey.generate())]
    signers = {name: {"key": {"pem": pem, "transparencyLog": "ignore"}} for name, pem in zip("ab", pems, strict=True)}
    documents = []
    for i in range(count):
        spec = {
            "match": {"images": ["ghcr.io/acme/**" if i < MATCHING else f"ghcr.io/team-{i}/**"]},
            "signers": signers,
            "rules": [{"image": {"registries": ["ghcr.io"]}}, {"signature": {"by": ["a", "b"]}}],
        }
        head = {"apiVersion": "imagegate.dev/v1", "kind": "ClusterGatePolicy", "metadata": {"name": f"p{i}"}}
        documents.append(Document("p", {**head, "spec": spec}, {}, {}))
    found = parse_set(documents, None)
    if found.errors:
        raise SystemExit(f"nothing was measured: {found.errors[0]}")
    return found.set


def rows() -> list[Row]:
    """All figures."""
    with tempfile.TemporaryDirectory(prefix="imagegate-bench-") as name:
        folder = Path(name)
        write(folder)
        return [parsed(folder), linted(folder), *(asked(count, bar) for count, bar in ASKED.items())]


if __name__ == "__main__":
    print(table(rows()))
