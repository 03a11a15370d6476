"""The codes that `/alerts/active?area=` accepts: postal ones, and the marine ones of NWS Directive 10-302."""

import re

# The name, and other common ones: abbreviations older than the postal codes, and political names.
_NAMES = {
    "AL": "Alabama|Ala", "AK": "Alaska|Alas", "AS": "American Samoa", "AZ": "Arizona|Ariz", "AR": "Arkansas|Ark",
    "CA": "California|Calif|Cal", "CO": "Colorado|Colo", "CT": "Connecticut|Conn", "DE": "Delaware|Del",
    "DC": "District of Columbia|Washington DC", "FM": "Federated States of Micronesia|Micronesia|FSM",
    "FL": "Florida|Fla", "GA": "Georgia", "GU": "Guam", "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois|Ill|Ills",
    "IN": "Indiana|Ind", "IA": "Iowa", "KS": "Kansas|Kan|Kans", "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine",
    "MH": "Marshall Islands|RMI", "MD": "Maryland", "MA": "Massachusetts|Mass", "MI": "Michigan|Mich",
    "MN": "Minnesota|Minn", "MS": "Mississippi|Miss", "MO": "Missouri", "MT": "Montana|Mont",
    "NE": "Nebraska|Neb|Nebr", "NV": "Nevada|Nev", "NH": "New Hampshire", "NJ": "New Jersey",
    "NM": "New Mexico|N Mex", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota|N Dak",
    "MP": "Northern Mariana Islands|CNMI|Northern Marianas", "OH": "Ohio", "OK": "Oklahoma|Okla",
    "OR": "Oregon|Ore|Oreg", "PW": "Palau|Republic of Palau", "PA": "Pennsylvania|Penn|Penna", "PR": "Puerto Rico",
    "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota|S Dak", "TN": "Tennessee|Tenn",
    "TX": "Texas|Tex", "VI": "U.S. Virgin Islands|Virgin Islands|USVI|United States Virgin Islands", "UT": "Utah",
    "VT": "Vermont", "VA": "Virginia", "WA": "Washington|Wash", "WV": "West Virginia|W Va|W Virginia",
    "WI": "Wisconsin|Wis|Wisc", "WY": "Wyoming|Wyo",
    "AM": "Southern Atlantic coast and Caribbean waters",  # south of Currituck Beach Light, North Carolina
    "AN": "Northern Atlantic coast waters", "GM": "Gulf of Mexico|Gulf|Gulf of America", "LC": "Lake St. Clair",
    "LE": "Lake Erie", "LH": "Lake Huron", "LM": "Lake Michigan", "LO": "Lake Ontario", "LS": "Lake Superior",
    "PH": "Hawaiian waters", "PK": "Alaskan waters", "PM": "Mariana Islands waters", "PS": "American Samoa waters",
    "PZ": "Pacific coast waters", "SL": "St. Lawrence River",
}  # fmt: skip
AREAS = {code: names.partition("|")[0] for code, names in _NAMES.items()}


def find_area(text: str) -> str | None:
    """The code for a code or a name, None for neither. Case, blanks, signs and "State of" do not matter."""
    return _CODES.get(re.sub("^(state|commonwealth)of|state$", "", _plain(text)))


def areas_from(text: str) -> list[str]:
    """The codes, in order, of the areas whose code or name begins with the text; all of them for ""."""
    start = text.lower()
    said = {code: [f"{code} {AREAS[code]}", *names.split("|")] for code, names in _NAMES.items()}
    return sorted(code for code, names in said.items() if any(name.lower().startswith(start) for name in names))


def _plain(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


_CODES = {_plain(name): code for code, names in _NAMES.items() for name in (code, *names.split("|"))}
