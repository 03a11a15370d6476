"""The map of the simulated National Weather Service: its reference cities, borders, forecast cells, stations.

Latitudes and longitudes are in degrees, distances in metres. Borders are boxes, right for every place in the
United States and its territories but the uninhabited islands without a forecast (Johnston, Palmyra, Jarvis,
Howland, Baker, Navassa), and only roughly right for its neighbours.
"""

from __future__ import annotations

import math
from typing import NamedTuple

EARTH_M = 6_371_000.0
CELL_DEGREES = 2.5 / 111.2  # a forecast cell is about 2.5 km wide
CELL_OFFSET = 600  # an office's reference city is at 600,600, so that no cell is negative

E, C, M, P = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"
A, H = "America/Anchorage", "Pacific/Honolulu"

Boxes = tuple[tuple[float, float, float, float], ...]  # south, north, west, east


class Place(NamedTuple):
    """A reference city; `office` names its forecast grid, not always the warning area (`cwa`)."""

    city: str
    state: str
    lat: float
    lon: float
    zone: str
    office: str
    station: str

    @property
    def cwa(self) -> str:
        return {"AER": "AFC", "ALU": "AFC", "MDY": "HFO"}.get(self.office, self.office)


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
    Place("Koror", "PW", 7.34, 134.48, "Pacific/Palau", "GUM", "PTRO"),
    Place("Colonia", "FM", 9.51, 138.13, "Pacific/Yap", "GUM", "PTYA"),
    Place("Weno", "FM", 7.45, 151.84, "Pacific/Chuuk", "GUM", "PTKK"),
    Place("Kolonia", "FM", 6.96, 158.21, "Pacific/Pohnpei", "GUM", "PTPN"),
    Place("Majuro", "MH", 7.09, 171.38, "Pacific/Majuro", "GUM", "PKMJ"),
    Place("Wake Island", "UM", 19.28, 166.65, "Pacific/Wake", "GUM", "PWAK"),
    Place("Midway", "UM", 28.21, -177.37, "Pacific/Midway", "MDY", "PMDY"),
)

ORIGINS = {place.office: (place.lat, place.lon) for place in reversed(PLACES)}

LAND: Boxes = (
    # South: Florida, Texas, the Gulf coast
    (24.4, 25.9, -83.0, -80.0), (25.8, 27.5, -99.6, -97.0), (25.8, 29.0, -83.2, -79.9),
    (27.5, 28.3, -100.4, -96.5), (28.2, 29.0, -100.8, -95.2), (28.9, 29.8, -104.6, -88.8),
    (29.0, 29.8, -85.6, -80.7), (29.7, 30.7, -105.1, -81.0), (30.7, 31.4, -106.3, -81.2),
    (31.3, 32.0, -113.3, -80.8), (32.0, 32.6, -114.9, -80.2),
    # Between the oceans, up to 49 north
    (32.5, 33.0, -119.7, -79.3), (33.0, 34.0, -120.4, -77.8), (34.0, 34.6, -120.7, -76.4),
    (34.6, 35.0, -120.8, -75.9), (35.0, 37.0, -122.3, -75.4), (37.0, 38.5, -123.4, -74.9),
    (38.5, 39.0, -123.8, -74.2), (39.0, 40.0, -124.2, -73.9), (40.0, 40.5, -124.5, -73.8),
    (40.5, 41.0, -124.5, -71.8), (41.0, 41.7, -124.5, -69.8), (41.7, 42.0, -124.5, -69.8),
    (42.0, 42.3, -81.3, -69.8), (42.0, 43.1, -124.8, -82.4), (42.0, 42.6, -79.8, -70.0),
    (42.5, 43.4, -79.2, -70.5), (43.1, 45.9, -124.8, -82.4), (45.9, 46.6, -124.8, -83.4),
    (46.5, 47.5, -124.8, -87.6), (46.6, 46.9, -87.6, -84.7), (47.5, 48.2, -124.8, -89.4), (48.2, 48.4, -124.8, -90.7),
    (48.4, 48.7, -123.25, -92.3), (48.7, 49.01, -123.25, -94.2), (47.8, 48.3, -89.4, -88.3),
    (49.0, 49.4, -95.2, -94.6),
    # New York north of Lake Ontario, New England
    (43.3, 44.2, -76.8, -68.1), (44.1, 44.5, -76.4, -66.9), (44.4, 45.02, -75.9, -66.9),
    (45.0, 46.4, -71.6, -67.0), (46.0, 46.4, -70.4, -67.7), (46.4, 47.5, -70.2, -67.7),
    # Alaska
    (63.9, 71.5, -169.0, -140.9), (59.0, 63.9, -173.2, -140.9), (56.0, 59.0, -170.5, -151.7),
    (53.0, 56.0, -169.5, -155.4), (51.1, 54.6, -180.0, -164.0), (51.1, 53.2, 172.3, 180.0),
    (59.0, 60.4, -141.1, -134.3), (56.9, 59.0, -138.5, -132.0), (54.6, 57.0, -135.8, -129.9),
    # Hawaii and on to Midway, Puerto Rico and the Virgin Islands, the Marianas, American Samoa
    (18.8, 22.4, -160.6, -154.7), (22.4, 28.6, -178.5, -160.6), (17.6, 18.6, -68.0, -64.5), (13.2, 20.6, 144.5, 146.1),
    (-14.6, -11.0, -171.2, -168.1),
    # Wake, Palau, Micronesia, the Marshall Islands
    (19.2, 19.4, 166.5, 166.7), (2.9, 8.2, 131.1, 134.8), (0.9, 10.2, 137.3, 163.2), (4.5, 14.8, 160.7, 172.2),
)  # fmt: skip

MARINE: Boxes = (
    # Superior, Michigan, Huron, Erie, Ontario
    (46.9, 47.8, -87.4, -85.1), (41.95, 44.6, -87.2, -86.65), (44.15, 45.3, -82.9, -82.2),
    (42.1, 42.4, -81.8, -80.9), (43.4, 43.65, -78.8, -76.8),
    # The Gulf, the Atlantic, the Pacific
    (26.0, 28.7, -95.0, -83.5), (28.0, 31.0, -80.2, -78.5), (31.0, 33.0, -79.0, -77.0),
    (35.0, 37.0, -75.0, -73.0), (37.0, 40.0, -73.5, -71.0), (39.5, 40.9, -71.5, -68.0),
    (42.2, 43.5, -69.6, -67.5), (32.5, 33.8, -121.0, -119.8), (34.6, 37.0, -124.0, -122.3),
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


def within(boxes: Boxes, lat: float, lon: float, margin: float = 0) -> bool:
    """Longitudes are counted on from the western edge, for boxes at the 180th meridian."""
    return any(
        south - margin <= lat <= north + margin and (lon - west + margin) % 360 <= east - west + 2 * margin
        for south, north, west, east in boxes
    )


def covered(lat: float, lon: float, margin: float = 0) -> bool:
    return abs(lon) <= 180 and within(MARINE + LAND, lat, lon, margin)


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
