"""What provenance has to say (POLICY §4, `provenance`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.policy.content import source
from gate.policy.finding import Reason
from gate.policy.patterns import glob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.policy.content.provenance import Provenance
    from gate.policy.contents import ProvenanceContent

_SHOWN: Final = 300
_REBUILD: Final = "build it where the policy says, or have the policy changed"


def check(wanted: ProvenanceContent, found: Provenance, by: str) -> Iterator[Reason]:
    """Nothing where it says what is wanted; else every reason why it does not. The arguments are those of `sbom`."""
    if wanted.builder and not glob(wanted.builder).fullmatch(found.builder):
        yield _mismatch(Code.BUILDER_MISMATCH, "builder", found.builder, wanted.builder, by)
    if wanted.source:
        name = source.normal(found.source)
        if name != wanted.source:
            yield _mismatch(Code.SOURCE_MISMATCH, "source", name or found.source, wanted.source, by)
    if wanted.refs and not any(glob(pattern).fullmatch(found.ref) for pattern in wanted.refs if found.ref):
        yield _mismatch(Code.SOURCE_MISMATCH, "ref", found.ref, " or ".join(wanted.refs), by)
    if wanted.build_type and not glob(wanted.build_type).fullmatch(found.build_type):
        yield _mismatch(Code.BUILD_TYPE_MISMATCH, "build type", found.build_type, wanted.build_type, by)
    for name, pattern in sorted(wanted.parameters.items()):
        value = found.parameters.get(name)
        if value is None or not glob(pattern).fullmatch(value):
            yield _mismatch(Code.BUILD_TYPE_MISMATCH, f"parameter {name}", value or "", pattern, by)


def _mismatch(code: Code, what: str, got: str, wanted: str, by: str) -> Reason:
    return Reason(code, f"provenance {by}: {what} {got[:_SHOWN] or 'not stated'}; needs {wanted}", _REBUILD)
