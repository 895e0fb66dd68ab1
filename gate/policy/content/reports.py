"""Which tool wrote a report: told by its own marks, so that one tool's report is never an empty one of another's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.policy.content import grype, trivy
from gate.policy.content.document import Unreadable

if TYPE_CHECKING:
    from gate.policy.content.scan import Scan

_READERS: Final = ((trivy.is_report, trivy.read), (grype.is_report, grype.read))
_SHOWN: Final = 8


def read(value: object) -> Scan:
    """The scan of a report of Trivy or Grype.

    Raises:
        Unreadable: a report of another tool, of two at once, or SARIF.
    """
    found = [reader for is_one, reader in _READERS if is_one(value)]
    if len(found) == 1:
        return found[0](value)
    if found:
        raise Unreadable("it has the marks of a report of Trivy and of one of Grype")
    if isinstance(value, dict) and isinstance(value.get("runs"), list):
        raise Unreadable(
            "it is SARIF, which does not say when was scanned, and what is fixed only in prose",
            remedy="attest the scanner's own JSON report",
        )
    raise Unreadable(f"it is no report of Trivy or Grype: {_described(value)}", remedy="attest one of these as JSON")


def _described(value: object) -> str:
    if isinstance(value, dict):
        keys = ", ".join(sorted(str(key)[:30] for key in value)[:_SHOWN])
        return f"an object with {keys}" if keys else "an empty object"
    return "a list" if isinstance(value, list) else "nothing" if value is None else "neither object nor list"
