"""Helps to build a payload: leaves out what is empty, and converts properties to the type of a field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from target_adpostbacks.core.answers import JSON
from target_adpostbacks.core.conversion import Conversion


def prune(fields: Mapping[str, JSON]) -> dict[str, JSON]:
    """Without what is None, empty text, or an empty list or object; 0 and False stay."""
    return {key: value for key, value in fields.items() if value or (value is not None and value == 0)}


def one_or_many(values: Sequence[str]) -> str | list[str] | None:
    """One value as it is, several as a list, none as None."""
    return values[0] if len(values) == 1 else list(values) or None


def item_count(c: Conversion) -> int | None:
    """``num_items``, or the quantities of ``contents`` together; None where neither says."""
    return c.num_items if c.num_items is not None else sum([item.quantity or 0 for item in c.contents]) or None


def as_text(value: JSON) -> str | None:
    """A property where a text is wanted: ``7`` and ``7.0`` -> ``'7'``; None for flags, lists, objects, empty texts."""
    if isinstance(value, str):
        return value.strip() or None
    number = as_number(value)
    return None if number is None else str(int(number)) if number == int(number) else str(number)


def as_texts(value: JSON) -> list[str] | None:
    """A property where a list of texts is wanted: one text is a list of one."""
    texts = [as_text(member) for member in (value if isinstance(value, list) else [value])]
    return [text for text in texts if text] or None


def as_number(value: JSON) -> int | float | None:
    """A property where a number is wanted: ``'9.5'`` -> ``9.5``; None for what is none, or beyond 64 bits."""
    if isinstance(value, str):
        try:
            value = int(value) if value.strip().isdecimal() else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < 1 << 63 else None  # nor infinite, nor not a number


def decimal_text(number: int | float) -> str:
    """A number where its decimals are wanted as text: ``27.5`` -> ``'27.5'``, ``2000.0`` -> ``'2000'``.

    Plainly, without the exponent that Python writes: ``1e-05`` -> ``'0.00001'``.
    """
    text = repr(number)
    return f"{Decimal(text):f}" if "e" in text else text.removesuffix(".0")


def as_integer(value: JSON) -> int | None:
    """A property where a whole number is wanted: ``'12'``, ``12.0`` -> ``12``."""
    number = as_number(value)
    return int(number) if number is not None and number == int(number) else None
