"""CycloneDX in JSON, 1.2 to 1.7: checked against the schemas of its makers, then read.

What is read how:

- `metadata.component` is what the document describes: the image, and no component of it. What is nested in it is
  "included in the parent component", as the schema says, and so in the image.
- Components of any type and scope count, those with `isExternal` too. Those of a `pedigree` or a `formulation` do not:
  they are what something was made from or with.
- Licences that were found in files (`evidence.licenses`) hold as those that are declared do: whoever denies a licence
  means both.
- A supplier is `supplier` with a name. A publisher, author or manufacturer need not have supplied anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Required, TypedDict, cast

from gate.policy.content import cyclonedx_schema, document
from gate.policy.content.cyclonedx_schema import VERSIONS
from gate.policy.content.document import Unreadable
from gate.policy.content.sbom import Component, Sbom, SbomFormat, known_licenses

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMEDY: Final = f"attest CycloneDX {VERSIONS[0]} to {VERSIONS[-1]} in JSON"


class _License(TypedDict, total=False):  # one of the two, as in what follows
    id: str
    name: str


class _Choice(TypedDict, total=False):
    license: _License
    expression: str


class _Named(TypedDict, total=False):
    name: str
    vendor: str
    version: str


_Component = TypedDict(
    "_Component",
    {
        "name": Required[str],
        "group": str,
        "version": str,
        "purl": str,
        "bom-ref": str,
        "licenses": list[_Choice],
        "evidence": dict[Literal["licenses"], list[_Choice]],
        "supplier": _Named,
        "hashes": list[object],
        "components": "list[_Component]",
    },
    total=False,
)


class _Tools(TypedDict, total=False):
    components: list[_Named]
    services: list[_Named]


class _Metadata(TypedDict, total=False):
    timestamp: str
    tools: list[_Named] | _Tools
    component: _Component


class Document(TypedDict, total=False):
    """What a schema has vouched for, as far as it is read here."""

    specVersion: Required[str]
    metadata: _Metadata
    components: list[_Component]


def read(value: object) -> Sbom:
    """A bill of materials.

    Args:
        value: an opened predicate.

    Raises:
        Unreadable: it is not CycloneDX in JSON of a version that is known, or not as its schema says.
    """
    found = checked(value)
    metadata = found.get("metadata", {})
    return Sbom(
        format=SbomFormat.CYCLONEDX,
        version=found["specVersion"],
        at=document.instant(metadata.get("timestamp")),
        tools=tuple(_tools(metadata.get("tools", []))),
        components=tuple(components(found)),
    )


def components(found: Document) -> Iterator[Component]:
    """All components of a document, each before those that are nested in it."""
    image = found.get("metadata", {}).get("component")
    nested = [(each, False) for each in reversed(image.get("components", []) if image else [])]
    waiting = [*nested, *((each, True) for each in reversed(found.get("components", [])))]
    while waiting:
        component, top = waiting.pop()
        yield _component(component, top=top)
        if "components" in component:
            waiting.extend((each, False) for each in reversed(component["components"]))


def described(found: Document) -> Component | None:
    """What a document describes: the image, as its maker calls it. None where that is not said."""
    image = found.get("metadata", {}).get("component")
    return _component(image, top=True) if image else None


def checked(value: object) -> Document:
    """The document as it stands, which is as the schema of its version says.

    Raises:
        Unreadable: it is not; says the first thing that is wrong, and where (a JSON pointer).
    """
    found = _cyclonedx(value)
    cyclonedx_schema.check(found, str(found["specVersion"]))
    return cast("Document", found)


def _cyclonedx(value: object) -> dict[str, object]:
    if isinstance(value, str):
        xml = value.lstrip("\ufeff \t\r\n").startswith("<")
        raise Unreadable(f"it is {'XML' if xml else 'a text'}, and only JSON is read", remedy=_REMEDY)
    if not isinstance(value, dict):
        raise Unreadable("it is no CycloneDX: not an object", remedy=_REMEDY)
    if value.get("bomFormat") != "CycloneDX":
        other = "it is SPDX, no CycloneDX" if "spdxVersion" in value else "it has no bomFormat CycloneDX"
        raise Unreadable(other, remedy=_REMEDY)
    version = value.get("specVersion")
    if version not in VERSIONS:
        what = f"of version {version[:20]!r}" if isinstance(version, str) else "without a specVersion"
        raise Unreadable(f"it is CycloneDX {what}", remedy=_REMEDY)
    return value


def _component(component: _Component, *, top: bool) -> Component:
    group, name = component.get("group"), component["name"]
    return Component(
        name=f"{group}/{name}" if group else name,
        version=component.get("version", ""),
        purl=component.get("purl", ""),
        licenses=_licenses(component),
        supplier="supplier" in component and bool(component["supplier"].get("name", "").strip()),
        hashed=bool(component.get("hashes")),
        ref=component.get("bom-ref", ""),
        top=top,
    )


def _licenses(component: _Component) -> tuple[str, ...]:
    choices = component.get("licenses")
    if "evidence" in component:
        choices = [*(choices or []), *component["evidence"].get("licenses", [])]
    return known_licenses(map(_license, choices)) if choices else ()


def _license(choice: _Choice) -> str:
    named = choice.get("license")
    if named is None:
        return choice["expression"]
    return named.get("id") or named["name"]


def _tools(tools: list[_Named] | _Tools) -> Iterator[str]:
    listed = tools if isinstance(tools, list) else [*tools.get("components", []), *tools.get("services", [])]
    for tool in listed:
        if name := f"{tool.get('name') or tool.get('vendor', '')} {tool.get('version', '')}".strip():
            yield name
