"""Figures of statistics as integers: money and fractional counts in millionths, so that sums are exact."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import msgspec

MICROS = 1_000_000
PER_UNIT: Mapping[str, int] = {"major": MICROS, "cents": 10_000, "micros": 1}
"""A unit of money in millionths of the currency's."""
MOST = 10**18
"""No figure is larger: sums of a row's figures stay within what databases add up."""
DIGITS = 18
OMNI = "omni_"
"""Action types that begin so hold those of the web, of apps and of shops: never added to these."""


def scaled(value: Any, factor: int) -> int | None:
    """A number times ``factor``, rounded half up; None for what is no number, or is too large to be one of these.

    >>> scaled("12.345", 1_000_000), scaled(0.1, 1_000_000), scaled("-", 1)
    (12345000, 100000, None)
    """
    if value.__class__ is int:
        exact = value * factor
        return exact if -MOST <= exact <= MOST else None
    number = _number(value)
    if number is None or number.adjusted() > DIGITS:  # nor is a larger exponent worked out
        return None
    if number.adjusted() < -DIGITS or not number:
        return 0
    exact = int((number * factor).to_integral_value(ROUND_HALF_UP))
    return exact if -MOST <= exact <= MOST else None


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        value = repr(value)  # the shortest text that reads as this number
    if isinstance(value, str) and len(value) > 60:
        return None
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except (InvalidOperation, ValueError, TypeError):
        return None
    return number if number.is_finite() else None


def total(values: Iterable[Any], factor: int) -> int | None:
    """The sum of those that are numbers; None where none is."""
    numbers = [number for value in values if value is not None and (number := scaled(value, factor)) is not None]
    added = sum(numbers) if numbers else None
    return added if added is None or -MOST <= added <= MOST else None


def of_actions(actions: Any, types: Collection[str], factor: int) -> int | None:
    """What a list of ``{action_type, value}`` has of these types, added up; None where there is no list.

    Of the types, those that begin with ``omni_`` count if any of them is there, else the others.
    """
    if isinstance(actions, str):
        try:
            actions = msgspec.json.decode(actions)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
    if not isinstance(actions, list):
        return None
    wanted = [
        (str(action["action_type"]), action.get("value"))
        for action in actions
        if isinstance(action, Mapping) and action.get("action_type") in types
    ]
    together = [value for name, value in wanted if name.startswith(OMNI)]
    return total(together or [value for _, value in wanted], factor) if wanted else 0
