"""Keeps the interpreter from stopping the event loop for long: for garbage collection, and for other threads.

A collection takes half a millisecond per 1,000 objects that it examines.
"""

import ctypes
import gc
import sys
from contextlib import suppress

from weather.config import SECONDS

YOUNG, YOUNG_RUNS = 2_000, 5  # The runs over what is new examine at most 14,000 objects.
FEW, FULL_RUN = 50, 30
CONNECTIONS_PER_RUN = 12  # What 24 sessions of the SDK have makes one more run over what is new.
SWITCH_S = 0.0005 * SECONDS


def tune_interpreter() -> None:
    """To be called at the end of the start: what exists then is never examined.

    A thread that imports, reads or builds something long lets the loop run after SWITCH_S; Python would wait for 5 ms.
    """
    gc.collect()
    gc.freeze()
    tune_collector(0)
    sys.setswitchinterval(SWITCH_S)


def tune_collector(connections: int) -> None:
    """Delays full collections, which examine everything, by as much as twice the sessions of a crowd can take.

    They would find next to nothing, since what belongs to a connection is freed when it ends. Once only FEW of a crowd
    are left, one takes 20 ms at most. It also empties Python's free lists, whose few objects keep much memory occupied;
    what the C library keeps goes back by malloc_trim(3), which is glibc's alone.
    """
    delayed = gc.get_threshold()[2]
    if connections > FEW:
        gc.set_threshold(YOUNG, YOUNG_RUNS, max(delayed, connections // CONNECTIONS_PER_RUN))
    elif delayed != FULL_RUN:
        gc.set_threshold(YOUNG, YOUNG_RUNS, FULL_RUN)
        gc.collect()
        with suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
