"""`GateTrustRoot` documents: each source, what is wrong with them, what becomes of those who refer to them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gate.errors import ParseError
from gate.policy.trust import GivenRoot, MissingRoot, TufRoot
from gate.trust.root import MAX_ROOT, TrustedRoot
from tests.fakes.signing_authority import shared_world
from tests.unit.policy.build import Json, parsed

if TYPE_CHECKING:
    from gate.documents import Document
    from gate.policy.reading.sets import ParsedSet

CONTENT = shared_world().trusted_root()
GIVEN = TrustedRoot.parse(CONTENT)
SIGNED: Json = {"_type": "root", "version": 1, "expires": "2030-01-01T00:00:00Z", "keys": {}, "roles": {}}
METADATA: Json = {"signed": SIGNED, "signatures": [{"keyid": "k", "sig": "s"}]}
URL = "https://tuf.acme.example/repo"
SECRET: Json = {"secret": {"name": "n", "key": "k"}}


def without(value: Json, name: str) -> Json:
    return {key: inner for key, inner in value.items() if key != name}


def root(spec: Json, name: str = "acme", **metadata: str) -> Json:
    document = {"apiVersion": "imagegate.dev/v1", "kind": "GateTrustRoot", "metadata": {"name": name, **metadata}}
    return {**document, "spec": spec}


def read(*documents: Json, files: dict[str, bytes] | None = None) -> ParsedSet:
    def read_file(_document: Document, name: str, limit: int) -> bytes:
        if name not in (files or {}):
            raise ParseError(f"{name} cannot be read")
        return (files or {})[name][: limit + 1]

    return parsed("\n---\n".join(map(json.dumps, documents)), read_file)


def test_json_and_file_say_the_same() -> None:
    for spec in ({"json": json.loads(CONTENT)}, {"file": "trusted_root.json"}):
        found = read(root(spec), files={"trusted_root.json": CONTENT})
        assert found.problems == ()
        given = found.set.trust_roots["acme"]
        assert isinstance(given, GivenRoot)
        assert given.name == "acme"
        assert (given.root.authorities, given.root.logs) == (GIVEN.authorities, GIVEN.logs)


@pytest.mark.parametrize("where", [{"json": METADATA}, {"file": "root.json"}])
def test_tuf(where: Json) -> None:
    files = {"root.json": json.dumps(METADATA).encode()}
    found = read(root({"tuf": {"url": f"{URL}/", "root": where}}), files=files)
    assert found.problems == ()
    assert found.set.trust_roots["acme"] == TufRoot("acme", URL, json.dumps(METADATA).encode())


@pytest.mark.parametrize("spec", [SECRET, {"tuf": {"url": URL, "root": SECRET}}])
def test_what_is_in_a_secret_is_missing_and_said(spec: Json) -> None:
    found = read(root(spec))
    (warning,) = found.problems
    assert warning.warning
    missing = found.set.trust_roots["acme"]
    assert isinstance(missing, MissingRoot)
    assert "the Secret n (key k) can't be read from here" in (missing.why, warning.message)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "expected exactly one of json, file, secret, tuf; found none"),
        ({"file": "f", "json": {}}, "expected exactly one of json, file, secret, tuf; found json, file"),
        ({"json": {}}, "trust root acme: not a trusted root: its mediaType is ''"),
        ({"json": "text"}, "expected a mapping, got 'text'"),
        ({"file": "gone"}, "gone cannot be read"),
        ({"file": "empty"}, "trust root acme: "),
        ({"file": "large"}, f"at most {MAX_ROOT} are read"),
        ({"file": "tuf"}, "trust root acme: "),
        ({"url": URL}, "unknown field `url`"),
        ({"tuf": {"url": URL}}, "has no `root`"),
        ({"tuf": {"root": {"file": "tuf"}}}, "has no `url`"),
        ({"tuf": {"url": URL, "root": {}}}, "expected exactly one of json, file, secret; found none"),
        ({"tuf": {"url": URL, "root": {"file": "gone"}}}, "gone cannot be read"),
        ({"tuf": {"url": URL, "root": {"file": "root"}}}, "not the root metadata of a TUF repository"),
        ({"tuf": {"url": URL, "root": {"file": "empty"}}}, "trust root acme: "),
        ({"tuf": {"url": URL, "root": {"file": "large"}}}, f"more than {MAX_ROOT} bytes of root metadata"),
        ({"tuf": {"url": URL, "root": {"json": {"signed": {"_type": "targets"}}}}}, "not the root metadata"),
        ({"tuf": {"url": "http://tuf.acme.example", "root": {"file": "tuf"}}}, "expected the URL of a TUF repository"),
        ({"tuf": {"url": "https://u:p@tuf.acme.example", "root": {"file": "tuf"}}}, "expected the URL of a TUF"),
        ({"tuf": {"url": "https://tuf.acme.example:0", "root": {"file": "tuf"}}}, "expected the URL of a TUF"),
        ({"tuf": {"url": "https://tuf.acme.example/?x=y", "root": {"file": "tuf"}}}, "expected the URL of a TUF"),
        ({"tuf": {"url": f"{URL}\n", "root": {"file": "tuf"}}}, "expected the URL of a TUF"),
        (
            {"tuf": {"url": "https://tuf.acme.example:65536/", "root": {"file": "tuf"}}},
            "65536 is no port; write one up to",
        ),
        ({"tuf": {"url": "https://tuf.acme.example:99999", "root": {"file": "tuf"}}}, "99999 is no port"),
        *(
            (
                {"tuf": {"url": URL, "root": {"json": {**METADATA, "signed": without(SIGNED, part)}}}},
                "not the root metadata",
            )
            for part in SIGNED
        ),
        ({"tuf": {"url": URL, "root": {"json": {**METADATA, "signatures": []}}}}, "not the root metadata"),
        ({"tuf": {"url": URL, "root": {"json": without(METADATA, "signatures")}}}, "not the root metadata"),
    ],
)
def test_what_cannot_be_used(spec: Json, said: str) -> None:
    files = {
        "empty": b"",
        "root": json.dumps({"signed": {"version": 1}}).encode(),
        "tuf": json.dumps(METADATA).encode(),
        "large": b" " * (MAX_ROOT + 10),
    }
    (error,) = read(root(spec), files=files).errors
    assert said in f"{error.message}; {error.remedy}"


def test_names() -> None:
    (error,) = read(root(SECRET, "public-good")).errors
    assert "the trust root public-good is built in" in error.message
    (error,) = read(root(SECRET), root(SECRET)).errors
    assert "GateTrustRoot acme stands twice" in error.message
    found = read(root(SECRET), root(SECRET, "other"))
    assert (found.errors, sorted(found.set.trust_roots)) == ((), ["acme", "other"])
