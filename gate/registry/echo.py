"""What was sent and comes back: registries show requests in their errors, and messages must show no secret."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gate.image.content import Content
    from gate.registry.credentials.credential import Credential

_TELLING: Final = 12  # characters of a secret that are not found somewhere by chance; shorter ones are not looked for
_LEAST: Final = 6  # characters of one that is looked for in the names of hosts, where little else is
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_PLAIN: Final = re.compile(r"[^a-z0-9]")
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


def secrets_in(credential: Credential | None) -> tuple[str, ...]:
    """What of a credential nobody is to see."""
    return (credential.identity_token, credential.password) if credential is not None else ()


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


def is_in_a_host(secrets: Iterable[str], message: str, asked: str) -> bool:
    """Whether one is in the name of a host that a message has, other than who was asked; dots and dashes aside.

    A registry names hosts: in them a password can stand that is too short to be looked for elsewhere, or in pieces.
    """
    names = [name for name in _HOST.findall(message.lower()[:_MESSAGE]) if name != asked.partition(":")[0].lower()]
    plain = "\n".join(_PLAIN.sub("", name) for name in names)
    wanted = (_PLAIN.sub("", secret.lower()) for secret in secrets)
    return any(len(secret) >= _LEAST and secret in plain for secret in wanted)


def echoed(host: str) -> EvidenceUnavailable:
    """Nothing of such an answer is used: what is told of it would tell the secret."""
    return EvidenceUnavailable(
        Code.REGISTRY_PROTOCOL, f"{host} sent back the credentials that it was asked with", remedy=""
    )
