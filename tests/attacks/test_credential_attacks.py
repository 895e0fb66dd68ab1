"""Secrets planted wherever credentials come from, and registries that send back what they are asked with.

Whatever happens, nothing that is printed, raised, logged or returned has a secret in it.
"""

from __future__ import annotations

import base64
import json
import logging
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable, GateError
from gate.image.digest import Digest
from gate.image.manifest import OCI_MANIFEST, Descriptor
from gate.image.reference import Repository
from gate.registry.credentials.credential import Credential
from gate.registry.credentials.docker_config import DockerConfig, DockerConfigFile
from gate.registry.credentials.pull_secrets import PullSecret, PullSecrets
from tests.fakes.clients import Held, client_of, soon
from tests.fakes.scripted_server import Asked, Reply, ScriptedServer, as_json
from tests.fakes.signing import alice
from tests.unit.cli.support import ANYTHING, gate, pod, signed_by_alice, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gate.registry.credentials.credential import Keychain

SECRET = "hunter2-Correct-h0rse-battery"
AUTH = base64.b64encode(f"u:{SECRET}".encode()).decode()
TOKEN = "eyJ0b2tlbiI-Tok3n-of-the-registry"
NEEDLES = [SECRET, AUTH, TOKEN]
CREDENTIALS = {
    "password": Credential("config.json", "u", SECRET),
    "identity token": Credential("config.json", identity_token=SECRET),
    "registry token": Credential("config.json", registry_token=SECRET),
}
CALLS = ["resolve", "manifest", "by tag", "blob", "referrers", "tags"]


def _is_clean(*texts: object) -> None:
    """No secret is in any of them, however it may be written."""
    for text in map(str, texts):
        for needle in NEEDLES:
            for form in {needle, quote(needle, safe=""), base64.b64encode(needle.encode()).decode().rstrip("=")}:
                assert form.lower() not in text.lower(), text


@pytest.fixture(autouse=True)
def _no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    _is_clean(caplog.text)


def _call(host: str, what: str, keychain: Keychain) -> object:
    repository = Repository(host, "acme/api")
    digest = Digest.of(b"x")
    with client_of(host, keychain=keychain) as client:
        match what:
            case "resolve":
                return client.resolve(repository, "v1", soon())
            case "manifest":
                return client.manifest(repository, digest, soon())
            case "by tag":
                return client.manifest(repository, "v1", soon())
            case "blob":
                return client.blob(repository, Descriptor("x/y", digest, 500), 10_000, soon()).read()
            case "tags":
                return client.tags(repository, soon())
            case _:
                return client.referrers(repository, digest, soon())


def _comes_of(call: Callable[[], object]) -> GateError | None:
    """What a call raises; that, or what it gives, is clean."""
    try:
        found = call()
    except GateError as error:
        _is_clean(error, repr(error), error.message, error.remedy, *traceback.format_exception(error))
        return error
    _is_clean(found, repr(found))
    return None


# registries that send back what they are asked with


def _manifest(**more: object) -> bytes:
    blob = {"mediaType": "application/x-any", "digest": str(Digest.of(b"")), "size": 0}
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blob, "layers": [blob], **more}
    ).encode()


ECHOES: dict[str, Callable[[str], Reply]] = {
    "body of a refusal": lambda s: Reply(403, body=s.encode()),
    "errors of a refusal": lambda s: as_json({"errors": [{"code": "DENIED", "message": s}]}, 401),
    "body of a failure": lambda s: Reply(500, body=s.encode()),
    "body": lambda s: Reply(200, body=s.encode()),
    "media type": lambda s: Reply(200, (), _manifest(mediaType=s), OCI_MANIFEST),
    "annotations": lambda s: Reply(200, (), _manifest(annotations={"a": s}), OCI_MANIFEST),
    "artifact type": lambda s: Reply(200, (), _manifest(artifactType=s), OCI_MANIFEST),
    "subject": lambda s: Reply(200, (), _manifest(subject={"mediaType": s, "digest": s, "size": 1}), OCI_MANIFEST),
    "referrers": lambda s: as_json({"schemaVersion": 2, "manifests": [{"mediaType": s, "digest": s, "size": 1}]}),
    "tags": lambda s: as_json({"name": s, "tags": [s, "v1"]}),
    "content type": lambda s: Reply(200, (), _manifest(), s),
    "digest": lambda s: Reply(200, (("Docker-Content-Digest", s),), _manifest(), OCI_MANIFEST),
    "digest of another kind": lambda s: Reply(200, (("Docker-Content-Digest", f"sha256:{s}"),), _manifest()),
    "link": lambda s: Reply(200, (("Link", f'<https://{s}.test/>; rel="next"'),), b'{"tags": ["v1"]}'),
    "another header": lambda s: Reply(404, (("X-Authorization", s),)),
    "challenge": lambda s: Reply(401, (("WWW-Authenticate", s),)),
    "realm": lambda s: Reply(401, (("WWW-Authenticate", f'Bearer realm="{s}"'),)),
    "realm that is plain": lambda s: Reply(401, (("WWW-Authenticate", f'Bearer realm="http://x.test/?{s}"'),)),
    "realm's host": lambda s: Reply(401, (("WWW-Authenticate", f'Bearer realm="https://{s}.test/"'),)),
    "realm's userinfo": lambda s: Reply(401, (("WWW-Authenticate", f'Bearer realm="https://u:{s}@x.test/"'),)),
    "realm's service": lambda s: Reply(401, (("WWW-Authenticate", f'Bearer realm="https://[::1",service="{s}"'),)),
    "location": lambda s: Reply(307, (("Location", s),)),
    "location of no kind": lambda s: Reply(307, (("Location", f"ftp://{s}/"),)),
    "location that is plain": lambda s: Reply(307, (("Location", f"http://{s}.test/"),)),
    "location's host": lambda s: Reply(307, (("Location", f"https://{s}.test/"),)),
    "location's port": lambda s: Reply(307, (("Location", f"https://x.test:{s}/"),)),
    "location's userinfo": lambda s: Reply(307, (("Location", f"https://u:{s}@x.test/"),)),
    "location's path": lambda s: Reply(307, (("Location", f"/v2/{s}"),)),
    "retry": lambda s: Reply(429, (("Retry-After", s), ("ratelimit-limit", s), ("ratelimit-remaining", s))),
}


@contextmanager
def _echoing(echo: Callable[[str], Reply], challenge: str) -> Iterator[ScriptedServer]:
    """Whoever says who they are gets that back; everybody else is challenged."""

    def script(asked: Asked) -> Reply:
        if asked.path == "/token":
            return as_json({"token": TOKEN})
        if asked.authorization is None:
            return Reply(401, (("WWW-Authenticate", challenge.replace("HOST", asked.headers["host"])),))
        return echo(asked.authorization.partition(" ")[2])

    with ScriptedServer(script) as server:
        yield server


@pytest.mark.parametrize("challenge", ['Basic realm="x"', 'Bearer realm="http://HOST/token"'])
@pytest.mark.parametrize("name", ECHOES)
@pytest.mark.parametrize("kind", CREDENTIALS)
def test_an_authorization_header_that_is_sent_back_goes_no_further(kind: str, name: str, challenge: str) -> None:
    with _echoing(ECHOES[name], challenge) as server:
        for what in CALLS:
            _comes_of(lambda what=what: _call(server.host, what, Held(CREDENTIALS[kind])))  # type: ignore[misc]
        if kind != "identity token" or challenge.startswith("Bearer"):
            assert any(asked.authorization for asked in server.asked)


def test_a_registry_that_sends_credentials_back_is_named() -> None:
    with _echoing(ECHOES["digest"], 'Basic realm="x"') as server:
        error = _comes_of(lambda: _call(server.host, "resolve", Held(CREDENTIALS["password"])))
    assert isinstance(error, EvidenceUnavailable)
    assert error.code is Code.REGISTRY_PROTOCOL
    assert error.message == f"{server.host} sent back the credentials that it was asked with"


@pytest.mark.parametrize("name", ECHOES)
@pytest.mark.parametrize("kind", CREDENTIALS)
def test_what_a_token_service_sends_back_goes_no_further(kind: str, name: str) -> None:
    """It gets the password itself, or the refresh token in a form."""

    def script(asked: Asked) -> Reply:
        if asked.path == "/token":
            form = asked.body.decode().rpartition("refresh_token=")[2]
            return ECHOES[name]((asked.authorization or "").partition(" ")[2] or form)
        realm = f"http://{asked.headers['host']}/token"
        return Reply(401, (("WWW-Authenticate", f'Bearer realm="{realm}"'),))

    with ScriptedServer(script) as server:
        assert _comes_of(lambda: _call(server.host, "resolve", Held(CREDENTIALS[kind]))) is not None


@pytest.mark.parametrize(
    "answer", ['{{"token": "{}"}}', '{{"token": ["{}"]}}', '{{"{}": 1', '"{}"', '{{"token": "{}\\n"}}']
)
def test_a_password_given_back_as_a_token_goes_no_further(answer: str) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply(200, body=answer.format(SECRET).encode())
        realm = f"http://{asked.headers['host']}/token"
        said = (asked.authorization or "x").partition(" ")[2]
        return Reply(401, (("WWW-Authenticate", f'Bearer realm="{realm}?{said}"'),), said.encode())

    with ScriptedServer(script) as server:
        assert _comes_of(lambda: _call(server.host, "resolve", Held(CREDENTIALS["password"]))) is not None


# wherever credentials come from


def _entry(**fields: str) -> Callable[[str], dict[str, Any]]:
    return lambda host: {"auths": {host: fields}}


CONFIGS: dict[str, Callable[[str], object]] = {
    "auth": _entry(auth=AUTH),
    "auth without a colon": _entry(auth=base64.b64encode(SECRET.encode()).decode()),
    "auth that is no text": _entry(auth=base64.b64encode(b"\xff" + SECRET.encode()).decode()),
    "auth that is not encoded": _entry(auth=f"u:{SECRET}"),
    "password": _entry(username="u", password=SECRET),
    "identity token": _entry(identitytoken=SECRET),
    "registry token": _entry(registrytoken=SECRET),
    "registry token of two lines": _entry(registrytoken=f"{SECRET}\n{SECRET}"),
    "registry token that is a user": _entry(username=SECRET, registrytoken="x"),
    "everything": _entry(auth=AUTH, username=SECRET, password=SECRET, identitytoken=SECRET, registrytoken=SECRET),
    "a list": lambda host: {"auths": {host: {"auth": [SECRET]}}},
    "a text": lambda host: {"auths": {host: SECRET}},
    "a key": lambda host: {"auths": {f"https://u:{SECRET}@{host}": {"auth": "!"}, host: {"auth": AUTH}}},
    "the whole": lambda host: SECRET,
    "a helper": lambda host: {"credsStore": "planted"},
    "a helper for a host": lambda host: {"credHelpers": {host: "planted"}},
    "a helper that fails": lambda host: {"credHelpers": {host: "failing"}},
    "a helper that babbles": lambda host: {"credHelpers": {host: "babbling"}},
}
HELPERS = {
    "planted": f'cat >/dev/null; echo \'{{"Username":"u","Secret":"{SECRET}"}}\'; echo "{SECRET}" >&2',
    "failing": f'echo "{SECRET}"; echo "{SECRET}" >&2; exit 1',
    "babbling": f'echo \'{{"Username":"{SECRET}","Secret":["{SECRET}"]}}\'; echo "{SECRET}" >&2',
}
REGISTRIES: dict[str, Callable[[Asked], Reply]] = {
    "refuses": lambda _: Reply(401, (("WWW-Authenticate", 'Basic realm="x"'),)),
    "forbids": lambda asked: Reply(403) if asked.authorization else Reply(401, (("WWW-Authenticate", "Basic"),)),
    "echoes": lambda asked: (
        ECHOES["digest"](asked.authorization.partition(" ")[2])
        if asked.authorization
        else Reply(401, (("WWW-Authenticate", 'Basic realm="x"'),))
    ),
    "has tokens": lambda asked: (
        as_json({"token": TOKEN})
        if asked.path == "/token"
        else Reply(401, (("WWW-Authenticate", f'Bearer realm="http://{asked.headers["host"]}/token"'),))
    ),
    "has tokens elsewhere": lambda _: Reply(401, (("WWW-Authenticate", 'Bearer realm="https://127.0.0.1:1/token"'),)),
    "has tokens in a plain place": lambda asked: Reply(
        401, (("WWW-Authenticate", f'Bearer realm="https://u:{SECRET}@{asked.headers["host"]}/token"'),)
    ),
    "limits": lambda asked: (
        Reply(429, (("Retry-After", "99"),)) if asked.authorization else Reply(401, (("WWW-Authenticate", "Basic"),))
    ),
    "has nothing": lambda asked: Reply(404) if asked.authorization else Reply(401, (("WWW-Authenticate", "Basic"),)),
}


@pytest.fixture
def _planted_helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, script in HELPERS.items():
        path = write(tmp_path, f"bin/docker-credential-{name}", f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_planted_helpers")
@pytest.mark.parametrize("registry", REGISTRIES)
@pytest.mark.parametrize("name", CONFIGS)
def test_no_output_of_a_command_has_a_secret(tmp_path: Path, name: str, registry: str) -> None:
    """Text, JSON and diagnostics of whatever asks registries."""
    key = write(tmp_path, "alice.pub", alice().pem.decode())
    signed = write(tmp_path, "signed.yaml", signed_by_alice())
    with ScriptedServer(REGISTRIES[registry]) as server:
        config = write(tmp_path, "config.json", json.dumps(CONFIGS[name](server.host)))
        image = f"{server.host}/acme/api:v1"
        source = write(tmp_path, "pod.yaml", pod(image))
        flags = ("--insecure-registry", server.host, "--registry-config", config)
        for command in (
            ("verify", image, "--key", key, "-o", "json"),
            ("verify", image, "--key", key),
            ("inspect", image, "-o", "json"),
            ("resolve", image),
            ("check", source, "-p", signed, "-o", "json"),
            ("check", source, "-p", signed),
        ):
            ran = gate(*command, *flags)
            assert ran.code in (2, 3), (command, ran)
            assert ran.out + ran.err
            _is_clean(ran.out, ran.err)


@pytest.mark.usefixtures("_planted_helpers")
def test_a_command_that_asks_no_registry_tells_nothing_either(tmp_path: Path) -> None:
    policy = write(tmp_path, "policy.yaml", ANYTHING)
    source = write(tmp_path, "pod.yaml", pod("registry.test/acme/api:v1"))
    for content in CONFIGS.values():
        config = write(tmp_path, "config.json", json.dumps(content("registry.test")))
        ran = gate("check", source, "-p", policy, "--registry-config", config, "-o", "json")
        _is_clean(ran.out, ran.err)


@pytest.mark.usefixtures("_planted_helpers")
@pytest.mark.parametrize("name", CONFIGS)
def test_no_object_shows_a_secret(tmp_path: Path, name: str) -> None:
    content = json.dumps(CONFIGS[name]("registry.test")).encode()
    path = tmp_path / "config.json"
    path.write_bytes(b"{}")
    file = DockerConfigFile(path, "config.json")
    path.write_bytes(content)
    repository = Repository("registry.test", "acme/api")
    for call in (
        lambda: DockerConfig.parse(content, "config.json"),
        lambda: DockerConfig.parse(content, "config.json").find(repository, soon()),
        lambda: DockerConfigFile(path, "config.json"),
        lambda: file.find(repository, soon()),
    ):
        if name in ("registry token that is a user", "everything"):
            continue  # names of users are no secrets
        _comes_of(call)


SECRETS: dict[str, object] = {
    "auth": {"auth": AUTH},
    "password": {"username": "u", "password": SECRET},
    "auth without a colon": {"auth": base64.b64encode(SECRET.encode()).decode()},
    "auth that is no text": {"auth": base64.b64encode(b"\xff" + SECRET.encode()).decode()},
    "auth that is not encoded": {"auth": f"u:{SECRET}"},
    "a list": {"auth": [SECRET]},
    "a text": SECRET,
}


@pytest.mark.parametrize("registry", REGISTRIES)
@pytest.mark.parametrize("name", SECRETS)
def test_nothing_of_a_pull_secret_is_told(name: str, registry: str) -> None:
    with ScriptedServer(REGISTRIES[registry]) as server:
        auths = {
            server.host: SECRETS[name],
            f"https://u:{SECRET}@x.test": {"auth": AUTH},
            f"a {SECRET}": {"auth": AUTH},
        }
        content = json.dumps({"auths": auths}).encode()
        secret = PullSecret("prod", "regcred", "kubernetes.io/dockerconfigjson", {".dockerconfigjson": content})
        secrets = PullSecrets.parse([secret])
        _is_clean(secret, repr(secret), secrets, repr(secrets), *secrets.problems)
        for what in CALLS:
            assert (
                _comes_of(lambda what=what: _call(server.host, what, secrets)) is not None  # type: ignore[misc]
                or registry == "has nothing"
            )
