"""The resources are the same in both eras."""

from __future__ import annotations

import json

import pytest

from tests.protocol.test_subscriptions import CA, ask, modern
from tests.raw import Raw, call

RESOURCES = {
    "a list": ("resources/list", {}, lambda found: found["resources"]),
    "templates": ("resources/templates/list", {}, lambda found: [each["name"] for each in found["resourceTemplates"]]),
    "alerts": ("resources/read", {"uri": CA}, lambda found: found["contents"][0]["mimeType"]),
    "a completion": (
        "completion/complete",
        {
            "ref": {"type": "ref/resource", "uri": "weather://alerts/{state}"},
            "argument": {"name": "state", "value": "new "},
        },
        lambda found: found["completion"]["values"],
    ),
}
FOUND = [[], ["alerts", "forecast"], "application/json", ["NH", "NJ", "NM", "NY"]]


@pytest.mark.parametrize(("row", "found"), list(zip(RESOURCES.values(), FOUND, strict=True)), ids=RESOURCES)
def test_both_eras_offer_the_same_resources(server, row, found):
    method, params, told = row
    with Raw(server.port) as old:
        assert told(old.initialize().ask(method, params)["result"]) == found
    new = ask(server, modern(1, method, params))["result"]
    assert told(new) == found
    assert new["resultType"] == "complete"
    assert ("ttlMs" in new) == (method != "completion/complete")


@pytest.mark.parametrize(
    "uri", ["", "nope", "weather://alerts/ca", "weather://alerts/XX", "weather://forecast/1,", CA + "/"]
)
def test_an_unknown_resource_is_the_error_of_the_era(server, uri):
    with Raw(server.port) as old:
        answer = old.initialize().ask("resources/read", {"uri": uri})
        assert answer["error"]["code"] == -32002
        assert "weather://alerts/{state}" in answer["error"]["message"]
    assert ask(server, modern(1, "resources/read", {"uri": uri}))["error"]["code"] == -32602


def test_a_resource_holds_the_structured_content_of_the_tool(server):
    with Raw(server.port) as raw:
        raw.initialize().send(call(1))
        structured = raw.receive()["result"]["structuredContent"]
        held = raw.ask("resources/read", {"uri": CA})["result"]["contents"][0]["text"]
    assert json.loads(held) == structured
