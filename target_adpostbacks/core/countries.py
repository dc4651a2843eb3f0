"""Countries and currencies, as ISO 3166 and ISO 4217 list them and as people write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

from target_adpostbacks.core.memo import remembered

COUNTRY_NAMES = {
    name: code
    for code, names in {
        "AE": ("uae", "emirates"),
        "BN": ("brunei",),
        "BQ": ("caribbean netherlands", "sint eustatius", "saba"),
        "CC": ("cocos islands", "keeling islands"),
        "CD": ("congo-kinshasa", "congo (drc)", "dr congo", "drc"),
        "CG": ("congo-brazzaville", "congo republic"),
        "CI": ("ivory coast",),
        "CN": ("mainland china", "china mainland"),
        "CV": ("cape verde",),
        "ES": ("canary islands", "ceuta and melilla"),
        "FK": ("falkland islands (islas malvinas)",),
        "FM": ("micronesia, fed. sts.",),
        "FR": ("clipperton island",),
        "GB": ("uk", "great britain", "england", "scotland", "wales", "northern ireland"),
        "GG": ("sark",),
        "GR": ("el",),
        "HK": ("hong kong sar", "hong kong sar china", "hong kong, china"),
        "HM": ("heard and mcdonald islands",),
        "IE": ("republic of ireland",),
        "IO": ("diego garcia", "chagos archipelago"),
        "LA": ("lao pdr",),
        "MK": ("macedonia", "fyrom", "former yugoslav republic of macedonia"),
        "MM": ("burma",),
        "MO": ("macau", "macau sar", "macao sar", "macau sar china", "macao sar china", "macao, china"),
        "NL": ("holland",),
        "PN": ("pitcairn islands",),
        "PS": ("palestinian territory", "palestinian territories", "occupied palestinian territory"),
        "RU": ("russia",),
        "SH": ("ascension island", "tristan da cunha"),
        "SX": ("saint maarten", "saint martin (dutch part)"),
        "SZ": ("swaziland",),
        "TF": ("french southern and antarctic lands",),
        "TL": ("east timor",),
        "TR": ("turkey",),
        "TW": ("taiwan, china",),
        "UM": ("us outlying islands",),
        "US": ("america",),
        "VA": ("vatican", "vatican city", "vatican city state"),
        "VE": ("venezuela, rb",),
        "XK": ("xk", "xkx", "rks", "kosovo", "republic of kosovo"),
    }.items()
    for name in names
}
"""English names and codes that people write, or CLDR, and ISO 3166 does not have."""

CODES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()
)
"""ISO 3166's, as most records have them: pycountry is imported for other spellings alone."""
CURRENCIES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
    CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR
    LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN
    PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS
    TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XAG XAU XBA XBB XBC
    XBD XCD XCG XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWG
    """.split()
)
"""ISO 4217's; one that is newer is asked of pycountry."""


@remembered(maxsize=2_000)
def alpha2(country: str) -> str | None:
    """``'USA'``, ``'us'``, ``'United States'`` -> ``'US'``, ``'St. Lucia'`` -> ``'LC'``; None for no country.

    ``'Virgin Islands (British)'`` and ``'Virgin Islands, British'`` are read as ``'British Virgin Islands'``; of
    ``'Myanmar (Burma)'`` both names have to mean the same country.
    """
    if (upper := country.upper()) in CODES and country.isascii():
        return upper
    by_name = _by_name()
    for spelling in _spellings(country):
        if code := by_name.get(_folded(spelling)):
            return code
    codes = {by_name.get(_folded(part)) for part in re.split(r"[()]", country) if part.strip()}
    return codes.pop() if len(codes) == 1 else None


@lru_cache(maxsize=1)
def _by_name() -> Mapping[str, str]:
    import pycountry  # takes a while to import, and what records have is often alike

    names: dict[str, str] = {}
    short: dict[str, set[str]] = {}
    for country in pycountry.countries:
        code = country.alpha_2
        for name in dict(country).values():
            names.update((_folded(spelling), code) for spelling in _spellings(name))
            short.setdefault(_folded(re.split(r"[,(]", name)[0]), set()).add(code)
    for name, codes in short.items():  # Micronesia, Federated States of; but there are two Koreas
        if len(codes) == 1:
            names.setdefault(name, *codes)
    return names | {_folded(name): code for name, code in COUNTRY_NAMES.items()}


def _spellings(name: str) -> Iterable[str]:
    """A name, and what stands behind a comma or in parentheses put before the rest."""
    yield name
    if inverted := _INVERTED(name):
        yield f"{inverted[2]} {inverted[1]}"


def _folded(name: str) -> str:
    """``'The Côte d’Ivoire'`` -> ``'cotedivoire'``: what is the same in all spellings of a name."""
    plain = name.lower()
    if not plain.isascii():
        plain = "".join(char for char in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(char))
    words: list[str] = _WORDS(plain)
    return "".join(_SAME_WORD.get(word, word) for word in words) if len(words) > 1 else "".join(words)


_SAME_WORD = {"the": "", "and": "", "of": "", "st": "saint", "rep": "republic", "dem": "democratic", "is": "islands"}
_INVERTED = re.compile(r"([^,()]+)[,(]\s*([^,()]+?)\s*\)?").fullmatch
_WORDS = re.compile(r"[^\W_]+|[\U0001f1e6-\U0001f1ff]+").findall


@lru_cache(maxsize=1)
def currencies() -> frozenset[str]:
    """Every ISO 4217 code."""
    import pycountry

    return frozenset(currency.alpha_3 for currency in pycountry.currencies)
