"""The alerts in force, and each change as it comes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NoReturn

import anyio
import httpx
from mcp import McpError, types
from pydantic import AnyUrl
from pydantic_core import from_json

from weather.client.session import Session
from weather.client.transports import SessionError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
PASSES = (types.INTERNAL_ERROR, httpx.codes.REQUEST_TIMEOUT)


async def watch(uri: AnyUrl, connected: Callable[[], AbstractAsyncContextManager[Session]]) -> NoReturn:
    """Comes back when the connection breaks; raises SessionError, McpError, when nothing could be read at first."""
    known: dict[str, Any] | None = None
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            async with connected() as session, anyio.create_task_group() as tasks:
                known = _tell(known, await _alerts(session, uri))  # Now the era is known.
                tasks.start_soon(session.subscribe, uri)
                while True:
                    known = _tell(known, await _alerts(session, uri))
                    pause_s = FIRST_PAUSE_S
                    await session.heard.wait()
                    session.heard.clear()
        except (SessionError, McpError) as exc:
            if known is None or (isinstance(exc, McpError) and exc.error.code not in PASSES):
                raise
            print(f"{exc} Trying again in {pause_s:g} s.", file=sys.stderr)
        await anyio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _alerts(session: Session, uri: AnyUrl) -> dict[str, Any]:
    """By id."""
    held: Any = (await session.read_resource(uri)).contents[0]
    return {alert["id"]: alert for alert in from_json(held.text)["alerts"]}


def _tell(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """`now`, once a line for each difference is printed."""
    begun, known = "in force" if before is None else "begun", before or {}
    lines = [(begun, now[each]) for each in now if each not in known]
    lines += [("ended", known[each]) for each in known if each not in now]
    for what, alert in lines:
        print(f"{what}: {alert['event']}, {alert['area']}, {alert['severity']}", flush=True)
    if before is None and not now:
        print("none in force", flush=True)
    return now
