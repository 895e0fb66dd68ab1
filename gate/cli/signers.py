"""The flags that say who must have signed, as cosign names them, and the signers that they amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from gate.errors import ParseError, UsageError
from gate.local import read_local, shown
from gate.policy.identity import IdentityPattern, TextPattern
from gate.policy.policy import Kept
from gate.policy.reading.schema.parts import is_tag_prefix
from gate.policy.signers import CertificateSpec, KeylessSpec, KeySpec, LogUse
from gate.policy.trust import SIGSTORE, PrivateAuthorities
from gate.settings import parse_reference
from gate.trust.authority import MAX_PEM, parse_pem_certificates
from gate.trust.key import MAX_KEY, PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.deadline import Deadline
    from gate.policy.signers import SignerSpec

_T = TypeVar("_T")
_FLAGS: Final[tuple[Any, ...]] = (
    click.option("--key", "keys", multiple=True, metavar="FILE", help="A PEM public key; of several, any suffices."),
    click.option("--certificate-identity", metavar="ID", help="Who the certificate has to name: a URI or an address."),
    click.option("--certificate-identity-regexp", metavar="RE", help="The same as RE2, matched from end to end."),
    click.option("--certificate-oidc-issuer", metavar="URL", help="Who has to have vouched for them."),
    click.option("--certificate-oidc-issuer-regexp", metavar="RE", help="The same as RE2, matched from end to end."),
    click.option("--ca-roots", metavar="FILE", help="PEM roots of a private PKI, instead of the trusted root's."),
    click.option("--ca-intermediates", metavar="FILE", help="PEM intermediates of that PKI."),
    click.option("--insecure-ignore-tlog", is_flag=True, help="Do not ask for transparency log entries."),
    click.option("--insecure-ignore-sct", is_flag=True, help="Do not ask that a CT log has seen the certificate."),
)


_KEPT: Final[tuple[Any, ...]] = (
    click.option("--signature-repository", metavar="REPO", help="Where signatures are kept, if not beside the image."),
    click.option(
        "--attachment-tag-prefix", metavar="PREFIX", default="", help="What the tags of signatures begin with."
    ),
)


def kept_flags(command: Any) -> Any:
    """The flags that say where an image's signatures are."""
    for flag in reversed(_KEPT):
        command = flag(command)
    return command


def kept_of(flags: dict[str, Any]) -> Kept:
    """Where signatures are looked for.

    Raises:
        UsageError: a flag that cannot be used.
    """
    prefix, named = flags["attachment_tag_prefix"], flags["signature_repository"]
    if prefix and not is_tag_prefix(prefix):
        raise UsageError(
            f"--attachment-tag-prefix {prefix[:100]!r}", remedy="write letters, digits, and . _ - between, at most 52"
        )
    reference = parse_reference(named) if named else None
    if reference and (reference.tag or reference.digest):
        raise UsageError(f"--signature-repository {named} has a tag or digest", remedy=f"write {reference.name}")
    return Kept(reference.name if reference else None, prefix)


def signer_flags(command: Any) -> Any:
    """The flags of `verify` and `verify-blob` that say who must have signed."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def signers_of(flags: dict[str, Any], deadline: Deadline) -> dict[str, SignerSpec]:
    """The signers, any of whom suffices.

    Raises:
        UsageError: none, two kinds of them, a part of one is missing, or a file that cannot be used.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    certificate = [name for name in _CERTIFICATE if flags[name]]
    if flags["keys"] and certificate:
        raise UsageError(f"--key and {_flag(certificate[0])} are two ways to name a signer", remedy="give one of them")
    if flags["keys"]:
        log = LogUse.IGNORE if flags["insecure_ignore_tlog"] else LogUse.OPTIONAL
        return {file: KeySpec(file, key, log) for file, key in read_keys(flags["keys"], deadline).items()}
    if not certificate:
        raise UsageError(
            "nobody to verify against",
            remedy="give --key FILE, or --certificate-identity with --certificate-oidc-issuer",
        )
    return _by_certificate(flags, deadline)


def read_keys(files: Sequence[str], deadline: Deadline) -> dict[str, PublicKey]:
    """The public keys of some files.

    Raises:
        UsageError: one that cannot be used.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    return {file: _read(file, MAX_KEY, "--key", PublicKey.parse, deadline) for file in files}


_CERTIFICATE: Final = (
    "certificate_identity",
    "certificate_identity_regexp",
    "certificate_oidc_issuer",
    "certificate_oidc_issuer_regexp",
    "ca_roots",
    "ca_intermediates",
)


def _by_certificate(flags: dict[str, Any], deadline: Deadline) -> dict[str, SignerSpec]:
    subject = _pattern(flags, "certificate_identity")
    issuer = _pattern(flags, "certificate_oidc_issuer")
    if subject is None:
        raise UsageError("no --certificate-identity", remedy="say who the certificate has to name")
    log = LogUse.IGNORE if flags["insecure_ignore_tlog"] else LogUse.REQUIRED
    sct = not flags["insecure_ignore_sct"]
    name = str(subject)
    if flags["ca_roots"]:
        authorities = read_authorities(flags["ca_roots"], flags["ca_intermediates"], deadline, sct=sct)
        identity = IdentityPattern(subject, issuer)
        return {name: CertificateSpec(name, identity, authorities, log, timestamp=False, sct=sct)}
    if flags["ca_intermediates"]:
        raise UsageError("--ca-intermediates without --ca-roots", remedy="intermediates are trusted by their root only")
    if issuer is None:
        raise UsageError(
            "no --certificate-oidc-issuer",
            remedy="say who has to have vouched for the identity: anybody may call himself so elsewhere",
        )
    return {name: KeylessSpec(name, IdentityPattern(subject, issuer), SIGSTORE, log, sct=sct)}


def _pattern(flags: dict[str, Any], name: str) -> TextPattern | None:
    exact, regex = flags[name], flags[f"{name}_regexp"]
    if exact and regex:
        raise UsageError(f"{_flag(name)} and {_flag(name)}-regexp", remedy="give one of them")
    if not regex:
        return TextPattern(exact) if exact else None
    try:
        return TextPattern.parse_regex(regex)
    except ParseError as error:
        raise UsageError(f"{_flag(name)}-regexp: {error.message}", remedy=error.remedy) from error


def read_authorities(roots: str, intermediates: str | None, deadline: Deadline, *, sct: bool) -> PrivateAuthorities:
    """The private PKI of some files, with the public-good logs and timestamps.

    Raises:
        UsageError: one that cannot be used.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    between: tuple[bytes, ...] = ()
    if intermediates:
        between = _read(intermediates, MAX_PEM, "--ca-intermediates", parse_pem_certificates, deadline)
    found = _read(roots, MAX_PEM, "--ca-roots", parse_pem_certificates, deadline)
    try:
        return PrivateAuthorities.of(roots, found, between, SIGSTORE, ct=sct)
    except ParseError as error:
        raise UsageError(f"--ca-roots {roots}: {error.message}", remedy=error.remedy) from error


def _read(file: str, limit: int, flag: str, parse: Callable[[bytes], _T], deadline: Deadline) -> _T:
    try:
        return parse(read_local(file, limit, deadline))
    except OSError as error:
        raise UsageError(f"{flag} {shown(file)} cannot be read: {error.strerror}", remedy="name a PEM file") from error
    except ParseError as error:
        raise UsageError(f"{flag} {file}: {error.message}", remedy=error.remedy or "name a PEM file") from error


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def pairs_of(texts: Sequence[str]) -> dict[str, str]:
    """`--annotation K=V` as a mapping.

    Raises:
        UsageError: one that is not K=V.
    """
    pairs = [text.partition("=") for text in texts]
    if not all(key and equals for key, equals, _ in pairs):
        raise UsageError("--annotation wants K=V", remedy="such as --annotation stage=prod")
    return {key: value for key, _, value in pairs}
