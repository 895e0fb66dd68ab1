"""What expressions may speak of, and what they are judged over (POLICY §4)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

FIELDS: Final = {
    "image": {
        "registry": "string",
        "repository": "string",
        "tag": "string",
        "digest": "string",
        "created": "timestamp",
        "user": "string",
        "labels": "map(string, string)",
        "platforms": "list(string)",
    },
    "component": {
        "name": "string",
        "version": "string",
        "purl": "string",
        "licenses": "list(string)",
        "supplier": "bool",
        "hash": "bool",
    },
    "finding": {
        "ids": "list(string)",
        "id": "string",
        "severity": "string",
        # Of any type: there may be none, and a number without a point may be compared with it.
        "cvss": "dyn",
        "fix": "string",
        "fixedIn": "list(string)",
        "package": "string",
        "version": "string",
        "purl": "string",
        "published": "timestamp",
    },
}
"""What has fields, and their types. Each field is a variable with a dot in its name, so that one that does not exist is
an error before anything is judged: of a map any name would pass."""


class Over(StrEnum):
    """What is judged at once, which is what an expression may speak of."""

    IMAGE = "image"
    STATEMENT = "statement"
    """An attestation: `statement`, and its `predicate`."""

    COMPONENT = "component"
    """One component of a bill of materials."""

    FINDING = "finding"
    """One finding of a scan."""

    @property
    def variables(self) -> dict[str, str]:
        """All that an expression may speak of, each with its type. The image and `now` are there throughout."""
        found = {"now": "timestamp", **_variables_of("image")}
        match self:
            case Over.IMAGE:
                return found
            case Over.STATEMENT:
                return {**found, "statement": "dyn", "predicate": "dyn"}
            case Over.COMPONENT | Over.FINDING:
                return {**found, **_variables_of(self)}


def _variables_of(root: str) -> dict[str, str]:
    return {f"{root}.{name}": kind for name, kind in FIELDS[root].items()}
