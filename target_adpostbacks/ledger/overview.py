"""What the ledger says of a period, added up: outcomes, money, events, reasons, match keys, requests.

The database adds up, so memory stays flat. Where names come from records, only the most frequent groups are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from target_adpostbacks.core.postback import receiver_of_trial
from target_adpostbacks.ledger import composed
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.health import not_shadowed
from target_adpostbacks.ledger.tables import ATTEMPTS, DELIVERIES

DAY = "day_number"
"""The name of what is grouped by: PostgreSQL does not see that two expressions with values are one."""
MOST_GROUPS = 500
"""Of events, reasons, match keys and ad groups."""


class Outcome(NamedTuple):
    """What happened on one day and is alike in account, status and currency. ``value``: without corrections."""

    day: int  # 0 is the period's first; as many as it has: later than its end
    network: str
    account: str
    is_trial: bool
    status: str
    currency: str | None
    conversions: int
    value: float | None


class Event(NamedTuple):
    """How an event fared with a network."""

    network: str
    event: str
    accepted: int
    rejected: int
    open: int
    skipped: int


class Why(NamedTuple):
    """Why conversions were not accepted, and the newest of them."""

    network: str
    status: str
    reason: str
    code: str
    currency: str | None
    conversions: int
    value: float | None
    message: str = ""
    http_status: int | None = None


class Matched(NamedTuple):
    """With which match keys conversions were sent: names with commas between them."""

    network: str
    match_keys: str
    conversions: int


class Learned(NamedTuple):
    """What a network accepted on one day, by the name that it knows the event by. ``ad_group``: None: of all."""

    day: int
    network: str
    asset: str
    ad_group: str | None
    network_event: str
    conversions: int


class Requests(NamedTuple):
    """Requests that took as long as each other."""

    network: str
    status: str  # Success, Failed, Retried
    latency_ms: int
    requests: int


class Overview(NamedTuple):
    """A period of the ledger. Tests are nowhere in it, a trial only where the same conversion is not live."""

    outcomes: Sequence[Outcome] = ()
    events: Sequence[Event] = ()
    reasons: Sequence[Why] = ()
    match_keys: Sequence[Matched] = ()
    requests: Sequence[Requests] = ()


def overview(database: Database, starts: Sequence[str], end: str) -> Overview:
    """Of conversions that happened from the first of ``starts`` on; where that is not known, that were written then.

    ``starts``: when each day begins, as the ledger writes it; ``end``: when the last one ends.
    """
    table, counted, day = _counted(database, starts, end)
    return Overview(
        _outcomes(database, table, counted, day),
        _events(database, table, counted),
        _reasons(database, table, counted),
        _match_keys(database, table, counted),
        _requests(database, starts[0]),
    )


def learned(database: Database, networks: Iterable[str], starts: Sequence[str], end: str) -> list[Learned]:
    """What these networks accepted for each of their assets, and for those ad groups that have most."""
    table, counted, day = _counted(database, starts, end)
    is_learned = sa.and_(
        counted, table.c.network.in_(sorted(networks)), table.c.status == "accepted", table.c.adjustment == ""
    )
    asset = (table.c.network, table.c.asset)
    query = sa.select(day, *asset, sa.null(), table.c.network_event, sa.func.count()).where(is_learned)
    rows = [*composed.read(database, query.group_by(sa.text(DAY), *asset, table.c.network_event))]
    ad_groups = (*asset, table.c.ad_group_id)
    is_known = sa.and_(is_learned, table.c.ad_group_id != "")
    if largest := composed.read(database, _largest(sa.select(*ad_groups).where(is_known), ad_groups)):
        is_large = table.c.ad_group_id.in_(sorted({row.ad_group_id for row in largest}))
        query = sa.select(day, *ad_groups, table.c.network_event, sa.func.count()).where(is_known, is_large)
        rows += composed.read(database, query.group_by(sa.text(DAY), *ad_groups, table.c.network_event))
    return [Learned(*row) for row in rows]


def _counted(
    database: Database, starts: Sequence[str], end: str
) -> tuple[sa.FromClause, sa.ColumnElement[bool], sa.ColumnElement[int]]:
    """The deliveries, which of them count, and the number of the day on which each happened."""
    table, counted, happened = counted_deliveries(database)
    return table, sa.and_(counted, happened >= starts[0]), _number(happened, [*starts, end]).label(DAY)


def counted_deliveries(
    database: Database,
) -> tuple[sa.FromClause, sa.ColumnElement[bool], sa.ColumnElement[str]]:
    """The deliveries, which of them count, and when each happened; where that is not known, when it was written.

    Tests never count, and a trial only where the same conversion is not live.
    """
    table = composed.source(database, DELIVERIES)
    pairs = database.read("SELECT DISTINCT network, asset FROM deliveries")  # from the index alone
    counted = sa.and_(sa.not_(table.c.test), *not_shadowed(table, {(network, asset) for network, asset in pairs}))
    return table, counted, sa.func.coalesce(table.c.event_time, table.c.updated_at)


def _number(time: sa.ColumnElement[str], starts: Sequence[str]) -> sa.ColumnElement[int]:
    """Which of these spans a time is in, by halving: a comparison of texts needs no time zones of the database's."""

    def between(low: int, high: int) -> sa.ColumnElement[int]:
        if high - low == 1:
            return sa.literal_column(str(low), sa.Integer)
        middle = (low + high) // 2
        return sa.case((time < starts[middle], between(low, middle)), else_=between(middle, high))

    return between(0, len(starts))


def value_of(table: sa.FromClause, *of: sa.ColumnElement[bool]) -> sa.ColumnElement[float]:
    """The sum of the values, or of those for which a condition holds; a correction states one anew that is there."""
    return sa.func.sum(sa.case((sa.and_(table.c.adjustment == "", *of), table.c.value)))


def _outcomes(
    database: Database, table: sa.FromClause, counted: sa.ColumnElement[bool], day: sa.ColumnElement[int]
) -> list[Outcome]:
    columns = (table.c.network, table.c.account, table.c.asset, table.c.status, table.c.currency)
    query = sa.select(day, *columns, sa.func.count(), value_of(table)).where(counted)
    rows = composed.read(database, query.group_by(sa.text(DAY), *columns))
    return [
        Outcome(day, network, account, bool(receiver_of_trial(asset)), *rest)
        for day, network, account, asset, *rest in rows
    ]


def _events(database: Database, table: sa.FromClause, counted: sa.ColumnElement[bool]) -> list[Event]:
    columns = (table.c.network, table.c.event_name)
    statuses = [
        sa.func.sum(sa.case((table.c.status == status, 1), else_=0))
        for status in ("accepted", "rejected", "open", "skipped")
    ]
    return [
        Event(*row) for row in composed.read(database, _largest(sa.select(*columns, *statuses).where(counted), columns))
    ]


def _reasons(database: Database, table: sa.FromClause, counted: sa.ColumnElement[bool]) -> list[Why]:
    columns = (table.c.network, table.c.status, table.c.reason, table.c.code, table.c.currency)
    query = sa.select(*columns, sa.func.count(), value_of(table), sa.func.max(table.c.seq))
    rows = composed.read(database, _largest(query.where(counted, table.c.status != "accepted"), columns))
    words = _words(database, table, [row[-1] for row in rows])
    return [Why(*why)._replace(**words.get(seq, {})) for *why, seq in rows]


def _words(database: Database, table: sa.FromClause, seqs: Sequence[int]) -> Mapping[int, dict[str, Any]]:
    query = sa.select(table.c.seq, table.c.message, table.c.http_status).where(table.c.seq.in_(seqs))
    rows = composed.read(database, query)
    return {row.seq: {"message": row.message, "http_status": row.http_status} for row in rows}


def _match_keys(database: Database, table: sa.FromClause, counted: sa.ColumnElement[bool]) -> list[Matched]:
    columns = (table.c.network, table.c.match_keys)
    query = sa.select(*columns, sa.func.count()).where(counted, table.c.status.in_(("accepted", "rejected")))
    return [Matched(*row) for row in composed.read(database, _largest(query, columns))]


def _requests(database: Database, since: str) -> list[Requests]:
    table = composed.source(database, ATTEMPTS)
    columns = (table.c.network, table.c.status, table.c.latency_ms)
    query = sa.select(*columns, sa.func.count()).where(table.c.started_at >= since)
    return [Requests(*row) for row in composed.read(database, query.group_by(*columns).order_by(*columns))]


def _largest(query: sa.Select[Any], columns: Sequence[sa.ColumnElement[Any]]) -> sa.Select[Any]:
    """The most frequent groups, in an order that is always the same."""
    return query.group_by(*columns).order_by(sa.func.count().desc(), *columns).limit(MOST_GROUPS)
