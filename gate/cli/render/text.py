"""The text of `gate check` and `gate verify`, for people: what stops first, each with its place, cause and remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from gate.cli.common import one_line
from gate.codes import NOTES, Code
from gate.policy.finding import Verdict
from gate.review.words import headline

if TYPE_CHECKING:
    from gate.cli.report import Entry, Report
    from gate.policy.finding import Finding
    from gate.sources.manifests import Location

_COLORS: Final = {Verdict.DENY: "red", Verdict.ERROR: "magenta", Verdict.WARN: "yellow", Verdict.ALLOW: "green"}
_ORDER: Final = (Verdict.ALLOW, Verdict.WARN, Verdict.ERROR, Verdict.DENY)
_WORDS: Final = {Verdict.ALLOW: "allowed", Verdict.WARN: "warned", Verdict.ERROR: "not judged", Verdict.DENY: "denied"}
_PLACES: Final = 3


@dataclass(frozen=True, slots=True)
class TextRenderer:
    """Renders with or without colour."""

    color: bool = False

    def render(self, report: Report) -> str:
        """The worst last, where a terminal's eye is; then one line that sums up."""
        ordered = sorted(report.entries, key=lambda e: _ORDER.index(e.verdict))
        blocks = [self._entry(entry) for entry in ordered]
        for finding in report.source_findings:
            place = place_of(finding.location)
            remedy = f"; {finding.remedy}" if finding.remedy else ""
            said = one_line(f"{finding.message}{remedy}")
            at = f"{place}: " if place else ""
            blocks.append(f"{at}{self._style('UNREADABLE', Verdict.ERROR)} {said}")
        return "\n".join([*blocks, self._summary(report)]) + "\n"

    def _entry(self, entry: Entry) -> str:
        first = entry.locations[0] if entry.locations else None
        where = _where(first) if first else ""
        head = one_line(headline(entry.review, where))
        word, image, rest = head.partition(one_line(f" {entry.text[:1]}"))
        line = f"{self._style(word, entry.verdict)}{image}{rest}"
        place = f"{place_of(first)}: " if first and first.file else ""
        lines = [f"{place}{line}"]
        lines.extend(self._finding(f) for f in entry.findings if f.code is not Code.PINNED_AT_ADMISSION)
        if entry.verdict in (Verdict.ALLOW, Verdict.WARN):
            lines.extend(one_line(f"    {note}") for note in _facts(entry))
        others = entry.locations[1:]
        if others:
            places = list(dict.fromkeys(f"{place_of(o)}{_container(o)}" for o in others))
            more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
            lines.append(f"    also at {', '.join(places[:_PLACES])}{more}")
        return "\n".join(lines)

    def _finding(self, finding: Finding) -> str:
        by = f" [{finding.by}]" if finding.by else ""
        allowed = "note: " if finding.code in NOTES else "audit: "
        mark = {Verdict.WARN: "warning: ", Verdict.ALLOW: allowed}.get(finding.verdict, "")
        remedy = f"\n      Fix: {one_line(finding.remedy)}" if finding.remedy else ""
        said = one_line(f"{finding.message}{by}")
        return f"    {mark}{self._style(finding.code.value, finding.verdict)}: {said}{remedy}"

    def _summary(self, report: Report) -> str:
        counts = [self._style(f"{report.count(v)} {_WORDS[v]}", v) for v in reversed(_ORDER) if report.count(v)]
        unread = len(report.source_findings)
        if unread:
            counts.append(self._style(f"{unread} source{'s' if unread > 1 else ''} unreadable", Verdict.ERROR))
        images = len(report.entries)
        return f"{images} image{'' if images == 1 else 's'}: {', '.join(counts) or 'nothing to judge'}"

    def _style(self, text: str, verdict: Verdict) -> str:
        return click.style(text, fg=_COLORS[verdict], bold=verdict.stops) if self.color else text


def place_of(location: Location) -> str:
    """`file:line:column`; "" where it is in none."""
    file = one_line(location.file)
    return f"{file}:{location.line}:{location.column}" if location.line else file


def _where(location: Location) -> str:
    """`container api of Deployment prod/web`."""
    name = "/".join(filter(None, (location.namespace, location.name)))
    parts = [f"{location.what} {location.container}".strip(), f"{location.kind} {name}".strip()]
    return " of ".join(filter(None, parts))


def _container(location: Location) -> str:
    return f" ({one_line(f'{location.what} {location.container}'.strip())})" if location.container else ""


def _facts(entry: Entry) -> list[str]:
    signers = sorted({str(s.signer) for s in entry.evidence.signatures})
    lines = [f"signed by {', '.join(signers)}"] if signers else []
    return [*lines, f"resolved: {entry.resolved}"] if entry.resolved and entry.resolved != entry.text else lines
