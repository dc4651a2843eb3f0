"""Values that are missing, of the wrong size, or without their currency."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from target_adpostbacks.doctor.case import Case
from target_adpostbacks.doctor.findings import Spot, finding

CENTS = (80.0, 135.0)
"""How many times as large a value in cents is as the prices: taxes, shipping and discounts are in one alone."""


DISCOUNTED = 3
"""Records whose value is a hundredth of their prices: fewer may have had a coupon."""


@finding(
    "warning",
    what="There is a value, but no currency.",
    cost="One means nothing without the other: it goes without money, and value-based bidding learns nothing.",
    change="Map `currency`, or fill it in with a stream map: an ISO 4217 code.",
)
def value_without_currency(case: Case) -> Iterable[Spot]:
    is_alone = case.raw("value") is not None and case.raw("currency") is None
    return [Spot("currency")] if is_alone and not _is_completed(case) else []


def _is_completed(case: Case) -> bool:
    """Whether a default or a rule gives all networks the value that the record lacks."""
    postbacks = case.prepared.postbacks
    return bool(postbacks) and all(postback.facts.value is not None for postback in postbacks)


@finding(
    "warning",
    what="A purchase has no value.",
    cost="Its revenue is missing from reports, and value-based bidding learns nothing. Some networks refuse it.",
    change="Map `value` and `currency`; 0 for what was free.",
)
def purchase_without_value(case: Case) -> Iterable[Spot]:
    c = case.conversion
    is_purchase = c is not None and c.event_name == "purchase" and c.adjustment is None
    return [Spot("value")] if is_purchase and case.raw("value") is None and not _is_completed(case) else []


@finding(
    "warning",
    what="The value is below zero.",
    cost="It is left out. A refund that is sent as an event counts as a sale.",
    change="Leave refunds out, or map `adjustment` (`retract`, `restate`) where the network takes corrections.",
)
def negative_value(case: Case) -> Iterable[Spot]:
    value = _number(case.raw("value"))
    return [Spot("value")] if value is not None and value < 0 else []


@finding(
    "warning",
    what="Value and contents differ a hundredfold: one of them is in cents.",
    cost="Revenue is reported a hundred times too high or too low, and bidding follows it.",
    change="Divide the column by 100: both are in major units, 19.99.",
)
def value_in_cents(case: Case) -> Iterable[Spot]:
    c = case.conversion
    if c is None or not c.value or not c.contents:
        return []
    total = 0.0
    for item in c.contents:
        if item.price is None or item.quantity is None:
            return []
        total += item.price * item.quantity
    if total <= 0:
        return []
    ratio = c.value / total
    if CENTS[0] <= ratio <= CENTS[1]:
        return [Spot("value")]
    return [Spot("contents", least=DISCOUNTED)] if CENTS[0] <= 1 / ratio <= CENTS[1] else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
