"""adpostbacks reconcile: differences explained, as a table, as JSON and as CSV; and the documents' worked example."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner, Result
from ledger_rows import a_row

from target_adpostbacks.cli import main
from target_adpostbacks.core.performance.statistics import Performance
from target_adpostbacks.ledger import Delivered, Ledger

DOCS = Path(__file__).parents[2] / "docs"
AT = "2025-11-28T20:00:00.000+00:00"
READ = "2025-12-20T06:00:00.000+00:00"
CONFIG = {
    "report": {"conversions": ["purchase"]},
    "performance": {"ad_insights": {"preset": "tap-tiktok-ads", "currency": "USD", "time_zone": "America/Los_Angeles"}},
}
FRIDAY = ("--since", "2025-11-28", "--until", "2025-11-28")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a config; nothing in the environment says where a ledger is."""
    for name in ("TARGET_ADPOSTBACKS_LEDGER_URL", "MELTANO_PROJECT_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def statistic(**changes: Any) -> Performance:
    values: dict[str, Any] = {
        **dict.fromkeys(Performance._fields, ""),
        **dict.fromkeys(("campaign_name", "ad_group_name", "ad_name", "impressions", "clicks", "value_micros")),
        "stream": "ad_insights",
        "network": "tiktok",
        "day": "2025-11-28",
        "campaign_id": "111",
        "currency": "USD",
        "time_zone": "America/Los_Angeles",
        "spend_micros": 1,
        "conversions_micros": 7_000_000,
        "extracted_at": READ,
        **changes,
    }
    return Performance(**values)


def fill(rows: Sequence[Delivered], statistics: Sequence[Performance]) -> None:
    with closing(Ledger("sqlite:///adpostbacks.db", "run-1")) as ledger:
        ledger.write(AT, rows)
        ledger.write_performance(statistics)


def purchases(first: int, count: int, status: str = "accepted", **changes: Any) -> list[Delivered]:
    unsent = {"sent_at": None, "code": "", "match_keys": ""} if status == "skipped" else {}
    return [a_row(str(first + each), status, **{"event_time": AT, **unsent, **changes}) for each in range(count)]


FORTY_TWO = [
    *purchases(0, 16),
    *purchases(16, 20, match_keys="email,ip,user_agent"),
    *purchases(36, 3, "skipped", reason="no_match_key"),
    *purchases(39, 2, "skipped", reason="no_consent"),
    *purchases(41, 1, "rejected", code="40002"),
]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["reconcile", *arguments])


def rows(*arguments: str) -> list[dict[str, Any]]:
    result = run("--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    made: list[dict[str, Any]] = json.loads(result.stdout)
    schema = json.loads((DOCS / "schemas" / "reconcile.json").read_text())
    jsonschema_rs.validator_for(schema).validate(made)
    return made


def test_the_documents_example_says_why_tiktok_shows_7_of_42() -> None:
    text = (DOCS / "spend.md").read_text().partition("## Why the numbers differ")[2]
    command, shown = re.findall(r"```(?:console)?\n(.*?)```", text, re.DOTALL)[:2]
    fill(FORTY_TWO, [statistic()])
    _, name, *arguments = shlex.split(command.removeprefix("$ "))
    assert name == "reconcile"
    assert run(*arguments).stdout == shown


def test_two_streams_that_tell_of_the_same_days_are_told_and_one_of_them_counts() -> None:
    fill(FORTY_TWO, [statistic(), statistic(stream="campaigns", conversions_micros=9_000_000)])
    told = run("--format", "json", "--config", "config.json", *FRIDAY)
    assert "Stream campaigns says what stream ad_insights says too, and does not count there" in told.stderr
    assert [row["reported"] for row in json.loads(told.stdout)] == [7]


def test_every_format_has_the_same_rows() -> None:
    fill(FORTY_TWO, [statistic()])
    (row,) = rows("--config", "config.json", *FRIDAY)
    assert row == {
        "network": "tiktok",
        "event": "purchase",
        "day": "2025-11-28",
        "time_zone": "America/Los_Angeles",
        "recorded": 42,
        "sent": 37,
        "accepted": 36,
        "reported": 7,
        "difference": 35,
        "not_sent": {"no_match_key": 3, "no_consent": 2},
        "rejected": {"40002": 1},
        "open": {},
        "unexplained": 29,
        "hints": {"no_click_id": 20},
    }
    ((head, *cells),) = [[*csv.reader(io.StringIO(run("--config", "config.json", *FRIDAY, "--format", "csv").stdout))]]
    assert head == [*row]
    assert cells[0] == [json.dumps(value) if isinstance(value, dict) else str(value) for value in row.values()]


def test_without_a_config_installs_are_what_a_network_reports() -> None:
    fill(FORTY_TWO, [statistic()])
    reported, ours = rows(*FRIDAY)
    assert (reported["event"], reported["recorded"], reported["reported"]) == ("install", 0, 7)
    assert (ours["event"], ours["recorded"], ours["accepted"], ours["reported"]) == ("purchase", 42, 36, None)


def test_a_network_and_an_event_may_be_asked_for() -> None:
    nobody = purchases(50, 1, "skipped", reason="organic", network="", asset="", account="")
    fill([*FORTY_TWO, *nobody], [statistic(), statistic(network="taboola", stream="t")])
    assert [row["network"] for row in rows(*FRIDAY)] == ["taboola", "tiktok", "tiktok", ""]
    assert [row["network"] for row in rows(*FRIDAY, "--network", "TikTok Ads")] == ["tiktok", "tiktok"]
    assert [row["network"] for row in rows(*FRIDAY, "--network", "Taboola")] == ["taboola"]
    asked = rows(*FRIDAY, "--event", "Purchase")
    assert [(row["network"], row["event"]) for row in asked] == [("tiktok", "purchase"), ("", "purchase")]
    refused = run("--network", "newspaper")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "'newspaper' is not known; known: " in refused.stderr
    assert "taboola" in refused.stderr


def test_days_that_two_streams_tell_of_count_once() -> None:
    fill(FORTY_TWO, [statistic(stream="other", conversions_micros=9_000_000), statistic()])
    assert [row["reported"] for row in rows("--config", "config.json", *FRIDAY)] == [7]


def test_what_the_table_says_of_parts_that_are_not_there() -> None:
    young = {"extracted_at": "2025-11-28T20:00:00+00:00", "conversions_micros": 100_500_000}
    open_ones = [*purchases(2_000, 2, "open", reason="busy"), *purchases(3_000, 1, "rejected", code="", reason="")]
    fill([*purchases(0, 1_000), *open_ones], [statistic(**young)])
    lines = run("--config", "config.json", *FRIDAY).stdout.splitlines()
    assert lines[1].split() == ["2025-11-28", "tiktok", "purchase", "1,003", "1,003", "1,000", "100.5", "902.5"]
    assert [line.strip() for line in lines[2:]] == [
        "1 rejected: no code (1)",
        "2 open: busy (2)",
        "899.5 unexplained: the day is not closed yet",
    ]


def test_several_days_of_a_network_are_added_up_at_the_tables_end() -> None:
    day_before = {"event_time": "2025-11-27T20:00:00.000+00:00"}
    nobody = purchases(60, 1, "skipped", reason="organic", network="", asset="", account="")
    fill([*FORTY_TWO, *purchases(50, 2, **day_before), *nobody], [statistic(), statistic(day="2025-11-27")])
    both = ("--since", "2025-11-27", "--until", "2025-11-28")
    lines = run("--config", "config.json", *both).stdout.splitlines()
    total = next(number for number, line in enumerate(lines) if line.startswith("2 days"))
    assert lines[total].split() == ["2", "days", "tiktok", "purchase", "44", "39", "38", "14", "30"]
    assert [line.strip() for line in lines[total + 1 :]] == [
        "5 not sent: no_match_key (3), no_consent (2)",
        "1 rejected: 40002 (1)",
        "24 unexplained: 20 without a click id",
    ]
    assert {row["day"] for row in rows("--config", "config.json", *both)} == {"2025-11-27", "2025-11-28"}


def test_a_network_that_counts_more_is_told_so() -> None:
    fill(purchases(0, 1), [statistic()])
    told = run("--config", "config.json", *FRIDAY).stdout
    assert "-6 unexplained: the network counts what it alone has seen, views for example" in told


def test_days_without_anything_are_told(folder: Path) -> None:
    fill(FORTY_TWO, [])
    nothing = run("--since", "2025-01-01", "--until", "2025-01-02")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert nothing.stderr == "No conversion and no number of a network on these days.\n"
    assert rows("--since", "2025-01-01", "--until", "2025-01-02") == []


def test_no_ledger_and_no_day_are_mistakes() -> None:
    assert run().exit_code == 1
    fill([], [])
    assert run("--since", "soon").exit_code == 2


def test_days_that_the_ledger_has_forgotten_are_told() -> None:
    fill([], [statistic()])
    told = "The ledger keeps details for 180 days: until "
    assert run("--config", "config.json", *FRIDAY).stderr.startswith(told)
    assert run("--config", "config.json", "--since", "30d").stderr.startswith("No conversion")
    Path("config.json").write_text(json.dumps({**CONFIG, "ledger_retention_days": 0}))
    assert run("--config", "config.json", *FRIDAY).stderr == ""
