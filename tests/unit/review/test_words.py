from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gate.codes import Code
from gate.image.reference import Reference
from gate.policy.decision import Decision
from gate.policy.finding import Finding, Verdict
from gate.review.review import ImageReview, Subject
from gate.review.words import MOST, block, denial, first, headline, warning

DENY, ERROR, WARN, ALLOW = Verdict.DENY, Verdict.ERROR, Verdict.WARN, Verdict.ALLOW
IMAGE = "ghcr.io/acme/api:v1"
NOTE = Finding(Code.PINNED_AT_ADMISSION, ALLOW, "admission writes the digest its tag has then")


def finding(code: Code = Code.KEY_MISMATCH, verdict: Verdict = DENY, **parts: Any) -> Finding:
    found = Finding(code, verdict, "signed by another key", "sign it", "acme-prod", "signature")
    return replace(found, **parts)


def review(*findings: Finding, text: str = IMAGE) -> ImageReview:
    return ImageReview(Subject(text), Decision.of(findings))


def test_a_denial() -> None:
    assert denial([(review(finding()), "container api")]) == (
        "DENIED ghcr.io/acme/api:v1 (container api) by acme-prod/signature\n"
        "KEY_MISMATCH: signed by another key\n"
        "Fix: sign it"
    )


def test_a_namespaces_policy_is_told_from_the_clusters_of_its_name() -> None:
    assert headline(review(finding(namespace="shop")), "").endswith(" by shop/acme-prod/signature")
    assert headline(review(finding(namespace="shop", policy="", rule="")), "") == f"DENIED {IMAGE}"


def test_a_denial_says_how_the_whole_of_it_is_shown() -> None:
    known = replace(review(finding(), finding(message="two")), reference=Reference.parse(IMAGE))
    last = "Fix: sign it.  Explain: gate policy explain ghcr.io/acme/api:v1 -p …  (+1 finding)"
    assert denial([(known, "")]).splitlines()[-1] == last
    assert "Explain" not in block(known, "")
    bare = replace(review(finding(remedy="")), reference=Reference.parse(IMAGE))
    assert denial([(bare, "")]).splitlines()[-1] == "Explain: gate policy explain ghcr.io/acme/api:v1 -p …"
    away = replace(review(finding(Code.REGISTRY_TIMEOUT, ERROR)), reference=Reference.parse(IMAGE))
    assert "Explain" not in denial([(away, "")])


def test_further_findings_are_counted() -> None:
    others = [finding(message=m) for m in ("two", "three")]
    warned = finding(Code.TAG_MUTABLE, WARN)
    found = review(finding(message="one"), *others, warned, NOTE)
    assert block(found, "").endswith("KEY_MISMATCH: one\nFix: sign it  (+2 findings)")
    assert block(review(finding(message="one"), others[0]), "").endswith("(+1 finding)")
    assert block(review(finding(), warned, NOTE), "").endswith("Fix: sign it")
    assert block(review(finding(message="one", remedy=""), finding(message="two", remedy="")), "").endswith(
        "KEY_MISMATCH: one  (+1 finding)"
    )


@pytest.mark.parametrize("code", [Code.REGISTRY_TIMEOUT, Code.DEADLINE_EXCEEDED, Code.TRUST_ROOT_UNAVAILABLE])
def test_inability_is_told_apart_in_the_first_words(code: Code) -> None:
    found = review(finding(code, ERROR, message="ghcr.io did not answer", remedy="retry"))
    text = denial([(found, "container api")])
    assert text.startswith(f"NOT JUDGED {IMAGE} (container api)")
    assert text.endswith(f": {code}: ghcr.io did not answer; retry")
    assert "DENIED" not in text


def test_a_denial_beats_inability() -> None:
    found = review(finding(Code.REGISTRY_TIMEOUT, ERROR), finding())
    assert denial([(found, "")]).startswith(f"DENIED {IMAGE} by acme-prod/signature\nKEY_MISMATCH: ")
    assert denial([(found, "")]).endswith("(+1 finding)")


@pytest.mark.parametrize(
    ("verdict", "word"), [(DENY, "DENIED"), (ERROR, "NOT JUDGED"), (WARN, "WARNING"), (ALLOW, "ALLOWED")]
)
def test_the_first_word(verdict: Verdict, word: str) -> None:
    found = review(finding(Code.REGISTRY_TIMEOUT if verdict is ERROR else Code.TAG_MUTABLE, verdict))
    assert headline(found, "") == f"{word} {IMAGE} by acme-prod/signature"


def test_notes_decide_nothing() -> None:
    assert first(review(NOTE)) is None
    assert headline(review(NOTE), "container api") == f"ALLOWED {IMAGE} (container api)"
    assert block(review(NOTE), "") == f"ALLOWED {IMAGE}"
    decided = first(review(NOTE, finding()))
    assert decided is not None
    assert decided.code is Code.KEY_MISMATCH


def test_where_no_policy_speaks() -> None:
    found = review(finding(Code.NO_POLICY_MATCHED, message="no policy is about it", policy="", rule=""))
    assert denial([(found, "")]).startswith(f"DENIED {IMAGE}\nNO_POLICY_MATCHED: ")


def test_only_what_stops_is_in_a_denial() -> None:
    stopped, warned, allowed = review(finding()), review(finding(verdict=WARN)), review(NOTE)
    assert denial([(allowed, "a"), (stopped, "b"), (warned, "c")]) == block(stopped, "b")
    assert denial([(allowed, "")]) == ""
    assert denial([]) == ""


def test_one_block_an_image_and_the_rest_counted() -> None:
    reviews = [(review(finding(), text=f"ghcr.io/acme/api{i}:v1"), "") for i in range(12)]
    text = denial(reviews)
    shown = text.count("DENIED ")
    assert 1 < shown < 12
    assert text.endswith(f"\n(+{12 - shown} more images)")
    assert denial(reviews[:2]).count("DENIED ") == 2
    assert "more image" not in denial(reviews[:2])
    long = [(review(finding(message="x" * 700)), "") for _ in range(2)]
    assert denial(long).endswith("\n(+1 more image)")


@pytest.mark.parametrize("many", [1, 2, 100, 5000])
@pytest.mark.parametrize("code", [Code.KEY_MISMATCH, Code.REGISTRY_TIMEOUT])
@pytest.mark.parametrize("part", ["message", "remedy", "policy", "rule", "image", "where"])
def test_never_longer_and_the_cause_survives(part: str, code: Code, many: int) -> None:
    verdict = ERROR if code is Code.REGISTRY_TIMEOUT else DENY
    # names of policies and rules have at most 253 and 64 characters
    sizes = {"policy": 253, "rule": 64}
    long = "x" * sizes.get(part, 20_000)
    parts = {part: long} if part not in ("image", "where") else {}
    text = f"ghcr.io/{long}" if part == "image" else IMAGE
    found = review(finding(code, verdict, **parts), text=text)
    words = denial([(found, long if part == "where" else "container api")] * many)
    assert len(words) <= MOST
    assert words.startswith("NOT JUDGED " if verdict is ERROR else "DENIED ")
    assert f"{code}: " in words
    if many > 50:
        assert words.endswith(" more images)")


def test_everything_long_at_once() -> None:
    found = review(
        finding(message="m" * 9000, remedy="r" * 9000, policy="p" * 253, rule="r" * 64), text="ghcr.io/" + "i" * 4000
    )
    words = denial([(found, "container " + "c" * 5000)])
    assert len(words) <= MOST
    assert "\nKEY_MISMATCH: m" in words


def test_a_warning_begins_with_its_code() -> None:
    assert warning(finding(Code.TAG_MUTABLE, WARN, message="tag latest is denied"), IMAGE) == (
        f"TAG_MUTABLE {IMAGE}: tag latest is denied"
    )


def test_findings_that_are_summed_up_are_counted() -> None:
    told = denial([(review(finding(message="1"), finding(message="… and 190 more", count=190)), "")])
    assert told.endswith("(+190 findings)")
