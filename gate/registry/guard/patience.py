"""Where a registry says that it is busy: one more try, if there is time for it, and fewer requests at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gate.registry.guard.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate.deadline import Deadline
    from gate.registry.guard.transport import Request, Response, Transport

_BUSY: Final = frozenset({408, 500, 502, 503, 504})
_RATE_LIMITED: Final = 429
_TOO_MANY: Final = frozenset({_RATE_LIMITED, 503})
_SHORTLY: Final = 0.2  # seconds
_LONGEST: Final = 5.0  # seconds that a registry may make a review wait
_SHARE: Final = 0.5  # of the time that is left


class Patience:
    """Sends requests at the pace that their host bears, and each that meets a busy one once more. Thread-safe."""

    def __init__(self, transport: Transport, pause: Callable[[float], None]) -> None:
        """`pause` waits for so many seconds."""
        self._transport = transport
        self._pause = pause
        self._pace = Pace(pause)
        self.room = transport.room

    def send(self, request: Request, deadline: Deadline) -> Response:
        """The answer, or the second one.

        Raises:
            EvidenceUnavailable: as `Transport.send`.
        """
        host = urlsplit(request.url).netloc
        response = self._sent(host, request, deadline)
        seconds = pause_for(response, deadline.remaining())
        if seconds is None:
            return response
        if not _wants_pause(response):
            self._pause(seconds)
        return self._sent(host, request, deadline)

    def _sent(self, host: str, request: Request, deadline: Deadline) -> Response:
        with self._pace.turn(host, deadline):
            response = self._transport.send(request, deadline)
        if response.elsewhere:
            return response  # its answer is not theirs
        if response.status in _TOO_MANY:
            seconds = min(_stated(response) or 0.0, _LONGEST) if _wants_pause(response) else 0.0
            self._pace.refused(host, deadline.clock(), seconds)
        else:
            self._pace.answered(host)
        return response


def _wants_pause(response: Response) -> bool:
    """Whether a host has too many requests and says for how long: then it is for all who would ask it."""
    return response.status in _TOO_MANY and not response.elsewhere and "retry-after" in response.headers


def _stated(response: Response) -> float | None:
    """Seconds of its Retry-After; None where there is none, or a date."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdecimal() and len(text) <= 4 else None


def pause_for(response: Response, left: float) -> float | None:
    """Seconds to wait before one more try; None where it would not help or take too long.

    A rate limit without `Retry-After` is not over in a moment, and asking again counts again.
    """
    text = response.headers.get("retry-after", "")
    stated = _stated(response)
    if response.status == _RATE_LIMITED:
        seconds = stated
    elif response.status in _BUSY:
        seconds = stated if stated is not None or text else _SHORTLY
    else:
        return None
    return seconds if seconds is not None and seconds <= min(_LONGEST, left * _SHARE) else None
