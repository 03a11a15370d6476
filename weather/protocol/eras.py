"""The two eras of MCP side by side: sessions up to 2025-11-25 (`legacy`), and none from 2026-07-28 on (`modern`)."""

from time import perf_counter

from msgspec import UNSET

from weather.answers import Answers
from weather.protocol import messages, modern
from weather.protocol.messages import Call


def cached_reply(answers: Answers, call: Call, transport: str, started: float, *, in_task: bool = True) -> str | None:
    """The response to a plain call whose tool and bytes of arguments came before; `started` by `perf_counter`."""
    ready = answers.lookup_key(call.key, in_task=in_task)
    if ready is None:
        return None
    result, meta = ready.json, call.params.meta
    if meta is not UNSET and meta.modern:
        if meta.version != messages.VERSION or meta.capabilities is UNSET:
            return None
        result = modern.complete(result)
    answers.metrics.called(ready.tool, ready.outcome, transport, perf_counter() - started)
    return messages.result(call.id, result)
