"""The two eras of MCP side by side: sessions up to 2025-11-25 (`legacy`), and none from 2026-07-28 on (`modern`)."""

from __future__ import annotations

from typing import Protocol

from msgspec import UNSET

from weather.answers import Answers, CachedResult, Key
from weather.protocol import legacy, messages, modern
from weather.protocol.messages import Call, Handler, Request, RequestId
from weather.protocol.subscriptions import Subscriptions


class Era(Protocol):
    def answered(
        self,
        answers: Answers,
        subscriptions: Subscriptions,
        request: Request,
        key: Key | None,
        transport: str,
        started: float,
        /,
    ) -> str | Handler: ...

    def reply(
        self, answers: Answers, request_id: RequestId, ready: CachedResult, transport: str, started: float, /
    ) -> str: ...


LEGACY: Era = legacy
MODERN: Era = modern


def cached_reply(answers: Answers, call: Call, transport: str, started: float, *, in_task: bool = True) -> str | None:
    """The response to a plain call whose tool and bytes of arguments came before; `started` by `perf_counter`."""
    ready = answers.lookup_key(call.key, in_task=in_task)
    if ready is None:
        return None
    if not call.modern:
        return legacy.reply(answers, call.id, ready, transport, started)
    meta = call.params.meta
    spoken = meta is not UNSET and meta.version == messages.VERSION and meta.capabilities is not UNSET
    return modern.reply(answers, call.id, ready, transport, started) if spoken else None
