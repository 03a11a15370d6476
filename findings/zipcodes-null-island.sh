#!/usr/bin/env bash
# zipcodes 3.0.0: a valid ZIP code can lie in the Gulf of Guinea, and Majuro on the wrong side of the date line.
#
# A good guess: an entry that is found and `active` has coordinates, or none; and a city is found however it is typed.
# What happens: 872 of 42,789 entries have latitude and longitude 0 (as the texts "0" and "0.0000"), 713 of them with
#   `active` True: nearly all military mail, but also all states of Micronesia, Palau's capital and a village of Guam.
#   Majuro (96960) has a longitude of -171.2 where it lies at 171.2 east, although its own `timezone` says
#   Pacific/Majuro. `filter_by(city=...)` compares letter for letter.
# Why it matters: (0, 0) is a number like any other, so a weather tool asks NWS for a point in the ocean and tells the
#   user that the place is not covered. That is wrong for Guam, which is. Treat (0, 0) as missing, give longitudes of
#   the western Pacific their sign, and fold case on your own side.
# Source: seen in the package's data; its readme names unitedstateszipcodes.org and GeoNames.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check zipcodes==3.0.0
timeout 60 "$work/bin/python" - <<'PYTHON'
from collections import Counter
from importlib.metadata import version

import zipcodes

print("zipcodes", version("zipcodes"))
entries = zipcodes.list_all()
zero = [entry for entry in entries if float(entry["lat"]) == float(entry["long"]) == 0]
active = [entry for entry in zero if entry["active"]]
types = dict(Counter(entry["zip_code_type"] for entry in active))
print(f"{len(zero)} of {len(entries)} entries at 0, 0; {len(active)} active:", types)
islands = [entry for entry in active if entry["state"] in ("FM", "GU", "MH", "PW")]
for entry in islands:
    print("active at 0, 0:", entry["zip_code"], entry["city"], entry["state"], repr(entry["lat"]), repr(entry["long"]))
majuro = zipcodes.matching("96960")[0]
print("Majuro:", majuro["lat"], majuro["long"], majuro["timezone"])
found = {city: len(zipcodes.filter_by(city=city, state="MA")) for city in ("Boston", "boston")}
print("entries by city:", found)

assert (len(zero), len(active)) == (872, 713), "the data changed"
assert {"Yap", "Chuuk"} <= {entry["city"] for entry in islands}, "the islands have coordinates now"
assert any(entry["state"] == "GU" for entry in islands), "all of Guam has coordinates now"
assert float(majuro["long"]) < 0, "Majuro lies east now"
assert found == {"Boston": 37, "boston": 0}, "the case no longer counts"
PYTHON
