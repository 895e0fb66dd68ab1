"""A bounded load on a loopback webhook: keep-alive TLS connections that post one body again and again."""

from __future__ import annotations

import multiprocessing
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

PROCESSES = 2
MAX_SECONDS = 60


@dataclass(frozen=True)
class Load:
    """What a run measured: answers per second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float
    failed: int


def run(port: int, path: str, body: bytes, *, connections: int, seconds: float) -> Load:
    """Post `body` over so many connections for so long, from two processes."""
    seconds = min(seconds, MAX_SECONDS)
    results: Queue[tuple[list[float], int]] = multiprocessing.Queue()
    shares = [connections // PROCESSES + (i < connections % PROCESSES) for i in range(PROCESSES)]
    workers = [
        multiprocessing.Process(target=_process, args=(port, path, body, n, seconds, results)) for n in shares if n
    ]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    found = [results.get(timeout=seconds + 30) for _ in workers]
    for worker in workers:
        worker.join()
    elapsed = max(seconds, min(time.perf_counter() - started, seconds + 1))
    latencies = sorted(value for values, _ in found for value in values)
    rate = len(latencies) / elapsed
    return Load(rate, _at(latencies, 0.5), _at(latencies, 0.99), sum(failed for _, failed in found))


def _at(latencies: list[float], share: float) -> float:
    return latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000 if latencies else 0.0


def _process(
    port: int, path: str, body: bytes, connections: int, seconds: float, results: Queue[tuple[list[float], int]]
) -> None:
    latencies: list[float] = []
    failures: list[int] = []
    end = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=_connection, args=(port, path, body, end, latencies, failures))
        for _ in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((latencies, len(failures)))


def _connection(port: int, path: str, body: bytes, end: float, latencies: list[float], failures: list[int]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw, context.wrap_socket(raw) as connection:
        while (started := time.perf_counter()) < end:
            connection.sendall(request)
            answer = _answer(connection)
            latencies.append(time.perf_counter() - started)
            if b'"allowed":true' not in answer:
                failures.append(1)


def _answer(connection: ssl.SSLSocket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or _closed()
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(
        next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split(b":")[1]
    )
    while len(body) < length:
        body += connection.recv(65536) or _closed()
    return body


def _closed() -> bytes:
    raise ConnectionError("the server closed the connection")
