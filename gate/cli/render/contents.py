"""What an attested document says, in short: a line, lines and JSON. Its words are anybody's, so they are bounded."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from gate.policy.content.predicate import Raw
from gate.policy.content.provenance import Provenance
from gate.policy.content.sbom import Sbom
from gate.policy.content.scan import Scan, Severity
from gate.policy.content.vex import Vex

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from gate.policy.content.predicate import Predicate
    from gate.policy.content.scan import Vulnerability

_LONGEST: Final = 200  # characters of one name
_MOST: Final = 5  # licences and components that are named


def line(said: Predicate) -> str:
    """What it says, in a line; "" of what has no known form."""
    match said:
        case Sbom():
            return f"{said.format} {_cut(said.version)} SBOM of {_count(len(said.components), 'component')}"
        case Scan():
            return f"scan by {_tool(said)}: {by_severity(said.findings)}"
        case Vex():
            return f"VEX by {_cut(said.author) or 'nobody named'}: {_count(len(said.statements), 'statement')}"
        case Provenance():
            ref = f" at {_cut(said.ref)}" if said.ref else ""
            return f"built by {_cut(said.builder)} of {_cut(said.source) or 'a source that is not stated'}{ref}"
        case Raw():
            return ""


def more(said: Predicate) -> tuple[str, ...]:
    """What else it says, a line each."""
    if not isinstance(said, Sbom):
        return ()
    licenses = [f"{_cut(name)} ({count})" for name, count in _licenses(said).most_common(_MOST)]
    top = [_cut(str(one)) for one in _top(said)[:_MOST]]
    return (
        *([f"licences: {_listed(licenses, len(_licenses(said)))}"] if licenses else []),
        *([f"top-level: {_listed(top, len(_top(said)))}"] if top else []),
    )


def content_json(said: Predicate) -> dict[str, object]:
    """The same for scripts; empty of what has no known form. What is not stated is null."""
    match said:
        case Sbom():
            return {
                "format": said.format.value,
                "version": _cut(said.version),
                "time": _time(said.at),
                "components": len(said.components),
                "licenses": {_cut(name): count for name, count in _licenses(said).most_common(_MOST)},
                "topLevel": [_cut(str(one)) for one in _top(said)[:_MOST]],
            }
        case Scan():
            return {
                "tool": _cut(said.tool) or None,
                "version": _cut(said.version) or None,
                "time": _time(said.at),
                "database": _time(said.database),
                "findings": counts(said.findings),
            }
        case Vex():
            return {
                "author": _cut(said.author) or None,
                "time": _time(said.at),
                "statements": dict(Counter(statement.status.value for statement in said.statements)),
            }
        case Provenance():
            return {
                "builder": _cut(said.builder),
                "buildType": _cut(said.build_type),
                "source": _cut(said.source) or None,
                "ref": _cut(said.ref) or None,
                "revision": _cut(said.revision) or None,
                "time": _time(said.at),
            }
        case Raw():
            return {}


def counts(findings: Iterable[Vulnerability]) -> dict[str, int]:
    """How many of each severity, the worst first."""
    found = Counter(finding.severity for finding in findings)
    return {severity.word: found[severity] for severity in sorted(Severity, reverse=True) if found[severity]}


def by_severity(findings: Iterable[Vulnerability]) -> str:
    """The same, for people."""
    return ", ".join(f"{count} {word}" for word, count in counts(findings).items()) or "no findings"


def _licenses(said: Sbom) -> Counter[str]:
    return Counter(name for component in said.components for name in component.licenses)


def _top(said: Sbom) -> Sequence[object]:
    return [component for component in said.components if component.top]


def _tool(said: Scan) -> str:
    return f"{_cut(said.tool) or 'an unnamed tool'} {_cut(said.version)}".rstrip()


def _listed(shown: Sequence[str], total: int) -> str:
    rest = f" and {total - len(shown)} more" if total > len(shown) else ""
    return f"{', '.join(shown)}{rest}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _time(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at is not None else None


def _count(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"
