from __future__ import annotations

import fcntl
import os
import resource
import threading
import time
from typing import TYPE_CHECKING

import pytest

from gate.codes import Code
from gate.deadline import Deadline
from gate.errors import EvidenceUnavailable
from gate.local import read_chunks, read_descriptor, read_local

if TYPE_CHECKING:
    from pathlib import Path


def soon(seconds: float = 30.0) -> Deadline:
    return Deadline.after(seconds, time.monotonic)


def test_a_file_is_read_to_one_byte_over_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"12345")
    assert [read_local(file, limit) for limit in (3, 4, 5, 100)] == [b"1234", b"12345", b"12345", b"12345"]
    assert b"".join(read_chunks(file, soon())) == b"12345"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_without_a_deadline_only_regular_files_are_read(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "x")
    with pytest.raises(OSError, match="it is no regular file"):
        read_local(tmp_path / "x", 10)
    with pytest.raises(OSError, match="it is no regular file"):
        read_local("/dev/zero", 10)


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    for name, why in (("gone", "No such file"), ("a\0b", "embedded null byte"), ("a" * 5000, "File name too long")):
        with pytest.raises(OSError) as raised:  # noqa: PT011 - each has its own text
            read_local(tmp_path / name, 10)
        assert why in str(raised.value.strerror)
    with pytest.raises(IsADirectoryError):
        read_local(tmp_path, 10, soon())


def test_a_pipe_is_read_until_its_writer_has_gone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    content = b"x" * 300_000
    for limit, expected in ((1_000_000, content), (5, b"x" * 6)):
        reader, writer = os.pipe()
        thread = threading.Thread(target=_write, args=(writer, content))
        thread.start()
        assert read_local(f"/dev/fd/{reader}", limit, soon()) == expected
        os.close(reader)
        thread.join()


def test_descriptors_above_those_of_select() -> None:
    """`select` knows those below 1024; a server has more open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2048
    if soft < wanted:
        if hard not in (resource.RLIM_INFINITY, -1) and hard < wanted:
            pytest.skip("no more open files are allowed here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    reader, writer = os.pipe()
    high = fcntl.fcntl(reader, fcntl.F_DUPFD_CLOEXEC, 1100)
    try:
        assert high >= 1100
        os.write(writer, b"12345")
        os.close(writer)
        assert b"".join(read_descriptor(high, "pipe", soon())) == b"12345"
        empty, silent = os.pipe()
        os.dup2(empty, high)
        with pytest.raises(EvidenceUnavailable, match="pipe was read"):
            list(read_descriptor(high, "pipe", soon(0.05)))
        os.close(empty)
        os.close(silent)
    finally:
        os.close(high)
        os.close(reader)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with pytest.raises(OSError, match="Bad file descriptor"):
        list(read_descriptor(high, "pipe", soon()))


def _write(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        try:
            file.write(content)
            file.flush()
        except BrokenPipeError:  # the reader has enough
            file.raw.close()


def test_a_pipe_without_end_is_bounded() -> None:
    assert read_local("/dev/zero", 10, soon()) == bytes(11)


def test_a_pipe_that_nobody_writes_to_ends_with_the_time(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EvidenceUnavailable, match="pipe was read") as raised:
        read_local(tmp_path / "pipe", 10, soon(0.05))
    assert raised.value.code is Code.DEADLINE_EXCEEDED
    with pytest.raises(EvidenceUnavailable):
        list(read_chunks(tmp_path / "pipe", soon(0.05)))
