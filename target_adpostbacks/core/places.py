"""Names and places, normalized as ad networks want them before hashing."""

from __future__ import annotations

import gettext
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from target_adpostbacks.core.match_keys import remembering
from target_adpostbacks.core.memo import remembered

_DECIMALS = re.compile(r"(?<=[0-9])\.0+$")
_PREFIXED = re.compile(r"([a-z]{1,3})(-?)([0-9].*)").fullmatch
_FIVE_DIGITS = re.compile(r"[0-9]{5}").fullmatch
_US_ZIP = re.compile(r"([0-9]{3,5}?)-?(?:[0-9]{4})?|([0-9]{5})-[0-9]*").fullmatch
_ZIP4 = re.compile(r"([0-9]{5})-[0-9]{4}").fullmatch


def name(raw: str) -> str | None:
    """``' Mary Ann '`` -> ``'maryann'``; accents and other scripts stay, composed (NFC)."""
    return unicodedata.normalize("NFC", "".join(raw.split()).lower()) or None


@remembered(maxsize=20_000)
def place(raw: str) -> str | None:
    """``'Târgu Mureș'`` -> ``'targumures'``, ``'Київ'`` -> ``'київ'``: ``unpunctuated``, Latin without accents."""
    letters = unpunctuated(raw)
    return letters if letters is None or letters.isascii() else _without_accents(letters)


def _without_accents(text: str) -> str:
    """The text with bare Latin letters. In other scripts a mark makes another letter: it stays."""
    kept: list[str] = []
    is_latin = False
    for char in unicodedata.normalize("NFD", text.translate(_STROKES)):
        if unicodedata.category(char)[0] != "M":
            is_latin = unicodedata.name(char, "").startswith("LATIN ")
        elif is_latin:
            continue
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))


_STROKES = str.maketrans("łøđħŧı", "lodhti")  # letters that no decomposition takes apart


def unpunctuated(raw: str) -> str | None:
    """``"Saint-Jean d’Août"`` -> ``'saintjeandaoût'``: lower case without white space, punctuation and symbols.

    Accents, marks and other scripts stay, composed (NFC). Names, cities and regions as Meta, Snap and TikTok want them.
    """
    text = raw.lower()
    if text.isascii():
        return "".join(filter(str.isalnum, text)) or None
    composed = unicodedata.normalize("NFC", text)
    return (
        "".join(char for char in composed if not char.isspace() and unicodedata.category(char)[0] not in "PS") or None
    )


name_hash = remembering(unpunctuated)


def city(raw: str) -> str | None:
    """``'St. Louis 2'`` -> ``'stlouis'``: ``unpunctuated``, without digits."""
    letters = unpunctuated(raw)
    return letters and ("".join(char for char in letters if not char.isdecimal()) or None)


city_hash = remembering(city)


@remembered(maxsize=20_000)
def state(raw: str, country: str | None = None) -> str | None:
    """``'New York'``, ``'US-NY'``, ``'NY, USA'`` -> ``'ny'``, ``'Québec'`` -> ``'qc'``; ``unpunctuated`` elsewhere.

    In the US, in Canada and where no country is known.
    """
    bare = bare_state(raw, country)
    key = place(bare)
    for code in _countries(country):
        if key in (codes := _codes(code)):
            return codes[key]
    return unpunctuated(raw)


state_hash = remembering(state)


@remembered(maxsize=20_000)
def bare_state(raw: str, country: str | None = None) -> str:
    """``'US-CA'``, ``'CA, USA'`` -> ``'CA'``, ``'California (CA)'``, ``'State of California'`` -> ``'California'``.

    In the US, in Canada and where no country is known; anything else as it is.
    """
    countries = _countries(country)
    if any(place(raw) in _codes(code) for code in countries):
        return raw
    for code in countries:
        parts = [_STATE_OF.sub("", part.strip()) for part in _PARTS.split(raw)]
        named = [part for part in parts if place(part) not in _COUNTRY[code]]
        meant = {_codes(code).get(place(part)) for part in named}
        if len(meant) == 1 and None not in meant:
            return named[0]
    return raw


def _countries(country: str | None) -> tuple[str, ...]:
    return (country,) if country in _COUNTRY else () if country else tuple(_COUNTRY)


@cache
def _codes(country: str) -> Mapping[str | None, str]:
    """Every name and code of a state of the US or Canada, as ``place`` writes it, to its code."""
    import pycountry  # takes a while to import, and few records need it

    # Through its own classes it would keep the regions of all countries, 5 MB in each process.
    (regions,) = _decode_regions(Path(pycountry.DATABASE_DIR, "iso3166-2.json").read_bytes()).values()
    own = [(region.code[3:].lower(), region.name) for region in regions if region.code.startswith(f"{country}-")]
    codes: dict[str | None, str] = {**_OTHER_NAMES[country]}
    for code, english in own:
        codes.update((place(name), code) for name in (code, english))
    if country == "CA":
        french = gettext.translation("iso3166-2", pycountry.LOCALES_DIR, ["fr"]).gettext
        codes.update((place(french(english)), code) for code, english in own)
    return codes


class _Region(msgspec.Struct):
    code: str  # ``'CA-QC'``
    name: str


_decode_regions = msgspec.json.Decoder(dict[str, list[_Region]]).decode


_COUNTRY = {
    "US": {None, "us", "usa", "unitedstates", "unitedstatesofamerica", "america"},
    "CA": {None, "ca", "can", "canada"},
}
_OTHER_NAMES: Mapping[str, Mapping[str | None, str]] = {
    "US": {"washingtondc": "dc", "hawaiʻi": "hi", "virginislands": "vi", "usvirginislands": "vi"},
    "CA": {
        **dict.fromkeys(("newfoundland", "newfoundlandlabrador", "labrador", "terreneuve", "nf"), "nl"),
        **dict.fromkeys(("nwt", "tno"), "nt"),
        **dict.fromkeys(("pei", "ipe"), "pe"),
        "pq": "qc",
    },
}
_PARTS = re.compile(r"[,;()/_-]")
_STATE_OF = re.compile(
    r"^(?:the )?(?:state|commonwealth|province|territory) (?:of |de l.|d[eu] )|,? (?:state|province|territory)$",
    re.IGNORECASE,
)


def postal_code(raw: str, country: str | None = None) -> str | None:
    """``'M5V 3L9'`` -> ``'m5v3l9'``, ``'D-10115'`` -> ``'10115'``, ``'10115.0'`` -> ``'10115'``.

    A US ZIP+4 is cut to its first five digits, told by its dash or ``country``. In the US the zeros come back that a
    ZIP loses as a number: ``'2115'`` -> ``'02115'``.
    """
    if _FIVE_DIGITS(raw):  # most of them
        return raw
    code = _DECIMALS.sub("", "".join(raw.split()).lower())
    if (prefixed := _PREFIXED(code)) and _is_prefix(prefixed[1], prefixed[2], country):
        code = prefixed[3]
    if country == "US" and (us := _US_ZIP(code)):
        return (us[1] or us[2]).zfill(5)
    if not country and (us := _ZIP4(code)):
        return us[1]
    return code.replace("-", "") or None


postal_code_hash = remembering(postal_code)


def _is_prefix(letters: str, dash: str, country: str | None) -> bool:
    prefix_of = PLATES.get(letters, letters.upper())
    return prefix_of in WITHOUT_LETTERS and (prefix_of == country if country else bool(dash))


WITHOUT_LETTERS = frozenset(
    "AT AX BE BG CH CY CZ DE DK EE ES FI FO FR GL GR HR HU IS IT LI LT LU MC ME MK NL NO PL PT RO RS SE SI SK SM TR UA "
    "US".split()
)
"""Countries whose letters people write before a postal code, though they are no part of it as in Andorra's AD500."""
PLATES = dict(
    plate.split(":")
    for plate in "a:AT b:BE d:DE e:ES f:FR fin:FI fl:LI h:HU i:IT l:LU n:NO p:PT s:SE slo:SI usa:US".split()
)
"""Letters of cars, which people write there too."""
