"""Advisories about key signatures, digests and DSSE envelopes, each as what an attacker would store.

An attacker may write to the repository: payloads, bundles, layers, annotations and manifests are theirs. The keys are
not, and bytes that a trusted key signed for another purpose or image are.
"""

from __future__ import annotations

import base64
import json
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gate.codes import Code
from gate.demo.signing import SigningKey
from gate.errors import ParseError
from gate.evidence import cosign, dsse
from gate.evidence.facts import Format, Rejection, VerifiedSignature
from gate.evidence.verifier import Candidate, verify
from gate.image.digest import Digest
from gate.image.manifest import MAX_ENTRIES, MAX_MANIFEST, OCI_INDEX, OCI_MANIFEST, Manifest, parse_manifest

GOOD = Digest.of(b"the image that was signed")
EVIL = Digest.of(b"the attacker's image")
RELEASE = SigningKey.generate()
ATTACKER = SigningKey.generate()
TRUSTED = (RELEASE.public,)
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": str(GOOD), "size": 1}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def judged(
    content: bytes, annotations: dict[str, str] | None = None, image: Digest = EVIL
) -> tuple[VerifiedSignature, ...] | Rejection:
    kind = Format.BUNDLE if annotations is None else Format.LEGACY
    return verify(
        Candidate(kind, Digest.of(content), cosign.SIMPLE_SIGNING, content, annotations or {}), image, TRUSTED
    )


def code(found: tuple[VerifiedSignature, ...] | Rejection) -> Code:
    assert isinstance(found, Rejection), "it counts as a signature"
    return found.code


def statement(subjects: list[object], **changes: object) -> bytes:
    value = {"_type": "https://in-toto.io/Statement/v1", "subject": subjects, "predicateType": dsse.COSIGN_SIGN}
    return json.dumps({**value, **changes}).encode()


def subject(digest: Digest = EVIL) -> dict[str, object]:
    return {"digest": {digest.algorithm: digest.hex}}


def opened(bundle: bytes) -> dict[str, dict[str, object]]:
    return cast("dict[str, dict[str, object]]", json.loads(bundle))


def manifest(**changes: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "config": LAYER, "layers": [LAYER], **changes}).encode()


def test_cve_2022_23649_foreign_log_entry_proves_nothing() -> None:
    # a valid entry of another signature beside one that was never logged
    entry = json.dumps({"SignedEntryTimestamp": "MEUC", "Payload": {"logIndex": 1, "integratedTime": 1700000000}})
    content, annotations = ATTACKER.simple_signing(EVIL, "ghcr.io/acme/api")
    assert code(judged(content, {**annotations, cosign.LOG_BUNDLE: entry})) is Code.KEY_MISMATCH
    # by the trusted key the signature counts as what it is, and the entry as unchecked
    content, annotations = RELEASE.simple_signing(GOOD, "ghcr.io/acme/api")
    found = judged(content, {**annotations, cosign.LOG_BUNDLE: entry}, GOOD)
    assert not isinstance(found, Rejection)
    assert [fact.log_entry_unchecked for fact in found] == [True]


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
    bundle = RELEASE.bundle(EVIL, predicate_type=predicate_type)
    assert code(judged(bundle)) is Code.SIGNATURE_MISSING


def test_cve_2022_35930_the_type_is_the_signed_one() -> None:
    # the admission controller read the type beside the payload, not in it
    content = RELEASE.bundle(EVIL, predicate_type="https://spdx.dev/Document")
    claims = {"predicateType": dsse.COSIGN_SIGN, "dev.sigstore.bundle.predicateType": dsse.COSIGN_SIGN}
    found = verify(Candidate(Format.BUNDLE, Digest.of(content), "", content, claims), EVIL, TRUSTED)
    assert code(found) is Code.SIGNATURE_MISSING
    value = opened(content)
    value["dsseEnvelope"]["predicateType"] = dsse.COSIGN_SIGN
    assert code(judged(json.dumps(value).encode())) is Code.SIGNATURE_MISSING


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
    for key, image, counts in ((ATTACKER, EVIL, False), (RELEASE, EVIL, False), (RELEASE, GOOD, True)):
        value = opened(key.bundle(GOOD))
        value["verificationMaterial"]["tlogEntries"] = [{"logIndex": "7", "canonicalizedBody": "e30="}]
        found = judged(json.dumps(value).encode(), image=image)
        assert isinstance(found, Rejection) is not counts
        # nothing claims that the entry was checked
        assert isinstance(found, Rejection) or all(fact.log_entry_unchecked for fact in found)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"{}",
        b"null",
        statement([subject()], predicateType="https://spdx.dev/Document"),
        statement([subject()], predicateType=None),
        statement([subject()], predicateType=["https://sigstore.dev/cosign/sign/v1"]),
        statement([subject()])[:-1],
    ],
)
def test_cve_2026_39395_payload_that_does_not_parse(body: bytes) -> None:
    assert code(judged(RELEASE.bundle_of(body))) in {Code.SIGNATURE_INVALID, Code.SIGNATURE_MISSING}
    assert code(judged(body, {cosign.SIGNATURE: b64(RELEASE.sign(body))})) is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(("subjects", "entries"), [(1025, 0), (200_000, 0), (1, 33), (1, 200_000)])
def test_cve_2024_45395_many_subjects_and_entries(subjects: int, entries: int) -> None:
    value = opened(RELEASE.bundle_of(statement([subject()] * subjects)))
    value["verificationMaterial"]["tlogEntries"] = [{}] * entries
    assert code(judged(json.dumps(value).encode())) is Code.SIGNATURE_INVALID


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
    assert code(verify(candidate, GOOD, ())) is Code.KEY_MISMATCH
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
    assert code(judged(json.dumps(value).encode(), image=GOOD)) is Code.KEY_MISMATCH


def test_cve_2024_53267_and_cve_2024_51746_entry_that_is_not_bound() -> None:
    # an entry, however genuine, never stands in for the signature
    value = opened(RELEASE.bundle(GOOD))
    value["verificationMaterial"]["tlogEntries"] = [{"inclusionPromise": {}, "integratedTime": "1700000000"}]
    value["dsseEnvelope"]["signatures"] = [{"sig": b64(ATTACKER.sign(b"x"))}]
    assert code(judged(json.dumps(value).encode(), image=GOOD)) is Code.SIGNATURE_INVALID


def test_cve_2024_55655_a_time_that_nobody_signed_is_unchecked() -> None:
    value = opened(RELEASE.bundle(GOOD))
    value["verificationMaterial"]["tlogEntries"] = [{"integratedTime": "1700000000"}]
    found = judged(json.dumps(value).encode(), image=GOOD)
    assert not isinstance(found, Rejection)
    assert [fact.log_entry_unchecked for fact in found] == [True]


def test_cve_2023_33957_and_cve_2023_33958_notation_is_not_read() -> None:
    candidate = Candidate(Format.NOTATION, Digest.of(b""), "application/jose+json", b"[" * 1_000_000)
    assert code(verify(candidate, GOOD, TRUSTED)) is Code.SIGNATURE_UNSUPPORTED


@pytest.mark.parametrize(("r", "s"), [(0, 0), (ORDER, ORDER), (0, 1), (1, 0)])
def test_cve_2022_21449_psychic_signatures(r: int, s: int) -> None:
    content, _ = ATTACKER.simple_signing(EVIL, "ghcr.io/acme/api")
    signature = b64(encode_dss_signature(r, s))
    assert code(judged(content, {cosign.SIGNATURE: signature})) is Code.KEY_MISMATCH
    value = opened(RELEASE.bundle(EVIL))
    value["dsseEnvelope"]["signatures"] = [{"sig": signature}]
    assert code(judged(json.dumps(value).encode())) is Code.SIGNATURE_INVALID
