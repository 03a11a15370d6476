"""A thread for functions that would hold the event loop for long."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

A = TypeVar("A")
T = TypeVar("T")

PLACES = 4


class Worker:
    """Runs one function at a time. It must be pure: read what nobody changes, and change only what it returns.

    `places` are for what waits: large bodies in memory.
    """

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self.places = anyio.CapacityLimiter(PLACES)

    async def run(self, function: Callable[[A], T], given: A, *, long: bool) -> T:
        """The function's result; one that is not `long` runs at once, in the event loop."""
        if not long:
            return function(given)
        async with self._lock:
            return await anyio.to_thread.run_sync(function, given)
