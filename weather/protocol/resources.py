"""The resources of both eras: their URIs, lists, completions and contents."""

import json
import re
from typing import Any
from urllib.parse import unquote

from weather.answers import Answers, CachedResult, Query
from weather.areas import AREAS, areas_from
from weather.errors import BadArgument, InvalidMessage, NotCovered, WeatherError, shortened
from weather.places import Places
from weather.protocol.messages import INTERNAL_ERROR, INVALID_PARAMS, Request

ALERTS, FORECAST = "weather://alerts/{state}", "weather://forecast/{latitude},{longitude}"
FORECAST_OF_PLACE = "weather://forecast/{place}"
NOT_FOUND = -32002  # in a session
MOST_VALUES = 100  # the specification's
NUMBER = r"(-?\d{1,3}(?:\.\d{1,9})?)"
_URI = re.compile(rf"weather://(?:alerts/([A-Z]{{2}})|forecast/{NUMBER},{NUMBER}|forecast/([^/?#]+))")

_JSON = {"mimeType": "application/json"}
_TEMPLATES = [
    {"uriTemplate": ALERTS, "name": "alerts", "title": "Alerts of a state, territory or marine area", **_JSON},
    {"uriTemplate": FORECAST, "name": "forecast", "title": "Forecast for a point", **_JSON},
    {"uriTemplate": FORECAST_OF_PLACE, "name": "forecast-of-place", "title": "Forecast for a place", **_JSON},
]
LISTS = {
    "resources/list": json.dumps({"resources": []}),  # Some clients bind or read each resource that is listed.
    "resources/templates/list": json.dumps({"resourceTemplates": _TEMPLATES}),
}


def area(uri: object) -> str | None:
    """The area whose alerts the URI names, None where it names none that is known."""
    found = _URI.fullmatch(uri) if isinstance(uri, str) else None
    return found[1] if found and found[1] in AREAS else None


def completed(request: Request, places: Places) -> str:
    """The result of `completion/complete`: areas by the beginning of a code or a name, and names of places.

    Raises InvalidMessage.
    """
    match request.params:
        case {"ref": {"type": "ref/resource", "uri": str(uri)}, "argument": {"name": str(name), "value": str(value)}}:
            if uri in (ALERTS, FORECAST, FORECAST_OF_PLACE) and f"{{{name}}}" in uri:
                complete = {"state": areas_from, "place": places.names}.get(name)
                found = complete(value) if complete else []
                some = {"values": found[:MOST_VALUES], "total": len(found), "hasMore": len(found) > MOST_VALUES}
                return json.dumps({"completion": some})
    raise request.invalid(f"What can be completed is the state of {ALERTS} and the place of {FORECAST_OF_PLACE}.")


def parse(answers: Answers, request: Request) -> Query:
    """The call that the URI of a `resources/read` stands for; raises InvalidMessage."""
    try:
        return answers.parse(*_call(request))
    except BadArgument as error:
        raise unknown(request, str(error)) from None


def _call(request: Request) -> tuple[str, dict[str, Any]]:
    uri = request.params.get("uri")
    match _URI.fullmatch(uri) if isinstance(uri, str) else None:
        case re.Match() as found if found[1] in AREAS:
            return "get-alerts", {"state": found[1]}
        case re.Match() as found if found[2]:
            return "get-forecast", {"latitude": float(found[2]), "longitude": float(found[3])}
        case re.Match() as found if found[4]:
            return "get-forecast", {"place": unquote(found[4])}
    known = f"{ALERTS} with a code such as CA, {FORECAST} and {FORECAST_OF_PLACE}"
    raise unknown(request, f"No resource '{shortened(str(uri))}'; there are {known}.")


async def read(answers: Answers, request: Request, query: Query) -> CachedResult:
    """Raises InvalidMessage, also where the Weather Service does not answer."""
    try:
        return await answers.answer(query)
    except NotCovered as error:
        raise unknown(request, str(error)) from None
    except WeatherError as error:
        raise request.invalid(str(error), INTERNAL_ERROR) from None


def contents(request: Request, ready: CachedResult) -> str:
    """The result of `resources/read`: the structured content of the tool's result."""
    uri = json.dumps(request.params["uri"])
    return f'{{"contents":[{{"uri":{uri},"mimeType":"application/json","text":{ready.text}}}]}}'


def unknown(request: Request, why: str) -> InvalidMessage:
    code = INVALID_PARAMS if request.stateless else NOT_FOUND
    return request.invalid(why, code, {"uri": shortened(str(request.params.get("uri")), 200)})
