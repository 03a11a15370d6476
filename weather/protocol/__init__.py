"""MCP apart from its transports: JSON-RPC messages, both eras, resources and subscriptions."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import anyio.to_thread

from weather.config import Settings

if TYPE_CHECKING:
    from weather.protocol.sdk import SDK

__all__ = ["load"]


async def load(settings: Settings) -> SDK:
    """Imports the SDK in a thread, since that takes half a second, and builds its server."""
    return await anyio.to_thread.run_sync(_loaded, settings)


def _loaded(settings: Settings) -> SDK:
    gc.disable()  # A full collection would stop the loop for longer than the import does.
    try:
        from weather.protocol.sdk import SDK
    finally:
        gc.freeze()
        gc.enable()
    return SDK(settings)
