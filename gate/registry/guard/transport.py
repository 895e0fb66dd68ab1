"""HTTP requests that a hostile server cannot stretch, inflate or steer: the guard.

What clients of HTTP leave open is closed here: their timeouts start anew at every byte, they decode bodies without a
bound, follow redirects with headers on, and connect to whatever a name resolves to.

`dial` connects, through a proxy where there is one (`proxied` says which rules then hold of a target) and with TLS,
`connection` asks, `idle` keeps connections for the next request, all within the request's time.
"""

from __future__ import annotations

import ssl
import threading
from collections import OrderedDict
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from gate import __version__
from gate.codes import Code
from gate.errors import EvidenceUnavailable, UsageError
from gate.registry.guard import tls
from gate.registry.guard.body import Body, Room
from gate.registry.guard.connection import Connection
from gate.registry.guard.dial import Dialer, Seen
from gate.registry.guard.failing import translate
from gate.registry.guard.head import ProtocolError
from gate.registry.guard.idle import Idle, Pool
from gate.registry.guard.origin import Origin
from gate.registry.guard.proxied import check_forwarded, forwarded
from gate.registry.guard.proxies import Proxies
from gate.registry.guard.reading import MAX_HEADERS, HeadTooLong

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from gate.deadline import Deadline
    from gate.image.content import Content
    from gate.registry.guard.connection import Answer
    from gate.registry.guard.hosts import Hosts
    from gate.registry.guard.proxies import Proxy

_V = TypeVar("_V")
REQUEST_SECONDS: Final = 20.0
"""The longest that one request may take, connection and body included, whatever the deadline allows."""

MAX_REDIRECTS: Final = 3
MAX_ERROR_BODY: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEPT_SHARE: Final = 0.3  # of the time, until a kept connection is given up for a new one
_BAD_REQUEST: Final = 400
_ERROR: Final = 500
# What stands in a request's target as it is in the URL (RFC 3986); what must not stand in one is escaped.
_TARGET: Final = "!#$%&'()*+,/:;=?@[]~"
_HOSTS: Final = 64  # hosts that connections are kept to
_USER_AGENT: Final = f"imagegate/{__version__}"


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer.

    Attributes:
        headers: by lower-case names; of a repeated header all values, joined by `, `.
        url: that answered.
        elsewhere: the host that was redirected to, where it is not who was asked; its answer is not theirs.
        content: the body of a 2xx answer that was asked for as `Request.stored`; `body` is empty then.
        hurried: it was busy, and there was no time to ask it again.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    elsewhere: str = ""
    content: Content | None = None
    hurried: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask.

    Attributes:
        method: GET, HEAD or POST.
        url: absolute.
        limit: bytes of a 2xx body; one that is longer is an error. Other bodies are cut at `MAX_ERROR_BODY`.
        headers: `Authorization` among them is dropped when a redirect leaves the origin.
        body: of a POST.
        redirects: whether to follow them: at most `MAX_REDIRECTS`, never from https to http.
        identified: whether a client certificate that is there for the host may be shown. It says who we are as a
            password does: not to whom a stranger's registry names (as its token service, or by a redirect).
        stored: the algorithm of a digest that is computed of a 2xx body while it arrives; what is large of it stays on
            disk, and is the answer's `content`. "" where the body is wanted in memory.
    """

    method: str
    url: str
    limit: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    redirects: bool = True
    identified: bool = False
    stored: str = ""


@dataclass(frozen=True, slots=True)
class _Way:
    """How an origin is reached.

    Attributes:
        pool: its kept connections.
        proxy: that is between; None for none.
        peer: who answers, for messages about TLS.
        context: of TLS; None for plain HTTP.
    """

    pool: Pool
    proxy: Proxy | None
    peer: tls.Peer
    context: ssl.SSLContext | None


class Transport:
    """Sends requests for one configuration of hosts and proxies. Thread-safe; keeps connections per origin."""

    def __init__(
        self,
        hosts: Hosts,
        resolver: Callable[[str, int], list[str]] | None = None,
        proxies: Proxies | None = None,
        contexts: tls.Contexts | None = None,
        idle: Idle | None = None,
    ) -> None:
        """Nothing is connected or read until the first request. `proxies`: none by default."""
        self._hosts = hosts
        self._proxies = proxies or Proxies()
        self._contexts = contexts or tls.Contexts()
        self._dialer = Dialer(hosts, resolver, self._contexts, self, self._connect)
        self._idle = Idle() if idle is None else idle
        self._pools: OrderedDict[tuple[Origin, bool], _Way] = OrderedDict()
        self._lock = threading.Lock()
        self._current = threading.local()
        self.room = Room()
        """For large answers: who asks for some enters it, and does what is to be done with them inside."""

    def close(self) -> None:
        """Drop kept connections."""
        with self._lock:
            ways, self._pools = list(self._pools.values()), OrderedDict()
        for way in ways:
            way.pool.close()

    def send(self, request: Request, deadline: Deadline) -> Response:
        """Send one request and read the whole answer.

        Raises:
            EvidenceUnavailable: unreachable, timed out, too large, not HTTP as it should be.
        """
        self.room.leave()
        deadline = deadline.sooner(REQUEST_SECONDS)
        asked = request
        for _ in range(MAX_REDIRECTS + 1):
            response = self._once(request, deadline)
            if response.status not in _REDIRECTS or not request.redirects:
                return response if request is asked else self._from(response, asked)
            request = self._redirected(request, response)
        raise EvidenceUnavailable(
            Code.REGISTRY_PROTOCOL, f"{Origin.of(request.url).name} is one redirect too many (at most {MAX_REDIRECTS})"
        )

    def look(self, url: str, deadline: Deadline) -> Seen:
        """Connect to where a URL leads, ask nothing, and say how it went.

        Raises:
            EvidenceUnavailable: as `send`.
        """
        return self._asking(Origin.of(url), self._seen, deadline)

    def _seen(self, origin: Origin, allowed: float) -> Seen:
        way: _Way | None = None
        try:
            way = self._way(origin, identified=True)
            connection = self._dialer.dial(origin, way.proxy, way.context)
        except ssl.SSLError as error:
            assert way is not None
            raise self._dialer.explain(error, way.peer, origin, way.proxy) from error
        except OSError as error:
            translate(error, way.peer.shown if way else origin.name, allowed, self.waited)
        with closing(connection):
            return Seen.of(connection, way.proxy)

    def _redirected(self, request: Request, response: Response) -> Request:
        here = Origin.of(request.url)
        try:
            target = _joined(request.url, response.headers.get("location", ""))
            there = Origin.of(target)
        except ValueError as error:
            raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"{here.name} redirected to {error}", remedy="") from None
        if there.scheme == "http" and (here.scheme == "https" or not self._hosts.is_insecure(there.name)):
            raise EvidenceUnavailable(
                Code.REGISTRY_PROTOCOL, f"{here.name} redirected to plain HTTP at {there.name}", remedy=""
            )
        if there == here:
            return replace(request, url=target)
        headers = {k: v for k, v in request.headers.items() if k != "Authorization"}
        return replace(request, url=target, headers=headers, identified=False)

    @staticmethod
    def _from(response: Response, asked: Request) -> Response:
        there = Origin.of(response.url)
        return response if there == Origin.of(asked.url) else replace(response, elsewhere=there.name)

    def _once(self, request: Request, deadline: Deadline) -> Response:
        try:
            origin = Origin.of(request.url)
        except ValueError as error:
            raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"the registry named {error}", remedy="") from error
        meter = deadline.meter
        self._current.received = 0
        asked = meter.begin(deadline.clock()) if meter is not None else 0
        try:
            return self._asking(origin, partial(self._tried, request=request), deadline)
        finally:
            if meter is not None:
                meter.end(asked, deadline.clock(), self._current.received)

    def _asking(self, origin: Origin, ask: Callable[[Origin, float], _V], deadline: Deadline) -> _V:
        """Do something within a deadline that the sockets know of."""
        if self._hosts.offline:
            raise EvidenceUnavailable(
                Code.REGISTRY_UNREACHABLE,
                f"{origin.name} was not asked (--offline)",
                remedy="answer for the repository with --layout REPO=DIR",
            )
        allowed = deadline.check(f"asking {origin.name}")
        self._current.deadline, self._current.since = deadline, None
        try:
            return ask(origin, allowed)
        except UsageError as error:
            # Files that were good when we started: a review under way can only say that it does not know.
            raise EvidenceUnavailable(
                Code.REGISTRY_UNREACHABLE, f"{origin.name} was not asked: {error.message}", remedy=error.remedy
            ) from error
        finally:
            self._current.deadline = None

    def _tried(self, origin: Origin, allowed: float, request: Request) -> Response:
        way: _Way | None = None
        try:
            way = self._way(origin, identified=request.identified)
            if request.body is None and (kept := way.pool.take()) is not None:
                # It was closed meanwhile, is out of step, or leads nowhere any more.
                with suppress(ConnectionError, ProtocolError, ssl.SSLError, TimeoutError):
                    return self._exchange(way, origin, request, kept)
                self.remaining()
            try:
                return self._exchange(way, origin, request)
            except ssl.SSLError:
                # Files that were renewed after we last looked at them: once more, with those.
                if not self._contexts.renewed(way.peer.files):
                    raise
            way = self._way(origin, identified=request.identified)
            return self._exchange(way, origin, request)
        except HeadTooLong as error:
            message = f"{origin.name} sent headers of more than the {MAX_HEADERS} bytes that are read"
            raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, message, remedy="") from error
        except (ProtocolError, OSError, ValueError) as error:
            if isinstance(error, ssl.SSLError) and way is not None:
                raise self._dialer.explain(error, way.peer, origin, way.proxy) from error
            translate(error, way.peer.shown if way else origin.name, allowed, self.waited)

    def _exchange(self, way: _Way, origin: Origin, request: Request, kept: Connection | None = None) -> Response:
        """One request and its answer, over a connection that is kept where the answer leaves it free.

        One that was kept before has a share of the time until it begins to answer. Who says anything is there, but who
        says himself, and to the end, that he is out of order. Behind a proxy it is not known who says nothing, nor in
        plain HTTP who says what.
        """
        current = self._current
        current.since, current.heard = None, way.proxy is not None
        try:
            connection = kept or way.pool.connect()
            try:
                seconds = self.remaining() * _KEPT_SHARE if kept else REQUEST_SECONDS
                response = self._asked(connection, way, origin, request, seconds)
            except BaseException:
                connection.close()
                raise
            way.pool.give(connection)
            if response.status >= _ERROR and (way.proxy is None or way.context is not None):
                current.heard = False
            return response
        finally:
            if current.heard:
                current.deadline.hear()

    def _asked(self, connection: Connection, way: _Way, origin: Origin, request: Request, seconds: float) -> Response:
        parts = urlsplit(request.url)
        target = quote(
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_TARGET, encoding="latin-1"
        )
        forwarding = way.proxy if way.context is None else None  # in plain HTTP, which it sees
        own = request.headers
        if forwarding is not None:
            target, own = forwarded(forwarding, origin, target, own)
        headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity", **own}
        with self.within(seconds):
            answer = connection.ask(request.method, target, headers, request.body)
        status, told = answer.head.status, answer.head.headers
        if forwarding is not None:
            check_forwarded(forwarding, origin.name, status, told)
        if request.method == "HEAD":
            return Response(status, told, b"", request.url)
        good = 200 <= status < 300
        if good and request.stored:
            content = self._stored(answer, request, origin.name)
            return Response(status, told, b"", request.url, content=content)
        limit = request.limit if good else MAX_ERROR_BODY
        body = self._body(answer, limit, origin.name, cut=not good)
        if status == _BAD_REQUEST and (failed := tls.told_by_http(way.peer, body, secured=way.context is not None)):
            raise failed
        return Response(status, told, body, request.url)

    def _body(self, answer: Answer, limit: int, host: str, *, cut: bool) -> bytes:
        with closing(Body()) as body:
            self._fill(body, answer, limit, host, cut=cut)
            if not cut:  # what came out of a buffer was not read within the time that was left
                self.remaining()
            self.room.take(body.size, self.remaining)
            return body.read()[:limit]

    def _stored(self, answer: Answer, request: Request, host: str) -> Content:
        body = Body(request.stored)
        try:
            self._fill(body, answer, request.limit, host, cut=False)
            self.remaining()  # as above
        except BaseException:
            body.close()
            raise
        return body

    def _fill(self, body: Body, answer: Answer, limit: int, host: str, *, cut: bool) -> None:
        try:
            body.fill(answer, limit, host, cut=cut)
        finally:
            self._current.received += body.size  # also of an answer that is too large or breaks off

    def _way(self, origin: Origin, *, identified: bool) -> _Way:
        """The way to an origin; a new one where the files that its TLS is made of have changed."""
        key = (origin, identified and origin.name in self._hosts.client_certificates)
        way = self._pools.get(key)
        files = way.peer.files if way else tls.Files.of(self._hosts, origin.name, identified=identified)
        context = self._contexts.get(files) if origin.scheme == "https" else None
        dropped = []
        with self._lock:
            way = self._pools.get(key)
            if way is None or way.context is not context:
                dropped += [way] if way else []
                way = self._pools[key] = self._new_way(origin, files, context)
            self._pools.move_to_end(key)
            if len(self._pools) > _HOSTS:
                dropped.append(self._pools.popitem(last=False)[1])
        for old in dropped:
            old.pool.close()  # its requests under way end by themselves
        return way

    def _new_way(self, origin: Origin, files: tls.Files, context: ssl.SSLContext | None) -> _Way:
        proxy = self._proxies.proxy_for(origin.scheme, origin.host, origin.port)
        shown = f"{origin.name} through the proxy {proxy.shown}" if proxy else origin.name
        dial = partial(self._dialer.dial, origin, proxy, context)
        pool = Pool(self._idle, lambda: Connection(dial(), origin.authority))
        return _Way(pool, proxy, tls.Peer(origin.name, shown, files), context)

    def remaining(self) -> float:
        """Seconds left for the request this thread is sending.

        Raises:
            TimeoutError: none.
        """
        deadline: Deadline | None = self._current.deadline
        left = deadline.remaining() if deadline else 0.0
        if left <= 0:
            raise TimeoutError("the time allowed ran out")
        return left

    def asked(self) -> None:
        """From now on an answer is waited for: what was before is no matter of who does not answer."""
        self._current.since = self._current.deadline.clock()

    def hear(self) -> None:
        """Something came of what this thread asked."""
        self._current.heard = True

    @property
    def waited(self) -> float:
        """Seconds since somebody was asked; 0 where nobody was."""
        since: float | None = self._current.since
        return 0.0 if since is None else self._current.deadline.clock() - since

    @property
    def behalf(self) -> str:
        """The registry that this thread's question is put to; "" where it is none."""
        deadline: Deadline | None = self._current.deadline
        return deadline.hearing.registry if deadline and deadline.hearing else ""

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """At most so many seconds of the request's time for what is done inside."""
        whole: Deadline | None = self._current.deadline
        self._current.deadline = whole.sooner(seconds) if whole else None
        try:
            yield
        finally:
            self._current.deadline = whole

    def _connect(self, origin: Origin) -> socket.socket:
        """A TCP connection to an address of `origin` that has been checked, and to no other."""
        return self._dialer.connect(origin)


def _joined(here: str, location: str) -> str:
    try:
        return urljoin(here, location)
    except ValueError:
        raise ValueError("a URL that cannot be read") from None
