"""Names and abbreviations → codes of states, territories and marine areas."""

import pytest

from weather.areas import AREAS, find_area


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("CA", "CA"),
        (" ca\n", "CA"),
        ("california", "CA"),
        ("NEW  YORK", "NY"),
        ("District of Columbia", "DC"),
        ("Washington DC", "DC"),
        ("Washington, D.C.", "DC"),
        ("Washington,DC", "DC"),
        ("Washington", "WA"),
        ("Virgin Islands", "VI"),
        ("U.S. Virgin Islands", "VI"),
        ("US Virgin Islands", "VI"),
        ("Northern Mariana Islands", "MP"),
        ("Micronesia", "FM"),
        ("gm", "GM"),
        ("Gulf of America", "GM"),
        ("lake st clair", "LC"),
        ("Washington State", "WA"),
        ("Commonwealth of Kentucky", "KY"),
    ],
)
def test_an_area_is_known_by_code_or_name(text, code):
    assert find_area(text) == code


@pytest.mark.parametrize("text", ["", "ZZ", "Ontario", "CA; TX"])
def test_what_is_no_area_has_no_code(text):
    assert find_area(text) is None


def test_every_area_is_known_by_its_code_and_by_its_name():
    assert len(AREAS) == 59 + 15
    for code, name in AREAS.items():
        assert find_area(code.lower()) == find_area(name.upper()) == code
