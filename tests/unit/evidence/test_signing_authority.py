"""The fake Sigstore world is one that verifiers believe: ours in all of it, `sigstore` in what it supports."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from sigstore.models import Bundle as SigstoreBundle
from sigstore.models import TrustedRoot as SigstoreRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity as SigstoreIdentity

from gate.codes import Code
from gate.evidence.bundle import Bundle
from gate.evidence.candidate import Candidate
from gate.evidence.facts import (
    CertificateSigner,
    Format,
    FulcioClaims,
    Identity,
    KeySigner,
    Rejection,
    TimeSource,
    VerifiedAttestation,
    VerifiedSignature,
    VerifiedTime,
)
from gate.evidence.inclusion import leaf_hash, root_of
from gate.evidence.message import Message
from gate.evidence.signed import of_bundle
from gate.evidence.verifier import Proven, prove, verify
from gate.image.digest import Digest
from gate.image.reference import Reference
from gate.trust.anchors import Anchors, Holder, Issuers
from gate.trust.root import TrustedRoot
from gate.trust.window import Window
from tests.fakes.fulcio import (
    AGES,
    AT,
    ISSUER,
    LIFETIME,
    SUBJECT,
    CtLog,
    Fulcio,
    KeyType,
    Profile,
    Sct,
    Signer,
    email,
    shared_key,
    uri,
    user_name,
    utf8_string,
)
from tests.fakes.signing_authority import (
    OPEN,
    BundleVersion,
    Layer,
    Signature,
    encode,
    shared_world,
    simple_signing,
    statement,
)
from tests.fakes.timestamp_authority import TimestampAuthority
from tests.fakes.transparency_log import (
    DSSE_1,
    DSSE_2,
    HASHEDREKORD_1,
    HASHEDREKORD_2,
    INTOTO_1,
    INTOTO_2,
    Entry,
    Json,
    Kind,
    NoteKey,
    Place,
    TransparencyLog,
    merkle_path,
    merkle_root,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

Who = Literal["certificate", "key"]
Fact = VerifiedSignature | VerifiedAttestation

IMAGE: Final = Digest.of(b"image")
BLOB: Final = b"any bytes"
SECOND: Final = timedelta(seconds=1)
PROVENANCE: Final = "https://slsa.dev/provenance/v1"
WORLD: Final = shared_world()
ROOT: Final = WORLD.trusted_root()

KINDS: Final[tuple[KeyType, ...]] = get_args(KeyType)
WITH_SHA256: Final[tuple[KeyType, ...]] = ("P-256", "P-384/SHA-256", "P-521/SHA-256")
VERSIONS: Final[tuple[BundleVersion, ...]] = get_args(BundleVersion)
STATEMENTS: Final = [(WORLD.rekor, DSSE_1), (WORLD.rekor, INTOTO_2), (WORLD.rekor, HASHEDREKORD_1)]
STATEMENTS_2: Final = [(WORLD.rekor2, HASHEDREKORD_2), (WORLD.rekor2, DSSE_2)]
MESSAGES: Final = [(WORLD.rekor, HASHEDREKORD_1), (WORLD.rekor2, HASHEDREKORD_2)]

LOGGED: Final = VerifiedTime(AT, TimeSource.LOG, WORLD.rekor.url)
STAMPED: Final = VerifiedTime(AT, TimeSource.TSA, WORLD.tsa.uri)
WITNESSES: Final = tuple(NoteKey(f"witness{i}.test", shared_key("Ed25519", f"w{i}"), witness=True) for i in range(2))
UNKNOWN: Final = NoteKey("rekor.test", shared_key("P-384"))


@cache
def signer(kind: KeyType = "P-256", who: Who = "certificate") -> Signer:
    key = shared_key(kind)
    return WORLD.issue(key) if who == "certificate" else Signer(key)


def made(by: Signer | None = None, payload: bytes | None = None) -> Signature:
    return Signature.of_payload(by or signer(), payload or statement(IMAGE))


def anchors(raw: bytes = ROOT, by: Signer | None = None) -> Anchors:
    root = TrustedRoot.parse(raw)
    if by and not by.chain:
        return Anchors((Holder(by.key.public, root=root),))
    return Anchors(issuers=(Issuers("test", root.authorities, root),))


def judged(content: Json, raw: bytes = ROOT, by: Signer | None = None) -> tuple[Fact, ...] | Rejection:
    encoded = encode(content)
    media_type = str(content["mediaType"])
    return verify(Candidate(Format.BUNDLE, Digest.of(encoded), media_type, encoded), IMAGE, anchors(raw, by))


def judged_layer(layer: Layer, by: Signer | None = None, raw: bytes = ROOT) -> tuple[Fact, ...] | Rejection:
    digest = Digest.of(layer.content)
    candidate = Candidate(Format.LEGACY, digest, layer.media_type, layer.content, layer.annotations)
    return verify(candidate, IMAGE, anchors(raw, by))


def proven(content: Json, message: Message, by: Signer) -> Proven:
    (found,) = prove(of_bundle(Bundle.parse(encode(content)), message), anchors(by=by))
    return found


def one(verdict: tuple[Fact, ...] | Rejection) -> Fact:
    assert isinstance(verdict, tuple), verdict
    (fact,) = verdict
    return fact


def check(found: Fact | Proven, by: Signer, log: TransparencyLog | None, *times: VerifiedTime) -> None:
    """Everything that logs, authorities and certificates say was found, and nothing else."""
    assert found.witness.logs == ({log.key.public.fingerprint} if log else set())
    assert found.witness.times == times
    assert (found.witness.no_log is None) == (log is not None)
    assert (found.witness.no_timestamp is None) == any(t.source is TimeSource.TSA for t in times)
    if not by.chain:
        assert found.signer == KeySigner(by.key.public)
        return
    assert isinstance(found.signer, CertificateSigner)
    assert found.signer.identity == Identity(ISSUER, (SUBJECT,))
    assert found.signer.ct_logs == {WORLD.ct_log.id.hex()}
    assert not found.signer.no_sct
    assert found.signer.window == Window(AT, AT + LIFETIME)


def oracle(tmp_path: Path, raw: bytes = ROOT) -> Verifier:
    path = tmp_path / "trusted_root.json"
    path.write_bytes(raw)
    return Verifier(trusted_root=SigstoreRoot.from_file(str(path)))


def believed(content: Json, tmp_path: Path, raw: bytes = ROOT, subject: str = SUBJECT) -> bytes:
    """The payload of a bundle that `sigstore` accepts."""
    policy = SigstoreIdentity(identity=subject, issuer=ISSUER)
    return oracle(tmp_path, raw).verify_dsse(SigstoreBundle.from_json(encode(content)), policy)[1]


def stamped(signature: Signature, log: TransparencyLog) -> list[bytes]:
    return [WORLD.tsa.stamp(signature.content)] if log.version > 1 else []


@pytest.mark.parametrize("who", get_args(Who))
@pytest.mark.parametrize("kind", KINDS)
class TestEveryForm:
    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize(("log", "entry_kind"), STATEMENTS)
    def test_a_statement_in_rekor_1(
        self, kind: KeyType, who: Who, log: TransparencyLog, entry_kind: Kind, version: BundleVersion
    ) -> None:
        signature = made(signer(kind, who), statement(IMAGE, annotations={"team": "a"}))
        bundle = WORLD.bundle(signature, version=version, entries=[WORLD.entry(signature, log=log, kind=entry_kind)])
        fact = one(judged(bundle, by=signature.signer))
        check(fact, signature.signer, log, LOGGED)
        assert isinstance(fact, VerifiedSignature)
        assert fact.annotations == {"team": "a"}

    @pytest.mark.parametrize("version", VERSIONS[1:])
    @pytest.mark.parametrize(("log", "entry_kind"), STATEMENTS_2)
    def test_a_statement_in_rekor_2(
        self, kind: KeyType, who: Who, log: TransparencyLog, entry_kind: Kind, version: BundleVersion
    ) -> None:
        payload = statement(IMAGE, PROVENANCE, {"builder": 1}, statement_type="https://in-toto.io/Statement/v0.1")
        signature = made(signer(kind, who), payload)
        entry = WORLD.entry(signature, log=log, kind=entry_kind)
        bundle = WORLD.bundle(signature, version=version, entries=[entry], timestamps=stamped(signature, log))
        fact = one(judged(bundle, by=signature.signer))
        check(fact, signature.signer, log, STAMPED)
        assert isinstance(fact, VerifiedAttestation)
        assert (fact.predicate_type, fact.statement) == (PROVENANCE, payload)

    @pytest.mark.parametrize(("log", "entry_kind"), MESSAGES)
    def test_a_message(self, kind: KeyType, who: Who, log: TransparencyLog, entry_kind: Kind) -> None:
        signature = Signature.of_message(signer(kind, who), BLOB)
        entry = WORLD.entry(signature, log=log, kind=entry_kind)
        bundle = WORLD.bundle(signature, entries=[entry], timestamps=[WORLD.tsa.stamp(signature.content)])
        times = (LOGGED, STAMPED) if log.version == 1 else (STAMPED,)
        check(proven(bundle, Message.of(BLOB), signature.signer), signature.signer, log, *times)
        if kind in {*WITH_SHA256, "RSA-2048"}:
            check(proven(bundle, Message(Message.of(BLOB).sha256), signature.signer), signature.signer, log, *times)

    def test_an_unlogged_statement(self, kind: KeyType, who: Who) -> None:
        signature = made(signer(kind, who))
        bundle = WORLD.bundle(signature, entries=[], timestamps=[WORLD.tsa.stamp(signature.content)])
        check(one(judged(bundle, by=signature.signer)), signature.signer, None, STAMPED)

    @pytest.mark.parametrize("stamp", [False, True])
    def test_a_layer_of_signatures(self, kind: KeyType, who: Who, stamp: bool) -> None:  # noqa: FBT001 - a parameter
        signature = Signature.of_message(signer(kind, who), simple_signing(IMAGE, annotations={"team": "a"}))
        timestamp = WORLD.tsa.stamp(signature.content) if stamp else None
        fact = one(judged_layer(WORLD.legacy_signature(signature, timestamp=timestamp), signature.signer))
        check(fact, signature.signer, WORLD.rekor, LOGGED, *([STAMPED] if stamp else []))
        assert isinstance(fact, VerifiedSignature)
        assert fact.annotations == {"team": "a"}
        assert fact.docker_reference == Reference.parse("ghcr.io/acme/api").name

    @pytest.mark.parametrize("entry_kind", [DSSE_1, INTOTO_1, INTOTO_2, HASHEDREKORD_1])
    def test_a_layer_of_attestations(self, kind: KeyType, who: Who, entry_kind: Kind) -> None:
        signature = made(signer(kind, who), statement(IMAGE, PROVENANCE))
        entry = WORLD.entry(signature, kind=entry_kind)
        layer = WORLD.legacy_attestation(signature, entry=entry, timestamp=WORLD.tsa.stamp(signature.stored))
        check(one(judged_layer(layer, signature.signer)), signature.signer, WORLD.rekor, LOGGED, STAMPED)


class TestSigstoreBelieves:
    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("kind", WITH_SHA256)
    def test_statements_in_rekor_1(self, kind: KeyType, version: BundleVersion, tmp_path: Path) -> None:
        signature = made(signer(kind))
        assert believed(WORLD.bundle(signature, version=version), tmp_path) == signature.payload

    @pytest.mark.parametrize("version", VERSIONS[1:])
    def test_statements_in_rekor_2(self, version: BundleVersion, tmp_path: Path) -> None:
        signature = made()
        entry = WORLD.entry(signature, log=WORLD.rekor2)
        bundle = WORLD.bundle(signature, version=version, entries=[entry], timestamps=stamped(signature, WORLD.rekor2))
        assert believed(bundle, tmp_path) == signature.payload

    @pytest.mark.parametrize(("log", "kind"), [*((WORLD.rekor, k) for k in WITH_SHA256), (WORLD.rekor2, "P-256")])
    def test_messages(self, kind: KeyType, log: TransparencyLog, tmp_path: Path) -> None:
        signature = Signature.of_message(signer(kind), BLOB)
        entry = WORLD.entry(signature, log=log)
        bundle = encode(WORLD.bundle(signature, entries=[entry], timestamps=[WORLD.tsa.stamp(signature.content)]))
        policy = SigstoreIdentity(identity=SUBJECT, issuer=ISSUER)
        oracle(tmp_path).verify_artifact(BLOB, SigstoreBundle.from_json(bundle), policy)


@pytest.mark.parametrize(
    ("names", "subjects", "believed_subject"),
    [
        ((uri("https://acme.test/x"),), ("https://acme.test/x",), "https://acme.test/x"),
        ((email("alice@acme.test"),), ("alice@acme.test",), "alice@acme.test"),
        # `sigstore` 4.5 compares the DER of a user name, not the text in it.
        ((user_name("al!acme.test"),), ("al!acme.test",), utf8_string("al!acme.test").decode()),
        ((email("a@acme.test"), uri("https://acme.test/x")), ("https://acme.test/x", "a@acme.test"), "a@acme.test"),
    ],
)
def test_whom_a_certificate_names(
    names: tuple[x509.GeneralName, ...], subjects: tuple[str, ...], believed_subject: str, tmp_path: Path
) -> None:
    claims = {number: f"claim {number}" * 30 for number in range(9, 23)}
    bundle = WORLD.bundle(made(WORLD.issue(profile=Profile(names=names, claims=claims))))
    found = one(judged(bundle)).signer
    assert isinstance(found, CertificateSigner)
    assert found.identity == Identity(ISSUER, subjects, FulcioClaims(*claims.values()))
    assert believed(bundle, tmp_path, subject=believed_subject)


@pytest.mark.parametrize("profile", [Profile(issuer_v1=None), Profile(issuer_v1="https://old.test"), Profile()])
def test_its_second_issuer_extension_counts(profile: Profile) -> None:
    found = one(judged(WORLD.bundle(made(WORLD.issue(profile=profile))))).signer
    assert isinstance(found, CertificateSigner)
    assert found.identity.issuer == ISSUER


@pytest.mark.parametrize(
    "place",
    [
        *(Place(index=i, size=s) for i, s in ((0, 1), (0, 2), (1, 2), (6, 7), (7, 8), (64, 100))),
        Place(after=WITNESSES),
        Place(before=(*WITNESSES, UNKNOWN)),
        Place(lines=("Timestamp: 1767323045000000000",)),
    ],
)
@pytest.mark.parametrize("log", [WORLD.rekor, WORLD.rekor2])
def test_places_in_logs(place: Place, log: TransparencyLog, tmp_path: Path) -> None:
    signature = made()
    entry = WORLD.entry(signature, log=log, place=place)
    bundle = WORLD.bundle(signature, entries=[entry], timestamps=stamped(signature, log))
    check(one(judged(bundle)), signature.signer, log, LOGGED if log.version == 1 else STAMPED)
    assert believed(bundle, tmp_path)
    assert entry.proof
    assert entry.index - entry.proof.index == log.offset


@pytest.mark.parametrize("size", range(1, 18))
def test_trees(size: int) -> None:
    leaves = [b"%d" % i for i in range(size)]
    for index, leaf in enumerate(leaves):
        assert root_of(leaf_hash(leaf), index, size, merkle_path(index, leaves)) == merkle_root(leaves)


@dataclass(frozen=True)
class Attack:
    """What goes wrong when one part of the world does."""

    why: str
    signature: Signature = field(default_factory=made)
    entries: Callable[[Signature], list[Entry]] = lambda s: [WORLD.entry(s)]
    stamps: Callable[[Signature], list[bytes]] = lambda s: []
    root: Callable[[], bytes] = lambda: ROOT
    version: BundleVersion = "0.3"

    def reasons(self) -> str:
        bundle = WORLD.bundle(
            self.signature,
            version=self.version,
            entries=self.entries(self.signature),
            timestamps=self.stamps(self.signature),
        )
        verdict = judged(bundle, self.root())
        if isinstance(verdict, Rejection):
            return verdict.reason
        fact = one(verdict)
        assert isinstance(fact.signer, CertificateSigner)
        problems = (fact.witness.no_log, fact.witness.no_timestamp)
        said = [p.reason for p in problems if p and p.code not in {Code.LOG_ENTRY_MISSING, Code.TIMESTAMP_MISSING}]
        return "; ".join((*said, fact.signer.no_sct)) or "nothing"


def issued(profile: Profile | None = None, **how: Any) -> Signature:
    return made(WORLD.issue(profile=profile, **how))


def placed(**how: Any) -> Callable[[Signature], list[Entry]]:
    return lambda s: [WORLD.entry(s, place=Place(**how))]


def changed(**how: Any) -> Callable[[Signature], list[Entry]]:
    return lambda s: [replace(WORLD.entry(s), **how)]


def ended(url: str, end: datetime = AT - SECOND) -> Callable[[], bytes]:
    return lambda: WORLD.trusted_root(windows={url: Window(OPEN.start, end)})


def alone(fulcio: Fulcio) -> dict[str, Any]:
    """Of one authority that alone is trusted."""
    return {"signature": issued(fulcio=fulcio), "root": lambda: WORLD.trusted_root(fulcios=[fulcio])}


PAST: Final = (AGES[0], AT - SECOND)
FORGED: Final = NoteKey("rekor.test", shared_key("P-256", "forged"), id=WORLD.rekor.id)


@pytest.mark.parametrize(
    "attack",
    [
        Attack("nothing"),
        Attack("not for codeSigning", issued(Profile(usages=(ExtendedKeyUsageOID.SERVER_AUTH,)))),
        Attack("no extended key usage", issued(Profile(usages=None))),
        Attack("not for digital signatures", issued(Profile(signs=False))),
        Attack("names no URI", issued(Profile(names=()))),
        Attack("signed at 2026-01-02T03:04:05Z", issued(Profile(starts=AT + SECOND))),
        Attack("critical", issued(Profile(more=((x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b""), True),)))),
        Attack("no signed certificate timestamp", issued(scts=())),
        Attack("CT log", issued(scts=[Sct(log=CtLog())])),
        Attack("by CT log", issued(scts=[Sct(log=WORLD.ct_log, key=shared_key())])),
        Attack("by CT log", issued(scts=[Sct(log=WORLD.ct_log, precertificate=b"another")])),
        Attack("by CT log", issued(scts=[Sct(log=WORLD.ct_log, issuer=WORLD.fulcio.issuers[1].key)])),
        Attack("was not in use", root=ended(WORLD.ct_log.url)),
        Attack("does not lead to", issued(fulcio=Fulcio.create())),
        Attack("not valid at validation time", **alone(Fulcio.create(intermediate_valid=PAST))),
        Attack("and its certificates were valid from", **alone(Fulcio.create(root_valid=PAST))),
        Attack("it was signed at", root=ended(WORLD.fulcio.uri)),
        Attack("was in use from", root=ended(WORLD.rekor.url)),
        Attack("about another signature", entries=lambda s: [WORLD.entry(made(s.signer))]),
        Attack("about another payload", entries=lambda s: [WORLD.entry(replace(s, payload=b"{}"))]),
        Attack("another key or certificate", entries=lambda s: [WORLD.entry(replace(s, signer=WORLD.issue()))]),
        Attack("about another message", entries=lambda s: [WORLD.entry(replace(s, message=b""), kind=HASHEDREKORD_1)]),
        Attack("does not have them", entries=lambda s: [WORLD.entry(s, kind=INTOTO_1)]),
        Attack("timestamp is not by", entries=changed(integrated_time=1)),
        Attack("timestamp is not by", entries=changed(index=1)),
        Attack("is called", entries=changed(version="0.0.2")),
        Attack("does not lead", entries=changed(body=b"{}")),
        Attack("not in the trusted root", entries=lambda s: [WORLD.entry(s, log=TransparencyLog.rekor2())]),
        Attack("no inclusion proof", entries=placed(proof=False)),
        Attack("no checkpoint", entries=placed(checkpoint=False)),
        Attack("no signed entry timestamp", entries=placed(promise=False), version="0.1"),
        Attack("not signed by the log", entries=placed(signers=(FORGED,))),
        Attack("not signed by the log", entries=placed(signers=WITNESSES)),
        Attack("it is about other bytes", stamps=lambda s: [WORLD.tsa.stamp(b"another")]),
        Attack("PKIStatus is not GRANTED", stamps=lambda s: [WORLD.tsa.stamp(s.content, status="rejection")]),
        Attack("pkcs7", stamps=lambda s: [WORLD.tsa.stamp(s.content, key=shared_key())]),
        Attack("not by", stamps=lambda s: [WORLD.tsa.stamp(s.content, named=WORLD.fulcio.issuers[0].certificate)]),
        Attack("signed at 2026-01-02T04:", stamps=lambda s: [WORLD.tsa.stamp(s.content, AT + timedelta(hours=1))]),
        Attack("it was signed at", stamps=lambda s: [WORLD.tsa.stamp(s.content)], root=ended(WORLD.tsa.uri)),
        Attack("is not by", stamps=lambda s: [TimestampAuthority.create().stamp(s.content)]),
        Attack("nothing", root=ended(WORLD.rekor.url, AT)),
        Attack("nothing", root=ended(WORLD.fulcio.uri, AT)),
        Attack("nothing", root=ended(WORLD.ct_log.url, AT)),
        Attack("nothing", stamps=lambda s: [WORLD.tsa.stamp(s.content)], root=ended(WORLD.tsa.uri, AT)),
    ],
)
def test_one_part_goes_wrong(attack: Attack) -> None:
    assert attack.why in attack.reasons()


@pytest.mark.parametrize("kind", [DSSE_1, INTOTO_2, HASHEDREKORD_1])
def test_a_proof_of_rekor_v1_needs_no_promise(kind: Kind) -> None:
    """Its log has it; when, only a timestamp says: the entry's own time and index are nobody's word."""
    signature = made()
    entry = replace(WORLD.entry(signature, kind=kind, place=Place(promise=False)), integrated_time=1, index=1)
    stamped = WORLD.bundle(signature, entries=[entry], timestamps=[WORLD.tsa.stamp(signature.content)])
    check(one(judged(stamped)), signature.signer, WORLD.rekor, STAMPED)
    unstamped = judged(WORLD.bundle(signature, entries=[entry]))
    assert isinstance(unstamped, Rejection) or not one(unstamped).witness.times


def test_a_kind_beside_the_body_does_not_lift_the_rules_of_rekor_v2() -> None:
    """Rekor v2's rules for its name are not left by another kind beside the same body."""
    signature = made()
    origins = {"another.test": "not of the log", f"{WORLD.rekor2.name} - 1": "is called"}
    for (origin, why), (kind, version) in itertools.product(origins.items(), (DSSE_1, HASHEDREKORD_1, INTOTO_2)):
        entry = WORLD.entry(signature, log=WORLD.rekor2, place=Place(origin=origin))
        called = replace(entry, kind=kind, version=version)
        bundle = WORLD.bundle(signature, entries=[called], timestamps=[WORLD.tsa.stamp(signature.content)])
        verdict = one(judged(bundle))
        assert verdict.witness.no_log is not None
        assert why in verdict.witness.no_log.reason


def test_several_entries() -> None:
    signature = made()
    twice = [WORLD.entry(signature), WORLD.entry(signature, place=Place(index=8, size=11))]
    check(one(judged(WORLD.bundle(signature, entries=twice))), signature.signer, WORLD.rekor, LOGGED)
    both = [WORLD.entry(signature), WORLD.entry(signature, log=WORLD.rekor2)]
    fact = one(judged(WORLD.bundle(signature, entries=both)))
    assert fact.witness.logs == {WORLD.rekor.key.public.fingerprint, WORLD.rekor2.key.public.fingerprint}


@pytest.mark.parametrize("kind", ["P-384", "P-521", "RSA-2048", "Ed25519"])
def test_logs_with_other_keys(kind: KeyType, tmp_path: Path) -> None:
    log = TransparencyLog.rekor("https://log.test", shared_key(kind, "log"))
    signature = made()
    bundle = WORLD.bundle(signature, entries=[WORLD.entry(signature, log=log)])
    raw = encode(WORLD.root(logs=[log], checkpoint_ids=True))
    check(one(judged(bundle, raw)), signature.signer, log, replace(LOGGED, by=log.url))
    assert believed(bundle, tmp_path, raw)


@pytest.mark.parametrize("embedded", ["signer", "none", "all"])
@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "RSA-2048"])
def test_timestamps(kind: KeyType, embedded: str, tmp_path: Path) -> None:
    tsa = TimestampAuthority.create("tsa2.test", kind=kind)
    inside = {"signer": None, "none": (), "all": [i.certificate for i in tsa.issuers]}[embedded]
    signature = made()
    stamps = [tsa.stamp(signature.content, embedded=inside, hash_name="sha512")]
    bundle = WORLD.bundle(signature, entries=[WORLD.entry(signature, log=WORLD.rekor2)], timestamps=stamps)
    raw = WORLD.trusted_root(tsas=[WORLD.tsa, tsa])
    check(one(judged(bundle, raw)), signature.signer, WORLD.rekor2, replace(STAMPED, by=tsa.uri))
    assert believed(bundle, tmp_path, raw)


@pytest.mark.parametrize("embedded", [0, 1, 2], ids=["none", "signer", "all"])
def test_a_timestamping_authority_with_an_intermediate(tmp_path: Path, embedded: int) -> None:
    tsa = TimestampAuthority.create("tsa2.test", intermediate=True)
    signature = made()
    stamps = [tsa.stamp(signature.content, embedded=[i.certificate for i in tsa.issuers[:embedded]])]
    bundle = WORLD.bundle(signature, entries=[WORLD.entry(signature, log=WORLD.rekor2)], timestamps=stamps)
    raw = WORLD.trusted_root(tsas=[tsa])
    check(one(judged(bundle, raw)), signature.signer, WORLD.rekor2, replace(STAMPED, by=tsa.uri))
    assert believed(bundle, tmp_path, raw)


def test_several_timestamping_authorities(tmp_path: Path) -> None:
    other = TimestampAuthority.create("tsa2.test")
    signature = made()
    later = AT + SECOND
    stamps = [WORLD.tsa.stamp(signature.content), other.stamp(signature.content, later)]
    raw = WORLD.trusted_root(tsas=[WORLD.tsa, other])
    bundle = WORLD.bundle(signature, timestamps=stamps)
    times = (LOGGED, STAMPED, VerifiedTime(later, TimeSource.TSA, other.uri))
    check(one(judged(bundle, raw)), signature.signer, WORLD.rekor, *times)
    assert believed(bundle, tmp_path, raw)


@pytest.mark.parametrize(
    "fulcio",
    [
        Fulcio.create("other.test", intermediate=False),
        Fulcio.create("other.test", kind="RSA-2048"),
        Fulcio.create(),  # another of the same name
    ],
)
def test_several_authorities(fulcio: Fulcio, tmp_path: Path) -> None:
    raw = WORLD.trusted_root(fulcios=[WORLD.fulcio, fulcio])
    for by in (signer(), WORLD.issue(fulcio=fulcio)):
        bundle = WORLD.bundle(made(by), version="0.2", intermediates=True)
        check(one(judged(bundle, raw)), by, WORLD.rekor, LOGGED)
        assert believed(bundle, tmp_path, raw)


@pytest.mark.parametrize("chain", [False, True])
def test_an_intermediate_that_only_the_signature_has(chain: bool) -> None:  # noqa: FBT001 - a parameter
    fulcio = Fulcio.create("other.test")
    raw = WORLD.trusted_root(fulcios=[Fulcio(fulcio.uri, fulcio.issuers[-1:])])
    by = WORLD.issue(fulcio=fulcio)
    signature = Signature.of_message(by, simple_signing(IMAGE))
    bundled = judged(WORLD.bundle(made(by), version="0.2", intermediates=chain), raw)
    for verdict in (bundled, judged_layer(WORLD.legacy_signature(signature, chain=chain), by, raw)):
        if chain:
            check(one(verdict), by, WORLD.rekor, LOGGED)
        else:
            assert isinstance(verdict, Rejection)
            assert verdict.code is Code.CERTIFICATE_UNTRUSTED


@pytest.mark.parametrize(
    "sct",
    [
        Sct(log=WORLD.ct_log, extensions=b"\x00\x00\x05\x00\x00\x00\x00\x07"),
        Sct(log=WORLD.ct_log, at=AT + timedelta(milliseconds=123)),
        Sct(log=CtLog("https://rsa.test", shared_key("RSA-2048", "ct"))),
    ],
)
def test_certificate_timestamps(sct: Sct, tmp_path: Path) -> None:
    raw = WORLD.trusted_root(ct_logs=[WORLD.ct_log, sct.log])
    bundle = WORLD.bundle(made(WORLD.issue(scts=[sct])))
    found = one(judged(bundle, raw)).signer
    assert isinstance(found, CertificateSigner)
    assert found.ct_logs == {sct.log.id.hex()}
    assert believed(bundle, tmp_path, raw)
    both = one(judged(WORLD.bundle(made(WORLD.issue(scts=[sct, Sct(log=CtLog())]))), raw)).signer
    assert isinstance(both, CertificateSigner)
    assert both.ct_logs == {sct.log.id.hex()}
