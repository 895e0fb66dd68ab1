from __future__ import annotations

import pytest

from gate.registry.challenge import Challenge, parse_challenges

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/a:pull"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        (" ", []),
        ("Basic", [("basic", {})]),
        ('Basic realm="a"', [("basic", {"realm": "a"})]),
        ('BASIC REALM="a"', [("basic", {"realm": "a"})]),
        ("basic realm=a", [("basic", {"realm": "a"})]),
        (
            HUB,
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:library/a:pull",
                    },
                )
            ],
        ),
        ("bearer realm=https://zot.test/token", [("bearer", {"realm": "https://zot.test/token"})]),
        (
            "bearer realm=https://zot.test/token,service=zot",
            [("bearer", {"realm": "https://zot.test/token", "service": "zot"})],
        ),
        ('Bearer realm="r", scope=""', [("bearer", {"realm": "r", "scope": ""})]),
        ('Bearer realm="r", scope=', [("bearer", {"realm": "r", "scope": ""})]),
        ('Bearer  realm = "r" , service = "s"', [("bearer", {"realm": "r", "service": "s"})]),
        (
            'Bearer realm="r",scope="repository:a:pull,push"',
            [("bearer", {"realm": "r", "scope": "repository:a:pull,push"})],
        ),
        ('Bearer realm="a\\"b\\\\c"', [("bearer", {"realm": 'a"b\\c'})]),
        ('Bearer realm="a, Basic realm=b"', [("bearer", {"realm": "a, Basic realm=b"})]),
        ('Bearer realm="first",realm="second"', [("bearer", {"realm": "first"})]),
        ('Bearer realm="first",Realm="second"', [("bearer", {"realm": "first"})]),
        ('Basic realm="a", Bearer realm="b"', [("basic", {"realm": "a"}), ("bearer", {"realm": "b"})]),
        ('Bearer realm="b", Basic realm="a"', [("bearer", {"realm": "b"}), ("basic", {"realm": "a"})]),
        ('Negotiate, Basic realm="a"', [("negotiate", {}), ("basic", {"realm": "a"})]),
        ('NTLM,Negotiate,Bearer realm="b"', [("ntlm", {}), ("negotiate", {}), ("bearer", {"realm": "b"})]),
        (
            'Bearer realm="r",error="invalid_token",error_description="it has, ended"',
            [("bearer", {"realm": "r", "error": "invalid_token", "error_description": "it has, ended"})],
        ),
    ],
)
def test_reads_challenges(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(found.scheme, dict(found.parameters)) for found in parse_challenges(header)] == expected


@pytest.mark.parametrize(
    "header",
    ['realm="https://evil.test"', "=", '"', "\0", ",,,,", '="a"', "é", "Bearer\u00e9 realm=a", '"Bearer" realm="a"'],
)
def test_garbage_is_no_challenge(header: str) -> None:
    assert parse_challenges(header) == ()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Bearer realm="unclosed', Challenge("bearer", {"realm": ""})),
        ('Bearer realm="ends\\"', Challenge("bearer", {"realm": ""})),
        ('Bearer "realm"="a"', Challenge("bearer", {})),
        ("Bearer é=a", Challenge("bearer", {})),
    ],
)
def test_what_cannot_be_read_ends_the_list(header: str, expected: Challenge) -> None:
    found = parse_challenges(f'{header}, Basic realm="after"')
    assert found[0].scheme == expected.scheme
    assert "https" not in found[0].parameters.get("realm", "")


def test_only_so_much_is_looked_at() -> None:
    """Long enough to take minutes if every character started anew."""
    for piece in ("a ", 'a="', "a=", "\\", ",", 'Bearer a="b",', " " * 50):
        assert len(parse_challenges("Bearer " + piece * 100_000)) < 9000
