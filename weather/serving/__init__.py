"""The one seam to hypercorn: what it does wrong is put right by small subclasses of its own classes.

`mend()` puts them where hypercorn's modules look for theirs at each connection. A hypercorn that it does not know is
left alone; there, and under another ASGI server, `connection` is never set, and the app runs without the mends.
"""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from weather.serving.current import configuration, connection, limits

__all__ = ["configuration", "connection", "hosts", "install", "limits", "tune_interpreter", "unmended"]

KNOWN = "0.18"
_problem = ""


def install() -> None:
    """All of them, or none."""
    global _problem
    _problem = _install()


def unmended() -> str:
    """Why this process is served without the mends, "" if it is not; to be asked in the lifespan."""
    return _problem or ("" if configuration.get() else "the server is not hypercorn, or not its asyncio worker")


def hosts() -> list[str]:
    """Host names of the bound addresses, without Unix-domain sockets; in the lifespan."""
    return [bind.rsplit(":", 1)[0] for bind in configuration.get().bind if not bind.startswith("unix:")]


def tune_interpreter() -> None:
    """Keeps what exists at the end of the start out of garbage collections, each of which stops the loop.

    A thread that imports or builds a long answer lets the loop run after a millisecond.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 2)
    sys.setswitchinterval(0.001)


def _install() -> str:
    try:
        found = version("hypercorn")
        if not found.startswith(f"{KNOWN}."):
            return f"hypercorn is {found}, and {KNOWN} is known"
        from weather.serving import http1, tcp, websocket
    except (ImportError, AttributeError) as error:
        return f"hypercorn is not as it was: {error}"
    places = (*tcp.PLACES, *http1.PLACES, *websocket.PLACES)
    for module, name, theirs, ours in places:
        if getattr(module, name, None) not in (theirs, ours):
            return f"hypercorn is not as it was: another {module.__name__}.{name}"
        if other := _other(ours):
            return f"hypercorn is not as it was: another {theirs.__module__}.{theirs.__name__}.{other}"
    for module, name, _, ours in places:
        setattr(module, name, ours)
    return ""


def _other(ours: type) -> str | None:
    """The first method that is overridden, and is gone or takes other parameters."""
    for name, method in vars(ours).items():
        theirs = getattr(ours.__base__, name, None)
        if getattr(method, "__override__", False) and _parameters(theirs) != _parameters(method):
            return name
    return None


def _parameters(method: Callable[..., Any] | None) -> list[tuple[str, Any]] | None:
    return method and [(each.name, each.kind) for each in inspect.signature(method).parameters.values()]
