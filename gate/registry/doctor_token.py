"""What a token says of itself (distribution, spec/auth/jwt), for `gate doctor` to show.

Nobody looks at its signature, and nothing goes by it. Nor is anything of it shown as it stands there: an action is
named if it is one of those that are known, and a name is only compared.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

_LONGEST: Final = 16 * 1024  # characters of a token; none is sent that is longer
_ACTIONS: Final = ("pull", "push", "delete", "*")
_PULLING: Final = frozenset({"pull", "*"})


class _Access(msgspec.Struct):
    type: str = ""
    name: str = ""
    actions: list[str] | None = None


class _Claims(msgspec.Struct):
    """Go writes a list of nothing as null."""

    access: list[_Access] | msgspec.UnsetType | None = msgspec.UNSET
    exp: float | None = None


# What msgspec knows of a type it finds out when it first meets it, and two threads that do so at once end the process:
# a decoder that is made here has it found out before there are any.
_CLAIMS: Final = msgspec.json.Decoder(_Claims)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token says.

    Attributes:
        actions: that it is good for at a repository, of those that are known; None where it does not say.
        ends: when it does; None where it does not say.
    """

    actions: tuple[str, ...] | None = None
    ends: datetime | None = None

    @property
    def is_less(self) -> bool:
        """Whether it says that nothing can be pulled with it."""
        return self.actions is not None and _PULLING.isdisjoint(self.actions)

    def __str__(self) -> str:
        """What it grants, in words."""
        if self.actions is None:
            return "does not say what it grants"
        return f"grants {', '.join(self.actions) or 'nothing'}"


def granted(token: str, path: str) -> Granted:
    """What a token says of a repository; nothing where it cannot be read: many are for their registry alone to read."""
    parts = token.split(".") if len(token) <= _LONGEST else []
    if len(parts) != 3:
        return Granted()
    try:
        claims = _CLAIMS.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        ends = datetime.fromtimestamp(claims.exp, UTC) if claims.exp else None
    except (msgspec.MsgspecError, ValueError, OverflowError, OSError, RecursionError):
        return Granted()
    if claims.access is msgspec.UNSET:
        return Granted(None, ends)
    found = {
        action
        for access in claims.access or ()
        if access.type.partition("(")[0] == "repository" and access.name == path
        for action in access.actions or ()
    }
    return Granted(tuple(action for action in _ACTIONS if action in found), ends)
