"""Who has signed an image, as signers that a policy could name: only what is verified, and would count."""

from __future__ import annotations

import base64
import re
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gate.authoring.writing import scalar
from gate.documents import Document, read_documents
from gate.evidence.facts import CertificateSigner, KeySigner
from gate.policy.acceptance import standing
from gate.policy.reading.sets import parse_set
from gate.policy.reading.signers import EVENTS, GITHUB_ISSUER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from gate.evidence.facts import Identity, VerifiedSignature
    from gate.policy.policy_set import PolicySet
    from gate.policy.trust import PrivateAuthorities

_GITHUB: Final = "https://github.com/"
_YAML_1_1: Final = frozenset({"on", "off", "yes", "no", "y", "n"})  # that other readers take for true and false
_WORKFLOWS: Final = "/.github/workflows/"
_SUBJECT: Final = re.compile(
    r"https://github\.com/(?P<workflow>[A-Za-z0-9_-]{1,39}/[A-Za-z0-9._-]{1,100}/\.github/workflows/"
    r"(?P<file>[A-Za-z0-9._-]{1,200})\.ya?ml)@(?P<ref>refs/[^*]{1,500})",
    re.ASCII,
)
_REPOSITORY: Final = re.compile(r"https://github\.com/([A-Za-z0-9_-]{1,39}/[A-Za-z0-9._-]{1,100})", re.ASCII)
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_NAME_MOST: Final = 40
_PEM_WIDTH: Final = 64  # RFC 7468, 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who has signed.

    Attributes:
        hint: what they may be called.
        kind: of signer.
        fields: of it, each a line of YAML.
        advice: what to know before they are trusted.
        facts: what they have signed.
        objection: why nothing of it would count; "" where something does.
    """

    hint: str
    kind: str
    fields: tuple[str, ...]
    advice: str
    facts: tuple[VerifiedSignature, ...]
    objection: str = ""

    def lines(self, name: str) -> list[str]:
        """An entry of `signers`, to be indented."""
        return [f"{name}:", f"  {self.kind}:", *(f"    {line}" for line in self.fields)]


def candidates(
    facts: Sequence[VerifiedSignature], now: datetime, private: PrivateAuthorities | None = None
) -> list[Candidate]:
    """Those who have signed, each once, those whose signatures count first.

    Args:
        facts: verified.
        now: the instant that is decided at.
        private: the PKI that they were tried against too.
    """
    grouped: dict[tuple[str, ...], Candidate] = {}
    workflows: dict[str, list[VerifiedSignature]] = {}
    for fact in facts:
        if (workflow := _workflow(fact)) is not None:
            workflows.setdefault(workflow, []).append(fact)
            continue
        made = _by_key(fact) if isinstance(fact.signer, KeySigner) else _by_identity(fact, private)
        known = grouped.get(made.fields)
        grouped[made.fields] = made if known is None else replace(known, facts=(*known.facts, fact))
    found = [*(_of_workflow(some) for some in workflows.values()), *grouped.values()]
    return sorted((_tried(one, now) for one in found), key=lambda one: bool(one.objection))


def _tried(one: Candidate, now: datetime) -> Candidate:
    """The candidate with what a policy that names it would object."""
    if one.objection:
        return one
    head = ("apiVersion: imagegate.dev/v1", "kind: ClusterGatePolicy", "metadata: {name: p}", "spec:", "  signers:")
    text = "\n".join([*head, *(f"    {line}" for line in one.lines("x")), "  rules:", "  - signature: {by: x}", ""])
    found = read_policies(text)
    if found is None:
        return replace(one, objection="it cannot be written as a signer")
    spec = found.policies[0].signers["x"]
    stood = [(fact, standing(spec, fact, now, _nothing)) for fact in one.facts]
    counting = tuple(fact for fact, one in stood if one.counts)
    if counting:
        return replace(one, facts=counting)
    return replace(one, objection=next((s.against.message for _, s in stood if s.against), "it is of another trust"))


def _nothing(_spec: object, _fact: object) -> None:
    """A rule of nothing but `by` asks nothing more."""


def read_policies(text: str) -> PolicySet | None:
    """The set that a text is; None where something is wrong with it."""
    documents = list(read_documents(text, "proposed.yaml"))
    readable = [document for document in documents if isinstance(document, Document)]
    parsed = parse_set(readable, None)
    return None if len(readable) < len(documents) or parsed.errors or not parsed.set.policies else parsed.set


# by a workflow of GitHub


def _workflow(fact: VerifiedSignature) -> str | None:
    """What tells workflows apart, where a certificate names one as a `github` signer wants it."""
    signer = fact.signer
    if not isinstance(signer, CertificateSigner) or signer.private or signer.identity.issuer != GITHUB_ISSUER:
        return None
    claims, found = signer.identity.claims, _SUBJECT.fullmatch(signer.identity.subject)
    source = _REPOSITORY.fullmatch(claims.source_repository_uri)
    if found is None or source is None or claims.build_signer_uri != signer.identity.subject:
        return None
    if claims.build_trigger not in EVENTS or not claims.source_repository_ref.startswith("refs/"):
        return None
    return None if "*" in claims.source_repository_ref else f"{found['workflow']} {source[1]}"


def _of_workflow(facts: Sequence[VerifiedSignature]) -> Candidate:
    identities = [_identity(fact) for fact in facts]
    subjects = [found for one in identities if (found := _SUBJECT.fullmatch(one.subject)) is not None]
    claims = identities[0].claims
    workflow, source = subjects[0]["workflow"], claims.source_repository_uri.removeprefix(_GITHUB)
    refs = sorted({found["ref"] for found in subjects})
    source_refs = sorted({one.claims.source_repository_ref for one in identities})
    fields = [f"workflow: {scalar(workflow)}", f"refs: {_list(refs)}"]
    if any(ref.startswith("refs/tags/") for ref in refs):
        fields[-1] += '  # the next tag is another: "refs/tags/v*" takes all that begin so'
    if not workflow.startswith(f"{source}/"):
        fields.append(f"repository: {scalar(source)}  # whose code it ran for")
    if source_refs != refs:
        fields.append(f"sourceRefs: {_list(source_refs)}")
    for name, values in (
        ("repositoryId", {one.claims.source_repository_id for one in identities}),
        ("ownerId", {one.claims.source_repository_owner_id for one in identities}),
    ):
        if len(values) == 1 and _NUMBER.fullmatch(number := next(iter(values))):
            fields.append(f"{name}: {number}  # stays when the name is given to somebody else")
    advice = f"the workflow {workflow}, run for {source}; whoever may change it there may sign"
    return Candidate(subjects[0]["file"], "github", tuple(fields), advice, tuple(facts))


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(scalar, texts))}]"


# by anybody else


def _identity(fact: VerifiedSignature) -> Identity:
    assert isinstance(fact.signer, CertificateSigner)
    return fact.signer.identity


def _by_identity(fact: VerifiedSignature, private: PrivateAuthorities | None) -> Candidate:
    identity = _identity(fact)
    if isinstance(fact.signer, CertificateSigner) and fact.signer.private:
        assert private is not None  # or it would not have verified
        return _by_certificate(fact, identity, private)
    fields = (f"issuer: {scalar(identity.issuer)}", f"subject: {scalar(identity.subjects[0])}")
    who = identity.subjects[0].partition("@")[0].rpartition("/")[2]
    advice = f"{identity.subjects[0]}, as {identity.issuer} vouches: anybody may have such a certificate of their own"
    return Candidate(who, "keyless", fields, advice, (fact,), _incomplete(identity))


def _by_certificate(fact: VerifiedSignature, identity: Identity, private: PrivateAuthorities) -> Candidate:
    """By the private PKI: its certificates stand in the policy."""
    roots = [authority.chain[-1] for authority in private.authorities]
    between = private.authorities[0].chain[:-1]
    fields = [f"subject: {scalar(identity.subjects[0])}", *_certificates("roots", roots)]
    fields += _certificates("intermediates", between) if between else []
    advice = f"{identity.subjects[0]}, by a certificate of the authorities that were given with --ca-roots"
    who = identity.subjects[0].partition("@")[0].rpartition("/")[2]
    return Candidate(who, "certificate", tuple(fields), advice, (fact,), _incomplete(identity))


def _certificates(field: str, ders: Iterable[bytes]) -> list[str]:
    return [f"{field}:", "  pem: |", *(f"    {line}" for der in ders for line in _pem("CERTIFICATE", der))]


def _pem(label: str, der: bytes) -> list[str]:
    inside = textwrap.wrap(base64.b64encode(der).decode(), _PEM_WIDTH)
    return [f"-----BEGIN {label}-----", *inside, f"-----END {label}-----"]


def _incomplete(identity: Identity) -> str:
    """Why a workflow's name alone is not enough to trust it; "" of who is no workflow of GitHub.

    A public workflow runs under its own name for whoever calls it, and some are started by strangers.
    """
    claims = identity.claims
    is_workflow = any(_WORKFLOWS in text for text in (claims.build_signer_uri, *identity.subjects))
    if identity.issuer != GITHUB_ISSUER and not is_workflow:
        return ""
    trigger = claims.build_trigger
    if trigger and trigger not in EVENTS:
        return f"a workflow that was started by {trigger}, which strangers may do"
    if identity.issuer != GITHUB_ISSUER:  # of an enterprise: there too a workflow runs for whoever calls it
        return f"a workflow that {identity.issuer} vouches for: its name alone is not enough to trust it"
    return "its certificate does not say for which repository the workflow ran, as a `github` signer wants it"


def _by_key(fact: VerifiedSignature) -> Candidate:
    assert isinstance(fact.signer, KeySigner)
    key = fact.signer.key
    fields = ("pem: |", *(f"  {line}" for line in _pem("PUBLIC KEY", key.spki)))
    return Candidate("release", "key", fields, f"the {key.short}, which was given with --key", (fact,))


def named(found: Iterable[Candidate]) -> dict[str, Candidate]:
    """Candidates by names that a policy can call them."""
    names: dict[str, Candidate] = {}
    for one in found:
        base = re.sub(r"[^a-z0-9]+", "-", one.hint.lower())[:_NAME_MOST].strip("-") or "signer"
        base = base if scalar(base) == base and base not in _YAML_1_1 else f"signer-{base}"
        count = 1
        while (name := base if count == 1 else f"{base}-{count}") in names:
            count += 1
        names[name] = one
    return names
