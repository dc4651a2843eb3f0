"""What the ledger says of each account: the newest answers, the last 24 hours, and what is open.

The database adds up, so memory stays flat. What is older than a day is looked up in the requests, which are far fewer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from target_adpostbacks.core.health import Activity, Answer, before
from target_adpostbacks.core.money import TO_THE_HOUR, Amount
from target_adpostbacks.core.postback import receiver_of_trial
from target_adpostbacks.core.reasons import ERASED
from target_adpostbacks.ledger import composed
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.tables import ATTEMPTS, DELIVERIES

Name = tuple[str, str]
"""An account: its network, and its own name."""
KEY, HOUR, IS_LOST = "group_key", "lost_in_hour", "is_lost"
"""Names of what is grouped by: PostgreSQL does not see that two expressions with values are one."""
BETWEEN = "\x1f"
"""Between the columns of a key."""


class Recent(NamedTuple):
    """What changed lately and is alike in account, asset and status."""

    asset: str
    status: str
    rows: int  # of the last 24 hours
    first_at: str | None  # the first of them
    last_seq: int
    answer_seq: int | None  # of the newest one that the network answered
    sent_at: str


class Open(NamedTuple):
    """What is open and alike in account, asset, reason, currency, and the hour of its deadline."""

    asset: str
    reason: str
    currency: str
    deadline: str | None
    value: float | None
    happened_at: str | None
    rows: int


class Requests(NamedTuple):
    """When requests of an account to an asset were sent last; None: never."""

    asset: str
    sent_at: str | None
    accepted_at: str | None


def activities(database: Database, now: datetime, quiet_hours: float) -> list[Activity]:
    """What is known of every account of the ledger, by name; of answers, those of the last ``quiet_hours``.

    Tests count nowhere, and a trial's delivery only where the same conversion has none that is live. Nor is anything
    open that is not sent again, for its person was erased.
    """
    table = composed.source(database, DELIVERIES)
    is_waiting = sa.or_(table.c.status != "open", table.c.message != ERASED)
    is_real = sa.and_(table.c.network != "", sa.not_(table.c.test))
    pairs = database.read("SELECT DISTINCT network, asset FROM deliveries")  # from the index alone
    assets = {(network, asset) for network, asset in pairs if network}
    counted = sa.and_(is_real, *not_shadowed(table, assets))
    recent = _recent(database, sa.and_(counted, is_waiting), now, quiet_hours)
    opened = _open(database, sa.and_(counted, is_waiting), before(now, 0))
    requests = _requests(database, counted, {*recent, *opened})
    known = {(name[0], each.asset) for groups in (recent, opened, requests) for name in groups for each in groups[name]}
    if assets - known:
        for name, forgotten in _forgotten_requests(database, counted, assets - known).items():
            requests[name] += forgotten
    wanted = {group.answer_seq or 0 for groups in recent.values() for group in groups}
    wanted |= {group.last_seq for groups in recent.values() for group in groups if group.status == "rejected"}
    answers = _answers(database, wanted)
    names = sorted({*recent, *opened, *requests})
    made = [_activity(name, recent[name], answers, opened[name], requests[name]) for name in names]
    processed = _processed(database, now)
    complete = []
    for activity in made:
        events, of_these = processed.get((activity.network, activity.account), (0, 0))
        failing_since = _failing_since(database, activity)
        complete.append(activity._replace(failing_since=failing_since, processed=events, counted=of_these))
    return complete


def not_shadowed(table: sa.FromClause, assets: Iterable[tuple[str, str]]) -> Iterable[sa.ColumnElement[bool]]:
    """Conditions: without a trial's deliveries where the same conversion has a live one. ``assets``: network, asset."""
    assets = {*assets}
    other = composed.plain(DELIVERIES).alias("live")
    same = [other.c[name] == table.c[name] for name in ("network", "event_id", "event_name", "adjustment", "test")]
    for network, asset in sorted(assets):
        receiver = receiver_of_trial(asset)
        if receiver and (network, receiver) in assets:
            is_live = sa.exists(sa.select(1).select_from(other).where(other.c.asset == receiver, *same))
            yield sa.or_(table.c.network != network, table.c.asset != asset, sa.not_(is_live))


def _key(table: sa.FromClause, *names: str) -> sa.ColumnElement[str]:
    """The columns as one text. SQLite sorts it in half the time, and is not led to look up each row of an index."""
    key = table.c[names[0]].concat("")
    for name in names[1:]:
        key = key.concat(BETWEEN).concat(sa.func.coalesce(table.c[name], ""))
    return key.label(KEY)


def _parts(key: str, behind_asset: int = 0) -> list[str]:
    """The columns of a key; whatever an asset holds stays in it."""
    *account, rest = key.split(BETWEEN, 2)
    return [*account, *rest.rsplit(BETWEEN, behind_asset)] if behind_asset else [*account, rest]


def _recent(
    database: Database, counted: sa.ColumnElement[bool], now: datetime, quiet_hours: float
) -> defaultdict[Name, list[Recent]]:
    table = composed.source(database, DELIVERIES)
    key, since = _key(table, "network", "account", "asset", "status"), before(now, max(24, quiet_hours))
    is_of_the_day = table.c.updated_at >= before(now, 24)
    is_answer = sa.and_(
        table.c.status != "skipped",  # what was left out after its request keeps when it was sent
        sa.or_(table.c.sent_at.is_not(None), table.c.reason == "credentials"),
    )
    facts = (
        sa.func.sum(sa.case((is_of_the_day, 1), else_=0)),
        sa.func.min(sa.case((is_of_the_day, table.c.updated_at))),
        sa.func.max(table.c.seq),
        sa.func.max(sa.case((is_answer, table.c.seq))),
        sa.func.max(sa.func.coalesce(table.c.sent_at, table.c.updated_at)),
    )
    query = sa.select(key, *facts).where(counted, table.c.updated_at >= since)
    groups: defaultdict[Name, list[Recent]] = defaultdict(list)
    for key_, *row in composed.read(database, query.group_by(sa.text(KEY))):
        network, account, asset, status = _parts(key_, 1)
        groups[network, account].append(Recent(asset, status, *row))
    return groups


def _requests(
    database: Database, counted: sa.ColumnElement[bool], known: Iterable[Name]
) -> defaultdict[Name, list[Requests]]:
    """``known``: accounts that have deliveries which count; others may have had nothing but tests."""
    table, deliveries = composed.source(database, ATTEMPTS), composed.source(database, DELIVERIES)
    key, is_success = _key(table, "network", "account", "asset"), table.c.status == "Success"
    facts = (sa.func.max(table.c.started_at), sa.func.max(sa.case((is_success, table.c.started_at))))
    groups = _by_account(database, sa.select(key, *facts).group_by(sa.text(KEY)))
    for name in groups.keys() - {*known}:
        is_of_it = sa.and_(deliveries.c.network == name[0], deliveries.c.account == name[1])
        if not composed.read(database, sa.select(deliveries.c.seq).where(counted, is_of_it).limit(1)):
            del groups[name]
    return groups


def _forgotten_requests(
    database: Database, counted: sa.ColumnElement[bool], assets: Iterable[tuple[str, str]]
) -> defaultdict[Name, list[Requests]]:
    """The same of assets to which no request is left, as deliveries keep it beyond the retention of requests."""
    table = composed.source(database, DELIVERIES)
    key, is_success = _key(table, "network", "account", "asset"), table.c.status == "accepted"
    is_wanted = sa.tuple_(table.c.network, table.c.asset).in_(sorted(assets))
    facts = (sa.func.max(table.c.sent_at), sa.func.max(sa.case((is_success, table.c.sent_at))))
    return _by_account(database, sa.select(key, *facts).where(counted, is_wanted).group_by(sa.text(KEY)))


def _by_account(database: Database, query: sa.Select[Any]) -> defaultdict[Name, list[Requests]]:
    groups: defaultdict[Name, list[Requests]] = defaultdict(list)
    for key, *row in composed.read(database, query):
        network, account, asset = _parts(key)
        groups[network, account].append(Requests(asset, *row))
    return groups


def _answers(database: Database, seqs: Iterable[int]) -> Mapping[int, Answer]:
    table = composed.source(database, DELIVERIES).c
    words = (table.status, table.reason, table.code, table.message, table.http_status)
    columns = (*words, table.updated_at, table.sent_at)
    rows = composed.read(database, sa.select(table.seq, *columns).where(table.seq.in_([*seqs])))
    return {seq: Answer(*row) for seq, *row in rows}


def _open(database: Database, counted: sa.ColumnElement[bool], now: str) -> defaultdict[Name, list[Open]]:
    table = composed.source(database, DELIVERIES)
    key = _key(table, "network", "account", "asset", "reason", "currency")
    hour = sa.func.substr(table.c.deadline, 1, TO_THE_HOUR).label(HOUR)
    is_lost = sa.case((table.c.deadline < now, 1), else_=0).label(IS_LOST)
    facts = (
        sa.func.min(table.c.deadline),
        sa.func.sum(table.c.value),
        sa.func.min(table.c.event_time),
        sa.func.count(),
    )
    query = sa.select(key, hour, is_lost, *facts).where(counted, table.c.status == "open")
    query = query.group_by(*map(sa.text, (KEY, HOUR, IS_LOST)))
    opened: defaultdict[Name, list[Open]] = defaultdict(list)
    for key_, _, _, *row in composed.read(database, query):
        network, account, asset, reason, currency = _parts(key_, 2)
        opened[network, account].append(Open(asset, reason, currency, *row))
    return opened


def _activity(
    name: Name,
    recent: Sequence[Recent],
    answers: Mapping[int, Answer],
    opened: Sequence[Open],
    requests: Sequence[Requests],
) -> Activity:
    counts = Counter[str]()
    for group in recent:
        counts[group.status] += group.rows
    rejected = [group for group in recent if group.status == "rejected" and group.rows]
    oldest = min((each for each in opened if each.happened_at), key=lambda each: each.happened_at or "", default=None)
    live = [each for each in requests if not receiver_of_trial(each.asset)] or requests
    accepted = [group.sent_at for group in recent if group.status == "accepted"] or [
        each.accepted_at for each in live if each.accepted_at
    ]
    assets = {each.asset for each in recent} | {each.asset for each in opened} | {each.asset for each in live}
    return Activity(
        *name,
        accepted=counts["accepted"],
        rejected=counts["rejected"],
        open=counts["open"],
        last_accepted_at=max(accepted, default=None),
        last_sent_at=max((each.sent_at for each in live if each.sent_at), default=None),
        answer=answers.get(max((group.answer_seq or 0 for group in recent), default=0)),
        refusal=answers.get(max((group.last_seq for group in rejected), default=0)),
        first_rejected_at=min((group.first_at or "" for group in rejected), default=None),
        all_open=sum(each.rows for each in opened),
        oldest_open=Answer("open", oldest.reason, "", "", None, oldest.happened_at or "") if oldest else None,
        amounts=tuple(
            Amount(".".join(name), each.currency, each.deadline, each.value)
            for each in opened
            if each.currency and each.value is not None
        ),
        is_trial=any(map(receiver_of_trial, assets)),
    )


def _processed(database: Database, now: datetime) -> Mapping[Name, tuple[int, int]]:
    """Of the day's requests that ``adpostbacks check`` asked about: how many events, how many counted; by account."""
    table = composed.source(database, ATTEMPTS).c
    account = (table.network, table.account)
    query = sa.select(*account, sa.func.sum(table.events), sa.func.sum(table.counted))
    query = query.where(table.counted.is_not(None), table.started_at >= before(now, 24)).group_by(*account)
    return {
        (network, name): (int(events), int(counted))
        for network, name, events, counted in composed.read(database, query)
    }


def _failing_since(database: Database, activity: Activity) -> str | None:
    """Where the newest answer is no success: when the first request after the last success went out.

    Where it refused the credentials, the first one with the same code.
    """
    answer, table = activity.answer, composed.source(database, ATTEMPTS).c
    if answer is None or answer.status == "accepted":
        return None
    same = [table.network == activity.network, table.account == activity.account]
    if answer.reason == "credentials":
        same.append(table.code == answer.code)
    after = table.started_at > (activity.last_accepted_at or "")
    ((first,),) = composed.read(database, sa.select(sa.func.min(table.started_at)).where(*same, after))
    return min(first, answer.at) if first else answer.at
