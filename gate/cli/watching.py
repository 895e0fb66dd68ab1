"""Does something again whenever a file that it depends on has changed. It looks for that: no system has to tell."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gate.cli.common import say
from gate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PAUSE: Final = 0.5  # seconds between two looks
_CLEAR: Final = "\033[2J\033[H"
MAX_WATCHED: Final = 20_000
"""Files that are looked at for changes."""

_State = dict[Path, tuple[int, int, int]]


def watch(
    run: Callable[[], frozenset[Path]],
    begin: Iterable[Path],
    *,
    but: Path | None = None,
    again: Callable[[], bool] = lambda: True,
) -> None:
    """Run, and run again after each change, until whoever watches interrupts it (KeyboardInterrupt).

    Args:
        run: does it, and returns the files and folders that it depends on.
        begin: those that it is known to depend on.
        but: a file that it writes.
        again: whether to look once more; asked before each look.

    Raises:
        UsageError: there is too much to look at.
    """
    before = state_of(begin, but)
    while True:
        if sys.stdout is not None and sys.stdout.isatty():
            click.echo(_CLEAR, nl=False)
        involved = run()
        state = state_of(involved, but)
        changed = any(state.get(file, known) != known for file, known in before.items())  # while it ran
        before = state
        if not changed:
            say(f"gate: watching {len(state)} file{'' if len(state) == 1 else 's'}; Ctrl-C ends")
        while not changed:
            if not again():
                return
            time.sleep(_PAUSE)
            state = state_of(involved, but)
            changed, before = state != before, state


def state_of(paths: Iterable[Path], but: Path | None = None) -> _State:
    """What tells whether files have changed, by path: those in folders too, hidden names left out.

    Raises:
        UsageError: there are more than `MAX_WATCHED`.
    """
    state: _State = {}
    written = _identity(but) if but is not None else None
    for file in _files(paths):
        try:
            found = file.stat()
        except OSError:
            state[file] = (0, 0, 0)
        else:
            if (found.st_dev, found.st_ino) == written:
                continue
            # A folder's own time says nothing that its names do not, and what is written beside would change it.
            state[file] = (0, 0, 0) if file.is_dir() else (found.st_mtime_ns, found.st_size, found.st_ino)
        if len(state) > MAX_WATCHED:
            raise UsageError(
                f"--watch: there are more than {MAX_WATCHED} files to look at", remedy="name fewer folders"
            )
    return state


def _identity(path: Path) -> tuple[int, int] | None:
    """What a file is known by under each of its names; None where there is none yet."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield path
        for folder, folders, files in os.walk(path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            yield from (Path(folder, name) for name in (*folders, *files) if not name.startswith("."))
