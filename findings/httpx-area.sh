#!/usr/bin/env bash
# httpx 0.28.1 and NWS: `params={"area": ["TX", "OK"]}` asks for Oklahoma alone, and `params` drops what the URL asked.
#
# A good guess: a list asks for all of its members, and `params` adds to the query that a URL brings along.
# What happens: httpx repeats the key, `area=TX&area=OK`. The service documents one comma-separated value, and of a
#   repeated key it counts the last (told by the sources below, not asked here). Where a URL has a query, `params`
#   replaces it whole: `?status=actual` is gone, and test messages come in. requests repeats the key as well, but adds
#   to the query.
# Why it matters: both answers are 200, valid, and too small or too large. "No alerts" for two states then only means
#   none in the second. Join lists with commas, and put every parameter in one place.
# Source: the service's OpenAPI document, parameter `area`: `style: form, explode: false`; the source of
#   truewire-weather-gov 0.2.0 tells that the last of repeated keys counts; httpx issue 3433 (`params` replaces, since
#   0.28).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check httpx==0.28.1 requests==2.34.2
timeout 60 "$work/bin/python" - <<'PYTHON'
from importlib.metadata import version

import httpx
import requests

URL = "http://127.0.0.1/alerts/active?status=actual"


def by_httpx(url, params):
    return httpx.Request("GET", url, params=params).url.query.decode()


def by_requests(url, params):
    return requests.Request("GET", url, params=params).prepare().path_url.partition("?")[2]


print("httpx", version("httpx"), "requests", version("requests"))
states = {"area": ["TX", "OK"]}
for ask in (by_httpx, by_requests):
    print(f"{ask.__name__:12} two states:        {ask(URL.partition('?')[0], states)}")
    print(f"{ask.__name__:12} on ?status=actual: {ask(URL, {'area': 'TX'})}")
assert by_httpx(URL.partition("?")[0], states) == "area=TX&area=OK", "a list is sent otherwise"
assert by_httpx(URL, {"area": "TX"}) == "area=TX", "the query of the URL stays now"
assert by_requests(URL, {"area": "TX"}) == "status=actual&area=TX", "requests changed"
PYTHON
