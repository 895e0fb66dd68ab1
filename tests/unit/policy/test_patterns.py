from __future__ import annotations

import pytest

from gate.errors import ParseError
from gate.image.reference import Reference
from gate.policy.patterns import ImagePattern, RegistryPrefix, glob


def covers(pattern: str, image: str) -> bool:
    return ImagePattern.parse(pattern).matches(Reference.parse(image).name)


@pytest.mark.parametrize(
    ("pattern", "images", "others"),
    [
        ("**", ["nginx", "ghcr.io/a", "ghcr.io/a/b/c", "localhost:5000/x", "[::1]:5000/x/y"], []),
        ("ghcr.io/acme/api", ["ghcr.io/acme/api"], ["ghcr.io/acme/api/x", "ghcr.io/acme/api2", "xghcr.io/acme/api"]),
        ("ghcr.io/acme/*", ["ghcr.io/acme/api"], ["ghcr.io/acme", "ghcr.io/acme/a/b", "ghcr.io/acme-evil/api"]),
        (
            "ghcr.io/acme/**",
            ["ghcr.io/acme", "ghcr.io/acme/a", "ghcr.io/acme/a/b/c"],
            ["ghcr.io/acme-evil/a", "ghcr.io/b"],
        ),
        ("ghcr.io/*/api", ["ghcr.io/a/api"], ["ghcr.io/api", "ghcr.io/a/b/api", "ghcr.io/a/api/b"]),
        ("ghcr.io/**/api", ["ghcr.io/api", "ghcr.io/a/api", "ghcr.io/a/b/api"], ["ghcr.io/a/api/b", "ghcr.io/xapi"]),
        ("**/api", ["ghcr.io/api", "ghcr.io/a/b/api", "api"], ["ghcr.io/api/x", "ghcr.io/my-api"]),
        ("**/*-snapshot", ["ghcr.io/a/b-snapshot"], ["ghcr.io/a/snapshot", "ghcr.io/a-snapshot/b"]),
        ("*/acme/**", ["ghcr.io/acme/x", "quay.io:8443/acme"], ["ghcr.io/b/acme/x"]),
        (
            "*.acme.example/**",
            ["eu.acme.example/x", "a.b.acme.example/x"],
            ["acme.example/x", "acme.example.evil.test/x"],
        ),
        ("ghcr.io/acme/a*i", ["ghcr.io/acme/ai", "ghcr.io/acme/api", "ghcr.io/acme/a.b-i"], ["ghcr.io/acme/a/i"]),
        ("ghcr.io/acme/a.i", ["ghcr.io/acme/a.i"], ["ghcr.io/acme/api", "ghcr.io/acme/a-i"]),
        (
            "docker.io/library/*",
            ["nginx", "library/nginx", "index.docker.io/nginx"],
            ["acme/nginx", "ghcr.io/library/nginx"],
        ),
        ("docker.io/**", ["nginx", "acme/api", "registry-1.docker.io/a/b"], ["docker.io.evil.test/x"]),
        ("docker.io/acme/**", ["acme/api"], ["acme"]),
        ("localhost/**", ["localhost/x"], ["localhost:5000/x"]),
        ("localhost:5000/**", ["localhost:5000/x"], ["localhost/x", "localhost:50000/x"]),
        ("ghcr.io:8443/x/**", ["ghcr.io:8443/x"], ["ghcr.io/x"]),
        ("registry.test:*/x", ["registry.test:1/x", "registry.test:65535/x"], ["registry.test/x"]),
        ("[::1]:5000/**", ["[::1]:5000/x", "[0:0::1]:5000/x"], ["[::2]:5000/x", "[::1]/x"]),
        ("[2001:db8::1]/**", ["[2001:DB8:0::1]:443/x"], ["[2001:db8::10]/x"]),
        ("**/a/**/b/**", ["x.test/a/b", "x.test/q/a/q/b/q"], ["x.test/b/a"]),
    ],
)
def test_what_a_pattern_covers(pattern: str, images: list[str], others: list[str]) -> None:
    assert [i for i in images if not covers(pattern, i)] == []
    assert [i for i in others if covers(pattern, i)] == []


@pytest.mark.parametrize("spelling", ["", ":v1", "@sha256:" + "0" * 64, ":latest@sha256:" + "0" * 64, ":main"])
@pytest.mark.parametrize(
    ("pattern", "yes"),
    [("ghcr.io/acme/api", True), ("ghcr.io/*/*", True), ("ghcr.io/acme/main", False), ("**/v1", False)],
)
def test_tags_and_digests_decide_nothing(pattern: str, spelling: str, yes: bool) -> None:  # noqa: FBT001
    assert covers(pattern, f"ghcr.io/acme/api{spelling}") is yes


@pytest.mark.parametrize(
    ("pattern", "problem", "corrected"),
    [
        ("*", "a bare `*` matches one path segment", "**"),
        ("ghcr.io/acme/api:v1", "not tags", "ghcr.io/acme/api"),
        ("ghcr.io/acme/api:*", "not tags", "ghcr.io/acme/api"),
        ("ghcr.io/acme/*:latest", "not tags", "ghcr.io/acme/*"),
        ("nginx:1.25", "not tags", "docker.io/library/nginx"),
        ("ghcr.io/acme/api@sha256:*", "not digests", "ghcr.io/acme/api"),
        (f"ghcr.io/acme/api@sha256:{'0' * 64}", "not digests", "ghcr.io/acme/api"),
        ("GHCR.io/acme/**", "upper case", "ghcr.io/acme/**"),
        ("ghcr.io/Acme/**", "upper case", "ghcr.io/acme/**"),
        ("nginx", "names no registry", "docker.io/library/nginx"),
        ("acme/api", "names no registry", "docker.io/acme/api"),
        ("acme/**", "names no registry", "docker.io/acme/**"),
        ("index.docker.io/acme/**", "another name of docker.io", "docker.io/acme/**"),
        ("registry-1.docker.io/acme/*", "another name of docker.io", "docker.io/acme/*"),
        ("ghcr.io:443/acme/**", "another name of ghcr.io", "ghcr.io/acme/**"),
        ("ghcr.io:08443/acme", "another name of ghcr.io:8443", "ghcr.io:8443/acme"),
        ("[0:0::1]:5000/x", "another name of [::1]:5000", "[::1]:5000/x"),
        ("docker.io/nginx", "below library/", "docker.io/library/nginx"),
        ("docker.io/*", "covers nothing", "docker.io/library/*"),
        ("ghcr.io", "covers no repository", "ghcr.io/**"),
        ("localhost:5000", "covers no repository", "localhost:5000/**"),
        ("*.acme.example", "covers no repository", "*.acme.example/**"),
    ],
)
def test_a_wrong_pattern_comes_with_the_corrected_text(pattern: str, problem: str, corrected: str) -> None:
    with pytest.raises(ParseError) as caught:
        ImagePattern.parse(pattern)
    assert problem in caught.value.message
    assert f"write {corrected}" in caught.value.remedy
    assert str(ImagePattern.parse(corrected)) == corrected


@pytest.mark.parametrize(
    "pattern",
    [
        *("ghcr.io/acme/a**", "ghcr.io/**b/x", "ghcr.io/a**b", "ghcr.io/***", "**.acme.example/x"),
        *("ghcr.io//x", "ghcr.io/acme/", "/ghcr.io", "", "ghcr.io/-x", "ghcr.io/x-", "ghcr.io/a b", "ghcr.io/a\n"),
        *("https://ghcr.io/acme/**", "ghcr_io.test/x", "ghcr.io:x/y", "ghcr.io/{a,b}", "ghcr.io/[ab]", "ghcr.io/a?"),
        *(
            "ghcr.io/\N{CYRILLIC SMALL LETTER A}cme",
            "gh\N{CYRILLIC SMALL LETTER ES}r.io/acme/**",
            "[::x]/y",
            "[:::::]/y",
        ),
        *("ghcr.io/acme:8080/api", "ghcr.io/acme/api:v1@x"),
    ],
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ParseError) as caught:
        ImagePattern.parse(pattern)
    assert caught.value.message
    assert caught.value.remedy or "IPv6" in caught.value.message


@pytest.mark.parametrize(
    ("prefix", "images", "others"),
    [
        ("ghcr.io", ["ghcr.io/a", "ghcr.io/a/b"], ["ghcr.io.evil.test/a", "evil.test/ghcr.io/a", "ghcr.io:8443/a"]),
        (
            "ghcr.io/acme",
            ["ghcr.io/acme", "ghcr.io/acme/api"],
            ["ghcr.io/acme-evil/api", "ghcr.io/acmeapi", "ghcr.io/x/acme"],
        ),
        ("docker.io", ["nginx", "acme/x", "index.docker.io/x"], ["docker.io.test/x"]),
        ("docker.io/library", ["nginx"], ["acme/nginx"]),
        ("localhost:5000", ["localhost:5000/x"], ["localhost/x", "localhost:50001/x"]),
        ("[::1]:5000/acme", ["[0::1]:5000/acme/x"], ["[::1]:5000/acme-x/y"]),
    ],
)
def test_registries_are_whole_segments(prefix: str, images: list[str], others: list[str]) -> None:
    parsed = RegistryPrefix.parse(prefix)
    assert [i for i in images if not parsed.covers(Reference.parse(i).name)] == []
    assert [i for i in others if parsed.covers(Reference.parse(i).name)] == []
    assert str(parsed) == prefix


@pytest.mark.parametrize(
    ("prefix", "corrected"),
    [
        ("ghcr.io/acme/**", "ghcr.io/acme"),
        ("ghcr.io/acme/", "ghcr.io/acme"),
        ("GHCR.io/acme", "ghcr.io/acme"),
        ("acme", "docker.io/library/acme"),
        ("Acme/**", "docker.io/library/acme"),
        ("https://GHCR.io/acme/", "ghcr.io/acme"),
        ("index.docker.io", "docker.io"),
        ("ghcr.io:443/acme", "ghcr.io/acme"),
        ("GHCR.io:443/Acme/**", "ghcr.io/acme"),
    ],
)
def test_a_wrong_registry_comes_with_the_corrected_text(prefix: str, corrected: str) -> None:
    with pytest.raises(ParseError) as caught:
        RegistryPrefix.parse(prefix)
    assert f"write {corrected}" in caught.value.remedy
    assert "**" not in caught.value.remedy
    assert str(RegistryPrefix.parse(corrected)) == corrected


@pytest.mark.parametrize(
    "prefix",
    ["ghcr.io/*", "ghcr.io/*/api", "ghcr.io/acme*", "*.acme.example", "ghcr.io/acme@sha256:0", "ghcr.io/acme/api:v1"],
)
def test_no_correction_of_a_registry_allows_more_than_was_written(prefix: str) -> None:
    with pytest.raises(ParseError, match=r"take no (wildcards|tags and no digests)") as caught:
        RegistryPrefix.parse(prefix)
    assert caught.value.remedy.startswith("write a registry, or whole segments below it, such as ghcr.io/acme;")


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [
        ("Nginx", "write docker.io/library/nginx"),
        ("Nginx:v1", "write docker.io/library/nginx"),
        ("GHCR.io", "write ghcr.io/**"),
        ("ghcr.io:443/Acme/**", "write ghcr.io/acme/**"),
        ("Index.docker.io/nginx", "write docker.io/library/nginx, or docker.io/nginx/** for a namespace"),
        (
            "GHCR.io/acme/api:v1@sha256:0",
            "write ghcr.io/acme/api, and `digests` for digests, and an `image` rule for tags",
        ),
        ("GHCR.io/acme**", "write ghcr.io/acme* or put a / between"),
        ("foo**/bar**", "write foo*/bar* or put a / between"),
        ("*:*", "write **"),
        ("a/b/", "write docker.io/a/b/**"),
        ("https://GHCR.io/acme/api", "write ghcr.io/acme/api"),
    ],
)
def test_all_that_is_wrong_with_a_pattern_is_corrected_at_once(pattern: str, remedy: str) -> None:
    with pytest.raises(ParseError) as caught:
        ImagePattern.parse(pattern)
    assert caught.value.remedy == remedy
    corrected = remedy.removeprefix("write ").split(" ")[0].rstrip(",")
    assert str(ImagePattern.parse(corrected)) == corrected


def test_a_registry_with_a_tag_is_not_taken_for_an_image_of_docker_hub() -> None:
    with pytest.raises(ParseError, match="not tags") as caught:
        ImagePattern.parse("ghcr.io:v1")
    assert caught.value.remedy == "name a repository, such as ghcr.io/NAME, or ghcr.io/** for all of them"
    with pytest.raises(ParseError, match="not a registry host") as caught:
        RegistryPrefix.parse("ghcr.io:v1")
    assert caught.value.remedy.startswith("write a registry, or whole segments below it")


def test_a_correction_that_leads_to_what_cannot_be_corrected_is_none() -> None:
    with pytest.raises(ParseError, match="upper case") as caught:
        ImagePattern.parse("GHCR.io/a b")
    assert caught.value.remedy == "write registry/path with * and ** in it"


@pytest.mark.parametrize(
    "prefix", ["", "/", "**", "*", "https://ghcr.io", "ghcr.io/acme:v1", "ghcr.io/a b", "ghcr.io//a"]
)
def test_what_is_no_registry(prefix: str) -> None:
    with pytest.raises(ParseError):
        RegistryPrefix.parse(prefix)


@pytest.mark.parametrize(
    ("pattern", "values", "others"),
    [
        ("latest", ["latest"], ["latest2", "xlatest", "Latest", ""]),
        ("*", ["latest", "", "v1.2"], ["a/b"]),
        ("*-snapshot", ["1-snapshot", "-snapshot"], ["snapshot", "1-snapshot-2", "a/1-snapshot"]),
        ("v*.*", ["v1.2", "v.", "v1.2.3"], ["v1", "1.2"]),
        ("refs/heads/*", ["refs/heads/main"], ["refs/heads/a/b"]),
        ("refs/**", ["refs/heads/a/b"], ["xrefs/a"]),
        ("a.b", ["a.b"], ["axb"]),
        ("a+b[c]", ["a+b[c]"], ["aab"]),
        ("", [""], ["a"]),
        ("*", [], ["x/y"]),
        ("**", ["x\ny"], []),
    ],
)
def test_values_that_are_no_images(pattern: str, values: list[str], others: list[str]) -> None:
    assert [v for v in values if not glob(pattern).fullmatch(v)] == []
    assert [v for v in others if glob(pattern).fullmatch(v)] == []


@pytest.mark.parametrize(
    "pattern", ["docker.io/**", "docker.io/*/*", "docker.io/**/*", "docker.io/*/**", "*/*", "**/*"]
)
def test_wide_patterns_of_docker_hub_cover_its_own_images(pattern: str) -> None:
    assert covers(pattern, "nginx") is (pattern != "*/*")


@pytest.mark.parametrize("pattern", ["ghcr.io/*", "localhost:5000/*", "quay.io/*"])
def test_other_registries_have_repositories_of_one_segment(pattern: str) -> None:
    assert covers(pattern, pattern.replace("*", "x"))
