"""A timestamping authority (RFC 3161 over CMS, RFC 5652, with the signing certificate attribute of RFC 5816)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from tests.fakes.fulcio import AGES, AT, Issuer, Keypair, KeyType, Period, key_usage, leaf_builder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_POLICY: Final = "1.3.6.1.4.1.57264.2"
_TIME_STAMPING: Final = (ExtendedKeyUsageOID.TIME_STAMPING,)


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """A timestamping service: who signs first, its root last."""

    uri: str
    issuers: tuple[Issuer, ...]

    @classmethod
    def create(
        cls,
        name: str = "tsa.test",
        *,
        intermediate: bool = False,
        kind: KeyType = "P-256",
        signer_valid: Period = AGES,
        root_valid: Period = AGES,
        usages: Sequence[ObjectIdentifier] = _TIME_STAMPING,
        critical: bool = True,
    ) -> Self:
        """A new one: a root, an intermediate if wanted, and a certificate that signs timestamps."""
        root = Issuer.root(name, valid=root_valid)
        above = (root.intermediate(f"{name} intermediate"), root) if intermediate else (root,)
        return cls.below(name, above, kind=kind, valid=signer_valid, usages=usages, critical=critical)

    @classmethod
    def below(
        cls,
        name: str,
        above: tuple[Issuer, ...],
        *,
        kind: KeyType = "P-256",
        valid: Period = AGES,
        usages: Sequence[ObjectIdentifier] = _TIME_STAMPING,
        critical: bool = True,
    ) -> Self:
        """A certificate that signs timestamps, by the first of those above it."""
        key = Keypair.generate(kind)
        builder = leaf_builder(f"{name} signer", key, valid).add_extension(key_usage(signs=True), critical=True)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical)
        return cls(f"https://{name}/api/v1/timestamp", (Issuer(key, above[0].sign(builder)), *above))

    @property
    def signer(self) -> Issuer:
        """Who signs."""
        return self.issuers[0]

    def stamp(
        self,
        message: bytes,
        at: datetime = AT,
        *,
        embedded: Sequence[x509.Certificate] | None = None,
        hash_name: str = "sha256",
        imprint: bytes | None = None,
        named: x509.Certificate | None = None,
        key: Keypair | None = None,
        status: str = "granted",
    ) -> bytes:
        """DER of the TimeStampResp that says `message` existed.

        Args:
            message: what is stamped.
            at: when.
            embedded: the certificates inside; None is the signer's alone, () is none.
            hash_name: of the imprint.
            imprint: the hash that is stamped instead of the message's.
            named: whom the signature says it is by; None is the truth.
            key: what signs; None is the signer's.
            status: `granted`, or another PKIStatus.
        """
        certificate = named or self.signer.certificate
        info = _info(imprint or hashlib.new(hash_name, message).digest(), hash_name, at)
        key = key or self.signer.key
        inside = (self.signer.certificate,) if embedded is None else tuple(embedded)
        signed = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [_algorithm(key.hash.name)],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info.dump())},
                "signer_infos": [_signer_info(info.dump(), certificate, key, at)],
                **({"certificates": [_asn1(c) for c in inside]} if inside else {}),
            }
        )
        token = {"content_type": "signed_data", "content": signed}
        return bytes(tsp.TimeStampResp({"status": {"status": status}, "time_stamp_token": token}).dump())


def _info(imprint: bytes, hash_name: str, at: datetime) -> Any:
    return tsp.TSTInfo(
        {
            "version": "v1",
            "policy": _POLICY,
            "message_imprint": {"hash_algorithm": _algorithm(hash_name), "hashed_message": imprint},
            "serial_number": x509.random_serial_number(),
            "gen_time": at,
            "accuracy": {"seconds": 1},
        }
    )


def _signer_info(info: bytes, certificate: x509.Certificate, key: Keypair, at: datetime) -> Any:
    encoded = certificate.public_bytes(Encoding.DER)
    identified = tsp.SigningCertificateV2({"certs": [{"cert_hash": hashlib.sha256(encoded).digest()}]})
    attributes = cms.CMSAttributes(
        [
            _attribute("content_type", "tst_info"),
            _attribute("signing_time", cms.Time({"utc_time": at})),
            _attribute("message_digest", hashlib.new(key.hash.name, info).digest()),
            _attribute("signing_certificate_v2", identified),
        ]
    )
    parsed = _asn1(certificate)
    return cms.SignerInfo(
        {
            "version": "v1",
            "sid": {"issuer_and_serial_number": {"issuer": parsed.issuer, "serial_number": parsed.serial_number}},
            "digest_algorithm": _algorithm(key.hash.name),
            "signed_attrs": attributes,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": _signature_algorithm(key)}),
            "signature": key.sign(attributes.dump()),
        }
    )


def _attribute(kind: str, value: object) -> Any:
    return cms.CMSAttribute({"type": kind, "values": [value]})


def _algorithm(name: str) -> Any:
    return algos.DigestAlgorithm({"algorithm": name})


def _signature_algorithm(key: Keypair) -> str:
    return f"{key.hash.name}_{'rsa' if key.kind.startswith('RSA') else 'ecdsa'}"


def _asn1(certificate: x509.Certificate) -> Any:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
