from __future__ import annotations

import pytest

from gate.errors import ParseError
from gate.image.digest import Digest
from gate.image.manifest import Platform
from gate.image.platforms import ConfigsWanted, PlatformImage, covers, is_known, parse_platform

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64", "v8")


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", AMD64),
        ("linux/arm64/v8", ARM64),
        ("windows/amd64", Platform("windows", "amd64")),
        ("wasip1/wasm", Platform("wasip1", "wasm")),
        ("linux/x86_64", AMD64),
        ("linux/x86-64/v3", Platform("linux", "amd64", "v3")),
        ("linux/armhf", Platform("linux", "arm", "v7")),
        ("macos/aarch64", Platform("darwin", "arm64")),
    ],
)
def test_a_platform_is_read(text: str, platform: Platform) -> None:
    assert parse_platform(text) == platform


@pytest.mark.parametrize("text", ["", "linux", "Linux/amd64", "linux/amd64/", "/amd64", "linux/a/b/c", "linux/amd64\n"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(ParseError, match="is not a platform"):
        parse_platform(text)


@pytest.mark.parametrize(
    ("wanted", "there", "same"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v3", True),
        ("linux/amd64/v1", "linux/amd64", True),
        ("linux/amd64/v3", "linux/amd64", False),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm/v7", "linux/arm", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm", "linux/arm/v6", True),
        ("linux/amd64", "windows/amd64", False),
        ("linux/arm", "linux/arm64", False),
        ("linux/amd64/v3", "linux/amd64/v3", True),
        ("linux/arm64/v8", "linux/aarch64", True),
        ("linux/x86_64", "linux/amd64", True),
        ("linux/arm/v7", "linux/armhf", True),
        ("linux/arm/v7", "linux/armel", False),
        ("linux/armhf", "linux/arm/v7", True),
        ("linux/armhf", "linux/arm/v6", False),
    ],
)
def test_a_variant_that_is_not_wanted_may_be_any(wanted: str, there: str, *, same: bool) -> None:
    assert covers(parse_platform(wanted), parse_platform(there)) is same


@pytest.mark.parametrize(
    ("text", "known"), [("linux/x86_64", True), ("windows/amd64", True), ("linux/amd46", False), ("amd64/linux", False)]
)
def test_platforms_that_images_are_built_for(text: str, *, known: bool) -> None:
    assert is_known(parse_platform(text)) is known


def test_configurations_that_are_wanted_add_up() -> None:
    one, other = ConfigsWanted(frozenset({AMD64})), ConfigsWanted(frozenset({ARM64}))
    both = one | other
    assert [both.of(p) for p in (AMD64, ARM64, None, Platform("windows", "amd64"))] == [True, True, True, False]
    assert (both | ConfigsWanted(None)).of(Platform("windows", "amd64"))
    assert [ConfigsWanted().of(p) for p in (AMD64, None)] == [False, True]


def test_an_image_is_called_by_its_platform_or_its_digest() -> None:
    digest = Digest.of(b"x")
    assert str(PlatformImage(digest, ARM64)) == "linux/arm64/v8"
    assert str(PlatformImage(digest)) == digest.short


@pytest.mark.parametrize(
    "there",
    [
        *(Platform("linux", name) for name in ("amd64", "x86_64", "x86-64", "AMD64", "X86_64")),
        Platform("Linux", "amd64"),
        Platform("linux", "amd64", "v4"),
        Platform("", "amd64"),
        Platform("linux", ""),
        Platform("", ""),
    ],
)
def test_whoever_spells_a_platform_otherwise_is_asked_all_the_same(there: Platform) -> None:
    # runtimes take all of these for it
    assert ConfigsWanted(frozenset({AMD64})).of(there)
    assert not ConfigsWanted(frozenset({Platform("linux", "s390x"), Platform("windows", "arm64")})).of(
        Platform("linux", "x86_64")
    )
