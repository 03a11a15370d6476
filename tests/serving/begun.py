"""The application; GET /most returns how many sessions have begun, and how many have ended, in one turn of the loop.

A turn may be counted with the next one.
"""

import asyncio
from collections import Counter

import app as weather

_now, _most = Counter(), Counter()


def _count(what):
    if not _now:
        asyncio.get_running_loop().call_soon(_now.clear)
    _now[what] += 1
    _most[what] = max(_most[what], _now[what])


async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/most":
        body = b"%d %d" % (_most["begun"], _most["ended"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] == "websocket":
        _count("begun")
        await weather.app(scope, receive, send)
        _count("ended")
    else:
        await weather.app(scope, receive, send)
