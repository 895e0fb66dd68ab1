"""DSSE envelopes (secure-systems-lab/dsse, protocol.md) holding in-toto statements (in-toto/attestation, spec/v1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate import strictjson
from gate.errors import ParseError
from gate.evidence.limits import MAX_SIGNATURES, MAX_SUBJECTS
from gate.protojson import decode_base64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.image.digest import Digest

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
ENVELOPE: Final = "application/vnd.dsse.envelope.v1+json"
"""Media type of an envelope as a layer (cosign's `.att`)."""
STATEMENT_TYPES: Final = frozenset({"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"})
COSIGN_SIGN: Final = "https://sigstore.dev/cosign/sign/v1"
"""The only predicate type that is a signature; any other says something else about the image (CVE-2022-35929)."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A DSSE envelope with its parts decoded. Nothing in it is verified yet; key ids are hints and not kept."""

    payload_type: str
    payload: bytes
    signatures: tuple[bytes, ...]

    @classmethod
    def parse(cls, raw: object) -> Envelope:
        """Read the JSON object of an envelope.

        Raises:
            ParseError: a field is absent, malformed or of another type; no or too many signatures.
        """
        value = strictjson.as_object(raw, "the DSSE envelope")
        signatures = strictjson.get(value, "signatures")
        if not isinstance(signatures, list) or not signatures:
            raise ParseError("the DSSE envelope has no signatures")
        if len(signatures) > MAX_SIGNATURES:
            raise ParseError(f"the DSSE envelope has {len(signatures)} signatures; at most {MAX_SIGNATURES} are read")
        payload_type = strictjson.get(value, "payloadType")
        if payload_type != PAYLOAD_TYPE:
            raise ParseError(f"the DSSE payload type is {str(payload_type)[:100]!r}, expected {PAYLOAD_TYPE!r}")
        return cls(
            PAYLOAD_TYPE,
            decode_base64(strictjson.text(value, "payload", "the DSSE envelope"), "the DSSE payload"),
            tuple(
                decode_base64(
                    strictjson.text(strictjson.as_object(s, "a DSSE signature"), "sig", "a DSSE signature"),
                    "a DSSE signature",
                )
                for s in signatures
            ),
        )

    @property
    def pae(self) -> bytes:
        """The bytes that are signed: `DSSEv1 SP len(type) SP type SP len(body) SP body`."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject of a statement: its digests by algorithm name, and its annotations."""

    digests: Mapping[str, str] = field(hash=False)
    annotations: Mapping[str, str] = field(hash=False)

    def names(self, digest: Digest) -> bool:
        """Whether it states exactly this digest."""
        return self.digests.get(digest.algorithm) == digest.hex


@dataclass(frozen=True, slots=True)
class Statement:
    """An in-toto statement, read from signed bytes only."""

    predicate_type: str
    subjects: tuple[Subject, ...]
    predicate: object = field(hash=False)

    @classmethod
    def parse(cls, payload: bytes) -> Statement:
        """Read an in-toto statement v1 or v0.1.

        Raises:
            ParseError: another type, no predicate type, no or too many subjects, a malformed one.
        """
        value = strictjson.loads_beside(payload, "predicate")
        kind = strictjson.text(value, "_type", "the statement")
        if kind not in STATEMENT_TYPES:
            raise ParseError(f"the statement is of type {kind[:100]!r}, expected in-toto Statement v1 or v0.1")
        predicate_type = strictjson.get(value, "predicateType")
        if not isinstance(predicate_type, str) or not predicate_type:
            raise ParseError("the statement has no `predicateType`")
        subjects = strictjson.get(value, "subject")
        if not isinstance(subjects, list) or not subjects:
            raise ParseError("the statement has no subjects")
        if len(subjects) > MAX_SUBJECTS:
            raise ParseError(f"the statement has {len(subjects)} subjects; at most {MAX_SUBJECTS} are read")
        return cls(predicate_type, tuple(map(_subject, subjects)), strictjson.get(value, "predicate"))


def _subject(raw: object) -> Subject:
    value = strictjson.as_object(raw, "a subject")
    digests = strictjson.as_object(strictjson.get(value, "digest"), "a subject's digest")
    annotations = strictjson.get(value, "annotations")
    return Subject(
        {k: v for k, v in digests.items() if isinstance(v, str)},
        texts(annotations, "a subject's annotations"),
    )


def texts(value: object, what: str) -> dict[str, str]:
    """An object whose values are texts; others are left out, absent is empty.

    Raises:
        ParseError: something else than an object.
    """
    if value is None:
        return {}
    return {k: v for k, v in strictjson.as_object(value, what).items() if isinstance(v, str)}
