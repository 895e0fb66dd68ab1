"""How this process keeps memory.

glibc gives each thread a heap of its own, and before that a cache of what it freed last. Both keep what was freed in
them: with some hundred threads that each read one large answer, one after the other, the process is as large as if they
had read them at once. Other C libraries do neither.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from typing import Final

_ARENA_MAX: Final = -8  # M_ARENA_MAX of malloc.h (mallopt(3))
_TUNABLES: Final = "GLIBC_TUNABLES"
_CACHES: Final = "glibc.malloc.tcache_count"
_BEGUN: Final = "IMAGEGATE_BEGUN_ANEW"  # as which process: a library that is told nothing is not asked for ever


def share_heap() -> None:
    """Have all threads use one heap, those that are started after this.

    What threads could win by heaps of their own they do not: all but their encryption is done one thread at a time.
    """
    with suppress(OSError, AttributeError):  # no such function: another library
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def begin_without_caches() -> None:
    """Begin this process anew, unless its threads have no caches: glibc asks for that once, when a process begins.

    For a process that is to stay, at its very beginning: what it has done is lost. It keeps its number, its words and
    its open files. Once: where its file has capabilities, the library is never told.
    """
    environment = os.environ  # noqa: TID251 - it is where the library is told
    begun = environment.pop(_BEGUN, "") == str(os.getpid())
    before = environment.get(_TUNABLES, "")
    if begun or _CACHES in before or not sys.executable or not _is_glibc():
        return
    environment[_BEGUN] = str(os.getpid())
    environment[_TUNABLES] = ":".join(filter(None, (before, f"{_CACHES}=0")))
    with suppress(OSError):
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - itself
    environment.pop(_BEGUN)  # it could not


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):
        return False
