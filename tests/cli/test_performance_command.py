"""adpostbacks performance: spend beside conversions as a table, as JSON and as CSV, and what is said about it."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner, Result
from ledger_rows import a_row

from target_adpostbacks.cli import main
from target_adpostbacks.cli._performance import answer
from target_adpostbacks.cli.performance import table
from target_adpostbacks.config import General
from target_adpostbacks.core.performance.counting import Counting, Window
from target_adpostbacks.core.performance.rows import NAMES
from target_adpostbacks.core.performance.statistics import Performance
from target_adpostbacks.ledger import Delivered, Ledger, LedgerReader

DOCS = Path(__file__).parents[2] / "docs"
URL = "sqlite:///adpostbacks.db"
NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
AT = "2026-11-29T06:00:00.000+00:00"
DAYS = Window(date(2026, 11, 27), date(2026, 11, 29))
MARKED = (
    "Where we counted nothing, the network's number is used, marked (network). It counts what the network takes for a"
    " conversion."
)
NO_CAMPAIGN = (
    "What is (no campaign) may be among what its network reports for campaigns that are marked, and counts twice there."
)
FORGOTTEN = (
    "The ledger keeps details for 2 days: until 2026-11-27 it may know none of our conversions, and they are left out"
    " there."
)
TODAY = datetime.now(timezone.utc).date().isoformat()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; nothing in the environment says where a ledger is."""
    for name in ("TARGET_ADPOSTBACKS_LEDGER_URL", "MELTANO_PROJECT_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def statistic(**changes: Any) -> Performance:
    values: dict[str, Any] = {
        **dict.fromkeys(Performance._fields, ""),
        **dict.fromkeys(("campaign_name", "ad_group_name", "ad_name", "conversions_micros", "value_micros")),
        "stream": "ads",
        "network": "tiktok",
        "day": "2026-11-28",
        "campaign_id": "111",
        "currency": "USD",
        "spend_micros": 12_345_000,
        "impressions": 12_000,
        "clicks": 240,
        "extracted_at": AT,
        **changes,
    }
    return Performance(**values)


def fill(statistics: Sequence[Performance], rows: Sequence[Delivered] = ()) -> None:
    with closing(Ledger(URL, "run-1")) as ledger:
        ledger.write_performance(statistics)
        ledger.write(AT, rows)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["performance", *arguments])


def asked(general: General | None = None, **options: Any) -> Any:
    with LedgerReader(URL) as ledger:
        return answer(ledger, general or General(), options.pop("counting", Counting()), DAYS, NOW, **options)


def an_install(event_id: str = "i", **changes: Any) -> Delivered:
    money = {"value": None, "currency": None}
    return a_row(
        event_id, **{**money, "event_name": "install", "event_time": "2026-11-28T12:00:00.000+00:00", **changes}
    )


def test_the_table_has_a_line_for_each_campaign_and_a_total() -> None:
    fill([statistic(campaign_name="Spring")], [an_install(campaign_id="111")])
    head, line, total = table(asked(), Counting(), "campaign", None)
    assert head.split()[:4] == ["Network", "Campaign", "Currency", "Spend"]
    assert line.split() == (
        "tiktok Spring USD 12.35 1 / 1 / – 1 12.35 0.08 12,000 1.03 240 0.05 2.00 % 0.42 %".split()
        + "0.00 / 0.00 / – 0.00 0.00".split()
    )
    assert total.split()[:3] == ["total", "USD", "12.35"]
    assert "Installs" in head
    assert "Conversions" in next(table(asked(), Counting(conversions=("lead",)), "campaign", None))


def test_numbers_stand_below_each_other_and_a_narrow_terminal_leaves_columns_out() -> None:
    fill([statistic(campaign_name="Spring " * 20), statistic(campaign_id="2", spend_micros=1_234_567_890_000)])
    for width in (None, 200, 100, 80, 60):
        lines = [*table(asked(), Counting(), "campaign", width)]
        assert len({*map(len, lines)}) == 1
        assert width is None or len(lines[0]) <= max(width, 75)
        assert "1,234,567.89" in lines[1]
        assert "ROAS" in lines[0]
    assert "Clicks" not in next(table(asked(), Counting(), "campaign", 80))


@pytest.mark.parametrize(("by", "names"), [("network", ["tiktok"]), ("day", ["2026-11-28"])])
def test_lines_are_of_networks_or_days(by: Any, names: list[str]) -> None:
    fill([statistic()])
    lines = [*table(asked(by=by), Counting(), by, None)]
    assert [line.split()[0] for line in lines[1:]] == [*names, "total"]


def test_json_is_as_the_schema_says_and_csv_has_the_same_names() -> None:
    fill([statistic(day=TODAY)], [an_install(event_time=f"{TODAY}T12:00:00.000+00:00")])
    rows = json.loads(run("--format", "json").stdout)
    schema = json.loads((DOCS / "schemas" / "performance.json").read_text())
    jsonschema_rs.validator_for(schema).validate(rows)
    assert [*rows[0]] == [*NAMES]
    (first, *_) = [*csv.DictReader(io.StringIO(run("--format", "csv").stdout))]
    assert [*first] == [*NAMES]
    assert (first["spend"], first["provisional"], first["revenue_other"]) == ("12.345", "true", "")


def test_other_currencies_are_an_object_and_in_csv_json() -> None:
    sale = a_row("s", event_time=f"{TODAY}T12:00:00.000+00:00", campaign_id="111", value=9.5, currency="EUR")
    fill([statistic(day=TODAY)], [sale])
    assert json.loads(run("--format", "json").stdout)[0]["revenue_other"] == {"EUR": 9.5}
    (first, *_) = [*csv.DictReader(io.StringIO(run("--format", "csv").stdout))]
    assert json.loads(first["revenue_other"]) == {"EUR": 9.5}
    assert "0.00 / 0.00 / – + 9.50 EUR" in run().stdout


@pytest.mark.parametrize("style", ["table", "csv", "json"])
def test_names_that_are_hostile_do_no_harm(style: str) -> None:
    fill([statistic(day=TODAY, campaign_name='=HYPERLINK("x")\x1b[31m\u202e', network="=cmd\x1b")])
    written = run("--format", style)
    assert written.exit_code == 0
    assert not {"\x1b", "\u202e"} & {*written.output}
    if style == "csv":
        (first, *_) = [*csv.DictReader(io.StringIO(written.stdout))]
        assert first["campaign_name"].startswith("'=")
        assert first["network"].startswith("'=")


def test_what_has_to_be_known_is_said() -> None:
    old = statistic(network="reddit", campaign_id="r", time_zone="UTC", extracted_at="2026-11-27T06:00:00.000+00:00")
    fill(
        [statistic(conversions_micros=2_000_000), old], [an_install(campaign_id=None), an_install("j", campaign_id="r")]
    )
    made = asked()
    assert [*made.warnings] == [
        "Spend of reddit is as of 2026-11-27 06:00 UTC, more than 48 hours ago: run its tap again."
    ]
    assert [*made.notes] == [
        "Spend as of 2026-11-29 06:00 UTC.",
        "Days are those of UTC (reddit), UTC, assumed (tiktok).",
        "Days after 2026-11-01 are provisional: networks still change them.",
        MARKED,
        NO_CAMPAIGN,
    ]


def test_two_streams_that_say_the_same_are_told() -> None:
    fill([statistic(), statistic(stream="campaigns")])
    says = "Stream {} says what stream {} says too, and does not count there: leave one of them out of `performance`."
    assert asked().warnings == [says.format("campaigns", "ads")]
    listed = General(performance={"campaigns": {"preset": "tap-tiktok"}, "ads": {"preset": "tap-tiktok"}})
    assert asked(listed).warnings == [says.format("ads", "campaigns")]


def test_days_that_the_ledger_has_forgotten_are_told() -> None:
    fill(
        [statistic(day="2026-11-27", conversions_micros=1_000_000)],
        [an_install(event_time="2026-11-27T12:00:00.000+00:00")],
    )
    made = asked(General(ledger_retention_days=2), by="day")
    assert made.rows[0].figures.conversions_ours is None
    assert made.warnings == [
        FORGOTTEN,
    ]
    assert asked(General(ledger_retention_days=0, dedup_days=2), by="day").warnings == [FORGOTTEN]
    assert asked(General(ledger_retention_days=0)).warnings == []
    assert asked(General(ledger_retention_days=30)).warnings == []


def test_conversions_without_a_click_time_are_told_where_days_are_those_of_clicks() -> None:
    fill([statistic()], [an_install(campaign_id="111"), an_install("j", click_time="2026-11-27T12:00:00.000+00:00")])
    made = asked(counting=Counting(by="click"), by="day")
    assert [row.figures.conversions_ours for row in made.rows if row.day] == [1, 1]
    assert "Conversions without a click_time, 1, count on the day of the event." in made.notes


def test_a_network_goes_by_any_of_its_names() -> None:
    fill([statistic(day=TODAY), statistic(day=TODAY, network="Taboola", stream="t")])
    for name in ("TikTok", "taboola"):
        networks = {row["network"].lower() for row in json.loads(run("--network", name, "--format", "json").stdout)}
        assert networks == {name.lower(), "total"}
    unknown = run("--network", "nobody")
    assert (unknown.exit_code, "known:" in unknown.output) == (2, True)


def test_days_are_chosen_and_those_that_are_none_are_refused() -> None:
    fill([statistic(day="2026-11-01"), statistic(day="2026-11-03")])
    told = json.loads(run("--since", "2026-11-01", "--until", "2026-11-02", "--format", "json", "--by", "day").stdout)
    assert [row["day"] for row in told] == ["2026-11-01", None]
    assert run("--since", "never").exit_code == 2


def test_no_ledger_and_nothing_in_it_are_told() -> None:
    none = run()
    assert (none.exit_code, "no ledger at" in none.output) == (1, True)
    fill([])
    empty = run("--format", "table")
    assert empty.exit_code == 0
    assert "No statistics and no conversions on these days" in empty.stderr
    assert json.loads(run("--format", "json").stdout) == []


def test_the_config_says_what_counts_and_where_the_ledger_is(folder: Path) -> None:
    fill(
        [statistic(day=TODAY)], [a_row(event_name="lead", event_time=f"{TODAY}T12:00:00.000+00:00", campaign_id="111")]
    )
    (folder / "adpostbacks.db").rename(folder / "elsewhere.db")
    config = {"report": {"conversions": ["lead"]}, "performance": {"ads": {"preset": "tap-tiktok"}}}
    (folder / "config.json").write_text(json.dumps({**config, "ledger_url": "sqlite:///elsewhere.db"}))
    rows = json.loads(run("--config", "config.json", "--format", "json").stdout)
    assert rows[0]["conversions_ours"] == 1


def test_an_older_ledger_has_no_spend_yet(folder: Path) -> None:
    with closing(Ledger(URL, "run-1")) as ledger:
        ledger.write(AT, [an_install()])
    with sqlite3.connect(folder / "adpostbacks.db") as connection:
        connection.execute("DROP TABLE ad_performance")
        connection.execute("ALTER TABLE deliveries DROP COLUMN click_time")
        connection.execute("UPDATE sequence SET version = 6")
    assert [row.figures.conversions_ours for row in asked().rows] == [1, 1]


def test_a_day_that_is_not_over_is_in_it() -> None:
    today = datetime.now(timezone.utc)
    fill([], [an_install(event_time=(today - timedelta(seconds=1)).isoformat(timespec="milliseconds"))])
    rows = json.loads(run("--format", "json", "--since", "2d").stdout)
    assert rows[-1]["conversions_ours"] == 1
