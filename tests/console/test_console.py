"""How the page's files are sent, and how the page speaks MCP: connection, messages, load."""

import json
import re
import signal

import httpx
import pytest
from playwright.sync_api import expect

from tests.conftest import ROOT, serving
from tests.console.conftest import ALERTS, FORECAST, NOW, changing

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


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


def test_the_page_is_small_and_imports_only_its_own():
    files = list((ROOT / "weather" / "console").glob("*.js"))
    texts = [file.read_text() for file in files]
    assert sum(text.count("\n") for text in texts) <= 850
    imported = {name for text in texts for name in re.findall(r"(?:import|from)\s*\(?\s*\"(.+?)\"", text)}
    assert imported == {f"./{file.name}" for file in files} - {"./main.js"}


def test_the_page_says_to_whom_it_is_connected_and_takes_no_markup(tab, server):
    with tab(server) as page:
        page.shows("US weather 1.", "#top")
        page.opened("#settings")
        page.shows("The weather is simulated", "#settings")
        with pytest.raises(Exception, match="TrustedHTML"):
            page.page.evaluate("document.body.innerHTML = '<b>markup</b>'")
        page.complaints.clear()


def test_both_eras_are_spoken(tab, server):
    with tab(server) as page:
        page.opened("#settings")
        page.page.locator("#era").select_option("2025-11-25")
        page.state("ready, 2025-11-25")
        expect(page.frames("tools/call get-weather")).to_have_count(2)  # What was shown is asked for again.
        expect(page.frames("initialize")).to_have_count(3)  # with the answer, and the notification
        page.frames("tools/call get-weather").first.click()
        assert "io.modelcontextprotocol" not in page.page.locator("#frames details[open] pre").inner_text()


def test_messages_can_be_opened_and_wrong_ones_sent(tab, server):
    with tab(server) as page:
        page.beside("get-alerts", "get-forecast")
        page.frames("result server/discover").click()
        assert '"supportedVersions": [' in page.page.locator("#frames details[open] pre").inner_text()
        row = page.frames("result server").inner_text()
        assert re.search(r"[\d.]+ s\s+result server/discover\s+[\d.]+ ms\s+[\d.]+ k?B", row)
        page.page.get_by_text("Send a message of your own").click()
        page.page.locator("#raw-sample").select_option("not JSON")
        page.page.get_by_role("button", name="Send").click()
        page.frames("error -32700").wait_for()
        assert page.page.locator("#frames summary").first.inner_text().startswith("↓")


def test_each_sample_is_answered_as_it_should_be(tab, server):
    with tab(server) as page:
        page.page.get_by_text("Send a message of your own").click()
        samples = page.page.locator("#raw-sample option").all()[1:]
        answers = ["result ping", *["error -32600 "] * 2, "error -32700 ", "error -32600 "]
        for number, (sample, answer) in enumerate(zip(samples, answers, strict=True)):
            page.page.locator("#raw-sample").select_option(sample.get_attribute("value"))
            page.page.get_by_role("button", name="Send").click()
            expect(page.frames(answer)).to_have_count(answers[: number + 1].count(answer))


def test_a_burst_is_measured(tab, server):
    with tab(server) as page:
        page.opened("#load details")
        page.page.locator("#load-calls").fill("300")
        page.page.get_by_role("button", name="Run").click()
        page.shows("Done.", "#load-status")
        figures = page.page.locator("#load-figures").inner_text()
        assert re.search(r"300 of 300\s+failed\s+0\s+p50\s+[\d.]+ ms\s+p99\s+[\d.]+ ms\s+calls/s\s+\d+", figures)
        page.page.locator("#load-calls").fill("10001")
        page.page.get_by_role("button", name="Run").click()
        assert page.page.locator("#load-calls:invalid").count() == 1
        assert page.page.locator("#load-figures").inner_text() == figures


def test_real_weather_gets_no_burst(tab, server):
    with tab(server, route=changing(lambda content: content.update(source="live"))) as page:
        page.beside("get-alerts", "get-forecast")
        page.opened("#load details")
        page.page.get_by_role("button", name="Run").click()
        page.shows("No bursts here: the weather is live.", "#load-status")
        expect(page.frames("tools/call get-weather")).to_have_count(2)  # the first, and one to see


def test_a_token_is_sent_as_a_subprotocol(tab, serve):
    server = serve(MCP_AUTH_TOKENS="let-me.in")
    with tab(server, state="closed: 1006, refused", complaints="HTTP Authentication failed") as page:
        page.page.get_by_label("Token").fill("white space")
        page.page.get_by_role("button", name="Connect").click()
        page.state("a browser sends tokens of letters")
        page.page.get_by_label("Token").fill("let-me.in")
        page.page.get_by_label("Token").press("Enter")
        page.state("ready, 2026-07-28")
        page.answered("answered in")
        assert "let-me.in" not in page.page.url
        page.page.reload()
        page.state("refused")
        assert page.page.get_by_label("Token").input_value() == ""


def test_the_page_comes_back_after_a_restart_and_asks_again_for_what_it_showed(tab, tmp_path):
    with serving(tmp_path) as server, tab(server, complaints="WebSocket connection to") as page:
        page.call(NOW, place="Denver, CO")
        page.field("place").fill("Sea")  # half a word
        server.process.send_signal(signal.SIGTERM)
        page.state("closed: 1012")
        page.state("coming back in")
        server.stop(signal.SIGKILL)
        with serving(tmp_path, "--bind", f"127.0.0.1:{server.port}"):
            page.state("ready, 2026-07-28")
            expect(page.frames("result get-weather")).to_have_count(3)
            page.shows("Denver, CO", "#result h2")
            assert page.field("place").input_value() == "Sea"


def test_a_connection_that_breaks_during_a_call_is_told_once_and_the_call_made_again(tab, server):
    calls = []

    def route(socket):
        upstream = socket.connect_to_server()
        upstream.on_message(socket.send)

        def sent(text):
            called = json.loads(text)["method"] == "tools/call"
            calls.extend([text] * called)
            if called and len(calls) == 4:  # after the first and the two beside it
                socket.close(code=1011, reason="out of sorts")
            else:
                upstream.send(text)

        socket.on_message(sent)

    with tab(server, route=route) as page:
        page.beside("get-alerts", "get-forecast")
        page.field("place").fill("Denver, CO")
        page.field("place").press("Enter")
        page.state("out of sorts; coming back in")
        expect(page.page.get_by_text("out of sorts")).to_have_count(1)
        expect(page.page.locator("#status")).to_have_text("no connection")
        page.shows("Denver, CO", "#result h2")
        expect(page.page.get_by_text("out of sorts")).to_have_count(0)


def test_a_server_that_offers_other_tools_after_a_restart_gets_a_new_page(tab, server):
    tools = []

    def change(content):
        if "tools" in content:
            tools.append(1)
            content["tools"] = content["tools"][: 3 if len(tools) == 1 else 2]

    with tab(server, route=changing(change)) as page:
        expect(page.page.locator("#tools label")).to_have_count(3)
        page.opened("#settings")
        page.page.get_by_role("button", name="Connect").click()
        expect(page.page.locator("#tools label")).to_have_count(2)
        page.shows("Washington, DC", "#result h2")


def test_any_tool_becomes_a_form(tab, server):
    """Words, numbers, flags, and choices with a default and without."""
    properties = {
        "words": {"type": "string", "description": "some words"},
        "place": {"type": "string"},
        "count": {"type": "integer", "default": 5},
        "share": {"type": "number"},
        "flag": {"type": "boolean", "default": False},
        "units": {"enum": ["us", "si"], "default": "us", "type": "string"},
        "level": {"enum": ["low", "high"], "type": "string"},
    }
    tool = {"name": "try", "inputSchema": {"properties": properties}}
    other = {"name": "other", "title": "Another tool", "inputSchema": {"type": "object"}}
    with tab(
        server, route=changing(lambda content: "tools" in content and content.update(tools=[tool, other]))
    ) as page:
        page.sent("try", {"place": "Washington, DC"})  # What is as good as left out is not sent.
        page.shows("Unknown tool 'try'", "#result [role=alert]")
        page.opened("#options")
        for name, value in {"words": "7", "count": "x", "share": "0.5"}.items():
            page.field(name).fill(value)
        page.field("flag").check()
        page.field("units").select_option("si")
        page.field("level").select_option("high")
        page.button.click()
        page.answered("failed in")
        chosen = {"share": 0.5, "flag": True, "units": "si", "level": "high"}
        page.sent("try", {"words": "7", "place": "Washington, DC", "count": "x", **chosen})
        page.choose("Another tool")
        expect(page.field("words")).to_be_hidden()
        page.sent("other", {})


@pytest.mark.parametrize("tool", [NOW, FORECAST, ALERTS])
def test_what_the_tool_said_is_one_click_away(tab, server, tool):
    with tab(server) as page:
        page.call(tool)
        assert page.structured()["source"] == "simulated"
        page.page.get_by_text("Text", exact=True).click()
        assert json.dumps("Washington, DC")[1:-1] in page.page.locator("#result .raw details[open] pre").inner_text()
