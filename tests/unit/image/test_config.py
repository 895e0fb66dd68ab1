from __future__ import annotations

import json

import pytest

from gate.errors import ParseError
from gate.image.config import ImageConfig
from gate.image.manifest import Platform


def config(**changes: object) -> bytes:
    return json.dumps({"architecture": "amd64", "os": "linux", "config": {"User": "1000"}, **changes}).encode()


def test_a_configuration() -> None:
    found = ImageConfig.parse(
        config(
            created="2026-01-02T03:04:05Z", variant="v8", config={"User": "1000", "Labels": {"User": "a", "user": "b"}}
        )
    )
    assert found == ImageConfig(
        "2026-01-02T03:04:05Z", Platform("linux", "amd64", "v8"), "1000", {"User": "a", "user": "b"}
    )


@pytest.mark.parametrize("inner", [None, {}, {"User": None, "Labels": None}])
def test_what_is_not_said(inner: object) -> None:
    found = ImageConfig.parse(config(created=None, config=inner))
    assert (found.created, found.user, found.labels) == ("", "", {})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{} {}",
        b'{"os": "linux", "os": "windows"}',
        config(os=None),
        config(os="x" * 101),
        config(created=7),
        config(config=[]),
        config(config={"User": 0}),
        config(config={"Labels": {"a": 1}}),
    ],
)
def test_what_is_none(content: bytes) -> None:
    with pytest.raises(ParseError):
        ImageConfig.parse(content)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (config(Config={"User": "root"}), "config"),
        (config(CONFIG=None), "config"),
        (config(OS="windows"), "os"),
        (config(Created="2026-01-02T03:04:05Z"), "created"),
        (config(oX="windows").replace(b"X", rb"\u017f"), "os"),
        (config(config={"User": "1000", "user": "root"}), "User"),
        (config(config={"labels": {}}), "Labels"),
    ],
)
def test_what_differs_only_by_case_is_refused(content: bytes, name: str) -> None:
    with pytest.raises(ParseError, match=f"^not an image configuration: the field '.*' is spelled '{name}'$"):
        ImageConfig.parse(content)
