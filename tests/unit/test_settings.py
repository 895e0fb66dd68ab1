from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.image.reference import Reference
from gate.registry.guard.tls import Files
from gate.settings import (
    docker_configs,
    parse_duration,
    parse_host,
    parse_hosts,
    parse_instant,
    parse_layouts,
    parse_reference,
    shown_path,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PLACES = ("HOME", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("1s", 1), ("500ms", 0.5), ("5m", 300), ("2h", 7200), ("1d", 86400), ("007s", 7)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "60",
            "s",
            "0s",
            "0ms",
            "000h",
            "-5s",
            "+5s",
            "1.5s",
            "1e3s",
            "5 s",
            " 5s",
            "5s ",
            "5s\n",
            "5S",
            "1w",
            "1y",
        ),
        *("1h30m", "inf", "nan", "9999999999s", "\N{ARABIC-INDIC DIGIT FIVE}s"),
    ],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T12:00:00Z",
        "2026-11-23t12:00:00z",
        "2026-11-23T13:00:00+01:00",
        "2026-11-23T00:00:00-12:00",
        "2026-11-23T12:00:00.000Z",
        "2026-11-23T12:00:00+00:00",
    ],
)
def test_instants(text: str) -> None:
    found = parse_instant(text)
    assert found == NOON
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-11-23", "2026-11-23T12:00:00", "2026-11-23 12:00:00Z", "12:00:00Z", "1763899200"),
        *("20261123T120000Z", "2026-W48-1T12:00:00Z", "2026-11-23T12Z", "2026-11-23T12:00Z", "2026-11-23T12:00:00,5Z"),
        *("2026-11-23T12:00:00+01", "2026-11-23T12:00:00+0100", " 2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z\n"),
        *("2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-23T25:00:00Z", "0001-01-01T00:00:00+23:59"),
    ],
)
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(UsageError, match="is not an instant"):
        parse_instant(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("ghcr.io", "ghcr.io"),
        ("GHCR.io:443", "ghcr.io"),
        ("localhost:5000", "localhost:5000"),
        ("index.docker.io", "docker.io"),
        ("[0::1]:5000", "[::1]:5000"),
    ],
)
def test_hosts_are_canonical(text: str, host: str) -> None:
    assert parse_host(text) == host
    found = parse_hosts([text], [text], [], offline=False)
    assert found == parse_hosts([host], [host], [], offline=False)
    assert host in found.insecure & found.private


@pytest.mark.parametrize("text", ["", "https://ghcr.io", "ghcr.io/acme", "a b", "ghcr.io:x", "user@host", "*.test"])
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(UsageError):
        parse_host(text)
    with pytest.raises(UsageError):
        parse_hosts([text], [], [], offline=False)
    with pytest.raises(UsageError):
        parse_hosts([], [text], [], offline=False)


def test_authorities(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("x")
    found = parse_hosts([], [], [f"GHCR.io={file}"], offline=True)
    assert (found.authorities, found.offline) == ({"ghcr.io": str(file)}, True)
    for wrong in ("ghcr.io", "ghcr.io=", f"ghcr.io={tmp_path}", f"ghcr.io={tmp_path}/gone", f"={file}", f"a b={file}"):
        with pytest.raises(UsageError):
            parse_hosts([], [], [wrong], offline=False)


@pytest.mark.parametrize("text", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_is_named_by_any_of_its_names(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("x")
    found = parse_hosts([], [], [f"{text}={file}"], offline=False)
    assert Files.of(found, "registry-1.docker.io").authority == str(file)
    parse_hosts([], [text], [], offline=False).check_address("registry-1.docker.io", "10.0.0.1")
    assert parse_hosts([text], [], [], offline=False).is_insecure("registry-1.docker.io:80")
    assert Files.of(found, "auth.docker.io").authority is None
    also = parse_hosts([], [], [f"auth.docker.io={file}"], offline=False)
    assert Files.of(also, "auth.docker.io").authority == str(file)


def test_layouts() -> None:
    found = parse_layouts(["ghcr.io/acme/api=./image", "nginx=/a=b"])
    assert found == {
        Reference.parse("ghcr.io/acme/api").name: Path("image"),
        Reference.parse("docker.io/library/nginx").name: Path("/a=b"),
    }


@pytest.mark.parametrize(
    "text", ["", "x", "x=", "=dir", "ghcr.io/acme/api:v1=dir", f"ghcr.io/a@sha256:{'0' * 64}=dir", "A/b=dir"]
)
def test_what_is_no_layout(text: str) -> None:
    with pytest.raises(UsageError):
        parse_layouts([text])


def test_references() -> None:
    assert str(parse_reference("nginx:1")) == "docker.io/library/nginx:1"
    with pytest.raises(UsageError) as caught:
        parse_reference("https://ghcr.io/x")
    assert caught.value.remedy


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any configuration, and an environment that names none."""
    for name in PLACES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_no_credentials(home: Path) -> None:
    assert docker_configs(None) == ()


def test_a_file_that_is_named_is_the_only_one(home: Path) -> None:
    touch(home / ".docker" / "config.json")
    named = touch(home / "mine.json")
    assert docker_configs(str(named)) == (named,)
    with pytest.raises(UsageError, match="does not exist"):
        docker_configs(str(home / "gone.json"))
    with pytest.raises(UsageError, match="is a folder"):
        docker_configs(str(home))


def test_the_places_of_docker_podman_and_skopeo(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = touch(home / ".docker" / "config.json")
    config = touch(home / ".config" / "containers" / "auth.json")
    assert docker_configs(None) == (docker, config)
    named = touch(home / "named.json")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(named))
    runtime = touch(home / "run" / "containers" / "auth.json")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    assert docker_configs(None) == (docker, named, runtime, config)
    other = touch(home / "other" / "config.json")
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "other"))
    xdg = touch(home / "xdg" / "containers" / "auth.json")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    assert docker_configs(None) == (other, named, runtime, xdg)


def test_places_that_are_empty_or_gone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = touch(home / ".docker" / "config.json")
    for name in PLACES[1:]:
        monkeypatch.setenv(name, "")
    assert docker_configs(None) == (docker,)
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "gone"))
    assert docker_configs(None) == (docker,)
    monkeypatch.setenv("HOME", "")
    assert docker_configs(None) == ()


@pytest.mark.parametrize(
    ("home", "path", "shown"),
    [
        ("/home/u", "/home/u/.docker/config.json", "~/.docker/config.json"),
        ("/home/u/", "/home/u/.docker/config.json", "~/.docker/config.json"),
        ("/home/u", "/home/user/.docker/config.json", "/home/user/.docker/config.json"),
        ("/home/u", "/etc/config.json", "/etc/config.json"),
        ("/home/u", "config.json", "config.json"),
        ("", "/home/u/config.json", "/home/u/config.json"),
        ("", "config.json", "config.json"),
        ("home", "home/config.json", "home/config.json"),
    ],
)
def test_a_path_is_shown_as_people_write_it(monkeypatch: pytest.MonkeyPatch, home: str, path: str, shown: str) -> None:
    monkeypatch.setenv("HOME", home)
    assert shown_path(Path(path)) == shown


def test_a_path_is_shown_where_there_is_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    assert shown_path(Path("/home/u/config.json")) == "/home/u/config.json"
