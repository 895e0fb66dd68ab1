"""Mirrors: who is asked for what, in which order, and what becomes of those that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import Repository
from gate.registry.guard.hosts import Hosts, Mirror
from gate.registry.mirrors import MirroredRegistry
from tests.fakes.clock import SettableClock
from tests.fakes.registry_simulator import RegistrySimulator

if TYPE_CHECKING:
    from gate.image.digest import Digest

ORIGIN = Repository("docker.io", "library/nginx")
PLAIN = Mirror("mirror.test", "hub")
TRUSTED = Mirror("harbor.test", "dockerhub", authoritative=True)
AT_PLAIN = PLAIN.of(ORIGIN)
AT_TRUSTED = TRUSTED.of(ORIGIN)


class World:
    """Three places, each with the same image unless a test says otherwise."""

    def __init__(self, *mirrors: Mirror) -> None:
        self.registry = RegistrySimulator()
        self.clock = SettableClock()
        self.mirrored = MirroredRegistry(self.registry, {"docker.io": mirrors}, self.clock.monotonic)
        self.digests = {place: self.put(place, "v1", "one") for place in (ORIGIN, AT_PLAIN, AT_TRUSTED)}
        self.failing: dict[str, Code] = {}
        self.slow: dict[Repository, Code] = {}
        self.registry.hook = self._fail

    def put(self, place: Repository, tag: str, content: str) -> Digest:
        return self.registry.repository(place).image(tag, content)

    def _fail(self, _method: str, repository: Repository, _what: str) -> None:
        host = repository.registry
        if code := self.failing.get(host) or self.slow.get(repository):
            raise EvidenceUnavailable(code, f"{host} is away", remedy=f"see to {host}")

    @property
    def asked(self) -> list[str]:
        """Who was asked since the last look."""
        found = [repository.registry for method, repository, _ in self.registry.log if method != "scope"]
        self.registry.log.clear()
        return found

    @property
    def digest(self) -> Digest:
        return self.digests[ORIGIN]


def test_by_digest_mirrors_come_first_in_their_order() -> None:
    here = World(PLAIN, TRUSTED)
    assert here.mirrored.manifest(ORIGIN, here.digest, here.clock.deadline()) is not None
    assert here.asked == ["mirror.test"]
    here = World(TRUSTED, PLAIN)
    assert here.mirrored.manifest(ORIGIN, here.digest, here.clock.deadline()) is not None
    assert here.asked == ["harbor.test"]


def test_tags_and_listings_come_from_the_origin() -> None:
    here = World(PLAIN)
    moved = here.put(AT_PLAIN, "v1", "another")
    assert here.mirrored.resolve(ORIGIN, "v1", here.clock.deadline()) == here.digest != moved
    found = here.mirrored.manifest(ORIGIN, "v1", here.clock.deadline())
    assert found is not None
    assert found.digest == here.digest
    assert here.mirrored.referrers(ORIGIN, here.digest, here.clock.deadline()) == ()
    assert here.mirrored.tags(ORIGIN, here.clock.deadline()) == ("v1",)
    assert set(here.asked) == {"docker.io"}


def test_unless_a_mirror_is_called_authoritative() -> None:
    here = World(PLAIN, TRUSTED)
    moved = here.put(AT_TRUSTED, "v1", "another")
    assert here.mirrored.resolve(ORIGIN, "v1", here.clock.deadline()) == moved
    here.mirrored.referrers(ORIGIN, moved, here.clock.deadline())
    here.mirrored.tags(ORIGIN, here.clock.deadline())
    assert set(here.asked) == {"harbor.test"}
    # that it has no such tag is its word: `.sig` tags are asked for so
    assert here.mirrored.manifest(ORIGIN, f"{moved.tag}.sig", here.clock.deadline()) is None
    assert set(here.asked) == {"harbor.test"}


def test_a_tag_that_an_authoritative_mirror_does_not_have_is_not_there() -> None:
    """A signature's tag is asked for in the same way: who has one of them has the other."""
    here = World(TRUSTED)
    here.put(ORIGIN, "v2", "only at the origin")
    with pytest.raises(EvidenceUnavailable, match=r"harbor\.test/dockerhub/library/nginx") as raised:
        here.mirrored.resolve(ORIGIN, "v2", here.clock.deadline())
    assert raised.value.code is Code.IMAGE_NOT_FOUND
    assert set(here.asked) == {"harbor.test"}
    # one that is away says nothing
    here.failing = {"harbor.test": Code.REGISTRY_UNREACHABLE}
    here.mirrored.resolve(ORIGIN, "v2", here.clock.deadline())


def test_what_a_mirror_does_not_have_the_origin_may() -> None:
    here = World(PLAIN)
    only = here.put(ORIGIN, "v2", "only here")
    stored = here.mirrored.manifest(ORIGIN, only, here.clock.deadline())
    assert stored is not None
    assert here.asked == ["mirror.test", "docker.io"]
    config = stored.manifest.config  # type: ignore[union-attr]
    assert here.mirrored.blob(ORIGIN, config, 1000, here.clock.deadline()).read()
    assert here.asked == ["mirror.test", "docker.io"]
    # to have not had one thing is no reason to be left alone
    assert here.mirrored.manifest(ORIGIN, here.digest, here.clock.deadline()) is not None
    assert here.asked == ["mirror.test"]


@pytest.mark.parametrize("code", [Code.REGISTRY_UNREACHABLE, Code.REGISTRY_TIMEOUT])
def test_a_mirror_that_is_away_is_left_alone_for_a_while(code: Code) -> None:
    here = World(PLAIN)
    here.failing["mirror.test"] = code
    for expected in (["mirror.test", "docker.io"], ["docker.io"]):
        assert here.mirrored.manifest(ORIGIN, here.digest, here.clock.deadline()) is not None
        assert here.asked == expected
    here.failing.clear()
    here.clock.advance(30)
    assert here.mirrored.manifest(ORIGIN, here.digest, here.clock.deadline()) is not None
    assert here.asked == ["mirror.test"]


@pytest.mark.parametrize(
    "code", [Code.REGISTRY_UNAUTHORIZED, Code.REGISTRY_PROTOCOL, Code.RESPONSE_TOO_LARGE, Code.REGISTRY_RATE_LIMITED]
)
def test_any_failure_of_a_mirror_leaves_the_origin_its_say(code: Code) -> None:
    here = World(PLAIN, TRUSTED)
    here.failing |= {"mirror.test": code, "harbor.test": code}
    assert here.mirrored.manifest(ORIGIN, here.digest, here.clock.deadline()) is not None
    assert here.mirrored.resolve(ORIGIN, "v1", here.clock.deadline()) == here.digest
    assert here.asked == ["mirror.test", "harbor.test", "docker.io", "harbor.test", "docker.io"]


@pytest.mark.parametrize("mirrors", [Code.REGISTRY_TIMEOUT, Code.REGISTRY_UNAUTHORIZED])
@pytest.mark.parametrize("origins", [Code.REGISTRY_RATE_LIMITED, Code.REGISTRY_UNREACHABLE, Code.REGISTRY_UNAUTHORIZED])
def test_where_all_fail_the_code_is_the_origins_and_all_are_told(mirrors: Code, origins: Code) -> None:
    here = World(PLAIN)
    here.failing |= {"mirror.test": mirrors, "docker.io": origins}
    with pytest.raises(EvidenceUnavailable) as raised:
        here.mirrored.manifest(ORIGIN, here.digest, here.clock.deadline())
    told = raised.value
    assert (told.code, told.message) == (origins, "docker.io is away; of its mirrors: mirror.test is away")
    assert told.remedy == "see to mirror.test, or see to docker.io"


def test_that_a_mirror_does_not_have_it_is_no_word_on_why_the_origin_fails() -> None:
    here = World(PLAIN)
    here.failing["docker.io"] = Code.REGISTRY_TIMEOUT
    other = here.put(ORIGIN, "v2", "only here")
    with pytest.raises(EvidenceUnavailable, match=r"^docker\.io is away; see to docker\.io$"):
        here.mirrored.manifest(ORIGIN, other, here.clock.deadline())


@pytest.mark.parametrize("code", [Code.REGISTRY_UNREACHABLE, Code.REGISTRY_TIMEOUT, Code.DEADLINE_EXCEEDED])
def test_a_repository_that_hangs_at_a_mirror_takes_it_from_no_other(code: Code) -> None:
    here = World(TRUSTED)
    here.failing["docker.io"] = Code.REGISTRY_UNREACHABLE  # an air gap
    slow = Repository("docker.io", "evil/slow")
    here.slow[TRUSTED.of(slow)] = code
    for _ in range(3):
        with pytest.raises(EvidenceUnavailable):
            here.mirrored.resolve(slow, "v1", here.clock.deadline())
        here.asked  # noqa: B018 - forgotten
        assert here.mirrored.resolve(ORIGIN, "v1", here.clock.deadline()) == here.digest
        assert here.asked == ["harbor.test"]


def test_a_mirror_that_was_left_alone_is_asked_where_the_origin_cannot_be() -> None:
    here = World(TRUSTED)
    here.failing["harbor.test"] = Code.REGISTRY_TIMEOUT
    assert here.mirrored.resolve(ORIGIN, "v1", here.clock.deadline()) == here.digest
    assert here.asked == ["harbor.test", "docker.io"]
    here.failing = {"docker.io": Code.REGISTRY_UNREACHABLE}
    assert here.mirrored.resolve(ORIGIN, "v1", here.clock.deadline()) == here.digest
    assert here.asked == ["docker.io", "harbor.test"]
    # it is back, and comes first again
    assert here.mirrored.resolve(ORIGIN, "v1", here.clock.deadline()) == here.digest
    assert here.asked == ["harbor.test"]


def test_an_origin_that_refuses_is_no_reason_to_ask_one_that_was_left_alone() -> None:
    here = World(TRUSTED)
    here.failing["harbor.test"] = Code.REGISTRY_TIMEOUT
    assert here.mirrored.resolve(ORIGIN, "v1", here.clock.deadline()) == here.digest
    here.failing = {"docker.io": Code.REGISTRY_UNAUTHORIZED}
    here.asked  # noqa: B018 - forgotten
    with pytest.raises(EvidenceUnavailable):
        here.mirrored.resolve(ORIGIN, "v1", here.clock.deadline())
    assert here.asked == ["docker.io"]


def test_a_slow_mirror_leaves_the_origin_time() -> None:
    here = World(PLAIN)
    given: list[float] = []
    inner = here.registry.manifest

    def manifest(repository: Repository, target: object, deadline: object, limit: int) -> object:
        given.append(deadline.remaining())  # type: ignore[attr-defined]
        return inner(repository, target, deadline, limit)  # type: ignore[arg-type]

    here.registry.manifest = manifest  # type: ignore[method-assign,assignment]
    here.failing["mirror.test"] = Code.REGISTRY_TIMEOUT
    assert here.mirrored.manifest(ORIGIN, here.digest, here.clock.deadline()) is not None
    first, second = given
    assert first <= second / 2


def test_registries_without_mirrors_are_asked_themselves() -> None:
    here = World(PLAIN)
    other = Repository("quay.io", "acme/api")
    digest = here.put(other, "v1", "other")
    assert here.mirrored.resolve(other, "v1", here.clock.deadline()) == digest
    assert here.asked == ["quay.io"]


def test_the_scope_is_of_every_place_that_may_answer() -> None:
    here = World(PLAIN)
    alone = here.mirrored.scope(ORIGIN, here.clock.deadline())
    here.registry.scopes[AT_PLAIN] = "alice"
    by_alice = here.mirrored.scope(ORIGIN, here.clock.deadline())
    here.registry.scopes[ORIGIN] = "bob"
    assert len({alone, by_alice, here.mirrored.scope(ORIGIN, here.clock.deadline())}) == 3
    assert here.mirrored.known_scope(ORIGIN) == here.mirrored.scope(ORIGIN, here.clock.deadline())
    here.registry.unknown_scopes.add(AT_PLAIN)
    assert here.mirrored.known_scope(ORIGIN) is None


# names


@pytest.mark.parametrize(
    ("named", "judged"),
    [
        (ORIGIN, ORIGIN),
        (AT_PLAIN, ORIGIN),
        (AT_TRUSTED, ORIGIN),
        # Docker's own images by their short names
        (Repository("mirror.test", "hub/nginx"), ORIGIN),
        (Repository("mirror.test", "hub/acme/api"), Repository("docker.io", "acme/api")),
        # the longest prefix decides
        (Repository("mirror.test", "hub/quay/acme/api"), Repository("quay.io", "acme/api")),
        (Repository("whole.test", "acme/api"), Repository("ghcr.io", "acme/api")),
        # no part of a mirror
        (Repository("mirror.test", "hub"), Repository("mirror.test", "hub")),
        (Repository("mirror.test", "hubs/library/nginx"), Repository("mirror.test", "hubs/library/nginx")),
        (Repository("mirror.test", "x/hub/library/nginx"), Repository("mirror.test", "x/hub/library/nginx")),
        (Repository("mirror.test:5000", "hub/library/nginx"), Repository("mirror.test:5000", "hub/library/nginx")),
    ],
)
def test_the_name_an_image_is_judged_by(named: Repository, judged: Repository) -> None:
    hosts = Hosts(
        mirrors={
            "docker.io": (PLAIN, TRUSTED),
            "quay.io": (Mirror("mirror.test", "hub/quay"),),
            "ghcr.io": (Mirror("whole.test"),),
        }
    )
    assert hosts.upstream(named) == judged
    assert Hosts().upstream(named) == named
