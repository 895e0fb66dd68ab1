"""Exceptions, in policies and as `GateException` documents (POLICY §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gate.image.digest import Digest
from gate.instants import parse_end
from gate.policy.break_glass import BreakGlass
from gate.policy.exceptions import GateException
from gate.policy.packages import PackagePattern
from gate.policy.patterns import ImagePattern
from gate.policy.reading.checks import Check
from gate.policy.reading.remedies import did_you_mean
from gate.policy.waiver import Inside, Scope, Waiver

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gate.documents import Path
    from gate.policy.policy import Policy
    from gate.policy.reading.notes import Notes

_NARROWING: Final = ("images", "digests", "namespaces")


def parse_waivers(notes: Notes, path: Path, raw: list[dict[str, Any]], origin: str = "") -> tuple[Waiver, ...]:
    """The entries of `exceptions`; those that are wrong are left out, and the problem noted."""
    found = (_waiver(notes, (*path, i), entry, origin) for i, entry in enumerate(raw))
    return tuple(waiver for waiver in found if waiver is not None)


def parse_exception(notes: Notes) -> GateException:
    """What a `GateException` grants."""
    metadata, spec = notes.data["metadata"], notes.data["spec"]
    namespace, name = metadata["namespace"], metadata["name"]
    waivers = parse_waivers(notes, ("spec", "exceptions"), spec["exceptions"], f"GateException {namespace}/{name}")
    return GateException(namespace, name, frozenset(spec["policies"]), waivers)


def parse_break_glass(notes: Notes) -> BreakGlass | None:
    """What a `GateBreakGlass` would let through, if somebody is known to have created it; None where it is wrong."""
    name, spec = notes.data["metadata"]["name"], notes.data["spec"]
    scope = parse_scope(notes, ("spec",), spec)
    end = notes.attempt(Check.INSTANT, ("spec", "until"), parse_end, spec["until"])
    if not any(field in spec for field in _NARROWING):
        notes.add(
            Check.BREAK_GLASS_OPEN,
            ("spec",),
            "it lets everything through",
            f"give one of {', '.join(_NARROWING)} at least",
        )
        return None
    if scope is None or end is None:
        return None
    return BreakGlass(name, scope, spec["until"], end, spec["reason"], spec.get("ticket", ""))


def parse_scope(notes: Notes, path: Path, raw: dict[str, Any]) -> Scope | None:
    """What something is narrowed to; None where a part of that is wrong: without it, it would reach further."""
    images = [
        notes.attempt(Check.IMAGE_PATTERN, (*path, "images", i), ImagePattern.parse, t)
        for i, t in enumerate(raw.get("images", ()))
    ]
    digests = [
        notes.attempt(Check.DIGEST, (*path, "digests", i), Digest.parse, t)
        for i, t in enumerate(raw.get("digests", ()))
    ]
    if None in images or None in digests:
        return None
    return Scope(
        tuple(pattern for pattern in images if pattern is not None),
        tuple(digest for digest in digests if digest is not None),
        tuple(raw.get("namespaces", ())),
    )


def _waiver(notes: Notes, path: Path, raw: dict[str, Any], origin: str) -> Waiver | None:
    scope = parse_scope(notes, path, raw)
    end = notes.attempt(Check.INSTANT, (*path, "until"), parse_end, raw["until"])
    inside = _inside(notes, path, raw)
    if scope is None or end is None or inside is None:
        return None
    return Waiver(
        raw["rule"],
        scope,
        raw["until"],
        end,
        raw["reason"],
        raw.get("ticket", ""),
        raw.get("approvedBy", ""),
        origin,
        inside,
    )


def _inside(notes: Notes, path: Path, raw: dict[str, Any]) -> Inside | None:
    """What of an image's content it is narrowed to; None where a part of that is wrong."""
    components = [
        notes.attempt(Check.PACKAGE_PATTERN, (*path, "components", i), PackagePattern.parse, text)
        for i, text in enumerate(raw.get("components", ()))
    ]
    if None in components:
        return None
    return Inside(
        tuple(name.upper() for name in raw.get("vulnerabilities", ())),
        tuple(one for one in components if one is not None),
        tuple(name.casefold() for name in raw.get("licenses", ())),
    )


def check_rules(notes: Notes, path: Path, raw: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Note where an exception names no rule, or one of two that are called the same."""
    for i, entry in enumerate(raw):
        name, here = entry["rule"], (*path, i, "rule")
        if name not in names:
            notes.add(Check.UNKNOWN_RULE, here, f"no rule is called {name!r}", did_you_mean(name, names))
        elif names.count(name) > 1:
            notes.add(Check.AMBIGUOUS_RULE, here, f"{names.count(name)} rules are called {name}", "give each a `name`")


def check_reach(notes: Notes, exception: GateException, policies: Iterable[Policy], hurt: frozenset[str]) -> None:
    """Note what a `GateException` cannot reach, of the policies that are there; `hurt`: names of those not whole."""
    known = [p for p in policies if p.namespace in (None, exception.namespace)]
    raw = notes.data["spec"]
    for i, name in enumerate(raw["policies"]):
        here = ("spec", "policies", i)
        meant = [policy for policy in known if policy.name == name]
        if not meant and name not in hurt:
            notes.add(
                Check.UNKNOWN_POLICY,
                here,
                f"no policy here is called {name!r}",
                did_you_mean(name, [p.name for p in known]),
            )
        for policy in meant:
            if exception.namespace not in policy.exceptions_from:
                why = f"{policy.kind} {name} takes no exceptions from namespace {exception.namespace}"
                notes.add(
                    Check.EXCEPTION_REFUSED, here, why, f"add {exception.namespace} to its `exceptionsFrom.names`"
                )
            check_rules(notes, ("spec", "exceptions"), raw["exceptions"], [rule.name for rule in policy.rules])
