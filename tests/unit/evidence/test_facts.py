from __future__ import annotations

from gate.demo.signing import SigningKey
from gate.evidence.facts import Evidence, KeySigner
from gate.trust.key import Hash, PublicKey


def test_a_principal_is_the_key_however_it_is_configured() -> None:
    key = SigningKey.generate()
    one, two = KeySigner(key.public), KeySigner(PublicKey.parse(key.pem, Hash.SHA256))
    other = KeySigner(PublicKey.parse(key.pem, Hash.SHA512))
    assert {one.principal, two.principal, other.principal} == {f"key:{key.public.fingerprint}"}
    assert KeySigner(SigningKey.generate().public).principal != one.principal
    assert str(one) == key.public.short


def test_no_evidence_is_empty() -> None:
    assert (Evidence().signatures, Evidence().rejected, Evidence().unavailable) == ((), (), ())
