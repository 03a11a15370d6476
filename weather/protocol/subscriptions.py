"""Subscriptions to the alerts of an area, independent of the transport.

Each area with a subscriber has one loop, since NWS sends no notifications. It requests the alerts again whenever they
expire.
"""

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
    """Sends `message` when the alerts of the area have changed. Changes while it is being sent are one."""

    area: str
    message: str
    send: Callable[[str], Awaitable[None]]
    _due: bool = False
    _sending: bool = False

    async def notify(self, metrics: Metrics) -> None:
        self._due = True
        if self._sending:
            return  # The loop below runs again.
        self._sending = True
        try:
            while self._due:
                self._due = False
                await self.send(self.message)
                metrics.notifications.inc()
        except Exception:  # An ASGI server may raise any where the client has left just now.
            log.debug("a notification is lost", exc_info=True)
        finally:
            self._sending = False


@dataclass(eq=False, slots=True)
class _Area:
    subscribers: set[Subscription] = field(default_factory=set)
    watch: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Subscriptions:
    """The subscriptions and the open streams of the process. `start` runs work in a task of its own.

    `streams` is the number of open `subscriptions/listen`. `shutting_down` is set when the server goes down.
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
        """Notifies when NWS changes the alerts, and when one begins or ends by the clock.

        An outage is no change. After one, only a difference to the alerts before it is; without any before, the first
        alerts are.
        """
        nws, listed, notified = self._answers.nws, AlertsData(alerts=()), None
        with area.watch:
            while True:
                wait_s = AGAIN_S
                try:
                    again = notified is not None  # At first, a cached one will do.
                    alerts = await nws.alerts(code, refresh_ahead=again)
                    listed = listed if alerts.stale and again else alerts.data
                    now = nws.now()
                    active = listed.in_force_at(now)
                    ends_s = ((alert.over_at - now).total_seconds() for alert in active if alert.over_at)
                    wait_s = max(min((alerts.refresh_at - nws.clock(), *ends_s)), SHORTEST_S)
                    ids = frozenset((alert.id, *(alert.affected_zones or ())) for alert in active)
                    if notified is not None and ids != notified:
                        self._answers.forget_alerts(code)  # Who is notified reads the new ones.
                        self._start(self._notify, tuple(area.subscribers), perf_counter())
                    notified = ids
                except WeatherError:
                    notified = UNKNOWN if notified is None else notified
                    log.debug("the alerts of %s cannot be had", code, exc_info=True)
                await anyio.sleep(wait_s)

    async def _notify(self, subscribers: tuple[Subscription, ...], changed_at: float) -> None:
        async with anyio.create_task_group() as tasks:
            for number, subscription in enumerate(subscribers):
                tasks.start_soon(subscription.notify, self._metrics)
                if number % NOTIFY_BATCH == 0:
                    await anyio.lowlevel.checkpoint()  # Others have their turn.
        self._metrics.notified.observe(perf_counter() - changed_at)
