"""What was accepted stays accepted, every change has a number, and nothing secret is in an error."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from filelock import FileLock, Timeout
from ledger_rows import NOW, a_role, a_row, an_attempt, changes, rows, values_of, wait_for_a_lock
from patience import PATIENCE

from target_adpostbacks.ledger import (
    TABLES,
    Ledger,
    LedgerReader,
    NoLedger,
    UnusableLedger,
    key,
    schema,
)
from target_adpostbacks.ledger.checkpoints import ROWS
from target_adpostbacks.ledger.database import READ_ROWS, Database
from target_adpostbacks.ledger.forgetting import EXPIRED_ROWS
from target_adpostbacks.ledger.tables import WRITTEN
from target_adpostbacks.ledger.upserts import CHUNKS

MAY = "2026-05-01T00:00:00.000+00:00"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url, "run-1")
    yield ledger
    ledger.close()


def test_much_of_what_is_written_reaches_the_file_itself_while_the_run_goes_on(tmp_path: Path) -> None:
    """What is only in its -wal waits for the end of the run, which then takes longer."""
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", "run-1")
    for begin in range(0, 2 * ROWS, 500):
        ledger.write(NOW, [a_row(f"evt-{number}") for number in range(begin, begin + 500)])
    assert ledger._checkpoints
    ledger._checkpoints.wait()
    (tmp_path / "copy.db").write_bytes((tmp_path / "ledger.db").read_bytes())
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        ((copied,),) = connection.execute("SELECT count(*) FROM deliveries")
    ledger.close()
    assert ROWS <= copied <= 2 * ROWS
    assert not (tmp_path / "ledger.db-wal").exists()


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", "run-1")
    ledger.write(NOW, [a_row()])
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    ledger.close()
    files = dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm"), 0o600)
    assert modes == {**files, ".ledger.db.locks": 0o700}


def test_every_column_of_a_row_is_stored_under_its_name(ledger: Ledger, ledger_url: str) -> None:
    campaign = {name: f"the {name}" for name in ("campaign_id", "campaign_name", "ad_group_id", "ad_id", "creative_id")}
    row = a_row(
        **campaign,
        placement="feed",
        adjustment="retract",
        reason="unconfirmed",
        message="told",
        attempts=3,
        click_time="2026-11-20T10:00:00.000+00:00",
        stitched_by="external_id",
        click_row=71,
        deadline="2026-12-18T12:00:00.000+00:00",
    )
    ledger.write(NOW, [row])
    names = ("updated_at", *WRITTEN)
    stored = dict(zip(names, rows(ledger_url, ", ".join(names))[0], strict=True))
    assert stored == {**values_of(row), "updated_at": NOW}
    assert len({*stored.values()}) == len(stored), "two columns could change places unseen"


@pytest.mark.parametrize("count", [1, CHUNKS[0] - 1, CHUNKS[0], 2 * CHUNKS[0] + CHUNKS[1] + 3])
def test_any_number_of_rows_is_written_once(ledger: Ledger, ledger_url: str, count: int) -> None:
    ledger.write(NOW, [a_row(f"evt-{number}") for number in range(count)])
    assert rows(ledger_url, "count(*), count(DISTINCT event_id), min(seq), max(seq)") == [(count, count, 1, count)]


@pytest.mark.parametrize("differing", [0, 13, CHUNKS[1] + 2])
@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "event_id"])
def test_what_differs_in_one_row_of_many_is_stored_of_each(
    ledger: Ledger, ledger_url: str, name: str, differing: int
) -> None:
    value = values_of(a_row())[name]
    others = {bool: not value, int: 2, float: 2.5}
    other = 2 if name == "click_row" else others.get(type(value), f"{value} of another")
    changed: dict[str, Any] = {name: other}
    written = [a_row(f"evt-{number}") for number in range(CHUNKS[1] + 3)]
    written[differing] = a_row(f"evt-{differing}", **changed)
    ledger.write(NOW, written)
    stored = rows(ledger_url, ", ".join(WRITTEN))
    assert sorted(stored) == sorted(tuple(values_of(row).values()) for row in written)


@pytest.mark.parametrize("count", [1, CHUNKS[1] + 1])
def test_what_all_rows_lack_replaces_what_they_had(ledger: Ledger, ledger_url: str, count: int) -> None:
    ids = [f"evt-{number}" for number in range(count)]
    ledger.write(NOW, [a_row(each, "open", reason="transient", deadline=NOW, value=2.5, sent_at=NOW) for each in ids])
    ledger.write(NOW, [a_row(each, deadline=None, value=None, sent_at=None) for each in ids])
    assert rows(ledger_url, "status, deadline, value, sent_at") == [("accepted", None, None, None)] * count


def test_ids_are_known_again_as_they_were_written(ledger: Ledger) -> None:
    ids = ["007", "7", "1e3", "null", '"', "\\u0041", "é", "", "true"]
    ledger.write(NOW, [a_row(each) for each in ids])
    keys = [a_row(each).key for each in [*ids, *ids, "1000", "A", "1", "evt-1"]]
    assert {key[3] for key in ledger.earlier(keys)} == {*ids}


@pytest.mark.parametrize("later", ["rejected", "skipped", "open"])
def test_what_was_accepted_stays_accepted(ledger: Ledger, ledger_url: str, later: str) -> None:
    ledger.write(NOW, [a_row()])
    ledger.write(NOW, [a_row(status=later)])
    assert rows(ledger_url, "status, seq") == [("accepted", 1)]


def test_what_was_open_or_refused_takes_its_new_verdict_and_a_new_number(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row("a", "open"), a_row("b", "rejected")])
    ledger.write(NOW, [a_row("a"), a_row("b")])
    assert rows(ledger_url, "event_id, delivery_id, seq, status") == [("a", 1, 3, "accepted"), ("b", 2, 4, "accepted")]


def test_the_same_skip_once_more_changes_nothing(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row(status="skipped", reason="too_old")])
    ledger.write(NOW, [a_row(status="skipped", reason="too_old")])
    assert rows(ledger_url, "seq, reason") == [(1, "too_old")]
    ledger.write(NOW, [a_row(status="skipped", reason="no_consent")])
    assert rows(ledger_url, "reason") == [("no_consent",)]


def test_one_identity_twice_in_one_write_is_one_row(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row(status="open"), a_row()])
    assert rows(ledger_url) == [("evt-1", "accepted")]


@pytest.mark.parametrize(
    "change",
    [
        {"network": "reddit"},
        {"asset": "OTHER"},
        {"event_name": "lead"},
        {"event_id": "evt-2"},
        {"adjustment": "retract"},
        {"test": True},
    ],
)
def test_each_part_of_the_identity_makes_another_delivery(ledger: Ledger, change: dict[str, Any]) -> None:
    ledger.write(NOW, [a_row()])
    other = a_row(**change)
    assert ledger.earlier([other.key]) == {}
    assert ledger.earlier([a_row().key])[a_row().key].status == "accepted"


def test_a_new_account_name_or_token_is_no_new_delivery(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row()])
    ledger.write(NOW, [a_row(account="renamed")])
    assert rows(ledger_url, "account") == [("default",)]


@pytest.mark.parametrize("status", ["rejected", "skipped", "open"])
def test_only_what_was_accepted_suppresses(ledger: Ledger, status: str) -> None:
    ledger.write(NOW, [a_row(status=status)])
    assert "accepted" not in {row.status for row in ledger.earlier([a_row().key]).values()}


@pytest.mark.parametrize(("status", "reason"), [("open", "no_answer"), ("rejected", ""), ("open", "throttled")])
def test_what_another_run_is_sending_keeps_its_row(ledger: Ledger, ledger_url: str, status: str, reason: str) -> None:
    ledger.write(NOW, [a_row(status=status, reason=reason)])
    ledger.write(NOW, [a_row(status="open", reason="busy"), a_row("evt-2", status="open", reason="busy")])
    assert sorted(rows(ledger_url, "event_id, status, reason")) == [
        ("evt-1", status, reason),
        ("evt-2", "open", "busy"),
    ]


@pytest.mark.parametrize(
    ("status", "reason", "attempt_id"),
    [
        ("skipped", "event_off", None),
        ("rejected", "too_large", None),
        ("open", "transient", None),
        ("open", "credentials", "a2"),
    ],
)
def test_what_was_sent_without_an_answer_stays_open_whatever_is_no_verdict_on_a_request(
    ledger: Ledger, ledger_url: str, status: str, reason: str, attempt_id: str | None
) -> None:
    ledger.write(NOW, [a_row(status="open", reason="no_answer", message="timed out")])
    ledger.write(NOW, [a_row(status=status, reason=reason, attempt_id=attempt_id, sent_at=None)])
    sent_at = a_row().sent.sent_at
    assert rows(ledger_url, "status, reason, message, sent_at") == [("open", "no_answer", "timed out", sent_at)]
    assert len(ledger.resolve("evt-1", "accepted", NOW)) == 1


@pytest.mark.parametrize(("verdict", "left"), [("accepted", None), ("resend", "2026-12-18T12:00:00.000+00:00")])
def test_what_is_settled_by_hand_has_no_deadline_any_more(
    ledger: Ledger, ledger_url: str, verdict: str, left: str | None
) -> None:
    ledger.write(NOW, [a_row(status="open", reason="no_answer", deadline="2026-12-18T12:00:00.000+00:00")])
    ledger.resolve("evt-1", verdict, NOW)
    assert rows(ledger_url, "deadline") == [(left,)]


def test_an_asset_belongs_to_one_run_until_that_ends(ledger: Ledger, ledger_url: str) -> None:
    other = Ledger(ledger_url, "run-2")
    assert ledger.claim("tiktok", "pixel-a")
    assert ledger.claim("tiktok", "pixel-a")
    assert not other.claim("tiktok", "pixel-a")
    assert other.claim("tiktok", "pixel-b")
    assert other.claim("reddit", "pixel-a")
    ledger.close()
    assert other.claim("tiktok", "pixel-a")
    other.close()


def test_two_names_of_one_file_are_one_ledger(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    one, two = Ledger(f"sqlite:///{tmp_path}/a.db", "1"), Ledger(f"sqlite:///{tmp_path}/link/a.db", "2")
    assert one.claim("tiktok", "pixel-a")
    assert not two.claim("tiktok", "pixel-a")
    one.close()
    two.close()


def test_locks_are_files_in_one_hidden_folder(tmp_path: Path) -> None:
    with closing(Ledger(f"sqlite:///{tmp_path}/a.db", "run-1")) as ledger:
        assert ledger.claim("tiktok", "pixel-a")
        assert ledger.claim("tiktok", "pixel-b")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.db.locks", "a.db"]
    assert len([*(tmp_path / ".a.db.locks").iterdir()]) == 2


def test_a_run_of_version_0_1_0_keeps_its_assets(tmp_path: Path) -> None:
    """It locks a file beside the ledger, and may go on while a newer version begins."""

    def old_lock(asset: str) -> Path:
        return tmp_path / f"a.db.{hashlib.sha256(f'tiktok {asset}'.encode()).hexdigest()[:8]}.lock"

    with FileLock(old_lock("pixel-a")), closing(Ledger(f"sqlite:///{tmp_path}/a.db", "run-1")) as ledger:
        assert not ledger.claim("tiktok", "pixel-a")
        assert ledger.claim("tiktok", "pixel-b")
        with pytest.raises(Timeout):  # nor does the other run get what this one sends to
            FileLock(old_lock("pixel-b"), blocking=False).acquire()
    with closing(Ledger(f"sqlite:///{tmp_path}/a.db", "run-2")) as ledger:
        assert ledger.claim("tiktok", "pixel-a")


def test_a_folder_of_locks_that_cannot_be_made_is_told_by_its_place(tmp_path: Path) -> None:
    (tmp_path / ".a.db.locks").write_text("")
    with pytest.raises(UnusableLedger) as refused:
        Ledger(f"sqlite:///{tmp_path}/a.db", "run-1")
    assert str(refused.value) == (
        f"ledger: {tmp_path}/.a.db.locks, the folder of its locks, can't be made: File exists;"
        " check ledger_url, and that its file or database can be written to"
    )


@pytest.mark.slow
def test_a_run_that_lost_its_assets_finds_out(postgres_url: str) -> None:
    ledger = Ledger(postgres_url, "run-1")
    assert ledger.claim("tiktok", "pixel-a")
    engine = sa.create_engine(postgres_url)
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    with engine.connect() as connection:
        connection.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    engine.dispose()
    with pytest.raises(UnusableLedger, match="the lock that keeps other runs away was lost"):
        ledger.claim("tiktok", "pixel-a")
    ledger.close()


def test_numbers_rise_in_the_order_of_commits_whoever_writes(ledger_url: str) -> None:
    ledgers = [Ledger(ledger_url, f"run-{number}") for number in range(3)]

    def write(ledger: Ledger, name: str) -> None:
        for number in range(20):
            ledger.write(NOW, [a_row(f"{name}-{number}-{each}") for each in range(3)])

    threads = [threading.Thread(target=write, args=(ledger, ledger.run_id)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ledger in ledgers:
        ledger.close()
    assert rows(ledger_url, "count(*), count(DISTINCT seq), max(seq)") == [(180, 180, 180)]


def test_what_is_too_old_is_forgotten_but_for_its_identity_and_status(ledger: Ledger, ledger_url: str) -> None:
    campaign = {"campaign_id": "c", "campaign_name": "C", "ad_group_id": "g", "ad_id": "a", "creative_id": "k"}
    ledger.write(MAY, [a_row("old", reason="r", message="m", adjustment="retract", placement="p", **campaign)])
    ledger.expire("2026-06-01T00:00:00.000+00:00")
    (row,) = changes(ledger_url)
    assert row == {
        "delivery_id": 1,
        "seq": 1,
        "run_id": "run-1",
        "updated_at": MAY,
        "network": "tiktok",
        "asset": "PIXEL",
        "event_name": "purchase",
        "event_id": "old",
        "adjustment": "retract",
        "test": False,
        "account": "default",
        "status": "accepted",
        "reason": "r",
        "attempts": 1,
        "sent_at": "2026-11-20T12:05:00.000+00:00",
        "stream": "",
        "line": 0,
        "network_event": "",
        "code": "",
        "message": "",
        "match_keys": "",
        "network_request_id": "",
        "attempt_id": None,
        "http_status": None,
        "latency_ms": None,
        "event_time": None,
        "campaign_id": None,
        "campaign_name": None,
        "ad_group_id": None,
        "ad_id": None,
        "creative_id": None,
        "placement": None,
        "value": None,
        "currency": None,
        "adjustment_time": None,
        "click_time": None,
        "stitched_by": None,
        "click_row": None,
        "deadline": None,
    }
    assert ledger.earlier([a_row("old", adjustment="retract").key])


def test_what_is_open_or_new_is_kept_whole(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(MAY, [a_row("refused", "rejected"), a_row("open", "open")], [an_attempt("a1", started_at=MAY)])
    ledger.write(NOW, [a_row("new")], [an_attempt("a2", started_at=NOW)])
    ledger.expire("2026-06-01T00:00:00.000+00:00")
    assert rows(ledger_url, "event_id, line, value") == [("new", 7, 19.99), ("open", 7, 19.99), ("refused", 0, None)]
    assert rows(ledger_url, "attempt_id", "attempts") == [("a2",)]


def test_runs_are_forgotten_too_but_not_the_one_that_forgets(ledger: Ledger, ledger_url: str) -> None:
    other = Ledger(ledger_url, "run-0")
    other.start_run("2026-05-01T00:00:00.000+00:00", "0.1.0")
    other.close()
    ledger.start_run("2026-05-02T00:00:00.000+00:00", "0.1.0")
    ledger.expire(NOW)
    assert rows(ledger_url, "run_id", "runs") == [("run-1",)]


def test_any_number_of_rows_is_forgotten(ledger: Ledger, ledger_url: str) -> None:
    ledger.write("2026-05-01T00:00:00.000+00:00", [a_row(f"evt-{number}") for number in range(EXPIRED_ROWS + 1)])
    ledger.expire(NOW)
    assert rows(ledger_url, "count(*)", "deliveries WHERE line = 0") == [(EXPIRED_ROWS + 1,)]
    ledger.expire(None, NOW)
    assert rows(ledger_url, "count(*)") == [(0,)]


def test_what_is_old_is_forgotten_behind_any_number_of_rows_that_stay(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(MAY, [a_row("first")], [an_attempt("a0", started_at=MAY)])
    ledger.write(NOW, [a_row(f"evt-{number}") for number in range(2 * EXPIRED_ROWS)])
    ledger.write(MAY, [a_row("last"), a_row("open", "open")], [an_attempt("a1", started_at=MAY)])
    ledger.expire(NOW)
    assert rows(ledger_url, "event_id", "deliveries WHERE line = 0") == [("first",), ("last",)]
    assert rows(ledger_url, "count(*)", "attempts") == [(0,)]
    ledger.expire(None, NOW)
    assert rows(ledger_url, "count(*)") == [(2 * EXPIRED_ROWS + 1,)]


def test_what_was_settled_before_the_days_of_dedup_is_deleted_whole(ledger: Ledger, ledger_url: str) -> None:
    ledger.write("2026-04-01T00:00:00.000+00:00", [a_row("refused", "rejected"), a_row("taken", "open")])
    ledger.write(MAY, [a_row("refused", "rejected"), a_row("open", "open"), a_row("taken"), a_row("off", "skipped")])
    ledger.write(NOW, [a_row("new")])
    ledger.expire("2026-01-01T00:00:00.000+00:00", "2026-06-01T00:00:00.000+00:00")
    assert rows(ledger_url, "event_id") == [("new",), ("open",)]
    assert rows(ledger_url, "count(*)", "history") == [(0,)]
    assert ledger.earlier([a_row("taken").key]) == {}


def test_details_go_without_days_of_dedup_and_identities_without_retention(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(MAY, [a_row("old")], [an_attempt(started_at=MAY)])
    ledger.expire(None, None)
    assert rows(ledger_url, "event_id, line") == [("old", 7)]
    ledger.expire(None, NOW)
    assert rows(ledger_url, "count(*)") == [(0,)]
    assert rows(ledger_url, "count(*)", "attempts") == [(1,)]


def test_a_run_does_not_read_again_what_it_has_written_itself(ledger: Ledger, ledger_url: str) -> None:
    """None of it can be old, however long the run takes."""
    ledger.write(MAY, [a_row("earlier")])
    ledger.start_run(MAY, "0.1.0")
    ledger.write(MAY, [a_row("own")])
    ledger.expire(NOW, None)
    assert rows(ledger_url, "event_id, line") == [("earlier", 0), ("own", 7)]
    ledger.expire(None, NOW)
    assert rows(ledger_url, "event_id") == [("own",)]


def test_a_run_is_announced_and_ended(ledger: Ledger, ledger_url: str) -> None:
    ledger.start_run("2026-11-20T12:05:00.000+00:00", "0.1.0")
    assert rows(ledger_url, "run_id, exit_code, counts", "runs") == [("run-1", None, "{}")]
    ledger.end_run("2026-11-20T12:06:00.000+00:00", 0, {"read": 3})
    assert rows(ledger_url, "run_id, exit_code, counts", "runs") == [("run-1", 0, '{"read":3}')]


def test_an_attempt_is_stored_with_its_run(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [], [an_attempt()])
    assert rows(ledger_url, "attempt_id, run_id, status", "attempts") == [("a1", "run-1", "Success")]


def test_changes_come_in_order_and_only_those_after_a_number(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row(f"evt-{number}", "open") for number in range(2 * READ_ROWS + 1)])
    ledger.write(NOW, [a_row("evt-0")])
    found = changes(ledger_url)
    assert [row["seq"] for row in found] == [*range(2, 2 * READ_ROWS + 3)]
    assert [row["event_id"] for row in changes(ledger_url, after=2 * READ_ROWS)] == [f"evt-{2 * READ_ROWS}", "evt-0"]
    with LedgerReader(ledger_url) as reader:
        assert reader.last_seq == 2 * READ_ROWS + 2
        parts = [
            reader.changes("deliveries", after, after + READ_ROWS) for after in range(0, 2 * READ_ROWS + 2, READ_ROWS)
        ]
        assert [row["seq"] for part in parts for row in part] == [*range(2, 2 * READ_ROWS + 3)]


def test_a_value_comes_back_as_it_was_written(ledger: Ledger, ledger_url: str) -> None:
    written = a_row("Ünïcode 😀 ' \\ %s {x}", test=True, value=0.1 + 0.2, line=2**40, http_status=None, placement="")
    ledger.write(NOW, [written])
    (row,) = changes(ledger_url)
    assert {name: row[name] for name in WRITTEN} == values_of(written)
    assert [type(row[name]) for name in ("test", "value", "line", "attempts")] == [bool, float, int, int]


def test_a_run_reads_what_it_wrote_itself(ledger: Ledger, ledger_url: str) -> None:
    other = Ledger(ledger_url, "run-2")
    ledger.write(NOW, [a_row("before")])
    ledger.start_run(NOW, "0.1.0")
    ledger.write(NOW, [a_row("mine"), a_row("taken", "open")])
    other.write(NOW, [a_row("theirs"), a_row("taken")])
    assert [row["event_id"] for row in ledger.changes_of_run()] == ["mine"]
    other.close()


def test_a_chain_that_bites_its_tail_ends(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row(attempt_id="a1")], [an_attempt("a1", "a2"), an_attempt("a2", "a1")])
    with LedgerReader(ledger_url) as reader:
        assert [line.event_id for line in reader.lines()].count("evt-1") > 1


@pytest.mark.parametrize("opened", [LedgerReader, partial(Ledger, create=False)])
def test_only_a_run_makes_a_ledger(ledger_url: str, tmp_path: Path, opened: Callable[[str], object]) -> None:
    with pytest.raises(NoLedger, match="no ledger at"):
        opened(ledger_url)
    assert not (tmp_path / "ledger.db").exists()


def test_a_reader_cannot_write_even_to_its_own_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger(url, "run-1").close()
    database = Database(url, "read")
    with pytest.raises(UnusableLedger, match="readonly"), database.begin() as connection:
        connection.run("DELETE FROM runs")
    database.close()


@pytest.mark.parametrize("table", TABLES)
def test_a_schema_has_the_type_of_every_column(table: str) -> None:
    described = schema(table)
    assert [*described["properties"]] == [column.name for column in TABLES[table].columns]
    assert described["required"] == key(table) != []
    assert described["properties"]["seq"] == {"type": ["integer"]}


def test_runs_that_begin_at_once_make_one_ledger(ledger_url: str) -> None:
    def begin(number: int) -> None:
        ledger = Ledger(ledger_url, f"run-{number}")
        ledger.write(NOW, [a_row(f"evt-{number}")])
        ledger.close()

    with ThreadPoolExecutor(8) as pool:
        [*pool.map(begin, range(8))]
    assert rows(ledger_url, "count(*), max(seq)") == [(8, 8)]
    assert rows(ledger_url, "id, value", "sequence") == [(1, 8)]


def test_a_run_waits_while_another_is_making_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN IMMEDIATE")
        opening = pool.submit(Ledger, f"sqlite:///{path}", "run-1")
        assert not wait([opening], timeout=0.2).done
        other.execute("COMMIT")
        opening.result(PATIENCE).close()


@pytest.mark.slow
def test_no_number_is_seen_before_a_lower_one(postgres_url: str) -> None:
    slow, quick = Ledger(postgres_url, "slow"), Ledger(postgres_url, "quick")
    with ThreadPoolExecutor(1) as pool:
        with slow._writing(1) as (_, seqs):  # has its number, and is not committed yet
            assert next(seqs) == 1
            waiting = pool.submit(quick.write, NOW, [a_row()])
            wait_for_a_lock(postgres_url)
            assert changes(postgres_url) == []
            assert not waiting.done()
        waiting.result(PATIENCE)
    assert [row["seq"] for row in changes(postgres_url)] == [2]
    slow.close()
    quick.close()


@pytest.mark.slow
def test_a_nul_stops_no_write_to_postgresql(postgres_url: str) -> None:
    ledger = Ledger(postgres_url, "run-1")
    text = "a\0b \\u0000"
    ledger.write(NOW, [a_row(campaign_name=text, test=False), a_row("evt-2")], [an_attempt(message=text)])
    ledger.end_run(NOW, 0, {"skipped": {text: 1}})
    assert rows(postgres_url, "event_id, campaign_name, test") == [
        ("evt-1", "ab \\u0000", False),
        ("evt-2", None, False),
    ]
    assert rows(postgres_url, "message", "attempts") == [("ab \\u0000",)]
    ledger.close()


@pytest.mark.slow
def test_a_role_that_may_only_read_can_read(postgres_url: str) -> None:
    ledger = Ledger(postgres_url, "run-1")
    ledger.write(NOW, [a_row()])
    ledger.close()
    engine = sa.create_engine(postgres_url)
    with a_role(engine, "SELECT") as reader:
        assert len(changes(reader)) == 1
        with closing(Ledger(reader, create=False)) as ledger, pytest.raises(UnusableLedger, match="permission denied"):
            ledger.write(NOW, [a_row("evt-2")])
    engine.dispose()


@pytest.mark.slow
def test_a_connection_that_was_lost_is_made_again_and_a_lost_database_is_told(postgres_url: str) -> None:
    ledger = Ledger(postgres_url, "run-1")
    ledger.write(NOW, [a_row()])
    url = sa.make_url(postgres_url)
    engine = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        name = url.database
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        connection.execute(sa.text(ended))
        ledger.write(NOW, [a_row("evt-2")])
        connection.execute(sa.text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"))
        connection.execute(sa.text(ended))
        with pytest.raises(UnusableLedger, match="check ledger_url") as lost:
            ledger.write(NOW, [a_row("evt-3")])
        with pytest.raises(UnusableLedger, match="check ledger_url"):
            ledger.earlier([a_row().key])
        connection.execute(sa.text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true"))
    assert "\n" not in str(lost.value)
    assert "INSERT" not in str(lost.value)
    ledger.write(NOW, [a_row("evt-3")])
    assert len(changes(postgres_url)) == 3
    ledger.close()
    engine.dispose()


def test_a_ledger_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnusableLedger, match="check ledger_url"):
        Ledger(f"sqlite:///{tmp_path}/missing/ledger.db", "run-1")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is no database, and long enough to be seen as one" * 100)
    with pytest.raises(UnusableLedger, match="not a database"):
        Ledger(f"sqlite:///{path}", "run-1")


def test_the_password_of_the_url_is_in_no_error() -> None:
    with pytest.raises(UnusableLedger) as refused:
        Ledger("postgresql+psycopg://ada:hush-hush@127.0.0.1:1/ledger", "run-1")
    assert "hush-hush" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://ada:x@canary@127.0.0.1:1/ledger",
        "postgresql+psycopg://ada:x@can:canary@127.0.0.1:1/ledger",
        "postgresql+psycopg://ada:x@127.0.0.1:canary/ledger",
        "postgresql://127.0.0.1:1/ledger?password=canary",
        "postgres://ada:canary@127.0.0.1:1/ledger",
        "canary",
    ],
)
def test_no_piece_of_a_password_is_in_an_error(url: str) -> None:
    with pytest.raises(UnusableLedger) as refused:
        Ledger(url, "run-1")
    assert "canary" not in str(refused.value)


@pytest.mark.slow
def test_the_ledgers_place_is_told_without_secrets(postgres_url: str) -> None:
    url = sa.make_url(postgres_url).set(query={"application_name": "canary"})
    ledger = Ledger(url.render_as_string(hide_password=False), "run-1")
    assert "canary" not in ledger.location
    assert not url.password or url.password not in ledger.location
    assert f":{url.port}/{url.database}" in ledger.location
    ledger.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "oracle+x://h"])
def test_another_database_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(UnusableLedger) as refused:
        Ledger(url, "run-1")
    assert "\n" not in str(refused.value)


DOCUMENT = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()


@pytest.mark.parametrize("query", re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL), ids=lambda query: query[:40])
def test_a_query_of_the_document_works(ledger: Ledger, ledger_url: str, query: str) -> None:
    purchase = {"attempt_id": "a2", "network": "tiktok", "event_time": "2026-11-20T12:00:00.000+00:00"}
    ledger.write(NOW, [a_row("evt_9f1c2d", **purchase)], [an_attempt("a1"), an_attempt("a2", "a1")])
    ledger.write(NOW, [a_row("evt-2", "open", reason="transient"), a_row("evt-3", "rejected")])
    ledger.write(NOW, [a_row("evt-3")])
    engine = sa.create_engine(ledger_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(query).all()
    engine.dispose()


@pytest.mark.parametrize("table", TABLES)
def test_the_document_names_every_column(table: str) -> None:
    part = DOCUMENT.partition(f"## `{TABLES[table].name}`")[2].partition("\n## ")[0]
    assert {column.name for column in TABLES[table].columns} <= {*re.findall(r"`(\w+)`", part)}
