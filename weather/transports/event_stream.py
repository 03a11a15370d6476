"""Server-sent events, and work that ends when the client of an HTTP request disconnects."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import anyio

from weather.asgi import Receive, Send
from weather.config import SECONDS
from weather.protocol.messages import Notify

CONTENT_TYPE = "text/event-stream"
BEAT_S, END_TIMEOUT_S = 15 * SECONDS, 1 * SECONDS

T = TypeVar("T")


async def send_events(
    receive: Receive, send: Send, source: Callable[[Notify], Awaitable[None]], more: dict[str, str], timeout_s: float
) -> None:
    """Sends what `source` gives to its argument; `more` are further headers.

    Cancels `source` when the client disconnects, or takes longer than `timeout_s` to read an event.
    """
    lines = {"content-type": CONTENT_TYPE, "cache-control": "no-store", "x-accel-buffering": "no", **more}
    headers = [(name.encode(), value.encode()) for name, value in lines.items()]

    async def write(text: str) -> None:
        with anyio.fail_after(timeout_s):
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def beat() -> None:
        while True:  # A proxy would take a quiet stream for dead.
            await anyio.sleep(BEAT_S)
            await write(":\n\n")

    try:
        with anyio.fail_after(timeout_s):
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        await unless_gone(receive, partial(source, lambda text: write(f"event: message\ndata: {text}\n\n")), beat)
    except* TimeoutError:
        pass
    finally:
        with anyio.move_on_after(END_TIMEOUT_S, shield=True):
            await send({"type": "http.response.body", "body": b""})


async def unless_gone(receive: Receive, work: Callable[[], Awaitable[T]], *others: Any) -> T | None:
    """Returns the result of `work`, or None once the client disconnects. `others` run as long as `work` does."""
    result = None

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for other in (watch, *others):
            tasks.start_soon(other)
        result = await work()
        tasks.cancel_scope.cancel()
    return result
