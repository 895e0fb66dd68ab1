"""A bundle, a trusted root and a question, made from a plan; and what two verifiers answer."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sigstore.models import Bundle as SigstoreBundle
from sigstore.models import TrustedRoot as SigstoreRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity as SigstoreIdentity

from gate.errors import ParseError
from gate.evidence import dsse
from gate.evidence.bundle import Bundle, MessageSignature
from gate.evidence.candidate import Candidate
from gate.evidence.facts import Format, Rejection
from gate.evidence.message import Message
from gate.evidence.refusal import Refused
from gate.evidence.signed import of_bundle
from gate.evidence.verifier import prove, verify
from gate.image.digest import Digest
from gate.policy.acceptance import objection
from gate.policy.identity import IdentityPattern, TextPattern
from gate.policy.signers import KeylessSpec
from gate.policy.trust import BuiltInRoot
from gate.trust.anchors import Anchors, Issuers
from gate.trust.root import TrustedRoot
from tests.fakes.fulcio import AT, ISSUER, SUBJECT, Fulcio, KeyType, Profile, Sct, shared_key
from tests.fakes.signing_authority import BundleVersion, Signature, SigningAuthority, encode, shared_world, statement
from tests.fakes.transparency_log import Entry, Kind, Place, TransparencyLog, b64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gate.evidence.facts import Signer as VerifiedSigner
    from gate.evidence.facts import Witness
    from tests.fakes.fulcio import Signer

WORLD: Final[SigningAuthority] = shared_world()
IMAGE: Final = Digest.of(b"image")
BLOB: Final = b"any bytes"
TRIES: Final = 50
NOW: Final = AT + timedelta(days=1)
"""When the verdict is given: the certificates have expired by then, so that a signature needs a time of its own."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is made, and what is asked. Every default is right.

    Attributes:
        message: whether the bundle is over a blob, not an envelope.
        stamped: whether there is a timestamp, unless `stamps` says more.
        scts: None is one of the world's CT log.
        about: what the log entry is about, of what was signed.
        entries: of the one entry, those in the bundle.
        stamps: of the signature, the timestamps in the bundle; None is one if `stamped`.
        edits: of the bundle's JSON.
        root_edits: of the trusted root's JSON.
        texts: of the bundle's bytes.
        artifact: that the signature is said to be over.
    """

    version: BundleVersion = "0.3"
    message: bool = False
    log: TransparencyLog = field(default_factory=lambda: WORLD.rekor)
    stamped: bool = False
    key: KeyType = "P-256"
    profile: Profile = field(default_factory=Profile)
    scts: tuple[Sct, ...] | None = None
    fulcio: Fulcio = field(default_factory=lambda: WORLD.fulcio)
    intermediates: bool = False
    kind: Kind | None = None
    logged: timedelta = timedelta()
    place: Place = field(default_factory=Place)
    payload: bytes = field(default_factory=lambda: statement(IMAGE))
    payload_type: str = dsse.PAYLOAD_TYPE
    about: Callable[[Signature], Signature] = lambda signature: signature
    entries: Callable[[Entry], list[Entry]] = lambda entry: [entry]
    stamps: Callable[[bytes], list[bytes]] | None = None
    edits: tuple[Callable[[Any], None], ...] = ()
    root_edits: tuple[Callable[[Any], None], ...] = ()
    texts: tuple[Callable[[bytes], bytes], ...] = ()
    artifact: bytes = BLOB
    subject: str = SUBJECT
    issuer: str = ISSUER

    @property
    def needs_stamp(self) -> bool:
        """Rekor v2 states no time."""
        return self.log.version > 1

    def signature(self) -> Signature:
        """What is signed."""
        signer = WORLD.issue(shared_key(self.key, "plan"), self.profile, scts=self.scts, fulcio=self.fulcio)
        for _ in range(TRIES):
            made = self._signed(signer)
            text = b64(made.content)
            if {*text} & {*"+/"} and text.endswith("="):  # so that there is another way to write it
                break
        return made

    def _signed(self, signer: Signer) -> Signature:
        if self.message:
            return Signature.of_message(signer, BLOB)
        return Signature.of_payload(signer, self.payload, self.payload_type)

    def bundle(self) -> bytes:
        """The bundle."""
        made = self.signature()
        entry = WORLD.entry(self.about(made), log=self.log, kind=self.kind, at=AT + self.logged, place=self.place)
        stamps = self.stamps or (lambda content: [WORLD.tsa.stamp(content)] if self.stamped else [])
        value = WORLD.bundle(
            made,
            version=self.version,
            entries=self.entries(entry),
            timestamps=stamps(made.content),
            intermediates=self.intermediates,
        )
        value = json.loads(encode(value))
        for edit in self.edits:
            edit(value)
        content = encode(value)
        for change in self.texts:
            content = change(content)
        return content

    def root(self) -> bytes:
        """The trusted root."""
        value = json.loads(_plain_root())
        for edit in self.root_edits:
            edit(value)
        return encode(value)


@cache
def _plain_root() -> bytes:
    return WORLD.trusted_root()


@dataclass(frozen=True)
class Question:
    """What both verifiers are asked: the same bytes, read once."""

    plan: Plan
    bundle: bytes
    root: bytes

    @classmethod
    def of(cls, plan: Plan) -> Question:
        return cls(plan, plan.bundle(), plan.root())

    def ours(self) -> bool:
        """Whether a `keyless` signer of a policy accepts it: with a log entry, of Rekor v2 with a timestamp too."""
        try:
            found = self._facts()
        except (ParseError, Refused):
            return False
        identity = IdentityPattern(TextPattern(self.plan.subject), TextPattern(self.plan.issuer))
        spec = KeylessSpec("ci", identity, BuiltInRoot("test"), timestamp=self.plan.needs_stamp)
        return any(objection(spec, signer, witness, NOW) is None for signer, witness in found)

    def _facts(self) -> list[tuple[VerifiedSigner, Witness]]:
        root = TrustedRoot.parse(self.root)
        anchors = Anchors(issuers=(Issuers("test", root.authorities, root),))
        if self.plan.message:
            bundle, artifact = Bundle.parse(self.bundle), Message.of(self.plan.artifact)
            if isinstance(bundle.content, MessageSignature):
                bundle.content.check(artifact)
            proven = prove(of_bundle(bundle, artifact), anchors)
            return [(found.signer, found.witness) for found in proven]
        verdict = verify(Candidate(Format.BUNDLE, Digest.of(self.bundle), "", self.bundle), IMAGE, anchors)
        return [] if isinstance(verdict, Rejection) else [(fact.signer, fact.witness) for fact in verdict]

    def theirs(self, folder: Path) -> bool:
        """Whether `sigstore` accepts it. What it raises is a refusal, whatever it is: it leaks errors of libraries."""
        path = folder / "trusted_root.json"
        path.write_bytes(self.root)
        try:
            return self._believed(Verifier(trusted_root=SigstoreRoot.from_file(str(path))))
        except Exception:  # noqa: BLE001 - as said
            return False

    def _believed(self, verifier: Verifier) -> bool:
        bundle = SigstoreBundle.from_json(self.bundle)
        policy = SigstoreIdentity(identity=self.plan.subject, issuer=self.plan.issuer)
        if self.plan.message:
            verifier.verify_artifact(self.plan.artifact, bundle, policy)
            return True
        payload_type, payload = verifier.verify_dsse(bundle, policy)
        # It leaves both to its callers.
        return payload_type == dsse.PAYLOAD_TYPE and payload == self.plan.payload


def bases() -> Iterator[Plan]:
    """Everything right, in each form that both verifiers know."""
    versions: tuple[BundleVersion, ...] = ("0.1", "0.2", "0.3", "0.3-parameter")
    for version, message in itertools.product(versions, (False, True)):
        for log, stamped in ((WORLD.rekor, False), (WORLD.rekor, True), (WORLD.rekor2, True)):
            if log.version == 1 or version != "0.1":  # what Rekor v2 logs has no promise, which v0.1 wants
                yield Plan(version=version, message=message, log=log, stamped=stamped)


def name_of(plan: Plan) -> str:
    """Of one of `bases`, for people."""
    parts = (plan.version, "message" if plan.message else "dsse", f"rekor{plan.log.version}")
    return "-".join((*parts, *(["tsa"] if plan.stamped else [])))
