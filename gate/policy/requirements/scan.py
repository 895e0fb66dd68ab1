"""What a scan has to say (POLICY §4, `scan`): which findings are denied, and whose word takes them away."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.policy import purls
from gate.policy.age import AHEAD, shown
from gate.policy.assignment import satisfied
from gate.policy.content.aliases import covers
from gate.policy.content.scan import Fix, Severity
from gate.policy.contents import UnknownSeverity
from gate.policy.finding import About, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from gate.image.digest import Digest
    from gate.policy.content.scan import Scan, Vulnerability
    from gate.policy.content.vex import Product, Statement, Status, Vex
    from gate.policy.contents import DeniedFinding, ScanContent
    from gate.policy.signers import Expression

MAX_COMPARED: Final = 200_000
"""Names of products of VEX documents that are compared with the findings of one scan: half a second."""

_FIXES: Final = 3
_LONGEST: Final = 80  # characters of a name or version: they are whoever's package it is


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody whose word on findings counts says of them.

    Attributes:
        signer: as the policy calls them.
        principal: who that is.
        vex: their document; None for what the scan itself says, which they have signed.
    """

    signer: str
    principal: str
    vex: Vex | None = None
    statements: Mapping[str, Sequence[Statement]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find statements by the names that they are about: documents and findings are thousands."""
        found: dict[str, list[Statement]] = {}
        for statement in self.vex.statements if self.vex is not None else ():
            for name in statement.ids:
                found.setdefault(name, []).append(statement)
        object.__setattr__(self, "statements", found)


@dataclass(frozen=True, slots=True)
class Report:
    """A scan, and what is known beside it.

    Attributes:
        image: the digest that it is of.
        scan: what it says.
        at: of when it is; None where nobody knows.
        by: who signed it, for people.
        words: on its findings.
        silent: why others' words do not count, for people; "" where none were there.
        compared: names of products that were compared with findings so far; beyond a bound no word is heard.
    """

    image: Digest
    scan: Scan
    at: datetime | None
    by: str
    words: tuple[Word, ...] = ()
    silent: str = ""
    compared: list[int] = field(default_factory=lambda: [0], repr=False, compare=False)

    def told(self, now: datetime) -> str:
        """For people: which tool, how old, by whom."""
        age = f" {shown(now - self.at)} old" if self.at is not None else ""
        return f"scan by {self.scan.tool[:_LONGEST] or 'an unnamed tool'}{age}, signed by {self.by}"


def check(wanted: ScanContent, report: Report, now: datetime) -> Iterator[Reason]:
    """Nothing where it says what is wanted; else every reason why it does not, the worst first."""
    scan = report.scan
    if wanted.scanners and scan.tool not in wanted.scanners:
        said = f"{report.told(now)}; may be by {' or '.join(wanted.scanners)}"
        yield Reason(Code.SCANNER_NOT_ALLOWED, said, "scan it with one of them")
    if wanted.database_age is not None:
        made = scan.database if scan.database is not None and scan.database <= now + AHEAD else None
        if made is None or now - made > wanted.database_age:
            age = "of a time that is not stated" if made is None else f"{shown(now - made)} old"
            said = f"{report.told(now)}, with a database {age}; may be {shown(wanted.database_age)} old"
            yield Reason(Code.SCAN_STALE, said, "update the scanner's database, and scan again")
    for one in _worst(wanted, scan.findings):
        if (why := _denied(wanted, one, now)) and not (wanted.vex and is_cleared(wanted.vex.by, one, report)):
            yield _denial(one, why, report, now)


def _worst(wanted: ScanContent, findings: Sequence[Vulnerability]) -> Iterator[Vulnerability]:
    """Those that may be denied: they are sorted, and of thousands most are less grave than any that is."""
    least = min(rule.severity for rule in wanted.deny)
    yield from findings[: bisect_right(findings, -least, key=_grade)]
    if wanted.unknown is not UnknownSeverity.IGNORE:
        yield from findings[bisect_left(findings, -Severity.UNKNOWN, key=_grade) :]


def _grade(one: Vulnerability) -> int:
    return -one.severity  # the worst come first, those of unknown severity last


def _denied(wanted: ScanContent, one: Vulnerability, now: datetime) -> str:
    """What a finding is, for people, where it is denied; "" where it is not."""
    severity = one.severity
    if severity is Severity.UNKNOWN:
        if wanted.unknown is UnknownSeverity.IGNORE:
            return ""
        if isinstance(wanted.unknown, UnknownSeverity):
            return "of unknown severity"
        severity = wanted.unknown
    if any(_fits(rule, one, severity, now) for rule in wanted.deny):
        return severity.word if one.severity is severity else f"of unknown severity, taken for {severity.word},"
    return ""


def _fits(rule: DeniedFinding, one: Vulnerability, severity: Severity, now: datetime) -> bool:
    if severity < rule.severity:
        return False
    if rule.fixable and one.fix not in (Fix.AVAILABLE, Fix.UNKNOWN):
        return False
    if rule.cvss is not None and one.cvss is not None and one.cvss < rule.cvss:
        return False
    published = one.published
    if rule.grace is None or published is None or published > now + AHEAD:
        return True
    return now - published > rule.grace


def _denial(one: Vulnerability, why: str, report: Report, now: datetime) -> Reason:
    named = f"{one.package[:_LONGEST]} {one.version[:_LONGEST]}".strip() or one.purl[:_LONGEST]
    where = named or "a component that is not named"
    fixes = ", ".join(fix[:_LONGEST] for fix in one.fixed_in[:_FIXES])
    fixed = f", fixed in {fixes}" if fixes else ""
    beside = f"; {report.silent}" if report.silent else ""
    remedy = f"{'update it, or ' if one.fixed_in else ''}have an exception made with `until`"
    about = About(vulnerabilities=one.ids, component=one.purl or one.package)
    message = f"{one.ids[0][:_LONGEST]} {why} in {where}{fixed}; {report.told(now)}{beside}"
    return Reason(Code.VULNERABILITY_DENIED, message, remedy, about, _rank(one))


def _rank(one: Vulnerability) -> int:
    """The worst lowest, as a scan orders them; findings of two scans are told as one list."""
    return -1000 * one.severity - round(10 * (one.cvss or 0))


def is_cleared(by: Expression, one: Vulnerability, report: Report) -> bool:
    """Whether those whose word counts say that there is nothing to fear, and none of them the contrary.

    It is said name by name: an advisory stands for several vulnerabilities, and of each it has to be said.

    Args:
        by: who has to say so.
        one: a finding.
        report: it is of, with the words on it.
    """
    if not report.words:
        return False
    cleared: set[str] = set()
    for name in one.ids:
        report.compared[0] += sum(_weight(word, name) for word in report.words)
        if report.compared[0] > MAX_COMPARED:
            return False
        said = [(word, status) for word in report.words for status in _statuses(word, name, one, report.image)]
        if any(not status.clears for _, status in said):
            return False
        who: dict[str, set[str]] = {signer: set() for signer in by.names}
        for word, _ in said:
            who[word.signer].add(word.principal)
        if satisfied(by, {signer: frozenset(principals) for signer, principals in who.items()}):
            cleared.add(name)
    return covers(cleared, one.ids)


def _weight(word: Word, name: str) -> int:
    """How many names there are to compare."""
    products = (product for statement in word.statements.get(name, ()) for product in statement.products)
    return sum(1 + len(product.ids) + len(product.subcomponents) for product in products)


def _statuses(word: Word, name: str, one: Vulnerability, image: Digest) -> Sequence[Status]:
    """What one word says of a name last: all that was said at that time, and what was said nobody knows when."""
    if word.vex is None:
        return [one.analysis] if one.analysis is not None else []
    about = [
        (statement.at or word.vex.at, statement.status)
        for statement in word.statements.get(name, ())
        if _is_about(statement.products, one, image)
    ]
    last = max((at for at, _ in about if at is not None), default=None)
    return [status for at, status in about if at is None or at == last]


def _is_about(products: Iterable[Product], one: Vulnerability, image: Digest) -> bool:
    return any(
        (_is_image(product, image) and _is_inside(product.subcomponents, one))
        or (not product.subcomponents and any(purls.means(name, one.purl) for name in product.ids))
        for product in products
    )


def _is_image(product: Product, image: Digest) -> bool:
    return image.hex in product.hashes or any(purls.image_digest(name) == str(image) for name in product.ids)


def _is_inside(subcomponents: Sequence[str], one: Vulnerability) -> bool:
    return not subcomponents or any(purls.means(name, one.purl) for name in subcomponents)
