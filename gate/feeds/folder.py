"""Policy sets from files and folders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.documents import MAX_TEXT, UnreadableDocument, lines_of, read_documents
from gate.errors import ParseError, Place, UsageError
from gate.local import read_local
from gate.policy.reading.checks import Check
from gate.policy.reading.problems import Problem
from gate.policy.reading.schema.kinds import KINDS, LATER_KINDS
from gate.policy.reading.sets import parse_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.deadline import Deadline
    from gate.documents import Document
    from gate.policy.reading.sets import ParsedSet

SUFFIXES: Final = (".yaml", ".yml")
BASELINE: Final = Path(__file__).with_name("baseline.yaml")
"""The built-in policies, the same file as policies/baseline/policy.yaml."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What paths hold.

    Attributes:
        parsed: the set and its problems, those of texts that are no YAML among them.
        files: how many were read.
        texts: their texts by their names; of what can't be read, as much as can be shown.
    """

    parsed: ParsedSet
    files: int
    texts: Mapping[str, str]


def load_policies(paths: Iterable[Path], deadline: Deadline | None = None, *, may_be_empty: bool = False) -> Folder:
    """Read policies from files and folders (recursively, hidden names left out), as one set.

    Args:
        paths: files and folders.
        deadline: of pipes; None: they are refused.
        may_be_empty: whether a path may hold no policy document: what is fed to a running gate may come later.

    Raises:
        UsageError: a path that cannot be read, or holds no policy document.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    texts: dict[str, str] = {}
    files = 0
    for path in paths:
        ours = 0
        for file in _files(path):
            files += 1
            content = _content(file, deadline)
            text = texts[str(file)] = content[:MAX_TEXT].decode(errors="replace")
            if (problem := _unreadable(content, str(file))) is not None:
                problems.append(problem)
                ours += 1
                continue
            for read in read_documents(text, str(file)):
                if isinstance(read, UnreadableDocument):
                    assert read.place is not None
                    problems.append(Problem(Check(read.flaw), read.place, read.message, read.remedy))
                    ours += 1
                else:
                    documents.append(read)
                    ours += _is_ours(read)
        if not ours and not may_be_empty:
            raise UsageError(
                f"{path} holds no policy", remedy="name files or folders with documents of apiVersion imagegate.dev/v1"
            )
    parsed = parse_set(documents, _read_file)
    unreadable = tuple(problem.place for problem in problems)
    return Folder(replace(parsed, problems=(*problems, *parsed.problems), unreadable=unreadable), files, texts)


def require(paths: Iterable[Path], deadline: Deadline | None = None, *, may_be_empty: bool = False) -> ParsedSet:
    """The set of some paths, without a single error.

    Raises:
        UsageError: naming the first problem and how many there are.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    parsed = load_policies(paths, deadline, may_be_empty=may_be_empty).parsed
    if parsed.errors:
        first, *others = parsed.errors
        more = f" (and {len(others)} more: gate policy lint)" if others else ""
        raise UsageError(f"{first.message}{more}", remedy=first.remedy, place=first.place)
    return parsed


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    try:
        children = sorted(path.iterdir())
    except OSError as error:
        raise UsageError(
            f"policy folder {str(path)[-500:]} cannot be read: {error.strerror}", remedy="check the path"
        ) from error
    for child in children:
        if child.name.startswith("."):
            continue
        if child.is_dir():
            # A link to a folder may lead back to itself; mounted ConfigMaps link files.
            yield from () if child.is_symlink() else _files(child)
        elif child.suffix in SUFFIXES:
            yield child


def _content(file: Path, deadline: Deadline | None) -> bytes:
    try:
        return read_local(file, MAX_TEXT, deadline)
    except OSError as error:
        raise UsageError(f"policy file {file} cannot be read: {error.strerror}", remedy="check the path") from error


def _unreadable(content: bytes, file: str) -> Problem | None:
    """Why a file's content is no text."""
    if len(content) > MAX_TEXT:
        return Problem(Check.TOO_LARGE, Place(file), f"more than {MAX_TEXT} bytes", "split the file")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        before = lines_of(content[: error.start].decode())
        place = Place(file, len(before), len(before[-1]) + 1)
        return Problem(
            Check.NOT_UTF8, place, f"the file is not UTF-8: byte {content[error.start]:#04x}", "save it as UTF-8"
        )
    return None


def _is_ours(document: Document) -> bool:
    data = document.data
    return isinstance(data, dict) and (
        str(data.get("apiVersion", "")).startswith("imagegate.dev/") or data.get("kind") in (*KINDS, *LATER_KINDS)
    )


def _read_file(document: Document, name: str, limit: int) -> bytes:
    path = Path(document.file).parent / name
    remedy = "paths are relative to the policy's own file"
    try:
        return read_local(path, limit)
    except OSError as error:
        raise ParseError(f"{str(path)!r} cannot be read: {error.strerror}", remedy=remedy) from error
