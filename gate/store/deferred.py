"""A store that is opened when something is first looked for: few commands do."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gate.store.opening import AnyStore


class Deferred:
    """A store that is opened when it is first asked. Thread-safe."""

    def __init__(self, opening: Callable[[], AnyStore]) -> None:
        """`opening` opens it."""
        self._opening = opening
        self._lock = threading.Lock()
        self._opened: AnyStore | None = None
        self._closed = False

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """As of the store."""
        store = self._store()
        return store.get(keys) if store is not None else {}

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """As of the store."""
        store = self._store()
        if store is not None:
            store.put(key, value, seconds)

    @property
    def counts(self) -> dict[str, int]:
        """As of the store; it is not opened for that."""
        with self._lock:
            opened = self._opened
        return opened.counts if opened is not None else {}

    def close(self) -> None:
        """As of the store; it is not opened for that, nor after it."""
        with self._lock:
            self._closed = True
            opened = self._opened
        if opened is not None:
            opened.close()

    def _store(self) -> AnyStore | None:
        with self._lock:
            if self._opened is None and not self._closed:
                self._opened = self._opening()
            return self._opened
