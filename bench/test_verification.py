"""What a verification costs, by pytest-benchmark: medians, beside `sigstore` where it can read the same.

`make bench` runs it and puts the medians into docs/performance.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sigstore.models import Bundle as SigstoreBundle
from sigstore.models import TrustedRoot as SigstoreRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import UnsafeNoOp

from gate.evidence.candidate import Candidate
from gate.evidence.facts import Format
from gate.evidence.verifier import verify
from gate.image.digest import Digest
from gate.trust.anchors import Anchors, Holder, Issuers
from gate.trust.root import TrustedRoot
from tests.fakes.fulcio import Signer, shared_key
from tests.fakes.signing_authority import Signature, encode, shared_world, simple_signing, statement
from tests.fakes.transparency_log import DSSE_1, HASHEDREKORD_2, Kind, TransparencyLog

if TYPE_CHECKING:
    from pathlib import Path

WORLD = shared_world()
IMAGE = Digest.of(b"an image")
ROOT = TrustedRoot.parse(WORLD.trusted_root())
KEY = Signer(shared_key())
ANCHORS = Anchors((Holder(KEY.key.public, root=ROOT),), (Issuers("bench", ROOT.authorities, ROOT),))


def _bundle(signer: Signer, log: TransparencyLog, kind: Kind) -> bytes:
    signature = Signature.of_payload(signer, statement(IMAGE))
    stamps = [WORLD.tsa.stamp(signature.content)] if log.version > 1 else []
    return encode(WORLD.bundle(signature, entries=[WORLD.entry(signature, log=log, kind=kind)], timestamps=stamps))


def _candidate(content: bytes) -> Candidate:
    return Candidate(Format.BUNDLE, Digest.of(content), "application/vnd.dev.sigstore.bundle.v0.3+json", content)


def _measure(benchmark: Any, candidate: Candidate) -> None:
    found = benchmark(verify, candidate, IMAGE, ANCHORS)
    assert isinstance(found, tuple)


def _legacy(signer: Signer, *, logged: bool) -> Candidate:
    signature = Signature.of_message(signer, simple_signing(IMAGE, "registry.test/acme/api"))
    layer = WORLD.legacy_signature(signature, logged=logged)
    return Candidate(Format.LEGACY, Digest.of(layer.content), layer.media_type, layer.content, layer.annotations)


def test_key_legacy(benchmark: Any) -> None:
    _measure(benchmark, _legacy(KEY, logged=False))


def test_key_bundle_with_promise_and_proof(benchmark: Any) -> None:
    _measure(benchmark, _candidate(_bundle(KEY, WORLD.rekor, DSSE_1)))


def test_keyless_legacy(benchmark: Any) -> None:
    _measure(benchmark, _legacy(WORLD.issue(), logged=True))


def test_keyless_bundle(benchmark: Any) -> None:
    _measure(benchmark, _candidate(_bundle(WORLD.issue(), WORLD.rekor, DSSE_1)))


def test_keyless_bundle_rekor_2_and_timestamp(benchmark: Any) -> None:
    _measure(benchmark, _candidate(_bundle(WORLD.issue(), WORLD.rekor2, HASHEDREKORD_2)))


@pytest.mark.parametrize(("log", "kind"), [(WORLD.rekor, DSSE_1), (WORLD.rekor2, HASHEDREKORD_2)], ids=["1", "2"])
def test_sigstore_keyless_bundle_rekor(benchmark: Any, tmp_path: Path, log: TransparencyLog, kind: Kind) -> None:
    """Reading the bundle included, as above; its verifier and root are made once."""
    file = tmp_path / "root.json"
    file.write_bytes(WORLD.trusted_root())
    verifier = Verifier(trusted_root=SigstoreRoot.from_file(str(file)))
    content = _bundle(WORLD.issue(), log, kind)
    benchmark(lambda: verifier.verify_dsse(SigstoreBundle.from_json(content), UnsafeNoOp()))
