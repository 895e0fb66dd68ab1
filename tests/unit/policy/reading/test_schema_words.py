"""What the schema says of every field: a sentence, and a default that holds."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gate.policy.reading.schema.kinds import KINDS, TEST_KIND, schema_of
from tests.unit.policy.build import DENY, SIGNERS, Json, config, parsed, policy
from tests.unit.policy.reading.walking import ANY, fields_of

if TYPE_CHECKING:
    from gate.policy.policy_set import PolicySet

ALL = [(kind, path, form) for kind in KINDS for path, form in fields_of(schema_of(kind))]
SENTENCE = re.compile(r"[A-Z`][^\n]{5,160}\.")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_says_what_it_means(kind: str) -> None:
    found = {path: form.get("description", "") for of, path, form in ALL if of == kind}
    assert len(found) > 5
    assert [path for path, words in found.items() if not SENTENCE.fullmatch(words)] == []


def test_every_kind_says_what_it_is_for() -> None:
    assert [kind for kind in KINDS if not SENTENCE.fullmatch(schema_of(kind)["description"])] == []


WORKFLOW = {"workflow": "acme/api/.github/workflows/release.yml", "refs": ["refs/heads/main"]}
SCAN = {"by": "a", "maxAge": "7d", "deny": [{"severity": "high"}]}
SECRET = {"secret": {"name": "n", "key": "k"}}
PEM = SIGNERS["a"]["key"]["pem"]
# Where a field with a default stands, in documents that do not have it.
PLACES: list[tuple[Json, tuple[str | int, ...], tuple[str, ...]]] = [
    (policy(DENY, signers={}), ("spec",), ("mode", "exceptions", "signers")),
    (policy(DENY, match={}), ("spec", "match"), ("images", "exclude", "kinds", "serviceAccounts")),
    (
        policy(DENY, match={"namespaces": {}}),
        ("spec", "match", "namespaces"),
        ("names", "matchLabels", "matchExpressions"),
    ),
    (
        policy(DENY, match={"namespaces": {"matchExpressions": [{"key": "k", "operator": "Exists"}]}}),
        ("spec", "match", "namespaces", "matchExpressions", 0),
        ("values",),
    ),
    (
        policy([{"image": {}}]),
        ("spec", "rules", 0, "image"),
        ("tags", "denyTags", "denyTagsWithDigest", "denyDigests", "labels", "nonRoot"),
    ),
    (policy([{"deny": {}}]), ("spec", "rules", 0, "deny"), ("message",)),
    (policy([{"signature": {"by": "a"}}]), ("spec", "rules", 0, "signature"), ("annotations",)),
    (
        policy([{"attestation": {"by": "a", "type": "custom"}}]),
        ("spec", "rules", 0, "attestation"),
        ("select", "message"),
    ),
    (
        policy([{"sbom": {"by": "a"}}]),
        ("spec", "rules", 0, "sbom"),
        ("select", "message", "formats", "denyComponents", "denyLicenses", "requireFields", "minComponents"),
    ),
    (
        policy([{"sbom": {"by": "a", "denyLicenses": ["AGPL-3.0-only"]}}]),
        ("spec", "rules", 0, "sbom"),
        ("unknownLicense",),
    ),
    (policy([{"scan": SCAN}]), ("spec", "rules", 0, "scan"), ("select", "message", "unknownSeverity")),
    (policy([{"scan": SCAN}]), ("spec", "rules", 0, "scan", "deny", 0), ("fix",)),
    (
        policy([{"provenance": {"by": "a"}}]),
        ("spec", "rules", 0, "provenance"),
        ("select", "message", "parameters"),
    ),
    (policy([{"base": {"images": ["**"]}}]), ("spec", "rules", 0, "base"), ("minLayers",)),
    (policy([{"cel": {"expression": "true"}}]), ("spec", "rules", 0, "cel"), ("message",)),
    (
        policy(DENY, signers={"s": {"key": {"pem": PEM}}}),
        ("spec", "signers", "s", "key"),
        ("transparencyLog", "trustRoot"),
    ),
    (
        policy(DENY, signers={"s": {"keyless": {"issuer": "i", "subject": "s"}}}),
        ("spec", "signers", "s", "keyless"),
        ("transparencyLog", "trustRoot", "insecureIgnoreSct"),
    ),
    (
        policy(DENY, signers={"s": {"keyless": {"issuer": "i", "subject": "s", "timestamp": {}}}}),
        ("spec", "signers", "s", "keyless", "timestamp"),
        ("required",),
    ),
    (
        policy(DENY, signers={"s": {"github": WORKFLOW}}),
        ("spec", "signers", "s", "github"),
        ("transparencyLog", "trustRoot", "insecureIgnoreSct", "events"),
    ),
    (
        policy(DENY, signers={"s": {"github": {**WORKFLOW, "timestamp": {}}}}),
        ("spec", "signers", "s", "github", "timestamp"),
        ("required",),
    ),
    (
        policy(DENY, signers={"s": {"certificate": {"roots": SECRET, "subject": "s", "timestamp": {}}}}),
        ("spec", "signers", "s", "certificate", "timestamp"),
        ("required", "trustRoot"),
    ),
    (config(), ("spec",), ("unmatched", "excludeNamespaces", "staleIfError", "registries", "exceptions", "breakGlass")),
    (config(), ("spec",), ("customResources",)),
    (config(limits={}), ("spec", "limits"), ("imagesPerReview", "attestationBytes")),
    (
        config(customResources=[{"group": "g", "kind": "K", "images": ["a"]}]),
        ("spec", "customResources", 0),
        ("podSpecs",),
    ),
    (
        config(customResources=[{"group": "g", "kind": "K", "podSpecs": ["a"]}]),
        ("spec", "customResources", 0),
        ("images",),
    ),
    (config(pinning={}), ("spec", "pinning"), ("where",)),
    (config(credentials={}), ("spec", "credentials"), ("pullSecrets", "keychains")),
    (config(registries=[{"host": "h.test"}]), ("spec", "registries", 0), ("insecure", "tokenRealms")),
    (config(registries=[{"host": "h.test", "mirrorOf": "docker.io"}]), ("spec", "registries", 0), ("authoritative",)),
]


def meaning(document: Json) -> PolicySet:
    """What a document means, but for the hash of what it says."""
    found = parsed(json.dumps(document))
    assert [str(p) for p in found.errors] == []
    return replace(found.set, policies=tuple(replace(policy, hash="") for policy in found.set.policies))


def field_at(where: tuple[str | int, ...], name: str) -> tuple[str, ...]:
    """A field in a document as the schema calls it; `s` is what signers are called here."""
    return (*(ANY if isinstance(step, int) or step == "s" else step for step in where), name)


def default_at(document: Json, where: tuple[str | int, ...], name: str) -> Any:
    path = field_at(where, name)
    (form,) = [form for kind, known, form in ALL if kind == document["kind"] and known == path]
    return form["default"]


def test_every_default_is_tried() -> None:
    tried = {
        (d["kind"], tuple(ANY if isinstance(s, int) or s == "s" else s for s in where), n)
        for d, where, names in PLACES
        for n in names
    }
    there = {(kind, path[:-1], path[-1]) for kind, path, form in ALL if "default" in form}
    there -= {entry for entry in there if entry[0] in ("GatePolicy", TEST_KIND)}  # the same; see test_reading_tests
    assert there == tried


@pytest.mark.parametrize(
    ("document", "where", "name"), [(d, where, name) for d, where, names in PLACES for name in names]
)
def test_a_default_is_what_holds_without_the_field(document: Json, where: tuple[str | int, ...], name: str) -> None:
    written = deepcopy(document)
    place: Any = written
    for step in where:
        place = place[step]
    assert name not in place or place[name] == {}
    place[name] = default_at(document, where, name)
    assert meaning(written) == meaning(document)
