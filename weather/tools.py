"""The definitions of the three MCP tools, and their calls."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from weather import results
from weather.answers import Answers, CachedResult, Key, Query
from weather.config import Settings
from weather.errors import BadArgument, NotCovered, WeatherError
from weather.inputs import TAKES
from weather.nws import Progress, silent

NAME, TITLE = "weather", "US weather"
TOOLS = tuple(TAKES)
KNOWN = ", ".join(TOOLS)
BEHAVIOR = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": True}
SOURCES = {
    "simulator": "The weather is simulated, for trying and testing, and says nothing about the real weather.",
    Settings.model_fields["nws_api_base"].default: "The weather is live, from the National Weather Service.",
}

log = logging.getLogger(__name__)


class Short(GenerateJsonSchema):
    """Leaves out titles, which would repeat the names, and null: a field without a value is absent."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return {key: value for key, value in super().default_schema(schema).items() if value is not None}


def _tool(name: str, title: str, description: str, result: type[BaseModel]) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "description": description,
        "inputSchema": TAKES[name].model_json_schema(schema_generator=Short),
        "outputSchema": result.model_json_schema(mode="serialization", schema_generator=Short),
        "annotations": {"title": title, **BEHAVIOR},
    }


DEFINITIONS = [
    _tool(
        "get-weather",
        "Current weather",
        "The weather at a place in the United States now and for the next hours: temperature, conditions and wind"
        " of the current forecast period, and what the nearest station measured. Give place, or latitude and"
        " longitude. For the days or single hours ahead use get-forecast; for warnings use get-alerts.",
        results.WeatherResult,
    ),
    _tool(
        "get-forecast",
        "Seven-day forecast",
        "The forecast for a place in the United States over the next seven days, in periods of half a day, or over"
        " the next 48 hours by the hour. Give place, or latitude and longitude. For the weather now use get-weather.",
        results.ForecastResult,
    ),
    _tool(
        "get-alerts",
        "Active weather alerts",
        "The watches, warnings and advisories in force now, the most severe first, with what to do. Says so when"
        " there are none. Give one of: state, for a US state, territory or marine area; place, for its county and"
        " forecast zone; or latitude and longitude, for what holds at that very point.",
        results.AlertsResult,
    ),
]
LISTING = json.dumps({"tools": DEFINITIONS}, separators=(",", ":"))
"""A `ListToolsResult`."""


class Result(NamedTuple):
    """The result of a request, as JSON. `failed` counts as an error of the session."""

    json: str
    failed: bool = False


def prepare(
    answers: Answers, name: str, arguments: Mapping[str, Any], key: Key | None, transport: str, started: float
) -> CachedResult | Callable[[Progress], Awaitable[Result]]:
    """Validates a call of one of TOOLS: returns its cached result, or the function that builds it.

    `started` is a time of `perf_counter`.
    """
    try:
        query = answers.parse(name, arguments, key)
    except BadArgument as error:
        return partial(call, answers, name, str(error), transport=transport)
    if result := answers.lookup(query):
        answers.metrics.called(name, result.outcome, transport, time.perf_counter() - started)
        return result
    return partial(call, answers, name, query, transport=transport)


async def call(
    answers: Answers, name: str, query: Query | str, progress: Progress = silent, transport: str = "websocket"
) -> Result:
    """`query` may be what is wrong with the arguments: an exception kept here would be in a reference cycle.

    Every error becomes a result with `isError`; only cancellation is raised.
    """
    started, outcome = time.perf_counter(), "cancelled"
    try:
        if isinstance(query, str):
            outcome = "argument_error"
            return _error(query)
        result = await answers.answer(query, progress)
        outcome = result.outcome
        return Result(result.json)
    except WeatherError as error:
        outcome = "argument_error" if isinstance(error, NotCovered) else "upstream_error"
        return _error(str(error))
    except Exception:  # a bug must not end the session
        outcome = "error"
        log.exception("%s failed", name)
        return _error("Something went wrong in this server; its log has the details. Trying again may help.")
    finally:
        answers.metrics.called(name, outcome, transport, time.perf_counter() - started)
        answers.metrics.built += 1


def _error(text: str) -> Result:
    return Result(json.dumps({"content": [{"type": "text", "text": text}], "isError": True}), failed=True)


def instructions(settings: Settings) -> str:
    either = "Each result's source says whether the weather is live or simulated."
    return (
        "Answers questions about current weather, forecasts and weather alerts. Coverage is the United States, its"
        f" territories and adjacent waters. {SOURCES.get(settings.nws_api_base, either)}"
    )
