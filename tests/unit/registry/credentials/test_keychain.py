from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.image.reference import Repository
from gate.registry.credentials.credential import Credential, Dated
from gate.registry.credentials.keychain import Chain, Found, Incomplete, Remembering
from tests.fakes.clients import Held, Saying, soon
from tests.fakes.clock import SettableClock
from tests.unit.registry.credentials.support import SECRET, config, repository

if TYPE_CHECKING:
    from gate.deadline import Deadline
    from gate.registry.credentials.credential import Keychain

FIRST = Credential("first", "u", "1")
SECOND = Credential("second", "u", "2")
FAILURE = EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, "the helper did not answer", remedy="mend it")
OTHER = EvidenceUnavailable(Code.DEADLINE_EXCEEDED, "another failure")


@dataclass
class _Listed:
    """Gives its answers in turn."""

    answers: list[tuple[Credential, ...] | EvidenceUnavailable]
    asked: int = 0
    forgotten: list[Repository] = field(default_factory=list)

    def find(self, repository: Repository, deadline: Deadline) -> tuple[Credential, ...]:
        self.asked += 1
        found = self.answers.pop(0)
        if isinstance(found, EvidenceUnavailable):
            raise found
        return found

    def forget(self, repository: Repository) -> None:
        self.forgotten.append(repository)


# several


@pytest.mark.parametrize(
    ("keychains", "expected"),
    [
        ([], ()),
        ([Held(None)], ()),
        ([Held(FIRST)], (FIRST,)),
        ([Held(None), Held(FIRST), Held(SECOND)], (FIRST, SECOND)),
        ([Held(SECOND), Held(None), Held(FIRST)], (SECOND, FIRST)),
        ([Held(FIRST), Held(Credential("elsewhere", "u", "1"))], (FIRST,)),
        ([_Listed([(FIRST, SECOND)]), Held(FIRST)], (FIRST, SECOND)),
        ([Chain([Held(FIRST)]), Chain([Held(SECOND)])], (FIRST, SECOND)),
    ],
)
def test_what_all_have_is_given_in_their_order_and_once(keychains: list[Keychain], expected: tuple[Credential]) -> None:
    assert Chain(keychains).find(repository(), soon()) == expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([FAILURE, (FIRST,)], (FIRST,)),
        ([(FIRST,), FAILURE], (FIRST,)),
        ([FAILURE, (FIRST,), OTHER, (SECOND,)], (FIRST, SECOND)),
    ],
)
def test_a_failure_hides_nothing(
    answers: list[tuple[Credential, ...] | EvidenceUnavailable], expected: tuple[Credential]
) -> None:
    """And says that it may have hidden something: with the others alone a registry may say that nothing is there."""
    with pytest.raises(Incomplete) as caught:
        Chain([_Listed([answer]) for answer in answers]).find(repository(), soon())
    assert (caught.value.message, caught.value.credentials) == (FAILURE.message, expected)


@pytest.mark.parametrize(
    "answers", [[FAILURE], [FAILURE, OTHER], [(), FAILURE], [FAILURE, ()], [(), FAILURE, OTHER, ()]]
)
def test_where_nobody_has_any_the_first_failure_is_the_answer(
    answers: list[tuple[Credential, ...] | EvidenceUnavailable],
) -> None:
    """Asked with no credentials, a registry would say that there is no such image."""
    with pytest.raises(Incomplete) as caught:
        Chain([_Listed([answer]) for answer in answers]).find(repository(), soon())
    told = (caught.value.code, caught.value.message, caught.value.remedy, caught.value.credentials)
    assert told == (FAILURE.code, FAILURE.message, FAILURE.remedy, ())


def test_everybody_is_told_to_forget() -> None:
    keychains = [Saying(lambda _: ()) for _ in range(3)]
    Chain([keychains[0], Chain(keychains[1:])]).forget(repository())
    assert [keychain.forgotten for keychain in keychains] == [1, 1, 1]


def test_secrets_are_in_no_repr() -> None:
    chain = Chain([Held(Credential("s", "u", SECRET)), config(auths={"ghcr.io": {"password": SECRET}})])
    remembering = Remembering(chain, SettableClock().monotonic)
    remembering.found(repository(), soon())
    for shown in (repr(chain), repr(remembering), repr(remembering._kept)):
        assert SECRET not in shown


# what is remembered


@pytest.mark.parametrize("answer", [(FIRST,), (FIRST, SECOND), ()])
def test_answers_are_remembered_for_a_minute(answer: tuple[Credential, ...]) -> None:
    clock = SettableClock()
    new = (Credential("s", "u", "new"),)
    inner = _Listed([answer, new, answer])
    keychain = Remembering(inner, clock.monotonic)
    assert [keychain.found(repository(), soon()) for _ in range(3)] == [Found(answer)] * 3
    clock.advance(59)
    assert keychain.found(repository(), soon()) == Found(answer)
    assert inner.asked == 1
    clock.advance(2)
    assert keychain.found(repository(), soon()) == Found(new)
    assert keychain.found(repository("ghcr.io/a/c"), soon()) == Found(answer)
    assert inner.asked == 3


def test_failures_are_remembered_for_seconds() -> None:
    clock = SettableClock()
    inner = _Listed([Incomplete(FAILURE, (FIRST,)), ()])
    keychain = Remembering(inner, clock.monotonic)
    for _ in range(3):
        found = keychain.found(repository(), clock.deadline())
        assert found.credentials == (FIRST,)
        assert found.failure is not None
        assert (found.failure.code, found.failure.message) == (FAILURE.code, FAILURE.message)
        clock.advance(2)
    assert inner.asked == 1
    assert keychain.found(repository(), clock.deadline()) == Found(())


def test_a_failure_for_want_of_time_is_remembered_by_nobody() -> None:
    clock = SettableClock()
    keychain = Remembering(_Listed([FAILURE, (FIRST,)]), clock.monotonic)
    assert keychain.found(repository(), clock.deadline(0)).failure is FAILURE
    assert keychain.found(repository(), clock.deadline()) == Found((FIRST,))


@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize("answer", [(FIRST,), ()])
def test_what_is_not_new_is_remembered_no_longer_than_it_counts(answer: tuple[Credential, ...], chained: bool) -> None:  # noqa: FBT001
    """Else what a helper said a minute ago to others would count for another."""
    clock = SettableClock()
    inner: Keychain = _Listed([Dated(answer, 20.0), (SECOND,)])
    if chained:
        inner = Chain([Held(None), Chain([Saying(lambda _: Dated((), 40.0)), inner])])
    keychain = Remembering(inner, clock.monotonic)
    assert keychain.found(repository(), soon()) == Found(answer)
    clock.advance(19)
    assert keychain.found(repository(), soon()) == Found(answer)
    clock.advance(1)
    assert keychain.found(repository(), soon()) == Found((SECOND,))


@pytest.mark.parametrize("answer", [(FIRST,), (FIRST, SECOND), ()])
def test_what_is_at_hand_is_said_without_asking(answer: tuple[Credential, ...]) -> None:
    clock = SettableClock()
    inner = _Listed([answer])
    keychain = Remembering(inner, clock.monotonic)
    assert keychain.at_hand(repository()) is None
    keychain.found(repository(), clock.deadline())
    assert keychain.at_hand(repository()) == answer
    assert inner.asked == 1
    assert keychain.at_hand(repository("ghcr.io/a/c")) is None
    clock.advance(60)
    assert keychain.at_hand(repository()) is None


def test_a_failure_is_not_at_hand() -> None:
    clock = SettableClock()
    keychain = Remembering(_Listed([FAILURE]), clock.monotonic)
    assert keychain.found(repository(), clock.deadline()).failure is FAILURE
    assert keychain.at_hand(repository()) is None


def test_what_is_forgotten_is_asked_for_anew_and_nothing_else() -> None:
    inner = _Listed([(FIRST,), (FIRST,), (SECOND,)])
    keychain = Remembering(inner, SettableClock().monotonic)
    one, other = repository(), repository("ghcr.io/acme/web")
    for name in (one, other):
        assert keychain.found(name, soon()) == Found((FIRST,))
    keychain.forget(one)
    assert inner.forgotten == [one]
    assert keychain.at_hand(one) is None
    assert keychain.found(one, soon()) == Found((SECOND,))
    assert keychain.found(other, soon()) == Found((FIRST,))
    assert inner.asked == 3


def test_a_failure_is_forgotten_too() -> None:
    keychain = Remembering(_Listed([FAILURE, (FIRST,)]), SettableClock().monotonic)
    assert keychain.found(repository(), soon()).failure is FAILURE
    keychain.forget(repository())
    assert keychain.found(repository(), soon()) == Found((FIRST,))


def test_what_is_remembered_is_bounded() -> None:
    keychain = Remembering(Saying(lambda _: ()), SettableClock().monotonic)
    for i in range(10_001):
        keychain.found(Repository("ghcr.io", f"a/{i}"), soon())
    assert len(keychain._kept) <= 10_000
    assert len(keychain._turns) <= 10_000


def test_who_waits_for_somebody_elses_question_waits_as_long_as_allowed() -> None:
    asked, go = threading.Event(), threading.Event()

    def slowly(_: Repository) -> tuple[Credential, ...]:
        asked.set()
        go.wait(20)
        return (FIRST,)

    keychain = Remembering(Saying(slowly), SettableClock().monotonic)
    first = threading.Thread(target=keychain.found, args=(repository(), soon(20)))
    first.start()
    assert asked.wait(20)
    with pytest.raises(EvidenceUnavailable) as caught:
        keychain.found(repository(), soon(0.05))
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    go.set()
    first.join()
    assert keychain.found(repository(), soon()) == Found((FIRST,))
