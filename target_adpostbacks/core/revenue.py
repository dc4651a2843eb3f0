"""What of a conversion's value and currency is sent: both, or neither."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from target_adpostbacks.core.conversion import Conversion


def paired(c: Conversion) -> Conversion:
    """The conversion with its value and currency, without the one that stands alone: it means nothing."""
    return c if (c.value is None) is (c.currency is None) else replace(c, value=None, currency=None)


def completed(c: Conversion, default_currency: str | None) -> Conversion:
    """The conversion with ``total_of_contents`` for a value that it lacks, and with this currency where it has none.

    One of the two may still stand alone: a currency without a value, a value where there is no default. A value that
    can't be used, a negative one for example, is not what its contents cost: it stays left out.
    """
    value = total_of_contents(c) if c.value is None and not _has_unusable_value(c) else c.value
    currency = c.currency or default_currency
    return c if value is c.value and currency is c.currency else replace(c, value=value, currency=currency)


def _has_unusable_value(c: Conversion) -> bool:
    return any(column.startswith("value:") for column in c.unusable)


def total_of_contents(c: Conversion) -> float | None:
    """The prices of ``contents``, each as often as its quantity says, without one once; None unless all have one."""
    total = Decimal()
    for item in c.contents:
        if item.price is None:
            return None
        total += Decimal(str(item.price)) * (1 if item.quantity is None else item.quantity)
    return float(total) if c.contents else None
