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

    One of the two may still stand alone: a currency without a value, a value where there is no default. What the record
    says but nobody can use, a refund as a negative value for example, is not lacking: nothing takes its place.
    """
    unusable = {why.partition(":")[0].partition(".")[0] for why in c.unusable}
    value, currency = c.value, c.currency
    if value is None and unusable.isdisjoint(("value", "contents")):
        value = total_of_contents(c)
    if currency is None and "currency" not in unusable:
        currency = default_currency
    return c if value is c.value and currency is c.currency else replace(c, value=value, currency=currency)


def total_of_contents(c: Conversion) -> float | None:
    """The prices of ``contents``, each as often as its quantity says, without one once; None unless all have one."""
    total = Decimal()
    for item in c.contents:
        if item.price is None:
            return None
        total += Decimal(str(item.price)) * (1 if item.quantity is None else item.quantity)
    return float(total) if c.contents else None
