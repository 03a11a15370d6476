"""When Python collects garbage, which stops the loop for half a millisecond per 1,000 objects that it examines."""

from __future__ import annotations

import gc

YOUNG, YOUNG_RUNS = 5_000, 2  # The runs over what is new examine at most 20,000 objects.
FEW, FULL_RUN = 50, 3
CONNECTIONS_PER_RUN = 16  # What 32 sessions of the SDK have makes one more run over what is new.


def tune(connections: int) -> None:
    """Delays full collections, which examine everything, by as much as twice the sessions of a crowd can take.

    They would find next to nothing, since what belongs to a connection is freed when it ends. Once only FEW of a crowd
    are left, a full collection takes 50 ms at most, and is due soon.
    """
    full_run = FULL_RUN
    if connections > FEW:
        full_run = max(gc.get_threshold()[2], connections // CONNECTIONS_PER_RUN)
    gc.set_threshold(YOUNG, YOUNG_RUNS, full_run)
