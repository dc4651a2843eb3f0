"""The delivery log: one line for each request of a conversion, in every format, filtered, at any width."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ledger_rows import a_row, an_attempt
from patience import PATIENCE

from target_adpostbacks.cli.log import log
from target_adpostbacks.core.reasons import REASONS
from target_adpostbacks.ledger import Ledger

COMMAND = str(Path(sys.executable).with_name("adpostbacks"))
UNSENT: dict[str, Any] = {
    "attempt_id": None,
    "http_status": None,
    "latency_ms": None,
    "attempts": 0,
    "sent_at": None,
    "code": "",
}


def at(second: int) -> str:
    return f"2026-11-20T12:05:{second:02d}.000+00:00"


def fill(ledger_url: str) -> None:
    """evt-1 took three requests, evt-2 was refused in the second one, the others were in none."""
    ledger = Ledger(ledger_url, "run-1")
    down = {"status": "Retried", "http_status": 503, "code": "", "message": "HTTP 503"}
    attempts = [
        an_attempt("a1", None, started_at=at(1), latency_ms=30, **down),
        an_attempt("a2", "a1", started_at=at(2), status="Retried", code="40002", message="Invalid value."),
        an_attempt("a3", "a2", started_at=at(3)),
        an_attempt("a4", "a2", started_at=at(4), status="Failed", code="40002", message="Invalid value."),
    ]
    refused = {"reason": "", "code": "40002", "message": "Invalid value."}
    ordered = {"network_event": "Place_an_Order"}
    ledger.write(at(3), [a_row("evt-1", attempt_id="a3", sent_at=at(3), **ordered)], attempts)
    ledger.write(at(4), [a_row("evt-2", "rejected", attempt_id="a4", sent_at=at(4), account="eu", **refused)])
    ledger.write(at(5), [a_row("evt-3", "skipped", reason="too_old", network="reddit", **UNSENT)])
    ledger.write(at(6), [a_row("evt-4", "open", reason="transient", event_name="lead", **UNSENT)])
    ledger.close()


def run(ledger_url: str, *arguments: str) -> Result:
    return CliRunner().invoke(log, ["--ledger-url", ledger_url, *arguments])


def lines(ledger_url: str, *arguments: str) -> list[dict[str, Any]]:
    result = run(ledger_url, "--format", "jsonl", *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def told(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(line["event_id"], line["status"], line["attempt"], line["http_status"], line["time"]) for line in found]


def test_a_conversion_that_was_tried_three_times_has_three_lines(ledger_url: str) -> None:
    fill(ledger_url)
    assert told(lines(ledger_url)) == [
        ("evt-1", "Retried", 1, 503, at(1)),
        ("evt-1", "Retried", 2, 200, at(2)),
        ("evt-1", "Success", 3, 200, at(3)),
        ("evt-2", "Retried", 1, 503, at(1)),
        ("evt-2", "Retried", 2, 200, at(2)),
        ("evt-2", "Failed", 3, 200, at(4)),
        ("evt-3", "Skipped", None, None, at(5)),
        ("evt-4", "Open", None, None, at(6)),
    ]


def test_each_line_says_what_its_own_request_was_told(ledger_url: str) -> None:
    fill(ledger_url)
    first, second, third = lines(ledger_url, "--account", "eu")
    assert (first["latency_ms"], first["code"], first["message"]) == (30, "", "HTTP 503")
    assert (second["latency_ms"], second["code"], second["message"]) == (5, "40002", "Invalid value.")
    assert (third["latency_ms"], third["reason"], third["code"]) == (12, "", "40002")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--status", "success"], ["evt-1"]),
        (["--status", "Failed"], ["evt-2"]),
        (["--status", "retried"], ["evt-1", "evt-1", "evt-2", "evt-2"]),
        (["--status", "skipped"], ["evt-3"]),
        (["--status", "open"], ["evt-4"]),
        (["--network", "reddit"], ["evt-3"]),
        (["--account", "eu", "--status", "retried"], ["evt-2", "evt-2"]),
        (["--event", "lead"], ["evt-4"]),
        (["--since", at(4)], ["evt-2", "evt-3", "evt-4"]),
        (["--since", "2026-11-20T12:05:02Z", "--status", "retried"], ["evt-1", "evt-2"]),
        (["--since", "2026-11-20 13:05:05+01:00"], ["evt-3", "evt-4"]),
        (["--since", "2026-11-21"], []),
        (["--network", "snapchat"], []),
        (["--status", "accepted"], ["evt-1"]),
        (["--status", "Rejected"], ["evt-2"]),
        (["--network", "TikTok Ads", "--status", "open"], ["evt-4"]),
        (["--network", "facebook"], []),
        (["--event", "Lead"], ["evt-4"]),
        (["--event", "generate lead"], ["evt-4"]),
        (["--event", "SubmitForm"], ["evt-4"]),
        (["--event", "CompletePayment", "--status", "failed"], ["evt-2"]),
        (["--event", "PLACE_AN_ORDER", "--status", "success"], ["evt-1"]),
        (["--account", "EU", "--status", "failed"], ["evt-2"]),
    ],
)
def test_filters_choose_lines(ledger_url: str, arguments: list[str], expected: list[str]) -> None:
    fill(ledger_url)
    assert [line["event_id"] for line in lines(ledger_url, *arguments)] == expected


@pytest.mark.parametrize(
    ("option", "known"),
    [
        ("--network", "meta, "),
        ("--account", "known: default, eu\n"),
        ("--event", "known: purchase, "),
        ("--status", "'accepted', 'rejected', 'skipped', 'open', 'success', 'failed', 'retried'"),
    ],
)
def test_what_nobody_knows_is_told_with_what_is_known(ledger_url: str, option: str, known: str) -> None:
    fill(ledger_url)
    result = run(ledger_url, option, "nobody")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Invalid value for '{option}': 'nobody' is not" in result.stderr
    assert known in result.stderr


def test_what_the_ledger_knows_is_known(ledger_url: str) -> None:
    ledger = Ledger(ledger_url, "run-1")
    ledger.write(at(1), [a_row(network="gone", account="Old Shop", event_name="Level 9", network_event="LEVEL_9")])
    ledger.close()
    for chosen in (["--network", "Gone"], ["--account", "old shop"], ["--event", "level 9"], ["--event", "level_9"]):
        assert [line["event_id"] for line in lines(ledger_url, *chosen)] == ["evt-1"], chosen


def test_only_the_newest_lines_are_shown_where_that_is_asked_for(ledger_url: str) -> None:
    fill(ledger_url)
    result = run(ledger_url, "--format", "jsonl", "--limit", "4")
    assert told([json.loads(line) for line in result.stdout.splitlines()]) == told(lines(ledger_url))[-4:]
    assert result.stderr == "Only the newest 4 lines, there are more: 4 conversions match.\n"
    assert run(ledger_url, "--limit", "1", "--network", "reddit").stderr == ""
    assert run(ledger_url, "--limit", "1", "--account", "eu").stderr == (
        "Only the newest line, there are more: 1 conversion matches.\n"
    )
    assert told(lines(ledger_url, "--limit", "8")) == told(lines(ledger_url))


def test_the_newest_of_many_are_found_from_the_end(ledger_url: str) -> None:
    ledger = Ledger(ledger_url, "run-1")
    ledger.write(at(3), [a_row(f"evt-{number}", "skipped", **UNSENT) for number in range(2500)])
    ledger.close()
    result = run(ledger_url, "--format", "jsonl", "--limit", "1700")
    newest = [json.loads(line)["event_id"] for line in result.stdout.splitlines()]
    assert newest == [f"evt-{number}" for number in range(800, 2500)]
    assert result.stderr == "Only the newest 1,700 lines, there are more: 2,500 conversions match.\n"
    assert run(ledger_url, "--ids", "--limit", "1700").stdout.split() == newest


def test_ids_come_once_each_on_a_line_of_their_own(ledger_url: str) -> None:
    fill(ledger_url)
    assert run(ledger_url, "--ids").stdout == "evt-1\nevt-2\nevt-3\nevt-4\n"
    assert run(ledger_url, "--ids", "--status", "rejected").stdout == "evt-2\n"
    newest = run(ledger_url, "--ids", "--limit", "3")
    assert newest.stdout == "evt-2\nevt-3\nevt-4\n"
    assert newest.stderr == "Only the newest 3 event ids, there are more: 4 conversions match.\n"
    assert run(ledger_url, "--ids", "--limit", "4").stderr == ""
    result = run(ledger_url, "--ids", "--network", "snapchat")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No line matches.\n")
    assert run(ledger_url, "--ids", "--format", "csv").exit_code == 2


def test_no_output_has_a_character_that_a_terminal_obeys(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    hostile = "a\x1b[2J\x9b31m\n\u202eb"
    ledger = Ledger(url, "run-1")
    names = {"event_name": hostile, "account": hostile, "message": hostile, "code": hostile}
    ledger.write(at(1), [a_row(hostile, "rejected", **names)], [an_attempt(message=hostile)])
    ledger.close()
    for chosen in (["--ids"], *(["--format", each] for each in ("json", "jsonl", "csv")), [], ["--account", "nobody"]):
        output = run(url, *chosen).output
        assert "a" in output
        assert {char for char in output if not char.isprintable()} <= {"\n"}, chosen
    assert lines(url)[0]["event_id"] == hostile
    shown = on_a_terminal(url, "--format", "csv")
    assert {char for char in shown if not char.isprintable()} <= {"\n", "\r"}


@pytest.mark.parametrize(("since", "expected"), [("1h", 1), ("24h", 2), ("7d", 3), ("30d", 4), ("90m", 1), ("5w", 5)])
def test_since_takes_a_length_of_time(tmp_path: Path, since: str, expected: int) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger(url, "run-1")
    for hours in (0.5, 23, 24 * 6, 24 * 29, 24 * 34):
        moment = datetime.now(timezone.utc) - timedelta(hours=hours)
        ledger.write(moment.isoformat(timespec="milliseconds"), [a_row(f"{hours}", "skipped", **UNSENT)])
    ledger.close()
    assert len(lines(url, "--since", since)) == expected


def test_a_since_that_is_no_time_says_what_is_one(tmp_path: Path) -> None:
    result = run(f"sqlite:///{tmp_path}/ledger.db", "--since", "yesterday")
    assert result.exit_code == 2
    assert "1h, 24h, 7d, 30d or an ISO 8601 time" in result.stderr


def test_many_conversions_are_each_told_with_their_own_requests(ledger_url: str) -> None:
    ledger = Ledger(ledger_url, "run-1")
    attempts = [an_attempt(f"p{number}", None, http_status=503, started_at=at(1)) for number in range(1200)]
    attempts += [an_attempt(f"a{number}", f"p{number}", started_at=at(2)) for number in range(1200)]
    rows = [a_row(f"evt-{number}", attempt_id=f"a{number}", sent_at=at(2)) for number in range(1200)]
    ledger.write(at(3), rows, attempts)
    ledger.close()
    found = lines(ledger_url)
    assert len(found) == 2400
    assert {(line["status"], line["attempt"], line["http_status"]) for line in found} == {
        ("Retried", 1, 503),
        ("Success", 2, 200),
    }


def test_json_is_one_array(ledger_url: str) -> None:
    fill(ledger_url)
    assert json.loads(run(ledger_url, "--format", "json").stdout) == lines(ledger_url)
    assert json.loads(run(ledger_url, "--format", "json", "--network", "snapchat").stdout) == []


def test_rows_say_what_to_do_next_as_explain_does(ledger_url: str) -> None:
    fill(ledger_url)
    told = [(line["event_id"], line["status"], line["advice"]) for line in lines(ledger_url)]
    assert {advice for _, status, advice in told if status in ("Success", "Retried")} == {""}
    assert [each for each in told if each[1] not in ("Success", "Retried")] == [
        ("evt-2", "Failed", "Correct the field that the message names, or leave its column out."),
        ("evt-3", "Skipped", REASONS["too_old"].advice),
        ("evt-4", "Open", REASONS["transient"].advice),
    ]


def test_csv_has_a_head_and_every_value_in_full(ledger_url: str) -> None:
    fill(ledger_url)
    rows = [*csv.DictReader(io.StringIO(run(ledger_url, "--format", "csv").stdout))]
    expected = [{name: "" if value is None else str(value) for name, value in row.items()} for row in lines(ledger_url)]
    assert rows == expected


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "＝"])
def test_no_spreadsheet_takes_a_value_for_a_formula(tmp_path: Path, start: str) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger(url, "run-1")
    formula = f'{start}HYPERLINK("https://example.com","x")'
    ledger.write(at(1), [a_row(formula, "skipped", message=formula, **UNSENT)])
    ledger.close()
    (row,) = csv.DictReader(io.StringIO(run(url, "--format", "csv").stdout))
    assert (row["event_id"], row["message"]) == (f"'{formula}", f"'{formula}")
    assert lines(url)[0]["event_id"] == formula  # a program gets it as it is


def test_a_pipe_gets_a_line_each_with_every_value_in_full_and_no_colors(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger(url, "run-1")
    ledger.write(at(1), [a_row("e" * 200, "rejected", message="m " * 200, sent_at=at(1))], [an_attempt()])
    ledger.close()
    env = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "80"}
    ran = subprocess.run([COMMAND, "log", "--ledger-url", url], capture_output=True, check=True, env=env)
    head, line = ran.stdout.decode().splitlines()
    assert head.split() == "Time (UTC) Event Status HTTP Latency (ms) Attempt Network Account Event id Reason".split()
    assert line.startswith("2026-11-20 12:05:01  purchase  Failed    200            12        1  tiktok   default  e")
    assert "e" * 200 in line
    assert ("m " * 200).strip() in line
    assert "\x1b" not in line


def test_a_reason_without_a_message_is_explained_to_people_only(ledger_url: str) -> None:
    fill(ledger_url)
    assert f"too_old: {REASONS['too_old'].sentence}" in run(ledger_url).output
    assert REASONS["too_old"].sentence not in run(ledger_url, "--format", "json").output


def on_a_terminal(ledger_url: str, *arguments: str) -> str:
    """What the command shows on a terminal."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color"}
    env.pop("NO_COLOR", None)
    process = subprocess.Popen([COMMAND, "log", "--ledger-url", ledger_url, *arguments], stdout=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    return shown.decode()


def test_a_terminal_shows_statuses_in_color(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    fill(url)
    shown = on_a_terminal(url)
    assert "\x1b[32mSuccess" in shown
    assert "\x1b[31mFailed" in shown


def test_nothing_to_show_is_said_beside_the_output(ledger_url: str) -> None:
    fill(ledger_url)
    result = run(ledger_url, "--network", "snapchat")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No line matches.\n")


def test_where_no_ledger_is_none_is_made(tmp_path: Path) -> None:
    result = run(f"sqlite:///{tmp_path}/none.db")
    assert result.exit_code == 1
    assert "no ledger at" in result.stderr
    assert [*tmp_path.iterdir()] == []


def test_a_ledger_that_cannot_be_reached_is_an_error_in_one_line_without_its_password() -> None:
    result = run("postgresql+psycopg://ada:hush-hush@127.0.0.1:1/ledger")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ledger: ")
    assert "hush" not in result.output


@pytest.mark.parametrize("arguments", [[], ["--format", "jsonl"], ["--ids"]])
def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path, arguments: list[str]) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger(url, "run-1")
    ledger.write(at(1), [a_row(f"evt-{number:0100}") for number in range(5000)], [an_attempt()])
    ledger.close()
    with subprocess.Popen(
        [COMMAND, "log", "--ledger-url", url, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_stream_stops_nothing(tmp_path: Path, closed: str) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    fill(url)
    command = f"{COMMAND} log --ledger-url {url} --limit 1 {closed}"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (ran.returncode, "evt-4" in ran.stdout, "there are more" in ran.stderr) == (
        0,
        closed != ">&-",
        closed != "2>&-",
    )
