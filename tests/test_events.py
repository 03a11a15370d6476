"""Words of a query against the names of events."""

import pytest

from weather.events import current_names, matches, words_in


@pytest.mark.parametrize(
    ("event", "query", "found"),
    [
        ("Extreme Heat Warning", "Excessive Heat Warning", True),
        ("Extreme Heat Warning", "excessive heat", True),
        ("Extreme Heat Watch", "Excessive Heat Warning", False),
        ("Extreme Cold Watch", "wind chill watches", True),
        ("Cold Weather Advisory", "Wind Chill Advisory", True),
        ("Extreme Cold Warning", "wind chill", True),
        ("Freeze Warning", "Hard Freeze Warning", True),
        ("Freeze Watch", "Hard Freeze Warning", False),
        ("Tropical Cyclone Local Statement", "Hurricane Local Statement", True),
        ("Excessive Heat Warning", "excessive heat", True),
        ("Flash Flood Warning", "flash floods", True),
        ("Gale Watch", "gale watches", True),
        ("Evacuation - Immediate", "immediate evacuation", True),
        ("Dense Fog Advisory", "dense fog advisories", True),
        ("Wind Advisory", "wind chill", False),
        ("High Wind Warning", "wind warning high", True),
        ("Air Quality Alert", "air quality alert", True),
        ("Tornado Warning", "tornadoes", True),
        ("Tornado Watch", "tornado watch or warning", True),
        ("Tornado Warning", "tornado watch or warning", True),
        ("Flood Warning", "tornado watch or warning", False),
        ("Flood Warning", "watches and warnings", True),
        ("Flood Watch", "tornado watch or flood", True),
        ("Extreme Cold Warning", "wind", False),
        ("Volcano Warning", "volcanoes", True),
        ("Avalanche Watch", "avalanches", True),
        ("Flash Flood Warning", "flooding", True),
        ("Freezing Fog Advisory", "freeze warning", False),
        ("Wind Advisory", "all", True),
        ("Wind Advisory", "any weather alerts", True),
    ],
)
def test_a_query_matches_an_event_by_words_in_any_order_number_and_form(event, query, found):
    assert matches(query, event) == found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("excessive heat", ["extreme heat"]),
        ("Excessive Heat Warnings", ["extreme heat"]),
        ("wind chill", ["extreme cold", "cold weather"]),
        ("extreme heat", []),
        ("heat", []),
        ("---", []),
    ],
)
def test_retired_names_have_current_ones(query, names):
    assert current_names(query) == names


@pytest.mark.parametrize("text", ["", "---", "_", "\ud800", "\x00"])
def test_a_text_without_letters_has_no_words(text):
    assert words_in(text) == frozenset()
