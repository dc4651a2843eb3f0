"""The SQL beside the vectors: PostgreSQL reproduces the rows that it claims; the other dialects claim the same ones."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from importlib.resources import files
from typing import Any

import psycopg
import pytest
from documents import ROOT, kept
from embedded_postgres import embedded_postgres
from subject import SUBJECTS

SQL = files("target_adpostbacks") / "vectors" / "sql"
DIALECTS = sorted(file.name.removesuffix(".sql") for file in SQL.iterdir())
CLAIM = re.compile(r"-- rows: (.+)\n(?:-- only: (.+)\n)?-- call: (.+)\n((?:--   not .+\n)*)")
CALLED = "FROM jsonb_to_recordset(%s::jsonb) AS r (row int, value text, country text, default_phone_country_code text)"

Row = dict[str, Any]


def text_of(dialect: str) -> str:
    return (SQL / f"{dialect}.sql").read_text("utf-8")


def rows_of(claimed: str) -> list[Row]:
    """The rows of ``meta.email snapchat.email`` that a function of one value and its context can be asked for."""
    return [
        {"network": subject.name, **row}
        for subject in SUBJECTS
        for row in subject.vectors["normalize"]
        if f"{subject.name}.{row['field']}" in claimed.split()
        and isinstance(row["input"], str)
        and row.get("settings", {}).keys() <= {"default_phone_country_code"}
    ]


def differing(connection: psycopg.Connection[Any], rows: list[Row], call: str, condition: str) -> list[Row]:
    """Those of the rows under a condition for which the call returns something else than what the network gets."""
    asked = [
        {"country": None, **row.get("with", {}), **row.get("settings", {}), "row": number, "value": row["input"]}
        for number, row in enumerate(rows)
    ]
    query = f"SELECT row, {call} {CALLED} WHERE {condition}".encode()
    returned = connection.execute(query, [json.dumps(asked)]).fetchall()
    assert returned
    return [rows[number] for number, text in returned if text != (rows[number]["sha256"] or rows[number]["normalized"])]


def listing(rows: list[Row]) -> str:
    """The rows as comments, one for all networks that have the same row."""
    networks: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        context = {**row.get("with", {}), **row.get("settings", {})}
        beside = "".join(f", {name} {value}" for name, value in context.items())
        networks[f"{json.dumps(row['input'])}{beside} ({row['why']})"].append(row["network"])
    return "".join(f"--   not {' '.join(names)}: {about}\n" for about, names in networks.items())


@pytest.mark.slow
def test_postgresql_reproduces_every_row_that_it_claims(request: pytest.FixtureRequest) -> None:
    """What it does not reproduce is listed before the function; ``--update-docs`` writes the lists anew."""
    text = text_of("postgresql")
    with embedded_postgres() as url, psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(text.encode())

        def listed(claim: re.Match[str]) -> str:
            rows = rows_of(claim[1])
            assert {*claim[1].split()} == {f"{row['network']}.{row['field']}" for row in rows}
            exceptions = differing(connection, rows, claim[3], claim[2] or "true")
            assert len(exceptions) < len(rows) / 2
            return claim[0].removesuffix(claim[4]) + listing(exceptions)

        expected = CLAIM.sub(listed, text)
    kept(ROOT / "target_adpostbacks" / "vectors" / "sql" / "postgresql.sql", expected, request)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_has_the_same_functions_for_the_same_rows(dialect: str) -> None:
    def claims(text: str) -> list[tuple[str, str]]:
        return [(claim[1], claim[3]) for claim in CLAIM.finditer(text)]

    def functions(text: str) -> set[str]:
        return {*re.findall(r"^CREATE (?:OR REPLACE |TEMP )?FUNCTION (\w+)", text, re.MULTILINE)}

    assert claims(text_of(dialect)) == claims(text_of("postgresql")) != []
    assert functions(text_of(dialect)) >= functions(text_of("postgresql")) != set()
