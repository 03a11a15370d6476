#!/usr/bin/env bash
# pynws 2.1.0: `SimpleNWS.observation` is put together from several hours, under the newest one's time.
#
# A good guess: `observation` is the newest observation, or each value that is missing there is None.
# What happens: every field is looked up on its own, in the newest observation that has a value for it. There is no
#   limit of age. `timestamp` is always the newest one's.
# Why it matters: NWS sends null when there is no gust, no heat index and no wind chill. The calm evening after a storm
#   then shows the gust of the storm, and a heat index on a cold night. A tool that hands this to a model states old
#   weather as current. Take one observation whole, and say what it lacks.
# Source: pynws issue 15 ("Use multiple observations to find valid values") asked for it, with a limit of age;
#   home-assistant/core issue 90005 reports a gust that stays.
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
UNITS = {"temperature": "degC", "heatIndex": "degC", "windSpeed": "km_h-1", "windGust": "km_h-1"}


def observation(hours_ago, **values):
    quantities = {
        name: {"unitCode": f"wmoUnit:{unit}", "value": values.get(name), "qualityControl": "V"}
        for name, unit in UNITS.items()
    }
    timestamp = (NOW - timedelta(hours=hours_ago)).isoformat()
    return {"type": "Feature", "properties": {"timestamp": timestamp, "rawMessage": "", "icon": None} | quantities}


# Newest first, as /stations/{id}/observations lists them.
FEED = {
    "type": "FeatureCollection",
    "features": [
        observation(0, temperature=5, windSpeed=0),
        observation(8, temperature=29, windSpeed=40, windGust=90, heatIndex=31),
    ],
}


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(FEED).encode()
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
        nws = pynws.SimpleNWS(40, -97, "me@example.com", session)
        await nws.set_station("KEXM")
        await nws.update_observation(limit=2)
        return nws.observation


with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seen = asyncio.run(main(server.server_port))
    server.shutdown()

print("pynws", version("pynws"))
for feature in FEED["features"]:
    own = {name: feature["properties"][name]["value"] for name in UNITS}
    print("sent:    ", feature["properties"]["timestamp"], own)
print("reported:", seen["timestamp"], {name: seen[name] for name in UNITS})
assert datetime.fromisoformat(seen["timestamp"]) == NOW, "the time is no longer the newest one's"
assert (seen["temperature"], seen["windSpeed"]) == (5, 0), "the newest values changed"
assert (seen["windGust"], seen["heatIndex"]) == (90, 31), "values of eight hours ago are no longer mixed in"
PYTHON
