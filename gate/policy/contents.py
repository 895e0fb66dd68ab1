"""What rules want attested documents to say (POLICY §4): values only; `requirements` compares, `content` reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final

from gate.policy.content.sbom import SbomFormat
from gate.policy.content.scan import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from gate.policy.licenses import LicenseRule
    from gate.policy.packages import PackagePattern
    from gate.policy.signers import Expression


class Select(StrEnum):
    """Which of several attestations of one type, by accepted signers, have to pass."""

    NEWEST = "newest"
    """The newest of each type; those of the same time, and those without any, with it."""

    ALL = "all"
    ANY = "any"


class RequiredField(StrEnum):
    """What every component of an SBOM may be wanted to have."""

    PURL = "purl"
    VERSION = "version"
    LICENSE = "license"
    SUPPLIER = "supplier"
    HASH = "hash"


@dataclass(frozen=True, slots=True)
class SbomContent:
    """What an SBOM has to say.

    Attributes:
        formats: that are looked for.
        deny: components that may not be in the image.
        licenses: what licences may be; None where they are not judged.
        unknown_license_allowed: whether one may be unknown.
        require: what every component has to have.
        at_least: so many components.
    """

    kind: ClassVar[str] = "sbom"

    formats: tuple[SbomFormat, ...] = tuple(SbomFormat)
    deny: tuple[PackagePattern, ...] = ()
    licenses: LicenseRule | None = None
    unknown_license_allowed: bool = False
    require: tuple[RequiredField, ...] = ()
    at_least: int = 1


@dataclass(frozen=True, slots=True)
class DeniedFinding:
    """Findings that are denied: all that is given has to fit.

    Attributes:
        severity: at least this.
        fixable: only those for which there is a fix, or of which nothing is said.
        grace: since a finding was published.
        cvss: a base score of at least this; a finding without any score fits.
    """

    severity: Severity = Severity.NONE
    fixable: bool = False
    grace: timedelta | None = None
    cvss: float | None = None


class UnknownSeverity(StrEnum):
    """What becomes of a finding whose severity nobody knows, where it is not taken for another."""

    DENY = "deny"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class VexUse:
    """Whose word on findings counts.

    Attributes:
        max_age: how old it may be; None: as old as it likes.
    """

    by: Expression
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ScanContent:
    """What a scan has to say.

    Attributes:
        scanners: tools that it may be by; (): any.
        database_age: how old the tool's database may be.
        deny: of which none may be found.
        unknown: what becomes of unknown severities: one to take them for, or neither.
        vex: whose word removes findings.
    """

    kind: ClassVar[str] = "scan"

    deny: tuple[DeniedFinding, ...]
    scanners: tuple[str, ...] = ()
    database_age: timedelta | None = None
    unknown: UnknownSeverity | Severity = UnknownSeverity.DENY
    vex: VexUse | None = None


@dataclass(frozen=True, slots=True)
class ProvenanceContent:
    """What provenance has to say; "" and () want nothing. All are patterns but `source`.

    Attributes:
        source: `host/owner/name`, exactly.
        parameters: patterns of external parameters, by name.
    """

    kind: ClassVar[str] = "provenance"

    builder: str = ""
    source: str = ""
    refs: tuple[str, ...] = ()
    build_type: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class AnyContent:
    """Nothing; what a rule's expression wants is beside it."""

    kind: ClassVar[str] = "attestation"


Content = SbomContent | ScanContent | ProvenanceContent | AnyContent

ANY_CONTENT: Final = AnyContent()
