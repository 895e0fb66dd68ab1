"""`gate trust`: trusted roots: where they are from, how old, what they vouch for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gate.cli.common import begin, common_flags, emit, printable, say_all, settings_of
from gate.errors import UsageError
from gate.feeds.folder import require
from gate.policy.reading.remedies import did_you_mean
from gate.policy.trust import PUBLIC_GOOD, SIGSTORE
from gate.wiring import build

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gate.deadline import Deadline
    from gate.policy.trust import TrustRoot
    from gate.trust.authority import Authority
    from gate.trust.root import Log
    from gate.trust.sources import LoadedRoot
    from gate.trust.window import Window

_OUTPUT = click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)


_NAME = click.argument("name", metavar="[NAME]", default=PUBLIC_GOOD)
_POLICY = click.option(
    "-p",
    "--policy",
    "policies",
    multiple=True,
    metavar="POLICY",
    show_envvar=True,
    envvar="IMAGEGATE_POLICY",
    help="Where the GateTrustRoot NAME is.",
)


@click.group("trust")
def command() -> None:
    """Look after trusted roots.

    \b
    Example:
      gate trust show
    """


@command.command("show")
@_NAME
@_POLICY
@_OUTPUT
@common_flags("30s")
def show(name: str, **flags: Any) -> None:
    """Show a trusted root that signatures are verified with: its source, age, expiry, keys and windows.

    Without NAME it is the public-good root, or what --trusted-root puts in its place.

    \b
    Examples:
      gate trust show
      gate trust show --offline --output json
      gate trust show acme-tsa -p policies/
    """
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    root = _named(name, flags["policies"], deadline)
    gate = build(settings)
    try:
        loaded = gate.roots.load(root, deadline)
    finally:
        gate.close()
    say_all(gate.roots.notes)
    _print(loaded, gate.now(), flags["output"])


@command.command("update")
@_NAME
@_POLICY
@_OUTPUT
@common_flags("30s")
def update(name: str, **flags: Any) -> None:
    """Refresh a trusted root by TUF now, and show it.

    \b
    Examples:
      gate trust update
      gate trust update acme-tsa -p policies/
    """
    if flags["trusted_root"]:
        raise UsageError("--trusted-root is a file, which nothing refreshes", remedy="leave it out")
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    root = _named(name, flags["policies"], deadline)
    gate = build(settings)
    try:
        loaded = gate.roots.update(root, deadline)
    finally:
        gate.close()
    _print(loaded, gate.now(), flags["output"])


def _named(name: str, paths: Sequence[str], deadline: Deadline) -> TrustRoot:
    if name == PUBLIC_GOOD:
        return SIGSTORE
    if not paths:
        raise UsageError(f"where is the GateTrustRoot {name}?", remedy="name its file or folder with -p")
    known = require([Path(path) for path in paths], deadline).set.trust_roots
    if name not in known:
        raise UsageError(f"no GateTrustRoot is called {name!r}", remedy=did_you_mean(name, (*known, PUBLIC_GOOD)))
    return known[name]


def _print(loaded: LoadedRoot, now: datetime, output: str) -> None:
    emit((_json(loaded) if output == "json" else printable(_text(loaded, now))) + "\n")


def _text(loaded: LoadedRoot, now: datetime) -> str:
    root = loaded.root
    age = f", {_days(now, loaded.fetched_at)} old" if loaded.fetched_at else ""
    lines = [f"source: {loaded.source.value}{age}"]
    if loaded.expires:
        lines.append(f"expires: {loaded.expires:%Y-%m-%dT%H:%M:%SZ}")
    lines.append(f"digest: sha256:{root.digest}")
    for title, entries in (
        ("certificate authorities", [_authority(a) for a in root.authorities]),
        ("certificate transparency logs", [_log(log) for log in root.ct_logs]),
        ("transparency logs", [_log(log) for log in root.logs]),
        ("timestamping authorities", [_authority(a) for a in root.timestamp_authorities]),
    ):
        lines.append(f"{title}:" if entries else f"{title}: none")
        lines.extend(f"  {entry['name']}  {entry['what']}  {entry['window']}" for entry in entries)
    lines.extend(f"not used by this version: {what}" for what in root.unsupported)
    return "\n".join(lines)


def _authority(authority: Authority) -> dict[str, str]:
    return {
        "name": authority.name,
        "what": f"root {authority.fingerprint[:12]}",
        "fingerprint": authority.fingerprint,
        "window": str(authority.window),
    }


def _log(log: Log) -> dict[str, str]:
    return {
        "name": log.url,
        "what": log.key.short,
        "fingerprint": log.key.fingerprint,
        "window": str(log.window),
    }


def _json(loaded: LoadedRoot) -> str:
    root = loaded.root

    def shown(at: datetime | None) -> str | None:
        return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else None

    def window(of: Window) -> dict[str, str | None]:
        return {"start": shown(of.start), "end": shown(of.end)}

    value = {
        "apiVersion": "imagegate.dev/trust/v1",
        "source": loaded.source.value,
        "fetchedAt": shown(loaded.fetched_at),
        "expires": shown(loaded.expires),
        "digest": f"sha256:{root.digest}",
        "certificateAuthorities": [
            {"uri": a.name, "root": a.fingerprint, "validFor": window(a.window)} for a in root.authorities
        ],
        "ctlogs": [{"url": x.url, "key": x.key.fingerprint, "validFor": window(x.window)} for x in root.ct_logs],
        "tlogs": [{"url": x.url, "key": x.key.fingerprint, "validFor": window(x.window)} for x in root.logs],
        "timestampAuthorities": [
            {"uri": a.name, "root": a.fingerprint, "validFor": window(a.window)} for a in root.timestamp_authorities
        ],
        "unsupported": list(root.unsupported),
    }
    return json.dumps(value, indent=2)


def _days(now: datetime, then: datetime) -> str:
    hours = int((now - then).total_seconds() // 3600)
    return f"{hours // 24} d" if hours >= 48 else f"{max(hours, 0)} h"  # noqa: PLR2004 - two days
