"""Sources that look like another's, and documents that say two things of one build."""

from __future__ import annotations

from typing import Any

import pytest

from gate.policy.content import slsa
from gate.policy.content.document import Unreadable
from gate.policy.content.source import normal

ACME = "github.com/acme/api"
BUILDKIT = "https://mobyproject.org/buildkit@v1"


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/acme/api@evil.example/x",  # is `evil.example/x` a ref, or the repository acme's?
        "github.com/acme/api.git/../../evil",
        "https://github.com/acme/api/../../evil/api",
        "https://github.com/evil/../acme/api",
        "https://github.com/./acme/api",
        "https://github.com//acme/api",
        "https://github.com/acme%2fapi",
        "https://github.com/acme/%61pi",
        "https://github.com/%2e%2e/acme/api",
        "https://github.com%2eevil.example/acme/api",
        "https://github.com\\@evil.example/acme/api",
        "https://evil.example\\github.com/acme/api",
        "https://evil.example#@github.com/acme/api",
        "https://evil.example?@github.com/acme/api",
        "https://evil.example/?x=github.com/acme/api",
        "https://evil.example/github.com/acme/api",
        "https://user:p@ss@evil.example/acme/api",
        "https://githu\u0412.com/acme/api",
        "https://g\u0131thub.com/acme/api",
        "https://\uff47ithub.com/acme/api",
        "https://github\u3002com/acme/api",
        "https://github.com./acme/api",
        "https://github.com:99999999/acme/api",
        "https://.github.com/acme/api",
        "github.com/acme/api-evil",
        "github.com/acme/api/evil",
        "github.com.evil.example/acme/api",
        "xgithub.com/acme/api",
        "git@evil.example:github.com/acme/api",
        "git@github.com:/acme/api",
        "file:///github.com/acme/api",
        "ftp://github.com/acme/api",
        "javascript://github.com/acme/api",
        "https://github.com/acme/api\n",
        " https://github.com/acme/api",
        "https://github.com/acme/api\x00",
        "https://github.com/acme/api\u200b",
        "https:github.com/acme/api",
        "https:///github.com/acme/api",
        "git+git+https://github.com/acme/api",
        "https://github.com/acme/api@" + "x" * 2000,
        "",
        "https://",
        "/",
    ],
)
def test_not_acme(text: str) -> None:
    assert normal(text) != ACME


def test_letters_that_become_others_in_lower_case() -> None:
    assert normal("https://\u212aernel.example/acme/api") is None


def of_buildkit(**more: Any) -> dict[str, Any]:
    return {"builder": {"id": "x"}, "buildType": BUILDKIT, **more}


def test_what_a_client_of_buildkit_says_of_its_source_is_none() -> None:
    """Anybody may pass `vcs:source`; and `context` is a build argument like others."""
    said = "https://github.com/acme/api.git"
    found = slsa.read_v02(
        of_buildkit(
            invocation={"configSource": {"entryPoint": "Dockerfile"}, "parameters": {"args": {"vcs:source": said}}},
            metadata={"https://mobyproject.org/buildkit@v1#metadata": {"vcs": {"source": said, "revision": "ab"}}},
            materials=[{"uri": said, "digest": {"sha1": "ab"}}],
        )
    )
    assert (found.source, found.ref, found.revision) == ("", "", "")


def test_a_parameter_with_a_dot_in_its_name_is_not_one_inside_of_another() -> None:
    for parameters in ({"a.b": "evil", "a": {"b": "good"}}, {"a": {"b": "good"}, "a.b": "evil"}):
        with pytest.raises(Unreadable, match=r"two of its parameters are called 'a\.b'"):
            slsa.read_v02(of_buildkit(invocation={"parameters": parameters}))


def test_parameters_are_bounded() -> None:
    deep: dict[str, Any] = {"x": "y"}
    for _ in range(50_000):
        deep = {"a" * 100: deep}
    # A parameter of such a name is none; naming it took no recursion and no memory for all the names above it.
    assert slsa._flattened({"deep": deep, "b": "c"}) == {"b": "c"}
    with pytest.raises(Unreadable, match="more than 2000 parameters"):
        slsa.read_v02(of_buildkit(invocation={"parameters": {str(i): "x" for i in range(2001)}}))
    huge = slsa.read_v02(
        of_buildkit(invocation={"parameters": {"k" * 1001: "x", "v": "x" * 1001, "n": int("9" * 900)}})
    )
    assert huge.parameters == {"n": "9" * 900}
