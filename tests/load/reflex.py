"""The generator's own limit: a server that answers whatever comes with the same bytes, and looks at none of it.

Such a server costs as little as its client; so what the two make is the most that this generator can measure.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvloop

from tests.conftest import ROOT, Server
from tests.load.post import clients, post
from tests.load.results import CONNECTIONS, SERVER_CORE, Bench, many, on_core
from tests.load.speed import Rival, rates
from tests.load.wire import GET_WEATHER, frame

ANSWER = b"x" * 1676
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
REPLY = {
    "websocket": b"\x81\x7e" + len(ANSWER).to_bytes(2, "big") + ANSWER,
    "http": f"HTTP/1.1 200 \r\ncontent-length: {len(ANSWER)}\r\n\r\n".encode() + ANSWER,
}
ROUNDS = 5


class Reflex(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = transport.write  # type: ignore[attr-defined]  # typed as any transport, and is one that writes
        self._reply = UPGRADED if sys.argv[1] == "websocket" else REPLY["http"]

    def data_received(self, data: bytes) -> None:
        self._write(self._reply)
        self._reply = REPLY[sys.argv[1]]


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Reflex, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running(kind: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.load.reflex", kind]
    with on_core(SERVER_CORE):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        yield Server(process, ROOT, int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


async def limits(bench: Bench) -> None:
    with running("websocket") as socket, running("http") as http:
        sockets = await many(socket.port, CONNECTIONS, initialize=False)
        rivals = {
            "WebSocket": Rival(socket, sockets, frame(GET_WEATHER)),
            "HTTP": Rival(http, await clients(http.port, CONNECTIONS), post(GET_WEATHER)),
        }
        found = await rates(rivals, ROUNDS)
    for name in rivals:
        bench.row(f"limit of the generator, {name}", found.limit(name), "/s", note=found.note(name))


if __name__ == "__main__":
    uvloop.run(main())
