"""One piece of work that any number of callers wait for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from weather.errors import Unavailable, WeatherError

T = TypeVar("T")
Progress = Callable[[str], Awaitable[None]]

log = logging.getLogger(__name__)


async def silent(_: str) -> None:
    """The progress of a caller who did not ask for any."""


class Flight(Generic[T]):
    """The work runs in a task of its own, so that a caller who goes away takes nothing from the others.

    When all have gone away it stops, unless it is `kept`: somebody will want what it brings.
    """

    def __init__(self, *, kept: bool = False) -> None:
        self.kept = kept
        self._callers = 0
        self._work = anyio.CancelScope()
        self._changed = anyio.Event()
        self._notes: list[str] = []
        self._done = False
        self._result: T
        self._error: Exception | None = Unavailable("this server is stopping")

    @property
    def stopped(self) -> bool:
        """True of one that nobody waited for: who comes now needs another."""
        return self._work.cancel_called

    def stop(self) -> None:
        if not self._callers:
            self._work.cancel()

    def tell(self, note: str) -> None:
        """Says to every caller what is being waited for."""
        self._notes.append(note)
        self._changed.set()
        self._changed = anyio.Event()

    async def fly(self, work: Callable[[], Awaitable[T]]) -> None:
        try:
            with self._work:
                self._result = await work()
                self._error = None
        except Exception as error:
            if not isinstance(error, WeatherError):
                log.exception("nobody foresaw this")  # here, since there may be no caller left to raise it to
            self._error = error
        finally:
            self._done = True
            self._changed.set()

    async def wait(self, progress: Progress = silent) -> T:
        """The result, or the error of the work; `progress` gets the note of now and each one to come."""
        self._callers += 1
        told = 0
        try:
            while not self._done:
                if told == len(self._notes):
                    await self._changed.wait()
                else:
                    told = len(self._notes)
                    await progress(self._notes[-1])
        finally:
            self._callers -= 1
            if not self._done and not self.kept:
                self.stop()
        if self._error is not None:
            raise self._error.with_traceback(None)  # one error for all callers: each would add to its traceback
        return self._result
