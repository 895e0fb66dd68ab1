from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.image.reference import Repository
from gate.registry.answer import Answer
from gate.registry.credentials.credential import Credential
from gate.registry.failures import CredentialRefused, failure, rate_limit, token_failure
from gate.registry.guard.transport import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
SECRET = "hunter2-correct-horse"
REPOSITORY = Repository("registry.test", "acme/api")
PASSWORD = Credential("config.json", "u", SECRET)
ENDED = Credential("helper", "AWS", base64.b64encode(json.dumps({"expiration": 1_700_000_000}).encode()).decode())
CLOUD = Credential("ecr", "AWS", SECRET, remedy="let the role read it")
SAID = "registry.test answered {} for tag v1 of repository acme/api with {}"
TOKEN_SAID = "registry.test: its token service answered {} for repository acme/api with {}"
LIMITS = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600"}


def _response(status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, headers or {}, SECRET.encode(), "https://registry.test/")


@pytest.mark.parametrize(
    ("status", "credential", "others", "who", "remedy"),
    [
        (401, None, 0, "no credentials", "docker login registry.test"),
        (403, None, 0, "no credentials", "docker login registry.test"),
        (401, PASSWORD, 0, "the credentials of config.json", "docker login registry.test"),
        (403, PASSWORD, 1, "the credentials of config.json, and 1 other way to ask", "docker login registry.test"),
        (401, PASSWORD, 2, "the credentials of config.json, and 2 other ways to ask", "docker login registry.test"),
        (401, CLOUD, 0, "the credentials of ecr", "let the role read it"),
        (403, ENDED, 0, "the credentials of helper (token expired 2023-11-14)", "docker login registry.test"),
    ],
)
def test_a_refusal_says_who_asked(
    status: int, credential: Credential | None, others: int, who: str, remedy: str
) -> None:
    error = failure(REPOSITORY, Answer(_response(status), credential, others), "tag v1", NOW)
    assert (error.code, error.message, error.remedy) == (
        Code.REGISTRY_UNAUTHORIZED,
        SAID.format(status, who),
        remedy,
    )


@pytest.mark.parametrize(
    ("headers", "credential", "rest", "remedy"),
    [
        ({}, None, "no credentials", "retry later, or docker login registry.test for more"),
        ({}, PASSWORD, "the credentials of config.json", "retry later"),
        ({"retry-after": "7"}, PASSWORD, "the credentials of config.json", "retry in 7 s"),
        (LIMITS, None, "no credentials: 0 of 100 left in 6 h", "retry later, or docker login registry.test for more"),
        (
            LIMITS | {"retry-after": "7"},
            PASSWORD,
            "the credentials of config.json: 0 of 100 left in 6 h",
            "retry in 7 s",
        ),
        (
            {"ratelimit-limit": "100", "ratelimit-remaining": "0"},
            PASSWORD,
            "the credentials of config.json: 0 of 100 left",
            "retry later",
        ),
        (
            {"ratelimit-limit": "200;w=90", "ratelimit-remaining": "3"},
            PASSWORD,
            "the credentials of config.json: 3 of 200 left in 90 s",
            "retry later",
        ),
        (
            LIMITS | {"retry-after": SECRET},
            PASSWORD,
            "the credentials of config.json: 0 of 100 left in 6 h",
            "retry later",
        ),
        ({"retry-after": "1" * 10}, PASSWORD, "the credentials of config.json", "retry later"),
    ],
)
def test_a_limit_is_told(headers: dict[str, str], credential: Credential | None, rest: str, remedy: str) -> None:
    error = failure(REPOSITORY, Answer(_response(429, headers), credential), "tag v1", NOW)
    assert (error.code, error.message, error.remedy) == (Code.REGISTRY_RATE_LIMITED, SAID.format(429, rest), remedy)


@pytest.mark.parametrize("status", [204, 302, 400, 404, 418, 500, 503])
@pytest.mark.parametrize("credential", [None, PASSWORD])
def test_what_else_is_no_answer(status: int, credential: Credential | None) -> None:
    error = failure(REPOSITORY, Answer(_response(status), credential), "tag v1", NOW)
    assert error.code is Code.REGISTRY_UNREACHABLE
    assert error.message == SAID.format(status, "the credentials of config.json" if credential else "no credentials")
    assert error.remedy == "retry"
    later = failure(REPOSITORY, Answer(_response(status, {"retry-after": "30"}), credential), "tag v1", NOW)
    assert later.remedy == "retry in 30 s"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
@pytest.mark.parametrize("credential", [None, PASSWORD, ENDED, CLOUD])
def test_a_token_services_refusal_is_of_the_credential(status: int, credential: Credential | None) -> None:
    """What other credentials may do better."""
    error = token_failure(REPOSITORY, _response(status), credential, NOW)
    assert isinstance(error, CredentialRefused)
    assert error.code is Code.REGISTRY_UNAUTHORIZED
    assert error.credential is credential
    assert error.message == TOKEN_SAID.format(status, credential.shown(NOW) if credential else "no credentials")
    assert error.remedy == ("let the role read it" if credential is CLOUD else "docker login registry.test")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, Code.REGISTRY_RATE_LIMITED),
        (500, Code.REGISTRY_UNREACHABLE),
        (302, Code.REGISTRY_UNREACHABLE),
        (405, Code.REGISTRY_UNREACHABLE),
    ],
)
def test_a_token_service_that_fails_refuses_nobody(status: int, code: Code) -> None:
    error = token_failure(REPOSITORY, _response(status), PASSWORD, NOW)
    assert not isinstance(error, CredentialRefused)
    assert (error.code, error.message) == (code, TOKEN_SAID.format(status, "the credentials of config.json"))


@pytest.mark.parametrize(
    ("limit", "remaining", "expected"),
    [
        ("100;w=21600", "76;w=21600", ("76", "100", 21600)),
        ("100 ; w = 60", "0", ("0", "100", 60)),
        ("100", "5;w=60", ("5", "100", 60)),
        ("100", "5", ("5", "100", 0)),
        ("100;w=21600,200;w=60", "1", ("1", "100", 21600)),
        ("", "5", None),
        ("100", "", None),
        ("x", "5", None),
        ("-1", "5", None),
        ("\N{ARABIC-INDIC DIGIT FIVE}", "5", None),
    ],
)
def test_a_rate_limit_is_read(limit: str, remaining: str, expected: tuple[str, str, int] | None) -> None:
    assert rate_limit({"ratelimit-limit": limit, "ratelimit-remaining": remaining}) == expected
    assert rate_limit({}) is None


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
def test_nothing_that_came_back_is_in_a_message(status: int) -> None:
    headers = dict.fromkeys(("www-authenticate", "location", "ratelimit-limit", "retry-after", "x-other"), SECRET)
    for credential in (None, PASSWORD, Credential("s", registry_token=SECRET)):
        for error in (
            failure(REPOSITORY, Answer(_response(status, headers), credential), "tag v1", NOW),
            token_failure(REPOSITORY, _response(status, headers), credential, NOW),
        ):
            assert SECRET not in str(error)
            assert SECRET not in repr(error)


@pytest.mark.parametrize("hurried", [False, True])
@pytest.mark.parametrize("elsewhere", ["", "cdn.test"])
@pytest.mark.parametrize("status", [429, 503])
def test_that_there_was_no_time_for_another_try_is_not_lost(
    status: int,
    elsewhere: str,
    hurried: bool,  # noqa: FBT001
) -> None:
    response = replace(_response(status), elsewhere=elsewhere, hurried=hurried)
    assert failure(REPOSITORY, Answer(response, None, 0), "tag v1", NOW).hurried is hurried
    assert token_failure(REPOSITORY, response, None, NOW).hurried is hurried
