"""The real command with streams of statistics: the table, state, the run's last lines, the exit code."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from run_target import Ran, Target, a_purchase, encoded, record, schema, state

from target_adpostbacks.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.machine_clock]

TIKTOK = {"preset": "tap-tiktok-ads", "currency": "USD", "time_zone": "America/Los_Angeles"}


@pytest.fixture
def target(tmp_path: Path, sandbox: Sandbox) -> Target:
    return Target(tmp_path, sandbox.url, performance={"ad_insights": {**TIKTOK}})


def day(number: int = 1, **columns: Any) -> dict[str, Any]:
    ad = {"campaign_id": "111", "ad_id": f"A{number}", "stat_time_day": "2026-11-01 00:00:00", "spend": "60.00"}
    return record("ad_insights", **ad | {"impressions": 10, **columns})


def of_statistics(ran: Ran) -> list[str]:
    """What the run said of statistics."""
    return [line for line in ran.stderr.splitlines() if "performance" in line]


def spent(target: Target, columns: str = "ad_id, spend_micros") -> list[Any]:
    return sorted(target.rows(columns, "ad_performance"))


def test_statistics_go_into_their_table_and_conversions_to_their_network(target: Target, sandbox: Sandbox) -> None:
    lines = [
        schema("ad_insights"),
        day(1),
        day(2),
        schema(),
        record(**a_purchase()),
        day(2, spend="7"),
        state({"n": 1}),
    ]
    ran = target.run(lines)
    assert (ran.code, ran.states) == (0, [{"n": 1}])
    assert spent(target) == [("A1", 60_000_000), ("A2", 7_000_000)]
    assert ran.summary.startswith("read 1, accepted 1,")
    assert of_statistics(ran)[-1].endswith("performance: 3 rows")
    assert '"value":3,"tags":{"stream":"ad_insights"' in ran.stderr
    assert len(sandbox.received) == 1
    assert target.rows("network") == [("tiktok",)]


def test_rows_that_are_no_use_are_counted_and_hold_nothing_back(target: Target) -> None:
    bad = [day(9, spend="canary-7f3a"), day(9, stat_time_day=None), day(9, spend=None)]
    ran = target.run([schema("ad_insights"), day(1), *bad, state({"n": 1})])
    assert (ran.code, ran.states) == (0, [{"n": 1}])
    assert of_statistics(ran)[-1].endswith("performance: 1 row, 3 left out (day_missing 1, spend_missing 2)")
    assert "Line 3: performance.ad_insights: no spend, or not a number; map it with `columns.spend`." in ran.stderr
    assert "canary" not in ran.stderr


@pytest.mark.parametrize(("rows", "code"), [(5, 1), (4, 0)])
def test_a_stream_of_which_no_row_can_be_used_fails_the_run(target: Target, rows: int, code: int) -> None:
    del target.config["performance"]["ad_insights"]["currency"]
    ran = target.run([schema("ad_insights"), *map(day, range(rows)), state({"n": 1})])
    assert (ran.code, ran.states) == (code, [{"n": 1}])
    assert ("none of 5 rows could be used (currency_missing 5)." in ran.stderr) == (code == 1)
    assert "performance.ad_insights: no currency; set `currency` to that of the ad account." in ran.stderr


def test_a_stream_that_looks_like_statistics_is_told_once_and_not_sent(target: Target) -> None:
    announced = schema("reports")
    announced["schema"]["properties"] = {"spend": {}, "clicks": {}}
    rows = [record("reports", spend=number) for number in range(7)]
    ran = target.run([announced, *rows, announced, record("reports", spend=8), schema(), record(**a_purchase())])
    assert ran.code == 0
    told = "Stream reports looks like ad performance: add it to `performance`, and load it in full once."
    assert ran.stderr.count(told) == 1
    assert of_statistics(ran)[-1].endswith("performance: 0 rows, 8 left out (not_listed 8)")
    assert target.rows("stream") == [("conversions",)]


@pytest.mark.parametrize(
    ("columns", "config"),
    [
        ({"EVENT_NAME": {}}, {}),
        ({"kind": {}}, {"fields": {"event_name": "kind"}}),
        ({}, {"defaults": {"event_name": "lead"}}),
        (
            {"kind": {}},
            {
                "sources": {"mine": {"fields": {"event_name": "kind"}, "only_fields": False}},
                "source": {"orders": "mine"},
            },
        ),
    ],
)
def test_a_conversion_may_have_a_spend(target: Target, columns: dict[str, Any], config: dict[str, Any]) -> None:
    announced = schema("orders")
    announced["schema"]["properties"] = {"spend": {}, **columns}
    names = [*columns] or ["event_name"]
    purchase = a_purchase()
    given = {**purchase, "spend": 3, **dict.fromkeys(names, purchase.pop("event_name"))}
    target.config |= config
    ran = target.run([announced, record("orders", **{name: given[name] for name in given if given[name] is not None})])
    assert "accepted 1," in ran.summary
    assert "looks like" not in ran.stderr


def test_a_config_with_statistics_alone_loads_them(tmp_path: Path) -> None:
    target = Target(tmp_path, "http://127.0.0.1:1")
    target.config = {"performance": {"ad_insights": TIKTOK}}
    ran = target.run([schema("ad_insights"), day(1), state({"n": 1})])
    assert (ran.code, ran.states, spent(target)) == (0, [{"n": 1}], [("A1", 60_000_000)])


def test_plain_lines_are_statistics_where_their_stream_is_named(tmp_path: Path) -> None:
    target = Target(tmp_path, "http://127.0.0.1:1")
    target.config = {"performance": {"conversions": TIKTOK}}
    ran = target.run([day(1)["record"]])
    assert (ran.code, spent(target)) == (0, [("A1", 60_000_000)])


def test_a_stream_map_may_rename_and_complete_statistics_and_leave_some_out(target: Target) -> None:
    target.config["stream_maps"] = {
        "raw": {"__alias__": "ad_insights", "spend": "cost * 2", "__filter__": "ad_id != 'A2'", "__else__": None}
        | {name: name for name in ("ad_id", "stat_time_day")}
    }
    announced = schema("raw")
    announced["schema"]["properties"] = {name: {"type": "string"} for name in ("ad_id", "stat_time_day")}
    announced["schema"]["properties"]["cost"] = {"type": "number"}
    rows = [record("raw", ad_id=f"A{number}", stat_time_day="2026-11-01", cost=number) for number in (1, 2, 3)]
    rows.append(record("raw", ad_id="A4", stat_time_day="2026-11-01", cost={}))
    ran = target.run([announced, *rows])
    assert (ran.code, spent(target)) == (0, [("A1", 2_000_000), ("A3", 6_000_000)])
    assert of_statistics(ran)[-1].endswith("performance: 2 rows, 1 left out (stream_maps 1)")


def test_files_of_batches_hold_statistics(target: Target, tmp_path: Path) -> None:
    file = tmp_path / "b.jsonl.gz"
    lines = [day(1)["record"], day(2)["record"]]
    file.write_bytes(gzip.compress(b"".join(map(encoded, lines)) + b"{oops\n"))
    batch = {
        "type": "BATCH",
        "stream": "ad_insights",
        "manifest": [file.as_uri()],
        "encoding": {"format": "jsonl", "compression": "gzip"},
    }
    ran = target.run([schema("ad_insights"), batch, state({"n": 1})])
    assert (ran.code, ran.states) == (0, [{"n": 1}])
    assert spent(target) == [("A1", 60_000_000), ("A2", 60_000_000)]
    assert of_statistics(ran)[-1].endswith("performance: 2 rows, 1 left out (unreadable 1)")


@pytest.mark.parametrize("workers", [0, 2])
def test_thousands_of_rows_come_among_conversions_with_workers_and_without(
    target: Target, sandbox: Sandbox, workers: int
) -> None:
    target.config["workers"] = workers
    lines: list[Any] = [schema("ad_insights"), schema()]
    for number in range(6_000):
        lines += [day(number), record(**a_purchase(number))] if number % 3 == 0 else [day(number)]
    ran = target.run([*lines, state({"n": 1})])
    assert (ran.code, ran.states) == (0, [{"n": 1}])
    assert ran.summary.startswith("read 2000, accepted 2000,")
    assert target.rows("COUNT(*), SUM(spend_micros)", "ad_performance") == [(6_000, 6_000 * 60_000_000)]
    assert len(sandbox.received) == 2_000


def test_a_full_load_drops_what_the_network_no_longer_has(target: Target) -> None:
    target.run([schema("ad_insights"), day(1), day(2), day(3, stat_time_day="2026-10-31")])
    done = {"type": "ACTIVATE_VERSION", "stream": "ad_insights", "version": 2}
    assert target.run([schema("ad_insights"), done]).code == 0
    assert len(spent(target)) == 3
    assert target.run([schema("ad_insights"), day(2), done, day(4)]).code == 0
    assert [ad for ad, _ in spent(target)] == ["A2", "A3", "A4"]


def test_when_a_row_was_read_is_kept(target: Target) -> None:
    at = "2026-11-03T06:00:00+01:00"
    lines = [day(1, _sdc_extracted_at=at), {**day(2), "time_extracted": "2026-11-03T06:30:00.5Z"}, day(3)]
    target.run([schema("ad_insights"), *lines])
    first, second, third = (time for _, time in spent(target, "ad_id, extracted_at"))
    assert (first, second) == ("2026-11-03T05:00:00.000+00:00", "2026-11-03T06:30:00.500+00:00")
    assert third > second


def test_state_waits_for_the_commit(target: Target) -> None:
    """A ledger that can't be written any more: the state after the rows stays back, the run exits 1."""
    target.run([schema("ad_insights"), day(1)])
    broken = "CREATE TRIGGER broken BEFORE INSERT ON ad_performance BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    with sqlite3.connect(target.folder / "adpostbacks.db") as connection:
        connection.execute(broken)
    ran = target.run([schema("ad_insights"), state({"n": 0}), day(2), state({"n": 1})])
    assert (ran.code, ran.states) == (1, [{"n": 0}])
    assert "ledger: disk full" in ran.stderr
    assert "State is held back" in ran.stderr
