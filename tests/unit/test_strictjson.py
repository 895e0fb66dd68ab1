from __future__ import annotations

import json

import pytest

from gate import strictjson
from gate.errors import ParseError


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"null", None),
        (b" [1, 2.5, true] ", [1, 2.5, True]),
        (b'{"a": {"b": []}, "A": 1}', {"a": {"b": []}, "A": 1}),
        (b'"\\u00e4"', "\N{LATIN SMALL LETTER A WITH DIAERESIS}"),
        ('"\N{SNOWMAN}"'.encode(), "\N{SNOWMAN}"),
        (b'[{"a": 1}, {"a": 1}]', [{"a": 1}, {"a": 1}]),
        (b"1" * 4000, int("1" * 4000)),
    ],
    ids=range(7),
)
def test_json(content: bytes, value: object) -> None:
    assert strictjson.loads(content) == value


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"nul",
        b"{} {}",
        b"{}x",
        b"[1,]",
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a"}',
        b"{1:2}",
        b"01",
        b"+1",
        b".5",
        b"0x1",
        b"1_000",
        b"// x\n1",
        b'"\n"',
        b'"\\x41"',
        b'"unterminated',
        # another encoding
        b'"\xff"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32"),
        # numbers that JSON has not
        b"NaN",
        b"[Infinity]",
        b'{"a": -Infinity}',
        b"nan",
        # more digits than anybody converts for an attacker
        b"1" * 5000,
        b"[-" + b"9" * 1_000_000 + b"]",
        # one key twice
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "b": 2, "a": 3}',
        b'[[{"x": {"a": 1, "a": 2}}]]',
        b'{"a": 1, "\\u0061": 2}',
        b'{"": 1, "": 2}',
    ],
)
def test_refused(content: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        strictjson.loads(content)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")], ids=["lists", "objects", "both"]
)
def test_depth(opening: bytes, closing: bytes) -> None:
    each = 2 if opening.startswith(b"[{") else 1
    allowed = (strictjson.MAX_DEPTH - 1) // each
    assert strictjson.loads(opening * allowed + b"0" + closing * allowed) is not None
    for levels in (strictjson.MAX_DEPTH // each + 1, 200, 900, 100_000):
        with pytest.raises(ParseError):
            strictjson.loads(opening * levels + b"0" + closing * levels)
        with pytest.raises(ParseError):
            strictjson.loads(opening * levels)


def test_wide_documents_are_read() -> None:
    content = b"[" + b"[]," * 50_000 + b"[]]"
    assert strictjson.loads(content) == [[]] * 50_001


@pytest.mark.parametrize("piece", [b"[]", b"{}", b"1", b'""', b"null", b'{"a":1}', b"[[]]"])
def test_values_are_counted(piece: bytes) -> None:
    """What a megabyte of `[],[],…` unfolds to fills a memory: it is refused before it is unfolded."""
    content = b"[" + b",".join([piece] * 100) + b"]"
    with pytest.raises(ParseError, match="more than 99 values"):
        strictjson.loads(content, 99)
    assert strictjson.loads(content, 1000) is not None


def test_more_values_than_anybody_needs_are_refused() -> None:
    content = b"[" + b"0," * strictjson.MAX_VALUES + b"0]"
    with pytest.raises(ParseError, match=f"more than {strictjson.MAX_VALUES} values"):
        strictjson.loads(content)


def test_get() -> None:
    assert strictjson.get({"a": 1, "b": 2}, "a") == 1
    assert strictjson.get({"a": None}, "a") is None
    assert strictjson.get({"b": 2}, "a") is None
    assert strictjson.get({}, "a") is None


@pytest.mark.parametrize(
    "value",
    [
        {"Subject": 1},
        {"subject": 1, "Subject": 2},
        {"SUBJECT": 1},
        {"x": 1, "sUBJECT": 2, "subject": 3},
        # the two letters beyond ASCII that Go's decoder folds too
        {"subject": 1, "\N{LATIN SMALL LETTER LONG S}ubject": 2},
        {"\N{LATIN SMALL LETTER LONG S}ubject": 2},
    ],
)
def test_keys_that_another_reader_would_take(value: dict[str, object]) -> None:
    with pytest.raises(ParseError, match="only by case"):
        strictjson.get(value, "subject")


def test_the_kelvin_sign_is_a_k() -> None:
    with pytest.raises(ParseError, match="only by case"):
        strictjson.get({"\N{KELVIN SIGN}ey": 1}, "key")


@pytest.mark.parametrize("value", [None, 1, "a", [], [{}], True, 1.5])
def test_not_an_object(value: object) -> None:
    with pytest.raises(ParseError, match="the thing is not an object"):
        strictjson.as_object(value, "the thing")


def test_an_object() -> None:
    assert strictjson.as_object({"a": 1}, "the thing") == {"a": 1}


@pytest.mark.parametrize("value", [None, 1, [], {}, True, ["a"]])
def test_not_a_text(value: object) -> None:
    with pytest.raises(ParseError, match="the thing has no text `a`"):
        strictjson.text({"a": value}, "a", "the thing")


def test_a_text() -> None:
    assert strictjson.text({"a": ""}, "a", "the thing") == ""
    with pytest.raises(ParseError, match="no text `b`"):
        strictjson.text({"a": "x"}, "b", "the thing")


# a member that is not read


def _large(members: str) -> bytes:
    filler = '"filler": "' + "x" * 300_000 + '"'
    return f'{{"a": {{{filler}}}, {members}}}'.encode()


@pytest.mark.parametrize(
    ("members", "others"),
    [
        ('"b": [1, 2.5, {"c": null}]', {"b": [1, 2.5, {"c": None}]}),
        ('"a2": null, "b": "null"', {"a2": None, "b": "null"}),
        ('"\\u0062": true', {"b": True}),
        ('"b": ' + '{"a": {}}', {"b": {"a": {}}}),
    ],
)
def test_what_stands_beside_a_large_member_is_read(members: str, others: dict[str, object]) -> None:
    assert strictjson.loads_beside(_large(members), "a") == {"a": None, **others}
    small = f'{{"a": {{"deep": [1]}}, {members}}}'.encode()
    assert strictjson.loads_beside(small, "a") == {"a": {"deep": [1]}, **others}


def test_a_member_that_is_absent_is_no_member() -> None:
    content = json.dumps({"b": "x" * 300_000}).encode()
    assert strictjson.loads_beside(content, "a") == {"b": "x" * 300_000}


@pytest.mark.parametrize(
    "members",
    [
        '"a": 1',  # twice: two readers would take two
        '"b": 1, "b": 2',
        '"\\u0061": 1',
        '"b": NaN',
        '"b": 1e999',
        '"b": ' + "[" * 200 + "]" * 200,
        '"b": ',
        '"b": 1} {',
    ],
)
def test_what_is_wrong_beside_it_is_refused(members: str) -> None:
    with pytest.raises(ParseError):
        strictjson.loads_beside(_large(members), "a")


@pytest.mark.parametrize("content", ["[]", "null", '"x"', "1"])
def test_what_is_no_object_has_no_members(content: str) -> None:
    for padded in (content, content + " " * 300_000):
        with pytest.raises(ParseError):
            strictjson.loads_beside(padded.encode(), "a")


def test_a_member_whose_text_stands_before_it_too_is_refused_or_read_right() -> None:
    """It is looked for by its text: where that is found elsewhere first, the rest is not what it was."""
    inner = '{"x": "' + "y" * 300_000 + '"}'
    content = f'{{"b": [{inner}], "a": {inner}}}'.encode()
    with pytest.raises(ParseError, match="cannot be told"):
        strictjson.loads_beside(content, "a")
    swapped = f'{{"a": {inner}, "b": [{inner}]}}'.encode()
    assert strictjson.loads_beside(swapped, "a") == {"a": None, "b": [{"x": "y" * 300_000}]}


# what nobody has vouched for


@pytest.mark.parametrize("item", [b"{}", b"[]", b"0", b'""', b'{"a":1}'])
def test_what_unfolds_to_more_than_it_is_is_refused(item: bytes) -> None:
    many = b"[" + b",".join([item] * 20_000) + b"]"
    assert strictjson.loads(many) is not None
    with pytest.raises(ParseError, match="values"):
        strictjson.loads_unsigned(many)
    assert strictjson.loads_unsigned(b"[" + b",".join([item] * 300) + b"]") is not None


@pytest.mark.parametrize("wide", ["\u0100", "\U0001f600", "\\u0100", "\\ud83d\\ude00"])
def test_a_large_text_of_which_one_character_makes_four_times_as_much_is_refused(wide: str) -> None:
    def content(size: int, character: str) -> bytes:
        return f'["{"x" * size}{character}"]'.encode()

    with pytest.raises(ParseError, match="Latin-1"):
        strictjson.loads_unsigned(content(300_000, wide))
    assert strictjson.loads_unsigned(content(1000, wide)) is not None
    for narrow in ("é", "\\u00e9", "\\u003c"):
        assert strictjson.loads_unsigned(content(300_000, narrow)) is not None
