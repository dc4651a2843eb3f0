"""Ledgers of older and newer programs: read as they are, brought up to date by whoever writes, refused when newer."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from conftest import a_record
from ledger_rows import NOW, a_role, a_row, changes, rows, wait_for_a_lock
from patience import PATIENCE
from run_target import Target, record, schema

from target_adpostbacks.cli import main
from target_adpostbacks.ledger import Ledger, LedgerReader, UnusableLedger
from target_adpostbacks.ledger.address import parsed
from target_adpostbacks.ledger.connections import Connections
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.definition import INTEGER, Column, Table
from target_adpostbacks.ledger.tables import SEQUENCE
from target_adpostbacks.ledger.versions import ADDED, VERSION, Added, Index, Of, as_of, bring_up_to_date
from target_adpostbacks.sandbox import Sandbox

MADE = Path(__file__).parent / "version_1"
TAKEN = ("evt-taken", "accepted", "")
WRITTEN = [
    ("evt-organic", "skipped", "organic"),
    ("evt-old", "skipped", "too_old"),
    ("evt-refused", "rejected", ""),
    TAKEN,
    ("evt-also-taken", "accepted", ""),
    ("evt-silent", "open", "no_answer"),
]
"""What the ledger of version 1 has, in the order of its changes."""
OPENED = [LedgerReader, Ledger, partial(Ledger, create=False)]


@pytest.fixture
def engine(ledger_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture
def old(ledger_url: str, engine: sa.Engine) -> str:
    """A ledger of version 1, in which two runs have written."""
    make_version_1(engine)
    return ledger_url


def make_version_1(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        shutil.copy(MADE / "adpostbacks.db", str(engine.url.database))
        return
    with engine.begin() as connection:
        connection.exec_driver_sql((MADE / "postgresql.sql").read_text())
        with closing(sqlite3.connect(f"file:{MADE}/adpostbacks.db?mode=ro&immutable=1", uri=True)) as source:
            source.row_factory = sqlite3.Row
            for table in ("deliveries", "attempts", "runs", "sequence"):
                for row in map(dict, source.execute(f"SELECT * FROM {table}")):
                    values = {name: bool(value) if name == "test" else value for name, value in row.items()}
                    names = ", ".join(f":{name}" for name in values)
                    connection.execute(sa.text(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({names})"), values)
        connection.exec_driver_sql("SELECT setval('deliveries_delivery_id_seq', 6)")


def deliveries(url: str) -> list[tuple[str, str, str]]:
    return [(row["event_id"], row["status"], row["reason"]) for row in changes(url)]


def shape(engine: sa.Engine) -> dict[str, Any]:
    """Every table with its columns, keys and indexes."""
    inspector = sa.inspect(engine)
    return {
        table: (
            {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in inspector.get_columns(table)
            },
            inspector.get_pk_constraint(table)["constrained_columns"],
            inspector.get_unique_constraints(table),
            inspector.get_indexes(table),
        )
        for table in inspector.get_table_names()
    }


def test_an_old_ledger_is_read_as_it_is(old: str, engine: sa.Engine) -> None:
    before = shape(engine)
    assert deliveries(old) == WRITTEN
    assert [row["exit_code"] for row in changes(old, "runs")] == [1, None]
    assert shape(engine) == before
    assert "version" not in before["sequence"][0]


def test_a_question_reads_a_column_that_an_old_ledger_lacks(old: str) -> None:
    with closing(Database(old, "read")) as database:
        (row,) = database.read(f"SELECT * FROM {database.table(SEQUENCE)}")
    assert tuple(row) == (1, 14, 1, "full")


def test_the_log_shows_an_old_ledger(old: str) -> None:
    result = CliRunner().invoke(main, ["log", "--ledger-url", old, "--network", "tiktok", "--format", "jsonl"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["status"], line["http_status"]) for line in lines if line["event_id"] == "evt-taken"] == [
        ("Retried", 503),
        ("Retried", 200),
        ("Success", 200),
    ]
    assert {line["event_id"] for line in lines} == {"evt-taken", "evt-also-taken", "evt-refused", "evt-old"}


def test_explain_tells_of_an_old_ledger(old: str) -> None:
    result = CliRunner().invoke(main, ["explain", "--ledger-url", old, "evt-taken", "--format", "json"])
    (story,) = json.loads(result.stdout)
    assert (story["status"], story["deadline"], story["earlier_verdicts"]) == ("accepted", None, [])
    assert [request["http_status"] for request in story["requests"]] == [503, 200, 200]


def test_the_tap_reads_an_old_ledger(old: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"ledger_url": old}))
    command = [str(Path(sys.executable).with_name("tap-adpostbacks")), "--config", str(tmp_path / "config.json")]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("TAP_", "TARGET_", "MELTANO_"))}
    ran = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path, env=env)
    messages = map(json.loads, ran.stdout.splitlines())
    read = [each["record"] for each in messages if each["type"] == "RECORD" and each["stream"] == "deliveries"]
    assert [(row["event_id"], row["status"], row["reason"]) for row in read] == WRITTEN


def test_what_an_old_ledger_has_accepted_is_not_sent_again(old: str, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        target = Target(tmp_path, sandbox.url, ledger_url=old)
        lately = (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()
        lines = [record(**a_record(event_id=name, event_time=lately)) for name in ("evt-taken", "evt-also-taken")]
        ran = target.run([schema(), *lines])
        assert ran.code == 0, ran.stderr
        assert "already accepted 2" in ran.summary
        assert sandbox.received == []
    assert TAKEN in deliveries(old)


def test_a_delivery_of_an_old_ledger_can_be_settled(old: str) -> None:
    result = CliRunner().invoke(main, ["resolve", "--ledger-url", old, "evt-silent", "--as", "accepted"])
    assert result.exit_code == 0, result.output
    assert deliveries(old)[-1] == ("evt-silent", "accepted", "")


def test_opening_an_old_ledger_to_write_makes_it_a_new_one(old: str, engine: sa.Engine, tmp_path: Path) -> None:
    columns = {table: ", ".join(shape(engine)[table][0]) for table in ("deliveries", "attempts", "runs")}
    before = {table: rows(old, names, table) for table, names in columns.items()}
    Ledger(old, "run-1").close()
    assert {table: rows(old, names, table) for table, names in columns.items()} == before
    assert rows(old, "value, version", "sequence") == [(14, VERSION)]
    brought_up_to_date = shape(engine)
    with engine.begin() as connection:
        for table in brought_up_to_date:
            connection.exec_driver_sql(f"DROP TABLE {table}")
    Ledger(old, "run-1").close()
    assert brought_up_to_date == shape(engine)
    assert rows(old, "value, version", "sequence") == [(0, VERSION)]


def test_an_old_ledger_is_written_to(old: str) -> None:
    with closing(Ledger(old, "run-1")) as ledger:
        ledger.start_run(NOW, "0.2.0")
        ledger.write(NOW, [a_row("evt-new")])
    assert deliveries(old) == [*WRITTEN, ("evt-new", "accepted", "")]
    assert [row["seq"] for row in changes(old, after=14)] == [16]


def test_programs_that_begin_at_once_bring_an_old_ledger_up_to_date_once(old: str) -> None:
    def begin(number: int) -> None:
        with closing(Ledger(old, f"run-{number}")) as ledger:
            ledger.write(NOW, [a_row(f"evt-{number}")])

    with ThreadPoolExecutor(8) as pool:
        [*pool.map(begin, range(8))]
    assert rows(old, "value, version", "sequence") == [(22, VERSION)]
    assert len(deliveries(old)) == len(WRITTEN) + 8


@pytest.mark.parametrize("opened", OPENED)
def test_a_newer_ledger_is_refused_with_what_to_do(
    ledger_url: str, engine: sa.Engine, opened: Callable[[str], object]
) -> None:
    Ledger(ledger_url, "run-1").close()
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE sequence SET version = {VERSION + 1}")
    with pytest.raises(UnusableLedger) as refused:
        opened(ledger_url)
    assert str(refused.value) == (
        f"ledger: it was written by a newer target-adpostbacks (version {VERSION + 1} of the ledger, this program knows"
        f" {VERSION}); update target-adpostbacks"
    )
    assert rows(ledger_url, "version", "sequence") == [(VERSION + 1,)]


@pytest.mark.parametrize("opened", OPENED)
@pytest.mark.parametrize("table", ["deliveries", "SEQUENCE"])
def test_another_programs_tables_are_left_alone(
    ledger_url: str, engine: sa.Engine, opened: Callable[[str], object], table: str
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {table} (id INTEGER, name TEXT)")
    before = shape(engine)
    with pytest.raises(
        UnusableLedger, match=f"the table `{table.lower()}` belongs to another program; choose another ledger_url"
    ):
        opened(ledger_url)
    assert shape(engine) == before


@pytest.mark.slow
def test_a_role_that_may_only_read_reads_an_old_ledger(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    make_version_1(engine)
    with a_role(engine, "SELECT") as reader:
        assert deliveries(reader) == WRITTEN
    engine.dispose()


@pytest.mark.slow
def test_only_the_owner_can_bring_an_old_ledger_up_to_date(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    make_version_1(engine)
    with a_role(engine, "SELECT, INSERT, UPDATE, DELETE") as writer:
        with pytest.raises(UnusableLedger) as refused:
            Ledger(writer, "run-1")
        assert str(refused.value) == (
            "ledger: must be owner of table sequence to bring it up to date;"
            " let target-adpostbacks run once as that role"
        )
        Ledger(postgres_url, "run-1").close()
        Ledger(writer, "run-2").close()
    engine.dispose()


NOTED = Table(
    "deliveries",
    (
        Column("event_id"),
        Column("note", nullable=True),
        Column("weight", INTEGER, default="7"),
        Column("mark", default="-", indexed=True),
    ),
)
REPORTS = Table("reports", (Column("report_id", INTEGER), Column("later", nullable=True, indexed=True)))
NEXT: Added = (
    *ADDED,
    [Of(NOTED, "note"), Of(NOTED, "weight")],
    [REPORTS, Index(NOTED, "note")],
    [Of(NOTED, "mark"), Of(REPORTS, "later")],
)
"""Three versions more: the last one adds a column to a table of the one before."""


def bring(url: str, version: int, added: Added = NEXT) -> None:
    """What one of that version lacks is added to a ledger."""
    with closing(Connections(parsed(url), "write")) as connections, connections.transaction() as connection:
        bring_up_to_date(connection, version, added)


def bring_to(version: int, url: str) -> None:
    """A ledger of version 1 becomes one of that version."""
    if version > 1:
        bring(url, 1, NEXT[: version - 1])


@pytest.mark.parametrize("version", [1, VERSION, VERSION + 1, VERSION + 2])
def test_what_later_versions_add_is_added_from_any_version(old: str, engine: sa.Engine, version: int) -> None:
    bring_to(version, old)
    bring(old, version)
    bring(old, version)  # what is there already is left alone
    columns, _, _, indexes = shape(engine)["deliveries"]
    assert {name: columns[name][1] for name in ("note", "weight", "mark")} == {
        "note": True,
        "weight": False,
        "mark": False,
    }
    assert {"ix_deliveries_note", "ix_deliveries_mark"} <= {index["name"] for index in indexes}
    assert {*shape(engine)["reports"][0]} == {"report_id", "later"}
    assert rows(old, "version", "sequence") == [(1 + len(NEXT),)]
    assert {*rows(old, "note, weight, mark")} == {(None, 7, "-")}


@pytest.mark.parametrize("version", [1, VERSION, VERSION + 1, VERSION + 2, VERSION + 3])
def test_what_a_ledger_lacks_is_read_as_null_or_its_default(old: str, version: int) -> None:
    bring_to(version, old)
    with closing(Connections(parsed(old), "read")) as connections:
        noted, reports = (as_of(table, version, connections.dialect, NEXT) for table in (NOTED, REPORTS))
        taken = connections.read(f"SELECT * FROM {noted} WHERE event_id = 'evt-taken'")
        assert [(row.event_id, row.note, row.weight, row.mark) for row in taken] == [("evt-taken", None, 7, "-")]
        assert connections.read(f"SELECT * FROM {reports}") == []


def test_a_column_that_came_later_is_null_or_has_a_default() -> None:
    later = {(item.table.name, item.column): item for version in ADDED for item in version if isinstance(item, Of)}
    assert later
    for table, name in later:
        (column,) = [each for each in later[table, name].table.columns if each.name == name]
        assert column.nullable or column.default is not None


@pytest.mark.slow
def test_tables_change_between_the_writes_of_a_run(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    make_version_1(engine)

    def update() -> None:
        bring(postgres_url, 1, ([Of(NOTED, "note")], [Of(SEQUENCE, "version")]))

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as run:
            run.exec_driver_sql("UPDATE sequence SET value = value + 1")
            updating = pool.submit(update)
            wait_for_a_lock(postgres_url)
            run.exec_driver_sql("UPDATE deliveries SET line = line")
        updating.result(PATIENCE)
    engine.dispose()
