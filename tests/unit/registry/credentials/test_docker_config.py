from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable, UsageError
from gate.registry.credentials.docker_config import MAX_CONFIG, DockerConfig, DockerConfigFile
from tests.fakes.clients import soon
from tests.unit.registry.credentials.support import (
    HUB,
    SECRET,
    SOURCE,
    answering,
    auth,
    config,
    make_helper,
    repository,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("keys", "name", "expected"),
    [
        (["ghcr.io"], "ghcr.io/acme/api", "ghcr.io"),
        (["https://ghcr.io"], "ghcr.io/acme/api", "https://ghcr.io"),
        (["https://ghcr.io/v1/"], "ghcr.io/acme/api", "https://ghcr.io/v1/"),
        (["https://ghcr.io/v2/"], "ghcr.io/acme/api", "https://ghcr.io/v2/"),
        (["http://ghcr.io"], "ghcr.io/acme/api", "http://ghcr.io"),
        (["ghcr.io/v1/"], "ghcr.io/acme/api", "ghcr.io/v1/"),
        (["GHCR.io:443"], "ghcr.io/acme/api", "GHCR.io:443"),
        (["ghcr.io"], "GHCR.IO:443/acme/api", "ghcr.io"),
        (["localhost:5000"], "localhost:5000/a", "localhost:5000"),
        (["localhost:5000"], "localhost:5001/a", None),
        (["localhost"], "localhost:5000/a", None),
        (["ghcr.io"], "evil-ghcr.io/acme/api", None),
        (["ghcr.io"], "ghcr.io.evil.test/acme/api", None),
        (["ghcr.io"], "sub.ghcr.io/acme/api", None),
        ([HUB], "nginx", HUB),
        ([HUB], "index.docker.io/library/nginx", HUB),
        (["docker.io"], "nginx", "docker.io"),
        (["index.docker.io"], "nginx", "index.docker.io"),
        (["registry-1.docker.io"], "nginx", "registry-1.docker.io"),
        (["docker.io/acme"], "acme/api", "docker.io/acme"),
        (["docker.io/acme"], "nginx", None),
        (["ghcr.io", "ghcr.io/acme"], "ghcr.io/acme/api", "ghcr.io/acme"),
        (["ghcr.io/acme", "ghcr.io"], "ghcr.io/acme/api", "ghcr.io/acme"),
        (["ghcr.io/acme", "ghcr.io/acme/api", "ghcr.io"], "ghcr.io/acme/api", "ghcr.io/acme/api"),
        (["ghcr.io/acme", "ghcr.io/acme/api", "ghcr.io"], "ghcr.io/acme/web", "ghcr.io/acme"),
        (["ghcr.io/acme", "ghcr.io"], "ghcr.io/acme-evil/api", "ghcr.io"),
        (["ghcr.io/ac"], "ghcr.io/acme/api", None),
        (["ghcr.io/acme/"], "ghcr.io/acme/api", "ghcr.io/acme/"),
        ([], "ghcr.io/acme/api", None),
        (["not a host", "*", "", "://", "ghcr.io"], "ghcr.io/acme/api", "ghcr.io"),
    ],
)
def test_the_most_specific_key_answers(keys: list[str], name: str, expected: str | None) -> None:
    found = config(auths={key: auth("u", f"for {key}") for key in keys}).find(repository(name), soon())
    assert [c.password for c in found] == ([] if expected is None else [f"for {expected}"])


def test_null_is_nothing_and_leaves_the_rest() -> None:
    found = config(auths={"ghcr.io/acme": None, "ghcr.io": auth("u"), "quay.io": None}, credsStore=None)
    assert [c.username for c in found.find(repository(), soon())] == ["u"]
    assert found.find(repository("quay.io/acme/api"), soon()) == ()


@pytest.mark.parametrize("name", ["", None])
def test_an_empty_helper_is_none_and_what_is_in_the_file_counts(name: str | None) -> None:
    found = config(auths={"ghcr.io": auth("u")}, credHelpers={"ghcr.io": name}, credsStore="absent")
    assert [c.username for c in found.find(repository(), soon())] == ["u"]
    with pytest.raises(EvidenceUnavailable, match="docker-credential-absent"):
        found.find(repository("quay.io/acme/api"), soon())


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (auth("robot$acme+ci", "a:b:c"), ("robot$acme+ci", "a:b:c", "", "")),
        ({"auth": auth("u", "pass")["auth"].rstrip("=")}, ("u", "pass", "", "")),
        ({"auth": base64.b64encode(b"u:pass\0\0\0").decode()}, ("u", "pass", "", "")),
        ({"auth": base64.b64encode("ü:pä".encode()).decode()}, ("ü", "pä", "", "")),
        ({"username": "u", "password": "p"}, ("u", "p", "", "")),
        ({**auth("inner", "p"), "username": "outer", "password": "q"}, ("inner", "p", "", "")),
        ({"identitytoken": "t"}, ("", "", "t", "")),
        ({**auth("<token>", ""), "identitytoken": "t"}, ("<token>", "", "t", "")),
        ({"registrytoken": "t"}, ("", "", "", "t")),
        ({**auth("u", "p"), "email": "x@example.test", "extra": {"a": 1}}, ("u", "p", "", "")),
    ],
)
def test_an_entry_is_read(entry: dict[str, object], expected: tuple[str, ...]) -> None:
    (found,) = config(auths={"ghcr.io": entry}).find(repository(), soon())
    assert (found.username, found.password, found.identity_token, found.registry_token) == expected
    assert found.source == SOURCE
    assert found.remedy == ""


@pytest.mark.parametrize("entry", [{}, {"auth": ""}, auth("u", ""), {"username": "u"}])
def test_an_entry_without_a_secret_is_anonymous(entry: dict[str, object]) -> None:
    assert config(auths={"ghcr.io": entry}).find(repository(), soon()) == ()


@pytest.mark.parametrize(
    "text", ["a", "/w==", "//79", "=====a", base64.b64encode(b"u").decode(), base64.b64encode(b"\0").decode(), "::::"]
)
def test_an_entry_that_cannot_be_read_is_an_error(text: str) -> None:
    found = config(auths={"ghcr.io": {"auth": text}})
    with pytest.raises(EvidenceUnavailable) as caught:
        found.find(repository(), soon())
    assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
    assert caught.value.message == f"the entry for ghcr.io in {SOURCE} is not readable"
    assert caught.value.remedy == "docker login ghcr.io"
    assert found.find(repository("quay.io/a/b"), soon()) == ()


@pytest.mark.parametrize("token", [f"{SECRET}\n", f"{SECRET} x", f"{SECRET}\u20ac", "x" * 16_385, "\0"])
def test_a_registry_token_that_no_header_holds_is_an_error(token: str) -> None:
    with pytest.raises(EvidenceUnavailable) as caught:
        config(auths={"ghcr.io": {"registrytoken": token}}).find(repository(), soon())
    assert str(caught.value) == f"the registrytoken for ghcr.io in {SOURCE} is no token; docker login ghcr.io"


def test_secrets_are_in_no_repr() -> None:
    found = config(
        auths={
            "ghcr.io": {**auth("u"), "identitytoken": SECRET, "registrytoken": SECRET},
            "quay.io": {"username": "u", "password": SECRET},
        },
    )
    (credential,) = found.find(repository(), soon())
    assert credential.password == credential.identity_token == credential.registry_token == SECRET
    for shown in (repr(credential), str(credential), repr(found)):
        assert SECRET not in shown
        assert auth("u")["auth"] not in shown


MALFORMED = [
    "",
    "[]",
    "null",
    "{",
    '{"auths": []}',
    '{"auths": {"ghcr.io": "x"}}',
    '{"auths": {"ghcr.io": {"auth": 7}}}',
    f'{{"auths": {{"ghcr.io": {{"password": ["{SECRET}"]}}}}}}',
    f'{{"auths": {{"ghcr.io": {{"auth": "{SECRET}"}}}}',
    f'{{"auths": {{"{SECRET}": 7}}}}',
    f'{{"auths": {{"ghcr.io": {{"auth": "{SECRET}\\q"}}}}}}',
    f"{SECRET}",
    '{"credHelpers": "x"}',
    '{"a":' * 100_000,
]


@pytest.mark.parametrize("content", MALFORMED)
def test_a_malformed_text_is_a_usage_error(content: str) -> None:
    with pytest.raises(UsageError) as caught:
        DockerConfig.parse(content.encode(), SOURCE)
    assert SOURCE in str(caught.value)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__cause__)


def test_other_texts_are_usage_errors() -> None:
    for content in (b'{"auths": {"\xff\xfe": {}}}', b" " * (MAX_CONFIG + 1)):
        with pytest.raises(UsageError):
            DockerConfig.parse(content, SOURCE)


def test_an_empty_configuration_is_anonymous() -> None:
    for content in ({}, {"auths": None, "credHelpers": None, "credsStore": None}, {"credsStore": ""}):
        assert config(**content).find(repository(), soon()) == ()


@pytest.mark.parametrize("key", ["ghcr.io", "https://ghcr.io", "GHCR.IO:443"])
def test_helpers_come_before_the_store_and_the_store_before_entries(helpers: Path, key: str) -> None:
    for name in ("own", "store"):
        make_helper(helpers, name, answering(name))
    both = config(auths={"ghcr.io": auth("entry")}, credsStore="store", credHelpers={key: "own"})
    assert [c.username for c in both.find(repository(), soon())] == ["own"]
    assert [c.username for c in both.find(repository("quay.io/a/b"), soon())] == ["store"]
    without = config(auths={"ghcr.io": auth("entry")}, credHelpers={"quay.io": "own"})
    assert [c.username for c in without.find(repository(), soon())] == ["entry"]


def test_a_helper_with_nothing_is_not_answered_for_by_an_entry(helpers: Path) -> None:
    make_helper(helpers, "store", "cat > /dev/null; echo 'credentials not found in native keychain'; exit 1")
    assert config(auths={"ghcr.io": auth("entry")}, credsStore="store").find(repository(), soon()) == ()


# helpers are asked for hosts


def _counting(helpers: Path, name: str = "store") -> Path:
    """A helper that notes each run and gives the number of them as a password."""
    runs = helpers / "runs"
    runs.touch()
    answer = '{"Username":"u","Secret":"\'$(wc -l < RUNS)\'"}'.replace("RUNS", str(runs))
    make_helper(helpers, name, f"cat > /dev/null; echo >> {runs}; echo '{answer}'")
    return runs


def _runs(runs: Path) -> int:
    return len(runs.read_text().splitlines())


def test_a_helper_is_asked_once_for_all_repositories_of_a_host(helpers: Path) -> None:
    runs = _counting(helpers)
    found = config(credsStore="store")
    assert {found.find(repository(f"ghcr.io/acme/{n}"), soon())[0].password for n in range(20)} == {"1"}
    assert _runs(runs) == 1
    assert found.find(repository("quay.io/acme/api"), soon())[0].password == "2"


def test_a_refused_login_of_a_helper_is_asked_for_anew_once(helpers: Path) -> None:
    runs = _counting(helpers)
    found = config(auths={"quay.io": auth("u")}, credHelpers={"ghcr.io": "store"})
    assert found.find(repository(), soon())[0].password == "1"
    found.forget(repository("quay.io/acme/api"))  # which is in the text
    assert found.find(repository(), soon())[0].password == "1"
    for n in range(20):
        found.forget(repository(f"ghcr.io/acme/{n}"))
        assert found.find(repository(f"ghcr.io/acme/{n}"), soon())[0].password == "2"
    assert _runs(runs) == 2


def test_a_file_that_is_read_anew_for_a_refused_login_has_its_helper_asked_once(helpers: Path, tmp_path: Path) -> None:
    runs = _counting(helpers)
    (tmp_path / "config.json").write_text('{"credsStore": "store"}')
    file = DockerConfigFile(tmp_path / "config.json", SOURCE)
    assert _password(file) == "1"
    for _ in range(20):
        file.forget(repository())
        assert _password(file) == "2"
    assert _runs(runs) == 2


def test_a_file_that_is_written_anew_has_its_helper_asked_anew(helpers: Path, tmp_path: Path) -> None:
    """`docker login` writes the host into the file, and the secret where the helper keeps it."""
    _counting(helpers)
    path = tmp_path / "config.json"
    path.write_text('{"credsStore": "store"}')
    file = DockerConfigFile(path, SOURCE)
    assert [_password(file), _password(file)] == ["1", "1"]
    path.write_text('{"credsStore": "store", "auths": {"ghcr.io": {}}}')
    assert [_password(file), _password(file)] == ["2", "2"]


# files


def _write(path: Path, password: str, host: str = "ghcr.io") -> None:
    path.write_text(json.dumps({"auths": {host: auth("u", password)}}))


def _password(file: DockerConfigFile) -> str:
    return "".join(c.password for c in file.find(repository(), soon()))


def _is_unusable(file: DockerConfigFile) -> EvidenceUnavailable:
    with pytest.raises(EvidenceUnavailable) as caught:
        file.find(repository(), soon())
    assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
    assert SOURCE in caught.value.message
    assert caught.value.remedy == f"mend {SOURCE}"
    return caught.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "config.json"
    _write(found, "first")
    return found


def test_a_file_that_is_written_anew_is_read_anew(path: Path) -> None:
    file = DockerConfigFile(path, SOURCE)
    assert _password(file) == "first"
    for password in ("another", "third", "once more"):
        _write(path, password)
        assert _password(file) == password


def test_a_file_of_the_same_size_is_read_anew_by_its_time(path: Path) -> None:
    file = DockerConfigFile(path, SOURCE)
    before = path.stat()
    _write(path, "other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert _password(file) == "other"


def test_a_file_that_is_replaced_is_read_anew_whatever_its_time(path: Path, tmp_path: Path) -> None:
    """docker and podman write another file and rename it; `cp -p` and backups keep times."""
    file = DockerConfigFile(path, SOURCE)
    before = path.stat()
    new = tmp_path / "new"
    _write(new, "other")
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.rename(path)
    assert path.stat().st_size == before.st_size
    assert _password(file) == "other"


def test_a_mounted_secret_is_read_anew_when_kubelet_swaps_it(tmp_path: Path) -> None:
    """The file is a link through `..data`, which is a link that is renamed (kubernetes, atomic_writer.go)."""
    for name, password in (("..2026_1", "first"), ("..2026_2", "other")):
        (tmp_path / name).mkdir()
        _write(tmp_path / name / ".dockerconfigjson", password)
    (tmp_path / "..data").symlink_to("..2026_1")
    (tmp_path / "config.json").symlink_to("..data/.dockerconfigjson")
    file = DockerConfigFile(tmp_path / "config.json", SOURCE)
    assert _password(file) == "first"
    (tmp_path / "..data_tmp").symlink_to("..2026_2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    (tmp_path / "..2026_1" / ".dockerconfigjson").unlink()
    assert _password(file) == "other"


def test_a_file_that_is_not_changed_is_not_read_again(path: Path) -> None:
    """Seen by what is put in its place with its number, size and time."""
    file = DockerConfigFile(path, SOURCE)
    before = path.stat()
    _write(path, "other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _password(file) == "first"
    file.forget(repository())
    assert _password(file) == "other"


def test_a_file_that_is_deleted_is_no_empty_one(path: Path) -> None:
    file = DockerConfigFile(path, SOURCE)
    path.unlink()
    assert "cannot be read" in _is_unusable(file).message
    _is_unusable(file)
    _write(path, "again")
    assert _password(file) == "again"


@pytest.mark.parametrize("content", MALFORMED)
def test_a_file_that_becomes_malformed_is_an_inability_until_it_is_mended(path: Path, content: str) -> None:
    file = DockerConfigFile(path, SOURCE)
    path.write_text(content)
    for _ in range(2):
        assert SECRET not in str(_is_unusable(file))
    _write(path, "mended")
    assert _password(file) == "mended"


def test_other_files_are_usage_errors_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b'{"auths": {"\xff\xfe": {}}}')
    (tmp_path / "large").write_bytes(b" " * (MAX_CONFIG + 1))
    for name in ("binary", "large", "absent", "."):
        with pytest.raises(UsageError, match="shown as this"):
            DockerConfigFile(tmp_path / name, "shown as this")


def test_nothing_of_a_file_is_in_its_repr(path: Path) -> None:
    assert "first" not in repr(DockerConfigFile(path, SOURCE))
