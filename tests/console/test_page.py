"""The page as people meet it: what is in view, the form, the URL's fragment, keyboard and screen reader."""

import json
import re

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

from tests.console.conftest import ALERTS, DESKTOP, FORECAST, NOW, PHONE, changing
from tests.raw import eventually

SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
TOKYO = {"timezone_id": "Asia/Tokyo"}


@SIZES
def test_the_button_is_in_view_and_after_a_call_the_headline(tab, server, size):
    with tab(server, viewport=size) as page:
        headline = {NOW: ".now b", FORECAST: ".chart svg", ALERTS: ".get-alerts h3"}
        expect(page.button).to_be_in_viewport(ratio=1)
        for tool, place in ((NOW, "Seattle, WA"), (FORECAST, "Miami, FL"), (ALERTS, "Houston, TX")):
            page.call(tool, place=place)
            expect(page.page.locator("#result h2")).to_have_text(place)
            for part in ("#result h2", headline[tool]):
                expect(page.page.locator(part).first).to_be_in_viewport(ratio=0.5 if part == ".chart svg" else 1)
            expect(page.button).to_be_in_viewport(ratio=1)
            assert page.page.evaluate("scrollY") == 0


@SIZES
def test_with_the_options_open_the_headline_comes_into_view(tab, server, size):
    with tab(server, viewport=size) as page:
        for tool in (NOW, FORECAST, ALERTS):
            page.choose(tool)
            page.opened("#options")
            page.call(tool, place="Denver, CO")
            expect(page.page.locator("#result h2")).to_be_in_viewport(ratio=1)


def test_the_weather_is_called_from_wherever_one_has_scrolled_to(tab, server):
    with tab(server, viewport=PHONE) as page:
        page.beside("get-alerts", "get-forecast")
        page.page.locator("#load").scroll_into_view_if_needed()
        page.field("place").evaluate("field => field.form.requestSubmit()")
        expect(page.page.locator("#result h2")).to_be_in_viewport(ratio=1)


@SIZES
def test_it_opens_with_weather_and_the_protocol_is_seen_beside_or_below(tab, server, size):
    with tab(server, viewport=size) as page:
        assert page.field("place").input_value() == "Washington, DC"
        expect(page.page.locator("#result h2")).to_have_text("Washington, DC")
        page.beside("get-weather", "get-alerts", "get-forecast")
        expect(page.page.locator(".now b")).to_be_in_viewport(ratio=1)
        expect(page.frames("tools/call get-weather")).to_have_count(1)
        answer, wire = (page.page.locator(part).bounding_box() for part in ("#answer", "#wire"))
        below, right = wire["y"] >= answer["y"] + answer["height"], wire["x"] >= answer["x"] + answer["width"]
        assert (below, right) == ((True, False) if size is PHONE else (False, True))
        if size is DESKTOP:
            expect(page.frames("tools/call get-weather")).to_be_in_viewport()
        assert page.page.url == f"{server.http}/#place=Washington,+DC"
        assert page.page.title() == "Washington, DC: weather over MCP"


def test_the_form_is_one_line_and_the_rest_behind_a_fold(tab, server):
    with tab(server) as page:
        inline = [page.field("place"), page.page.locator("#tools"), page.button]
        rows = [box["y"] + box["height"] / 2 for box in (part.bounding_box() for part in inline)]
        assert max(rows) - min(rows) < 5
        for name in ("latitude", "longitude", "units"):
            expect(page.field(name)).to_be_hidden()
        expect(page.page.get_by_text("The weather at a place in the United States now")).to_be_hidden()
        page.opened("#options")
        expect(page.page.get_by_text("The weather at a place in the United States now")).to_be_visible()
        expect(page.field("hourly")).to_be_hidden()  # another tool's
        expect(page.page.get_by_text("degrees north, a number from -90 to 90")).to_be_hidden()
        page.page.get_by_label("What is latitude?").click()
        expect(page.page.get_by_text("degrees north, a number from -90 to 90")).to_be_visible()


def test_what_is_typed_waits_for_the_button_and_what_is_chosen_does_not(tab, server):
    with tab(server) as page:
        page.field("place").fill("Chicago, IL")
        expect(page.page.locator("#result h2")).to_have_text("Washington, DC")
        page.choose(FORECAST)
        expect(page.page.locator("#result h2")).to_have_text("Chicago, IL")
        page.opened("#options")
        page.field("hourly").check()
        page.shows("by the hour", "#result h3")
        page.field("units").select_option("si")
        page.shows("°C", ".now")
        page.sent("get-forecast", {"place": "Chicago, IL", "units": "si", "hourly": True})


def test_the_fragment_keeps_the_call_over_a_reload_and_in_a_link(tab, server):
    with tab(server) as page:
        page.choose(FORECAST)
        page.opened("#options")
        page.field("hourly").check()
        page.call(FORECAST, place="Honolulu, HI")
        link = page.page.url
        assert link == f"{server.http}/#tool=get-forecast&place=Honolulu,+HI&hourly=true"
        page.page.reload()
        page.answered()
        expect(page.page.locator("#result h2")).to_have_text("Honolulu, HI")
        page.shows("by the hour", "#result h3")
        page.sent("get-forecast", {"place": "Honolulu, HI", "hourly": True})
    with tab(server, link.removeprefix(f"{server.http}/")) as page:
        expect(page.page.locator("#result h2")).to_have_text("Honolulu, HI")
        assert page.page.get_by_role("radio", name=FORECAST).is_checked()
        page.page.evaluate("location.hash = '#place=Anchorage,+AK'")
        expect(page.page.locator("#result h2")).to_have_text("Anchorage, AK")
        assert page.page.get_by_role("radio", name=NOW).is_checked()
        page.call(NOW, place="Boston, MA")
        page.page.go_back()
        expect(page.page.locator("#result h2")).to_have_text("Anchorage, AK")
        assert page.field("place").input_value() == "Anchorage, AK"


def test_names_are_suggested_as_one_types(tab, server):
    with tab(server) as page:
        field, options = page.field("place"), page.page.locator("#places li")
        field.fill("")
        field.press_sequentially("springf")
        expect(options.first).to_contain_text("Springfield, ")
        assert field.get_attribute("aria-expanded") == "true"
        field.press("ArrowDown")
        field.press("ArrowDown")
        second = options.nth(1).inner_text()
        assert field.get_attribute("aria-activedescendant") == options.nth(1).get_attribute("id")
        expect(options.nth(1)).to_have_attribute("aria-selected", "true")
        field.press("Enter")
        expect(page.page.locator("#result h2")).to_have_text(second)
        assert field.input_value() == second
        expect(options).to_have_count(0)
        field.fill("boston, m")
        options.filter(has_text="Boston, MA").click()
        expect(page.page.locator("#result h2")).to_have_text("Boston, MA")
        assert field.evaluate("field => field === document.activeElement")


# All in one turn of the page's loop. It ends after the time at which suggestions would have been asked for.
SUBMITTED = """(field, text) => {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  field.form.requestSubmit();
  return new Promise((done) => setTimeout(done, 500));
}"""


def test_suggestions_go_away_and_do_not_come_back_by_themselves(tab, server):
    begun = []

    def note(text):
        message = json.loads(text)
        if message["method"] == "completion/complete":
            begun.append(message["params"]["argument"]["value"])

    with tab(server, route=changing(lambda content: None, note=note)) as page:
        field, options = page.field("place"), page.page.locator("#places li")
        for key in ("Escape", "Tab"):
            field.fill("")
            field.press_sequentially("chica")
            expect(options.first).to_be_visible()
            field.press(key)
            expect(options).to_have_count(0)
        field.evaluate(SUBMITTED, "Sprin")
        page.shows("Argument 'place'", "#arg-place-error")
        expect(options).to_have_count(0)
        field.fill("Seattle, WA")
        page.frames("result completion/complete").nth(2).wait_for()
        expect(options).to_have_count(0)  # It would be the only one.
        assert "Sprin" not in begun


def test_the_position_is_asked_for_only_by_its_button(tab, server):
    at = {"latitude": 42.361234, "longitude": -71.057111}
    count = "(() => { const by = navigator.geolocation; const get = by.getCurrentPosition.bind(by); self.asked = 0;"
    count += "by.getCurrentPosition = (...all) => { self.asked += 1; get(...all); }; })()"
    with tab(server, geolocation=at, permissions=["geolocation"]) as page:
        page.page.add_init_script(count)
        page.page.reload()
        page.answered()
        page.call(FORECAST, place="Denver, CO")
        assert page.page.evaluate("self.asked") == 0
        page.page.get_by_role("button", name="Use this device’s position").click()
        expect(page.page.locator("#result h2")).to_have_text("Near Boston, MA")
        assert page.page.evaluate("self.asked") == 1
        page.sent("get-forecast", {"place": "42.36, -71.06"})  # to a kilometer
    with tab(server, permissions=[]) as page:
        page.page.get_by_role("button", name="Use this device’s position").click()
        page.shows("The position is not known", "#arg-place-error")


def test_where_is_said_in_one_way_at_a_time(tab, server):
    with tab(server) as page:
        page.call(NOW, latitude="47.61", longitude="-122.33")
        page.sent("get-weather", {"latitude": 47.61, "longitude": -122.33})
        assert page.field("place").input_value() == ""
        expect(page.page.locator("#result h2")).to_have_text("Near Seattle, WA")
        page.call(ALERTS, state="california")
        page.sent("get-alerts", {"state": "california"})
        expect(page.page.locator("#result h2")).to_have_text("California")
        page.call(ALERTS, place="Alaska")
        page.sent("get-alerts", {"place": "Alaska"})
        assert page.field("state").input_value() == ""


@pytest.mark.parametrize(
    ("tool", "values", "field", "sentence"),
    [
        (NOW, {"place": "Qwertyville"}, "place", "Argument 'place' is \"Qwertyville\""),
        (NOW, {"latitude": "95", "longitude": "0"}, "latitude", "Argument 'latitude' is 95"),
        (ALERTS, {"limit": "many"}, "limit", "Argument 'limit' is \"many\""),
        (NOW, {"latitude": "0", "longitude": "0"}, None, "it covers the United States"),
    ],
)
def test_an_error_is_shown_once_where_it_belongs(tab, server, tool, values, field, sentence):
    with tab(server) as page:
        page.beside("get-alerts", "get-forecast")
        page.call(tool, answer="failed in", **values)
        told = page.page.get_by_text(sentence)
        expect(told).to_have_count(1)
        expect(told).to_be_visible()
        expect(told).to_have_attribute("role", "alert")
        expect(page.page.locator("#result h2")).to_have_count(0)  # what was there before is of another place
        if field:
            assert told.get_attribute("id") == f"arg-{field}-error"
            assert page.field(field).get_attribute("aria-invalid") == "true"
            assert page.field(field).get_attribute("aria-describedby").split()[-1] == f"arg-{field}-error"
            page.call(NOW, place="Boston, MA")
            expect(told).to_have_count(0)
            assert page.field(field).get_attribute("aria-invalid") == "false"


def test_the_page_is_usable_by_keyboard(tab, server):
    with tab(server, viewport=PHONE, color_scheme="dark") as page:
        keyboard, focused = page.page.keyboard, "document.activeElement.id || document.activeElement.value"
        page.field("place").focus()
        keyboard.press("Control+A")
        keyboard.type("Seattle, WA")
        keyboard.press("Escape")
        order = []
        for _ in range(3):
            keyboard.press("Tab")
            order.append(page.page.evaluate(focused))
        assert order == ["here", "get-weather", "call"]
        keyboard.press("Enter")
        expect(page.page.locator("#result h2")).to_have_text("Seattle, WA")
        keyboard.press("Shift+Tab")
        keyboard.press("ArrowRight")
        assert page.page.evaluate(focused) == "get-forecast"
        page.page.locator("#result .chart svg").wait_for()
        page.sent("get-forecast", {"place": "Seattle, WA"})


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_nothing_is_wider_than_the_window(tab, server, width):
    with tab(server, viewport={"width": width, "height": 800}) as page:
        for tool in (NOW, FORECAST, ALERTS):
            page.choose(tool)
            page.beside("get-weather", "get-alerts", "get-forecast")
            for isopen in ("true", "false"):
                page.page.evaluate(f"document.querySelectorAll('details').forEach(each => each.open = {isopen})")
                assert page.page.evaluate("document.documentElement.scrollWidth") == width


@SIZES
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(tab, serve, size, scheme):
    """axe-core's rules of names, roles, structure and contrast; with all folds closed, then open."""
    server = serve(SIMULATOR_ALERTS_FEATURES="8")
    with tab(server, viewport=size, color_scheme=scheme) as page:
        page.page.evaluate(AXE_SCRIPT)

        def check(what):
            found = page.page.evaluate("axe.run()")
            said = [
                (what, rule["id"], node["target"], node["failureSummary"])
                for rule in found["violations"]
                for node in rule["nodes"]
            ]
            assert said == []
            assert {"color-contrast", "label", "aria-valid-attr-value"} <= {rule["id"] for rule in found["passes"]}

        for tool in (NOW, FORECAST, ALERTS):
            page.choose(tool)
            page.beside("get-weather", "get-alerts", "get-forecast")
            check(tool)
        page.call(ALERTS, state="CA")
        page.page.locator(".alert").first.wait_for()
        for watched in ("Watch CA", "Stop watching CA"):
            page.page.get_by_role("button", name=watched, exact=True).click()
        page.shows("No longer watching CA.", "#watch")
        page.field("place").fill("")
        page.field("place").press_sequentially("chica")
        page.page.locator("#places li").first.wait_for()
        check("suggestions")
        page.field("place").press("Escape")
        page.call(NOW, answer="failed in", place="Qwertyville")
        page.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        eventually(lambda: page.page.locator("#frames pre").count() > 3)
        check("all open")


def test_axe_would_find_something(tab, server):
    with tab(server) as page:
        page.page.evaluate(AXE_SCRIPT)
        page.page.evaluate("here.removeAttribute('aria-label'), here.removeAttribute('title')")
        page.page.evaluate("document.querySelector('label[for=arg-place]').remove()")
        page.field("place").evaluate("field => field.removeAttribute('placeholder')")
        page.page.locator(".now").evaluate("now => now.style.color = '#999'")
        found = {rule["id"] for rule in page.page.evaluate("axe.run()")["violations"]}
        assert {"label", "button-name", "color-contrast"} <= found


def test_no_name_is_given_twice(tab, server):
    with tab(server) as page:
        ids = page.page.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
        assert len(ids) == len(set(ids))
        assert not [each for each in ids if not re.fullmatch(r"[a-z0-9-]+", each)]
