"""HTTP requests that a hostile server cannot stretch, inflate or steer: the guard.

urllib3 does HTTP and pooling. What it leaves open is closed here: its timeouts start anew at every byte, it decodes
bodies without a bound, follows redirects with headers on, and connects to whatever a name resolves to.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field, replace
from functools import partial
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader, ProtocolError, SSLError
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from gate import __version__
from gate.codes import Code
from gate.errors import EvidenceUnavailable
from gate.registry.sockets import GuardedHTTP, GuardedHTTPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gate.deadline import Deadline
    from gate.registry.hosts import Hosts
    from gate.registry.sockets import DeadlineRaw

REQUEST_SECONDS: Final = 20.0
"""The longest that one request may take, connection and body included, whatever the deadline allows."""

MAX_REDIRECTS: Final = 3
MAX_ERROR_BODY: Final = 64 * 1024
_CHUNK: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LOOKUPS: Final = 16  # names resolved at once: a name that hangs holds one until the system gives up
_POOL: Final = 16  # kept connections a host
_HOSTS: Final = 64  # hosts that connections are kept to
_USER_AGENT: Final = f"imagegate/{__version__}"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Header names are lower-case; of a repeated header all values, joined by `, `."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


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
    """

    method: str
    url: str
    limit: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    redirects: bool = True


@dataclass(frozen=True, slots=True)
class _Origin:
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> _Origin:
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"not an http(s) URL: {url[:200]!r}")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a URL with credentials in it")
        return cls(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])

    @property
    def name(self) -> str:
        """`host[:port]` in the canonical form that operators' names have too: without 443."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS["https"] else f"{host}:{self.port}"


class Transport:
    """Sends requests for one configuration of hosts. Thread-safe; keeps connections per origin."""

    def __init__(self, hosts: Hosts, resolver: Callable[[str, int], list[str]] | None = None) -> None:
        """Nothing is connected or read until the first request."""
        self._hosts = hosts
        self._resolver = resolver or system_resolver
        self._lookups = ThreadPoolExecutor(max_workers=_LOOKUPS, thread_name_prefix="dns")
        self._pools: OrderedDict[_Origin, urllib3.HTTPConnectionPool] = OrderedDict()
        self._contexts: dict[str | None, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self._current = threading.local()

    def close(self) -> None:
        """Drop kept connections."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), OrderedDict()
        for pool in pools:
            pool.close()
        self._lookups.shutdown(wait=False, cancel_futures=True)

    def send(self, request: Request, deadline: Deadline) -> Response:
        """Send one request and read the whole answer.

        Raises:
            EvidenceUnavailable: unreachable, timed out, too large, not HTTP as it should be.
        """
        deadline = deadline.sooner(REQUEST_SECONDS)
        for _ in range(MAX_REDIRECTS + 1):
            response = self._once(request, deadline)
            if response.status not in _REDIRECTS or not request.redirects:
                return response
            request = self._redirected(request, response)
        raise EvidenceUnavailable(
            Code.REGISTRY_PROTOCOL, f"{_Origin.of(request.url).name} is one redirect too many (at most {MAX_REDIRECTS})"
        )

    def _redirected(self, request: Request, response: Response) -> Request:
        here = _Origin.of(request.url)
        try:
            target = urljoin(request.url, response.headers.get("location", ""))
            there = _Origin.of(target)
        except ValueError as error:
            raise EvidenceUnavailable(
                Code.REGISTRY_PROTOCOL, f"{here.name} redirected to {error}", remedy=""
            ) from error
        if there.scheme == "http" and (here.scheme == "https" or not self._hosts.is_insecure(there.name)):
            raise EvidenceUnavailable(
                Code.REGISTRY_PROTOCOL, f"{here.name} redirected to plain HTTP at {there.name}", remedy=""
            )
        headers = request.headers
        if there != here:
            headers = {k: v for k, v in headers.items() if k != "Authorization"}
        return replace(request, url=target, headers=headers)

    def _once(self, request: Request, deadline: Deadline) -> Response:
        try:
            origin = _Origin.of(request.url)
        except ValueError as error:
            raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"the registry named {error}", remedy="") from error
        if self._hosts.offline:
            raise EvidenceUnavailable(
                Code.REGISTRY_UNREACHABLE,
                f"{origin.name} was not asked (--offline)",
                remedy="answer for the repository with --layout REPO=DIR",
            )
        allowed = deadline.check(f"asking {origin.name}")
        self._current.deadline = deadline
        try:
            try:
                return self._exchange(origin, request)
            except ProtocolError:
                # A kept connection that the server has closed meanwhile: once more, on a new one if need be.
                self.remaining()
                return self._exchange(origin, request)
        except (HTTPError, OSError, ValueError) as error:
            if isinstance(error, InvalidHeader):
                self._current.reader.close()  # urllib3 has no response yet that could be
            _translate(error, origin.name, allowed)
        finally:
            self._current.deadline = None

    def _exchange(self, origin: _Origin, request: Request) -> Response:
        parts = urlsplit(request.url)
        response = self._pool(origin).urlopen(
            request.method,
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            body=request.body,
            headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "identity", **request.headers},
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
            assert_same_host=False,
        )
        try:
            if self._current.reader.ended:
                raise ProtocolError("the connection ended within the headers")
            good = 200 <= response.status < 300
            limit = request.limit if good else MAX_ERROR_BODY
            content = b"" if request.method == "HEAD" else _read(response, limit, origin.name, cut=not good)
            self.remaining()  # what came out of a buffer was not read within the time that was left
        except BaseException:
            response.close()
            raise
        response.release_conn()
        headers = {name.lower(): response.headers[name] for name in response.headers}  # items() would not join
        return Response(response.status, headers, content, request.url)

    def _pool(self, origin: _Origin) -> urllib3.HTTPConnectionPool:
        with self._lock:
            pool = self._pools.get(origin)
            if pool is None:
                pool = self._pools[origin] = self._new_pool(origin)
            self._pools.move_to_end(origin)
            old = self._pools.popitem(last=False)[1] if len(self._pools) > _HOSTS else None
        if old is not None:
            old.close()  # its requests under way end by themselves
        return pool

    def _new_pool(self, origin: _Origin) -> urllib3.HTTPConnectionPool:
        bound = {"guard": self, "dial": partial(self._connect, origin)}
        if origin.scheme == "http":
            plain = urllib3.HTTPConnectionPool(origin.host, origin.port, maxsize=_POOL)
            plain.ConnectionCls = type("_Bound", (GuardedHTTP,), bound)
            return plain
        authority = self._hosts.authorities.get(origin.name)
        if authority not in self._contexts:
            self._contexts[authority] = _ssl_context(authority)
        secure = urllib3.HTTPSConnectionPool(
            origin.host, origin.port, maxsize=_POOL, ssl_context=self._contexts[authority]
        )
        secure.ConnectionCls = type("_Bound", (GuardedHTTPS,), bound)
        return secure

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

    def reading(self, reader: DeadlineRaw) -> None:
        """Remember what this thread reads its answer from: http.client takes headers cut off by EOF for whole ones."""
        self._current.reader = reader

    def _connect(self, origin: _Origin) -> socket.socket:
        """A TCP connection to an address of `origin` that has been checked, and to no other."""
        future = self._lookups.submit(self._resolver, origin.host, origin.port)
        try:
            addresses = future.result(timeout=self.remaining())
        except FutureTimeout as error:
            future.cancel()
            raise TimeoutError("its name took too long to resolve") from error
        except (OSError, UnicodeError) as error:
            raise _unreachable(origin.name, error) from error
        for address in addresses:
            self._hosts.check_address(origin.name, address)
        failure: OSError = OSError("its name has no address")
        for address in addresses:
            try:
                connection = socket.create_connection((address, origin.port), timeout=self.remaining())
            except TimeoutError:
                raise
            except (OSError, OverflowError) as error:
                failure = OSError(str(error))
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
        raise _unreachable(origin.name, failure)


def system_resolver(host: str, port: int) -> list[str]:
    """The numeric addresses of a host, in the system's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _ssl_context(authority: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authority is not None:
        context.load_verify_locations(cafile=authority)
    return context


def _read(response: urllib3.BaseHTTPResponse, limit: int, host: str, *, cut: bool) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := response.read(min(_CHUNK, limit - size + 1)):
        size += len(chunk)
        chunks.append(chunk)
        if size > limit:
            response.close()
            if cut:
                break
            raise EvidenceUnavailable(
                Code.RESPONSE_TOO_LARGE, f"{host} sent more than the {limit} bytes that are read", remedy=""
            )
    return b"".join(chunks)[:limit]


def _translate(error: Exception, host: str, allowed: float) -> NoReturn:
    """Every way of failing, as a code and one line."""
    if isinstance(error, ValueError) and not isinstance(error, HTTPError):
        # Its text would show the header that is malformed, and that is the one with the credentials.
        raise EvidenceUnavailable(
            Code.REGISTRY_PROTOCOL,
            f"{host} was not asked: the request would be malformed",
            remedy="look at its credentials",
        ) from None
    wrapped = error.args[-1] if isinstance(error, ProtocolError) else None
    if isinstance(wrapped, (TimeoutError, ConnectionError)) and not isinstance(wrapped, RemoteDisconnected):
        error = wrapped  # of connecting and sending, or a reset
    if isinstance(error, (TimeoutError, Urllib3Timeout)):
        raise EvidenceUnavailable(Code.REGISTRY_TIMEOUT, f"{host} did not answer within {allowed:.1f} s") from error
    if isinstance(error, (SSLError, ssl.SSLError)):
        raise EvidenceUnavailable(
            Code.REGISTRY_UNREACHABLE,
            f"TLS with {host} failed: {_cause(error)}",
            remedy=f"for a private CA pass --registry-ca {host}=FILE; for plain HTTP --insecure-registry {host}",
        ) from error
    if isinstance(error, OSError):
        raise _unreachable(host, error) from error
    raise EvidenceUnavailable(Code.REGISTRY_PROTOCOL, f"{host} did not speak HTTP properly: {_cause(error)}") from error


def _unreachable(host: str, error: Exception) -> EvidenceUnavailable:
    return EvidenceUnavailable(Code.REGISTRY_UNREACHABLE, f"{host} could not be reached: {_cause(error)}")


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)[:200] or type(error).__name__
