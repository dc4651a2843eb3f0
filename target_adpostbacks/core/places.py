"""Names and places, normalized as ad networks want them before hashing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

import pycountry

from target_adpostbacks.core.match_keys import hashed

_ZIP = re.compile(r"([0-9]{5})(?:-[0-9]*|[0-9]{4})").fullmatch
_ZIP4 = re.compile(r"([0-9]{5})-[0-9]{4}").fullmatch


def name(raw: str) -> str | None:
    """``' Mary Ann '`` -> ``'maryann'``; accents and other scripts stay, composed (NFC)."""
    return unicodedata.normalize("NFC", "".join(raw.split()).lower()) or None


@lru_cache(maxsize=20_000)
def name_hash(raw: str | None) -> str | None:
    """``hashed(raw, name)``; the same names come again and again."""
    return hashed(raw, name)


@lru_cache(maxsize=20_000)
def place(raw: str) -> str | None:
    """``'Târgu Mureș'`` -> ``'targumures'``: lower case, letters and digits only, accents folded."""
    decomposed = unicodedata.normalize("NFD", raw.lower())
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if char.isalnum())) or None


@lru_cache(maxsize=20_000)
def unpunctuated(raw: str) -> str | None:
    """``"Saint-Jean d’Août"`` -> ``'saintjeandaoût'``: lower case without white space, punctuation and symbols.

    Accents, marks and other scripts stay, composed (NFC). Names, cities and regions as Meta and Snap want them.
    """
    text = raw.lower()
    if text.isascii():
        return "".join(filter(str.isalnum, text)) or None
    composed = unicodedata.normalize("NFC", text)
    return (
        "".join(char for char in composed if not char.isspace() and unicodedata.category(char)[0] not in "PS") or None
    )


@lru_cache(maxsize=20_000)
def city(raw: str) -> str | None:
    """``'St. Louis 2'`` -> ``'stlouis'``: ``unpunctuated``, without digits."""
    letters = unpunctuated(raw)
    return letters and ("".join(char for char in letters if not char.isdecimal()) or None)


@lru_cache(maxsize=20_000)
def state(raw: str, country: str | None = None) -> str | None:
    """``'New York'`` -> ``'ny'`` in the US and where no country is known; ``unpunctuated`` elsewhere."""
    letters = unpunctuated(raw)
    if letters is None or country not in (None, "US"):
        return letters
    return _us_states().get(letters, letters)


@lru_cache(maxsize=1)
def _us_states() -> Mapping[str | None, str]:
    states = (region for region in pycountry.subdivisions if region.country_code == "US")
    return {unpunctuated(state.name): state.code.removeprefix("US-").lower() for state in states}


@lru_cache(maxsize=20_000)
def postal_code(raw: str, country: str | None = None) -> str | None:
    """``'M5V 3L9'`` -> ``'m5v3l9'``; a US ZIP+4 is cut to its first five digits, told by its dash or ``country``."""
    code = "".join(raw.split()).lower()
    if zip_code := (_ZIP if country == "US" else _ZIP4)(code) if country in ("US", "", None) else None:
        return zip_code[1]
    return code.replace("-", "") or None
