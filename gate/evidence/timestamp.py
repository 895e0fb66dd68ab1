"""Timestamps by a timestamping authority (RFC 3161)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from gate.codes import Code
from gate.errors import ParseError
from gate.evidence.certificate import check_window, find_path, heeding_others
from gate.evidence.facts import TimeSource, VerifiedTime
from gate.evidence.limits import MAX_STAMP_CERTIFICATES, MAX_TIMESTAMP
from gate.evidence.refusal import Refused
from gate.trust.authority import parse_certificate
from gate.trust.window import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rfc3161_client.tsp import TimeStampResponse

    from gate.trust.authority import Authority
    from gate.trust.window import Window

_OTHER_BYTES: Final = "Mismatch between messages"  # as rfc3161-client says it
_VERSIONS: Final = (3, 1)
"""Of the signed data, as what is signed is no plain data; and of its signer, who is named by issuer and serial number.
Nobody signs them, and the library does not look."""


def verify_timestamp(der: bytes, message: bytes, authorities: Sequence[Authority]) -> VerifiedTime:
    """The time that a timestamp proves `message` existed at.

    Args:
        der: the TimeStampResp.
        message: what its imprint is over.
        authorities: the timestamping services that are trusted.

    Raises:
        Refused: TIMESTAMP_INVALID, with the step that failed.
    """
    from rfc3161_client import decode_timestamp_response  # noqa: PLC0415 - most signatures have none

    if len(der) > MAX_TIMESTAMP:
        raise _invalid(f"it has {len(der)} bytes; at most {MAX_TIMESTAMP} are read")
    try:
        response = decode_timestamp_response(der)
        at = response.tst_info.gen_time
        embedded = [parse_certificate(c) for c in sorted(response.signed_data.certificates)]
        infos = list(response.signed_data.signer_infos)
        signers = [(s.issuer, s.serial_number) for s in infos]
        versions = (response.signed_data.version, *(s.version for s in infos))
    except (ValueError, TypeError, KeyError, ParseError) as error:
        raise _invalid(f"it cannot be read: {str(error)[:150]}") from error
    if len(embedded) > MAX_STAMP_CERTIFICATES:
        raise _invalid(f"it holds {len(embedded)} certificates; at most {MAX_STAMP_CERTIFICATES} are read")
    if len(signers) != 1:
        raise _invalid(f"it has {len(signers)} signers, expected one")
    if versions != _VERSIONS:
        raise _invalid("its versions are not those of a timestamp by a certificate (RFC 5652, 5.1 and 5.3)")
    reasons: list[str] = []
    for authority in authorities:
        try:
            signer = _signer(authority, embedded, signers[0])
            _check_signer(authority, signer, embedded, at, authorities)
            _check_signature(response, message, signer, authority)
        except Refused as refused:
            reasons.append(refused.reason)
        else:
            return VerifiedTime(at, TimeSource.TSA, authority.name)
    raise _invalid("; ".join(dict.fromkeys(reasons)) or "no timestamping authority is trusted here")


def _signer(
    authority: Authority, embedded: Sequence[x509.Certificate], named: tuple[x509.Name, int]
) -> x509.Certificate:
    """The certificate that the signature itself names by issuer and serial number, and no other.

    It is the first of the authority's chain where that has a signing certificate; one that came with the timestamp
    counts only for an authority whose chain has none (CVE-2026-33753: another service's leaf).
    """
    first = authority.certificates[0]
    if not _may_issue(first):
        if (first.issuer, first.serial_number) != named:
            raise _invalid(f"it is not by {authority.name}")
        return first
    for certificate in embedded:
        if (certificate.issuer, certificate.serial_number) == named:
            return certificate
    raise _invalid("the certificate that it names as its signer is not at hand")


def _check_signer(
    authority: Authority,
    signer: x509.Certificate,
    embedded: Sequence[x509.Certificate],
    at: datetime,
    authorities: Sequence[Authority],
) -> None:
    """Valid then, for timestamping and nothing else, and by a path to this very authority's root."""
    try:
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as error:
        raise _invalid("its signer's certificate has no extended key usage") from error
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise _invalid("its signer's extended key usage is not timestamping alone, critical (RFC 3161, 2.3)")
    try:
        if signer == authority.certificates[0]:
            check_window(authority, _own_window(authority), [at])
        else:
            path = find_path(signer, embedded, [authority], [at], ExtendedKeyUsageOID.TIME_STAMPING)
            heeding_others(path, authorities, [at])
    except Refused as refused:
        raise _invalid(refused.reason) from refused


@lru_cache(maxsize=256)
def _own_window(authority: Authority) -> Window:
    """When an authority's own signer and the path above it are valid: the same for every timestamp."""
    lasting = replace(authority, window=ALWAYS)
    path = find_path(authority.certificates[0], (), [lasting], (), ExtendedKeyUsageOID.TIME_STAMPING)
    return path.window.within(authority.window)


def _check_signature(
    response: TimeStampResponse, message: bytes, signer: x509.Certificate, authority: Authority
) -> None:
    from rfc3161_client import VerificationError, VerifierBuilder  # noqa: PLC0415 - as above

    verifier = VerifierBuilder(
        tsa_certificate=signer,
        # It builds a path of its own, which `_check_signer` has found already.
        intermediates=[c for c in authority.certificates[:-1] if c != signer],
        roots=[authority.root],
    ).build()
    try:
        verifier.verify_message(response, message)
    except (VerificationError, ValueError) as error:
        said = str(error)[:150].removesuffix(".")
        raise _invalid("it is about other bytes" if said == _OTHER_BYTES else said) from error


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _invalid(reason: str) -> Refused:
    return Refused(Code.TIMESTAMP_INVALID, reason)
