"""Alerts are issued, updated and over in the forms of api.weather.gov; those of a point, zones and areas agree."""

import math
import random
import re
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from tests.simulator.conftest import WINTER, active, connect, in_force, over
from weather.simulator import Faults, Simulator
from weather.simulator.map import AREAS, MARINE, PLACES, WATERS, covered

pytestmark = pytest.mark.anyio

DAY_S = 24 * 3600


@pytest.fixture
def quiet(sim):
    """Without alerts that pass within the hour."""
    sim.faults.alerts_every_s = 0
    return sim.faults


async def listed(windows, every=600, **query):
    """Time, and the alerts in the middle of each of the windows from midnight on."""
    times = [WINTER // DAY_S * DAY_S + every * (window + 0.5) for window in range(windows)]
    clock = iter(times)
    faults = {name: query.pop(name) for name in ("alerts_features", "seed") if name in query}
    async with connect(Simulator(Faults(alerts_every_s=every, **faults), clock=lambda: next(clock))) as client:
        return [(now, await active(client, **query)) for now in times]


def of(time):
    return datetime.fromisoformat(time).timestamp() if time else math.inf


def action(alert):
    return "".join(alert["parameters"].get("VTEC", ()))[3:6]


# How an alert can be seen to have been issued, to go on or to be over, of one listed at a time among others.
FORMS = {
    "issued": lambda alert, now, others: action(alert) == "NEW" and alert["messageType"] == "Alert",
    "updated, the former gone": lambda alert, now, others: action(alert) == "CON"
    and {one["identifier"] for one in alert["references"]} - others.keys(),
    "updated, the former listed": lambda alert, now, others: action(alert) == "CON"
    and {one["identifier"] for one in alert["references"]} & others.keys(),
    "again without a reference": lambda alert, now, others: alert["references"] == []
    and any(
        action(other) == "NEW" and other["parameters"]["VTEC"][0][7:22] == alert["parameters"]["VTEC"][0][7:22]
        for other in others.values()
        if action(alert) == "CON" and other is not alert
    ),
    "cancelled": lambda alert, now, others: action(alert) == "CAN"
    and (alert["messageType"], alert["urgency"], alert["response"]) == ("Alert", "Past", "AllClear")
    and of(alert["expires"]) <= now < of(alert["ends"]),
    "expired by its word": lambda alert, now, others: action(alert) == "EXP" and now < of(alert["ends"]),
    "upgraded": lambda alert, now, others: action(alert) == "UPG"
    and (alert["messageType"], alert["urgency"]) == ("Alert", "Past")
    and alert["parameters"]["expiredReferences"]
    and of(alert["expires"]) <= now < of(alert["ends"]),
    "message Cancel": lambda alert, now, others: alert["messageType"] == "Cancel"
    and {one["identifier"] for one in alert["references"]} <= others.keys(),
    "replaced by reference": lambda alert, now, others: any(
        one["identifier"] in others and others[one["identifier"]]["event"] != alert["event"]
        for one in alert["references"]
    ),
    "replacedBy": lambda alert, now, others: "replacedBy" in alert
    and alert["replacedBy"] in {other["@id"] for other in others.values()}
    and of(alert["replacedAt"]) <= now,
    "past its end": lambda alert, now, others: of(alert["ends"]) <= now,
    "expired, no end known": lambda alert, now, others: alert["ends"] is None and of(alert["expires"]) <= now,
    "no end known": lambda alert, now, others: alert["ends"] is None and now < of(alert["expires"]),
    "expired and in force": lambda alert, now, others: alert["event"] == "Small Craft Advisory"
    and of(alert["expires"]) < now < of(alert["ends"])
    and not over(alert, now),
    "civil emergency": lambda alert, now, others: alert["event"] == "Evacuation - Immediate"
    and (alert["severity"], alert["urgency"], action(alert)) == ("Unknown", "Immediate", ""),
}  # fmt: skip


async def test_every_form_occurs_within_a_day_and_passes():
    seen = {form: set() for form in FORMS}
    for now, alerts in await listed(DAY_S // 600):
        others = {alert["id"]: alert for alert in alerts}
        for form, fits in FORMS.items():
            seen[form] |= {alert["id"] for alert in alerts if fits(alert, now, others)}
    assert [form for form, ids in seen.items() if not ids] == []
    assert [form for form, ids in seen.items() if ids & others.keys() == ids] == []


@pytest.mark.parametrize("size", [0, 1, 7])
@pytest.mark.parametrize("area", ["CA", "PZ"])
async def test_another_set_is_in_force_in_each_window(area, size):
    """One is issued, over, or another is in its place: as many as are set, or 1 to 5."""
    sets = [
        {alert["id"] for alert in in_force(alerts, now)}
        for now, alerts in await listed(DAY_S // 600, area=area, alerts_features=size)
    ]
    assert all(before ^ after for before, after in pairwise(sets) if before or after)
    assert {len(ids) for ids in sets if ids} <= ({size} if size else {1, 2, 3, 4, 5})
    assert area != "CA" or all(sets)
    hours = [sets[n : n + 6] for n in range(0, len(sets), 6)]
    assert all(len(before ^ after) in (1, 2) for hour in hours for before, after in pairwise(hour) if before)


async def test_what_is_listed_is_the_same_within_a_window_and_for_the_same_seed():
    for second in (1, 9):
        sets = []
        for seed, more in ((1, 0), (1, second), (2, 0)):
            now = WINTER // 10 * 10 + more
            async with connect(Simulator(Faults(seed=seed, alerts_every_s=10), clock=lambda now=now: now)) as client:
                sets.append((await client.get("/alerts/active")).content)
        assert sets[0] == sets[1]
        assert sets[0] != sets[2]


@pytest.mark.parametrize("night", [datetime(2026, 11, 1, 7, tzinfo=UTC), datetime(2026, 3, 8, 8, tzinfo=UTC)])
async def test_no_alert_is_sent_later_than_now_when_the_clocks_change(night):
    for minute in range(5, 240, 10):
        now = night.timestamp() + 60 * minute
        async with connect(Simulator(Faults(alerts_every_s=600), clock=lambda now=now: now)) as client:
            alerts = await active(client)
        assert all(of(alert["sent"]) <= now for alert in alerts)
        assert in_force(alerts, now)


def links_of(properties):
    return [properties[name] for name in ("forecastZone", "county", "fireWeatherZone") if properties[name]]


async def test_a_point_is_in_zones_of_its_state_or_sea(client):
    seen = {}
    for place in PLACES:
        for lat, lon in ((place.lat, place.lon), (place.lat + 0.01, place.lon - 0.01)):
            where = (await client.get(f"/points/{lat:.4g},{lon:.5g}", follow_redirects=True)).json()["properties"]
            kinds = [re.fullmatch(r".*/zones/(\w+)/([A-Z]{2}[CZ]\d{3})", link).groups() for link in links_of(where)]
            seen.setdefault(place, set()).add(tuple(kinds))
            if place.state != "UM":
                assert [kind for kind, _ in kinds] == ["forecast", "county", "fire"]
                assert {code[:2] for _, code in kinds} == {where["relativeLocation"]["properties"]["state"]}
    assert sum(len(zones) == 1 for zones in seen.values()) > 0.8 * len(seen)
    assert seen[PLACES[-1]] == {()}


async def test_a_point_at_sea_has_a_forecast_zone_and_no_county(client):
    for south, north, west, east in MARINE:
        where = (await client.get(f"/points/{(south + north) / 2:g},{(west + east) / 2:g}")).json()["properties"]
        assert where["type"] == "marine"
        assert where["forecastZone"].rpartition("/")[2][:2] in WATERS
        assert (where["county"], where["fireWeatherZone"]) == (None, None)


async def test_alerts_of_a_point_are_some_of_its_zones_and_those_some_of_its_area(client, sim):
    sim.faults.alerts_features, dice = 20, random.Random(1)
    fewer = 0
    points = [(place.lat + dice.uniform(-0.3, 0.3), place.lon + dice.uniform(-0.3, 0.3)) for place in PLACES]
    points += [((south + north) / 2, (west + east) / 2) for south, north, west, east in MARINE]
    points += [(34 + dice.uniform(0, 3), -118 - dice.uniform(0, 3)) for _ in range(20)]
    for lat, lon in filter(lambda point: covered(*point), points):
        text = f"{lat:.4f},{lon:.4f}"
        zones = links_of((await client.get(f"/points/{text}", follow_redirects=True)).json()["properties"])
        codes = [link.rpartition("/")[2] for link in zones]
        here = await active(client, point=text)
        if not codes:
            assert here == []
            continue
        there = await active(client, zone=",".join(codes))
        area = await active(client, area=codes[0][:2])
        assert [alert for alert in there if alert in here] == here
        assert [alert for alert in area if alert in there] == there
        assert not area or area[0] in here
        fewer += len(here) < len(there) < len(area)
    assert fewer > 5


async def test_alerts_of_an_area_are_those_of_all_its_zones(client, sim):
    sim.faults.alerts_features = 50
    for area in ("CA", "PZ", "MD"):
        alerts = await active(client, area=area)
        codes = sorted({code for alert in alerts for code in alert["geocode"]["UGC"]})
        assert await active(client, zone=",".join(codes)) == alerts
        for alert in alerts:
            assert [link.rpartition("/")[2] for link in alert["affectedZones"]] == alert["geocode"]["UGC"] != []
    assert await active(client, zone="CAZ999") == []


async def test_an_alert_with_a_polygon_holds_in_it_only(client, sim):
    sim.faults.alerts_features = 30
    for place in PLACES[:-2]:
        alerts = (await client.get("/alerts/active", params={"area": place.state})).json()["features"]
        for alert in alerts:
            if alert["geometry"] is not None:
                assert alert["properties"]["event"] == "Tornado Warning"
                (west, south), _, (east, north), *_ = alert["geometry"]["coordinates"][0]
                within = await active(client, point=f"{(south + north) / 2:.4f},{(west + east) / 2:.4f}")
                outside = await active(client, point=f"{south - 0.01:.4f},{west:.4f}")
                assert alert["properties"] in within
                assert alert["properties"] not in outside


async def test_about_a_third_of_the_areas_has_one_to_five(client, quiet):
    sizes = [len(await active(client, area=area)) for area in AREAS]
    assert max(sizes) <= 5
    assert 0.2 < sum(size > 0 for size in sizes) / len(sizes) < 0.5
    assert sum(sizes) == len(await active(client))


async def test_california_always_has_an_actual_alert_and_vermont_never():
    for hour in range(24):
        sim = Simulator(Faults(), clock=lambda hour=hour: WINTER + 3600 * hour)
        async with connect(sim) as client:
            assert await active(client, area="CA", status="actual")
            assert not await active(client, area="VT")


async def test_a_point_out_of_bounds_has_no_list_of_alerts(client):
    response = await client.get("/alerts/active?point=48.85,2.35")
    assert (response.status_code, response.json()["type"].rpartition("/")[2]) == (400, "InvalidParameter")


async def test_an_area_asked_for_twice_answers_once(client):
    assert await active(client, area="CA,CA") == await active(client, area="CA")


async def test_the_first_alert_is_never_a_test(client, quiet):
    quiet.alerts_features = 1
    for quiet.seed in range(50):
        assert [alert["status"] for alert in await active(client, area="CA")] == ["Actual"]


async def test_test_messages_come_unless_only_actual_ones_are_asked_for(client, sim):
    sim.faults.alerts_features = 100
    everything = await active(client, area="CA")
    actual = await active(client, area="CA", status="actual")
    assert {alert["status"] for alert in everything} == {"Actual", "Test"}
    assert actual == [alert for alert in everything if alert["status"] == "Actual"]
    assert len(await active(client, area="CA", status="actual,test")) == len(everything)


async def test_an_alert_holds_now_and_says_that_it_is_simulated(client, quiet):
    quiet.alerts_features = 100
    alerts = await active(client, area="CA")
    assert len({alert["id"] for alert in alerts}) == 100
    for alert in alerts:
        sent, onset, expires = (
            datetime.fromisoformat(alert[name]).timestamp() for name in ("sent", "onset", "expires")
        )
        assert sent < WINTER < expires
        assert sent <= onset < expires
        assert alert["description"].startswith("Simulated:")
        assert alert["senderName"] == "NWS Simulator"
    assert 0.3 < sum(alert["instruction"] is None for alert in alerts) / 100 < 0.7
    assert {alert["ends"] is None for alert in alerts} == {True, False}


async def test_a_description_says_until_when_as_nws_writes_it(client, sim):
    """1 AM PST Monday, 143 PM PST Sunday: no minutes on the hour, and no colon."""
    sim.faults.alerts_features, sim.faults.alerts_every_s = 100, 600
    seen = set()
    for alert in await active(client, area="CA"):
        (when,) = re.findall(r"^\* WHEN\.\.\.Until (.*)\.$", alert["description"], re.MULTILINE)
        seen.add(re.sub(r"\d+", lambda hour: "#" * len(hour[0]), when.rpartition(" ")[0]))
        if alert["ends"] is None:
            assert when == "further notice"
        else:
            ends = datetime.fromisoformat(alert["ends"])
            hour = f"{(ends.hour - 1) % 12 + 1}{ends:%M}" if ends.minute else f"{(ends.hour - 1) % 12 + 1}"
            assert when == f"{hour} {'PM' if ends.hour >= 12 else 'AM'} PST {ends:%A}"
    assert {"# AM PST", "## PM PST", "further"} <= seen


async def test_a_set_can_be_of_national_size(client, quiet):
    quiet.alerts_features = 500
    response = await client.get("/alerts/active?area=CA,VT")
    assert len(response.json()["features"]) == 500
    assert 2_000 < len(response.content) / 500 < 5_000
