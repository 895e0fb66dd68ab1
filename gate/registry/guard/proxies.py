"""Which proxy a request goes through: the rules of Go's golang.org/x/net/http/httpproxy, which runtimes follow too.

One set of HTTPS_PROXY, HTTP_PROXY and NO_PROXY then means the same to the gate and to containerd. Python's own readings
of NO_PROXY know no CIDR (urllib), no `*.domain` (urllib) and no IPv6 CIDR (requests). What is then said to the proxy,
and what may be asked through one, is in `gate.registry.guard.proxied`.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from gate.errors import UsageError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_URL: Final = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
# A name may be international; what is no letter or digit of some script cannot be in one.
_PLACE: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)(?:%25(?P<zone>[A-Za-z0-9._~-]+))?\]|(?P<name>[\w.-]+))(?::(?P<port>[0-9]{0,5}))?"
)
_USERINFO: Final = re.compile(r"(?:[A-Za-z0-9._:~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_REMEDY: Final = "write http://host:port or http://user:password@host:port, with %XX for what is no letter or digit"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where to connect instead.

    Attributes:
        scheme: how to speak to the proxy itself: `http` or `https`.
        host: lower case, IPv6 without brackets.
        port: as written, or the scheme's.
        authorization: the value of a `Proxy-Authorization` header, or "".
    """

    scheme: str
    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """Its URL without user and password, for messages."""
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"

    @property
    def name(self) -> str:
        """`host[:port]` as operators name hosts: without 443."""
        host = bracketed(self.host)
        return host if self.port == _DEFAULT_PORTS["https"] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Network:
    """Addresses of a CIDR, whatever the port."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network

    def covers(self, host: str, address: _Address | None, port: str) -> bool:
        return address is not None and address in self.network


@dataclass(frozen=True, slots=True)
class _One:
    """One address; a port "" is any."""

    address: _Address
    port: str

    def covers(self, host: str, address: _Address | None, port: str) -> bool:
        return address == self.address and self.port in ("", port)


@dataclass(frozen=True, slots=True)
class _Domain:
    """Names that end in `suffix` (it starts with a dot), and with `itself` the domain; a port "" is any."""

    suffix: str
    itself: bool
    port: str

    def covers(self, host: str, address: _Address | None, port: str) -> bool:
        # An address is no name: the zone of `fe80::1%.example.com` would end in one (CVE-2025-22870).
        if address is not None or self.port not in ("", port):
            return False
        return host.endswith(self.suffix) or (self.itself and host == self.suffix[1:])


_Direct = _Network | _One | _Domain


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies for https and http URLs, and the hosts that are reached without."""

    _https: Proxy | None = None
    _http: Proxy | None = None
    _direct: tuple[_Direct, ...] = ()

    @classmethod
    def parse(cls, https_proxy: str, http_proxy: str, no_proxy: str) -> Proxies:
        """Read the three variables' values; "" is unset.

        Entries of NO_PROXY that mean nothing are skipped, as Go does; all they could have done is except a host.

        Raises:
            UsageError: a proxy's URL cannot be used (Go would go without a proxy and not say so). Nothing of the
                URL but its scheme is in the message.
        """
        https, http = _proxy("HTTPS_PROXY", https_proxy), _proxy("HTTP_PROXY", http_proxy)
        entries = [entry for part in no_proxy.split(",") if (entry := part.strip().lower())]
        if "*" in entries:
            return cls()
        return cls(https, http, tuple(found for entry in entries if (found := _direct_entry(entry)) is not None))

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for a URL of these parts (`host` IPv6 without brackets); None connects to the host itself.

        Never one for `localhost` and loopback addresses.
        """
        proxy = {"https": self._https, "http": self._http}.get(scheme)
        if proxy is None:
            return None
        name = ascii_name(host.strip().lower())
        address = _address(name)
        if name == "localhost" or (address is not None and address.is_loopback):
            return None
        if any(direct.covers(name, address, str(port)) for direct in self._direct):
            return None
        return proxy


def bracketed(host: str) -> str:
    """A host as URLs have it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def ascii_name(name: str) -> str:
    """An international name as DNS has it; one that has no such form stays."""
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


def _proxy(variable: str, value: str) -> Proxy | None:
    """The proxy that a variable names; a value without a scheme is taken for http."""
    if not value:
        return None
    url = _URL.fullmatch(value)
    assert url is not None, "each part may be empty"
    scheme = (url["scheme"] or "http").lower()
    if scheme not in _DEFAULT_PORTS:
        raise UsageError(
            f"{variable} names a proxy of the scheme {scheme[:20]}, which is not supported",
            remedy="use a proxy that speaks http or https, and write http://host:port",
        )
    if "@" in url["rest"]:
        # A / ? or # in a password ends the host there: user and half the password would be taken for host and port.
        raise _unusable(variable, "an @ stands behind the host's end, as when a password has / ? or # in it")
    userinfo, at, place = url["authority"].rpartition("@")
    if not _USERINFO.fullmatch(userinfo):
        raise _unusable(variable, "its user or password has characters that must be written as %XX")
    host, port = _place(variable, place)
    return Proxy(scheme, host, port or _DEFAULT_PORTS[scheme], _basic(userinfo) if at else "")


def _place(variable: str, text: str) -> tuple[str, int]:
    """Host and port; a port of 0 where none is written."""
    found = _PLACE.fullmatch(text)
    if not found:
        raise _unusable(variable, "what should be host:port is not" if text else "it has no host")
    port = int(found["port"] or 0)
    if port > 65535 or (found["port"] and not port):
        raise _unusable(variable, "its port is not 1 to 65535")
    if found["v6"] is None:
        name = ascii_name(found["name"].lower())
        if not name.isascii():
            raise _unusable(variable, "its host is no name")
        return name, port
    zone = f"%{found['zone']}" if found["zone"] else ""
    try:
        return str(ipaddress.IPv6Address(found["v6"] + zone)), port
    except ValueError:
        # Not `from` it: its message has the host in it, and who knows what was written there.
        raise _unusable(variable, "what stands in brackets is not an IPv6 address") from None


def _unusable(variable: str, why: str) -> UsageError:
    return UsageError(f"{variable} is not a proxy's URL: {why}", remedy=_REMEDY)


def _basic(userinfo: str) -> str:
    user, _, password = userinfo.partition(":")
    return "Basic " + base64.b64encode(unquote_to_bytes(user) + b":" + unquote_to_bytes(password)).decode()


def _direct_entry(entry: str) -> _Direct | None:
    """What one entry of NO_PROXY, in lower case, excepts; None for an entry that means nothing."""
    network = _network(entry)
    if network is not None:
        return _Network(network)
    host, port = _host_port(entry)
    address = None if "%" in host else _address(host)
    if address is not None:
        return _One(address, port)
    if not host:
        return None
    if host.startswith("*."):
        host = host[1:]
    itself = not host.startswith(".")
    return _Domain("." + ascii_name(host.removeprefix(".")), itself, port)


def _host_port(entry: str) -> tuple[str, str]:
    """Split as Go's net.SplitHostPort; what it cannot split is all host (`::1` is an address without a port)."""
    host, colon, port = entry.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return entry, ""
    if not colon or "[" in host + port or "]" in host + port:
        return entry, ""
    return host, port


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """A CIDR, the host's bits ignored; ipaddress would also take a netmask, a zone, or no length at all."""
    base, _, length = text.partition("/")
    if not re.fullmatch(r"[0-9]{1,6}", length, re.ASCII) or "%" in base:
        return None
    try:
        address, bits = ipaddress.ip_address(base), int(length)
        if isinstance(address, ipaddress.IPv4Address):
            return ipaddress.IPv4Network((address, bits), strict=False)
        if address.ipv4_mapped is not None and bits >= 96:
            return ipaddress.IPv4Network((address.ipv4_mapped, bits - 96), strict=False)
        return ipaddress.IPv6Network((address, bits), strict=False)
    except ValueError:
        return None


def _address(text: str) -> _Address | None:
    """An address without its zone, an IPv4 one in IPv6 as the former; None where it is a name."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return address
