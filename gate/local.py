"""Files that are named on a command line or lie where the gate looks: bounded, and pipes only as long as there is time.

To open a pipe that nobody writes to would wait for ever, and so would to read it.
"""

from __future__ import annotations

import errno
import math
import os
import select
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.deadline import Deadline

_CHUNK: Final = 1024 * 1024
_SHOWN: Final = 200  # characters of a path
_LOOK_SECONDS: Final = 60.0  # between two looks at the deadline; what `poll` takes is bounded


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is there. Of a name that no file can have, too long or with a zero byte, there is none."""
    return os.path.isdir(path)  # noqa: PTH112 - `Path.is_dir` raises where a name is too long


def is_file(path: str | os.PathLike[str]) -> bool:
    """The same of a regular file."""
    return os.path.isfile(path)  # noqa: PTH113


def exists(path: str | os.PathLike[str]) -> bool:
    """The same of anything."""
    return os.path.exists(path)  # noqa: PTH110


def shown(path: str | os.PathLike[str]) -> str:
    """A path for a message: of a long one its beginning and its end."""
    text = os.fspath(path)
    half = _SHOWN // 2
    return text if len(text) <= _SHOWN else f"{text[:half]}...{text[-half:]}"


def read_local(file: str | os.PathLike[str], limit: int, deadline: Deadline | None = None) -> bytes:
    """What is in a file; one byte more than `limit` where it has more.

    Args:
        file: a path.
        limit: bytes.
        deadline: of what is no regular file, such as a shell's `<(…)`; None: only regular files are read.

    Raises:
        OSError: it cannot be read, and why in `strerror`.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    descriptor = _opened(file)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            with os.fdopen(descriptor, "rb", closefd=False) as opened:
                return opened.read(limit + 1)
        if deadline is None:
            raise OSError(errno.EINVAL, "it is no regular file", os.fspath(file))
        content = bytearray()
        for chunk in read_descriptor(descriptor, str(file), deadline):
            content += chunk
            if len(content) > limit:
                break
        return bytes(content[: limit + 1])
    finally:
        os.close(descriptor)


def read_chunks(file: str | os.PathLike[str], deadline: Deadline) -> Iterator[bytes]:
    """What is in a file, piece by piece.

    Raises:
        OSError: it cannot be read.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    descriptor = _opened(file)
    try:
        yield from read_descriptor(descriptor, str(file), deadline)
    finally:
        os.close(descriptor)


def read_descriptor(descriptor: int, name: str, deadline: Deadline) -> Iterator[bytes]:
    """What comes out of an open file until its end.

    Raises:
        OSError: it cannot be read.
        EvidenceUnavailable: DEADLINE_EXCEEDED.
    """
    # Not `select`, which knows descriptors below 1024 only. Whatever it says (data, end, error), `os.read` finds out.
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    while True:
        left = deadline.check(f"{name} was read")
        if not poller.poll(math.ceil(min(left, _LOOK_SECONDS) * 1000)):
            continue
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:  # a pipe whose writer has nothing at the moment
            continue
        if not chunk:
            return
        yield chunk


def _opened(file: str | os.PathLike[str]) -> int:
    try:
        return os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a zero byte in its name
        raise OSError(errno.EINVAL, str(error), str(file)) from error
