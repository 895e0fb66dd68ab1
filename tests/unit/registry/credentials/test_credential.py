from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from gate.errors import ParseError
from gate.registry.credentials.credential import Credential, decode_basic, is_token, scope_of
from tests.unit.registry.credentials.support import SECRET

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
BEFORE = 1_793_448_000  # a day before
END = datetime(2026, 10, 31, 12, 0, tzinfo=UTC)


def _base64(value: object) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _jwt(claims: object) -> str:
    return f"{_base64({'alg': 'RS256'})}.{_base64(claims)}.{_base64(b'signature')}"


def _amazon(expiration: object) -> str:
    """As `aws ecr get-login-password` prints it: base64 of JSON, padded."""
    fields = {"payload": "abc/+", "datakey": "AQEBA", "version": "2", "type": "DATA_KEY", "expiration": expiration}
    return base64.b64encode(json.dumps(fields).encode()).decode()


def test_basic_is_base64_of_user_and_password() -> None:
    assert Credential("s", "Aladdin", "open sesame").basic == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_secrets_are_in_no_repr() -> None:
    credential = Credential("s", "u", SECRET, SECRET, SECRET)
    for shown in (repr(credential), str(credential), credential.scope, credential.shown(NOON), repr((credential,))):
        assert SECRET not in shown
        assert credential.basic.removeprefix("Basic ") not in shown


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


def test_the_scope_of_several_is_that_of_none_of_them() -> None:
    one, two, three = (Credential("s", "u", password) for password in "123")
    assert scope_of([]) == ""
    assert scope_of([one]) == one.scope
    scopes = [scope_of(found) for found in ([one], [two], [one, two], [two, one], [one, two, three], [one, three])]
    assert len(set(scopes)) == len(scopes)
    assert "" not in scopes


@pytest.mark.parametrize(
    "credential",
    [
        Credential("s", "AWS", _amazon(BEFORE)),
        Credential("s", "u", _jwt({"exp": BEFORE})),
        Credential("s", "u", _jwt({"exp": float(BEFORE), "iat": 1, "sub": "x", "aud": ["a"]})),
        Credential("s", identity_token=_jwt({"exp": BEFORE})),
        Credential("s", registry_token=_jwt({"exp": BEFORE})),
        Credential("s", "u", "p", identity_token=_jwt({"exp": BEFORE})),
    ],
)
def test_the_end_of_a_token_is_read(credential: Credential) -> None:
    """RFC 7519, 4.1.4; and Amazon's `expiration`."""
    assert credential.expires == END
    assert credential.shown(NOON) == "the credentials of s (token expired 2026-10-31)"
    assert credential.shown(END) == "the credentials of s (token expired 2026-10-31)"
    assert credential.shown(datetime(2026, 10, 31, 11, 59, tzinfo=UTC)) == "the credentials of s"
    assert credential.shown() == "the credentials of s"


@pytest.mark.parametrize(
    "secret",
    [
        "",
        SECRET,
        "a.b.c",
        "..",
        "a.b",
        f"{_base64({'exp': BEFORE})}.x",
        _jwt({}),
        _jwt([]),
        _jwt(None),
        _jwt({"exp": "soon"}),
        _jwt({"exp": None}),
        _jwt({"exp": 0}),
        _jwt({"exp": 1e300}),
        _jwt({"exp": 10**30}),
        _jwt({"exp": 10**400}),
        _jwt({"exp": -1e300}),
        _jwt({"exp": True}),
        _jwt(b"\xff\xfe"),
        _jwt(b"[" * 100_000),
        _jwt(b'{"exp": NaN}'),
        _amazon("2026"),
        base64.b64encode(b"{").decode(),
        "pässwörd.ü.x",
        "\ud800",
        "=" * 50,
        "A" * 16_385,
    ],
)
def test_what_says_no_end_has_none(secret: str) -> None:
    credential = Credential("s", "u", secret)
    assert credential.expires is None
    assert credential.shown(NOON) == "the credentials of s"


def test_a_token_to_come_is_not_over() -> None:
    """Nothing is refused here for what a token says of itself: only messages tell."""
    assert Credential("s", "u", _jwt({"exp": BEFORE + 10**6})).shown(NOON) == "the credentials of s"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dTpw", ("u", "p")),
        ("dTpwcA==", ("u", "pp")),
        ("dTpwcA", ("u", "pp")),
        (base64.b64encode(b"u:a:b").decode(), ("u", "a:b")),
        (base64.b64encode("ü:pä".encode()).decode(), ("ü", "pä")),
        (base64.b64encode(b"u:p\0\0").decode(), ("u", "p")),
        (base64.b64encode(b":").decode(), ("", "")),
    ],
)
def test_basic_is_decoded(text: str, expected: tuple[str, str]) -> None:
    assert decode_basic(text) == expected


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"\xff:" + SECRET.encode(), "it is not base64 of text"), (SECRET.encode(), "it is not base64 of user:password")],
)
def test_what_is_no_basic_is_shown_to_nobody(content: bytes, why: str) -> None:
    text = base64.b64encode(content).decode()
    with pytest.raises(ParseError) as caught:
        decode_basic(text)
    assert caught.value.message == why
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t", True),
        ("a" * 16_384, True),
        ("a" * 16_385, False),
        ("", False),
        ("a b", False),
        ("a\n", False),
        ("\na", False),
        ("a\0", False),
        ("é", False),
        ("\u20ac", False),
        ("\x7f", False),
    ],
)
def test_a_token_is_what_a_header_holds(text: str, expected: bool) -> None:  # noqa: FBT001
    assert is_token(text) is expected
