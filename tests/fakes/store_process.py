"""Starts `store_worker`s and hears what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


class Worker:
    """One process; use as a context manager, at the end of which it is gone."""

    def __init__(self, role: Callable[[Path, str], None], path: Path, name: str = "a") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.store_worker", role.__name__, str(path), name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self.hear() == {"ready": True}
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next thing it says; nothing when it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        said: dict[str, Any] = json.loads(line) if line else {}
        return said

    def kill(self) -> None:
        """It gets no say."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def told(role: Callable[[Path, str], None], path: Path, name: str = "a") -> dict[str, Any]:
    """What one process says at its end."""
    with Worker(role, path, name) as worker:
        worker.go_on()
        return worker.hear()
