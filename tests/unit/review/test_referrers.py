"""What lists say of referrers are hints: what may be a signature is read, whatever else there is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate.demo.images import BUNDLE, COSIGN_ARTIFACT, OCI_CONFIG, OCI_EMPTY, Layer
from gate.evidence.candidate import PREDICATE_TYPE
from gate.evidence.dsse import COSIGN_SIGN
from gate.image.digest import Digest
from gate.image.manifest import OCI_MANIFEST, Descriptor
from gate.review.limits import MAX_REFERRERS
from gate.review.referrers import Referrer, choose
from tests.fakes.signing import alice
from tests.unit.review.build import NAME, World, world
from tests.unit.review.test_selection import SBOM, SIGNED, SLSA, VEX, attest, attested

DIGEST = Digest.of(b"a referrer")
SPDX = "application/spdx+json"


def entry(kind: str = "", predicate_type: str = "", digest: Digest = DIGEST) -> Descriptor:
    annotations = {PREDICATE_TYPE: predicate_type} if predicate_type else {}
    return Descriptor(OCI_MANIFEST, digest, 1, annotations, kind)


def numbered(count: int, like: Referrer, first: int = 0) -> list[Referrer]:
    return [replace(like, digest=Digest.of(str(number).encode())) for number in range(first, first + count)]


PLAIN = Referrer(DIGEST)
FOREIGN = Referrer(DIGEST, foreign=True)


@pytest.mark.parametrize(
    "kind",
    [
        *("", BUNDLE, "application/vnd.dev.sigstore.bundle.v9+json", COSIGN_ARTIFACT, OCI_EMPTY, OCI_CONFIG),
        *("application/octet-stream", "application/json", OCI_MANIFEST, "application/vnd.cncf.notary.signature"),
        *(f"{BUNDLE};version=0.3", f" {BUNDLE} ", "application/vnd.docker.container.image.v1+json"),
    ],
)
def test_what_may_be_a_signature_is_none_for_what_its_list_leaves_out(kind: str) -> None:
    assert Referrer.of(entry(kind)) == PLAIN
    assert Referrer.of(entry(kind, COSIGN_SIGN)) == PLAIN
    assert Referrer.of(entry(kind, "no URI")) == PLAIN
    assert Referrer.of(entry(kind, SBOM)) == Referrer(DIGEST, SBOM)


@pytest.mark.parametrize("kind", [SPDX, "application/vnd.in-toto+json", "text/x", "x" * 255])
def test_what_says_that_it_is_something_else(kind: str) -> None:
    assert Referrer.of(entry(kind)) == FOREIGN
    assert Referrer.of(entry(kind, SBOM)) == FOREIGN


def digests(referrers: list[Referrer]) -> tuple[Digest, ...]:
    return tuple(one.digest for one in referrers)


@pytest.mark.parametrize("attestations", [False, True])
def test_all_are_read_where_there_is_room(attestations: bool) -> None:  # noqa: FBT001
    listed = [*numbered(30, FOREIGN), *numbered(30, PLAIN, 30), *numbered(40, Referrer(DIGEST, SBOM), 60)]
    assert choose([*listed, *listed], attestations=attestations) == (digests(listed), 0)


def test_what_may_be_a_signature_comes_first() -> None:
    signatures = numbered(MAX_REFERRERS - 1, PLAIN, 1000)
    listed = [*numbered(500, FOREIGN), *numbered(300, Referrer(DIGEST, SBOM), 500), *signatures]
    assert choose(listed, attestations=False) == (digests(signatures), 800)
    assert choose(listed, attestations=True) == (digests([listed[500], *signatures]), 799)


@pytest.mark.parametrize("attestations", [False, True])
def test_of_more_than_are_read_the_first_are(attestations: bool) -> None:  # noqa: FBT001
    listed = numbered(MAX_REFERRERS + 2, PLAIN)
    assert choose(listed, attestations=attestations) == (digests(listed[:MAX_REFERRERS]), 2)


def test_each_type_has_its_turn() -> None:
    listed = [*numbered(300, Referrer(DIGEST, VEX)), *numbered(3, Referrer(DIGEST, SBOM), 300)]
    found, unread = choose(listed, attestations=True)
    assert set(digests(listed[300:])) < set(found)
    assert (len(found), unread) == (MAX_REFERRERS, 203)


@pytest.mark.parametrize("other", [PLAIN, FOREIGN, Referrer(DIGEST, VEX)])
def test_of_two_words_that_differ_neither_counts(other: Referrer) -> None:
    said, crowd = Referrer(DIGEST, SBOM), numbered(MAX_REFERRERS, FOREIGN)
    for listed in ([said, other], [other, said], [said, other, said], [other, said, other]):
        assert choose([*crowd, *listed], attestations=False) == ((DIGEST,), MAX_REFERRERS)


def test_who_says_the_same_twice_is_believed() -> None:
    crowd = numbered(MAX_REFERRERS, FOREIGN)
    assert choose([*crowd, *[Referrer(DIGEST, SBOM)] * 2], attestations=False) == ((), MAX_REFERRERS + 1)


# in reviews


def scanned(here: World, days: int, kind: str = VEX) -> None:
    repository = here.registry.repository(NAME)
    for day in range(days):
        layer = Layer(BUNDLE, f"scan {day}".encode())
        repository.attach(here.digest, BUNDLE, [layer], annotations={PREDICATE_TYPE: kind})


def read(here: World) -> int:
    asked = [what for method, _, what in here.registry.log if method == "manifest" and what.startswith("sha256:")]
    return len(set(asked) - {str(here.digest)})


def test_an_image_that_is_scanned_daily_is_judged_by_its_signature_for_ever() -> None:
    with world() as here:
        scanned(here, 900)
        here.registry.sign_bundle(NAME, here.digest, alice())
        assert here.codes(SIGNED) == []
        assert read(here) == 1


def test_and_by_what_else_it_has() -> None:
    with world() as here:
        scanned(here, 900)
        attest(here, SBOM, "bundle")
        attest(here, SLSA, "bundle")
        assert here.codes(attested(SBOM, SLSA)) == []
        assert read(here) == MAX_REFERRERS


def test_but_not_by_its_scans_of_which_some_are_not_read() -> None:
    with world() as here:
        scanned(here, MAX_REFERRERS + 1)
        (finding,) = here.review(attested(VEX)).decision.findings[:1]
        assert (finding.code, finding.verdict) == ("RESPONSE_TOO_LARGE", "error")


def test_what_is_neither_keeps_no_signature_from_being_read() -> None:
    with world() as here:
        others(here, 900)
        here.registry.sign_bundle(NAME, here.digest, alice())
        assert here.codes(SIGNED) == []
        assert read(here) == 1


def others(here: World, count: int) -> None:
    repository = here.registry.repository(NAME)
    for number in range(count):
        repository.attach(here.digest, SPDX, [Layer(SPDX, str(number).encode())])


@pytest.mark.parametrize("kind", [SPDX, "application/vnd.acme.signature"])
def test_a_signature_that_is_called_something_else_is_found_or_is_known_to_be_missed(kind: str) -> None:
    """Nobody is told that there is no signature while something is not read, whatever it is called."""
    with world() as here:
        bundle = Layer(BUNDLE, alice().bundle(here.digest))
        here.registry.repository(NAME).attach(here.digest, kind, [bundle])
        assert here.codes(SIGNED) == []
    with world() as here:
        bundle = Layer(BUNDLE, alice().bundle(here.digest))
        here.registry.repository(NAME).attach(here.digest, kind, [bundle])
        others(here, MAX_REFERRERS)
        (finding,) = here.review(SIGNED).decision.findings[:1]
        assert (finding.code, finding.verdict) == ("RESPONSE_TOO_LARGE", "error")
        assert "more than 100 referrers, 101 of which were not read" in finding.message


def test_nothing_is_called_unsigned_while_something_is_not_read() -> None:
    with world() as here:
        others(here, MAX_REFERRERS + 1)
        (finding,) = here.review(SIGNED).decision.findings[:1]
        assert (finding.code, finding.verdict) == ("RESPONSE_TOO_LARGE", "error")
    with world() as here:
        others(here, MAX_REFERRERS)
        (finding,) = here.review(SIGNED).decision.findings[:1]
        assert (finding.code, finding.verdict) == ("SIGNATURE_MISSING", "deny")
