"""What a policy's trust root is turned into: given ones, repositories kept and shared, what can't be had."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable, UsageError
from gate.policy.trust import SIGSTORE, GivenRoot, MissingRoot, TufRoot
from gate.registry.guard.hosts import Hosts
from gate.roots import Roots
from gate.settings import Settings
from gate.trust.root import TrustedRoot
from gate.trust.sources import Source
from tests.fakes.clock import SettableClock
from tests.fakes.signing_authority import shared_world
from tests.fakes.tuf_repository import PAST, Odd, TufServer, fetching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gate.deadline import Deadline

CONTENT = shared_world().trusted_root()
GIVEN = GivenRoot("acme", TrustedRoot.parse(CONTENT))
URL = "https://tuf.acme.example"
CLOCK = SettableClock()


def refuse(url: str, limit: int, deadline: Deadline) -> tuple[int, bytes]:
    raise AssertionError(url)


@contextmanager
def repository() -> Iterator[tuple[TufServer, TufRoot, Roots]]:
    """A repository that is reached under a name that has TLS."""
    with TufServer(CONTENT) as server, fetching(server.host) as fetch:

        def named(url: str, limit: int, deadline: Deadline) -> tuple[int, bytes]:
            assert url.startswith(URL)
            return fetch(server.url + url.removeprefix(URL), limit, deadline)

        roots = Roots(Settings(cache=False), named, CLOCK.now)
        try:
            yield server, TufRoot("acme", URL, server.pinned), roots
        finally:
            roots.close()


def test_what_is_given_is_given() -> None:
    roots = Roots(Settings(), refuse, CLOCK.now)
    assert roots.current(GIVEN, CLOCK.deadline()) is GIVEN.root
    assert roots.load(GIVEN, CLOCK.deadline()).source is Source.GIVEN
    with pytest.raises(UsageError, match="acme has no repository"):
        roots.update(GIVEN, CLOCK.deadline())


def test_what_is_missing_says_why() -> None:
    roots = Roots(Settings(), refuse, CLOCK.now)
    missing = MissingRoot("acme", "the Secret n can't be read from here")
    with pytest.raises(EvidenceUnavailable, match="trust root acme: the Secret n") as raised:
        roots.current(missing, CLOCK.deadline())
    assert raised.value.code is Code.TRUST_ROOT_UNAVAILABLE


def test_offline_the_shipped_root_serves_and_no_repository() -> None:
    roots = Roots(Settings(Hosts(offline=True)), refuse, CLOCK.now)
    assert roots.load(SIGSTORE, CLOCK.deadline()).source is Source.SHIPPED
    with pytest.raises(EvidenceUnavailable, match=r"GateTrustRoot acme: .*--offline"):
        roots.current(TufRoot("acme", URL, b"{}"), CLOCK.deadline())
    roots.close()


def test_a_file_stands_in_for_the_public_good_root_only(tmp_path: Path) -> None:
    file = tmp_path / "root.json"
    file.write_bytes(CONTENT)
    roots = Roots(replace(Settings(), trusted_root=file), refuse, CLOCK.now)
    assert roots.current(SIGSTORE, CLOCK.deadline()) == GIVEN.root
    other = GivenRoot("other", TrustedRoot.nothing())
    assert roots.current(other, CLOCK.deadline()) == other.root
    # read once: what happens to it later makes no difference
    file.unlink()
    assert roots.current(SIGSTORE, CLOCK.deadline()) == GIVEN.root


def test_a_file_that_went_away_is_no_answer_and_not_the_end(tmp_path: Path) -> None:
    roots = Roots(replace(Settings(), trusted_root=tmp_path / "gone"), refuse, CLOCK.now)
    with pytest.raises(EvidenceUnavailable, match=r"trust root public-good: .*gone") as raised:
        roots.current(SIGSTORE, CLOCK.deadline())
    assert raised.value.code is Code.TRUST_ROOT_UNAVAILABLE


def test_a_repository_is_asked_once_and_shared() -> None:
    with repository() as (server, root, roots):
        assert roots.current(root, CLOCK.deadline()) == GIVEN.root
        asked = len(server.requests)
        assert asked > 0
        # of another policy set, equal
        assert roots.current(replace(root), CLOCK.deadline()) == GIVEN.root
        assert len(server.requests) == asked
        assert roots.load(root, CLOCK.deadline()).source is Source.TUF
        assert roots.notes == {}
        roots.update(root, CLOCK.deadline())
        assert len(server.requests) > asked


def test_a_repository_that_begins_with_other_metadata_is_another() -> None:
    with repository() as (server, root, roots):
        assert roots.current(root, CLOCK.deadline()) == GIVEN.root
        foreign = TufServer(CONTENT, keys="mallory").pinned
        assert foreign != server.pinned
        with pytest.raises(EvidenceUnavailable) as raised:
            roots.current(replace(root, metadata=foreign), CLOCK.deadline())
        assert raised.value.code is Code.TRUST_ROOT_UNAVAILABLE
        with pytest.raises(EvidenceUnavailable, match="GateTrustRoot acme"):
            roots.current(replace(root, metadata=json.dumps({"signed": {"_type": "root"}}).encode()), CLOCK.deadline())


def test_a_repository_whose_metadata_has_expired_serves_nobody() -> None:
    with repository() as (server, root, roots):
        server.expires["timestamp"] = PAST
        server.publish()
        with pytest.raises(EvidenceUnavailable) as raised:
            roots.current(root, CLOCK.deadline())
        assert raised.value.code in (Code.TRUST_ROOT_EXPIRED, Code.TRUST_ROOT_UNAVAILABLE)
        assert "GateTrustRoot acme" in raised.value.message


def test_a_copy_that_serves_is_said_once() -> None:
    clock = SettableClock()
    with TufServer(CONTENT) as server, fetching(server.host) as fetch:

        def named(url: str, limit: int, deadline: Deadline) -> tuple[int, bytes]:
            return fetch(server.url + url.removeprefix(URL), limit, deadline)

        roots = Roots(Settings(cache=False), named, clock.now)
        root = TufRoot("acme", URL, server.pinned)
        assert roots.current(root, clock.deadline()) == GIVEN.root
        for name in server.files:
            server.odd[name] = Odd(status=503)
        clock.advance(25 * 3600)
        for _ in range(3):
            assert roots.current(root, clock.deadline()) == GIVEN.root
        roots.close()
        # why it could not be asked, and then why it was not asked again
        assert len(roots.notes) == 2
        assert all(note.startswith("GateTrustRoot acme: the copy of ") for note in roots.notes)


def test_a_url_that_is_none_is_no_answer() -> None:
    roots = Roots(Settings(cache=False), refuse, CLOCK.now)
    with pytest.raises(EvidenceUnavailable, match=r"trust root acme: .*https"):
        roots.current(TufRoot("acme", "http://tuf.acme.example", b"{}"), CLOCK.deadline())
    roots.close()
