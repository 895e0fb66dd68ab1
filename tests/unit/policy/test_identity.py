from __future__ import annotations

from dataclasses import fields, replace

import pytest

from gate.errors import ParseError
from gate.evidence.facts import FulcioClaims, Identity
from gate.policy.identity import CLAIMS, IdentityPattern, TextPattern

ISSUER = "https://token.actions.githubusercontent.com"
SUBJECT = "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v1"
REPOSITORY = "https://github.com/acme/api"
HERE = Identity(
    ISSUER,
    (SUBJECT,),
    FulcioClaims(
        source_repository_uri=REPOSITORY, source_repository_ref="refs/tags/v1", runner_environment="github-hosted"
    ),
)


def exactly(text: str) -> TextPattern:
    return TextPattern(text)


def regex(text: str) -> TextPattern:
    return TextPattern.parse_regex(text)


def pattern(
    subject: TextPattern | str = SUBJECT, issuer: TextPattern | str | None = ISSUER, **claims: str | TextPattern
) -> IdentityPattern:
    def of(value: TextPattern | str) -> TextPattern:
        return TextPattern(value) if isinstance(value, str) else value

    wanted = tuple((name, (of(value),)) for name, value in claims.items())
    return IdentityPattern(of(subject), None if issuer is None else of(issuer), wanted)


# one text


@pytest.mark.parametrize(
    "value",
    [
        *("", "A", "a ", " a", "a\n", "\na", "a\0", "aa", "ä", "\N{CYRILLIC SMALL LETTER A}", "a/", "*", "a*"),
        *("\N{FULLWIDTH LATIN SMALL LETTER A}", "a\N{ZERO WIDTH SPACE}", "a\N{COMBINING ACUTE ACCENT}"),
    ],
)
def test_a_text_is_that_text_and_no_other(value: str) -> None:
    assert exactly("a").matches("a")
    assert not exactly("a").matches(value)


@pytest.mark.parametrize("text", [".*", "a|b", "[ab]", "^a$", "a?", "(a)"])
def test_a_text_is_no_expression(text: str) -> None:
    assert exactly(text).matches(text)
    assert not exactly(text).matches("a")


@pytest.mark.parametrize(
    ("expression", "values", "others"),
    [
        ("a", ["a"], ["", "aa", "ba", "ab", "A", "a\n", "\na", "a\0"]),
        ("a|b", ["a", "b"], ["ab", "ax", "xb", "a\n", "b\n"]),
        ("^a|b$", ["a", "b"], ["ab", "ax", "xb"]),
        ("^a$", ["a"], ["a\n", "\na", "a\nb", "b\na", "aa"]),
        ("(?m)^a$", ["a"], ["a\nb", "b\na", "b\na\nc", "a\n"]),
        ("(?s).*", ["", "a\nb"], []),
        (".*", ["", "abc"], ["a\nb", "a\n", "\n"]),
        (".+", ["abc"], ["", "a\n"]),
        ("(?i)a", ["a", "A"], ["b"]),
        ("https://github.com/acme/[^/]+", ["https://github.com/acme/api"], ["https://github.com/acme/api/x"]),
        # CVE-2026-22772: not anchored, any URL that contains it would do
        (
            "https://github.com/acme/.*",
            ["https://github.com/acme/api"],
            [
                "https://evil.example/?https://github.com/acme/api",
                "xhttps://github.com/acme/api",
                "https://github.com/acme-evil/api",
                "https://evil.example/\nhttps://github.com/acme/api",
            ],
        ),
        (r"https://github\.com/acme/.*", ["https://github.com/acme/"], ["https://githubxcom/acme/"]),
        (r".*@acme\.example", ["a@acme.example"], ["a@acme.example.evil.test", "a@acme.example\n", "a@acmexexample"]),
        (r"\Aa\z", ["a"], ["a\n"]),
        ("a\\b", ["a"], ["ab"]),
    ],
)
def test_an_expression_fits_from_end_to_end(expression: str, values: list[str], others: list[str]) -> None:
    assert [v for v in values if not regex(expression).matches(v)] == []
    assert [v for v in others if regex(expression).matches(v)] == []


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "",
            "(",
            "[",
            "a{2,1}",
            "*",
            "a**b",
            "(?P<x>a)(?P=x)",
            r"(a)\1",
            "(?=a)",
            "(?<=a)b",
            "(?!a)b",
            "(?>a)",
            "a++",
        ),
        *("a{1001}", "((a{100}){100}){100}", "x" * 1001),
    ],
)
def test_what_is_no_expression(expression: str) -> None:
    with pytest.raises(ParseError) as caught:
        regex(expression)
    assert caught.value.message
    assert len(caught.value.message) < 300


def test_the_longest_expression_that_is_read() -> None:
    assert regex("a" * 1000).matches("a" * 1000)


@pytest.mark.parametrize("expression", ["(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*)*b", "(a*)*b", "([a-z]+)*b", "(x+x+)+y"])
def test_an_expression_that_others_search_for_ever(expression: str) -> None:
    assert not regex(expression).matches("a" * 100_000 + "!")
    assert not regex(expression).matches("x" * 100_000)


def test_patterns_in_words() -> None:
    assert (str(exactly("a")), str(regex("a.*"))) == ("a", "/a.*/")
    assert str(pattern("s", "i")) == "s (issuer i)"
    assert str(pattern("s", None)) == "s"
    assert exactly("a") != regex("a")
    assert regex("a") == regex("a")


# an identity


def test_everything_fits() -> None:
    wanted = pattern(source_repository_uri=REPOSITORY, runner_environment="github-hosted")
    assert wanted.mismatch(HERE) == ""


@pytest.mark.parametrize(
    ("wanted", "identity", "words"),
    [
        # the subject alone is no identity, nor is the issuer: CVE-2025-29778 forgot one of the two
        (pattern(), replace(HERE, issuer="https://evil.example"), ("issuer https://evil.example",)),
        (pattern(), replace(HERE, issuer=""), ("issuer (none)",)),
        (pattern(), replace(HERE, issuer=f"{ISSUER}/"), ("issuer",)),
        (pattern(), replace(HERE, issuer=f"{ISSUER}\n"), ("issuer",)),
        (pattern(), replace(HERE, issuer=ISSUER.upper()), ("issuer",)),
        (pattern(issuer=regex(".*")), replace(HERE, subjects=("https://evil.example",)), ("https://evil.example",)),
        (pattern(), replace(HERE, subjects=(f"{SUBJECT}x",)), (f"needs {SUBJECT}",)),
        (pattern(), replace(HERE, subjects=(ISSUER,), issuer=SUBJECT), (ISSUER, SUBJECT)),
        (pattern(subject=regex("https://github.com/acme/.*")), replace(HERE, subjects=("https://evil",)), ("/https",)),
        (
            pattern(),
            replace(HERE, subjects=("x",), issuer="y"),
            ("signed by x, issuer y; needs", f"issuer {ISSUER}"),
        ),
    ],
)
def test_subject_and_issuer_have_to_fit_both(
    wanted: IdentityPattern, identity: Identity, words: tuple[str, ...]
) -> None:
    assert wanted.mismatch(HERE) == ""
    said = wanted.mismatch(identity)
    assert [word for word in words if word not in said] == []


def test_any_of_several_subjects_suffices() -> None:
    several = replace(HERE, subjects=("a@acme.example", SUBJECT))
    assert pattern().mismatch(several) == ""
    assert pattern("a@acme.example").mismatch(several) == ""
    # whole, and one of them: not two halves, nor all of them together
    assert pattern("a@acme.example" + SUBJECT).mismatch(several)
    assert pattern(f"a@acme.example, {SUBJECT}").mismatch(several)


def test_without_an_issuer_none_is_asked_for() -> None:
    assert pattern(issuer=None).mismatch(replace(HERE, issuer="")) == ""
    assert pattern(issuer=None).mismatch(HERE) == ""


@pytest.mark.parametrize("name", sorted(CLAIMS))
@pytest.mark.parametrize("wanted", [exactly(""), exactly("(none)"), regex(".*"), regex("(?s).*"), regex("(x)?")])
def test_a_claim_that_is_absent_fits_nothing(name: str, wanted: TextPattern) -> None:
    asked = IdentityPattern(exactly(SUBJECT), exactly(ISSUER), ((name, (wanted,)),))
    assert f"{name.replace('_', ' ')} (none)" in asked.mismatch(Identity(ISSUER, (SUBJECT,)))


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_every_claim_is_compared_with_its_own(name: str) -> None:
    others = FulcioClaims(**{other: "wanted" for other in CLAIMS if other != name})
    asked = IdentityPattern(exactly(SUBJECT), exactly(ISSUER), ((name, (exactly("wanted"),)),))
    assert asked.mismatch(Identity(ISSUER, (SUBJECT,), replace(others, **{name: "other"})))
    assert asked.mismatch(Identity(ISSUER, (SUBJECT,), others))
    assert asked.mismatch(Identity(ISSUER, (SUBJECT,), FulcioClaims(**{name: "wanted"}))) == ""


def test_all_claims_have_to_fit_and_of_each_any_pattern() -> None:
    refs = (exactly("refs/heads/main"), regex("refs/tags/v[0-9]+"))
    asked = IdentityPattern(
        exactly(SUBJECT),
        exactly(ISSUER),
        (("source_repository_ref", refs), ("source_repository_uri", (exactly(REPOSITORY),))),
    )
    assert asked.mismatch(HERE) == ""
    main = replace(HERE, claims=replace(HERE.claims, source_repository_ref="refs/heads/main"))
    assert asked.mismatch(main) == ""
    for claims in (
        replace(HERE.claims, source_repository_ref="refs/pull/7/merge"),
        replace(HERE.claims, source_repository_ref="refs/tags/v1\n"),
        replace(HERE.claims, source_repository_uri=f"{REPOSITORY}-evil"),
    ):
        assert asked.mismatch(replace(HERE, claims=claims))
    both = replace(HERE.claims, source_repository_ref="refs/heads/dev", source_repository_uri="https://evil")
    said = asked.mismatch(replace(HERE, claims=both))
    assert said == (
        "signed by source repository ref refs/heads/dev, source repository uri https://evil; "
        f"needs source repository ref refs/heads/main or /refs/tags/v[0-9]+/, source repository uri {REPOSITORY}"
    )


def test_the_claims_are_those_of_the_facts() -> None:
    assert {f.name for f in fields(FulcioClaims)} == CLAIMS


def test_long_identities_are_cut_in_words() -> None:
    said = pattern(subject="s" * 5000, issuer="i" * 5000).mismatch(Identity("x" * 5000, ("y" * 5000,)))
    assert len(said) < 1000
