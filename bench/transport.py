"""`python -m bench.transport`: what the guard around HTTP costs, and what it leaves behind."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import socket
import ssl
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

from bench.memory import IMAGES, KINDS, PAGES, PAYLOADS
from bench.memory import peak as evidence_peak
from gate.deadline import Deadline
from gate.errors import EvidenceUnavailable
from gate.image.manifest import MAX_MANIFEST
from gate.registry.guard.hosts import Hosts
from gate.registry.guard.proxies import Proxies
from gate.registry.guard.transport import Request, Transport
from tests.fakes.loopback import certificate_for
from tests.fakes.proxy_server import ProxyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "registry.example.com"
BATCHES, SIZE = 61, 50
BODY = b"x" * 1024
ANSWER = b"HTTP/1.1 200 OK\r\nDocker-Content-Digest: sha256:" + b"0" * 64 + b"\r\nContent-Length: 1024\r\n\r\n" + BODY
BAR_CPU, BAR_MEMORY, BAR_SOCKETS, BAR_LATE = 0.35, 40.0, 0, 500.0
ATTACKS = {"endless": "an endless body", "slow": "a slow body", "headers": "endless headers"}
HELLOS = b"\x16\x03\x03\x00\x04\x00\x00\x00\x00" * 1000  # HelloRequest, which needs no answer (RFC 5246, 7.4.1.1)
SECONDS = 3.0


def _serve(pipe: Any, kind: str, files: tuple[str, str] | None) -> None:
    """In a process of its own: its CPU is not ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if files else None
    if context is not None and files is not None:
        context.load_cert_chain(*files)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    pipe.send(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_one, args=(connection, context, kind), daemon=True).start()


def _one(connection: socket.socket, context: ssl.SSLContext | None, kind: str) -> None:
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while kind == "hellos":
            connection.sendall(HELLOS)
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        with connection:
            while _read(connection):
                if kind == "good":
                    connection.sendall(ANSWER)
                    continue
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + (b"" if kind == "headers" else b"\r\n"))
                while True:
                    connection.sendall({"endless": b"x" * 65536, "headers": b"a: b\r\n", "slow": b"x" * 512}[kind])
                    if kind != "endless":
                        time.sleep(0.001)
    except OSError:
        return


def _read(connection: socket.socket) -> bool:
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        more = connection.recv(4096)
        if not more:
            return False
        received += more
    return True


def _started(kind: str, files: tuple[str, str] | None = None) -> tuple[Any, int]:
    fork = multiprocessing.get_context("spawn")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=_serve, args=(theirs, kind, files), daemon=True)
    process.start()
    return process, ours.recv()


def _proxy(pipe: Any, ports: dict[str, int]) -> None:
    with ProxyServer(ports) as proxy:
        pipe.send(proxy.port)
        threading.Event().wait()


def _proxied(ports: dict[str, int]) -> tuple[Any, int]:
    fork = multiprocessing.get_context("spawn")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=_proxy, args=(theirs, ports), daemon=True)
    process.start()
    return process, ours.recv()


def _deadline(seconds: float = 30.0) -> Deadline:
    return Deadline.after(seconds, time.monotonic)


def cpu(transport: Transport, url: str, reference: urllib3.HTTPConnectionPool) -> tuple[list[float], list[float]]:
    """Milliseconds of this thread's CPU per request on a warm connection, a batch each: ours, and in turn with it
    urllib3's by itself, which guards nothing. Machines are busy; what they differ by is ours.
    """
    headers = {"Accept": "a/b, c/d, e/f, g/h", "Authorization": "Bearer " + "t" * 800}
    request = Request("GET", url, MAX_MANIFEST, headers)
    also = {"User-Agent": "imagegate", "Accept-Encoding": "identity", **headers}

    def ours() -> None:
        transport.send(request, _deadline())

    def theirs() -> None:
        answer = reference.urlopen("GET", "/v2/", headers=also, retries=False, preload_content=False)
        answer.read()
        answer.release_conn()

    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(BATCHES + 1):
        for send, kept in zip((ours, theirs), took, strict=True):
            begun = time.thread_time()
            for _ in range(SIZE):
                send()
            kept.append((time.thread_time() - begun) / SIZE * 1000)
    reference.close()
    return took[0][1:], took[1][1:]


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def attacked(transport: Transport, url: str, threads: int) -> tuple[float, float]:
    """MB that this process grew by at its peak while `threads` requests at a time go on until their deadline.

    And by how many milliseconds the latest of them was late.
    """
    gc.collect()
    before, peak, over = _resident(), 0.0, threading.Event()
    late: list[float] = []

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.002):
            peak = max(peak, _resident())

    def ask() -> None:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            try:
                transport.send(Request("GET", url, MAX_MANIFEST), _deadline(until - time.monotonic()))
            except EvidenceUnavailable:
                continue
        late.append(time.monotonic() - until)

    watching = threading.Thread(target=watch)
    watching.start()
    asking = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    over.set()
    watching.join()
    return max(0.0, peak - before), 1000 * max(late)


def _sockets() -> int:
    count = 0
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the folder's own descriptor vanishes meanwhile
        try:
            count += os.readlink(f"/proc/self/fd/{entry}").startswith("socket:")  # noqa: PTH115
        except OSError:
            continue
    return count


def left_behind(make: Callable[[], Transport], url: str) -> int:
    """Sockets more than before after 1,000 requests over 16 threads, and `close`. No garbage is collected."""
    gc.disable()
    before = _sockets()
    transport = make()

    def ask(number: int) -> None:
        # Some are cut off in the middle, some refused for their size: those connections have to be closed, too.
        limit, seconds = (100 if number % 7 == 0 else MAX_MANIFEST), (0.001 if number % 11 == 0 else 30.0)
        try:
            transport.send(Request("GET", url, limit), _deadline(seconds))
        except EvidenceUnavailable:
            return

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(1000)))
    transport.close()
    after = _sockets()
    gc.enable()
    return after - before


def _evidence() -> Iterator[tuple[str, float, str, float | None]]:
    for images, what in ((1, "gate verify"), (IMAGES, f"gate check of a Pod of {IMAGES}")):
        least = evidence_peak("nothing", images)
        for kind in (*(f for f in KINDS if f != "nothing"), PAGES, *PAYLOADS):
            grown = evidence_peak(kind, images) - least
            yield f"memory, {what}, {f'100 referrers of {kind}' if kind in KINDS else kind}", grown, "MB", BAR_MEMORY


@dataclass(frozen=True)
class World:
    """Servers that run, and how they are reached.

    Attributes:
        good: what is asked, in what way, and through whom.
        hostile: URLs of servers that never end, by what they do.
    """

    good: dict[str, tuple[Callable[[], Transport], str, urllib3.HTTPConnectionPool]]
    hostile: dict[str, str]
    hosts: Hosts


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """Servers in processes of their own, and a proxy; `folder` is for their certificate."""
    pair = certificate_for(folder, (NAME,))
    files = (str(pair[0]), str(pair[1]))
    good = [_started("good"), _started("good", files)]
    bare = [_started(kind) for kind in ATTACKS]
    inside = [*(_started(kind, files) for kind in ATTACKS), _started("hellos")]
    plain, secure = (port for _, port in good)
    proxy = _proxied({f"{NAME}:443": secure, f"{NAME}:80": plain})
    url = f"http://me:secret@127.0.0.1:{proxy[1]}"
    names = [f"127.0.0.1:{port}" for port in (plain, *(port for _, port in bare))]
    trusted = [NAME, *(f"127.0.0.1:{port}" for port in (secure, *(port for _, port in inside)))]
    hosts = Hosts(frozenset([*names, f"{NAME}:80"]), authorities=dict.fromkeys(trusted, files[0]))
    trusting = ssl.create_default_context(cafile=files[0])
    manager = urllib3.ProxyManager(url, proxy_headers={"Proxy-Authorization": "Basic x"}, ssl_context=trusting)
    asked = f"http://127.0.0.1:{plain}/v2/", f"https://127.0.0.1:{secure}/v2/", f"https://{NAME}/v2/"
    direct, through = partial(Transport, hosts), partial(Transport, hosts, proxies=Proxies.parse(url, "", ""))
    ways = {
        "plain HTTP": (direct, asked[0], urllib3.connection_from_url(asked[0])),
        "TLS": (direct, asked[1], urllib3.connection_from_url(asked[1], ssl_context=trusting)),
        "TLS in a proxy's tunnel": (through, asked[2], manager.connection_from_url(asked[2])),
    }
    hostile = {what: f"http://127.0.0.1:{port}/v2/" for what, (_, port) in zip(ATTACKS.values(), bare, strict=True)}
    for what, (_, port) in zip((*ATTACKS.values(), "a handshake without end"), inside, strict=True):
        hostile[f"{what}, TLS"] = f"https://127.0.0.1:{port}/v2/"
    try:
        yield World(ways, hostile, hosts)
    finally:
        for process, _ in (*good, *bare, *inside, proxy):
            process.terminate()
            process.join()


def rows(world: World) -> Iterator[tuple[str, float, str, float | None]]:
    """What was measured, how much of what unit, and its bar."""
    for what, (make, url, reference) in world.good.items():
        with closing(make()) as transport:
            ours, theirs = cpu(transport, url, reference)
        yield f"CPU a warm request, {what}", statistics.median(ours), "ms", BAR_CPU
        yield f"- its best batch of {BATCHES}", min(ours), "ms", BAR_CPU
        yield "- urllib3 by itself", statistics.median(theirs), "ms", None
        yield "- urllib3 by itself, best batch", min(theirs), "ms", None
    for what, url in world.hostile.items():
        for threads in (1, 8):
            with closing(Transport(world.hosts)) as transport:
                grown, late = attacked(transport, url, threads)
            yield f"memory, {what}, {threads} at a time", grown, "MB", BAR_MEMORY
            yield "- late", late, "ms", BAR_LATE
    yield from _evidence()
    for what, (make, url, _) in world.good.items():
        yield f"sockets left after 1,000 requests, {what}", left_behind(make, url), "", BAR_SOCKETS


def main() -> None:
    """Print the table; exit code 1 where a bar is missed."""
    with running(Path(tempfile.mkdtemp())) as world:
        found = list(rows(world))
    print("| what | got | bar | |\n|---|---|---|---|")
    for what, got, unit, bar in found:
        shown = f"{got:.3f}" if unit == "ms" else f"{got:.1f}" if unit else f"{got:.0f}"
        verdict = "" if bar is None else "held" if got <= bar else "MISSED"
        print(f"| {what} | {shown} {unit} | {'' if bar is None else f'{bar:g} {unit}'} | {verdict} |")
    if any(bar is not None and got > bar for _, got, _, bar in found):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
