"""A WebSocket client of bare bytes (RFC 6455, section 5), for what no library would send; an upstream that waits.

Every wait is bounded, and generously: on a busy machine a test takes longer, and says the same.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

TIMEOUT_S = 120  # the one limit of every wait for something to hold; pytest's own is above it
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x00\x00\x00\x00"  # allowed: the payload stays as it is
CLIENT_INFO = {"name": "raw", "version": "1"}
PATIENCE = {"NWS_DEADLINE_SECONDS": "300", "NWS_CONNECT_TIMEOUT_SECONDS": "300", "NWS_READ_TIMEOUT_SECONDS": "300"}
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT_INFO}


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    first, bit = (0x80 if fin else 0) | rsv << 4 | opcode, 0x80 if masked else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, bit | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", first, bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, bit | 127, len(payload))
    return head + (MASK if masked else b"") + payload


def handshake(port: int, **headers: str) -> bytes:
    lines = {
        "Host": f"127.0.0.1:{port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        **headers,
    }
    return "\r\n".join(["GET /ws HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items()), "\r\n"]).encode()


def request(request_id: Any, method: str, params: Any = None) -> dict[str, Any]:
    more = {} if params is None else {"params": params}
    return {"jsonrpc": "2.0", "id": request_id, "method": method, **more}


def call(request_id: Any, name: str = "get-alerts", **arguments: Any) -> dict[str, Any]:
    return request(request_id, "tools/call", {"name": name, "arguments": arguments or {"state": "CA"}})


def text(message: Any) -> bytes:
    """The frame of a message, or of a string as it is."""
    return frame(TEXT, (message if isinstance(message, str) else json.dumps(message)).encode())


class Closed(Exception):
    """The peer has closed: with `code` and `reason`, or with 1006 when there was no close frame."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Raw:
    """One connection; `extensions` are offered, `receive_buffer` is in bytes, `headers` go with the handshake."""

    def __init__(self, port: int, *, extensions: str = "", receive_buffer: int = 0, **headers: str) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT_S)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = bytearray()
        self._ids = count(1)
        self._inflate = zlib.decompressobj(-15)
        offered = {"Sec-WebSocket-Extensions": extensions} if extensions else {}
        self.socket.sendall(handshake(port, **offered, **headers))
        while (end := self.unread.find(b"\r\n\r\n")) < 0:
            self._more()
        self.answer = bytes(self.unread[:end]).decode()
        del self.unread[: end + 4]

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def _more(self) -> None:
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            raise Closed(1006)
        self.unread += data

    def _take(self, size: int) -> bytes:
        while len(self.unread) < size:
            self._more()
        taken = bytes(self.unread[:size])
        del self.unread[:size]
        return taken

    def send(self, *messages: Any) -> None:
        """All in one write."""
        self.socket.sendall(b"".join(map(text, messages)))

    def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame."""
        first, size = self._take(2)
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        payload = self._take(size)
        return first & 15, self._inflate.decompress(payload + b"\0\0\xff\xff") if first & 0x40 else payload

    def receive(self, *, answer: bool = True) -> Any:
        """The next message; answers pings and a close, if `answer`. A close raises Closed."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            opcode, payload = self.frame()
            if opcode == TEXT:
                return json.loads(payload)
            if opcode == PING and answer:
                self.socket.sendall(frame(PONG, payload))
            if opcode == CLOSE:
                if answer:
                    self.socket.sendall(frame(CLOSE, payload[:2]))
                raise Closed(*struct.unpack("!H", payload[:2] or b"\x03\xed"), payload[2:].decode())
        raise TimeoutError("nothing but pings")

    def closed(self, *, answer: bool = True) -> Closed:
        """How the server closes; what it says before is passed over."""
        try:
            while True:
                self.receive(answer=answer)
        except Closed as closed:
            return closed

    def ask(self, method: str, params: Any = None) -> Any:
        """The answer to a request of its own, which must be the next message."""
        request_id = f"ask-{next(self._ids)}"
        self.send(request(request_id, method, params))
        answer = self.receive()
        assert answer.get("id") == request_id, answer
        return answer

    def initialize(self) -> Raw:
        assert "result" in self.ask("initialize", INITIALIZE)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    def reset(self) -> None:
        """Ends with RST in place of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def gauges(port: int) -> dict[str, float]:
    """The series of /metrics that stand alone or carry labels, by their text."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_S) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


IN_FLIGHT = 'mcp_requests_in_flight{transport="websocket"}'


def eventually(holds: Any, what: str = "", seconds: float = TIMEOUT_S) -> None:
    """Waits until `holds()` is true; fails after `seconds`: of its own only where they come from what was measured."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, f"{what or holds}: {value} after {seconds} s"
        time.sleep(0.02)  # what is waited for is in another process


def fill(raw: Raw, data: bytes, most: int = 1 << 40) -> int:
    """Sends this again and again until the server reads no more of it; returns the bytes taken, `most` at most.

    A slow server is not taken for one that holds back: that one goes on answering others, and takes nothing here for
    longer than TCP waits before it tells of more room.
    """
    port, sent, refused = raw.socket.getpeername()[1], 0, 0
    raw.socket.setblocking(False)
    while sent < most and refused < 25:
        try:
            sent += raw.socket.send(data[sent % len(data) :])
            refused = 0
        except BlockingIOError:
            gauges(port)
            time.sleep(0.02)
            refused += 1
    raw.socket.settimeout(TIMEOUT_S)
    return sent


def posted(message: Any) -> bytes:
    """The HTTP request of a message to /mcp, of either era."""
    body = json.dumps(message).encode()
    lines = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Content-Length": str(len(body)),
    }
    if "_meta" in message.get("params", {}):
        lines |= {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": message["method"]}
        lines |= {"Mcp-Name": message["params"]["name"]} if "name" in message["params"] else {}
    head = "\r\n".join(["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items()), "\r\n"])
    return head.encode() + body


def configured(folder: Path, *, ping_s: float = 20, graceful_s: float = 3, keep_alive_s: float = 0.5) -> str:
    """A hypercorn.toml like the project's, with other times."""
    path = folder / "hypercorn.toml"
    path.write_text(
        'worker_class = "uvloop"\nworkers = 0\n'
        f"keep_alive_timeout = {keep_alive_s}\nwebsocket_ping_interval = {ping_s}\n"
        f"graceful_timeout = {graceful_s}\n"
    )
    return str(path)


@contextmanager
def answering(answer: Callable[[str], tuple[Any, ...]]) -> Iterator[str]:
    """The URL of an HTTP server whose `answer` to a path is a status, bytes or what is sent as JSON, and headers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content, *headers = answer(self.path)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/geo+json")
            self.send_header("Content-Length", str(len(body)))
            for header in headers:
                self.send_header(*header)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 100

        def handle_error(self, *_: object) -> None:
            """Whoever asked has left."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(TIMEOUT_S)


class Gate:
    """A National Weather Service that knows no alerts and no places, and says so only while it is open.

    What waits for it is at work for as long as a test likes, and not a moment longer.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._open = threading.Event()
        self.open, self.shut = self._open.set, self._open.clear

    def __call__(self, path: str) -> tuple[int, Any]:
        self.asked.append(path)
        self._open.wait(2 * TIMEOUT_S)
        if path.startswith("/alerts"):
            return 200, {"type": "FeatureCollection", "features": []}
        return 404, {"type": "https://api.weather.gov/problems/InvalidPoint", "title": "Data Unavailable"}


@contextmanager
def gated() -> Iterator[tuple[Gate, dict[str, str]]]:
    """A shut gate, and the settings of a server that asks it."""
    gate = Gate()
    with answering(gate) as url:
        yield gate, {"NWS_API_BASE": url, **PATIENCE}
        gate.open()
