"""Spend beside conversions: what networks say of days and campaigns, joined with what we counted ourselves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple

from target_adpostbacks.core.performance.counting import Counting, Own, Spend, Window
from target_adpostbacks.core.performance.days import day_of_quarter
from target_adpostbacks.core.performance.figures import MICROS
from target_adpostbacks.core.performance.overlaps import Zones, counted_once
from target_adpostbacks.core.performance.rows import TOTAL, Figures, Row, Source, added

Grouping = Literal["campaign", "network", "day"]
PROVISIONAL = timedelta(days=28)
"""Networks change what they say of younger days: Meta freezes it after 28 days."""

Campaign = tuple[str, str]
"""A network and a campaign's id; without one, those of its conversions that name none."""
Line = tuple[str, str, str | None]
"""A campaign and a currency."""


class Asked(NamedTuple):
    """What a table is to say."""

    counting: Counting
    window: Window
    today: date
    by: Grouping = "campaign"
    default_zone: str = "UTC"
    streams: Sequence[str] = ()  # of two that say the same, the first one counts
    known: Collection[str] = ()  # networks that the ledger has deliveries for
    forgotten: str = ""  # the last day of which the ledger may know no conversions any more


class Table(NamedTuple):
    """The lines, with a total of each currency behind its own; and what has to be said about them."""

    rows: Sequence[Row] = ()
    lost: Mapping[str, str] = {}  # streams that say what another does already → that one
    zones: Mapping[str, Collection[str]] = {}  # network → the zones of its days; an empty one is assumed
    as_of: Mapping[str, str] = {}  # network → when its newest row was read
    without_click_time: int = 0


def table(spend: Sequence[Spend], own: Iterable[Own], asked: Asked) -> Table:
    """Spend and conversions of each campaign, network or day."""
    chosen, lost = counted_once(spend, asked.streams)
    joined = _Joined(chosen, asked)
    for each in own:
        joined.add_own(each)
    return Table(joined.rows(), lost, joined.zones, joined.as_of, joined.without_click_time)


class _Joined:
    """Spend and conversions by campaign, currency and day."""

    def __init__(self, spend: Collection[Spend], asked: Asked) -> None:
        self._asked = asked
        self._cells: dict[Line, dict[str, list[Figures]]] = defaultdict(lambda: defaultdict(list))
        self._other: dict[tuple[Line, str], Counter[str]] = defaultdict(Counter)
        self._newest: dict[Campaign, Spend] = {}
        self._names: dict[Campaign, Spend] = {}
        self._newest_of: dict[str, Spend] = {}  # by network
        self._as_of: dict[Line, str] = {}
        self._own_zones: dict[Line, set[str]] = defaultdict(set)
        self.zones: dict[str, set[str]] = defaultdict(set)
        self.as_of: dict[str, str] = {}
        self.without_click_time = 0
        self._own: dict[tuple[Campaign, str, str, str | None], list[int]] = {}  # campaign, day, event, currency
        self._known = {*asked.known}
        self._zones = Zones(spend, asked.default_zone)
        for each in sorted(spend, key=lambda each: each.seq):
            self._add_spend(each)

    def _add_spend(self, each: Spend) -> None:
        campaign = (each.network, each.campaign_id)
        line = (*campaign, each.currency)
        self._newest[campaign] = self._newest_of[each.network] = each
        if each.campaign_name:
            self._names[campaign] = each
        self.zones[each.network].add(each.time_zone)
        self._own_zones[line].add(each.time_zone)
        self.as_of[each.network] = max(each.extracted_at, self.as_of.get(each.network, ""))
        self._as_of[line] = max(each.extracted_at, self._as_of.get(line, ""))
        figures = Figures(
            spend=each.spend,
            impressions=each.impressions,
            clicks=each.clicks,
            conversions_network=each.conversions,
            revenue_network=each.value,
        )
        self._cells[line][each.day].append(figures)

    def add_own(self, own: Own) -> None:
        """Conversions of ours, on the day that the ad account's zone has then."""
        self._known.add(own.network)
        campaign = (own.network, own.campaign_id)
        day = day_of_quarter(own.hour, own.quarter, self._zones.of(*campaign))
        if not self._asked.window.has(day) or day <= self._asked.forgotten:
            return
        self.without_click_time += own.without_click_time
        sums = self._own.setdefault((campaign, day, own.event, own.currency), [0, 0, 0, 0])
        for number, more in enumerate((own.conversions, own.delivered, own.value, own.value_delivered)):
            sums[number] += more

    def _currency(self, campaign: Campaign, otherwise: Mapping[str, str]) -> str | None:
        """The campaign's, as its newest row says; else the network's; else the one that most of its revenue is in."""
        newest = self._newest.get(campaign) or self._newest_of.get(campaign[0])
        return newest.currency if newest else otherwise.get(campaign[0])

    def _settle_own(self) -> None:
        """Give conversions their currencies, once all are known."""
        counting = self._asked.counting
        otherwise = self._currencies_of_revenue()
        for (campaign, day, event, own_currency), sums in self._own.items():
            currency = self._currency(campaign, otherwise)
            line = (*campaign, currency)
            self._own_zones[line].add(self._zones.of(*campaign))
            conversions, delivered, value, value_delivered = sums
            counts, earns = event in counting.conversions, event in counting.revenue
            is_same = earns and own_currency == currency
            if earns and own_currency and not is_same and value:
                self._other[line, day][own_currency] += value
            self._cells[line][day].append(
                Figures(
                    conversions_ours=conversions if counts else None,
                    conversions_delivered=delivered if counts else None,
                    revenue_ours=value if is_same else None,
                    revenue_delivered=value_delivered if is_same else None,
                )
            )

    def _currencies_of_revenue(self) -> dict[str, str]:
        """Each network's most frequent one."""
        counts: Counter[tuple[str, str]] = Counter()
        for ((network, _), _, event, currency), sums in self._own.items():
            if event in self._asked.counting.revenue and currency:
                counts[network, currency] += sums[0]
        least_first = sorted(counts.items(), key=lambda item: (item[1], item[0]))
        return {network: currency for (network, currency), _ in least_first}

    def rows(self) -> list[Row]:
        """The lines of the table, each currency's with its total."""
        self._settle_own()
        parts = [part for line in self._parts() for part in line]
        by_currency: dict[str | None, list[_Part]] = defaultdict(list)
        for part in parts:
            by_currency[part.line[2]].append(part)
        rows = []
        for currency in sorted(by_currency, key=lambda each: (-len(by_currency[each]), each or "")):
            of_currency = by_currency[currency]
            groups: dict[tuple[str | None, ...], list[_Part]] = defaultdict(list)
            for part in of_currency:
                groups[self._key(part)].append(part)
            rows += sorted((self._row(group) for group in groups.values()), key=self._order)
            rows.append(self._row(of_currency, is_total=True))
        return rows

    def _parts(self) -> Iterable[list[_Part]]:
        """Of each campaign and currency its days, with what is used: decided for the whole window."""
        ours_of: Counter[Campaign] = Counter()
        wholes = {}
        for line, days in self._cells.items():
            wholes[line] = added(figures for day in days.values() for figures in day)
            ours_of[line[:2]] += wholes[line].conversions_ours or 0
        for line, days in self._cells.items():
            whole, is_known = wholes[line], line[0] in self._known
            conversions = _source(ours_of[line[:2]], whole.conversions_network, is_known=is_known)
            revenue = _source(whole.revenue_ours or 0, whole.revenue_network, is_known=is_known)
            yield [
                _Part(line, day, self._used(added(days[day]), day, conversions, revenue), conversions, revenue)
                for day in days
            ]

    def _used(self, of: Figures, day: str, conversions: Source | None, revenue: Source | None) -> Figures:
        """A day's figures, with what is used of them. What nobody counted is none, where the ledger still knows."""
        if day > self._asked.forgotten:
            of = of._replace(
                conversions_ours=of.conversions_ours or 0,
                conversions_delivered=of.conversions_delivered or 0,
                revenue_ours=of.revenue_ours or 0,
                revenue_delivered=of.revenue_delivered or 0,
            )
        ours = None if of.conversions_ours is None else of.conversions_ours * MICROS
        return of._replace(
            conversions_used=_chosen(conversions, ours, of.conversions_network),
            revenue_used=_chosen(revenue, of.revenue_ours, of.revenue_network),
        )

    def _key(self, part: _Part) -> tuple[str | None, ...]:
        match self._asked.by:
            case "network":
                return (part.line[0],)
            case "day":
                return (part.day,)
        return part.line

    def _order(self, row: Row) -> tuple[object, ...]:
        spend = row.figures.spend
        least_first = (spend is None, -(spend or 0), row.network or "", row.campaign_id or "")
        return (row.day,) if self._asked.by == "day" else least_first

    def _row(self, parts: Sequence[_Part], *, is_total: bool = False) -> Row:
        network, campaign_id, currency = parts[0].line
        by = "total" if is_total else self._asked.by
        campaign = (network, campaign_id) if by == "campaign" else ("", "")
        newest, named = self._newest.get(campaign), self._names.get(campaign)
        lines = {part.line for part in parts}
        zones = {zone for line in lines for zone in self._own_zones[line]}
        other: Counter[str] = Counter()
        for line, day in {(part.line, part.day) for part in parts}:
            other.update(self._other.get((line, day), {}))
        last = max(part.day for part in parts)
        return Row(
            network=TOTAL if is_total else None if by == "day" else network,
            account_id=newest.account_id or None if newest else None,
            campaign_id=(campaign_id or None) if by == "campaign" else None,
            campaign_name=named.campaign_name if named else None,
            day=last if by == "day" else None,
            currency=currency,
            figures=added(part.figures for part in parts),
            conversions_source=_together(
                part.conversions for part in parts if part.figures.conversions_used is not None
            ),
            revenue_source=_together(part.revenue for part in parts if part.figures.revenue_used is not None),
            revenue_other=other,
            time_zone=(next(iter(zones)) or "UTC") if len(zones) == 1 else None,
            provisional=last > (self._asked.today - PROVISIONAL).isoformat(),
            spend_as_of=max((self._as_of[line] for line in lines if line in self._as_of), default=None),
        )


class _Part(NamedTuple):
    """A day of a campaign in one currency."""

    line: Line
    day: str
    figures: Figures
    conversions: Source | None  # whose are used
    revenue: Source | None


def _source(ours: int, network: int | None, *, is_known: bool) -> Source | None:
    """Whose number is used: ours, where it is something; else the network's; None where nobody has one."""
    if ours > 0:
        return "ours"
    return "network" if network is not None else "ours" if is_known else None


def _chosen(source: Source | None, ours: int | None, network: int | None) -> int | None:
    return ours if source == "ours" else network if source == "network" else None


def _together(sources: Iterable[Source | None]) -> Source | None:
    different = {source for source in sources if source}
    return different.pop() if len(different) == 1 else "mixed" if different else None
