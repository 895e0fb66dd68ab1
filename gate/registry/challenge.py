"""`WWW-Authenticate` headers as registries send them (RFC 9110, 11.6.1; distribution, spec/auth/token)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(
    rf"""[\s,]*(?P<name>{_TOKEN})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,"]*))""", re.ASCII
)
_SCHEME: Final = re.compile(rf"[\s,]*(?P<scheme>{_TOKEN})(?=\s|,|$)(?!\s*=)", re.ASCII)
_MOST: Final = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: the scheme in lower case, its parameters by lower-case name."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read every challenge of a header (several headers joined by commas); what cannot be read ends the list."""
    found: list[Challenge] = []
    rest = header[:_MOST]
    while scheme := _SCHEME.match(rest):
        rest = rest[scheme.end() :]
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(rest):
            quoted = parameter["quoted"]
            value = parameter["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters.setdefault(parameter["name"].lower(), value)
            rest = rest[parameter.end() :]
        found.append(Challenge(scheme["scheme"].lower(), parameters))
    return tuple(found)
