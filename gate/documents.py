"""YAML and JSON texts as plain data, with the place of every value.

Scalars follow YAML 1.2's JSON rules: `no`, `2026-12-31` and `0x10` are texts. Keys that stand twice and aliases that
multiply are errors. `<<` merges, as kubectl reads it.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import yaml
from yaml.reader import Reader

from gate.errors import Place, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yaml import CSafeLoader as _Composer
else:
    _Composer = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path = tuple[str | int, ...]
"""Keys and indexes from the document's top."""

MAX_TEXT: Final = 16 * 1024 * 1024
MAX_NODES: Final = 500_000
MAX_DEPTH: Final = 100

_BREAK: Final = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
# YAML's marker is followed by white space; kubectl also takes one that is followed by a comment.
_SEPARATOR: Final = re.compile(r"^(?:---(?=[\s#]|$)|\.\.\.(?=\s|$))", re.MULTILINE)
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_FLOAT: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_INT_DIGITS: Final = 19  # what fits 64 bits
_CONSTANTS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
_TEMPLATE: Final = "this looks like a Helm template: give the output of `helm template`"
_CORE: Final = "tag:yaml.org,2002:"
_MAPPING: Final = f"{_CORE}map"
_SEQUENCE: Final = f"{_CORE}seq"
_MERGE: Final = f"{_CORE}merge"
_TEXT: Final = f"{_CORE}str"
# What a plain scalar may be resolved to: by YAML 1.1's rules, which say nothing about what it is here.
_PLAIN: Final = frozenset(
    f"{_CORE}{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
)
_UNQUOTED: Final = f"{_CORE}value"
"""What a plain scalar is called here: which of those it is, `_Builder` says."""

_SURROGATES: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)


_Span = tuple[int, int, int]
"""Line, column, and the column behind its end; 0 where that is on a later line."""


class Flaw(StrEnum):
    """Why a text is no document."""

    NOT_YAML = "not-yaml"
    YAML_FEATURE = "yaml-feature"
    DUPLICATE_KEY = "duplicate-key"
    TOO_LARGE = "too-large"


class UnreadableDocument(SourceError):
    """A text that is no document, or one that readers would differ about."""

    def __init__(self, flaw: Flaw, message: str, place: Place, remedy: str = "") -> None:
        super().__init__(message, place=place, remedy=remedy)
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class Document:
    """One document.

    Attributes:
        file: as the user named it.
        data: dicts with text keys, lists, texts, numbers, booleans, None.
        values: where each value stands, by its path.
        keys: where each key stands, by the path of its value.
    """

    file: str
    data: object
    values: dict[Path, _Span]
    keys: dict[Path, _Span]

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where `path` stands, or the nearest thing above it."""
        for length in range(len(path), -1, -1):
            table = self.keys if key and length == len(path) else self.values
            if path[:length] in table:
                return Place(self.file, *table[path[:length]])
        return Place(self.file)


class _TooManyNodes(Exception):
    """More than are built: the rest is not read."""


class _Loader(_Composer):
    """Composes nodes, as many as are built. What plain scalars are is not asked of YAML 1.1's rules."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._resolved = 0

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool] | bool) -> str:  # noqa: FBT001
        """The tag of a node without one; asked once for each."""
        self._resolved += 1
        if self._resolved > MAX_NODES:
            raise _TooManyNodes
        if kind is yaml.ScalarNode:
            plain = isinstance(implicit, tuple) and implicit[0]
            return (_MERGE if value == "<<" else _UNQUOTED) if plain else _TEXT
        return _MAPPING if kind is yaml.MappingNode else _SEQUENCE


def lines_of(text: str) -> list[str]:
    """The lines of a text as YAML counts them: it breaks them at other characters than `str.splitlines` does."""
    return _BREAK.split(text.removeprefix("\ufeff"))


def read_documents(text: str, file: str) -> Iterator[Document | UnreadableDocument]:
    """Every document of a stream; one that cannot be read is an error in its place, and the others still follow.

    Empty documents are left out.
    """
    if len(text) > MAX_TEXT:
        message = f"more than {MAX_TEXT} characters"
        yield UnreadableDocument(Flaw.TOO_LARGE, message, Place(file), "split the file")
        return
    for chunk, line in _chunks(text.removeprefix("\ufeff")):
        try:
            document = _read_one(chunk, file, line)
        except UnreadableDocument as error:
            yield error
        else:
            if document is not None:
                yield document


def _chunks(text: str) -> Iterator[tuple[str, int]]:
    """The texts between document markers, each with the number of lines before it."""
    starts = [0, *(found.start() for found in _SEPARATOR.finditer(text)), len(text)]
    line = 0
    for start, end in itertools.pairwise(starts):
        chunk = text[start:end]
        # A marker with a comment glued to it is kubectl's alone: blank, the rest is a comment to YAML too.
        body = f"   {chunk[3:]}" if chunk.startswith(("...", "---#")) else chunk
        if _has_content(body):
            yield body, line
        line += len(_BREAK.findall(chunk))


def _has_content(chunk: str) -> bool:
    """Whether there is more than a marker, comments and directives."""
    lines = (line.strip() for line in chunk.removeprefix("---").splitlines())
    return any(line and not line.startswith(("#", "%")) for line in lines)


def _read_one(text: str, file: str, line: int) -> Document | None:
    looks_like_json = text.lstrip()[:1] in ("{", "[")
    source = text.replace("\t", " ") if looks_like_json else text
    try:
        node = yaml.compose(source, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        if looks_like_json and (joined := _SURROGATES.sub(_join, source)) != source:
            return _read_one(joined, file, line)
        mark = error.problem_mark or error.context_mark
        place = Place(file, line + mark.line + 1, mark.column + 1) if mark else Place(file, line + 1, 1)
        message = f"not YAML: {error.problem or error.context or 'unreadable'}"
        raise UnreadableDocument(Flaw.NOT_YAML, message, place, _remedy(source, mark)) from error
    except _TooManyNodes as error:
        message = f"more than {MAX_NODES} values"
        raise UnreadableDocument(Flaw.TOO_LARGE, message, Place(file, line + 1, 1), "split it") from error
    except (yaml.YAMLError, RecursionError, UnicodeEncodeError) as error:
        message = f"not YAML: {str(error).splitlines()[0][:200]}"
        raise UnreadableDocument(Flaw.NOT_YAML, message, _unprintable(source, file, line)) from error
    if node is None:
        return None
    builder = _Builder(file, line, source)
    data = builder.build(node, (), 0)
    if data is None:
        return None
    return Document(file, data, builder.values, builder.keys)


def _remedy(source: str, mark: yaml.Mark | None) -> str:
    """What is most likely meant to be there."""
    if "{{" in source:
        return _TEMPLATE
    lines = source.splitlines()
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    return "indent with spaces, not tabs" if "\t" in line else "mend the text there, or just before"


def _unprintable(source: str, file: str, line: int) -> Place:
    """Where the first character stands that YAML has not; the text's beginning where there is none."""
    found = Reader.NON_PRINTABLE.search(source)
    before = lines_of(source[: found.start()]) if found is not None else [""]
    return Place(file, line + len(before), len(before[-1]) + 1)


def _join(found: re.Match[str]) -> str:
    """A surrogate pair, which JSON writes and YAML does not, as YAML's one escape for the same character."""
    high, low = int(found[2], 16), int(found[3], 16)
    return f"{found[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


class _Builder:
    """Turns nodes into data, noting places and counting what aliases unfold to."""

    def __init__(self, file: str, line: int, text: str) -> None:
        self._file = file
        self._text = text
        self._line = line
        self._nodes = 0
        self.values: dict[Path, _Span] = {}
        self.keys: dict[Path, _Span] = {}

    def build(self, node: yaml.Node, path: Path, depth: int) -> object:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._too_large(node, f"more than {MAX_NODES} values, aliases unfolded")
        if depth > MAX_DEPTH:
            raise self._too_large(node, f"nested deeper than {MAX_DEPTH}, or an alias to itself")
        self.values[path] = self._position(node)
        match node:
            case yaml.MappingNode(tag="tag:yaml.org,2002:map"):
                return self._mapping(node, path, depth)
            case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
                return [self.build(child, (*path, i), depth + 1) for i, child in enumerate(node.value)]
            case yaml.ScalarNode():
                return self._scalar(node)
            case _:
                raise self._tagged(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, object]:
        result: dict[str, object] = {}
        merged = False
        own: set[str] = set()
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                remedy = _TEMPLATE if "{{" in self._text else "write it as a text"
                raise self._error(key_node, "a key that is no text", remedy)
            key = str(key_node.value)
            self._check_tag(key_node)  # `!!binary` would make another key of it
            if key_node.tag == _MERGE:
                if key != "<<":
                    raise self._tagged(key_node)
                if merged:
                    raise self._error(key_node, "a second `<<`", "name both in one: `<<: [*a, *b]`")
                merged = True
                self._merge(value_node, result, path, depth)
                continue
            if key in own:
                message = f"the key {key[:100]!r} stands twice"
                raise UnreadableDocument(Flaw.DUPLICATE_KEY, message, self._place(key_node), "keep one of them")
            own.add(key)
            self.keys[*path, key] = self._position(key_node)
            result[key] = self.build(value_node, (*path, key), depth + 1)
        return result

    def _merge(self, node: yaml.Node, into: dict[str, object], path: Path, depth: int) -> None:
        """What is written after it beats what is merged; what stands before it, or twice in it, is refused.

        kubectl merges where `<<` stands, and lets it replace what was written before; other readers do not.
        """
        written = set(into)
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise self._error(node, "`<<` merges mappings only", "write what it stands for")
            if depth > MAX_DEPTH:
                raise self._too_large(node, f"nested deeper than {MAX_DEPTH}, or an alias to itself")
            inner = _Builder(self._file, self._line, self._text)
            inner._nodes = self._nodes + 1
            if inner._nodes > MAX_NODES:
                raise self._too_large(node, f"more than {MAX_NODES} values, aliases unfolded")
            found = inner._mapping(source, path, depth + 1)
            self._nodes = inner._nodes
            for key in found:
                if key in into:
                    why = "stands before it" if key in written else "is in two of what it merges"
                    raise self._error(node, f"`<<` brings the key {key!r}, which {why}", "put `<<` first; keep one")
            into.update(found)
            self.values.update(inner.values)
            self.keys.update(inner.keys)

    def _scalar(self, node: yaml.Node) -> object:
        text = str(node.value)
        self._check_tag(node)
        if getattr(node, "style", None):
            return text
        # These are never texts by themselves: where they are, `!!str` or `!` says so.
        if text in _CONSTANTS:
            return text if node.tag == _TEXT else _CONSTANTS[text]
        if _INTEGER.fullmatch(text):
            if node.tag == _TEXT:
                return text
            return int(text) if len(text) < _INT_DIGITS else float(text)
        return float(text) if _FLOAT.fullmatch(text) else text

    def _check_tag(self, node: yaml.Node) -> None:
        """Only what a scalar is taken for by itself, or `!!str`."""
        if node.tag not in (frozenset({_TEXT}) if getattr(node, "style", None) else _PLAIN):
            raise self._tagged(node)

    def _position(self, node: yaml.Node) -> _Span:
        start, end = node.start_mark, node.end_mark
        line = start.line
        return (self._line + line + 1, start.column + 1, end.column + 1 if end.line == line else 0)

    def _place(self, node: yaml.Node) -> Place:
        return Place(self._file, *self._position(node))

    def _tagged(self, node: yaml.Node) -> UnreadableDocument:
        remedy = "remove it; what is in quotes is a text"
        return self._error(node, f"the tag {str(node.tag)[:100]} is not supported", remedy)

    def _too_large(self, node: yaml.Node, message: str) -> UnreadableDocument:
        return UnreadableDocument(Flaw.TOO_LARGE, message, self._place(node), "split it")

    def _error(self, node: yaml.Node, message: str, remedy: str = "") -> UnreadableDocument:
        return UnreadableDocument(Flaw.YAML_FEATURE, message, self._place(node), remedy)
