"""A policy document being read, and the problems found in it so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from gate.errors import GateError, ParseError
from gate.policy.reading.checks import Check
from gate.policy.reading.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.documents import Document, Path

_T = TypeVar("_T")


class ReadFile(Protocol):
    """Reads what a document names by `file:`, relative to it."""

    def __call__(self, document: Document, name: str, limit: int, /) -> bytes:
        """The content, a byte more than `limit` where it is longer.

        Raises:
            GateError: it cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Material:
    """Keys, certificates or roots that a document brings or names.

    Attributes:
        field: which of `pem`, `file`, `secret` says where it is.
        content: the bytes.
        missing: why there are none, though the document is right; "" where there are.
    """

    field: str
    content: bytes = b""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Notes:
    """A document, what is wrong with it, and how to read the files it names.

    Attributes:
        document: the document, whose shape the schema has checked.
        problems: shared by the documents of a set.
        read_file: None where files are refused.
    """

    document: Document
    problems: list[Problem]
    read_file: ReadFile | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The document's content."""
        assert isinstance(self.document.data, dict)
        return self.document.data

    def add(self, check: Check, path: Path, message: str, remedy: str = "", *, key: bool = False) -> None:
        """Note what is wrong at a path: with the value there, or with its key."""
        self.problems.append(Problem(check, self.document.place(path, key=key), message, remedy))

    def attempt(self, check: Check, path: Path, parse: Callable[[str], _T], text: str) -> _T | None:
        """The parsed value, or None with the problem noted."""
        try:
            return parse(text)
        except ParseError as error:
            self.add(check, path, error.message, error.remedy)
            return None

    def one_of(self, path: Path, raw: dict[str, Any], *fields: str) -> str | None:
        """The one field of several that is there; None, with the problem noted, where it is not one."""
        found = [field for field in fields if field in raw]
        if len(found) == 1:
            return found[0]
        self.add(
            Check.ONE_OF,
            path,
            f"expected exactly one of {', '.join(fields)}; found {', '.join(found) or 'none'}",
            "keep one of them" if found else "add one of them",
        )
        return None

    def material(self, path: Path, raw: dict[str, Any], limit: int, *fields: str) -> Material | None:
        """What one of `fields` (of `pem`, `file`, `secret`) leads to; None with the problem noted.

        A Secret is the cluster's: from here it cannot be read, which is no error of the document.
        """
        field = self.one_of(path, raw, *fields)
        match field:
            case None:
                return None
            case "secret":
                secret = raw["secret"]
                missing = f"the Secret {secret['name']} (key {secret['key']}) can't be read from here"
                self.add(
                    Check.SECRET_UNSEEN, (*path, field), missing, "the rules that need it are `error` until it can"
                )
                return Material(field, missing=missing)
            case "file":
                return self._file((*path, field), raw[field], limit, fields)
            case _:
                return Material(field, raw[field].encode())

    def _file(self, path: Path, name: str, limit: int, fields: tuple[str, ...]) -> Material | None:
        if self.read_file is None:
            self.add(Check.FILE_REFUSED, path, "`file` is refused here", f"write it as `{fields[0]}`")
            return None
        try:
            return Material("file", self.read_file(self.document, name, limit))
        except GateError as error:
            self.add(Check.FILE_UNREADABLE, path, error.message, error.remedy)
            return None
