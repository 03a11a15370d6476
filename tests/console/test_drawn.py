"""What the page draws of the answers: the weather now, the forecast, alerts, and their changes."""

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from playwright.sync_api import expect

from tests.conftest import serving
from tests.console.conftest import ALERTS, DESKTOP, FORECAST, NOW, PHONE, changing
from tests.raw import answering

HALVES = [f"2026-01-{15 + n // 2}T{'18' if n % 2 else '06'}:00:00-05:00" for n in range(15)]
HOURS = [f"2026-01-{15 + n // 24}T{n % 24:02}:00:00-05:00" for n in range(49)]


def periods(times, **values):
    """Half days or hours, with a list of values for each field, begun again at its end."""
    return [
        {
            "name": f"Period {n}",
            "startTime": start,
            "endTime": end,
            "temperatureUnit": "F",
            "temperature": 50,
            **({} if times is HOURS else {"isDaytime": n % 2 == 0}),
            **{name: some[n % len(some)] for name, some in values.items()},
        }
        for n, (start, end) in enumerate(pairwise(times))
    ]


def forecast(times, **values):
    return changing(lambda content: "periods" in content and content.update(periods=periods(times, **values)))


def weather(change):
    return changing(lambda content: "period" in content and change(content["period"], content["observation"]))


def now():
    return datetime.now(UTC).isoformat()


def test_the_headline_is_what_was_measured(tab, server):
    def change(period, seen):
        period.update(name="Tonight", temperature=28, isDaytime=False, shortForecast="Light Snow")
        period.update(windSpeed="5 to 10 mph", windDirection="NW", probabilityOfPrecipitation=70)
        seen.update(time=now(), temperatureF=33, text="Cloudy", name="Elm Airport")

    with tab(server, route=weather(change)) as page:
        expect(page.page.locator(".now p").first).to_have_text("33°FCloudy")
        expect(page.page.locator(".now .help")).to_have_text(
            re.compile(r"^Measured at Elm Airport, \d+:\d\d\s[AP]M E.T$")
        )
        expect(page.page.locator(".now .symbol")).to_have_class("symbol cloudy")
        page.shows("Tonight: low 28°F · Light Snow · wind 5 to 10 mph NW · precipitation 70%", ".get-weather")


def test_an_old_measurement_or_none_of_temperature_is_no_headline(tab, server):
    def old(period, seen):
        period.update(name="Today", temperature=61, isDaytime=True, shortForecast="Sunny")
        seen.update(time=(datetime.now(UTC) - timedelta(hours=5)).isoformat(), temperatureF=33, text="Cloudy")

    def broken(period, seen):
        old(period, seen)
        seen.update(time=now())
        del seen["temperatureF"]

    for change, measured in ((old, r"Measured at .*: 33°F · Cloudy"), (broken, r"Measured at .*: Cloudy")):
        with tab(server, route=weather(change)) as page:
            expect(page.page.locator(".now p").first).to_have_text("61°FSunny")
            expect(page.page.locator(".now .help")).to_have_text("Forecast for Today")
            expect(page.page.locator(".now .symbol")).to_have_class("symbol clear")
            page.shows(re.compile(measured), ".get-weather")


def test_the_weather_without_an_observation_is_the_forecast(tab, server):
    with tab(server, route=changing(lambda content: content.pop("observation", None))) as page:
        period = page.structured()["period"]
        expect(page.page.locator(".now b")).to_have_text(f"{period['temperature']}°F")
        expect(page.page.locator(".get-weather dt")).to_have_count(0)


@pytest.mark.parametrize(
    ("units", "facts"),
    [
        (
            "us",
            {"windChillF": 20, "humidityPercent": 40, "dewpointF": 0, "pressureInHg": 29.92, "visibilityMiles": 7.0}
            | {"windSpeedMph": 12, "windDirection": "WSW", "windGustMph": 25},
        ),
        (
            "si",
            {"heatIndexC": 33, "humidityPercent": 40, "dewpointC": 0, "pressureHpa": 1013, "visibilityKm": 11.3}
            | {"windSpeedKmh": 19, "windDirection": "WSW", "windGustKmh": 40},
        ),
    ],
)
def test_facts_have_labels_that_people_read_and_units(tab, server, units, facts):
    def change(period, seen):
        seen.clear()
        seen.update(station="KELM", time=now(), temperatureF=50, text="Fair", **facts)

    says = {
        "us": "Wind 12 mph WSW, Feels like 20°F, Gusts 25 mph, Humidity 40%, Dew point 0°F, Pressure 29.92 inHg,"
        " Visibility 7 miles",
        "si": "Wind 19 km/h WSW, Feels like 33°C, Gusts 40 km/h, Humidity 40%, Dew point 0°C, Pressure 1013 hPa,"
        " Visibility 11.3 km",
    }
    with tab(server, f"#place=Boston,+MA&units={units}", route=weather(change)) as page:
        pairs = page.page.locator(".get-weather dl > div").all_inner_texts()
        assert ", ".join(" ".join(pair.split()) for pair in pairs) == says[units]


SKIES = {
    "Sunny": "clear",
    "Mostly Sunny": "partly",
    "Partly Cloudy": "partly",
    "Mostly Cloudy": "cloudy",
    "Rain And Snow Likely": "ice",
    "Slight Chance Light Snow": "snow",
    "Scattered Rain Showers": "rain",
    "Chance Showers And Thunderstorms": "storm",
    "Areas Of Freezing Drizzle": "ice",
    "Patchy Fog": "fog",
    "Patchy Freezing Fog then Sunny": "fog",
    "Breezy": "windy",
    "Sunny then Snow Showers": "snow",
    "Volcanic Glow": None,
}


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_chart_tells_sun_from_snow(tab, server, size):
    with tab(
        server, "#tool=get-forecast&place=Boston,+MA", route=forecast(HALVES, shortForecast=list(SKIES)), viewport=size
    ) as page:
        page.page.locator(".chart .symbol").first.wait_for()
        drawn = page.page.locator(".chart .symbol").evaluate_all(
            "all => all.map(each => [each.className.baseVal, each.getAttribute('href')])"
        )
        assert [kind.split()[1] for kind, _ in drawn] == [kind for kind in SKIES.values() if kind]
        hrefs = {words: href for words, (_, href) in zip(SKIES, drawn, strict=False)}
        assert (hrefs["Sunny"], hrefs["Mostly Sunny"], hrefs["Partly Cloudy"]) == ("#clear", "#partly-night", "#partly")
        for href in {href for _, href in drawn}:
            box = page.page.locator(f".chart use[href='{href}']").first.bounding_box()
            assert min(box["width"], box["height"]) > 10, href  # The page has a drawing of it.


def test_an_hour_of_storm_is_seen_among_hours_of_sun(tab, server):
    sky = ["Sunny"] * 48
    sky[13] = "Severe Thunderstorms"
    with tab(
        server, "#tool=get-forecast&place=Boston,+MA", route=forecast(HOURS, shortForecast=sky), viewport=PHONE
    ) as page:
        expect(page.page.locator(".chart .symbol.storm")).to_have_count(1)
        hrefs = page.page.locator(".chart .symbol").evaluate_all("all => all.map(each => each.getAttribute('href'))")
        assert (hrefs[0], hrefs.count("#storm")) == ("#clear-night", 1)  # The first hour is midnight.
        assert "#clear" in hrefs


def test_a_forecast_has_a_point_and_a_row_for_each_period(tab, server):
    with tab(server) as page:
        page.choose(FORECAST)
        page.shows("Seven-day forecast", ".get-forecast h3")
        content = page.structured()["periods"]
        for kind, day in (("high", True), ("low", False)):
            count = len(content[content[0]["isDaytime"] is not day :: 2])  # They alternate.
            expect(page.page.locator(f".chart circle.{kind}")).to_have_count(count)
        assert page.page.locator(".chart rect.rain").count() == sum(
            bool(period.get("probabilityOfPrecipitation")) for period in content
        )
        page.page.get_by_text("periods as a table").click()
        assert page.page.locator("#result tr").count() == 1 + len(content)
        first = content[0]
        row = " ".join(page.page.locator("#result tr").nth(1).inner_text().split())
        assert row.startswith(f"{first['name']} {first['temperature']}°F ")
        sky = row.partition("°F ")[2].split(" ")[0].lower()
        assert sky in (first.get("shortForecast") or first["detailedForecast"]).lower()


def test_what_the_server_leaves_out_of_periods_is_restored(tab, server):
    """As the schema of the result says: times that follow, day or night, the unit, and the words that begin a text."""
    said = {
        "Rain likely. Cloudy, with a high near 47.": ("Rain likely", "rain"),
        "Sunny, with a low around 30.": ("Sunny", "clear"),
        "Light snow before 8pm, then fog. Cloudy.": ("Light snow before 8pm, then fog", "snow"),
        "": ("–", None),
    }

    def change(content):
        if "periods" in content:
            halves = periods(HALVES, detailedForecast=list(said))
            for half in halves[1:]:
                del half["startTime"], half["temperatureUnit"], half["isDaytime"]
            content["periods"] = [{key: half[key] for key in half if key != "endTime"} for half in halves]

    with tab(server, "#tool=get-forecast&place=Boston,+MA", route=changing(change), timezone_id="Asia/Tokyo") as page:
        page.page.locator(".chart svg").wait_for()
        days = page.page.locator(".chart .day").all_text_contents()
        assert days == ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        assert page.page.locator(".chart .night").count() == 7
        page.page.get_by_text("periods as a table").click()
        rows = page.page.locator("#result tr").all()[1:5]
        cells = [row.locator("td").all_inner_texts() for row in rows]
        assert [cell[:2] for cell in cells] == [["50°F", words] for words, _ in said.values()]
        kinds = page.page.locator(".chart .symbol").evaluate_all("all => all.map(each => each.className.baseVal)")
        assert kinds[:3] == [f"symbol {kind}" for _, kind in said.values() if kind]


def test_the_wind_is_a_range_where_it_is_one(tab, server):
    route = forecast(HALVES, windSpeed=["5 to 10 mph", "0 mph", "15 mph"], windDirection=["NW", "", "S"])
    with tab(server, "#tool=get-forecast&place=Boston,+MA", route=route) as page:
        page.page.locator(".chart svg").wait_for()
        speeds = page.page.locator(".chart text[y='290']").all_text_contents()
        assert speeds[:4] == ["5–10", "0", "15", "5–10"]
        assert speeds[-1] == "mph"
        assert page.page.locator(".chart text[y='276']").all_text_contents()[:2] == ["NW", "S"]


# Of each number of the temperature: its box, and the heights of both lines within its width.
CROSSED = """() => [...document.querySelectorAll('.chart .degrees')].filter(text => {
  const box = text.getBBox();
  return [...document.querySelectorAll('.chart .line')].some(line => {
    const length = line.getTotalLength();
    for (let at = 0; at <= length; at += 0.5) {
      const { x, y } = line.getPointAtLength(at);
      if (x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height) return true;
    }
    return false;
  });
}).map(text => text.textContent)"""
OVERLAPPING = """() => {
  const boxes = [...document.querySelectorAll('.chart text')].map(text => [text.textContent, text.getBBox()]);
  const meet = (one, other) => one.x < other.x + other.width && other.x < one.x + one.width
    && one.y + 3 < other.y + other.height - 3 && other.y + 3 < one.y + one.height - 3;
  const others = ([, box], n) => boxes.slice(n + 1).filter(other => meet(box, other[1]));
  return boxes.flatMap((each, n) => others(each, n).map(other => [each[0], other[0]]));
}"""


@pytest.mark.parametrize("width", [360, 390, 1280])
@pytest.mark.parametrize("times", [HALVES, HOURS], ids=["halves", "hours"])
@pytest.mark.parametrize("steep", [1, 7, 13])
def test_numbers_stand_on_no_line_and_on_no_number_and_the_extremes_have_theirs(tab, server, width, times, steep):
    degrees = [(n * steep * 7) % 61 - 20 for n in range(48)]
    degrees[9], degrees[10] = 104, -31
    chances = [(n * steep * 5) % 90 for n in range(48)]
    chances[11] = 95
    winds = ["10 to 15 mph", "5 mph", "15 to 25 mph"]
    route = forecast(times, temperature=degrees, probabilityOfPrecipitation=chances, windSpeed=winds)
    with tab(
        server,
        "#tool=get-forecast&place=Boston,+MA",
        route=route,
        viewport={"width": width, "height": 844},
    ) as page:
        page.page.locator(".chart svg").wait_for()
        texts = page.page.locator(".chart .degrees").all_text_contents()
        assert {"104°", "-31°"} <= set(texts)
        assert "95" in page.page.locator(".chart .small").all_text_contents()
        if times is HALVES:
            assert len(texts) == 14
        assert len(texts) > 6
        assert page.page.evaluate(CROSSED) == []
        assert page.page.evaluate(OVERLAPPING) == []


def test_what_is_missing_leaves_a_gap(tab, server):
    for times in (HALVES, HOURS):
        route = forecast(times, temperature=[50, None, None], windDirection=[None, "N"])
        with tab(server, "#tool=get-forecast&place=Boston,+MA", route=route) as page:
            count = sum(n % 3 == 0 for n in range(len(times) - 1))
            expect(page.page.locator(".chart circle")).to_have_count(count)
            assert not re.search("undefined|NaN|null|Infinity", page.page.locator("#result .parts").inner_html())
    with tab(server, route=forecast(HOURS, temperature=[None])) as page:
        page.page.locator(".chart svg").wait_for()
        assert not re.search("undefined|NaN|null", page.page.locator("#result .parts").inner_html())


def test_an_hourly_forecast_is_headed_so_and_a_curve(tab, server):
    temperatures = [50 + n % 24 for n in range(48)]
    with tab(
        server, "#tool=get-forecast&place=Boston,+MA&hourly=true", route=forecast(HOURS, temperature=temperatures)
    ) as page:
        expect(page.page.locator(".get-forecast h3")).to_have_text("The next 48 hours, by the hour")
        expect(page.page.locator(".chart circle")).to_have_count(48)
        assert page.page.locator(".chart .line.high").count() == 1
        hours = [" ".join(each.split()) for each in page.page.locator(".chart text[y='195']").all_text_contents()]
        assert hours[:2] == ["12 AM", "3 AM"]
        page.page.get_by_text("The 48 periods as a table").click()
        row = " ".join(page.page.locator("#result tr").nth(14).inner_text().split())
        assert row.startswith("Thu, Jan 15, 1:00 PM EST 63°F")


TIME = re.compile(r"\d{1,2}:\d\d\s[AP]M(?:\s(\S+))?")


@pytest.mark.parametrize("tool", [NOW, FORECAST, ALERTS])
def test_times_are_in_the_zone_of_the_place_and_named(tab, server, tool):
    def change(content):
        if "alerts" in content:
            alert = {"id": "a", "event": "Flood Watch", "onset": "2098-12-31T00:00:00Z", "ends": "2099-01-15T18:00:00Z"}
            content.update(alerts=[alert], total=1)

    with tab(server, route=changing(change), timezone_id="Asia/Tokyo") as page:
        page.call(tool, place="Honolulu, HI")
        page.beside("get-weather", "get-alerts", "get-forecast")
        expect(page.page.locator("#result header")).to_contain_text("HST")  # also of alerts, once the weather tells
        page.page.locator(".alert").first.wait_for()
        said = page.page.evaluate(
            "[...document.querySelectorAll('#result header, .now, .facts, .alert > p')].map(each => each.innerText)"
        )
        zones = TIME.findall("\n".join(said))
        assert len(zones) > 3
        assert set(zones) == {"HST"}


def test_hours_of_a_table_are_in_the_zone_of_the_place(tab, server):
    with tab(server, "#tool=get-forecast&place=Anchorage,+AK&hourly=true", timezone_id="Asia/Tokyo") as page:
        page.page.get_by_text("periods as a table").click()
        rows = page.page.locator("#result tbody tr, #result tr").all_inner_texts()[1:]
        zones = {TIME.search(row)[1] for row in rows}
        assert zones <= {"AKST", "AKDT"}


def test_times_of_a_states_alerts_have_their_own_offset_named(tab, server):
    def change(content):
        if "alerts" in content:
            alert = {"id": "a", "event": "Flood Watch", "severity": "Severe", "sent": "2026-01-15T10:00:00-08:00"}
            content["alerts"] = [alert | {"ends": "2099-01-15T18:00:00-08:00", "onset": "2098-12-31T00:00:00-08:00"}]
            content["issued"] = "2026-01-15T18:30:00Z"

    with tab(server, "#tool=get-alerts&state=CA", route=changing(change), timezone_id="Asia/Tokyo") as page:
        told = " ".join(page.page.locator(".alert > p").first.inner_text().split())
        assert told == "from Wed, Dec 31, 12:00 AM GMT-8 · until Thu, Jan 15, 6:00 PM GMT-8"
        assert "10:30 AM GMT-8" in " ".join(page.page.locator("#result header").inner_text().split())


@pytest.mark.parametrize("tool", [NOW, FORECAST, ALERTS])
def test_si_holds_throughout_and_sentences_are_said_not_to(tab, server, tool):
    with tab(server, "#place=Chicago,+IL&units=si") as page:
        page.choose(tool)
        page.beside("get-weather", "get-alerts", "get-forecast")
        page.sent("get-weather", {"place": "Chicago, IL", "units": "si"})
        page.sent("get-forecast", {"place": "Chicago, IL", "units": "si"})
        page.page.get_by_text("periods as a table").click()
        said = page.page.locator(".now, .facts, .chart, table, .get-weather p:not(.muted)").all_inner_texts()
        assert "°C" in "".join(said)
        assert "km/h" in "".join(said)
        assert not re.search(r"°F|mph|inHg|miles", "".join(said))
        page.shows("sentences are the Weather Service's own, in American units", "#result header")
        page.opened("#options")
        if tool is not ALERTS:
            page.field("units").select_option("us")
            page.shows("°F", ".now")
            expect(page.page.get_by_text("in American units")).to_have_count(0)


def test_the_alerts_of_a_place_are_beside_its_weather(tab, server):
    alert = {"id": "a", "event": "Flood Watch", "severity": "Severe", "area": "Elm"}
    route = changing(lambda content: "alerts" in content and content.update(alerts=[alert], total=1))
    for size in (DESKTOP, PHONE):
        with tab(server, viewport=size, route=route) as page:
            page.sent("get-alerts", {"place": "Washington, DC"})
            page.page.locator(".get-alerts .alert").first.wait_for()
            weather, alerts = (
                page.page.locator(f".part.{name}").bounding_box() for name in ("get-weather", "get-alerts")
            )
            if size is DESKTOP:
                assert (alerts["y"], alerts["x"] > weather["x"] + weather["width"]) == (weather["y"], True)
                expect(page.page.locator(".alert h4").first).to_be_in_viewport()
            else:
                assert alerts["y"] > weather["y"]
                assert page.page.locator(".part.get-forecast").bounding_box()["y"] > alerts["y"]


def test_an_error_beside_is_never_no_alerts_and_leaves_the_answer(tab, server):
    def change(content):
        if "alerts" in content:
            raise AssertionError

    def fails(message):
        if message["params"]["name"] == "get-alerts":
            text = {"type": "text", "text": "The Weather Service does not answer."}
            yield {"id": message["id"], "result": {"isError": True, "content": [text]}}
        else:
            content = {
                "source": "simulated",
                "stale": False,
                "location": {"latitude": 1, "longitude": 2},
                "place": "Elm",
            }
            content["period"] = {"name": "Today", "temperature": 50, "temperatureUnit": "F", "isDaytime": True}
            yield {"id": message["id"], "result": {"content": [], "structuredContent": content}}

    with tab(server, route=changing(change, {"tools/call": fails})) as page:
        page.shows("The Weather Service does not answer.", ".get-alerts [role=alert]")
        expect(page.page.locator(".get-weather .now b")).to_have_text("50°F")
        expect(page.page.get_by_text("No alerts")).to_have_count(0)


def test_stale_data_say_so(tab, server):
    with tab(server, route=changing(lambda content: content.update(stale=True, ageSeconds=2400))) as page:
        page.shows("Stale: 40 minutes old; the Weather Service is not answering.", ".get-weather")


def test_alerts_are_cards_the_worst_first(tab, serve):
    server = serve(SIMULATOR_ALERTS_FEATURES="8")
    with tab(server) as page:
        page.call(ALERTS, place="California")  # a state, said as a place
        expect(page.page.locator("#result h2")).to_have_text("California")
        content, words = page.structured(), page.page.locator(".alert .severity").all_inner_texts()
        assert words == [alert["severity"] for alert in content["alerts"]]
        assert len(words) > 3
        ranks = [["Extreme", "Severe", "Moderate", "Minor", "Unknown"].index(word) for word in words]
        assert ranks == sorted(ranks)
        page.page.locator(".alert summary").first.click()
        page.shows("Simulated: nothing in it describes real weather.", ".alert details[open]")
        severity, total = content["alerts"][0]["severity"], content["total"]
        hidden = sum(alert["severity"] != severity for alert in content["alerts"])
        page.opened("#options")
        page.field("severity").select_option(severity)
        page.shows(
            f"{total - hidden} in force ({total - hidden} {severity}) {hidden} more not asked for: ", ".get-alerts"
        )


@pytest.mark.parametrize("era", ["2026-07-28", "2025-11-25"])
def test_a_change_of_a_states_alerts_is_drawn_as_it_comes_and_what_ended_is_named(tab, server, era):
    """Of alerts that this test makes up, by the messages of the specification."""
    uri, key = "weather://alerts/CA", "io.modelcontextprotocol/subscriptionId"
    alert = {"id": "b", "event": "Tsunami Warning", "severity": "Extreme", "area": "Elm Coast"}
    known = {"state": "CA", "source": "simulated", "stale": False}
    flood = {"id": "a", "event": "Flood Watch", "area": "Elm Valley"}
    reads = iter([known | {"alerts": [flood]}, known | {"alerts": [alert]}])

    def subscribed(message):
        meta = {"_meta": {key: message["id"]}} if era == "2026-07-28" else {}
        params = {"notifications": {"resourceSubscriptions": [uri]}, **meta}
        acknowledged = {"method": "notifications/subscriptions/acknowledged", "params": params}
        yield acknowledged if meta else {"id": message["id"], "result": {}}
        yield {"method": "notifications/resources/updated", "params": {"uri": uri, **meta}}

    def read(message):
        yield {"id": message["id"], "result": {"contents": [{"uri": uri, "text": json.dumps(next(reads))}]}}

    answers = {"subscriptions/listen": subscribed, "resources/subscribe": subscribed, "resources/read": read}
    with tab(server, route=changing(lambda content: None, answers), timezone_id="Asia/Tokyo") as page:
        page.opened("#settings")
        page.page.locator("#era").select_option(era)
        page.state(f"ready, {era}")
        page.call(ALERTS, state="CA")
        page.page.get_by_role("button", name="Watch CA").click()
        page.shows("Watching CA: 1 in force.", "#watch")
        page.shows("begun: Tsunami Warning, Elm Coast, Extreme", "#watch")
        page.shows("ended: Flood Watch, Elm Valley", "#watch")
        page.page.locator(".alert.extreme .new").wait_for()
        for line in page.page.locator("#watch li").all_inner_texts():
            assert TIME.match(line)[1] == "GMT+9"


def test_of_more_alerts_than_are_listed_none_is_said_to_have_ended(tab, server):
    one, other = ({"id": each, "event": f"{each} Watch"} for each in ("Flood", "Wind"))
    contents = iter([{"alerts": [one], "total": 2}, {"alerts": [other], "total": 2}])
    uri, key = "weather://alerts/CA", "io.modelcontextprotocol/subscriptionId"

    def subscribed(message):
        params = {"uri": uri, "_meta": {key: message["id"]}}
        yield {"method": "notifications/subscriptions/acknowledged", "params": params}
        yield {"method": "notifications/resources/updated", "params": params}

    def read(message):
        content = {"state": "CA", "source": "simulated", "stale": False, **next(contents)}
        yield {"id": message["id"], "result": {"contents": [{"uri": uri, "text": json.dumps(content)}]}}

    route = changing(lambda content: None, {"subscriptions/listen": subscribed, "resources/read": read})
    with tab(server, "#tool=get-alerts&state=CA", route=route) as page:
        page.page.get_by_role("button", name="Watch CA").click()
        page.shows("now among the worst: Wind Watch", "#watch")
        page.shows("no longer among the worst: Flood Watch", "#watch")
        expect(page.page.get_by_text("ended")).to_have_count(0)


def test_a_change_is_told_by_the_server(tab, tmp_path):
    ids = ["a"]

    def alerts(path):
        all_properties = [{"id": each, "event": f"Flood Watch {each}", "status": "Actual"} for each in ids]
        return 200, {"type": "FeatureCollection", "features": [{"properties": each} for each in all_properties]}

    with (
        answering(alerts) as url,
        serving(tmp_path, NWS_API_BASE=url, NWS_ALERTS_FRESH_SECONDS="1") as server,
        tab(server, "#tool=get-alerts&state=CA") as page,
    ):
        page.page.get_by_role("button", name="Watch CA").click()
        page.shows("Watching CA: 1 in force.", "#watch")
        ids[:] = ["b", "c"]
        page.shows("begun: Flood Watch b", "#watch")
        page.shows("ended: Flood Watch a", "#watch")
        expect(page.page.locator(".alert")).to_have_count(2)
        page.page.get_by_role("button", name="Stop watching CA").click()
        page.frames("notifications/cancelled").wait_for()
        page.shows("No longer watching CA.", "#watch")


def test_a_server_that_tells_of_no_changes_is_said_to(tab, server):
    def unknown(message):
        yield {"id": message["id"], "error": {"code": -32601, "message": "Unknown method"}}

    route = changing(lambda content: None, {"subscriptions/listen": unknown})
    with tab(server, "#tool=get-alerts&state=CA", route=route) as page:
        page.page.get_by_role("button", name="Watch CA").click()
        page.shows("This server does not tell of changes: it does not know subscriptions/listen.", "#watch")
        page.page.get_by_role("button", name="Watch CA", exact=True).wait_for()
