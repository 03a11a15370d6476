"""The alerts in force, and each change as it comes."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NoReturn

import anyio
import httpx
from mcp import McpError, types
from pydantic import AnyUrl, BaseModel, ValidationError

from weather.client.session import Session
from weather.client.transports import SessionError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
PASSES = (types.INTERNAL_ERROR, httpx.codes.REQUEST_TIMEOUT)


class Alert(BaseModel):
    id: str
    event: str
    area: str = ""
    severity: str = ""


class Alerts(BaseModel):
    """The worst of `total`."""

    alerts: list[Alert]
    total: int
    stale: bool


async def watch(uri: AnyUrl, connected: Callable[[], AbstractAsyncContextManager[Session]]) -> NoReturn:
    """Comes back when the connection breaks; raises SessionError, McpError, ValueError where that would not help, or
    when nothing could be read at first.
    """
    known: Alerts | None = None
    longest_s = FIRST_PAUSE_S
    while True:
        try:
            async with connected() as session, anyio.create_task_group() as tasks:
                known = _tell(known, await _alerts(session, uri))  # Now the era is known.
                if longest_s > FIRST_PAUSE_S:
                    print("Watching again.", file=sys.stderr)
                tasks.start_soon(session.subscribe, uri)
                while True:
                    await session.heard.wait()  # at first, that it is subscribed: what changed until then is read
                    session.heard.clear()
                    session.check_subscribed(uri)
                    known = _tell(known, await _alerts(session, uri))
                    longest_s = FIRST_PAUSE_S
        except (SessionError, McpError) as exc:
            lasts = exc.error.code not in PASSES if isinstance(exc, McpError) else 0 < exc.status < 500
            if known is None or lasts:
                raise
            pause_s = random.uniform(0.5, 1) * longest_s  # noqa: S311  (no secret)
            print(f"{exc} Trying again in {pause_s:.2g} s.", file=sys.stderr)
        await anyio.sleep(pause_s)
        longest_s = min(2 * longest_s, LONGEST_PAUSE_S)


async def _alerts(session: Session, uri: AnyUrl) -> Alerts:
    held: Any = (await session.read_resource(uri)).contents
    try:
        return Alerts.model_validate_json(held[0].text)
    except (ValidationError, AttributeError, IndexError):
        raise ValueError(f"What {uri} holds are no alerts.") from None


def _tell(before: Alerts | None, now: Alerts) -> Alerts:
    """`now`, once a line for each difference is printed."""
    old, new = ({alert.id: alert for alert in told.alerts} if told else {} for told in (before, now))
    whole = all(told.total == len(told.alerts) for told in (before, now) if told)
    came, went = ("begun", "ended") if whole else ("among the worst now", "no longer among the worst")
    lines = [("in force" if before is None else came, new[each]) for each in new if each not in old]
    lines += [(went, old[each]) for each in old if each not in new]
    for what, alert in lines:
        told = ", ".join(filter(None, (alert.event, alert.area, alert.severity)))
        print(f"{what}: {' '.join(told.split())}", flush=True)
    if before is None and not new:
        print("none in force", flush=True)
    if lines and now.total > len(new):
        print(f"of {now.total} in force, the worst {len(new)} are watched", flush=True)
    if now.stale:
        print("This may be old: the National Weather Service is not answering.", file=sys.stderr)
    return now
