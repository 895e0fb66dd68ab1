"""`GateConfig` documents (POLICY §7)."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from gate.errors import ParseError
from gate.image.reference import Reference, canonical_registry
from gate.instants import duration_of, size_of
from gate.policy.break_glass import LONGEST
from gate.policy.config import (
    CloudKeychain,
    Config,
    CredentialSources,
    CustomResource,
    Limits,
    Place,
    RegistryRule,
    Unmatched,
    Where,
)
from gate.policy.reading.checks import Check
from gate.policy.reading.schema.policies import WORKLOAD_KINDS

if TYPE_CHECKING:
    from datetime import timedelta

    from gate.documents import Path
    from gate.policy.reading.notes import Notes

MAX_ATTESTATION_BYTES: Final = 256 * 1024 * 1024
"""That `attestationBytes` may be at most."""

_OWN_KINDS: Final = frozenset((group, kind) for group in ("", "apps", "batch") for kind in WORKLOAD_KINDS)


def parse_config(notes: Notes) -> Config:
    """What a document says; defaults where it does not."""
    spec = notes.data["spec"]
    raw = spec.get("credentials", {})
    docker_config = raw.get("dockerConfig", {}).get("file", "")
    return Config(
        Unmatched(spec.get("unmatched", "deny")),
        Where(spec.get("pinning", {}).get("where", "pods")),
        tuple(spec.get("excludeNamespaces", ())),
        _registries(notes, spec.get("registries", [])),
        CredentialSources(
            raw.get("pullSecrets", True),
            tuple(map(CloudKeychain, raw.get("keychains", ()))),
            _located(notes, ("spec", "credentials", "dockerConfig", "file"), docker_config),
        ),
        duration_of(spec.get("staleIfError", "0s")).total_seconds(),
        duration_of(spec.get("exceptions", {}).get("max", "180d")),
        _break_glass(notes, spec.get("breakGlass", {}).get("max", "8h")),
        spec.get("clusterName", ""),
        _limits(notes, spec.get("limits", {})),
        _custom_resources(notes, spec.get("customResources", [])),
    )


def _limits(notes: Notes, raw: dict[str, Any]) -> Limits:
    usual = Limits()
    bytes_ = size_of(raw["attestationBytes"]) if "attestationBytes" in raw else usual.attestation
    if not 1 <= bytes_ <= MAX_ATTESTATION_BYTES:
        most = f"{MAX_ATTESTATION_BYTES // 1024**2}MiB"
        notes.add(
            Check.LIMIT, ("spec", "limits", "attestationBytes"), f"it may be 1KiB to {most}", f"write {most} or less"
        )
    return Limits(raw.get("imagesPerReview", usual.images), bytes_)


def _custom_resources(notes: Notes, raw: list[dict[str, Any]]) -> tuple[CustomResource, ...]:
    found: list[CustomResource] = []
    seen: set[tuple[str, str]] = set()
    for i, entry in enumerate(raw):
        path = ("spec", "customResources", i)
        key = (entry["group"], entry["kind"])
        if key in seen:
            notes.add(
                Check.CUSTOM_RESOURCE,
                (*path, "kind"),
                f"{entry['kind']} ({entry['group']}) stands twice",
                "make one entry of the two",
            )
        seen.add(key)
        if key in _OWN_KINDS:
            notes.add(
                Check.CUSTOM_RESOURCE,
                (*path, "kind"),
                f"{entry['kind']} is Kubernetes' own, and known",
                "remove the entry",
            )
        if not entry.get("podSpecs") and not entry.get("images"):
            notes.add(
                Check.CUSTOM_RESOURCE, path, "it says nowhere where its images are", "give `podSpecs` or `images`"
            )
        pod_specs, images = (tuple(map(_steps, entry.get(field, ()))) for field in ("podSpecs", "images"))
        found.append(CustomResource(*key, pod_specs, images))
    return tuple(found)


def _steps(text: str) -> tuple[str | None, ...]:
    """The steps of a dotted path, whose form the schema has checked; `[]` is each element."""
    steps: list[str | None] = []
    for part in text.split("."):
        key = part.rstrip("[]")
        steps += [key, *[None] * ((len(part) - len(key)) // 2)]
    return tuple(steps)


def _break_glass(notes: Notes, text: str) -> timedelta:
    most = duration_of(text)
    if most > LONGEST:
        notes.add(
            Check.BREAK_GLASS_LONG,
            ("spec", "breakGlass", "max"),
            "a break-glass lasts 24 hours at most",
            "write 24h or less",
        )
    return min(most, LONGEST)


def _registries(notes: Notes, raw: list[dict[str, Any]]) -> tuple[RegistryRule, ...]:
    rules: list[RegistryRule] = []
    seen: set[Place] = set()
    for i, entry in enumerate(raw):
        path = ("spec", "registries", i)
        rule = _registry(notes, path, entry)
        if rule is None:
            continue
        if rule.place in seen:
            notes.add(
                Check.DUPLICATE_REGISTRY,
                (*path, "host"),
                f"{_shown(rule.place)} stands twice",
                "make one entry of the two",
            )
        seen.add(rule.place)
        rules.append(rule)
    return tuple(rules)


def _registry(notes: Notes, path: Path, raw: dict[str, Any]) -> RegistryRule | None:
    host = notes.attempt(Check.HOST, (*path, "host"), canonical_registry, raw["host"])
    mirrors = [
        notes.attempt(Check.HOST, (*path, "mirrors", i), parse_place, text)
        for i, text in enumerate(raw.get("mirrors", ()))
    ]
    mirror_of = (
        notes.attempt(Check.HOST, (*path, "mirrorOf"), canonical_registry, raw["mirrorOf"]) if "mirrorOf" in raw else ""
    )
    if "prefix" in raw:
        notes.attempt(
            Check.HOST, (*path, "prefix"), lambda prefix: parse_place(f"{raw['host']}/{prefix}"), raw["prefix"]
        )
    if host is None or mirror_of is None:
        return None
    for field in ("prefix", "authoritative"):
        if field in raw and not mirror_of:
            notes.add(Check.MIRROR, (*path, field), f"`{field}` is of a mirror", "add mirrorOf, or remove it")
    if host == mirror_of:
        notes.add(
            Check.MIRROR, (*path, "mirrorOf"), f"{host} is no mirror of itself", "name the registry that it mirrors"
        )
    certificate = raw.get("clientCert", {})
    secret = [field for field in ("ca", "clientCert") if "secret" in raw.get(field, {})]
    missing = [_missing(notes, (*path, field, "secret"), raw[field]) for field in secret]
    return RegistryRule(
        Place(host, raw.get("prefix", "")),
        tuple(mirror for mirror in mirrors if mirror is not None),
        mirror_of,
        raw.get("authoritative", False),
        _located(notes, (*path, "ca", "file"), raw.get("ca", {}).get("file", "")),
        (
            _located(notes, (*path, "clientCert", "file"), certificate["file"]),
            _located(notes, (*path, "clientCert", "keyFile"), certificate["keyFile"]),
        )
        if "file" in certificate
        else None,
        raw.get("insecure", False),
        tuple(raw.get("tokenRealms", ())),
        missing[0] if missing else "",
    )


def parse_place(text: str) -> Place:
    """`HOST[:PORT][/PREFIX]`.

    Raises:
        ParseError: something else.
    """
    host, slash, prefix = text.partition("/")
    if slash:
        # A prefix is what a repository's path begins with: with one component more it is such a path.
        reference = Reference.parse(f"{host}/{prefix}/x")
        if reference.repository != f"{prefix}/x":
            raise ParseError(f"{text[:200]!r} is no HOST/PREFIX", remedy="write it such as mirror.example.com/hub")
    return Place(canonical_registry(host), prefix)


def _missing(notes: Notes, path: Path, raw: dict[str, Any]) -> str:
    missing = f"the Secret {raw['secret']['name']} can't be read from here"
    notes.add(Check.SECRET_UNSEEN, path, missing, "the registry is not asked until it can")
    return missing


def _located(notes: Notes, path: Path, name: str) -> str:
    """A file's path: relative to the document that names it."""
    if not name:
        return ""
    if notes.read_file is None:
        notes.add(Check.FILE_REFUSED, path, "`file` is refused here", "use a Secret")
        return ""
    return str(PurePath(notes.document.file).parent / name)


def _shown(place: Place) -> str:
    return f"{place.host}/{place.prefix}" if place.prefix else place.host
