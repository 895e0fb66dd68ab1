"""A cloud's library as the keychains call it: it may hang, and what it says may hold secrets."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from gate.codes import Code
from gate.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.deadline import Deadline

_V = TypeVar("_V")


class Aside:
    """Runs what may hang in threads of its own, a few at a time, and waits for it only while there is time.

    The threads are daemons: one that hangs holds neither a review nor the end of the program.
    """

    def __init__(self, most: int = 4) -> None:
        """`most` threads at once."""
        self._slots = threading.BoundedSemaphore(most)

    def run(self, work: Callable[[], _V], deadline: Deadline, name: str) -> _V:
        """What `work` returns or raises; `name` is of what it asks.

        Raises:
            EvidenceUnavailable: REGISTRY_TIMEOUT: it has not returned, or others hang and it was not begun.
        """
        allowed = deadline.check(f"asking {name}")
        if self._slots.acquire(timeout=allowed):
            future: Future[_V] = Future()
            try:
                threading.Thread(target=self._work, args=(work, future), name="cloud", daemon=True).start()
            except RuntimeError:
                self._slots.release()
                raise
            try:
                return future.result(timeout=max(0.0, deadline.remaining()))
            except TimeoutError:
                if future.done():
                    raise  # its own
        raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, f"{name} did not answer within {allowed:.1f} s")

    def _work(self, work: Callable[[], _V], future: Future[_V]) -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            future.set_exception(error)
        finally:
            self._slots.release()


def _nothing(_: Exception) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Cloud:
    """Who is asked for credentials.

    Attributes:
        source: what messages call it.
        extra: that installs its library.
        remedy: for all failures that say neither that it could not be reached nor that it took too long.
        unreachable: classes of its errors that say it could not be reached.
        detail: of an error, known to be harmless; "" for none.
    """

    source: str
    extra: str
    remedy: str
    unreachable: frozenset[str]
    detail: Callable[[Exception], str] = _nothing
    _aside: Aside = field(default_factory=Aside, repr=False)

    def ask(self, host: str, work: Callable[[], _V], deadline: Deadline) -> _V:
        """What `work` returns, for a registry's host.

        Raises:
            EvidenceUnavailable: why it gave nothing. Of what the library says only its class is told.
        """
        try:
            return self._aside.run(work, deadline, self.source)
        except EvidenceUnavailable:
            raise
        except Exception as error:
            raise self._unavailable(host, error) from error

    def no_token(self, host: str) -> EvidenceUnavailable:
        """It gave something else."""
        return EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"{self.source} gave something that is no token for {host}")

    def _unavailable(self, host: str, error: Exception) -> EvidenceUnavailable:
        if isinstance(error, ImportError):
            message = f"the credentials of {self.source} for {host} can't be had: its library is not installed"
            return EvidenceUnavailable(
                Code.REGISTRY_UNAUTHORIZED, message, remedy=f"pip install imagegate[{self.extra}]"
            )
        detail = self.detail(error)
        message = (
            f"{self.source} gave no credentials for {host}: {type(error).__name__}{f' ({detail})' if detail else ''}"
        )
        if "Timeout" in type(error).__name__:
            return EvidenceUnavailable(Code.REGISTRY_TIMEOUT, message)
        if self.unreachable & {kind.__name__ for kind in type(error).__mro__}:
            return EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, message)
        return EvidenceUnavailable(Code.REGISTRY_UNAUTHORIZED, message, remedy=self.remedy)
