"""Who it was: what the two APIs take of the person, and in which form."""

from __future__ import annotations

import re

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.placeholders import HASHES

COOKIE_PREFIX = "_uet"
NO_CLICK_ID = "N"
"""What Microsoft's tag writes where there was no click."""

_CLICK_ID = re.compile(r"(?:[0-9A-Fa-f]-?){31}[0-9A-Fa-f]").fullmatch
_SUFFIX = re.compile(r"(?<=[0-9A-Fa-f]{12})-[01]$")  # the pixel's own parameter has it; for the APIs (unconfirmed)


def email(raw: str) -> str | None:
    """``'User.Name+promo@Example.COM'`` -> ``'username@example.com'``, at every domain; None if it is no address."""
    local, _, domain = (keys.email(raw) or "").rpartition("@")
    local = local.partition("+")[0].replace(".", "")
    return f"{local}@{domain}" if local and domain else None


offline_email = keys.email
"""By which rule the offline API matches is unconfirmed. Dots and plus tags stay."""


def bare_click_id(raw: str) -> str | None:
    """A click id without what a cookie or the pixel writes around it; None for their word for none."""
    bare = _SUFFIX.sub("", raw.removeprefix(COOKIE_PREFIX))
    return None if bare == NO_CLICK_ID else bare


def is_click_id(text: str) -> bool:
    """Whether it has a click id's form: 32 hexadecimal digits, with the hyphens of a GUID or without, 36 at most."""
    return len(text) <= 36 and _CLICK_ID(text) is not None


def external_id(c: Conversion) -> str | None:
    """The first that can be used, as it is: whoever wants it anonymous makes it so."""
    for raw in c.external_id:
        digest = keys.digest_of(raw)
        if digest not in HASHES:
            return digest or raw
    return None
