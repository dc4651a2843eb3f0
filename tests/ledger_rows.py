"""Rows for a ledger, and what its database holds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from patience import PATIENCE

from target_adpostbacks.core.performance.statistics import Performance
from target_adpostbacks.core.postback import Facts, Key
from target_adpostbacks.ledger import Delivered, LedgerReader, NoLedger, Sent, Status
from target_adpostbacks.ledger.tables import WRITTEN, columns_of

NOW = "2026-11-20T12:06:00.000+00:00"


def a_row(event_id: str = "evt-1", status: str = "accepted", **changes: Any) -> Delivered:
    """A row of deliveries, with ``changes`` by the names of its columns."""
    columns: dict[str, Any] = {
        "network": "tiktok",
        "asset": "PIXEL",
        "event_name": "purchase",
        "event_id": event_id,
        "adjustment": "",
        "test": False,
        "account": "default",
        "status": status,
        "reason": "",
        "code": "0",
        "message": "",
        "http_status": 200,
        "latency_ms": 12,
        "attempts": 1,
        "attempt_id": "a1",
        "network_request_id": "r1",
        "sent_at": "2026-11-20T12:05:00.000+00:00",
        "stream": "conversions",
        "line": 7,
        "event_time": "2026-11-20T12:00:00.000+00:00",
        "network_event": "Purchase",
        "match_keys": "ttclid,email",
        "campaign_id": None,
        "campaign_name": None,
        "ad_group_id": None,
        "ad_id": None,
        "creative_id": None,
        "placement": None,
        "value": 19.99,
        "currency": "USD",
        "adjustment_time": None,
        "click_time": None,
        "stitched_by": None,
        "click_row": None,
        "deadline": None,
    } | changes
    assert columns.keys() == {*WRITTEN}

    def group(kind: Any) -> Any:
        return kind(**{name: columns[name] for name in kind._fields})

    return Delivered(group(Key), columns["account"], group(Status), group(Sent), group(Facts), columns["deadline"])


def a_statistic(**changes: Any) -> Performance:
    """A row of ad_performance, with ``changes``."""
    values: dict[str, Any] = {
        "stream": "ads",
        "network": "tiktok",
        "account_id": "7",
        "day": "2026-11-20",
        "campaign_id": "111",
        "ad_group_id": "",
        "ad_id": "A1",
        "segment": "",
        "campaign_name": "Spring",
        "ad_group_name": None,
        "ad_name": None,
        "currency": "USD",
        "time_zone": "",
        "spend_micros": 10_000_001,
        "impressions": 100,
        "clicks": None,
        "conversions_micros": 500_000,
        "value_micros": None,
        "extracted_at": NOW,
        **changes,
    }
    return Performance(**values)


def values_of(row: Delivered) -> dict[str, Any]:
    """A row's values by the names of their columns."""
    return dict(zip(WRITTEN, [column[0] for column in columns_of([row])], strict=True))


def an_attempt(attempt_id: str = "a1", parent_id: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "attempt_id": attempt_id,
        "parent_id": parent_id,
        "network": "tiktok",
        "account": "default",
        "asset": "PIXEL",
        "started_at": "2026-11-20T12:05:00.000+00:00",
        "latency_ms": 5,
        "http_status": 200,
        "attempt": 1,
        "events": 2,
        "status": "Success",
        "code": "0",
        "message": "OK",
        "network_request_id": "r1",
        **changes,
    }


def rows(url: str, columns: str = "event_id, status", table: str = "deliveries") -> list[Any]:
    """What a database holds, asked without the ledger."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(f"SELECT {columns} FROM {table} ORDER BY 1"))]
    finally:
        engine.dispose()


def changes(url: str, table: str = "deliveries", after: int = 0) -> list[dict[str, Any]]:
    """The rows of a table as a reader gets them; none where nothing was sent yet."""
    try:
        with LedgerReader(url) as reader:
            return [*reader.changes(table, after)]
    except NoLedger:
        return []


@contextmanager
def a_role(engine: sa.Engine, rights: str) -> Iterator[str]:
    """The URL of a PostgreSQL role that has these rights on the tables that are there."""
    role = f"role_{time.monotonic_ns()}"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        connection.exec_driver_sql(f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {role}")
        connection.exec_driver_sql(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}")
    yield engine.url.set(username=role, password="x").render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role}")
        connection.exec_driver_sql(f"DROP ROLE {role}")


def wait_for_a_lock(url: str) -> None:
    """Until a session of the database waits for another one."""
    until = time.monotonic() + PATIENCE
    waiting = "pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while rows(url, "pid", waiting) == []:
        assert time.monotonic() < until, "nobody waits"
