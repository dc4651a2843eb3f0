"""Spend beside conversions as the dbt package has it: the worked example, from the streams of the tap."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import golden
import pytest
from dbt_project import Project
from test_table import TWICE, loaded

from target_adpostbacks.ledger import TABLES, LedgerReader, key, schema

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="dbt does not run on this Python yet"),
]


def messages(url: str) -> bytes:
    """The tables of a ledger as Singer messages."""
    lines: list[dict[str, Any]] = []
    with LedgerReader(url) as reader:
        for stream in TABLES:
            lines.append({"type": "SCHEMA", "stream": stream, "schema": schema(stream), "key_properties": key(stream)})
            lines += ({"type": "RECORD", "stream": stream, "record": record} for record in reader.changes(stream))
    return "\n".join(map(json.dumps, lines)).encode()


def test_the_worked_example_on_duckdb(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    loaded(url, TWICE)
    project = Project(tmp_path)
    project.load(messages(url))
    days = {"since": golden.WINDOW.since.isoformat(), "until": golden.WINDOW.until.isoformat()}
    variables = {f"adpostbacks_performance_{name}": day for name, day in days.items()}
    said = project.dbt("build", "--select", "+adpostbacks__performance+", **variables)
    assert "ERROR=0 SKIP=0" in said
    campaigns = [row for row in golden.ROWS if row["network"] != "total"]
    assert rows(project, "performance", campaigns, "network, campaign_id, currency") == figures(campaigns)
    totals = [{**row, "revenue_other": None} for row in golden.ROWS if row["network"] == "total"]
    names = [name for name in totals[0] if name not in ("network", "campaign_id", "revenue_other")]
    plain = [{name: row[name] for name in names} for row in totals]
    assert rows(project, "performance_totals", plain, "currency") == figures(plain)
    zones = project.rows(
        "SELECT network, min(time_zone), max(time_zone) FROM adpostbacks__performance GROUP BY 1 ORDER BY 1"
    )
    assert zones == [
        ("meta", "Europe/Berlin", "Europe/Berlin"),
        ("reddit", "UTC", "UTC"),
        ("tiktok", "America/Los_Angeles", "America/Los_Angeles"),
    ]


def rows(project: Project, model: str, expected: list[dict[str, Any]], order: str) -> list[dict[str, Any]]:
    """What a model says, with the names of what is expected, in its order."""
    names = [*expected[0]]
    found = project.rows(f"SELECT {', '.join(names)} FROM adpostbacks__{model} ORDER BY {order}")
    said = [dict(zip(names, row, strict=True)) for row in found]
    for row in said:
        if row.get("revenue_other"):
            row["revenue_other"] = json.loads(row["revenue_other"])
    return figures(said)


def figures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows in one order, numbers to the millionth."""
    told = [
        {name: round(float(value), 6) if isinstance(value, (int, float)) else value for name, value in row.items()}
        for row in rows
    ]
    return sorted(told, key=str)
