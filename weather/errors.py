"""Every exception this project raises on purpose.

* SettingError                 a setting cannot be used; the process does not start
* Refusal                      a handshake that may not pass, with the HTTP answer that says so
* InvalidMessage               a message that is none, or asks what cannot be: a JSON-RPC error
* WeatherError                 a tool call cannot be answered; `str()` is what the caller reads
  + BadArgument                the caller can mend the call
  + NotCovered                 NWS has no data for the place
  + NoForecast                 NWS knows the place and has no forecast for it
    + Withdrawn                the link to its forecast leads nowhere any more
  + UpstreamError              NWS did not answer, or not with weather
    + BadAnswer                what came is not what NWS documents
    + Outdated                 every period of the forecast that came is over
    + Unavailable              errors, refused connections, an outage
    + Rejected                 a 4xx that nobody foresaw
    + TooSlow                  no answer within the deadline of the call
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

AGAIN = "Try again in a minute."
SHOWN = 60


@dataclass(eq=False)
class SettingError(Exception):
    variable: str
    value: object
    expected: str

    def __str__(self) -> str:
        return f"{self.variable} is {self.value!r}, and should be {self.expected}."


@dataclass(eq=False)
class Refusal(Exception):
    """A refused handshake or request: `reason` is its name in logs and metrics, `message` is for the client."""

    status: int
    reason: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message


@dataclass(eq=False)
class InvalidMessage(Exception):
    """`code` is JSON-RPC's; `request_id` is that of the request, if it has one that can be used."""

    code: int
    message: str
    request_id: int | str | None = None
    data: dict[str, Any] | None = None

    def __str__(self) -> str:
        return self.message


class WeatherError(Exception):
    """Its text is shown to the caller: no URL, no exception's name. It will hold for `lasts_s`."""

    lasts_s = 3600.0


class BadArgument(WeatherError):
    def __init__(self, argument: str, got: str, expected: str) -> None:
        super().__init__(f"Argument '{argument}' is {got}; it should be {expected}.")


class BadArguments(BadArgument):
    """Several of one call: a sentence for each."""

    def __init__(self, faults: Iterable[BadArgument]) -> None:
        WeatherError.__init__(self, " ".join(map(str, faults)))


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
    """The weather is unknown: NWS `did` something, for `since_s` seconds by now; asking again later may help."""

    def __init__(self, did: str, since_s: float = 0.0, again: str = AGAIN) -> None:
        super().__init__(did)
        self.did, self.since_s, self.again = did, since_s, again

    def __str__(self) -> str:
        lasting = f" (for {_duration(self.since_s)} now)" if self.since_s >= 1 else ""
        return f"The National Weather Service {self.did}{lasting}. {self.again}"


class BadAnswer(UpstreamError):
    def __init__(self, why: str) -> None:
        super().__init__(f"sent an answer that cannot be read: {why}")


class Outdated(UpstreamError):
    def __init__(self, age_s: float) -> None:
        super().__init__(f"gave a forecast whose periods are all over: it is {_duration(age_s)} old")


class Unavailable(UpstreamError):
    def __init__(self, why: str, since_s: float = 0.0, again: str = AGAIN) -> None:
        super().__init__(f"is not answering: {why}", since_s, again)


class Rejected(UpstreamError):
    def __init__(self, status: int) -> None:
        super().__init__(f"did not accept the question (status {status})")


class TooSlow(UpstreamError):
    def __init__(self, deadline_s: float) -> None:
        super().__init__(f"did not answer within {counted(deadline_s, 'second')}")


def _duration(seconds: float) -> str:
    count, unit = (seconds, "second") if seconds < 120 else (seconds / 60, "minute")
    count, unit = (count, unit) if seconds < 7200 else (seconds / 3600, "hour")
    count, unit = (count, unit) if seconds < 172_800 else (seconds / 86_400, "day")
    return counted(round(count), unit)


def counted(number: float, what: str) -> str:
    """ "1 session", "2 sessions"."""
    told = f"{number:g}" if isinstance(number, float) else str(number)
    return f"{told} {what}{'' if number == 1 else 's'}"


def shortened(text: str, most: int = SHOWN) -> str:
    """At most so many printable characters of what a client sent."""
    plain = text.encode("ascii", "backslashreplace").decode()
    plain = "".join(character if character.isprintable() else "?" for character in plain)
    return plain if len(plain) <= most else plain[: most - 3] + "..."
