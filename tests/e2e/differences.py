"""Where verdicts on images are not cosign's on purpose, as docs/compatibility.md has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the verdicts are not the same on purpose.

    Attributes:
        cosign: whether it accepts.
        gate: whether we do.
        why: we do not do as cosign does.
    """

    cosign: bool
    gate: bool
    why: str


DIFFERENCES: Final = {
    "Ed25519ph": Difference(
        cosign=False,
        gate=True,
        why="`cosign sign` makes Ed25519ph signatures (RFC 8032, prehashed) since 2.6 and its own `verify --key` looks "
        "for pure ones only; the gate takes both: either holds under that one key",
    ),
    "hash of P-384": Difference(
        cosign=False,
        gate=True,
        why="`cosign sign` hashes with SHA-384 and `cosign verify` with SHA-256 unless it is told; the gate takes the "
        "two hashes that are in use with the curve",
    ),
    "no log by a key": Difference(
        cosign=False,
        gate=True,
        why="a key that is named needs no log to be one; entries that are there have to hold (`log: required` in a "
        "policy asks for them)",
    ),
    "both formats": Difference(
        cosign=False,
        gate=True,
        why="cosign leaves `.sig` out of account as soon as anybody has stored a bundle, so that anybody who may write "
        "makes a signed image unsigned; of the gate's candidates each counts",
    ),
    "attestation for a signature": Difference(
        cosign=True,
        gate=False,
        why="cosign takes every bundle of the image by the key for a signature; the gate goes by the predicate type "
        "that was signed: a scanner's report is no release",
    ),
    "signature for an attestation": Difference(
        cosign=True,
        gate=False,
        why="the same the other way round: cosign's signature bundles are statements of a type of their own",
    ),
    "unanchored expression": Difference(
        cosign=True,
        gate=False,
        why="cosign looks for the expression anywhere in the identity (`…/org` then fits `…/org-evil`); the gate "
        "matches from end to end",
    ),
    "no extended key usage": Difference(
        cosign=True,
        gate=False,
        why="to Go a certificate without the extension is for everything; the Sigstore client specification wants code "
        "signing named, and a private PKI's other certificates are not to sign images",
    ),
    "host names": Difference(
        cosign=True,
        gate=False,
        why="a host name is nobody who signs: Fulcio issues URIs, e-mail addresses and user names, and the gate reads "
        "these. cosign takes host names of legacy signatures and refuses them in bundles",
    ),
    "roots for a bundle": Difference(
        cosign=False,
        gate=True,
        why="cosign takes `--ca-roots` for legacy signatures only (`unsupported`); the gate for every form",
    ),
}
