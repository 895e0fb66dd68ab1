"""What was found about an image and proved true, and why the rest was rejected. Policy judges these, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gate.codes import Code
    from gate.errors import EvidenceUnavailable
    from gate.image.digest import Digest
    from gate.image.reference import Repository
    from gate.trust.key import PublicKey
    from gate.trust.window import Window


class Format(StrEnum):
    """How a signature is stored."""

    LEGACY = "legacy"
    """cosign's `sha256-….sig` tag."""

    REFERRER_LEGACY = "referrer-legacy"
    """The same layers in a manifest with a `subject` (OCI 1.1)."""

    BUNDLE = "bundle"
    """A Sigstore bundle in a manifest with a `subject`."""

    NOTATION = "notation"
    """A Notary Project signature: seen, named in messages, not verified."""


@dataclass(frozen=True, slots=True, order=True)
class Storage:
    """Where signatures of an image are kept.

    Attributes:
        repository: the image's own, or another.
        tag_prefix: before the tags of cosign (`--attachment-tag-prefix`).
    """

    repository: Repository
    tag_prefix: str = ""


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Somebody known by a public key.

    Attributes:
        trust: the name of the trust root that was asked for a witness; "" where none was.
    """

    key: PublicKey
    trust: str = ""

    @property
    def marks(self) -> frozenset[str]:
        """What tells who this is: two signers that share a mark are one principal."""
        return frozenset({f"key:{self.key.fingerprint}"})

    def __str__(self) -> str:
        return self.key.short


@dataclass(frozen=True, slots=True)
class FulcioClaims:
    """What Fulcio copied from the signer's token (sigstore/fulcio, docs/oid-info.md); "" where it did not."""

    build_signer_uri: str = ""
    build_signer_digest: str = ""
    runner_environment: str = ""
    source_repository_uri: str = ""
    source_repository_digest: str = ""
    source_repository_ref: str = ""
    source_repository_id: str = ""
    source_repository_owner_uri: str = ""
    source_repository_owner_id: str = ""
    build_config_uri: str = ""
    build_config_digest: str = ""
    build_trigger: str = ""
    run_invocation_uri: str = ""
    source_repository_visibility: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a certificate names.

    Attributes:
        issuer: the OpenID Connect issuer that vouched for them; "" where the certificate states none.
        subjects: URIs, e-mail addresses, user names; at least one.
        claims: Fulcio's.
    """

    issuer: str
    subjects: tuple[str, ...]
    claims: FulcioClaims = FulcioClaims()

    @property
    def subject(self) -> str:
        """All of them, for people: Fulcio writes one."""
        return " + ".join(self.subjects)

    def __str__(self) -> str:
        return f"{self.subject} (issuer {self.issuer})" if self.issuer else self.subject


@dataclass(frozen=True, slots=True)
class CertificateSigner:
    """Somebody known by a certificate that leads to an authority.

    Attributes:
        identity: who it names.
        trust: the name of what it was verified against: a trust root, or a private PKI.
        private: whether that is a private PKI.
        key: fingerprint of the certificate's own key.
        issuers: fingerprints of the keys of its path's authorities, the root's last.
        window: when all of the path is valid; every verified time of the signature is in it.
        ct_logs: hex ids of the CT logs whose timestamps in it hold.
        no_sct: why there are none of those.
    """

    identity: Identity
    trust: str
    private: bool
    key: str
    issuers: tuple[str, ...]
    window: Window
    ct_logs: frozenset[str] = frozenset()
    no_sct: str = ""

    @property
    def marks(self) -> frozenset[str]:
        """What tells who this is: two signers that share a mark are one principal.

        Its key, whoever certified it; and each subject, with its issuer, or, in a private PKI, with each authority of
        its path: a root that was renewed, or an intermediate that is trusted by itself, makes nobody a second person.
        """
        subjects = self.identity.subjects
        if self.private:
            named = {f"certificate:{issuer}|{subject}" for issuer in self.issuers for subject in subjects}
        else:
            named = {f"identity:{self.identity.issuer}|{subject}" for subject in subjects}
        return frozenset({f"key:{self.key}", *named})

    def __str__(self) -> str:
        return str(self.identity)


Signer = KeySigner | CertificateSigner


class TimeSource(StrEnum):
    """Who says when a signature was made."""

    LOG = "rekor"
    TSA = "tsa"


@dataclass(frozen=True, slots=True, order=True)
class VerifiedTime:
    """A time at which a signature existed.

    Attributes:
        at: aware, UTC.
        source: log or timestamping authority.
        by: which, for people.
    """

    at: datetime
    source: TimeSource
    by: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something that should stand beside a signature does not."""

    code: Code
    reason: str


@dataclass(frozen=True, slots=True)
class Witness:
    """What logs and timestamping authorities say of a signature. Whether that is enough is the signer's policy.

    Attributes:
        logs: fingerprints of the keys of the logs that have it; one log under two names is one.
        times: when it existed, sorted.
        no_log: why there is no log, or that an entry is wrong: then none counts.
        no_timestamp: why there is no timestamp.
        withheld: a log that states times has it, and its word on when was left out: a timestamp says "by then", not
            "not before".
    """

    logs: frozenset[str] = frozenset()
    times: tuple[VerifiedTime, ...] = ()
    no_log: Problem | None = None
    no_timestamp: Problem | None = None
    withheld: bool = False

    @property
    def earliest(self) -> VerifiedTime | None:
        """The earliest verified time: evidence is as old as its oldest proof."""
        return self.times[0] if self.times else None

    @property
    def has_timestamp(self) -> bool:
        """Whether a timestamping authority says when."""
        return any(time.source is TimeSource.TSA for time in self.times)


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature over this image's digest whose cryptography holds.

    Attributes:
        format: where it was stored.
        digest: of the stored payload or bundle, for people.
        signer: who made it.
        witness: what logs and timestamping authorities say of it.
        annotations: signed `key=value` pairs.
        docker_reference: the signed name, normalised where it parses; None where none was signed.
    """

    format: Format
    digest: Digest
    signer: Signer
    witness: Witness
    annotations: Mapping[str, str] = field(hash=False)
    docker_reference: Repository | str | None = None


@dataclass(frozen=True, slots=True)
class VerifiedAttestation:
    """A statement about this image's digest whose cryptography holds.

    Attributes:
        predicate_type: of the signed bytes.
        statement: the signed bytes.
    """

    format: Format
    digest: Digest
    signer: Signer
    witness: Witness
    predicate_type: str
    statement: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a candidate says of itself. Nothing of it is proved: it is shown to people, and decides nothing.

    Attributes:
        key_hint: hex SHA-256 of the public key it names; "" where it names none.
        identity: who its certificate names, whoever issued that; None where there is none or it cannot be read.
        predicate_type: of its statement; "" where it has none.
    """

    key_hint: str = ""
    identity: Identity | None = None
    predicate_type: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A candidate that counts for nothing, and why.

    Attributes:
        attestation: whether it is stored as an attestation; None where that cannot be told.
        claim: what it says of itself, where somebody asked to be shown.
        remedy: where the code does not say it.
    """

    format: Format
    digest: Digest
    code: Code
    reason: str
    attestation: bool | None = None
    claim: Claim = Claim()
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A place that could not be asked: while there is one, "none found" is not known to be true.

    Attributes:
        trust: the name of the trust root that could not be had: it matters to those who trust it; "" to everybody.
        hurried: as `EvidenceUnavailable`.
    """

    code: Code
    message: str
    remedy: str
    trust: str = ""
    hurried: bool = False

    @classmethod
    def of(cls, error: EvidenceUnavailable, trust: str = "") -> Unavailable:
        """Why not."""
        return cls(error.code, error.message, error.remedy, trust, error.hurried)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one digest's signatures and attestations.

    Attributes:
        partial: there may be more, which was not waited for: to be used only where this suffices.
        passed_over: predicate types that attestations say they have and no rule wants: they were not read, and nothing
            of it is proved.
        hurried: something is not known, or stands in, for want of time: with more there might be more.
        stale: that a listing of before stands in for a registry that cannot be reached, for people; "" where none does.
    """

    signatures: tuple[VerifiedSignature, ...] = ()
    attestations: tuple[VerifiedAttestation, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    unavailable: tuple[Unavailable, ...] = ()
    partial: bool = False
    stale: str = ""
    hurried: bool = False
    passed_over: tuple[str, ...] = ()
