"""The exceptions of this server, and helpers for their texts.

* SettingError                 a setting cannot be used; the process does not start
* Refusal                      a rejected handshake or request, with the HTTP response to send
* InvalidMessage               an invalid message or request, with the JSON-RPC error to send
* WeatherError                 a tool call failed; the caller reads its `str()`
  + BadArgument                the caller can correct the call
  + NotCovered                 NWS has no data for the place
  + NoForecast                 NWS knows the place and has no forecast for it
    + Withdrawn                the link to its forecast gives 404
  + UpstreamError              NWS did not answer, or not with usable data
    + BadAnswer                the response does not have the documented shape
    + Outdated                 all periods of the forecast are over
    + Unavailable              errors, refused connections, an outage
    + Rejected                 a 4xx without a meaning of its own
    + TooSlow                  no response within the deadline of the call
"""

from dataclasses import dataclass, field
from typing import Any

UNITS_S = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}


@dataclass(eq=False)
class SettingError(Exception):
    variable: str
    value: object
    expected: str

    def __str__(self) -> str:
        return f"{self.variable} is {self.value!r}, and should be {self.expected}."


@dataclass(eq=False)
class Refusal(Exception):
    """`reason` is a label for logs and metrics; the client gets `message` as the body of the HTTP response."""

    status: int
    reason: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message


@dataclass(eq=False)
class InvalidMessage(Exception):
    """`code`, `message` and `data` go into the JSON-RPC error; `request_id` is None if the message has no usable id."""

    code: int
    message: str
    request_id: int | str | None = None
    data: dict[str, Any] | None = None

    def __str__(self) -> str:
        return self.message


class WeatherError(Exception):
    """The caller reads its text, so it holds no URL and no exception's name. It may be cached for `lasts_s` seconds."""

    lasts_s = 3600.0


class BadArgument(WeatherError):
    """Each fault is the argument's name, its value, and the valid form."""

    def __init__(self, *faults: tuple[str, str, str]) -> None:
        super().__init__(" ".join(f"Argument '{name}' is {got}; it should be {right}." for name, got, right in faults))


class NotCovered(WeatherError):
    def __init__(self, latitude: float, longitude: float) -> None:
        super().__init__(
            f"The National Weather Service has no data for {latitude}, {longitude}: it covers the United States, its"
            " territories and adjacent waters. Ask for a point there (west longitudes are negative)."
        )


class NoForecast(WeatherError):
    def __init__(self, why: str, lasts_s: float = 3600.0) -> None:
        super().__init__(f"The National Weather Service has no forecast for this point: {why}.")
        self.lasts_s = lasts_s


class Withdrawn(NoForecast):
    def __init__(self) -> None:
        super().__init__("the link to it leads nowhere", lasts_s=0.0)


class UpstreamError(WeatherError):
    """`did` completes the sentence "NWS ...". It has lasted for `since_s` seconds; `again` says when to retry."""

    did = "{}"

    def __init__(self, why: object, since_s: float = 0.0, again: str = "Try again in a minute.") -> None:
        super().__init__(self.did.format(why))
        self.since_s, self.again = since_s, again

    def __str__(self) -> str:
        lasting = f" (for {duration(self.since_s)} now)" if self.since_s >= 1 else ""
        return f"The National Weather Service {self.args[0]}{lasting}. {self.again}"


class BadAnswer(UpstreamError):
    did = "sent an answer that cannot be read: {}"


class Outdated(UpstreamError):
    did = "gave a forecast whose periods are all over: it is {} old"

    def __init__(self, age_s: float) -> None:
        super().__init__(duration(age_s))


class Unavailable(UpstreamError):
    did = "is not answering: {}"


class Rejected(UpstreamError):
    did = "did not accept the request (status {})"


class TooSlow(UpstreamError):
    def __init__(self, deadline_s: float) -> None:
        super().__init__(f"did not answer within {counted(deadline_s, 'second')}")


def duration(seconds: float, smallest: str = "second") -> str:
    """ "95 seconds", "26 hours": in whole units, the largest of which at least two have passed."""
    unit = next(unit for unit, size_s in UNITS_S.items() if seconds >= 2 * size_s or unit == smallest)
    return counted(int(seconds / UNITS_S[unit]), unit)


def counted(number: float, what: str) -> str:
    """ "1 session", "2 sessions"."""
    digits = f"{number:g}" if isinstance(number, float) else str(number)
    return f"{digits} {what}{'' if number == 1 else 's'}"


def shortened(text: str, most: int = 60) -> str:
    """Escapes and cuts the text of a client to at most `most` printable ASCII characters."""
    plain = text[: most + 1].encode("ascii", "backslashreplace").decode()
    plain = "".join(character if character.isprintable() else "?" for character in plain)
    return plain if len(plain) <= most else plain[: most - 3] + "..."
