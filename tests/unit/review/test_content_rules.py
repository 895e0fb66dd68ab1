"""Rules on content from a registry to a verdict: scan, sbom, provenance, VEX and base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gate.codes import Code
from gate.image.manifest import Platform
from gate.policy.content import read as reading
from gate.policy.plan import Stage
from gate.review.review import Reviewer, Subject
from tests.fakes.reports import openvex
from tests.unit.policy.build import policies, policy
from tests.unit.review import content_denials as content
from tests.unit.review.content_denials import BASES, LOG4J, SLSA, VULN, component, finding, listed, made, scanned
from tests.unit.review.scene import CI, DAY, NAME, SBOM, TAGGED, Scene, based_on, built, workflow

if TYPE_CHECKING:
    from gate.image.digest import Digest
    from gate.policy.policy_set import PolicySet
    from gate.review.review import ImageReview
    from tests.unit.review.scene import Json

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
VEX = "https://openvex.dev/ns"
OTHERS: Json = {"security": {"github": {"workflow": "acme/api/.github/workflows/vex.yml", "refs": ["refs/heads/main"]}}}
DENIED = [("VULNERABILITY_DENIED", "deny")]


def codes(review: ImageReview) -> list[tuple[str, str]]:
    found = review.decision.findings
    return [(str(f.code), str(f.verdict)) for f in found if f.code is not Code.PINNED_AT_ADMISSION]


def rule(kind: str, **fields: object) -> PolicySet:
    return policies(policy([{kind: fields}], name="acme-prod", signers={**CI, **OTHERS}))


def written(scene: Scene) -> str:
    return f"{scene.clock.now() - DAY:%Y-%m-%dT%H:%M:%SZ}"


def test_a_scan() -> None:
    assert codes(content.scan(finding(severity="LOW"))) == []
    assert codes(content.scan(finding())) == DENIED


def test_an_sbom() -> None:
    wanted: Json = {"denyComponents": [f"{LOG4J}@<2.17.1"], "denyLicenses": ["GPL-*"]}
    assert codes(content.sbom(component(version="2.17.1"), **wanted)) == []
    found = content.sbom(component(), component("x", licence="GPL-3.0-only"), **wanted)
    assert codes(found) == [("COMPONENT_DENIED", "deny"), ("LICENSE_DENIED", "deny")]


def test_provenance() -> None:
    wanted: Json = {
        "builder": "https://github.com/acme/api/.github/workflows/release.yml@**",
        "source": "github.com/acme/api",
        "refs": ["refs/heads/main"],
    }
    assert codes(content.provenance(made(), **wanted)) == []
    found = content.provenance(made("https://builder.example", ref="refs/heads/dev"), **wanted)
    assert codes(found) == [("BUILDER_MISMATCH", "deny"), ("SOURCE_MISMATCH", "deny")]


def said_of(image: Digest, status: str = "not_affected") -> Json:
    """An OpenVEX document about Log4Shell in an image."""
    return openvex(
        {
            "vulnerability": {"name": "CVE-2021-44228"},
            "products": [{"@id": f"pkg:oci/api@{str(image).replace(':', '%3A')}"}],
            "status": status,
            "justification": "vulnerable_code_not_in_execute_path",
        },
        timestamp="2026-10-31T12:00:00Z",
    )


def vexed(scene: Scene, said: Json, file: str = "vex.yml", **vex: object) -> list[tuple[str, str]]:
    scene.attest(VULN, scanned(finding(), at=written(scene)), age=DAY)
    scene.attest(VEX, said, age=DAY, signer=workflow(file))
    deny = [{"severity": "critical"}]
    return codes(scene.judge(rule("scan", by="ci", maxAge="7d", deny=deny, vex={"by": "security", **vex})))


def test_a_word_of_somebody_who_may_speak_removes_a_finding() -> None:
    scene = Scene()
    assert vexed(scene, said_of(scene.digest), maxAge="2d") == []


@pytest.mark.parametrize(
    ("image", "status", "file", "vex"),
    [
        ("another", "not_affected", "vex.yml", {}),
        ("this", "affected", "vex.yml", {}),
        ("this", "not_affected", "build.yml", {}),
        ("this", "not_affected", "vex.yml", {"maxAge": "12h"}),
    ],
)
def test_a_word_that_does_not_count(image: str, status: str, file: str, vex: Json) -> None:
    scene = Scene()
    about = scene.digest if image == "this" else scene.registry.push_image(NAME, None, "another")
    assert vexed(scene, said_of(about, status), file, **vex) == DENIED


def on_bases(arm64: list[str]) -> ImageReview:
    """An image for two platforms, that for amd64 built on an allowed base; both say that they are."""
    scene = Scene()
    bases = [(built(scene.registry, f"{BASES}/debian", None, [f"debian {p}"], None, p), p) for p in (AMD64, ARM64)]
    base = scene.registry.repository(f"{BASES}/debian").index("12", bases)
    labels = based_on(f"{BASES}/debian:12", base)
    layers = {AMD64: ["debian linux/amd64", "api"], ARM64: arm64}
    images = [
        (built(scene.registry, NAME, None, some, labels, platform), platform) for platform, some in layers.items()
    ]
    scene.registry.repository(NAME).index("v1.4.2", images)
    return scene.judge(rule("base", images=[f"{BASES}/**"]))


def test_every_platform_is_built_on_a_base_of_its_own() -> None:
    assert codes(on_bases(["debian linux/arm64", "api"])) == []


@pytest.mark.parametrize("lie", [["alpine", "api"], ["debian linux/amd64", "api"], ["api", "debian linux/arm64"]])
def test_one_platform_that_lies_about_its_base(lie: list[str]) -> None:
    review = on_bases(lie)
    assert codes(review) == [("BASE_NOT_ALLOWED", "deny")]
    assert review.decision.findings[0].message.startswith("linux/arm64: its layers do not begin with those of ")


@pytest.mark.parametrize("signed", [True, False])
def test_a_base_that_has_to_be_signed(*, signed: bool) -> None:
    scene = Scene()
    base = built(scene.registry, f"{BASES}/debian", "12", ["debian"])
    scene.digest = built(scene.registry, NAME, "v1.4.2", ["debian", "api"], based_on(f"{BASES}/debian:12", base))
    if signed:
        scene.keyless(image=(f"{BASES}/debian", base))
    else:
        scene.keyless()  # that the image itself is signed is not enough
    found = codes(scene.judge(rule("base", images=[f"{BASES}/**"], by="ci")))
    assert found == ([] if signed else [("SIGNATURE_MISSING", "deny")])


ALL: list[Json] = [
    {"scan": {"by": "ci", "maxAge": "7d", "deny": [{"severity": "critical"}]}},
    {"sbom": {"by": "ci", "denyLicenses": ["GPL-*"]}},
    {"provenance": {"by": "ci", "source": "github.com/acme/api"}},
]


def attested() -> Scene:
    scene = Scene()
    scene.attest(VULN, scanned(at=written(scene)), age=DAY)
    scene.attest(SBOM, listed(component()), age=DAY)
    scene.attest(SLSA, made(), age=DAY)
    return scene


def reads(monkeypatch: pytest.MonkeyPatch, then: Any = lambda: None) -> list[str]:
    """The predicate types that are read from now on; `then` is called after each."""
    seen: list[str] = []
    real = reading.read

    def read(kind: Any, predicate_type: str, statement: bytes) -> Any:
        seen.append(predicate_type)
        found = real(kind, predicate_type, statement)
        then()
        return found

    monkeypatch.setattr(reading, "read", read)
    return seen


def test_what_was_read_is_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, seen = attested(), reads(monkeypatch)
    found = policies(policy(ALL, name="acme-prod", signers=CI))
    reviewer = Reviewer(scene.registry, scene.roots, scene.clock.monotonic, scene.clock.now, jobs=1)

    def review() -> ImageReview:
        (one,) = reviewer.review(found, [Subject(TAGGED)], Stage.CHECK, scene.clock.deadline())
        return one

    try:
        first = review()
        assert seen.count(SBOM) == 2  # it may be an SBOM, and a scan
        assert len(seen) == 4
        calls = scene.registry.calls.total()
        again = review()
        assert (len(seen), scene.registry.calls.total(), again.spent.requests) == (4, calls, 0)
        scene.clock.advance(3600)  # listings are asked for again; what the same bytes say is not read again
        later = review()
        assert (len(seen), scene.registry.calls.total() > calls) == (4, True)
    finally:
        reviewer.close()
    assert codes(first) == codes(again) == codes(later) == []


def test_time_that_runs_out_while_documents_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = attested()
    seen = reads(monkeypatch, lambda: scene.clock.advance(60))
    review = scene.judge(policies(policy(ALL, name="acme-prod", signers=CI)))
    assert len(seen) == 1
    assert codes(review) == [("DEADLINE_EXCEEDED", "error")] * 3  # the SBOM might have been a scan, too


@pytest.mark.parametrize(
    ("select", "found", "verdict"),
    [
        ("newest", (), [("DEADLINE_EXCEEDED", "error")]),
        ("all", (), [("DEADLINE_EXCEEDED", "error")]),
        ("any", (), []),  # that which was read suffices
        ("any", (finding(),), [("DEADLINE_EXCEEDED", "error"), *DENIED]),
    ],
)
def test_a_scan_that_was_not_read_in_time(
    select: str, found: tuple[Json, ...], verdict: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    for age in (DAY / 12, DAY / 24):
        at = f"{scene.clock.now() - age:%Y-%m-%dT%H:%M:%SZ}"
        scene.attest(VULN, scanned(*found, at=at), age=age)
    seen = reads(monkeypatch, lambda: scene.clock.advance(60))
    review = scene.judge(rule("scan", by="ci", maxAge="7d", deny=[{"severity": "critical"}], select=select))
    assert (len(seen), sorted(codes(review))) == (1, verdict)
