"""`make bench-peers`: a cached call of this server beside raw echoes on other ASGI servers, and beside a ready tool of
other MCP servers. `python -m tests.load.peers FOLDER`: that of an environment with what tests/load/peers.txt names.

Writes docs/bench-peers.json and docs/bench-peers.svg. All take turns, each on the one core that servers have.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import uvloop

from tests.conftest import ENVIRONMENT, ROOT, Server
from tests.load.bench import machine
from tests.load.drawing import HTTP, WEBSOCKET, peers_picture
from tests.load.post import clients, post
from tests.load.progress import say, until_interrupted
from tests.load.results import CONNECTIONS, ECHO, LOAD_CORE, SERVER_CORE, Bench, many, on_core
from tests.load.speed import CACHED, Rival, answer_file, rates
from tests.load.wire import GET_WEATHER, frame
from tests.raw import TIMEOUT_S

# Connections are kept alive as long as this server's (hypercorn.toml): uvicorn's usual 5 s may pass between two turns.
KEEP_ALIVE = "--timeout-keep-alive 75"
UVICORN = f"-m uvicorn --no-access-log --log-level warning --loop uvloop --http httptools {KEEP_ALIVE} --port {{port}}"
GRANIAN = "-m granian --no-log --interface asgi --loop uvloop --workers 1 --port {port}"
APPS = "tests.load.peer_apps"


class Peer(NamedTuple):
    what: str
    transport: str
    command: str
    target: str = ""  # of this server's calls a second to its own


PEERS = (
    Peer("raw echo, uvicorn with websockets", WEBSOCKET, f"{UVICORN} --ws websockets {ECHO}", "≥ 1"),
    Peer("raw echo, uvicorn with websockets' sans-I/O", WEBSOCKET, f"{UVICORN} --ws websockets-sansio {ECHO}", "≥ 1"),
    Peer("raw echo, uvicorn with wsproto", WEBSOCKET, f"{UVICORN} --ws wsproto {ECHO}", "≥ 1"),
    Peer("raw echo, granian", WEBSOCKET, f"{GRANIAN} {ECHO}", "≥ 1"),
    Peer("raw echo, uvicorn with httptools", HTTP, f"{UVICORN} {ECHO}", "≥ 1"),
    Peer("raw echo, granian", HTTP, f"{GRANIAN} {ECHO}", "≥ 1"),
    Peer("the SDK of 2026 on uvicorn, a ready get-weather", HTTP, f"{UVICORN} {APPS}:mcp"),
    Peer("FastMCP on uvicorn, a ready get-weather", HTTP, f"{UVICORN} {APPS}:fastmcp"),
)
PACKAGES = ("uvicorn", "httptools", "granian", "mcp", "fastmcp")


@contextmanager
def running(python: Path, command: str, folder: Path, echo: str) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / f"{port}.log"
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT), "ECHO_FILE": echo}
    with on_core(SERVER_CORE), log.open("wb") as out:
        arguments = [str(python), *command.format(port=port).split()]
        process = subprocess.Popen(arguments, cwd=folder, env=environment, stdout=out, stderr=out)
    try:
        _wait(port, process, log)
        yield Server(process, log, port)
    finally:
        process.terminate()  # granian's stops its worker, another process
        try:
            process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)  # another process starts
    raise RuntimeError(f"{' '.join(map(str, process.args))}\n{log.read_text()}")


def versions(python: Path) -> dict[str, str]:
    ask = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    said = subprocess.run([python, "-c", ask, *PACKAGES], capture_output=True, text=True, check=True).stdout
    return dict(zip(PACKAGES, said.split(), strict=True))


async def run(bench: Bench, python: Path) -> None:
    raw, posted = frame(GET_WEATHER), post(GET_WEATHER)
    with ExitStack() as stack:
        ours = stack.enter_context(bench.serving())
        sockets = await many(ours.port, CONNECTIONS)
        file, size = await answer_file(bench, sockets[0], raw)
        stock = stack.enter_context(bench.serving(ECHO, ECHO_FILE=file))
        rivals: dict[str, Rival] = {}

        async def add(what: str, transport: str, server: Server) -> None:
            if transport == HTTP:
                rivals[f"{what}, HTTP"] = Rival(server, await clients(server.port, CONNECTIONS), posted)
            else:
                opened = await many(server.port, CONNECTIONS, initialize=server is ours)
                rivals[f"{what}, WebSocket"] = Rival(server, opened, raw)

        servers = [(CACHED, ours), ("raw echo, hypercorn", stock)]
        shown = [(what, transport) for transport in (WEBSOCKET, HTTP) for what, _ in servers]
        for what, server in servers:
            await add(what, WEBSOCKET, server)
            await add(what, HTTP, server)
        for peer in PEERS:
            say(f"  starting {peer.what}, {peer.transport}")
            await add(peer.what, peer.transport, stack.enter_context(running(python, peer.command, bench.folder, file)))
        found = await rates(rivals)
    say(f"  answers of {size:,} bytes")
    for peer in PEERS:
        mine, theirs = f"{CACHED}, {peer.transport}", f"{peer.what}, {peer.transport}"
        what = f"cached get-weather / {peer.what}, {peer.transport}"
        bench.row(what, found.ratio(mine, theirs), "×", peer.target, f"theirs {found.note(theirs)}")
    first = f"raw echo, hypercorn, {WEBSOCKET}"
    for what, transport in (*shown, *((peer.what, peer.transport) for peer in PEERS)):
        name = f"{what}, {transport}"
        bench.bar(what, transport, 100 * found.ratio(name, first), found.rate(name))


def main() -> int:
    python = Path(sys.argv[1]).absolute() / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder, on_core(LOAD_CORE):
        bench = Bench(Path(folder))
        uvloop.run(run(bench, python))
    docs = ROOT / "docs"
    found = {"machine": machine() | versions(python), "results": bench.results, "calls": bench.bars}
    (docs / "bench-peers.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    (docs / "bench-peers.svg").write_text(peers_picture(bench.bars))
    print(f"{docs / 'bench-peers.json'} and {docs / 'bench-peers.svg'} written")
    missed = bench.missed()
    print("\n".join(f"missed: {what}" for what in missed) or "every target holds")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(until_interrupted(main))
