"""What was sent and comes back: registries show requests in their errors, and messages must show no secret."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.image.content import Content

_TELLING: Final = 12  # characters of a secret that are not found somewhere by chance; shorter ones are not looked for
_MESSAGE: Final = 4000  # characters of a message that are looked at; none is longer that is not cut


def secrets_of(header: str) -> tuple[str, ...]:
    """What of an `Authorization` header nobody is to see: what follows the scheme, and of Basic the password."""
    scheme, _, sent = header.partition(" ")
    if scheme != "Basic":
        return (sent,) if sent else ()
    try:
        password = base64.b64decode(sent, validate=True).decode(errors="replace").partition(":")[2]
    except binascii.Error:
        return (sent,)
    return (sent, password)


def is_in_body(secrets: Iterable[str], body: bytes) -> bool:
    """Whether one of them is in a body."""
    return any(len(secret) >= _TELLING and secret.encode() in body for secret in secrets)


def is_in_content(secrets: Iterable[str], content: Content) -> bool:
    """Whether one of them is in content that may be too large for memory; bits overlap, for one may lie across two."""
    wanted = [secret.encode() for secret in secrets if len(secret) >= _TELLING]
    overlap = max(map(len, wanted), default=0)
    before = b""
    for chunk in content.chunks() if wanted else ():
        seen = before + chunk
        if any(secret in seen for secret in wanted):
            return True
        before = seen[-overlap:]
    return False


def is_in_headers(secrets: Iterable[str], values: Iterable[str]) -> bool:
    """Whether one of them is in a header, as hosts are written: in any case."""
    lower = "\n".join(values).lower()
    return any(len(secret) >= _TELLING and secret.lower() in lower for secret in secrets)


def is_partly_in(secrets: Iterable[str], message: str) -> bool:
    """Whether a part of one is in a message: what is quoted there may have been cut. A longer message is taken to.

    Both may be the registry's own words: it is the message that is gone through, which is short, and no secret.
    """
    lower = [secret.lower() for secret in secrets if len(secret) >= _TELLING]
    text = message.lower()
    if len(text) > _MESSAGE:
        return bool(lower)
    parts = {text[start : start + _TELLING] for start in range(len(text) - _TELLING + 1)}
    return any(part in secret for secret in lower for part in parts)


def echoed(host: str) -> EvidenceUnavailable:
    """Nothing of such an answer is used: what is told of it would tell the secret."""
    return EvidenceUnavailable(
        Code.REGISTRY_PROTOCOL, f"{host} sent back the credentials that it was asked with", remedy=""
    )
