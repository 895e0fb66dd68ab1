"""cosign's simple-signing payload (sigstore/cosign, specs/SIGNATURE_SPEC.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate import strictjson
from gate.errors import ParseError
from gate.evidence.dsse import texts
from gate.image.digest import Digest
from gate.image.reference import Reference, Repository

if TYPE_CHECKING:
    from collections.abc import Mapping

SIMPLE_SIGNING: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
CERTIFICATE: Final = "dev.sigstore.cosign/certificate"
CHAIN: Final = "dev.sigstore.cosign/chain"
LOG_BUNDLE: Final = "dev.sigstore.cosign/bundle"
TIMESTAMP: Final = "dev.sigstore.cosign/rfc3161timestamp"
BESIDE: Final = frozenset({SIGNATURE, CERTIFICATE, CHAIN, LOG_BUNDLE, TIMESTAMP})
"""The annotations of a layer that are read; whatever else stands there says nothing of its signature."""

TYPE: Final = "cosign container image signature"


@dataclass(frozen=True, slots=True)
class SimpleSigning:
    """What a simple-signing payload says.

    Attributes:
        digest: of the manifest that was signed.
        docker_reference: the repository named in it; as text where it is no reference; None where empty.
        annotations: the signer's `key=value` pairs.
    """

    digest: Digest
    docker_reference: Repository | str | None
    annotations: Mapping[str, str] = field(hash=False)

    @classmethod
    def parse(cls, payload: bytes) -> SimpleSigning:
        """Read a payload whose signature has been verified.

        Raises:
            ParseError: not this format; another `critical.type`; a digest that is none.
        """
        value = strictjson.as_object(strictjson.loads_unsigned(payload), "the payload")
        critical = strictjson.as_object(strictjson.get(value, "critical"), "the payload's `critical`")
        kind = strictjson.text(critical, "type", "the payload")
        if kind != TYPE:
            raise ParseError(f"the payload is of type {kind[:100]!r}, expected {TYPE!r}")
        image = strictjson.as_object(strictjson.get(critical, "image"), "the payload's `image`")
        return cls(
            Digest.parse(strictjson.text(image, "docker-manifest-digest", "the payload")),
            _docker_reference(critical),
            texts(strictjson.get(value, "optional"), "the payload's `optional`"),
        )


def usual_payloads(image: Digest, name: Repository) -> tuple[bytes, ...]:
    """What `cosign sign` writes where nothing is added: a function of image and name, byte by byte.

    Whoever knows a payload's digest may find that it is one of these, and need not fetch it.
    """
    registry = "index.docker.io" if name.registry == "docker.io" else name.registry
    names = dict.fromkeys((f"{registry}/{name.path}", f"{name.registry}/{name.path}"))
    return tuple(
        f'{{"critical":{{"identity":{{"docker-reference":"{text}"}},"image":{{"docker-manifest-digest":"{image}"}},'
        f'"type":"{TYPE}"}},"optional":null}}'.encode()
        for text in names
    )


def _docker_reference(critical: dict[str, object]) -> Repository | str | None:
    identity = strictjson.get(critical, "identity")
    if identity is None:
        return None
    named = strictjson.get(strictjson.as_object(identity, "the payload's `identity`"), "docker-reference")
    if not isinstance(named, str) or not named:
        return None
    try:
        return Reference.parse(named).name
    except ParseError:
        return named
