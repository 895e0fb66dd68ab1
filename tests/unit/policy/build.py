"""Policy sets, subjects and facts that tests are made of."""

from __future__ import annotations

import json
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from gate.codes import Code
from gate.deadline import Deadline
from gate.documents import Document, read_documents
from gate.evidence.facts import (
    Evidence,
    Format,
    KeySigner,
    Problem,
    Rejection,
    TimeSource,
    Unavailable,
    VerifiedAttestation,
    VerifiedSignature,
    VerifiedTime,
    Witness,
)
from gate.image.digest import Digest
from gate.image.reference import Reference
from gate.policy.evaluate import conclude, to_read
from gate.policy.known import Known
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from gate.policy.reading.sets import ParsedSet, parse_set
from gate.policy.trust import PUBLIC_GOOD
from gate.review.predicates import PredicateReader
from tests.fakes.clock import START
from tests.fakes.signing import alice, bob, mallory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from gate.demo.signing import SigningKey
    from gate.evidence.facts import Signer
    from gate.image.platforms import PlatformImage
    from gate.policy.decision import Decision
    from gate.policy.finding import Reason
    from gate.policy.policy_set import PolicySet
    from gate.policy.reading.notes import ReadFile

Json = dict[str, Any]

DIGEST = Digest.of(b"the image")
OTHER = Digest.of(b"another image")
REPOSITORY = "ghcr.io/acme/api"
TAGGED = f"{REPOSITORY}:v1"
PINNED = f"{TAGGED}@{DIGEST}"
SIGNERS: Json = {
    "a": {"key": {"pem": alice().pem.decode()}},
    "b": {"key": {"pem": bob().pem.decode()}},
    "m": {"key": {"pem": mallory().pem.decode()}},
}
DENY: list[Json] = [{"deny": {}}]
ALLOW: list[Json] = [{"image": {"tags": "unsafeAny", "denyTags": []}}]
SIGNED: list[Json] = [{"signature": {"by": "a"}}]
UNWITNESSED = Witness(
    no_log=Problem(Code.LOG_ENTRY_MISSING, "it has no transparency log entry"),
    no_timestamp=Problem(Code.TIMESTAMP_MISSING, "it has no timestamp"),
)
"""Of a signature that nothing stands beside."""
UNCHECKED = Witness(
    no_log=Problem(Code.TRUST_ROOT_UNAVAILABLE, "its log entry was not examined"),
    no_timestamp=Problem(Code.TRUST_ROOT_UNAVAILABLE, "its timestamp was not examined"),
)
"""Of one whose log entry could not be checked."""
WRONG_ENTRY = Witness(no_log=Problem(Code.LOG_ENTRY_INVALID, "its log entry is of another signature"))
"""Of one whose log entry is wrong."""


def policy(rules: list[Json], *, name: str = "p", namespace: str = "", **spec: object) -> Json:
    """A policy document; one with a namespace is a GatePolicy. Signers a, b and m are there."""
    kind = "GatePolicy" if namespace else "ClusterGatePolicy"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    body = {"signers": SIGNERS, "rules": rules, **spec}
    return {"apiVersion": "imagegate.dev/v1", "kind": kind, "metadata": metadata, "spec": body}


def waiver(rule: str = "signature", until: str = "2027-01-31", **fields: object) -> Json:
    """An exception: an entry of `exceptions`."""
    return {"rule": rule, "until": until, "reason": "vendor is slow", **fields}


def exception(*waivers: Json, namespace: str = "payments", policies: Iterable[str] = ("p",), name: str = "x") -> Json:
    """A `GateException`."""
    metadata = {"name": name, "namespace": namespace}
    spec = {"policies": list(policies), "exceptions": list(waivers)}
    return {"apiVersion": "imagegate.dev/v1", "kind": "GateException", "metadata": metadata, "spec": spec}


def revocation(name: str = "r", **spec: object) -> Json:
    """A `GateRevocation`."""
    body = {"reason": "stolen", **spec}
    return {"apiVersion": "imagegate.dev/v1", "kind": "GateRevocation", "metadata": {"name": name}, "spec": body}


def break_glass(name: str = "g", **spec: object) -> Json:
    """A `GateBreakGlass`."""
    body = {"until": "2026-11-23T16:00:00Z", "reason": "outage", **spec}
    return {"apiVersion": "imagegate.dev/v1", "kind": "GateBreakGlass", "metadata": {"name": name}, "spec": body}


def config(**spec: object) -> Json:
    return {"apiVersion": "imagegate.dev/v1", "kind": "GateConfig", "metadata": {"name": "default"}, "spec": spec}


def gate_test(**spec: object) -> Json:
    return {"apiVersion": "imagegate.dev/v1", "kind": "GateTest", "metadata": {"name": "t"}, "spec": spec}


def parsed(text: str, read_file: ReadFile | None = None, file: str = "p.yaml") -> ParsedSet:
    """What a stream of readable documents amounts to."""
    documents = list(read_documents(text, file))
    readable = [d for d in documents if isinstance(d, Document)]
    assert readable == documents
    return parse_set(readable, read_file)


def policies(*documents: Json) -> PolicySet:
    """The set of documents without an error."""
    found = parsed("\n---\n".join(map(json.dumps, documents)))
    assert [str(p) for p in found.errors] == []
    return found.set


def fact(
    key: SigningKey,
    annotations: dict[str, str] | None = None,
    docker_reference: str | None = REPOSITORY,
    *,
    witness: Witness = UNWITNESSED,
) -> VerifiedSignature:
    """A verified signature by a key."""
    name = Reference.parse(docker_reference).name if docker_reference else None
    return VerifiedSignature(Format.LEGACY, OTHER, KeySigner(key.public, PUBLIC_GOOD), witness, annotations or {}, name)


def attested(
    predicate_type: str,
    predicate: object,
    key: SigningKey | None = None,
    *,
    logged: datetime | None = None,
    signer: Signer | None = None,
) -> VerifiedAttestation:
    """A verified attestation of the image, by a key (alice's), or by somebody; `logged`: when, by a log."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": REPOSITORY, "digest": {"sha256": DIGEST.hex}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    content = predicate if isinstance(predicate, bytes) else json.dumps(statement).encode()
    times = (VerifiedTime(logged, TimeSource.LOG, "a log"),) if logged is not None else ()
    witness = Witness(frozenset({"log"}), times) if logged is not None else UNWITNESSED
    who = signer or KeySigner((key or alice()).public, PUBLIC_GOOD)
    stored = Digest.of(content + str((logged, who)).encode())
    return VerifiedAttestation(Format.LEGACY, stored, who, witness, predicate_type, content)


def rejection(code: Code, reason: str = "a reason") -> Rejection:
    return Rejection(Format.LEGACY, OTHER, code, reason)


def evidence(
    signatures: Iterable[VerifiedSignature] = (),
    rejected: Iterable[Rejection] = (),
    unavailable: Iterable[Code] = (),
    *,
    attestations: Iterable[VerifiedAttestation] = (),
) -> Evidence:
    return Evidence(
        tuple(signatures),
        tuple(attestations),
        tuple(rejected),
        tuple(Unavailable(code, f"{code} happened", "retry") for code in unavailable),
    )


def decide(
    found: PolicySet,
    image: str = PINNED,
    workload: Workload | None = None,
    stage: Stage = Stage.CHECK,
    facts: Evidence | None = None,
    digest: Digest = DIGEST,
    now: datetime = START,
    platforms: tuple[PlatformImage, ...] | Reason | None = None,
    by_platform: Mapping[Digest, Evidence] | None = None,
) -> Decision:
    """The decision, the same facts found wherever they are looked for; `by_platform`: those of images of its index."""
    planned = plan(found, Reference.parse(image), workload or Workload(), stage, now)
    known = Known(
        planned.reference.digest or digest,
        dict.fromkeys(planned.sources, facts or Evidence()),
        platforms,
        {(s, one): found for s in planned.sources for one, found in (by_platform or {}).items()},
    )
    if not planned.digest_wanted:
        return conclude(planned, None, now)
    read = PredicateReader().read(to_read(planned, known, now), Deadline.after(60, monotonic))
    return conclude(planned, replace(known, predicates=read), now)


def codes(decision: Decision) -> list[tuple[str, str]]:
    """Code and verdict of each finding."""
    return [(str(f.code), str(f.verdict)) for f in decision.findings]
