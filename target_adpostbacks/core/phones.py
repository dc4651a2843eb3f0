"""Phone numbers, as people and their programs write them, with their country code."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from target_adpostbacks.core.memo import remembered

is_e164 = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
_COUNTRY_CODE = re.compile(r"\+?([1-9][0-9]{0,2})").fullmatch
_DECIMALS = re.compile(r"(\+?[0-9]{7,15})[.,]0+").fullmatch
_INTERNATIONAL = re.compile(r"(?:\+|00)\s*\(?([0-9]+)\)?([0-9\s()./‐-―-]*)").fullmatch
_LETTERS = re.compile(r"[^\W\d_]+")
_EXTENSION = re.compile(
    r"[\s,;(\[/-]*"
    r"(?:;\s*ext\s*=|,,+|;|#|(?<![^\W\d_])(?:e?xt(?:ensi[oó]n|n)?|x|durchwahl|dw|nebenstelle|nst|apparat|app|klappe|kl|anexo|poste"
    r"|int(?:erno)?|ramal|wew|доб(?:авочный)?)(?![^\W\d_])[.:]?)"
    r"[\s-]*[0-9]{0,6}\s*[)\]]?\s*$",
    re.IGNORECASE,
)
WORDS = frozenset(
    "tel telephone telefon telefone telefono teléfono téléphone telefoon telefonnummer phone phones ph fon t p m mob "
    "mobile mobil mobiltelefon móvil movil cel cell cellphone cellular celular cellulare cellulaire handy portable "
    "gsm home house work office business company private privat privé personal main direct landline festnetz fixe fijo "
    "day evening fax f whatsapp wa sms viber telegram signal no nr nº num number numero número numéro nummer contact "
    "preferred primary default call".split()
)
"""What phone lists write beside a number; other letters make it something else, a hash for example."""


def e164(raw: str, country_codes: tuple[str, ...] = ()) -> str | None:
    """``'+1 (415) 555-0100'`` -> ``'+14155550100'``; None for what has no country code or not 7 to 15 digits.

    ``00`` is another way to write the plus. Without either, ``country_codes`` (``calling_codes`` gives them) complete
    the number; without them too, the digits are taken as holding the country code, unless they begin with 0.
    """
    if is_e164(raw):
        return raw
    text = legible(raw)
    return _e164(text, country_codes) if text else None


def digits(raw: str, country_codes: tuple[str, ...] = ()) -> str | None:
    """``'+1 (415) 555-0100'`` -> ``'14155550100'``: ``e164`` without the plus.

    A national number that no country code completes is its digits without leading zeros, as the libraries of Meta and
    Snap write it; None unless 7 to 15 digits are left.
    """
    if written := e164(raw, country_codes):
        return written[1:]
    text = legible(raw) or "+"
    national = _digits(text).lstrip("0")
    return national if "+" not in text and 7 <= len(national) <= 15 else None


def digits_by_groups(raw: str, country_codes: tuple[str, ...] = ()) -> str | None:
    """``'+44-0447-234-2344'`` -> ``'444472342344'``: digits with the country code, as Snap's own libraries write them.

    After ``+`` or ``00`` the first group of digits is the country code, and one 0 after it is no part of the number.
    Where nothing parts the two, every digit stays. Without either it is a national number.
    """
    if is_e164(raw):  # most of them
        return raw[1:]
    written = _INTERNATIONAL(legible(raw) or "")
    if written is None:
        return digits(raw, country_codes)
    rest = "".join(filter(str.isdecimal, written[2])).removeprefix("0")
    whole = (written[1] + rest).lstrip("0")
    return whole if 7 <= len(whole) <= 15 else None


_TWO_DIGITS = frozenset(
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 "
    "91 92 93 94 95 98".split()
)
"""Country codes of two digits; 1 and 7 have one, all others three."""


def national(raw: str) -> str:
    """``'+49 176 1234567'`` -> ``'1761234567'``: what every spelling of a number has in common, in digits.

    That is the number without its country code and leading zeros. If fewer than 7 digits are left, only zeros go.
    """
    written = (digits(raw) or "".join(filter(str.isdecimal, raw))).lstrip("0")
    code = 1 if written[:1] in ("1", "7") else 2 if written[:2] in _TWO_DIGITS else 3
    rest = written[code:].lstrip("0")
    return rest if len(rest) >= 7 else written


@remembered(maxsize=2_000)  # asked again for each network; other records hardly have the same
def legible(raw: str) -> str | None:
    """``'Tel. +44,7911,123456;ext=7'`` -> ``'+44 7911 123456'``; None for what is no phone number.

    Only digits of ASCII and what stands between them are left: invisible characters, the usual words of phone lists,
    an extension, and a spreadsheet's ``.0`` go.
    """
    if len(raw) > 100:
        return None
    if is_e164(raw):
        return raw
    text = unicodedata.normalize("NFKC", raw)  # full-width digits
    if not text.isascii():
        text = "".join(_plain(char) for char in text)
    text = text.strip()
    if whole := _DECIMALS(text):
        return whole[1]
    text = _EXTENSION.sub("", text, count=1)
    if not all(word.lower() in WORDS for word in _LETTERS.findall(text)):
        return None
    return _LETTERS.sub(" ", text).replace(",", " ").strip(" \t\r\n.:;/_'\"") or None


def _plain(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return "" if unicodedata.category(char) == "Cf" else char


@lru_cache(maxsize=2_000)  # asked again for each network; other records hardly have the same
def _e164(text: str, country_codes: tuple[str, ...]) -> str | None:
    digits = _digits(text)
    international = f"+{digits.removeprefix('00')}"
    if "+" in text:
        written = _parsed(text, None)
    elif digits.startswith("00"):
        written = _parsed(international, None) or _completed(text, digits, country_codes)  # Australia's 0011
    else:  # its digits as they are: what a 0 among them means, only a country code could say
        written = _completed(text, digits, country_codes)
    written = written or international
    return written if is_e164(written) else None


def _completed(text: str, digits: str, country_codes: tuple[str, ...]) -> str | None:
    """A number without plus, with the first country code that suits it."""
    if not country_codes:
        return None
    import phonenumbers

    international = f"+{digits}"
    if digits.startswith(country_codes) and _is_valid(international):
        return _parsed(international, None)
    regions = map(phonenumbers.region_code_for_country_code, map(int, country_codes))
    completed = [number for region in regions if (number := _parsed(text, region))]
    return next(filter(_is_valid, [*completed, international]), completed[0] if completed else None)


def _digits(text: str) -> str:
    return "".join(char for char in text if char in "0123456789")


# What digits alone don't say, phonenumbers knows: the (0) of +44 (0)20 is dropped, Italy's leading 0 is kept. Imported
# with the first number that needs it: its tables take a while to load.


def _parsed(text: str, region: str | None) -> str | None:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _is_valid(written: str) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(written))
    except phonenumbers.NumberParseException:
        return False


@lru_cache(maxsize=2_000)
def calling_codes(country: str | None, default: str | None) -> tuple[str, ...]:
    """``'CH', '+49'`` -> ``('41', '49')``: what may complete a national number, the likelier first.

    ``country``: ISO 3166 alpha-2; anything else, a hash for example, says nothing. ``default``: with or without plus.
    """
    codes = []
    if country and len(country) == 2:
        import phonenumbers

        codes.append(str(phonenumbers.country_code_for_region(country)))
    if default:
        codes.append(default)
    return tuple(dict.fromkeys(code[1] for text in codes if (code := _COUNTRY_CODE(text))))
