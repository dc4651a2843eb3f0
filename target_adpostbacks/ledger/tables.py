"""The ledger's tables: an interface that others read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from target_adpostbacks.core.postback import Facts, Key

NOTED = "the run was stopped before the answer came"
"""The message of what is noted as unanswered while its answer is still waited for."""

METADATA = sa.MetaData()
_Seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")

DELIVERIES = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("delivery_id", _Seq, primary_key=True, autoincrement=True),
    sa.Column("seq", _Seq, nullable=False, index=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("line", _Seq, nullable=False),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("event_name", sa.Text, nullable=False),
    sa.Column("network_event", sa.Text, nullable=False),
    sa.Column("event_time", sa.Text),
    sa.Column("adjustment", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("http_status", sa.Integer),
    sa.Column("latency_ms", sa.Integer),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("attempt_id", sa.Text),
    sa.Column("network_request_id", sa.Text, nullable=False),
    sa.Column("match_keys", sa.Text, nullable=False),
    sa.Column("campaign_id", sa.Text),
    sa.Column("campaign_name", sa.Text),
    sa.Column("ad_group_id", sa.Text),
    sa.Column("ad_id", sa.Text),
    sa.Column("creative_id", sa.Text),
    sa.Column("placement", sa.Text),
    sa.Column("test", sa.Boolean, nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("currency", sa.Text),
    sa.Column("adjustment_time", sa.Text),
    sa.Column("deadline", sa.Text),
    sa.Column("sent_at", sa.Text),
    sa.Column("updated_at", sa.Text, nullable=False),
    # event_id early: deduplication looks up a batch's ids within one asset
    sa.UniqueConstraint("network", "asset", "event_id", "event_name", "adjustment", "test", name="identity"),
)

ATTEMPTS = sa.Table(
    "attempts",
    METADATA,
    sa.Column("attempt_id", sa.Text, primary_key=True),
    sa.Column("seq", _Seq, nullable=False, index=True),
    sa.Column("parent_id", sa.Text),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("latency_ms", sa.Integer, nullable=False),
    sa.Column("http_status", sa.Integer),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("network_request_id", sa.Text, nullable=False),
    # What the network made of it afterwards, see ``adpostbacks check``.
    sa.Column("processing", sa.Text),
    sa.Column("counted", sa.Integer),
    sa.Column("not_counted", sa.Text),  # JSON: the network's reason → events
    sa.Column("checked_at", sa.Text),
)

RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("seq", _Seq, nullable=False, index=True),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Text),
    sa.Column("exit_code", sa.Integer),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),  # JSON
)

HISTORY = sa.Table(
    "history",
    METADATA,
    sa.Column("seq", _Seq, primary_key=True, autoincrement=False),  # of the change that replaced it
    sa.Column("delivery_id", _Seq, nullable=False, index=True),
    sa.Column("attempt_id", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Text, nullable=False),
)
"""Verdicts and reasons that others have replaced. The database keeps them by itself, see ``history``."""

SEQUENCE = sa.Table(
    "sequence",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # 1
    sa.Column("value", _Seq, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),  # of the ledger, see ``versions``
)
"""One row: the highest seq handed out, in any table. Raising it locks it to the transaction's end, so that seqs appear
in order: a reader who has read up to one has missed none before it."""


class Status(NamedTuple):
    """What became of a postback. Each field is a column of deliveries."""

    status: str
    reason: str
    code: str
    message: str


class Sent(NamedTuple):
    """The newest request that a postback was in. Each field is a column of deliveries."""

    http_status: int | None
    latency_ms: int | None
    attempts: int  # requests of its batch so far
    attempt_id: str | None
    network_request_id: str
    sent_at: str | None


NO_REQUEST = Sent(None, None, 0, None, "", None)


class Delivered(NamedTuple):
    """A row of deliveries as it is written, but for seq, run_id and updated_at: groups of columns."""

    key: Key
    account: str
    status: Status
    sent: Sent
    facts: Facts
    deadline: str | None = None  # of what is open: later it is too old to be sent

    def flat(self) -> tuple[Any, ...]:
        """The values of WRITTEN, in its order."""
        return (*self.key, self.account, *self.status, *self.sent, *self.facts, self.deadline)


WRITTEN = (*Key._fields, "account", *Status._fields, *Sent._fields, *Facts._fields, "deadline")
"""Columns of a row of deliveries, in the order of ``Delivered.flat``."""


class Earlier(NamedTuple):
    """What a row of deliveries says of a postback that comes again."""

    status: str
    reason: str
    sent_at: str | None
    event_time: str | None
    network_event: str
    match_keys: str
    value: float | None
    currency: str | None
    adjustment_time: str | None


COLUMNS = ("seq", "run_id", "updated_at", *WRITTEN)
IDENTITY = Key._fields

FORGOTTEN: Mapping[str, Any] = {
    "line": 0,
    **dict.fromkeys(("stream", "network_event", "code", "message", "network_request_id", "match_keys"), ""),
    **dict.fromkeys(("event_time", "http_status", "latency_ms", "attempt_id", "campaign_id", "campaign_name")),
    **dict.fromkeys(("ad_group_id", "ad_id", "creative_id", "placement", "value", "currency", "adjustment_time")),
}
"""What a row of deliveries becomes when its time is over: its identity, account, status and reason stay."""

TABLES: Mapping[str, sa.Table] = {str(table.name): table for table in (DELIVERIES, ATTEMPTS, HISTORY, RUNS)}
"""What others read."""
TIMES = frozenset(
    {"event_time", "adjustment_time", "checked_at", "deadline", "sent_at", "updated_at", "started_at", "ended_at"}
)


def schema(table: str) -> dict[str, Any]:
    """JSON Schema of a table's rows, as Singer streams announce it."""
    return {
        "type": "object",
        "properties": {column.name: _property(column) for column in TABLES[table].columns},
        "required": key(table),
    }


def key(table: str) -> list[str]:
    """The columns that make a row one row."""
    return [str(column.name) for column in TABLES[table].primary_key]


def _property(column: sa.Column[Any]) -> dict[str, Any]:
    kinds = {str: "string", int: "integer", float: "number", bool: "boolean"}
    type_ = kinds[column.type.python_type]
    described: dict[str, Any] = {"type": [type_, "null"] if column.nullable else [type_]}
    return described | ({"format": "date-time"} if column.name in TIMES else {})
