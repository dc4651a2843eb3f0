"""``adpostbacks report``: one page with everything in it, whatever records and networks say."""

from __future__ import annotations

import json
import re
from contextlib import closing
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner, Result
from conftest import SETTINGS
from ledger_rows import a_row, a_statistic, an_attempt

from target_adpostbacks.cli import main
from target_adpostbacks.cli._report.figures import LONGEST, Answers, figures
from target_adpostbacks.cli._report.page import page
from target_adpostbacks.cli._report.period import MOST_DAYS, period
from target_adpostbacks.core.performance.statistics import Performance
from target_adpostbacks.ledger import Delivered, Ledger, Line
from target_adpostbacks.ledger.overview import Learned, Matched, Outcome, Overview, Requests, Why

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/report.json").read_text())
NOW = datetime.now(timezone.utc)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}\u2028\x1b[31m"


def ago(**before: float) -> str:
    return (NOW - timedelta(**before)).isoformat(timespec="milliseconds")


def fill(url: str, *rows: Delivered) -> None:
    with closing(Ledger(url, "run-1")) as ledger:
        ledger.write(ago(minutes=5), rows, [an_attempt(started_at=ago(minutes=5))])


def run(folder: Path, *arguments: str) -> Result:
    url = f"sqlite:///{folder}/ledger.db"
    output = ("--output", str(folder / "report.html")) if "json" not in arguments else ()
    return CliRunner().invoke(main, ["report", "--ledger-url", url, *output, *arguments])


def as_json(folder: Path, *arguments: str) -> dict[str, Any]:
    result = run(folder, "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    made: dict[str, Any] = json.loads(result.stdout)
    jsonschema_rs.validator_for(SCHEMA, validate_formats=True).validate(made)
    return made


NOTHING = Overview()


def made(overview: Overview = NOTHING, **answers: Any) -> dict[str, Any]:
    days = period(NOW - timedelta(days=6), NOW, timezone.utc)
    return figures(Answers(overview, **answers), [], days, NOW)


class Elements(HTMLParser):
    """The tags of a page with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] and self.tags[-1][0] == "script":
            self.scripts[-1] += data


def test_the_page_is_written_and_says_how_many(tmp_path: Path) -> None:
    fill(f"sqlite:///{tmp_path}/ledger.db", a_row(event_time=ago(hours=1)))
    result = run(tmp_path)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"{tmp_path}/report.html: 1 conversion, ")
    assert "19.99 USD" in (tmp_path / "report.html").read_text()


def test_the_totals_as_a_table(tmp_path: Path) -> None:
    fill(f"sqlite:///{tmp_path}/ledger.db", *(a_row(str(number), event_time=ago(hours=1)) for number in range(2)))
    result = CliRunner().invoke(
        main, ["report", "--ledger-url", f"sqlite:///{tmp_path}/ledger.db", "--format", "table"]
    )
    assert [line.split() for line in result.stdout.splitlines()][:3] == [
        ["Status", "Conversions", "Value"],
        ["accepted", "2", "39.98", "USD"],
        ["rejected", "0"],
    ]


def test_no_ledger_yet_is_an_empty_report(tmp_path: Path) -> None:
    assert run(tmp_path).exit_code == 0
    shown = (tmp_path / "report.html").read_text()
    assert "Nothing was sent yet." in shown
    assert "Everything was delivered." not in shown
    assert as_json(tmp_path)["log"] == []


def test_the_whole_report_as_json(tmp_path: Path) -> None:
    rows = [
        a_row("1", event_time=ago(minutes=30), ad_group_id="17"),
        a_row("2", "rejected", event_time=ago(minutes=30), code="40002", currency="EUR", message="not valid"),
        a_row("3", "open", event_time=ago(minutes=30), code="", reason="transient", deadline=ago(hours=-5)),
    ]
    fill(f"sqlite:///{tmp_path}/ledger.db", *rows)
    told = as_json(tmp_path, "--since", "6d")
    assert {total["status"]: (total["conversions"], total["money"]) for total in told["totals"]} == {
        "accepted": (1, {"USD": 19.99}),
        "rejected": (1, {"EUR": 19.99}),
        "skipped": (0, {}),
        "open": (1, {"USD": 19.99}),
    }
    assert len(told["days"]) == 7
    assert sum(day["accepted"] for day in told["days"]) == 1
    assert [event["event"] for event in told["events"]] == ["purchase"]
    assert {row["code"]: bool(row["advice"]) for row in told["reasons"]} == {"40002": True, "": True}
    assert told["match_keys"] == [{"network": "tiktok", "conversions": 2, "keys": {"ttclid": 2, "email": 2}}]
    assert {(row["ad_group"], row["unlocks"], row["most"]) for row in told["learning"]} == {
        (ad_group, unlocks, 1)
        for ad_group in (None, "17")
        for unlocks in ("value-based bidding", "the end of the learning phase")
    }
    (account,) = told["health"]
    assert account["at_stake"][0].startswith("19.99 USD open for tiktok, 19.99 of it can't be sent after ")
    assert len(told["log"]) == 3


def test_days_are_those_of_the_time_zone(tmp_path: Path) -> None:
    assert as_json(tmp_path, "--timezone", "Pacific/Kiritimati")["timezone"] == "Pacific/Kiritimati"
    (tmp_path / "config.json").write_text(
        json.dumps({"default_timezone": "Asia/Kathmandu", "tiktok": SETTINGS["tiktok"]})
    )
    assert as_json(tmp_path, "--config", str(tmp_path / "config.json"))["timezone"] == "Asia/Kathmandu"
    assert as_json(tmp_path)["timezone"] == "UTC"


def test_a_day_begins_when_it_does_there() -> None:
    from zoneinfo import ZoneInfo

    winter_begins = datetime(2026, 10, 25, 12, tzinfo=timezone.utc)
    days = period(winter_begins - timedelta(days=1), winter_begins, ZoneInfo("Europe/Berlin"))
    assert [day.isoformat() for day in days.days] == ["2026-10-24", "2026-10-25"]
    assert days.starts == ("2026-10-23T22:00:00.000+00:00", "2026-10-24T22:00:00.000+00:00")
    assert days.end == "2026-10-25T23:00:00.000+00:00"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--timezone", "Mars/Olympus"), "not a time zone"),
        (("--timezone", "../../etc/passwd"), "not a time zone"),
        (("--since", f"{MOST_DAYS + 1}d"), f"at most {MOST_DAYS} days"),
        (("--since", "2999-01-01"), "at most"),
    ],
)
def test_what_can_not_be_reported_on_is_wrong_usage(tmp_path: Path, arguments: tuple[str, str], words: str) -> None:
    result = run(tmp_path, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_hostile_texts_are_texts(tmp_path: Path) -> None:
    hostile = dict.fromkeys(
        ("account", "asset", "event_name", "network_event", "code", "message", "ad_group_id"), HOSTILE
    )
    rows = [
        a_row(HOSTILE, event_time=ago(hours=1), match_keys=HOSTILE.replace(",", ""), **hostile),
        a_row(
            f"2{HOSTILE}", "rejected", event_time=ago(hours=1), **{**hostile, "network": HOSTILE, "currency": HOSTILE}
        ),
    ]
    fill(f"sqlite:///{tmp_path}/ledger.db", *rows)
    assert run(tmp_path).exit_code == 0
    text = (tmp_path / "report.html").read_text()
    elements = Elements(text)
    assert [attributes.get("type") for tag, attributes in elements.tags if tag == "script"] == [
        "application/json",
        None,
    ]
    assert json.loads(elements.scripts[0])["log"][0]["event_id"].endswith(HOSTILE)
    assert "<" not in elements.scripts[0]
    assert not [tag for tag, _ in elements.tags if tag == "img"]
    assert not [name for _, attributes in elements.tags for name in attributes if name.startswith("on")]
    assert "{{7*7}}" in text
    assert "\x1b" not in text


def test_the_page_loads_nothing() -> None:
    text = page(made())
    elements = Elements(text)
    (policy,) = [attributes["content"] or "" for tag, attributes in elements.tags if attributes.get("http-equiv")]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    places = [value for _, attributes in elements.tags for name, value in attributes.items() if name in ("src", "href")]
    assert {*places} <= {"data:,"} | {place for place in places if place and place.startswith("#")}
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(", text)


def test_texts_are_cut_and_lists_have_an_end() -> None:
    long = "🛒" * 5000
    line = Line(ago(hours=1), long, "Failed", 400, 12, 1, long, long, long, "", long, long)
    whole = made(
        Overview(
            reasons=[Why("tiktok", "rejected", "", str(number), None, 1, None, long) for number in range(400)],
            match_keys=[Matched("tiktok", ",".join(map(str, range(400))), 1)],
        ),
        learned=[Learned(3, "tiktok", long, str(number), "Purchase", 1) for number in range(400)],
        lines=[line] * 1000,
    )
    assert {len(row["message"]) for row in whole["reasons"]} == {LONGEST}
    assert len(page(whole).encode()) < 5_000_000


def test_currencies_are_never_added_and_have_their_own_decimals() -> None:
    outcomes = [
        Outcome(6, "tiktok", "default", False, "accepted", currency, 1, value)
        for currency, value in (("USD", 1.5), ("JPY", 1200.0), ("KWD", 0.5), ("USD", 2.0))
    ]
    whole = made(Overview(outcomes=outcomes))
    assert whole["totals"][0]["money"] == {"USD": 3.5, "JPY": 1200, "KWD": 0.5}
    assert {"3.50 USD", "1,200 JPY", "0.500 KWD"} <= {*re.findall(r"[\d,.]+ [A-Z]{3}", page(whole))}


def test_what_happens_after_today_is_in_the_totals_alone() -> None:
    whole = made(Overview(outcomes=[Outcome(7, "", "", False, "skipped", None, 3, None)]))
    assert whole["after_today"] == whole["totals"][2]["conversions"] == 3
    assert sum(day["skipped"] for day in whole["days"]) == 0
    assert "3 conversions happen after today" in page(whole)


def test_latency_is_told_by_percentiles() -> None:
    requests = [Requests("tiktok", "Success", latency, 1) for latency in range(1, 101)]
    (row,) = made(Overview(requests=[*requests, Requests("tiktok", "Retried", 9000, 0)]))["latency"]
    assert (row["requests"], row["p50_ms"], row["p95_ms"], row["p99_ms"]) == (100, 50, 95, 99)


def test_twenty_purchases_in_any_seven_days_are_told_as_reached() -> None:
    counts = {2: 10, 8: 10, 20: 5}
    learned = [Learned(day, "tiktok", "PIXEL", None, "Purchase", count) for day, count in counts.items()]
    bidding, phase = made(learned=learned)["learning"]
    assert (bidding["unlocks"], bidding["most"], bidding["is_reached"]) == ("value-based bidding", 20, True)
    assert (phase["unlocks"], phase["most"], phase["is_reached"]) == ("the end of the learning phase", 20, False)


def test_a_network_without_milestones_learns_nothing() -> None:
    assert made(learned=[Learned(2, "reddit", "a2_x", None, "PURCHASE", 99)])["learning"] == []


def test_a_trial_is_called_one() -> None:
    outcome = Outcome(6, "tiktok", "default", True, "accepted", "USD", 1, 1.0)
    assert "This counts trials" in page(made(Overview(outcomes=[outcome])))
    assert "This counts trials" not in page(made(Overview(outcomes=[outcome._replace(is_trial=False)])))


def test_the_page_begins_with_the_accounts_that_need_attention(tmp_path: Path) -> None:
    fill(f"sqlite:///{tmp_path}/ledger.db", a_row("1", sent_at=ago(minutes=5)))
    assert run(tmp_path).exit_code == 0
    assert "attention" not in (tmp_path / "report.html").read_text()
    waiting = a_row("2", "open", network="meta", reason="busy", event_time=ago(days=2), sent_at=None, attempt_id=None)
    with closing(Ledger(f"sqlite:///{tmp_path}/ledger.db", "run-2")) as ledger:
        ledger.write(ago(), [waiting])
    assert run(tmp_path).exit_code == 0
    header = (tmp_path / "report.html").read_text().partition("<header>")[2].partition("</header>")[0]
    assert "1 account needs attention</a>: meta.default (degraded)</p>" in header


def test_networks_that_left_out_for_the_same_reason_stand_in_one_row() -> None:
    whys = [
        Why("tiktok", "skipped", "no_consent", "", "USD", 2, 1.5, ""),
        Why("meta", "skipped", "no_consent", "", "USD", 3, 2.5, ""),
        Why("meta", "skipped", "no_consent", "", "EUR", 1, 4.0, ""),
        Why("meta", "rejected", "", "100", None, 5, None, "Invalid parameter"),
    ]
    whole = made(Overview(reasons=whys))
    assert len(whole["reasons"]) == 3
    table = page(whole).partition('<section id="reasons"')[2].partition("</section>")[0]
    consent, invalid = (re.sub(r"\s*<[^>]*>\s*", "|", row) for row in table.split("<tr")[2:])
    assert "|Meta 4,||TikTok 2|" in consent
    assert "|6|" in consent
    assert {"4.00 EUR", "4.00 USD"} <= {*re.findall(r"[\d.]+ [A-Z]{3}", consent)}
    assert "|Meta|" in invalid


def test_a_long_period_has_a_bar_for_each_week() -> None:
    days = period(NOW - timedelta(days=MOST_DAYS - 1), NOW, timezone.utc)
    outcomes = [Outcome(day, "tiktok", "default", False, "accepted", "USD", 1, 1.0) for day in range(MOST_DAYS)]
    text = page(figures(Answers(Overview(outcomes=outcomes)), [], days, NOW))
    assert "Conversions by week and status" in text
    assert "accepted 7" in text


def test_numbers_that_networks_report_are_explained(tmp_path: Path) -> None:
    day = ago(days=3)
    installs = [a_row(str(number), event_name="install", event_time=day) for number in range(3)]
    refused = a_row("3", "rejected", event_name="install", event_time=day, code=HOSTILE)
    fill(f"sqlite:///{tmp_path}/ledger.db", *installs, refused)
    assert as_json(tmp_path)["reconciliation"] == []
    assert run(tmp_path).exit_code == 0
    assert "Why networks show other numbers" not in (tmp_path / "report.html").read_text()
    told = {**dict.fromkeys(Performance._fields, ""), "stream": "ads", "network": "tiktok", "day": day[:10]}
    figures = dict.fromkeys(("impressions", "clicks", "conversions_micros", "value_micros"))
    row = Performance(**{**told, **figures, "currency": "USD", "spend_micros": 1, "extracted_at": ago()})  # type: ignore[arg-type]
    with closing(Ledger(f"sqlite:///{tmp_path}/ledger.db", "run-2")) as ledger:
        silent = row._replace(network="reddit")
        ledger.write_performance([row._replace(conversions_micros=1_000_000), silent])
    (known,) = as_json(tmp_path)["reconciliation"]
    assert (known["network"], known["event"], known["day"]) == ("tiktok", "install", day[:10])
    assert (known["recorded"], known["accepted"], known["reported"], known["unexplained"]) == (4, 3, 1, 2)
    assert run(tmp_path).exit_code == 0
    (total,) = as_json(tmp_path)["reconciliation_totals"]
    assert (total["days"], total["recorded"], total["accepted"], total["reported"]) == (1, 4, 3, 1)
    shown = (tmp_path / "report.html").read_text()
    sections = re.findall('<section id="([^"]+)"', shown)
    assert sections[:4] == ["totals", "reconciliation", "reasons", "accounts"]
    assert "2 unexplained: 1 of the days not closed yet" in shown
    assert "2 unexplained: the day is not closed yet" in shown
    assert len(Elements(shown).scripts) == 2


def test_spend_stands_beside_what_came_of_it(tmp_path: Path) -> None:
    url, day = f"sqlite:///{tmp_path}/ledger.db", ago(days=3)
    fill(url, a_row("i", event_name="install", event_time=day, campaign_id="111"))
    assert as_json(tmp_path)["performance"]["rows"] == []
    assert run(tmp_path).exit_code == 0
    assert "Spend and what came of it" not in (tmp_path / "report.html").read_text()
    told = {"day": day[:10], "campaign_name": HOSTILE, "spend_micros": 12_345_000, "extracted_at": ago()}
    with closing(Ledger(url, "run-2")) as ledger:
        ledger.write_performance([a_statistic(**told)])
    said = as_json(tmp_path)["performance"]
    assert [(row["network"], row["spend"], row["conversions_ours"], row["cpa"]) for row in said["rows"]] == [
        ("tiktok", 12.345, 1, 12.345),
        ("total", 12.345, 1, 12.345),
    ]
    assert [(row["day"], row["spend"]) for row in said["days"]] == [(day[:10], 12.345)]
    assert run(tmp_path).exit_code == 0
    shown = (tmp_path / "report.html").read_text()
    assert "Spend and revenue by day in USD" in shown
    assert ">12.35<" in shown
    assert len(Elements(shown).scripts) == 2


def test_the_campaigns_that_cost_most_are_shown_and_totals_have_all(tmp_path: Path) -> None:
    day = ago(days=3)[:10]
    with closing(Ledger(f"sqlite:///{tmp_path}/ledger.db", "run-1")) as ledger:
        costs = [a_statistic(day=day, campaign_id=f"c{number}", spend_micros=number * 10**6) for number in range(203)]
        ledger.write_performance(costs)
    said = as_json(tmp_path)["performance"]
    assert (len(said["rows"]), said["left_out"]) == (201, 3)
    assert said["rows"][-1]["spend"] == sum(range(203))
    assert "c2" not in {row["campaign_id"] for row in said["rows"]}
    assert run(tmp_path).exit_code == 0
    assert "3 campaigns that cost less are left out here" in (tmp_path / "report.html").read_text()
