"""MCP apart from its transports: JSON-RPC messages, both eras, resources and subscriptions."""

import gc

__all__ = ["load_sdk"]


def load_sdk() -> None:
    """Imports the module `sdk`, which takes half a second: to be called in a thread."""
    gc.disable()  # A full collection would stop the loop for longer than the import does.
    try:
        import weather.protocol.sdk  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()
