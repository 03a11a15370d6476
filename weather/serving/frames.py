"""WebSocket frames (RFC 6455) by websockets' sans-I/O `ServerProtocol`: from bytes to events, and back."""

from codecs import getincrementaldecoder
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

from typing_extensions import override
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import ExtensionName
from websockets.utils import accept_key

DATA = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
Header = tuple[bytes, bytes]
UTF8 = getincrementaldecoder("utf-8")


class Protocol(ServerProtocol):
    """Of an accepted handshake. `max_size` is the limit of a message, in bytes, before and after it is inflated."""

    def __init__(self, max_size: int, *, compression: bool) -> None:
        deflate = [Deflate(client_max_window_bits=15)] if compression else None
        super().__init__(extensions=deflate, state=State.OPEN, max_size=max_size)
        self.extensions = [Text()]
        self._too_big = f"a message has at most {max_size} bytes"
        self._data, self._is_text, self._in_message = bytearray(), False, False
        self._unparsed = 0
        self.control_frames = 0
        """So many have come since the last frame of a message."""
        self.failure: tuple[CloseCode | int, str] | None = None
        """Code and reason of `fail`, until `fail_now` sends them."""

    def response(self, request: Iterable[Header], key: bytes, subprotocol: str | None) -> list[Header]:
        """The headers of the response to a handshake. Declines an offer of compression that is malformed."""
        headers = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
        headers.append((b"sec-websocket-accept", accept_key(key.decode("latin-1")).encode()))
        if subprotocol:
            headers.append((b"sec-websocket-protocol", subprotocol.encode()))
        with suppress(InvalidHeader):
            offers = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in request)
            accepted, extensions = self.process_extensions(offers)
            self.extensions += extensions
            if accepted:
                headers.append((b"sec-websocket-extensions", accepted.encode()))
        return headers

    def messages(self, data: bytes) -> list[dict[str, Any]]:
        """Takes what was received, and returns a `websocket.receive` for each message that it completes."""
        self.receive_data(data)
        frames = cast(list[Frame], self.events_received())
        self._unparsed += len(data) - sum(map(_size, frames))
        of_messages = [frame for frame in frames if frame.opcode in DATA]
        self.control_frames = 0 if of_messages else self.control_frames + len(frames)
        return [event for frame in of_messages if (event := self._event(frame))]

    @property
    def between_messages(self) -> bool:
        """Whether the next byte begins a message, and messages are sent and received as they are.

        A frame whose length is written in more bytes than it needs makes it False for good.
        """
        return self.state is State.OPEN and not (self._unparsed or self._in_message or self.extensions[1:])

    def _event(self, frame: Frame) -> dict[str, Any] | None:
        self._in_message = not frame.fin
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
            if frame.fin and self._is_text:
                return {"type": "websocket.receive", "text": str(frame.data, "utf-8")}
        self._data += frame.data
        if not frame.fin:
            return None
        data, self._data = bytes(self._data), bytearray()
        return {"type": "websocket.receive", **({"text": data.decode()} if self._is_text else {"bytes": data})}

    def end(self) -> None:
        """Ends the parser, after which nothing can be received. It is in a reference cycle with the protocol."""
        self.parser.close()
        self.parser_exc = None

    @override
    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        """Leaves time for the responses to messages that came before.

        A close amid a fragmented message is answered in kind: RFC 6455, 5.4, allows it, and websockets does not.
        """
        if code == CloseCode.MESSAGE_TOO_BIG:
            reason = self._too_big
        elif self.close_rcvd:
            empty = self.close_rcvd.code == CloseCode.NO_STATUS_RCVD
            code, reason = CloseCode.NORMAL_CLOSURE if empty else self.close_rcvd.code, ""
        self.failure = code, reason

    def fail_now(self) -> None:
        if self.failure:
            super().fail(*self.failure)
            self.failure = None


def _size(frame: Frame) -> int:
    """The bytes of a masked frame that was not compressed."""
    size = len(frame.data)
    return 6 + size + (0 if size < 126 else 2 if size < 65536 else 8)


class Text(Extension):
    """Raises UnicodeDecodeError while a frame is parsed, for which the protocol fails: the first violation counts."""

    name = ExtensionName("text")
    _decoder: Any = None

    @override
    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        if frame.fin and frame.opcode is Opcode.TEXT:
            str(frame.data, "utf-8")
        elif frame.opcode in DATA:
            if frame.opcode is not Opcode.CONT:
                self._decoder = UTF8() if frame.opcode is Opcode.TEXT else None
            if self._decoder:
                self._decoder.decode(frame.data, frame.fin)
        return frame

    @override
    def encode(self, frame: Frame) -> Frame:
        return frame


class Deflate(ServerPerMessageDeflateFactory):
    """Declines a window of 8 bits on either side, which zlib cannot deflate with (madler/zlib#171)."""

    @override
    def process_request_params(self, params: Sequence[Any], accepted_extensions: Sequence[Any]) -> Any:
        if "8" in dict(params).values():
            raise NegotiationError("unsupported window of 8 bits")
        return super().process_request_params(params, accepted_extensions)
