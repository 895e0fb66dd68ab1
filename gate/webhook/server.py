"""gunicorn around the app: worker processes with threads, TLS, and the metrics port beside it."""

from __future__ import annotations

import importlib
import logging
import os
import resource
import shutil
import socket
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from gunicorn.app.base import BaseApplication

from gate.errors import UsageError
from gate.review.warming import Warming

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from gate.policy.policy_set import PolicySet
    from gate.settings import Settings

MAX_REVIEWS: Final = 64
"""Reviews of one worker at once. They mostly wait: fifty whose registries stall must not hold up the one after them."""

KEEPALIVE: Final = 95  # seconds: the API server keeps idle connections for 90
_GRACEFUL: Final = 10
_DESCRIPTORS: Final = 65536
_FOR_ALL: Final = ("gate.wiring", "gate.review.examine", "gate.review.prewarm", "gate.registry.client")
_SHARED_MEMORY: Final = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Serving:
    """How to serve.

    Attributes:
        listen: `host:port` of the webhook.
        metrics_listen: `host:port` of metrics and health.
        certificate: PEM chain.
        key: PEM key.
        workers: processes.
        warming: what each of them fetches before it is asked.
    """

    listen: str
    metrics_listen: str
    certificate: Path
    key: Path
    workers: int = 2
    warming: Warming = field(default_factory=Warming)


def serve(serving: Serving, settings: Settings, policies: PolicySet, say: Callable[[str], None]) -> None:
    """Serve until stopped by a signal; `say` is told once all that is needed is there.

    Raises:
        UsageError: a port or certificate that cannot be used.
    """
    from gate.webhook.tls import Certificate

    _allow_descriptors()
    _load_for_all()
    certificate = Certificate(serving.certificate, serving.key)
    # gunicorn would try for seconds and end with another exit code. Both at once: they may be one, spelled twice.
    with _listen(serving.listen):
        metrics_listener = _listen(serving.metrics_listen)
    with _shared_folder() as shared, metrics_listener as metrics_socket:
        # prometheus_client reads it when it is imported, which only the workers do.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        count = len(policies.policies)
        say(
            f"gate: {count} polic{'y' if count == 1 else 'ies'}; webhook on https://{serving.listen}, "
            f"metrics on http://{serving.metrics_listen}"
        )
        _Application(serving, settings, policies, certificate.context, metrics_socket).run()


def _load_for_all() -> None:
    """What every worker comes to need, once for all of them: the first review of each waits for nothing.

    But for what counts: see `_shared_folder`.
    """
    for module in _FOR_ALL:
        importlib.import_module(module)


def _allow_descriptors() -> None:
    """As many open files and connections as we may have: the soft limit of old is for programs that use `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def _shared_folder() -> Iterator[str]:
    """A folder for this process and those it forks; only this one removes it, though they all leave this context."""
    folder = tempfile.mkdtemp(prefix="imagegate-metrics-")
    owner = os.getpid()
    try:
        yield folder
    finally:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)


def _listen(address: str) -> socket.socket:
    host, port = parse_address(address)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise UsageError(f"cannot listen on {address}: {error.strerror}", remedy="name a free port") from error
    return listener


def parse_address(text: str) -> tuple[str, int]:
    """`host:port` or `[ipv6]:port`.

    Raises:
        UsageError: something else.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(
            f"{text[:100]!r} is not an address to listen on", remedy="write HOST:PORT, such as 127.0.0.1:8443"
        )
    return host.strip("[]"), int(port)


class _Application(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    def __init__(
        self,
        serving: Serving,
        settings: Settings,
        policies: PolicySet,
        context: Callable[[], ssl.SSLContext],
        metrics_socket: socket.socket,
    ) -> None:
        self._serving = serving
        self._settings = settings
        self._policies = policies
        self._context = context
        self._metrics_socket = metrics_socket
        super().__init__()

    def load_config(self) -> None:
        def ssl_context(_config: object, _default: object) -> ssl.SSLContext:
            context: ssl.SSLContext = self._context()
            return context

        options = {
            "bind": self._serving.listen,
            "workers": self._serving.workers,
            "threads": MAX_REVIEWS,
            "worker_class": "gthread",
            "keepalive": KEEPALIVE,
            "graceful_timeout": _GRACEFUL,
            "certfile": str(self._serving.certificate),
            "keyfile": str(self._serving.key),
            "ssl_context": ssl_context,
            "control_socket_disable": True,
            "http_parser": "auto",
            "accesslog": None,
            "loglevel": "warning",
            "proc_name": "imagegate",
            "worker_tmp_dir": str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """In a worker: threads, connections and caches are its own."""
        from gate.review.prewarm import Prewarmer
        from gate.webhook.app import create_app, create_metrics_app
        from gate.webhook.metrics import Metrics, all_workers
        from gate.wiring import build

        logging.basicConfig(level=logging.INFO, format="%(message)s")
        gate = build(self._settings)
        metrics = Metrics()

        def current() -> PolicySet:
            return self._policies

        prewarmer = Prewarmer(gate.reviewer, current, self._serving.warming, time.monotonic)
        threading.Thread(target=prewarmer.run, name="prewarm", daemon=True).start()
        _serve_metrics(self._metrics_socket, create_metrics_app(current, all_workers, prewarmer))
        seconds = self._settings.timeout
        return create_app(gate.reviewer, current, seconds=seconds, metrics=metrics, prewarmer=prewarmer)


class _Handler(WSGIRequestHandler):
    timeout = 5

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _MetricsServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def _serve_metrics(listener: socket.socket, app: Any) -> None:
    """Answer on the shared port from a thread of this worker: the figures are of all workers, whoever answers."""
    server = _MetricsServer(listener.getsockname()[:2], _Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = listener.getsockname()[:2]
    server.setup_environ()
    server.set_app(app)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
