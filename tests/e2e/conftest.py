"""What the tests of this tier share: one registry of each kind, one home, keys made once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.e2e.commands import Key, KeyType, Shell, make_key
from tests.e2e.registries import Process, Repository, distribution, referrers_registry
from tests.e2e.stock import Stock
from tests.e2e.tools import BUILD_SECONDS, BUILT, COSIGN, HERE

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test that wants a program has it built, which takes minutes, once."""
    if all(tool.program.is_file() for tool in BUILT):
        return
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS))


@dataclass
class Keys:
    """Key pairs by kind, each made when it is first asked for. The second of a kind is a stranger's."""

    shell: Shell
    _made: dict[tuple[KeyType, str], Key] = field(default_factory=dict)

    def of(self, kind: KeyType, owner: str = "release") -> Key:
        known = self._made.get((kind, owner))
        if known is None:
            known = self._made[kind, owner] = make_key(self.shell, kind, f"{owner}-{kind.name.lower()}")
        return known

    @property
    def release(self) -> Key:
        """The one that is trusted, P-256."""
        return self.of(KeyType.P256)

    @property
    def stranger(self) -> Key:
        """One that nobody trusts, P-256."""
        return self.of(KeyType.P256, "stranger")


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(tmp_path_factory.mktemp("home"), COSIGN.path())


@pytest.fixture(scope="session")
def keys(shell: Shell) -> Keys:
    return Keys(shell)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The CNCF registry, which has no referrers API."""
    with distribution(tmp_path_factory.mktemp("registry")) as process:
        yield process


@pytest.fixture(scope="session")
def modern(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A registry with the referrers API."""
    with referrers_registry(tmp_path_factory.mktemp("referrers-registry")) as process:
        yield process


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory, shell: Shell, keys: Keys) -> Stock:
    """Images that docker-registries serve."""
    return Stock.create(tmp_path_factory.mktemp("stock"), shell, keys)


_numbers = itertools.count()


@pytest.fixture
def repository(plain: Process) -> Repository:
    """A new one, in the registry without the referrers API."""
    return Repository(plain.host, f"acme/plain-{next(_numbers)}")


@pytest.fixture
def modern_repository(modern: Process) -> Repository:
    """A new one, in the registry with the referrers API."""
    return Repository(modern.host, f"acme/modern-{next(_numbers)}")


@pytest.fixture(params=["plain", "modern"])
def either(request: pytest.FixtureRequest) -> Repository:
    """A new one in each registry, in turn."""
    process: Process = request.getfixturevalue(request.param)
    return Repository(process.host, f"acme/{request.param}-{next(_numbers)}")
