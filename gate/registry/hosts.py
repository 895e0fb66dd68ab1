"""What the operator said about registry hosts. A host that is not named gets nothing but public HTTPS."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import DOCKER_HUB, Repository

if TYPE_CHECKING:
    from collections.abc import Mapping

_API_HOSTS: Final = {"docker.io": "registry-1.docker.io"}
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_SITE_LOCAL: Final = ipaddress.IPv6Network("fec0::/10")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Mirror:
    """Another place that has what a registry has.

    Attributes:
        host: its registry host.
        prefix: before the path of each repository; "" for none.
        authoritative: whether its tags and listings count too; what is asked for by digest counts from anywhere.
    """

    host: str
    prefix: str = ""
    authoritative: bool = False

    def of(self, repository: Repository) -> Repository:
        """The repository that stands for one of the origin's."""
        return Repository(self.host, f"{self.prefix}/{repository.path}" if self.prefix else repository.path)

    def path_in_origin(self, repository: Repository) -> str | None:
        """The path in the origin of a repository that is named here; None where it is no part of the mirror."""
        if repository.registry != self.host:
            return None
        if not self.prefix:
            return repository.path
        path = repository.path.removeprefix(f"{self.prefix}/")
        return path if path != repository.path else None


@dataclass(frozen=True, slots=True)
class Hosts:
    """The named hosts, all in canonical form (`gate.image.reference.canonical_registry`).

    Attributes:
        insecure: spoken to over plain HTTP.
        private: may have a loopback or private address.
        authorities: a CA file for a host, beside the system's.
        client_certificates: for a host, files of a certificate chain and of its key.
        token_realms: other origins (`https://host[:port]`) that a host's credentials may go to.
        mirrors: of a registry, in the order they are tried.
        missing: why a host can't be asked from here: something that it needs can't be read.
        offline: no network at all.
    """

    insecure: frozenset[str] = frozenset()
    private: frozenset[str] = frozenset()
    authorities: Mapping[str, str] = field(default_factory=dict, hash=False)
    client_certificates: Mapping[str, tuple[str, str]] = field(default_factory=dict, hash=False)
    token_realms: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    mirrors: Mapping[str, tuple[Mirror, ...]] = field(default_factory=dict, hash=False)
    missing: Mapping[str, str] = field(default_factory=dict, hash=False)
    offline: bool = False

    def base_url(self, registry: str) -> str:
        """Where the API of `registry` is: `https://host[:port]`, or `http://` where it is named insecure."""
        scheme = "http" if registry in self.insecure else "https"
        return f"{scheme}://{_API_HOSTS.get(registry, registry)}"

    def check_usable(self, registry: str) -> None:
        """Refuse a host that can't be asked as the operator wants it to be.

        Raises:
            EvidenceUnavailable: REGISTRY_UNREACHABLE.
        """
        if registry in self.missing:
            message = f"{registry} was not asked: {self.missing[registry]}"
            raise EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, message, remedy="judge where it can be read")

    def upstream(self, repository: Repository) -> Repository:
        """The name a repository is judged by: its origin's, where it is named by a mirror."""
        found = [
            (len(mirror.prefix), origin, path)
            for origin, mirrors in self.mirrors.items()
            for mirror in mirrors
            if (path := mirror.path_in_origin(repository)) is not None
        ]
        if not found:
            return repository
        _, origin, path = max(found)
        # Docker's own images have one component in their short names, and two in their right ones.
        return Repository(origin, f"library/{path}" if origin == DOCKER_HUB and "/" not in path else path)

    def may_be_private(self, host: str) -> bool:
        """Whether the operator names `host[:port]`."""
        named = (self.private, self.authorities, self.client_certificates)
        return self.is_insecure(host) or any(host in some for some in named)

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
