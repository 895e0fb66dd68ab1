from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

import pytest

from gate.codes import Code
from gate.evidence.message import Message
from gate.policy.signers import AnyOf, KeySpec, LogUse, One, needs_of
from gate.policy.trust import SIGSTORE, TrustNeeds
from gate.review.blob import examine_bundle, judge_blob
from gate.trust.key import Hash
from gate.trust.root import TrustedRoot
from tests.fakes.clock import SettableClock
from tests.fakes.fulcio import KeyType, Signer, shared_key
from tests.fakes.roots import FixedRoots
from tests.fakes.signing import alice, bob
from tests.fakes.signing_authority import Signature, encode, shared_world

if TYPE_CHECKING:
    from gate.demo.signing import SigningKey
    from gate.evidence.facts import Evidence
    from gate.policy.finding import Reason
    from gate.policy.signers import SignerSpec
    from gate.trust.key import PublicKey

BLOB = b"a blob"
OTHER = b"another one"
PROVENANCE = "https://slsa.dev/provenance/v1"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
WORLD = shared_world()
ROOTS = FixedRoots({SIGSTORE.name: TrustedRoot.parse(WORLD.trusted_root())})
KINDS: tuple[KeyType, ...] = get_args(KeyType)


def of(function: str, content: bytes = BLOB) -> str:
    return hashlib.new(function, content).hexdigest()


DIGEST_ONLY = Message(hashlib.sha256(BLOB).digest())
WHOLE = Message.of(BLOB)
LARGE = Message.read([BLOB], keep=0)


def signers(key: PublicKey) -> dict[str, SignerSpec]:
    return {"k": KeySpec("k", key, LogUse.OPTIONAL)}


def examined(content: bytes, blob: Message, key: PublicKey) -> Evidence:
    return examine_bundle(content, blob, needs_of(signers(key).values()), ROOTS, SettableClock().deadline())


def judged(evidence: Evidence, key: PublicKey, blob: Message) -> list[Reason]:
    return list(judge_blob(evidence, AnyOf((One("k"),)), signers(key), NOW, whole=blob.was_read))


def about(*subjects: dict[str, str]) -> bytes:
    """A bundle of alice's over a statement about files by their digests."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"f{i}", "digest": digests} for i, digests in enumerate(subjects)],
        "predicateType": PROVENANCE,
        "predicate": {},
    }
    return alice().bundle_of(json.dumps(statement).encode())


def outcome(content: bytes, blob: Message, key: SigningKey | None = None) -> Reason | None:
    """Why it is denied; None where it is not."""
    public = (key or alice()).public
    reasons = judged(examined(content, blob, public), public, blob)
    return reasons[0] if reasons else None


@pytest.mark.parametrize("by_certificate", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_by_every_kind_of_key(kind: KeyType, by_certificate: bool) -> None:  # noqa: FBT001
    key = shared_key(kind)
    signer = WORLD.issue(key) if by_certificate else Signer(key)
    content = encode(WORLD.bundle(Signature.of_message(signer, BLOB)))
    needs = needs_of(signers(key.public).values())
    if by_certificate:
        needs = TrustNeeds(roots=(SIGSTORE,))
    found = examine_bundle(content, WHOLE, needs, ROOTS, SettableClock().deadline())
    (signature,) = found.signatures
    assert (found.rejected, len(signature.witness.logs)) == ((), 1)
    (rejected,) = examine_bundle(content, Message.of(OTHER), needs, ROOTS, SettableClock().deadline()).rejected
    assert rejected.code is Code.SIGNATURE_INVALID or kind == "Ed25519"
    assert not examine_bundle(content, Message.of(OTHER), needs, ROOTS, SettableClock().deadline()).signatures


def stating(digest: dict[str, str] | None, key: SigningKey | None = None) -> bytes:
    value = json.loads((key or alice()).bundle_of(b"{}"))
    del value["dsseEnvelope"]
    signed = base64.b64encode((key or alice()).sign(BLOB))
    value["messageSignature"] = {"signature": signed.decode(), **({"messageDigest": digest} if digest else {})}
    return json.dumps(value).encode()


def b64(function: str, content: bytes = BLOB) -> str:
    return base64.b64encode(hashlib.new(function, content).digest()).decode()


@pytest.mark.parametrize(
    ("digest", "said"),
    [
        (None, None),
        ({"algorithm": "SHA2_256", "digest": b64("sha256")}, None),
        ({"algorithm": "SHA2_384", "digest": b64("sha384")}, None),
        ({"algorithm": "SHA2_512", "digest": b64("sha512")}, None),
        ({"algorithm": "SHA2_256", "digest": b64("sha256", OTHER)}, "another file's"),
        ({"algorithm": "SHA2_384", "digest": b64("sha384", OTHER)}, "another file's"),
        ({"algorithm": "SHA2_512", "digest": b64("sha512", OTHER)}, "another file's"),
        ({"algorithm": "SHA2_512", "digest": b64("sha256")}, "another file's"),
        ({"algorithm": "SHA2_256", "digest": b64("sha512")}, "another file's"),
        ({"algorithm": "SHA3_256", "digest": b64("sha3_256")}, "is by 'SHA3_256'"),
        ({"digest": b64("sha256")}, "is by ''"),
    ],
)
@pytest.mark.parametrize("blob", [WHOLE, LARGE], ids=["kept", "hashed"])
def test_what_a_bundle_states_of_its_message(digest: dict[str, str] | None, said: str | None, blob: Message) -> None:
    reason = outcome(stating(digest), blob)
    if said is None:
        assert reason is None
    else:
        assert reason is not None
        assert (reason.code, said in reason.message) == (Code.SIGNATURE_INVALID, True)


def test_a_stated_digest_that_is_not_known_of_a_digest() -> None:
    reason = outcome(stating({"algorithm": "SHA2_384", "digest": b64("sha384")}), DIGEST_ONLY)
    assert reason is not None
    assert (reason.code, reason.remedy) == (Code.SIGNATURE_UNSUPPORTED, "name the file instead of its digest")
    assert "the file is needed" in reason.message
    assert outcome(stating({"algorithm": "SHA2_256", "digest": b64("sha256")}), DIGEST_ONLY) is None


RIGHT = {h: of(h) for h in Hash}
WRONG = {h: of(h, OTHER) for h in Hash}
S256, S384, S512 = Hash.SHA256, Hash.SHA384, Hash.SHA512


@pytest.mark.parametrize("blob", [WHOLE, LARGE], ids=["kept", "hashed"])
@pytest.mark.parametrize(
    ("subjects", "said"),
    [
        ([{"sha256": RIGHT[S256]}], None),
        ([{"sha384": RIGHT[S384]}], None),
        ([{"sha512": RIGHT[S512]}], None),
        ([{"sha256": RIGHT[S256], "sha512": RIGHT[S512]}], None),
        ([{"sha512": RIGHT[S512], "sha1": "00", "gitCommit": "x"}], None),
        ([{"sha512": WRONG[S512]}, {"sha512": RIGHT[S512]}], None),
        ([{"sha256": RIGHT[S256], "sha512": WRONG[S512]}, {"sha384": RIGHT[S384]}], None),
        ([{"sha256": RIGHT[S256], "sha512": WRONG[S512]}], "has its sha256 and another sha512"),
        ([{"sha256": WRONG[S256], "sha512": RIGHT[S512]}], "has its sha512 and another sha256"),
        ([{"sha384": RIGHT[S384], "sha512": ""}], "has its sha384 and another sha512"),
        ([{"sha256": WRONG[S256]}], "about other files"),
        ([{"sha512": WRONG[S512]}], f"sha512:{WRONG[S512][:20]}"),
        ([{"sha512": RIGHT[S512].upper()}], "about other files"),
        ([{"sha512": RIGHT[S256]}], "about other files"),
        ([{"SHA512": RIGHT[S512]}], "about other files"),
        ([{"sha1": of("sha1")}], "about other files"),
        ([{}], "about other files than sha256:"),
        # right digests, each of another subject, with a wrong one beside it
        (
            [{"sha256": RIGHT[S256], "sha512": WRONG[S512]}, {"sha256": WRONG[S256], "sha512": RIGHT[S512]}],
            "contradicts itself",
        ),
    ],
)
def test_subjects_by_any_digest(subjects: list[dict[str, str]], said: str | None, blob: Message) -> None:
    reason = outcome(about(*subjects), blob)
    if said is None:
        assert reason is None
    else:
        assert reason is not None
        assert (reason.code, said in reason.message) == (Code.SIGNATURE_INVALID, True)


@pytest.mark.parametrize(
    ("subjects", "code", "said"),
    [
        ([{"sha256": RIGHT[S256]}], None, ""),
        ([{"sha256": RIGHT[S256], "sha512": WRONG[S512]}], None, ""),  # of what is not known nothing can be said
        (
            [{"sha512": RIGHT[S512]}],
            Code.SIGNATURE_UNSUPPORTED,
            "names files by sha512, and of this one only the sha256",
        ),
        ([{"sha384": "x", "sha512": "y"}], Code.SIGNATURE_UNSUPPORTED, "sha384 and sha512"),
        ([{"sha256": WRONG[S256]}, {"sha512": "y"}], Code.SIGNATURE_UNSUPPORTED, "the file is needed"),
        ([{"sha256": WRONG[S256], "sha512": RIGHT[S512]}], Code.SIGNATURE_INVALID, "about other files"),
    ],
)
def test_subjects_where_a_digest_is_all_there_is(subjects: list[dict[str, str]], code: Code | None, said: str) -> None:
    reason = outcome(about(*subjects), DIGEST_ONLY)
    assert (reason.code if reason else None) is code
    if reason:
        assert said in reason.message
    if reason and code is Code.SIGNATURE_UNSUPPORTED:
        assert reason.remedy == "name the file instead of its digest"


def test_nothing_of_a_statement_is_read_before_its_signature_holds() -> None:
    value = json.loads(about({"sha512": RIGHT[S512]}))
    value["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA"
    reason = outcome(json.dumps(value).encode(), DIGEST_ONLY)
    assert reason is not None
    assert (reason.code, "sha512" in reason.message) == (Code.SIGNATURE_INVALID, False)


def test_by_somebody_else() -> None:
    reason = outcome(about({"sha512": RIGHT[S512]}), WHOLE, bob())
    assert reason is not None
    assert (reason.code, reason.remedy) == (Code.KEY_MISMATCH, "find out who signed it")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"null"])
def test_what_is_no_bundle(content: bytes) -> None:
    reason = outcome(content, WHOLE)
    assert reason is not None
    assert (reason.code, reason.remedy) == (Code.SIGNATURE_INVALID, "get the file and its bundle again")
