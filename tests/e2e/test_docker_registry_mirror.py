"""docker-registry 2.8 as a pull-through cache of another: as a mirror, and asked itself."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.registries import HTPASSWD, PASSWORD, Repository, basic, docker_registry
from tests.e2e.stock import PATH, VERDICTS, check, every, failed, image, login, policy, shows_none_of, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.commands import Shell
    from tests.e2e.conftest import Keys
    from tests.e2e.registries import Process
    from tests.e2e.stock import Stock

pytestmark = pytest.mark.e2e

_SETTLE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """A registry and its cache."""

    origin: Process
    cache: Process
    kept: Path

    @property
    def has_kept(self) -> set[str]:
        """The digests of the blobs that the cache keeps."""
        return {file.parent.name for file in self.kept.glob("docker/registry/v2/blobs/sha256/*/*/data")}

    def lose_origin(self) -> None:
        """End the origin once the cache has kept what it was asked for: it does so behind its answers."""
        end = time.monotonic() + _SETTLE_SECONDS
        seen: set[str] = set()
        while time.monotonic() < end and (seen != self.has_kept or any(self.kept.rglob("_uploads/*"))):
            seen = self.has_kept
            time.sleep(0.5)
        self.origin.stop()

    @property
    def authoritative(self) -> tuple[dict[str, object], ...]:
        """Rules that have the cache asked for tags, too."""
        cache = {"host": self.cache.host, "insecure": True, "mirrorOf": self.origin.host, "authoritative": True}
        return {"host": self.origin.host, "insecure": True}, cache

    @property
    def flags(self) -> tuple[str, ...]:
        """The same by flags, but for digests only."""
        return "--mirror", f"{self.origin.host}={self.cache.host}", "--insecure-registry", self.cache.host


@contextmanager
def _pair(folder: Path, stock: Stock) -> Iterator[Pair]:
    with docker_registry(folder / "origin", data=stock.data) as origin:
        kept = folder / "kept"
        with docker_registry(folder / "cache", data=kept, proxy={"remoteurl": f"http://{origin.host}"}) as cache:
            yield Pair(origin, cache, kept)


@pytest.fixture
def pair(stock: Stock, tmp_path: Path) -> Iterator[Pair]:
    """One that has nothing in its cache."""
    with _pair(tmp_path, stock) as running:
        yield running


def test_by_the_flag_for_what_is_asked_by_digest(
    pair: Pair, stock: Stock, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    policies = policy(tmp_path / "policies", keys, pair.origin.host, {"host": pair.origin.host, "insecure": True})
    found = check(shell, policies, *every(pair.origin.host), flags=pair.flags)
    assert found.code == 1, found.text
    assert verdicts(found) == VERDICTS
    assert pair.has_kept  # it was asked

    # That the origin is away is no verdict: what was signed is asked of it.
    pair.lose_origin()
    found = shell.verify(stock.pinned(pair.origin.host, "v1"), keys.release, *pair.flags)
    assert f"{pair.origin.host} could not be reached" in failed(found, "REGISTRY_UNREACHABLE")["message"]


def test_by_the_config_for_everything(pair: Pair, stock: Stock, shell: Shell, keys: Keys, tmp_path: Path) -> None:
    policies = policy(tmp_path / "policies", keys, pair.origin.host, *pair.authoritative)
    found = check(shell, policies, *every(pair.origin.host))
    assert found.code == 1, found.text
    assert verdicts(found) == VERDICTS
    assert {digest.partition(":")[2] for digest in map(str, stock.digests.values())} <= pair.has_kept

    # What it keeps goes on being judged right without the origin, under either's name.
    pair.lose_origin()
    for host in (pair.origin.host, pair.cache.host):
        pinned = [stock.pinned(host, tag) for tag in VERDICTS]
        found = check(shell, policies, *every(host), *pinned)
        assert found.code == 1, found.text
        by_digest = {str(stock.digests[tag]).partition(":")[2]: VERDICTS[tag] for tag in VERDICTS}
        assert verdicts(found) == {**VERDICTS, **by_digest}


def test_asked_itself(pair: Pair, stock: Stock, shell: Shell, keys: Keys, tmp_path: Path) -> None:
    policies = policy(tmp_path / "policies", keys, pair.cache.host, {"host": pair.cache.host, "insecure": True})
    for _ in ("fetched", "kept"):
        found = check(shell, policies, *every(pair.cache.host))
        assert found.code == 1, found.text
        assert verdicts(found) == VERDICTS
        pair.lose_origin()


def test_what_it_has_without_its_signatures_never_passes(
    pair: Pair, stock: Stock, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    cached = Repository(pair.cache.host, PATH)
    assert cached.content(stock.digests["v1"])
    pair.lose_origin()
    policies = policy(tmp_path / "policies", keys, pair.origin.host, *pair.authoritative)
    pinned = stock.pinned(pair.origin.host, "v1")
    found = check(shell, policies, pinned, image(pair.origin.host, "v2"))
    assert found.code in (1, 3), found.text
    assert {verdict for verdict, _ in verdicts(found).values()} <= {"deny", "error"}, found.text


def test_a_cache_that_its_origin_refuses_changes_nothing(
    stock: Stock, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "tests", "path": str(tmp_path / "htpasswd")}}
    with docker_registry(tmp_path / "origin", data=stock.data, auth=auth) as origin:
        proxy = {"remoteurl": f"http://{origin.host}"}  # without a login: it answers 404 for whatever is asked
        with docker_registry(tmp_path / "cache", proxy=proxy) as cache:
            config = login(tmp_path / "config.json", origin.host, PASSWORD)
            rules = (
                {"host": origin.host, "insecure": True, "mirrors": [cache.host]},
                {"host": cache.host, "insecure": True},
            )
            policies = policy(tmp_path / "policies", keys, origin.host, *rules, docker_config=config)
            found = check(shell, policies, *every(origin.host))
            assert verdicts(found) == VERDICTS
            shows_none_of(found, PASSWORD, basic())

            found = shell.verify(image(cache.host), keys.release, "--registry-config", config)
            message = failed(found, "IMAGE_NOT_FOUND")["message"]
            assert message == f"{cache.host} has no tag v1 in repository {PATH} (asked with no credentials)"
