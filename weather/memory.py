"""When this process looks for garbage, and what it gives back to the system.

By itself Python would search everything whenever a quarter is new. With 2,000 sessions that takes half a second, in
which nobody is served. So the young are searched by Python, and the rest here, when it is worth the pause.
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
from contextlib import suppress

from weather.config import KIB, MIB, SECONDS

CALM_S, UNREST_S = 3 * SECONDS, 20 * SECONDS
FLOOD_S = 0.5 * SECONDS
MANY = 100
NEVER = 1_000_000_000
GROWTH = 64 * MIB
SESSION = 256 * KIB
LARGE = 4 * MIB
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1  # malloc.h


def resident() -> int:
    """Bytes of memory this process occupies; 0 where the system does not tell (Linux does, proc(5))."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class Garbage:
    """Told of sessions that leave and of floods; `tidy` is called now and then."""

    def __init__(self) -> None:
        self.left_at = float("-inf")
        self._leavers = 0
        self._leaving_since = 0.0
        self._flooded_at = 0.0
        self._least = 0

    def start(self) -> None:
        gc.collect()
        gc.freeze()  # What is there from the start need not be looked through again.
        self._least = resident()
        if self._least:
            gc.set_threshold(*gc.get_threshold()[:2], NEVER)
        with suppress(OSError, AttributeError):  # Another C library has neither.
            # By itself glibc would keep a flood's buffers, between smaller things (mallopt(3)).
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
            ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, GROWTH)

    def left(self) -> None:
        self.left_at = time.monotonic()
        self._leaving_since = self._leaving_since if self._leavers else self.left_at
        self._leavers += 1

    def flooded(self) -> None:
        """What a flood has filled is garbage soon, and young."""
        self._flooded_at = time.monotonic()

    def tidy(self, now: float, sessions: int) -> None:
        if self._flooded_at and now - self._flooded_at > FLOOD_S:
            self._flooded_at = 0.0
            gc.collect(1)
            _trim()
        calm = now - self.left_at > CALM_S or now - self._leaving_since > UNREST_S
        many_left = calm and self._leavers >= max(MANY, sessions)
        if many_left:
            self._leavers = 0
        if many_left or resident() > self._least + GROWTH + SESSION * sessions:
            self._search(sessions)

    def _search(self, sessions: int) -> None:
        gc.collect()
        _trim()
        self._least = max(0, resident() - SESSION * sessions)


def _trim() -> None:
    """Free memory goes back (malloc_trim(3)). Python's own allocator keeps its; PYTHONMALLOC=malloc does without it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
