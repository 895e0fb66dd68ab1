"""Who a signing certificate names, and what Fulcio says of the workflow it was issued to."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from gate.codes import Code
from gate.evidence.facts import FulcioClaims, Identity
from gate.evidence.limits import MAX_NAMES
from gate.evidence.refusal import Refused

_FULCIO: Final = "1.3.6.1.4.1.57264.1"
_OTHER_NAME: Final = ObjectIdentifier(f"{_FULCIO}.7")
_ISSUER_V1: Final = f"{_FULCIO}.1"
_ISSUER_V2: Final = f"{_FULCIO}.8"
# sigstore/fulcio, docs/oid-info.md: values from .8 on are DER, UTF8String.
_CLAIMS: Final = {
    f"{_FULCIO}.9": "build_signer_uri",
    f"{_FULCIO}.10": "build_signer_digest",
    f"{_FULCIO}.11": "runner_environment",
    f"{_FULCIO}.12": "source_repository_uri",
    f"{_FULCIO}.13": "source_repository_digest",
    f"{_FULCIO}.14": "source_repository_ref",
    f"{_FULCIO}.15": "source_repository_id",
    f"{_FULCIO}.16": "source_repository_owner_uri",
    f"{_FULCIO}.17": "source_repository_owner_id",
    f"{_FULCIO}.18": "build_config_uri",
    f"{_FULCIO}.19": "build_config_digest",
    f"{_FULCIO}.20": "build_trigger",
    f"{_FULCIO}.21": "run_invocation_uri",
    f"{_FULCIO}.22": "source_repository_visibility",
}
_UTF8_STRING: Final = 0x0C


def identity_of(leaf: x509.Certificate) -> Identity:
    """Who a certificate names.

    Raises:
        Refused: CERTIFICATE_UNTRUSTED: nobody, too many, or an extension that is not what it has to be.
    """
    values = {
        e.oid.dotted_string: e.value.value for e in leaf.extensions if isinstance(e.value, x509.UnrecognizedExtension)
    }
    issuer = _text(values[_ISSUER_V2]) if _ISSUER_V2 in values else _raw(values.get(_ISSUER_V1, b""))
    claims = {name: _text(values[oid]) for oid, name in _CLAIMS.items() if oid in values}
    subjects = _subjects(leaf)
    if not subjects:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, "its certificate names no URI, e-mail address or user")
    return Identity(issuer, subjects, FulcioClaims(**claims))


def _subjects(leaf: x509.Certificate) -> tuple[str, ...]:
    """URIs, then e-mail addresses, then Fulcio's user names."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    if len(names) > MAX_NAMES:
        raise Refused(
            Code.CERTIFICATE_UNTRUSTED, f"its certificate has {len(names)} names; at most {MAX_NAMES} are read"
        )
    uris = [n.value for n in names if isinstance(n, x509.UniformResourceIdentifier)]
    mails = [n.value for n in names if isinstance(n, x509.RFC822Name)]
    users = [_text(n.value) for n in names if isinstance(n, x509.OtherName) and n.type_id == _OTHER_NAME]
    return tuple(text for text in (*uris, *mails, *users) if text)


def _text(der: bytes) -> str:
    """A DER UTF8String that fills `der`."""
    if len(der) < 2 or der[0] != _UTF8_STRING:  # noqa: PLR2004 - tag and length
        raise Refused(Code.CERTIFICATE_UNTRUSTED, "an extension of its certificate is no UTF8String")
    length, start = der[1], 2
    if length & 0x80:
        count = length & 0x7F
        start += count
        length = int.from_bytes(der[2:start], "big")
        if not 1 <= count <= 2 or length < 0x80:  # noqa: PLR2004 - DER: as short as can be
            raise Refused(Code.CERTIFICATE_UNTRUSTED, "an extension of its certificate has a malformed length")
    if len(der) - start != length:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, "an extension of its certificate has a wrong length")
    return _raw(der[start:])


def _raw(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, "an extension of its certificate is not UTF-8") from error
    if not text.isprintable():
        raise Refused(Code.CERTIFICATE_UNTRUSTED, "an extension of its certificate holds control characters")
    return text
