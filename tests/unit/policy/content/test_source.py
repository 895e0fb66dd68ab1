from __future__ import annotations

import pytest

from gate.errors import ParseError
from gate.policy.content.source import Source, normal, parse_source, split

COMMIT = "d37a7f740ee7404914456f24dcd90e865a0509e8"
ACME = "github.com/acme/api"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (
            "git+https://github.com/acme/api@refs/heads/main",
            Source("git+https://github.com/acme/api", "refs/heads/main"),
        ),
        ("git+https://github.com/acme/api@v1.2", Source("git+https://github.com/acme/api", "v1.2")),
        (f"git+https://github.com/acme/api@{COMMIT}", Source("git+https://github.com/acme/api", "", COMMIT)),
        ("https://github.com/acme/api.git#main:src", Source("https://github.com/acme/api.git", "main")),
        (f"https://github.com/acme/api.git#{COMMIT}", Source("https://github.com/acme/api.git", "", COMMIT)),
        ("https://user@github.com/acme/api", Source("https://user@github.com/acme/api")),
        ("https://user@github.com/acme/api@v1", Source("https://user@github.com/acme/api", "v1")),
        ("https://github.com/acme/api@", Source("https://github.com/acme/api@")),
        ("https://github.com/acme/api@feature/x", Source("https://github.com/acme/api@feature/x")),
        ("https://github.com/acme/api@v1#main", Source("https://github.com/acme/api@v1#main")),
        ("git@github.com:acme/api.git", Source("git@github.com:acme/api.git")),
        ("gs://bucket/x@1", Source("gs://bucket/x@1")),
        ("", Source("")),
    ],
)
def test_refs_are_taken_off(uri: str, expected: Source) -> None:
    assert split(uri) == expected


@pytest.mark.parametrize(
    "text",
    [
        "github.com/acme/api",
        "https://github.com/acme/api",
        "http://github.com/acme/api",
        "git+https://github.com/acme/api@refs/heads/main",
        "git+https://GitHub.com/acme/api.git@refs/tags/v1",
        "https://github.com:443/acme/api.git#main",
        "https://token@github.com/acme/api/",
        "ssh://git@github.com:22/acme/api.git",
        "git+ssh://git@github.com/acme/api",
        "git://github.com:9418/acme/api",
        "git@github.com:acme/api.git",
    ],
)
def test_one_source_in_many_spellings(text: str) -> None:
    assert normal(text) == ACME


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://github.com/Acme/api", "github.com/Acme/api"),
        ("https://github.com/acme/api-evil", "github.com/acme/api-evil"),
        ("https://github.com:8443/acme/api", "github.com:8443/acme/api"),
        ("https://gitlab.com/a/b/c/d.git", "gitlab.com/a/b/c/d"),
        ("https://github.com@evil.example/acme/api", "evil.example/acme/api"),
        ("https://github.com/acme/api.git.git", "github.com/acme/api.git"),
        ("ssh://git@github.com:443/acme/api", "github.com:443/acme/api"),
    ],
)
def test_other_sources(text: str, expected: str) -> None:
    assert normal(text) == expected


def test_sources_of_policies() -> None:
    assert parse_source(ACME) == ACME
    for text in ("https://github.com/acme/api", "github.com/acme/api.git", "GitHub.com/acme/api"):
        with pytest.raises(ParseError) as caught:
            parse_source(text)
        assert caught.value.remedy == f"write {ACME}"
    for text in ("", "acme/api", "github.com", "github.com/", "github.com/acme/*", "github.com/../acme"):
        with pytest.raises(ParseError, match=r"is not a source.*write host/owner/name"):
            parse_source(text)
