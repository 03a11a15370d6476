"""The codes that `/alerts/active?area=` accepts: postal ones, and the marine ones of NWS Directive 10-302."""

from __future__ import annotations

import re

# fmt: off
AREAS = {
    "AL": "Alabama", "AK": "Alaska", "AS": "American Samoa", "AZ": "Arizona",
    "AR": "Arkansas", "CA": "California", "CO": "Colorado", "CT": "Connecticut",
    "DE": "Delaware", "DC": "District of Columbia", "FM": "Federated States of Micronesia", "FL": "Florida",
    "GA": "Georgia", "GU": "Guam", "HI": "Hawaii", "ID": "Idaho",
    "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas",
    "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine", "MH": "Marshall Islands",
    "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska",
    "NV": "Nevada", "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico",
    "NY": "New York", "NC": "North Carolina", "ND": "North Dakota", "MP": "Northern Mariana Islands",
    "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PW": "Palau",
    "PA": "Pennsylvania", "PR": "Puerto Rico", "RI": "Rhode Island", "SC": "South Carolina",
    "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "VI": "U.S. Virgin Islands",
    "UT": "Utah", "VT": "Vermont", "VA": "Virginia", "WA": "Washington",
    "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
    "AM": "Southern Atlantic coast and Caribbean waters",  # south of Currituck Beach Light, North Carolina
    "AN": "Northern Atlantic coast waters", "GM": "Gulf of Mexico", "LC": "Lake St. Clair", "LE": "Lake Erie",
    "LH": "Lake Huron", "LM": "Lake Michigan", "LO": "Lake Ontario", "LS": "Lake Superior",
    "PH": "Hawaiian waters", "PK": "Alaskan waters", "PM": "Mariana Islands waters", "PS": "American Samoa waters",
    "PZ": "Pacific coast waters", "SL": "St. Lawrence River",
}
# fmt: on


def find_area(text: str) -> str | None:
    """The code for a code or a name, None for neither. Case, blanks, signs and "State of" do not matter."""
    return _CODES.get(re.sub("^(state|commonwealth)of|state$", "", _plain(text)))


def _plain(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


# Abbreviations older than the postal codes, and other common spellings.
_ALSO = {
    "AL": "ala", "AK": "alas", "AZ": "ariz", "AR": "ark", "CA": "calif cal", "CO": "colo", "CT": "conn",
    "DC": "washingtondc", "DE": "del", "FL": "fla", "FM": "micronesia fsm", "GM": "gulf gulfofamerica",
    "IL": "ill ills", "IN": "ind", "KS": "kan kans", "MA": "mass", "MH": "rmi", "MI": "mich",
    "MN": "minn", "MP": "cnmi northernmarianas", "MS": "miss", "MT": "mont", "ND": "ndak",
    "NE": "neb nebr", "NM": "nmex", "NV": "nev", "OK": "okla", "OR": "ore oreg", "PA": "penn penna",
    "PW": "republicofpalau", "SD": "sdak", "TN": "tenn", "TX": "tex",
    "VI": "virginislands usvi usvirginislands unitedstatesvirginislands", "WA": "wash",
    "WI": "wis wisc", "WV": "wva wvirginia", "WY": "wyo",
}  # fmt: skip
_CODES = {_plain(text): code for code, name in AREAS.items() for text in (code, name)}
_CODES |= {text: code for code, also in _ALSO.items() for text in also.split()}
