"""The application without garbage collections; GET /tracked returns how many objects the next one would examine."""

import gc

import app as weather


async def app(scope, receive, send):
    if scope["type"] != "http" or scope["path"] != "/tracked":
        await weather.app(scope, receive, send)
        return
    gc.disable()
    body = str(len(gc.get_objects())).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
