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
_HOST: Final = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_PLAIN: Final = re.compile(r"[\W_]")
_CHAIN: Final = 10  # exceptions that are the cause of one another
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
    if credential is None:
        return ()
    return (credential.identity_token, credential.password, credential.registry_token)


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


def is_told(secrets: Iterable[str], error: BaseException, known: Iterable[str]) -> bool:
    """Whether an error tells one, or a part of one, or what led to it does: that is shown, too, by `--debug`.

    Args:
        secrets: that are not to be seen.
        error: what is to be told.
        known: what it may name whatever the secrets are, as names of who was asked for what are: they were not
            sent here by anybody.
    """
    secrets, known = tuple(secrets), tuple(known)
    chain: BaseException | None = error
    for _ in range(_CHAIN):
        if chain is None:
            return False
        text = str(chain)
        if is_partly_in(secrets, text, known) or is_in_a_name(secrets, text, known):
            return True
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    return True


def is_partly_in(secrets: Iterable[str], message: str, known: Iterable[str] = ()) -> bool:
    """Whether a part of one is in a message: what is quoted there may have been cut. A longer message is taken to.

    Both may be the registry's own words: it is the message that is gone through, which is short, and no secret.
    """
    known = [name.lower() for name in known]
    lower = [secret.lower() for secret in secrets if len(secret) >= _TELLING]
    text = message.lower()
    if len(text) > _MESSAGE:
        return bool(lower)
    # A name that is known may be in a secret, which then is looked for as a whole, too.
    if any(secret in text and not any(secret in name for name in known) for secret in lower):
        return True
    text = _without(known, text)
    parts = {text[start : start + _TELLING] for start in range(len(text) - _TELLING + 1)}
    return any(part in secret for secret in lower for part in parts)


def is_in_a_name(secrets: Iterable[str], message: str, known: Iterable[str] = ()) -> bool:
    """Whether one is in the name of a host that a message has, other than who was asked; dots and dashes aside.

    A registry names hosts: in them a password can stand that is too short to be looked for elsewhere, or in pieces.
    What has no dot may be one or a word: of what is letters only, as words are, all has to be the secret.
    """
    wanted = {plain for secret in secrets if len(plain := _PLAIN.sub("", secret.lower())) >= _LEAST}
    for name in _HOST.findall(_without(known, message.lower()[:_MESSAGE])) if wanted else ():
        plain = _PLAIN.sub("", name)
        is_word = plain.isalpha() and "." not in name
        if plain in wanted or (not is_word and any(secret in plain for secret in wanted)):
            return True
    return False


def _without(known: Iterable[str], text: str) -> str:
    """A text in lower case without the names that are known, where they stand for themselves."""
    for name in sorted(known, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(name.lower())}(?!\.?[\w-])", "\n", text) if name else text
    return text


def echoed(host: str, *, alike: bool = False) -> EvidenceUnavailable:
    """Nothing of such an answer is used: what is told of it would tell the secret.

    `alike`: it may also be what only looks like it, as the name of a host does that is a word and a password.
    """
    also = ", or a name that looks like them" if alike else ""
    return EvidenceUnavailable(
        Code.REGISTRY_PROTOCOL, f"{host} sent back the credentials that it was asked with{also}", remedy=""
    )
