from __future__ import annotations

import re

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.cli.render.drawing import NARROWEST, Branch, Mark, Pen, columns, filled

TREE = Branch(
    "root of all",
    Mark.BAD,
    "DENIED",
    (
        Branch("one two three four five six seven eight nine ten", below=(Branch("leaf", Mark.GOOD, "by a:"),)),
        Branch("", Mark.SKIPPED, "not about it"),
        Branch("eleven twelve thirteen fourteen fifteen sixteen"),
    ),
)


def test_lines_go_on_beside_the_bars() -> None:
    assert Pen(40).draw(TREE).splitlines() == [
        "✘ DENIED root of all",
        "├─ one two three four five six seven",
        "│  │ eight nine ten",
        "│  └─ ✔ by a: leaf",
        "├─ – not about it",  # noqa: RUF001 - a dash is meant
        "└─ eleven twelve thirteen fourteen",
        "     fifteen sixteen",
    ]


def test_ascii_where_an_encoding_has_no_more() -> None:
    assert Pen.of("latin-1", 40, color=False).draw(TREE).splitlines() == [
        "x DENIED root of all",
        "|- one two three four five six seven",
        "|  | eight nine ten",
        "|  `- + by a: leaf",
        "|- - not about it",
        "`- eleven twelve thirteen fourteen",
        "     fifteen sixteen",
    ]


@pytest.mark.parametrize(("encoding", "plain"), [("utf-8", False), ("ascii", True), (None, True), ("no-such", True)])
def test_which_encodings_have_them(encoding: str | None, plain: bool) -> None:  # noqa: FBT001
    assert Pen.of(encoding, 80, color=False).plain is plain


def test_marks_and_leads_have_colours_and_nothing_else_has() -> None:
    colored = Pen(40, color=True).draw(TREE)
    assert click.unstyle(colored) == Pen(40).draw(TREE)
    first, *_ = colored.splitlines()
    assert first == f"{click.style('✘ DENIED', fg='red', bold=True)} root of all"
    assert click.style("✔ by a:", fg="green", bold=False) in colored
    # a lead that is cut is coloured as far as it goes, and colours never go on below
    long = Pen(40, color=True).draw(Branch("x", Mark.GOOD, "word " * 20))
    assert all(line.count("\x1b[0m") <= 1 for line in long.splitlines())


def test_a_narrow_terminal_is_wrapped_to_the_narrowest() -> None:
    assert Pen.of("utf-8", 5, color=False).width == NARROWEST


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("日本語", 6), ("e\u0301", 1), ("\u200b", 0), ("✔", 1), ("", 0), ("한", 2)]
)
def test_columns_of_a_text(text: str, width: int) -> None:
    assert columns(text) == width


def test_long_words_are_cut_where_a_name_ends() -> None:
    url = "https://github.com/acme/api/.github/workflows/release.yml@refs/heads/main"
    assert list(filled([url], 40, 40)) == [
        "https://github.com/acme/api/.github/",
        "workflows/release.yml@refs/heads/main",
    ]
    assert list(filled(["a" * 50], 40, 20)) == ["a" * 40, "a" * 10]
    # it begins where there is room for a part, and fills no rest of a line that is too small for one
    assert list(filled(["to", "日" * 15], 20, 20)) == [f"to {'日' * 8}", "日" * 7]
    assert list(filled(["to", "the", "a" * 30], 20, 20)) == ["to the", "a" * 20, "a" * 10]


words = st.text(max_size=30) | st.sampled_from(["日本語" * 9, "\x1b[31mred", "a\nb", "\u202eevil", "https://x/" * 9])
branches = st.recursive(
    st.builds(Branch, words, st.none() | st.sampled_from(Mark), st.sampled_from(["", "by a:"])),
    lambda inner: st.builds(
        Branch, words, st.none() | st.sampled_from(Mark), st.just(""), st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=12,
)


def depth(branch: Branch) -> int:
    return 1 + max(map(depth, branch.below), default=0)


def said(branch: Branch) -> str:
    own = f"{branch.mark.value if branch.mark else ''}{branch.lead}{branch.text}"
    return own + "".join(map(said, branch.below))


@given(branches, st.integers(NARROWEST, 120))
@settings(max_examples=200, deadline=None)
def test_no_line_is_wider_and_no_word_is_lost(tree: Branch, width: int) -> None:
    drawn = Pen(width).draw(tree)
    room = max(width, 3 * depth(tree) + 18)  # below the deepest branches there is always a little room
    lines = drawn.splitlines()
    assert all(columns(line) <= room for line in lines)
    assert drawn == "\n".join(lines) + "\n"  # nobody's words begin a line of their own
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", drawn)
    hidden = re.compile(r"[\s├─└│\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
    assert hidden.sub("", drawn) == hidden.sub("", said(tree))
