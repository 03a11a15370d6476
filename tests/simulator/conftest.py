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
