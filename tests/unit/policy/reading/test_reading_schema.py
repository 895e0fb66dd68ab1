from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft7Validator

from gate.policy.reading.schema.kinds import KINDS, schema_of
from gate.policy.reading.schema.policies import RULE_TYPES
from tests.unit.policy.build import (
    SIGNERS,
    Json,
    break_glass,
    config,
    exception,
    gate_test,
    parsed,
    policies,
    policy,
    revocation,
    waiver,
)
from tests.unit.policy.reading.walking import ANY, fields_of, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.documents import Path

DIGEST = f"sha256:{'0' * 64}"
PEM = SIGNERS["a"]["key"]["pem"]
EXPRESSION = {"key": "tier", "operator": "In", "values": ["a"]}

# One example for each field.
MATCH: Json = {
    "images": ["**"],
    "exclude": ["ghcr.io/acme/test/**"],
    "namespaces": {"names": ["prod"], "matchLabels": {"env": "prod"}, "matchExpressions": [EXPRESSION]},
    "kinds": ["Job"],
    "serviceAccounts": ["default"],
}
EXPRESSIONS: list[Json] = [{"all": ["a", "b"]}, {"atLeast": 1, "of": ["a", "b"]}]
ATTESTED: Json = {
    "select": "any",
    "message": "no",
    "repository": "ghcr.io/sigs",
    "tagPrefix": "team-",
    "platformEvidence": "all",
}
RULES: list[Json] = [
    {
        "image": {"registries": ["ghcr.io"], "tags": "pin", "denyTags": ["main"], "denyTagsWithDigest": False},
        "name": "x",
    },
    {"image": {"denyDigests": [DIGEST]}},
    {"image": {"maxAge": "90d", "platforms": ["linux/amd64"], "labels": {"team": "*"}, "nonRoot": True}},
    {"deny": {"message": "no"}},
    {"signature": {"by": "a", "annotations": {"k": "v"}, "repository": "ghcr.io/sigs", "reference": "match"}},
    {"signature": {"by": "a", "tagPrefix": "team-", "platformEvidence": "all"}},
    {"signature": {"by": ["a", "b"]}},
    {"signature": {"by": "b", "minAge": "72h", "maxAge": "30d", "unless": {"by": {"all": ["a", "s"]}}}},
    {"signature": {"by": "b", "minAge": "72h", "unless": {"by": {"atLeast": 1, "of": ["a", "s"]}}}},
    {"signature": {"by": {"all": ["a", "b"]}}},
    {"signature": {"by": {"atLeast": 1, "of": ["a", "b"]}}},
    *(
        {kind: {"by": by, **fields}}
        for kind, fields in (
            ("attestation", {"type": "https://acme.example/reviewed/v1"}),
            ("sbom", {}),
            ("scan", {"maxAge": "7d", "deny": [{"severity": "high"}]}),
            ("provenance", {}),
            ("base", {"digests": [DIGEST]}),
        )
        for by in EXPRESSIONS
    ),
    *({"scan": {"by": "a", "maxAge": "7d", "deny": [{"cvss": 7}], "vex": {"by": by}}} for by in EXPRESSIONS),
    {
        "attestation": {
            "by": "a",
            "type": "spdx",
            "maxAge": "7d",
            "cel": "component.version != ''",
            "forEach": "component",
            **ATTESTED,
        }
    },
    {
        "sbom": {
            "by": "a",
            "maxAge": "7d",
            "formats": ["spdx"],
            "denyComponents": ["pkg:npm/lodash@<4.17.21"],
            "allowLicenses": ["MIT"],
            "denyLicenses": ["AGPL-3.0-*"],
            "unknownLicense": "allow",
            "requireFields": ["purl"],
            "minComponents": 2,
            **ATTESTED,
        }
    },
    {
        "scan": {
            "by": "a",
            "maxAge": "7d",
            "scanners": ["trivy"],
            "maxDatabaseAge": "2d",
            "deny": [{"severity": "high", "fix": "available", "grace": "14d", "cvss": 7.5}],
            "unknownSeverity": {"as": "high"},
            "vex": {"by": "b", "maxAge": "90d"},
            **ATTESTED,
        }
    },
    {
        "provenance": {
            "by": "a",
            "maxAge": "7d",
            "builder": "https://github.com/acme/**",
            "source": "github.com/acme/api",
            "refs": ["refs/heads/main"],
            "buildType": "https://actions.github.io/**",
            "parameters": {"workflow": "*"},
            **ATTESTED,
        }
    },
    {"base": {"images": ["ghcr.io/acme/bases/**"], "digests": [DIGEST], "by": "a", "maxAge": "9d", "minLayers": 2}},
    {"cel": {"expression": "image.user != ''", "message": "no"}},
]
AUTHORITY: Json = {
    "trustRoot": "acme",
    "transparencyLog": "none",
    "timestamp": {"required": True},
    "insecureIgnoreSct": True,
}
MORE_SIGNERS: Json = {
    "a": {
        "key": {
            "pem": PEM,
            "hash": "sha256",
            "validFrom": "2026-01-01",
            "validUntil": "2026-12-31T00:00:00Z",
            "transparencyLog": "ignore",
            "trustRoot": "public-good",
        }
    },
    "s": {"key": {"secret": {"name": "n", "key": "k"}}},
    "b": SIGNERS["b"],
    "f": {"key": {"file": "k.pem"}},
    "keyless": {"keyless": {"issuer": "i", "subject": "s", **AUTHORITY}},
    "regex": {"keyless": {"issuerRegex": "i.*", "subjectRegex": "s.*"}},
    "github": {
        "github": {
            "workflow": "acme/api/.github/workflows/release.yml",
            "refs": ["refs/heads/main"],
            "repository": "acme/other",
            "sourceRefs": ["refs/**"],
            "events": ["push"],
            "repositoryId": 1,
            "ownerId": "2",
            **AUTHORITY,
        }
    },
    "pki": {
        "certificate": {
            "roots": {"file": "ca.pem"},
            "intermediates": {"secret": {"name": "n", "key": "k"}},
            "subject": "s",
            "timestamp": {"required": False, "trustRoot": "acme"},
        }
    },
    "pki2": {"certificate": {"roots": {"pem": "x"}, "intermediates": {"pem": "x"}, "subjectRegex": "s.*"}},
    "pki3": {"certificate": {"roots": {"secret": {"name": "n", "key": "k"}}, "intermediates": {"file": "f"}}},
}
READ_FROM_ELSEWHERE = ("f", "pki", "pki2", "pki3")


def trust_root(**spec: object) -> Json:
    return {"apiVersion": "imagegate.dev/v1", "kind": "GateTrustRoot", "metadata": {"name": "acme"}, "spec": spec}


WAIVER: Json = waiver(
    images=["**"],
    digests=[DIGEST],
    namespaces=["n"],
    vulnerabilities=["CVE-2026-0001"],
    components=["pkg:npm/x"],
    licenses=["MIT"],
    ticket="SEC-1",
    approvedBy="sec@acme.example",
)
EXCEPTED: Json = {"exceptions": [waiver("x"), WAIVER], "exceptionsFrom": {"names": ["payments"]}}
SECRET: Json = {"name": "n", "key": "k"}
URL = "https://tuf.acme.example/repository"
EXAMPLES: dict[str, list[Json]] = {
    "ClusterGatePolicy": [policy(RULES, mode="audit", match=MATCH, signers=MORE_SIGNERS, **EXCEPTED)],
    "GatePolicy": [policy(RULES, mode="warn", match=MATCH, namespace="n", signers=MORE_SIGNERS, **EXCEPTED)],
    "GateException": [exception(WAIVER)],
    "GateBreakGlass": [
        break_glass(images=["ghcr.io/acme/**"], digests=[DIGEST], namespaces=["n"], until="2026-01-01", ticket="INC-1")
    ],
    "GateRevocation": [
        revocation(digests=[DIGEST]),
        revocation(signers=[{"fingerprint": "0" * 64, "signedAfter": "2026-01-01"}, {"issuer": "i", "subject": "s"}]),
    ],
    "GateTrustRoot": [
        trust_root(json={"mediaType": "x"}),
        trust_root(file="f"),
        trust_root(secret=SECRET),
        trust_root(tuf={"url": URL, "root": {"file": "f"}}),
        trust_root(tuf={"url": URL, "root": {"json": {}}}),
        trust_root(tuf={"url": URL, "root": {"secret": SECRET}}),
    ],
    "GateConfig": [
        config(
            clusterName="prod-eu-1",
            limits={"imagesPerReview": 5, "attestationBytes": "1MiB"},
            customResources=[{"group": "argoproj.io", "kind": "Rollout", "podSpecs": ["spec.t"], "images": ["a[].b"]}],
        ),
        config(unmatched="audit", excludeNamespaces=["kube-system"], pinning={"where": "all"}),
        config(
            registries=[
                {"host": "docker.io", "mirrors": ["mirror.test/hub"]},
                {"host": "h.test", "prefix": "hub", "mirrorOf": "docker.io", "authoritative": True, "insecure": True},
                {"host": "r.test", "ca": {"file": "ca.pem"}, "clientCert": {"file": "c.pem", "keyFile": "k.pem"}},
                {"host": "s.test", "ca": {"secret": SECRET}, "clientCert": {"secret": {"name": "n"}}},
                {"host": "t.test", "tokenRealms": ["https://auth.test"]},
            ],
            staleIfError="5m",
            exceptions={"max": "30d"},
            breakGlass={"max": "4h"},
            credentials={"pullSecrets": False, "keychains": ["ecr"], "dockerConfig": {"file": "config.json"}},
        ),
    ],
    "GateTest": [
        gate_test(
            at="2026-11-23T12:00:00Z",
            policies=["p.yaml"],
            evidence=[{"repository": "ghcr.io/acme/api", "layout": "api"}],
            trustRoots=[{"name": "public-good", "file": "root.json"}],
            cases=[
                {
                    "name": "one",
                    "image": "ghcr.io/acme/api:v1",
                    "namespace": {"name": "n", "labels": {"env": "prod"}},
                    "expect": {
                        "verdict": "deny",
                        "findings": [{"code": "REVOKED", "policy": "p", "rule": "r", "image": "nginx"}],
                    },
                },
                {"name": "two", "manifest": {"kind": "Pod"}, "expect": {"verdict": "allow"}},
            ],
        )
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_is_a_draft_07_schema(kind: str) -> None:
    schema = schema_of(kind)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_are_valid(kind: str) -> None:
    assert [e.message for d in EXAMPLES[kind] for e in Draft7Validator(schema_of(kind)).iter_errors(d)] == []


def shown(schema: Json, document: Json) -> set[tuple[str, ...]]:
    """The fields that a document has an example of, as `fields_of` calls them; of `by` the outermost ones."""
    known = {path for path, _ in fields_of(schema)}
    entries = [path for path, _ in values_of(schema, document)]
    return {as_field for path in entries if (as_field := _field(path, known)) is not None}


def _field(path: Path, known: set[tuple[str, ...]]) -> tuple[str, ...] | None:
    found: tuple[str, ...] = ()
    for step in path:
        found = (*found, step) if isinstance(step, str) and (*found, step) in known else (*found, ANY)
    return found if found in known else None


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_an_example(kind: str) -> None:
    schema = schema_of(kind)
    known = {path for path, _ in fields_of(schema)}
    seen = set().union(*(shown(schema, d) for d in EXAMPLES[kind]))
    elsewhere = {("metadata", "namespace"), ("status",)}  # what the cluster keeps there is read by nobody
    assert known - seen - elsewhere == set()
    assert len(known) > 5


def test_the_examples_mean_something() -> None:
    def read(*_: object) -> bytes:
        raise AssertionError

    supported = {name: signer for name, signer in MORE_SIGNERS.items() if name not in READ_FROM_ELSEWHERE}
    rules = [{**rule, "name": f"r{i}"} for i, rule in enumerate(RULES)]
    (found,) = policies(policy(rules, match=MATCH, signers=supported)).policies
    assert len(found.rules) == len(RULES)
    assert {type(r.requirement).__name__ for r in found.rules} == {
        "ImageRequirement",
        "DenyRequirement",
        "SignatureRequirement",
        "AttestationRequirement",
        "BaseRequirement",
        "CelRequirement",
    }


def objects(schema: object) -> list[Json]:
    """Every schema of an object that has named fields."""
    if isinstance(schema, list):
        return [o for inner in schema for o in objects(inner)]
    if not isinstance(schema, dict):
        return []
    inner = [o for value in schema.values() for o in objects(value)]
    return [schema, *inner] if schema.get("type") == "object" and "properties" in schema else inner


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_fields_are_refused_everywhere(kind: str) -> None:
    # metadata is Kubernetes': labels, annotations and what servers add
    open_ones = [o for o in objects(schema_of(kind)) if o.get("additionalProperties") is not False]
    assert [sorted(o["properties"]) for o in open_ones] == [["name", "namespace"]]


@pytest.mark.parametrize("rule", RULE_TYPES)
def test_every_rule_type_of_the_language_is_known(rule: str) -> None:
    (problem, *_) = parsed(
        '{"apiVersion": "imagegate.dev/v1", "kind": "ClusterGatePolicy", "metadata": {"name": "p"},'
        f' "spec": {{"rules": [{{"{rule}": 5}}]}}}}'
    ).problems
    assert "expected object" in problem.message or "mapping" in problem.message


NEWLINES = ["\n", "\r\n", "\n\n", "\u2028"]


@pytest.mark.parametrize("end", NEWLINES)
@pytest.mark.parametrize(
    "document",
    [
        lambda end: policy([{"deny": {}}], name=f"p{end}"),
        lambda end: policy([{"deny": {}}], namespace=f"n{end}"),
        lambda end: config() | {"metadata": {"name": f"default{end}"}},
        lambda end: policy([{"deny": {}, "name": f"x{end}"}]),
        lambda end: policy([{"signature": {"by": f"a{end}"}}], signers={f"a{end}": SIGNERS["a"]}),
    ],
    ids=["policy", "namespace", "config", "rule", "signer"],
)
def test_a_name_does_not_end_with_a_line_break(document: Callable[[str], Json], end: str) -> None:
    """Python's `$` holds before a newline at the end: two policies would have one name to whoever reads a report."""
    assert parsed(json.dumps(document(end))).errors
    assert parsed(json.dumps(document(""))).errors == ()


def test_every_pattern_of_the_schema_is_anchored_at_both_ends() -> None:
    def patterns(schema: object) -> Iterator[str]:
        if isinstance(schema, dict):
            if isinstance(schema.get("pattern"), str):
                yield schema["pattern"]
            assert "patternProperties" not in schema  # jsonschema's own, which knows nothing of our `pattern`
            schema = list(schema.values())
        if isinstance(schema, list):
            for inner in schema:
                yield from patterns(inner)

    found = {p for kind in KINDS for p in patterns(schema_of(kind))}
    assert found
    assert [p for p in found if not (p.startswith("^") and p.endswith("$"))] == []
