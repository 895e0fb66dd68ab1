from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gate.policy.content import slsa, vsa
from gate.policy.content.document import Unreadable, opened
from gate.policy.content.provenance import Verification

CHECKOUT = Path(__file__).resolve().parents[4]
GENERATOR = "https://github.com/slsa-framework/slsa-github-generator"
BUILDKIT_1 = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
CLOUD_BUILD = "https://cloud.google.com/build/gcb-buildtypes/google-worker/v1"
ATTEST = "https://actions.github.io/buildtypes/workflow/v1"
NPM_1 = "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1"
CONTAINER_1 = "https://slsa.dev/container-based-build/v0.1?draft"
COMMIT = "d37a7f740ee7404914456f24dcd90e865a0509e8"
ON_MAIN = {"uri": "git+https://github.com/acme/api@refs/heads/main", "digest": {"sha1": COMMIT}}
MAIN = ("git+https://github.com/acme/api", "refs/heads/main", COMMIT)
NOTHING = ("", "", "")


def v02(build_type: str, **more: Any) -> dict[str, Any]:
    return {"builder": {"id": "https://builder.example"}, "buildType": build_type, **more}


def v1(build_type: str, external: object = None, dependencies: object = None, **details: Any) -> dict[str, Any]:
    return {
        "buildDefinition": {
            "buildType": build_type,
            "externalParameters": external,
            "resolvedDependencies": dependencies,
        },
        "runDetails": {"builder": {"id": "https://builder.example"}, **details},
    }


@pytest.mark.parametrize(
    ("build_type", "config", "materials", "expected"),
    [
        (f"{GENERATOR}/container@v1", ON_MAIN, None, MAIN),
        (f"{GENERATOR}/generic@v1", ON_MAIN, [], MAIN),
        (f"{GENERATOR}/go@v1", ON_MAIN, [], MAIN),
        (f"{GENERATOR}-go@v1", ON_MAIN, [], MAIN),
        (f"{GENERATOR}/generic@v1", None, [ON_MAIN], NOTHING),
        (f"{GENERATOR}/delegator-generic@v0", {"uri": "git+https://github.com/evil/x"}, [ON_MAIN], MAIN),
        (f"{GENERATOR}/delegator-lowperms-generic@v0", ON_MAIN, [], NOTHING),
        ("https://github.com/npm/cli/gha/v2", ON_MAIN, [], MAIN),
        (
            "https://mobyproject.org/buildkit@v1",
            {"uri": "https://github.com/acme/api.git#refs/tags/v1:sub", "digest": {"sha1": COMMIT}},
            [],
            ("https://github.com/acme/api.git", "refs/tags/v1", COMMIT),
        ),
        ("https://mobyproject.org/buildkit@v1", {"entryPoint": "Dockerfile"}, [ON_MAIN], NOTHING),
        ("https://github.com/gitlabhq/build@v1", ON_MAIN, [ON_MAIN], NOTHING),
        (f"{GENERATOR}/generic@v2", ON_MAIN, [ON_MAIN], NOTHING),
    ],
)
def test_sources_of_v02(build_type: str, config: object, materials: object, expected: tuple[str, str, str]) -> None:
    found = slsa.read_v02(v02(build_type, invocation={"configSource": config}, materials=materials))
    assert (found.source, found.ref, found.revision) == expected


WORKFLOW = {"repository": "https://github.com/acme/api", "ref": "refs/heads/main", "path": ".github/workflows/x.yml"}
AT_COMMIT = {"uri": ON_MAIN["uri"], "digest": {"gitCommit": COMMIT}}
OF_WORKFLOW = ("https://github.com/acme/api", "refs/heads/main", COMMIT)
REPOSITORY = {"repository": "git+https://github.com/acme/api", "ref": "refs/heads/main"}
ELSEWHERE = {"repository": "git+https://github.com/evil/api", "ref": "refs/heads/main"}


@pytest.mark.parametrize(
    ("build_type", "external", "dependencies", "expected"),
    [
        (ATTEST, {"workflow": WORKFLOW}, [AT_COMMIT], OF_WORKFLOW),
        (NPM_1, {"workflow": WORKFLOW}, [AT_COMMIT], OF_WORKFLOW),
        (ATTEST, {"workflow": WORKFLOW}, [], (*OF_WORKFLOW[:2], "")),
        (ATTEST, {"workflow": WORKFLOW}, [AT_COMMIT, {**AT_COMMIT, "digest": {}}], (*OF_WORKFLOW[:2], "")),
        (ATTEST, {"workflow": WORKFLOW}, [{**AT_COMMIT, "uri": "git+https://evil.example/x"}], (*OF_WORKFLOW[:2], "")),
        (CONTAINER_1, {"source": ON_MAIN}, [], MAIN),
        (f"{GENERATOR}/delegator-generic@v0", {"source": {"uri": "git+https://evil.example/x"}}, [ON_MAIN], MAIN),
        (f"{GENERATOR}/delegator-generic@v0", {"source": ON_MAIN}, [], NOTHING),
        (
            BUILDKIT_1,
            {"configSource": {"uri": "https://github.com/acme/api.git#main", "digest": {"sha1": COMMIT}}},
            [],
            ("https://github.com/acme/api.git", "main", COMMIT),
        ),
        (BUILDKIT_1, {"configSource": {"path": "Dockerfile"}, "request": {}}, [ON_MAIN], NOTHING),
        (CLOUD_BUILD, {"buildConfigSource": REPOSITORY}, [AT_COMMIT], MAIN),
        (CLOUD_BUILD, {"buildConfigSource": REPOSITORY, "sourceToBuild": REPOSITORY}, [AT_COMMIT], MAIN),
        (CLOUD_BUILD, {"buildConfigSource": REPOSITORY, "sourceToBuild": {"dir": "x"}}, [AT_COMMIT], MAIN),
        (CLOUD_BUILD, {"buildConfigSource": REPOSITORY, "sourceToBuild": ELSEWHERE}, [AT_COMMIT], NOTHING),
        (CLOUD_BUILD, {"buildConfigSource": {**REPOSITORY, "ref": COMMIT}}, [], (MAIN[0], "", COMMIT)),
        (CLOUD_BUILD, {"buildConfig": {"steps": []}}, [AT_COMMIT], NOTHING),
        ("https://cloud.google.com/build/gcb-buildtypes/google-builder/v1", {"buildConfigSource": {}}, [], NOTHING),
        ("https://example.com/mine", {"workflow": WORKFLOW, "source": ON_MAIN}, [ON_MAIN], NOTHING),
    ],
)
def test_sources_of_v1(build_type: str, external: object, dependencies: object, expected: tuple[str, str, str]) -> None:
    found = slsa.read_v1(v1(build_type, external, dependencies))
    assert (found.source, found.ref, found.revision) == expected


def test_the_rest_of_v02() -> None:
    found = slsa.read_v02(
        v02(
            "https://example.com/mine",
            invocation={"parameters": {"a": {"b": 1, "c": True, "d": None, "e": ["x"]}, "f": "x" * 1001, "g": 1.5}},
            metadata={"buildStartedOn": "2026-11-01T00:00:00Z", "buildFinishedOn": "0001-01-01T00:00:00Z"},
            materials=[{"uri": "pkg:docker/alpine", "digest": {"sha256": "ab", "sha1": "cd"}}, {"digest": {}}],
        )
    )
    assert found.version == "0.2"
    assert (found.builder, found.build_type) == ("https://builder.example", "https://example.com/mine")
    assert found.parameters == {"a.b": "1", "a.c": "true", "g": "1.5"}
    assert found.started == datetime(2026, 11, 1, tzinfo=UTC)
    assert found.finished is None
    assert found.materials == (("pkg:docker/alpine", ("sha1:cd", "sha256:ab")),)


def test_the_rest_of_v1() -> None:
    times = {"startedOn": "2023-08-08T18:40:21.016140505Z", "finishedOn": None}
    found = slsa.read_v1(v1("https://example.com/mine", {"substitutions": {"_X": "1"}}, None, metadata=times))
    assert (found.version, found.parameters, found.materials) == ("1", {"substitutions._X": "1"}, ())
    assert found.started == datetime(2023, 8, 8, 18, 40, 21, 16140, UTC)
    assert found.finished is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"builder": {"id": "x"}},
        v02(""),
        v02("x", builder={"id": ""}),
        v02("x", builder={"id": 1}),
        v02("x", metadata={"buildStartedOn": "yesterday"}),
        v02("x", metadata={"buildFinishedOn": 1}),
        v02("x", materials={"uri": "x"}),
        v02("x", materials=[{"uri": ["x"]}]),
        v02("x", invocation={"parameters": ["x"]}),
        v02("x", invocation={"configSource": "git+https://github.com/acme/api"}),
        v1("x"),
    ],
)
def test_no_provenance_of_v02(value: object) -> None:
    with pytest.raises(Unreadable):
        slsa.read_v02(value)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"buildDefinition": {"buildType": "x"}},
        {"runDetails": {"builder": {"id": "x"}}},
        v1(""),
        v1("x", metadata={"finishedOn": "2026-13-01T00:00:00Z"}),
        v1("x", "parameters"),
        v1(ATTEST, None),
        v1(ATTEST, {"workflow": {"repository": "https://github.com/acme/api"}}),
        v1(ATTEST, {"workflow": {**WORKFLOW, "repository": ["https://github.com/acme/api"]}}),
        v1(CONTAINER_1, {"source": "git+https://github.com/acme/api"}),
        v1(BUILDKIT_1, {}),
        v1(CLOUD_BUILD, {"buildConfigSource": "git+https://github.com/acme/api"}),
        v02(f"{GENERATOR}/generic@v1"),
    ],
)
def test_no_provenance_of_v1(value: object) -> None:
    with pytest.raises(Unreadable):
        slsa.read_v1(value)


@pytest.mark.parametrize("release", ["v1.4.0", "v1.10.0", "v2.0.0"])
def test_real_provenance(release: str) -> None:
    data = Path(os.environ.get("IMAGEGATE_REAL_DATA") or CHECKOUT.parent / "shared" / "testdata")  # noqa: TID251
    folder = data / "slsa-container" / release
    if not folder.is_dir():
        missing = "the real signed images are absent: IMAGEGATE_REAL_DATA names no folder with slsa-container in it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)  # noqa: TID251
    blobs = [path.read_bytes() for path in folder.rglob("blobs/sha256/*")]
    envelope = json.loads(next(blob for blob in blobs if b'"payloadType"' in blob[:200]))
    statement = json.loads(base64.b64decode(envelope["payload"]))
    found = slsa.read_v02(opened(json.dumps(statement["predicate"]).encode()))
    builder = f"{GENERATOR}/.github/workflows/generator_container_slsa3.yml@refs/tags/{release}"
    assert (found.builder, found.build_type) == (builder, f"{GENERATOR}/container@v1")
    assert found.source == "git+https://github.com/slsa-framework/example-package"
    assert found.ref.startswith("refs/")
    assert len(found.revision) == 40


SUMMARY = {
    "verifier": {"id": "https://verifier.example"},
    "timeVerified": "2026-11-01T00:00:00Z",
    "resourceUri": "pkg:oci/api",
    "policy": {"uri": "https://example.com/policy", "digest": {"sha256": "ab"}},
    "verificationResult": "PASSED",
    "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
}


def test_a_summary() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    expected = Verification(
        "pkg:oci/api",
        "https://verifier.example",
        "https://example.com/policy",
        passed=True,
        levels=("SLSA_BUILD_LEVEL_3",),
        at=at,
    )
    assert vsa.read(SUMMARY) == expected
    assert vsa.read({**SUMMARY, "verificationResult": "FAILED"}).passed is False
    assert vsa.read({**SUMMARY, "timeVerified": None, "verifiedLevels": None}).at is None


@pytest.mark.parametrize(
    "change",
    [
        {"verificationResult": "passed"},
        {"verificationResult": True},
        {"verificationResult": "PASSED "},
        {"verifier": {}},
        {"verifier": {"id": ""}},
        {"resourceUri": ""},
        {"policy": None},
        {"verifiedLevels": "SLSA_BUILD_LEVEL_3"},
        {"timeVerified": "soon"},
    ],
)
def test_no_summary(change: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        vsa.read({**SUMMARY, **change})
