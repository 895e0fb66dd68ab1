"""Where a registry says that it is busy: another try, if there is time for it, and fewer requests at a time."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gate.errors import EvidenceUnavailable
from gate.registry.guard.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.deadline import Deadline
    from gate.registry.guard.transport import Request, Response, Transport

_BUSY: Final = frozenset({408, 500, 502, 503, 504})
_RATE_LIMITED: Final = 429
_ERROR: Final = 500
_MAY_PASS: Final = _BUSY | {_RATE_LIMITED}
_TOO_MANY: Final = frozenset({_RATE_LIMITED, 503})
_SHORTLY: Final = 0.2  # seconds
PAUSE_SECONDS: Final = 5.0
"""That a registry may make a request wait before its next try."""

_SHARE: Final = 0.5  # of the time that is left
_DIGITS: Final = 9  # of a number of seconds
_IMF_FIXDATE: Final = "%a, %d %b %Y %H:%M:%S GMT"
_DATE: Final = 29  # characters of one
_REPOSITORY: Final = re.compile(r"/v2/(.+)/(?:manifests|blobs|tags|referrers)/[^/]+")
_TRIES: Final = 5  # of a request that others of ours were in the way of


class Patience:
    """Sends requests at the pace that their host bears, and each that meets a busy one again. Thread-safe."""

    def __init__(self, transport: Transport, pause: Callable[[float], None]) -> None:
        """`pause` waits for so many seconds."""
        self._transport = transport
        self._pause = pause
        self._pace = Pace(pause)
        self.room = transport.room

    def send(self, request: Request, deadline: Deadline) -> Response:
        """The answer, or that of a later try; it says whether there was no time for one more.

        A busy host is asked once more; not with a body, for what is in it may be good for one time only. One that has
        too many of ours at a time is asked again as often as its turn comes with fewer beside it, a few times.

        Raises:
            EvidenceUnavailable: as `Transport.send`.
        """
        parts = urlsplit(request.url)
        host, about = parts.netloc, _REPOSITORY.fullmatch(parts.path)
        said, until = None, deadline
        for tries in range(1, _TRIES + 1):
            try:
                response, crowded = self._sent(host, about[1] if about else "", request, deadline, until)
            except EvidenceUnavailable as error:
                if said is None:
                    raise
                return replace(said, hurried=error.hurried)  # what it said before is what it says
            seconds = pause_for(response, deadline.remaining(), crowded=crowded)
            if seconds is None:
                hurried = pause_for(response, math.inf, crowded=crowded) is not None
                return replace(response, hurried=True) if hurried else response
            if request.body is not None or tries >= (_TRIES if crowded else 2):
                break
            said, until = response, deadline
            if crowded:  # longer each time, so that those who are many have become fewer
                self._pause(min(_SHORTLY * 2 ** (tries - 1), deadline.remaining() * _SHARE))
                if response.status >= _ERROR:  # it may be down: nobody waits all his time to be told so again
                    until = deadline.sooner(deadline.remaining() * _SHARE)
            elif not _wants_pause(response):
                self._pause(seconds)
        return response

    def _sent(
        self, host: str, repository: str, request: Request, deadline: Deadline, until: Deadline
    ) -> tuple[Response, bool]:
        """The answer; and whether it is that there are too many, and others of ours were under way.

        Its turn comes before `until`.
        """
        begun, outages = deadline.clock(), self._pace.outages
        with self._pace.turn(host, until, repository) as among_others:
            try:
                response = self._transport.send(request, deadline)
            except EvidenceUnavailable as error:
                if deadline.heard:
                    outages.end(host, repository)
                elif error.unanswered:  # for so long it had nothing else to say before
                    error.unanswered += outages.lately(host, repository, begun) or 0.0
                raise
        if response.status >= _ERROR and not deadline.heard:
            outages.add(host, repository, deadline.clock())
        else:
            outages.end(host, repository)
        if response.elsewhere:
            return response, False  # its answer is not theirs
        if response.status in _TOO_MANY:
            seconds = min(retry_after(response.headers) or 0.0, PAUSE_SECONDS) if _wants_pause(response) else 0.0
            crowded = self._pace.refused(host, deadline.clock(), seconds, repository)
            return response, crowded or among_others
        self._pace.answered(host)
        return response, False


def _wants_pause(response: Response) -> bool:
    """Whether a host has too many requests and says for how long: then it is for all who would ask this of it."""
    return response.status in _TOO_MANY and not response.elsewhere and "retry-after" in response.headers


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a `Retry-After` (RFC 9110, 10.2.3); None where there is none that can be read.

    A date counts from the answer's own `Date`: whose clock is right does not matter then.
    """
    text = headers.get("retry-after", "")
    if text.isdecimal() and text.isascii() and len(text) <= _DIGITS:
        return float(text)
    until, now = _instant(text), _instant(headers.get("date", ""))
    return max(0.0, (until - now).total_seconds()) if until is not None and now is not None else None


def _instant(text: str) -> datetime | None:
    """Of an HTTP date, IMF-fixdate only."""
    try:
        return datetime.strptime(text, _IMF_FIXDATE).replace(tzinfo=UTC) if len(text) <= _DATE else None
    except ValueError:
        return None


def pause_for(response: Response, left: float, *, crowded: bool) -> float | None:
    """Seconds to wait before another try; None where it would not help or take too long.

    A rate limit that says nothing of `Retry-After`, and meets a request that is alone, is a quota: it is not over in a
    moment, and asking again counts again. One that meets a crowd may be about the crowd.
    """
    if response.status not in _MAY_PASS:
        return None
    said_nothing = "retry-after" not in response.headers and (crowded or response.status != _RATE_LIMITED)
    seconds = _SHORTLY if said_nothing else retry_after(response.headers)
    return seconds if seconds is not None and seconds <= min(PAUSE_SECONDS, left * _SHARE) else None
