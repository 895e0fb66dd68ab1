"""A policy from what an image carries already, and a test of it: what `gate policy new` prints (POLICY §8)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.authoring.carried import Candidate, candidates, named, read_policies
from gate.authoring.writing import remark, scalar
from gate.codes import Code
from gate.policy.acceptance import Case
from gate.policy.policy import SignatureRequirement
from gate.policy.reading.tests import wanted_roots
from gate.policy.requirements import signature
from gate.policy.revocation import NONE
from gate.policy.trust import SIGSTORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from gate.evidence.facts import Evidence, Rejection
    from gate.image.digest import Digest
    from gate.image.reference import Reference
    from gate.policy.policy import Kept
    from gate.policy.policy_set import PolicySet
    from gate.policy.trust import PrivateAuthorities

_MOST: Final = 20  # remarks of a kind
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_NAME_MOST: Final = 60


@dataclass(frozen=True, slots=True)
class Carried:
    """What an image carries.

    Attributes:
        reference: the image, as written.
        digest: of it.
        evidence: of that digest.
        kept: where all of it was found.
        at: when.
        platforms: the evidence of every image of its index, by platform; {} where it was not looked at.
        private: the PKI that signatures were tried against beside the public-good one.
    """

    reference: Reference
    digest: Digest
    evidence: Evidence
    kept: Kept
    at: datetime
    platforms: Mapping[str, Evidence] = field(default_factory=dict, hash=False)
    private: PrivateAuthorities | None = None

    def candidates(self, evidence: Evidence) -> list[Candidate]:
        """Those who have signed in some of its evidence."""
        return candidates(evidence.signatures, self.at, self.private)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A policy that lets the image run, and nothing of its repository that the same have not signed.

    Attributes:
        policy: YAML.
        test: a `GateTest`, YAML.
        recorded: where that wants the image recorded: a folder, relative to the test.
        signers: how many it names.
    """

    policy: str
    test: str
    recorded: str
    signers: int


def propose(carried: Carried, name: str, policy_file: str, root_file: str = "") -> Proposal | None:
    """A policy, and a test of it; None where nobody has signed in a way that would count.

    Args:
        carried: what the image carries.
        name: of the policy; "" to make one.
        policy_file: where the policy will be, for the test.
        root_file: the trusted root that stood in for the public-good one, likewise; "" for none.
    """
    name = name or _name_of(carried.reference)
    by_platform = False
    trusted = [one for one in carried.candidates(carried.evidence) if not one.objection]
    if not trusted and carried.platforms:
        by_platform = True
        trusted = _everywhere(carried)
    if not trusted:
        return None
    signers = named(trusted)
    for by in (_all_of(signers), _any_of(signers)):
        text = "\n".join(_policy(carried, name, signers, by, by_platform=by_platform)) + "\n"
        found = read_policies(text)
        if found is not None and _is_met(found, carried):
            folder = f"testdata/{name}"
            root = root_file if SIGSTORE.name in wanted_roots(found) else ""
            test = "\n".join(_test(carried, name, folder, policy_file, root)) + "\n"
            return Proposal(text, test, folder, len(signers))
    return None


def is_name(text: str) -> bool:
    """Whether a policy may be called so."""
    return _NAME.fullmatch(text) is not None


def _name_of(reference: Reference) -> str:
    """By the whole path: policies of one set, and what is recorded beside their tests, are told apart by name."""
    return re.sub(r"[^a-z0-9]+", "-", reference.repository)[-_NAME_MOST:].strip("-") or "image"


def _everywhere(carried: Carried) -> list[Candidate]:
    """Those who have signed every image of the index, as they would be named for the first."""
    found = [
        [one for one in carried.candidates(evidence) if not one.objection] for evidence in carried.platforms.values()
    ]
    return [one for one in found[0] if all(any(other.fields == one.fields for other in some) for some in found[1:])]


def _all_of(signers: Mapping[str, Candidate]) -> str:
    return next(iter(signers)) if len(signers) == 1 else f"{{all: [{', '.join(signers)}]}}"


def _any_of(signers: Mapping[str, Candidate]) -> str:
    return f"[{', '.join(signers)}]"


def _is_met(found: PolicySet, carried: Carried) -> bool:
    """Whether what the image carries is what the policy asks for, in this program's own words."""
    (policy,) = found.policies
    case = Case(policy.signers, carried.reference, NONE, carried.at)
    (wanted,) = (rule.requirement for rule in policy.rules if isinstance(rule.requirement, SignatureRequirement))
    here = carried.platforms.values() if wanted.platform_evidence else (carried.evidence,)
    return all(not any(True for _ in signature.check(wanted, case, evidence)) for evidence in here)


# the policy


def _policy(
    carried: Carried, name: str, signers: Mapping[str, Candidate], by: str, *, by_platform: bool
) -> Iterator[str]:
    image = remark(carried.reference.text)
    repository = str(carried.reference.name)
    above = repository.rpartition("/")[0]
    yield f"# What {image} carries, as a policy; looked at {carried.at:%Y-%m-%dT%H:%M:%SZ}."
    yield f"# Keep only whom you know, then see what it does: gate policy explain {image} -p FILE"
    if carried.evidence.unavailable:
        yield "# Not every place could be asked: there may be more than stands here."
    yield from (
        "apiVersion: imagegate.dev/v1",
        "kind: ClusterGatePolicy",
        f"metadata: {{name: {scalar(name)}}}",
        "spec:",
    )
    yield "  mode: enforce  # `warn` admits and says what would be denied: a way to begin"
    yield "  match:"
    yield f"    images: [{scalar(repository)}]  # this repository; {above}/** is all beside it too"
    yield "  signers:"
    for signer, one in signers.items():
        yield f"    # {_count(len(one.facts), 'signature')} by {remark(one.advice)}"
        yield from (f"    {line}" for line in one.lines(signer))
    yield "  rules:"
    yield from _image_rule(carried.reference, above)
    yield from _signature_rule(carried.kept, by, len(signers), by_platform=by_platform)
    yield from _remarks(carried)


def _image_rule(reference: Reference, above: str) -> Iterator[str]:
    yield "  # Tags are judged by the digest they have, and admission writes it: what was judged is what runs."
    if reference.digest is None and reference.effective_tag == "latest":
        yield "  # `latest` is let through, as this image was named by it: a version tag is better."
        yield f"  - image: {{registries: [{scalar(above)}], tags: pin, denyTags: []}}"
    else:
        yield f"  - image: {{registries: [{scalar(above)}], tags: pin, denyTags: [latest]}}"


def _signature_rule(kept: Kept, by: str, count: int, *, by_platform: bool) -> Iterator[str]:
    fields = [f"by: {by}"]
    if kept.repository is not None:
        fields.append(f"repository: {scalar(str(kept.repository))}")
    if kept.tag_prefix:
        fields.append(f"tagPrefix: {scalar(kept.tag_prefix)}")
    if by_platform:
        yield "  # Its index is not signed, every image in it is: their signatures stand in."
        fields.append("platformEvidence: all")
    if count > 1 and by.startswith("{all"):
        yield "  # All who have signed it have to; `by: [one, another]` lets any of them suffice."
    yield f"  - signature: {{{', '.join(fields)}}}"


def _remarks(carried: Carried) -> Iterator[str]:
    """What is there besides: nothing of it is trusted."""
    places = {"": carried.evidence, **{f" of {name}": one for name, one in carried.platforms.items()}}
    for where, evidence in places.items():
        set_aside = [one for one in carried.candidates(evidence) if one.objection]
        told = [f"{one.advice}: {one.objection}" for one in set_aside]
        yield from _listed(f"Verified signatures{where} that would not count, and why:", told)
        kinds = Counter(f"{a.predicate_type} by {a.signer}" for a in evidence.attestations)
        told = [f"{kind}{f' ({count})' if count > 1 else ''}" for kind, count in sorted(kinds.items())]
        yield from _listed(f"Attested{where}, and asked for by no rule here:", told)
        told = [_rejected(one) for one in evidence.rejected]
        yield from _listed(f"Not verified{where}, so what it says of itself is worth nothing:", told)


def _listed(title: str, told: Sequence[str]) -> Iterator[str]:
    if not told:
        return
    yield f"  # {remark(title)}"
    yield from (f"  # - {remark(one)}" for one in told[:_MOST])
    if len(told) > _MOST:
        yield f"  # - and {len(told) - _MOST} more: gate inspect shows all"


def _rejected(one: Rejection) -> str:
    what = "signature" if one.attestation is False else "attestation" if one.attestation else "something signed"
    claim = one.claim
    claims = f", claims to be by {claim.identity}" if claim.identity else ""
    claims += f", names key {claim.key_hint[:12]}" if claim.key_hint else ""
    by_key = one.code in (Code.IDENTITY_MISMATCH, Code.KEY_MISMATCH) and claim.identity is None
    why = (
        "no key that was given verifies it, and a signature does not tell its key: --key FILE" if by_key else one.reason
    )
    return f"{what} ({one.format.value} {one.digest.short}){claims}: {why}"


def _count(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"


# the test


def _test(carried: Carried, name: str, folder: str, policy_file: str, root_file: str) -> Iterator[str]:
    reference, kept = carried.reference, carried.kept
    image = reference.pinned(carried.digest)
    where = [f" --signature-repository {kept.repository}"] if kept.repository is not None else []
    where += [f" --attachment-tag-prefix {kept.tag_prefix}"] if kept.tag_prefix else []
    yield "# Tests of the policy. What the image carries is recorded, and judged offline; anew, in this file's folder:"
    yield f"#   gate policy test --record {remark(image)} --into {folder}{''.join(where)}"
    yield from ("apiVersion: imagegate.dev/v1", "kind: GateTest", f"metadata: {{name: {scalar(name)}}}", "spec:")
    yield f"  policies: [{scalar(policy_file)}]"
    yield f'  at: "{carried.at:%Y-%m-%dT%H:%M:%SZ}"'
    yield "  evidence:"
    yield f"  - {{repository: {scalar(str(reference.name))}, layout: {scalar(folder)}}}"
    if kept.repository not in (None, reference.name):
        yield f"  - {{repository: {scalar(str(kept.repository))}, layout: {scalar(f'{folder}-signatures')}}}"
    if root_file:
        yield f"  trustRoots: [{{name: {SIGSTORE.name}, file: {scalar(root_file)}}}]  # as it was asked for"
    yield "  cases:"
    yield "  - name: signed as it was"
    yield f"    image: {scalar(image)}"
    yield "    expect: {verdict: allow}"
    if reference.digest is None and reference.effective_tag == "latest":
        yield "  - name: an image that no policy is about"
        yield f"    image: {scalar(f'{reference.name}-of-somebody:v1')}"
        yield "    expect: {verdict: deny, findings: [{code: NO_POLICY_MATCHED}]}"
    else:
        yield "  - name: a tag that may mean anything tomorrow"
        yield f"    image: {scalar(f'{reference.name}:latest')}"
        yield "    expect: {verdict: deny, findings: [{rule: image, code: TAG_MUTABLE}]}"
