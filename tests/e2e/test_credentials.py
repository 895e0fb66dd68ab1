"""A registry that only knows who is in its htpasswd file: docker's config.json, and none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.commands import Format
from tests.e2e.registries import PASSWORD, Process, Repository, basic, distribution

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.commands import Shell
    from tests.e2e.conftest import Keys

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with distribution(tmp_path_factory.mktemp("protected"), password=True) as process:
        yield process


@pytest.fixture(scope="module")
def image(protected: Process, shell: Shell, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A signed one."""
    repository = Repository(protected.host, "acme/api", f"Basic {basic()}")
    digest = repository.image("v1", "one")
    folder = _config(tmp_path_factory.mktemp("docker"), protected.host).parent
    shell.sign(repository.at(digest), keys.release, Format.LEGACY, DOCKER_CONFIG=str(folder))
    shell.sign(repository.at(digest), keys.stranger, Format.BUNDLE, DOCKER_CONFIG=str(folder))
    return repository.at("v1")


def _config(folder: Path, host: str, password: str = PASSWORD) -> Path:
    """What `docker login` leaves."""
    folder.mkdir(exist_ok=True)
    file = folder / "config.json"
    file.write_text(json.dumps({"auths": {host: {"auth": basic(password)}}}))
    return file


def test_with_the_credentials(protected: Process, image: str, shell: Shell, keys: Keys, tmp_path: Path) -> None:
    config = str(_config(tmp_path, protected.host))
    for key in (keys.release, keys.stranger):
        found = shell.verify(image, key, "--registry-config", config)
        assert found.code == 0, found.text
    resolved = shell.gate("resolve", image, "--insecure-registry", protected.host, "--registry-config", config)
    assert (resolved.code, resolved.out.partition("@")[0]) == (0, image)


def test_where_docker_keeps_them(protected: Process, image: str, shell: Shell, keys: Keys, tmp_path: Path) -> None:
    _config(tmp_path / ".docker", protected.host)
    found = shell.elsewhere(tmp_path).verify(image, keys.release)
    assert found.code == 0, found.text


def test_the_most_specific_entry_answers(
    protected: Process, image: str, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    config = tmp_path / "auth.json"
    auths = {protected.host: {"auth": basic("wrong")}, f"{protected.host}/acme": {"auth": basic()}}
    config.write_text(json.dumps({"auths": auths}))
    found = shell.verify(image, keys.release, "--registry-config", str(config))
    assert found.code == 0, found.text


def test_without_credentials(protected: Process, image: str, shell: Shell, keys: Keys) -> None:
    found = shell.verify(image, keys.release)
    assert found.code == 3, found.text
    (finding,) = found.json["findings"]
    assert finding["code"] == "REGISTRY_UNAUTHORIZED"
    assert "no credentials" in finding["message"]
    assert protected.host in finding["message"]


def test_wrong_credentials_are_said_by_their_file(
    protected: Process, image: str, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    config = _config(tmp_path, protected.host, "a-wrong-one")
    found = shell.verify(image, keys.release, "--registry-config", str(config))
    assert found.code == 3, found.text
    (finding,) = found.json["findings"]
    assert finding["code"] == "REGISTRY_UNAUTHORIZED"
    assert str(config) in finding["message"]
    assert "a-wrong-one" not in found.text
    assert basic("a-wrong-one") not in found.text


def test_credentials_of_another_registry_are_not_sent(
    protected: Process, image: str, shell: Shell, keys: Keys, tmp_path: Path
) -> None:
    config = _config(tmp_path, "registry.example:5000")
    found = shell.verify(image, keys.release, "--registry-config", str(config))
    assert found.code == 3, found.text
    assert "no credentials" in found.json["findings"][0]["message"]
