"""Figures of a campaign, a network or a day: integers that add up exactly, and the ratios that come of their sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal, NamedTuple

from target_adpostbacks.core.performance.figures import MICROS

Source = Literal["ours", "network", "mixed"]
TOTAL = "total"
"""What stands for the network in a total."""
RATIO = Decimal("0.000001")
"""Ratios are told to the millionth, as money is."""


class Figures(NamedTuple):
    """Money and what a network may count in fractions are in millionths. None: nobody says."""

    spend: int | None = None
    impressions: int | None = None
    clicks: int | None = None
    conversions_ours: int | None = None
    conversions_delivered: int | None = None
    conversions_network: int | None = None  # millionths
    conversions_used: int | None = None  # millionths
    revenue_ours: int | None = None
    revenue_delivered: int | None = None
    revenue_network: int | None = None
    revenue_used: int | None = None


def added(figures: Iterable[Figures]) -> Figures:
    """Their sums, which leave out what nobody says, and are None where nobody does."""
    return Figures(*map(_sum, zip(*figures, strict=True)))


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


class Row(NamedTuple):
    """A line of the table; what its grouping does not have is None."""

    network: str | None
    account_id: str | None
    campaign_id: str | None  # None in a row by campaign: conversions that name none
    campaign_name: str | None
    day: str | None
    currency: str | None
    figures: Figures
    conversions_source: Source | None
    revenue_source: Source | None
    revenue_other: Mapping[str, int]  # in other currencies, millionths: in no ratio
    time_zone: str | None  # None: they differ
    provisional: bool  # networks still change some of its days
    spend_as_of: str | None

    def ratios(self) -> dict[str, Decimal | None]:
        """By their names: money in units of the currency, shares of one."""
        of = self.figures
        spend, used, revenue = _units(of.spend), _units(of.conversions_used), _units(of.revenue_used)
        return {
            "cpm": _ratio(spend, of.impressions, 1000),
            "cpc": _ratio(spend, of.clicks),
            "ctr": _ratio(of.clicks, of.impressions),
            "cpa": _ratio(spend, used),
            "ipm": _ratio(used, of.impressions, 1000),
            "cti": _ratio(used, of.clicks),
            "roas": _ratio(revenue, spend),
        }


def _units(micros: int | None) -> Decimal | None:
    return None if micros is None else Decimal(micros) / MICROS


def _ratio(part: Decimal | int | None, whole: Decimal | int | None, factor: int = 1) -> Decimal | None:
    return Decimal(part) * factor / Decimal(whole) if part is not None and whole else None


def rounded(number: Decimal, places: int) -> Decimal:
    """Half up, as people do.

    >>> rounded(Decimal("0.125"), 2)
    Decimal('0.13')
    """
    return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


NAMES = (
    *("network", "account_id", "campaign_id", "campaign_name", "day", "currency", "spend", "impressions", "cpm"),
    *("clicks", "cpc", "ctr", "conversions_ours", "conversions_delivered", "conversions_network"),
    *("conversions_used", "conversions_source", "cpa", "ipm", "cti", "revenue_ours", "revenue_delivered"),
    *("revenue_network", "revenue_used", "revenue_source", "revenue_other", "roas", "time_zone", "provisional"),
    "spend_as_of",
)
"""Of a row's members in JSON and CSV."""
COUNTS = ("impressions", "clicks", "conversions_ours", "conversions_delivered")


def plain(row: Row) -> dict[str, Any]:
    """A row as JSON and CSV have it, figures as numbers."""
    figures = {name: _number(value, exact=name in COUNTS) for name, value in row.figures._asdict().items()}
    ratios = {
        name: None if ratio is None else _shortest(rounded(ratio, -int(RATIO.as_tuple().exponent)))
        for name, ratio in row.ratios().items()
    }
    other = {currency: _number(value) for currency, value in sorted(row.revenue_other.items())} or None
    members = {**row._asdict(), **figures, **ratios, "revenue_other": other}
    return {name: members[name] for name in NAMES}


def row_of(members: Mapping[str, Any]) -> Row:
    """The row that ``plain`` has written so."""
    figures = {name: _counted(members[name], 1 if name in COUNTS else MICROS) for name in Figures._fields}
    other = {currency: _counted(value, MICROS) or 0 for currency, value in (members["revenue_other"] or {}).items()}
    told = {name: members[name] for name in Row._fields if name not in ("figures", "revenue_other")}
    return Row(**told, figures=Figures(**figures), revenue_other=other)


def _counted(number: int | float | None, factor: int) -> int | None:
    return None if number is None else int((Decimal(str(number)) * factor).to_integral_value(ROUND_HALF_UP))


def _number(value: int | None, *, exact: bool = False) -> int | float | None:
    return value if value is None or exact else _shortest(Decimal(value) / MICROS)


def _shortest(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)
