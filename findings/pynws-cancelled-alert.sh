#!/usr/bin/env bash
# pynws 2.1.0: a cancelled alert comes back from `update_alerts_*` as a new one.
#
# A good guess: what `/alerts/active` lists is in force, a cancelled alert has messageType "Cancel", and the method that
#   "returns new alerts" gives what somebody should now be warned of.
# What happens: the feed goes on listing an alert that was cancelled or upgraded (VTEC action CAN or UPG). Its
#   messageType is "Alert", its urgency "Past", its `expires` is over, and its `ends` is still to come. It has an id of
#   its own. pynws compares ids alone, so the cancellation is a new alert.
# Why it matters: "new alert: Wind Advisory" at the moment when it is called off. Neither `messageType` nor `ends`
#   tells: look at `urgency` and at the VTEC action.
# Source: weather-gov/api issue 15 tells `expires` (of the message) from `ends` (of the event);
#   finity69x2/nws_alerts issue 45 met such alerts; NWS Directive 10-1703 lists the VTEC actions.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check pynws==2.1.0
timeout 60 "$work/bin/python" - <<'PYTHON'
import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import aiohttp
import pynws
import pynws.urls

NOW = datetime.now(UTC).replace(microsecond=0)
ENDS = NOW + timedelta(hours=12)


def alert(number, action, urgency, response, expires_h):
    """A Wind Advisory in the form of NWS; the text is made up."""
    urn = f"urn:oid:2.49.0.1.840.0.{number:040x}.001.1"
    return {
        "id": f"https://api.weather.gov/alerts/{urn}",
        "type": "Feature",
        "geometry": None,
        "properties": {
            "id": urn,
            "areaDesc": "Cedar; Birch",
            "geocode": {"SAME": ["048001"], "UGC": ["TXZ001"]},
            "references": [],
            "sent": (NOW - timedelta(hours=2)).isoformat(),
            "expires": (NOW + timedelta(hours=expires_h)).isoformat(),
            "ends": ENDS.isoformat(),
            "status": "Actual",
            "messageType": "Alert",
            "severity": "Moderate",
            "certainty": "Likely",
            "urgency": urgency,
            "event": "Wind Advisory",
            "response": response,
            "parameters": {"VTEC": [f"/O.{action}.KEXM.WI.Y.0007.{NOW:%y%m%dT%H%MZ}-{ENDS:%y%m%dT%H%MZ}/"]},
        },
    }


ISSUED = alert(1, "NEW", "Expected", "Execute", 6)
CANCELLED = alert(2, "CAN", "Past", "AllClear", -1)
feed = [ISSUED]


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"type": "FeatureCollection", "features": feed}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/geo+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


async def main(port):
    pynws.urls.API_URL = f"http://127.0.0.1:{port}/"
    async with aiohttp.ClientSession() as session:
        nws = pynws.SimpleNWS(30, -97, "me@example.com", session)
        nws.forecast_zone = "TXZ001"
        first = await nws.update_alerts_forecast_zone()
        feed[:] = [CANCELLED]
        return first, await nws.update_alerts_forecast_zone()


with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    issued, later = asyncio.run(main(server.server_port))
    server.shutdown()

print("pynws", version("pynws"))
for when, alerts in (("at first, new:", issued), ("after the cancellation, new:", later)):
    for each in alerts:
        shown = {name: each[name] for name in ("event", "messageType", "urgency", "response", "expires", "ends")}
        print(when, shown, each["parameters"]["VTEC"])
assert [each["urgency"] for each in issued] == ["Expected"], "the feed is no longer read"
assert [each["urgency"] for each in later] == ["Past"], "a cancelled alert is no longer reported as new"
PYTHON
