"""Why a network shows another number of conversions than we recorded: each day's difference, in counts that add up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

import msgspec

from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.performance.counting import Counting, Window
from target_adpostbacks.core.performance.days import day_of_quarter, zone
from target_adpostbacks.core.performance.figures import MICROS
from target_adpostbacks.core.performance.overlaps import Told, Zones
from target_adpostbacks.core.times import moment

OPEN_DAYS = 28
"""While a day is younger, networks may still change its numbers."""


class Ours(NamedTuple):
    """Conversions that the ledger has and that are alike, of the same quarter of an hour."""

    network: str  # empty: it was for nobody
    campaign_id: str
    event: str
    hour: str  # in UTC: "2026-11-01T20"
    quarter: int
    status: str
    why: str  # the reason of what was not sent or is open, the code of what was rejected
    conversions: int
    sent: int  # those that were in a request
    without_click_id: int  # accepted without one


class Theirs(Told, Protocol):
    """A row of ad statistics."""

    @property
    def conversions(self) -> int | None:
        """In millionths."""

    @property
    def extracted_at(self) -> str:
        """When the tap read it."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A network, an event and a day. ``difference`` is ``not_sent`` + ``rejected`` + ``open`` + ``unexplained``."""

    network: str
    event: str  # where the network reports: all that its number stands for, ``install+sign_up``
    day: str
    time_zone: str | None  # None: those of several accounts
    recorded: int
    sent: int
    accepted: int
    reported: int | float | None
    difference: int | float | None
    not_sent: Mapping[str, int]
    rejected: Mapping[str, int]
    open: Mapping[str, int]
    unexplained: int | float | None
    hints: Mapping[str, int | None]


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """A network and an event over all days of which the network reports a number: what their rows say, added up."""

    network: str
    event: str
    days: int
    recorded: int
    sent: int
    accepted: int
    reported: int | float
    difference: int | float
    not_sent: Mapping[str, int]
    rejected: Mapping[str, int]
    open: Mapping[str, int]
    unexplained: int | float
    hints: Mapping[str, int | None]


class _Day:
    """What is known of one row until all of it is."""

    def __init__(self) -> None:
        self.sent = self.accepted = self.without_click_id = 0
        self.by_status: dict[str, Counter[str]] = defaultdict(Counter)
        self.zones: set[str] = set()
        self.reported: int | None = None
        self.extracted_at = ""

    def add_ours(self, ours: Ours, zone_name: str) -> None:
        self.zones.add(zone_name)
        self.by_status[ours.status][ours.why] += ours.conversions
        self.sent += ours.sent
        self.without_click_id += ours.without_click_id

    def add_theirs(self, theirs: Theirs) -> None:
        self.zones.add(theirs.time_zone if zone(theirs.time_zone) else "")
        if theirs.conversions is not None:
            self.reported = (self.reported or 0) + theirs.conversions
        self.extracted_at = max(self.extracted_at, theirs.extracted_at)


def reconciled(
    ours: Iterable[Ours],
    theirs: Sequence[Theirs],
    counting: Counting,
    window: Window,
    otherwise: str,
    now: datetime,
    event: str = "",
) -> list[Row]:
    """The rows of these days, by network, day and event; what was for nobody comes last, with an empty network.

    ``theirs``: without days that two streams tell of; ``otherwise``: the zone of days of which no row says one;
    ``event``: rows of this one alone, by its canonical name.
    """
    zones = Zones(theirs, otherwise)
    together = "+".join(counting.conversions)
    days: dict[tuple[str, str, str], _Day] = defaultdict(_Day)
    for each in ours:
        zone_name = zones.of(each.network, each.campaign_id) if each.network else otherwise
        day = day_of_quarter(each.hour, each.quarter, zone_name)
        name = together if each.network and each.event in counting.conversions else each.event
        if window.has(day) and _is_asked(each.event, name, event, counting):
            days[each.network, day, name].add_ours(each, zone_name)
    if not event or event in counting.conversions:
        for row in theirs:
            known = row.network, row.day, together
            if window.has(row.day) and (row.conversions is not None or known in days):
                days[known].add_theirs(row)
    in_order = sorted(days.items(), key=lambda item: (not item[0][0], *item[0]))
    return [_row(*key, day, now) for key, day in in_order]


def _is_asked(event: str, name: str, asked: str, counting: Counting) -> bool:
    return not asked or event == asked or (name != event and asked in counting.conversions)


def _row(network: str, day_name: str, event: str, day: _Day, now: datetime) -> Row:
    counts = {status: Counter(whys) for status, whys in day.by_status.items()}
    accepted = counts.get("accepted", Counter()).total()
    recorded = sum(whys.total() for whys in counts.values())
    reported = None if day.reported is None else Fraction(day.reported, MICROS)
    zone_name = next(iter(day.zones)) if len(day.zones) == 1 else None
    unexplained = None if reported is None else accepted - reported
    return Row(
        network=network,
        event=event,
        day=day_name,
        time_zone="UTC" if zone_name == "" else zone_name,
        recorded=recorded,
        sent=day.sent,
        accepted=accepted,
        reported=None if reported is None else _number(reported),
        difference=None if reported is None else _number(recorded - reported),
        not_sent=_sorted(counts.get("skipped", {})),
        rejected=_sorted(counts.get("rejected", {})),
        open=_sorted(counts.get("open", {})),
        unexplained=None if unexplained is None else _number(unexplained),
        hints=dict(_hints(day, day_name, zone_name or "", unexplained, now)) if unexplained else {},
    )


def _hints(
    day: _Day, day_name: str, zone_name: str, unexplained: Fraction, now: datetime
) -> Iterator[tuple[str, int | None]]:
    """What may lie behind conversions that nobody explains; a number where the ledger has one."""
    if unexplained < 0:
        yield "network_counts_more", None
    elif day.without_click_id:
        yield "no_click_id", day.without_click_id
    begun = date.fromisoformat(day_name)
    in_zone = zone(zone_name) or timezone.utc
    ended = datetime.combine(begun + timedelta(days=1), time(), in_zone)
    is_young = (now.astimezone(in_zone).date() - begun).days < OPEN_DAYS
    if is_young or _instant(day.extracted_at, ended) < ended:
        yield "day_open", None


def _instant(text: str, otherwise: datetime) -> datetime:
    """When statistics were read; ``otherwise`` where their tap says it in no form of ours."""
    try:
        return moment("extracted_at", text) or otherwise
    except InvalidConversion:
        return otherwise


def _number(exact: Fraction) -> int | float:
    return int(exact) if exact.denominator == 1 else round(float(exact), 6)


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def summed(rows: Iterable[Row]) -> list[Sum]:
    """The rows that have a network's number, added up over their days, by network and event."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.reported is not None:
            groups[row.network, row.event].append(row)
    return [_sum(*key, groups[key]) for key in sorted(groups)]


def _sum(network: str, event: str, rows: Sequence[Row]) -> Sum:
    recorded, sent, accepted = (sum(getattr(row, name) for row in rows) for name in ("recorded", "sent", "accepted"))
    reported = sum((Fraction(str(row.reported)) for row in rows), Fraction())
    unexplained = accepted - reported
    told = [row.hints for row in rows]
    hints: dict[str, int | None] = {}
    if unexplained < 0:
        hints["network_counts_more"] = None
    elif without := sum(each.get("no_click_id") or 0 for each in told):
        hints["no_click_id"] = without
    if are_open := sum("day_open" in each for each in told):
        hints["days_open"] = are_open
    return Sum(
        network=network,
        event=event,
        days=len(rows),
        recorded=recorded,
        sent=sent,
        accepted=accepted,
        reported=_number(reported),
        difference=_number(recorded - reported),
        not_sent=_added(row.not_sent for row in rows),
        rejected=_added(row.rejected for row in rows),
        open=_added(row.open for row in rows),
        unexplained=_number(unexplained),
        hints=hints if unexplained else {},
    )


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for each in counts:
        total.update(each)
    return _sorted(total)


def as_row(row: Row | Sum) -> dict[str, Any]:
    """The row as JSON and CSV have it."""
    return msgspec.structs.asdict(row)
