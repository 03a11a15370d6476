"""The page in a real browser, the system's Chromium, against a real server; and how its files are sent."""

import json
import os
import re
import shutil
import signal
from contextlib import closing, contextmanager, nullcontext
from itertools import pairwise

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.conftest import serving
from tests.raw import TIMEOUT_S, answering

CHROMIUM = shutil.which("chromium")
# Nothing of the browser's own goes anywhere.
QUIET = ("--disable-background-networking", "--no-first-run", "--disable-component-update", "--disable-sync")
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
WEATHER, FORECAST, ALERTS = "Current weather", "Seven-day forecast", "Active weather alerts"
TIMEOUT_MS = 1000 * TIMEOUT_S
expect.set_options(TIMEOUT_MS)


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *QUIET], timeout=TIMEOUT_MS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def window(browser, server):
    """Its tabs share a process, which the first of them keeps from ending. The page stores nothing."""
    with browser.new_context() as window:
        window.new_page().goto(f"{server.http}/health", timeout=TIMEOUT_MS)
        yield window


class Tab:
    """A page of the server at `http`, what it complained about, and what it asked for beyond its own origin."""

    def __init__(self, page, http):
        self.page, self.complaints, self.foreign = page, [], []
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        own = re.compile(rf"{re.escape(http)}/|{re.escape(http.replace('http', 'ws'))}/ws$")
        page.on("request", lambda request: own.match(request.url) or self.foreign.append(request.url))
        page.on("websocket", lambda socket: own.match(socket.url) or self.foreign.append(socket.url))

    def shows(self, text, within="body"):
        return self.page.locator(within).get_by_text(text).first.wait_for()

    def state(self, text):
        self.page.locator("#state").filter(has_text=text).wait_for()

    def call(self, title, answer="answered", **values):
        self.page.get_by_role("radio", name=title).check()
        form = self.page.get_by_role("form", name=title)
        for name, value in values.items():
            form.get_by_label(name, exact=False).first.fill(value)
        form.get_by_role("button", name="Call").click()
        if answer:
            form.get_by_text(answer, exact=True).wait_for()
        return form

    def structured(self):
        self.page.locator("#result").get_by_text("Structured content").click()
        return json.loads(self.page.locator("#result details[open] pre").inner_text())

    def frames(self, label):
        return self.page.locator("#frames summary").filter(has_text=label)


@pytest.fixture
def tab(browser, window):
    """Opens a tab, in which nothing is complained about but what is told before, and nothing asked for elsewhere."""

    @contextmanager
    def opened(server, state="ready, 2026-07-28", complaints=None, route=None, **options):
        own = browser.new_context(**options) if options else nullcontext(window)
        with own as context, closing(context.new_page()) as page:
            tab = Tab(page, server.http)
            if route:
                tab.page.route_web_socket("**/ws", route)
            tab.page.goto(server.http)
            tab.state(state)
            yield tab
            assert tab.foreign == []
            unlike = [said for said in tab.complaints if not re.search(complaints or "$^", said)]
            assert unlike == []

    return opened


def changing(change, answers=None):
    """A way to the server that changes results, or their structured content, and answers some methods itself."""

    def route(socket):
        server = socket.connect_to_server()

        def sent(text):
            message = json.loads(text)
            reply = (answers or {}).get(message.get("method"))
            if reply is None:
                server.send(text)
            for each in reply(message) if reply else ():
                socket.send(json.dumps({"jsonrpc": "2.0", **each}))

        def received(text):
            message = json.loads(text)
            if result := message.get("result"):
                change(result.get("structuredContent", result))
            socket.send(json.dumps(message))

        socket.on_message(sent)
        server.on_message(received)

    return route


def test_browsers_get_the_page_and_everybody_else_the_description(server):
    page, data = httpx.get(server.http, headers=HTML), httpx.get(server.http)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert data.json()["endpoint"] == "/ws"
    assert (page.headers["vary"], data.headers["vary"]) == ("accept", "accept")
    policy = page.headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert {part.split(" ", 1)[1] for part in policy[1:]} <= {"'self'", "'none'", "'script'"}
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<style|style=|\son\w+=|<script(?! type=\"module\" src=\"console/main.js\">)", page.text)


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "text/html"), ("/console/main.js", "text/javascript"), ("/console/style.css", "text/css")]
)
def test_a_file_that_is_known_is_not_sent_again(server, path, kind):
    first = httpx.get(server.http + path, headers=HTML)
    assert first.headers["content-type"] == f"{kind}; charset=utf-8"
    for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = httpx.get(server.http + path, headers=HTML | {"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert httpx.get(server.http + path, headers=HTML | {"if-none-match": '"other"'}).content == first.content
    assert httpx.head(server.http + path, headers=HTML).headers["content-length"] == str(len(first.content))
    assert httpx.post(server.http + path, headers=HTML).status_code == 405


def test_nothing_else_is_served_from_the_folder(server):
    for name in ("__init__.py", "index.html", "", "none.js", "..%2f__init__.py", "%2e%2e/tools.py"):
        assert httpx.get(f"{server.http}/console/{name}", headers=HTML).status_code == 404


def test_a_setting_takes_the_page_away(serve):
    server = serve(MCP_CONSOLE="off")
    assert httpx.get(server.http, headers=HTML).json()["endpoint"] == "/ws"
    assert "vary" not in httpx.get(server.http, headers=HTML).headers
    assert httpx.get(f"{server.http}/console/main.js").status_code == 404


def test_the_page_connects_says_to_whom_and_draws_the_weather(tab, server):
    with tab(server) as page:
        page.shows("US weather 1.", "#top")
        page.shows("weather: simulated", "#top")
        page.call(WEATHER)
        content = page.structured()
        page.shows("Washington, DC", "#result")
        assert page.page.locator(".now").inner_text().startswith(f"{content['period']['temperature']} °F")
        page.shows(f"Measured at {content['observation']['name']}", "#result")
        with pytest.raises(Exception, match="TrustedHTML"):
            page.page.evaluate("document.body.innerHTML = '<b>markup</b>'")
        page.complaints.clear()


def test_a_forecast_has_a_point_for_each_period(tab, server):
    with tab(server) as page:
        page.call(FORECAST)
        periods = page.structured()["periods"]
        for kind, day in (("high", True), ("low", False)):
            count = sum(period["isDaytime"] is day for period in periods)
            expect(page.page.locator(f".chart circle.{kind}")).to_have_count(count)
        assert page.page.locator(".chart .rain").count() == sum(
            bool(period.get("probabilityOfPrecipitation")) for period in periods
        )
        page.page.get_by_text("periods as a table").click()
        assert page.page.locator("#result tr").count() == len(periods)


def test_an_hourly_forecast_is_a_curve_and_stale_data_say_so(tab, server):
    def change(content):
        if "periods" in content:
            hour = {"temperature": 50, "temperatureUnit": "F", "windSpeed": "5 mph", "windDirection": "SW"}
            hours = [f"2026-01-{15 + n // 24}T{n % 24:02}" for n in range(49)]
            times = [{"startTime": f"{a}:00:00-05:00", "endTime": f"{b}:00:00-05:00"} for a, b in pairwise(hours)]
            content |= {"stale": True, "ageSeconds": 2400, "periods": [{"name": "", **hour, **each} for each in times]}

    with tab(server, route=changing(change)) as page:
        page.call(FORECAST)
        page.shows("Stale: 40 minutes old", "#result")
        expect(page.page.locator(".chart circle")).to_have_count(48)
        assert page.page.locator(".chart .line.high").count() == 1


def test_alerts_are_cards_the_worst_first(tab, serve):
    server = serve(SIMULATOR_ALERTS_FEATURES="8")
    with tab(server) as page:
        page.call(ALERTS, state="CA")
        content, words = page.structured(), page.page.locator(".alert .severity").all_inner_texts()
        assert words == [alert["severity"] for alert in content["alerts"]]
        assert len(words) > 3
        ranks = [["Extreme", "Severe", "Moderate", "Minor", "Unknown"].index(word) for word in words]
        assert ranks == sorted(ranks)


def test_errors_are_shown_where_they_belong(tab, server):
    with tab(server) as page:
        form = page.call(ALERTS, answer="an error", state="Atlantis")
        page.shows("Argument 'state' is \"Atlantis\"", "#get-alerts-state-error")
        assert form.get_by_label("state").first.get_attribute("aria-invalid") == "true"
        page.shows("Argument 'state' is \"Atlantis\"", "#result [role=alert]")
        page.call(WEATHER, answer=None, latitude="95")
        page.shows("90", "#get-weather-latitude-error")
        assert page.frames("get-weather").count() == 0
        assert page.page.locator("#get-weather-place").input_value() == ""  # A place would be another.
        page.call(WEATHER, answer="an error", latitude="0", longitude="0")
        page.shows("it covers the United States", "#result [role=alert]")


def test_both_eras_are_spoken(tab, server):
    with tab(server) as page:
        page.page.locator("#era").select_option("2025-11-25")
        page.state("ready, 2025-11-25")
        page.call(WEATHER)
        expect(page.frames("initialize")).to_have_count(3)  # with the answer, and the notification
        page.frames("tools/call get-weather").click()
        assert "io.modelcontextprotocol" not in page.page.locator("#frames details[open] pre").inner_text()


def test_frames_can_be_opened_and_wrong_ones_sent(tab, server):
    with tab(server) as page:
        page.frames("result server/discover").click()
        assert '"supportedVersions": [' in page.page.locator("#frames details[open] pre").inner_text()
        assert re.search(r"result server/discover\s+[\d.]+ ms\s+[\d.]+ k?B", page.frames("result server").inner_text())
        page.page.locator("#raw-sample").select_option("not JSON")
        page.page.get_by_role("button", name="Send").click()
        page.frames("error -32700").wait_for()
        assert page.page.locator("#frames summary").first.inner_text().startswith("↓")


def test_a_burst_is_measured(tab, server):
    with tab(server) as page:
        page.page.locator("#load-calls").fill("300")
        page.page.get_by_role("button", name="Run").click()
        page.shows("Done.", "#load-status")
        figures = page.page.locator("#load-figures").inner_text()
        assert re.search(r"300 of 300\s+failed\s+0\s+p50\s+[\d.]+ ms\s+p99\s+[\d.]+ ms\s+calls/s\s+\d+", figures)
        assert page.page.locator("#load-histogram rect").count() == 30
        page.page.locator("#load-calls").fill("10001")
        page.page.get_by_role("button", name="Run").click()
        assert page.page.locator("#load-calls:invalid").count() == 1
        assert page.page.locator("#load-figures").inner_text() == figures


def test_real_weather_gets_no_burst(tab, server):
    with tab(server, route=changing(lambda content: content.update(source="live"))) as page:
        page.page.get_by_role("button", name="Run").click()
        page.shows("No bursts here: the weather is live.", "#load-status")
        expect(page.frames("tools/call")).to_have_count(1)


def test_a_token_is_sent_as_a_subprotocol(tab, serve):
    server = serve(MCP_AUTH_TOKENS="let-me.in")
    with tab(server, state="closed: 1006, refused", complaints="HTTP Authentication failed") as page:
        page.page.get_by_label("Token").fill("white space")
        page.page.get_by_role("button", name="Connect").click()
        page.state("a browser sends tokens of letters")
        page.page.get_by_label("Token").fill("let-me.in")
        page.page.get_by_label("Token").press("Enter")
        page.state("ready, 2026-07-28")
        assert "let-me.in" not in page.page.url
        page.page.reload()
        page.state("refused")
        assert page.page.get_by_label("Token").input_value() == ""


def test_the_page_comes_back_after_a_restart(tab, tmp_path):
    with serving(tmp_path) as server, tab(server, complaints="WebSocket connection to") as page:
        page.page.get_by_label("limit").first.evaluate("field => (field.value = 7)")
        server.process.send_signal(signal.SIGTERM)
        page.state("closed: 1012")
        page.state("coming back in")
        server.stop(signal.SIGKILL)
        with serving(tmp_path, "--bind", f"127.0.0.1:{server.port}"):
            page.state("ready, 2026-07-28")
            page.call(ALERTS, state="CA")
            assert page.page.get_by_label("limit").first.input_value() == "7"


def test_the_page_is_usable_by_keyboard_at_any_width(tab, server):
    for width in (360, 1600):
        with tab(server, viewport={"width": width, "height": 800}, color_scheme="dark") as page:
            page.page.get_by_role("radio", name=WEATHER).focus()
            page.page.keyboard.press("ArrowDown")
            page.page.keyboard.press("Tab")
            page.page.keyboard.type("Seattle")
            for _ in range(2):
                page.page.keyboard.press("Tab")
            page.page.keyboard.press("Enter")
            page.shows("Seattle, WA", "#result")
            assert page.page.evaluate("document.documentElement.scrollWidth") == width
            assert (
                page.page.locator(":is(input, select, textarea):not([aria-label])").evaluate_all(
                    "all => all.filter(each => !each.labels.length).map(each => each.id)"
                )
                == []
            )


@pytest.mark.parametrize("era", ["2026-07-28", "2025-11-25"])
def test_a_change_of_a_states_alerts_is_drawn_as_it_comes(tab, server, era):
    """Of alerts that this test makes up, by the messages of the specification."""
    uri, key = "weather://alerts/CA", "io.modelcontextprotocol/subscriptionId"
    alert = {"id": "b", "event": "Tsunami Warning", "severity": "Extreme"}
    known = {"state": "CA", "source": "simulated", "stale": False}
    reads = iter([known | {"alerts": [{"id": "a", "event": "Flood Watch"}]}, known | {"alerts": [alert]}])

    def subscribed(message):
        meta = {"_meta": {key: message["id"]}} if era == "2026-07-28" else {}
        params = {"notifications": {"resourceSubscriptions": [uri]}, **meta}
        yield (
            {"method": "notifications/subscriptions/acknowledged", "params": params}
            if meta
            else {
                "id": message["id"],
                "result": {},
            }
        )
        yield {"method": "notifications/resources/updated", "params": {"uri": uri, **meta}}

    def read(message):
        yield {"id": message["id"], "result": {"contents": [{"uri": uri, "text": json.dumps(next(reads))}]}}

    answers = {"subscriptions/listen": subscribed, "resources/subscribe": subscribed, "resources/read": read}
    with tab(server, route=changing(lambda content: None, answers)) as page:
        page.page.locator("#era").select_option(era)
        page.state(f"ready, {era}")
        page.call(ALERTS, state="CA")
        page.page.get_by_role("button", name="Watch CA").click()
        page.shows("Watching CA: 1 in force.", "#watch")
        page.shows("CA: 1 new, 1 ended, 1 in force.", "#watch")
        page.page.locator(".alert.extreme .new").wait_for()


def test_a_change_is_told_by_the_server(tab, tmp_path):
    ids = ["a"]

    def alerts(path):
        all_properties = [{"id": each, "event": "Flood Watch", "status": "Actual"} for each in ids]
        return 200, {"type": "FeatureCollection", "features": [{"properties": each} for each in all_properties]}

    with (
        answering(alerts) as url,
        serving(tmp_path, NWS_API_BASE=url, NWS_ALERTS_FRESH_SECONDS="1") as server,
        tab(server) as page,
    ):
        page.call(ALERTS, state="CA")
        page.page.get_by_role("button", name="Watch CA").click()
        page.shows("Watching CA: 1 in force.", "#watch")
        ids.append("b")
        page.page.locator("#watch").get_by_text(re.compile(r"CA: 1 new, 0 ended")).wait_for()
        page.page.get_by_role("button", name="Stop watching CA").click()
        page.frames("notifications/cancelled").wait_for()
        page.shows("No longer watching CA.", "#watch")


def test_a_server_that_tells_of_no_changes_is_said_to(tab, server):
    def unknown(message):
        yield {"id": message["id"], "error": {"code": -32601, "message": "Unknown method"}}

    with tab(server, route=changing(lambda content: None, {"subscriptions/listen": unknown})) as page:
        page.call(ALERTS, state="CA")
        page.page.get_by_role("button", name="Watch CA").click()
        page.shows("This server does not tell of changes: it does not know subscriptions/listen.", "#watch")
        page.page.get_by_role("button", name="Watch CA", exact=True).wait_for()


def test_any_schema_becomes_a_form(tab, server):
    """References, choices, choices among others, what may be null, flags, lists."""
    properties = {
        "place": {"anyOf": [{"type": "string", "minLength": 2}, {"type": "null"}], "default": None},
        "hourly": {"type": "boolean", "default": False, "description": "by the hour"},
        "units": {"$ref": "#/$defs/Units", "default": "us"},
        "events": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "default": None},
        "severities": {"type": "array", "items": {"enum": ["Severe", "Minor"]}},
        "limit": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 9}, {"type": "null"}], "default": None},
        "state": {"type": "string"},
        "zone": {"anyOf": [{"enum": ["a", "b"], "type": "string"}, {"type": "string"}]},
    }
    schema = {"properties": properties, "required": ["zone"], "$defs": {"Units": {"enum": ["us", "si"]}}}
    tool = {"name": "try", "inputSchema": schema}
    with tab(server, route=changing(lambda content: "tools" in content and content.update(tools=[tool]))) as page:
        form = page.page.get_by_role("form", name="try")
        assert page.page.locator("#try-place").input_value() == ""  # A state would do as well.
        page.page.locator("#try-state").fill("CO")
        page.page.locator("#try-city").select_option("Denver, CO")
        page.page.locator("#try-limit").fill("10")
        form.get_by_role("button").click()
        assert "9" in page.page.locator("#try-limit-error").inner_text()
        assert page.page.locator("#try-zone-error").inner_text()
        page.page.locator("#try-limit").fill("3")
        page.page.locator("#try-hourly").check()
        page.page.locator("#try-units").select_option("si")
        page.page.locator("#try-events").fill("Flood Watch, Tornado Warning")
        page.page.locator("#try-severities").select_option(["Severe", "Minor"])
        page.page.locator("#try-zone").fill("c")
        form.get_by_role("button").click()
        page.shows("Unknown tool 'try'", "#result [role=alert]")
        page.frames("tools/call try").click()
        assert json.loads(page.page.locator("#frames details[open] pre").inner_text())["params"]["arguments"] == {
            "place": "Denver, CO",
            "hourly": True,
            "units": "si",
            "events": ["Flood Watch", "Tornado Warning"],
            "severities": ["Severe", "Minor"],
            "limit": 3,
            "zone": "c",
        }
