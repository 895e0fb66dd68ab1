"""`GateTrustRoot` documents (POLICY §1, §7)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from gate import strictjson
from gate.errors import ParseError
from gate.policy.reading.checks import Check
from gate.policy.trust import GivenRoot, MissingRoot, TrustRoot, TufRoot
from gate.trust.root import MAX_ROOT, TrustedRoot

if TYPE_CHECKING:
    from gate.documents import Path
    from gate.policy.reading.notes import Notes


_PORT: Final = re.compile(r":([0-9]+)(?:/|$)", re.ASCII)
_LARGEST_PORT: Final = 65535


def parse_trust_root(notes: Notes) -> TrustRoot:
    """The trust root of a document. One that is wrong is missing, and the problem noted."""
    name: str = notes.data["metadata"]["name"]
    spec = notes.data["spec"]
    path = ("spec",)
    field = notes.one_of(path, spec, "json", "file", "secret", "tuf")
    match field:
        case None:
            return MissingRoot(name, "it is not valid")
        case "tuf":
            return _tuf(notes, name, spec["tuf"])
        case "json":
            return given_root(notes, (*path, field), name, json.dumps(spec["json"]).encode())
        case _:
            found = notes.material(path, spec, MAX_ROOT, field)
            if found is None or found.missing:
                return MissingRoot(name, found.missing if found else "it is not valid")
            return given_root(notes, (*path, field), name, found.content)


def given_root(notes: Notes, path: Path, name: str, content: bytes) -> TrustRoot:
    """The trust root that a trusted_root.json makes. One that is wrong is missing, and the problem noted at `path`."""
    try:
        return GivenRoot(name, TrustedRoot.parse(content))
    except ParseError as error:
        notes.add(
            Check.TRUST_ROOT,
            path,
            f"trust root {name}: {error.message}",
            error.remedy or "give a Sigstore trusted_root.json",
        )
        return MissingRoot(name, "it is not valid")


def _tuf(notes: Notes, name: str, raw: dict[str, Any]) -> TrustRoot:
    path = ("spec", "tuf", "root")
    port = _PORT.search(raw["url"])
    if port and int(port[1]) > _LARGEST_PORT:
        notes.add(Check.HOST, ("spec", "tuf", "url"), f"{port[1]} is no port", "write one up to 65535")
        return MissingRoot(name, "it is not valid")
    field = notes.one_of(path, raw["root"], "json", "file", "secret")
    if field == "json":
        content = json.dumps(raw["root"]["json"]).encode()
    else:
        found = None if field is None else notes.material(path, raw["root"], MAX_ROOT, field)
        if found is None or found.missing:
            return MissingRoot(name, found.missing if found else "it is not valid")
        content = found.content
    try:
        _check_metadata(content)
    except ParseError as error:
        notes.add(Check.TRUST_ROOT, (*path, field or ""), f"trust root {name}: {error.message}", error.remedy)
        return MissingRoot(name, "it is not valid")
    return TufRoot(name, raw["url"].rstrip("/"), content)


def _check_metadata(content: bytes) -> None:
    """Whether it looks like root metadata. Its signatures are checked when the repository is asked."""
    remedy = "give the root.json that the repository began with, got by a way that you trust"
    if len(content) > MAX_ROOT:
        raise ParseError(f"more than {MAX_ROOT} bytes of root metadata", remedy=remedy)
    try:
        metadata = strictjson.as_object(strictjson.loads(content), "root.json")
        signed = strictjson.as_object(metadata.get("signed"), "root.json `signed`")
    except ParseError as error:
        raise ParseError(error.message, remedy=remedy) from error
    parts = ("keys", "roles", "version", "expires")
    if signed.get("_type") != "root" or any(part not in signed for part in parts) or not metadata.get("signatures"):
        raise ParseError("not the root metadata of a TUF repository", remedy=remedy)
