"""What transparency logs and timestamping authorities say of a signature (client spec, 4.2 and 4.4)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import rfc8785

from gate.codes import Code
from gate.errors import ParseError
from gate.evidence.checkpoint import Checkpoint
from gate.evidence.entry_body import check_body
from gate.evidence.facts import Problem, TimeSource, VerifiedTime, Witness
from gate.evidence.inclusion import leaf_hash, root_of
from gate.evidence.refusal import Refused
from gate.evidence.timestamp import verify_timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.evidence.entry import InclusionProof, LogEntry
    from gate.evidence.entry_body import Logged
    from gate.trust.root import Log, TrustedRoot

_LATEST: Final = 253402300800  # the year 10000, in seconds since 1970


@dataclass(frozen=True, slots=True)
class Countersigned:
    """What a candidate brings to be witnessed by.

    Attributes:
        entries: of transparency logs.
        needs_proof: whether an entry has to prove that it is in its log; otherwise the log's promise has to be there.
        timestamps: RFC 3161 responses.
        stamped: what their imprints are over.
        broken_entry: why its log entry could not even be read.
        broken_timestamp: likewise.
    """

    entries: tuple[LogEntry, ...] = ()
    needs_proof: bool = False
    timestamps: tuple[bytes, ...] = field(default=(), repr=False)
    stamped: bytes = field(default=b"", repr=False)
    broken_entry: str = ""
    broken_timestamp: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing that a trusted root could say anything about."""
        return not (self.entries or self.timestamps or self.broken_entry or self.broken_timestamp)


def witness(brought: Countersigned, logged: Logged, root: TrustedRoot) -> Witness:
    """Verify entries and timestamps. Never raises: what does not hold is a problem beside what does.

    One wrong entry of a trusted log spoils them all; entries of logs that are not trusted say nothing.

    Args:
        brought: by the candidate.
        logged: what the entries have to be about.
        root: whose logs and timestamping authorities count.
    """
    times, no_timestamp = _timestamps(brought, root)
    logs: set[str] = set()
    log_times: list[VerifiedTime] = []
    withheld = False
    no_log: Problem | None = None
    try:
        for entry in brought.entries:
            log, time = _entry(entry, logged, root.logs, [t.at for t in times], needs_proof=brought.needs_proof)
            if log is None:
                no_log = _problem(f"log {entry.log_id.hex()[:12]} is not in the trusted root")
                continue
            logs.add(log.key.fingerprint)
            withheld = withheld or not (entry.promise or entry.of_rekor_2)
            log_times.extend([time] if time else [])
    except ParseError as error:
        logs, log_times, no_log, withheld = set(), [], _problem(error.message), False
    if brought.broken_entry:
        no_log = _problem(brought.broken_entry)
    elif logs:
        no_log = None
    elif no_log is None:
        no_log = Problem(Code.LOG_ENTRY_MISSING, "it has no transparency log entry")
    return Witness(frozenset(logs), tuple(sorted({*times, *log_times})), no_log, no_timestamp, withheld=withheld)


def _timestamps(brought: Countersigned, root: TrustedRoot) -> tuple[list[VerifiedTime], Problem | None]:
    found: list[VerifiedTime] = []
    reasons: list[str] = [brought.broken_timestamp] if brought.broken_timestamp else []
    for stamp in brought.timestamps:
        try:
            found.append(verify_timestamp(stamp, brought.stamped, root.timestamp_authorities))
        except Refused as refused:
            reasons.append(refused.reason)
    if found:
        return found, None
    if reasons:
        return [], Problem(Code.TIMESTAMP_INVALID, f"its timestamp does not hold: {'; '.join(reasons[:3])}")
    return [], Problem(Code.TIMESTAMP_MISSING, "it has no timestamp")


def _entry(
    entry: LogEntry, logged: Logged, logs: Sequence[Log], stamped_at: Sequence[datetime], *, needs_proof: bool
) -> tuple[Log | None, VerifiedTime | None]:
    """The log that an entry is of, and the time it states under its promise; None for a log that is not trusted.

    Raises:
        ParseError: the entry is wrong, with the step that failed.
    """
    # 1. The log is one that is trusted; one that stands there several times, by the windows of its key.
    named = [log for log in logs if entry.log_id in log.ids]
    if not named:
        return None, None
    log = _in_use(named, entry, stamped_at)
    # 2. What has to be there is there (sigstore_bundle.proto: v0.1 the promise, later the proof).
    if needs_proof and entry.proof is None:
        raise ParseError("the log entry has no inclusion proof")
    if not needs_proof and not entry.promise:
        raise ParseError("the log entry has no signed entry timestamp")
    # 3. The entry is in the tree that the log signed (RFC 6962, 2.1.1; C2SP tlog-checkpoint).
    if entry.proof is not None and (needs_proof or entry.proof.checkpoint):
        _check_proof(entry, entry.proof, log)
    # 4. The log promised it at the time stated (client spec, 4.2.2); without a promise that time says nothing.
    time = _promised(entry, log) if entry.promise else None
    # 5. Its key was in use then.
    moments = [time.at] if time else list(stamped_at)
    if not moments and log.window.end is not None:
        raise ParseError(f"the log {log.url} is closed, and nothing says that the entry is from before")
    for at in moments:
        if not log.window.holds(at):
            raise ParseError(f"the log {log.url} was in use from {log.window}; the entry is of {at:%Y-%m-%dT%H:%M:%SZ}")
    # 6. It is about this signature, signer and content (client spec, 4.4).
    check_body(entry, logged)
    return log, time


def _in_use(logs: Sequence[Log], entry: LogEntry, stamped_at: Sequence[datetime]) -> Log:
    """The one whose window is the likeliest; whether it holds is still to be checked.

    Where nothing says when, one that is still in use: wherever in the trusted root it stands.
    """
    states_one = bool(entry.promise) and 0 < entry.integrated_time < _LATEST
    claimed = [datetime.fromtimestamp(entry.integrated_time, UTC)] if states_one else []
    moments = claimed or list(stamped_at)
    if not entry.promise and entry.proof is not None and entry.proof.checkpoint and len(logs) > 1:
        # One key may be several logs': whose tree it is the checkpoint says.
        checkpoint = Checkpoint.parse(entry.proof.checkpoint)
        logs = [log for log in logs if checkpoint.is_of_host_of(log)] or logs
    if not moments:
        return next((log for log in logs if log.window.end is None), logs[0])
    return next((log for log in logs if all(log.window.holds(at) for at in moments)), logs[0])


def _check_proof(entry: LogEntry, proof: InclusionProof, log: Log) -> None:
    if not proof.checkpoint:
        raise ParseError("the inclusion proof has no checkpoint")
    checkpoint = Checkpoint.parse(proof.checkpoint)
    if not checkpoint.is_signed_by(log):
        raise ParseError(f"the checkpoint is not signed by the log {log.url}")
    if not entry.promise:
        _check_unpromised(entry, proof, checkpoint, log)
    if (checkpoint.size, checkpoint.root) != (proof.size, proof.root):
        raise ParseError("the inclusion proof is for another tree than the checkpoint")
    if root_of(leaf_hash(entry.body), proof.index, checkpoint.size, proof.hashes) != checkpoint.root:
        raise ParseError("the inclusion proof does not lead to the checkpoint's root")


def _check_unpromised(entry: LogEntry, proof: InclusionProof, checkpoint: Checkpoint, log: Log) -> None:
    """Nothing but the tree speaks for such an entry: the tree has to be this log's, as one key may sign several."""
    if not (checkpoint.is_named_after(log) if entry.of_rekor_2 else checkpoint.is_of_host_of(log)):
        raise ParseError(f"the checkpoint is of {checkpoint.origin[:100]!r}, not of the log {log.url}")
    # Of Rekor v1 the index runs over all shards, and is not known beforehand; neither it nor the time is used.
    if entry.of_rekor_2 and (entry.index != proof.index or entry.integrated_time):
        raise ParseError("the log entry states an index or a time that nothing vouches for")


def _promised(entry: LogEntry, log: Log) -> VerifiedTime | None:
    promised: dict[str, str | int] = {
        "body": b64encode(entry.body).decode(),
        "integratedTime": entry.integrated_time,
        "logID": entry.log_id.hex(),
        "logIndex": entry.index,
    }
    try:
        signed = rfc8785.dumps(promised)
    except rfc8785.CanonicalizationError as error:
        raise ParseError("the log entry's index or time is out of range") from error
    if not log.key.verifies(entry.promise, signed):
        raise ParseError(f"the signed entry timestamp is not by the log {log.url}")
    if not entry.integrated_time:
        return None
    try:
        at = datetime.fromtimestamp(entry.integrated_time, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise ParseError("the log entry's time is out of range") from error
    return VerifiedTime(at, TimeSource.LOG, log.url)


def _problem(reason: str) -> Problem:
    return Problem(Code.LOG_ENTRY_INVALID, reason)
