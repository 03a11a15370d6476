"""The map of the simulated National Weather Service: reference cities, borders, forecast cells, zones.

Latitudes and longitudes are in degrees. Borders are boxes. They hold every place in the United States and its
territories, except uninhabited islands without a forecast (Johnston, Palmyra, Jarvis, Howland, Baker, Navassa), and
some places of neighbouring countries.
"""

import math
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

CELL_DEGREES = 2.5 / 111.2  # a forecast cell is about 2.5 km wide
CELL_OFFSET = 600  # an office's reference city is at 600,600, so that no cell is negative
ROWS = 1000  # in one numbering of the grid
ZONE_CELLS = 16  # along one side of a zone, which is about 40 km wide
MOST_ZONES = 20  # forecast zones of an area; as many fire weather zones, numbered from FIRE; half as many counties
FIRE = 600

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
    def airport(self) -> str:
        return f"{self.city} Airport"

    @property
    def cwa(self) -> str:
        return {"AER": "AFC", "ALU": "AFC", "MDY": "HFO"}.get(self.office, self.office)


class Cell(NamedTuple):
    """A forecast cell, as in `/gridpoints/{office}/{x},{y}`; its row is `y % ROWS`."""

    office: str
    x: int
    y: int


PLACES = (
    Place("Birmingham", "AL", 33.52, -86.81, C, "BMX", "KBHM"),
    Place("Mobile", "AL", 30.69, -88.04, C, "MOB", "KMOB"),
    Place("Anchorage", "AK", 61.22, -149.9, A, "AER", "PANC"),
    Place("Fairbanks", "AK", 64.84, -147.72, A, "AFG", "PAFA"),
    Place("Juneau", "AK", 58.3, -134.42, "America/Juneau", "AJK", "PAJN"),
    Place("Nome", "AK", 64.5, -165.41, "America/Nome", "AFG", "PAOM"),
    Place("Unalaska", "AK", 53.87, -166.54, A, "ALU", "PADU"),
    Place("Adak", "AK", 51.88, -176.66, "America/Adak", "ALU", "PADK"),
    Place("Phoenix", "AZ", 33.45, -112.07, "America/Phoenix", "PSR", "KPHX"),
    Place("Little Rock", "AR", 34.75, -92.29, C, "LZK", "KLIT"),
    Place("Los Angeles", "CA", 34.05, -118.24, P, "LOX", "KLAX"),
    Place("San Francisco", "CA", 37.77, -122.42, P, "MTR", "KSFO"),
    Place("Denver", "CO", 39.74, -104.99, M, "BOU", "KDEN"),
    Place("Hartford", "CT", 41.76, -72.67, E, "BOX", "KBDL"),
    Place("Wilmington", "DE", 39.75, -75.55, E, "PHI", "KILG"),
    Place("Washington", "DC", 38.9, -77.04, E, "LWX", "KDCA"),
    Place("Miami", "FL", 25.76, -80.19, E, "MFL", "KMIA"),
    Place("Atlanta", "GA", 33.75, -84.39, E, "FFC", "KATL"),
    Place("Honolulu", "HI", 21.31, -157.86, H, "HFO", "PHNL"),
    Place("Boise", "ID", 43.62, -116.2, "America/Boise", "BOI", "KBOI"),
    Place("Chicago", "IL", 41.88, -87.63, C, "LOT", "KORD"),
    Place("Springfield", "IL", 39.78, -89.65, C, "ILX", "KSPI"),
    Place("Indianapolis", "IN", 39.77, -86.16, "America/Indiana/Indianapolis", "IND", "KIND"),
    Place("Des Moines", "IA", 41.59, -93.62, C, "DMX", "KDSM"),
    Place("Topeka", "KS", 39.05, -95.68, C, "TOP", "KTOP"),
    Place("Louisville", "KY", 38.25, -85.76, "America/Kentucky/Louisville", "LMK", "KSDF"),
    Place("New Orleans", "LA", 29.95, -90.07, C, "LIX", "KMSY"),
    Place("Portland", "ME", 43.66, -70.26, E, "GYX", "KPWM"),
    Place("Baltimore", "MD", 39.29, -76.61, E, "LWX", "KBWI"),
    Place("Boston", "MA", 42.36, -71.06, E, "BOX", "KBOS"),
    Place("Detroit", "MI", 42.33, -83.05, "America/Detroit", "DTX", "KDTW"),
    Place("Gaylord", "MI", 45.03, -84.67, "America/Detroit", "APX", "KGLR"),
    Place("Minneapolis", "MN", 44.98, -93.27, C, "MPX", "KMSP"),
    Place("Jackson", "MS", 32.3, -90.18, C, "JAN", "KJAN"),
    Place("St. Louis", "MO", 38.63, -90.2, C, "LSX", "KSTL"),
    Place("Great Falls", "MT", 47.5, -111.3, M, "TFX", "KGTF"),
    Place("Omaha", "NE", 41.26, -95.93, C, "OAX", "KOMA"),
    Place("Las Vegas", "NV", 36.17, -115.14, P, "VEF", "KLAS"),
    Place("Reno", "NV", 39.53, -119.81, P, "REV", "KRNO"),
    Place("Concord", "NH", 43.21, -71.54, E, "GYX", "KCON"),
    Place("Newark", "NJ", 40.74, -74.17, E, "OKX", "KEWR"),
    Place("Albuquerque", "NM", 35.08, -106.65, M, "ABQ", "KABQ"),
    Place("New York", "NY", 40.71, -74.01, E, "OKX", "KNYC"),
    Place("Buffalo", "NY", 42.89, -78.88, E, "BUF", "KBUF"),
    Place("Raleigh", "NC", 35.78, -78.64, E, "RAH", "KRDU"),
    Place("Bismarck", "ND", 46.81, -100.78, C, "BIS", "KBIS"),
    Place("Columbus", "OH", 39.96, -83.0, E, "ILN", "KCMH"),
    Place("Oklahoma City", "OK", 35.47, -97.52, C, "OUN", "KOKC"),
    Place("Portland", "OR", 45.52, -122.68, P, "PQR", "KPDX"),
    Place("Philadelphia", "PA", 39.95, -75.17, E, "PHI", "KPHL"),
    Place("Pittsburgh", "PA", 40.44, -80.0, E, "PBZ", "KPIT"),
    Place("Providence", "RI", 41.82, -71.41, E, "BOX", "KPVD"),
    Place("Charleston", "SC", 32.78, -79.93, E, "CHS", "KCHS"),
    Place("Sioux Falls", "SD", 43.55, -96.73, C, "FSD", "KFSD"),
    Place("Rapid City", "SD", 44.08, -103.23, M, "UNR", "KRAP"),
    Place("Nashville", "TN", 36.16, -86.78, C, "OHX", "KBNA"),
    Place("Houston", "TX", 29.76, -95.37, C, "HGX", "KIAH"),
    Place("Dallas", "TX", 32.78, -96.8, C, "FWD", "KDFW"),
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
STATIONS = {place.station: place for place in PLACES}
ZONES = {place.state: place.zone for place in reversed(PLACES)}

STATES = tuple(sorted(ZONES.keys() - {"UM"}))  # the outlying islands have no alerts
WATERS = ("AM", "AN", "GM", "LC", "LE", "LH", "LM", "LO", "LS", "PH", "PK", "PM", "PS", "PZ", "SL")
AREAS = STATES + WATERS

LAND: Boxes = (
    # Florida, Texas, along Mexico and the Gulf
    (24.4, 29.8, -83.4, -79.9), (25.8, 27.5, -99.6, -97.0), (27.5, 29.0, -100.8, -95.2),
    (28.9, 31.4, -106.6, -80.8), (31.3, 32.6, -114.9, -80.2),
    # From ocean to ocean
    (32.53, 34.6, -120.7, -76.4), (34.6, 37.0, -122.3, -75.4), (37.0, 39.0, -123.8, -74.2),
    (39.0, 41.0, -124.5, -71.8), (41.0, 42.0, -124.5, -69.8),
    # West of Ontario, up to 49 north and the Northwest Angle
    (42.0, 46.5, -124.8, -82.41), (46.5, 46.9, -124.8, -84.6), (46.9, 48.35, -124.8, -87.6),
    (48.3, 48.4, -124.8, -123.9), (48.3, 49.01, -123.25, -92.3), (49.0, 49.4, -95.2, -94.6),
    # East of Ontario
    (42.0, 42.5, -81.3, -69.8), (42.3, 43.4, -79.4, -70.0), (43.3, 44.2, -76.8, -66.9),
    (44.2, 45.02, -76.2, -66.9), (45.0, 46.4, -71.6, -67.0), (46.4, 47.5, -70.2, -67.7),
    # Alaska
    (59.0, 71.5, -172.0, -140.9), (53.0, 59.0, -170.5, -151.7), (51.1, 54.6, 172.3, 196.0),
    (58.9, 60.4, -141.1, -134.3), (54.6, 59.0, -138.5, -129.9),
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
    (26.0, 28.7, -95.0, -83.5), (28.0, 31.0, -80.2, -78.5), (31.0, 33.0, -79.0, -77.0), (35.0, 37.0, -75.0, -73.0),
    (37.0, 40.0, -73.5, -71.0), (39.5, 40.9, -71.5, -68.0), (42.2, 43.5, -69.6, -67.5), (32.5, 33.8, -121.0, -119.8),
    (34.6, 37.0, -124.0, -122.3), (37.0, 39.8, -125.5, -124.0), (40.0, 48.0, -127.0, -124.9),
    # Alaska, Hawaii, Puerto Rico, Guam, American Samoa
    (55.0, 58.8, -149.0, -140.5), (57.6, 59.6, -169.0, -164.0), (19.5, 20.9, -159.5, -157.2),
    (18.7, 19.5, -67.5, -65.0), (13.0, 14.0, 143.0, 144.3), (-16.0, -14.8, -171.0, -169.0),
)  # fmt: skip


# The area of each box of MARINE.
SEAS = ("LS", "LM", "LH", "LE", "LO", "GM", *["AM"] * 2, *["AN"] * 4, *["PZ"] * 4, "PK", "PK", "PH", "AM", "PM", "PS")


def within(boxes: Boxes, lat: float, lon: float, margin: float = 0) -> bool:
    """Whether a box holds the point. Counts longitudes from the western edge, for boxes across the 180th meridian."""
    return any(
        south - margin <= lat <= north + margin and (lon - west + margin) % 360 <= east - west + 2 * margin
        for south, north, west, east in boxes
    )


def covered(lat: float, lon: float, margin: float = 0) -> bool:
    return abs(lon) <= 180 and within(MARINE + LAND, lat, lon, margin)


def marine(lat: float, lon: float) -> bool:
    return within(MARINE, lat, lon)


def on_globe(lat: float, lon: float) -> tuple[float, float, float]:
    """The point on a unit sphere, where chord lengths order points by distance."""
    parallel = math.cos(math.radians(lat))
    return parallel * math.cos(math.radians(lon)), parallel * math.sin(math.radians(lon)), math.sin(math.radians(lat))


def nearest(lat: float, lon: float, count: int = 1) -> list[Place]:
    here = on_globe(lat, lon)
    return sorted(PLACES, key=lambda place: math.dist(here, on_globe(place.lat, place.lon)))[:count]


def cell_of(lat: float, lon: float, numbering: int = 0) -> Cell:
    """The cell that holds a point, on the grid of the nearest city's office."""
    office = nearest(lat, lon)[0].office
    lat0, lon0 = ORIGINS[office]
    east = ((lon - lon0 + 180) % 360 - 180) * math.cos(math.radians(lat0))
    x, y = round(east / CELL_DEGREES), round((lat - lat0) / CELL_DEGREES)
    return Cell(office, CELL_OFFSET + x, CELL_OFFSET + y + ROWS * numbering)


def centre(cell: Cell) -> tuple[float, float]:
    """Latitude and longitude of the middle of a cell of a known office: the inverse of `cell_of`."""
    lat0, lon0 = ORIGINS[cell.office]
    lon = lon0 + (cell.x - CELL_OFFSET) * CELL_DEGREES / math.cos(math.radians(lat0))
    return lat0 + (cell.y % ROWS - CELL_OFFSET) * CELL_DEGREES, (lon + 180) % 360 - 180


def named_cell(office: str, x: str, y: str, numbering: int) -> Cell | None:
    """The cell of a link, converted to numbering 0; None for an unknown cell or another numbering."""
    cell = Cell(office, int(x), int(y))
    current = office in ORIGINS and cell.y // ROWS == numbering
    return cell._replace(y=cell.y % ROWS) if current and covered(*centre(cell), margin=0.05) else None


def zone_code(area: str, kind: str, number: int) -> str:
    """The UGC code of forecast zone `number`, of its county, which it shares with another, or of its fire zone."""
    if kind == "county":
        return f"{area}C{(number - 1) // 2 * 2 + 1:03}"
    return f"{area}Z{number + FIRE if kind == 'fire' else number:03}"


@lru_cache(4096)
def zones_at(lat: float, lon: float) -> dict[str, str]:
    """The codes of a covered point's zones by kind: at sea the forecast zone only, on the outlying islands none."""
    cell = cell_of(lat, lon)
    seas = (sea for sea, box in zip(SEAS, MARINE, strict=True) if within((box,), *centre(cell)))
    area = next(seas, nearest(lat, lon)[0].state)
    number = (cell.x // ZONE_CELLS * 3 + cell.y // ZONE_CELLS * 7) % MOST_ZONES + 1
    kinds = () if area not in AREAS else ("forecast",) if area in WATERS else ("forecast", "county", "fire")
    return {kind: zone_code(area, kind, number) for kind in kinds}


def usual_fahrenheit(lat: float, local: datetime) -> float:
    """Colder and more seasonal towards the poles; warmest in July (January in the south) and at 3 pm."""
    season = math.cos((local.timetuple().tm_yday - 201) / 365 * 2 * math.pi)
    return 80 - 0.013 * lat**2 + lat / 2 * season + 9 * math.cos((local.hour - 15) / 24 * 2 * math.pi)
