"""What authors get wrong most (the six peers' policies, side by side), and what they are told to write."""

from __future__ import annotations

import json

import pytest

from gate.authoring.lint import lint
from gate.policy.reading.checks import Check
from gate.policy.reading.remedies import better_duration, did_you_mean
from tests.fakes.clock import START
from tests.fakes.signing import alice
from tests.unit.policy.build import Json, config, parsed, policy

KEY: Json = {"key": {"pem": alice().pem.decode()}}
DENY: list[Json] = [{"deny": {}}]


def told(document: Json) -> list[tuple[str, str]]:
    """The checks that strike, and their remedies; the policies here bring signers that few use."""
    found = parsed(json.dumps(document))
    problems = [problem for problem in found.problems if problem.check is not Check.UNUSED_SIGNER]
    return [(problem.check.value, problem.remedy) for problem in (*problems, *lint(found, START))]


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("1w", "7d"),
        ("2 weeks", "14d"),
        ("7 days", "7d"),
        ("168h0m0s", "7d"),
        ("1h30m", "90m"),
        ("90 min", "90m"),
        ("3600sec", "1h"),
        ("P7D", "7d"),
        ("PT36H", "36h"),
        ("7D", "7d"),
        ("0s", "0d"),
        ("P", None),
        ("", None),
        ("soon", None),
        ("-1h", None),
        ("1.5h", None),
        ("9" * 30 + "h", None),
    ],
)
def test_durations_as_others_write_them(text: str, better: str | None) -> None:
    assert better_duration(text) == better


@pytest.mark.parametrize("age", ["1w", "168h0m", "P7D", "7 days"])
def test_a_wrong_duration_comes_with_the_right_one(age: str) -> None:
    document = policy([{"signature": {"by": "a", "maxAge": age}}], signers={"a": KEY})
    assert ("wrong-form", "write 7d") in told(document)


@pytest.mark.parametrize(
    ("pattern", "better"),
    [
        ("*", "write **"),
        ("ghcr.io/acme/api:v1", "write ghcr.io/acme/api, and an `image` rule for tags"),
        ("ghcr.io/acme/api:*", "write ghcr.io/acme/api, and an `image` rule for tags"),
        ("ghcr.io/acme/api@sha256:*", "write ghcr.io/acme/api, and `digests` for digests"),
        ("ghcr.io/Acme/*", "write ghcr.io/acme/*"),
        ("nginx", "write docker.io/library/nginx"),
        ("acme/api", "write docker.io/acme/api"),
        ("docker.io/*", "write docker.io/library/* for Docker's own images, or docker.io/**"),
        ("index.docker.io/library/*", "write docker.io/library/*"),
        ("ghcr.io/acme**", "write ghcr.io/acme* or put a / between"),
        ("ghcr.io", "write ghcr.io/**"),
    ],
)
def test_globs_of_other_tools(pattern: str, better: str) -> None:
    assert told(policy(DENY, match={"images": [pattern]})) == [("image-pattern", better)]


@pytest.mark.parametrize("match", [{"images": []}, {"images": [""]}])
def test_a_match_of_nothing_is_no_match_of_everything(match: Json) -> None:
    assert told(policy(DENY, match=match)) == [("empty", "say what it has, or leave the field out")]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (policy(DENY, match={"glob": "ghcr.io/**"}), "images"),
        (policy(DENY, match={"imageReferences": ["ghcr.io/**"]}), "images"),
        ({**policy(DENY), "spec": {"rules": DENY, "authorities": []}}, "signers"),
        ({**policy(DENY), "spec": {"rules": DENY, "validationFailureAction": "Enforce"}}, "mode"),
        ({**policy(DENY), "spec": {"rules": DENY, "exceptions": [
            {"rule": "deny", "reason": "r", "until": "2026-11-20", "expiresAt": "2026-12-01"}]}}, "until"),
        (policy([{"signature": {"by": "a"}}], signers={"a": {"key": {"data": "-"}}}), "pem"),
        (policy([{"signature": {"by": "a"}}], signers={"a": {"keyless": {"subjectRegExp": "-"}}}), "subjectRegex"),
    ],
)  # fmt: skip
def test_fields_as_other_tools_call_them(document: Json, field: str) -> None:
    assert ("unknown-field", f"did you mean {field}?") in told(document)


@pytest.mark.parametrize(
    ("subject", "better"),
    [
        ("https://github.com/acme/*", r"write subjectRegex: 'https://github\.com/acme/[^/]*'"),
        ("../*", r"write subjectRegex: '\.\./[^/]*'"),
        ("o'neil@*", "write subjectRegex: 'o''neil@[^/]*'"),
        ("^https://github.com/acme/.*$", "write it as `subjectRegex`, which fits from end to end"),
    ],
)
def test_a_pattern_in_a_subject_that_is_compared_to_the_letter(subject: str, better: str) -> None:
    signer = {"keyless": {"issuer": "https://accounts.google.com", "subject": subject}}
    document = policy([{"signature": {"by": "a"}}], signers={"a": signer})
    assert told(document) == [("literal-wildcard", better)]


@pytest.mark.parametrize(
    ("spec", "better"),
    [
        ({"match": {"images": "ghcr.io/**"}}, 'write it as a list: ["ghcr.io/**"]'),
        ({"match": {"images": "ghcr.io/acme/api"}}, "write it as a list: [ghcr.io/acme/api]"),
        ({"match": {"images": 5}}, "write it as a list: [ … ]"),
        ({"match": {"namespaces": {"names": ["Team_A"]}}}, "write team-a"),
        ({"match": {"namespaces": {"matchLabels": {"env": True}}}}, 'write it in quotes: "true"'),
        ({"match": {"namespaces": {"matchLabels": {"n": 7}}}}, 'write it in quotes: "7"'),
        ({"rules": [{"image": {"denyTagsWithDigest": "yes"}}]}, "write true, without quotes"),
        ({"rules": [{"image": {"denyTagsWithDigest": 1}}]}, "write true or false"),
        ({"rules": [{"deny": None}]}, "write {}, or what belongs in it"),
        ({"rules": [{"deny": "never"}]}, "write it as a mapping: {field: value}"),
        ({"mode": "Enforce"}, "did you mean enforce?"),
        ({"mode": "block"}, "known here: enforce, warn, audit"),
        ({"rules": []}, "say what it has, or leave the field out"),
        ({"rules": [{"deny": {"message": "x" * 501}}]}, "keep 500 at most"),
        ({"signers": {"a": {}}}, "add one of them"),
        ({"signers": {"a": {**KEY, "keyless": {"issuer": "i", "subject": "s"}}}}, "keep one of them"),
    ],
)
def test_a_wrong_shape_comes_with_the_right_one(spec: Json, better: str) -> None:
    document = policy(DENY)
    assert better in [remedy for _, remedy in told({**document, "spec": {**document["spec"], **spec}})]


@pytest.mark.parametrize(("images", "bound"), [(0, "1 or more"), (1001, "1000 or less")])
def test_a_number_out_of_bounds_comes_with_the_bound(images: int, bound: str) -> None:
    (problem,) = parsed(json.dumps(config(limits={"imagesPerReview": images}))).problems
    assert (problem.check, problem.remedy) == (Check.WRONG_VALUE, f"write {bound}")
    assert problem.message == f"`spec.limits.imagesPerReview`: expected {bound}, got {images}"


def test_a_word_is_compared_whatever_its_capitals_and_length() -> None:
    assert did_you_mean("CLUSTERGATEPOLICY", ["ClusterGatePolicy"]) == "did you mean ClusterGatePolicy?"
    assert did_you_mean("x" * 10_000_000, ["mode"]) == "known here: mode"
    assert did_you_mean("mode", []) == "none is known here"
