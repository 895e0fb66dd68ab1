"""Whether something that was verified counts for a signer of a policy: whose it is, and what is asked for beside it.

`None` from `objection` is acceptance; `mine` says whether the signer is meant at all, so that "signed by somebody else"
and "signed by them, but …" stay two answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar, assert_never

from gate.codes import Code
from gate.evidence.facts import CertificateSigner, KeySigner, TimeSource, VerifiedAttestation, VerifiedSignature
from gate.policy.finding import Reason
from gate.policy.signers import CertificateSpec, KeylessSpec, KeySpec, LogUse
from gate.policy.trust import MissingRoot
from gate.trust.window import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from gate.evidence.facts import Evidence, Problem, Signer, Witness
    from gate.image.reference import Reference
    from gate.policy.assignment import Principals
    from gate.policy.revocation import Revocations
    from gate.policy.signers import Expression, SignerSpec
    from gate.policy.trust import TrustRoot

_Fact = TypeVar("_Fact", bound="VerifiedSignature | VerifiedAttestation")

_SHOWN: Final = 3
_IGNORE_LOG: Final = "where that is no matter, set `transparencyLog: ignore` on the signer (--insecure-ignore-tlog)"
_LOG_IT: Final = "sign it again, with an entry in a log of this signer's trust root"
_STAMP_IT: Final = "sign it again, with a timestamp of an authority in this signer's trust root"
_CT: Final = "sign it with a certificate that a CT log of this signer's trust root has seen"


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule is asked about, beside what was found.

    Attributes:
        signers: of its policy, by name.
        reference: the image.
        revocations: what counts for nobody.
        now: the instant that is decided at.
    """

    signers: Mapping[str, SignerSpec]
    reference: Reference
    revocations: Revocations
    now: datetime


def mine(spec: SignerSpec, signer: Signer) -> bool:
    """Whether a verified signer could be this one: the same key, or a certificate under the same trust.

    Nobody is a signer whose trust root is missing: that is `unreadable`, whatever was found.
    """
    if isinstance(_trust_root(spec), MissingRoot):
        return False
    match spec:
        case KeySpec():
            return isinstance(signer, KeySigner) and signer.key == spec.key and _is_witness(spec, signer.trust)
        case KeylessSpec():
            return isinstance(signer, CertificateSigner) and signer.trust == spec.trust_root.name
        case CertificateSpec():
            pki = spec.authorities
            return isinstance(signer, CertificateSigner) and pki is not None and signer.trust == pki.name
        case _:
            assert_never(spec)


def _is_witness(spec: KeySpec, trust: str) -> bool:
    """Whether what a trust root's logs and authorities say is what this signer asks for."""
    return spec.witnesses is None or spec.witnesses.name == trust


def objection(spec: SignerSpec, signer: Signer, witness: Witness, now: datetime) -> Reason | None:
    """Why a signature that `mine` is true of does not count; None where it does."""
    match spec:
        case KeySpec():
            return _log(spec, witness) or _key_window(spec, witness, now)
        case KeylessSpec() | CertificateSpec():
            assert isinstance(signer, CertificateSigner)
            return _certificate(spec, signer, witness, now)
        case _:
            assert_never(spec)


def _certificate(
    spec: KeylessSpec | CertificateSpec, signer: CertificateSigner, witness: Witness, now: datetime
) -> Reason | None:
    # 1. The identity first: of a stranger nothing else is worth saying.
    if mismatch := spec.identity.mismatch(signer.identity):
        return Reason(Code.IDENTITY_MISMATCH, mismatch, f"have it released by {spec.identity.subject}")
    # 2. A CT log has seen the certificate.
    if spec.sct and not signer.ct_logs:
        return Reason(Code.SCT_MISSING, f"the signature by {spec.name}: {signer.no_sct}", _CT)
    # 3. What stands beside it.
    if found := _log(spec, witness):
        return found
    if spec.timestamp and not witness.has_timestamp:
        return _no_timestamp(spec.name, witness)
    # 4. Some verified time lies in the certificate's validity (the verifier saw to it for each). Where nobody was to
    #    witness it, now has to; where a log was, and stated no time (Rekor v2), a timestamp is what is missing.
    if not witness.times and isinstance(spec, KeylessSpec) and spec.log is LogUse.REQUIRED:
        return _no_timestamp(spec.name, witness)
    if not witness.times and not signer.window.holds(now):
        return Reason(
            Code.CERTIFICATE_EXPIRED,
            f"the signature by {spec.name} has no verified time, and its certificate was valid from {signer.window}",
            "sign it with a log entry or a timestamp, or anew",
        )
    return None


def _log(spec: SignerSpec, witness: Witness) -> Reason | None:
    problem = witness.no_log
    match spec.log:
        case LogUse.IGNORE:
            return None
        case LogUse.OPTIONAL if problem is None or problem.code is Code.LOG_ENTRY_MISSING:
            return None
        case LogUse.REQUIRED if witness.logs:
            return None
        case LogUse.OPTIONAL | LogUse.REQUIRED:
            remedy = _IGNORE_LOG if isinstance(spec, KeySpec) else _LOG_IT
            return _beside(spec.name, problem, Code.LOG_ENTRY_MISSING, remedy)
        case _:
            assert_never(spec.log)


def _no_timestamp(name: str, witness: Witness) -> Reason:
    return _beside(name, witness.no_timestamp, Code.TIMESTAMP_MISSING, _STAMP_IT)


def _beside(name: str, problem: Problem | None, missing: Code, remedy: str) -> Reason:
    """What does not stand beside a signature; without a problem there is none."""
    if problem is None:
        return Reason(missing, f"the signature by {name} has none", remedy)
    remedy = "retry" if problem.code is Code.TRUST_ROOT_UNAVAILABLE else remedy
    return Reason(problem.code, f"the signature by {name}: {problem.reason}", remedy)


def _key_window(spec: KeySpec, witness: Witness, now: datetime) -> Reason | None:
    """A key that is replaced still counts for what was signed in its time (CVE-2026-54787)."""
    if spec.window == ALWAYS:
        return None
    away = next(
        (p for p in (witness.no_log, witness.no_timestamp) if p and p.code is Code.TRUST_ROOT_UNAVAILABLE), None
    )
    if away is not None and not witness.times:
        # Something says when it was made, and can't be read now: that is not "made now".
        return Reason(away.code, f"the signature by {spec.name}: {away.reason}", "retry")
    logged = any(time.source is TimeSource.LOG for time in witness.times)
    if spec.log is LogUse.REQUIRED and (not witness.times or (witness.withheld and not logged)):
        # The log knew when. Anybody may leave out the promise that says so, and have the rest stamped today.
        return _untimed(spec, witness)
    times = [time.at for time in witness.times] or [now]
    outside = next((at for at in times if not spec.window.holds(at)), None)
    if outside is None:
        return None
    return Reason(
        Code.KEY_MISMATCH,
        f"the key of {spec.name} counts from {spec.window}, and the signature is of {outside:%Y-%m-%dT%H:%M:%SZ}",
        "sign it with the key that is in use",
    )


def _untimed(spec: KeySpec, witness: Witness) -> Reason:
    stamp = witness.no_timestamp
    broken = stamp if stamp is not None and stamp.code is Code.TIMESTAMP_INVALID else None
    return Reason(
        broken.code if broken else Code.TIMESTAMP_MISSING,
        f"the key of {spec.name} counts from {spec.window}, and "
        + (
            "the log's word on when the signature was made was left out"
            if witness.withheld
            else "neither a log nor a timestamp states when the signature was made"
        )
        + (f": {broken.reason}" if broken else ""),
        "store it with the log's signed entry timestamp, or sign it again",
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """What something verified is to one signer.

    Attributes:
        theirs: whether they made it, as far as `mine` tells.
        against: why it does not count for them; None where it does, or is not theirs.
    """

    theirs: bool
    against: Reason | None = None

    @property
    def counts(self) -> bool:
        """Whether it counts for them."""
        return self.theirs and self.against is None


def standing(
    spec: SignerSpec, fact: _Fact, now: datetime, content: Callable[[SignerSpec, _Fact], Reason | None]
) -> Standing:
    """What one fact is to one signer: what `counted` goes by. The arguments are its own."""
    return Standing(theirs=True, against=_against(spec, fact, now, content)) if mine(spec, fact.signer) else _STRANGER


def _against(
    spec: SignerSpec, fact: _Fact, now: datetime, content: Callable[[SignerSpec, _Fact], Reason | None]
) -> Reason | None:
    return objection(spec, fact.signer, fact.witness, now) or content(spec, fact)


_STRANGER: Final = Standing(theirs=False)


def accepted_by_any(
    signers: Mapping[str, SignerSpec], fact: VerifiedSignature | VerifiedAttestation, now: datetime
) -> bool:
    """Whether one of some signers made it, and has no objection to what stands beside it."""
    return any(
        mine(spec, fact.signer) and objection(spec, fact.signer, fact.witness, now) is None for spec in signers.values()
    )


def counted(
    by: Expression,
    signers: Mapping[str, SignerSpec],
    facts: Sequence[_Fact],
    now: datetime,
    content: Callable[[SignerSpec, _Fact], Reason | None] = lambda _spec, _fact: None,
) -> tuple[Principals, list[Reason]]:
    """The principals that count for each signer of an expression; and why the facts of those who have none do not.

    Args:
        by: the expression.
        signers: by name.
        facts: verified signatures or attestations.
        now: the instant that is decided at.
        content: what the rule asks of one that its signer accepts.
    """
    accepted, refused = accepted_of(by, signers, facts, now, content)
    return who_counts(accepted), refused


def accepted_of(
    by: Expression,
    signers: Mapping[str, SignerSpec],
    facts: Sequence[_Fact],
    now: datetime,
    content: Callable[[SignerSpec, _Fact], Reason | None] = lambda _spec, _fact: None,
) -> tuple[Mapping[str, Sequence[_Fact]], list[Reason]]:
    """The facts that count for each signer of an expression, and why those of others do not; as `counted`."""
    accepted: dict[str, list[_Fact]] = {}
    refused: list[Reason] = []
    for name in sorted(by.names):
        spec = signers[name]
        accepted[name] = []
        against: list[Reason] = []
        for fact in facts:
            if mine(spec, fact.signer):
                reason = _against(spec, fact, now, content)
                if reason is None:
                    accepted[name].append(fact)
                else:
                    against.append(reason)
        refused.extend([] if accepted[name] else against)
    return accepted, refused


def who_counts(accepted: Mapping[str, Sequence[_Fact]]) -> Principals:
    """The principals whose facts were accepted, by the signer that they count for."""
    facts = [fact for some in accepted.values() for fact in some]
    if len(facts) == 1:  # as it nearly always is, once a request and policy
        alone = frozenset({min(facts[0].signer.marks)})
        return {name: alone if some else frozenset() for name, some in accepted.items()}
    who = principals_of(fact.signer for fact in facts)
    return {name: frozenset(who[fact.signer] for fact in some) for name, some in accepted.items()}


def principals_of(signers: Iterable[Signer]) -> dict[Signer, str]:
    """Who each signer is, by one mark: those that share a mark, be it through others, are one principal.

    One signature never counts as two people's: by its key and by the certificate of that key, under a root and under
    the one that replaced it, by one name of a certificate and by another.
    """
    above: dict[str, str] = {}

    def top(mark: str) -> str:
        while above.setdefault(mark, mark) != mark:
            # Each look shortens the way for the next: chains of shared marks stay cheap.
            above[mark] = mark = above[above[mark]]
        return mark

    known = dict.fromkeys(signers)
    if len(known) == 1:
        return {signer: min(signer.marks) for signer in known}
    for signer in known:
        first, *others = sorted(signer.marks)
        for mark in others:
            above[top(mark)] = top(first)
    return {signer: top(min(signer.marks)) for signer in known}


def unknown(by: Expression, signers: Mapping[str, SignerSpec], evidence: Evidence) -> list[Reason]:
    """Why nothing can be called missing yet: places that could not be asked, signers that could not be read."""
    trusted = {"", *(root.name for name in by.names if (root := _trust_root(signers[name])) is not None)}
    places = (Reason(u.code, u.message, u.remedy) for u in evidence.unavailable if u.trust in trusted)
    return list(dict.fromkeys((*unreadable(by, signers), *places)))


def unreadable(by: Expression, signers: Mapping[str, SignerSpec]) -> Iterator[Reason]:
    """The signers of an expression about whom nothing can be said: what they trust can't be read from here."""
    for name in sorted(by.names):
        spec = signers[name]
        root = _trust_root(spec)
        missing = "" if isinstance(spec, KeylessSpec) else spec.missing
        if not missing and isinstance(root, MissingRoot):
            missing = f"its trust root {root.name}: {root.why}"
        if missing:
            yield Reason(Code.TRUST_ROOT_UNAVAILABLE, f"signer {name}: {missing}", "judge where it can be read")


def _trust_root(spec: SignerSpec) -> TrustRoot | None:
    """The trust root that has a say in what counts for a signer."""
    match spec:
        case KeySpec():
            return spec.witnesses
        case KeylessSpec():
            return spec.trust_root
        case CertificateSpec():
            return spec.authorities.root if spec.authorities else None
        case _:
            assert_never(spec)


def too_few(done: str, do: str, by: Expression, found: Principals) -> Reason:
    """Some have signed (`done`, `do`), and that does not suffice: who, and who else could."""
    present = sorted(name for name, principals in found.items() if principals)
    absent = sorted(found.keys() - set(present))
    people = len(frozenset().union(*found.values()))
    same = f", who are {people} principal{'' if people == 1 else 's'} in all" if people < len(present) else ""
    return Reason(
        Code.SIGNERS_TOO_FEW,
        f"{done} by {', '.join(present)}{same}; needs {by}",
        f"have {', '.join(absent)} {do} it" if absent else f"have somebody else {do} it: one principal counts once",
    )


def revoked_among(refused: Iterable[Reason]) -> list[Reason]:
    """Those objections that nothing waives: somebody who signed is revoked."""
    return list(dict.fromkeys(reason for reason in refused if reason.code is Code.REVOKED))


def summed_up(refused: Sequence[Reason]) -> Iterator[Reason]:
    """Objections as findings: those to signers' own signatures each, strangers' signatures as one."""
    own = [reason for reason in dict.fromkeys(refused) if reason.code is not Code.IDENTITY_MISMATCH]
    strangers = list(dict.fromkeys(reason for reason in refused if reason.code is Code.IDENTITY_MISMATCH))
    if own or len(strangers) == 1:
        yield from own or strangers
        return
    shown = "; ".join(reason.message for reason in strangers[:_SHOWN])
    more = f"; and {len(strangers) - _SHOWN} more" if len(strangers) > _SHOWN else ""
    yield Reason(Code.IDENTITY_MISMATCH, f"{shown}{more}", strangers[0].remedy)
