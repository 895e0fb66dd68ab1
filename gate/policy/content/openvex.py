"""OpenVEX documents (https://github.com/openvex/spec, OPENVEX-SPEC.md) of v0.0.1 and v0.2.0.

Of v0.0.1 products, their subcomponents and vulnerabilities are texts; of v0.2.0 objects with several names each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gate.policy.content.aliases import names
from gate.policy.content.document import Unreadable, check_names, instant, shaped
from gate.policy.content.vex import Product, Statement, Status, Vex

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_CONTEXT: Final = "https://openvex.dev/ns"
_VERSIONS: Final = ("", "/", "/v0.0.1", "/v0.2.0")
_JUSTIFICATIONS: Final = frozenset(
    {
        "component_not_present",
        "vulnerable_code_not_present",
        "vulnerable_code_not_in_execute_path",
        "vulnerable_code_cannot_be_controlled_by_adversary",
        "inline_mitigations_already_exist",
    }
)


class _Component(msgspec.Struct, gc=False, rename={"id": "@id"}):
    id: str = ""
    identifiers: dict[str, str] | None = None
    hashes: dict[str, str] | None = None


class _Product(_Component, gc=False):
    subcomponents: list[_Component | str] | None = None


class _Vulnerability(msgspec.Struct, gc=False):
    name: str
    aliases: list[str] | None = None


class _Statement(msgspec.Struct, gc=False):
    vulnerability: _Vulnerability | str
    status: Status
    products: list[_Product | str] | None = None
    subcomponents: list[_Component | str] | None = None
    justification: str = ""
    impact_statement: str = ""
    timestamp: str | None = None


class _Document(msgspec.Struct, gc=False, rename={"context": "@context"}):
    context: str
    statements: list[_Statement]
    author: str = ""
    timestamp: str | None = None
    last_updated: str | None = None


# Known to msgspec before there are threads (gate/strictjson.py).
_KNOWN: Final = msgspec.json.Decoder(_Document)


def read(value: object) -> Vex:
    """What a document says.

    Raises:
        Unreadable: it is not OpenVEX, of another version, or a statement in it is none by the specification.
    """
    document = shaped(value, _Document, "OpenVEX document")
    _check_names(value)
    if document.context not in {_CONTEXT + version for version in _VERSIONS}:
        raise Unreadable(f"it is no OpenVEX document of v0.0.1 or v0.2.0, but of {document.context[:50]!r}")
    issued = instant(document.timestamp)
    return Vex(
        author=document.author,
        at=instant(document.last_updated) or issued,
        statements=tuple(_statement(one, issued) for one in document.statements),
    )


def _check_names(value: Any) -> None:  # noqa: ANN401 - it has its shape by now
    """What only Go would read, as `Subcomponents`, would make a statement about less of what is cleared here."""
    check_names([value], _Document)
    check_names(value["statements"], _Statement)
    for statement in value["statements"]:
        check_names(statement.get("products") or (), _Product)


def _statement(given: _Statement, issued: datetime | None) -> Statement:
    vulnerability = given.vulnerability
    if isinstance(vulnerability, str):
        vulnerability = _Vulnerability(vulnerability)
    if not vulnerability.name:
        raise Unreadable("it is no OpenVEX document: a statement is about a vulnerability without name")
    why = given.justification or given.impact_statement
    what = f"its statement of {vulnerability.name[:50]!r} is none"
    if given.status is Status.NOT_AFFECTED and not why:
        raise Unreadable(f"{what}: `not_affected` needs a justification or an impact_statement")
    if given.justification and given.justification not in _JUSTIFICATIONS:
        raise Unreadable(f"{what}: OpenVEX does not know the justification {given.justification[:50]!r}")
    return Statement(
        ids=names(vulnerability.name, vulnerability.aliases or ()),
        status=given.status,
        products=tuple(_product(one, given.subcomponents or ()) for one in given.products or ()),
        why=why,
        at=instant(given.timestamp) or issued,
    )


def _product(given: _Product | str, inside: Iterable[_Component | str]) -> Product:
    product = _Product(given) if isinstance(given, str) else given
    ids = _ids(product)
    hashes = tuple(sorted({text.lower() for text in (product.hashes or {}).values() if text}))
    if not ids and not hashes:
        raise Unreadable("it is no OpenVEX document: a product has neither name nor hash")
    parts = [name for part in (*(product.subcomponents or ()), *inside) for name in _part(part)]
    return Product(ids=ids, hashes=hashes, subcomponents=tuple(sorted(set(parts))))


def _ids(component: _Component) -> tuple[str, ...]:
    return tuple(sorted({name for name in (component.id, *(component.identifiers or {}).values()) if name}))


def _part(part: _Component | str) -> list[str]:
    """Names of a subcomponent. One without any would leave its statement about the whole product."""
    component = _Component(part) if isinstance(part, str) else part
    hashes = [f"{algorithm}:{text.lower()}" for algorithm, text in (component.hashes or {}).items() if text]
    found = [*_ids(component), *hashes]
    if not found:
        raise Unreadable("it is no OpenVEX document: a subcomponent has neither name nor hash")
    return found
