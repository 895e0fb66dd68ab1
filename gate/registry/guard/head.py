"""The head of an answer in HTTP/1 (RFC 9112, 2 to 6): its status, its headers, and how its body ends.

Python's own client has headers read by the parser of e-mail, which mends what is broken: it goes on behind a bare CR as
behind the end of a line, and takes the first line that is no header for the end of them all. Two programs that mend in
two ways do not see the same answer. Here whatever is not as it should be is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_LINES: Final = 100
"""Lines of headers, with the empty one behind them."""

_ENDED: Final = "the connection ended within the headers"
_LENGTH: Final = re.compile(r"[0-9]{1,20}", re.ASCII)  # more than there are bytes in the world
_SWITCHING: Final = 101
_NO_CONTENT: Final = frozenset({204, 304})
# RFC 9112, 4; without a reason many leave out the blank before it, too. Of the line's end: 2.2.
_STATUS: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*)?\r?\n")
# RFC 9112, 5 and RFC 9110, 5.5 and 5.6.2: a token, and behind it no control character. Blanks around a value are taken
# away after that: an expression that does would go through them anew from each one.
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)\r?\n")
_END: Final = frozenset({b"\r\n", b"\n"})


class ProtocolError(Exception):
    """What came is not HTTP/1 as it should be. Nothing is in the text that may be what we were asked with."""


class Unanswered(ConnectionError):
    """The connection ended, and not a byte of an answer had come."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a body.

    Attributes:
        status: from 100 to 999.
        version: 10 or 11; later ones of HTTP/1 are like 1.1.
        headers: by lower-case names; of a repeated header all values, joined by `, `.
    """

    status: int
    version: int
    headers: Mapping[str, str]

    @classmethod
    def read(cls, readline: Callable[[], bytes]) -> Head:
        """The first that is final: not "100 Continue", nor another that says that it goes on (RFC 9110, 15.2).

        Args:
            readline: gives lines with their ends, and no more bytes of them than may be read.

        Raises:
            Unanswered: there is none.
            ProtocolError: it is none, or the connection ended within it.
        """
        interim = False
        while True:
            line = readline()
            if not line:
                raise ProtocolError(_ENDED) if interim else Unanswered("it closed the connection without an answer")
            first = _STATUS.fullmatch(line)
            if first is None:
                raise ProtocolError(_ENDED if line[-1:] != b"\n" else f"{line[:80]!r} is no status line of HTTP/1")
            headers = _headers(readline)
            status = int(first[2])
            interim = status < 200 and status != _SWITCHING
            if not interim:
                return cls(status, 10 if first[1] == b"0" else 11, headers)

    @property
    def is_bare(self) -> bool:
        """Whether no body follows, whatever the headers say (RFC 9112, 6.3)."""
        return self.status < 200 or self.status in _NO_CONTENT

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks (RFC 9112, 7.1).

        Raises:
            ProtocolError: it comes in a way that nobody asked for.
        """
        coding = self.headers.get("transfer-encoding", "").lower()
        if coding not in {"", "identity", "chunked"}:
            raise ProtocolError(f"the transfer coding {coding[:80]!r} was not asked for")
        return coding == "chunked"

    @property
    def ends(self) -> bool:
        """Whether the connection is for nothing more: as the server says, or where two might count on in two ways."""
        connection = self.headers.get("connection", "").lower()
        said = "close" in connection or (self.version == 10 and "keep-alive" not in connection)
        return said or self.status < 200 or (self.chunked and "content-length" in self.headers)

    def length(self, method: str) -> int | None:
        """Bytes of a body that does not come in chunks; None where the connection's end is its end (RFC 9112, 6.3).

        Raises:
            ProtocolError: it has several lengths, or one that is no number.
        """
        told = self.headers.get("content-length")
        lengths = {each.strip(" \t") for each in told.split(",")} if told is not None else set()
        if any(_LENGTH.fullmatch(each) is None for each in lengths) or len(lengths) > 1:
            raise ProtocolError(f"the Content-Length {str(told)[:80]!r} is not one number")
        if self.is_bare or method == "HEAD":
            return 0
        return int(lengths.pop()) if lengths else None


def _headers(readline: Callable[[], bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for _ in range(MAX_LINES):
        line = readline()
        if line in _END:
            return found
        field = _FIELD.fullmatch(line)
        if field is None:
            # The line itself is not told: it may hold what we were asked with.
            raise ProtocolError(_ENDED if line[-1:] != b"\n" else "a line among the headers is no header")
        name, value = field[1].decode("ascii").lower(), field[2].strip(b" \t").decode("latin-1")
        if name == "content-length" and "," in value:
            raise ProtocolError("a Content-Length is a list")
        found[name] = f"{found[name]}, {value}" if name in found else value
    raise ProtocolError(f"there are more headers than the {MAX_LINES} lines that are read")
