"""Money at stake: by account and currency, and how it is told."""

from __future__ import annotations

import doctest

import pytest

from target_adpostbacks.core import money
from target_adpostbacks.core.money import Amount, Stake, stakes, told

NOW = "2026-11-20T12:05:00.000+00:00"
PAST = "2026-11-20T12:04:59.999+00:00"
SIX = "2026-11-20T18:00:00.000+00:00"
TEN_PAST_SIX = "2026-11-20T18:10:00.000+00:00"
TOMORROW = "2026-11-21T18:00:00.000+00:00"


def usd(value: float, deadline: str | None = TOMORROW) -> Amount:
    return Amount("reddit.default", "USD", deadline, value)


def sentences(*amounts: Amount) -> list[str]:
    return [told(stake, NOW) for stake in stakes(amounts, NOW)]


def test_what_is_open_is_told_with_what_is_lost_at_the_next_deadline() -> None:
    assert sentences(usd(3000, SIX), usd(9330), usd(100, SIX)) == [
        "12,430.00 USD open for reddit, 3,100.00 of it can't be sent after 18:00 UTC"
    ]


def test_deadlines_in_one_hour_are_told_together_with_the_first_of_them() -> None:
    assert sentences(usd(1, TEN_PAST_SIX), usd(2, SIX), usd(4)) == [
        "7.00 USD open for reddit, 3.00 of it can't be sent after 18:00 UTC"
    ]


def test_a_deadline_on_another_day_has_its_date() -> None:
    assert sentences(usd(5)) == ["5.00 USD open for reddit, 5.00 of it can't be sent after 2026-11-21 18:00 UTC"]


def test_what_is_too_old_already_is_told_as_lost() -> None:
    assert sentences(usd(5, PAST), usd(7, None)) == [
        "12.00 USD open for reddit, 5.00 of it can't be sent any more",
    ]
    assert stakes([usd(5, NOW)], NOW) == [Stake("reddit.default", "USD", 5, 0, 5, NOW)]


def test_currencies_and_accounts_are_never_added_up() -> None:
    amounts = [Amount(f"reddit.{name}", currency, None, 1) for name in ("b", "a") for currency in ("USD", "EUR")]
    assert sentences(*amounts, *amounts) == [
        "2.00 EUR open for reddit.a",
        "2.00 USD open for reddit.a",
        "2.00 EUR open for reddit.b",
        "2.00 USD open for reddit.b",
    ]


def test_nothing_open_is_nothing_to_tell() -> None:
    assert stakes([], NOW) == []


@pytest.mark.parametrize(
    ("value", "currency", "shown"),
    [
        (1234567.891, "USD", "1,234,567.89"),
        (1234.5, "JPY", "1,234"),
        (0.0125, "KWD", "0.013"),
        (-3, "EUR", "-3.00"),
        (1e15, "XAF", "1,000,000,000,000,000"),
    ],
)
def test_money_has_the_decimals_of_its_currency(value: float, currency: str, shown: str) -> None:
    assert money.money(value, currency) == shown


def test_the_examples_hold() -> None:
    failed, tried = doctest.testmod(money)
    assert (failed, tried) == (0, 2)
