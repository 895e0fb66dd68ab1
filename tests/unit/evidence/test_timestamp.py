from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
from asn1crypto import tsp
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gate.codes import Code
from gate.evidence.facts import TimeSource, VerifiedTime
from gate.evidence.limits import MAX_STAMP_CERTIFICATES, MAX_TIMESTAMP
from gate.evidence.refusal import Refused
from gate.evidence.timestamp import verify_timestamp
from gate.trust.authority import Authority
from gate.trust.window import Window
from tests.fakes.fulcio import AGES, AT, Issuer, KeyType, shared_key
from tests.fakes.timestamp_authority import TimestampAuthority

SECOND = timedelta(seconds=1)
MESSAGE = b"a signature"
TSA, OTHER = TimestampAuthority.create(), TimestampAuthority.create("other.test")
STAMP = TSA.stamp(MESSAGE)
PROVEN = VerifiedTime(AT, TimeSource.TSA, TSA.uri)
STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
PAST = (AGES[0], AT - SECOND)


def trusted(tsa: TimestampAuthority = TSA, window: Window | None = None, *, below: int = 0) -> Authority:
    """An authority of a trusted root; `below` leaves out so many certificates, the one that signs first."""
    ders = [issuer.certificate.public_bytes(Encoding.DER) for issuer in tsa.issuers]
    return Authority.of(tsa.uri, ders[below:], window or Window())


def refused(stamp: bytes, *authorities: Authority, message: bytes = MESSAGE) -> str:
    with pytest.raises(Refused) as caught:
        verify_timestamp(stamp, message, authorities or (trusted(),))
    assert caught.value.code is Code.TIMESTAMP_INVALID
    assert len(caught.value.reason) < 600
    return caught.value.reason


def test_the_time() -> None:
    assert verify_timestamp(STAMP, MESSAGE, [trusted()]) == PROVEN
    for at in (AT - timedelta(days=1000), AT + SECOND):
        assert verify_timestamp(TSA.stamp(MESSAGE, at), MESSAGE, [trusted()]).at == at


@pytest.mark.parametrize("hash_name", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "RSA-2048"])
def test_kinds(kind: KeyType, hash_name: str) -> None:
    tsa = TimestampAuthority.create(kind=kind)
    assert verify_timestamp(tsa.stamp(MESSAGE, hash_name=hash_name), MESSAGE, [trusted(tsa)]) == PROVEN


@pytest.mark.parametrize("intermediate", [False, True])
def test_whose_certificate_it_is(intermediate: bool) -> None:  # noqa: FBT001
    tsa = TimestampAuthority.create(intermediate=intermediate)
    certificates = [issuer.certificate for issuer in tsa.issuers]
    for inside in ((), certificates[:1], certificates):
        assert verify_timestamp(tsa.stamp(MESSAGE, embedded=inside), MESSAGE, [trusted(tsa)]) == PROVEN
    # where the trusted root has no signing certificate, the one inside is tried
    assert verify_timestamp(tsa.stamp(MESSAGE), MESSAGE, [trusted(tsa, below=1)]) == PROVEN
    assert "not at hand" in refused(tsa.stamp(MESSAGE, embedded=()), trusted(tsa, below=1))


def test_several_authorities() -> None:
    for order in ((trusted(), trusted(OTHER)), (trusted(OTHER), trusted())):
        assert verify_timestamp(STAMP, MESSAGE, order) == PROVEN
        assert verify_timestamp(OTHER.stamp(MESSAGE), MESSAGE, order).by == OTHER.uri


def test_windows() -> None:
    assert verify_timestamp(STAMP, MESSAGE, [trusted(window=Window(AT, AT))]) == PROVEN
    for window in (Window(AT + SECOND), Window(None, AT - SECOND)):
        assert "it was signed at 2026-01-02T03:04:05Z" in refused(STAMP, trusted(window=window))
        assert verify_timestamp(STAMP, MESSAGE, [trusted(window=window), trusted()]) == PROVEN


@pytest.mark.parametrize(
    ("stamp", "why"),
    [
        (b"", "cannot be read"),
        (b"\x30\x00", "cannot be read"),
        (b"\0" * 100, "cannot be read"),
        (STAMP[:-1], "cannot be read"),
        (STAMP + b"\0", "cannot be read"),
        (STAMP * 2, "cannot be read"),
        (b"x" * (MAX_TIMESTAMP + 1), f"{MAX_TIMESTAMP + 1} bytes; at most {MAX_TIMESTAMP}"),
        (TSA.stamp(b"another"), ""),
        (TSA.stamp(b""), ""),
        (TSA.stamp(MESSAGE, imprint=b"\0" * 32), ""),
        (TSA.stamp(MESSAGE, hash_name="sha1"), ""),
        (TSA.stamp(MESSAGE, status="rejection"), ""),
        (TSA.stamp(MESSAGE, status="revocation_notification"), ""),
        (TSA.stamp(MESSAGE, key=shared_key()), ""),
        (TSA.stamp(MESSAGE, named=OTHER.signer.certificate), "it is not by https://tsa.test"),
        (TSA.stamp(MESSAGE, named=TSA.issuers[1].certificate), "it is not by https://tsa.test"),
        (OTHER.stamp(MESSAGE), "it is not by https://tsa.test"),
        # another's signature under this one's name, with either's certificate inside
        (OTHER.stamp(MESSAGE, named=TSA.signer.certificate), ""),
        (OTHER.stamp(MESSAGE, named=TSA.signer.certificate, embedded=[TSA.signer.certificate]), ""),
        (
            TSA.stamp(MESSAGE, embedded=[Issuer.root("x", key=shared_key()).certificate for _ in range(11)]),
            f"at most {MAX_STAMP_CERTIFICATES}",
        ),
    ],
    ids=count(),
)
def test_what_does_not_hold(stamp: bytes, why: str) -> None:
    reason = refused(stamp)
    assert reason
    assert why in reason


@pytest.mark.parametrize(
    ("tsa", "why"),
    [
        (TimestampAuthority.create(signer_valid=PAST), "signed at"),
        (TimestampAuthority.create(root_valid=PAST), " valid "),
        (TimestampAuthority.create(usages=()), "no extended key usage"),
        (TimestampAuthority.create(critical=False), "not timestamping alone, critical"),
        (TimestampAuthority.create(usages=(ExtendedKeyUsageOID.CODE_SIGNING,)), "not timestamping alone"),
        (TimestampAuthority.create(usages=(STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)), "not timestamping alone"),
        (TimestampAuthority.create(usages=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)), "not timestamping alone"),
    ],
    ids=count(),
)
def test_who_may_not_stamp(tsa: TimestampAuthority, why: str) -> None:
    for below in (0, 1):
        assert why in refused(tsa.stamp(MESSAGE), trusted(tsa, below=below))


def test_cve_2026_33753_anothers_certificate_inside() -> None:
    # a stamp by another service, which brings its own certificates, in either order
    certificates = [issuer.certificate for issuer in (*OTHER.issuers, *TSA.issuers)]
    for inside in (certificates, certificates[::-1]):
        stamp = OTHER.stamp(MESSAGE, embedded=inside)
        for below in (0, 1):
            refused(stamp, trusted(below=below))


def test_nobody_is_trusted() -> None:
    with pytest.raises(Refused, match="no timestamping authority is trusted here"):
        verify_timestamp(STAMP, MESSAGE, [])


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
@pytest.mark.filterwarnings("ignore:Attribute's length must be:UserWarning")
@pytest.mark.parametrize(
    "bits", [1, 0x1F, *(pytest.param(n, marks=pytest.mark.property) for n in (2, 4, 8, 16, 32, 64, 128, 0x18, 0xFF))]
)
def test_every_byte_counts(bits: int) -> None:
    """A changed stamp is refused; but for what nobody signs or reads, and then it says exactly what it said."""
    algorithm, kinds = unread()
    for place in range(len(STAMP)):
        changed = STAMP[:place] + bytes([STAMP[place] ^ bits]) + STAMP[place + 1 :]
        try:
            found = verify_timestamp(changed, MESSAGE, [trusted()])
        except Refused as error:
            assert error.code is Code.TIMESTAMP_INVALID  # noqa: PT017 - any other exception is the failure
        else:
            assert found == PROVEN
            assert place in algorithm or (place in kinds and changed[place] in _TEXTS), place


_TEXTS = {0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1C, 0x1E}  # tags of ASN.1's kinds of text


def unread() -> tuple[range, set[int]]:
    """Where the stamp has the name of its signature's algorithm, and the kinds of text in its signer's issuer."""
    (info,) = tsp.TimeStampResp.load(STAMP)["time_stamp_token"]["content"]["signer_infos"]
    name = info["signature_algorithm"]["algorithm"].contents
    start = STAMP.rfind(name)
    issuer = info["sid"].chosen["issuer"]
    at = STAMP.rfind(issuer.dump())
    texts = [value.dump() for rdn in issuer.chosen for part in rdn for value in [part["value"]]]
    return range(start, start + len(name)), {STAMP.index(text, at) for text in texts}


@pytest.mark.parametrize(("place", "version"), [(b"\x02\x01\x03\x31", 3), (b"\x02\x01\x01\x30", 1)])
def test_versions(place: bytes, version: int) -> None:
    """Of the signed data and of its signer; nobody signs them."""
    at = STAMP.rfind(place)
    assert STAMP[at + 2] == version
    for other in {*range(8)} - {version}:
        changed = STAMP[: at + 2] + bytes([other]) + STAMP[at + 3 :]
        assert "its versions are not those" in refused(changed)
