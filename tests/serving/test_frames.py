"""Messages in frames, as bytes."""

from __future__ import annotations

import tracemalloc
import zlib

from tests.raw import BINARY, frame
from weather.serving.frames import Protocol

MIB = 1024 * 1024


def test_no_more_is_inflated_than_a_message_may_have():
    """What is compressed has a thousandth of the size."""
    deflate = zlib.compressobj(wbits=-15)
    packed = deflate.compress(bytes(64 * MIB)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    protocol = Protocol(100_000, compression=True)
    assert len(protocol.response([(b"sec-websocket-extensions", b"permessage-deflate")], b"key", None)) == 4
    tracemalloc.start()
    assert protocol.messages(frame(BINARY, packed[:-4], rsv=4)) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert protocol.failure[0] == 1009
    assert peak < 10 * len(packed)
