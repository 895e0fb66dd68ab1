"""Only what some rule wants is downloaded, and only within the caps; what is left out is named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.demo.images import BUNDLE, Layer
from gate.evidence.dsse import COSIGN_SIGN, ENVELOPE
from gate.evidence.facts import Evidence, Format, Storage, Unavailable
from gate.image.digest import Digest
from gate.image.manifest import Descriptor
from gate.image.reference import Reference
from gate.policy.config import MAX_ATTESTATION
from gate.policy.patterns import ImagePattern
from gate.policy.policy import AttestationRequirement, Kept, Match, Mode, Policy, Rule, SignatureRequirement
from gate.policy.policy_set import PolicySet
from gate.policy.signers import One
from gate.review.gather import _size
from gate.review.limits import MAX_ATTESTATIONS, MAX_CANDIDATES, MAX_PAYLOADS, MAX_SIGNATURES
from gate.review.lister import EVIDENCE_SECONDS
from gate.review.listing import Listed, Listing, Place
from gate.review.selection import selected
from tests.fakes.signing import alice, mallory
from tests.unit.policy.build import policies, policy
from tests.unit.review.build import NAME, World, world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.demo.signing import SigningKey

SBOM = "https://spdx.dev/Document"
SLSA = "https://slsa.dev/provenance/v1"
VEX = "https://openvex.dev/ns"
SIGNED = policies(policy([{"signature": {"by": "a"}}]))
HOME = Reference.parse(NAME).name
IMAGE = Digest.of(b"an image")
PLACE = Place(Storage(HOME), IMAGE, "", HOME, attestations=True)


def attested(*types: str, signed: bool = False) -> PolicySet:
    """A policy that wants an attestation of each type by alice, and her signature where that is said."""
    (base,) = SIGNED.policies
    rules = [Rule(kind, AttestationRequirement(One("a"), (kind,), Kept())) for kind in types]
    if signed:
        rules.append(Rule("signature", SignatureRequirement(One("a"), {}, Kept())))
    everything = Match((ImagePattern.parse("**"),))
    return PolicySet((Policy("ClusterGatePolicy", "p", Mode.ENFORCE, everything, tuple(rules), base.signers),))


def attest(here: World, kind: str, how: str, key: SigningKey | None = None, hint: str | None = None) -> Digest:
    """An attestation of a type, and what its manifest says of it; "" says nothing. The digest is its payload's."""
    bundle = (key or alice()).bundle(here.digest, predicate_type=kind)
    said = kind if hint is None else hint
    repository = here.registry.repository(NAME)
    if how == "bundle":
        named = {"dev.sigstore.bundle.predicateType": said} if said else {}
        repository.attach(here.digest, BUNDLE, [Layer(BUNDLE, bundle)], annotations=named)
        return Digest.of(bundle)
    envelope = json.dumps(json.loads(bundle)["dsseEnvelope"]).encode()
    named = {"dev.cosignproject.cosign/signature": "", **({"predicateType": said} if said else {})}
    repository.append(f"{here.digest.tag}.att", Layer(ENVELOPE, envelope, named))
    return Digest.of(envelope)


def fetched(here: World) -> set[str]:
    return {what for method, _, what in here.registry.log if method == "blob"}


@pytest.mark.parametrize("how", ["bundle", "legacy"])
def test_only_wanted_types_are_downloaded(how: str) -> None:
    with world() as here:
        sbom, _, silent = attest(here, SBOM, how), attest(here, SLSA, how), attest(here, VEX, how, hint="")
        assert here.codes(attested(SBOM)) == []
        assert fetched(here) == {str(sbom), str(silent)}


@pytest.mark.parametrize("how", ["bundle", "legacy"])
def test_each_set_of_types_has_evidence_of_its_own_and_the_listing_is_theirs_together(how: str) -> None:
    with world() as here:
        made = {kind: attest(here, kind, how) for kind in (SBOM, SLSA, VEX)}
        assert here.codes(attested(SBOM)) == []
        assert fetched(here) == {str(made[SBOM])}
        asked = here.registry.calls["manifest"]
        assert here.codes(attested(SBOM, VEX)) == []
        assert fetched(here) == {str(made[SBOM]), str(made[VEX])}
        assert here.registry.calls["manifest"] == asked
        assert here.codes(attested(SLSA)) == []
        assert fetched(here) == {str(digest) for digest in made.values()}


@pytest.mark.parametrize("how", ["bundle", "legacy"])
def test_a_type_that_is_claimed_proves_nothing(how: str) -> None:
    with world() as here:
        lie = attest(here, SLSA, how, hint=SBOM)
        (finding,) = here.review(attested(SBOM)).decision.findings[:1]
        assert (finding.code, finding.verdict) == (Code.ATTESTATION_MISSING, "deny")
        assert finding.message.startswith(f"attestations found of other types: {SLSA}; needs {SBOM}")
        assert fetched(here) == {str(lie)}


@pytest.mark.parametrize("how", ["bundle", "legacy"])
def test_a_lie_hides_an_attestation_and_its_finding_names_it(how: str) -> None:
    with world() as here:
        attest(here, SBOM, how, hint=VEX)
        attest(here, SLSA, how, mallory())
        (finding,) = here.review(attested(SBOM)).decision.findings[:1]
        assert (finding.code, finding.verdict) == (Code.ATTESTATION_MISSING, "deny")
        assert finding.message.startswith(f"attestations found of other types: {VEX}, {SLSA}; needs {SBOM}")
        assert fetched(here) == set()
        assert here.review(attested(SBOM)).evidence.passed_over == (VEX, SLSA)


@pytest.mark.parametrize(
    "hint", ["spdx", "sbom", " ", f" {SBOM}", f"{SLSA}\x1b[2J", f"{SLSA}\u00e4", f"x://{'y' * 300}"]
)
@pytest.mark.parametrize("how", ["bundle", "legacy"])
def test_what_names_no_type_is_read(how: str, hint: str) -> None:
    with world() as here:
        attest(here, SBOM, how, hint=hint)
        assert here.codes(attested(SBOM)) == []
        assert here.review(attested(SBOM)).evidence.passed_over == ()


@pytest.mark.parametrize("how", ["bundle", "legacy", "referrer-legacy"])
def test_where_both_are_wanted_signatures_are_read_as_ever(how: str) -> None:
    with world() as here:
        repository = here.registry.repository(NAME)
        {"bundle": lambda: repository.sign_bundle(here.digest, alice())}.get(
            how, lambda: repository.sign_legacy(here.digest, alice(), NAME)
        )()
        attest(here, SBOM, "bundle")
        attest(here, SLSA, "bundle")
        assert here.codes(attested(SBOM, signed=True)) == []
        assert here.codes(attested(VEX, signed=True)) == [("ATTESTATION_MISSING", "deny")]


def test_a_signature_under_the_tag_of_signatures_says_nothing_of_types() -> None:
    with world() as here:
        payload, annotations = alice().simple_signing(here.digest, NAME)
        layer = Layer(
            "application/vnd.dev.cosign.simplesigning.v1+json", payload, {**annotations, "predicateType": SBOM}
        )
        here.registry.repository(NAME).append(f"{here.digest.tag}.sig", layer)
        assert here.codes(SIGNED) == []


def test_attestations_are_not_read_for_a_signature() -> None:
    with world() as here:
        attest(here, SBOM, "bundle")
        assert here.codes(SIGNED) == [("SIGNATURE_MISSING", "deny")]
        assert fetched(here) == set()
        here.clock.advance(EVIDENCE_SECONDS)
        here.registry.sign_bundle(NAME, here.digest, alice())
        assert here.codes(SIGNED) == []


def test_others_that_are_many_and_large_keep_nobody_from_the_one_that_is_wanted() -> None:
    with world() as here:
        repository = here.registry.repository(NAME)
        tag = f"{here.digest.tag}.att"
        wanted = attest(here, SBOM, "legacy")
        document = json.loads(repository.content(tag) or b"")
        large = {
            "mediaType": ENVELOPE,
            "digest": str(Digest.of(b"x")),
            "size": MAX_ATTESTATION,
            "annotations": {"predicateType": SLSA},
        }
        document["layers"] = [
            *({**large, "digest": str(Digest.of(b"%d" % i))} for i in range(200)),
            *document["layers"],
        ]
        repository.manifest(document, tag)
        assert here.codes(attested(SBOM)) == []
        assert fetched(here) == {str(wanted)}
        findings = here.review(attested(SLSA)).decision.findings
        assert Code.RESPONSE_TOO_LARGE in {f.code for f in findings}


# which entries


def listed(number: int, kind: str = "", size: int = 10, format_: Format = Format.BUNDLE) -> Listed:
    return Listed(format_, Descriptor("a/b", Digest.of(b"%d" % number), size), kind)


def numbers(listing: Listing, entries: Sequence[Listed]) -> list[int]:
    return [entries.index(entry) for entry in listing.entries]


def test_who_looks_at_everything_passes_nothing_over() -> None:
    entries = (listed(0), listed(1, SBOM), listed(2, COSIGN_SIGN), listed(3, VEX))
    whole = Listing(IMAGE, entries)
    assert selected(whole, PLACE, None) == whole
    some = selected(whole, PLACE, frozenset({SBOM}))
    assert (numbers(some, entries), some.passed_over) == ([0, 1, 2], (VEX,))
    none = selected(whole, PLACE, frozenset())
    assert (numbers(none, entries), none.passed_over) == ([0, 2], (VEX, SBOM))


@pytest.mark.parametrize("growing", [True, False])
@pytest.mark.parametrize(
    ("entries", "types", "read"),
    [
        ([listed(i) for i in range(MAX_PAYLOADS + 1)], frozenset(), MAX_PAYLOADS),
        ([listed(1)] * (MAX_CANDIDATES + 1), frozenset(), MAX_CANDIDATES),
        ([listed(i, size=MAX_SIGNATURES // 2) for i in range(3)], frozenset(), 2),
        ([listed(i, size=MAX_SIGNATURES // 2) for i in range(3)], frozenset({SBOM}), 3),
        ([listed(i, size=MAX_ATTESTATIONS // 2) for i in range(3)], frozenset({SBOM}), 2),
        ([listed(i, size=MAX_ATTESTATIONS // 2) for i in range(3)], None, 2),
        ([listed(i, size=MAX_SIGNATURES, format_=Format.NOTATION) for i in range(3)], frozenset(), 3),
    ],
)
def test_what_is_left_out_makes_it_incomplete(
    entries: list[Listed],
    types: frozenset[str] | None,
    read: int,
    growing: bool,  # noqa: FBT001
) -> None:
    found = selected(Listing(IMAGE, tuple(entries), growing=growing), PLACE, types)
    assert len(found.entries) == read
    cut = read < len(entries) and not growing
    assert [u.code for u in found.unavailable] == ([Code.RESPONSE_TOO_LARGE] if cut else [])
    # what was cut before is said once
    before = Unavailable(Code.RESPONSE_TOO_LARGE, "was cut", "")
    again = selected(replace(Listing(IMAGE, tuple(entries), growing=growing), unavailable=(before,)), PLACE, types)
    assert again.unavailable == (before,)


def test_what_is_passed_over_weighs_something_where_evidence_is_kept() -> None:
    """Names of types that strangers wrote, of five thousand images, would be kept for nothing otherwise."""
    none, many = (
        Evidence(),
        Evidence(passed_over=tuple(f"https://{number}.example/{'t' * 200}" for number in range(100))),
    )
    assert _size(many) - _size(none) >= 100 * 200
