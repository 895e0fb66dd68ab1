"""Signers of a policy document, after its schema holds (POLICY §5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gate.errors import ParseError
from gate.instants import parse_first, parse_last
from gate.policy.identity import IdentityPattern, TextPattern
from gate.policy.reading.checks import Check
from gate.policy.reading.principals import who_of
from gate.policy.reading.remedies import did_you_mean
from gate.policy.signers import CertificateSpec, KeylessSpec, KeySpec, LogUse
from gate.policy.trust import PUBLIC_GOOD, SIGSTORE, GivenRoot, MissingRoot, PrivateAuthorities
from gate.trust.authority import MAX_PEM, parse_pem_certificates
from gate.trust.key import MAX_KEY, Hash, PublicKey
from gate.trust.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from gate.documents import Path
    from gate.policy.reading.notes import Material, Notes
    from gate.policy.signers import SignerSpec
    from gate.policy.trust import TrustRoot

_T = TypeVar("_T")
GITHUB_ISSUER: Final = "https://token.actions.githubusercontent.com"
"""Who vouches for workflows of github.com."""

EVENTS: Final = ("push", "release", "workflow_dispatch", "schedule")
"""What may have started a workflow where a signer does not say: nothing that a stranger can start."""

_GITHUB: Final = "https://github.com/"
_WORKFLOW: Final = re.compile(
    r"[A-Za-z0-9_-]{1,39}/[A-Za-z0-9._-]{1,100}/\.github/workflows/[A-Za-z0-9._-]{1,200}\.ya?ml", re.ASCII
)
_SLASHES: Final = 2  # in the shortest ref
_GITHUB_EVENTS: Final = frozenset(
    [
        "branch_protection_rule",
        "check_run",
        "check_suite",
        "create",
        "delete",
        "deployment",
        "deployment_status",
        "discussion",
        "discussion_comment",
        "fork",
        "gollum",
        "image_version",
        "issue_comment",
        "issues",
        "label",
        "merge_group",
        "milestone",
        "page_build",
        "project",
        "project_card",
        "project_column",
        "public",
        "pull_request",
        "pull_request_comment",
        "pull_request_review",
        "pull_request_review_comment",
        "pull_request_target",
        "push",
        "registry_package",
        "release",
        "repository_dispatch",
        "schedule",
        "status",
        "watch",
        "workflow_call",
        "workflow_dispatch",
        "workflow_run",
    ]
)
_STRANGERS: Final[Mapping[str, tuple[str, ...]]] = {
    "subject": (
        "ann@firstowner.com",
        "bob@otherowner.com",
        "https://github.com/firstowner/tool/.github/workflows/release.yml@refs/tags/v1.0.0",
        "https://github.com/otherowner/app/.github/workflows/release.yml@refs/tags/v2.3.4",
        "https://gitlab.com/firstowner/tool//.gitlab-ci.yml@refs/heads/main",
        "https://gitlab.com/otherowner/app//.gitlab-ci.yml@refs/heads/main",
        "spiffe://firstowner.com/ns/default/sa/builder",
        "spiffe://otherowner.com/ns/default/sa/builder",
    ),
    "issuer": ("https://login.firstowner.com", "https://otherowner.com/oauth2/default", "http://localhost:8080"),
}
"""Identities that have nothing in common: what two of them fit says too little of who is meant."""

_LOG_USE: Final = {"required": LogUse.REQUIRED, "none": LogUse.IGNORE}


def parse_signers(notes: Notes, raw: dict[str, Any], roots: Mapping[str, TrustRoot]) -> dict[str, SignerSpec]:
    """The signers by name.

    One principal under two names is an error: whoever reads `atLeast` would count it twice.

    Args:
        notes: of the document.
        raw: its `signers`.
        roots: the trust roots of the set, by name.
    """
    signers: dict[str, SignerSpec] = {}
    owners: dict[object, str] = {}
    for name, spec in raw.items():
        ((kind, fields),) = spec.items()
        reader = _Reader(notes, ("spec", "signers", name, kind), name, fields, roots)
        signer = _KINDS[kind](reader)
        if signer is None:
            continue
        who = who_of(signer)
        if who is not None and (other := owners.setdefault(who, name)) != name:
            what = "key" if kind == "key" else "identity"
            notes.add(
                Check.SAME_PRINCIPAL,
                reader.path,
                f"signer {name} has the same {what} as {other}",
                "keep one: `by` counts principals",
            )
        signers[name] = signer
    return signers


@dataclass(frozen=True, slots=True)
class _Reader:
    """One signer being read."""

    notes: Notes
    path: Path
    name: str
    raw: dict[str, Any]
    roots: Mapping[str, TrustRoot]

    def key(self) -> KeySpec | None:
        """`key`."""
        window = self._window()
        root = self._trust_root(self.raw, self.path)
        log = LogUse(self.raw.get("transparencyLog", "optional"))
        found = self.notes.material(self.path, self.raw, MAX_KEY, "pem", "file", "secret")
        if found is None or window is None:
            return None
        if found.missing:
            return KeySpec(self.name, None, log, found.missing, window, root)
        hash_name = Hash(self.raw["hash"]) if "hash" in self.raw else None
        key = self._parsed(found, lambda content: PublicKey.parse(content, hash_name))
        return None if key is None else KeySpec(self.name, key, log, "", window, root)

    def keyless(self) -> KeylessSpec | None:
        """`keyless`."""
        subject, issuer = self._pattern("subject"), self._pattern("issuer")
        if subject is None or issuer is None:
            return None
        return self._by_authority(IdentityPattern(subject, issuer))

    def github(self) -> KeylessSpec | None:
        """`github`: a workflow of github.com, and the repository whose code it ran for.

        The subject alone is not enough: a public reusable workflow runs for whoever calls it, under its own name.
        """
        workflow: str = self.raw["workflow"]
        if not _WORKFLOW.fullmatch(workflow):
            bare = workflow.removeprefix(_GITHUB).partition("@")[0]
            better = bare if _WORKFLOW.fullmatch(bare) else "OWNER/REPOSITORY/.github/workflows/FILE.yml"
            self.notes.add(
                Check.WORKFLOW,
                (*self.path, "workflow"),
                f"{workflow[:200]!r} is no workflow",
                f"write {better}, and its refs as `refs`",
            )
            return None
        for i, event in enumerate(self.raw.get("events", ())):
            if event not in _GITHUB_EVENTS:
                self.notes.add(
                    Check.WORKFLOW,
                    (*self.path, "events", i),
                    f"no workflow is started by {event!r}",
                    did_you_mean(event, _GITHUB_EVENTS),
                )
        source_refs = self._globs("sourceRefs" if "sourceRefs" in self.raw else "refs")
        uris = self._globs("refs", before=f"{_GITHUB}{workflow}@")
        if uris is None or source_refs is None:
            return None
        repository = self.raw.get("repository", "/".join(workflow.split("/")[:2]))
        claims: list[tuple[str, tuple[TextPattern, ...]]] = [
            ("build_signer_uri", (uris,)),
            ("source_repository_uri", (TextPattern(_GITHUB + repository),)),
            ("source_repository_ref", (source_refs,)),
            ("build_trigger", tuple(map(TextPattern, self.raw.get("events", EVENTS)))),
        ]
        for field, claim in (("repositoryId", "source_repository_id"), ("ownerId", "source_repository_owner_id")):
            if field in self.raw:
                claims.append((claim, (TextPattern(str(int(self.raw[field]))),)))
        return self._by_authority(IdentityPattern(uris, TextPattern(GITHUB_ISSUER), tuple(claims)))

    def certificate(self) -> CertificateSpec | None:
        """`certificate`: a private PKI."""
        subject = self._pattern("subject")
        timestamp = self.raw.get("timestamp", {})
        required = timestamp.get("required", True)
        root: TrustRoot | None = None
        if required or "trustRoot" in timestamp:
            root = self._trust_root(timestamp, (*self.path, "timestamp"))
        materials = [
            self.notes.material((*self.path, field), self.raw[field], MAX_PEM, "pem", "file", "secret")
            for field in ("roots", "intermediates")
            if field in self.raw
        ]
        found = [material for material in materials if material is not None]
        if subject is None or len(found) < len(materials):
            return None
        identity = IdentityPattern(subject, None)
        if missing := next((material.missing for material in found if material.missing), ""):
            return CertificateSpec(self.name, identity, None, timestamp=required, missing=missing)
        authorities = self._authorities(found, root)
        if authorities is None:
            return None
        return CertificateSpec(self.name, identity, authorities, timestamp=required)

    def _authorities(self, found: list[Material], root: TrustRoot | None) -> PrivateAuthorities | None:
        ders = [
            self._parsed(material, parse_pem_certificates, field)
            for material, field in zip(found, ("roots", "intermediates"), strict=False)
        ]
        if None in ders:
            return None
        roots, between = (*ders, ()) if len(ders) == 1 else ders
        try:
            return PrivateAuthorities.of(self.name, roots or (), between or (), root)
        except ParseError as error:
            self.notes.add(
                Check.CERTIFICATE, (*self.path, "roots"), f"signer {self.name}: {error.message}", error.remedy
            )
            return None

    def _by_authority(self, identity: IdentityPattern) -> KeylessSpec | None:
        log = _LOG_USE[self.raw.get("transparencyLog", "required")]
        timestamp: bool = self.raw.get("timestamp", {}).get("required", False)
        root = self._trust_root(self.raw, self.path)
        if isinstance(root, GivenRoot) and not root.root.authorities:
            message = f"the trust root {root.name} has no certificate authority: nobody is known by it"
            self.notes.add(Check.TRUST_ROOT, (*self.path, "trustRoot"), message, "give one that has")
        ignore_sct: bool = self.raw.get("insecureIgnoreSct", False)
        if log is LogUse.IGNORE and not timestamp:
            self.notes.add(
                Check.UNPROVEN_TIME,
                (*self.path, "transparencyLog"),
                "without a transparency log nothing says when it was signed",
                "add timestamp: {required: true}",
            )
        if ignore_sct and root == SIGSTORE:
            self.notes.add(
                Check.NEEDLESS_INSECURITY,
                (*self.path, "insecureIgnoreSct"),
                f"every certificate of {PUBLIC_GOOD} is in a CT log",
                "remove it; it is for a Fulcio of your own (`trustRoot`)",
            )
        return KeylessSpec(self.name, identity, root, log, timestamp, not ignore_sct)

    def _trust_root(self, raw: dict[str, Any], path: Path) -> TrustRoot:
        name: str = raw.get("trustRoot", PUBLIC_GOOD)
        if name == PUBLIC_GOOD:
            return self.roots.get(name, SIGSTORE)  # a test may have another stand in for it
        if name not in self.roots:
            message = f"no GateTrustRoot is called {name!r} here"
            self.notes.add(
                Check.UNKNOWN_TRUST_ROOT, (*path, "trustRoot"), message, did_you_mean(name, (*self.roots, PUBLIC_GOOD))
            )
            return MissingRoot(name, "no GateTrustRoot of this name is loaded")
        return self.roots[name]

    def _pattern(self, field: str) -> TextPattern | None:
        given = self.notes.one_of(self.path, self.raw, field, f"{field}Regex")
        if given is None:
            return None
        if given == field:
            return TextPattern(self.raw[field])
        pattern = self.notes.attempt(Check.REGEX, (*self.path, given), TextPattern.parse_regex, self.raw[given])
        fitting = [one for one in _STRANGERS[field] if pattern is not None and pattern.matches(one)]
        if len(fitting) > 1:
            said = f"{self.raw[given]!r} fits anybody: {fitting[0]} as well as {fitting[1]}"
            self.notes.add(Check.FITS_ANYTHING, (*self.path, given), said, "say who is meant")
        return pattern

    def _globs(self, field: str, before: str = "") -> TextPattern | None:
        for i, ref in enumerate(self.raw[field]):
            if (remedy := _better_ref(ref)) is not None:
                self.notes.add(Check.REF_PATTERN, (*self.path, field, i), f"{ref[:100]!r} fits no ref", remedy)
        try:
            return TextPattern.parse_globs([f"{before}{text}" for text in self.raw[field]])
        except ParseError as error:
            self.notes.add(Check.REF_PATTERN, (*self.path, field), error.message, error.remedy)
            return None

    def _window(self) -> Window | None:
        start = self._instant("validFrom", parse_first)
        end = self._instant("validUntil", parse_last)
        if ("validFrom" in self.raw and start is None) or ("validUntil" in self.raw and end is None):
            return None
        if start is not None and end is not None and end < start:
            self.notes.add(Check.INSTANT, (*self.path, "validUntil"), "it ends before it begins", "swap the two")
            return None
        return Window(start, end)

    def _instant(self, field: str, parse: Callable[[str], datetime]) -> datetime | None:
        return (
            self.notes.attempt(Check.INSTANT, (*self.path, field), parse, self.raw[field])
            if field in self.raw
            else None
        )

    def _parsed(self, material: Material, parse: Callable[[bytes], _T], field: str | None = None) -> _T | None:
        try:
            return parse(material.content)
        except ParseError as error:
            path = (*self.path, *([field] if field else []), material.field)
            check, wanted = (Check.CERTIFICATE, "CERTIFICATE") if field else (Check.KEY, "PUBLIC KEY")
            remedy = error.remedy or f"give PEM: -----BEGIN {wanted}-----"
            self.notes.add(check, path, f"signer {self.name}: {error.message}", remedy)
            return None


def _better_ref(pattern: str) -> str | None:
    """What to write instead of a pattern that fits no full ref, such as refs/heads/main; None where it fits some."""
    if "**" in pattern:
        return None if pattern.startswith(("refs/", "*")) else f"write refs/heads/{pattern}"
    if not pattern.startswith(("refs/", "*")):
        return f"write refs/heads/{pattern} for a branch, refs/tags/{pattern} for a tag"
    if pattern.count("/") >= _SLASHES:
        return None
    return "write ** for any ref, refs/heads/** for any branch" if "*" in pattern else "write refs/heads/BRANCH"


_KINDS: Final[dict[str, Callable[[_Reader], SignerSpec | None]]] = {
    "key": _Reader.key,
    "keyless": _Reader.keyless,
    "github": _Reader.github,
    "certificate": _Reader.certificate,
}
