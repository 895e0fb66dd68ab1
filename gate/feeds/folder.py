"""Policy sets from files and folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.documents import MAX_TEXT, UnreadableDocument, read_documents
from gate.errors import ParseError, UsageError
from gate.local import read_local
from gate.policy.reading.checks import Check
from gate.policy.reading.problems import Problem
from gate.policy.reading.schema.kinds import KINDS, LATER_KINDS
from gate.policy.reading.sets import ParsedSet, parse_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gate.deadline import Deadline
    from gate.documents import Document

SUFFIXES: Final = (".yaml", ".yml")
BASELINE: Final = Path(__file__).with_name("baseline.yaml")
"""The built-in policies, the same file as policies/baseline/policy.yaml."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What paths hold.

    Attributes:
        parsed: the set and its problems, those of texts that are no YAML among them.
        files: how many were read.
    """

    parsed: ParsedSet
    files: int


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
    files = 0
    for path in paths:
        ours = 0
        for file in _files(path):
            files += 1
            for read in read_documents(_text(file, deadline), str(file)):
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
    return Folder(ParsedSet(parsed.set, (*problems, *parsed.problems), parsed.skipped, parsed.tests), files)


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


def _text(file: Path, deadline: Deadline | None) -> str:
    try:
        content = read_local(file, MAX_TEXT, deadline)
        if len(content) > MAX_TEXT:
            raise UsageError(f"policy file {file} has more than {MAX_TEXT} bytes")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"policy file {file} cannot be read: {error.strerror}", remedy="check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"policy file {file} is not UTF-8", remedy="save it as UTF-8") from error


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
