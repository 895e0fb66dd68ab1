"""Where the gate and `sigstore` answer differently on purpose. docs/verification.md has the same table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.differential.plans import Plan


def always(_: Plan) -> bool:
    return True


def rekor1(plan: Plan) -> bool:
    return plan.log.version == 1


def rekor2(plan: Plan) -> bool:
    return plan.log.version == 2


def rekor1_dsse(plan: Plan) -> bool:
    return rekor1(plan) and not plan.message


def rekor2_dsse(plan: Plan) -> bool:
    return rekor2(plan) and not plan.message


def rekor1_stamped(plan: Plan) -> bool:
    return rekor1(plan) and plan.stamped


def rekor1_unstamped(plan: Plan) -> bool:
    return rekor1(plan) and not plan.stamped


def version_1(plan: Plan) -> bool:
    return plan.version == "0.1"


def proof_suffices(plan: Plan) -> bool:
    """Whether its entry needs no promise: its version wants the proof, and a timestamp says when."""
    return plan.version != "0.1" and plan.stamped


def chains(plan: Plan) -> bool:
    """Whether its version has a chain of certificates."""
    return plan.version in {"0.1", "0.2"}


def later(plan: Plan) -> bool:
    return plan.version != "0.1"


def messages(plan: Plan) -> bool:
    return plan.message


@dataclass(frozen=True)
class Difference:
    """One.

    Attributes:
        name: what it is about, for people.
        accepted: whether it is the gate that accepts; otherwise it is `sigstore`.
        reason: why, for people.
        knobs: what shows it.
        where: of which right plans.
    """

    name: str
    accepted: bool
    reason: str
    knobs: tuple[str, ...]
    where: Callable[[Plan], bool] = always


def refused(name: str, reason: str, *knobs: str, where: Callable[[Plan], bool] = always) -> Difference:
    """The gate refuses what `sigstore` accepts."""
    return Difference(name, accepted=False, reason=reason, knobs=knobs, where=where)


def accepted(name: str, reason: str, *knobs: str, where: Callable[[Plan], bool] = always) -> Difference:
    """The gate accepts what `sigstore` refuses."""
    return Difference(name, accepted=True, reason=reason, knobs=knobs, where=where)


DIFFERENCES: Final = (
    # Windows and trust.
    refused(
        "window of a CA",
        "`validFor` is the operator's word on when the CA issued; a signing time outside it is not covered",
        "authority window over a second before",
        "authority window from a second later",
        "authority window that ends before it starts",
    ),
    refused(
        "window of a log",
        "a retired log key that leaks must not log anything new",
        "log window over a second before",
        "log window from a second later",
    ),
    refused(
        "window of a CT log",
        "likewise, at the certificate timestamp's own time",
        "CT log window over a second before",
        "CT log window from a second later",
    ),
    refused(
        "root outside its validity",
        "every certificate of the path has to be valid, the root too; there every listed certificate is an anchor",
        "root expired",
        "root not valid yet",
    ),
    refused(
        "unknown log id",
        "an id that is not in the trusted root names nobody; there every key is tried",
        "logs under other ids",
        "certificate timestamp by the log under another id",
    ),
    refused(
        "log id with a known beginning",
        "the same, where a checkpoint's four-byte hint happens to fit",
        "entry under an id with the same beginning",
        where=rekor2,
    ),
    accepted(
        "log known by its checkpoint key id",
        "sigstore_trustroot.proto: one of both ids has to be there; there it is `logId`",
        "logs with checkpoint key ids only",
    ),
    refused(
        "log key that cannot be read",
        "a trusted root is read whole or not at all; there a broken key is skipped",
        "a log with a key that is none",
        where=rekor2,
    ),
    refused(
        "timestamping service without certificates",
        "the same; there it is looked at only when there is a timestamp",
        "timestamper without certificates",
        where=rekor1_unstamped,
    ),
    accepted(
        "CA without a window",
        "absent is open at both ends, as the field is optional; only log keys have to have a start",
        "authority window absent",
    ),
    refused(
        "CA for other usages",
        "where a CA has an extended key usage, it has to leave code signing or any, as Go and OpenSSL want; "
        "there only the leaf's is looked at",
        "issued by an authority for servers",
    ),
    accepted(
        "CA without key usage",
        "OpenSSL's own have none, nor critical constraints, and Go takes them; where it is there it needs keyCertSign",
        "issued by an authority without key usage",
    ),
    accepted("trusted root v0.2", "its media type is in use", "trusted root v0.2"),
    accepted(
        "end of a timestamping service's window",
        "both ends of a window count (sigstore_common.proto: closed interval); there the end does not",
        "timestamper window over this very second",
        where=rekor2,
    ),
    accepted(
        "timestamping service known by its root",
        "the signer may come with the timestamp; its path to the one root is verified",
        "timestamper with its root only",
        where=rekor2,
    ),
    # Bundles.
    refused(
        "root in a bundle",
        "the conformance suite wants it refused; roots come from the trusted root alone",
        "root in the bundle",
        where=chains,
    ),
    accepted(
        "intermediate in a bundle",
        "passed through and never trusted; its path ends in a trusted root",
        "intermediate in the bundle only",
        where=chains,
    ),
    accepted(
        "certificate field in v0.1 and v0.2",
        "one certificate says the same in either field",
        "the form of another version",
        where=chains,
    ),
    refused("key twice in JSON", "two readers would see two bundles", "a key twice"),
    refused(
        "lenient base64",
        "each value has one text: no line breaks, no bits behind the end",
        "signature in base64 with a line break",
        "signature in base64 with bits behind its end",
    ),
    accepted("base64 for URLs", "protocol buffers' JSON allows it, and Go reads it", "signature in base64 for URLs"),
    accepted(
        "zero values left out",
        "writers of protocol buffers' JSON leave out 0, empty texts and lists",
        "zeros left out",
    ),
    accepted(
        "empty promise",
        "an empty message is an absent one",
        "entry with an empty promise",
        where=proof_suffices,
    ),
    accepted("empty digest", "likewise", "message digest empty", where=messages),
    accepted(
        "64-bit numbers as numbers",
        "readers of protocol buffers' JSON take both",
        "numbers as numbers",
    ),
    refused(
        "digest by another name",
        "a `messageDigest` that says it is SHA-512 is no SHA-256; there the name is not looked at",
        "message digest by another name",
        where=messages,
    ),
    # Certificates.
    accepted(
        "leaf without key usage",
        "RFC 5280 restricts nothing then, and private PKIs leave it out; where it is there it needs digital signatures",
        "leaf without key usage",
    ),
    accepted(
        "issuer in extension .8",
        "the client specification prefers it; there only the deprecated .1 is read",
        "leaf with the second issuer extension only",
        "leaf with an old issuer beside the right one",
    ),
    accepted(
        "user names",
        "the text in the UTF8String is compared; there its DER encoding is",
        "leaf of a user name",
    ),
    refused("33 names", "at most 32 names of a certificate are read", "leaf with 33 names"),
    accepted(
        "keys other than P-256",
        "the table of key types and hashes; there RSA and Ed25519 raise TypeError, and every curve needs SHA-256",
        "leaf with a P-384 key",
        "leaf with a P-521 key",
        "leaf with a RSA-2048 key",
        "leaf with a Ed25519 key",
    ),
    accepted(
        "P-384 and P-521 with SHA-256 in Rekor v2",
        "cosign up to 2.5 signs so; the entry's own hash is compared",
        "leaf with a P-384/SHA-256 key",
        "leaf with a P-521/SHA-256 key",
        where=rekor2,
    ),
    accepted(
        "several certificate timestamps",
        "one that holds suffices, others say nothing; there exactly one is read",
        "two certificate timestamps",
        "a good and a strange certificate timestamp",
        "two certificate timestamps of another log, which alone is trusted",
        "two certificate timestamps of another log, which is trusted too",
    ),
    # Log entries.
    accepted(
        "several log entries",
        "all of trusted logs have to hold; thresholds count distinct logs",
        "two entries of one log",
    ),
    accepted("entries of two logs", "likewise", "entries of two logs", where=later),
    refused(
        "index and time of an entry without a promise",
        "nothing vouches for them but the tree: the index is the proof's, and there is no time; there nobody looks",
        "entry with another index",
        "entry with another time",
        where=rekor2,
    ),
    refused(
        "name of a Rekor v2 log",
        "rekor-tiles: origin and key name are the host of the log's URL; one key may sign for several logs",
        "checkpoint of another origin",
        "checkpoint whose signer has another name",
        where=rekor2,
    ),
    refused(
        "name of a Rekor v1 log without a promise",
        "likewise: the origin begins with the host of the log's URL, as one key may sign several trees",
        "entry without a promise, checkpoint of another origin",
        where=proof_suffices,
    ),
    refused(
        "promise without a time",
        "a promise that is there has to hold; there it is not looked at where the time is 0",
        "entry without a time",
        where=rekor1_stamped,
    ),
    refused("key twice in a log entry's body", "two readers would see two entries", "entry whose body has a key twice"),
    accepted(
        "layout of PEM in a log entry",
        "the certificates are compared, not their texts",
        "entry whose PEM lacks its last newline",
        where=rekor1,
    ),
    accepted(
        "kinds of log entries",
        "intoto 0.0.2 and hashedrekord 0.0.1 of envelopes are in use (npm, SLSA, cosign)",
        "intoto 0.0.2 entry",
        "hashedrekord 0.0.1 entry",
        where=rekor1_dsse,
    ),
    accepted(
        "dsse 0.0.2 entries",
        "older Rekor v2 instances wrote them; payload, signature and certificate are bound",
        "dsse 0.0.2 entry",
        where=rekor2_dsse,
    ),
    accepted(
        "v0.1 without a proof",
        "what v0.1 has to have is the promise; a proof without a checkpoint is left out of account",
        "no proof",
        "proof without a checkpoint",
        where=version_1,
    ),
    refused(
        "size of the tree",
        "the proof's size has to be the signed checkpoint's; there it is not compared",
        "proof with a size that changes nothing",
    ),
    refused(
        "wrong second line of a log in its checkpoint",
        "signed-note: a known key's signature that fails spoils the note",
        "checkpoint with a wrong line of the log behind",
    ),
    refused(
        "line in a checkpoint that is no signature",
        "signed-note: it is malformed; there it is skipped",
        "checkpoint with a line that is no signature",
    ),
    # Timestamps.
    accepted(
        "timestamp that cannot be read",
        "it is a problem for a signer that wants timestamps; beside a log's promise it says nothing",
        "timestamp that is none",
        "timestamp that is empty",
        where=rekor1,
    ),
    accepted(
        "unreadable timestamp beside a good one",
        "likewise",
        "a good timestamp and one that is none",
    ),
    accepted("timestamp twice", "it counts once", "timestamp twice"),
    accepted(
        "timestamp without a timestamping service in the trusted root",
        "it says nothing, and the log's promise does",
        "no timestampers",
        where=rekor1_stamped,
    ),
)
