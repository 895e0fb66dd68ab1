from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.authoring.writing import MAX_REMARK, remark, scalar
from gate.documents import Document, read_documents


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("refs/heads/main", "refs/heads/main"),
        ("ghcr.io/acme", "ghcr.io/acme"),
        ("true", '"true"'),
        ("NO", '"NO"'),
        ("1.5", '"1.5"'),
        ("1e3", '"1e3"'),
        ("0x1", '"0x1"'),
        ("2026-01-01", '"2026-01-01"'),
        ("Null", '"Null"'),
        ("~", '"~"'),
        ("-", '"-"'),
        ("y", '"y"'),
        ("", '""'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("a\nb", '"a\\x0ab"'),
        ("\u2028", '"\\u2028"'),
        ("\U0001f600", '"\\U0001f600"'),
        ("##[x]", '"#\\x23[x]"'),
        ("###vso[x]", '"#\\x23#vso[x]"'),
        ("refs/tags/v*", '"refs/tags/v*"'),
    ],
)
def test_texts_as_scalars(text: str, written: str) -> None:
    assert scalar(text) == written


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_itself_wherever_it_stands(text: str) -> None:
    written = f"a: {scalar(text)}\nb: [{scalar(text)}, x]\nc: {{d: {scalar(text)}}}\n"
    assert written.isascii()
    assert yaml.safe_load(written) == {"a": text, "b": [text, "x"], "c": {"d": text}}
    (ours,) = read_documents(written, "p.yaml")
    assert isinstance(ours, Document)
    assert ours.data == {"a": text, "b": [text, "x"], "c": {"d": text}}


@given(st.text(max_size=500))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_remark_on_its_line(text: str) -> None:
    told = remark(text)
    assert told.isascii()
    assert told == "" or told.isprintable()
    assert "##[" not in told
    assert len(told) <= MAX_REMARK + 3
    assert yaml.safe_load(f"# {told}\na: b\n") == {"a": "b"}
