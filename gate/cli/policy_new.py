"""`gate policy new`: a policy from what an image carries already."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.authoring.propose import Carried, is_name, propose
from gate.cli.common import Exit, begin, common_flags, deliver, one_line, say, say_all, settings_of
from gate.cli.policy_record import told
from gate.cli.signers import kept_flags, kept_of, read_authorities, read_keys
from gate.cli.target import OCI
from gate.codes import Code
from gate.errors import EvidenceUnavailable, UsageError
from gate.image.manifest import Index
from gate.local import shown
from gate.policy.trust import SIGSTORE, TrustNeeds, WitnessedKey
from gate.registry.recording import record as keep
from gate.settings import parse_reference
from gate.wiring import build, clock_of

if TYPE_CHECKING:
    from datetime import datetime

    from gate.authoring.propose import Proposal
    from gate.deadline import Deadline
    from gate.evidence.facts import Evidence
    from gate.image.reference import Reference
    from gate.policy.policy import Kept
    from gate.policy.trust import PrivateAuthorities
    from gate.review.review import Reviewer

_POLICY_FILE: Final = "policy.yaml"  # where a test takes the policy to be that is written to stdout
MAX_SURVEYED: Final = 16
"""Images of an index that are looked at, where the index itself has no signature."""


@click.command("new")
@click.argument("ref", metavar="REF")
@click.option("--key", "keys", multiple=True, metavar="FILE", help="A PEM public key to try signatures by keys with.")
@click.option("--ca-roots", metavar="FILE", help="PEM roots of a private PKI to try certificates with too.")
@click.option("--ca-intermediates", metavar="FILE", help="PEM intermediates of that PKI.")
@click.option("--name", metavar="NAME", default="", help="What the policy is called; default: as the repository.")
@click.option("--output-file", metavar="F", help="Write the policy to a file instead.")
@click.option("--test-file", metavar="F", help="Write a GateTest of it to this file, and record the image beside.")
@kept_flags
@common_flags("60s", config=True)
def command(ref: str, **flags: Any) -> None:
    """Write a policy from what the image REF carries: who signed it, and what was attested by whom.

    Only what verifies makes a signer: certificates against the trusted root and a private PKI (--ca-roots), keys that
    --key gives (a signature does not tell its key). Everything else is a comment. Of an image that nobody signed there
    is no policy: exit code 1.

    \b
    Examples:
      gate policy new ghcr.io/acme/api:v1 --key cosign.pub
      gate policy new ghcr.io/acme/api:v1 --key cosign.pub --name acme-api --test-file api-test.yaml
    """
    if flags["name"] and not is_name(flags["name"]):
        raise UsageError(f"--name {flags['name'][:100]!r} is no name", remedy="write a-z, 0-9, - and .")
    if ref.startswith(OCI):
        raise UsageError("an image in a folder has no name for a policy", remedy="name it, and pass --layout REPO=DIR")
    _check_files(flags["output_file"], flags["test_file"])
    reference = parse_reference(ref)
    settings = settings_of(flags)
    deadline = begin(settings.timeout)
    keys = read_keys(flags["keys"], deadline)
    private = _private(flags, deadline)
    by_key = tuple(WitnessedKey(key, SIGSTORE) for key in keys.values())
    trust = TrustNeeds(by_key, (SIGSTORE,), (private,) if private is not None else ())
    gate = build(settings)
    try:
        carried = _carried(gate.reviewer, reference, kept_of(flags), trust, clock_of(settings)(), deadline)
        say_all(gate.roots.notes)
        found = _proposed(carried, flags)
        unknown = _unavailable(carried)
        for message in unknown:
            say(one_line(f"gate: {message}"))
        if found is None:
            sys.exit(_nobody(ref, carried, keyed=bool(keys), partial=bool(unknown)))
        deliver(found.policy, flags["output_file"])
        if unknown:
            say("gate: not everything could be looked at: there may be more than the policy has")
        if flags["test_file"]:
            deliver(found.test, flags["test_file"], "--test-file")
            folder = Path(flags["test_file"]).parent / found.recorded
            image = replace(reference, digest=carried.digest)
            told(keep(gate.registry, image, folder, deadline, carried.kept.of(reference.name)), reference, folder)
            if flags["output_file"] is None:
                say(f"gate: to the test the policy is {_POLICY_FILE} beside it: keep it there, or give --output-file")
    finally:
        gate.close()
    if unknown:
        sys.exit(Exit.NOT_EVALUATED)


def _check_files(policy: str | None, test: str | None) -> None:
    """A test and its policy are two files, however they are spelled.

    Raises:
        UsageError: they are one.
    """
    if not test:
        return
    beside = policy if policy is not None else str(Path(test).parent / _POLICY_FILE)
    if _same_file(Path(beside), Path(test)):
        raise UsageError(f"{shown(test)} is the policy's file too", remedy="write the policy and its test to two files")


def _same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by another spelling or by links; it need not be there yet."""
    try:
        return one.resolve() == other.resolve() or one.samefile(other)
    except (OSError, ValueError, RuntimeError):  # not both are there; a zero byte; links in a circle
        return False


def _private(flags: dict[str, Any], deadline: Deadline) -> PrivateAuthorities | None:
    """As a `certificate` signer is read: a timestamp is wanted, and no CT log."""
    if flags["ca_roots"]:
        return read_authorities(flags["ca_roots"], flags["ca_intermediates"], deadline, sct=False)
    if flags["ca_intermediates"]:
        raise UsageError("--ca-intermediates without --ca-roots", remedy="intermediates are trusted by their root only")
    return None


def _proposed(carried: Carried, flags: dict[str, Any]) -> Proposal | None:
    root, test = flags["trusted_root"], flags["test_file"]
    policy_file = _relative(flags["output_file"], test) if flags["output_file"] is not None else _POLICY_FILE
    return propose(carried, flags["name"], policy_file, _relative(root, test) if root is not None else "")


def _carried(
    reviewer: Reviewer, reference: Reference, kept: Kept, trust: TrustNeeds, at: datetime, deadline: Deadline
) -> Carried:
    """What the image carries; and, where nobody has signed its index, every image of that.

    Raises:
        EvidenceUnavailable: an image could not be had, or there are too many.
    """
    stored, evidence = reviewer.survey(reference, kept, trust, deadline)
    platforms: dict[str, Evidence] = {}
    if not evidence.signatures and isinstance(stored.manifest, Index):
        entries = [e for e in stored.manifest.manifests if e.platform is None or e.platform.runnable]
        if len(entries) > MAX_SURVEYED:
            raise EvidenceUnavailable(
                Code.RESPONSE_TOO_LARGE,
                f"{reference.name}: its index is not signed, and has {len(entries)} images; at most {MAX_SURVEYED} are "
                "looked at",
                remedy="name one of them by its digest",
            )
        for entry in entries:
            image = type(reference)(reference.registry, reference.repository, None, entry.digest, reference.text)
            name = str(entry.platform) if entry.platform is not None else entry.digest.short
            platforms[name] = reviewer.survey(image, kept, trust, deadline)[1]
    return Carried(reference, stored.digest, evidence, kept, at, platforms, next(iter(trust.private), None))


def _unavailable(carried: Carried) -> list[str]:
    every = (carried.evidence, *carried.platforms.values())
    return list(dict.fromkeys(f"{u.code}: {u.message}" for evidence in every for u in evidence.unavailable))


def _nobody(ref: str, carried: Carried, *, keyed: bool, partial: bool) -> Exit:
    """Say that there is nothing to make a policy of, and what would help."""
    every = (carried.evidence, *carried.platforms.values())
    there = sum(len(evidence.signatures) + len(evidence.rejected) for evidence in every)
    if partial:
        say(one_line(f"gate: {ref}: whether anybody has signed it is not known; retry"))
        return Exit.NOT_EVALUATED
    if there:
        remedy = "gate inspect shows why" if keyed else "give the key with --key FILE; gate inspect shows what is there"
        say(one_line(f"gate: {ref}: {there} found, and none that could be trusted; {remedy}"))
    else:
        image = carried.reference.pinned(carried.digest)
        say(one_line(f"gate: {ref}: nobody has signed it; sign it first: cosign sign --key cosign.key {image}"))
    return Exit.DENIED


def _relative(file: str, test: str | None) -> str:
    """A file as a GateTest names it: relative to its own, whatever links are on the way there."""
    start = os.path.realpath(Path(test).parent if test else ".")
    return Path(os.path.relpath(os.path.realpath(file), start)).as_posix()
