"""What keeps clouds' tokens."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.credentials.credential import Credential
from gate.registry.credentials.renewing import Given, Renewing, seconds_kept
from tests.fakes.clients import soon
from tests.fakes.clock import SettableClock
from tests.fakes.registry_vendors import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.deadline import Deadline


@pytest.mark.parametrize(
    ("life", "kept"),
    [(12 * HOUR, 0.8 * 12 * HOUR), (HOUR, 0.8 * HOUR), (1000, 400), (620, 60), (300, 60), (60, 30), (0, 0), (-5, 0)],
)
def test_tokens_are_kept_until_well_before_they_end(life: float, kept: float) -> None:
    assert seconds_kept(life) == pytest.approx(kept)


class TestRenewing:
    """Waits are by the real clock, lives by one that stands still."""

    def given(self, password: str, seconds: float = HOUR) -> Callable[[Deadline], Given]:
        return lambda _: Given(Credential("a cloud", "u", password), seconds)

    @staticmethod
    def failing(_: Deadline) -> Given:
        raise EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, "a cloud is down")

    def test_many_ask_once(self) -> None:
        asked: list[int] = []

        def slow(_: Deadline) -> Given:
            asked.append(1)
            time.sleep(0.1)
            return Given(Credential("a cloud", "u", "p"), HOUR)

        renewing = Renewing(SettableClock().monotonic)
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda _: renewing.get("k", slow, soon()), range(64)))
        assert len(asked) == 1
        assert {credential.password for credential in found} == {"p"}

    def test_nobody_waits_for_another_longer_than_there_is_time(self) -> None:
        over = threading.Event()

        def hanging(_: Deadline) -> Given:
            over.wait(10)
            return Given(Credential("a cloud", "u", "p"), HOUR)

        renewing = Renewing(SettableClock().monotonic)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(renewing.get, "k", hanging, soon())
            time.sleep(0.05)
            with pytest.raises(EvidenceUnavailable) as caught:
                renewing.get("k", hanging, soon(0.1))
            assert renewing.get("another", self.given("q"), soon()).password == "q"
            over.set()
            assert first.result().password == "p"
        assert caught.value.code is Code.DEADLINE_EXCEEDED

    def test_what_is_still_good_is_used_while_another_renews_it(self) -> None:
        over, begun = threading.Event(), threading.Event()

        def hanging(_: Deadline) -> Given:
            begun.set()
            over.wait(10)
            return Given(Credential("a cloud", "u", "new"), HOUR)

        clock = SettableClock()
        renewing = Renewing(clock.monotonic)
        renewing.get("k", self.given("old"), soon())
        clock.advance(0.9 * HOUR)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(renewing.get, "k", hanging, soon())
            assert begun.wait(5)
            assert renewing.get("k", hanging, soon()).password == "old"
            over.set()
            assert first.result().password == "new"

    def test_a_cloud_that_is_down_fails_nobody_while_the_token_is_good(self) -> None:
        clock = SettableClock()
        renewing = Renewing(clock.monotonic)
        renewing.get("k", self.given("old"), soon())
        clock.advance(0.9 * HOUR)
        assert renewing.get("k", self.failing, soon()).password == "old"
        assert renewing.get("k", self.given("new"), soon()).password == "old"  # it is asked again in a minute
        clock.advance(61)
        assert renewing.get("k", self.given("new"), soon()).password == "new"

    def test_an_ended_token_is_nobodys(self) -> None:
        clock = SettableClock()
        renewing = Renewing(clock.monotonic)
        renewing.get("k", self.given("old"), soon())
        clock.advance(HOUR)
        with pytest.raises(EvidenceUnavailable, match="down"):
            renewing.get("k", self.failing, soon())

    def test_renewing_early_takes_a_part_of_the_time_only(self) -> None:
        clock = SettableClock()
        renewing = Renewing(clock.monotonic)
        renewing.get("k", self.given("old"), soon())
        clock.advance(0.9 * HOUR)
        had: list[float] = []

        def looking(deadline: Deadline) -> Given:
            had.append(deadline.remaining())
            raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, "a cloud is slow")

        renewing.get("k", looking, soon(8))
        clock.advance(61)
        renewing.get("k", looking, soon(100))
        assert 1 < had[0] <= 2
        assert 4 < had[1] <= 5

    def test_a_failure_is_remembered_for_seconds(self) -> None:
        clock = SettableClock()
        renewing = Renewing(clock.monotonic)
        for _ in range(2):
            with pytest.raises(EvidenceUnavailable, match="down"):
                renewing.get("k", self.failing, soon())
        with pytest.raises(EvidenceUnavailable, match="down"):
            renewing.get("k", self.given("p"), soon())
        clock.advance(6)
        assert renewing.get("k", self.given("p"), soon()).password == "p"

    def test_who_had_no_time_fails_nobody_else(self) -> None:
        renewing = Renewing(SettableClock().monotonic)
        with pytest.raises(EvidenceUnavailable, match="down"):
            renewing.get("k", self.failing, soon(0))
        assert renewing.get("k", self.given("p"), soon()).password == "p"

    def test_what_is_kept_is_bounded(self) -> None:
        renewing = Renewing(SettableClock().monotonic)
        for number in range(2500):
            renewing.get(str(number), self.given("p"), soon())
        assert len(renewing._kept) <= 1000
        assert len(renewing._turns) <= 1000
