"""Each row of the advisory table and each pitfall of research/cosign.md §4, by its id.

What is about evidence has its test here, against signatures of every kind out of the fake Sigstore world. What is
about registries, policies and admission is in `ELSEWHERE`, and what belongs to a feature that is not there yet in
`LATER`.
"""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gate import strictjson
from gate.codes import Code
from gate.errors import ParseError
from gate.evidence import cosign, dsse
from gate.evidence.bundle import Bundle
from gate.evidence.candidate import Candidate
from gate.evidence.facts import Format, Rejection, TimeSource, VerifiedAttestation, VerifiedSignature
from gate.evidence.limits import MAX_LOG_ENTRIES, MAX_SIGNATURES, MAX_SUBJECTS, MAX_TIMESTAMPS
from gate.evidence.verifier import verify
from gate.image.digest import Digest
from gate.image.reference import Reference
from gate.policy.acceptance import counted, objection
from gate.policy.assignment import satisfied
from gate.policy.identity import IdentityPattern, TextPattern
from gate.policy.signers import CertificateSpec, KeylessSpec, KeySpec, LogUse, One
from gate.policy.trust import PUBLIC_GOOD, BuiltInRoot, PrivateAuthorities
from gate.trust.anchors import Anchors, Holder, Issuers
from gate.trust.authority import MAX_CHAIN, Authority
from gate.trust.key import Hash, PublicKey
from gate.trust.root import TrustedRoot
from gate.trust.window import ALWAYS, Window
from tests.fakes.fulcio import AGES, AT, ISSUER, LIFETIME, SUBJECT, Fulcio, Profile, Signer, shared_key, uri
from tests.fakes.signing_authority import Layer, Signature, encode, shared_world, simple_signing, statement
from tests.fakes.timestamp_authority import TimestampAuthority
from tests.fakes.transparency_log import DSSE_1, HASHEDREKORD_1, Entry, Json, Place, TransparencyLog, b64

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.policy.finding import Reason
    from gate.policy.signers import SignerSpec

ELSEWHERE: Final = {
    "CVE-2024-29902": "test_registry_attacks.py::test_a_blob_larger_than_its_descriptor_is_cut_off",
    "CVE-2024-29903": "test_registry_attacks.py::test_a_manifest_with_too_many_layers_is_refused",
    "CVE-2022-47633": "test_policy_attacks.py::test_cve_2022_47633_a_registry_that_answers_twice_is_asked_once",
    "CVE-2023-47630": "test_policy_attacks.py::test_a_digest_beside_a_tag_is_the_one_that_is_judged",
    "CVE-2025-29778": "test_policy_attacks.py::test_cve_2025_29778_no_field_is_ignored",
    "CVE-2023-42813": "test_signature_attacks.py::test_cve_2023_42813_and_cve_2023_25656_documents_that_exhaust",
    "CVE-2023-42814": "test_registry_attacks.py::test_an_endless_body_without_a_length_is_cut_off",
    "CVE-2023-42815": "test_registry_attacks.py::test_a_manifest_with_too_many_layers_is_refused",
    "CVE-2023-42816": "test_registry_attacks.py::test_a_blob_that_its_descriptor_calls_large_is_not_asked_for",
    "CVE-2023-25656": "test_signature_attacks.py::test_cve_2023_42813_and_cve_2023_25656_documents_that_exhaust",
    "CVE-2023-33957": "test_signature_attacks.py::test_cve_2023_33957_and_cve_2023_33958_notation_is_not_read",
    "CVE-2023-33958": "test_signature_attacks.py::test_cve_2023_33957_and_cve_2023_33958_notation_is_not_read",
    "CVE-2023-34091": "test_kubernetes_attacks.py::test_cve_2023_34091_deletion_timestamp_grants_nothing",
    "CVE-2025-46342": "test_policy_attacks.py::test_cve_2025_46342_a_namespace_that_is_not_known_skips_nothing",
    "CVE-2025-27403": "test_registry_attacks.py::test_cve_2025_27403_a_foreign_realm_gets_no_credentials",
    "CVE-2024-3727": "test_registry_attacks.py::"
    "test_cve_2024_3727_a_digest_that_is_a_path_is_refused_before_a_url_is_built",
    "GHSA-wfqx-gjrf-g28r": "test_registry_attacks.py::test_another_digest_per_request_binds_everything_to_the_first",
    "pitfall 5": "test_registry_attacks.py::test_another_digest_per_request_binds_everything_to_the_first",
}
"""Id -> the test in this folder that covers it."""

LATER: Final = {
    "CVE-2024-48921": "exceptions (GateException objects; DESIGN §6)",
    "GHSA-gg4x-fgg2-h9w9": "exceptions (GateException objects; DESIGN §6)",
}
"""Id -> the feature that it belongs to."""

HERE: Final = (
    *("CVE-2022-23649", "CVE-2022-35929", "CVE-2022-36056", "CVE-2023-46737", "CVE-2026-22703", "CVE-2026-24122"),
    *("CVE-2026-39395", "CVE-2022-35930", "CVE-2024-45395", "CVE-2026-49834", "CVE-2026-54787", "CVE-2024-55655"),
    *("CVE-2026-39984", "CVE-2026-33753", "CVE-2025-52556", "CVE-2024-51746", "CVE-2023-47122", "CVE-2026-44310"),
    *("CVE-2026-22772", "CVE-2023-33959", "CVE-2025-25204", "GHSA-r2xv-vpr2-42m9", "CVE-2024-53267", "CVE-2023-7279"),
    *(f"pitfall {number}" for number in (1, 2, 3, 4, 6, 7, 8, 9, 10)),
)

WORLD: Final = shared_world()
IMAGE: Final = Digest.of(b"the image that was signed")
EVIL: Final = Digest.of(b"the attacker's image")
ROOT: Final = WORLD.trusted_root()
NOW: Final = AT + timedelta(days=1)
SECOND: Final = timedelta(seconds=1)
SPDX: Final = "https://spdx.dev/Document"
VULN: Final = "https://cosign.sigstore.dev/attestation/vuln/v1"
RELEASE: Final = WORLD.issue(shared_key("P-256", "release"))
MALLORY: Final = WORLD.issue(shared_key("P-256", "mallory"), Profile(names=(uri("https://github.com/mallory/x"),)))
MANAGED: Final = Signer(shared_key("P-256", "managed"))
STRANGER: Final = Signer(shared_key("P-256", "stranger"))
IDENTITY: Final = IdentityPattern(TextPattern(SUBJECT), TextPattern(ISSUER))
KEYLESS: Final = KeylessSpec("ci", IDENTITY, BuiltInRoot("test"))
KEY: Final = KeySpec("key", MANAGED.key.public)

Facts = tuple[VerifiedSignature | VerifiedAttestation, ...]


def made(by: Signer = RELEASE, image: Digest = IMAGE, **how: Any) -> Signature:
    return Signature.of_payload(by, statement(image, **how))


def payload_of(image: Digest = IMAGE) -> Signature:
    return Signature.of_message(RELEASE, simple_signing(image))


def trusting(raw: bytes = ROOT, *keys: PublicKey) -> Anchors:
    root = TrustedRoot.parse(raw)
    holders = tuple(Holder(key, PUBLIC_GOOD, root) for key in keys or (MANAGED.key.public,))
    return Anchors(holders, (Issuers("test", root.authorities, root),))


def judged(content: Json, image: Digest = IMAGE, trusted: Anchors | None = None) -> Facts | Rejection:
    encoded = encode(content)
    return verify(Candidate(Format.BUNDLE, Digest.of(encoded), "", encoded), image, trusted or trusting())


def judged_layer(layer: Layer, image: Digest = IMAGE, trusted: Anchors | None = None) -> Facts | Rejection:
    candidate = Candidate(Format.LEGACY, Digest.of(layer.content), layer.media_type, layer.content, layer.annotations)
    return verify(candidate, image, trusted or trusting())


def refusal(verdict: Facts | Rejection, spec: SignerSpec = KEYLESS) -> Rejection | Reason:
    """Why it does not count for a signer."""
    if isinstance(verdict, Rejection):
        return verdict
    reasons = [objection(spec, fact.signer, fact.witness, NOW) for fact in verdict]
    assert all(reasons), "it counts"
    assert reasons[0]
    return reasons[0]


def counts(verdict: Facts | Rejection, spec: SignerSpec = KEYLESS) -> VerifiedSignature | VerifiedAttestation:
    assert not isinstance(verdict, Rejection), verdict.reason
    (fact,) = verdict
    assert objection(spec, fact.signer, fact.witness, NOW) is None
    return fact


def opened(content: Json) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode(content))
    return found


def test_what_is_right_counts() -> None:
    """Else nothing below would prove anything."""
    counts(judged(WORLD.bundle(made())))
    counts(judged_layer(WORLD.legacy_signature(payload_of())))
    counts(judged(WORLD.bundle(made(MANAGED))), KEY)


def test_cve_2022_23649_ghsa_ccxc_vr6p_4858_a_foreign_entry_beside_a_signature_that_was_never_logged() -> None:
    foreign = WORLD.entry(payload_of(EVIL))
    found = refusal(judged_layer(WORLD.legacy_signature(payload_of(), entry=foreign)))
    assert found.code is Code.LOG_ENTRY_INVALID
    key = Signature.of_message(MANAGED, simple_signing(IMAGE))
    found = refusal(judged_layer(WORLD.legacy_signature(key, entry=foreign)), KEY)
    assert found.code is Code.LOG_ENTRY_INVALID


@pytest.mark.parametrize("predicate_type", [VULN, SPDX, "https://slsa.dev/provenance/v1"])
def test_cve_2022_35929_ghsa_vjxv_45g9_9296_an_attestation_is_what_it_says_and_no_signature(
    predicate_type: str,
) -> None:
    fact = counts(judged(WORLD.bundle(made(predicate_type=predicate_type))))
    assert isinstance(fact, VerifiedAttestation)
    assert fact.predicate_type == predicate_type


@pytest.mark.parametrize("beside", ["predicateType", "dev.sigstore.bundle.predicateType"])
def test_cve_2022_35930_ghsa_739f_hw6h_7wq8_the_type_beside_the_payload_is_not_read(beside: str) -> None:
    layer = WORLD.legacy_attestation(made(predicate_type=VULN))
    fact = counts(judged_layer(replace(layer, annotations={**layer.annotations, beside: SPDX})))
    assert isinstance(fact, VerifiedAttestation)
    assert fact.predicate_type == VULN


WRONG_HALVES: Final[dict[str, Callable[[Signature], Signature]]] = {
    "signature": lambda right: replace(right, content=right.signer.key.sign(right.message)),
    "certificate": lambda right: replace(right, signer=WORLD.issue(right.signer.key)),
    "another's certificate": lambda right: replace(right, signer=MALLORY),
    "key": lambda right: replace(right, signer=Signer(right.signer.key)),
    "content": lambda right: replace(right, message=b"other", payload=None if right.payload is None else b"{}"),
}


@pytest.mark.parametrize("half", WRONG_HALVES)
@pytest.mark.parametrize("log", [WORLD.rekor, WORLD.rekor2], ids=["rekor1", "rekor2"])
def test_cve_2022_36056_ghsa_8gw7_4j42_w388_parts_of_two_signings(half: str, log: TransparencyLog) -> None:
    right = made()
    entry = WORLD.entry(WRONG_HALVES[half](right), log=log)
    stamps = [WORLD.tsa.stamp(right.content)]
    assert refusal(judged(WORLD.bundle(right, entries=[entry], timestamps=stamps))).code is Code.LOG_ENTRY_INVALID


@pytest.mark.parametrize("half", WRONG_HALVES)
def test_cve_2022_36056_ghsa_8gw7_4j42_w388_parts_of_two_signings_in_a_layer(half: str) -> None:
    right = payload_of()
    layer = WORLD.legacy_signature(right, entry=WORLD.entry(WRONG_HALVES[half](right)))
    assert refusal(judged_layer(layer)).code is Code.LOG_ENTRY_INVALID


def test_cve_2023_46737_ghsa_vfp6_jrw2_99g9_endless_signatures() -> None:
    right = made()
    envelope = opened(right.envelope)
    for count, fits in ((MAX_SIGNATURES, True), (MAX_SIGNATURES + 1, False)):
        envelope["signatures"] = [{"sig": b64(b"x")}] * (count - 1) + [{"sig": b64(right.content)}]
        layer = replace(WORLD.legacy_attestation(right), content=encode(envelope))
        assert isinstance(judged_layer(layer), Rejection) is not fits


def test_cve_2026_22703_ghsa_whqx_f9j3_ch6m_an_entry_of_another_artifact_or_key() -> None:
    for other in (made(image=EVIL), made(MALLORY), made(STRANGER), payload_of()):
        bundle = WORLD.bundle(made(), entries=[WORLD.entry(other)])
        assert refusal(judged(bundle)).code is Code.LOG_ENTRY_INVALID
        managed = WORLD.bundle(made(MANAGED), entries=[WORLD.entry(other)])
        assert refusal(judged(managed), KEY).code is Code.LOG_ENTRY_INVALID


def private(fulcio: Fulcio) -> tuple[Anchors, CertificateSpec]:
    """A private PKI: no log, no certificate timestamps."""
    ders = [i.certificate.public_bytes(Encoding.DER) for i in fulcio.issuers[-1:]]
    authorities = (Authority.of("pki", ders, ALWAYS),)
    root = TrustedRoot.parse(ROOT)
    spec = CertificateSpec("pki", IDENTITY, PrivateAuthorities("pki", authorities, BuiltInRoot("test")))
    return Anchors(issuers=(Issuers("pki", authorities, root),)), spec


@pytest.mark.parametrize("stamped", [True, False], ids=["timestamp", "now"])
def test_cve_2026_24122_ghsa_wfqv_66vq_46rm_an_expired_intermediate_without_a_log(stamped: bool) -> None:  # noqa: FBT001
    for valid, holds in ((AGES, True), ((AGES[0], AT - SECOND), False)):
        fulcio = Fulcio.create("pki.test", intermediate_valid=valid)
        trusted, spec = private(fulcio)
        by = WORLD.issue(profile=Profile(lifetime=timedelta(days=365)), scts=(), fulcio=fulcio)
        signature = made(by)
        stamps = [WORLD.tsa.stamp(signature.content)] if stamped else []
        bundle = WORLD.bundle(signature, version="0.2", entries=[], timestamps=stamps, intermediates=True)
        verdict = judged(bundle, trusted=trusted)
        if holds:
            counts(verdict, replace(spec, timestamp=stamped))
        else:
            assert refusal(verdict, replace(spec, timestamp=stamped)).code is Code.CERTIFICATE_EXPIRED


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b"{}",
        b"null",
        b"[]",
        statement(IMAGE)[:-1],
        statement(IMAGE, ""),
        statement(IMAGE).replace(b"subject", b"Subject"),
    ],
)
def test_cve_2026_39395_ghsa_w6c6_c85g_mmv6_a_payload_that_cannot_be_read(payload: bytes) -> None:
    for signature in (Signature.of_payload(RELEASE, payload), Signature.of_payload(MANAGED, payload)):
        assert isinstance(judged(WORLD.bundle(signature)), Rejection)
    assert isinstance(judged_layer(WORLD.legacy_signature(Signature.of_message(RELEASE, payload))), Rejection)


def test_cve_2024_45395_ghsa_cq38_jh5f_37mq_many_subjects_entries_and_timestamps() -> None:
    subjects = [{"digest": {"sha256": IMAGE.hex}}]
    head = json.loads(statement(IMAGE))
    for count, fits in ((MAX_SUBJECTS, True), (MAX_SUBJECTS + 1, False)):
        signature = Signature.of_payload(RELEASE, encode({**head, "subject": subjects * count}))
        assert isinstance(judged(WORLD.bundle(signature)), Rejection) is not fits
    right = made()
    entries = [WORLD.entry(right, place=Place(index=i, size=40)) for i in range(MAX_LOG_ENTRIES + 1)]
    for count, fits in ((MAX_LOG_ENTRIES, True), (MAX_LOG_ENTRIES + 1, False)):
        assert isinstance(judged(WORLD.bundle(right, entries=entries[:count])), Rejection) is not fits
    stamp = WORLD.tsa.stamp(right.content)
    for count, fits in ((MAX_TIMESTAMPS, True), (MAX_TIMESTAMPS + 1, False)):
        assert isinstance(judged(WORLD.bundle(right, timestamps=[stamp] * count)), Rejection) is not fits


def test_cve_2026_49834_ghsa_9vcr_p3rj_q5q6_one_log_counts_once() -> None:
    right = made()
    again = WORLD.rekor.enter(DSSE_1, json.loads(WORLD.entry(right).body), AT + SECOND, Place(index=4))
    fact = counts(judged(WORLD.bundle(right, entries=[WORLD.entry(right), again])))
    assert len(fact.witness.logs) == 1
    # the same key under another address and id
    twin = TransparencyLog("https://twin.test", WORLD.rekor.key, 1)
    root = WORLD.root(logs=[WORLD.rekor, twin], checkpoint_ids=True)
    logs: Any = root["tlogs"]
    logs[1]["logId"] = {"keyId": b64(bytes(32))}
    renamed = replace(WORLD.entry(right, log=twin), log_id=bytes(32))
    renamed = replace(renamed, promise=twin.key.sign(_promised(renamed)))
    trusted = trusting(encode(root))
    counts(judged(WORLD.bundle(right, entries=[renamed]), trusted=trusted))
    fact = counts(judged(WORLD.bundle(right, entries=[WORLD.entry(right), renamed]), trusted=trusted))
    assert len(fact.witness.logs) == 1


def _promised(entry: Entry) -> bytes:
    value = {"body": b64(entry.body), "integratedTime": entry.integrated_time, "logID": entry.log_id.hex()}
    return encode({**value, "logIndex": entry.index})


@pytest.mark.parametrize(
    ("window", "holds"),
    [
        (Window(AT, AT), True),
        (Window(AT + SECOND), False),
        (Window(None, AT - SECOND), False),
    ],
)
def test_cve_2026_54787_ghsa_wqqc_jjcq_vfxm_the_window_of_a_managed_key(window: Window, holds: bool) -> None:  # noqa: FBT001
    spec = replace(KEY, window=window)
    right = made(MANAGED)
    stamps = [WORLD.tsa.stamp(right.content)]
    for bundle in (WORLD.bundle(right), WORLD.bundle(right, entries=[], timestamps=stamps)):
        verdict = judged(bundle)
        if holds:
            counts(verdict, spec)
        else:
            assert refusal(verdict, spec).code is Code.KEY_MISMATCH
    # with the promise taken away nothing says when: of a key that needs the log, that is no "now"
    stripped = judged(WORLD.bundle(right, entries=[replace(WORLD.entry(right), promise=b"")]))
    for now in (Window(NOW, NOW), Window()):
        needing = replace(spec, log=LogUse.REQUIRED, window=now)
        if now == Window():
            counts(stripped, needing)
        else:
            assert refusal(stripped, needing).code is Code.TIMESTAMP_MISSING
    # without a time, now is what counts
    bare = judged(WORLD.bundle(right, entries=[]))
    assert refusal(bare, replace(KEY, window=Window(None, NOW - SECOND))).code is Code.KEY_MISMATCH
    counts(bare, replace(KEY, window=Window(NOW, NOW)))


def test_cve_2024_55655_ghsa_hhfg_fwrw_87w7_a_time_that_nobody_promised() -> None:
    right = made()
    bare = {
        log.url: replace(WORLD.entry(right, log=log), promise=b"", integrated_time=int(AT.timestamp()))
        for log in (WORLD.rekor, WORLD.rekor2)
    }
    for url, entry in bare.items():
        verdict = judged(WORLD.bundle(right, entries=[entry]))
        assert not isinstance(verdict, Rejection)
        assert all(fact.witness.times == () for fact in verdict)
        # Rekor v2 states no time; from an entry of v1 the promise may be taken away, and the time with it
        lie = url == WORLD.rekor2.url
        assert all(bool(fact.witness.logs) is not lie for fact in verdict)
        assert refusal(verdict).code is (Code.LOG_ENTRY_INVALID if lie else Code.TIMESTAMP_MISSING)
    # an entry that states none has none
    assert refusal(judged(WORLD.bundle(right, entries=[WORLD.entry(right, log=WORLD.rekor2)]))).code is (
        Code.TIMESTAMP_MISSING
    )


def test_cve_2026_39984_ghsa_xm5m_wgh2_rrg3_cve_2026_33753_a_token_of_one_service_passes_for_no_other() -> None:
    first, second = TimestampAuthority.create("first.test"), TimestampAuthority.create("second.test")
    right = made()
    entry = WORLD.entry(right, log=WORLD.rekor2)
    trusted = trusting(WORLD.trusted_root(tsas=[second]))
    spec = replace(KEYLESS, timestamp=True)
    leaf, other = first.signer.certificate, second.signer.certificate
    tokens = {
        "by the first": first.stamp(right.content),
        "with both certificates": first.stamp(right.content, embedded=[leaf, other]),
        "with the second's certificate": first.stamp(right.content, embedded=[other]),
        "that names the second": first.stamp(right.content, named=other),
        "that names the second and holds both": first.stamp(right.content, named=other, embedded=[leaf, other]),
        "with the first's key under the second's name": second.stamp(right.content, key=first.signer.key),
    }
    for name, token in tokens.items():
        found = refusal(judged(WORLD.bundle(right, entries=[entry], timestamps=[token]), trusted=trusted), spec)
        assert found.code in {Code.TIMESTAMP_INVALID, Code.CERTIFICATE_EXPIRED}, name
    fact = counts(
        judged(WORLD.bundle(right, entries=[entry], timestamps=[second.stamp(right.content)]), trusted=trusted), spec
    )
    assert [(t.source, t.by) for t in fact.witness.times] == [(TimeSource.TSA, second.uri)]


def test_cve_2025_52556_the_signature_of_a_timestamp_is_checked() -> None:
    right = made()
    entry = WORLD.entry(right, log=WORLD.rekor2)
    good = WORLD.tsa.stamp(right.content)
    forged = WORLD.tsa.stamp(right.content, key=shared_key("P-256", "forger"))
    moved = good.replace(b"20260102030405Z", b"20260102030406Z")
    assert moved != good
    for token in (forged, moved, good[:-1] + bytes([good[-1] ^ 1])):
        bundle = WORLD.bundle(right, entries=[entry], timestamps=[token])
        assert isinstance(refusal(judged(bundle), replace(KEYLESS, timestamp=True)).code, Code)


def test_cve_2024_51746_ghsa_8pmp_678w_c8xx_an_entry_found_by_something_else_than_the_signature() -> None:
    # the same content, signed twice: found by its digest, it is the other signing's
    first, second = made(), made()
    assert first.payload == second.payload
    assert refusal(judged(WORLD.bundle(first, entries=[WORLD.entry(second)]))).code is Code.LOG_ENTRY_INVALID
    for kind in (DSSE_1, HASHEDREKORD_1):
        entry = WORLD.entry(second, kind=kind)
        assert refusal(judged(WORLD.bundle(first, entries=[entry]))).code is Code.LOG_ENTRY_INVALID


def test_cve_2023_47122_a_log_is_known_by_the_trusted_root_alone() -> None:
    mine = TransparencyLog.rekor()  # the right address, the attacker's key
    right = made()
    forged = WORLD.entry(right, log=mine)
    for entry in (forged, replace(forged, log_id=WORLD.rekor.id)):
        assert refusal(judged(WORLD.bundle(right, entries=[entry]))).code is Code.LOG_ENTRY_INVALID


@pytest.mark.parametrize(
    "material",
    [
        {"x509CertificateChain": {"certificates": []}},
        {"x509CertificateChain": {}},
        {"x509CertificateChain": {"certificates": [{}]}},
        {"certificate": {}},
        {"certificate": {"rawBytes": ""}},
        {},
    ],
)
@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3"])
def test_cve_2026_44310_ghsa_7c37_gx6w_8vc5_an_empty_list_of_certificates(material: Json, version: Any) -> None:
    for by in (RELEASE, MANAGED):
        bundle = opened(WORLD.bundle(made(by), version=version))
        bundle["verificationMaterial"] = material
        assert isinstance(judged(bundle), Rejection)


@pytest.mark.parametrize("annotation", ["", "\n", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"])
def test_cve_2026_44310_ghsa_7c37_gx6w_8vc5_an_empty_certificate_beside_a_layer(annotation: str) -> None:
    layer = WORLD.legacy_signature(payload_of())
    emptied = replace(layer, annotations={**layer.annotations, cosign.CERTIFICATE: annotation})
    assert isinstance(judged_layer(emptied), Rejection)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("https://github.com/acme/", "https://evil.test/?https://github.com/acme/"),
        (r"https://token\.actions\.githubusercontent\.com", "https://token.actions.githubusercontent.com.evil.test"),
        (r"https://github.com/acme/.*", "https://github.com/acme-evil/x"),
        (r"^https://github.com/acme$", "https://github.com/acme\n"),
        (r"a|https://github.com/acme", "https://github.com/acme/x"),
        (r"(?m)^https://github.com/acme$", "https://evil.test\nhttps://github.com/acme"),
    ],
)
def test_cve_2026_22772_ghsa_59jp_pj84_45mr_a_regular_expression_is_anchored(pattern: str, value: str) -> None:
    assert not TextPattern.parse_regex(pattern).matches(value)


def test_cve_2023_7279_a_regular_expression_takes_linear_time() -> None:
    assert not TextPattern.parse_regex("(a+)+b").matches("a" * 100_000)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_cve_2023_33959_ghsa_xhg5_42rf_296r_what_is_verified_is_what_runs(algorithm: str) -> None:
    signed = Digest.of(b"the image that was signed", algorithm)
    for image in (EVIL, IMAGE, Digest.of(b"the image that was signed", "sha512")):
        if image != signed:
            assert isinstance(judged(WORLD.bundle(made(image=signed)), image), Rejection)
            assert isinstance(judged_layer(WORLD.legacy_signature(payload_of(signed)), image), Rejection)
    counts(judged(WORLD.bundle(made(image=signed)), signed))


def test_cve_2025_25204_nothing_is_no_success() -> None:
    for spec in (KEYLESS, KEY):
        found, reasons = counted(One(spec.name), {spec.name: spec}, _none(), NOW)
        assert not satisfied(One(spec.name), found)
        assert reasons == []
    assert isinstance(judged(WORLD.bundle(made()), trusted=Anchors()), Rejection)
    assert isinstance(judged(WORLD.bundle(made(), entries=[])), tuple)
    assert refusal(judged(WORLD.bundle(made(), entries=[]))).code is Code.LOG_ENTRY_MISSING


def _none() -> Sequence[VerifiedSignature]:
    return ()


@pytest.mark.parametrize("by", [MALLORY, STRANGER, MANAGED], ids=["identity", "key", "other kind"])
def test_ghsa_r2xv_vpr2_42m9_an_attestation_beside_a_good_one_is_verified_too(by: Signer) -> None:
    counts(judged(WORLD.bundle(made(predicate_type="https://slsa.dev/provenance/v1"))))
    beside = judged(WORLD.bundle(made(by, predicate_type="https://github.com/npm/attestation/v0.1")))
    if isinstance(beside, Rejection):
        return
    found, _ = counted(One("ci"), {"ci": KEYLESS}, [f for f in beside if isinstance(f, VerifiedAttestation)], NOW)
    assert not satisfied(One("ci"), found)


def test_cve_2024_53267_the_entry_of_a_bundle_is_bound_to_it() -> None:
    right = made()
    for log, kinds in ((WORLD.rekor, (DSSE_1, HASHEDREKORD_1)), (WORLD.rekor2, (None,))):
        for kind in kinds:
            stamps = [WORLD.tsa.stamp(right.content)]
            entry = WORLD.entry(made(), log=log, kind=kind)
            bundle = WORLD.bundle(right, entries=[entry], timestamps=stamps)
            assert refusal(judged(bundle)).code is Code.LOG_ENTRY_INVALID


# Pitfalls.


def test_pitfall_01_a_key_without_a_log_by_policy_only_a_certificate_without_a_time_never() -> None:
    bare = judged(WORLD.bundle(made(MANAGED), entries=[]))
    assert refusal(bare, replace(KEY, log=LogUse.REQUIRED)).code is Code.LOG_ENTRY_MISSING
    counts(bare, replace(KEY, log=LogUse.OPTIONAL))
    timeless = judged(WORLD.bundle(made(), entries=[]))
    assert refusal(timeless, KEYLESS).code is Code.LOG_ENTRY_MISSING
    assert refusal(timeless, replace(KEYLESS, log=LogUse.IGNORE)).code is Code.CERTIFICATE_EXPIRED
    assert refusal(timeless, replace(KEYLESS, log=LogUse.IGNORE, timestamp=True)).code is Code.TIMESTAMP_MISSING


@pytest.mark.parametrize(
    "identity",
    [
        IdentityPattern(TextPattern(SUBJECT), TextPattern("https://accounts.google.com")),
        IdentityPattern(TextPattern(SUBJECT[:-1]), TextPattern(ISSUER)),
        IdentityPattern(TextPattern(""), TextPattern(ISSUER)),
        IdentityPattern(TextPattern(SUBJECT), TextPattern("")),
        IdentityPattern(TextPattern.parse_regex("github"), TextPattern.parse_regex(".*")),
        IdentityPattern(TextPattern(SUBJECT), TextPattern(ISSUER), (("source_repository_uri", (TextPattern("x"),)),)),
        IdentityPattern(TextPattern(SUBJECT), TextPattern(ISSUER), (("source_repository_uri", ()),)),
    ],
    ids=["issuer", "prefix", "no subject", "no issuer", "part", "claim that is not there", "no alternatives"],
)
def test_pitfall_02_subject_and_issuer_both_and_in_full(identity: IdentityPattern) -> None:
    assert refusal(judged(WORLD.bundle(made())), replace(KEYLESS, identity=identity)).code is Code.IDENTITY_MISMATCH


@pytest.mark.parametrize("text", ["", "(", r"(?=a)", "a" * 1001])
def test_pitfall_02_what_is_no_regular_expression_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        TextPattern.parse_regex(text)


@pytest.mark.parametrize(
    ("key", "accepted"),
    [
        ("P-256", {Hash.SHA256}),
        ("P-384", {Hash.SHA256, Hash.SHA384}),
        ("P-521", {Hash.SHA256, Hash.SHA512}),
        ("RSA-2048", {Hash.SHA256}),
    ],
)
def test_pitfall_03_the_hash_is_the_keys(key: Any, accepted: set[Hash]) -> None:
    ways: list[tuple[Hash | None, hashes.HashAlgorithm]] = [(h, h.algorithm) for h in Hash]
    for name, algorithm in (*ways, (None, hashes.SHA1())):
        signature = _sign(shared_key(key).private, b"message", algorithm)
        assert shared_key(key).public.verifies(signature, b"message") is (name in accepted)


def _sign(private: Any, message: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(message, padding.PKCS1v15(), algorithm)
    found: bytes = private.sign(message, ec.ECDSA(algorithm))
    return found


def test_pitfall_03_weak_keys_are_refused() -> None:
    for key in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP192R1())):
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(ParseError):
            PublicKey.parse(pem)


def test_pitfall_03_a_key_is_no_certificate_and_the_other_way_round() -> None:
    by_certificate = judged(WORLD.bundle(made()), trusted=Anchors((Holder(RELEASE.key.public),)))
    assert isinstance(by_certificate, Rejection)
    assert by_certificate.code is Code.KEY_MISMATCH
    by_key = judged(WORLD.bundle(made(Signer(RELEASE.key))))
    assert isinstance(by_key, Rejection)
    claimed = opened(WORLD.bundle(made(MANAGED)))
    claimed["verificationMaterial"] = opened(WORLD.bundle(made()))["verificationMaterial"]
    assert isinstance(judged(claimed), Rejection)


@pytest.mark.parametrize(
    "digest",
    [IMAGE.hex.upper(), IMAGE.hex[:-1], f"{IMAGE.hex}0", f" {IMAGE.hex}", f"{IMAGE.hex}\n", "", "0x" + IMAGE.hex[2:]],
)
def test_pitfall_04_digests_are_exact(digest: str) -> None:
    payload = statement(IMAGE).replace(IMAGE.hex.encode(), json.dumps(digest)[1:-1].encode())
    assert isinstance(judged(WORLD.bundle(Signature.of_payload(RELEASE, payload))), Rejection)
    simple = simple_signing(IMAGE).replace(IMAGE.hex.encode(), json.dumps(digest)[1:-1].encode())
    assert isinstance(judged_layer(WORLD.legacy_signature(Signature.of_message(RELEASE, simple))), Rejection)


@pytest.mark.parametrize("algorithm", ["sha1", "md5", "SHA256", "sha-256", "sha256 ", "gitCommit"])
def test_pitfall_04_algorithms_are_known_ones(algorithm: str) -> None:
    payload = statement(IMAGE).replace(b'"sha256"', json.dumps(algorithm).encode())
    assert isinstance(judged(WORLD.bundle(Signature.of_payload(RELEASE, payload))), Rejection)


def twice(content: bytes, key: bytes, how: str) -> bytes:
    """With a member twice, the first time as something else."""
    other = key if how == "the same" else key.swapcase()
    changed = content.replace(b'"%b":' % key, b'"%b":"x","%b":' % (other, key), 1)
    assert changed != content
    return changed


@pytest.mark.parametrize("how", ["the same", "by case"])
@pytest.mark.parametrize("key", [b"_type", b"subject", b"digest", b"predicateType", b"predicate"])
def test_pitfall_06_a_member_twice_in_a_statement(key: bytes, how: str) -> None:
    payload = twice(statement(IMAGE), key, how)
    assert isinstance(judged(WORLD.bundle(Signature.of_payload(RELEASE, payload))), Rejection)


@pytest.mark.parametrize("how", ["the same", "by case"])
@pytest.mark.parametrize("key", [b"critical", b"image", b"docker-manifest-digest", b"type", b"identity", b"optional"])
def test_pitfall_06_a_member_twice_in_a_payload(key: bytes, how: str) -> None:
    signature = Signature.of_message(RELEASE, twice(simple_signing(IMAGE), key, how))
    assert isinstance(judged_layer(WORLD.legacy_signature(signature)), Rejection)


@pytest.mark.parametrize("how", ["the same", "by case"])
@pytest.mark.parametrize(
    "key", [b"Payload", b"SignedEntryTimestamp", b"body", b"integratedTime", b"logID", b"logIndex"]
)
def test_pitfall_06_a_member_twice_in_the_annotation_of_a_log(key: bytes, how: str) -> None:
    layer = WORLD.legacy_signature(payload_of())
    text = twice(layer.annotations[cosign.LOG_BUNDLE].encode(), key, how).decode()
    changed = replace(layer, annotations={**layer.annotations, cosign.LOG_BUNDLE: text})
    assert refusal(judged_layer(changed)).code is Code.LOG_ENTRY_INVALID


def test_pitfall_06_depth_and_size_are_capped() -> None:
    for payload in (b"[" * 200_000, b'{"a":' * 200_000, b"[" * 200 + b"]" * 200, b"[0," * 1_000_001):
        assert isinstance(judged(WORLD.bundle(Signature.of_payload(RELEASE, payload))), Rejection)
        with pytest.raises(ParseError):
            strictjson.loads(payload)


@pytest.mark.parametrize("kind", ["", "atomic container signature", "Cosign container image signature", None])
def test_pitfall_07_the_type_of_a_payload_is_checked(kind: str | None) -> None:
    value = json.loads(simple_signing(IMAGE))
    value["critical"]["type"] = kind
    signature = Signature.of_message(RELEASE, encode(value))
    assert isinstance(judged_layer(WORLD.legacy_signature(signature)), Rejection)


def test_pitfall_07_the_signed_name_is_a_fact_for_policy() -> None:
    fact = counts(judged_layer(WORLD.legacy_signature(payload_of())))
    assert isinstance(fact, VerifiedSignature)
    assert fact.docker_reference == Reference.parse("ghcr.io/acme/api").name


@pytest.mark.parametrize(
    "payload_type", ["", "application/json", "application/vnd.in-toto+json ", "APPLICATION/VND.IN-TOTO+JSON"]
)
def test_pitfall_08_the_payload_type_is_in_totos(payload_type: str) -> None:
    signature = Signature.of_payload(RELEASE, statement(IMAGE), payload_type)
    assert isinstance(judged(WORLD.bundle(signature)), Rejection)
    renamed = opened(WORLD.bundle(signature))
    renamed["dsseEnvelope"]["payloadType"] = dsse.PAYLOAD_TYPE
    assert isinstance(judged(renamed), Rejection)


@pytest.mark.parametrize("kind", ["https://in-toto.io/Statement/v2", "https://in-toto.io/Statement/v1 ", "", "x"])
def test_pitfall_08_the_type_of_a_statement_is_known(kind: str) -> None:
    assert isinstance(judged(WORLD.bundle(made(statement_type=kind))), Rejection)


@pytest.mark.parametrize("predicate_type", [f"{dsse.COSIGN_SIGN}/", "https://sigstore.dev/cosign/sign/v2", VULN])
def test_pitfall_08_only_one_predicate_is_a_signature(predicate_type: str) -> None:
    assert isinstance(counts(judged(WORLD.bundle(made(predicate_type=predicate_type)))), VerifiedAttestation)


def test_pitfall_09_a_broken_signature_among_good_ones_is_passed_over() -> None:
    right = made()
    envelope = opened(right.envelope)
    envelope["signatures"] = [{"sig": b64(b"broken")}, *envelope["signatures"]]
    signature = replace(right, payload=right.payload)
    layer = replace(WORLD.legacy_attestation(signature), content=encode(envelope))
    assert not isinstance(judged_layer(layer), Rejection)
    verdicts = [judged(WORLD.bundle(made(MALLORY))), judged(WORLD.bundle(right))]
    facts = [f for v in verdicts if not isinstance(v, Rejection) for f in v if isinstance(f, VerifiedSignature)]
    found, reasons = counted(One("ci"), {"ci": KEYLESS}, facts, NOW)
    assert satisfied(One("ci"), found)
    assert reasons == []
    found, reasons = counted(One("ci"), {"ci": KEYLESS}, facts[:1], NOW)
    assert not satisfied(One("ci"), found)
    assert [reason.code for reason in reasons] == [Code.IDENTITY_MISMATCH]


MINE: Final = Fulcio.create("fulcio.test")
"""The attacker's authority, by the name of the true one."""


@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_pitfall_10_what_came_along_is_never_a_root_of_a_bundle(version: Any) -> None:
    by = WORLD.issue(fulcio=MINE)
    bundle = opened(WORLD.bundle(made(by), version=version, intermediates=True))
    assert isinstance(judged(bundle), Rejection)
    certificates = bundle["verificationMaterial"]["x509CertificateChain"]["certificates"]
    certificates.append({"rawBytes": b64(MINE.issuers[-1].certificate.public_bytes(Encoding.DER))})
    assert isinstance(judged(bundle), Rejection)
    with pytest.raises(ParseError, match="root"):
        Bundle.parse(encode(bundle))


def test_pitfall_10_what_came_along_is_never_a_root_of_a_layer() -> None:
    signature = Signature.of_message(WORLD.issue(fulcio=MINE), simple_signing(IMAGE))
    verdict = judged_layer(WORLD.legacy_signature(signature))
    assert isinstance(verdict, Rejection)
    assert verdict.code is Code.CERTIFICATE_UNTRUSTED


def test_pitfall_06_the_chain_beside_a_layer_is_capped() -> None:
    right = WORLD.legacy_signature(payload_of())
    pem = WORLD.fulcio.issuers[0].certificate.public_bytes(Encoding.PEM).decode()
    for count, fits in ((MAX_CHAIN, True), (MAX_CHAIN + 1, False)):
        verdict = judged_layer(replace(right, annotations={**right.annotations, cosign.CHAIN: pem * count}))
        if fits:
            counts(verdict)
        else:
            assert isinstance(verdict, Rejection)
            assert f"holds {count} certificates; at most {MAX_CHAIN}" in verdict.reason


@pytest.mark.parametrize("part", ["leaf", "intermediate", "root", "window"])
def test_pitfall_10_all_of_the_path_is_valid_at_the_time_of_signing(part: str) -> None:
    past = (AGES[0], AT - SECOND)
    fulcio = Fulcio.create(
        "pki.test",
        intermediate_valid=past if part == "intermediate" else AGES,
        root_valid=past if part == "root" else AGES,
    )
    profile = Profile(starts=AT - LIFETIME - SECOND) if part == "leaf" else Profile()
    windows = {fulcio.uri: Window(AGES[0], AT - SECOND)} if part == "window" else {}
    bundle = WORLD.bundle(made(WORLD.issue(profile=profile, fulcio=fulcio)))
    verdict = judged(bundle, trusted=trusting(WORLD.trusted_root(fulcios=[fulcio], windows=windows)))
    assert isinstance(verdict, Rejection)
    assert verdict.code is Code.CERTIFICATE_EXPIRED


def test_pitfall_10_every_time_has_to_fit() -> None:
    right = made()
    late = WORLD.tsa.stamp(right.content, AT + LIFETIME + SECOND)
    verdict = judged(WORLD.bundle(right, timestamps=[WORLD.tsa.stamp(right.content), late]))
    assert isinstance(verdict, Rejection)
    assert verdict.code is Code.CERTIFICATE_EXPIRED


# The tables.


def names_in(path: Path) -> frozenset[str]:
    found = ast.walk(ast.parse(path.read_text()))
    return frozenset(node.name for node in found if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


@pytest.mark.parametrize("identifier", ELSEWHERE)
def test_what_is_covered_elsewhere_is(identifier: str) -> None:
    name, _, test = ELSEWHERE[identifier].partition("::")
    assert test in names_in(Path(__file__).with_name(name))


@pytest.mark.parametrize("identifier", HERE)
def test_what_is_covered_here_is(identifier: str) -> None:
    kind, *rest = identifier.lower().replace("-", " ").split()
    wanted = f"{kind}_{int(rest[0]):02}" if kind == "pitfall" else "_".join((kind, *rest))
    assert any(wanted in name for name in names_in(Path(__file__)))


def test_no_id_is_in_two_tables() -> None:
    everything = [*HERE, *ELSEWHERE, *LATER]
    assert len(everything) == len(set(everything))
