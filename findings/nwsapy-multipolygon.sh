#!/usr/bin/env bash
# nwsapy 1.0.3: the outline of an alert with two areas has the longitude in place of the latitude, and
# `expires_before` answers the opposite of its name.
#
# A good guess: an alert's `polygon` is what the feed sent, whether it is one Polygon or a MultiPolygon; and
#   `a.expires_before(b)` is True if a expires before b, as its docstring says.
# What happens: a Polygon is right. Of a MultiPolygon each corner becomes (longitude, longitude): a shape without area,
#   outside of the world. All ten comparisons of times are the wrong way round.
# Why it matters: "is this point inside a warning?" is answered no for every alert of two areas: an error reads as "no
#   alert here". Sorting by `expires_before` puts the warning that is over soonest last. A test with one polygon finds
#   neither: test geometry with both types, and comparisons in both orders.
# Source: GeoJSON (RFC 7946, sections 3.1.6 and 3.1.7); seen in a run.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check \
    nwsapy==1.0.3 pandas==3.0.0 pytz==2025.2 shapely==2.1.2 responses==0.26.3
timeout 60 "$work/bin/python" - <<'PYTHON'
import re
from importlib.metadata import version

import responses  # answers in place of the network: nothing leaves this machine
from nwsapy import api_connector
from shapely import Point

SQUARE = [[[-100.0, 40.0], [-99.0, 40.0], [-99.0, 41.0], [-100.0, 41.0], [-100.0, 40.0]]]
INSIDE = Point(-99.5, 40.5)


def alert(number, kind, coordinates, expires):
    """A warning in the form of NWS; the text is made up."""
    urn = f"urn:oid:2.49.0.1.840.0.{number:040x}.001.1"
    times = dict.fromkeys(("sent", "effective", "onset", "ends"), "2026-05-14T10:00:00-05:00")
    properties = times | {
        "@id": f"https://api.weather.gov/alerts/{urn}",
        "@type": "wx:Alert",
        "id": urn,
        "areaDesc": "Cedar; Birch",
        "affectedZones": ["https://api.weather.gov/zones/county/KSC001"],
        "references": [],
        "expires": expires,
        "status": "Actual",
        "messageType": "Alert",
        "event": "Flood Warning",
        "senderName": "NWS Example KS",
    }
    geometry = {"type": kind, "coordinates": coordinates}
    return {"id": properties["@id"], "type": "Feature", "geometry": geometry, "properties": properties}


feed = {
    "type": "FeatureCollection",
    "features": [
        alert(1, "Polygon", SQUARE, "2026-05-14T11:00:00-05:00"),
        alert(2, "MultiPolygon", [SQUARE], "2026-05-14T23:00:00-05:00"),
    ],
}
with responses.RequestsMock() as service:
    service.add(responses.GET, re.compile("https://api.weather.gov/alerts/active.*"), json=feed)
    api_connector.set_user_agent("findings", "me@example.com")
    one, several = list(api_connector.get_active_alerts())

print("nwsapy", version("nwsapy"))
print("a Polygon:             ", one.polygon, "contains the point:", one.polygon.contains(INSIDE))
print("the same, MultiPolygon:", several.polygon[0], "contains the point:", several.polygon[0].contains(INSIDE))
print(f"one expires at {one.expires:%H:%M}, several at {several.expires:%H:%M}")
print("one.expires_before(several) is", one.expires_before(several))
print("several.expires_before(one) is", several.expires_before(one))
assert one.polygon.contains(INSIDE), "a Polygon is no longer right"
assert {corner[1] for corner in several.polygon[0].exterior.coords} == {-100.0, -99.0}, "latitudes are right now"
assert not several.polygon[0].contains(INSIDE), "the point is found now"
assert one.expires < several.expires, "the times are read otherwise"
assert (one.expires_before(several), several.expires_before(one)) == (False, True), "the order is right now"
PYTHON
