"""Money that is at stake: what is open, and what of it can't be sent after a deadline. By currency, never added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

WITHOUT_DECIMALS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
THREE_DECIMALS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
"""ISO 4217, as of 2025. All other currencies have two."""
TO_THE_HOUR = 13
"""How much of a time names its hour: ``2026-11-20T18``."""
TO_THE_MINUTE = 16
"""How much names its minute, so that a run keeps few amounts and counts none as lost that is not."""


class Amount(NamedTuple):
    """The value of open conversions of one account whose deadlines are near one another, in one hour at most."""

    account: str  # "tiktok.default"
    currency: str
    deadline: str | None  # the first one, as the ledger writes it; None: it is not known
    value: float


class Stake(NamedTuple):
    """The open value of one account in one currency."""

    account: str
    currency: str
    value: float
    lost: float = 0  # what of it can't be sent any more
    next: float = 0  # what of it is lost at the next deadline, or in the same hour
    deadline: str | None = None  # when the first of that is lost


def stakes(amounts: Iterable[Amount], now: str) -> list[Stake]:
    """What is at stake, by account and currency, in the order of their names. ``now``: as the ledger writes it."""
    by_name: dict[tuple[str, str], Stake] = {}
    for amount in amounts:
        name = (amount.account, amount.currency)
        by_name[name] = _with(by_name.get(name, Stake(*name, 0)), amount, now)
    return [by_name[name] for name in sorted(by_name)]


def _with(stake: Stake, amount: Amount, now: str) -> Stake:
    stake = stake._replace(value=stake.value + amount.value)
    if amount.deadline is None:
        return stake
    if amount.deadline < now:
        return stake._replace(lost=stake.lost + amount.value)
    hour, first = amount.deadline[:TO_THE_HOUR], (stake.deadline or "9")[:TO_THE_HOUR]
    if hour > first:
        return stake
    if hour < first:
        return stake._replace(next=amount.value, deadline=amount.deadline)
    return stake._replace(next=stake.next + amount.value, deadline=min(amount.deadline, stake.deadline or "9"))


def told(stake: Stake, now: str, account: str = "") -> str:
    """``12,430.00 USD open for reddit, 3,100.00 of it can't be sent after 18:00 UTC``. ``account``: another name."""
    return ", ".join(_parts(stake, now, account or stake.account.removesuffix(".default")))


def _parts(stake: Stake, now: str, account: str) -> Iterator[str]:
    yield f"{money(stake.value, stake.currency)} {stake.currency} open for {account}"
    if stake.lost:
        yield f"{money(stake.lost, stake.currency)} of it can't be sent any more"
    if stake.next and stake.deadline:
        day = "" if stake.deadline[:10] == now[:10] else f"{stake.deadline[:10]} "
        yield f"{money(stake.next, stake.currency)} of it can't be sent after {day}{stake.deadline[11:16]} UTC"


def money(value: float, currency: str) -> str:
    """``12,430.00`` with as many decimals as the currency has.

    >>> money(12430, "USD"), money(12430.4, "JPY"), money(1.5, "KWD")
    ('12,430.00', '12,430', '1.500')
    """
    return f"{value:,.{decimals(currency)}f}"


def decimals(currency: str) -> int:
    """How many a currency has."""
    return 0 if currency in WITHOUT_DECIMALS else 3 if currency in THREE_DECIMALS else 2


def in_major(amount: float | None, currency: str | None, digits: Mapping[str, int] | None = None) -> float | None:
    """An amount in minor units as one in major units; ``digits``: of currencies that have others here.

    None without a currency: nobody knows how many minor units it has.

    >>> in_major(1999, "EUR"), in_major(500, "JPY"), in_major(1999, "ISK", {"ISK": 2})
    (19.99, 500, 19.99)
    """
    if amount is None or currency is None:
        return None
    places = (digits or {}).get(currency, decimals(currency))
    major = Decimal(str(amount)).scaleb(-places)
    return int(major) if major == major.to_integral_value() else float(major)
