"""What an `image` rule asks of what the publisher says: `maxAge`, `platforms`, `labels`, `nonRoot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.image.config import ImageConfig
from gate.image.digest import Digest
from gate.image.manifest import Platform
from gate.image.platforms import ConfigsWanted, PlatformImage
from gate.image.reference import Reference
from gate.policy.finding import Reason
from gate.policy.matching import Workload
from gate.policy.plan import Stage, plan
from tests.fakes.clock import START
from tests.unit.policy.build import PINNED, TAGGED, Json, codes, decide, policies, policy, waiver

if TYPE_CHECKING:
    from gate.policy.decision import Decision

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
SOURCE = "org.opencontainers.image.source"
LABELS = {"team": "payments", SOURCE: "https://github.com/acme/api"}


def image(
    platform: Platform | None = AMD64,
    *,
    created: str = "2026-10-20T00:00:00Z",
    user: str = "65532",
    labels: dict[str, str] = LABELS,
) -> PlatformImage:
    config = ImageConfig(created, platform or AMD64, user, labels)
    return PlatformImage(Digest.of(repr((platform, created, user, labels)).encode()), platform, config)


def judged(rule: Json, *images: PlatformImage, text: str = PINNED, mode: str = "enforce") -> Decision:
    return decide(policies(policy([{"image": rule}], mode=mode)), text, platforms=images)


def said(decision: Decision) -> list[str]:
    return [f"{f.code}: {f.message}" for f in decision.findings if f.code != Code.PINNED_AT_ADMISSION]


@pytest.mark.parametrize(
    ("created", "reasons"),
    [
        ("2026-10-20T00:00:00Z", []),
        ("2026-10-02T12:00:00Z", []),  # thirty days to the second
        (
            "2026-10-02T11:59:59.999999999Z",
            ["IMAGE_TOO_OLD: created 2026-10-02T11:59:59Z, 30d ago; may be 30d old at most"],
        ),
        ("2026-11-01T12:05:00+00:00", []),  # clocks differ a bit
        ("2026-11-01T12:05:01Z", ["IMAGE_TOO_OLD: says it was created 2026-11-01T12:05:01Z, which has not been yet"]),
        ("", ["IMAGE_TOO_OLD: does not say when it was created"]),
        *(
            (no_time, [f"IMAGE_TOO_OLD: does not say when it was created: {no_time} stands for no time"])
            for no_time in ("0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z")
        ),
        ("yesterday", ["IMAGE_TOO_OLD: says it was created 'yesterday', no instant"]),
        (
            "0001-01-01T00:00:00+14:00",
            ["IMAGE_TOO_OLD: says it was created '0001-01-01T00:00:00+14:00', no instant"],
        ),
    ],
)
def test_how_old_it_may_be(created: str, reasons: list[str]) -> None:
    assert said(judged({"maxAge": "30d"}, image(created=created))) == reasons


def test_a_date_of_the_epoch_is_old_and_nothing_else() -> None:
    # what reproducible builds write
    (reason,) = said(judged({"maxAge": "90d"}, image(created="1970-01-01T00:00:00Z")))
    assert reason.startswith("IMAGE_TOO_OLD: created 1970-01-01T00:00:00Z, ")


@pytest.mark.parametrize(
    ("labels", "reasons"),
    [
        ({"team": "payments"}, []),
        ({"team": "pay*"}, []),
        ({"team": "*"}, []),
        ({SOURCE: "https://github.com/acme/*"}, []),
        ({"team": "pay"}, ["LABEL_MISSING: label team is 'payments'; needs pay"]),
        (
            {SOURCE: "https://github.com/*"},  # a star stops at the slash
            [f"LABEL_MISSING: label {SOURCE} is 'https://github.com/acme/api'; needs https://github.com/*"],
        ),
        ({SOURCE: "https://github.com/**"}, []),
        (
            {"b": "*", "a": "*"},
            ["LABEL_MISSING: has no label a", "LABEL_MISSING: has no label b"],
        ),
    ],
)
def test_the_labels_it_has_to_have(labels: dict[str, str], reasons: list[str]) -> None:
    assert said(judged({"labels": labels}, image())) == reasons


@pytest.mark.parametrize(
    ("user", "reasons"),
    [
        ("65532", []),
        ("1", []),
        ("app", []),
        ("app:root", []),
        ("1000:0", []),
        ("", ["RUNS_AS_ROOT: names no user, and so runs as root"]),
        (":1000", ["RUNS_AS_ROOT: names no user, and so runs as root"]),
        ("root", ["RUNS_AS_ROOT: runs as root"]),
        ("root:app", ["RUNS_AS_ROOT: runs as root:app"]),
        ("0", ["RUNS_AS_ROOT: runs as root (user 0)"]),
        ("-5", ["RUNS_AS_ROOT: runs as user -5, which runtimes may take for root"]),
    ],
)
def test_who_it_runs_as(user: str, reasons: list[str]) -> None:
    assert said(judged({"nonRoot": True}, image(user=user))) == reasons
    assert said(judged({"nonRoot": False, "labels": {"team": "*"}}, image(user=user))) == []


def test_every_platform_has_to_be_there() -> None:
    rule: Json = {"platforms": ["linux/amd64", "linux/arm64", "linux/s390x"]}
    assert said(judged(rule, image(AMD64), image(Platform("linux", "arm64", "v8")))) == [
        "PLATFORM_MISSING: not built for linux/s390x; built for linux/amd64, linux/arm64/v8"
    ]
    assert said(judged(rule)) == [
        "PLATFORM_MISSING: not built for linux/amd64, linux/arm64, linux/s390x; built for nothing named"
    ]


def test_the_rest_is_asked_of_every_platform() -> None:
    rule: Json = {"nonRoot": True, "labels": {"team": "*"}}
    good, bad = image(AMD64), image(ARM64, user="0", labels={})
    assert said(judged(rule, good)) == []
    assert said(judged(rule, good, bad)) == [
        "LABEL_MISSING: on linux/arm64: has no label team",
        "RUNS_AS_ROOT: on linux/arm64: runs as root (user 0)",
    ]
    assert said(judged(rule, bad, image(AMD64, user="0", labels={}))) == [
        "LABEL_MISSING: has no label team",
        "RUNS_AS_ROOT: runs as root (user 0)",
    ]


def test_or_of_those_that_are_named() -> None:
    good, bad = image(AMD64), PlatformImage(Digest.of(b"arm"), ARM64)  # nobody has read its configuration
    assert said(judged({"nonRoot": True, "platforms": ["linux/amd64"]}, good, bad)) == []
    unnamed = image(None, user="0")  # whatever has no platform may be any
    assert said(judged({"nonRoot": True, "platforms": ["linux/amd64"]}, good, unnamed)) == [
        f"RUNS_AS_ROOT: on {unnamed.digest.short}: runs as root (user 0)"
    ]


def test_an_index_of_nothing_that_runs_is_denied() -> None:
    assert said(judged({"nonRoot": True})) == ["PLATFORM_MISSING: its index has no image that could run"]


def test_what_nobody_has_read_is_an_error() -> None:
    assert codes(judged({"nonRoot": True}, PlatformImage(Digest.of(b"x"), AMD64))) == [("INTERNAL", "error")]
    assert codes(decide(policies(policy([{"image": {"maxAge": "1d"}}])), PINNED)) == [("INTERNAL", "error")]


def test_what_could_not_be_read_is_an_error_of_its_code() -> None:
    reason = Reason(Code.REGISTRY_TIMEOUT, "ghcr.io did not answer", "retry")
    found = policies(policy([{"image": {"nonRoot": True}}, {"signature": {"by": "a"}, "name": "signed"}]))
    decision = decide(found, PINNED, platforms=reason)
    assert [(f.code, f.verdict, f.rule) for f in decision.findings] == [
        ("SIGNATURE_MISSING", "deny", "signed"),
        ("REGISTRY_TIMEOUT", "error", "image"),
    ]


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ([{"nonRoot": True}], ConfigsWanted(None)),
        ([{"platforms": ["linux/amd64"]}], ConfigsWanted()),
        ([{"platforms": ["linux/amd64"], "nonRoot": True}], ConfigsWanted(frozenset({AMD64}))),
        ([{"platforms": ["linux/amd64"], "nonRoot": True}, {"labels": {"a": "*"}}], ConfigsWanted(None)),
        (
            [{"platforms": ["linux/amd64"], "nonRoot": True}, {"platforms": ["linux/arm64"], "maxAge": "1d"}],
            ConfigsWanted(frozenset({AMD64, ARM64})),
        ),
        ([{"denyTags": []}], None),
        ([{"nonRoot": False, "labels": {}}], None),
    ],
)
def test_only_what_rules_need_is_wanted(rules: list[Json], wanted: ConfigsWanted | None) -> None:
    named = [{"image": rule, "name": f"r{i}"} for i, rule in enumerate(rules)]
    planned = plan(policies(policy(named)), Reference.parse(TAGGED), Workload(), Stage.VALIDATE, START)
    assert planned.configs == wanted


def test_it_needs_the_digest_and_so_pins() -> None:
    found = policies(policy([{"image": {"nonRoot": True}}]))
    planned = plan(found, Reference.parse(TAGGED), Workload("Deployment"), Stage.CHECK, START)
    assert planned.digest_wanted
    assert planned.pins
    at_mutate = plan(found, Reference.parse(TAGGED), Workload("Pod"), Stage.MUTATE, START)
    assert at_mutate.configs is None  # there it is judged as written


def test_an_exception_waives_it() -> None:
    found = policies(policy([{"image": {"nonRoot": True}}], exceptions=[waiver("image")]))
    decision = decide(found, PINNED, platforms=(image(user="0"),))
    assert codes(decision) == [("EXCEPTION_USED", "allow")]
