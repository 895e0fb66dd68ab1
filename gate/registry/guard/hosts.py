"""What the operator said about registry hosts. A host that is not named gets nothing but public HTTPS."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import DOCKER_HUB, Repository

if TYPE_CHECKING:
    from collections.abc import Mapping

_API_HOSTS: Final = {"docker.io": "registry-1.docker.io"}
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
# IANA's registries of special-purpose addresses, where the tables of older Pythons say otherwise or nothing: protocol
# assignments (RFC 6890), documentation (RFC 9637), and site-local addresses (RFC 3879).
_NOT_GLOBAL: Final = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "3fff::/20", "fec0::/10")))
# Where clouds speak to their machines beside the link-local addresses. What lies beside these may be anybody's: in the
# same ranges are private networks, and 100.64.0.0/10 has Alibaba's registries too.
_CLOUDS_OWN: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # Azure's platform
            "192.0.0.192/32",  # Oracle's metadata, and …
            "fd00:c1::a9fe:a9fe/128",  # … the same over IPv6
            "100.100.100.200/32",  # Alibaba's metadata, and …
            "fd00:100::100:200/128",  # … the same over IPv6
            "fd00:ec2::/32",  # AWS: metadata (::254), DNS (::253), time (::123), Pod Identity (::23)
            "fd20:ce::254/128",  # Google's metadata
            "fd00:42::42/128",  # Scaleway's metadata
            "fd00:a9fe:a9fe::1/128",  # Akamai's (Linode's) metadata
        ),
    )
)

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_V = TypeVar("_V")


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

    What connects looks a host up by the name it connects to. So what is said of a registry whose API is at another host
    (Docker Hub's: all its names are `docker.io` in canonical form) is said of that host as well. Its token service is
    a host of its own.

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

    def __post_init__(self) -> None:
        """Say of the host of an API what is said of its registry."""
        for name, value in (
            ("insecure", _with_api_hosts(self.insecure)),
            ("private", _with_api_hosts(self.private)),
            ("authorities", _for_api_hosts(self.authorities)),
            ("client_certificates", _for_api_hosts(self.client_certificates)),
        ):
            object.__setattr__(self, name, value)

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
            EvidenceUnavailable: REGISTRY_UNREACHABLE: link-local, a cloud's own, multicast, unspecified or reserved;
                or private without the host being named.
        """
        address = _plain(ipaddress.ip_address(text.partition("%")[0]))
        if _is_nobodys(address):
            raise EvidenceUnavailable(
                Code.REGISTRY_UNREACHABLE, f"{host} has the address {address}, which is never connected to", remedy=""
            )
        if not _is_global(address) and not self.may_be_private(host):
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


def _is_nobodys(address: _Address) -> bool:
    reserved = address.is_reserved and not address.is_loopback
    unusual = address.is_link_local or address.is_multicast or address.is_unspecified
    return unusual or reserved or any(address in network for network in _CLOUDS_OWN)


def _is_global(address: _Address) -> bool:
    return address.is_global and not any(address in network for network in _NOT_GLOBAL)


def _with_api_hosts(hosts: frozenset[str]) -> frozenset[str]:
    return hosts | {_API_HOSTS[host] for host in hosts & _API_HOSTS.keys()}


def _for_api_hosts(said: Mapping[str, _V]) -> Mapping[str, _V]:
    """The same, and of the host of an API what is said of its registry where nothing is said of it by its own name."""
    return {**{_API_HOSTS[host]: value for host, value in said.items() if host in _API_HOSTS}, **said}
