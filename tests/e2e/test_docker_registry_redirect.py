"""docker-registry 2.8 that sends to another host for blobs, as registries before object stores do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import pytest

from gate.demo.cluster import LOOPBACK
from tests.e2e.registries import HTPASSWD, PASSWORD, Process, basic, docker_registry
from tests.e2e.stock import VERDICTS, check, every, failed, image, login, policy, shows_none_of, verdicts
from tests.fakes.loopback import Listener, certificate_for
from tests.fakes.scripted_server import Asked, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.commands import Ran, Shell
    from tests.e2e.conftest import Keys
    from tests.e2e.stock import Stock

pytestmark = pytest.mark.e2e


class Store:
    """Gives the files of a folder to anybody, over TLS and plain HTTP.

    Attributes:
        asked: every request.
        reply: what becomes of the bytes that are asked for.
    """

    def __init__(self, data: Path, folder: Path) -> None:
        self._data = data
        self.authority, key = certificate_for(folder, [])
        self.reset()
        self._listener = Listener(self, self.authority, key)
        self.host = f"{LOOPBACK}:{self._listener.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()

    def reset(self) -> None:
        self.asked: list[Asked] = []
        self.reply: Callable[[bytes], Reply] = _whole

    def script(self, asked: Asked) -> Reply:
        file = self._data / asked.path.lstrip("/")
        return self.reply(file.read_bytes()) if file.is_file() else Reply(404)


def _whole(content: bytes) -> Reply:
    return Reply(body=content)


@pytest.fixture(scope="module")
def running(stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(stock.data, tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def store(running: Store) -> Store:
    """The same, as if new."""
    running.reset()
    return running


def _registry(folder: Path, stock: Stock, base: str) -> Process:
    (folder / "htpasswd").write_text(HTPASSWD)
    return docker_registry(
        folder,
        data=stock.data,
        auth={"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}},
        middleware={"storage": [{"name": "redirect", "options": {"baseurl": f"{base}/"}}]},
    )


@pytest.fixture(scope="module")
def registry(running: Store, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """It sends to the store over TLS."""
    with _registry(tmp_path_factory.mktemp("redirecting"), stock, f"https://{running.host}") as process:
        yield process


@pytest.fixture(scope="module")
def plain_registry(running: Store, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """It sends to the store in plain HTTP."""
    with _registry(tmp_path_factory.mktemp("redirecting-plainly"), stock, f"http://{running.host}") as process:
        yield process


@pytest.fixture
def verify(shell: Shell, keys: Keys, tmp_path: Path) -> Callable[..., Ran]:
    """`gate verify` of v1 of a registry with its credentials."""

    def run(registry: Process, *flags: str) -> Ran:
        config = login(tmp_path / "config.json", registry.host, PASSWORD)
        found = shell.verify(image(registry.host), keys.release, "--registry-config", config, *flags)
        shows_none_of(found, PASSWORD, basic())
        return found

    return run


def _nothing_crossed(store: Store) -> None:
    """Neither credentials nor anything else but what names the client and what it wants."""
    assert {name for asked in store.asked for name in asked.headers} == {"host", "user-agent", "accept-encoding"}


def test_blobs_come_from_the_other_host_without_credentials(
    registry: Process, store: Store, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    rules = (
        {"host": registry.host, "insecure": True},
        {"host": store.host, "ca": {"file": str(store.authority)}},
    )
    config = login(tmp_path / "config.json", registry.host, PASSWORD)
    policies = policy(tmp_path / "policies", keys, registry.host, *rules, docker_config=config)
    found = check(shell, policies, *every(registry.host))
    assert verdicts(found) == VERDICTS
    assert all(asked.path.startswith("/docker/registry/v2/blobs/sha256/") for asked in store.asked)
    assert len(store.asked) >= 3  # what is signed in each of the three signatures
    _nothing_crossed(store)
    shows_none_of(found, PASSWORD, basic())


def test_plain_http_where_both_are_named_for_it(
    plain_registry: Process, store: Store, verify: Callable[..., Ran]
) -> None:
    found = verify(plain_registry, "--insecure-registry", store.host)
    assert found.code == 0, found.text
    assert store.asked
    _nothing_crossed(store)


def test_a_private_address_that_nobody_names_is_not_asked(
    registry: Process, store: Store, verify: Callable[..., Ran]
) -> None:
    finding = failed(verify(registry), "REGISTRY_UNREACHABLE")
    assert f"{store.host} has the private address 127.0.0.1 and is not named" in finding["message"]
    assert f"--private-registry {store.host}" in finding["remedy"]
    assert not store.asked


def test_plain_http_that_nobody_names_is_not_asked(
    plain_registry: Process, store: Store, verify: Callable[..., Ran]
) -> None:
    message = failed(verify(plain_registry, "--private-registry", store.host), "REGISTRY_PROTOCOL")["message"]
    assert message == f"{plain_registry.host} redirected to plain HTTP at {store.host}"
    assert not store.asked


@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        (
            lambda content: Reply(body=content[:-1] + b"?"),
            "REGISTRY_PROTOCOL",
            ", which it redirected to, sent other content for sha256:",
        ),
        (lambda content: Reply(body=content * 2), "RESPONSE_TOO_LARGE", "bytes that are read"),
        (lambda _: Reply(404), "REGISTRY_PROTOCOL", ", which it redirected to, has no blob sha256:"),
    ],
    ids=["changed", "longer", "absent"],
)
def test_other_bytes_are_no_verdict(
    registry: Process,
    store: Store,
    verify: Callable[..., Ran],
    reply: Callable[[bytes], Reply],
    code: str,
    said: str,
) -> None:
    store.reply = reply
    found = verify(registry, "--registry-ca", f"{store.host}={store.authority}")
    message = failed(found, code)["message"]
    assert said in message
    assert store.host in message
    assert store.asked


def test_a_store_that_asks_for_credentials_gets_none(
    registry: Process, store: Store, verify: Callable[..., Ran]
) -> None:
    store.reply = lambda _: Reply(401, (("WWW-Authenticate", 'Basic realm="tests"'),))
    found = verify(registry, "--registry-ca", f"{store.host}={store.authority}")
    finding = failed(found, "REGISTRY_UNREACHABLE")
    assert f"{registry.host} redirected to {store.host} for blob sha256:" in finding["message"]
    assert finding["message"].endswith("and that answered 401")
    assert "login" not in finding["remedy"]
    _nothing_crossed(store)


def test_a_store_that_is_away(stock: Stock, store: Store, verify: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    (tmp_path / "registry").mkdir()
    with Store(stock.data, tmp_path / "gone") as gone:
        pass
    with _registry(tmp_path / "registry", stock, f"https://{gone.host}") as registry:
        found = verify(registry, "--registry-ca", f"{gone.host}={gone.authority}")
    assert f"{gone.host} could not be reached" in failed(found, "REGISTRY_UNREACHABLE")["message"]
