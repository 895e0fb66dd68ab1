"""What a log says of an entry whose promise is left out: the tree alone speaks for it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gate.codes import Code
from gate.errors import ParseError
from gate.evidence.bundle import Bundle
from gate.evidence.message import Message
from gate.evidence.signed import of_bundle
from gate.evidence.verifier import prove
from gate.image.digest import Digest
from gate.policy.trust import PUBLIC_GOOD
from gate.trust.anchors import Anchors, Holder
from gate.trust.root import TrustedRoot
from tests.fakes.fulcio import Signer, shared_key
from tests.fakes.signing_authority import Signature, encode, shared_world, statement
from tests.fakes.transparency_log import Place, TransparencyLog

if TYPE_CHECKING:
    from gate.evidence.facts import Witness
    from tests.fakes.transparency_log import Entry

WORLD = shared_world()
KEY = Signer(shared_key("P-256", "managed"))
MADE = Signature.of_payload(KEY, statement(Digest.of(b"image")))
BARE = Place(promise=False)
ENDED = {"start": "2021-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
ENDED_LATER = {"start": "2021-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}
OPEN = {"start": "2021-01-01T00:00:00Z"}


def witnessed(*entries: Entry, root: Any = None) -> Witness:
    trusted = TrustedRoot.parse(encode(root or WORLD.root()))
    bundle = Bundle.parse(encode(WORLD.bundle(MADE, entries=entries)))
    (proven,) = prove(
        of_bundle(bundle, Message.of(MADE.message)), Anchors((Holder(KEY.key.public, PUBLIC_GOOD, trusted),))
    )
    return proven.witness


def why(witness: Witness) -> str:
    assert not witness.logs
    assert witness.no_log
    assert witness.no_log.code is Code.LOG_ENTRY_INVALID
    return witness.no_log.reason


@pytest.mark.parametrize("url", ["https://rekor.test", "https://rekor.test/", "https://rekor.test:8443/api"])
def test_the_origin_of_a_log_that_promises_begins_with_its_host(url: str) -> None:
    log = TransparencyLog.rekor(url, shared_key("P-256", "log"))
    root = WORLD.root(logs=[log])
    host = url.removeprefix("https://").partition("/")[0]
    names = {host, url.removeprefix("https://").rstrip("/")}
    for origin in (*names, *(f"{name} - 1193050959916656506" for name in names)):
        entry = WORLD.entry(MADE, log=log, place=replace(BARE, origin=origin))
        assert witnessed(entry, root=root).logs == {log.key.public.fingerprint}
    for origin in (f"{host}.evil.test - 1", f"x{host} - 1", f"{host}-1", f"{host} -1", "other.test - 1", f" - {host}"):
        entry = WORLD.entry(MADE, log=log, place=replace(BARE, origin=origin))
        assert f"the checkpoint is of {origin!r}, not of the log {url}" in why(witnessed(entry, root=root))
        # what it promises is its own, whatever its tree is called
        promised = WORLD.entry(MADE, log=log, place=Place(origin=origin))
        assert witnessed(promised, root=root).logs == {log.key.public.fingerprint}


def test_one_entry_under_two_stated_indices_is_one() -> None:
    entry = WORLD.entry(MADE, place=BARE)
    assert witnessed(entry).logs
    for again in (
        entry,
        replace(entry, index=entry.index + 1),
        replace(WORLD.entry(MADE, place=replace(BARE, size=12)), index=entry.index + 1),  # by a later checkpoint
    ):
        for order in ([entry, again], [again, entry]):
            with pytest.raises(ParseError, match="one log entry twice"):
                witnessed(*order)
    # the same body in another place of the tree is another entry
    assert len(witnessed(entry, WORLD.entry(MADE, place=replace(BARE, index=5))).logs) == 1


@pytest.mark.parametrize("windows", [*itertools.permutations([ENDED, OPEN, ENDED_LATER])])
def test_the_order_of_a_logs_windows_in_the_trusted_root_is_no_matter(windows: tuple[Any, ...]) -> None:
    root: Any = WORLD.root(logs=[WORLD.rekor] * 3)
    for log, window in zip(root["tlogs"], windows, strict=True):
        log["publicKey"] = {**log["publicKey"], "validFor": window}
    assert witnessed(WORLD.entry(MADE, place=BARE), root=root).logs
    assert witnessed(WORLD.entry(MADE), root=root).times
    # where all are over, nothing says that it is from before
    for log in root["tlogs"]:
        log["publicKey"]["validFor"] = ENDED
    assert "is closed" in why(witnessed(WORLD.entry(MADE, place=BARE), root=root))


def test_whether_the_word_of_the_log_was_left_out() -> None:
    """Of Rekor v2 there is none; and where another entry of it is there, it is there."""
    assert witnessed(WORLD.entry(MADE, place=BARE)).withheld
    assert not witnessed(WORLD.entry(MADE)).withheld
    assert not witnessed(WORLD.entry(MADE, log=WORLD.rekor2)).withheld


@pytest.mark.parametrize("order", [0, 1])
def test_whose_tree_it_is_the_checkpoint_says_where_one_key_is_two_logs(order: int) -> None:
    key = shared_key("P-256", "log")
    logs = [TransparencyLog.rekor(url, key) for url in ("https://a.test", "https://b.test")]
    root = WORLD.root(logs=logs[:: -1 if order else 1])
    for log, host in zip(logs, ("a.test", "b.test"), strict=True):
        entry = WORLD.entry(MADE, log=log, place=replace(BARE, origin=f"{host} - 1"))
        assert witnessed(entry, root=root).logs == {key.public.fingerprint}
    other = WORLD.entry(MADE, log=logs[0], place=replace(BARE, origin="c.test - 1"))
    assert "the checkpoint is of 'c.test - 1'" in why(witnessed(other, root=root))
