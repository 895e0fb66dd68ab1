"""What suffices at admission before every place has answered suffices when they all have: more changes nothing."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.codes import INABILITY, Code
from gate.evidence.facts import (
    CertificateSigner,
    Evidence,
    Format,
    Identity,
    KeySigner,
    Problem,
    Storage,
    TimeSource,
    VerifiedSignature,
    VerifiedTime,
    Witness,
)
from gate.image.digest import Digest
from gate.image.reference import Reference
from gate.policy.evaluate import conclude, suffices
from gate.policy.finding import Verdict
from gate.policy.known import Known
from gate.policy.matching import Workload
from gate.policy.patterns import ImagePattern
from gate.policy.plan import Stage, plan
from gate.policy.policy import Kept, Match, Mode, Policy, Rule, SignatureRequirement
from gate.policy.policy_set import PolicySet
from gate.policy.signers import AnyOf, AtLeast, Expression, One
from gate.policy.trust import PUBLIC_GOOD
from gate.trust.window import ALWAYS
from tests.fakes.clock import START
from tests.fakes.signing import alice, bob, mallory
from tests.unit.policy.build import (
    DIGEST,
    PINNED,
    REPOSITORY,
    UNCHECKED,
    UNWITNESSED,
    WRONG_ENTRY,
    evidence,
    policies,
    policy,
    rejection,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.evidence.facts import Rejection, Signer
    from gate.policy.signers import SignerSpec

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEARCH = settings(max_examples=1200, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ISSUER = "https://issuer.example"
ELSEWHERE = "ghcr.io/acme/signatures"
KEYS = {"a": alice, "b": bob, "m": mallory}
DAY = timedelta(days=1)


def stated(days: float) -> str:
    return f"{START + days * DAY:%Y-%m-%dT%H:%M:%SZ}"


def keyed(name: str, **fields: object) -> dict[str, Any]:
    return {"key": {"pem": KEYS[name]().pem.decode(), **fields}}


# Three keys, which count always, for some days, or only where a log has the signature; and two people.
SIGNERS: dict[str, Any] = {
    "a": keyed("a"),
    "b": keyed("b", validFrom=stated(-2), validUntil=stated(2)),
    "m": keyed("m", transparencyLog="required"),
    "c": {"keyless": {"issuer": ISSUER, "subject": "c@acme.example"}},
    "d": {"keyless": {"issuer": ISSUER, "subjectRegex": "[de]@acme\\.example"}},
}
NAMES = sorted(SIGNERS)

T = TypeVar("T")


def mostly(usual: T, *others: T) -> st.SearchStrategy[T]:
    """The usual one three times out of four."""
    return st.sampled_from([usual] * 3 * len(others) + list(others))


LOGGED = Witness(frozenset({"log"}), (VerifiedTime(START, TimeSource.LOG, "a log"),))
CT = frozenset({"ct"})

times = st.lists(
    st.builds(
        VerifiedTime,
        st.sampled_from([START + days * DAY for days in (-9, -1, 0, 1, 9)]),
        st.sampled_from(TimeSource),
        st.just("a log"),
    ),
    max_size=2,
).map(lambda found: tuple(sorted(found)))
witnesses = (
    st.just(LOGGED)
    | st.just(LOGGED)
    | st.one_of(
        st.sampled_from([UNWITNESSED, UNCHECKED, WRONG_ENTRY]),
        st.builds(Witness, st.just(frozenset({"log"})), times, withheld=st.booleans()),
        st.builds(Witness, st.just(frozenset()), times, st.just(Problem(Code.LOG_ENTRY_MISSING, "none"))),
    )
)


def certified(subject: str, issuer: str, ct_logs: frozenset[str], key: str = "its own") -> CertificateSigner:
    """Somebody with a certificate, and its key's fingerprint."""
    return CertificateSigner(
        identity=Identity(issuer, (f"{subject}@acme.example",)),
        trust=PUBLIC_GOOD,
        private=False,
        key=key,
        issuers=("root",),
        window=ALWAYS,
        ct_logs=ct_logs,
        no_sct="no CT log",
    )


def with_own_key(found: VerifiedSignature, number: int) -> VerifiedSignature:
    """A certificate's key is made for one signature: nobody else has it."""
    if isinstance(found.signer, KeySigner):
        return found
    return replace(found, signer=replace(found.signer, key=f"{number:064x}"))


certificates = st.builds(
    certified,
    st.sampled_from("cdex"),
    mostly(ISSUER, "https://other.example"),
    mostly(CT, frozenset()),
)
signed_by: st.SearchStrategy[Signer] = certificates | st.sampled_from("abm").map(
    lambda name: KeySigner(KEYS[name]().public, PUBLIC_GOOD)
)


def signature(
    signer: Signer, witness: Witness, annotations: Mapping[str, str] | None = None, reference: str | None = REPOSITORY
) -> VerifiedSignature:
    name = Reference.parse(reference).name if reference else None
    return VerifiedSignature(Format.BUNDLE, Digest.of(b"payload"), signer, witness, annotations or {}, name)


signatures = st.builds(
    signature,
    signed_by,
    witnesses,
    mostly({"k": "v"}, {}, {"k": "w"}, {"k": "v", "l": "x"}),
    mostly(REPOSITORY, "ghcr.io/other/api", None),
)
rejections = st.lists(st.builds(rejection, st.sampled_from([Code.SIGNATURE_INVALID, Code.KEY_MISMATCH])), max_size=2)
inabilities = st.lists(st.sampled_from(sorted(INABILITY)), max_size=2)


def nested(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    counted = several.flatmap(lambda entries: st.integers(1, len(entries)).map(lambda n: AtLeast(n, entries)))
    return several.map(AnyOf) | counted


expressions: st.SearchStrategy[Expression] = st.recursive(st.sampled_from(NAMES).map(One), nested, max_leaves=5)
requirements = st.builds(
    SignatureRequirement,
    expressions,
    mostly({}, {"k": "v"}),
    mostly(Kept(), Kept(Reference.parse(ELSEWHERE).name)),
    st.sampled_from([False, False, True]),
)


@cache
def specs() -> Mapping[str, SignerSpec]:
    """The signers as a policy has them."""
    (parsed,) = policies(policy([{"signature": {"by": "a"}}], signers=SIGNERS)).policies
    return parsed.signers


@st.composite
def policy_sets(draw: st.DrawFn) -> PolicySet:
    """One policy in enforce, and perhaps another."""
    wanted = [draw(st.lists(requirements, min_size=1, max_size=2)) for _ in range(draw(st.integers(1, 2)))]
    modes = [Mode.ENFORCE, draw(st.sampled_from(Mode))]
    match = Match((ImagePattern.parse("**"),))
    return PolicySet(
        tuple(
            Policy("ClusterGatePolicy", f"p{i}", mode, match, tuple(Rule("signature", one) for one in some), specs())
            for i, (some, mode) in enumerate(zip(wanted, modes, strict=False))
        )
    )


early_enough = st.sampled_from([True, True, True, False])


@st.composite
def growing(draw: st.DrawFn) -> tuple[Evidence, Evidence]:
    """What there is of a place early, and in the end: in any order, with what was rejected or could not be had."""
    drawn = draw(st.lists(signatures, max_size=8))
    there = [with_own_key(one, number) for number, one in enumerate(drawn)]
    early = [one for one in there if draw(early_enough)]
    rejected: list[Rejection] = draw(rejections)
    return evidence(early, rejected[:1], draw(inabilities)), evidence(
        draw(st.permutations(there)), rejected, draw(inabilities)
    )


def check(found: PolicySet, home: tuple[Evidence, Evidence], elsewhere: tuple[Evidence, Evidence]) -> bool:
    """Whether what there was early sufficed."""
    planned = plan(found, Reference.parse(PINNED), Workload(), Stage.VALIDATE, START)
    places = {Storage(Reference.parse(REPOSITORY).name): home, Storage(Reference.parse(ELSEWHERE).name): elsewhere}
    assert planned.sources <= places.keys()
    enough = {source: suffices(planned, source, places[source][0], START) for source in planned.sources}
    for mixed in itertools.product(*([0, 1] if enough[source] else [1] for source in planned.sources)):
        # each place that sufficed early is judged by what there was then, or in the end: it makes no difference
        known = {source: places[source][late] for source, late in zip(planned.sources, mixed, strict=True)}
        decision = conclude(planned, Known(DIGEST, known), START)
        if all(enough.values()):
            assert decision.verdict is Verdict.ALLOW
            assert decision.findings == ()
    # of what is not enough in the end nothing was enough early, and the other way round
    for source in planned.sources:
        assert suffices(planned, source, places[source][1], START) or not enough[source]
    # to show people what there is, nothing is ever enough
    shown = plan(found, Reference.parse(PINNED), Workload(), Stage.CHECK, START)
    assert not any(suffices(shown, source, places[source][1], START) for source in shown.sources)
    return all(enough.values())


@given(policy_sets(), growing(), growing())
@QUICK
def test_what_suffices_early_suffices_in_the_end(
    found: PolicySet, home: tuple[Evidence, Evidence], elsewhere: tuple[Evidence, Evidence]
) -> None:
    check(found, home, elsewhere)


@pytest.mark.property
@given(policy_sets(), growing(), growing())
@SEARCH
def test_what_suffices_early_suffices_in_the_end_searched(
    found: PolicySet, home: tuple[Evidence, Evidence], elsewhere: tuple[Evidence, Evidence]
) -> None:
    check(found, home, elsewhere)


def test_the_search_finds_some_that_suffice() -> None:
    """It is about something; and where several have to sign, nothing is enough early."""
    by_any = policies(policy([{"signature": {"by": ["a", "c"]}}], signers=SIGNERS))
    by_all = policies(policy([{"signature": {"by": {"all": ["a", "c"]}}}], signers=SIGNERS))
    both = evidence(
        [signature(KeySigner(alice().public, PUBLIC_GOOD), LOGGED), signature(certified("c", ISSUER, CT), LOGGED)]
    )
    one = evidence(both.signatures[:1])
    assert check(by_any, (one, both), (evidence(), evidence()))
    assert not check(by_any, (evidence(), both), (evidence(), evidence()))
    assert not check(by_all, (both, both), (evidence(), evidence()))


def test_where_attestations_are_wanted_nothing_is_enough_early() -> None:
    wanted = [{"signature": {"by": "a"}}]
    found = policies(policy(wanted, signers=SIGNERS))
    planned = plan(found, Reference.parse(PINNED), Workload(), Stage.VALIDATE, START)
    (source,) = planned.sources
    there = evidence([signature(KeySigner(alice().public, PUBLIC_GOOD), LOGGED)])
    assert suffices(planned, source, there, START)
    assert not suffices(replace(planned, types=frozenset({"https://a.example/t"})), source, there, START)


def test_a_signature_that_shows_two_to_be_one_changes_what_suffices() -> None:
    """Signed by key a, and by c with a key of its own; and by c with a certificate for key a."""
    found = policies(policy([{"signature": {"by": {"all": ["a", "c"]}}}], signers=SIGNERS))
    by_key = signature(KeySigner(alice().public, PUBLIC_GOOD), LOGGED)
    by_person = signature(certified("c", ISSUER, CT), LOGGED)
    by_both = signature(certified("c", ISSUER, CT, alice().public.fingerprint), LOGGED)
    early, late = evidence([by_key, by_person]), evidence([by_key, by_person, by_both])
    check(found, (early, late), (evidence(), evidence()))
