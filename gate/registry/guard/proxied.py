"""What is said to a proxy, and what may be asked through one.

Behind a proxy it is the proxy that resolves names, and many networks that have one have no DNS for anybody else. What
`Hosts.check_address` refuses by a target's address can then be told from its name alone, and `check_target` holds:
an address, in whatever spelling, is checked before the proxy hears of it; `*.localhost` counts as 127.0.0.1 and the
names of clouds' metadata services as 169.254.169.254; a bare name, and one below a domain that is never public, is
private and has to be named by the operator. What cannot hold: a public name with a private address is the proxy's to
refuse. Names are not looked up here as well: where the answer matters there is none, or not the proxy's.

A proxy's refusal is never taken for the registry's answer. Through a tunnel that can't happen; of what is asked in
plain HTTP only the proxy can say that an answer is its own, and `check_forwarded` believes it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Final, NoReturn

from gate import __version__
from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.guard.proxies import ascii_name, bracketed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.registry.guard.hosts import Hosts
    from gate.registry.guard.origin import Origin
    from gate.registry.guard.proxies import Proxy

_NAME: Final = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_ANSWER: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r?\n((?:[^\r\n]+\r?\n)*)\r?\n", re.DOTALL)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,30}(?=[ ,]|$)", re.ASCII)
_HTTP_PORT: Final = 80
_AUTHENTICATION: Final = 407
_FORBIDDEN: Final = 403
# The last label of a public name: letters, or an internationalized one (RFC 3696, 2; RFC 5890).
_TOP_LEVEL: Final = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}", re.ASCII)
# Those that are nobody's on the Internet.
_NEVER_PUBLIC: Final = frozenset(
    {
        *("test", "invalid", "example", "localhost", "local"),  # RFC 6761, RFC 6762
        *("onion", "alt", "arpa"),  # RFC 7686, RFC 9476; home.arpa is RFC 8375's, and no host is below the rest
        "internal",  # ICANN, 2024: for private use
        *("corp", "home", "mail"),  # ICANN, 2018: never delegated, for too many networks use them
        *("intranet", "private", "lan"),  # RFC 6762, appendix G
        *("localdomain", "domain", "workgroup", "intra", "priv", "dmz", "vpn", "router", "gateway"),  # of habit
        *("svc", "pod", "default", "cluster", "k8s", "consul", "nomad", "docker", "i2p"),  # of software
    }
)
_METADATA: Final = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "instance-data",
        "instance-data.ec2.internal",
    }
)


def check_target(hosts: Hosts, name: str, host: str) -> None:
    """Refuse a target that a proxy must not be asked for, as far as its name tells (see the module).

    Args:
        hosts: what the operator names.
        name: `host[:port]` as the operator would.
        host: as in the URL, IPv6 without brackets.

    Raises:
        EvidenceUnavailable: REGISTRY_UNREACHABLE, or REGISTRY_PROTOCOL where it is no name of a host.
    """
    plain = sent_name(host).lower().rstrip(".")
    address = _any_spelling(plain)
    if plain == "localhost" or plain.endswith(".localhost"):
        address = "127.0.0.1"
    elif plain in _METADATA:
        address = "169.254.169.254"
    if address is not None:
        hosts.check_address(name, address)
    elif not _is_public(plain) and not hosts.may_be_private(name):
        raise EvidenceUnavailable(
            Code.REGISTRY_UNREACHABLE,
            f"{name} is no name of the public Internet and is not named as a registry that may be elsewhere",
            remedy=f"if it is yours, pass --private-registry {name}, or name it in NO_PROXY to reach it directly",
        )


def sent_name(host: str) -> str:
    """A host as a proxy is told it: ASCII, an address without its zone.

    Raises:
        EvidenceUnavailable: REGISTRY_PROTOCOL: something that one program may take for another name than the next.
    """
    name = host.partition("%")[0] if ":" in host else ascii_name(host)
    if not _NAME.fullmatch(name) and not _is_address(name):
        raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, "the registry named a host that is no name of one", remedy="")
    return name


def connect_request(proxy: Proxy, host: str, port: int) -> bytes:
    """The request for a tunnel (RFC 9110, 9.3.6). What the target is asked, and with what, is not in it."""
    target = f"{bracketed(sent_name(host))}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", f"User-Agent: imagegate/{__version__}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def check_tunnel(proxy: Proxy, target: str, answer: bytes) -> None:
    """Whether a proxy's answer to CONNECT opens a tunnel.

    Args:
        proxy: that answered.
        target: `host[:port]`.
        answer: all that was received.

    Raises:
        EvidenceUnavailable: REGISTRY_UNREACHABLE.
    """
    head = _ANSWER.match(answer)
    if head is None:
        why = "ended the connection instead of an answer" if not answer else "did not answer CONNECT as a proxy does"
        raise EvidenceUnavailable(
            Code.REGISTRY_UNREACHABLE,
            f"{target} could not be reached: the proxy {proxy.shown} {why}",
            remedy="check that HTTPS_PROXY names a proxy",
        )
    status = int(head[1])
    if not 200 <= status < 300:
        refuse(proxy, "HTTPS_PROXY", target, status, _offered(head[2].decode("latin-1")))
    if head.end() != len(answer):
        # With TLS we speak first: what comes before is a page, such as a network's login.
        raise EvidenceUnavailable(
            Code.REGISTRY_UNREACHABLE,
            f"{target} could not be reached: the proxy {proxy.shown} sent content instead of a tunnel",
            remedy="check that HTTPS_PROXY names a proxy, and that it wants no login by browser",
        )


def forwarded(proxy: Proxy, origin: Origin, target: str, headers: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Target and headers of a request in plain HTTP that a proxy passes on (RFC 9112, 3.2.2)."""
    sent_name(origin.host)
    own = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
    return f"http://{origin.authority}{target}", {**headers, **own}


def check_forwarded(proxy: Proxy, target: str, status: int, headers: Mapping[str, str]) -> None:
    """Whether an answer to what was asked in plain HTTP is the proxy's own refusal, as far as it says so.

    Args:
        proxy: that answered.
        target: `host[:port]`.
        status: of the answer.
        headers: whatever the case of their names.

    Raises:
        EvidenceUnavailable: REGISTRY_UNREACHABLE: 407, an error of RFC 9209's Proxy-Status, or one of Squid's.
    """
    own = "error=" in headers.get("proxy-status", "") or "x-squid-error" in headers
    if status == _AUTHENTICATION or (own and status >= 400):
        refuse(proxy, "HTTP_PROXY", target, status, _schemes(headers.get("proxy-authenticate", "")))


def refuse(proxy: Proxy, variable: str, target: str, status: int, schemes: tuple[str, ...]) -> NoReturn:
    """Say that a proxy refused, and what helps: `variable` names the proxy, `schemes` what it would be asked with."""
    remedy = f"look at the log of the proxy, or name {target} in NO_PROXY to reach it directly"
    why = ""
    if status == _AUTHENTICATION:
        why, remedy = ": it wants a user and password", f"write them into {variable}, as http://user:password@host:port"
        if schemes and "basic" not in schemes:
            why = f": it wants authentication by {' or '.join(schemes)}"
            remedy = f"let the proxy take Basic authentication, or name one that does in {variable}"
        elif proxy.authorization:
            why, remedy = ": it does not take the user and password", f"check those in {variable}"
    elif status == _FORBIDDEN:
        remedy = f"let the proxy of {variable} allow {target}, or name {target} in NO_PROXY to reach it directly"
    elif status >= 500:
        why = ": it could not reach it"
    raise EvidenceUnavailable(
        Code.REGISTRY_UNREACHABLE,
        f"the proxy {proxy.shown} answered {status} when asked for {target}{why}",
        remedy=remedy,
    )


def _offered(head: str) -> tuple[str, ...]:
    lines = [line.partition(":") for line in head.splitlines()]
    return _schemes(", ".join(value for name, _, value in lines if name.strip().lower() == "proxy-authenticate"))


def _schemes(challenges: str) -> tuple[str, ...]:
    """The schemes of a Proxy-Authenticate header, in lower case: what stands before a blank and is no parameter."""
    found = [_SCHEME.match(part.strip()) for part in challenges.split(",")[:20]]
    return tuple(dict.fromkeys(scheme[0].lower() for scheme in found if scheme))


def _is_public(plain: str) -> bool:
    """Whether a name can be one of the public Internet: not `registry`, `kubernetes.default.svc` or `nas.lan`.

    A proxy within a cluster may read `registry.tools` as a service's name; that it is one nothing here can tell.
    """
    rest, dot, last = plain.rpartition(".")
    return bool(rest and dot) and _TOP_LEVEL.fullmatch(last) is not None and last not in _NEVER_PUBLIC


def _any_spelling(host: str) -> str | None:
    """The address that a host is, if it is one, also as C's inet_aton reads it: 127.1, 0x7f000001, 017700000001."""
    if _is_address(host):
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
