"""The application; GET /examined returns the most objects that a garbage collection has examined since the last one."""

import gc

import app as weather

_most = 0


def _count(phase, info):
    global _most
    if phase == "start":
        _most = max(_most, sum(len(gc.get_objects(generation)) for generation in range(info["generation"] + 1)))


gc.callbacks.append(_count)


async def app(scope, receive, send):
    global _most
    if scope["type"] != "http" or scope["path"] != "/examined":
        await weather.app(scope, receive, send)
        return
    body, _most = b"%d" % _most, 0
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
