"""One heap for all threads."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import sys, threading
from gate import allocator
if sys.argv[1] == "shared":
    allocator.share_heap()
kept = []
def work():
    # Larger than Python's own pieces, smaller than what is mapped by itself.
    kept.append([b"x" * 100_000 for _ in range(10)])
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
import ctypes
ctypes.CDLL(None).malloc_stats()
"""


def _heaps(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True)
    return done.stderr.count("Arena ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such heaps")
def test_threads_share_one_heap() -> None:
    assert _heaps("shared") == 1
    assert _heaps("own") > 1
