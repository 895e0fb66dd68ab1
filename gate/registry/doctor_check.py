"""One line of `gate doctor`, and what its steps have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gate.codes import Code

if TYPE_CHECKING:
    from gate.registry.credentials.credential import Credential
    from gate.registry.guard.transport import Response

NO_REGISTRY: Final = "is it a registry? a login page, or what a proxy puts before it, answers so too"
"""What to think of where something answers that is none."""

_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
# Where there is nothing that the gate could be told, somebody else has something to do.
_OTHERS: Final = {
    Code.REGISTRY_PROTOCOL: "have it mended by who runs the registry, or a proxy before it",
    Code.RESPONSE_TOO_LARGE: "delete what is not needed there: no more is read",
}


class Status(StrEnum):
    """How a step went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One step.

    Attributes:
        name: of the step, one word or two.
        said: what was seen.
        remedy: what to do about it; "" where nothing has to be done.
        settles: whether the gate asks nobody else, where an authoritative mirror answers so.
    """

    name: str
    status: Status
    said: str
    remedy: str = ""
    settles: bool = field(default=False, compare=False)


def remedy_of(code: Code, remedy: str) -> str:
    """The remedy of a failure, also where its message names none."""
    return remedy or _OTHERS.get(code, "")


def who(credential: Credential | None) -> str:
    """Whose credentials it was asked with."""
    return credential.source if credential else "nobody's credentials"


def where(response: Response) -> str:
    """Who answered, where that is not who was asked."""
    return f" by {response.elsewhere}, where it redirected to" if response.elsewhere else ""


def is_page(response: Response) -> bool:
    """Whether what was answered is a web page: a site's, a login's or a proxy's.

    Who names the registry API it speaks, or the digest of what it sent, is one, whatever type its framework gives to
    an empty answer. Many registries name neither, and none of them answers in HTML.
    """
    if "docker-distribution-api-version" in response.headers or "docker-content-digest" in response.headers:
        return False
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in _PAGES or response.body.lstrip().startswith(b"<")
