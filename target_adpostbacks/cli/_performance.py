"""What ``adpostbacks performance`` and the report say of spend: the question, the notes, and cells as text."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

import click

from target_adpostbacks.cli import _configs, _days, _options
from target_adpostbacks.cli._output import printable
from target_adpostbacks.config import General
from target_adpostbacks.config.performance import counting as counting_of
from target_adpostbacks.core.health import shown
from target_adpostbacks.core.money import decimals
from target_adpostbacks.core.performance.counting import Counting, Window
from target_adpostbacks.core.performance.figures import MICROS
from target_adpostbacks.core.performance.rows import TOTAL, Row, Source, rounded
from target_adpostbacks.core.performance.table import PROVISIONAL, Asked, Grouping, Table, table
from target_adpostbacks.ledger import LedgerReader
from target_adpostbacks.networks import NETWORKS

BY_ACCOUNT = tuple(name for name, network in NETWORKS.items() if network.accounts_are_networks)
STALE = timedelta(hours=48)
NOTHING = "–"
NO_CAMPAIGN = "(no campaign)"


class Answer(NamedTuple):
    """The table, and what has to be said about it: a sentence or two each."""

    rows: Sequence[Row] = ()
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()


def asked_days(since: str, until: str) -> tuple[General, Counting, Window, datetime]:
    """What the config of a command says, the days that it is asked for, and now."""
    configured = _configs.of_context()
    general = configured.general if configured else General()
    counting, now = counting_of(general.report), datetime.now(timezone.utc)
    return general, counting, _days.window(since, until, counting.window_days, now.astimezone(general.zone)), now


def asked_network(ledger: LedgerReader, text: str) -> str:
    """A network by any of its names: ours, an account's that is one, or one of which there are statistics."""
    if name := _options.network_named(text):
        return name
    known = sorted({*NETWORKS, *ledger.networks_with_deliveries(BY_ACCOUNT), *ledger.networks_with_statistics()})
    for name in known:
        if name.lower() == text.strip().lower():
            return name
    raise click.BadParameter(
        f"{text!r} is not known; known: {', '.join(map(printable, known))}", param_hint="--network"
    )


def answer(
    ledger: LedgerReader,
    general: General,
    counting: Counting,
    window: Window,
    now: datetime,
    *,
    by: Grouping = "campaign",
    network: str = "",
) -> Answer:
    """Spend beside conversions on these days. ``network``: of this one alone."""
    (made,) = answers(ledger, general, counting, window, now, [by], network)
    return made


def answers(
    ledger: LedgerReader,
    general: General,
    counting: Counting,
    window: Window,
    now: datetime,
    groupings: Sequence[Grouping],
    network: str = "",
) -> list[Answer]:
    """The same in each of these groupings."""
    days = general.details_days
    asked = Asked(
        counting,
        window,
        now.astimezone(general.zone).date(),
        "campaign",
        general.default_timezone,
        [*general.performance],
        ledger.networks_with_deliveries(BY_ACCOUNT),
        _days.forgotten(days, window, now),
    )
    spend, own = ledger.spend(window, network), ledger.own(counting, window, BY_ACCOUNT, network)
    made = []
    for by in groupings:
        question = asked._replace(by=by)
        of_table = table(spend, own, question)
        notes, warnings = _notes(of_table, question), _warnings(of_table, question, days, now)
        made.append(Answer(of_table.rows, [*notes], [*warnings]))
    return made


def _notes(made: Table, asked: Asked) -> Iterator[str]:
    """What a reader has to know."""
    if made.as_of:
        yield f"Spend as of {shown(max(made.as_of.values()))}."
    if made.zones:
        yield f"Days are those of {_zones(made.zones)}."
    if any(row.provisional for row in made.rows):
        yield f"Days after {(asked.today - PROVISIONAL).isoformat()} are provisional: networks still change them."
    lines = [row for row in made.rows if row.network != TOTAL]
    if any({row.conversions_source, row.revenue_source} & {"network", "mixed"} for row in lines):
        yield (
            "Where we counted nothing, the network's number is used, marked (network). It counts what the network takes"
            " for a conversion."
        )
    if asked.by == "campaign" and _may_count_twice(lines):
        yield (
            f"What is {NO_CAMPAIGN} may be among what its network reports for campaigns that are marked, and counts"
            " twice there."
        )
    if any(row.revenue_other for row in lines):
        yield "Revenue in other currencies than the spend's stands beside, and is in no ratio."
    if made.without_click_time:
        yield f"Conversions without a click_time, {made.without_click_time:,}, count on the day of the event."


def _may_count_twice(lines: Sequence[Row]) -> bool:
    without = {row.network for row in lines if row.campaign_id is None and row.figures.conversions_ours}
    return any(row.network in without and row.conversions_source == "network" for row in lines)


def _zones(zones: Mapping[str, Collection[str]]) -> str:
    """``"America/Los_Angeles (tiktok), UTC, which nobody said (reddit)"``."""
    networks: dict[str, list[str]] = {}
    for network, names in zones.items():
        for name in sorted(names):
            networks.setdefault(name or "UTC, assumed", []).append(network)
    return ", ".join(f"{name} ({', '.join(sorted(each))})" for name, each in sorted(networks.items()))


def _warnings(made: Table, asked: Asked, days: int, now: datetime) -> Iterator[str]:
    """What is wrong, or soon will be."""
    before = (now - STALE).isoformat(timespec="milliseconds")
    for network, as_of in sorted(made.as_of.items()):
        if as_of < before:
            yield f"Spend of {network} is as of {shown(as_of)}, more than 48 hours ago: run its tap again."
    yield from told_twice(made.lost)
    if asked.forgotten:
        yield (
            f"The ledger keeps details for {days} days: until {asked.forgotten} it may know none of our conversions,"
            " and they are left out there."
        )


def told_twice(lost: Mapping[str, str]) -> Iterator[str]:
    """What is said of streams that tell of the same days. ``lost``: as in ``counted_once``."""
    for stream, other in sorted(lost.items()):
        yield (
            f"Stream {stream} says what stream {other} says too, and does not count there: leave one of them out of"
            " `performance`."
        )


class Cells(NamedTuple):
    """A row as text."""

    names: tuple[str, ...]
    spend: str
    conversions: tuple[str, str, str]  # ours / delivered / network's, used, CPA
    ipm: str
    impressions: str
    cpm: str
    clicks: str
    cpc: str
    ctr: str
    cti: str
    revenue: tuple[str, str, str]  # ours / delivered / network's, used, ROAS


def cells(row: Row, by: Grouping) -> Cells:
    """A row as people read it."""
    of, ratios, places = row.figures, row.ratios(), decimals(row.currency or "")

    def amount(micros: int | None) -> str:
        return decimal(None if micros is None else Decimal(micros) / MICROS, places)

    def ratio(name: str, least: int = 2) -> str:
        return decimal(ratios[name], max(least, places))

    def share(name: str) -> str:
        value = ratios[name]
        return NOTHING if value is None else f"{decimal(value * 100, 2)} %"

    network = None if of.conversions_network is None else Decimal(of.conversions_network) / MICROS
    used = None if of.conversions_used is None else Decimal(of.conversions_used) / MICROS
    others = sorted(row.revenue_other.items())
    other = "".join(f" + {decimal(Decimal(value) / MICROS, decimals(name))} {name}" for name, value in others)
    return Cells(
        names=_names(row, by),
        spend=amount(of.spend),
        conversions=(
            " / ".join((count(of.conversions_ours), count(of.conversions_delivered), count(network))),
            count(used) + mark(row.conversions_source),
            ratio("cpa"),
        ),
        ipm=decimal(ratios["ipm"], 2),
        impressions=count(of.impressions),
        cpm=ratio("cpm"),
        clicks=count(of.clicks),
        cpc=ratio("cpc"),
        ctr=share("ctr"),
        cti=share("cti"),
        revenue=(
            " / ".join(map(amount, (of.revenue_ours, of.revenue_delivered, of.revenue_network))) + other,
            amount(of.revenue_used) + mark(row.revenue_source),
            decimal(ratios["roas"], 2),
        ),
    )


def _names(row: Row, by: Grouping) -> tuple[str, ...]:
    """What the row is of, and its currency."""
    if row.network == TOTAL:
        return (TOTAL, *([""] if by == "campaign" else []), row.currency or NOTHING)
    if by == "campaign":
        campaign = row.campaign_name or row.campaign_id or NO_CAMPAIGN
        return (row.network or "", campaign, row.currency or NOTHING)
    return ((row.day if by == "day" else row.network) or "", row.currency or NOTHING)


def heads(counting: Counting, by: Grouping) -> Cells:
    """The headings."""
    installs = tuple(counting.conversions) == ("install",)
    names = {"campaign": ("Network", "Campaign"), "network": ("Network",), "day": ("Day",)}[by]
    return Cells(
        names=(*names, "Currency"),
        spend="Spend",
        conversions=("ours / delivered / network", *(("Installs", "CPI") if installs else ("Conversions", "CPA"))),
        ipm="IPM",
        impressions="Impressions",
        cpm="CPM",
        clicks="Clicks",
        cpc="CPC",
        ctr="CTR",
        cti="CTI",
        revenue=("ours / delivered / network", "Revenue", "ROAS"),
    )


def count(number: int | Decimal | None) -> str:
    """``'1,204'``, ``'0.5'``."""
    if number is None:
        return NOTHING
    whole = int(number)
    return f"{whole:,}" if whole == number else f"{rounded(Decimal(number), 2):,}"


def decimal(number: Decimal | None, places: int) -> str:
    """``'1,204.50'``."""
    return NOTHING if number is None else f"{rounded(number, places):,}"


def mark(source: Source | None) -> str:
    """What stands behind a number that is not ours alone."""
    return f" ({source})" if source in ("network", "mixed") else ""
