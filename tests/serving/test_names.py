"""Every name of hypercorn that the subclasses use stands in a table, and the start checks it."""

import ast
import inspect
import re
import signal

import pytest

from tests.conftest import ROOT, serving
from tests.raw import Raw, gauges
from weather.serving import names

MODULES = ("connection", "http1", "ready", "websocket")
SOURCES = "".join((ROOT / "weather" / "serving" / f"{name}.py").read_text() for name in MODULES)


def attributes(cls):
    """Those of `self` that a class uses, but for what it sets or defines itself."""
    nodes = [node for node in ast.walk(ast.parse(inspect.getsource(cls))) if isinstance(node, ast.Attribute)]
    nodes = [node for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "self"]
    own = {node.attr for node in nodes if isinstance(node.ctx, ast.Store)}
    return {node.attr for node in nodes} - own - set(vars(cls))


@pytest.mark.parametrize(("theirs", "ours"), [row[2:] for row in names.REPLACED], ids=lambda cls: cls.__name__)
def test_every_attribute_that_is_used_is_in_the_table(theirs, ours):
    assert attributes(ours) <= set(names.USED.get(theirs, "").split())


@pytest.mark.parametrize("theirs", names.USED, ids=lambda cls: cls.__name__)
def test_the_table_has_no_more_than_is_used(theirs):
    for name in names.USED[theirs].split():
        assert re.search(rf"\.{name}\b", SOURCES), name


def test_nothing_has_changed():
    assert names.first_change() is None


UNSUPPORTED = "running without the fixes for hypercorn: "


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("version", "hypercorn is 0.19.0, and 0.18 is known"),
        ("moved", "hypercorn is not as it was: cannot import name 'TCPServer'"),
        ("parameters", "hypercorn is not as it was: another hypercorn.protocol.ws_stream.WSStream._send_pings"),
        ("attributes", "hypercorn is not as it was: no hypercorn.protocol.ws_stream.Handshake.accepted"),
        ("replaced", "hypercorn is not as it was: another hypercorn.protocol.h11.WSStream"),
    ],
)
def test_a_hypercorn_that_is_not_known_serves_without_the_fixes_and_that_is_said_at_the_start(tmp_path, how, why):
    with serving(tmp_path, application="tests.serving.unknown:app", UNKNOWN=how) as server:
        assert UNSUPPORTED + why in server.log
        for _ in range(2):
            with Raw(server.port) as raw:
                assert raw.initialize().ask("ping")["result"] == {}
        assert gauges(server.port)['mcp_sessions_ended_total{ended="client"}'] >= 1
        assert server.log.count(UNSUPPORTED) == 1
        assert "Traceback" not in server.log


def test_another_asgi_server_serves_without_the_fixes_and_that_is_said_at_the_start(tmp_path):
    with serving(tmp_path, module="uvicorn") as server:
        assert UNSUPPORTED + "the server is not hypercorn" in server.log
        for _ in range(2):
            with Raw(server.port) as raw:
                assert raw.initialize().ask("ping")["result"] == {}
        assert server.stop() == -signal.SIGTERM  # as uvicorn ends
        assert server.log.count(UNSUPPORTED) == 1
        assert "Traceback" not in server.log
