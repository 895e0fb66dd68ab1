"""A signing certificate: its path to a trusted authority at the times of signing."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from gate.codes import Code
from gate.evidence.refusal import Refused
from gate.trust.window import Window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gate.trust.authority import Authority

_PLAIN_EXTENSIONS: Final = (
    x509.AuthorityKeyIdentifier,
    x509.BasicConstraints,
    x509.ExtendedKeyUsage,
    x509.KeyUsage,
    x509.SubjectKeyIdentifier,
)
_NOT_VALID_THEN: Final = "not valid at validation time"  # as the library says it


@dataclass(frozen=True, slots=True)
class CertificatePath:
    """A verified path.

    Attributes:
        authority: whose root it ends in.
        certificates: leaf first.
        window: when all of it and the authority are valid.
    """

    authority: Authority
    certificates: tuple[x509.Certificate, ...]
    window: Window

    @property
    def issuers(self) -> tuple[str, ...]:
        """Hex fingerprints of the keys above the leaf, the root's last."""
        return tuple(map(_key_of, self.certificates[1:]))


def find_path(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    authorities: Sequence[Authority],
    times: Sequence[datetime],
    usage: ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
) -> CertificatePath:
    """The path of a certificate to one authority, valid at every one of some times (RFC 5280, 6).

    Args:
        leaf: the certificate.
        intermediates: what came with it: they may be passed through and never trusted.
        authorities: who may issue; each is tried by itself, so that one's intermediate is not another's.
        times: when it signed, as far as that is verified. Without any, the moment it was issued is taken, and
            whoever uses the path has to look at its window.
        usage: the extended key usage that it must have.

    Raises:
        Refused: CERTIFICATE_EXPIRED: not valid at one of the times; CERTIFICATE_UNTRUSTED: anything else.
    """
    _check_usage(leaf, usage)
    own = Window(leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    for at in times:
        if not own.holds(at):
            raise Refused(
                Code.CERTIFICATE_EXPIRED, f"its certificate was valid from {own}, and it was signed at {_said(at)}"
            )
    reasons: list[Refused] = []
    expired: Refused | None = None
    for authority in authorities:
        try:
            moments = times or (leaf.not_valid_before_utc,)
            path = heeding_others(_path_to(authority, leaf, intermediates, moments, usage), authorities, moments)
        except Refused as refused:
            if refused.code is not Code.CERTIFICATE_EXPIRED:
                reasons.append(refused)
            elif expired is None and any(
                known.subject == leaf.issuer for known in (*authority.certificates, *intermediates)
            ):
                expired = refused
        else:
            return path
    # Of an authority that does not even bear its issuer's name, it says nothing that its time is over.
    raise expired or next(
        reversed(reasons),
        Refused(Code.CERTIFICATE_UNTRUSTED, "no certificate authority is trusted here"),
    )


def _path_to(
    authority: Authority,
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    times: Sequence[datetime],
    usage: ObjectIdentifier,
) -> CertificatePath:
    # The cheap look first: of several authorities most are of other years.
    check_window(authority, authority.window, times)
    # One key may be certified twice, for servers and for signing: the path is looked for among those that may sign.
    usable = [certificate for certificate in intermediates if _lets_sign(certificate, usage)]
    try:
        chain = _verified_chain(authority, leaf, usable, times[0])
    except Refused:
        if len(usable) == len(intermediates):
            raise
        chain = _verified_chain(authority, leaf, intermediates, times[0])  # it leads there, and is refused below
    if len(chain) < 2:  # noqa: PLR2004 - the leaf and who issued it
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"its certificate is {authority.name}'s own root")
    if not all(_lets_sign(certificate, usage) for certificate in chain[1:]):
        raise Refused(
            Code.CERTIFICATE_UNTRUSTED,
            f"a certificate between it and {authority.name} is not for {usage._name}",  # noqa: SLF001
        )
    window = authority.window
    for certificate in chain:
        window = window.within(Window(certificate.not_valid_before_utc, certificate.not_valid_after_utc))
    check_window(authority, window, times)
    return CertificatePath(authority, tuple(chain), window)


def heeding_others(
    path: CertificatePath, authorities: Sequence[Authority], times: Sequence[datetime]
) -> CertificatePath:
    """A path whose window heeds those of other authorities whose certificates it passes through.

    What was retired is retired, though whoever signs with it brings it along, and its successor has the same root.

    Raises:
        Refused: CERTIFICATE_EXPIRED: one of the times is outside such a window.
    """
    strangers = frozenset(map(_key_of, path.certificates)) - _keys_of(path.authority)
    window = path.window
    for other in authorities:
        if strangers & _keys_of(other):
            check_window(other, other.window, times)
            window = window.within(other.window)
    return replace(path, window=window)


@lru_cache(maxsize=256)
def _keys_of(authority: Authority) -> frozenset[str]:
    return frozenset(map(_key_of, authority.certificates))


@lru_cache(maxsize=512)
def _key_of(certificate: x509.Certificate) -> str:
    """Hex SHA-256 of its SubjectPublicKeyInfo."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


@lru_cache(maxsize=256)
def _lets_sign(certificate: x509.Certificate, usage: ObjectIdentifier) -> bool:
    """Whether an authority's extended key usage, where it has one, leaves a usage to those it certifies.

    RFC 5280 does not say so; everybody does (Go's, OpenSSL's and the web's verifiers): a sub-authority for TLS servers
    signs no images.
    """
    try:
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage in extended or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in extended


def check_window(authority: Authority, window: Window, times: Sequence[datetime]) -> None:
    """Compare times with when an authority, or a path to it, was valid.

    Raises:
        Refused: CERTIFICATE_EXPIRED: one of them is outside.
    """
    outside = next((at for at in times if not window.holds(at)), None)
    if outside is not None:
        raise Refused(
            Code.CERTIFICATE_EXPIRED,
            f"{authority.name} and its certificates were valid from {window}, and it was signed at {_said(outside)}",
        )


def _verified_chain(
    authority: Authority, leaf: x509.Certificate, intermediates: Sequence[x509.Certificate], at: datetime
) -> list[x509.Certificate]:
    """Leaf first; every link and constraint holds, and at `at` every validity."""
    issuer = _proven_issuer(authority)
    if issuer is not None and leaf.issuer == issuer.subject:
        try:
            _search(authority, issuer, leaf, (), at)
        except Refused:
            pass  # another path may hold, by what came with it; else that says why not
        else:
            return [leaf, *authority.certificates]
    known = [*authority.certificates[:-1], *intermediates]
    return _search(authority, authority.root, leaf, [c for c in known if c != authority.root], at)


def _search(
    authority: Authority,
    anchor: x509.Certificate,
    leaf: x509.Certificate,
    between: Sequence[x509.Certificate],
    at: datetime,
) -> list[x509.Certificate]:
    verifier = (
        PolicyBuilder()
        .store(Store([anchor]))
        .time(at)
        .extension_policies(ca_policy=_authority_policy(), ee_policy=_leaf_policy())
        .build_client_verifier()
    )
    try:
        return list(verifier.verify(leaf, list(between)).chain)
    except (VerificationError, x509.UnsupportedGeneralNameType, ValueError) as error:
        cause = _plain(str(error))
        code = Code.CERTIFICATE_EXPIRED if _NOT_VALID_THEN in cause else Code.CERTIFICATE_UNTRUSTED
        raise Refused(code, f"its certificate does not lead to {authority.name}: {cause}") from error


def _plain(said: str) -> str:
    """What the library says, without its dumps of certificates and of its own insides."""
    cause = said.partition(" (encountered processing")[0].removeprefix("validation failed: ")
    if "no interior errors" in cause:
        return "no certificate at hand leads there"
    cause = cause.removeprefix("candidates exhausted: ").removeprefix("Python extension validator failed: ValueError: ")
    return cause.partition(": AlgorithmIdentifier")[0][:150]


@lru_cache(maxsize=256)
def _proven_issuer(authority: Authority) -> x509.Certificate | None:
    """The first of an authority's chain, where that chain holds by itself and constrains nobody's names.

    Its links are the same for every signature: to verify them each time is half of what a signature costs. The times
    of all of them are looked at for each signature all the same.
    """
    for below, (child, parent) in enumerate(itertools.pairwise(authority.certificates)):
        try:
            child.verify_directly_issued_by(parent)
        except (ValueError, TypeError, InvalidSignature):
            return None
        if not (_is_plain_authority(child, below) and _is_plain_authority(parent, below + 1)):
            return None
    return authority.certificates[0] if len(authority.certificates) > 1 else None


def _is_plain_authority(certificate: x509.Certificate, below: int) -> bool:
    """Whether it may issue, with so many authorities below it, and says nothing else that would have to be heeded."""
    if not all(isinstance(extension.value, _PLAIN_EXTENSIONS) for extension in certificate.extensions):
        return False
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    fits = basic.value.path_length is None or basic.value.path_length >= below
    return basic.critical and basic.value.ca and usage.key_cert_sign and fits


def _authority_policy() -> ExtensionPolicy:
    """An authority says that it is one, and where it says what its key is for, that is to certify.

    More is the web's; private PKIs leave key usages out, and OpenSSL's own roots have none. Names and path lengths are
    heeded in any case, and `_lets_sign` looks at extended key usages.
    """
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_certify)
    )


def _may_certify(_policy: object, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("keyUsage.keyCertSign must be asserted in a CA certificate")


def _leaf_policy() -> ExtensionPolicy:
    return (
        ExtensionPolicy.webpki_defaults_ee()
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
        .may_be_present(x509.AuthorityKeyIdentifier, Criticality.AGNOSTIC, None)
        .may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    )


def _check_usage(leaf: x509.Certificate, usage: ObjectIdentifier) -> None:
    try:
        extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, "its certificate has no extended key usage") from error
    if usage not in extended:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"its certificate is not for {usage._name}")  # noqa: SLF001
    try:
        key_usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not key_usage.digital_signature:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, "its certificate's key is not for digital signatures")


def _said(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
