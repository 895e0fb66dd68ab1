from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable, UsageError
from gate.image.reference import Reference, Repository
from gate.registry.keychain import MAX_CONFIG, Anonymous, Chain, Credential, DockerConfig, Remembering
from tests.fakes.clients import Held, soon
from tests.fakes.clock import SettableClock

if TYPE_CHECKING:
    from pathlib import Path

    from gate.deadline import Deadline

SECRET = "hunter2-correct-horse"
HUB = "https://index.docker.io/v1/"


def _repository(text: str) -> Repository:
    return Reference.parse(text).name


def _auth(username: str, password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def _config(folder: Path, **content: object) -> DockerConfig:
    path = folder / "config.json"
    path.write_text(json.dumps(content))
    return DockerConfig.read(path)


def _helper(folder: Path, name: str, script: str) -> None:
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.mark.parametrize(
    ("keys", "repository", "expected"),
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
def test_the_most_specific_key_answers(tmp_path: Path, keys: list[str], repository: str, expected: str | None) -> None:
    config = _config(tmp_path, auths={key: _auth("u", f"for {key}") for key in keys})
    found = config.find(_repository(repository), soon())
    assert (found.password if found else None) == (f"for {expected}" if expected is not None else None)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (_auth("robot$acme+ci", "a:b:c"), ("robot$acme+ci", "a:b:c", "", "")),
        ({"auth": _auth("u", "pass")["auth"].rstrip("=")}, ("u", "pass", "", "")),
        ({"auth": base64.b64encode(b"u:pass\0\0\0").decode()}, ("u", "pass", "", "")),
        ({"auth": base64.b64encode("ü:pä".encode()).decode()}, ("ü", "pä", "", "")),
        ({"username": "u", "password": "p"}, ("u", "p", "", "")),
        ({**_auth("inner", "p"), "username": "outer", "password": "q"}, ("inner", "p", "", "")),
        ({"identitytoken": "t"}, ("", "", "t", "")),
        ({**_auth("<token>", ""), "identitytoken": "t"}, ("<token>", "", "t", "")),
        ({"registrytoken": "t"}, ("", "", "", "t")),
        ({**_auth("u", "p"), "email": "x@example.test", "extra": {"a": 1}}, ("u", "p", "", "")),
    ],
)
def test_an_entry_is_read(tmp_path: Path, entry: dict[str, object], expected: tuple[str, ...]) -> None:
    found = _config(tmp_path, auths={"ghcr.io": entry}).find(_repository("ghcr.io/a/b"), soon())
    assert found is not None
    assert (found.username, found.password, found.identity_token, found.registry_token) == expected
    assert found.source == str(tmp_path / "config.json")


@pytest.mark.parametrize("entry", [{}, {"auth": ""}, _auth("u", ""), {"username": "u"}])
def test_an_entry_without_a_secret_is_anonymous(tmp_path: Path, entry: dict[str, object]) -> None:
    assert _config(tmp_path, auths={"ghcr.io": entry}).find(_repository("ghcr.io/a/b"), soon()) is None


@pytest.mark.parametrize(
    "auth", ["a", "/w==", "//79", "=====a", base64.b64encode(b"u").decode(), base64.b64encode(b"\0").decode(), "::::"]
)
def test_an_entry_that_cannot_be_read_is_an_error(tmp_path: Path, auth: str) -> None:
    config = _config(tmp_path, auths={"ghcr.io": {"auth": auth}})
    with pytest.raises(EvidenceUnavailable) as caught:
        config.find(_repository("ghcr.io/a/b"), soon())
    assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
    assert caught.value.message == f"the entry for ghcr.io in {tmp_path / 'config.json'} is not readable"
    assert caught.value.remedy == "docker login ghcr.io"


def test_basic_is_base64_of_user_and_password() -> None:
    assert Credential("s", "Aladdin", "open sesame").basic == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    config = _config(
        tmp_path,
        auths={
            "ghcr.io": {**_auth("u"), "identitytoken": SECRET, "registrytoken": SECRET},
            "quay.io": {"username": "u", "password": SECRET},
        },
    )
    credential = config.find(_repository("ghcr.io/a/b"), soon())
    assert credential is not None
    assert credential.password == credential.identity_token == credential.registry_token == SECRET
    for shown in (repr(credential), str(credential), repr(config), repr(Chain([config])), credential.scope):
        assert SECRET not in shown
        assert _auth("u")["auth"] not in shown


def test_scopes_differ_as_credentials_do() -> None:
    variants = [
        Credential("s", "u", "p"),
        Credential("s", "u", "q"),
        Credential("s", "v", "p"),
        Credential("s", "up", ""),
        Credential("s", "", "up"),
        Credential("s", identity_token="p"),
        Credential("s", registry_token="p"),
    ]
    assert len({credential.scope for credential in variants}) == len(variants)
    assert Credential("here", "u", "p").scope == Credential("there", "u", "p").scope


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        "{",
        '{"auths": []}',
        '{"auths": {"ghcr.io": "x"}}',
        '{"auths": {"ghcr.io": {"auth": 7}}}',
        f'{{"auths": {{"ghcr.io": {{"password": ["{SECRET}"]}}}}}}',
        f'{{"auths": {{"ghcr.io": {{"auth": "{SECRET}"}}}}',
        '{"credHelpers": "x"}',
        '{"a":' * 100_000,
    ],
)
def test_a_malformed_file_is_a_usage_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        DockerConfig.read(path)
    assert str(path) in str(caught.value)
    assert SECRET not in str(caught.value)


def test_other_files_are_usage_errors(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b'{"auths": {"\xff\xfe": {}}}')
    (tmp_path / "large").write_bytes(b" " * (MAX_CONFIG + 1))
    for name in ("binary", "large", "absent", "."):
        with pytest.raises(UsageError):
            DockerConfig.read(tmp_path / name)


def test_an_empty_configuration_is_anonymous(tmp_path: Path) -> None:
    assert _config(tmp_path).find(_repository("ghcr.io/a/b"), soon()) is None
    assert (
        _config(tmp_path, auths=None, credHelpers=None, credsStore=None).find(_repository("ghcr.io/a/b"), soon())
        is None
    )
    assert _config(tmp_path, credsStore="").find(_repository("ghcr.io/a/b"), soon()) is None
    assert Anonymous().find(_repository("ghcr.io/a/b"), soon()) is None


def test_the_first_keychain_with_credentials_answers() -> None:
    first, second = Credential("first", "u", "p"), Credential("second", "u", "p")
    repository = _repository("ghcr.io/a/b")
    assert Chain([Anonymous(), Held(first), Held(second)]).find(repository, soon()) is first
    assert Chain([Held(None), Held(second), Held(first)]).find(repository, soon()) is second
    assert Chain([]).find(repository, soon()) is None


@dataclass
class _Counting:
    answers: list[Credential | EvidenceUnavailable | None]
    asked: int = 0

    def find(self, repository: Repository, deadline: Deadline) -> Credential | None:
        self.asked += 1
        found = self.answers.pop(0)
        if isinstance(found, EvidenceUnavailable):
            raise found
        return found


@pytest.mark.parametrize("answer", [Credential("s", "u", "p"), None])
def test_answers_are_remembered_for_a_minute(answer: Credential | None) -> None:
    clock = SettableClock()
    inner = _Counting([answer, Credential("s", "u", "new"), answer])
    keychain = Remembering(inner, clock.monotonic)
    assert [keychain.find(_repository("ghcr.io/a/b"), soon()) for _ in range(3)] == [answer] * 3
    clock.advance(59)
    assert keychain.find(_repository("ghcr.io/a/b"), soon()) == answer
    assert inner.asked == 1
    clock.advance(2)
    assert keychain.find(_repository("ghcr.io/a/b"), soon()) == Credential("s", "u", "new")
    assert keychain.find(_repository("ghcr.io/a/c"), soon()) == answer
    assert inner.asked == 3


def test_failures_are_remembered_for_seconds() -> None:
    clock = SettableClock()
    failure = EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, "the helper did not answer", remedy="mend it")
    inner = _Counting([failure, None])
    keychain = Remembering(inner, clock.monotonic)
    raised = []
    for _ in range(3):
        with pytest.raises(EvidenceUnavailable) as caught:
            keychain.find(_repository("ghcr.io/a/b"), clock.deadline())
        raised.append(caught.value)
        clock.advance(2)
    assert [(e.code, e.message, e.remedy) for e in raised] == [(failure.code, failure.message, "mend it")] * 3
    # each its own: one that is raised again collects the traces of all who raised it
    assert len({id(e) for e in (failure, *raised)}) == 4
    assert inner.asked == 1
    assert keychain.find(_repository("ghcr.io/a/b"), clock.deadline()) is None


@pytest.mark.parametrize("answer", [Credential("s", "u", "p"), None])
def test_what_is_at_hand_is_said_without_asking(answer: Credential | None) -> None:
    clock = SettableClock()
    inner = _Counting([answer])
    keychain = Remembering(inner, clock.monotonic)
    assert keychain.at_hand(_repository("ghcr.io/a/b")) is None
    keychain.find(_repository("ghcr.io/a/b"), clock.deadline())
    kept = keychain.at_hand(_repository("ghcr.io/a/b"))
    assert kept is not None
    assert (kept.credential, kept.failure, inner.asked) == (answer, None, 1)
    assert keychain.at_hand(_repository("ghcr.io/a/c")) is None
    clock.advance(60)
    assert keychain.at_hand(_repository("ghcr.io/a/b")) is None


def test_what_is_remembered_is_bounded() -> None:
    inner = _Counting([None] * 10_001)
    keychain = Remembering(inner, SettableClock().monotonic)
    for i in range(10_001):
        keychain.find(Repository("ghcr.io", f"a/{i}"), soon())
    assert len(keychain._kept) <= 10_000


def test_a_helper_is_asked_for_the_host(tmp_path: Path, helpers: Path) -> None:
    answer = json.dumps({"ServerURL": "ghcr.io", "Username": "u", "Secret": SECRET})
    _helper(helpers, "test", f"echo \"$@\" > {tmp_path}/arguments; cat > {tmp_path}/asked; echo '{answer}'")
    found = _config(tmp_path, credsStore="test").find(_repository("ghcr.io/a/b"), soon())
    assert found == Credential("docker-credential-test", "u", SECRET)
    assert (tmp_path / "asked").read_text() == "ghcr.io"
    assert (tmp_path / "arguments").read_text() == "get\n"


def test_a_helper_is_asked_for_docker_hub_by_its_old_key(tmp_path: Path, helpers: Path) -> None:
    _helper(helpers, "test", f'cat > {tmp_path}/asked; echo \'{{"Username":"u","Secret":"s"}}\'')
    assert _config(tmp_path, credsStore="test").find(_repository("nginx"), soon()) is not None
    assert (tmp_path / "asked").read_text() == HUB


@pytest.mark.parametrize("key", ["ghcr.io", "https://ghcr.io", "GHCR.IO:443"])
def test_helpers_come_before_the_store_and_the_store_before_entries(tmp_path: Path, helpers: Path, key: str) -> None:
    for name in ("own", "store"):
        _helper(helpers, name, f'cat > /dev/null; echo \'{{"Username":"{name}","Secret":"s"}}\'')
    config = _config(tmp_path, auths={"ghcr.io": _auth("entry")}, credsStore="store", credHelpers={key: "own"})
    assert [c.username for c in [config.find(_repository("ghcr.io/a/b"), soon())] if c] == ["own"]
    assert [c.username for c in [config.find(_repository("quay.io/a/b"), soon())] if c] == ["store"]
    without = _config(tmp_path, auths={"ghcr.io": _auth("entry")}, credHelpers={"quay.io": "own"})
    assert [c.username for c in [without.find(_repository("ghcr.io/a/b"), soon())] if c] == ["entry"]


def test_a_token_of_a_helper_is_an_identity_token(tmp_path: Path, helpers: Path) -> None:
    _helper(helpers, "test", f'cat > /dev/null; echo \'{{"Username":"<token>","Secret":"{SECRET}"}}\'')
    found = _config(tmp_path, credsStore="test").find(_repository("ghcr.io/a/b"), soon())
    assert found == Credential("docker-credential-test", identity_token=SECRET)


@pytest.mark.parametrize(
    "script",
    [
        "cat > /dev/null; echo 'credentials not found in native keychain'; exit 1",
        'cat > /dev/null; echo \'{"ServerURL":"","Username":"","Secret":""}\'',
    ],
)
def test_a_helper_that_has_none_is_anonymous(tmp_path: Path, helpers: Path, script: str) -> None:
    _helper(helpers, "test", script)
    assert _config(tmp_path, credsStore="test").find(_repository("ghcr.io/a/b"), soon()) is None


@pytest.mark.parametrize(
    "script",
    [
        f"cat > /dev/null; echo '{SECRET}'; echo '{SECRET}' >&2; exit 1",
        f"cat > /dev/null; echo '{SECRET}'",
        f"cat > /dev/null; echo '[\"{SECRET}\"]'",
        f'cat > /dev/null; echo \'{{"Username": 7, "Secret": "{SECRET}"}}\'',
        "exit 3",
        "kill -9 $$",
        "printf '\\377\\376'",
    ],
)
def test_a_helper_that_fails_is_an_error_without_its_output(tmp_path: Path, helpers: Path, script: str) -> None:
    _helper(helpers, "test", script)
    with pytest.raises(EvidenceUnavailable) as caught:
        _config(tmp_path, credsStore="test").find(_repository("ghcr.io/a/b"), soon())
    assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
    assert "docker-credential-test" in caught.value.message
    assert "ghcr.io" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_helper_that_is_missing_is_an_error_and_not_anonymous(tmp_path: Path, helpers: Path) -> None:
    (helpers / "docker-credential-plain").write_text("no executable")
    for name, why in (("absent", "is not installed"), ("plain", "did not answer")):
        with pytest.raises(EvidenceUnavailable, match=f"docker-credential-{name} {why}") as caught:
            _config(tmp_path, credsStore=name).find(_repository("ghcr.io/a/b"), soon())
        assert caught.value.code is Code.REGISTRY_UNAUTHORIZED


@pytest.mark.parametrize(
    "name", ["../x", "/bin/sh", "a/b", "..", ".hidden", "-x", "a b", "a;b", "a\n", "a\0b", "é", "x" * 65]
)
def test_a_helper_is_named_by_a_plain_word(tmp_path: Path, helpers: Path, name: str) -> None:
    marker = tmp_path / "ran"
    (tmp_path / "docker-credential-..").mkdir()
    (tmp_path / "x").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (tmp_path / "x").chmod(0o755)
    with pytest.raises(EvidenceUnavailable, match="not the name of a credential helper") as caught:
        _config(tmp_path, credsStore=name).find(_repository("ghcr.io/a/b"), soon())
    assert caught.value.code is Code.REGISTRY_UNAUTHORIZED
    assert not marker.exists()
