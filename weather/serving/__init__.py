"""Fixes what hypercorn does wrong, by subclasses of its own protocol classes.

`install()` puts them where hypercorn's modules look up theirs for each connection. It changes nothing in a hypercorn
that it does not know. There, and under another ASGI server, the application runs without the fixes, and
`get_connection()` returns None.
"""

from collections.abc import MutableMapping
from importlib.metadata import version
from typing import Any

from weather.serving.interface import get_connection, get_hosts, limits
from weather.serving.interpreter import tune_interpreter

__all__ = ["get_connection", "get_hosts", "install", "limits", "tune_interpreter", "unsupported_reason"]

KNOWN = "0.18"
_problem = ""


def install() -> None:
    """Installs all of the subclasses, or none."""
    global _problem
    _problem = _install()


def _install() -> str:
    try:
        found = version("hypercorn")
        if not found.startswith(f"{KNOWN}."):
            return f"hypercorn is {found}, and {KNOWN} is known"
        from weather.serving import names
    except (ImportError, AttributeError) as error:
        return f"hypercorn is not as it was: {error}"
    if changed := names.first_change():
        return f"hypercorn is not as it was: {changed}"
    names.replace()
    return ""


def unsupported_reason(state: MutableMapping[str, Any]) -> str:
    """Why this process runs without the fixes, "" if it runs with them. `state` is that of the lifespan."""
    return _problem or ("the server is not hypercorn, or not its asyncio worker" if get_hosts(state) is None else "")
