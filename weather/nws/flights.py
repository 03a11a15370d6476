"""Single flight: concurrent callers who want the same share one piece of work."""

import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import anyio

from weather.errors import Unavailable, WeatherError

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
Progress = Callable[[str], Awaitable[None]]

log = logging.getLogger(__name__)


async def silent(_: str) -> None:
    """Ignores progress."""


class Flight(Generic[T]):
    """Work in a task of its own, whose result all callers of `wait` share.

    A cancelled caller does not affect the others. Without callers left the work is cancelled, unless it is `kept`.
    """

    def __init__(self, *, kept: bool = False) -> None:
        self.kept = kept
        self._callers = 0
        self.work = anyio.CancelScope()
        self._changed = anyio.Event()
        self._notes: list[str] = []
        self._done = False
        self._result: T
        self._error: Exception | None = Unavailable("this server is stopping")

    def stop(self) -> None:
        """Cancels the work, unless somebody waits for it."""
        if not self._callers:
            self.work.cancel()

    def notify(self, note: str) -> None:
        """Sends every caller a note on what the work waits for."""
        self._notes.append(note)
        self._changed.set()
        self._changed = anyio.Event()

    async def progress(self, note: str) -> None:
        """`notify` as a Progress, for work that waits for another flight."""
        self.notify(note)

    async def fly(self, work: Callable[[], Awaitable[T]]) -> None:
        try:
            with self.work:
                self._result = await work()
                self._error = None
        except Exception as error:
            if not isinstance(error, WeatherError):
                log.exception("nobody foresaw this")  # logged here, since no caller may be left to raise it in
            error.__cause__ = error.__context__ = None  # They, and tracebacks, would hold what could not be read.
            self._error = error.with_traceback(None)
        finally:
            self._done = True
            self._changed.set()

    async def wait(self, progress: Progress = silent) -> T:
        """The result of the work; raises its error. `progress` gets the latest note and each later one."""
        self._callers += 1
        sent = 0
        try:
            while not self._done:
                if sent == len(self._notes):
                    await self._changed.wait()
                else:
                    sent = len(self._notes)
                    await progress(self._notes[-1])
        finally:
            self._callers -= 1
            if not self._done and not self.kept:
                self.stop()
        if self._error is not None:
            raise self._error.with_traceback(None)  # All callers raise one error, and each would extend its traceback.
        return self._result


class Flights(dict[K, Flight[T]]):
    """The flights under way, at most one for each key. `start` is `Upstream.start`."""

    def __init__(self, start: Callable[..., Flight[T]]) -> None:
        super().__init__()
        self._start = start

    def join(self, key: K, work: Callable[[Flight[T]], Awaitable[T]], *, kept: bool = False) -> Flight[T]:
        """The flight of the key. Starts one if there is none, or if it has been cancelled."""

        async def fly() -> T:
            try:
                return await work(flight)
            finally:
                if self.get(key) is flight:
                    del self[key]

        current = self.get(key)
        if current and not current.work.cancel_called:
            return current
        flight = self[key] = self._start(fly, kept=kept)
        return flight
