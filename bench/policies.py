"""`python -m bench.policies`: what it costs to read policies, and to lint them.

200 policies as people write them, a file each: keys, workflows of GitHub, identities, patterns, dated exceptions; every
tenth with a GateException of its namespace. Parsed is: read, parsed and compiled into a set, in this process. Lint is the whole command in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.rows import Row, table
from gate.demo.signing import SigningKey
from gate.feeds.folder import require

if TYPE_CHECKING:
    from collections.abc import Callable

POLICIES, TIMES = 200, 7
BAR_PARSED, BAR_LINT = 500.0, 1000.0
AT = "2026-11-23T12:00:00Z"

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


def rows() -> list[Row]:
    """Both figures."""
    with tempfile.TemporaryDirectory(prefix="imagegate-bench-") as name:
        folder = Path(name)
        write(folder)
        return [parsed(folder), linted(folder)]


if __name__ == "__main__":
    print(table(rows()))
