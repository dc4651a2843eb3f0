"""The ledger's tables: an interface that others read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from target_adpostbacks.core.postback import Facts, Key
from target_adpostbacks.ledger.definition import BOOLEAN, DOUBLE, INTEGER, LARGE, NUMBERED, Column, Dialect, Table

NOTED = "the run was stopped before the answer came"
"""The message of what is noted as unanswered while its answer is still waited for."""

DELIVERIES = Table(
    "deliveries",
    (
        Column("delivery_id", NUMBERED),
        Column("seq", LARGE, indexed=True),
        Column("run_id"),
        Column("stream"),
        Column("line", LARGE),
        Column("network"),
        Column("account"),
        Column("asset"),
        Column("event_id"),
        Column("event_name"),
        Column("network_event"),
        Column("event_time", nullable=True),
        Column("adjustment"),
        Column("status"),
        Column("reason"),
        Column("code"),
        Column("message"),
        Column("http_status", INTEGER, nullable=True),
        Column("latency_ms", INTEGER, nullable=True),
        Column("attempts", INTEGER),
        Column("attempt_id", nullable=True),
        Column("network_request_id"),
        Column("match_keys"),
        Column("campaign_id", nullable=True),
        Column("campaign_name", nullable=True),
        Column("ad_group_id", nullable=True),
        Column("ad_id", nullable=True),
        Column("creative_id", nullable=True),
        Column("placement", nullable=True),
        Column("test", BOOLEAN),
        Column("value", DOUBLE, nullable=True),
        Column("currency", nullable=True),
        Column("adjustment_time", nullable=True),
        Column("click_time", nullable=True),
        Column("stitched_by", nullable=True),
        Column("click_row", LARGE, nullable=True),
        Column("deadline", nullable=True),
        Column("sent_at", nullable=True),
        Column("updated_at"),
    ),
    # event_id early: deduplication looks up a batch's ids within one asset
    identity=("network", "asset", "event_id", "event_name", "adjustment", "test"),
)

ATTEMPTS = Table(
    "attempts",
    (
        Column("attempt_id"),
        Column("seq", LARGE, indexed=True),
        Column("parent_id", nullable=True),
        Column("run_id", indexed=True),
        Column("network"),
        Column("account"),
        Column("asset"),
        Column("started_at"),
        Column("latency_ms", INTEGER),
        Column("http_status", INTEGER, nullable=True),
        Column("attempt", INTEGER),
        Column("events", INTEGER),
        Column("status"),
        Column("code"),
        Column("message"),
        Column("network_request_id"),
        # What the network made of it afterwards, see ``adpostbacks check``.
        Column("processing", nullable=True),
        Column("counted", INTEGER, nullable=True),
        Column("not_counted", nullable=True),  # JSON: the network's reason → events
        Column("checked_at", nullable=True),
    ),
)

RUNS = Table(
    "runs",
    (
        Column("run_id"),
        Column("seq", LARGE, indexed=True),
        Column("started_at"),
        Column("ended_at", nullable=True),
        Column("exit_code", INTEGER, nullable=True),
        Column("version"),
        Column("counts"),  # JSON
    ),
)

HISTORY = Table(
    "history",
    (
        Column("seq", LARGE),  # of the change that replaced it
        Column("delivery_id", LARGE, indexed=True),
        Column("attempt_id", nullable=True),
        Column("status"),
        Column("reason"),
        Column("code"),
        Column("message"),
        Column("updated_at"),
    ),
)
"""Verdicts and reasons that others have replaced. The database keeps them by itself, see ``history``."""

AD_PERFORMANCE = Table(
    "ad_performance",
    (
        Column("stream"),
        Column("network"),
        Column("account_id"),
        Column("day"),
        Column("campaign_id"),
        Column("ad_group_id"),
        Column("ad_id"),
        Column("segment"),  # JSON of what else splits the rows, a device for example
        Column("seq", LARGE, indexed=True),
        Column("campaign_name", nullable=True),
        Column("ad_group_name", nullable=True),
        Column("ad_name", nullable=True),
        Column("currency"),
        Column("time_zone"),  # whose day it is; empty: UTC is assumed
        Column("spend_micros", LARGE),
        Column("impressions", LARGE, nullable=True),
        Column("clicks", LARGE, nullable=True),
        Column("conversions_micros", LARGE, nullable=True),
        Column("value_micros", LARGE, nullable=True),
        Column("extracted_at"),
    ),
    keys=("stream", "network", "account_id", "day", "campaign_id", "ad_group_id", "ad_id", "segment"),
)
"""What networks say that ads cost and brought: a row for each day and ad. Absent parts of the key are empty."""

ERASURE = Table(
    "erasure",
    (
        Column("id", INTEGER),  # 1
        Column("fingerprint"),  # of the key that all digests are made with
        Column("indexed_since", nullable=True),  # from then on the index has every delivery
    ),
)
ERASURE_SUPPRESSIONS = Table(
    "erasure_suppressions", (Column("digest"), Column("seq", LARGE, indexed=True), Column("erased_at"))
)
ERASURE_INDEX = Table(
    "erasure_index",
    (Column("digest"), Column("delivery_id", LARGE, indexed=True)),
    keys=("digest", "delivery_id"),
    is_rowless=True,
)
"""Keyed digests of people: who was erased, and whose each delivery is. Nobody reads them but ``erasure``."""

KEY_PARTITIONS = 16
ACCEPTED_KEYS: Mapping[Dialect, Sequence[str]] = {
    "sqlite": (
        "CREATE TABLE accepted_keys (key BLOB NOT NULL PRIMARY KEY, accepted_day INTEGER NOT NULL) WITHOUT ROWID",
    ),
    "postgresql": (
        "CREATE TABLE accepted_keys (key UUID PRIMARY KEY, accepted_day INTEGER NOT NULL) PARTITION BY HASH (key)",
        *(
            f"CREATE TABLE accepted_keys_{part} PARTITION OF accepted_keys"
            f" FOR VALUES WITH (MODULUS {KEY_PARTITIONS}, REMAINDER {part})"
            for part in range(KEY_PARTITIONS)
        ),
    ),
}
"""The statements that make the keys of a ledger whose layout is compact, see ``compact``."""

SEQUENCE = Table(
    "sequence",
    (
        Column("id", INTEGER),  # 1
        Column("value", LARGE),
        Column("version", INTEGER, default="1"),  # of the ledger, see ``versions``
        Column("layout", default="full"),  # or compact, see ``compact``
    ),
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


WRITTEN = (*Key._fields, "account", *Status._fields, *Sent._fields, *Facts._fields, "deadline")
"""Columns of a row of deliveries, in the order of ``columns_of``."""


def columns_of(rows: Iterable[Delivered]) -> list[Sequence[Any]]:
    """The values of rows, of which there are some: a sequence for each column of WRITTEN, in its order."""
    keys, accounts, statuses, sent, facts, deadlines = zip(*rows, strict=True)
    return [
        *zip(*keys, strict=True),
        accounts,
        *zip(*statuses, strict=True),
        *zip(*sent, strict=True),
        *zip(*facts, strict=True),
        deadlines,
    ]


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

    @property
    def outweighs_silence(self) -> bool:
        """Whether it stands, whatever became of a later request of which nothing is known."""
        return self.status == "accepted" or self.reason == "no_answer"


COLUMNS = ("seq", "run_id", "updated_at", *WRITTEN)
IDENTITY = Key._fields

FORGOTTEN: Mapping[str, Any] = {
    "line": 0,
    **dict.fromkeys(("stream", "network_event", "code", "message", "network_request_id", "match_keys"), ""),
    **dict.fromkeys(("event_time", "http_status", "latency_ms", "attempt_id", "campaign_id", "campaign_name")),
    **dict.fromkeys(("ad_group_id", "ad_id", "creative_id", "placement", "value", "currency", "adjustment_time")),
    **dict.fromkeys(("click_time", "stitched_by", "click_row")),
}
"""What a row of deliveries becomes when its time is over: its identity, account, status and reason stay."""

TABLES: Mapping[str, Table] = {
    **{table.name: table for table in (DELIVERIES, ATTEMPTS, HISTORY, RUNS)},
    "performance": AD_PERFORMANCE,
}
"""What others read, by the names of the tap's streams."""
TIMES = frozenset(
    {
        *("event_time", "adjustment_time", "click_time", "checked_at", "deadline", "sent_at", "updated_at"),
        *("started_at", "ended_at", "extracted_at"),
    }
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
    return [*TABLES[table].key]


def _property(column: Column) -> dict[str, Any]:
    kind = column.kind.json
    described: dict[str, Any] = {"type": [kind, "null"] if column.nullable else [kind]}
    return described | ({"format": "date-time"} if column.name in TIMES else {})
