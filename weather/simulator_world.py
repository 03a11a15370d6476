"""The world of the simulated National Weather Service: its map, its tables, the documents it answers with.

Latitudes and longitudes are in degrees, distances in metres. Borders are boxes, right for every place in the
United States and only roughly right for its neighbours. Every document is a function of the question.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Json = dict[str, Any]

HOUR = 3600  # seconds
NEVER_ALERTED, ALWAYS_ALERTED = "VT", "CA"
POINT = r"(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)"
STATUSES = ("actual", "exercise", "system", "test", "draft")
CONTEXT = [
    "https://geojson.org/geojson-ld/geojson-context.jsonld",
    {
        "@version": "1.1",
        "wx": "https://api.weather.gov/ontology#",
        "@vocab": "https://api.weather.gov/ontology#",
    },
]
EARTH_M = 6_371_000.0
CELL_DEGREES = 2.5 / 111.2  # a forecast cell is about 2.5 km wide
CELL_OFFSET = 600  # an office's reference city is at 600,600, so that no cell is negative
ROWS = 1000  # rows of one numbering of the grid

E, C, M, P = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"
A, H = "America/Anchorage", "Pacific/Honolulu"

Boxes = tuple[tuple[float, float, float, float], ...]  # south, north, west, east


class Place(NamedTuple):
    """A reference city; `office` names its forecast grid, which in Alaska is not the warning area (`cwa`)."""

    city: str
    state: str
    lat: float
    lon: float
    zone: str
    office: str
    station: str

    @property
    def cwa(self) -> str:
        return {"AER": "AFC", "ALU": "AFC"}.get(self.office, self.office)


class Cell(NamedTuple):
    """A forecast cell, as in `/gridpoints/{office}/{x},{y}`."""

    office: str
    x: int
    y: int


class Station(NamedTuple):
    id: str
    name: str
    lat: float
    lon: float
    place: Place


PLACES = (
    Place("Birmingham", "AL", 33.52, -86.81, C, "BMX", "KBHM"),
    Place("Mobile", "AL", 30.69, -88.04, C, "MOB", "KMOB"),
    Place("Anchorage", "AK", 61.22, -149.9, A, "AER", "PANC"),
    Place("Fairbanks", "AK", 64.84, -147.72, A, "AFG", "PAFA"),
    Place("Juneau", "AK", 58.3, -134.42, "America/Juneau", "AJK", "PAJN"),
    Place("Nome", "AK", 64.5, -165.41, "America/Nome", "AFG", "PAOM"),
    Place("Utqiagvik", "AK", 71.29, -156.79, A, "AFG", "PABR"),
    Place("Bethel", "AK", 60.79, -161.76, A, "ALU", "PABE"),
    Place("Kodiak", "AK", 57.79, -152.41, A, "AER", "PADQ"),
    Place("Unalaska", "AK", 53.87, -166.54, A, "ALU", "PADU"),
    Place("Adak", "AK", 51.88, -176.66, "America/Adak", "ALU", "PADK"),
    Place("Phoenix", "AZ", 33.45, -112.07, "America/Phoenix", "PSR", "KPHX"),
    Place("Tucson", "AZ", 32.22, -110.97, "America/Phoenix", "TWC", "KTUS"),
    Place("Little Rock", "AR", 34.75, -92.29, C, "LZK", "KLIT"),
    Place("Los Angeles", "CA", 34.05, -118.24, P, "LOX", "KLAX"),
    Place("San Francisco", "CA", 37.77, -122.42, P, "MTR", "KSFO"),
    Place("Sacramento", "CA", 38.58, -121.49, P, "STO", "KSAC"),
    Place("San Diego", "CA", 32.72, -117.16, P, "SGX", "KSAN"),
    Place("Fresno", "CA", 36.74, -119.79, P, "HNX", "KFAT"),
    Place("Eureka", "CA", 40.8, -124.16, P, "EKA", "KEKA"),
    Place("Denver", "CO", 39.74, -104.99, M, "BOU", "KDEN"),
    Place("Grand Junction", "CO", 39.06, -108.55, M, "GJT", "KGJT"),
    Place("Hartford", "CT", 41.76, -72.67, E, "BOX", "KBDL"),
    Place("Wilmington", "DE", 39.75, -75.55, E, "PHI", "KILG"),
    Place("Washington", "DC", 38.9, -77.04, E, "LWX", "KDCA"),
    Place("Miami", "FL", 25.76, -80.19, E, "MFL", "KMIA"),
    Place("Key West", "FL", 24.56, -81.78, E, "KEY", "KEYW"),
    Place("Tampa", "FL", 27.95, -82.46, E, "TBW", "KTPA"),
    Place("Jacksonville", "FL", 30.33, -81.66, E, "JAX", "KJAX"),
    Place("Tallahassee", "FL", 30.44, -84.28, E, "TAE", "KTLH"),
    Place("Atlanta", "GA", 33.75, -84.39, E, "FFC", "KATL"),
    Place("Honolulu", "HI", 21.31, -157.86, H, "HFO", "PHNL"),
    Place("Hilo", "HI", 19.71, -155.08, H, "HFO", "PHTO"),
    Place("Boise", "ID", 43.62, -116.2, "America/Boise", "BOI", "KBOI"),
    Place("Chicago", "IL", 41.88, -87.63, C, "LOT", "KORD"),
    Place("Springfield", "IL", 39.78, -89.65, C, "ILX", "KSPI"),
    Place("Indianapolis", "IN", 39.77, -86.16, "America/Indiana/Indianapolis", "IND", "KIND"),
    Place("Des Moines", "IA", 41.59, -93.62, C, "DMX", "KDSM"),
    Place("Topeka", "KS", 39.05, -95.68, C, "TOP", "KTOP"),
    Place("Dodge City", "KS", 37.75, -100.02, C, "DDC", "KDDC"),
    Place("Louisville", "KY", 38.25, -85.76, "America/Kentucky/Louisville", "LMK", "KSDF"),
    Place("New Orleans", "LA", 29.95, -90.07, C, "LIX", "KMSY"),
    Place("Shreveport", "LA", 32.52, -93.75, C, "SHV", "KSHV"),
    Place("Portland", "ME", 43.66, -70.26, E, "GYX", "KPWM"),
    Place("Caribou", "ME", 46.86, -68.01, E, "CAR", "KCAR"),
    Place("Baltimore", "MD", 39.29, -76.61, E, "LWX", "KBWI"),
    Place("Boston", "MA", 42.36, -71.06, E, "BOX", "KBOS"),
    Place("Detroit", "MI", 42.33, -83.05, "America/Detroit", "DTX", "KDTW"),
    Place("Gaylord", "MI", 45.03, -84.67, "America/Detroit", "APX", "KGLR"),
    Place("Marquette", "MI", 46.54, -87.4, "America/Detroit", "MQT", "KSAW"),
    Place("Minneapolis", "MN", 44.98, -93.27, C, "MPX", "KMSP"),
    Place("Duluth", "MN", 46.79, -92.1, C, "DLH", "KDLH"),
    Place("Jackson", "MS", 32.3, -90.18, C, "JAN", "KJAN"),
    Place("Kansas City", "MO", 39.1, -94.58, C, "EAX", "KMCI"),
    Place("St. Louis", "MO", 38.63, -90.2, C, "LSX", "KSTL"),
    Place("Billings", "MT", 45.78, -108.5, M, "BYZ", "KBIL"),
    Place("Great Falls", "MT", 47.5, -111.3, M, "TFX", "KGTF"),
    Place("Omaha", "NE", 41.26, -95.93, C, "OAX", "KOMA"),
    Place("North Platte", "NE", 41.12, -100.77, C, "LBF", "KLBF"),
    Place("Las Vegas", "NV", 36.17, -115.14, P, "VEF", "KLAS"),
    Place("Reno", "NV", 39.53, -119.81, P, "REV", "KRNO"),
    Place("Concord", "NH", 43.21, -71.54, E, "GYX", "KCON"),
    Place("Newark", "NJ", 40.74, -74.17, E, "OKX", "KEWR"),
    Place("Albuquerque", "NM", 35.08, -106.65, M, "ABQ", "KABQ"),
    Place("New York", "NY", 40.71, -74.01, E, "OKX", "KNYC"),
    Place("Albany", "NY", 42.65, -73.75, E, "ALY", "KALB"),
    Place("Buffalo", "NY", 42.89, -78.88, E, "BUF", "KBUF"),
    Place("Raleigh", "NC", 35.78, -78.64, E, "RAH", "KRDU"),
    Place("Wilmington", "NC", 34.23, -77.94, E, "ILM", "KILM"),
    Place("Bismarck", "ND", 46.81, -100.78, C, "BIS", "KBIS"),
    Place("Cleveland", "OH", 41.5, -81.69, E, "CLE", "KCLE"),
    Place("Columbus", "OH", 39.96, -83.0, E, "ILN", "KCMH"),
    Place("Oklahoma City", "OK", 35.47, -97.52, C, "OUN", "KOKC"),
    Place("Portland", "OR", 45.52, -122.68, P, "PQR", "KPDX"),
    Place("Medford", "OR", 42.33, -122.87, P, "MFR", "KMFR"),
    Place("Philadelphia", "PA", 39.95, -75.17, E, "PHI", "KPHL"),
    Place("Pittsburgh", "PA", 40.44, -80.0, E, "PBZ", "KPIT"),
    Place("Providence", "RI", 41.82, -71.41, E, "BOX", "KPVD"),
    Place("Charleston", "SC", 32.78, -79.93, E, "CHS", "KCHS"),
    Place("Columbia", "SC", 34.0, -81.03, E, "CAE", "KCAE"),
    Place("Sioux Falls", "SD", 43.55, -96.73, C, "FSD", "KFSD"),
    Place("Rapid City", "SD", 44.08, -103.23, M, "UNR", "KRAP"),
    Place("Nashville", "TN", 36.16, -86.78, C, "OHX", "KBNA"),
    Place("Memphis", "TN", 35.15, -90.05, C, "MEG", "KMEM"),
    Place("Houston", "TX", 29.76, -95.37, C, "HGX", "KIAH"),
    Place("Dallas", "TX", 32.78, -96.8, C, "FWD", "KDFW"),
    Place("San Antonio", "TX", 29.42, -98.49, C, "EWX", "KSAT"),
    Place("Brownsville", "TX", 25.9, -97.5, C, "BRO", "KBRO"),
    Place("Amarillo", "TX", 35.19, -101.85, C, "AMA", "KAMA"),
    Place("El Paso", "TX", 31.76, -106.49, M, "EPZ", "KELP"),
    Place("Salt Lake City", "UT", 40.76, -111.89, M, "SLC", "KSLC"),
    Place("Burlington", "VT", 44.48, -73.21, E, "BTV", "KBTV"),
    Place("Richmond", "VA", 37.54, -77.44, E, "AKQ", "KRIC"),
    Place("Seattle", "WA", 47.61, -122.33, P, "SEW", "KSEA"),
    Place("Spokane", "WA", 47.66, -117.43, P, "OTX", "KGEG"),
    Place("Charleston", "WV", 38.35, -81.63, E, "RLX", "KCRW"),
    Place("Milwaukee", "WI", 43.04, -87.91, C, "MKX", "KMKE"),
    Place("Green Bay", "WI", 44.51, -88.02, C, "GRB", "KGRB"),
    Place("Cheyenne", "WY", 41.14, -104.82, M, "CYS", "KCYS"),
    Place("Riverton", "WY", 43.02, -108.38, M, "RIW", "KRIW"),
    Place("San Juan", "PR", 18.47, -66.11, "America/Puerto_Rico", "SJU", "TJSJ"),
    Place("Charlotte Amalie", "VI", 18.34, -64.93, "America/St_Thomas", "SJU", "TIST"),
    Place("Hagatna", "GU", 13.48, 144.75, "Pacific/Guam", "GUM", "PGUM"),
    Place("Saipan", "MP", 15.19, 145.75, "Pacific/Saipan", "GUM", "PGSN"),
    Place("Pago Pago", "AS", -14.28, -170.7, "Pacific/Pago_Pago", "PPG", "NSTU"),
)

ORIGINS = {place.office: (place.lat, place.lon) for place in reversed(PLACES)}

LAND: Boxes = (
    # South: Florida, Texas, the Gulf coast
    (24.4, 25.9, -83.0, -80.0), (25.8, 27.5, -99.6, -97.0), (25.8, 29.0, -83.2, -79.9),
    (27.5, 28.3, -100.4, -96.5), (28.2, 29.0, -100.8, -95.2), (28.9, 29.8, -104.6, -88.8),
    (29.0, 29.8, -85.6, -80.7), (29.7, 30.7, -105.1, -81.0), (30.7, 31.4, -106.3, -81.2),
    (31.3, 32.0, -113.3, -80.8), (32.0, 32.6, -114.9, -80.4),
    # Between the oceans, up to 49 north
    (32.5, 33.0, -119.7, -79.3), (33.0, 34.0, -119.7, -77.8), (34.0, 34.6, -120.7, -76.4),
    (34.6, 35.0, -120.8, -75.9), (35.0, 37.0, -122.1, -75.4), (37.0, 38.5, -123.1, -74.9),
    (38.5, 39.0, -123.8, -74.2), (39.0, 40.0, -124.0, -73.9), (40.0, 40.5, -124.5, -73.8),
    (40.5, 41.0, -124.5, -71.8), (41.0, 41.7, -124.5, -69.8), (41.7, 42.0, -124.5, -82.4),
    (41.7, 42.1, -81.3, -69.8), (42.0, 43.1, -124.8, -82.4), (42.0, 42.6, -79.8, -70.0),
    (42.5, 43.4, -79.1, -70.5), (43.1, 45.9, -124.8, -82.4), (45.9, 46.6, -124.8, -83.4),
    (46.5, 47.5, -124.8, -87.6), (47.5, 48.2, -124.8, -89.4), (48.2, 48.4, -124.8, -90.7),
    (48.4, 48.7, -123.25, -92.3), (48.7, 49.0, -123.25, -94.2), (47.8, 48.3, -89.4, -88.3),
    (49.0, 49.4, -95.2, -94.6),
    # New York north of Lake Ontario, New England
    (43.3, 44.2, -76.5, -68.8), (44.1, 44.5, -76.4, -66.9), (44.4, 45.02, -75.9, -66.9),
    (45.0, 46.4, -71.5, -67.2), (46.0, 46.4, -70.4, -67.7), (46.4, 47.5, -70.1, -67.7),
    # Alaska
    (63.9, 71.5, -169.0, -141.0), (59.0, 63.9, -173.2, -141.0), (56.0, 59.0, -170.5, -151.8),
    (53.0, 56.0, -169.5, -158.0), (51.1, 54.6, -180.0, -164.0), (51.1, 53.2, 172.3, 180.0),
    (59.0, 60.4, -141.1, -135.0), (56.9, 59.0, -138.5, -132.0), (54.6, 57.0, -134.8, -129.9),
    # Hawaii, Puerto Rico and the Virgin Islands, the Marianas, American Samoa
    (18.8, 22.4, -160.6, -154.7), (17.6, 18.6, -68.0, -64.5), (13.2, 20.6, 144.5, 146.1),
    (-14.6, -11.0, -171.2, -168.1),
)  # fmt: skip

MARINE: Boxes = (
    # Superior, Michigan, Huron, Erie, Ontario
    (46.9, 47.8, -87.4, -85.1), (41.95, 44.6, -87.2, -86.65), (44.15, 45.3, -82.9, -82.2),
    (42.1, 42.4, -81.8, -80.9), (43.4, 43.65, -78.8, -76.8),
    # The Gulf, the Atlantic, the Pacific
    (26.0, 28.7, -95.0, -83.5), (28.0, 31.0, -80.2, -78.5), (31.0, 33.0, -79.0, -77.0),
    (35.0, 37.0, -75.0, -73.0), (37.0, 40.0, -73.5, -71.0), (39.5, 40.9, -71.5, -68.0),
    (42.2, 43.5, -69.6, -67.5), (32.5, 34.0, -121.0, -119.8), (34.6, 37.0, -124.0, -122.3),
    (37.0, 39.8, -125.5, -124.0), (40.0, 48.0, -127.0, -124.9),
    # Alaska, Hawaii, Puerto Rico, Guam, American Samoa
    (55.0, 58.8, -149.0, -140.5), (57.6, 59.6, -169.0, -164.0), (19.5, 20.9, -159.5, -157.2),
    (18.7, 19.5, -67.5, -65.0), (13.0, 14.0, 143.0, 144.3), (-16.0, -14.8, -171.0, -169.0),
)  # fmt: skip

STATES = {
    "AL": "Alabama", "AK": "Alaska", "AS": "American Samoa", "AR": "Arkansas", "AZ": "Arizona",
    "CA": "California", "CO": "Colorado", "CT": "Connecticut", "DE": "Delaware", "DC": "District of Columbia",
    "FL": "Florida", "GA": "Georgia", "GU": "Guam", "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois",
    "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine",
    "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota", "MS": "Mississippi",
    "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire",
    "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota",
    "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "PR": "Puerto Rico",
    "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas",
    "UT": "Utah", "VT": "Vermont", "VI": "U.S. Virgin Islands", "VA": "Virginia", "WA": "Washington",
    "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming", "MP": "Northern Mariana Islands",
    "PW": "Palau", "FM": "Federated States of Micronesia", "MH": "Marshall Islands",
}  # fmt: skip

WATERS = {
    "AM": "the Atlantic south of Currituck Beach Light", "AN": "the Atlantic north of Currituck Beach Light",
    "GM": "the Gulf", "LC": "Lake St. Clair", "LE": "Lake Erie", "LH": "Lake Huron", "LM": "Lake Michigan",
    "LO": "Lake Ontario", "LS": "Lake Superior", "PH": "Hawaiian waters", "PK": "Alaskan waters",
    "PM": "Mariana waters", "PS": "American Samoan waters", "PZ": "the eastern North Pacific",
    "SL": "the St. Lawrence",
}  # fmt: skip

AREAS = STATES | WATERS

# By day, by night, icon, probability of precipitation in percent.
SKIES = (
    ("Sunny", "Clear", "skc", 0),
    ("Mostly Sunny", "Mostly Clear", "few", 2),
    ("Partly Sunny", "Partly Cloudy", "sct", 10),
    ("Mostly Cloudy", "Mostly Cloudy", "bkn", 15),
    ("Patchy Fog", "Patchy Fog", "fog", 5),
    ("Chance Rain Showers", "Chance Rain Showers", "rain_showers", 40),
    ("Rain", "Rain", "rain", 80),
)
COMPASS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")

# Event, severity, urgency, certainty, response, on water.
EVENTS = (
    ("Small Craft Advisory", "Minor", "Expected", "Likely", "Avoid", True),
    ("Gale Warning", "Moderate", "Expected", "Likely", "Prepare", True),
    ("Special Marine Warning", "Severe", "Immediate", "Observed", "Avoid", True),
    ("Dense Fog Advisory", "Moderate", "Expected", "Likely", "Execute", True),
    ("Wind Advisory", "Moderate", "Expected", "Likely", "Execute", False),
    ("Dense Fog Advisory", "Moderate", "Expected", "Likely", "Execute", False),
    ("Flood Watch", "Severe", "Future", "Possible", "Prepare", False),
    ("Flood Warning", "Severe", "Immediate", "Observed", "Avoid", False),
    ("High Wind Warning", "Severe", "Expected", "Likely", "Shelter", False),
    ("Tornado Warning", "Extreme", "Immediate", "Observed", "Shelter", False),
    ("Special Weather Statement", "Moderate", "Expected", "Observed", "Execute", False),
    ("Hydrologic Outlook", "Unknown", "Unknown", "Unknown", "Monitor", False),
)
PARTS = ("Northern", "Southern", "Eastern", "Western", "Central", "Upper", "Lower", "Inner", "Outer")


def within(boxes: Boxes, lat: float, lon: float, margin: float = 0) -> bool:
    return any(
        south - margin <= lat <= north + margin and west - margin <= lon <= east + margin
        for south, north, west, east in boxes
    )


def covered(lat: float, lon: float, margin: float = 0) -> bool:
    return within(MARINE, lat, lon, margin) or within(LAND, lat, lon, margin)


def marine(lat: float, lon: float) -> bool:
    return within(MARINE, lat, lon)


def distance_m(lat: float, lon: float, to_lat: float, to_lon: float) -> float:
    """Great-circle distance (haversine)."""
    a, b = math.radians(lat), math.radians(to_lat)
    half = math.radians(to_lon - lon) / 2
    chord = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(half) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(min(1.0, chord)))


def bearing(lat: float, lon: float, to_lat: float, to_lon: float) -> int:
    """Initial course to the second point, in whole degrees from north, 0 to 359."""
    a, b, turn = math.radians(lat), math.radians(to_lat), math.radians(to_lon - lon)
    east = math.sin(turn) * math.cos(b)
    north = math.cos(a) * math.sin(b) - math.sin(a) * math.cos(b) * math.cos(turn)
    return round(math.degrees(math.atan2(east, north))) % 360


def nearest(lat: float, lon: float, count: int = 1) -> list[Place]:
    return sorted(PLACES, key=lambda place: distance_m(lat, lon, place.lat, place.lon))[:count]


def cell_of(lat: float, lon: float) -> Cell:
    """The cell that holds a point, on the grid of the nearest city's office."""
    office = nearest(lat, lon)[0].office
    lat0, lon0 = ORIGINS[office]
    east = ((lon - lon0 + 180) % 360 - 180) * math.cos(math.radians(lat0))
    x, y = round(east / CELL_DEGREES), round((lat - lat0) / CELL_DEGREES)
    return Cell(office, CELL_OFFSET + x, CELL_OFFSET + y)


def centre(cell: Cell) -> tuple[float, float]:
    """Latitude and longitude of the middle of a cell of a known office: `cell_of` undone."""
    lat0, lon0 = ORIGINS[cell.office]
    lon = lon0 + (cell.x - CELL_OFFSET) * CELL_DEGREES / math.cos(math.radians(lat0))
    return lat0 + (cell.y - CELL_OFFSET) * CELL_DEGREES, (lon + 180) % 360 - 180


def stations_of(place: Place) -> tuple[Station, ...]:
    """The airport, and two stations with its identifier and a digit."""
    return (
        Station(place.station, f"{place.city} Airport", place.lat, place.lon, place),
        Station(f"{place.station}1", f"{place.city} North", round(place.lat + 0.11, 4), place.lon, place),
        Station(f"{place.station}2", f"{place.city} South", round(place.lat - 0.19, 4), place.lon, place),
    )


def station_named(name: str) -> Station | None:
    near = (station for place in PLACES if name.startswith(place.station) for station in stations_of(place))
    return next((station for station in near if station.id == name), None)


class Problem(Exception):
    """An answer in problem+json, with NWS's `correlationId`; `kind` is the last part of its `type`."""

    def __init__(self, status: int, kind: str, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, kind)
        self.status, self.kind, self.title, self.detail = status, kind, title, detail
        self.headers = headers or {}
        self.parameter_errors: list[Json] = []

    def body(self, base: str, correlation: str) -> Json:
        return {
            "correlationId": correlation,
            **({"parameterErrors": self.parameter_errors} if self.parameter_errors else {}),
            "title": self.title,
            "type": f"https://api.weather.gov/problems/{self.kind}",
            "status": self.status,
            "detail": self.detail,
            "instance": f"{base}/requests/{correlation}",
        }


def missing(what: str) -> Problem:
    return Problem(404, "NotFound", "Not Found", f"{what} does not exist")


def bad_parameter(parameter: str, message: str) -> Problem:
    problem = Problem(400, "BadRequest", "Bad Request", "Bad Request")
    problem.parameter_errors = [{"parameter": parameter, "message": message}]
    return problem


@dataclass(frozen=True)
class Question:
    """One request to one endpoint: `args` from the path, `base` (scheme and host) to build links with, `now` in
    Unix time, and the settings that change the world, as in simulator.Faults."""

    base: str
    args: tuple[str, ...]
    query: dict[str, str]
    now: float
    seed: int = 1
    renumber: int = 0
    expired_grid: bool = False
    alerts_features: int = 0

    @property
    def hour(self) -> datetime:
        return datetime.fromtimestamp(self.now // HOUR * HOUR, UTC)

    def dice(self, *key: object) -> random.Random:
        """The same numbers for the same seed and key."""
        return random.Random(f"{self.seed}/{key}")  # noqa: S311 (weather, not secrets)


def quantity(unit: str, value: float | None) -> Json:
    return {"unitCode": f"wmoUnit:{unit}", "value": value}


def way(from_lat: float, from_lon: float, lat: float, lon: float) -> Json:
    """`distance` and `bearing` of the second point, seen from the first."""
    metres = round(distance_m(from_lat, from_lon, lat, lon), 4)
    degrees = bearing(from_lat, from_lon, lat, lon)
    return {"distance": quantity("m", metres), "bearing": quantity("degree_(angle)", degrees)}


def feature(lat: float, lon: float, **members: object) -> Json:
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]}, **members}


def decimal(text: str) -> str:
    """A coordinate as the service wants it: at most 4 decimals, no trailing zeros."""
    short = f"{float(text):.4f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def point(question: Question) -> Json:
    given = question.args[0]
    match = re.fullmatch(POINT, given, re.ASCII)
    if not match:
        raise bad_parameter("path.point", f"Does not match the regex pattern ^{POINT}$")
    wanted = f"{decimal(match[1])},{decimal(match[2])}"
    if wanted != given:
        detail = "Points have at most 4 decimal digits; the location attribute has the nearest such point."
        title = "Adjusting Precision Of Point Coordinate"
        raise Problem(301, "AdjustPointPrecision", title, detail, {"location": f"/points/{wanted}"})
    lat, lon = float(match[1]), float(match[2])
    if not covered(lat, lon):
        detail = f"Unable to provide data for requested point {given}"
        raise Problem(404, "InvalidPoint", "Data Unavailable For Requested Point", detail)
    url = f"{question.base}/points/{given}"
    properties = {"@id": url, "@type": "wx:Point", **point_properties(question, lat, lon)}
    return {"@context": CONTEXT, "id": url, **feature(lat, lon, properties=properties)}


def point_properties(question: Question, lat: float, lon: float) -> Json:
    place, cell, base = nearest(lat, lon)[0], cell_of(lat, lon), question.base
    y = cell.y + ROWS * question.renumber
    grid = f"{base}/gridpoints/{cell.office}/{cell.x},{y}"
    city = {"city": place.city, "state": place.state, **way(place.lat, place.lon, lat, lon)}
    return {
        "cwa": place.cwa,
        "type": "marine" if marine(*centre(cell)) else "land",
        "forecastOffice": f"{base}/offices/{place.cwa}",
        "gridId": cell.office,
        "gridX": cell.x,
        "gridY": y,
        "forecast": f"{grid}/forecast",
        "forecastHourly": f"{grid}/forecast/hourly",
        "forecastGridData": grid,
        "observationStations": f"{grid}/stations",
        "relativeLocation": feature(place.lat, place.lon, properties=city),
        **zones(base, place),
        "timeZone": place.zone,
        "radarStation": f"K{place.office}",
    }


def zones(base: str, place: Place) -> dict[str, str]:
    number = PLACES.index(place) + 1
    return {
        "forecastZone": f"{base}/zones/forecast/{place.state}Z{number:03}",
        "county": f"{base}/zones/county/{place.state}C{number:03}",
        "fireWeatherZone": f"{base}/zones/fire/{place.state}Z{number:03}",
    }


def named_cell(question: Question) -> Cell:
    """The cell that a grid link names, if the link is of the current numbering."""
    office, xy = question.args
    match = re.fullmatch(r"(\d{1,7}),(\d{1,7})", xy, re.ASCII)
    if not match:
        raise bad_parameter("path.point", "Does not match the pattern of two whole numbers")
    numbering, y = divmod(int(match[2]), ROWS)
    named = Cell(office, int(match[1]), y)
    known = office in ORIGINS and numbering == question.renumber
    if not known or not covered(*centre(named), margin=0.05):
        raise missing(f"Grid point {office}/{xy}")
    return named


def base_fahrenheit(lat: float, day: date) -> float:
    """Mean temperature of a day: colder and more seasonal towards the poles, warmest in July or January."""
    season = math.cos((day.timetuple().tm_yday - 201) / 365 * 2 * math.pi)
    return 80 - 0.013 * lat**2 + lat / 2 * season


def forecast(question: Question) -> Json:
    here = named_cell(question)
    lat, lon = centre(here)
    if marine(lat, lon):
        detail = "Forecasts for marine areas are not yet supported by this API."
        raise Problem(404, "MarineForecastNotSupported", "Marine Forecast Not Supported", detail)
    if question.expired_grid:
        issued = (question.hour - timedelta(days=1)).isoformat()
        detail = f"The requested forecast grid was issued {issued} and has expired."
        raise Problem(503, "ForecastGridExpired", "Forecast Grid Expired", detail)
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
    ring = [[round(lon + 0.0112 * east, 4), round(lat + 0.0112 * north, 4)] for east, north in corners]
    properties = {
        "units": "us",
        "forecastGenerator": "SimulatedForecastGenerator",
        "generatedAt": question.hour.isoformat(),
        "updateTime": question.hour.isoformat(),
        "validTimes": f"{question.hour.isoformat()}/P7D",
        "elevation": quantity("m", question.dice(here).randint(0, 400)),
        "periods": list(periods(question, here, nearest(lat, lon)[0].zone)),
    }
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"@context": CONTEXT, "type": "Feature", "geometry": geometry, "properties": properties}


def halves(now: datetime) -> Iterator[tuple[str, datetime, datetime, bool]]:
    """Name, start, end and whether it is day, of the 13 or 14 half days from `now` (local time) on.

    Days end at 6 pm and nights at 6 am. The first half day begins at `now`.
    """
    names = [("Overnight",), ("Today", "Tonight"), ("This Afternoon", "Tonight"), ("Tonight",)][now.hour // 6]
    midnight, start = now.replace(hour=0), now
    for n in range(14 if now.hour // 6 in (1, 3) else 13):
        end = midnight + timedelta(hours=6 + 12 * ((now.hour + 6) // 12 + n))
        is_day = end.hour == 18
        weekday = f"{start:%A}" if is_day else f"{start:%A} Night"
        yield names[n] if n < len(names) else weekday, start, end, is_day
        start = end


def periods(question: Question, here: Cell, zone: str) -> Iterator[Json]:
    lat = centre(here)[0]
    now = question.hour.astimezone(ZoneInfo(zone))
    for number, (name, start, end, is_day) in enumerate(halves(now), 1):
        dice = question.dice(here, end.date(), is_day)
        mean = base_fahrenheit(lat, start.date()) + (9 if is_day else -9) + dice.uniform(-6, 6)
        yield {
            "number": number,
            "name": name,
            "startTime": start.isoformat(),
            "endTime": end.isoformat(),
            "isDaytime": is_day,
            "temperature": round(mean),
            "temperatureUnit": "F",
            "temperatureTrend": None,
            **sky(question.base, dice, round(mean), is_day),
        }


def sky(base: str, dice: random.Random, temperature: int, is_day: bool) -> Json:
    """The part of a period that is not its time or temperature."""
    by_day, by_night, icon, chance = dice.choice(SKIES)
    short, low = by_day if is_day else by_night, dice.choice((0, 2, 5, 5, 10, 15))
    if temperature <= 32:
        short = short.replace("Rain", "Snow")
        icon = "snow" if icon.startswith("rain") else icon
    wind = f"{low} to {low + 5} mph" if low and dice.random() < 0.7 else f"{low} mph"
    direction = dice.choice(COMPASS) if low else ""
    value = None if chance < 20 and dice.random() < 0.4 else chance
    detail = f"Simulated. {short}, with a {'high' if is_day else 'low'} near {temperature}."
    detail += f" {direction} wind {wind}." if low else " Calm wind."
    return {
        "probabilityOfPrecipitation": quantity("percent", value),
        "windSpeed": wind,
        "windDirection": direction,
        "icon": f"{base}/icons/land/{'day' if is_day else 'night'}/{icon}?size=medium",
        "shortForecast": short,
        "detailedForecast": detail + (f" Chance of precipitation is {chance}%." if chance >= 20 else ""),
    }


def stations(question: Question) -> Json:
    lat, lon = centre(named_cell(question))
    near = [station for place in nearest(lat, lon, 2) for station in stations_of(place)]
    near.sort(key=lambda station: distance_m(lat, lon, station.lat, station.lon))
    urls = [f"{question.base}/stations/{station.id}" for station in near]
    return {
        "@context": CONTEXT,
        "type": "FeatureCollection",
        "features": [station_feature(question.base, station, lat, lon) for station in near],
        "observationStations": urls,
        "pagination": {"next": f"{question.base}/stations?cursor=eyJzIjo1MDB9"},
    }


def station_feature(base: str, station: Station, lat: float, lon: float) -> Json:
    url, zone = f"{base}/stations/{station.id}", zones(base, station.place)
    properties = {
        "@id": url,
        "@type": "wx:ObservationStation",
        "elevation": quantity("m", 10.0),
        "stationIdentifier": station.id,
        "name": station.name,
        "timeZone": station.place.zone,
        **way(lat, lon, station.lat, station.lon),
        "forecast": zone["forecastZone"],
        "county": zone["county"],
        "fireWeatherZone": zone["fireWeatherZone"],
    }
    return {"id": url, **feature(station.lat, station.lon, properties=properties)}


def observation(question: Question) -> Json:
    """On the hour, except at one station in 20 some hours late; at one in 20 the thermometer is broken."""
    station = station_named(question.args[0])
    if station is None:
        raise missing(f"Station {question.args[0]}")
    habits = question.dice(station.id)
    late, broken = habits.random() < 0.05, habits.random() < 0.05
    taken = question.hour - timedelta(hours=habits.randint(3, 6) if late else 0)
    url = f"{question.base}/stations/{station.id}/observations/{taken.isoformat()}"
    properties = {
        "@id": url,
        "@type": "wx:ObservationStation",
        "elevation": quantity("m", 10.0),
        "station": f"{question.base}/stations/{station.id}",
        "stationId": station.id,
        "stationName": station.name,
        "timestamp": taken.isoformat(),
        "rawMessage": "",
        **measured(question.base, question.dice(station.id, taken), station, taken, broken),
    }
    return {"@context": CONTEXT, "id": url, **feature(station.lat, station.lon, properties=properties)}


def measured(base: str, dice: random.Random, station: Station, taken: datetime, broken: bool) -> Json:
    local = taken.astimezone(ZoneInfo(station.place.zone))
    by_day, by_night, icon, _ = dice.choice(SKIES[:5])
    is_day = 6 <= local.hour < 18
    noon = 9 * math.cos((local.hour - 15) / 24 * 2 * math.pi)
    warmth = (base_fahrenheit(station.lat, local.date()) + noon + dice.uniform(-6, 6) - 32) / 1.8
    degrees = None if broken else round(warmth, 1)
    spread, wind = dice.uniform(1, 12), dice.choice((0, 5.5, 11.2, 18.4, 27.7))
    pressure = dice.randint(990, 1040) * 100
    values = {
        "temperature": ("degC", degrees),
        "dewpoint": ("degC", None if degrees is None else round(degrees - spread, 1)),
        "windDirection": ("degree_(angle)", dice.choice((None, *range(0, 360, 10)))),
        "windSpeed": ("km_h-1", wind),
        "windGust": ("km_h-1", wind + 20 if wind > 20 else None),
        "barometricPressure": ("Pa", pressure),
        "seaLevelPressure": ("Pa", dice.choice((None, pressure + 150))),
        "visibility": ("m", dice.choice((None, 16093.44, 16093.44, 4828.03))),
        "maxTemperatureLast24Hours": ("degC", None),
        "minTemperatureLast24Hours": ("degC", None),
        "precipitationLast3Hours": ("mm", None),
        "relativeHumidity": ("percent", None if degrees is None else round(100 - 5 * spread, 1)),
        "windChill": ("degC", None if degrees is None or degrees > 10 else round(degrees - wind / 5, 1)),
        "heatIndex": ("degC", None if degrees is None or degrees < 27 else round(degrees + 2, 1)),
    }
    return {
        "textDescription": by_day if is_day else by_night,
        "icon": f"{base}/icons/land/{'day' if is_day else 'night'}/{icon}?size=medium",
        "presentWeather": [],
        **{
            name: {**quantity(unit, value), "qualityControl": "Z" if value is None else "V"}
            for name, (unit, value) in values.items()
        },
        "cloudLayers": [{"base": quantity("m", None), "amount": "CLR"}],
    }


def chosen(question: Question, parameter: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The comma-separated values of a parameter, each once; all that are allowed if it is not given."""
    if parameter not in question.query:
        return allowed
    values = tuple(dict.fromkeys(question.query[parameter].split(",")))
    for index, value in enumerate(values):
        if value not in allowed:
            message = f"Does not have a value in the enumeration {json.dumps(allowed)}"
            raise bad_parameter(f"query.{parameter}[{index}]", message)
    return values


def alerts(question: Question) -> Json:
    areas = chosen(question, "area", tuple(AREAS))
    statuses = chosen(question, "status", STATUSES)
    alerted = [area for area in areas if has_alerts(question, area)]
    size = question.alerts_features
    share = math.ceil(size / len(alerted)) if alerted else 0
    features = [alert for area in alerted for alert in alerts_of(question, area, share)][: size or None]
    names = "" if "area" not in question.query else " for " + ", ".join(AREAS[area] for area in areas)
    return {
        "@context": CONTEXT,
        "type": "FeatureCollection",
        "features": [alert for alert in features if alert["properties"]["status"].lower() in statuses],
        "title": f"Current watches, warnings, and advisories{names}",
        "updated": question.hour.isoformat(),
    }


def has_alerts(question: Question, area: str) -> bool:
    drawn = question.dice("alerted", area, question.hour).random() < 1 / 3
    return area == ALWAYS_ALERTED or (drawn and area != NEVER_ALERTED)


def alerts_of(question: Question, area: str, size: int) -> list[Json]:
    """`size` alerts, or 1 to 5 if it is 0; one in about 15 is a Test, never the first."""
    dice = question.dice("alerts", area, question.hour)
    count = dice.randint(1, 5)
    return [alert(question, area, number, dice) for number in range(size or count)]


def alert(question: Question, area: str, number: int, dice: random.Random) -> Json:
    identifier = f"urn:oid:2.49.0.1.840.0.{dice.getrandbits(160):040x}.001.1"
    url = f"{question.base}/alerts/{identifier}"
    status = "Test" if number and dice.random() < 1 / 15 else "Actual"
    properties = {"@id": url, "@type": "wx:Alert", "id": identifier, "status": status}
    properties |= alert_area(question.base, area, dice) | alert_event(question, area, dice)
    text = describe(properties, dice)
    fixed: Json = {
        "references": [],
        "messageType": dice.choice(("Alert", "Alert", "Update")),
        "category": "Met",
        "sender": "simulator@example.invalid",
        "senderName": "NWS Simulator",
        "note": None,
        "scope": "Public",
        "code": "IPAWSv1.0",
        "language": "en-US",
        "web": "http://www.weather.gov",
        "eventCode": {"SAME": ["NWS"], "NationalWeatherService": ["SIM"]},
    }
    return {"id": url, "type": "Feature", "geometry": None, "properties": properties | text | fixed}


def alert_area(base: str, area: str, dice: random.Random) -> Json:
    numbers = sorted(dice.sample(range(1, 100), dice.randint(3, len(PARTS))))
    codes = [f"{area}Z{number:03}" for number in numbers]
    kind = "Waters" if area in WATERS else "Counties"
    return {
        "areaDesc": "; ".join(f"{part} {AREAS[area]} {kind}" for part in dice.sample(PARTS, len(numbers))),
        "geocode": {"SAME": [f"{number:06}" for number in numbers], "UGC": codes},
        "affectedZones": [f"{base}/zones/forecast/{code}" for code in codes],
    }


def alert_event(question: Question, area: str, dice: random.Random) -> Json:
    """What and when. An alert is sent up to 12 hours before the hour and holds for at least 2 after it."""
    possible = [event for event in EVENTS if event[-1] == (area in WATERS)]
    event, severity, urgency, certainty, response, _ = dice.choice(possible)
    zone = next((place.zone for place in PLACES if place.state == area), "UTC")
    local = question.hour.astimezone(ZoneInfo(zone))
    sent = local - timedelta(minutes=dice.randint(10, 720))
    ends = local + timedelta(hours=dice.randint(2, 48))
    open_ended = dice.random() < 0.3
    return {
        "sent": sent.isoformat(),
        "effective": sent.isoformat(),
        "onset": (sent + timedelta(hours=dice.randint(0, 2))).isoformat(),
        "expires": min(ends, local + timedelta(hours=12)).isoformat(),
        "ends": None if open_ended else ends.isoformat(),
        "severity": severity,
        "certainty": certainty,
        "urgency": urgency,
        "event": event,
        "response": response,
        "headline": f"{event} issued {spoken(sent)} until {spoken(ends)} by NWS Simulator",
        "parameters": {
            "NWSheadline": [f"{event.upper()} UNTIL {spoken(ends).upper()}"],
            "BLOCKCHANNEL": ["EAS", "NWEM"],
        },
    }


def spoken(moment: datetime) -> str:
    return f"{moment:%B} {moment.day} at {moment.hour % 12 or 12}:{moment:%M%p %Z}"


def describe(properties: Json, dice: random.Random) -> Json:
    hours = (f"Hour {n}: wind {dice.randint(5, 60)} mph, rain {dice.randint(0, 9)} mm" for n in range(1, 31))
    paragraphs = (
        f"Simulated: * WHAT...Conditions for a {properties['event']} are expected or occurring.",
        f"* WHERE...{properties['areaDesc']}.",
        f"* WHEN...Until {properties['expires']}.",
        "* IMPACTS...This message was invented by a simulator. Nothing in it describes real weather.",
        "* ADDITIONAL DETAILS...\n" + "\n".join(hours),
    )
    instruction = "Simulated: no action is needed. In a real event, follow the advice of local officials."
    return {"description": "\n\n".join(paragraphs), "instruction": dice.choice((None, instruction))}
