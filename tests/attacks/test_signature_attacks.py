"""Advisories about key signatures, digests and DSSE envelopes, each as what an attacker would store.

An attacker may write to the repository: payloads, bundles, layers, annotations and manifests are theirs. The keys are
not, and bytes that a trusted key signed for another purpose or image are.
"""

from __future__ import annotations

import base64
import json
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from gate.codes import Code
from gate.demo.signing import SigningKey
from gate.errors import ParseError
from gate.evidence import cosign, dsse
from gate.evidence.candidate import Candidate
from gate.evidence.facts import Format, KeySigner, Rejection, VerifiedAttestation, VerifiedSignature
from gate.evidence.verifier import verify
from gate.image.digest import Digest
from gate.image.manifest import MAX_ENTRIES, MAX_MANIFEST, OCI_INDEX, OCI_MANIFEST, Manifest, parse_manifest
from gate.trust.anchors import Anchors, Holder
from gate.trust.root import TrustedRoot
from tests.fakes.fulcio import AT, Issuer, Keypair, Signer
from tests.fakes.signing_authority import Signature, encode, shared_world
from tests.unit.cli.support import gate, gate_process

if TYPE_CHECKING:
    from pathlib import Path

GOOD = Digest.of(b"the image that was signed")
EVIL = Digest.of(b"the attacker's image")
RELEASE = SigningKey.generate()
ATTACKER = SigningKey.generate()
WORLD = shared_world()
REKOR = frozenset({WORLD.rekor.key.public.fingerprint})
KEYS = Anchors((Holder(RELEASE.public),))
TRUSTED = Anchors((Holder(RELEASE.public, root=TrustedRoot.parse(WORLD.trusted_root())),))
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": str(GOOD), "size": 1}
Verdict = tuple[VerifiedSignature | VerifiedAttestation, ...] | Rejection
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def judged(content: bytes, annotations: dict[str, str] | None = None, image: Digest = EVIL) -> Verdict:
    kind = Format.BUNDLE if annotations is None else Format.LEGACY
    candidate = Candidate(kind, Digest.of(content), cosign.SIMPLE_SIGNING, content, annotations or {})
    found = verify(candidate, image, TRUSTED)
    # without a trusted root the same counts, or not, and nobody witnesses it
    alone = verify(candidate, image, KEYS)
    assert isinstance(found, Rejection) is isinstance(alone, Rejection)
    assert isinstance(alone, Rejection) or not any(fact.witness.logs or fact.witness.times for fact in alone)
    return found


def code(found: Verdict) -> Code:
    assert isinstance(found, Rejection), "it counts as a signature"
    return found.code


def unwitnessed(found: Verdict, no_log: Code) -> None:
    """It counts as what it is, and no log and no time is its."""
    assert not isinstance(found, Rejection)
    for fact in found:
        assert fact.signer == KeySigner(RELEASE.public)
        assert (fact.witness.logs, fact.witness.times, fact.witness.earliest) == (frozenset(), (), None)
        assert fact.witness.no_log is not None
        assert fact.witness.no_log.code is no_log


def only_an_attestation(found: Verdict, predicate_type: str) -> None:
    assert not isinstance(found, Rejection)
    assert [type(fact) for fact in found] == [VerifiedAttestation]
    assert [fact.predicate_type for fact in found if isinstance(fact, VerifiedAttestation)] == [predicate_type]


def by(key: SigningKey) -> Signer:
    return Signer(Keypair("P-256", key.private))


def of_statement(key: SigningKey, image: Digest) -> Signature:
    return Signature.of_payload(by(key), statement([subject(image)]))


def of_payload(key: SigningKey, image: Digest) -> Signature:
    return Signature.of_message(by(key), key.simple_signing(image, "ghcr.io/acme/api")[0])


def statement(subjects: list[object], **changes: object) -> bytes:
    value = {"_type": "https://in-toto.io/Statement/v1", "subject": subjects, "predicateType": dsse.COSIGN_SIGN}
    return json.dumps({**value, **changes}).encode()


def subject(digest: Digest = EVIL) -> dict[str, object]:
    return {"digest": {digest.algorithm: digest.hex}}


def opened(bundle: bytes) -> dict[str, dict[str, object]]:
    return cast("dict[str, dict[str, object]]", json.loads(bundle))


def bundled(signature: Signature, logged: Signature, image: Digest = GOOD) -> Verdict:
    """A bundle of one signature with the genuine log entry of another."""
    return judged(json.dumps(WORLD.bundle(signature, entries=[WORLD.entry(logged)])).encode(), image=image)


def manifest(**changes: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "config": LAYER, "layers": [LAYER], **changes}).encode()


def test_cve_2022_23649_foreign_log_entry_proves_nothing() -> None:
    # a genuine entry of another signature beside one that was never logged
    genuine = WORLD.entry(of_payload(RELEASE, EVIL)).annotation()
    forged = json.dumps({"SignedEntryTimestamp": "MEUC", "Payload": {"logIndex": 1, "integratedTime": 1700000000}})
    for entry in (genuine, forged):
        content, annotations = ATTACKER.simple_signing(EVIL, "ghcr.io/acme/api")
        assert code(judged(content, {**annotations, cosign.LOG_BUNDLE: entry})) is Code.KEY_MISMATCH
        # by the trusted key the signature counts as what it is, and the entry as wrong
        content, annotations = RELEASE.simple_signing(GOOD, "ghcr.io/acme/api")
        unwitnessed(judged(content, {**annotations, cosign.LOG_BUNDLE: entry}, GOOD), Code.LOG_ENTRY_INVALID)


@pytest.mark.parametrize(
    "predicate_type",
    [
        "https://cosign.sigstore.dev/attestation/vuln/v1",
        "https://spdx.dev/Document",
        "https://slsa.dev/provenance/v0.2",
        "cosign.sigstore.dev/attestation/v1",
    ],
)
def test_cve_2022_35929_an_attestation_is_not_a_signature(predicate_type: str) -> None:
    only_an_attestation(judged(RELEASE.bundle(EVIL, predicate_type=predicate_type)), predicate_type)
    assert code(judged(ATTACKER.bundle(EVIL, predicate_type=predicate_type))) is Code.KEY_MISMATCH


def test_cve_2022_35930_the_type_is_the_signed_one() -> None:
    # the admission controller read the type beside the payload, not in it
    content = RELEASE.bundle(EVIL, predicate_type="https://spdx.dev/Document")
    claims = {"predicateType": dsse.COSIGN_SIGN, "dev.sigstore.bundle.predicateType": dsse.COSIGN_SIGN}
    found = verify(Candidate(Format.BUNDLE, Digest.of(content), "", content, claims), EVIL, TRUSTED)
    only_an_attestation(found, "https://spdx.dev/Document")
    value = opened(content)
    value["dsseEnvelope"]["predicateType"] = dsse.COSIGN_SIGN
    assert code(judged(json.dumps(value).encode())) is Code.SIGNATURE_INVALID


@pytest.mark.parametrize("part", ["payload", "signatures", "verificationMaterial"])
def test_cve_2022_36056_parts_of_two_bundles(part: str) -> None:
    # one half is the trusted key's for another image, the other the attacker's for this one
    theirs, ours = opened(ATTACKER.bundle(EVIL)), opened(RELEASE.bundle(GOOD))
    if part == "verificationMaterial":
        theirs[part] = ours[part]
    else:
        theirs["dsseEnvelope"][part] = ours["dsseEnvelope"][part]
    for image in (EVIL, GOOD):
        found = judged(json.dumps(theirs).encode(), image=image)
        assert code(found) in {Code.SIGNATURE_INVALID, Code.KEY_MISMATCH}


def test_cve_2022_36056_signature_of_another_payload() -> None:
    _, annotations = RELEASE.simple_signing(GOOD, "ghcr.io/acme/api")
    content, _ = ATTACKER.simple_signing(EVIL, "ghcr.io/acme/api")
    assert code(judged(content, annotations)) is Code.KEY_MISMATCH


def test_cve_2023_46737_endless_signatures() -> None:
    value = opened(RELEASE.bundle(GOOD))
    value["dsseEnvelope"]["signatures"] = cast("list[object]", value["dsseEnvelope"]["signatures"]) * 100_000
    assert code(judged(json.dumps(value).encode(), image=GOOD)) is Code.SIGNATURE_INVALID


def test_cve_2024_29902_huge_manifests_are_not_read() -> None:
    with pytest.raises(ParseError, match="bytes; at most"):
        parse_manifest(manifest(annotations={"x": "y" * MAX_MANIFEST}))


def test_cve_2024_29903_endless_layers() -> None:
    with pytest.raises(ParseError, match=f"at most {MAX_ENTRIES}"):
        parse_manifest(manifest(layers=[LAYER] * (MAX_ENTRIES + 1)))
    with pytest.raises(ParseError, match=f"at most {MAX_ENTRIES}"):
        parse_manifest(json.dumps({"schemaVersion": 2, "manifests": [LAYER] * (MAX_ENTRIES + 1)}).encode())


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_cve_2023_42813_and_cve_2023_25656_documents_that_exhaust(opening: str) -> None:
    nested = opening.encode() * 300_000
    with pytest.raises(ParseError):
        parse_manifest(b'{"schemaVersion": 2, "annotations": ' + nested)
    assert code(judged(nested)) is Code.SIGNATURE_INVALID
    assert code(judged(nested, {cosign.SIGNATURE: b64(RELEASE.sign(nested))})) is Code.SIGNATURE_INVALID


def test_cve_2026_22703_entry_of_another_artifact_or_key() -> None:
    own = of_statement(RELEASE, GOOD)
    for other in (of_statement(ATTACKER, GOOD), of_statement(RELEASE, EVIL), of_statement(RELEASE, GOOD)):
        unwitnessed(bundled(own, other), Code.LOG_ENTRY_INVALID)
        assert code(bundled(own, other, EVIL)) is Code.SIGNATURE_INVALID
    assert code(bundled(of_statement(ATTACKER, EVIL), own, EVIL)) is Code.KEY_MISMATCH
    # its own entry is one
    found = bundled(own, own)
    assert not isinstance(found, Rejection)
    assert [(fact.witness.logs, [t.at for t in fact.witness.times]) for fact in found] == [(REKOR, [AT])]


def test_cve_2026_22703_entry_that_is_no_entry() -> None:
    for key, image in ((ATTACKER, EVIL), (RELEASE, EVIL), (RELEASE, GOOD)):
        value = opened(key.bundle(GOOD))
        value["verificationMaterial"]["tlogEntries"] = [{"logIndex": "7", "canonicalizedBody": "e30="}]
        assert code(judged(json.dumps(value).encode(), image=image)) is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"{}",
        b"null",
        statement([subject()], predicateType=None),
        statement([subject()], predicateType=["https://sigstore.dev/cosign/sign/v1"]),
        statement([subject()], predicateType=""),
        statement([subject()])[:-1],
    ],
)
def test_cve_2026_39395_payload_that_does_not_parse(body: bytes) -> None:
    assert code(judged(RELEASE.bundle_of(body))) is Code.SIGNATURE_INVALID
    assert code(judged(body, {cosign.SIGNATURE: b64(RELEASE.sign(body))})) is Code.SIGNATURE_INVALID


def test_cve_2026_39395_a_statement_is_no_payload() -> None:
    body = statement([subject()], predicateType="https://spdx.dev/Document")
    assert code(judged(body, {cosign.SIGNATURE: b64(RELEASE.sign(body))})) is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(("subjects", "entries"), [(1025, 0), (200_000, 0), (1, 33), (1, 200_000)])
def test_cve_2024_45395_many_subjects_and_entries(subjects: int, entries: int) -> None:
    value = opened(RELEASE.bundle_of(statement([subject()] * subjects)))
    # genuine ones, but for the many that would be no test's to write
    entry = WORLD.entry(of_statement(RELEASE, EVIL)).json() if entries < 100 else {}
    value["verificationMaterial"]["tlogEntries"] = [entry] * entries
    assert code(judged(json.dumps(value).encode())) is Code.SIGNATURE_INVALID


@pytest.mark.parametrize("stamps", [33, 200_000])
def test_cve_2024_45395_many_timestamps(stamps: int) -> None:
    value = opened(RELEASE.bundle(GOOD))
    held = {"rfc3161Timestamps": [{"signedTimestamp": "AAAA"}] * stamps}
    value["verificationMaterial"]["timestampVerificationData"] = held
    assert code(judged(json.dumps(value).encode(), image=GOOD)) is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "digest",
    [
        "sha256:../../../../etc/passwd",
        "sha256:" + "../" * 21 + "x",
        f"{EVIL}/../{GOOD.hex}",
        f"{EVIL}?x={GOOD.hex}",
        f"{EVIL}#",
        f"{EVIL}%2f..",
        f"../{EVIL}",
        f"{EVIL}\n",
        "sha256:",
        "",
    ],
)
def test_cve_2024_3727_digests_are_no_paths(digest: str) -> None:
    with pytest.raises(ParseError):
        Digest.parse(digest)
    with pytest.raises(ParseError):
        parse_manifest(manifest(layers=[{**LAYER, "digest": digest}]))
    payload, _ = RELEASE.simple_signing(GOOD, "ghcr.io/acme/api")
    payload = payload.replace(str(GOOD).encode(), json.dumps(digest)[1:-1].encode())
    assert code(judged(payload, {cosign.SIGNATURE: b64(RELEASE.sign(payload))})) is Code.SIGNATURE_INVALID


@pytest.mark.parametrize("content_type", ["", OCI_MANIFEST, OCI_INDEX])
@pytest.mark.parametrize("inner", [None, OCI_MANIFEST, OCI_INDEX])
def test_cve_2021_41190_both_index_and_manifest(content_type: str, inner: str | None) -> None:
    with pytest.raises(ParseError):
        parse_manifest(manifest(manifests=[LAYER], mediaType=inner), content_type)


def test_cve_2020_15157_foreign_urls_are_not_kept() -> None:
    found = parse_manifest(manifest(layers=[{**LAYER, "urls": ["https://evil.example/"]}]))
    assert isinstance(found, Manifest)
    assert "evil.example" not in repr(found)


def test_cve_2022_47633_other_bytes_on_a_second_request() -> None:
    assert GOOD.matches(b"the image that was signed")
    assert not GOOD.matches(b"the attacker's image")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_cve_2023_33959_what_is_verified_is_what_runs(algorithm: str) -> None:
    signed = Digest.of(b"the image that was signed", algorithm)
    content, annotations = RELEASE.simple_signing(signed, "ghcr.io/acme/api")
    for found in (judged(content, annotations), judged(RELEASE.bundle(signed))):
        assert code(found) is Code.SIGNATURE_INVALID


def test_cve_2025_25204_nothing_to_verify_is_no_success() -> None:
    content = RELEASE.bundle(GOOD)
    candidate = Candidate(Format.BUNDLE, Digest.of(content), "", content)
    assert code(verify(candidate, GOOD, Anchors())) is Code.IDENTITY_MISMATCH
    value = opened(content)
    value["dsseEnvelope"]["signatures"] = []
    assert code(judged(json.dumps(value).encode(), image=GOOD)) is Code.SIGNATURE_INVALID
    assert code(judged(RELEASE.bundle_of(statement([])), image=GOOD)) is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "material",
    [
        {"x509CertificateChain": {"certificates": []}},
        {"x509CertificateChain": {}},
        {"certificate": {}},
        {"certificate": {"rawBytes": ""}},
    ],
)
def test_cve_2026_44310_empty_certificate_list(material: dict[str, object]) -> None:
    value = opened(RELEASE.bundle(GOOD))
    value["verificationMaterial"] = material
    for media_type in (value["mediaType"], "application/vnd.dev.sigstore.bundle+json;version=0.2"):
        changed = {**value, "mediaType": media_type}
        assert code(judged(json.dumps(changed).encode(), image=GOOD)) is Code.SIGNATURE_INVALID


def test_cve_2024_53267_and_cve_2024_51746_entry_that_is_not_bound() -> None:
    # an entry, however genuine, never stands in for the signature
    made = of_statement(RELEASE, GOOD)
    for entry in (WORLD.entry(made).json(), {"inclusionPromise": {}, "integratedTime": "1700000000"}):
        value = opened(RELEASE.bundle(GOOD))
        value["verificationMaterial"]["tlogEntries"] = [entry]
        value["dsseEnvelope"]["signatures"] = [{"sig": b64(ATTACKER.sign(b"x"))}]
        assert code(judged(json.dumps(value).encode(), image=GOOD)) is Code.SIGNATURE_INVALID


def test_cve_2024_55655_a_time_that_nobody_signed_is_none() -> None:
    made = of_statement(RELEASE, GOOD)
    entry = WORLD.entry(made)
    later = replace(WORLD.entry(made, log=WORLD.rekor2), integrated_time=1700000000)
    # Rekor v2 states none, and under the promise of another time it is a lie
    for lying in (later, replace(entry, integrated_time=1700000000)):
        content = json.dumps(WORLD.bundle(made, entries=[lying])).encode()
        unwitnessed(judged(content, image=GOOD), Code.LOG_ENTRY_INVALID)
    # without a promise the proof holds, and says nothing of the time beside it
    bare = replace(entry, promise=b"", integrated_time=1700000000)
    found = judged(json.dumps(WORLD.bundle(made, entries=[bare])).encode(), image=GOOD)
    assert not isinstance(found, Rejection)
    (fact,) = found
    assert fact.witness.logs == {WORLD.rekor.key.public.fingerprint}
    assert fact.witness.times == ()
    value = opened(RELEASE.bundle(GOOD))
    value["verificationMaterial"]["tlogEntries"] = [{"integratedTime": "1700000000"}]
    assert code(judged(json.dumps(value).encode(), image=GOOD)) is Code.SIGNATURE_INVALID


def test_cve_2023_33957_and_cve_2023_33958_notation_is_not_read() -> None:
    candidate = Candidate(Format.NOTATION, Digest.of(b""), "application/jose+json", b"[" * 1_000_000)
    assert code(verify(candidate, GOOD, TRUSTED)) is Code.SIGNATURE_UNSUPPORTED


def negative_serial() -> x509.Certificate:
    """A stranger's certificate that libraries read with a warning."""
    der = bytearray(Issuer.root("stranger.test").certificate.public_bytes(Encoding.DER))
    serial = der.find(b"\x02\x14")  # a whole number of 20 bytes
    der[serial + 2] |= 0x80
    return x509.load_der_x509_certificate(bytes(der))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_what_libraries_think_of_a_certificate_is_no_output(tmp_path: Path) -> None:
    signature = Signature.of_message(by(RELEASE), b"blob")
    stamp = WORLD.tsa.stamp(signature.content, embedded=[WORLD.tsa.signer.certificate, negative_serial()])
    for name, content in (
        ("b.json", encode(WORLD.bundle(signature, timestamps=[stamp]))),
        ("k.pub", RELEASE.pem),
        ("root.json", WORLD.trusted_root()),
        ("blob", b"blob"),
    ):
        (tmp_path / name).write_bytes(content)
    bundle, key, root, blob = (tmp_path / name for name in ("b.json", "k.pub", "root.json", "blob"))
    ran = gate_process("verify-blob", "--offline", "--trusted-root", root, "--bundle", bundle, "--key", key, blob)
    assert (ran.code, ran.err) == (0, "")
    # who asks for warnings has them
    asked = gate_process(
        *("verify-blob", "--offline", "--trusted-root", root, "--bundle", bundle, "--key", key, blob),
        env={"PYTHONWARNINGS": "always"},
    )
    assert "CryptographyDeprecationWarning" in asked.err


def test_commands_hide_no_warning_from_tests() -> None:
    assert gate("--version").code == 0
    with pytest.raises(UserWarning, match="seen"):
        warnings.warn("seen", UserWarning, stacklevel=1)


@pytest.mark.parametrize(("r", "s"), [(0, 0), (ORDER, ORDER), (0, 1), (1, 0)])
def test_cve_2022_21449_psychic_signatures(r: int, s: int) -> None:
    content, _ = ATTACKER.simple_signing(EVIL, "ghcr.io/acme/api")
    signature = b64(encode_dss_signature(r, s))
    assert code(judged(content, {cosign.SIGNATURE: signature})) is Code.KEY_MISMATCH
    value = opened(RELEASE.bundle(EVIL))
    value["dsseEnvelope"]["signatures"] = [{"sig": signature}]
    assert code(judged(json.dumps(value).encode())) is Code.SIGNATURE_INVALID
