"""One heap for all threads, of which none keeps what it has freed."""

from __future__ import annotations

import os
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


_CACHES = """
import ctypes, os, sys, threading
from gate import allocator
if sys.argv[1] == "none":
    allocator.begin_without_caches()
class Figures(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks used".split()]
    _fields_ += [("rest", ctypes.c_size_t * 2)]
library = ctypes.CDLL(None)
library.mallinfo2.restype = Figures
done, go = threading.Barrier(9), threading.Event()
def work():
    for size in range(600, 1000, 16):
        kept = [b"x" * size for _ in range(7)]
        del kept
    done.wait()
    go.wait()
allocator.share_heap()
threads = [threading.Thread(target=work) for _ in range(8)]
before = library.mallinfo2().used
for thread in threads:
    thread.start()
done.wait()
print(library.mallinfo2().used - before, os.getpid(), os.environ.get("GLIBC_TUNABLES"), *sys.argv[1:])
go.set()
"""


def _kept(how: str, *words: str, **environment: str) -> tuple[int, bool, list[str]]:
    """Bytes that threads keep of what they freed, whether the process is the one that was begun, and what it saw."""
    ours = os.environ  # noqa: TID251 - all but what is looked at is handed on
    clean = {name: value for name, value in ours.items() if name != "GLIBC_TUNABLES"}
    with subprocess.Popen(
        [sys.executable, "-c", _CACHES, how, *words], stdout=subprocess.PIPE, text=True, env={**clean, **environment}
    ) as begun:
        said = begun.communicate(timeout=60)[0].split()
    assert begun.returncode == 0
    return int(said[0]), int(said[1]) == begun.pid, said[2:]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such caches")
def test_threads_keep_nothing_of_what_they_freed() -> None:
    kept, _, seen = _kept("some")
    assert (kept > 500_000, seen) == (True, ["None", "some"])
    kept, same, seen = _kept("none", "a b")
    assert (kept < 250_000, same, seen) == (True, True, ["glibc.malloc.tcache_count=0", "none", "a", "b"])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such caches")
def test_what_the_operator_said_of_the_library_is_left_as_it_is() -> None:
    other = "glibc.malloc.perturb=0"
    assert _kept("none", GLIBC_TUNABLES=other)[2] == [f"{other}:glibc.malloc.tcache_count=0", "none"]
    caches = "glibc.malloc.tcache_count=7"
    assert _kept("none", GLIBC_TUNABLES=caches)[2] == [caches, "none"]


_DEAF = """
import os
os.environ.pop("GLIBC_TUNABLES", None)
from gate import allocator
allocator.begin_without_caches()
print(sorted(name for name in os.environ if name.startswith(("GLIBC", "IMAGEGATE"))))
"""


def test_a_process_whose_library_is_told_nothing_begins_anew_once() -> None:
    """Such as one of a file with capabilities, of whose environment this is taken out at each beginning."""
    done = subprocess.run([sys.executable, "-c", _DEAF], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
