from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from gate.image.reference import Reference, Repository
from gate.registry.credentials.credential import Credential
from gate.registry.credentials.pull_secrets import MAX_ENTRIES, MAX_SECRET, PullSecret, PullSecrets
from tests.fakes.clients import soon

PASSWORD = "hunter2-correct-horse"
JSON = "kubernetes.io/dockerconfigjson"
CFG = "kubernetes.io/dockercfg"


def _repository(text: str) -> Repository:
    return Reference.parse(text).name


def _auth(username: str, password: str = PASSWORD) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def _raw(content: bytes, kind: str = JSON, name: str = "regcred") -> PullSecret:
    return PullSecret("prod", name, kind, {".dockerconfigjson" if kind == JSON else ".dockercfg": content})


def _secret(*keys: str, name: str = "regcred") -> PullSecret:
    """A secret each of whose entries has its key for a user (`:` cannot be in one)."""
    auths = {key: _auth(key.replace(":", "!")) for key in keys}
    return _raw(json.dumps({"auths": auths}).encode(), name=name)


def _users(secrets: PullSecrets, image: str) -> list[str]:
    return [credential.username.replace("!", ":") for credential in secrets.find(_repository(image), soon())]


@pytest.mark.parametrize(
    ("key", "image", "matches"),
    [
        # The host alone, of each label what a * stands for.
        ("*.kubernetes.io", "prefix.kubernetes.io/a", True),
        ("prefix.*.io", "prefix.kubernetes.io/a", True),
        ("prefix.kubernetes.*", "prefix.kubernetes.io/a", True),
        ("*-good.kubernetes.io", "prefix-good.kubernetes.io/a", True),
        ("*-good.kubernetes.io", "prefix-bad.kubernetes.io/a", False),
        ("pre*ix.kubernetes.io", "prefix.kubernetes.io/a", True),
        ("p*e*x.kubernetes.io", "prefix.kubernetes.io/a", True),
        ("p**x.kubernetes.io", "prefix.kubernetes.io/a", True),
        ("prefix*prefix.kubernetes.io", "prefix.kubernetes.io/a", False),
        ("pref*fix.kubernetes.io", "prefix.kubernetes.io/a", False),
        ("*.*.*", "prefix.kubernetes.io/a", True),
        ("*", "localhost/a", True),
        # And the path.
        ("*.kubernetes.io/blah", "prefix.kubernetes.io/blah", True),
        ("prefix.*.io/foo", "prefix.kubernetes.io/foo/bar", True),
        ("prefix.*.io/foo", "prefix.kubernetes.io/bar/foo", False),
        ("*.kubernetes.io:1111/blah", "prefix.kubernetes.io:1111/blah", True),
        ("prefix.*.io:1111/foo", "prefix.kubernetes.io:1111/foo/bar", True),
        # Another number of labels.
        ("*.kubernetes.io", "kubernetes.io/a", False),
        ("*.kubernetes.io", "a.b.kubernetes.io/a", False),
        ("*.*.kubernetes.io", "prefix.kubernetes.io/a", False),
        ("*.*.kubernetes.io", "kubernetes.io/a", False),
        ("*", "kubernetes.io/a", False),
        ("io", "kubernetes.io/a", False),
        # Other labels.
        ("kubernetes.io", "kubernetes.com/a", False),
        ("k*.io", "quay.io/a", False),
        ("kubernetes.io", "evil-kubernetes.io/a", False),
        ("kubernetes.io", "kubernetes.io.evil.test/a", False),
        # Other ports; no * stands for one.
        ("*.kubernetes.io:1234/blah", "prefix.kubernetes.io:1111/blah", False),
        ("prefix.*.io/foo", "prefix.kubernetes.io:1111/foo/bar", False),
        ("prefix.*.io:1111/foo", "prefix.kubernetes.io/foo/bar", False),
        ("kubernetes.io:*", "kubernetes.io:1111/a", False),
        ("kubernetes.io:*", "kubernetes.io/a", False),
        # No * stands in a path.
        ("kubernetes.io/*", "kubernetes.io/foo", False),
        ("kubernetes.io/f*", "kubernetes.io/foo", False),
    ],
)
def test_urls_match(key: str, image: str, *, matches: bool) -> None:
    assert _users(PullSecrets.parse([_secret(key)]), image) == ([key] if matches else [])


@pytest.mark.parametrize(
    ("key", "image"),
    [
        ("https://hello.kubernetes.io", "hello.kubernetes.io"),
        ("http://hello.kubernetes.io", "hello.kubernetes.io"),
        ("https://*.docker.io", "prefix.docker.io"),
        ("https://prefix.*.io", "prefix.docker.io"),
        ("https://prefix.docker.*", "prefix.docker.io"),
        ("https://*.docker.io/path", "prefix.docker.io/path"),
        ("https://prefix.*.io/path", "prefix.docker.io/path/subpath"),
        ("https://prefix.docker.*/path", "prefix.docker.io/path"),
        ("https://*.docker.io:8888", "prefix.docker.io:8888"),
        ("https://prefix.*.io:8888", "prefix.docker.io:8888"),
        ("https://prefix.docker.*:8888", "prefix.docker.io:8888"),
        ("https://*.docker.io/v1/", "prefix.docker.io/path"),
        ("https://*.docker.io/v2/", "prefix.docker.io/path"),
        ("prefix.docker.io:1111", "prefix.docker.io:1111/path"),
        ("*.docker.io:1111", "prefix.docker.io:1111/path"),
        ("localhost:5000", "localhost:5000"),
        ("10.0.0.1:5000", "10.0.0.1:5000"),
        ("10.0.0.*:5000", "10.0.0.1:5000"),
        ("[2001:db8::1]:5000", "[2001:db8::1]:5000"),
        ("111122223333.dkr.ecr.*.amazonaws.com", "111122223333.dkr.ecr.eu-central-1.amazonaws.com"),
    ],
)
def test_docker_keyring_for_glob(key: str, image: str) -> None:
    assert _users(PullSecrets.parse([_secret(key)]), f"{image}/foo/bar") == [key]


@pytest.mark.parametrize(
    ("key", "image"),
    [
        ("https://hello.kubernetes.io", "world.mesos.org/foo/bar"),
        ("https://*.docker.com", "prefix.docker.io/foo/bar"),
        ("https://suffix.*.io", "prefix.docker.io/foo/bar"),
        ("https://prefix.docker.c*", "prefix.docker.io/foo/bar"),
        ("https://prefix.*.io/path:1111", "prefix.docker.io/path/subpath"),
        ("suffix.*.io", "prefix.docker.io/foo/bar"),
        ("https://https://prefix.docker.io", "prefix.docker.io/foo/bar"),
        ("HTTPS://prefix.docker.io", "prefix.docker.io/foo/bar"),
        ("//prefix.docker.io", "prefix.docker.io/foo/bar"),
        ("", "prefix.docker.io/foo/bar"),
        ("/", "prefix.docker.io/foo/bar"),
        ("https://", "prefix.docker.io/foo/bar"),
        ("prefix.docker.io ", "prefix.docker.io/foo/bar"),
        ("prefix.docker.[i]o", "prefix.docker.io/foo/bar"),
        ("prefix.docker.?o", "prefix.docker.io/foo/bar"),
        ("prefix.docker.%69o", "prefix.docker.io/foo/bar"),
        ("prefix.docker.io/foo%", "prefix.docker.io/foo/bar"),
        ("bad user@prefix.docker.io", "prefix.docker.io/foo/bar"),
        # What `docker login` writes for the Hub is for nobody else: not even for a host without a dot (kubelet's is).
        ("https://index.docker.io/v1/", "world.mesos.org/foo/bar"),
        ("https://index.docker.io/v1/", "myhostdocker.io/foo/bar"),
        ("https://index.docker.io/v1/", "registry:5000/foo/bar"),
        ("https://index.docker.io/v1/", "localhost/foo/bar"),
    ],
)
def test_keyring_miss(key: str, image: str) -> None:
    assert PullSecrets.parse([_secret(key)]).find(_repository(image), soon()) == ()


@pytest.mark.parametrize(
    ("key", "image", "matches"),
    [
        # The path is what the repository starts with, to the character.
        ("ghcr.io/par", "ghcr.io/partial", True),
        ("ghcr.io/par", "ghcr.io/par", True),
        ("ghcr.io/par/", "ghcr.io/partial", False),
        ("ghcr.io/par/", "ghcr.io/par/x", True),
        ("ghcr.io/partial", "ghcr.io/par", False),
        ("ghcr.io/", "ghcr.io/par", True),
        ("ghcr.io//par", "ghcr.io/par", False),
        ("ghcr.io/PAR", "ghcr.io/par", False),
        # v1 and v2 go where a slash follows, once.
        ("ghcr.io/v1/", "ghcr.io/acme/api", True),
        ("ghcr.io/v2/", "ghcr.io/acme/api", True),
        ("ghcr.io/v1", "ghcr.io/acme/api", False),
        ("ghcr.io/v2", "ghcr.io/acme/api", False),
        ("ghcr.io/v1", "ghcr.io/v1/api", True),
        ("ghcr.io/v2", "ghcr.io/v2beta/api", True),
        ("ghcr.io/v3/", "ghcr.io/acme/api", False),
        ("ghcr.io/v2/acme", "ghcr.io/acme/api", True),
        ("ghcr.io/v2/acme", "ghcr.io/other/api", False),
        ("ghcr.io/v2/v2/", "ghcr.io/acme/api", False),
        ("ghcr.io/v2/v2/", "ghcr.io/v2/api", True),
        ("ghcr.io/acme/v2/", "ghcr.io/acme/api", False),
        # The rest of a URL.
        ("https://user:secret@ghcr.io", "ghcr.io/acme/api", True),
        ("ghcr.io?x=y", "ghcr.io/acme/api", True),
        ("ghcr.io/acme?x#y", "ghcr.io/acme/api", True),
        ("ghcr.io/%61cme", "ghcr.io/acme/api", True),
        ("ghcr.io/%2561cme", "ghcr.io/acme/api", True),
        ("ghcr.io/acme%3Fother", "ghcr.io/acme/api", True),
        ("ghcr.io/acme%2Fapi", "ghcr.io/acme/api", True),
        ("ghcr.io/%zz", "ghcr.io/acme/api", False),
        # A Repository has one spelling of its host: so have keys.
        ("GHCR.io", "ghcr.io/acme/api", True),
        ("ghcr.io", "GHCR.IO/acme/api", True),
        ("ghcr.io:443", "ghcr.io/acme/api", True),
        ("ghcr.io", "ghcr.io:443/acme/api", True),
        ("ghcr.io:0443", "ghcr.io/acme/api", True),
        ("ghcr.io:", "ghcr.io/acme/api", True),
        ("ghcr.io:0", "ghcr.io/acme/api", False),
        ("ghcr.io:80", "ghcr.io/acme/api", False),
        ("registry:443", "registry:443/acme/api", True),
    ],
)
def test_a_key_is_read_as_go_reads_a_url(key: str, image: str, *, matches: bool) -> None:
    found = PullSecrets.parse([_secret(key)]).find(_repository(image), soon())

    assert [credential.password for credential in found] == ([PASSWORD] if matches else [])


@pytest.mark.parametrize("image", ["jenkins", "google/registry", "docker.io/google/registry", "index.docker.io/a/b"])
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        # The Hub is docker.io; index.docker.io answers where nothing else does.
        (["https://index.docker.io/v1/"], ["https://index.docker.io/v1/"]),
        (["index.docker.io"], ["index.docker.io"]),
        (["http://index.docker.io/"], ["http://index.docker.io/"]),
        (["https://index.docker.io/v2/"], ["https://index.docker.io/v2/"]),
        (["docker.io"], ["docker.io"]),
        (["https://docker.io/v1/"], ["https://docker.io/v1/"]),
        (["*.io"], ["*.io"]),
        (["docker.io", "https://index.docker.io/v1/"], ["docker.io"]),
        (["*.io", "https://index.docker.io/v1/"], ["*.io"]),
        (["ghcr.io", "https://index.docker.io/v1/"], ["https://index.docker.io/v1/"]),
        (["https://index.docker.io/v1"], []),
        (["index.docker.io/google"], []),
        (["*.docker.io"], []),
        (["registry-1.docker.io"], []),
        (["docker.io:5000"], []),
    ],
)
def test_keyring_hit_with_docker_hub(image: str, keys: list[str], expected: list[str]) -> None:
    assert _users(PullSecrets.parse([_secret(*keys)]), image) == expected


def test_library_images_have_their_whole_path() -> None:
    secrets = PullSecrets.parse([_secret("docker.io/library", "docker.io/nginx")])

    assert _users(secrets, "nginx") == ["docker.io/library"]


@pytest.mark.parametrize(
    ("keys", "image", "expected"),
    [
        (["ghcr.io", "ghcr.io/acme"], "ghcr.io/acme/api", ["ghcr.io/acme", "ghcr.io"]),
        (["ghcr.io/acme", "ghcr.io"], "ghcr.io/acme/api", ["ghcr.io/acme", "ghcr.io"]),
        (["ghcr.io/acme", "ghcr.io"], "ghcr.io/other", ["ghcr.io"]),
        (
            ["ghcr.io/acme", "ghcr.io/acme/api", "ghcr.io/ac", "ghcr.io/z", "quay.io"],
            "ghcr.io/acme/api",
            ["ghcr.io/acme/api", "ghcr.io/acme", "ghcr.io/ac"],
        ),
        # By the bytes of the key, and `*` comes before every letter: a pattern after what it stands for.
        (["*.acme.io", "r.acme.io", "r.*.io"], "r.acme.io/x", ["r.acme.io", "r.*.io", "*.acme.io"]),
        (["*.acme.io/x/y", "r.acme.io"], "r.acme.io/x/y", ["r.acme.io", "*.acme.io/x/y"]),
        # Keys that become one stand in the order of the file.
        (["http://ghcr.io", "ghcr.io/v2/", "ghcr.io"], "ghcr.io/x", ["http://ghcr.io", "ghcr.io/v2/", "ghcr.io"]),
    ],
)
def test_all_matches_are_found_the_last_key_first(keys: list[str], image: str, expected: list[str]) -> None:
    assert _users(PullSecrets.parse([_secret(*keys)]), image) == expected


def test_secrets_are_one_keyring() -> None:
    first = _secret("ghcr.io", "quay.io", name="first")
    second = _secret("ghcr.io/acme", "ghcr.io", name="second")

    found = PullSecrets.parse([first, second]).find(_repository("ghcr.io/acme/api"), soon())

    assert found == (
        Credential("secret prod/second", "ghcr.io/acme", PASSWORD),
        Credential("secret prod/first", "ghcr.io", PASSWORD),
        Credential("secret prod/second", "ghcr.io", PASSWORD),
    )


def test_both_types_are_read() -> None:
    bare = _raw(json.dumps({"ghcr.io": _auth("old")}).encode(), CFG, "old")
    nested = _raw(json.dumps({"auths": {"ghcr.io": _auth("new")}, "credsStore": "x"}).encode(), JSON, "new")

    secrets = PullSecrets.parse([bare, nested])

    assert _users(secrets, "ghcr.io/acme/api") == ["old", "new"]
    assert secrets.problems == ()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (_auth("user"), ("user", PASSWORD)),
        ({"auth": "dTpw"}, ("u", "p")),
        ({"auth": "dTpwcA=="}, ("u", "pp")),
        ({"auth": "dTpwcA"}, ("u", "pp")),
        ({"auth": "dTpw\r\ncA==\n"}, ("u", "pp")),
        (_auth("user", "with:colons"), ("user", "with:colons")),
        (_auth("user", "pässwörd"), ("user", "pässwörd")),
        (_auth("user", "p\0\0"), ("user", "p")),
        (_auth("robot$acme+ci"), ("robot$acme+ci", PASSWORD)),
        (_auth("_json_key", '{"type": "service_account"}'), ("_json_key", '{"type": "service_account"}')),
        (_auth("user", ""), ("user", "")),
        ({"username": "user", "password": "p"}, ("user", "p")),
        ({"username": "user", "password": "p", "email": "a@b.test"}, ("user", "p")),
        ({"Username": "user", "PASSWORD": "p"}, ("user", "p")),
        ({"username": "no", "password": "no", **_auth("user")}, ("user", PASSWORD)),
        ({"username": "user", "password": "p", "auth": ""}, ("user", "p")),
        ({"username": "user", "password": "p", "auth": None}, ("user", "p")),
        ({"username": "user", "password": "p", "identitytoken": "t", "registrytoken": "t"}, ("user", "p")),
        ({"identitytoken": "t"}, None),
        ({"email": "a@b.test"}, None),
        (_auth("", ""), None),
        ({}, None),
        (None, None),
    ],
)
def test_an_entry_is_decoded(entry: dict[str, Any] | None, expected: tuple[str, str] | None) -> None:
    secrets = PullSecrets.parse([_raw(json.dumps({"auths": {"ghcr.io": entry}}).encode())])

    found = secrets.find(_repository("ghcr.io/acme/api"), soon())
    assert found == (() if expected is None else (Credential("secret prod/regcred", *expected),))
    assert secrets.problems == ()


def test_an_entry_that_says_nothing_still_stands_before_the_hubs() -> None:
    auths = {"docker.io": {}, "https://index.docker.io/v1/": _auth("user")}

    assert PullSecrets.parse([_raw(json.dumps({"auths": auths}).encode())]).find(_repository("nginx"), soon()) == ()


@pytest.mark.parametrize(
    "content",
    [b"{}", b"null", b'{"auths": null}', b'{"auths": {}}', b'{"HttpHeaders": {"X": "y"}}'],
)
def test_a_secret_may_name_no_registry(content: bytes) -> None:
    secrets = PullSecrets.parse([_raw(content)])

    assert secrets.problems == ()
    assert secrets.find(_repository("ghcr.io/acme/api"), soon()) == ()


def test_the_last_of_equal_names_counts() -> None:
    content = b'{"auths": {}, "Auths": {"ghcr.io": {"username": "a"}, "ghcr.io": {"username": "b", "UserName": "c"}}}'

    assert _users(PullSecrets.parse([_raw(content)]), "ghcr.io/acme/api") == ["c"]


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (PullSecret("prod", "regcred"), "it is not there; create it, or take it out of imagePullSecrets"),
        (PullSecret("prod", "regcred", JSON, {}), "it has no .dockerconfigjson"),
        (PullSecret("prod", "regcred", JSON, {".dockerconfigjson": b""}), "it has no .dockerconfigjson"),
        (PullSecret("prod", "regcred", JSON, {".dockercfg": b"{}"}), "it has no .dockerconfigjson"),
        (PullSecret("prod", "regcred", CFG, {".dockerconfigjson": b"{}"}), "it has no .dockercfg"),
        (PullSecret("prod", "regcred", "Opaque", {".dockerconfigjson": b"{}"}), "it has the type 'Opaque', not "),
        (PullSecret("prod", "regcred", "", {}), "it has the type '', not "),
        (_raw(PASSWORD.encode()), "it is not a docker config"),
        (_raw(b'"' + PASSWORD.encode()), "it is not a docker config"),
        (_raw(b"\xff\xfe" + PASSWORD.encode()), "it is not a docker config"),
        (_raw(b"[]"), "it is not a docker config"),
        (_raw(b'"%s"' % PASSWORD.encode()), "it is not a docker config"),
        (_raw(b'{"auths": ["%s"]}' % PASSWORD.encode()), "it is not a docker config"),
        (_raw(b'{"auths": {"%s": "x"}}' % PASSWORD.encode()), "it is not a docker config"),
        (_raw(b'{"auths": {"ghcr.io": {"password": ["%s"]}}}' % PASSWORD.encode()), "it is not a docker config"),
        (_raw(b'{"auths": {"ghcr.io": {"username": 5}}}'), "it is not a docker config"),
        (_raw(b'{"auths": {"ghcr.io": {"username": "\\ud800"}}}'), "it is not a docker config"),
        (_raw(b'{"auths": {"ghcr.io": {"username": "\xff"}}}'), "it is not a docker config"),
        (_raw(b'{"auths": {"\xff": {"username": "a"}}}'), "it is not a docker config"),
        (_raw(b'{"auths": {}} {}'), "it is not a docker config"),
        (_raw(b'{"x": ' + b"[" * 200_000), "it is not a docker config"),
        (_raw(b'{"ghcr.io": {"auth": "%s"}}' % PASSWORD.encode(), CFG), "not base64 of text"),
        (_raw(b'{"auths": {"ghcr.io": {"auth": "dTpw!"}}}'), "not base64 of text"),
        (_raw(b'{"auths": {"ghcr.io": {"auth": "dTpwcA="}}}'), "not base64 of text"),
        (_raw(b'{"auths": {"ghcr.io": {"auth": "dTpw===="}}}'), "not base64 of text"),
        (_raw(b'{"auths": {"ghcr.io": {"auth": "dTpw cA=="}}}'), "not base64 of text"),
        (_raw('{"auths": {"ghcr.io": {"auth": "dTpw\u0660"}}}'.encode()), "not base64 of text"),
        (_raw(b'{"auths": {"ghcr.io": {"auth": "%s"}}}' % base64.b64encode(b"u:\xff")), "not base64 of text"),
        (
            _raw(b'{"auths": {"ghcr.io": {"auth": "%s"}}}' % base64.b64encode(PASSWORD.encode())),
            "not base64 of user:password",
        ),
        (_raw(b'{"auths": {"b.io": {"username": "u"}, "ghcr.io": {"auth": "!"}}}'), "not base64 of text"),
        (_raw(b" " * MAX_SECRET + b"{}"), f"more than {MAX_SECRET} bytes"),
        (_secret(*(f"r{n}.test" for n in range(MAX_ENTRIES))), "more than 1000 registries"),
    ],
)
def test_what_cannot_be_read_is_a_problem_and_the_rest_is_used(secret: PullSecret, why: str) -> None:
    secrets = PullSecrets.parse([_secret("ghcr.io", name="before"), secret, _secret("ghcr.io", name="after")])

    assert len(secrets.problems) == 1
    assert secrets.problems[0].startswith("secret prod/regcred: ")
    assert why in secrets.problems[0]
    assert PASSWORD not in secrets.problems[0]
    assert "ghcr.io" not in secrets.problems[0]
    found = secrets.find(_repository("ghcr.io/acme/api"), soon())
    assert [credential.source for credential in found] == ["secret prod/before", "secret prod/after"]


def test_keys_that_are_no_registry_are_a_problem_and_the_others_are_used() -> None:
    secrets = PullSecrets.parse([_secret("ghcr.io", f"user {PASSWORD}", "a b", "")])

    assert secrets.problems == ("secret prod/regcred: 3 of the 4 registries it names cannot be one",)
    assert _users(secrets, "ghcr.io/acme/api") == ["ghcr.io"]


def test_as_much_as_is_allowed_is_read() -> None:
    content = json.dumps({"auths": {f"r{n}.test": _auth("u") for n in range(MAX_ENTRIES)}}).encode()

    secrets = PullSecrets.parse([_raw(content.ljust(MAX_SECRET))])

    assert secrets.problems == ()
    assert _users(secrets, f"r{MAX_ENTRIES - 1}.test/x") == ["u"]


def test_a_pattern_takes_no_time_whoever_wrote_it() -> None:
    label = "a" * 63
    secrets = PullSecrets.parse([_secret("*a" * 30_000 + "*b.io", "*a" * 40 + "b*.io", "a*" * 63 + ".io")])

    start = time.perf_counter()
    found = secrets.find(_repository(f"{label}.io/x"), soon())

    assert time.perf_counter() - start < 1
    assert len(found) == 1


def test_nothing_shows_what_is_in_a_secret() -> None:
    secret = _secret("ghcr.io")
    secrets = PullSecrets.parse([secret])

    for text in (repr(secret), repr(secrets), repr(secrets.find(_repository("ghcr.io/acme/api"), soon()))):
        assert PASSWORD not in text
        assert _auth("ghcr.io")["auth"] not in text
    assert {secret}


def test_no_secrets_answer_for_nothing() -> None:
    assert PullSecrets() == PullSecrets.parse([])
    assert PullSecrets().find(_repository("nginx"), soon()) == ()
