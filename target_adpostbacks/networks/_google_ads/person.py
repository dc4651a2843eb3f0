"""Who it was, as both APIs want it: normalized by Google's rules, then hashed.

https://developers.google.com/data-manager/api/devguides/concepts/formatting
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import mobile, phones
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.payloads import prune
from target_adpostbacks.core.placeholders import HASHES

GMAIL = frozenset({"gmail.com", "googlemail.com"})
EUROPE = frozenset(
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO GB CH".split()
)
"""The European Economic Area, the United Kingdom and Switzerland, where Google matches nobody by an IP address."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=").fullmatch
_COUNTRY = re.compile(r"[A-Z]{2}").fullmatch


def email(raw: str) -> str | None:
    """``' J.Doe + x@Gmail.com'`` -> ``'jdoe@gmail.com'``; elsewhere dots and tags stay; None if it is no address."""
    address = keys.email("".join(raw.split()))
    if address is None:
        return None
    local, _, domain = address.rpartition("@")
    if domain in GMAIL:
        local = local.partition("+")[0].replace(".", "")
    return f"{local}@{domain}" if local else None


def name(raw: str) -> str | None:
    """``' Mary Ann '`` -> ``'maryann'``; punctuation stays."""
    return "".join(raw.lower().split()) or None


def hashed(raw: str, normalize: Callable[..., str | None], *context: Any) -> str | None:
    """``match_keys.hashed``; SHA-256 in base64 becomes hex, since a request has one encoding for all."""
    return digest_of_base64(raw) or keys.hashed(raw, normalize, *context)


def digest_of_base64(raw: str) -> str | None:
    """The hex digits of 32 bytes that are written as base64; None for anything else."""
    if len(raw) != 44 or not _BASE64(raw):
        return None
    try:
        digest = base64.b64decode(raw, validate=True).hex()
    except binascii.Error:
        return None
    return None if digest in HASHES else digest


def emails(c: Conversion) -> list[str]:
    return [*dict.fromkeys(filter(None, (hashed(raw, email) for raw in c.email)))]


def phone_numbers(c: Conversion, country_codes: tuple[str, ...]) -> list[str]:
    return [*dict.fromkeys(filter(None, (hashed(raw, phones.e164, country_codes) for raw in c.phone)))]


def address(c: Conversion) -> dict[str, str]:
    """Name, country and postal code: all four, or nothing."""
    country = c.country if c.country and _COUNTRY(c.country) else None
    postal_code = keys.unhashed(c.postal_code)
    if not (c.first_name and c.last_name and country and postal_code):
        return {}
    names = {"givenName": hashed(c.first_name, name), "familyName": hashed(c.last_name, name)}
    return {**names, "regionCode": country, "postalCode": postal_code} if all(names.values()) else {}  # type: ignore[dict-item]


def ip_address(c: Conversion, send_ip: str) -> str | None:
    """Outside Europe; where the country is not known only if that is wanted."""
    if not c.ip_address or send_ip == "never":
        return None
    is_outside = c.country is not None and _COUNTRY(c.country) and c.country not in EUROPE
    return keys.public_ip(c.ip_address) if is_outside or send_ip == "always" else None


def device_id(c: Conversion) -> str | None:
    """The advertising id, unless the person has refused to be tracked."""
    if (c.att_status or "").lower() in mobile.REFUSED:
        return None
    return mobile.advertising_id(c, mobile.version(c))


def custom_variables(c: Conversion) -> Iterator[tuple[str, str]]:
    """Name and value: ``properties.custom_variables`` is an object, or a list of ``{"variable": …, "value": …}``."""
    variables = c.properties.get("custom_variables")
    if isinstance(variables, dict):
        variables = [{"variable": variable, "value": value} for variable, value in variables.items()]
    for member in variables if isinstance(variables, list) else ():
        pair = prune({key: member.get(key) for key in ("variable", "value")}) if isinstance(member, dict) else {}
        if len(pair) == 2 and all(isinstance(each, (str, int, float)) for each in pair.values()):
            yield str(pair["variable"]).strip(), str(pair["value"]).strip()
