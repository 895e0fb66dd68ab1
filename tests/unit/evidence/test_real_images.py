"""Images that others signed with cosign and published: every row of the data's README, against Sigstore's own root."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gate.codes import Code
from gate.errors import ParseError
from gate.evidence.candidate import Candidate
from gate.evidence.cosign import CERTIFICATE, CHAIN, LOG_BUNDLE
from gate.evidence.dsse import Statement
from gate.evidence.facts import (
    CertificateSigner,
    Format,
    FulcioClaims,
    Identity,
    KeySigner,
    Problem,
    Rejection,
    TimeSource,
    VerifiedAttestation,
    VerifiedSignature,
    VerifiedTime,
    Witness,
)
from gate.evidence.verifier import verify
from gate.image.digest import Digest
from gate.image.manifest import Manifest, parse_manifest
from gate.image.reference import Repository
from gate.policy.identity import IdentityPattern, TextPattern
from gate.registry.layout import Layout, LayoutRegistry
from gate.trust.anchors import Anchors, Holder, Issuers
from gate.trust.key import PublicKey
from gate.trust.root import TrustedRoot
from gate.trust.tuf import shipped_root
from gate.trust.window import Window
from tests.fakes.clients import soon

CHECKOUT = Path(__file__).parents[3]
KEYS = ("alice", "bob", "charlie", "default")
ALICE = "sha256:071bf7a986f1ca9cb2a1f0bc8392822a7777f90d58f2d2c6f271913e08de7c81"
ALL_THREE = "sha256:bfec161fecb0a887df7cb85e4da327c65986ccda7060cf3cd92171c6c90d7533"
KEYLESS = "sha256:31dc72a13a0c34b40eb95419d2b2fd67320c856baf3b72da518023ee8d370aee"
IMAGES = {
    "multi-cosigned-alice": (ALICE, ("alice",), 1),
    "multi-cosigned-alice-bob-charlie": (ALL_THREE, ("alice", "bob", "charlie"), 3),
    "keyless": (KEYLESS, (), 1),
}
TESTIMAGE = Repository("docker.io", "securesystemsengineering/testimage")

PRODUCTION = TrustedRoot.parse(shipped_root())
SIGSTORE = Anchors(issuers=(Issuers("sigstore", PRODUCTION.authorities, PRODUCTION),))
REKOR = "https://rekor.sigstore.dev"
REKOR_ID = "c0d23d6ad406973f9559f3ba2d1ca01f84147d8ffc5b8445c224f98b9591801d"
CT_LOG = "dd3d306ac6c7113263191e1c99673702a24a5eb8de3cadff878a72802f29ee8e"
NO_TIMESTAMP = Problem(Code.TIMESTAMP_MISSING, "it has no timestamp")
UNWITNESSED = Witness(
    frozenset(), (), Problem(Code.LOG_ENTRY_MISSING, "it has no transparency log entry"), NO_TIMESTAMP
)


def logged(at: datetime) -> Witness:
    return Witness(frozenset({REKOR_ID}), (VerifiedTime(at, TimeSource.LOG, REKOR),), None, NO_TIMESTAMP)


def real_data(name: str) -> Path:
    environment = os.environ  # noqa: TID251 - where the data is, is the environment's to say
    found = environment.get("IMAGEGATE_REAL_DATA") or str(CHECKOUT.parent / "shared" / "testdata")
    folder = Path(found) / name
    if not folder.is_dir():
        reason = f"no real signed data in {folder}: set IMAGEGATE_REAL_DATA"
        if environment.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="module")
def data() -> Path:
    return real_data("cosign-legacy")


def manifest(data: Path, tag: str, digest: Digest | None = None) -> Manifest:
    content = (data / "manifests" / f"{tag}.json").read_bytes()
    assert digest is None or digest.matches(content)
    found = parse_manifest(content)
    assert isinstance(found, Manifest)
    return found


def candidates(data: Path, image: Digest) -> list[Candidate]:
    return [
        Candidate(Format.LEGACY, layer.digest, layer.media_type, blob(data, layer.digest), layer.annotations)
        for layer in manifest(data, f"{image.tag}.sig").layers
    ]


def blob(data: Path, digest: Digest) -> bytes:
    content = (data / "blobs" / f"{digest}.json").read_bytes()
    assert digest.matches(content)
    return content


def key(data: Path, name: str) -> PublicKey:
    return PublicKey.parse((data / f"{name}.key").read_bytes())


def signatures(data: Path, image: Digest, anchors: Anchors) -> list[VerifiedSignature]:
    verdicts = [verify(candidate, image, anchors) for candidate in candidates(data, image)]
    found = [fact for verdict in verdicts if not isinstance(verdict, Rejection) for fact in verdict]
    signatures = [fact for fact in found if isinstance(fact, VerifiedSignature)]
    assert len(signatures) == len(found)
    return signatures


def keys(data: Path, *names: str, root: TrustedRoot | None = PRODUCTION) -> Anchors:
    return Anchors(tuple(Holder(key(data, name), root=root) for name in names))


@pytest.mark.parametrize("tag", IMAGES)
def test_the_tag_has_the_stated_digest_and_candidates(data: Path, tag: str) -> None:
    text, _, count = IMAGES[tag]
    assert manifest(data, tag, Digest.parse(text)).layers
    assert len(candidates(data, Digest.parse(text))) == count


@pytest.mark.parametrize("tag", IMAGES)
@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("root", [None, PRODUCTION], ids=["no root", "root"])
def test_each_key_on_each_image(data: Path, tag: str, name: str, root: TrustedRoot | None) -> None:
    text, signers, _ = IMAGES[tag]
    found = signatures(data, Digest.parse(text), keys(data, name, root=root))
    assert [fact.signer for fact in found] == [KeySigner(key(data, name))] * (name in signers)
    for fact in found:
        assert (fact.docker_reference, fact.annotations, fact.witness) == (TESTIMAGE, {}, UNWITNESSED)


def test_three_of_three_distinct_signers(data: Path) -> None:
    found = signatures(data, Digest.parse(ALL_THREE), keys(data, *KEYS))
    assert {min(fact.signer.marks) for fact in found} == {f"key:{key(data, n).fingerprint}" for n in KEYS[:3]}
    assert len(found) == 3
    assert len({fact.digest for fact in found}) == 1


def test_keys_mean_nothing_to_a_certificate_and_certificates_nothing_to_a_key(data: Path) -> None:
    image = Digest.parse(KEYLESS)
    verdicts = [verify(c, image, keys(data, *KEYS)) for c in candidates(data, image)]
    assert [v.code for v in verdicts if isinstance(v, Rejection)] == [Code.KEY_MISMATCH]
    assert "certificate" in str(verdicts[0])
    for text in (ALICE, ALL_THREE):
        codes = [verify(c, Digest.parse(text), SIGSTORE) for c in candidates(data, Digest.parse(text))]
        assert {v.code for v in codes if isinstance(v, Rejection)} == {Code.IDENTITY_MISMATCH}
        assert all(isinstance(v, Rejection) for v in codes)


@pytest.mark.parametrize(("signed", "shown"), [(ALICE, ALL_THREE), (ALL_THREE, ALICE), (KEYLESS, ALICE)])
def test_signatures_of_one_image_do_not_count_for_another(data: Path, signed: str, shown: str) -> None:
    anchors = replace(SIGSTORE, holders=keys(data, *KEYS).holders)
    for candidate in candidates(data, Digest.parse(signed)):
        found = verify(candidate, Digest.parse(shown), anchors)
        assert isinstance(found, Rejection)
        assert found.code in {Code.SIGNATURE_INVALID, Code.KEY_MISMATCH}


def test_an_empty_object_is_no_manifest(data: Path) -> None:
    with pytest.raises(ParseError, match="not a manifest"):
        parse_manifest((data / "manifests" / "co-unsigned.json").read_bytes())


OAUTH = "https://github.com/login/oauth"
PERSON = "philipp.belitz@securesystems.de"
SIGNED_AT = datetime(2024, 5, 30, 15, 18, 17, tzinfo=UTC)


class TestKeyless:
    """A person's signature of 2024: Fulcio's certificate, an SCT in it, Rekor's promise without a proof."""

    def candidate(self, data: Path) -> Candidate:
        (found,) = candidates(data, Digest.parse(KEYLESS))
        return found

    def rejected(self, data: Path, anchors: Anchors) -> Rejection:
        found = verify(self.candidate(data), Digest.parse(KEYLESS), anchors)
        assert isinstance(found, Rejection)
        return found

    def test_it_is_by_who_the_table_says(self, data: Path) -> None:
        (fact,) = signatures(data, Digest.parse(KEYLESS), SIGSTORE)
        window = Window(datetime(2024, 5, 30, 15, 18, 10, tzinfo=UTC), datetime(2024, 5, 30, 15, 28, 10, tzinfo=UTC))
        assert isinstance(fact.signer, CertificateSigner)
        assert fact.signer.identity == Identity(OAUTH, (PERSON,), FulcioClaims())
        assert (fact.signer.trust, fact.signer.window) == ("sigstore", window)
        assert len(fact.signer.issuers) == 2
        assert f"identity:{OAUTH}|{PERSON}" in fact.signer.marks
        assert (fact.signer.ct_logs, fact.signer.no_sct) == (frozenset({CT_LOG}), "")
        assert fact.witness == logged(SIGNED_AT)
        # it names another repository: what that is worth is policy's to say
        assert fact.docker_reference == Repository("docker.io", "phbelitz/rekor-test")
        assert fact.annotations == {}

    @pytest.mark.parametrize(
        ("subject", "issuer", "fits"),
        [
            (TextPattern(PERSON), TextPattern(OAUTH), True),
            (TextPattern.parse_regex(r".*@securesystems\.de"), TextPattern(OAUTH), True),
            (TextPattern(PERSON), TextPattern.parse_regex(r"https://github\.com/login/.*"), True),
            (TextPattern(PERSON), TextPattern("https://github.com/login/oauth/"), False),
            (TextPattern(PERSON), TextPattern("https://accounts.google.com"), False),
            (TextPattern(PERSON.upper()), TextPattern(OAUTH), False),
            (TextPattern("belitz@securesystems.de"), TextPattern(OAUTH), False),
            (TextPattern.parse_regex("securesystems"), TextPattern(OAUTH), False),
            (TextPattern.parse_regex(r".*@securesystems\.d"), TextPattern(OAUTH), False),
        ],
    )
    def test_who_is_meant(self, data: Path, subject: TextPattern, issuer: TextPattern, fits: bool) -> None:  # noqa: FBT001
        (fact,) = signatures(data, Digest.parse(KEYLESS), SIGSTORE)
        assert isinstance(fact.signer, CertificateSigner)
        assert (not IdentityPattern(subject, issuer).mismatch(fact.signer.identity)) is fits

    def test_no_claim_that_it_lacks(self, data: Path) -> None:
        (fact,) = signatures(data, Digest.parse(KEYLESS), SIGSTORE)
        assert isinstance(fact.signer, CertificateSigner)
        anything = (("source_repository_uri", (TextPattern.parse_regex(".*"),)),)
        assert IdentityPattern(TextPattern(PERSON), TextPattern(OAUTH), anything).mismatch(fact.signer.identity)

    def test_without_a_log_it_has_no_time(self, data: Path) -> None:
        issuers = Issuers("sigstore", PRODUCTION.authorities, replace(PRODUCTION, digest="", logs=()))
        (fact,) = signatures(data, Digest.parse(KEYLESS), Anchors(issuers=(issuers,)))
        assert (fact.witness.logs, fact.witness.times) == (frozenset(), ())
        assert fact.witness.no_log == Problem(Code.LOG_ENTRY_INVALID, "log c0d23d6ad406 is not in the trusted root")

    def test_of_an_unknown_ct_log(self, data: Path) -> None:
        issuers = Issuers("sigstore", PRODUCTION.authorities, replace(PRODUCTION, digest="", ct_logs=()))
        (fact,) = signatures(data, Digest.parse(KEYLESS), Anchors(issuers=(issuers,)))
        assert isinstance(fact.signer, CertificateSigner)
        assert fact.signer.ct_logs == frozenset()
        assert "CT log dd3d306ac6c7 is not in the trusted root" in fact.signer.no_sct

    @pytest.mark.parametrize("end", [SIGNED_AT - timedelta(seconds=1), SIGNED_AT])
    def test_windows_end_with_their_last_second(self, data: Path, end: datetime) -> None:
        holds = end == SIGNED_AT
        logs = tuple(replace(log, window=Window(log.window.start, end)) for log in PRODUCTION.logs)
        issuers = Issuers("sigstore", PRODUCTION.authorities, replace(PRODUCTION, digest="", logs=logs))
        (fact,) = signatures(data, Digest.parse(KEYLESS), Anchors(issuers=(issuers,)))
        assert bool(fact.witness.logs) is bool(fact.witness.times) is holds
        authorities = tuple(replace(a, window=Window(a.window.start, end)) for a in PRODUCTION.authorities)
        anchors = Anchors(issuers=(Issuers("sigstore", authorities, PRODUCTION),))
        if holds:
            assert len(signatures(data, Digest.parse(KEYLESS), anchors)) == 1
        else:
            assert self.rejected(data, anchors).code is Code.CERTIFICATE_EXPIRED

    def test_under_other_authorities(self, data: Path) -> None:
        for authorities in ((), PRODUCTION.timestamp_authorities, PRODUCTION.authorities[:1]):
            found = self.rejected(data, Anchors(issuers=(Issuers("other", authorities, PRODUCTION),)))
            assert found.code in {Code.CERTIFICATE_UNTRUSTED, Code.CERTIFICATE_EXPIRED}

    def test_the_chain_beside_it_is_not_what_is_trusted(self, data: Path) -> None:
        candidate = self.candidate(data)
        without = {k: v for k, v in candidate.annotations.items() if k != CHAIN}
        found = verify(replace(candidate, annotations=without), Digest.parse(KEYLESS), SIGSTORE)
        assert found == verify(candidate, Digest.parse(KEYLESS), SIGSTORE)
        untrusted = Anchors(issuers=(Issuers("nobody", (), PRODUCTION),))
        assert isinstance(verify(candidate, Digest.parse(KEYLESS), untrusted), Rejection)

    @pytest.mark.parametrize("name", ["integratedTime", "logIndex", "logID", "body"])
    def test_what_rekor_promised_cannot_be_changed(self, data: Path, name: str) -> None:
        candidate = self.candidate(data)
        entry = json.loads(candidate.annotations[LOG_BUNDLE])
        old = entry["Payload"][name]
        entry["Payload"][name] = old + 1 if isinstance(old, int) else old[:-2] + ("00" if name == "logID" else "==")
        changed = replace(candidate, annotations={**candidate.annotations, LOG_BUNDLE: json.dumps(entry)})
        found = verify(changed, Digest.parse(KEYLESS), SIGSTORE)
        assert not isinstance(found, Rejection)
        (fact,) = found
        assert (fact.witness.logs, fact.witness.times) == (frozenset(), ())
        assert fact.witness.no_log is not None
        assert fact.witness.no_log.code is Code.LOG_ENTRY_INVALID

    def test_another_certificate(self, data: Path) -> None:
        candidate = self.candidate(data)
        other = layer_of("v2.0.0").annotations
        for names in ((CERTIFICATE,), (CERTIFICATE, CHAIN), (CERTIFICATE, CHAIN, LOG_BUNDLE)):
            swapped = {**candidate.annotations, **{name: other[name] for name in names}}
            found = verify(replace(candidate, annotations=swapped), Digest.parse(KEYLESS), SIGSTORE)
            assert isinstance(found, Rejection)
            assert found.code is Code.SIGNATURE_INVALID


ACTIONS = "https://token.actions.githubusercontent.com"
GENERATOR = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/"
WORKFLOW = f"{GENERATOR}generator_container_slsa3.yml@refs/tags/"
SOURCE = "https://github.com/slsa-framework/example-package"
VERSIONS = {
    "v1.4.0": (datetime(2023, 1, 11, 16, 52, 57, tzinfo=UTC), "intoto"),
    "v1.10.0": (datetime(2024, 3, 21, 10, 34, 4, tzinfo=UTC), "dsse"),
    "v2.0.0": (datetime(2024, 4, 22, 21, 35, 15, tzinfo=UTC), "dsse"),
}
GHCR = Repository("ghcr.io", "slsa-framework/example-package")


def layout_of(version: str) -> LayoutRegistry:
    return LayoutRegistry(Layout.open(real_data("slsa-container") / version / "container_workflow_dispatch"))


def image_of(version: str) -> Digest:
    stated = real_data("slsa-container") / version / "container_workflow_dispatch.digest"
    return Digest.parse(stated.read_text().strip())


def layer_of(version: str) -> Candidate:
    """The one attestation in a layout."""
    registry = layout_of(version)
    stored = registry.manifest(GHCR, f"{image_of(version).tag}.att", soon())
    assert stored is not None
    assert isinstance(stored.manifest, Manifest)
    (layer,) = stored.manifest.layers
    content = registry.blob(GHCR, layer, 1 << 24, soon()).read()
    return Candidate(Format.LEGACY, layer.digest, layer.media_type, content, layer.annotations)


def attestation_of(version: str) -> tuple[VerifiedAttestation, CertificateSigner]:
    found = verify(layer_of(version), image_of(version), SIGSTORE)
    assert not isinstance(found, Rejection), found.reason
    (fact,) = found
    assert isinstance(fact, VerifiedAttestation)
    assert isinstance(fact.signer, CertificateSigner)
    return fact, fact.signer


@pytest.mark.parametrize("version", VERSIONS)
class TestSlsaContainer:
    """Provenance by GitHub's reusable workflow, keyless, in legacy `.att` layers of layouts that cosign saved."""

    def test_it_is_by_who_the_table_says(self, version: str) -> None:
        at, kind = VERSIONS[version]
        assert layout_of(version).layout.only_image() == image_of(version)
        fact, signer = attestation_of(version)
        assert fact.predicate_type == "https://slsa.dev/provenance/v0.2"
        assert (signer.identity.issuer, signer.identity.subjects) == (ACTIONS, (WORKFLOW + version,))
        assert f"identity:{ACTIONS}|{WORKFLOW}{version}" in signer.marks
        assert (signer.ct_logs, signer.no_sct) == (frozenset({CT_LOG}), "")
        assert signer.window.holds(at)
        assert fact.witness == logged(at)
        entry = json.loads(layer_of(version).annotations[LOG_BUNDLE])
        body = json.loads(base64.b64decode(entry["Payload"]["body"]))
        assert (body["kind"], body["apiVersion"]) == (kind, "0.0.1")

    def test_what_it_says(self, version: str) -> None:
        fact, signer = attestation_of(version)
        statement = Statement.parse(fact.statement)
        assert [subject.names(image_of(version)) for subject in statement.subjects] == [True]
        assert isinstance(statement.predicate, dict)
        predicate = statement.predicate
        assert predicate["builder"] == {"id": WORKFLOW + version}
        invocation = predicate["invocation"]
        assert invocation["configSource"]["uri"].partition("@")[0] == f"git+{SOURCE}"
        pushed = invocation["environment"]["github_event_payload"]
        assert pushed.get("base_ref", pushed["ref"]) == "refs/heads/main"
        # older certificates of Fulcio's have none of these
        claims = signer.identity.claims
        assert claims.source_repository_uri == ("" if version == "v1.4.0" else SOURCE)
        assert claims.build_signer_uri == ("" if version == "v1.4.0" else WORKFLOW + version)
        assert claims.runner_environment == ("" if version == "v1.4.0" else "github-hosted")

    @pytest.mark.parametrize(
        "subject",
        [
            *(WORKFLOW + other for other in (*VERSIONS, "v1.4", "v1.4.00", "v3.0.0")),
            WORKFLOW,
            f"{GENERATOR}not-trusted.yml@refs/tags/v1.4.0",
            f"{GENERATOR}not-trusted.yml@refs/tags/v1.10.0",
            f"{GENERATOR}not-trusted.yml@refs/tags/v2.0.0",
            f"{WORKFLOW}v2.0.0\n",
            f"{WORKFLOW}V2.0.0",
        ],
    )
    def test_whose_subject_is_meant(self, version: str, subject: str) -> None:
        _, signer = attestation_of(version)
        fits = subject == WORKFLOW + version
        exact = IdentityPattern(TextPattern(subject), TextPattern(ACTIONS))
        assert (not exact.mismatch(signer.identity)) is fits
        pattern = TextPattern.parse_regex(subject.replace(".", r"\.").replace("\n", r"\n"))
        assert (not IdentityPattern(pattern, TextPattern(ACTIONS)).mismatch(signer.identity)) is fits
        if not fits:
            assert WORKFLOW + version in exact.mismatch(signer.identity)

    @pytest.mark.parametrize(
        "issuer", [OAUTH, f"{ACTIONS}/", ACTIONS.replace("https", "http"), "", f"{ACTIONS}.evil.test"]
    )
    def test_another_issuer(self, version: str, issuer: str) -> None:
        _, signer = attestation_of(version)
        subject = TextPattern(WORKFLOW + version)
        assert not IdentityPattern(subject, TextPattern(ACTIONS)).mismatch(signer.identity)
        assert "issuer" in IdentityPattern(subject, TextPattern(issuer)).mismatch(signer.identity)

    @pytest.mark.parametrize(
        ("claim", "value", "fits"),
        [
            ("source_repository_uri", SOURCE, True),
            ("source_repository_uri", f"{SOURCE}A", False),
            ("source_repository_uri", SOURCE.replace("github.com", "Agithub.com"), False),
            ("source_repository_uri", SOURCE.replace("slsa-framework", "Aslsa-framework"), False),
            ("source_repository_ref", "refs/heads/main", False),
            ("source_repository_ref", "refs/heads/master", False),
            ("source_repository_ref", "refs/tags/v13.0.30", True),
            ("build_signer_uri", f"{GENERATOR}not-trusted.yml@refs/tags/v2.0.0", False),
            ("source_repository_owner_uri", "https://github.com/slsa-framework", True),
            ("source_repository_id", "486325809", True),
            ("source_repository_id", "48632580", False),
            ("runner_environment", "self-hosted", False),
        ],
    )
    def test_whose_source_is_meant(self, version: str, claim: str, value: str, fits: bool) -> None:  # noqa: FBT001
        _, signer = attestation_of(version)
        pattern = IdentityPattern(
            TextPattern(WORKFLOW + version), TextPattern(ACTIONS), ((claim, (TextPattern(value),)),)
        )
        # a certificate without the claim fits nothing
        assert (not pattern.mismatch(signer.identity)) is (fits and version != "v1.4.0")

    def test_it_is_no_signature_and_not_about_another_image(self, version: str) -> None:
        found = verify(layer_of(version), Digest.parse(KEYLESS), SIGSTORE)
        assert isinstance(found, Rejection)
        assert (found.code, found.attestation) == (Code.SIGNATURE_INVALID, True)
        for other in VERSIONS:
            assert isinstance(verify(layer_of(version), image_of(other), SIGSTORE), Rejection) is (other != version)

    def test_parts_of_another_version(self, version: str) -> None:
        candidate = layer_of(version)
        for other in VERSIONS:
            if other == version:
                continue
            entry = {**candidate.annotations, LOG_BUNDLE: layer_of(other).annotations[LOG_BUNDLE]}
            found = verify(replace(candidate, annotations=entry), image_of(version), SIGSTORE)
            # its time is not the certificate's; in its own right it is about something else
            if isinstance(found, Rejection):
                assert found.code is Code.CERTIFICATE_EXPIRED
            else:
                assert [(fact.witness.logs, fact.witness.times) for fact in found] == [(frozenset(), ())]
            certificate = {**candidate.annotations, CERTIFICATE: layer_of(other).annotations[CERTIFICATE]}
            found = verify(replace(candidate, annotations=certificate), image_of(version), SIGSTORE)
            assert isinstance(found, Rejection)
            assert found.code is Code.SIGNATURE_INVALID

    def test_stored_otherwise(self, version: str) -> None:
        # intoto 0.0.1 is about the very bytes of the envelope; dsse 0.0.1 about what is in it
        candidate = layer_of(version)
        content = json.dumps(json.loads(candidate.content), indent=1).encode()
        found = verify(replace(candidate, content=content, digest=Digest.of(content)), image_of(version), SIGSTORE)
        assert not isinstance(found, Rejection)
        (fact,) = found
        assert bool(fact.witness.logs) is (VERSIONS[version][1] == "dsse")
