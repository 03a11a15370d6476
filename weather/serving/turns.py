"""Turns of the loop: what thousands of clients do at once is spread over many, and others are answered in between."""

import asyncio
from collections import deque

MOST = 32  # A handshake and what follows takes half a millisecond.


class Turns:
    """At most MOST callers go on in one turn of the loop, in the order in which they came."""

    def __init__(self) -> None:
        self._come = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Returns at once while fewer than MOST have come in this turn, and nobody waits."""
        loop = asyncio.get_running_loop()
        if not self._come:
            loop.call_soon(self._next)
        self._come += 1
        if self._come > MOST:
            self._waiting.append(loop.create_future())
            await self._waiting[-1]

    def _next(self) -> None:
        self._come = max(0, self._come - MOST)
        if self._come:
            asyncio.get_running_loop().call_soon(self._next)
        for _ in range(min(MOST, len(self._waiting))):
            future = self._waiting.popleft()
            if not future.done():  # cancelled
                future.set_result(None)


turns = Turns()
