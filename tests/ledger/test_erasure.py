"""Who was erased and whose a delivery is, by digests: what the ledger keeps of it, and what it makes of open rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa
from ledger_rows import NOW, a_row, an_attempt, changes, rows

from target_adpostbacks.core.advice import advice
from target_adpostbacks.core.reasons import AFTER_ERASURE, ERASED
from target_adpostbacks.ledger import TABLES, Ledger, LedgerReader
from target_adpostbacks.ledger.erasure import Kept, OtherKey

LATER = "2026-11-21T00:00:00.000+00:00"
ADA, HERS, GRACE = "a" * 24, "b" * 24, "c" * 24
KEY = "fingerprint"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url, "run-1")
    yield ledger
    ledger.close()


def write(ledger: Ledger, *digests: str, now: str = NOW, **columns: object) -> None:
    row = a_row(**columns)  # type: ignore[arg-type]
    ledger.write(now, [row], people={row.key: digests})


def states(url: str) -> list[tuple[str, str, str]]:
    return rows(url, "event_id, status, reason")


def test_an_erased_person_stays_erased_and_is_written_once(ledger: Ledger, ledger_url: str) -> None:
    assert ledger.erasure.kept() == Kept()
    ledger.erasure.erase([ADA, HERS], KEY, NOW)
    ledger.erasure.erase([ADA, GRACE], KEY, LATER)
    reached, digests = ledger.erasure.suppressed()
    assert sorted(digests) == [ADA, HERS, GRACE]
    assert ledger.erasure.suppressed(reached) == (reached, [])
    assert rows(ledger_url, "digest, erased_at", "erasure_suppressions") == [(ADA, NOW), (HERS, NOW), (GRACE, LATER)]
    assert ledger.erasure.kept() == Kept(KEY, None, True)


def test_who_reads_on_gets_whoever_was_erased_since(ledger: Ledger, ledger_url: str) -> None:
    ledger.erasure.erase([ADA], KEY, NOW)
    reached, _ = ledger.erasure.suppressed()
    with closing(Ledger(ledger_url, "run-2")) as other:
        other.erasure.erase([GRACE], KEY, LATER)
    assert ledger.erasure.suppressed(reached)[1] == [GRACE]


@pytest.mark.parametrize("use", ["erase", "index_from"])
def test_another_key_is_refused_and_changes_nothing(ledger: Ledger, ledger_url: str, use: str) -> None:
    ledger.erasure.erase([ADA], KEY, NOW)
    with pytest.raises(OtherKey):
        ledger.erasure.erase([GRACE], "another", NOW) if use == "erase" else ledger.erasure.index_from(NOW, "another")
    assert ledger.erasure.kept() == Kept(KEY, None, True)
    assert rows(ledger_url, "digest", "erasure_suppressions") == [(ADA,)]


def test_what_is_open_becomes_skipped_unless_the_network_may_have_it(ledger: Ledger, ledger_url: str) -> None:
    ledger.erasure.index_from(NOW, KEY)
    write(ledger, ADA, HERS, event_id="evt-1", status="open", reason="transient", attempt_id=None, deadline=LATER)
    write(ledger, HERS, event_id="evt-2", status="open", reason="no_answer", deadline=LATER)
    write(ledger, ADA, event_id="evt-3", status="accepted")
    write(ledger, ADA, event_id="evt-4", status="rejected")
    write(ledger, GRACE, event_id="evt-5", status="open", reason="transient", deadline=LATER)
    assert ledger.erasure.erase([ADA, HERS], KEY, LATER) == 1
    assert states(ledger_url) == [
        ("evt-1", "skipped", "suppressed"),
        ("evt-2", "open", "no_answer"),
        ("evt-3", "accepted", ""),
        ("evt-4", "rejected", ""),
        ("evt-5", "open", "transient"),
    ]
    (changed,) = [row for row in changes(ledger_url) if row["reason"] == "suppressed"]
    assert (changed["updated_at"], changed["deadline"], changed["match_keys"]) == (LATER, None, "ttclid,email")
    assert max(row["seq"] for row in changes(ledger_url)) == changed["seq"]
    assert [row["reason"] for row in changes(ledger_url, "history")] == ["transient"]
    assert ledger.erasure.erase([ADA, HERS], KEY, LATER) == 0


def test_what_was_never_answered_says_that_it_is_not_sent_again(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, HERS, event_id="evt-2", status="open", reason="no_answer", message="timed out", deadline=LATER)
    write(ledger, GRACE, event_id="evt-5", status="open", reason="no_answer", message="timed out", deadline=LATER)
    before, other = changes(ledger_url)
    assert ledger.erasure.erase([HERS], KEY, LATER) == 0
    same, hers = changes(ledger_url)
    assert same == other
    assert hers == {**before, "seq": hers["seq"], "message": ERASED, "updated_at": LATER}
    assert hers["seq"] > other["seq"]
    assert advice(None, reason="no_answer", message=hers["message"]) == AFTER_ERASURE
    ledger.erasure.erase([HERS], KEY, "2026-11-22T00:00:00.000+00:00")
    assert changes(ledger_url) == [same, hers]


def test_a_delivery_is_found_by_each_of_its_digests_once(ledger: Ledger) -> None:
    for status in ("open", "accepted"):
        write(ledger, ADA, HERS, event_id="evt-1", status=status)
    write(ledger, GRACE, event_id="evt-2")
    (found,) = ledger.erasure.of_person([ADA, HERS, "d" * 24])
    assert found.digests == {ADA, HERS}
    assert (found.delivery["event_id"], found.delivery["status"], found.delivery["test"]) == (
        "evt-1",
        "accepted",
        False,
    )
    assert found.requested == "2026-11-20T12:05:00.000+00:00"
    assert ledger.erasure.of_person(["d" * 24]) == []


def test_many_deliveries_are_indexed_each_under_its_own_digests(ledger: Ledger) -> None:
    many = [a_row(f"evt-{number}") for number in range(700)]
    people = {row.key: [f"{number:024x}", ADA] for number, row in enumerate(many)}
    ledger.write(NOW, many, [an_attempt()], people=people)
    (found,) = ledger.erasure.of_person([f"{345:024x}"])
    assert found.delivery["event_id"] == "evt-345"
    assert len(ledger.erasure.of_person([ADA])) == 700


def test_what_was_refused_a_request_before_it_was_left_out_was_seen_all_the_same(ledger: Ledger) -> None:
    write(ledger, ADA, event_id="evt-1", status="rejected")
    write(ledger, ADA, event_id="evt-2", status="open", reason="transient", sent_at=None, attempt_id=None)
    for event_id in ("evt-1", "evt-2"):
        left_out = a_row(event_id, "skipped", reason="suppressed", sent_at=None, attempt_id=None)
        ledger.write(LATER, [left_out])
    assert [(each.delivery["event_id"], each.requested) for each in ledger.erasure.of_person([ADA])] == [
        ("evt-2", None),
        ("evt-1", NOW),
    ]


def test_the_index_is_whole_from_the_first_run_that_keeps_it_until_one_does_not(ledger: Ledger) -> None:
    ledger.erasure.index_from(NOW, KEY)
    ledger.erasure.index_from(LATER, KEY)
    assert ledger.erasure.kept() == Kept(KEY, NOW, False)
    ledger.erasure.end_index()
    assert ledger.erasure.kept() == Kept(KEY, None, False)
    ledger.erasure.index_from(LATER, KEY)
    assert ledger.erasure.kept() == Kept(KEY, LATER, False)


def test_retention_removes_the_index_and_never_a_suppression(ledger: Ledger, ledger_url: str) -> None:
    may = "2026-05-01T00:00:00.000+00:00"
    ledger.erasure.index_from(may, KEY)
    ledger.erasure.erase([GRACE], KEY, may)
    write(ledger, ADA, HERS, now=may, event_id="evt-1")
    write(ledger, ADA, now=may, event_id="evt-2", status="open", reason="transient")
    write(ledger, ADA, now=LATER, event_id="evt-3")
    ledger.expire(NOW)
    assert rows(ledger_url, "digest, count(*)", "erasure_index GROUP BY digest") == [(ADA, 2)]
    assert ledger.erasure.kept() == Kept(KEY, NOW, True)
    assert rows(ledger_url, "digest", "erasure_suppressions") == [(GRACE,)]


def test_the_index_goes_with_a_delivery_that_is_deleted(ledger: Ledger, ledger_url: str) -> None:
    may = "2026-05-01T00:00:00.000+00:00"
    ledger.erasure.index_from(may, KEY)
    write(ledger, ADA, HERS, now=may, event_id="evt-1")
    write(ledger, ADA, now=LATER, event_id="evt-2")
    ledger.expire(None, NOW)
    assert rows(ledger_url, "digest, count(*)", "erasure_index GROUP BY digest") == [(ADA, 1)]
    assert ledger.erasure.kept() == Kept(KEY, NOW, False)


def test_accounts_that_were_sent_something_before_the_index_are_told(ledger: Ledger) -> None:
    write(ledger, event_id="evt-1", sent_at="2026-11-20T12:05:00.000+00:00")
    write(ledger, event_id="evt-2", sent_at="2026-11-22T12:05:00.000+00:00", status="rejected")
    write(ledger, event_id="evt-3", network="reddit", sent_at=None, status="skipped", reason="no_consent")
    write(ledger, event_id="evt-4", network="x", asset="p", sent_at="2026-11-22T12:05:00.000+00:00")
    assert [(row.network, row.account, row.asset, row.conversions) for row in ledger.erasure.told_before(None)] == [
        ("tiktok", "default", "PIXEL", 2),
        ("x", "default", "p", 1),
    ]
    assert [(row.network, row.first, row.last) for row in ledger.erasure.told_before(LATER)] == [
        ("tiktok", "2026-11-20T12:05:00.000+00:00", "2026-11-20T12:05:00.000+00:00")
    ]


def test_who_reads_knows_the_fingerprint_and_an_older_ledger_has_none(ledger: Ledger, ledger_url: str) -> None:
    ledger.erasure.erase([ADA], KEY, NOW)
    with LedgerReader(ledger_url) as reader:
        assert reader.erasure() == Kept(KEY, None, True)
    for table in ("erasure", "erasure_suppressions"):
        execute(ledger_url, f"DROP TABLE {table}")
    execute(ledger_url, "UPDATE sequence SET version = 8")
    with LedgerReader(ledger_url) as reader:
        assert reader.erasure() == Kept()


def execute(url: str, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_no_stream_has_digests(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, ADA, event_id="evt-1")
    ledger.erasure.erase([GRACE], KEY, NOW)
    assert not any(digest in str(changes(ledger_url, table)) for table in TABLES for digest in (ADA, GRACE, KEY))


def test_a_digest_is_stored_once_in_sqlite(tmp_path: object) -> None:
    with closing(Ledger(f"sqlite:///{tmp_path}/ledger.db", "run-1")) as ledger:
        write(ledger, ADA, event_id="evt-1")
    with closing(sqlite3.connect(f"{tmp_path}/ledger.db")) as connection:
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'erasure_index'").fetchone()
    assert sql.endswith("WITHOUT ROWID")
