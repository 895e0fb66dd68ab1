"""What waits for a cloud's library, and tells of its errors no more than is harmless."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.credentials.cloud import Aside, Cloud
from tests.fakes.clients import soon

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "hunter2-correct-horse"


class Refused(Exception):
    pass


class Unreachable(Exception):
    pass


class FarUnreachable(Unreachable):
    pass


class ReadTimeout(Unreachable):
    pass


CLOUD = Cloud("Acme", "acme", "give it an identity", frozenset({"Unreachable"}), lambda error: type(error).__name__[:3])


NOTHING = "Acme gave no credentials for r.test: "
LIBRARY = "the credentials of Acme for r.test can't be had: its library is not installed"


@pytest.mark.parametrize(
    ("error", "code", "message", "remedy"),
    [
        (Refused(SECRET), Code.REGISTRY_UNAUTHORIZED, f"{NOTHING}Refused (Ref)", "give it an identity"),
        (FarUnreachable(SECRET), Code.REGISTRY_UNREACHABLE, f"{NOTHING}FarUnreachable (Far)", "retry"),
        (ReadTimeout(SECRET), Code.REGISTRY_TIMEOUT, f"{NOTHING}ReadTimeout (Rea)", "retry"),
        (ModuleNotFoundError(SECRET), Code.REGISTRY_UNAUTHORIZED, LIBRARY, "pip install imagegate[acme]"),
    ],
    ids=["refused", "unreachable", "timeout", "not installed"],
)
def test_why_it_gave_nothing(error: Exception, code: Code, message: str, remedy: str) -> None:
    with pytest.raises(EvidenceUnavailable) as raised:
        CLOUD.ask("r.test", _raising(error), soon())
    assert (raised.value.code, raised.value.message, raised.value.remedy) == (code, message, remedy)


def test_what_is_known_already_is_passed_on() -> None:
    error = EvidenceUnavailable(Code.DEADLINE_EXCEEDED, "no time")
    with pytest.raises(EvidenceUnavailable) as raised:
        CLOUD.ask("r.test", _raising(error), soon())
    assert raised.value is error
    assert CLOUD.ask("r.test", lambda: 7, soon()) == 7
    assert CLOUD.no_token("r.test").code is Code.REGISTRY_PROTOCOL


def test_what_it_returns_and_raises() -> None:
    aside = Aside()
    assert aside.run(lambda: 7, soon(), "a cloud") == 7
    for error in (ValueError("no"), TimeoutError("its own"), SystemExit(3)):
        with pytest.raises(type(error)) as caught:
            aside.run(_raising(error), soon(), "a cloud")
        assert caught.value is error


def test_what_hangs_holds_nobody_and_no_more_than_its_threads() -> None:
    over = threading.Event()
    begun: list[threading.Thread] = []

    def hang() -> None:
        begun.append(threading.current_thread())
        over.wait(30)

    aside = Aside(2)
    before = time.monotonic()
    for _ in range(5):
        with pytest.raises(EvidenceUnavailable, match=r"a cloud did not answer within 0\.1 s") as caught:
            aside.run(hang, soon(0.1), "a cloud")
        assert caught.value.code is Code.REGISTRY_TIMEOUT
    assert time.monotonic() - before < 3
    assert [thread.daemon for thread in begun] == [True, True]
    over.set()
    for thread in begun:
        thread.join()
    assert aside.run(lambda: 7, soon(), "a cloud") == 7


def test_nothing_is_begun_without_time() -> None:
    with pytest.raises(EvidenceUnavailable) as caught:
        Aside().run(lambda: pytest.fail("begun"), soon(-1), "a cloud")
    assert caught.value.code is Code.DEADLINE_EXCEEDED


def _raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work
