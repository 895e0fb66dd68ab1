from __future__ import annotations

import hashlib

import pytest

from gate.errors import ParseError
from gate.image.digest import Digest

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
EMPTY512 = (
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
)


@pytest.mark.parametrize(("algorithm", "hexadecimal"), [("sha256", EMPTY), ("sha512", EMPTY512)])
def test_reads_and_writes(algorithm: str, hexadecimal: str) -> None:
    found = Digest.parse(f"{algorithm}:{hexadecimal}")
    assert (found.algorithm, found.hex) == (algorithm, hexadecimal)
    assert str(found) == f"{algorithm}:{hexadecimal}"
    assert found.short == f"{algorithm}:{hexadecimal[:12]}"
    assert found == Digest.of(b"", algorithm)
    assert found.matches(b"")
    assert not found.matches(b"\0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        EMPTY,
        f":{EMPTY}",
        f"sha256:{EMPTY[:-1]}",
        f"sha256:{EMPTY}0",
        f"sha256:{EMPTY.upper()}",
        f"SHA256:{EMPTY}",
        f"sha256:{EMPTY[:-1]}g",
        f"sha256: {EMPTY[:-1]}",
        f"sha256:{EMPTY}\n",
        f"\nsha256:{EMPTY}",
        f"sha256:{EMPTY}\0",
        f"sha256:0x{EMPTY[:-2]}",
        f"sha256:-{EMPTY[:-1]}",
        f"sha256:{EMPTY[:-1]}\N{ARABIC-INDIC DIGIT ONE}",
        f"sha256:{EMPTY[:-1]}\N{FULLWIDTH DIGIT ONE}",
        f"\N{LATIN SMALL LETTER LONG S}ha256:{EMPTY}",
        f"sha256:{EMPTY512}",
        f"sha512:{EMPTY}",
        f"sha384:{EMPTY}{EMPTY[:32]}",
        f"sha1:{EMPTY[:40]}",
        f"md5:{EMPTY[:32]}",
        f"sha256+b64:{EMPTY}",
        f"sha256:{EMPTY}@sha256:{EMPTY}",
        f"sha256::{EMPTY}",
        f"../sha256:{EMPTY}",
        "sha256:../../etc/passwd",
        "sha256:../../../../../../../../../../../../../../../../../../etc/passwd",
        "sha256:%2e%2e%2f",
        f"sha256:{EMPTY}/../x",
        f"sha256:{EMPTY}?x",
        "a" * 100_000,
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        Digest.parse(text)
    assert len(caught.value.message) < 300


def test_matches_computes_the_digest_anew() -> None:
    content = b"layer"
    claimed = Digest("sha256", hashlib.sha256(content).hexdigest())
    assert claimed.matches(content)
    assert not claimed.matches(content + b"\n")
    assert not Digest("sha256", "0" * 64).matches(content)
    assert not Digest("sha512", claimed.hex).matches(content)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        (f"sha256:{EMPTY}", f"sha256-{EMPTY}"),
        # the referrers tag schema cuts the hex at 64 characters
        (f"sha512:{EMPTY512}", f"sha512-{EMPTY512[:64]}"),
    ],
)
def test_tag(text: str, tag: str) -> None:
    assert Digest.parse(text).tag == tag
    assert len(tag) <= 128


def test_order_and_hash_are_of_the_value() -> None:
    one, two = Digest("sha256", "0" * 64), Digest("sha256", "1" * 64)
    assert sorted([two, Digest("sha512", "0" * 128), one]) == [one, two, Digest("sha512", "0" * 128)]
    assert len({one, Digest.parse(str(one)), two}) == 2
