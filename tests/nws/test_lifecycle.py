"""Which messages of a feed are in force by their own word, and how they rank."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.nws.test_readers import API, NOON, alert, alerts, ids
from weather.nws.lifecycle import SEVERITIES
from weather.nws.readers import read_alerts

EVENT = "KELM.FA.A.0007"


def vtec(action, event=EVENT):
    return f"/O.{action}.{event}.300115T1200Z-300116T0500Z/"


def coded(identifier, *codes, zones=(), **properties):
    """With VTEC codes, in zones of New York by their numbers."""
    links = [f"{API}/zones/forecast/NYZ{number:03}" for number in zones]
    return alert(identifier, parameters={"VTEC": list(codes)}, affectedZones=links, **properties)


def sent(hour):
    return (NOON + timedelta(hours=hour)).isoformat()


@pytest.mark.parametrize("action", ["NEW", "CON", "EXT", "EXA", "EXB", "COR", "ROU", "XXX"])
def test_an_event_that_goes_on_is_in_force(action):
    assert ids(coded("a", vtec(action))) == ["a"]


@pytest.mark.parametrize("action", ["CAN", "EXP", "UPG"])
def test_an_event_that_ends_is_over_though_its_end_is_to_come(action):
    assert ids(coded("a", vtec(action), messageType="Alert", ends="2030-02-01T00:00:00Z"), alert("b")) == ["b"]


def test_an_alert_with_one_event_that_goes_on_is_in_force():
    assert ids(coded("a", vtec("UPG"), vtec("NEW", "KELM.FA.W.0003"))) == ["a"]
    assert ids(coded("a", vtec("UPG"), vtec("CAN", "KELM.FA.W.0003"))) == []
    assert ids(coded("a", vtec("CAN") + vtec("CON", "KELM.FA.W.0003"))) == ["a"]


@pytest.mark.parametrize(
    "parameters",
    [
        *(None, [], "CAN", {"VTEC": None}, {"VTEC": [None]}, {"VTEC": {}}, {"VTEC": []}, {"VTEC": ["/CAN/"]}),
        {"VTEC": ["CAN.KELM.FA.A.0007"]},
        {"expiredReferences": ["a"]},
        {"expiredReferences": [7]},
        {"expiredReferences": None},
    ],
    ids=str,
)
def test_parameters_of_another_form_end_nothing(parameters):
    assert ids(alert("a", parameters=parameters)) == ["a"]


def test_parameters_are_read_where_one_value_is_no_list():
    assert ids(alert("a", parameters={"VTEC": vtec("CAN")})) == []


@pytest.mark.parametrize(
    ("urgency", "response", "over"),
    [
        ("Past", "AllClear", True),
        ("Past", "Monitor", False),
        ("Past", None, False),
        ("Expected", "AllClear", False),
    ],
)
def test_the_all_clear_of_what_is_past_is_no_alert(urgency, response, over):
    assert ids(alert("a", urgency=urgency, response=response)) == ([] if over else ["a"])


def test_what_says_by_what_it_is_replaced_is_over():
    assert ids(alert("a", replacedBy=f"{API}/alerts/b", replacedAt=sent(0))) == []
    assert ids(alert("a", replacedBy=None, replacedAt=None)) == ["a"]


def test_what_a_later_message_names_as_expired_is_over():
    text = f"w-nws@example.invalid,a,{sent(-2)} w-nws@example.invalid,b,{sent(-1)}"
    assert ids(alert("a"), alert("b"), alert("c", parameters={"expiredReferences": [text]})) == ["c"]
    assert ids(alert("a", parameters={"expiredReferences": [f"w-nws@example.invalid,a,{sent(0)}"]})) == ["a"]


def test_a_message_that_is_over_replaces_what_it_names_all_the_same():
    assert ids(alert("a"), coded("b", vtec("CAN"), replaces=["a"])) == []


def test_of_one_event_told_twice_the_newer_counts_for_the_zones_of_both():
    old = coded("old", vtec("NEW"), zones=(1, 2, 3), areaDesc="One; Two; Three", sent=sent(-2))
    new = coded("new", vtec("CON"), zones=(2, 3), sent=sent(-1))
    read = {one.id: one for one in read_alerts(alerts(old, new)).alerts}
    assert (read["old"].affected_zones, read["old"].area) == (["NYZ001"], "One")
    assert read["new"].affected_zones == ["NYZ002", "NYZ003"]
    assert ids(old, coded("new", vtec("CON"), zones=(1, 2, 3, 4), sent=sent(-1))) == ["new"]
    assert ids(coded("new", vtec("CON"), zones=(1, 2, 3, 4), sent=sent(-1)), old) == ["new"]


def test_an_event_cancelled_in_some_zones_stays_in_the_others():
    old = coded("old", vtec("NEW"), zones=(1, 2), areaDesc="One, and around it", sent=sent(-2))
    [read] = read_alerts(alerts(old, coded("end", vtec("CAN"), zones=(2,), sent=sent(-1)))).alerts
    assert (read.id, read.affected_zones, read.area) == ("old", ["NYZ001"], "One, and around it")
    assert ids(old, coded("end", vtec("CAN"), zones=(1, 2), sent=sent(-1))) == []


@pytest.mark.parametrize(
    "other",
    [
        {"zones": (3,)},  # of one event, elsewhere
        {"zones": ()},
        {"zones": (1, 2), "sent": sent(-2)},  # parts of one message
        {"zones": (1, 2), "sent": None},
    ],
    ids=str,
)
def test_one_event_may_have_several_messages(other):
    old = coded("a", vtec("NEW"), zones=(1, 2), sent=sent(-2))
    assert ids(old, coded("b", vtec("CON"), **{"sent": sent(-1)} | other)) == ["a", "b"]
    assert ids(old, coded("b", vtec("CON", "KELM.FA.A.0008"), zones=(1, 2), sent=sent(-1))) == ["a", "b"]


def test_an_event_of_another_year_has_the_same_number():
    old = coded("old", vtec("CON"), zones=(1,), sent=(NOON - timedelta(days=200)).isoformat())
    assert ids(old, coded("new", vtec("NEW"), zones=(1,), sent=sent(-1))) == ["old", "new"]


def test_what_goes_on_elsewhere_is_not_in_force_where_it_is_asked():
    body = alerts(
        coded("a", vtec("NEW"), zones=(1, 2), sent=sent(-2)), coded("b", vtec("CAN"), zones=(1,), sent=sent(-1))
    )
    assert [one.id for one in read_alerts(body, {"NYZ002"}.__contains__).alerts] == ["a"]
    assert read_alerts(body, {"NYZ001"}.__contains__).alerts == ()
    whole = alerts(coded("a", vtec("NEW"), zones=(1, 2), sent=sent(-2)))
    assert read_alerts(whole, {"NYZ009"}.__contains__).alerts  # NWS knows why it is in this answer


def test_an_earlier_message_replaces_nothing():
    old, new = alert("old", replaces=["new"], sent=sent(-2)), alert("new", replaces=["old"], sent=sent(-1))
    assert ids(old, new) == ["new"]


@pytest.mark.parametrize(
    ("ends", "expires", "over_at"),
    [
        ("2030-01-16T00:00:00Z", "2030-01-15T00:00:00Z", datetime(2030, 1, 16, tzinfo=UTC)),
        ("2030-01-16T00:00:00Z", "2030-01-17T00:00:00Z", datetime(2030, 1, 16, tzinfo=UTC)),
        (None, "2030-01-15T00:00:00Z", datetime(2030, 1, 15, tzinfo=UTC)),
        ("", "2030-01-15T00:00:00Z", datetime(2030, 1, 15, tzinfo=UTC)),
        ("2030-01-16T00:00:00Z", None, datetime(2030, 1, 16, tzinfo=UTC)),
        ("soon", "2030-01-15T00:00:00Z", None),
        (None, "soon", None),
        (None, None, None),
    ],
)
def test_the_clock_ends_an_alert_at_its_end_or_else_where_it_expires(ends, expires, over_at):
    data = read_alerts(alerts(alert("a", ends=ends, expires=expires)))
    assert data.alerts[0].over_at == over_at
    assert "overAt" not in data.model_dump_json()
    if over_at:
        assert data.in_force_at(over_at - timedelta(seconds=1)) == data.alerts
        assert data.in_force_at(over_at) == ()
    else:
        assert data.in_force_at(datetime(2999, 1, 1, tzinfo=UTC)) == data.alerts


def test_nobody_sends_when_an_alert_is_over():
    assert read_alerts(alerts(alert("a", overAt="2001-01-01T00:00:00Z"))).alerts[0].over_at.year == 2030


def test_civil_emergencies_come_before_advisories_and_an_unknown_severity_before_a_minor_one():
    order = [
        alert("1", severity="Unknown", event="Evacuation - Immediate", urgency="Immediate"),
        alert("2", severity="Extreme", event="Tornado Warning", urgency="Expected"),
        alert("3", severity="Unknown", event="Civil Danger Warning", urgency="Unknown"),
        alert("4", severity="Unknown", event="911 Telephone Outage Emergency", urgency="Immediate"),
        alert("5", severity="Severe", event="Flood Watch", urgency="Future"),
        alert("6", severity="Unknown", event="Child Abduction Emergency", urgency="Unknown"),
        alert("7", severity="Moderate", event="Wind Advisory"),
        alert("8", severity=None, event="Air Quality Alert"),
        alert("9", severity="Minor", event="Small Craft Advisory"),
    ]
    assert [one.id for one in read_alerts(alerts(*reversed(order))).alerts] == list("123456789")
    assert set(SEVERITIES) == {"Extreme", "Severe", "Moderate", "Minor", "Unknown"}


def test_a_civil_emergency_with_a_severity_ranks_by_that():
    minor = alert("b", severity="Minor", event="Civil Emergency Message", urgency="Immediate")
    assert [one.id for one in read_alerts(alerts(minor, alert("a", severity="Severe"))).alerts] == ["a", "b"]


def test_a_feed_of_600_alerts_is_read_in_time_that_grows_with_their_number():
    def seconds(count):
        several = [
            coded(str(number), vtec("CON", f"KELM.FA.A.{number % 50:04}"), zones=range(20), sent=sent(number))
            for number in range(count)
        ]
        body = json.loads(json.dumps(alerts(*several)))
        best = []
        for _ in range(3):
            started = time.process_time()
            read_alerts(body)
            best.append(time.process_time() - started)
        return min(best)

    assert seconds(600) < 12 * seconds(100)
