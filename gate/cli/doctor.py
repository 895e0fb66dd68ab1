"""`gate doctor`: what stands between the gate and a registry, step by step, each with its remedy."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.common import Exit, begin, common_flags, emit, printable, settings_of
from gate.errors import EvidenceUnavailable
from gate.policy.policy import Kept
from gate.policy.trust import NOTHING
from gate.registry.doctor_check import Check, Status, remedy_of
from gate.settings import parse_host, parse_reference, wants_color
from gate.wiring import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gate.deadline import Deadline
    from gate.evidence.facts import Unavailable
    from gate.image.reference import Reference
    from gate.registry.doctor import Doctor
    from gate.wiring import Gate

_COLORS: Final = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "red"}
_WIDTH: Final = 11  # of the longest name of a step


@click.command("doctor")
@click.argument("target", metavar="HOST|REF")
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print."
)
@common_flags("30s", config=True)
def command(target: str, **flags: Any) -> None:
    """Look at a registry, or at all that an image needs of one: name, address, TLS, credentials, limits, signatures.

    Each line says what was seen and, where it is not as it should be, what to do. Mirrors are looked at first, as the
    gate asks them; a --layout answers instead of a registry. Exit code 3 where the gate could not do its work, 0 where
    it could.

    \b
    Examples:
      gate doctor ghcr.io
      gate doctor ghcr.io/acme/api:v1 --registry-config config.json
    """
    host, reference = _read(target)
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    gate = build(settings)
    checks: list[Check] = []
    color = flags["output"] == "text" and wants_color(terminal=sys.stdout is not None and sys.stdout.isatty())
    try:
        for check in _look(gate, host, reference, deadline):
            checks.append(check)
            if flags["output"] == "text":
                emit(_line(check, color=color))  # as it is seen: some of it takes its time
    finally:
        gate.close()
    if flags["output"] == "json":
        emit(_json(target, checks))
    sys.exit(Exit.NOT_EVALUATED if any(check.status is Status.FAILED for check in checks) else Exit.PASS)


def _read(target: str) -> tuple[str, Reference | None]:
    """A host alone is what no image is: `ghcr.io` would be an image of Docker Hub's."""
    if "/" not in target and ("." in target or ":" in target or target == "localhost"):
        return parse_host(target), None
    reference = parse_reference(target)
    return reference.registry, reference


def _look(gate: Gate, host: str, reference: Reference | None, deadline: Deadline) -> Iterator[Check]:
    doctor = gate.network.doctor()
    if reference is None:
        yield from doctor.look(host, None, "", deadline)
        return
    origin = gate.settings.hosts.upstream(reference.name)
    if origin != reference.name:
        yield Check("name", Status.OK, f"{reference.name} is a mirror's, and judged as {origin}")
        reference = reference.renamed(origin)
    folder = gate.settings.layouts.get(origin)
    if folder is not None:
        yield Check("layout", Status.OK, f"{folder} answers for {origin}: no registry is asked")
        yield from _image(gate, None, reference, deadline)
        return
    failed = False
    for check in doctor.look(origin.registry, origin, str(reference.digest or reference.effective_tag), deadline):
        failed = failed or check.status is Status.FAILED
        yield check
    if not failed:
        yield from _image(gate, doctor, reference, deadline)


def _image(gate: Gate, doctor: Doctor | None, reference: Reference, deadline: Deadline) -> Iterator[Check]:
    """The image and what is signed of it, as the gate reads them; `doctor` where that is from a registry."""
    try:
        digest = gate.reviewer.resolve(reference, deadline)
        yield Check("image", Status.OK, f"{reference.name}@{digest}")
        if doctor is not None:
            yield doctor.referrers(reference.name, digest, deadline)
        _, evidence = gate.reviewer.survey(reference, Kept(), NOTHING, deadline)
    except EvidenceUnavailable as error:
        yield _failed("image", error, doctor)
        return
    found = Counter(rejection.format.value for rejection in evidence.rejected)
    said = ", ".join(f"{number} {kind}" for kind, number in sorted(found.items()))
    if said or not evidence.unavailable:
        yield Check("signatures", Status.OK, f"{said or 'none'} (whose, says gate inspect)")
    for place in evidence.unavailable:
        yield _failed("signatures", place, doctor)


def _failed(name: str, why: EvidenceUnavailable | Unavailable, doctor: Doctor | None) -> Check:
    remedy = why.remedy if doctor is None else remedy_of(why.code, why.remedy)
    return Check(name, Status.FAILED, f"{why.code}: {why.message}", remedy)


def _line(check: Check, *, color: bool) -> str:
    mark = check.status.value.ljust(len(Status.WARNING))
    shown = click.style(mark, fg=_COLORS[check.status]) if color else mark
    remedy = f"\n{' ' * (len(mark) + _WIDTH + 4)}fix: {printable(check.remedy)}" if check.remedy else ""
    return f"{shown}  {printable(check.name).ljust(_WIDTH)}  {printable(check.said)}{remedy}\n"


def _json(target: str, checks: Iterable[Check]) -> str:
    value = {
        "apiVersion": "imagegate.dev/doctor/v1",
        "target": target,
        "checks": [
            {"name": check.name, "status": check.status.value, "message": check.said, "remedy": check.remedy}
            for check in checks
        ],
    }
    return json.dumps(value, indent=2) + "\n"
