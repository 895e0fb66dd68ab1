"""Every kind of signer in a policy, on images in OCI layouts, offline: cryptography and policy as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.fulcio import Fulcio, Signer, shared_key
from tests.fakes.signing_authority import Signature, SigningAuthority, simple_signing, statement
from tests.unit.cli.bench import GITHUB, KEYLESS, RELEASE, WORLD, Bench, Json, builder, certificate, person

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# keyless


def test_a_person(bench: Bench) -> None:
    bench.keyless(person())
    assert bench.findings({"s": {"keyless": KEYLESS}}) == []
    ((code, said),) = bench.findings({"s": {"keyless": {**KEYLESS, "subject": "other@acme.example"}}})
    assert code == "IDENTITY_MISMATCH"
    assert said.startswith("signed by releases@acme.example; needs other@acme.example")
    ((code, said),) = bench.findings({"s": {"keyless": {**KEYLESS, "issuer": "https://gitlab.com"}}})
    assert (code, "issuer https://accounts.google.com; needs issuer https://gitlab.com" in said) == (
        "IDENTITY_MISMATCH",
        True,
    )


def test_without_a_log_entry_a_timestamp_has_to_stand_in(bench: Bench) -> None:
    signature = Signature.of_payload(WORLD.issue(profile=person()), statement(bench.digest))
    bench.attach(WORLD.bundle(signature, entries=[], timestamps=[WORLD.tsa.stamp(signature.content)]))
    assert [c for c, _ in bench.findings({"s": {"keyless": KEYLESS}})] == ["LOG_ENTRY_MISSING"]
    stamped = {**KEYLESS, "transparencyLog": "none", "timestamp": {"required": True}}
    assert bench.findings({"s": {"keyless": stamped}}) == []


def test_a_required_timestamp_beside_the_log_entry(bench: Bench) -> None:
    bench.keyless(person())
    stamped = {**KEYLESS, "timestamp": {"required": True}}
    assert [c for c, _ in bench.findings({"s": {"keyless": stamped}})] == ["TIMESTAMP_MISSING"]


def test_a_fulcio_of_ones_own_without_a_ct_log(bench: Bench) -> None:
    signature = Signature.of_payload(WORLD.issue(profile=person(), scts=()), statement(bench.digest))
    bench.attach(WORLD.bundle(signature))
    assert [c for c, _ in bench.findings({"s": {"keyless": KEYLESS}})] == ["SCT_MISSING"]
    assert bench.findings({"s": {"keyless": {**KEYLESS, "insecureIgnoreSct": True}}}) == []


# trust roots


def test_a_certificate_counts_under_its_own_trust_root_only(bench: Bench) -> None:
    bench.roots["other"] = SigningAuthority().trusted_root()
    bench.keyless(person())
    other = {**KEYLESS, "trustRoot": "other"}
    ((code, _),) = bench.findings({"s": {"keyless": other}})
    assert code == "CERTIFICATE_UNTRUSTED"
    assert bench.findings({"s": {"keyless": other}, "t": {"keyless": KEYLESS}}, ["s", "t"]) == []
    ((code, _),) = bench.findings({"s": {"keyless": other}, "t": {"keyless": KEYLESS}}, {"all": ["s", "t"]})
    assert code == "SIGNERS_TOO_FEW"


def test_a_trust_root_that_nobody_has_is_no_denial_and_no_pass(bench: Bench) -> None:
    bench.keyless(person())
    gone = {"keyless": {**KEYLESS, "trustRoot": "gone"}}
    ((code, said),) = bench.findings({"s": gone})
    assert (code, "signer s: its trust root gone" in said) == ("TRUST_ROOT_UNAVAILABLE", True)
    assert bench.findings({"s": gone, "t": {"keyless": KEYLESS}}, ["s", "t"]) == []


def test_the_public_good_root_does_not_vouch_for_strangers(bench: Bench) -> None:
    bench.keyless(person())
    public = {key: value for key, value in KEYLESS.items() if key != "trustRoot"}
    ((code, said),) = bench.findings({"s": {"keyless": public}})
    assert code == "CERTIFICATE_UNTRUSTED"
    assert "its certificate does not lead to https://fulcio.sigstore.dev" in said


# github


def test_a_workflow(bench: Bench) -> None:
    bench.workflow()
    assert bench.findings({"s": {"github": GITHUB}}) == []
    assert bench.findings({"s": {"github": {**GITHUB, "repositoryId": 123, "ownerId": 9}}}) == []


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        # a stranger's repository calls our public reusable workflow: the subject and the signer are ours
        ({"_12": "https://github.com/mallory/evil"}, "source repository uri https://github.com/mallory/evil"),
        ({"_12": ""}, "source repository uri (none)"),
        ({"_14": "refs/heads/dev"}, "source repository ref refs/heads/dev"),
        ({"_20": "pull_request_target"}, "build trigger pull_request_target"),
        ({"_20": ""}, "build trigger (none)"),
        ({"uri": RELEASE.replace("main", "dev")}, "release.yml@refs/heads/dev; needs"),
        ({"uri": RELEASE.replace("release", "build")}, "build.yml@refs/heads/main; needs"),
    ],
)
def test_a_workflow_that_is_not_meant(bench: Bench, claims: dict[str, str], said: str) -> None:
    bench.workflow(**claims)
    ((code, message),) = bench.findings({"s": {"github": GITHUB}})
    assert code == "IDENTITY_MISMATCH"
    assert said in message


def test_ids_that_do_not_change_with_names(bench: Bench) -> None:
    bench.workflow(_15="124")
    ((_, said),) = bench.findings({"s": {"github": {**GITHUB, "repositoryId": 123}}})
    assert "source repository id 124; needs source repository id 123" in said


# certificate


@pytest.fixture
def pki(bench: Bench) -> tuple[Bench, Fulcio]:
    return bench, Fulcio.create("pki.acme.example")


def test_a_private_pki_with_a_timestamp(pki: tuple[Bench, Fulcio]) -> None:
    bench, authority = pki
    stamped: Json = {"timestamp": {"trustRoot": "ours"}}
    message = Signature.of_message(builder(authority), simple_signing(bench.digest))
    stamp = WORLD.tsa.stamp(message.content)
    bench.legacy(WORLD.legacy_signature(message, logged=False, timestamp=stamp))
    assert bench.findings({"s": certificate(authority, **stamped)}) == []
    # by another authority, for another subject
    ((code, _),) = bench.findings({"s": certificate(Fulcio.create("other"), **stamped)})
    assert code == "CERTIFICATE_UNTRUSTED"
    ((code, _),) = bench.findings({"s": certificate(authority, **stamped, subject="ops@acme.example")})
    assert code == "IDENTITY_MISMATCH"
    # whoever's timestamps are wanted has to have made one
    bench.roots["other"] = SigningAuthority().trusted_root()
    ((code, _),) = bench.findings({"s": certificate(authority, timestamp={"trustRoot": "other"})})
    assert code == "TIMESTAMP_INVALID"


def test_one_pki_with_two_trust_roots_is_two(pki: tuple[Bench, Fulcio]) -> None:
    """What one trust root's service has stamped is unstamped to a signer who asks another's."""
    bench, authority = pki
    bench.roots["other"] = SigningAuthority().trusted_root()
    message = Signature.of_message(builder(authority), simple_signing(bench.digest))
    bench.legacy(WORLD.legacy_signature(message, logged=False, timestamp=WORLD.tsa.stamp(message.content)))
    signers = {name: certificate(authority, timestamp={"trustRoot": name}) for name in ("ours", "other")}
    # the same people by another pattern: one signer twice is an error
    signers["other"]["certificate"]["subjectRegex"] = signers["other"]["certificate"].pop("subject")
    assert bench.findings(signers, "ours") == []
    for order in (("ours", "other"), ("other", "ours")):
        assert [code for code, _ in bench.findings(signers, *order)] == ["TIMESTAMP_INVALID"]


def test_a_private_pki_without_a_timestamp(pki: tuple[Bench, Fulcio]) -> None:
    bench, authority = pki
    message = Signature.of_message(builder(authority), simple_signing(bench.digest))
    bench.legacy(WORLD.legacy_signature(message, logged=False))
    assert [c for c, _ in bench.findings({"s": certificate(authority)})] == ["TIMESTAMP_MISSING"]
    unstamped = certificate(authority, timestamp={"required": False})
    # then the certificate has to be valid now
    assert [c for c, _ in bench.findings({"s": unstamped})] == ["CERTIFICATE_EXPIRED"]
    assert bench.findings({"s": unstamped}, at="2026-01-02T03:10:00Z") == []


# key


def test_a_key_in_its_time(bench: Bench) -> None:
    key = Signer(shared_key())
    message = Signature.of_message(key, simple_signing(bench.digest))
    bench.legacy(WORLD.legacy_signature(message))
    pem: Json = {"pem": key.key.pem.decode(), "trustRoot": "ours"}
    assert bench.findings({"s": {"key": {**pem, "validUntil": "2026-01-02"}}}) == []
    ((code, said),) = bench.findings({"s": {"key": {**pem, "validUntil": "2026-01-01"}}})
    assert (code, "counts from ever to 2026-01-01" in said) == ("KEY_MISMATCH", True)


def test_of_a_key_in_its_time_nothing_but_now_is_known_without_a_log(bench: Bench) -> None:
    key = Signer(shared_key())
    message = Signature.of_message(key, simple_signing(bench.digest))
    bench.legacy(WORLD.legacy_signature(message, logged=False))
    pem: Json = {"pem": key.key.pem.decode(), "trustRoot": "ours"}
    assert bench.findings({"s": {"key": {**pem, "validUntil": "2026-11-23"}}}) == []
    assert bench.findings({"s": {"key": {**pem, "validFrom": "2026-11-23"}}}) == []
    for dated, shown in (
        ({"validUntil": "2026-11-22"}, "from ever to 2026-11-22"),
        ({"validFrom": "2026-11-24"}, "from 2026-11-24"),
    ):
        ((code, said),) = bench.findings({"s": {"key": {**pem, **dated}}})
        assert (code, f"counts {shown}" in said) == ("KEY_MISMATCH", True), said


def test_a_key_and_the_log_it_is_known_to(bench: Bench) -> None:
    key = Signer(shared_key())
    message = Signature.of_message(key, simple_signing(bench.digest))
    bench.legacy(WORLD.legacy_signature(message))
    pem: Json = {"pem": key.key.pem.decode()}
    required: Json = {**pem, "transparencyLog": "required"}
    assert bench.findings({"s": {"key": {**required, "trustRoot": "ours"}}}) == []
    # a private log is a stranger to the public-good root
    assert [c for c, _ in bench.findings({"s": {"key": required}})] == ["LOG_ENTRY_INVALID"]
    assert [c for c, _ in bench.findings({"s": {"key": pem}})] == ["LOG_ENTRY_INVALID"]
    assert bench.findings({"s": {"key": {**pem, "transparencyLog": "ignore"}}}) == []


def test_a_key_without_the_log_entry_it_needs(bench: Bench) -> None:
    key = Signer(shared_key())
    message = Signature.of_message(key, simple_signing(bench.digest))
    bench.legacy(WORLD.legacy_signature(message, logged=False))
    required: Json = {"pem": key.key.pem.decode(), "transparencyLog": "required", "trustRoot": "ours"}
    assert [c for c, _ in bench.findings({"s": {"key": required}})] == ["LOG_ENTRY_MISSING"]


# together


def test_two_people_are_two_principals(bench: Bench) -> None:
    bench.keyless(person())
    bench.workflow()
    signers = {"s": {"keyless": KEYLESS}, "g": {"github": GITHUB}}
    assert bench.findings(signers, {"all": ["s", "g"]}) == []
    anybody = {"keyless": {"issuerRegex": ".*", "subjectRegex": ".*", "trustRoot": "ours"}}
    assert bench.findings({**signers, "x": anybody}, {"atLeast": 2, "of": ["s", "x"]}) == []
    ((code, _),) = bench.findings({**signers, "x": anybody}, {"atLeast": 3, "of": ["s", "g", "x"]})
    assert code == "SIGNERS_TOO_FEW"
