"""The command `watch`: prints the alerts in force, then each change."""

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
SUBSCRIBE_TIMEOUT_S = 90.0  # beyond that of a request, after which it tries again
PASSES = (types.INTERNAL_ERROR, httpx.codes.REQUEST_TIMEOUT)


class Alert(BaseModel):
    id: str
    event: str
    area: str = ""
    severity: str = ""


class Alerts(BaseModel):
    """The `total` alerts in force, or as many of the worst as the server lists."""

    alerts: list[Alert]
    total: int
    stale: bool


async def watch(uri: AnyUrl, connected: Callable[[], AbstractAsyncContextManager[Session]]) -> NoReturn:
    """Reconnects when the connection breaks, after a growing pause.

    Raises SessionError, McpError or ValueError where reconnecting cannot help, or when the first read fails.
    """
    before: Alerts | None = None
    longest_s = FIRST_PAUSE_S
    while True:
        try:
            async with connected() as session, anyio.create_task_group() as tasks:
                before = _print_changes(before, await _alerts(session, uri))  # The response decides on the era.
                if longest_s > FIRST_PAUSE_S:
                    print("Watching again.", file=sys.stderr)
                tasks.start_soon(session.subscribe, uri)
                with anyio.move_on_after(SUBSCRIBE_TIMEOUT_S):
                    await session.notified.wait()  # First set once subscribed: reads what changed before.
                if not session.notified.is_set():
                    raise ValueError(f"The server does not say whether it tells of changes of {uri}.")
                while True:
                    await session.notified.wait()
                    session.notified.clear()
                    session.check_subscribed(uri)
                    before = _print_changes(before, await _alerts(session, uri))
                    longest_s = FIRST_PAUSE_S
        except (SessionError, McpError) as exc:
            lasts = exc.error.code not in PASSES if isinstance(exc, McpError) else 0 < exc.status < 500
            if before is None or lasts:
                raise
            pause_s = random.uniform(0.5, 1) * longest_s  # noqa: S311  (no secret)
            print(f"{exc} Trying again in {pause_s:.2g} s.", file=sys.stderr)
        await anyio.sleep(pause_s)
        longest_s = min(2 * longest_s, LONGEST_PAUSE_S)


async def _alerts(session: Session, uri: AnyUrl) -> Alerts:
    contents: Any = (await session.read_resource(uri)).contents
    try:
        return Alerts.model_validate_json(contents[0].text)
    except (ValidationError, AttributeError, IndexError):
        raise ValueError(f"What {uri} holds are no alerts.") from None


def _print_changes(before: Alerts | None, now: Alerts) -> Alerts:
    """Prints a line for each difference, and returns `now`."""
    old, new = ({alert.id: alert for alert in each.alerts} if each else {} for each in (before, now))
    whole = all(each.total == len(each.alerts) for each in (before, now) if each)
    came, went = ("begun", "ended") if whole else ("among the worst now", "no longer among the worst")
    lines = [("in force" if before is None else came, new[each]) for each in new if each not in old]
    lines += [(went, old[each]) for each in old if each not in new]
    for what, alert in lines:
        facts = ", ".join(filter(None, (alert.event, alert.area, alert.severity)))
        print(f"{what}: {' '.join(facts.split())}", flush=True)
    if before is None and not new:
        print("none in force", flush=True)
    if lines and now.total > len(new):
        print(f"of {now.total} in force, the worst {len(new)} are watched", flush=True)
    if now.stale:
        print("This may be old: the National Weather Service is not answering.", file=sys.stderr)
    return now
