"""A DuckDB for tests, driven from the environment that has it: ``load FILE`` reads Singer lines, ``rows FILE`` answers.

It loads as most targets do: a table a stream, typed by the schema, an upsert on the key, objects as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import duckdb

TYPES = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "object": "JSON", "array": "JSON"}
FORMATS = {"date-time": "TIMESTAMP WITH TIME ZONE", "date": "DATE"}


def load(path: str, schema: str) -> None:
    """Write the lines of standard input into tables of a schema."""
    with duckdb.connect(path) as warehouse:
        warehouse.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; SET TimeZone = 'Asia/Tokyo'")
        warehouse.execute("BEGIN")
        for line in sys.stdin:
            message = json.loads(line)
            if message["type"] == "SCHEMA":
                _create(warehouse, f"{schema}.{message['stream']}", message)
            elif message["type"] == "RECORD":
                record: dict[str, Any] = message["record"]
                names = ", ".join(f'"{name}"' for name in record)
                places = ", ".join("?" * len(record))
                values = [json.dumps(value) if isinstance(value, (dict, list)) else value for value in record.values()]
                table = f"{schema}.{message['stream']}"
                warehouse.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({places})", values)
        warehouse.execute("COMMIT")


def _create(warehouse: Any, table: str, message: dict[str, Any]) -> None:
    columns = [f'"{name}" {_type(described)}' for name, described in message["schema"]["properties"].items()]
    key = ", ".join(f'"{name}"' for name in message["key_properties"])
    warehouse.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)}, PRIMARY KEY ({key}))")


def _type(described: dict[str, Any]) -> str:
    kinds = described["type"]
    (kind,) = {kinds} if isinstance(kinds, str) else {*kinds} - {"null"}
    return FORMATS.get(described.get("format", "")) or TYPES.get(kind, "VARCHAR")


def rows(path: str) -> None:
    """Answer the query of standard input with a JSON list of rows."""
    with duckdb.connect(path, read_only=True) as warehouse:
        warehouse.execute("SET TimeZone = 'UTC'")
        sys.stdout.write(json.dumps(warehouse.execute(sys.stdin.read()).fetchall(), default=str))


if __name__ == "__main__":
    (load if sys.argv[1] == "load" else rows)(*sys.argv[2:])
