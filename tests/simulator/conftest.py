import re
from datetime import UTC, datetime

import httpx
import pytest

from weather.simulator import Faults, Simulator

WINTER = datetime(2026, 1, 20, 18, 51, 16, tzinfo=UTC).timestamp()
SEATTLE = "/points/47.61,-122.33"


@pytest.fixture
def sim():
    return Simulator(Faults(), clock=lambda: WINTER)


@pytest.fixture
async def client(sim):
    async with connect(sim) as client:
        yield client


def connect(sim):
    return httpx.AsyncClient(transport=httpx.ASGITransport(sim), base_url="https://api.weather.gov")


async def point(client, path=SEATTLE):
    return (await client.get(path)).json()["properties"]


async def active(client, **query):
    return [alert["properties"] for alert in (await client.get("/alerts/active", params=query)).json()["features"]]


def in_force(alerts, now):
    """Neither over by a word of its own or another's, nor by the clock: the rules of CAP 1.2 and NWSI 10-1703."""
    gone = {one["identifier"] for alert in alerts for one in alert["references"]}
    gone |= {name for alert in alerts for one in alert["parameters"].get("expiredReferences", ())
             for name in re.findall("urn:[^,]*", one)}  # fmt: skip
    newest = {event_of(alert): alert["id"] for alert in sorted(alerts, key=lambda alert: alert["sent"])}
    return [
        alert
        for alert in alerts
        if alert["id"] not in gone and newest[event_of(alert)] == alert["id"] and not over(alert, now)
    ]


def event_of(alert):
    """Office, phenomenon, significance and number, or the message's own name."""
    vtec = alert["parameters"].get("VTEC")
    return tuple(vtec[0].split(".")[2:6]) if vtec else alert["id"]


def over(alert, now):
    actions = {one.split(".")[1] for one in alert["parameters"].get("VTEC", ())}
    return (
        alert["messageType"] == "Cancel"
        or "replacedBy" in alert
        or (actions and actions <= {"CAN", "EXP", "UPG"})
        or (alert["urgency"], alert["response"]) == ("Past", "AllClear")
        or datetime.fromisoformat(alert["ends"] or alert["expires"]).timestamp() <= now
    )


async def lifespan(app):
    """What an application sends when it is started and then stopped."""
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent = []

    async def receive():
        return next(events)

    async def send(message):
        sent.append(message)

    await app({"type": "lifespan"}, receive, send)
    return sent
