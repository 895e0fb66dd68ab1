"""Valid evidence with any one part changed: nothing of it counts as it did, but for parts that prove nothing.

A change may be refused, or leave less: the same signer with fewer logs or times. It never leaves the same, and never
more or something else, unless `IRRELEVANT` says why that is no matter.
"""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

import pytest
from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import ParseError
from gate.evidence import cosign
from gate.evidence.bundle import Bundle, MessageSignature
from gate.evidence.candidate import Candidate
from gate.evidence.checkpoint import Checkpoint
from gate.evidence.facts import Format, Rejection, VerifiedSignature
from gate.evidence.message import Message
from gate.evidence.refusal import Refused
from gate.evidence.signed import Signed, of_bundle, take_apart
from gate.evidence.verifier import prove, verify
from gate.image.digest import Digest
from gate.policy.acceptance import objection
from gate.policy.identity import IdentityPattern, TextPattern
from gate.policy.signers import KeylessSpec, KeySpec, LogUse
from gate.policy.trust import PUBLIC_GOOD, BuiltInRoot
from gate.trust.anchors import Anchors, Holder, Issuers
from gate.trust.root import TrustedRoot
from tests.fakes.fulcio import AT, ISSUER, SUBJECT, CtLog, Fulcio, Signer, shared_key
from tests.fakes.signing_authority import (
    BundleVersion,
    Layer,
    Signature,
    encode,
    shared_world,
    simple_signing,
    statement,
)
from tests.fakes.timestamp_authority import TimestampAuthority
from tests.fakes.transparency_log import TransparencyLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate.evidence.entry import InclusionProof, LogEntry
    from gate.policy.signers import SignerSpec

pytestmark = [
    # What `cryptography` says of odd certificates that it reads all the same.
    pytest.mark.filterwarnings("ignore:Parsed a serial number:cryptography.utils.CryptographyDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Attribute's length must be:UserWarning"),
]

Path = tuple[str | int, ...]
Change = tuple[Path, str, Any]
"""Where, what was done, and the whole document after it."""

WORLD: Final = shared_world()
IMAGE: Final = Digest.of(b"image")
BLOB: Final = b"any bytes"
NOW: Final = AT + timedelta(days=1)
PROVENANCE: Final = "https://slsa.dev/provenance/v1"
FLIPS: Final = 48
"""Of the bits of one value, spread over it."""

GONE: Final = object()
TWICE: Final = "\x00"
"""Begins the name of a member that is to stand twice."""

BINARY: Final = frozenset(
    {
        "rawBytes",
        "keyId",
        "signedEntryTimestamp",
        "rootHash",
        "hashes",
        "canonicalizedBody",
        "signedTimestamp",
        "payload",
        "sig",
        "signature",
        "digest",
        "hint",
        "body",
        "SignedEntryTimestamp",
        "SignedRFC3161Timestamp",
        cosign.SIGNATURE,
    }
)
"""Members that hold base64."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an accepted candidate is good for."""

    signer: object
    logs: frozenset[str]
    times: frozenset[object]
    content: object

    def says_at_most(self, other: Kept) -> bool:
        """Whether it says what another says, or less."""
        same = (self.signer, self.content) == (other.signer, other.content)
        return same and self.logs <= other.logs and self.times <= other.times


@dataclass(frozen=True)
class Specimen:
    """Valid evidence.

    Attributes:
        by: who signed it.
        root: the trusted root: all that it needs, and nothing that it does not.
        bundle: it, where it is a bundle.
        layer: it, where it is a layer.
        message: whether it is over a blob.
    """

    by: Signer
    root: dict[str, Any]
    bundle: dict[str, Any] | None = None
    layer: Layer | None = None
    message: bool = False
    timestamp: bool = False

    @property
    def spec(self) -> SignerSpec:
        """Who accepts it."""
        if not self.by.chain:
            return KeySpec("key", self.by.key.public, LogUse.REQUIRED)
        identity = IdentityPattern(TextPattern(SUBJECT), TextPattern(ISSUER))
        return KeylessSpec("ci", identity, BuiltInRoot("test"), timestamp=self.timestamp)

    @property
    def candidate(self) -> Candidate:
        """It as it is stored."""
        if self.bundle is not None:
            return candidate(encode(self.bundle))
        assert self.layer
        return of_layer(self.layer)

    def anchors(self, raw: bytes) -> Anchors:
        """What is trusted."""
        root = parsed(raw)
        if not self.by.chain:
            return Anchors((Holder(self.by.key.public, PUBLIC_GOOD, root),))
        return Anchors(issuers=(Issuers("test", root.authorities, root),))

    def judged(self, changed: Candidate | None = None, root: bytes | None = None) -> frozenset[Kept]:
        """What counts of it, or of a changed one; nothing where it is refused."""
        try:
            anchors = self.anchors(root or encode(self.root))
            return self._found(changed or self.candidate, anchors)
        except (ParseError, Refused):
            return frozenset()

    def _found(self, changed: Candidate, anchors: Anchors) -> frozenset[Kept]:
        if self.message:
            proven = prove(over_blob(Bundle.parse(changed.content)), anchors)
            facts = [(found.signer, found.witness, BLOB) for found in proven]
        else:
            verdict = verify(changed, IMAGE, anchors)
            found = () if isinstance(verdict, Rejection) else verdict
            facts = [(fact.signer, fact.witness, content_of(fact)) for fact in found]  # type: ignore[misc]
        return frozenset(
            Kept(signer, witness.logs, frozenset(witness.times), content)
            for signer, witness, content in facts
            if objection(self.spec, signer, witness, NOW) is None
        )

    @property
    def untouched(self) -> Kept:
        """What it is good for."""
        (kept,) = self.judged()
        return kept


@lru_cache(maxsize=4)
def parsed(root: bytes) -> TrustedRoot:
    return TrustedRoot.parse(root)


def over_blob(bundle: Bundle) -> Signed:
    """As `gate verify-blob` takes it apart."""
    if isinstance(bundle.content, MessageSignature):
        bundle.content.check(Message.of(BLOB))
    return of_bundle(bundle, Message.of(BLOB))


def content_of(fact: Any) -> object:
    if isinstance(fact, VerifiedSignature):
        return tuple(sorted(fact.annotations.items())), fact.docker_reference
    return fact.predicate_type, fact.statement


def candidate(content: bytes) -> Candidate:
    return Candidate(Format.BUNDLE, Digest.of(content), "", content)


def of_layer(layer: Layer) -> Candidate:
    return Candidate(Format.LEGACY, Digest.of(layer.content), layer.media_type, layer.content, layer.annotations)


def opened(value: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode(value))
    return found


def keyless(
    version: BundleVersion, log: TransparencyLog, *, message: bool = False, timestamp: bool = False
) -> Specimen:
    by = WORLD.issue(shared_key("P-256", "mutations"))
    signature = Signature.of_message(by, BLOB) if message else Signature.of_payload(by, statement(IMAGE))
    stamps = [WORLD.tsa.stamp(signature.content)] if timestamp else []
    bundle = WORLD.bundle(signature, version=version, entries=[WORLD.entry(signature, log=log)], timestamps=stamps)
    root = WORLD.root(logs=[log], tsas=[WORLD.tsa] if timestamp else [])
    return Specimen(by, opened(root), opened(bundle), message=message, timestamp=timestamp)


def managed() -> Specimen:
    by = Signer(shared_key("P-256", "managed"))
    bundle = WORLD.bundle(Signature.of_payload(by, statement(IMAGE, annotations={"team": "a"})))
    return Specimen(by, opened(WORLD.root(fulcios=[], ct_logs=[], logs=[WORLD.rekor], tsas=[])), opened(bundle))


def layer(*, attestation: bool) -> Specimen:
    """Its intermediate is beside it alone."""
    by = WORLD.issue(shared_key("P-256", "mutations"))
    top = Fulcio(WORLD.fulcio.uri, WORLD.fulcio.issuers[-1:])
    root = opened(WORLD.root(fulcios=[top], logs=[WORLD.rekor]))
    if attestation:
        signature = Signature.of_payload(by, statement(IMAGE, PROVENANCE))
        stored = WORLD.legacy_attestation(signature, timestamp=WORLD.tsa.stamp(signature.stored))
    else:
        signature = Signature.of_message(by, simple_signing(IMAGE, annotations={"team": "a"}))
        stored = WORLD.legacy_signature(signature, timestamp=WORLD.tsa.stamp(signature.content))
    return Specimen(by, root, layer=stored, timestamp=True)


MAKERS: Final[dict[str, Callable[[], Specimen]]] = {
    "v0.1 promise and proof": lambda: keyless("0.1", WORLD.rekor),
    "v0.3 rekor1 envelope": lambda: keyless("0.3", WORLD.rekor),
    "v0.3 rekor1 message": lambda: keyless("0.3", WORLD.rekor, message=True),
    "v0.3 rekor2 timestamp": lambda: keyless("0.3", WORLD.rekor2, timestamp=True),
    "managed key": managed,
    "layer of .sig": lambda: layer(attestation=False),
    "layer of .att": lambda: layer(attestation=True),
}
BUNDLES: Final = tuple(name for name in MAKERS if not name.startswith("layer"))
LAYERS: Final = tuple(name for name in MAKERS if name.startswith("layer"))


@cache
def specimen(name: str) -> Specimen:
    return MAKERS[name]()


# Changes of JSON.


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every member and item, containers too."""
    children: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        children = iter(value.items())
    elif isinstance(value, list):
        children = iter(enumerate(value))
    for step, child in children:
        yield (*path, step)
        yield from places(child, (*path, step))


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def changed(document: Any, path: Path, new: object) -> Any:
    """A copy with another value there, or none."""
    result = copy.deepcopy(document)
    holder = at(result, path[:-1])
    if new is GONE:
        del holder[path[-1]]
    else:
        holder[path[-1]] = new
    return result


def changes(document: Any) -> Iterator[Change]:
    """Every change of every place."""
    for path in places(document):
        old = at(document, path)
        name = next(step for step in reversed(path) if isinstance(step, str))
        for what, new in variants(old, binary=name in BINARY):
            yield path, what, changed(document, path, new)
        if isinstance(path[-1], str):
            holder = at(document, path[:-1])
            yield (
                path,
                "twice",
                changed(document, path[:-1], {**holder, f"{TWICE}{path[-1]}": old})
                if path[:-1]
                else {**document, f"{TWICE}{path[-1]}": old},
            )


def written(document: Any) -> bytes:
    """JSON; members whose name begins with `TWICE` are second ones."""
    return encode(document).replace(b'"\\u0000', b'"')


def variants(old: Any, *, binary: bool) -> Iterator[tuple[str, object]]:
    yield "gone", GONE
    for what, new in (("null", None), ("true", True), ("9", 9), ('"x"', "x"), ("[]", []), ("{}", {})):
        if new != old:
            yield f"is {what}", new
    match old:
        case str():
            yield from texts(old, binary=binary)
        case list():
            yield "last item twice", [*old, old[-1]]
            if len(old) > 1:
                yield "turned round", old[::-1]
        case int():
            yield from (("one more", old + 1), ("one less", old - 1), ("as a text", str(old)))
        case _:
            yield "in a list", [old]


def texts(old: str, *, binary: bool) -> Iterator[tuple[str, object]]:
    yield from (("in a list", [old]), ("in an object", {"x": old}), ("empty", ""), ("longer", f"{old}x"))
    if old.isdecimal():
        number = int(old)
        yield from (("one more", str(number + 1)), ("one less", str(number - 1)), ("as a number", number))
    if binary:
        content = base64.b64decode(old)
        yield from ((what, text(new)) for what, new in stamp_changes(content))
        yield from (("byte more", text(content + b"\0")), ("byte less", text(content[:-1])))
        yield from ((f"bit {i}", text(new)) for i, new in flips(content))
    else:
        yield from ((f"character {i}", f"{old[:i]}{chr(ord(old[i]) ^ 1)}{old[i + 1 :]}") for i in range(len(old)))


def stamp_changes(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Of a timestamp: another name of its algorithm, another kind of text in the name of its signer's issuer."""
    if stamped := parts_of(content):
        algorithm, issuer = (content.rfind(part) for part in stamped[:2])
        for what, index, bits in (("algorithm", algorithm + 8, 1), ("kind of text", issuer + 11, 0x1F)):
            new = bytearray(content)
            new[index] ^= bits
            yield what, bytes(new)


def parts_of(content: bytes) -> tuple[bytes, bytes, Any] | None:
    """Of a timestamp: DER of its signature's algorithm and of its signer's issuer, and that read; None of others."""
    try:
        (info,) = tsp.TimeStampResp.load(content, strict=True)["time_stamp_token"]["content"]["signer_infos"]
        issuer = info["sid"].chosen["issuer"]
        return info["signature_algorithm"].dump(), issuer.dump(), issuer.native
    except (ValueError, TypeError, KeyError):
        return None


def flips(content: bytes) -> Iterator[tuple[int, bytes]]:
    """It with one bit changed, in up to `FLIPS` bytes, the first and the last among them."""
    count = min(len(content), FLIPS)
    for number in range(count):
        index = number * (len(content) - 1) // max(1, count - 1)
        new = bytearray(content)
        new[index] ^= 1 << number % 8
        yield index, bytes(new)


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


# Changes of layers.


def annotated(stored: Layer, name: str, value: str | None) -> Layer:
    rest = {k: v for k, v in stored.annotations.items() if k != name}
    return replace(stored, annotations=rest if value is None else {**rest, name: value})


def layer_changes(stored: Layer) -> Iterator[tuple[Path, str, Layer]]:
    for index, content in flips(stored.content):
        yield ("content",), f"bit {index}", replace(stored, content=content)
    yield ("media type",), "another", replace(stored, media_type=f"{stored.media_type}x")
    for name, value in stored.annotations.items():
        yield (name,), "gone", annotated(stored, name, None)
        yield (name,), "empty", annotated(stored, name, "")
        yield (name,), "nonsense", annotated(stored, name, "nonsense")
        if value.startswith("{"):
            for path, what, document in changes(json.loads(value)):
                yield (name, *path), what, annotated(stored, name, written(document).decode())
        elif "BEGIN" in value:
            yield from ((p, w, annotated(stored, name, new)) for p, w, new in pem_changes(name, value))
        elif value:
            yield from ((((name,), w, annotated(stored, name, str(new)))) for w, new in texts(value, binary=True))


def pem_changes(name: str, value: str) -> Iterator[tuple[Path, str, str]]:
    blocks = [c.public_bytes(Encoding.DER) for c in x509.load_pem_x509_certificates(value.encode())]
    yield (name,), "first twice", pem(blocks[0], *blocks)
    for number, block in enumerate(blocks):
        for index, new in flips(block):
            yield (name, number), f"bit {index}", pem(*blocks[:number], new, *blocks[number + 1 :])
        yield (name, number), "gone", pem(*blocks[:number], *blocks[number + 1 :])


def pem(*ders: bytes) -> str:
    return "".join(f"-----BEGIN CERTIFICATE-----\n{text(der)}\n-----END CERTIFICATE-----\n" for der in ders)


# Parts that prove nothing.


@dataclass(frozen=True)
class Irrelevant:
    """Changes after which everything still counts as it did.

    Attributes:
        reason: why that is right.
        where: beginning of the names of the specimens.
        ends: how the place ends.
        what: which changes of it; None is all.
        only: what else has to be true of the value before and after.
    """

    reason: str
    where: tuple[str, ...]
    ends: Path
    what: tuple[str, ...] | None = None
    only: Callable[[Any, Any], bool] = field(default=lambda _old, _new: True)

    def covers(self, name: str, path: Path, what: str, old: Any, new: Any) -> bool:
        return (
            name.startswith(self.where)
            and path[len(path) - len(self.ends) :] == self.ends
            and (self.what is None or what in self.what)
            and self.only(old, new)
        )


def same_note(old: Any, new: Any) -> bool:
    return isinstance(new, str) and new != "" and unnamed(Checkpoint.parse(old)) == unnamed(Checkpoint.parse(new))


def unnamed(note: Checkpoint) -> object:
    """Without the names on its signature lines."""
    return note.text, [line[1:] for line in note.signatures]


def same_stamp(old: Any, new: Any) -> bool:
    """But for the name of its signature's algorithm and the kinds of text in the name of its signer's issuer."""
    found = [unnamed_stamp(value) for value in (old, new)]
    return found[0] is not None and found[0] == found[1]


def unnamed_stamp(value: Any) -> object:
    content = base64.b64decode(value) if isinstance(value, str) else b""
    parts = parts_of(content)
    if parts is None:
        return None
    before, _, behind = content.rpartition(parts[0])
    head, _, rest = before.rpartition(parts[1])
    return head, parts[2], rest, len(parts[0]), behind


def same_number(old: Any, new: Any) -> bool:
    return str(old) == str(new)


ENVELOPES: Final = ("v0.1", "v0.3 rekor1 envelope", "v0.3 rekor2", "managed")
IRRELEVANT: Final = (
    Irrelevant("a hint at the key that nobody signs", ("managed",), ("publicKey", "hint")),
    Irrelevant("DSSE: a key id is an unauthenticated hint", ENVELOPES, ("signatures", 0, "keyid")),
    Irrelevant("Rekor v2 states no time", ("v0.3 rekor2",), ("integratedTime",), ("gone", "is null")),
    Irrelevant("64-bit numbers may be numbers", ("v0", "managed"), ("logIndex",), ("as a number",), same_number),
    Irrelevant("64-bit numbers may be numbers", ("v0", "managed"), ("integratedTime",), ("as a number",), same_number),
    Irrelevant("64-bit numbers may be numbers", ("v0", "managed"), ("treeSize",), ("as a number",), same_number),
    Irrelevant(
        "a hint: the message itself is hashed",
        ("v0.3 rekor1 message",),
        ("messageDigest",),
        ("gone", "is null", "is {}"),
    ),
    Irrelevant(
        "a hint: the message itself is hashed",
        ("v0.3 rekor1 message",),
        ("messageDigest", "digest"),
        ("gone", "is null", "empty"),
    ),
    Irrelevant("v0.1 needs the promise alone", ("v0.1",), ("inclusionProof",), ("gone", "is null")),
    Irrelevant(
        "v0.1 needs the promise alone; a proof without a checkpoint proves nothing",
        ("v0.1",),
        ("inclusionProof", "checkpoint"),
        ("gone", "is null", "is {}"),
    ),
    Irrelevant(
        "v0.1 needs the promise alone; a proof without a checkpoint proves nothing",
        ("v0.1",),
        ("checkpoint", "envelope"),
        ("gone", "is null", "empty"),
    ),
    Irrelevant(
        "the key hash picks the key; of Rekor v1 nothing says beforehand what name is on the line",
        ("v0.1", "v0.3 rekor1", "managed"),
        ("checkpoint", "envelope"),
        None,
        same_note,
    ),
    Irrelevant("no hint at all", ("managed",), ("verificationMaterial", "publicKey"), ("is {}",)),
    Irrelevant(
        "certificates that came along are passed through if they help",
        ("v0.1",),
        ("certificates",),
        ("last item twice",),
    ),
    Irrelevant("a timestamp twice is one", ("v0.3 rekor2",), ("rfc3161Timestamps",), ("last item twice",)),
    Irrelevant(
        "nobody signs either: the signer's key decides the algorithm, and names are compared by their text",
        ("v0.3 rekor2",),
        ("signedTimestamp",),
        None,
        same_stamp,
    ),
    Irrelevant(
        "nobody signs either: the signer's key decides the algorithm, and names are compared by their text",
        ("layer",),
        (cosign.TIMESTAMP, "SignedRFC3161Timestamp"),
        None,
        same_stamp,
    ),
    Irrelevant("the signature of an attestation is in its envelope", ("layer of .att",), (cosign.SIGNATURE,)),
    Irrelevant("roots come from the trusted root; what is beside a signature is none", ("layer",), (cosign.CHAIN, 1)),
    Irrelevant("the same intermediate twice is one", ("layer",), (cosign.CHAIN,), ("first twice",)),
)


def reasons_for(name: str, path: Path, what: str, old: Any, new: Any) -> frozenset[Irrelevant]:
    return frozenset(i for i in IRRELEVANT if i.covers(name, path, what, old, new))


@dataclass(frozen=True)
class Outcome:
    """Of all changes of one specimen.

    Attributes:
        same: after which everything counts as it did, and what says that this is no matter.
        other: after which more counts, or something else.
        leaks: at which anything but an answer came out.
        count: of the changes.
    """

    same: tuple[tuple[Path, str, frozenset[Irrelevant]], ...]
    other: tuple[tuple[Path, str], ...]
    leaks: tuple[tuple[Path, str, str], ...]
    count: int


def outcome(name: str) -> Outcome:
    original = specimen(name)
    before = original.untouched
    same: list[tuple[Path, str, frozenset[Irrelevant]]] = []
    other: list[tuple[Path, str]] = []
    leaks: list[tuple[Path, str, str]] = []
    tried = tuple(attempts(original))
    for path, what, after, old, new in tried:
        try:
            kept = original.judged(after)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            leaks.append((path, what, repr(error)))
            continue
        if before in kept:
            same.append((path, what, reasons_for(name, path, what, old, new)))
        if not all(k.says_at_most(before) for k in kept):
            other.append((path, what))
    return Outcome(tuple(same), tuple(other), tuple(leaks), len(tried))


def attempts(original: Specimen) -> Iterator[tuple[Path, str, Candidate, Any, Any]]:
    if original.bundle is not None:
        for path, what, document in changes(original.bundle):
            old = at(original.bundle, path)
            yield path, what, candidate(written(document)), old, value_after(document, path)
        return
    assert original.layer
    for path, what, stored in layer_changes(original.layer):
        old, new = (annotation_at(found, path) for found in (original.layer, stored))
        yield path, what, of_layer(stored), old, new


def value_after(document: Any, path: Path) -> Any:
    try:
        return at(document, path)
    except (KeyError, IndexError):
        return GONE


def annotation_at(stored: Layer, path: Path) -> Any:
    value = stored.annotations.get(str(path[0]), "")
    if len(path) == 1 or not value.startswith("{"):
        return value
    try:
        return value_after(json.loads(value), path[1:])
    except ValueError:
        return GONE


@pytest.mark.parametrize("name", MAKERS)
def test_the_original_counts(name: str) -> None:
    kept = specimen(name).untouched
    assert kept.logs
    assert kept.times


@pytest.mark.parametrize("name", MAKERS)
def test_no_change_leaves_it_as_it_is(name: str) -> None:
    found = outcome(name)
    assert [(path, what) for path, what, reasons in found.same if not reasons] == [], "everything counts as it did"
    assert found.other == (), "more counts, or something else"
    used = {reason for _, _, reasons in found.same for reason in reasons}
    assert [i for i in IRRELEVANT if name.startswith(i.where) and i not in used] == [], "exceptions that are none"
    assert found.count > 400
    assert found.leaks == (), "something else than an answer came out"


# The trusted root.


def elsewhere(instance: Any, when: str) -> None:
    """A window that does not hold the moment of signing."""
    moments = {"before": ("2025-01-01T00:00:00Z", "2026-01-02T03:04:04Z"), "after": ("2026-01-02T03:04:06Z", None)}
    start, end = moments[when]
    holder = instance.get("publicKey", instance)
    holder["validFor"] = {"start": start} | ({"end": end} if end else {})


STRANGERS: Final[dict[str, dict[str, Any]]] = {
    "tlogs": {"logs": [TransparencyLog.rekor(WORLD.rekor.url)]},
    "ctlogs": {"ct_logs": [CtLog(WORLD.ct_log.url)]},
    "certificateAuthorities": {"fulcios": [Fulcio.create()]},
    "timestampAuthorities": {"tsas": [TimestampAuthority.create()]},
}
"""Namesakes: the same names and addresses, other keys."""


def root_changes(root: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for section, others in STRANGERS.items():
        if not root[section]:
            continue
        other = opened(WORLD.root(**others))[section]
        yield f"no {section}", {**root, section: []}
        yield f"other {section}", {**root, section: other}
        for when in ("before", "after"):
            moved = copy.deepcopy(root)
            elsewhere(moved[section][0], when)
            yield f"{section} {when}", moved
        yield from key_changes(root, section, other)
    yield "another type", {**root, "mediaType": "application/json"}
    yield "an unknown field", {**root, "more": 1}


def key_changes(root: dict[str, Any], section: str, other: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key, id and certificate: a stranger's, none, or with a bit changed where that is signed or compared."""
    paths = (p for p in places(root[section]) if p[-1] in {"rawBytes", "keyId", "keyDetails", "start"})
    for path in paths:
        if path[-1] == "start" and "publicKey" not in path:
            continue  # an authority's window may be open
        where = (section, *path)
        yield f"{where} gone", changed(root, where, GONE)
        if path[-1] in {"rawBytes", "keyId"}:
            old = base64.b64decode(at(root, where))
            strange = value_after(other, path)
            yield from (
                (f"{where} {name}", changed(root, where, new)) for name, new in (("other", strange),) if new is not GONE
            )
            if not is_root(root, section, path):
                yield from ((f"{where} bit {i}", changed(root, where, text(new))) for i, new in flips(old))


def is_root(root: dict[str, Any], section: str, path: Path) -> bool:
    """Whether it is a root certificate: an anchor is its name and key, and what else is in it nobody signs."""
    if "certChain" not in path:
        return False
    chain = root[section][path[0]]["certChain"]["certificates"]
    return path[-2] == len(chain) - 1


@pytest.mark.parametrize("name", MAKERS)
def test_no_change_of_the_trusted_root_leaves_it_as_it_is(name: str) -> None:
    original = specimen(name)
    before = original.untouched
    kept = [(what, original.judged(root=encode(root))) for what, root in root_changes(original.root)]
    assert len(kept) > 80
    assert [what for what, found in kept if before in found] == []
    assert all(k.says_at_most(before) for _, found in kept for k in found)


@pytest.mark.parametrize("name", MAKERS)
def test_windows_hold_at_both_ends(name: str) -> None:
    original = specimen(name)
    root = copy.deepcopy(original.root)
    for instance in (i for section in STRANGERS for i in root[section]):
        holder = instance.get("publicKey", instance)
        holder["validFor"] = {"start": "2026-01-02T03:04:05Z", "end": "2026-01-02T03:04:05Z"}
    (kept,) = original.judged(root=encode(root))
    assert (kept.logs, kept.times) == (original.untouched.logs, original.untouched.times)


# The search.


def essence(candidate: Candidate, *, message: bool, proofs: bool) -> Signed:
    """A candidate without what `IRRELEVANT` names, and without timestamps: what they are good for is in the times.

    Proofs are left out where they may be absent; those that are there were checked.
    """
    bundled = candidate.format is Format.BUNDLE
    signed = over_blob(Bundle.parse(candidate.content)) if message else take_apart(candidate)
    if bundled and not message:
        signed = replace(signed, message=Message.of(signed.envelope.pae if signed.envelope else b""))
    found = (entry if proofs else replace(entry, proof=None) for entry in signed.beside.entries)
    entries = tuple(map(essential, dict.fromkeys(found)))
    beside = replace(signed.beside, entries=entries, timestamps=(), needs_proof=False, stamped=b"")
    return replace(signed, beside=beside, key_hint="", intermediates=(), stored=None)


def essential(entry: LogEntry) -> LogEntry:
    proof = entry.proof and essential_proof(entry.proof, named=not entry.promise)
    return replace(entry, proof=proof)


def essential_proof(proof: InclusionProof, *, named: bool) -> InclusionProof | None:
    if not proof.checkpoint:
        return None
    note = Checkpoint.parse(proof.checkpoint)
    return replace(proof, checkpoint=repr((note.text, note.signatures) if named else unnamed(note)))


def damaged(content: bytes, places: list[tuple[int, int]]) -> bytes:
    new = bytearray(content)
    for index, bits in places:
        new[index % len(new)] ^= bits
    return bytes(new)


WHERE: Final = st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 255)), min_size=1, max_size=3)


def never_the_same(name: str, after: Candidate) -> None:
    original = specimen(name)
    before = original.untouched
    kept = original.judged(after)
    assert all(k.says_at_most(before) for k in kept)
    if before in kept:
        proofs = not name.startswith("v0.1")
        was, now = (essence(c, message=original.message, proofs=proofs) for c in (original.candidate, after))
        assert was == now


@pytest.mark.property
@pytest.mark.parametrize("name", BUNDLES)
@given(places=WHERE)
@settings(max_examples=1000, deadline=None)
def test_random_bytes_of_bundles(name: str, places: list[tuple[int, int]]) -> None:
    never_the_same(name, candidate(damaged(specimen(name).candidate.content, places)))


@pytest.mark.property
@pytest.mark.parametrize("name", LAYERS)
@given(
    places=WHERE, part=st.sampled_from([cosign.SIGNATURE, cosign.CERTIFICATE, cosign.LOG_BUNDLE, cosign.TIMESTAMP, ""])
)
@settings(max_examples=1000, deadline=None)
def test_random_bytes_of_layers(name: str, places: list[tuple[int, int]], part: str) -> None:
    stored = specimen(name).layer
    assert stored
    if part:
        value = damaged(stored.annotations[part].encode() or b"x", places).decode("utf-8", "replace")
        never_the_same(name, of_layer(annotated(stored, part, value)))
    else:
        never_the_same(name, of_layer(replace(stored, content=damaged(stored.content, places))))


@pytest.mark.property
@pytest.mark.parametrize("name", BUNDLES)
def test_every_byte_of_certificates_and_entries(name: str) -> None:
    """As `test_no_change_leaves_it_as_it_is`, which leaves out some bytes of long values."""
    original = specimen(name)
    assert original.bundle
    before = original.untouched
    found = original.bundle["verificationMaterial"]
    for path in (p for p in places(found) if p[-1] in {"rawBytes", "canonicalizedBody", "signedEntryTimestamp"}):
        content = base64.b64decode(at(found, path))
        for index in range(len(content)):
            new = bytearray(content)
            new[index] ^= 1 << index % 8
            document = changed(original.bundle, ("verificationMaterial", *path), text(bytes(new)))
            assert before not in original.judged(candidate(encode(document))), (path, index)
