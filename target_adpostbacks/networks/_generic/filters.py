"""What a template does to a macro's value: ``{value|minor}``, ``{email|sha256_email}``, ``{event_time|date:%Y}``."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import partial
from typing import Any, NamedTuple

import msgspec

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import phones
from target_adpostbacks.core.columns import Unusable
from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.money import THREE_DECIMALS, WITHOUT_DECIMALS
from target_adpostbacks.core.payloads import decimal_text
from target_adpostbacks.core.times import EPOCH, moment


class Around(NamedTuple):
    """What a filter may ask for beside the value."""

    currency: str | None
    country_codes: tuple[str, ...]  # of phone numbers without one


Filter = Callable[[Any, str, Around], Any]
"""A value, the filter's argument, and what is around it → another value; None: it is missing."""


def text_of(value: Any) -> str:
    """A value as a template's text has it: flags as 1 and 0, plain decimals, times in UTC, lists as their JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (int, float)):
        return decimal_text(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}Z"
    return msgspec.json.encode(value).decode()


def one_of(value: Any) -> Any:
    """The first of several e-mails, phones or ids; any other value as it is. None for what is empty."""
    if isinstance(value, tuple):
        return next(filter(None, map(one_of, value)), None)
    return None if value is None or (isinstance(value, str) and not value.strip()) else value


def applied(value: Any, filters: Iterable[tuple[str, str]], around: Around) -> Any:
    """A value after its filters, from left to right; None: it is missing."""
    several = value if isinstance(value, tuple) else (value,)
    value = one_of(value)
    for name, argument in filters:
        if name == "default":
            value = argument if value is None else value
        elif name in OF_SEVERAL and len(several) > 1:  # the first that can be read
            value = next((made for each in several if (made := FILTERS[name](each, argument, around))), None)
        elif value is not None:
            value = one_of(FILTERS[name](value, argument, around))
        several = (value,)
    return value


def problem(name: str, argument: str) -> str:
    """What is wrong with a filter of this name and argument; empty: nothing."""
    if name == "default":
        return ""
    if name not in FILTERS:
        return f"no such filter: {name}"
    if name in WITH_ARGUMENT and not argument:
        return f"the filter {name} needs an argument: {WITH_ARGUMENT[name]}"
    if name not in WITH_ARGUMENT and argument:
        return f"the filter {name} takes no argument"
    if name == "fixed" and not (argument.isdecimal() and int(argument) <= MOST_DECIMALS):
        return f"fixed: 0 to {MOST_DECIMALS} decimals expected"
    if name == "map" and not all("=" in pair for pair in argument.split(",")):
        return "map: pairs expected, `map:lead=1,purchase=2`"
    return ""


MOST_DECIMALS = 9
WITH_ARGUMENT: Mapping[str, str] = {
    "date": "`date:%Y-%m-%d`",
    "fixed": "`fixed:2`",
    "prefix": "`prefix:id-`",
    "map": "`map:lead=1,purchase=2`",
}
OF_SEVERAL = frozenset({"sha256_email", "sha256_phone", "sha256_phone_plus"})
HASHING = OF_SEVERAL | {"md5", "sha1", "sha256"}


def _on_text(make: Callable[[str], str | None]) -> Filter:
    return lambda value, _argument, _around: make(text_of(value))


def _moment(value: Any) -> datetime | None:
    """A time, also one that a text has, or epoch seconds or milliseconds, by their size."""
    if isinstance(value, datetime):
        return value
    number = _number(value)
    if number is None:
        return _written_moment(value)
    try:
        return datetime.fromtimestamp(float(number) / (1000 if abs(number) >= 10**11 else 1), timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None


def _written_moment(value: Any) -> datetime | None:
    try:
        return moment("", value) if isinstance(value, str) else None
    except (InvalidConversion, Unusable):
        return None


def _at(make: Callable[[datetime], Any]) -> Filter:
    def read(value: Any, _argument: str, _around: Around) -> Any:
        moment = _moment(value)
        return None if moment is None else make(moment)

    return read


def _date(value: Any, argument: str, _around: Around) -> str | None:
    moment = _moment(value)
    return None if moment is None else moment.strftime(argument)


def _microseconds(moment: datetime) -> int:
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(text_of(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < 10**18 else None


def _fixed(value: Any, argument: str, _around: Around) -> str | None:
    number = _number(value)
    return None if number is None else f"{number.quantize(Decimal(1).scaleb(-int(argument)), ROUND_HALF_UP):f}"


def _minor(value: Any, _argument: str, around: Around) -> int | None:
    number = _number(value)
    if number is None or around.currency is None:
        return None
    decimals = 0 if around.currency in WITHOUT_DECIMALS else 3 if around.currency in THREE_DECIMALS else 2
    return int(number.scaleb(decimals).quantize(Decimal(1), ROUND_HALF_UP))


def _integer(value: Any, _argument: str, _around: Around) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _mapped(value: Any, argument: str, _around: Around) -> str:
    names = dict(pair.split("=", 1) for pair in argument.split(","))
    text = text_of(value)
    return names.get(text, text)


def _hashed(algorithm: Callable[..., Any]) -> Filter:
    return _on_text(lambda text: algorithm(text.encode()).hexdigest())


def _phone(spelled: Callable[..., str | None], value: Any, _argument: str, around: Around) -> str | None:
    return keys.hashed(text_of(value), spelled, around.country_codes)


def _digits_of(raw: str, country_codes: tuple[str, ...]) -> str | None:
    written = phones.e164(raw, country_codes)
    return written and written[1:]


FILTERS: Mapping[str, Filter] = {
    "upper": _on_text(str.upper),
    "lower": _on_text(str.lower),
    "trim": _on_text(str.strip),
    "digits": _on_text(lambda text: "".join(char for char in text if char in "0123456789")),
    "date": _date,
    "epoch": _at(lambda moment: _microseconds(moment) // 10**6),
    "epoch_ms": _at(lambda moment: _microseconds(moment) // 1000),
    "epoch_us": _at(_microseconds),
    "iso": _at(text_of),
    "fixed": _fixed,
    "minor": _minor,
    "int": _integer,
    "prefix": lambda value, argument, _around: argument + text_of(value),
    "map": _mapped,
    "json": lambda value, _argument, _around: msgspec.json.encode(value).decode(),
    "b64": _on_text(lambda text: base64.b64encode(text.encode()).decode()),
    "md5": _hashed(hashlib.md5),
    "sha1": _hashed(hashlib.sha1),
    "sha256": _hashed(hashlib.sha256),
    "sha256_email": lambda value, _argument, _around: keys.hashed(text_of(value), keys.email),
    "sha256_phone": partial(_phone, _digits_of),
    "sha256_phone_plus": partial(_phone, phones.e164),
}
