from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from gate.codes import Code
from gate.evidence.limits import MAX_SCTS
from gate.evidence.refusal import Refused
from gate.evidence.sct import verify_scts
from gate.trust.root import Log
from gate.trust.window import Window
from tests.fakes.fulcio import AT, CtLog, Fulcio, Keypair, KeyType, Profile, Sct, shared_key

SECOND = timedelta(seconds=1)
FULCIO = Fulcio.create()
ONE, TWO, FOREIGN = (CtLog(f"https://{n}.test", shared_key(name=n)) for n in ("one", "two", "foreign"))
OWN = Sct(log=ONE)


def log(of: CtLog, window: Window | None = None) -> Log:
    return Log(of.url, of.key.public, frozenset({of.id}), window or Window())


LOGS = [log(ONE), log(TWO)]


def verified(*scts: Sct, logs: list[Log] | None = None, fulcio: Fulcio = FULCIO) -> set[str]:
    chain = fulcio.issue(shared_key(), Profile(), AT, scts).chain
    return set(verify_scts(chain, LOGS if logs is None else logs))


def refused(*scts: Sct, logs: list[Log] | None = None) -> str:
    with pytest.raises(Refused) as caught:
        verified(*scts, logs=logs)
    assert caught.value.code is Code.SCT_MISSING
    assert len(caught.value.reason) < 400
    return caught.value.reason


@pytest.mark.parametrize(
    ("scts", "logs"),
    [
        ((OWN,), {ONE}),
        ((OWN, Sct(log=TWO)), {ONE, TWO}),
        ((Sct(log=TWO), OWN), {ONE, TWO}),
        # one that does not hold takes nothing from one that does
        ((Sct(log=FOREIGN), OWN), {ONE}),
        ((OWN, replace(OWN, key=FOREIGN.key)), {ONE}),
        ((replace(OWN, at=AT - SECOND), OWN), {ONE}),
        # two of one log are one
        ((OWN, replace(OWN, at=AT + SECOND)), {ONE}),
        ((replace(OWN, extensions=b"\0\0\5\0\0\0\0\7"),), {ONE}),
        ((replace(OWN, extensions=b"x" * 60_000),), {ONE}),
        ((replace(OWN, at=AT + timedelta(milliseconds=1)),), {ONE}),
        ((replace(OWN, at=AT + timedelta(milliseconds=999)),), {ONE}),
    ],
    ids=count(),
)
def test_timestamps_that_hold(scts: tuple[Sct, ...], logs: set[CtLog]) -> None:
    assert verified(*scts) == {one.id.hex() for one in logs}


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048"])
def test_kinds_of_keys(kind: KeyType) -> None:
    other = CtLog("https://other.test", shared_key(kind, "ct"))
    assert verified(Sct(log=other), logs=[log(other)]) == {other.id.hex()}


def test_every_millisecond_is_signed_as_it_is() -> None:
    # instants are floats on their way through datetime: none may be off by one
    for milliseconds in (*range(0, 1000, 7), 999, 10**9 + 1, 10**9 + 999):
        sct = replace(OWN, at=AT + timedelta(milliseconds=milliseconds))
        assert verified(sct) == {ONE.id.hex()}


@pytest.mark.parametrize(
    ("scts", "why"),
    [
        ((), "no signed certificate timestamp"),
        ((Sct(log=FOREIGN),), f"CT log {FOREIGN.id.hex()[:12]} is not in the trusted root"),
        ((replace(OWN, key=FOREIGN.key),), "the signature by CT log https://one.test is wrong"),
        ((replace(OWN, key=TWO.key),), "the signature by CT log https://one.test is wrong"),
        ((replace(OWN, log_id=TWO.id),), "the signature by CT log https://two.test is wrong"),
        ((replace(OWN, log_id=b"\0" * 32),), "is not in the trusted root"),
        ((replace(OWN, precertificate=b"another"),), "is wrong"),
        ((replace(OWN, issuer=FULCIO.issuers[1].key),), "is wrong"),
        ((replace(OWN, issuer=shared_key()),), "is wrong"),
        ((Sct(log=FOREIGN), replace(OWN, key=TWO.key)), "is not in the trusted root; the signature by CT log"),
    ],
    ids=count(),
)
def test_timestamps_that_do_not(scts: tuple[Sct, ...], why: str) -> None:
    assert why in refused(*scts)


def test_no_log_is_trusted() -> None:
    assert "is not in the trusted root" in refused(OWN, logs=[])


def test_windows() -> None:
    for window in (Window(AT, AT), Window(AT), Window(None, AT)):
        assert verified(OWN, logs=[log(ONE, window)]) == {ONE.id.hex()}
    for window in (Window(AT + SECOND), Window(None, AT - SECOND), Window(AT - 2 * SECOND, AT - SECOND)):
        assert "https://one.test was not in use at 2026-01-02T03:04:05Z" in refused(OWN, logs=[log(ONE, window)])
        # a log that stands there twice counts when either is in use
        assert verified(OWN, logs=[log(ONE, window), log(ONE)]) == {ONE.id.hex()}
        assert verified(OWN, logs=[log(ONE), log(ONE, window)]) == {ONE.id.hex()}


def test_the_key_of_a_log_is_not_another_logs() -> None:
    swapped = replace(log(ONE), key=TWO.key.public)
    assert "is wrong" in refused(OWN, logs=[swapped])
    assert verified(OWN, logs=[swapped, log(ONE)]) == {ONE.id.hex()}


def test_a_timestamp_is_of_one_certificate() -> None:
    first = FULCIO.issue(shared_key(), Profile(), AT, [OWN])
    other = FULCIO.issue(shared_key(), Profile(claims={9: "another"}), AT)
    assert verify_scts(first.chain, LOGS)
    precertificate = first.chain[0].tbs_precertificate_bytes
    assert precertificate != other.chain[0].tbs_certificate_bytes
    stolen = replace(OWN, precertificate=precertificate)
    chain = FULCIO.issue(shared_key(), Profile(claims={9: "another"}), AT, [stolen]).chain
    with pytest.raises(Refused, match="is wrong"):
        verify_scts(chain, LOGS)


def test_the_issuer_is_the_paths() -> None:
    chain = FULCIO.issue(shared_key(), Profile(), AT, [OWN]).chain
    with pytest.raises(Refused, match="is wrong"):
        verify_scts((chain[0], chain[2]), LOGS)
    direct = Fulcio.create("direct.test", intermediate=False)
    assert verified(OWN, fulcio=direct) == {ONE.id.hex()}


def test_no_more_are_read_than_the_cap() -> None:
    strangers = [Sct(log=CtLog("", Keypair.generate())) for _ in range(MAX_SCTS - 1)]
    assert verified(*strangers, OWN) == {ONE.id.hex()}
    assert "is not in the trusted root" in refused(*strangers, strangers[0], OWN)
