"""What the operator said about registry hosts. A host that is not named gets nothing but public HTTPS."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

_API_HOSTS: Final = {"docker.io": "registry-1.docker.io"}
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_SITE_LOCAL: Final = ipaddress.IPv6Network("fec0::/10")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Hosts:
    """The named hosts, all in canonical form (`gate.image.reference.canonical_registry`).

    Attributes:
        insecure: spoken to over plain HTTP.
        private: may have a loopback or private address.
        authorities: a CA file for a host, beside the system's.
        offline: no network at all.
    """

    insecure: frozenset[str] = frozenset()
    private: frozenset[str] = frozenset()
    authorities: Mapping[str, str] = field(default_factory=dict, hash=False)
    offline: bool = False

    def base_url(self, registry: str) -> str:
        """Where the API of `registry` is: `https://host[:port]`, or `http://` where it is named insecure."""
        scheme = "http" if registry in self.insecure else "https"
        return f"{scheme}://{_API_HOSTS.get(registry, registry)}"

    def may_be_private(self, host: str) -> bool:
        """Whether any flag names `host[:port]`."""
        return self.is_insecure(host) or host in self.private or host in self.authorities

    def is_insecure(self, host: str) -> bool:
        """Whether `host[:port]` is named for plain HTTP; without a port that is port 80."""
        return host in self.insecure or host.removesuffix(":80") in self.insecure

    def check_address(self, host: str, text: str) -> None:
        """Refuse to connect where no registry has business being (server-side request forgery).

        Args:
            host: `host[:port]` as named in the URL.
            text: the numeric address it resolved to.

        Raises:
            EvidenceUnavailable: REGISTRY_UNREACHABLE: link-local, multicast, unspecified or reserved; or private
                without the host being named.
        """
        address = _plain(ipaddress.ip_address(text.partition("%")[0]))
        if address.is_link_local or address.is_multicast or address.is_unspecified or _is_reserved(address):
            raise EvidenceUnavailable(
                Code.REGISTRY_UNREACHABLE, f"{host} has the address {address}, which is never connected to", remedy=""
            )
        if (not address.is_global or address in _SITE_LOCAL) and not self.may_be_private(host):
            raise EvidenceUnavailable(
                Code.REGISTRY_UNREACHABLE,
                f"{host} has the private address {address} and is not named as a registry that may",
                remedy=f"if it is yours, pass --private-registry {host}, or --insecure-registry {host} for plain HTTP",
            )


def _plain(address: _Address) -> _Address:
    """The IPv4 address inside an IPv6 one, where a packet to it would end up there."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address


def _is_reserved(address: _Address) -> bool:
    return address.is_reserved and not address.is_loopback
