"""The page in a real browser, the system's Chromium, against a real server."""

import json
import os
import re
import shutil
from contextlib import closing, contextmanager, nullcontext

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.raw import TIMEOUT_S, eventually

CHROMIUM = shutil.which("chromium")
# Nothing of the browser's own goes anywhere.
QUIET = ("--disable-background-networking", "--no-first-run", "--disable-component-update", "--disable-sync")
NOW, FORECAST, ALERTS = "Now", "Forecast", "Alerts"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
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
    with browser.new_context(viewport=DESKTOP) as window:
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

    @property
    def button(self):
        return self.page.get_by_role("button", name="Call")

    def field(self, name):
        return self.page.locator(f"#arg-{name}")

    def opened(self, fold):
        if self.page.locator(f"{fold}[open]").count() == 0:
            self.page.locator(f"{fold} > summary").click()

    def choose(self, tool):
        self.page.locator("#tools label").filter(has_text=tool).click()
        self.answered()

    def call(self, tool=NOW, answer="answered in", **values):
        self.choose(tool)
        if values.keys() - {"place"}:
            self.opened("#options")
        for name, value in values.items():
            self.field(name).fill(value)
        self.field("place").press("Escape")  # no suggestions
        self.button.click()
        self.answered(answer)

    def answered(self, answer=re.compile("(answered|failed) in")):
        self.page.locator("#status").filter(has_text=answer).wait_for()

    def beside(self, *tools):
        """Waits for what is shown of the same place."""
        for tool in tools:
            self.page.locator(f".part.{tool} h3").wait_for()

    def structured(self):
        return json.loads(self.page.locator("#result .raw pre").first.text_content())

    def frames(self, label):
        return self.page.locator("#frames summary").filter(has_text=label)

    def sent(self, tool, expected):
        """Waits until these are the arguments of the last call of the tool."""
        text = "label => [...document.querySelectorAll('#frames li')].find(li => li.textContent.includes(label))"
        text = f"({text})('tools/call {tool}')"

        def holds():
            shown = self.page.evaluate(f"{text}?.querySelector('pre')?.textContent")
            self.page.evaluate(f"{text}?.firstChild.setAttribute('open', '')")
            return bool(shown) and json.loads(shown)["params"]["arguments"] == expected

        eventually(holds, f"{tool} is called with {expected}")


@pytest.fixture
def tab(browser, window):
    """Opens a tab, in which nothing is complained about but what is told before, and nothing asked for elsewhere."""

    @contextmanager
    def opened(server, fragment="", state="ready, 2026-07-28", complaints=None, route=None, **options):
        own = browser.new_context(**{"viewport": DESKTOP, **options}) if options else nullcontext(window)
        with own as context, closing(context.new_page()) as page:
            tab = Tab(page, server.http)
            if route:
                tab.page.route_web_socket("**/ws", route)
            tab.page.goto(f"{server.http}/{fragment}")
            tab.state(state)
            if state.startswith("ready"):
                tab.answered()
            yield tab
            assert tab.foreign == []
            unlike = [said for said in tab.complaints if not re.search(complaints or "$^", said)]
            assert unlike == []

    return opened


def changing(change, answers=None, note=None):
    """A way to the server that changes results, or their structured content, and answers some methods itself.

    `note` is called with each message on its way there.
    """

    def route(socket):
        server = socket.connect_to_server()

        def sent(text):
            if note:
                note(text)
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
