"""docker-registry 2.8 that lets in by tokens of a service on another port, or by its htpasswd file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gate.demo.cluster import Webhook
from tests.e2e.registries import HTPASSWD, PASSWORD, USER, Process, basic, docker_registry
from tests.e2e.stock import PATH, VERDICTS, check, every, failed, image, login, policy, shows_none_of, verdicts
from tests.e2e.token_service import LEEWAY, TokenService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.commands import Ran, Shell
    from tests.e2e.conftest import Keys
    from tests.e2e.stock import Stock

pytestmark = pytest.mark.e2e

WRONG = "a-wrong-one"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenService]:
    with TokenService(tmp_path_factory.mktemp("tokens")) as service:
        yield service


@pytest.fixture
def service(running: TokenService) -> TokenService:
    """The same, as if new."""
    running.reset()
    return running


@pytest.fixture(scope="module")
def guarded(running: TokenService, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A registry that sends to the service."""
    with docker_registry(tmp_path_factory.mktemp("guarded"), data=stock.data, auth=running.auth()) as process:
        yield process


def _named(service: TokenService, name: str = "") -> tuple[str, str]:
    """The flag that lets the service be asked, by its address or another name."""
    return "--registry-ca", f"{name or service.host}={service.authority}"


def _silent(ran: Ran, service: TokenService) -> None:
    shows_none_of(ran, PASSWORD, basic(), WRONG, basic(WRONG), *service.given)


def test_a_token_for_the_right_credentials(
    guarded: Process, service: TokenService, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    config = login(tmp_path / "config.json", guarded.host, PASSWORD)
    policies = policy(tmp_path / "policies", keys, guarded.host, {"host": guarded.host, "insecure": True})
    flags = (*_named(service), "--registry-config", config)
    found = check(shell, policies, *every(guarded.host), flags=flags)
    assert found.code == 1, found.text
    assert verdicts(found) == VERDICTS
    (asked,) = service.asked  # one token does for all that is asked of a repository
    assert asked.authorization == f"Basic {basic()}"
    assert asked.query["scope"] == [f"repository:{PATH}:pull"]
    _silent(found, service)


def test_nobody_gets_a_token_that_is_good_for_nothing(
    guarded: Process, service: TokenService, shell: Shell, keys: Keys
) -> None:
    found = shell.verify(image(guarded.host), keys.release, *_named(service))
    finding = failed(found, "REGISTRY_UNAUTHORIZED")
    said = f"{guarded.host} answered 401 for tag v1 of repository {PATH} with no credentials"
    assert (finding["message"], finding["remedy"]) == (said, f"docker login {guarded.host}")
    assert service.given
    _silent(found, service)


def test_a_wrong_password(guarded: Process, service: TokenService, shell: Shell, keys: Keys, tmp_path: Path) -> None:
    config = login(tmp_path / "config.json", guarded.host, WRONG)
    found = shell.verify(image(guarded.host), keys.release, *_named(service), "--registry-config", config)
    finding = failed(found, "REGISTRY_UNAUTHORIZED")
    assert finding["message"] == (
        f"{guarded.host}: its token service answered 401 for repository {PATH} with the credentials of {config}"
    )
    assert finding["remedy"] == f"docker login {guarded.host}"
    _silent(found, service)


def test_a_token_for_another_repository(
    guarded: Process, service: TokenService, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    service.repository = "acme/other"
    config = login(tmp_path / "config.json", guarded.host, PASSWORD)
    found = shell.verify(image(guarded.host), keys.release, *_named(service), "--registry-config", config)
    message = failed(found, "REGISTRY_UNAUTHORIZED")["message"]
    said = f"{guarded.host} answered 401 for tag v1 of repository {PATH} with the credentials of {config}"
    assert message.startswith(said)
    _silent(found, service)


def test_a_token_that_has_ended_already(
    guarded: Process, service: TokenService, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    service.lifetimes = [-LEEWAY - 10, 300]
    config = login(tmp_path / "config.json", guarded.host, PASSWORD)
    policies = policy(tmp_path / "policies", keys, guarded.host, {"host": guarded.host, "insecure": True})
    flags = (*_named(service), "--registry-config", config)
    found = check(shell, policies, *every(guarded.host), flags=flags)
    for tag, verdict in verdicts(found).items():
        assert verdict in (VERDICTS[tag], ("error", ["REGISTRY_UNAUTHORIZED"])), found.text
    assert len(service.given) > 1
    _silent(found, service)

    service.lifetimes = [-LEEWAY - 10]
    found = shell.verify(image(guarded.host), keys.release, *flags)
    assert config in failed(found, "REGISTRY_UNAUTHORIZED")["message"]
    _silent(found, service)


def test_a_token_that_ends_while_it_is_kept(
    guarded: Process, service: TokenService, keys: Keys, tmp_path: Path
) -> None:
    seconds = 4
    service.lifetimes = [seconds - LEEWAY, 300]
    policies = policy(
        tmp_path / "policies",
        keys,
        guarded.host,
        {"host": service.host, "ca": {"file": str(service.authority)}},
        docker_config=login(tmp_path / "config.json", guarded.host, PASSWORD),
    )
    with Webhook(tmp_path, policies, guarded.host, workers=1) as webhook:
        before = webhook.admit(image(guarded.host, "v1"))
        assert (before.allowed, len(service.given)) == (True, 1), before.message
        time.sleep(seconds + 0.5)
        after = webhook.admit(image(guarded.host, "v2"))
        assert (after.allowed, len(service.given)) == (True, 2), after.message
        refused = webhook.admit(image(guarded.host, "unsigned"))
        assert not refused.allowed
        assert "SIGNATURE_MISSING: " in refused.message
    log = webhook.log.read_text()
    for secret in (PASSWORD, basic(), *service.given):
        assert secret not in log


def test_a_service_that_says_nothing(
    guarded: Process, service: TokenService, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    service.answering.clear()
    config = login(tmp_path / "config.json", guarded.host, PASSWORD)
    flags = (*_named(service), "--registry-config", config, "--timeout", "2s")
    started = time.monotonic()
    found = shell.verify(image(guarded.host), keys.release, *flags)
    assert time.monotonic() - started < 15  # not the 60 s that are the default
    assert f"{service.host} did not answer within" in failed(found, "REGISTRY_TIMEOUT")["message"]
    _silent(found, service)


def test_a_service_that_nobody_names_is_not_asked(
    guarded: Process, service: TokenService, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    config = login(tmp_path / "config.json", guarded.host, PASSWORD)
    found = shell.verify(image(guarded.host), keys.release, "--registry-config", config)
    finding = failed(found, "REGISTRY_UNREACHABLE")
    assert f"{service.host} has the private address 127.0.0.1 and is not named" in finding["message"]
    assert f"--private-registry {service.host}" in finding["remedy"]
    flags = ("--registry-config", config, "--private-registry", service.host)
    found = shell.verify(image(guarded.host), keys.release, *flags)
    finding = failed(found, "REGISTRY_UNREACHABLE")
    assert f"TLS with {service.host} failed: the authority that signed its certificate" in finding["message"]
    assert f"--registry-ca {service.host}=FILE" in finding["remedy"]
    assert not service.asked


def test_a_service_under_another_name_gets_credentials_by_token_realms_only(
    service: TokenService, stock: Stock, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    other = f"localhost:{service.port}"
    auth = service.auth(f"https://{other}")
    with docker_registry(tmp_path / "registry", data=stock.data, auth=auth) as registry:
        config = login(tmp_path / "config.json", registry.host, PASSWORD)
        flags = (*_named(service, other), "--registry-config", config)
        found = shell.verify(image(registry.host), keys.release, *flags)
        finding = failed(found, "REGISTRY_UNAUTHORIZED")
        said = f"{registry.host} wants the credentials of {config} sent to another host, {other}"
        assert said in finding["message"]
        assert "they were not sent" in finding["message"]
        assert f"`tokenRealms: [https://{other}]`" in finding["remedy"]
        assert {asked.authorization for asked in service.asked} == {None}

        rule = {"host": registry.host, "insecure": True, "tokenRealms": [f"https://{other}"]}
        policies = policy(tmp_path / "policies", keys, registry.host, rule)
        found = check(shell, policies, *every(registry.host), flags=flags)
        assert verdicts(found) == VERDICTS
        assert service.asked[-1].authorization == f"Basic {basic()}"
        _silent(found, service)
        # commands without policies are told by the same document
        file = str(policies / "config.yaml")
        found = shell.verify(image(registry.host), keys.release, *flags, "--config", file)
        assert found.code == 0, found.text


def test_a_service_without_tls_on_another_port_is_not_asked(
    service: TokenService, stock: Stock, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    auth = service.auth(f"http://{service.host}")
    with docker_registry(tmp_path / "registry", data=stock.data, auth=auth) as registry:
        config = login(tmp_path / "config.json", registry.host, PASSWORD)
        flags = ("--registry-config", config, "--insecure-registry", service.host)
        found = shell.verify(image(registry.host), keys.release, *flags)
    message = failed(found, "REGISTRY_PROTOCOL")["message"]
    assert message.startswith(f"{registry.host} names a token service that is not asked")
    assert "it wants plain HTTP" in message
    assert service.host in message
    assert not service.asked


@pytest.fixture(scope="module")
def locked(stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A registry with an htpasswd file."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    with docker_registry(folder, data=stock.data, auth=auth) as process:
        yield process


def test_htpasswd_with_the_credentials(locked: Process, shell: Shell, keys: Keys, tmp_path: Path) -> None:
    config = login(tmp_path / "config.json", locked.host, PASSWORD)
    policies = policy(tmp_path / "policies", keys, locked.host, {"host": locked.host, "insecure": True})
    found = check(shell, policies, *every(locked.host), flags=("--registry-config", config))
    assert verdicts(found) == VERDICTS
    shows_none_of(found, PASSWORD, basic())


@pytest.mark.parametrize("password", ["", WRONG], ids=["nobody", "wrong"])
def test_htpasswd_without(locked: Process, shell: Shell, keys: Keys, tmp_path: Path, password: str) -> None:
    config = login(tmp_path / "config.json", locked.host if password else "registry.example", password or PASSWORD)
    found = shell.verify(image(locked.host), keys.release, "--registry-config", config)
    finding = failed(found, "REGISTRY_UNAUTHORIZED")
    who = f"the credentials of {config}" if password else "no credentials"
    said = f"{locked.host} answered 401 for tag v1 of repository {PATH} with {who}"
    assert finding["message"].startswith(said)
    assert finding["remedy"] == f"docker login {locked.host}"
    shows_none_of(found, USER, PASSWORD, basic(), WRONG, basic(WRONG))
