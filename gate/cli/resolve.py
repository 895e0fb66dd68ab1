"""`gate resolve`: references with the digests their tags have now."""

from __future__ import annotations

import sys
from typing import Any

import click

from gate.cli.common import Exit, begin, common_flags, emit, say, settings_of, worst
from gate.cli.target import parse_target
from gate.errors import EvidenceUnavailable
from gate.wiring import build


@click.command("resolve")
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@common_flags("60s", config=True)
def command(refs: tuple[str, ...], **flags: Any) -> None:
    """Print `repo:tag@sha256:…` for each REF.

    \b
    Example:
      gate resolve nginx:1.27 ghcr.io/acme/api:v1
    """
    targets = [parse_target(ref) for ref in refs]
    codes: list[Exit] = []
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    gate = build(settings, {name: layout for target in targets for name, layout in target.layouts.items()})
    try:
        for target in targets:
            try:
                emit(f"{target.resolved(gate.reviewer.resolve(target.reference, deadline))}\n")
            except EvidenceUnavailable as error:
                say(f"gate: {target.text}: {error.code}: {error}")
                codes.append(Exit.NOT_EVALUATED)
    finally:
        gate.close()
    sys.exit(worst(codes))
