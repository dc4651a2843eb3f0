"""Countries and currencies, as ISO 3166 and ISO 4217 list them and as people write them."""

from __future__ import annotations

from functools import lru_cache

import pycountry

COUNTRY_NAMES = {
    name: code
    for code, names in {
        "AE": ("uae", "emirates"),
        "BN": ("brunei",),
        "CD": ("congo-kinshasa",),
        "CG": ("congo-brazzaville",),
        "CI": ("ivory coast",),
        "CV": ("cape verde",),
        "CW": ("curacao",),
        "FM": ("micronesia",),
        "GB": ("uk", "great britain", "england", "scotland", "wales", "northern ireland"),
        "MK": ("macedonia",),
        "MM": ("burma",),
        "MO": ("macau",),
        "NL": ("holland",),
        "PS": ("palestine",),
        "RE": ("reunion",),
        "RU": ("russia",),
        "SZ": ("swaziland",),
        "TL": ("east timor",),
        "TR": ("turkey",),
        "VA": ("vatican", "vatican city"),
    }.items()
    for name in names
}
"""English names that people write and ISO 3166 does not have."""


@lru_cache(maxsize=2_000)
def alpha2(country: str) -> str | None:
    """``'USA'``, ``'us'``, ``'United States'`` -> ``'US'``; None for no country."""
    name = country.lower().replace(".", "").removeprefix("the ")
    name = COUNTRY_NAMES.get(name, name)
    try:
        code: str = pycountry.countries.lookup(name).alpha_2
    except LookupError:
        return None
    return code


@lru_cache(maxsize=1)
def currencies() -> frozenset[str]:
    """Every ISO 4217 code."""
    return frozenset(currency.alpha_3 for currency in pycountry.currencies)
