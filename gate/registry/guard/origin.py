"""Where a URL leads (RFC 6454, 4)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gate.registry.guard.proxies import bracketed

_LONGEST: Final = 253  # characters of a name (RFC 1035, 3.1)
# What a message may show as a host: other words in its place would be read as the gate's own.
_NAME: Final = re.compile(r"[a-z0-9._-]+", re.ASCII)
_ZONE: Final = re.compile(r"(?:25)?[a-z0-9._-]{1,32}", re.ASCII)  # of an address (RFC 6874), escaped or not
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host (IPv6 without brackets) and port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Of an absolute URL.

        Raises:
            ValueError: it is none that can be asked. Nothing of it is in the text: URLs hold signatures and passwords.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("a URL that cannot be read") from None
        if parts.scheme not in _DEFAULT_PORTS or not host:
            raise ValueError("something that is no http(s) URL")
        if len(host) > _LONGEST:
            raise ValueError("a URL whose host is too long for a name")
        if not _is_host(host, literal="[" in parts.netloc):
            raise ValueError("a URL whose host is no name of one")
        if "@" in parts.netloc:
            raise ValueError("a URL with credentials in it")
        return cls(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme])

    @property
    def name(self) -> str:
        """`host[:port]` in the canonical form that operators' names have too: without 443."""
        host = bracketed(self.host)
        return host if self.port == _DEFAULT_PORTS["https"] else f"{host}:{self.port}"

    @property
    def authority(self) -> str:
        """The same as the Host header has it (RFC 9110, 7.2): an address without its zone, and no root's dot."""
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{bracketed(self.host.partition('%')[0].rstrip('.'))}{port}"


def _is_host(text: str, *, literal: bool) -> bool:
    """Whether a URL's host, in lower case, is a name (international ones as in DNS); in brackets an IPv6 address."""
    if not literal:
        return _NAME.fullmatch(text) is not None
    address, percent, zone = text.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return not percent or _ZONE.fullmatch(zone) is not None
