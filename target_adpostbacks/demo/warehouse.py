"""The demo's warehouse: the table that is sent, and the tables that come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from target_adpostbacks.demo.conversions import COLUMNS
from target_adpostbacks.demo.postgres import Postgres


def seed(server: Postgres, rows: Iterable[Mapping[str, Any]]) -> None:
    """Make ``mart.conversions`` and fill it."""
    columns = sql.SQL(", ").join(sql.SQL(f"{name} {kind}") for name, kind in COLUMNS.items())
    with psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE SCHEMA mart")
        connection.execute(sql.SQL("CREATE TABLE mart.conversions ({})").format(columns))
    add(server, rows)


def add(server: Postgres, rows: Iterable[Mapping[str, Any]]) -> None:
    """More rows of ``mart.conversions``."""
    statement = "COPY mart.conversions FROM STDIN"
    with psycopg.connect(server.dsn) as connection, connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row([*row.values()])


def came_back(server: Postgres) -> dict[str, int]:
    """How many rows each table of results has."""
    tables = "deliveries", "attempts", "runs"
    with psycopg.connect(server.dsn) as connection:
        counted = [
            connection.execute(sql.SQL("SELECT count(*) FROM adpostbacks.{}").format(sql.Identifier(table)))
            for table in tables
        ]
        return {table: (cursor.fetchone() or (0,))[0] for table, cursor in zip(tables, counted, strict=True)}


BESIDE_SPEND = """
    SELECT campaign_name AS campaign, network, count(*) AS delivered, round(sum(value)::numeric, 2) AS value, currency
    FROM adpostbacks.deliveries
    WHERE status = 'accepted' AND campaign_name IS NOT NULL AND value IS NOT NULL
    GROUP BY campaign_name, network, currency
    ORDER BY sum(value) DESC LIMIT 5
"""


def by_campaign(server: Postgres) -> list[dict[str, Any]]:
    """Delivered conversions by campaign, as an analyst would ask for them."""
    with psycopg.connect(server.dsn, row_factory=dict_row) as connection:
        return connection.execute(BESIDE_SPEND).fetchall()
