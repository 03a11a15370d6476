"""The application, on a hypercorn that it does not know: UNKNOWN says how that differs from the one that it knows."""

import functools
import importlib.metadata
import os

import hypercorn.asyncio.run  # it keeps the names that it has imported
import hypercorn.asyncio.tcp_server
from hypercorn.protocol import h11
from hypercorn.protocol.ws_stream import Handshake, WSStream

_version, _send_pings = importlib.metadata.version, WSStream._send_pings


async def send_pings(self, interval_s=None):
    await _send_pings(self)


match os.environ["UNKNOWN"]:
    case "version":
        importlib.metadata.version = lambda name: "0.19.0" if name == "hypercorn" else _version(name)
    case "moved":
        hypercorn.asyncio.tcp_server.TCPConnection = hypercorn.asyncio.tcp_server.TCPServer
        del hypercorn.asyncio.tcp_server.TCPServer
    case "parameters":
        WSStream._send_pings = send_pings
    case "attributes":
        for name in ("__init__", "accept"):
            setattr(Handshake, name, functools.partialmethod(getattr(Handshake, name)))
    case "replaced":
        h11.WSStream = type("WSStream", (WSStream,), {})

from app import app  # noqa: E402, F401  (which looks at hypercorn when it is imported)
