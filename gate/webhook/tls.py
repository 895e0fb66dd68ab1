"""The server's certificate: one SSLContext, made anew when its files change."""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
from typing import TYPE_CHECKING, Final

from gate.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_CHECK_SECONDS: Final = 1.0
_log: Final = logging.getLogger("imagegate")


class Certificate:
    """A certificate and key from files. A pair that does not fit together (mid-rotation) leaves the old one in use."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read the pair.

        Raises:
            UsageError: it cannot be read, or does not fit together.
        """
        self._paths = (certificate, key)
        self._lock = threading.Lock()
        self._next = 0.0
        try:
            self._stamp = self._stat()
            self._context = self._load()
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"certificate {certificate} with key {key} cannot be used: {_cause(error)}",
                remedy="give a PEM chain, leaf first, and its PEM key",
            ) from error

    def context(self) -> ssl.SSLContext:
        """The context to wrap a new connection with; files are looked at once a second at most."""
        now = time.monotonic()
        with self._lock:
            if now >= self._next:
                self._next = now + _CHECK_SECONDS
                self._refresh()
            return self._context

    def _refresh(self) -> None:
        try:
            stamp = self._stat()
            if stamp != self._stamp:
                self._context = self._load()
                self._stamp = stamp
                _log.info("certificate reloaded")
        except (OSError, ssl.SSLError) as error:
            _log.warning("certificate not reloaded: %s", error)

    def _stat(self) -> tuple[tuple[int, int, int], ...]:
        return tuple((s.st_mtime_ns, s.st_ino, s.st_size) for s in map(os.stat, self._paths))

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(*self._paths)
        return context


def _cause(error: OSError) -> str:
    """In words: OpenSSL's own are codes."""
    if isinstance(error, ssl.SSLError):
        mismatch = "they do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else ""
        return mismatch or "one of them is no PEM certificate or key"
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
