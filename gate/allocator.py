"""How this process keeps memory.

glibc gives each thread a heap of its own, and a heap keeps what was freed in it: with a hundred threads that each read
one large answer, one after the other, the process is as large as if they had read them at once.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Final

_ARENA_MAX: Final = -8  # M_ARENA_MAX of malloc.h (mallopt(3))


def share_heap() -> None:
    """Have all threads use one heap, those that are started after this. Other C libraries than glibc do so anyway.

    What threads could win by heaps of their own they do not: all but their encryption is done one thread at a time.
    """
    with suppress(OSError, AttributeError):  # no such function: another library
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
