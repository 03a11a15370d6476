#!/usr/bin/env bash
# python-dateutil 4.0.0: the same text has a time zone on a machine in New York, and none in a container.
#
# A good guess: `parse("… 1:00 AM EST")` gives an instant, the same everywhere, or an error.
# What happens: an abbreviation counts only if this machine's own time zone has it (`time.tzname`). With TZ=UTC "EST" is
#   dropped with a warning, and the result is naive; with TZ=America/New_York it is the local zone; with
#   TZ=Australia/Brisbane, which says AEST, naive again. Five hours lie between what a developer and a server see once
#   `timestamp()` takes the naive one as local.
# Why it matters: the Weather Service writes so in the text of its products and in headlines ("issued November 29 at
#   1:00AM EST"). Tests pass at a desk on the east coast. Pass `tzinfos`, and take the times from the fields in ISO 8601
#   where there are some.
# Source: dateutil issues 345 and 932 (as meant); its documentation, parser.parse, `tzinfos`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check python-dateutil==4.0.0 tzdata==2026.3
timeout 60 "$work/bin/python" -W ignore - <<'PYTHON'
import os
import time
from importlib.metadata import version

from dateutil import parser, tz

TEXT = "November 29 2026 at 1:00 AM EST"
print("python-dateutil", version("python-dateutil"))
seen = {}
for zone in ("America/New_York", "UTC", "Australia/Brisbane"):
    os.environ["TZ"] = zone
    time.tzset()
    parsed = parser.parse(TEXT)
    told = parser.parse(TEXT, tzinfos={"EST": tz.gettz("America/New_York")})
    seen[zone] = (parsed.tzinfo is not None, parsed.timestamp(), told.timestamp())
    print(f"{zone:18} {parsed!r}, hours off: {(parsed.timestamp() - told.timestamp()) / 3600:+.0f}")
assert [aware for aware, _, _ in seen.values()] == [True, False, False], "zones are known otherwise"
assert len({instant for _, _, instant in seen.values()}) == 1, "tzinfos does not hold everywhere"
assert len({instant for _, instant, _ in seen.values()}) == 3, "the instant is the same now"
PYTHON
