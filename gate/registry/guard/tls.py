"""TLS with registries and proxies: which authorities are believed, who we say we are, and what it means if it fails.

A context takes 26 ms to make: hosts with the same files share one. Files are renewed in use: a Secret swaps a symlink.
"""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable, UsageError
from gate.local import read_local
from gate.registry.guard.tls_stream import TlsStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.registry.guard.hosts import Hosts
    from gate.registry.guard.sockets import Stream

_QUIET: Final = 10.0  # seconds between looks at a file
_GRACE: Final = 60.0  # seconds for whoever renews files to finish
_MOST: Final = 4 * 1024 * 1024  # bytes of a file
_SHOWN: Final = 5  # names of a certificate

# The codes of OpenSSL's x509_vfy.h.
_UNKNOWN: Final = frozenset({2, 7, 18, 19, 20, 21})  # 7: an authority of that name, with another key
_NOT_YET: Final = 9
_EXPIRED: Final = 10
_OTHER_NAME: Final = frozenset({62, 64})

# Reasons of OpenSSL's sslerr.h. An alert is what the other side thinks of us.
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"})
_TOO_OLD: Final = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "VERSION_TOO_LOW"})
_WANTED: Final = frozenset({"TLSV13_ALERT_CERTIFICATE_REQUIRED"})
_OURS: Final = frozenset(
    {
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_ACCESS_DENIED",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
    }
)
_PERHAPS: Final = "SSLV3_ALERT_HANDSHAKE_FAILURE"  # of old, also for a certificate that was wanted

# What servers say where HTTP tells of TLS: nginx's ngx_http_special_response.c, Go's net/http/server.go.
_NONE_SENT: Final = b"No required SSL certificate was sent"
_NOT_TAKEN: Final = b"The SSL certificate error"
_PLAIN_TO_TLS: Final = (b"plain HTTP request was sent to HTTPS port", b"Client sent an HTTP request to an HTTPS server")


@dataclass(frozen=True, slots=True)
class Files:
    """What a host's TLS is made of, beside the system's authorities.

    Attributes:
        authority: PEM, of further authorities.
        certificate: PEM, our own chain and its private key.
    """

    authority: str | None = None
    certificate: tuple[str, str] | None = None

    @classmethod
    def of(cls, hosts: Hosts, host: str, *, identified: bool = True) -> Files:
        """Those of `host[:port]`; unless `identified`, nothing that says who we are."""
        return cls(hosts.authorities.get(host), hosts.client_certificates.get(host) if identified else None)

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return (*((self.authority,) if self.authority else ()), *(self.certificate or ()))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A context and what the files were like at the last look; `problem`: message and remedy since an instant."""

    context: ssl.SSLContext | None
    state: tuple[object, ...]
    looked: float
    problem: tuple[str, str] | None = None
    since: float = 0.0


class Contexts:
    """Makes each context once, and again when its files change. Thread-safe.

    Files that turn bad while in use leave the context that was good for `_GRACE` seconds: certificate and key are two
    files, and not everybody swaps both at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is monotonic, in seconds. Nothing is read."""
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Files, _Kept] = {}

    def get(self, files: Files) -> ssl.SSLContext:
        """The context; another one than the last time where files have changed.

        Raises:
            UsageError: a file that can't be used, by its name; nothing of what is in it.
        """
        now = self._clock()
        kept = self._kept.get(files)
        if kept is None or now - kept.looked >= _QUIET:
            kept = self._look(files, now)
        if kept.context is None or (kept.problem and now - kept.since >= _GRACE):
            assert kept.problem is not None
            raise UsageError(kept.problem[0], remedy=kept.problem[1])
        return kept.context

    def renewed(self, files: Files) -> bool:
        """Whether there is another context than before, now that TLS failed: the files are looked at at once."""
        before = self._kept.get(files)
        after = self._look(files, self._clock(), anyway=True)
        return before is not None and after.context is not before.context

    def _look(self, files: Files, now: float, *, anyway: bool = False) -> _Kept:
        with self._lock:
            kept = self._kept.get(files)
            if kept is not None and not anyway and now - kept.looked < _QUIET:
                return kept  # another thread was faster
            state = tuple(_state(path) for path in (*files.paths, ssl.get_default_verify_paths().cafile) if path)
            if kept is not None and kept.problem is None and kept.state == state:
                found = replace(kept, looked=now)
            else:
                found = _made(files, state, kept, now)
            self._kept[files] = found
            return found


def _made(files: Files, state: tuple[object, ...], kept: _Kept | None, now: float) -> _Kept:
    try:
        return _Kept(_context(files), state, now)
    except UsageError as error:
        problem = (error.message, error.remedy)
        since = kept.since if kept and kept.problem else now
        return _Kept(kept.context if kept else None, state, now, problem, since)


def check_files(hosts: Hosts) -> None:
    """Read all files that hosts are named with, at start, so that what is wrong is said before the first image.

    Raises:
        UsageError: as `Contexts.get`.
    """
    contexts = Contexts()
    for host in sorted({*hosts.authorities, *hosts.client_certificates}):
        contexts.get(Files.of(hosts, host))


def _state(path: str) -> tuple[int, ...]:
    """What changes with a file, whether it is written anew or what its name leads to is swapped."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _context(files: Files) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # As containerd's Go has it: what is named as an authority need not sign itself, nor (Python 3.13 is stricter)
    # have the key identifiers that private authorities so often lack.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    if files.authority is not None:
        context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
        _add_authority(context, files.authority)
    if files.certificate is not None:
        _add_certificate(context, *files.certificate)
    return context


def _add_authority(context: ssl.SSLContext, file: str) -> None:
    remedy = "give a file with the authority's certificate in PEM form"
    _read(file, remedy)
    try:
        context.load_verify_locations(cafile=file)
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(f"{file} has no certificate of an authority that can be read", remedy=remedy) from error


def _add_certificate(context: ssl.SSLContext, file: str, key: str) -> None:
    remedy = "give the certificate's chain and its private key, each in PEM form"
    chain, private = _read(file, remedy), _read(key, remedy)
    if b"-----BEGIN CERTIFICATE-----" not in chain:
        raise UsageError(f"{file} has no certificate in PEM form", remedy=remedy)
    if b"PRIVATE KEY-----" not in private:
        raise UsageError(f"{key} has no private key in PEM form", remedy=remedy)
    asked: list[bool] = []

    def no_password() -> str:  # without it, OpenSSL asks the terminal
        asked.append(True)
        return ""

    try:
        context.load_cert_chain(file, key, no_password)
    except (OSError, ValueError) as error:
        if asked:
            remedy = "give the private key without a password"
            raise UsageError(f"the private key in {key} has a password", remedy=remedy) from None
        if isinstance(error, ssl.SSLError) and error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
            raise UsageError(f"{key} is not the private key of the certificate in {file}", remedy=remedy) from error
        why = error.reason if isinstance(error, ssl.SSLError) and error.reason else "it is damaged"
        raise UsageError(
            f"certificate {file} and key {key} can't be used: {why.replace('_', ' ').lower()}", remedy=remedy
        ) from None


def _read(file: str, remedy: str) -> bytes:
    try:
        content = read_local(file, _MOST)
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}", remedy=remedy) from error
    if len(content) > _MOST:
        raise UsageError(f"{file} has more than {_MOST} bytes", remedy=remedy)
    return content


@dataclass(frozen=True, slots=True)
class Peer:
    """Who TLS was spoken with.

    Attributes:
        name: `host[:port]` as flags name it.
        shown: in messages; for a registry behind a proxy with both.
        files: that TLS was made of.
        is_proxy: itself.
    """

    name: str
    shown: str
    files: Files
    is_proxy: bool = False

    @property
    def owner(self) -> str:
        """Whose certificate it is."""
        return "proxy" if self.is_proxy else "registry"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a certificate says that nobody vouches for: words for a message, and no more.

    Attributes:
        names: it is for.
        issuer: who signed it.
        until: its last day.
    """

    names: tuple[str, ...]
    issuer: str
    until: str


def is_about_certificate(error: ssl.SSLError) -> bool:
    """Whether it helps to have `Seen` the certificate."""
    return isinstance(error, ssl.SSLCertVerificationError)


def see_unverified(stream: Stream, host: str) -> Seen | None:
    """The certificate that a server shows, whoever it may be: nothing is sent to it. The stream is closed.

    Raises:
        OSError: it shows none.
    """
    from cryptography import x509  # noqa: PLC0415 - for a failure's message only

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    secured = TlsStream(stream, context, host)
    encoded = secured.encoded_certificate
    secured.close()
    if encoded is None:
        return None
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        until = certificate.not_valid_after_utc.date().isoformat()
        issuer = certificate.issuer.rfc4514_string()
    except ValueError:
        return None
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(name.value) for name in san if isinstance(name, (x509.DNSName, x509.IPAddress))]
    except (ValueError, x509.ExtensionNotFound):
        names = []
    return Seen(tuple(map(_harmless, names)), _harmless(issuer), until)


def _harmless(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text[:100])


def failure(error: ssl.SSLError, peer: Peer, seen: Seen | None = None) -> EvidenceUnavailable:
    """What failed and what helps, as REGISTRY_UNREACHABLE."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why, remedy = _their_certificate(error, peer, seen)
    else:
        why, remedy = _handshake(error, peer)
    return EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, f"TLS with {peer.shown} failed: {why}", remedy=remedy)


def _their_certificate(error: ssl.SSLCertVerificationError, peer: Peer, seen: Seen | None) -> tuple[str, str]:
    code, file = error.verify_code, peer.files.authority
    if code in _UNKNOWN:
        issuer = f", {seen.issuer}" if seen and seen.issuer else ""
        also = f" and is not in {file}" if file else ""
        why = f"the authority that signed its certificate{issuer}, is not known here{also}"
        if file:
            return why, f"put the right authority into {file} (--registry-ca {peer.name}=FILE)"
        return why, f"for a private authority pass --registry-ca {peer.name}=FILE"
    if code == _EXPIRED:
        until = f"; its own is good until {seen.until}" if seen else ""
        return f"its certificate, or one above it, has expired{until}", f"renew the {peer.owner}'s certificate"
    if code == _NOT_YET:
        return "its certificate is not valid yet", "check the clock of this machine, then the certificate"
    if code in _OTHER_NAME:
        return (
            f"its certificate is {_for_names(seen)} and not for {peer.name}",
            f"use a name that the {peer.owner}'s certificate has, or have this one put into it",
        )
    return str(error.verify_message)[:200], f"have the {peer.owner}'s certificate issued anew"


def _for_names(seen: Seen | None) -> str:
    if seen is None:
        return "for another name"
    if not seen.names:
        return "for no name at all"
    more = len(seen.names) - _SHOWN
    return f"for {', '.join(seen.names[:_SHOWN])}{f' and {more} more' if more > 0 else ''}"


def _handshake(error: ssl.SSLError, peer: Peer) -> tuple[str, str]:
    reason = error.reason or ""
    if reason in _NO_TLS:
        if peer.is_proxy:
            return "it does not speak TLS", "write http:// for the proxy, if that is what it speaks"
        if peer.shown != peer.name:
            return "what answers does not speak TLS", "see that the proxy opens tunnels, and wants no login by browser"
        return "it does not speak TLS", f"for plain HTTP pass --insecure-registry {peer.name}"
    if reason in _TOO_OLD:
        return "it speaks no TLS 1.2 or later", f"let the {peer.owner} speak TLS 1.2 or 1.3"
    if reason in _WANTED | _OURS:
        return _our_certificate(reason, peer)
    if isinstance(error, ssl.SSLEOFError):
        return "it ended the connection", f"look at the log of the {peer.owner}"
    return (reason.replace("_", " ").lower() or str(error)[:200]), f"look at the log of the {peer.owner}"


def _our_certificate(reason: str, peer: Peer) -> tuple[str, str]:
    perhaps = "perhaps " if reason == _PERHAPS else ""
    if peer.files.certificate is None or reason in _WANTED:
        return f"it {perhaps}wants a client certificate", _give(peer)
    why = reason.partition("ALERT_")[2].replace("_", " ").lower()
    file = peer.files.certificate[0]
    refused = f"it {perhaps}does not take the client certificate {file} ({why})"
    return refused, f"put one into {file} that the {peer.owner} takes"


def _give(peer: Peer) -> str:
    return f"give the clientCert of {peer.name} in a GateConfig (--config FILE, or among the policies)"


def told_by_http(peer: Peer, body: bytes, *, secured: bool) -> EvidenceUnavailable | None:
    """What a status 400 says of TLS, as servers do that notice only once they read the request."""
    if secured and _NONE_SENT in body:
        why, remedy = "it wants a client certificate", _give(peer)
    elif secured and _NOT_TAKEN in body and peer.files.certificate:
        file = peer.files.certificate[0]
        why, remedy = f"it does not take the client certificate {file}", f"put one into {file} that the registry takes"
    elif not secured and any(text in body for text in _PLAIN_TO_TLS):
        why, remedy = "it speaks TLS, and was asked in plain HTTP", f"leave out --insecure-registry {peer.name}"
    else:
        return None
    return EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, f"{peer.shown} was not asked: {why}", remedy=remedy)
