from __future__ import annotations

import json

import pytest

from gate.documents import (
    MAX_DEPTH,
    MAX_NODES,
    MAX_TEXT,
    Document,
    Flaw,
    Path,
    UnreadableDocument,
    lines_of,
    read_documents,
)
from gate.errors import Place, SourceError


def read(text: str) -> list[object]:
    """The data of each document; of one that cannot be read, the error."""
    return [str(d) if isinstance(d, SourceError) else d.data for d in read_documents(text, "f.yaml")]


def one(text: str) -> Document:
    (document,) = read_documents(text, "f.yaml")
    assert isinstance(document, Document)
    return document


def error(text: str) -> str:
    (found,) = read_documents(text, "f.yaml")
    assert isinstance(found, SourceError)
    assert found.place is not None
    return str(found)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        # texts, whatever YAML 1.1 makes of them
        *((text, text) for text in ("no", "No", "yes", "on", "off", "y", "n", "True", "TRUE", "False", "Null", "NULL")),
        *((text, text) for text in ("2026-12-31", "2026-12-31T00:00:00Z", "12:30:45", "1_000", "+1", "=", "<<")),
        *((text, text) for text in ("0x10", "0o14", "0755", "00", "0b1", "-0x1", ".5", "1.", ".inf", "-.inf", ".nan")),
        *((text, text) for text in ("1e", "e3", "1.2.3", "v1", "1a", "NaN", "Infinity")),
        # numbers, as JSON has them
        ("0", 0),
        ("-1", -1),
        ("10", 10),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1E+2", 100.0),
        ("-2.5e-1", -0.25),
        ("999999999999999999", 999999999999999999),
        ("12345678901234567890", 12345678901234567890.0),
        # constants
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        # quotes make a text
        ('"1"', "1"),
        ("'true'", "true"),
        ('"~"', "~"),
        ('""', ""),
        ("|-\n  10", "10"),
        (">-\n  null", "null"),
        # so does an explicit tag
        ("!!str 123", "123"),
        ("!!str true", "true"),
        ("!!str", ""),
        ('!!str "x"', "x"),
        ("!!int 5", 5),
        ("!!map {b: 1}", {"b": 1}),
        ("!!seq [1]", [1]),
    ],
)
def test_scalars_follow_the_json_rules(written: str, value: object) -> None:
    found = one(f"a: {written}\nlast: x").data
    assert found == {"a": value, "last": "x"}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system [ls]",
        '!!python/object/apply:os.system ["ls"]',
        "!!python/object:gate.errors.Place {file: x}",
        "!!python/name:os.system",
        '!!python/name:os.system "x"',
        "!!binary bmdpbng=",
        '!!binary "bmdpbng="',
        '!!int "3"',
        "!!set {x}",
        "!!omap [x: 1]",
        "!local x",
        '!local "x"',
        "!local {x: 1}",
        "!local [x]",
        "!<tag:example.com,2026:x> y",
    ],
)
def test_other_tags_are_errors(value: str) -> None:
    found = error(f"a: {value}")
    assert found.startswith("f.yaml:1:4: the tag ")
    assert found.partition(";")[0].endswith(" is not supported")


def test_keys_are_texts() -> None:
    assert one("1: a\ntrue: b\n~: c\nno: d\n").data == {"1": "a", "true": "b", "~": "c", "no": "d"}
    assert error("? [a]\n: b") == "f.yaml:1:3: a key that is no text; write it as a text"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\nb: 2\na: 3", "3:1"),
        ("a: {b: 1, b: 2}", "1:11"),
        ("x:\n- a: 1\n  'a': 2", "3:3"),
        ('1: x\n"1": y', "2:1"),
        ('{"a": 1,\n "a": 2}', "2:2"),
        # the escape makes YAML's reader give up at first
        ('{"image": "evil", "image": "good", "note": "\\ud83d\\ude00"}', "1:19"),
        ("<<: {b: 1}\na: 1\na: 2", "3:1"),
    ],
)
def test_a_key_that_stands_twice(text: str, place: str) -> None:
    found = error(text)
    assert found.startswith(f"f.yaml:{place}: the key ")
    assert found.endswith(" stands twice; keep one of them")


def bomb(bottom: str, level: str, levels: int) -> str:
    lines = [f"a0: &a0 {bottom}"]
    lines += [f"a{i}: &a{i} " + level.format(",".join([f"*a{i - 1}"] * 9)) for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb("[x]", "[{}]", 12),
        bomb("{k: x}", "{{<<: {{a: [{}]}}}}", 12),
        bomb("{}", "{{<<: [{}]}}", 12),
    ],
    ids=["sequences", "merges", "merges of nothing"],
)
def test_aliases_that_multiply(text: str) -> None:
    assert "more than 500000 values, aliases unfolded" in error(text)


@pytest.mark.parametrize(
    "text", ["a: &x [*x]", "a: &x {b: *x}", "&x [*x]", "a: &x {<<: *x}", "a: &x {<<: [*x, *x]}", "&x {<<: {b: *x}}"]
)
def test_an_alias_to_itself(text: str) -> None:
    assert "nested deeper than 100, or an alias to itself" in error(text)


def test_an_alias_used_twice_is_fine() -> None:
    document = one("a: &x {b: [1]}\nc: *x")
    assert document.data == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert str(document.place(("c", "b", 0))) == "f.yaml:1:12"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("x: &x {q: 1, r: 2}\na: {<<: *x, q: 3}", {"q": 3, "r": 2}),
        ("x: &x {q: 1, r: 2}\na: {p: 3, <<: *x}", {"p": 3, "q": 1, "r": 2}),
        ("x: &x {q: 1}\ny: &y {s: 4}\na: {<<: [*x, *y]}", {"q": 1, "s": 4}),
        ("x: &x {q: 1}\ny: &y {<<: *x, s: 4}\na:\n  <<: *y", {"q": 1, "s": 4}),
        ("a: {<<: {}}", {}),
        # quoted, it is a key like any other
        ('a: {"<<": {q: 1}}', {"<<": {"q": 1}}),
    ],
)
def test_merges(text: str, data: object) -> None:
    found = one(text).data
    assert isinstance(found, dict)
    assert found["a"] == data


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x: &x {q: 1}\na: {q: 3, <<: *x}", "f.yaml:1:4: `<<` brings the key 'q', which stands before it"),
        ("x: &x {q: 1}\ny: &y {q: 2}\na: {<<: [*x, *y]}", "which is in two of what it merges"),
        ("x: &x {q: 1}\ny: &y {s: 2}\na: {<<: *x, <<: *y}", "f.yaml:3:13: a second `<<`"),
        (bomb("{k: x}", "{{<<: [{}]}}", 12), "which is in two of what it merges"),
    ],
)
def test_a_merge_that_readers_disagree_on_is_refused(text: str, said: str) -> None:
    """kubectl lets a later `<<` replace what stands before it: what is checked would not be what runs."""
    assert said in error(text)


@pytest.mark.parametrize("value", ["1", "[1]", "[[]]", "text"])
def test_only_mappings_merge(value: str) -> None:
    assert "`<<` merges mappings only" in error(f"<<: {value}")


def test_what_is_merged_stands_where_it_was_written() -> None:
    document = one("x: &x\n  q: [1, 2]\na:\n  <<: *x\n  r: 1\n")
    assert str(document.place(("a", "q", 1))) == "f.yaml:2:10"
    assert str(document.place(("a", "r"))) == "f.yaml:5:6"


def test_one_bad_document_leaves_the_others() -> None:
    text = "a: 1\n---\nb: [\n---\nc: 3\n---\nd: x: y\n---\ne: 5\ne: 6\n---\nf: 7\n"
    found = list(read_documents(text, "f.yaml"))
    assert [f.data if isinstance(f, Document) else None for f in found] == [
        {"a": 1},
        None,
        {"c": 3},
        None,
        None,
        {"f": 7},
    ]
    assert [str(f.place) for f in found if isinstance(f, SourceError)] == ["f.yaml:4:1", "f.yaml:7:5", "f.yaml:10:1"]
    last = found[-1]
    assert isinstance(last, Document)
    assert str(last.place(("f",))) == "f.yaml:12:4"
    assert str(last.place(("f",), key=True)) == "f.yaml:12:1"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", []),
        ("\n\n", []),
        ("# nothing\n", []),
        ("---\n---\n...\n---\n", []),
        ("---\n# nothing\n---\na: 1\n", [{"a": 1}]),
        ("--- {a: 1}\n--- [2]\n--- three\n", [{"a": 1}, [2], "three"]),
        ("--- # note\na: 1\n...\n--- # note\nb: 2\n...", [{"a": 1}, {"b": 2}]),
        ("a: 1\n...\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("---\ta\n", ["a"]),
        ("--- |\n text\n", ["text\n"]),
        ("a: 1\n----\n", ["f.yaml:3:1: not YAML: could not find expected ':'; mend the text there, or just before"]),
        ("null\n---\n~", []),
    ],
)
def test_streams(text: str, data: list[object]) -> None:
    assert read(text) == data


@pytest.mark.parametrize("marker", ["---", "..."])
@pytest.mark.parametrize("style", ["|", ">", "|+", "|2"])
def test_markers_inside_block_scalars_are_text(marker: str, style: str) -> None:
    found = one(f"script: {style}\n  {marker}\n  {marker} x\nb: 1\n").data
    assert isinstance(found, dict)
    assert found["b"] == 1
    assert str(found["script"]).count(marker) == 2


def test_markers_at_the_start_of_a_line_always_separate() -> None:
    # as every YAML reader does, even inside a block scalar
    assert read("a: |\n---\nb: 1\n") == [{"a": ""}, {"b": 1}]


def test_byte_order_mark() -> None:
    document = one("\ufeffa: 1\n")
    assert document.data == {"a": 1}
    assert str(document.place(("a",))) == "f.yaml:1:4"


def test_windows_line_ends() -> None:
    text = "a:\r\n  b: 1\r\n---\r\nc: |\r\n  x\r\n  y\r\nd: 2\r\n"
    first, second = read_documents(text, "f.yaml")
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert (first.data, second.data) == ({"a": {"b": 1}}, {"c": "x\ny\n", "d": 2})
    assert str(second.place(("d",), key=True)) == "f.yaml:7:1"


def test_tabs() -> None:
    document = one('{\n\t"a": 1,\n\t"b":\t[\n\t\t2\n\t]\n}\n')
    assert document.data == {"a": 1, "b": [2]}
    assert str(document.place(("b", 0))) == "f.yaml:4:3"
    assert error("a:\n\tb: 1").startswith("f.yaml:2:1: not YAML: ")


@pytest.mark.parametrize(
    "text",
    [
        "image: {{ .Values.image }}",
        'image: "{{ .Values.image }}"\n{{- if .x }}\nb: 1\n{{- end }}',
        "a:\n  {{ include . }}: x",
        "{{- range . }}\na: 1",
    ],
)
def test_a_template_is_called_one(text: str) -> None:
    assert error(text).endswith("this looks like a Helm template: give the output of `helm template`")


def test_text_in_braces_is_no_template() -> None:
    assert one('a: "{{ x }}"').data == {"a": "{{ x }}"}


@pytest.mark.parametrize(
    "value",
    [
        "\U0001f600",
        "a\U0001f600b\U0001f1e9\U0001f1ea",
        "\\\U0001f600",
        '"\U0001f600"',
        "\N{SNOWMAN}",
        "\\ud83d",
        "/",
        "\x08\x0c",
    ],
)
def test_json_with_surrogate_pairs(value: str) -> None:
    document = one(json.dumps({"a": value, "b": {"c": [1, True, None]}}, indent=1))
    assert document.data == {"a": value, "b": {"c": [1, True, None]}}
    assert str(document.place(("b", "c", 0))) == "f.yaml:5:4"


@pytest.mark.parametrize("escape", ["\\ud83d", "\\ude00", "\\ude00\\ud83d", "\\ud83d x\\ude00", "\\ud83d\\ude0"])
def test_half_a_surrogate_pair_is_no_text(escape: str) -> None:
    assert "not YAML" in error(f'{{"a": "{escape}"}}')


def test_a_character_that_yaml_has_not_is_shown_where_it_stands() -> None:
    (first, second) = read_documents("a: 1\n---\nb: 2\nc: x\x00y\n", "f.yaml")
    assert not isinstance(first, SourceError)
    assert isinstance(second, SourceError)
    assert str(second).startswith("f.yaml:4:5: not YAML: unacceptable character #x0000")


def test_a_lone_surrogate_in_the_text_itself() -> None:
    assert "not YAML" in error("a: \ud800")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: b: c", 1),
        ("a: [1, 2}", 1),
        ("ok: 1\na: 'x' y", 2),
        ("a: \x01", 1),
        ("ok: 1\nb: *nope", 2),
        ("a: %x", 1),
        ('{"a":1}{"b":2}', 1),
        ("a: 1\n b: 2", 2),
    ],
)
def test_what_is_no_yaml(text: str, line: int) -> None:
    assert error(text).startswith(f"f.yaml:{line}:")
    assert "not YAML: " in error(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "- " * 50_000 + "a",
        '{"a":' * 50_000,
        "? " * 20_000,
        "a: " + "[" * 900 + "]" * 900,
        "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
    ],
    ids=["flow", "block", "json", "keys", "closed", "just too deep"],
)
def test_depth_is_bounded(text: str) -> None:
    assert "nest" in error(text)


def test_the_greatest_depth() -> None:
    value = one("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)).data
    for _ in range(MAX_DEPTH):
        assert isinstance(value, list)
        (value,) = value
    assert value == []


def test_size_is_bounded() -> None:
    assert error("#" * (MAX_TEXT + 1)) == f"f.yaml: more than {MAX_TEXT} characters; split the file"


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        (("nope", "nope"), "2:1", "2:1"),
        (("a",), "2:4", "2:1"),
        (("b",), "4:3", "3:1"),
        (("b", "c"), "4:6", "4:3"),
        (("b", "c", 0), "4:7", "4:6"),
        (("b", "c", 1), "5:8", "4:6"),
        (("b", "c", 1, "e"), "5:12", "5:9"),
        (("f",), "6:4", "6:1"),
        # what is not there: the nearest above it
        (("b", "nope"), "4:3", "4:3"),
        (("b", "c", 7, "nope"), "4:6", "4:6"),
        (("nope",), "2:1", "2:1"),
    ],
)
def test_places(path: Path, value: str, key: str) -> None:
    document = one("# first\na: 1\nb:\n  c: [2,\n       {e: 3}]\nf: |\n  text\n")
    assert str(document.place(path)) == f"f.yaml:{value}"
    assert str(document.place(path, key=True)) == f"f.yaml:{key}"


@pytest.mark.parametrize(
    "text",
    [
        "!!binary aW5pdENvbnRhaW5lcnM=: [{name: bad, image: evil.example/miner}]\n",
        "a: 1\n!!int 5: b\n!!set x: y\n",
        "!!merge foo: {a: 1}\n",
        "!custom a: 1\n",
    ],
)
def test_a_key_with_a_tag_is_refused(text: str) -> None:
    """kubectl reads `!!binary aW5pdENvbnRhaW5lcnM=` as `initContainers`: what is written is not what runs."""
    (only,) = read_documents(text, "f.yaml")
    assert isinstance(only, SourceError)
    assert "is not supported" in only.message


def test_a_key_that_says_it_is_a_text_is_one() -> None:
    (only,) = read_documents("!!str a: 1\n", "f.yaml")
    assert isinstance(only, Document)
    assert only.data == {"a": 1}


@pytest.mark.parametrize("marker", ["---#x", "---# a comment", "--- # a comment", "---\t# a comment"])
def test_a_marker_with_a_comment_parts_documents(marker: str) -> None:
    """kubectl splits at all of these; a document that only it sees would not be judged."""
    first, second = read_documents(f"a: 1\n{marker}\nb: 2\n", "f.yaml")
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert (first.data, second.data) == ({"a": 1}, {"b": 2})
    assert second.values["b",] == (3, 4, 5)


SPANS = """\
plain: word
quoted: "a: b"
größe: '日本'
empty:
flow: {a: [1, 2], b: 3}
block:
- one
text: |
  two
  lines
"""


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("plain",), (1, 1, 6), (1, 8, 12)),
        (("quoted",), (2, 1, 7), (2, 9, 15)),
        (("größe",), (3, 1, 6), (3, 8, 12)),
        (("empty",), (4, 1, 6), (4, 7, 7)),
        (("flow",), (5, 1, 5), (5, 7, 24)),
        (("flow", "a"), (5, 8, 9), (5, 11, 17)),
        (("flow", "a", 1), None, (5, 15, 16)),
        (("block",), (6, 1, 6), (7, 1, 0)),
        (("block", 0), None, (7, 3, 6)),
        (("text",), (8, 1, 5), (8, 7, 0)),
    ],
)
def test_where_keys_and_values_begin_and_end(
    path: Path, key: tuple[int, int, int] | None, value: tuple[int, int, int]
) -> None:
    """In characters; 0 where the end is on a later line."""
    (only,) = read_documents(SPANS, "f.yaml")
    assert isinstance(only, Document)
    assert (only.keys.get(path), only.values[path]) == (key, value)
    assert only.place(path) == Place("f.yaml", *value)
    if key is not None:
        assert only.place(path, key=True) == Place("f.yaml", *key)


@pytest.mark.parametrize(
    ("text", "flaw", "place"),
    [
        ("a: [", Flaw.NOT_YAML, Place("f.yaml", 2, 1)),
        ("a: !!binary x", Flaw.YAML_FEATURE, Place("f.yaml", 1, 4, 14)),
        ("bc: 1\nbc: 2", Flaw.DUPLICATE_KEY, Place("f.yaml", 2, 1, 3)),
        ("a: &x [*x]", Flaw.TOO_LARGE, Place("f.yaml", 1, 4, 11)),
    ],
)
def test_what_is_wrong_has_a_name_and_a_span(text: str, flaw: Flaw, place: Place) -> None:
    (only,) = read_documents(text, "f.yaml")
    assert isinstance(only, UnreadableDocument)
    assert (only.flaw, only.place) == (flaw, place)


@pytest.mark.parametrize(
    "text",
    ["- a\n" * MAX_NODES, "[" + "1," * MAX_NODES + "]", "".join(f"k{i}: v\n" for i in range(MAX_NODES // 2 + 1))],
    ids=["list", "flow", "mapping"],
)
def test_what_is_too_large_is_not_composed_to_its_end(text: str) -> None:
    (only,) = read_documents(text, "f.yaml")
    assert isinstance(only, UnreadableDocument)
    assert (only.flaw, only.place) == (Flaw.TOO_LARGE, Place("f.yaml", 1, 1))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"], ids=ascii)
def test_lines_are_counted_over_documents_as_yaml_counts_them(end: str) -> None:
    text = f"# one{end}# two{end}a: 1\n---\nb: 2\n"
    _, second = read_documents(text, "f.yaml")
    assert isinstance(second, Document)
    assert second.values["b",] == (5, 4, 5)
    assert lines_of(text)[4] == "b: 2"


def test_a_form_feed_ends_no_line() -> None:
    assert lines_of("\ufeffa\x0cb\x1cc") == ["a\x0cb\x1cc"]


def test_keys_that_are_merged_have_their_places() -> None:
    (only,) = read_documents("a: &x {bc: 1}\nd:\n  <<: *x\n", "f.yaml")
    assert isinstance(only, Document)
    assert only.place(("d", "bc"), key=True) == Place("f.yaml", 1, 8, 10)


def test_directives_before_the_first_document() -> None:
    (only,) = read_documents("%YAML 1.1\n# a comment\n---\na: no\n", "f.yaml")
    assert isinstance(only, Document)
    assert only.data == {"a": "no"}


def test_a_tab_has_its_remedy() -> None:
    (only,) = read_documents("a:\n\tb: 1\n", "f.yaml")
    assert isinstance(only, SourceError)
    assert only.remedy == "indent with spaces, not tabs"
