"""Policy sets from files and folders."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.documents import MAX_TEXT, UnreadableDocument, lines_of, read_documents
from gate.errors import ParseError, Place, UsageError
from gate.local import is_folder, read_local, shown
from gate.policy.reading.checks import Check
from gate.policy.reading.problems import Problem
from gate.policy.reading.schema.kinds import KINDS
from gate.policy.reading.sets import parse_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gate.deadline import Deadline
    from gate.documents import Document
    from gate.policy.reading.sets import ParsedSet
    from gate.policy.trust import TrustRoot

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
        read: these files, and the keys and roots that they name: for who looks at whether they change.
    """

    parsed: ParsedSet
    files: int
    texts: Mapping[str, str]
    read: frozenset[Path] = frozenset()


def load_policies(
    paths: Iterable[Path],
    deadline: Deadline | None = None,
    *,
    may_be_empty: bool = False,
    stand_ins: Mapping[str, TrustRoot] | None = None,
) -> Folder:
    """Read policies from files and folders (recursively, hidden names left out), as one set.

    Args:
        paths: files and folders.
        deadline: of pipes; None: they are refused.
        may_be_empty: whether a path may hold no policy document: what is fed to a running gate may come later.
        stand_ins: trust roots of a test, by the names that they stand in for.

    Raises:
        UsageError: a path that cannot be read, or holds no policy document.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    texts: dict[str, str] = {}
    files: list[Path] = []
    for path in paths:
        ours = 0
        for file in policy_files(path):
            files.append(file)
            content = content_of(file, deadline)
            texts[str(file)] = content[:MAX_TEXT].decode(errors="replace")
            for read in documents_of(content, str(file)):
                if isinstance(read, Problem):
                    problems.append(read)
                    ours += 1
                else:
                    documents.append(read)
                    ours += _is_ours(read)
        if not ours and not may_be_empty:
            raise UsageError(
                f"{shown(path)} holds no policy",
                remedy="name files or folders with documents of apiVersion imagegate.dev/v1",
            )
    beside = FilesBeside()
    parsed = parse_set(documents, beside, stand_ins)
    unreadable = tuple(problem.place for problem in problems)
    whole = replace(parsed, problems=(*problems, *parsed.problems), unreadable=unreadable)
    return Folder(whole, len(files), texts, frozenset((*files, *beside.read)))


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


def policy_files(path: Path) -> Iterator[Path]:
    """The file itself, or those of a folder that may hold policies, in a stable order.

    Raises:
        UsageError: a folder that cannot be read.
    """
    if not is_folder(path):
        yield path
        return
    try:
        children = sorted(path.iterdir())
    except OSError as error:
        raise UsageError(
            f"policy folder {shown(path)} cannot be read: {error.strerror}", remedy="check the path"
        ) from error
    for child in children:
        if child.name.startswith("."):
            continue
        if child.is_dir():
            # A link to a folder may lead back to itself; mounted ConfigMaps link files.
            yield from () if child.is_symlink() else policy_files(child)
        elif child.suffix in SUFFIXES:
            yield child


def content_of(file: Path, deadline: Deadline | None) -> bytes:
    """The content of a policy file, a byte more than `MAX_TEXT` where it is longer.

    Raises:
        UsageError: it cannot be read.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    try:
        return read_local(file, MAX_TEXT, deadline)
    except OSError as error:
        raise UsageError(
            f"policy file {shown(file)} cannot be read: {error.strerror}", remedy="check the path"
        ) from error


def documents_of(content: bytes, file: str) -> Iterator[Document | Problem]:
    """Every document of a file's content, and what is wrong with those that are none."""
    if (problem := not_text(content, file)) is not None:
        yield problem
        return
    for read in read_documents(content.decode(), file):
        if isinstance(read, UnreadableDocument):
            assert read.place is not None
            yield Problem(Check(read.flaw), read.place, read.message, read.remedy)
        else:
            yield read


def not_text(content: bytes, file: str) -> Problem | None:
    """Why a file's content is no text that is read; None where it is one."""
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
        str(data.get("apiVersion", "")).startswith("imagegate.dev/") or data.get("kind") in KINDS
    )


@dataclass(frozen=True, slots=True)
class FilesBeside:
    """Reads what documents name by `file:`, relative to them (`ReadFile`).

    Attributes:
        read: the paths that were asked for, whether they could be read or not.
    """

    read: set[Path] = field(default_factory=set)

    def __call__(self, document: Document, name: str, limit: int) -> bytes:
        """The content, a byte more than `limit` where it is longer.

        Raises:
            ParseError: it cannot be read.
        """
        path = Path(document.file).parent / name
        self.read.add(path)
        remedy = "paths are relative to the policy's own file"
        try:
            return read_local(path, limit)
        except OSError as error:
            raise ParseError(f"{shown(path)!r} cannot be read: {error.strerror}", remedy=remedy) from error
