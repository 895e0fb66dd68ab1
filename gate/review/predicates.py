"""Reads what attestations say, and remembers it: the same bytes say the same for ever."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.policy.content.document import Unreadable
from gate.policy.content.predicate import Reading
from gate.policy.finding import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.deadline import Deadline
    from gate.evidence.facts import VerifiedAttestation
    from gate.policy.content.predicate import Predicate
    from gate.policy.known import Wanted

    _Said = Predicate | Reason | None

MAX_READ_BYTES: Final = 32 * 1024 * 1024
"""Bytes of the statements whose content is remembered; what was made of them is about as large."""

_LARGE: Final = 4 * 1024 * 1024  # of these one at a time is read: each unfolds to several times its size
_UNFOLDS: Final = 6  # bytes in memory for one of JSON that is kept as it is
_REMEDY: Final = "make it anew with a tool and in a format that are read, and attest it"


class PredicateReader:
    """Thread-safe; one for a process."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._said: OrderedDict[Wanted, tuple[_Said, int]] = OrderedDict()
        self._bytes = 0

    def at_hand(self, wanted: Mapping[Wanted, VerifiedAttestation]) -> dict[Wanted, _Said] | None:
        """What they say, if all of it is remembered."""
        found: dict[Wanted, _Said] = {}
        with self._lock:
            for one in wanted:
                known = self._said.get(one)
                if known is None:
                    return None
                self._said.move_to_end(one)
                found[one] = known[0]
        return found

    def read(self, wanted: Mapping[Wanted, VerifiedAttestation], deadline: Deadline) -> dict[Wanted, _Said]:
        """What they say, or why that can't be known. What the time does not suffice for is left out."""
        found: dict[Wanted, _Said] = {}
        for one, fact in wanted.items():
            known = self.at_hand({one: fact})
            if known is not None:
                found.update(known)
            elif deadline.remaining() > 0:
                if len(fact.statement) < _LARGE:
                    found[one] = self._read(one, fact)
                elif self._turn.acquire(timeout=max(0.0, deadline.remaining())):
                    try:
                        found[one] = self._read(one, fact)
                    finally:
                        self._turn.release()
        return found

    def _read(self, one: Wanted, fact: VerifiedAttestation) -> _Said:
        said = _read(one, fact)
        with self._lock:
            if one not in self._said:
                size = len(fact.statement) * (_UNFOLDS if one.reading is Reading.RAW else 1)
                self._said[one] = (said, size)
                self._bytes += size
            while self._bytes > MAX_READ_BYTES:
                _, (_, size) = self._said.popitem(last=False)
                self._bytes -= size
        return said


def _read(one: Wanted, fact: VerifiedAttestation) -> _Said:
    from gate.policy.content.read import read  # noqa: PLC0415 - all readers: few gates want any

    try:
        return read(one.reading, fact.predicate_type, fact.statement)
    except Unreadable as error:
        message = f"it can't be read as {one.reading.what} ({fact.predicate_type}): {error.message}"
        return Reason(Code.PREDICATE_UNREADABLE, message, error.remedy or _REMEDY)
