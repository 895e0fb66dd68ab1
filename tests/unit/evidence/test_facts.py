from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gate.demo.signing import SigningKey
from gate.evidence.facts import (
    CertificateSigner,
    Evidence,
    Identity,
    KeySigner,
    TimeSource,
    VerifiedTime,
    Witness,
)
from gate.trust.key import Hash, PublicKey
from gate.trust.window import Window

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ISSUER, SUBJECT = "https://accounts.test", "alice@acme.test"
SIGNER = CertificateSigner(Identity(ISSUER, (SUBJECT, "bob@acme.test")), "sigstore", "ab" * 32, Window())


def test_a_principal_is_the_key_however_it_is_configured() -> None:
    key = SigningKey.generate()
    one, two = KeySigner(key.public), KeySigner(PublicKey.parse(key.pem, Hash.SHA256))
    other = KeySigner(PublicKey.parse(key.pem, Hash.SHA512))
    assert {one.principal, two.principal, other.principal} == {f"key:{key.public.fingerprint}"}
    assert KeySigner(SigningKey.generate().public).principal != one.principal
    assert str(one) == key.public.short


def test_a_principal_is_the_identity_whatever_vouches_for_it() -> None:
    others = (
        replace(SIGNER, trust="another"),
        replace(SIGNER, root="cd" * 32),
        replace(SIGNER, window=Window(AT)),
        replace(SIGNER, ct_logs=frozenset({"x"}), no_sct="x"),
        replace(SIGNER, identity=Identity(ISSUER, (SUBJECT,))),
    )
    assert {signer.principal for signer in (SIGNER, *others)} == {f"identity:{ISSUER}|{SUBJECT}"}
    assert str(SIGNER) == f"{SUBJECT} (issuer {ISSUER})"


def test_other_identities_are_other_principals() -> None:
    identities = (
        Identity(ISSUER, ("bob@acme.test",)),
        Identity("https://other.test", (SUBJECT,)),
        Identity("", (SUBJECT,)),
    )
    assert len({SIGNER.principal, *(replace(SIGNER, identity=i).principal for i in identities)}) == 4


def test_without_an_issuer_a_principal_is_its_roots() -> None:
    private = replace(SIGNER, identity=Identity("", (SUBJECT,)))
    assert private.principal == f"certificate:{'ab' * 32}|{SUBJECT}"
    assert replace(private, root="cd" * 32).principal != private.principal
    assert str(private) == SUBJECT


@pytest.mark.parametrize(
    ("times", "earliest", "has_timestamp"),
    [
        ((), None, False),
        ((VerifiedTime(AT, TimeSource.LOG, "log"),), TimeSource.LOG, False),
        ((VerifiedTime(AT, TimeSource.TSA, "tsa"),), TimeSource.TSA, True),
        ((VerifiedTime(AT, TimeSource.LOG, "log"), VerifiedTime(AT, TimeSource.TSA, "tsa")), TimeSource.LOG, True),
    ],
)
def test_a_witness(times: tuple[VerifiedTime, ...], earliest: TimeSource | None, has_timestamp: bool) -> None:  # noqa: FBT001
    found = Witness(times=times)
    assert (found.earliest.source if found.earliest else None) is earliest
    assert found.has_timestamp is has_timestamp


def test_times_are_in_the_order_of_their_instants() -> None:
    early = VerifiedTime(AT, TimeSource.TSA, "z")
    late = VerifiedTime(AT + timedelta(seconds=1), TimeSource.LOG, "a")
    assert sorted([late, early]) == [early, late]


def test_no_evidence_is_empty() -> None:
    assert (Evidence().signatures, Evidence().attestations) == ((), ())
    assert (Evidence().rejected, Evidence().unavailable) == ((), ())
