from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import Reference
from gate.review.review import TAG_SECONDS
from gate.review.tags import MAX_TAGS, TagsOf
from tests.fakes.signing import alice
from tests.unit.review.build import NAME, TAGGED, World, world

if TYPE_CHECKING:
    from gate.image.reference import Repository

AT_ONCE = 16


def _of(here: World, text: str = TAGGED, seconds: float = 10.0) -> TagsOf:
    return here.reviewer.tags_of(Reference.parse(text), here.digest, here.clock.deadline(seconds))


def _push(here: World, *tags: str, content: str = "other") -> None:
    for tag in tags:
        here.registry.push_image(NAME, tag, content)


def test_the_tags_that_have_the_digest() -> None:
    with world() as here:
        _push(here, "latest", "v1.2", content="v1")
        _push(here, "v2", "edge")
        for text in (TAGGED, here.pinned, f"{NAME}@{here.digest}", f"{NAME}:v2"):
            assert _of(here, text) == TagsOf(("latest", "v1", "v1.2"), {}, (), 5)
        assert _of(here).complete


@pytest.mark.parametrize("referrers_api", [True, False])
def test_what_cosign_attached_is_nobodys_tag(referrers_api: bool) -> None:  # noqa: FBT001
    with world(referrers_api=referrers_api) as here:
        here.registry.sign_legacy(NAME, here.digest, alice())
        here.registry.sign_bundle(NAME, here.digest, alice())
        for end in ("", ".att", ".sbom"):
            here.registry.set_tag(NAME, f"{here.digest.tag}{end}", here.digest)
        assert _of(here) == TagsOf(("v1",), {}, (), 1)
        assert [what for method, _, what in here.registry.log if method == "resolve"] == ["v1"]


@pytest.mark.parametrize("tag", ["sha256-abc", "sha256-abc.sig", f"sha256-{'0' * 64}.tar", f"x-sha256-{'0' * 64}.sig"])
def test_what_only_looks_like_cosigns_is_a_tag(tag: str) -> None:
    with world() as here:
        _push(here, tag, content="v1")
        assert tag in _of(here).tags


def test_a_tag_that_was_just_resolved_is_not_asked_for_again() -> None:
    with world() as here:
        here.reviewer.resolve(Reference.parse(TAGGED), here.clock.deadline())
        assert _of(here).tags == ("v1",)
        assert here.registry.calls["resolve"] == 1
        here.clock.advance(TAG_SECONDS)
        assert _of(here).tags == ("v1",)
        assert here.registry.calls["resolve"] == 2


def test_tags_are_resolved_side_by_side() -> None:
    barrier = threading.Barrier(AT_ONCE)

    def meet(method: str, repository: Repository, what: str) -> None:
        if method == "resolve":
            barrier.wait(10)

    with world() as here:
        _push(here, *(f"t{i}" for i in range(2 * AT_ONCE - 1)))
        here.registry.hook = meet
        assert _of(here) == TagsOf(("v1",), {}, (), 2 * AT_ONCE)


def test_no_more_than_so_many_are_looked_at() -> None:
    with world() as here:
        names = [f"t{i:04}" for i in range(MAX_TAGS + 20)]
        _push(here, *names)
        found = _of(here)
        assert found == TagsOf((), {}, (*names[MAX_TAGS:], "v1"), MAX_TAGS + 21)
        assert not found.complete
        assert here.registry.calls["resolve"] == MAX_TAGS


@pytest.mark.parametrize("code", [Code.IMAGE_NOT_FOUND, Code.REGISTRY_PROTOCOL, Code.REGISTRY_UNREACHABLE])
def test_a_tag_that_fails_leaves_the_others_their_say(code: Code) -> None:
    with world() as here:
        _push(here, *(f"t{i:02}" for i in range(AT_ONCE)))
        here.registry.fail_with("resolve:t03", code)
        found = _of(here)
        assert (found.tags, list(found.failed), found.unseen) == (("v1",), ["t03"], ())
        assert found.failed["t03"].code is code
        assert not found.complete


def test_a_registry_that_wants_to_be_left_alone_is_left_alone() -> None:
    with world() as here:
        names = [f"t{i:03}" for i in range(100)]
        _push(here, *names)
        here.registry.fail_with("resolve:t003", Code.REGISTRY_RATE_LIMITED)
        found = _of(here)
        assert here.registry.calls["resolve"] == AT_ONCE
        assert list(found.failed) == ["t003"]
        assert found.unseen == (*names[AT_ONCE:], "v1")


def test_a_registry_that_hangs_ends_with_the_time() -> None:
    over = threading.Event()

    def hang(method: str, repository: Repository, what: str) -> None:
        if method == "resolve" and what == "t001":
            over.wait(30)

    with world() as here:
        _push(here, *(f"t{i:03}" for i in range(100)))
        here.registry.hook = hang
        found = _of(here, seconds=0.3)
        over.set()
        assert {tag: failure.code for tag, failure in found.failed.items()} == {"t001": Code.DEADLINE_EXCEEDED}
        assert len(found.unseen) == 101 - AT_ONCE


@pytest.mark.parametrize("code", [Code.REGISTRY_UNAUTHORIZED, Code.RESPONSE_TOO_LARGE])
def test_tags_that_cannot_be_listed_are_not_none(code: Code) -> None:
    with world() as here:
        here.registry.fail_with("tags", code)
        with pytest.raises(EvidenceUnavailable) as caught:
            _of(here)
        assert caught.value.code is code
