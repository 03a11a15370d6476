"""The echo that Autobahn's suite is run against works. The suite itself takes a quarter of an hour: `make autobahn`."""

import pytest

from tests.conftest import ROOT, serving
from tests.raw import BINARY, TEXT, Raw, frame


@pytest.mark.parametrize("env", [{}, {"STOCK": "1"}], ids=str)
def test_messages_come_back(tmp_path, env):
    application, path = "tests.autobahn.echo:app", str(ROOT)
    with (
        serving(tmp_path, application=application, config=None, PYTHONPATH=path, **env) as server,
        Raw(server.port, extensions="permessage-deflate") as raw,
    ):
        assert "permessage-deflate" in raw.answer
        for opcode in (TEXT, BINARY):
            raw.socket.sendall(frame(opcode, b"hello"))
            assert raw.frame() == (opcode, b"hello")
