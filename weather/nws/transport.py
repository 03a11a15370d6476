"""HTTP/1.1 to one host, with connections that are closed as soon as something comes on them that was not requested.

A second response, which would be taken for that to the next request, may come in the same packet as the first: httpcore
looks at the socket only, and httpx has no parameter for a network backend.
"""

import ssl
from typing import Any

import h11
import httpcore
import httpx

from weather.config import KIB, SECONDS

READ_BYTES = 256 * KIB  # as much as uvloop gives at once, so that nothing is left where it would not be seen
MOST_HEAD_BYTES = 100 * KIB
KEPT_S = 5 * SECONDS


class _Stream(httpcore.AsyncNetworkStream):
    """Follows the responses by h11 as httpcore does, which shows nobody what it has left."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._response = h11.Connection(h11.CLIENT)
        self._unrequested = False

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  (httpcore's name)
        if buffer:
            self._response = h11.Connection(h11.CLIENT, MOST_HEAD_BYTES)
            self._response.send(h11.Request(method="GET", target="/", headers=[("Host", "")]))
            self._response.send(h11.EndOfMessage())
        await self._stream.write(buffer, timeout)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        data = await self._stream.read(READ_BYTES, timeout)
        try:
            self._response.receive_data(data)
            while self._response.next_event() not in (h11.NEED_DATA, h11.PAUSED):
                pass
            self._unrequested = self._response.their_state is h11.DONE and bool(self._response.trailing_data[0])
        except h11.RemoteProtocolError:  # httpcore raises it, too, where it matters
            self._unrequested = True
        return data

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    async def aclose(self) -> None:
        """Lets go what has come, which may be megabytes: closed connections are in cycles."""
        if stream := self.__dict__.pop("_stream", None):
            await stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        """`is_readable` of an idle connection means to httpcore that it has to be closed."""
        return (info == "is_readable" and self._unrequested) or self._stream.get_extra_info(info)


class _Backend(httpcore.AnyIOBackend):
    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _Stream(await super().connect_tcp(*args, **options))


class Transport(httpx.AsyncHTTPTransport):
    """`proxy` is the URL of one, or None."""

    def __init__(self, proxy: str | None) -> None:
        using = httpx.Proxy(proxy) if proxy else None
        self._pool = httpcore.AsyncConnectionPool(  # in place of the one that httpx would make
            ssl_context=httpx.create_ssl_context(),
            proxy=httpcore.Proxy(str(using.url), using.raw_auth, using.headers.raw) if using else None,
            max_connections=None,
            keepalive_expiry=KEPT_S,
            network_backend=_Backend(),
        )
