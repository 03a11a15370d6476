"""The resources are the same in both eras: what is listed, read and completed."""

from __future__ import annotations

import json

import pytest

from tests.protocol.test_modern import META
from tests.protocol.test_subscriptions import CA, ask, modern
from tests.raw import Raw, call

BY_POINT, BY_PLACE = "weather://forecast/{latitude},{longitude}", "weather://forecast/{place}"
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
FOUND = [[], ["alerts", "forecast", "forecast-of-place"], "application/json", ["NH", "NJ", "NM", "NY"]]


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
    "uri", ["", "nope", "weather://alerts/ca", "weather://alerts/XX", "weather://forecast/", CA + "/"]
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


@pytest.fixture(params=["with a session", "without"])
def asked(request, server):
    """Asks in the era; returns the whole response."""
    with Raw(server.port) as raw:
        if request.param == "without":
            yield lambda method, params: raw.ask(method, params | {"_meta": META})
        else:
            yield raw.initialize().ask


def begun(uri, name, value):
    return {"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": name, "value": value}}


def test_the_forecast_of_a_place_is_read(asked):
    for uri in ("weather://forecast/Boston%2C%20ma", "weather://forecast/02108"):
        (content,) = asked("resources/read", {"uri": uri})["result"]["contents"]
        assert content["uri"] == uri
        assert json.loads(content["text"])["place"].startswith("Boston, MA")


def test_the_forecast_of_an_unknown_place_says_what_is_known(asked):
    error = asked("resources/read", {"uri": "weather://forecast/Elm%20Street"})["error"]
    assert error["code"] in (-32602, -32002)
    assert '"Elm Street", which is not known; it should be a US city' in error["message"]


def test_a_place_is_completed(asked):
    completion = asked("completion/complete", begun(BY_PLACE, "place", "bost"))["result"]["completion"]
    assert completion["values"][0] == "Boston, MA"
    assert (completion["total"], completion["hasMore"]) == (len(completion["values"]), False)


def test_a_hundred_values_are_sent_at_most(asked):
    completion = asked("completion/complete", begun(BY_PLACE, "place", "san"))["result"]["completion"]
    assert (len(completion["values"]), completion["hasMore"]) == (100, True)
    assert completion["total"] > 100


def test_what_has_no_choices_gets_none(asked):
    assert asked("completion/complete", begun(BY_POINT, "latitude", "4"))["result"]["completion"]["values"] == []


@pytest.mark.parametrize("uri", ["weather://alerts/{state}", BY_POINT, "weather://forecast/Boston", "get-weather"])
def test_only_an_argument_of_the_template_is_completed(asked, uri):
    error = asked("completion/complete", begun(uri, "place", "bost"))["error"]
    assert error["code"] == -32602
    assert f"the place of {BY_PLACE}" in error["message"]
