"""The revisions with sessions: what is answered without the SDK is what the SDK would answer."""

from __future__ import annotations

import json
import os
from typing import get_args

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import types
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage
from mcp.shared.version import SUPPORTED_PROTOCOL_VERSIONS

from tests.raw import TIMEOUT_S
from weather import __version__
from weather.config import Settings
from weather.errors import InvalidMessage
from weather.protocol import legacy
from weather.protocol.messages import SESSION_VERSIONS, Request
from weather.tools import NAME, instructions

SDK_REQUESTS = {kind.model_fields["method"].default: kind for kind in get_args(types.ClientRequestType)}
small = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
anything = st.recursive(
    small, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)
objects = st.dictionaries(st.text(max_size=3), anything, max_size=2)
uris = st.sampled_from(["weather://alerts/CA", "weather://forecast/1,2"])
optional = {
    "_meta": st.fixed_dictionaries({}, optional={"progressToken": anything}) | anything,
    "arguments": objects | anything,
    "task": st.fixed_dictionaries({}, optional={"ttl": anything}) | anything,
}
HANDLED_BY_SDK = {"tools/call": {"name": st.just("get-alerts") | anything}, "resources/read": {"uri": uris}}


def test_revisions_are_those_of_the_sdk():
    assert list(SESSION_VERSIONS) == SUPPORTED_PROTOCOL_VERSIONS
    assert SESSION_VERSIONS[-1] == types.LATEST_PROTOCOL_VERSION


@pytest.mark.parametrize("version", [*SESSION_VERSIONS, "1999-01-01"])
@pytest.mark.anyio
async def test_initialize_is_answered_as_the_sdk_does(version):
    """The SDK cannot announce completions, subscriptions and a title: the test adds those to its result."""
    configured = Settings.read(nws_api_base="simulator")
    server = Server(NAME, __version__, instructions(configured))
    options = server.create_initialization_options()
    options.capabilities.tools = types.ToolsCapability(listChanged=False)
    options.capabilities.resources = types.ResourcesCapability(subscribe=True, listChanged=False)
    options.capabilities.completions = types.CompletionsCapability()
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    message = types.JSONRPCRequest(jsonrpc="2.0", id=1, method="initialize", params=params)
    to_server, read = anyio.create_memory_object_stream(1)
    write, from_server = anyio.create_memory_object_stream(1)
    async with to_server, read, write, from_server, anyio.create_task_group() as tasks:
        tasks.start_soon(server.run, read, write, options)
        await to_server.send(SessionMessage(types.JSONRPCMessage(message)))
        with anyio.fail_after(TIMEOUT_S):
            sent = await from_server.receive()
        tasks.cancel_scope.cancel()
    theirs = sent.message.model_dump_json(by_alias=True, exclude_none=True)
    theirs = theirs.replace(f'"name":"{NAME}"', f'"name":"{NAME}","title":"US weather"')
    request = Request(1, "initialize", params)
    answers = type("Answers", (), {"settings": configured})
    assert legacy.answered(answers, request, "websocket", 0.0) == theirs


@pytest.mark.parametrize("method", HANDLED_BY_SDK)
def test_params_that_are_accepted_the_sdk_accepts(method):
    """Otherwise a session would end, or a request get no response, once the SDK has begun."""

    @settings(deadline=None, derandomize="CI" in os.environ, max_examples=300)
    @given(st.fixed_dictionaries(HANDLED_BY_SDK[method], optional=optional))
    def check(params):
        try:
            legacy.params(Request(1, method, params))
        except InvalidMessage:
            return
        SDK_REQUESTS[method].model_validate({"method": method, "params": json.loads(json.dumps(params))})

    check()
