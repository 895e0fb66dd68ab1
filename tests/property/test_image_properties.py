"""References and digests: one value for all spellings of an image, and nothing but ParseError for the rest."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import ParseError
from gate.image.digest import Digest
from gate.image.manifest import Index, Manifest, parse_manifest
from gate.image.reference import DOCKER_HUB, Reference, canonical_registry

QUICK = settings(max_examples=80, deadline=None)
SEARCH = settings(max_examples=3000, deadline=None)

ALNUM = string.ascii_lowercase + string.digits
FIELDS = ("schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "digest", "size", "platform")
HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")


def joined(part: st.SearchStrategy[str], separators: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    rest = st.lists(st.tuples(separators, part).map("".join), max_size=most - 1).map("".join)
    return st.tuples(part, rest).map("".join)


words = st.text(ALNUM, min_size=1, max_size=6)
labels = joined(words, st.sampled_from(["-", "--"]), 2)
ports = st.integers(1, 65535).filter(lambda p: p != 443).map(str)
domains = st.tuples(labels, labels).map(".".join)
v6 = (
    st.ip_addresses(v=6)
    .map(lambda address: address.exploded)
    .filter(lambda text: not text.startswith("0000:0000:0000:0000:0000:ffff:"))
    .map("[{}]".format)
)
plain_hosts = domains | st.ip_addresses(v=4).map(str) | v6 | st.just("localhost")
hosts = plain_hosts | st.tuples(plain_hosts | labels, ports).map(":".join) | st.sampled_from(HUB_NAMES)
components = joined(words, st.sampled_from([".", "_", "__", "-", "---"]), 3)
paths = joined(components, st.just("/"), 4)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True, alphabet=st.characters(codec="ascii"))
sha256 = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:".__add__)
sha512 = st.text("0123456789abcdef", min_size=128, max_size=128).map("sha512:".__add__)
digests = sha256 | sha512


def is_unqualified(path: str) -> bool:
    """Whether nothing in a path can be taken for a host."""
    first, slash, _ = path.partition("/")
    return not slash or (first != "localhost" and "." not in first)


@st.composite
def references(draw: st.DrawFn) -> str:
    path = draw(paths)
    host = draw(st.one_of(st.just("") if is_unqualified(path) else st.nothing(), hosts.map(lambda h: f"{h}/")))
    tag = draw(st.one_of(st.just(""), tags.map(lambda t: f":{t}")))
    digest = draw(st.one_of(st.just(""), digests.map(lambda d: f"@{d}")))
    return f"{host}{path}{tag}{digest}"


@st.composite
def cased(draw: st.DrawFn, text: str) -> str:
    upper = draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    return "".join(c.upper() if u else c for c, u in zip(text, upper, strict=True))


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """A canonical reference and another way to write it."""
    hub = draw(st.booleans())
    path = draw(paths)
    rest = draw(st.sampled_from(["", ":1", f"@sha256:{'0' * 64}", f":1@sha256:{'0' * 64}"]))
    if not hub:
        name = draw(domains)
        port = draw(st.sampled_from(["", ":443", ":0443", ":000443"]))
        return f"{name}/{path}{rest}", f"{draw(cased(name))}{port}/{path}{rest}"
    full = path if "/" in path else f"library/{path}"
    short = path if "/" in path or draw(st.booleans()) else full
    alias = draw(cased(draw(st.sampled_from(HUB_NAMES)))) + draw(st.sampled_from(["", ":443", ":0443"]))
    unqualified = is_unqualified(short) and draw(st.booleans())
    return f"{DOCKER_HUB}/{full}{rest}", f"{short}{rest}" if unqualified else f"{alias}/{short}{rest}"


near_references = st.lists(
    st.sampled_from(list("aA0.:/@-_[]%~ \n\0\N{LATIN SMALL LETTER LONG S}"))
    | st.sampled_from(["docker.io", "localhost", "sha256:", "0" * 64, "library/", "::1", "443", "..", "//"]),
    max_size=12,
).map("".join)
texts = st.text(st.characters(), max_size=300) | near_references

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | digests,
    lambda child: (
        st.lists(child, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            child,
            max_size=5,
        )
    ),
    max_leaves=20,
)

documents = st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode())


def read(text: str) -> Reference | None:
    try:
        return Reference.parse(text)
    except ParseError as error:
        assert error.message  # noqa: PT017 - any other exception is the failure
        return None


def is_read_or_refused(text: str) -> None:
    found = read(text)
    assert found is None or (found.text, "/" in str(found)) == (text, True)


def reads_back(text: str) -> None:
    found = Reference.parse(text)
    canonical = str(found)
    again = Reference.parse(canonical)
    assert again == found
    assert hash(again) == hash(found)
    assert str(again) == canonical
    assert canonical_registry(found.registry) == found.registry
    assert found.pinned(Digest.of(b"")).startswith(text)


def is_one_value(canonical: str, spelling: str) -> None:
    found = Reference.parse(spelling)
    assert found == Reference.parse(canonical)
    assert str(found) == canonical


def digest_reads_back(text: str) -> None:
    found = Digest.parse(text)
    assert str(found) == text
    assert Digest.parse(str(found)) == found
    assert set(found.tag) <= set(ALNUM + "-")
    assert len(found.tag) <= 128


def is_strict(text: str) -> None:
    """What is read as a digest is exactly what is written, and can go into a path."""
    try:
        found = Digest.parse(text)
    except ParseError as error:
        assert error.message  # noqa: PT017
        return
    assert str(found) == text
    assert set(text) <= set(ALNUM + ":")


def manifest_is_read_or_refused(content: bytes, content_type: str) -> None:
    try:
        found = parse_manifest(content, content_type)
    except ParseError as error:
        assert error.message  # noqa: PT017
        return
    assert isinstance(found, (Manifest, Index))


@given(references())
@QUICK
def test_round_trip(text: str) -> None:
    reads_back(text)


@pytest.mark.property
@given(references())
@SEARCH
def test_round_trip_searched(text: str) -> None:
    reads_back(text)


@given(spellings())
@QUICK
def test_bypass_spellings(pair: tuple[str, str]) -> None:
    is_one_value(*pair)


@pytest.mark.property
@given(spellings())
@SEARCH
def test_bypass_spellings_searched(pair: tuple[str, str]) -> None:
    is_one_value(*pair)


@given(texts)
@QUICK
def test_any_text_is_read_or_refused(text: str) -> None:
    is_read_or_refused(text)


@pytest.mark.property
@given(texts)
@SEARCH
def test_any_text_is_read_or_refused_searched(text: str) -> None:
    is_read_or_refused(text)


@given(
    references(), st.characters().filter(lambda c: not c.isascii() or c.isspace() or c in "@~!$%^&*()+=,;?\\\"'`|<>{}")
)
@QUICK
def test_a_strange_character_anywhere_is_refused(text: str, character: str) -> None:
    for position in (0, len(text) // 2, len(text)):
        assert read(text[:position] + character + text[position:]) is None


@given(digests)
@QUICK
def test_digest_round_trip(text: str) -> None:
    digest_reads_back(text)


@pytest.mark.property
@given(digests)
@SEARCH
def test_digest_round_trip_searched(text: str) -> None:
    digest_reads_back(text)


@given(texts | digests.map(str.upper) | st.tuples(digests, texts).map("".join))
@QUICK
def test_digests_are_strict(text: str) -> None:
    is_strict(text)


@pytest.mark.property
@given(texts | digests.map(str.upper) | st.tuples(digests, texts).map("".join))
@SEARCH
def test_digests_are_strict_searched(text: str) -> None:
    is_strict(text)


@given(st.binary(max_size=200), st.sampled_from(["sha256", "sha512"]))
@QUICK
def test_a_digest_matches_its_content_only(content: bytes, algorithm: str) -> None:
    found = Digest.of(content, algorithm)
    assert found.matches(content)
    assert not found.matches(content + b"\0")
    assert Digest.parse(str(found)) == found


@given(documents, st.text(max_size=20))
@QUICK
def test_any_manifest_is_read_or_refused(content: bytes, content_type: str) -> None:
    manifest_is_read_or_refused(content, content_type)


@pytest.mark.property
@given(documents, st.text(max_size=20))
@SEARCH
def test_any_manifest_is_read_or_refused_searched(content: bytes, content_type: str) -> None:
    manifest_is_read_or_refused(content, content_type)
