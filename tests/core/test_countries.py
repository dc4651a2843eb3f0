"""Countries by every English name that ISO, CLDR and people write."""

from __future__ import annotations

import pycountry
import pytest

from target_adpostbacks.core.countries import CODES, COUNTRY_NAMES, CURRENCIES, alpha2, currencies

IN_CLDR = {
    "AC Ascension Island": "SH",
    "AG Antigua & Barbuda": "AG",
    "BA Bosnia & Herzegovina": "BA",
    "BL St. Barthélemy": "BL",
    "BQ Caribbean Netherlands": "BQ",
    "CD Congo - Kinshasa": "CD",
    "CD Congo (DRC)": "CD",
    "CG Congo - Brazzaville": "CG",
    "CG Congo (Republic)": "CG",
    "CI Côte d’Ivoire": "CI",
    "CP Clipperton Island": "FR",
    "CQ Sark": "GG",
    "CZ Czech Republic": "CZ",
    "DG Diego Garcia": "IO",
    "EA Ceuta & Melilla": "ES",
    "FK Falkland Islands": "FK",
    "FK Falkland Islands (Islas Malvinas)": "FK",
    "GS South Georgia & South Sandwich Islands": "GS",
    "HK Hong Kong SAR China": "HK",
    "HM Heard & McDonald Islands": "HM",
    "HM Heard Island & McDonald Islands": "HM",
    "IC Canary Islands": "ES",
    "IO Chagos Archipelago": "IO",
    "KN St. Kitts & Nevis": "KN",
    "LC St. Lucia": "LC",
    "MF St. Martin": "MF",
    "MM Myanmar (Burma)": "MM",
    "MO Macao SAR China": "MO",
    "PM St. Pierre & Miquelon": "PM",
    "PN Pitcairn Islands": "PN",
    "PS Palestinian Territories": "PS",
    "SH St. Helena": "SH",
    "SJ Svalbard & Jan Mayen": "SJ",
    "ST São Tomé & Príncipe": "ST",
    "SX Sint Maarten": "SX",
    "TA Tristan da Cunha": "SH",
    "TC Turks & Caicos Islands": "TC",
    "TF French Southern Territories": "TF",
    "TF French Southern and Antarctic Lands": "TF",
    "TL East Timor": "TL",
    "TT Trinidad & Tobago": "TT",
    "UM U.S. Outlying Islands": "UM",
    "VC St. Vincent & Grenadines": "VC",
    "VG British Virgin Islands": "VG",
    "VI U.S. Virgin Islands": "VI",
    "WF Wallis & Futuna": "WF",
    "XK Kosovo": "XK",
}
"""CLDR's code and English name, where it writes another name than ISO; the country that ISO counts it to."""


@pytest.mark.parametrize(("named", "code"), IN_CLDR.items())
def test_a_country_is_read_by_the_name_that_cldr_has(named: str, code: str) -> None:
    name = named[3:]
    assert {alpha2(spelling) for spelling in (name, name.upper(), name.lower(), f"the {name}")} == {code}


@pytest.mark.parametrize("country", list(pycountry.countries), ids=lambda country: country.alpha_2)
def test_a_country_is_read_by_every_code_and_name_that_iso_has(country: object) -> None:
    for name in dict(country).values():  # type: ignore[call-overload]
        assert alpha2(name) == alpha2(name.lower()) == country.alpha_2, name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("CI", "Cote d'Ivoire; COTE D`IVOIRE; Ivory Coast"),
        ("CD", "Democratic Republic of the Congo; Congo, Dem. Rep.; DR Congo; DRC; Congo (Democratic Republic of the)"),
        ("CG", "Congo; Republic of the Congo; Republic of Congo; Congo, Rep."),
        ("TR", "Turkey; Turkiye; TÜRKİYE; Turkey (Türkiye)"),
        ("XK", "XK; xk; XKX; Kosovo; Republic of Kosovo"),
        ("VI", "Virgin Islands, U.S.; Virgin Islands (U.S.); US Virgin Islands; Virgin Islands (US)"),
        ("VG", "Virgin Islands, British; Virgin Islands (British)"),
        ("PS", "the State of Palestine; Palestine; Palestine, State of; Palestinian Territory"),
        ("LC", "St Lucia; St.Lucia; Saint Lucia"),
        ("SX", "St. Maarten; Saint Martin (Dutch part)"),
        ("KR", "South Korea; Korea, South; Korea (South); Korea, Republic of; Korea, Rep."),
        ("KP", "Korea (North); Korea, Dem. People's Rep."),
        ("HK", "Hong Kong; Hong Kong SAR; Hong Kong, China; Hong Kong (China)"),
        ("AS", "Samoa (American); American Samoa"),
        ("GB", "UK; U.K.; Great Britain (UK); England; Ireland (Northern)"),
        ("US", "U.S.; u.s.a.; USA (United States); United States (US); 840"),
        ("GM", "Gambia; The Gambia; Gambia, The"),
        ("ST", "ST; Sao Tome and Principe"),
        ("AD", "AND; Andorra"),
        ("IS", "IS; Iceland"),
    ],
)
def test_a_country_is_read_in_the_spellings_that_people_use(code: str, names: str) -> None:
    assert {name: alpha2(name) for name in names.split("; ")} == dict.fromkeys(names.split("; "), code)


@pytest.mark.parametrize(
    "name", ["", " ", "Atlantis", "XX", "Korea", "Virgin Islands", "Saint", "the", "of", "-", "Congo (Gabon)", "EU"]
)
def test_what_is_no_one_country_is_none(name: str) -> None:
    assert alpha2(name) is None


def test_every_name_of_ours_means_its_country() -> None:
    assert {name: alpha2(name) for name in COUNTRY_NAMES} == COUNTRY_NAMES


def test_the_codes_that_need_no_other_list_are_those_of_iso() -> None:
    assert {country.alpha_2 for country in pycountry.countries} == CODES
    assert currencies() == CURRENCIES
