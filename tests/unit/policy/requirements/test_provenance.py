"""What provenance has to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.policy.build import Json, attested, codes, decide, evidence, policies, policy

if TYPE_CHECKING:
    from gate.evidence.facts import VerifiedAttestation

V1 = "https://slsa.dev/provenance/v1"
V02 = "https://slsa.dev/provenance/v0.2"
WORKFLOW = "https://github.com/acme/api/.github/workflows/release.yml"
BUILD_TYPE = "https://actions.github.io/buildtypes/workflow/v1"


def v1(
    repository: str = "https://github.com/acme/api",
    ref: str = "refs/heads/main",
    builder: str = f"{WORKFLOW}@refs/heads/main",
    **parameters: object,
) -> VerifiedAttestation:
    workflow = {"repository": repository, "ref": ref, "path": ".github/workflows/release.yml"}
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"workflow": workflow, **parameters},
            "resolvedDependencies": [],
        },
        "runDetails": {"builder": {"id": builder}, "metadata": {"finishedOn": "2026-11-01T11:00:00Z"}},
    }
    return attested(V1, predicate)


def v02(uri: str = "git+https://github.com/acme/api@refs/tags/v1.0.0") -> VerifiedAttestation:
    predicate = {
        "builder": {
            "id": "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/"
            "generator_container_slsa3.yml@refs/tags/v2.0.0"
        },
        "buildType": "https://github.com/slsa-framework/slsa-github-generator/container@v1",
        "invocation": {"configSource": {"uri": uri, "digest": {"sha1": "a" * 40}, "entryPoint": "release.yml"}},
        "metadata": {"buildFinishedOn": "2026-11-01T11:00:00Z"},
        "materials": [],
    }
    return attested(V02, predicate)


def of(*attestations: VerifiedAttestation, **spec: object) -> list[str]:
    found = policies(policy([{"provenance": {"by": "a", **spec}}]))
    return [code for code, _ in codes(decide(found, facts=evidence(attestations=attestations)))]


def test_provenance_has_to_be_there() -> None:
    assert of() == ["ATTESTATION_MISSING"]
    assert of(v1()) == []
    assert of(v02()) == []


@pytest.mark.parametrize(
    ("builder", "code"),
    [
        (f"{WORKFLOW}@**", None),
        (f"{WORKFLOW}@refs/heads/main", None),
        (f"{WORKFLOW}@refs/tags/*", "BUILDER_MISMATCH"),
        (f"{WORKFLOW}@*", "BUILDER_MISMATCH"),  # `*` stops at a slash
        (WORKFLOW, "BUILDER_MISMATCH"),
        ("https://github.com/acme/*/.github/workflows/release.yml@**", None),
    ],
)
def test_the_builder_is_a_pattern_from_end_to_end(builder: str, code: str | None) -> None:
    assert of(v1(), builder=builder) == ([code] if code else [])


@pytest.mark.parametrize(
    ("repository", "matches"),
    [
        ("https://github.com/acme/api", True),
        ("https://github.com/acme/api.git", True),
        ("git+https://github.com/acme/api", True),
        ("https://GitHub.com/acme/api", True),
        ("https://github.com/acme/api-evil", False),
        ("https://github.com/acme", False),
        ("https://github.com.evil.example/acme/api", False),
        ("https://github.com/acme/api@evil.example/x", False),
        ("https://evil.example/github.com/acme/api", False),
        ("https://github.com/acme/api/../../evil/api", False),
        ("https://github.com/acme/%61pi", False),
        ("", False),
    ],
)
def test_the_source_is_compared_exactly(repository: str, *, matches: bool) -> None:
    assert of(v1(repository), source="github.com/acme/api") == ([] if matches else ["SOURCE_MISMATCH"])


def test_refs_build_types_and_parameters() -> None:
    assert of(v1(), refs=["refs/heads/main", "refs/tags/v*"]) == []
    assert of(v1(ref="refs/heads/dev"), refs=["refs/heads/main"]) == ["SOURCE_MISMATCH"]
    assert of(v02(), source="github.com/acme/api", refs=["refs/tags/v*"]) == []
    assert of(v1(), buildType=BUILD_TYPE) == []
    assert of(v02(), buildType=BUILD_TYPE) == ["BUILD_TYPE_MISMATCH"]
    assert of(v1(), parameters={"workflow.path": ".github/workflows/*.yml"}) == []
    assert of(v1(), parameters={"workflow.path": "other"}) == ["BUILD_TYPE_MISMATCH"]
    assert of(v1(), parameters={"debug": "false"}) == ["BUILD_TYPE_MISMATCH"]  # what is not stated is not so
    assert of(v1(inputs={"debug": "false"}), parameters={"inputs.debug": "false"}) == []


def test_all_of_it_has_to_pass() -> None:
    """Another build of the same digest, by another workflow, is no way around."""
    assert of(v1(), v1("https://github.com/evil/api"), source="github.com/acme/api") == ["SOURCE_MISMATCH"]


def test_a_build_type_that_says_nothing_of_its_source_has_none() -> None:
    predicate: Json = {
        "buildDefinition": {
            "buildType": "https://acme.example/build",
            "externalParameters": {"workflow": {"repository": "https://github.com/acme/api"}},
        },
        "runDetails": {"builder": {"id": "https://acme.example/builder"}},
    }
    assert of(attested(V1, predicate), source="github.com/acme/api") == ["SOURCE_MISMATCH"]


@pytest.mark.parametrize(
    "predicate",
    [None, [], {}, "x", {"buildDefinition": {}}, {"buildDefinition": {"buildType": 1}, "runDetails": {}}],
)
def test_what_is_no_provenance_is_unreadable(predicate: object) -> None:
    assert of(attested(V1, predicate)) == ["PREDICATE_UNREADABLE"]
    assert of(attested(V02, predicate)) == ["PREDICATE_UNREADABLE"]
