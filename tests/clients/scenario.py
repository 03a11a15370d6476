"""What a client does with this server, whatever library it is: run by a driver, which says how it connects and calls.

    DRIVER URL TOKEN GUARDED_URL SLOW_URL

GUARDED_URL takes TOKEN alone; at SLOW_URL the weather does not come. Prints "restart", "stop" or "start" where that
should be done to the server at URL, and waits for a line; prints one JSON object at the end.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from urllib.parse import urljoin
from urllib.request import urlopen

BOUND_S = 20
PLACE = {"place": "Boston, MA"}
NOT_GIVEN = {"latitude": None, "longitude": None, "units": None, "hourly": None}
NO_STATE = {"state": "Atlantis"}


class Client(Protocol):
    async def tools(self) -> list[str]:
        """Their names."""

    async def call(self, name: str, arguments: dict[str, Any]) -> Any:
        """What the library hands on: `given`, or whatever it raises."""


class Printed(Exception):
    """What a program printed in place of an answer."""


Connect = Callable[[str, str | None], AbstractAsyncContextManager[Client]]


def given(texts: list[str] | None, structured: Any = None, is_error: bool = False) -> dict[str, Any]:
    return {"texts": texts, "structured": structured, "is_error": is_error}


def observe(connect: Connect) -> None:
    url, token, guarded, slow = sys.argv[1:]
    seen: dict[str, Any] = {}

    async def with_token() -> None:
        async with connect(url, token) as client:
            seen["tools"] = await outcome(client.tools())
            seen["call"] = await outcome(client.call("get-weather", PLACE))
            seen["is_error"] = await outcome(client.call("get-alerts", NO_STATE))
            seen["null"] = await outcome(client.call("get-forecast", PLACE | NOT_GIVEN))
            for name, done in (("restarted", "restart"), ("down", "stop"), ("up again", "start")):
                print(done, flush=True)
                await asyncio.to_thread(sys.stdin.readline)
                seen[name] = await outcome(client.call("get-weather", PLACE))

    async def refused(wrong: str | None) -> list[str]:
        async with connect(guarded, wrong) as client:
            return await client.tools()

    async def cancelling() -> None:
        async with connect(slow, token) as client:
            call = asyncio.create_task(client.call("get-alerts", {"state": "CA"}))
            seen["at work"] = await in_flight(slow, 1)
            call.cancel()
            seen["ended"] = await in_flight(slow, 0)
            seen["cancelled"] = await outcome(call)
            seen["afterwards"] = await outcome(client.call("get-alerts", NO_STATE))

    # Each on a loop of its own: some clients end by cancelling whoever has opened them.
    seen["with token"] = alone(with_token())
    seen["wrong token"] = alone(refused("wrong"))
    seen["no token"] = alone(refused(None))
    seen["cancelling"] = alone(cancelling())
    print(json.dumps(seen), flush=True)


async def printed(*argv: str) -> str:
    """What a program prints, which is interrupted when this is cancelled. Raises Printed if it prints errors alone."""
    process = await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.send_signal(signal.SIGINT)
        await process.wait()
        raise
    if not out:
        raise Printed(err.decode().strip())
    return out.decode()


def alone(step: Awaitable[Any]) -> dict[str, Any]:
    return asyncio.run(outcome(step, 5 * BOUND_S))


async def outcome(step: Awaitable[Any], bound_s: float = BOUND_S) -> dict[str, Any]:
    """What it returned or raised."""
    try:
        async with asyncio.timeout(bound_s):
            return {"returned": await step}
    except BaseException as error:
        return {"raised": [described(leaf) for leaf in leaves(error)]}


def described(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "CancelledError"  # Its text tells an address in memory.
    return str(error) if isinstance(error, Printed) else f"{type(error).__name__}: {error}".removesuffix(": ")


def leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for nested in error.exceptions for leaf in leaves(nested)]
    return [error]


async def in_flight(url: str, number: int) -> bool:
    """Whether the server has come to so many requests at work; waits for it."""
    deadline = time.monotonic() + BOUND_S / 2
    while time.monotonic() < deadline:
        if await asyncio.to_thread(_in_flight, url) == number:
            return True
        await asyncio.sleep(0.05)  # of another process
    return False


def _in_flight(url: str) -> float:
    with urlopen(urljoin(url, "/metrics"), timeout=BOUND_S) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("mcp_requests_in_flight{"))
