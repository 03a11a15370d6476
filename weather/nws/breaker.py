"""When a host that fails is left alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from weather.errors import Unavailable

Clock = Callable[[], float]

log = logging.getLogger(__name__)


@dataclass
class Breaker:
    """After `limit` failures in a row nothing is asked for `pause_s`; then one call tries again, and so on.

    A trial that never ends blocks nothing: the next one may go after another pause.
    """

    limit: float
    pause_s: float
    clock: Clock
    failures: int = 0
    failing_since: float = 0.0
    failure: str = ""
    rests_until: float = float("-inf")

    def check(self, *, trial: bool = False) -> None:
        """Raises Unavailable while the host is left alone; `trial` is said by a call about to ask."""
        now = self.clock()
        if now < self.rests_until:
            raise self.unavailable(f"{self.failure}, and is left alone for some seconds")
        if trial and self.failures >= self.limit:
            self.rests_until = now + self.pause_s

    def failed(self, what: str) -> None:
        now = self.clock()
        self.failing_since = self.failing_since if self.failures else now
        self.failures += 1
        self.failure = what
        if self.failures == self.limit:
            log.warning("NWS is left alone for %g s at a time: %s", self.pause_s, what)
        if self.failures >= self.limit:
            self.rests_until = now + self.pause_s

    def answered(self) -> None:
        if self.failures >= self.limit:
            self.rests_until = self.clock()
            log.info("NWS answers again")
        self.failures = 0

    def unavailable(self, what: str) -> Unavailable:
        return Unavailable(what, self.clock() - self.failing_since if self.failures else 0.0)
