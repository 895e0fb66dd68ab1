"""docs/policy-reference.md, from the schema of policy documents."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.policy.reading.schema.kinds import BY_NAME, KINDS
from gate.policy.reading.schema.parts import CLUSTER_MARK, Schema
from gate.policy.reading.schema.signers import BY
from gate.policy.reading.schema.structural import RESOURCES, definition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HEAD: Final = """\
# Policy reference

Every field of every kind. Generated from the schema by `make generate`; [architecture.md](architecture.md) tells where
it stands. `gate policy lint` says what is wrong with a document, and where.

A document is YAML or JSON with `apiVersion: imagegate.dev/v1`, `kind`, `metadata.name` and `spec`. Fields that are not
named here are refused, but for those of `metadata`. YAML is read by JSON's rules: `no` and `2026-12-31` are texts.

An editor with [yaml-language-server](https://github.com/redhat-developer/yaml-language-server) completes and checks a
document that begins with a line such as this, with the path of what `gate policy schema --output-file F` has written:

```yaml
# yaml-language-server: $schema=docs/schema/imagegate.dev_v1.json
```
"""
_CLUSTER: Final = """\
## In a cluster

`gate policy schema --crds` prints the custom resources, which stand in [helm/crds](../helm/crds) too. They are of the
category `imagegate` (`kubectl get imagegate -A`) and need Kubernetes 1.29 or newer, for rules in CEL: a GateConfig is
named `default`, a GateBreakGlass stays as it was created, a GateTrustRoot has one source.

What the API server cannot check, the gate does when it reads an object, by the same schema as `lint`: fields that are
not known, which are kept (pruned, they would make a policy ask for less than its author wrote) and make the object
invalid; `file`, which is refused in what the cluster feeds; names of signers; what is nested deep in a `by`, and
whether one is `true` or `false`. No default is written into objects.
"""
_TYPES: Final = {
    "object": "mapping",
    "array": "list",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
}

_ANY: Final = ".NAME"
"""In a path: whatever an entry is called."""


def reference(examples: Mapping[str, str]) -> str:
    """The page.

    Args:
        examples: YAML of a document by its kind.
    """
    tables = _Tables()
    parts = [_HEAD, _contents(), _CLUSTER]
    for kind in KINDS:
        parts += [*_introduction(kind, examples[kind]), *tables.of_kind(kind)]
    return "\n".join(f"{part.rstrip()}\n" for part in [*parts, _BY_SECTION, tables.table("by", BY)])


_BY_SECTION: Final = """\
## by

Who has to have signed: a signer's name; a list, of which any entry suffices; `{all: […]}`; `{atLeast: n, of: […]}`.
Entries are such expressions again, at most 4 deep. `all` and `atLeast` count entries that are each met by a principal
of its own (a key, an identity): neither two names nor two signatures of one count twice.
"""


def _contents() -> str:
    rows = ["| kind | scope | short name | |", "|---|---|---|---|"]
    for kind in KINDS:
        scope, short = "files only", ""
        if kind in RESOURCES:
            spec = definition(kind)["spec"]
            scope, short = spec["scope"].lower(), f"`{spec['names']['shortNames'][0]}`"
        rows.append(f"| [{kind}](#{kind.lower()}) | {scope} | {short} | {BY_NAME[kind].description} |")
    return "\n".join(rows)


def _introduction(kind: str, example: str) -> Iterator[str]:
    yield f"## {kind}"
    yield BY_NAME[kind].description
    yield f"```yaml\n{example.partition(chr(10))[2].rstrip()}\n```"


@dataclass(slots=True)
class _Tables:
    """Tables of mappings; what is the same in two places has one table, where it stands first."""

    seen: dict[str, str] = field(default_factory=dict)

    @property
    def sections(self) -> set[str]:
        """Anchors of the tables."""
        return set(map(_anchor, self.seen.values()))

    def of_kind(self, kind: str) -> Iterator[str]:
        """A table for each mapping of a kind."""
        spec = BY_NAME[kind].spec
        first = self.seen.get(_fields(spec), "").partition(".")[0]
        if not first:
            self.seen[_fields(spec)] = f"{kind}.spec"
            yield from self._mapping(f"{kind}.spec", spec)
            return
        missing = ", ".join(f"[`{path}`](#{_anchor(first)}.{_anchor(path)})" for path in _of_clusters(spec, "spec"))
        yield f"Its spec is that of [{first}](#{first.lower()}), but for what it may not have: {missing}, any `file`."

    def _mapping(self, path: str, schema: Schema) -> Iterator[str]:
        inner = {_fields(form): (where, form) for where, form in _mappings(path, schema)}
        new = [entry for fields, entry in inner.items() if fields not in self.seen]
        self.seen |= {fields: where for fields, (where, _) in inner.items() if fields not in self.seen}
        kind, _, shown = path.partition(".")
        yield f'<a id="{_anchor(path)}"></a>\n\n### {kind}: `{shown}`'
        if "description" in schema:
            yield schema["description"]
        yield self.table(path, schema)
        for where, form in new:
            yield from self._mapping(where, form)

    def table(self, path: str, schema: Schema) -> str:
        """The fields of a mapping; each has an anchor."""
        rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
        for name, form in schema["properties"].items():
            default = f"`{json.dumps(form['default'])}`" if "default" in form else ""
            default = "required" if name in schema.get("required", ()) else default
            here = f"{path}.{name}"
            anchor = "" if _anchor(here) in self.sections else f'<a id="{_anchor(here)}"></a>'
            rows.append(f"| {anchor}`{name}` | {self._type(form)} | {default} | {form['description']} |")
        return "\n".join(rows)

    def _type(self, schema: Schema, *, several: bool = False) -> str:
        s = "s" if several else ""
        if "$ref" in schema:
            return "[signers](#by)"
        if "enum" in schema:
            return " or ".join(f"`{word}`" for word in schema["enum"])
        match schema["type"]:
            case "object" if (where := self.seen.get(_fields(schema))) is not None:
                return f"[mapping{s}](#{_anchor(where)})"
            case "object" if isinstance(beyond := schema.get("additionalProperties"), dict):
                return f"mapping of names to {self._type(beyond, several=True)}"
            case "array":
                return f"list of {self._type(schema['items'], several=True)}{_bounds(schema)}"
            case list(types):
                return " or ".join(_TYPES[name] for name in types) + _form(schema)
            case name:
                return f"{_TYPES[name]}{s}{_form(schema)}{_bounds(schema)}"


def _anchor(path: str) -> str:
    return path.replace("[]", "").replace(_ANY, "").lower()


def _form(schema: Schema) -> str:
    said = schema.get("errorMessage", "").removeprefix("expected ")
    return f" ({said})" if said else ""


def _bounds(schema: Schema) -> str:
    parts = [
        "not empty" if schema.get("minItems") else "",
        f"at most {schema['maxItems']}" if "maxItems" in schema else "",
        f"at most {schema['maxLength']} characters" if "maxLength" in schema else "",
    ]
    return "".join(f", {part}" for part in parts if part)


def _mappings(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Mappings with fields of their own that stand directly in this one, in lists and under names too."""
    for name, form in schema["properties"].items():
        here, inner = f"{path}.{name}", form
        while inner.get("type") == "array" or isinstance(inner.get("additionalProperties"), dict):
            is_list = inner["type"] == "array"
            here, inner = f"{here}{'[]' if is_list else _ANY}", inner["items" if is_list else "additionalProperties"]
        if "properties" in inner:
            yield here, inner


def _fields(schema: Schema) -> str:
    """What makes two mappings the same for whoever reads about their fields."""
    return json.dumps([schema.get("properties"), schema.get("required")])


def _of_clusters(schema: Schema, path: str) -> Iterator[str]:
    """Fields that a GatePolicy may not have, by their path."""
    if schema.get("$comment") == CLUSTER_MARK:
        yield path
    for name, form in schema.get("properties", {}).items():
        yield from _of_clusters(form, f"{path}.{name}")
    for name, step in (("items", "[]"), ("additionalProperties", _ANY)):
        if isinstance(schema.get(name), dict):
            yield from _of_clusters(schema[name], f"{path}{step}")
