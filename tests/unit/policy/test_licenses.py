from __future__ import annotations

import re

import pytest

from gate.errors import ParseError
from gate.policy.licenses import MAX_DISTINCT, Judgement, LicensePattern, LicenseRule, Outcome

ALLOWED, DENIED, UNKNOWN = Outcome.ALLOWED, Outcome.DENIED, Outcome.UNKNOWN


def judge(*licenses: str, allow: list[str] | None = None, deny: list[str] | None = None) -> Outcome:
    return LicenseRule.parse(allow or [], deny or []).judge(licenses).outcome


@pytest.mark.parametrize(
    ("pattern", "denied", "passed"),
    [
        (
            "AGPL-3.0-*",
            [
                "AGPL-3.0",
                "AGPL-3.0-only",
                "AGPL-3.0-or-later",
                "AGPL-3.0+",
                "agpl-3.0",
                "AGPL-3.0-only+",
                "MIT AND AGPL-3.0",
                "MIT and (Apache-2.0 OR MIT) AND agpl-3.0-ONLY",
                "AGPL-3.0-only OR AGPL-3.0-or-later",
                "AGPL-3.0-only WITH Classpath-exception-2.0",
                "(AGPL-3.0)",
            ],
            ["AGPL-1.0-only", "GPL-3.0-only", "MIT", "MIT OR AGPL-3.0", "MIT or (AGPL-3.0 AND MIT)", "LGPL-3.0"],
        ),
        ("GPL-3.0-only", ["GPL-3.0", "MIT AND GPL-3.0-only"], ["MIT OR GPL-3.0-only", "GPL-3.0-or-later", "GPL-3.0+"]),
        ("GPL-3.0-or-later", ["GPL-3.0+", "GPL-3.0-only+"], ["GPL-3.0"]),
        (
            "GPL-2.0-*",
            [
                "GPL-2.0",
                "GPL-2.0+",
                "GPL-2.0-only WITH Classpath-exception-2.0",
                "GPL-2.0-with-classpath-exception",
                "eCos-2.0",
            ],
            ["GPL-3.0", "MIT OR GPL-2.0 AND GPL-2.0+"],
        ),
        (
            "GPL-2.0-only WITH Classpath-exception-2.0",
            ["GPL-2.0 WITH classpath-exception-2.0", "GPL-2.0-with-classpath-exception"],
            ["GPL-2.0-only", "GPL-2.0-or-later WITH Classpath-exception-2.0", "GPL-2.0-only WITH GCC-exception-2.0"],
        ),
        ("*GPL-*", ["LGPL-2.1", "GPL-1.0+", "AGPL-3.0"], ["MIT", "EUPL-1.2"]),
        ("Apache-2.0", ["Apache-2.0", "Apache-2.0+", "APACHE-2.0"], ["Apache-1.1"]),
        ("Apache-2.0+", ["Apache-2.0+"], ["Apache-2.0"]),
        ("BSD-2-Clause-Views", ["BSD-2-Clause-FreeBSD"], ["BSD-2-Clause"]),
        ("GPL-2.0-with-classpath-exception", ["GPL-2.0-only WITH Classpath-exception-2.0"], ["GPL-2.0"]),
        ("**", ["MIT", "Zlib"], []),
    ],
)
def test_denied(pattern: str, denied: list[str], passed: list[str]) -> None:
    assert [text for text in denied if judge(text, deny=[pattern]) is not DENIED] == []
    assert [text for text in passed if judge(text, deny=[pattern]) is not ALLOWED] == []


@pytest.mark.parametrize(
    ("patterns", "allowed", "denied"),
    [
        (["MIT"], ["MIT", "mit", "MIT OR GPL-3.0-only", "(MIT)"], ["MIT-0", "Apache-2.0", "MIT AND Apache-2.0"]),
        (
            ["MIT", "Apache-2.0", "BSD-*"],
            [
                "MIT AND Apache-2.0",
                "BSD-3-Clause AND (MIT OR GPL-3.0)",
                "Apache-2.0 WITH LLVM-exception",
                "Apache-2.0+",
            ],
            ["MIT AND GPL-2.0", "0BSD"],
        ),
        (
            ["GPL-2.0-only WITH Classpath-exception-2.0"],
            ["GPL-2.0 WITH Classpath-exception-2.0", "GPL-2.0-with-classpath-exception"],
            ["GPL-2.0-only", "GPL-2.0 WITH GCC-exception-2.0"],
        ),
        (["GPL-2.0-only"], ["GPL-2.0"], ["GPL-2.0-or-later", "GPL-2.0+"]),
    ],
)
def test_allowed(patterns: list[str], allowed: list[str], denied: list[str]) -> None:
    assert [text for text in allowed if judge(text, allow=patterns) is not ALLOWED] == []
    assert [text for text in denied if judge(text, allow=patterns) is not DENIED] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "NOASSERTION",
        "NONE",
        "GPL",
        "BSD",
        "Apache License 2.0",
        "Apache2",
        "LicenseRef-MIT-Bootstrap",
        "LicenseRef-acme",
        "DocumentRef-x:LicenseRef-acme",
        "MIT/X11",
        "MIT, GPL-3.0-only",
        "MIT GPL-3.0-only",
        "MIT OR",
        "OR MIT",
        "AND",
        "(MIT",
        "MIT)",
        "()",
        "MIT AND ()",
        "MIT (GPL-3.0)",
        "MIT WITH Unheard-of-exception",
        "MIT WITH GPL-3.0-only",
        "Classpath-exception-2.0",
        "Classpath-exception-2.0 OR LicenseRef-x",
        "https://opensource.org/licenses/MIT",
        "MIT AND LicenseRef-x",
        "GPL-3.0-only OR LicenseRef-x",
    ],
)
def test_unknown(text: str) -> None:
    assert judge(text, deny=["GPL-3.0-*"]) is UNKNOWN
    assert judge(text, deny=["GPL-3.0-*"], allow=["MIT"]) is UNKNOWN


def test_nothing_is_known_of_a_component_without_licences() -> None:
    assert LicenseRule.parse(["MIT"], []).judge(()) == Judgement(UNKNOWN, ())


def test_names_beyond_spdx_are_known_by_being_named() -> None:
    for name in ("Apache License 2.0", "LicenseRef-acme", "BSD", "MIT/X11"):
        assert judge(name, allow=[name]) is ALLOWED
        assert judge(name.lower(), allow=[name.upper()]) is ALLOWED
        assert judge(name, deny=[name]) is DENIED
        assert judge(f"{name} x", allow=[name]) is UNKNOWN
    assert judge("MIT OR LicenseRef-acme-1", deny=["LicenseRef-acme-*"]) is ALLOWED
    assert judge("MIT AND LicenseRef-acme-1", deny=["LicenseRef-acme-*"]) is DENIED
    assert judge("LicenseRef-acme-1", allow=["LicenseRef-acme-*", "**"]) is UNKNOWN
    assert judge("MIT WITH Unheard-of", allow=["MIT WITH Unheard-of"]) is ALLOWED


def test_a_denial_beats_a_permission() -> None:
    assert judge("MIT", allow=["MIT"], deny=["MIT"]) is DENIED


def test_each_licence_holds_and_all_that_matter_are_told() -> None:
    rule = LicenseRule.parse([], ["GPL-3.0-*", "AGPL-3.0-*"])
    assert rule.judge(("MIT", "Apache-2.0")).outcome is ALLOWED
    assert rule.judge(("MIT", "gpl-3.0 AND x", "MIT AND agpl-3.0+")) == Judgement(
        DENIED, ("GPL-3.0-only", "x", "AGPL-3.0-or-later")
    )
    assert rule.judge(("GPL-3.0 OR AGPL-3.0",)) == Judgement(DENIED, ("GPL-3.0-only", "AGPL-3.0-only"))
    assert rule.judge(("GPL-3.0 OR x", "MIT", "y y")) == Judgement(UNKNOWN, ("x", "y y"))
    assert rule.judge(("GPL-3.0 WITH GCC-exception-3.1",)).because == ("GPL-3.0-only WITH GCC-exception-3.1",)


def test_a_document_is_judged_as_its_components_are() -> None:
    rule = LicenseRule.parse([], ["GPL-3.0-*"])
    sets = [("MIT",), ("GPL-3.0",), (), ("MIT",)]
    assert list(rule.judge_all(sets)) == [rule.judge(licenses) for licenses in sets]
    long = [("MIT OR x" * 1000 + str(i),) for i in range(MAX_DISTINCT // 8000 + 1)]
    assert list(rule.judge_all([*long, ("MIT",)]))[-1] == Judgement(UNKNOWN, ("too many licences",))


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("", "not a licence", "SPDX id"),
        (" MIT", "not a licence", "SPDX id"),
        ("MIT WITH ", "not a licence", "SPDX id"),
        ("MIT OR GPL-3.0-only", "is an expression", "each of its licences"),
        ("MIT or x", "is an expression", "each of its licences"),
        ("GPL-* OR MIT", "is an expression", "each of its licences"),
        ("GPL-2.0", "deprecated", "write GPL-2.0-only, GPL-2.0-or-later or GPL-2.0-\\* for both"),
        ("agpl-3.0", "deprecated", "agpl-3.0-\\*"),
        ("x" * 600, "600 characters", "shorter"),
    ],
)
def test_no_patterns(text: str, message: str, remedy: str) -> None:
    with pytest.raises(ParseError, match=message) as caught:
        LicensePattern.parse(text)
    assert re.search(remedy, caught.value.remedy)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("AGPL-3.0-*", True),
        ("mit", True),
        ("GPL-2.0+", True),
        ("Apache-2.0+", True),
        ("GPL-2.0-only WITH Classpath-*", True),
        ("LicenseRef-acme", True),
        ("AGPL-3", False),
        ("AGPL3-*", False),
        ("Apache License 2.0", False),
        ("GPL-2.0-only WITH Classpath", False),
    ],
)
def test_lint_can_tell_what_fits_nothing(text: str, known: bool) -> None:  # noqa: FBT001
    assert LicensePattern.parse(text).known is known
