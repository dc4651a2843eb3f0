"""What a payload lacks because its value can't be used: the column and the rule, never the value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import phones
from target_adpostbacks.core.birth_dates import date_of_birth
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.placeholders import is_placeholder

Reading = Callable[[str, Conversion], Any]

READINGS: Mapping[str, tuple[str, Reading]] = {
    "email": ("not an e-mail address", lambda raw, _: keys.email(raw)),
    "phone": ("not a phone number with its country code", lambda raw, _: phones.e164(raw)),  # unless a network reads it
    "ip_address": ("not a public IP address", lambda raw, _: keys.public_ip(raw)),
    "gender": ("not m, male, f or female", lambda raw, _: keys.gender(raw)),
    "date_of_birth": ("not a birth date", lambda raw, c: date_of_birth(raw, c.event_time.year)),
}
"""For a column, what is said of a value that can't be used, and how it is read."""
NO_READINGS: Mapping[str, Reading] = {}


def left_out(
    c: Conversion,
    match_columns: Mapping[str, str],
    sent: Collection[str],
    own_readings: Mapping[str, Callable[[str, Conversion], Any]] = NO_READINGS,
) -> list[str]:
    """``'email: not an e-mail address'`` for each column of which a value is missing among the match keys ``sent``.

    ``match_columns``: column to the match key that is made of it; ``own_readings``: how the network itself reads some.
    Only what is missing is read again.
    """
    said = []
    for column, match_key in match_columns.items():
        raw = getattr(c, column)
        if not raw or (match_key in sent and (raw.__class__ is str or len(raw) == 1)):
            continue
        rule, reading = READINGS[column]
        reading = own_readings.get(column, reading)
        is_refused = column == "email" and match_key not in sent  # by a rule of the network's own
        for value in (raw,) if raw.__class__ is str else raw:
            is_usable = not is_refused and (reading(value, c) or keys.is_hash(value))
            if not is_usable and not is_placeholder(value.strip()):  # a placeholder: nothing was there
                said.append(f"{column}: {rule}")
                break
    return said
