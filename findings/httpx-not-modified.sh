#!/usr/bin/env bash
# httpx 0.28.1: `raise_for_status()` raises for 304, the answer that a conditional request hopes for.
#
# A good guess: it raises for errors, 4xx and 5xx, as the method of requests that it is named after does.
# What happens: it raises for everything but 2xx. "Redirect response '304 Not Modified'" is an `HTTPStatusError`, and so
#   is each 3xx, which httpx does not follow by itself. requests lets both pass.
# Why it matters: code that asks with `If-Modified-Since` works until the first time that nothing has changed, and then
#   reports a failure, retries (stamina, tenacity with `HTTPStatusError`), or opens a circuit breaker while all is well.
#   Look at `status_code == 304` before `raise_for_status()`.
# Source: httpx issue 2126 and pull request 1854; RFC 9110, section 15.4.5 (304 is the answer to a conditional GET whose
#   condition is false).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check httpx==0.28.1 requests==2.34.2
timeout 60 "$work/bin/python" - <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import httpx
import requests

CHANGED = "Sun, 29 Nov 2026 06:00:00 GMT"


class Weather(BaseHTTPRequestHandler):
    def do_GET(self):
        same = self.headers["If-Modified-Since"] == CHANGED
        self.send_response(304 if same else 200)
        self.send_header("Last-Modified", CHANGED)
        if not same:
            self.send_header("Content-Length", "2")
        self.end_headers()
        if not same:
            self.wfile.write(b"{}")

    def log_message(self, *args):
        pass


def asked(library, url):
    """Status and outcome of a first request, and of one that is conditional."""
    first = library.get(url)
    again = library.get(url, headers={"If-Modified-Since": first.headers["Last-Modified"]})
    seen = []
    for response in (first, again):
        try:
            response.raise_for_status()
            seen.append((response.status_code, "nothing raised"))
        except (httpx.HTTPError, requests.RequestException) as error:
            seen.append((response.status_code, f"{type(error).__name__}: {error}".splitlines()[0].partition(" for")[0]))
    return seen


print("httpx", version("httpx"), "requests", version("requests"))
with ThreadingHTTPServer(("127.0.0.1", 0), Weather) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seen = {each.__name__: asked(each, f"http://127.0.0.1:{server.server_port}/") for each in (requests, httpx)}
    server.shutdown()
for name, outcomes in seen.items():
    print(f"{name:9} {outcomes}")
assert seen["requests"] == [(200, "nothing raised"), (304, "nothing raised")], "requests changed"
assert seen["httpx"][0] == (200, "nothing raised"), "httpx raises for 200"
assert seen["httpx"][1] == (304, "HTTPStatusError: Redirect response '304 Not Modified'"), "304 is taken otherwise"
PYTHON
