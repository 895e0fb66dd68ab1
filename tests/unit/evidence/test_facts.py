from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from gate.evidence.facts import Signer

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ISSUER, SUBJECT = "https://accounts.test", "alice@acme.test"
SIGNER = CertificateSigner(
    Identity(ISSUER, (SUBJECT, "bob@acme.test")), "sigstore", private=False, key="k1", issuers=("int", "root"),
    window=Window(),
)  # fmt: skip


def same(one: Signer, two: Signer) -> bool:
    """Whether two signers share a mark."""
    return bool(one.marks & two.marks)


def test_a_key_is_one_principal_however_it_is_configured() -> None:
    key = SigningKey.generate()
    one, two = KeySigner(key.public), KeySigner(PublicKey.parse(key.pem, Hash.SHA256), "ours")
    other = KeySigner(PublicKey.parse(key.pem, Hash.SHA512))
    assert one.marks == two.marks == other.marks == {f"key:{key.public.fingerprint}"}
    assert not same(one, KeySigner(SigningKey.generate().public))
    assert str(one) == key.public.short


def test_an_identity_is_one_principal_whatever_vouches_for_it() -> None:
    others = (
        replace(SIGNER, trust="another"),
        replace(SIGNER, issuers=("other",)),
        replace(SIGNER, window=Window(AT)),
        replace(SIGNER, ct_logs=frozenset({"x"}), no_sct="x"),
        # any of its subjects is enough
        replace(SIGNER, identity=Identity(ISSUER, (SUBJECT,))),
        replace(SIGNER, identity=Identity(ISSUER, ("carol@acme.test", "bob@acme.test"))),
    )
    assert all(same(SIGNER, replace(other, key="k2")) for other in others)
    assert str(SIGNER) == f"{SUBJECT} + bob@acme.test (issuer {ISSUER})"


def test_other_identities_are_other_principals() -> None:
    for identity in (
        Identity(ISSUER, ("carol@acme.test",)),
        Identity("https://other.test", (SUBJECT,)),
        Identity("", (SUBJECT,)),
    ):
        assert not same(SIGNER, replace(SIGNER, identity=identity, key="k2"))


def test_a_certificate_of_a_key_is_the_key() -> None:
    key = SigningKey.generate()
    assert same(KeySigner(key.public), replace(SIGNER, key=key.public.fingerprint))


def test_in_a_private_pki_a_principal_is_a_subject_of_an_authority() -> None:
    private = replace(SIGNER, private=True)
    other = replace(private, key="k2")
    assert same(private, other)
    # the issuer that a certificate states says nothing there
    assert same(private, replace(other, identity=Identity("", (SUBJECT,))))
    # a root that was renewed with its key, an intermediate that is trusted by itself
    assert same(private, replace(other, issuers=("int",)))
    assert same(private, replace(other, issuers=("other", "root")))
    # another PKI's is somebody else, whatever both state as their issuer
    assert not same(private, replace(other, issuers=("other",)))
    assert not same(private, replace(SIGNER, key="k2"))
    assert str(replace(private, identity=Identity("", (SUBJECT,)))) == SUBJECT


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
