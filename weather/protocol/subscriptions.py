"""Subscriptions to the alerts of an area, independent of the transport.

One loop for each area that somebody has subscribed to, since NWS has to be asked again: as often as its answers expire,
once however many subscribe, and not at all when nobody does.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import anyio
import anyio.lowlevel

from weather.answers import Answers
from weather.config import SECONDS
from weather.errors import WeatherError
from weather.metrics import Metrics
from weather.nws import AlertsData

AGAIN_S = 5 * SECONDS
SHORTEST_S = 0.1 * SECONDS
NOTIFY_BATCH = 10
MOST_SUBSCRIPTIONS = MOST_STREAMS = 100  # of a connection
UNKNOWN = frozenset([("",)])
MOST = f"At most {MOST_SUBSCRIPTIONS} resources can be subscribed to at once."
MOST_OPEN = f"At most {MOST_STREAMS} 'subscriptions/listen' can be open on a connection."

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Subscription:
    """`message` is sent by `send` when the alerts of the area have changed; two changes before that are one."""

    area: str
    message: str
    send: Callable[[str], Awaitable[None]]
    _due: bool = False
    _sending: bool = False

    async def tell(self, metrics: Metrics) -> None:
        self._due = True
        if self._sending:
            return  # Whoever sends looks again.
        self._sending = True
        try:
            while self._due:
                self._due = False
                await self.send(self.message)
                metrics.notifications.inc()
        finally:
            self._sending = False


@dataclass(eq=False, slots=True)
class _Area:
    subscribers: set[Subscription] = field(default_factory=set)
    watch: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Subscriptions:
    """`start` runs work apart from its caller; `over` is set when the server goes down; `streams` are those of the
    process that are open, whatever they name.
    """

    def __init__(self, answers: Answers, metrics: Metrics, start: Callable[..., Any]) -> None:
        self._answers, self._metrics, self._start = answers, metrics, start
        self._areas: dict[str, _Area] = {}
        self.shutting_down = anyio.Event()
        self.streams = 0
        metrics.subscriptions.set_function(lambda: self.open)
        metrics.streams.set_function(lambda: self.streams)

    @property
    def full(self) -> bool:
        return self.streams >= self._answers.settings.mcp_max_streams

    @property
    def open(self) -> int:
        return sum(len(area.subscribers) for area in self._areas.values())

    def add(self, subscription: Subscription) -> None:
        area = self._areas.get(subscription.area)
        if area is None:
            area = self._areas[subscription.area] = _Area()
            self._start(self._watch, subscription.area, area)
        area.subscribers.add(subscription)

    def remove(self, subscription: Subscription) -> None:
        area = self._areas.get(subscription.area)
        if area and subscription in area.subscribers:
            area.subscribers.remove(subscription)
            if not area.subscribers:
                area.watch.cancel()
                del self._areas[subscription.area]

    async def _watch(self, code: str, area: _Area) -> None:
        """What NWS changes is told, and what the clock ends. An outage is no change; what differs after it is told, and
        so is the first answer after none.
        """
        nws, listed, told = self._answers.nws, AlertsData(alerts=()), None
        with area.watch:
            while True:
                wait_s = AGAIN_S
                try:
                    alerts = await nws.alerts(code, refresh_ahead=told is not None)  # at first what others read, too
                    listed = listed if alerts.stale and told is not None else alerts.data
                    now = nws.now()
                    active = listed.in_force_at(now)
                    ends_s = ((alert.over_at - now).total_seconds() for alert in active if alert.over_at)
                    wait_s = max(min((alerts.refresh_at - nws.clock(), *ends_s)), SHORTEST_S)
                    ids = frozenset((alert.id, *(alert.affected_zones or ())) for alert in active)
                    if told is not None and ids != told:
                        self._answers.forget_alerts(code)  # Who is told now reads what is new.
                        self._start(self._tell, tuple(area.subscribers), perf_counter())
                    told = ids
                except WeatherError:
                    told = UNKNOWN if told is None else told
                    log.debug("the alerts of %s cannot be had", code, exc_info=True)
                await anyio.sleep(wait_s)

    async def _tell(self, subscribers: tuple[Subscription, ...], changed_at: float) -> None:
        async with anyio.create_task_group() as tasks:
            for number, subscription in enumerate(subscribers):
                tasks.start_soon(subscription.tell, self._metrics)
                if number % NOTIFY_BATCH == 0:
                    await anyio.lowlevel.checkpoint()  # Others have their turn.
        self._metrics.notified.observe(perf_counter() - changed_at)
