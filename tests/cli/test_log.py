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
from rich.cells import cell_len

from target_adpostbacks.cli._tables import Layout
from target_adpostbacks.cli.log import log
from target_adpostbacks.core.reasons import REASONS
from target_adpostbacks.ledger import Ledger, Line

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
    ledger.write(at(3), [a_row("evt-1", attempt_id="a3", sent_at=at(3))], attempts)
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
        (["--network", "nobody"], []),
    ],
)
def test_filters_choose_lines(ledger_url: str, arguments: list[str], expected: list[str]) -> None:
    fill(ledger_url)
    assert [line["event_id"] for line in lines(ledger_url, *arguments)] == expected


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
    assert json.loads(run(ledger_url, "--format", "json", "--network", "nobody").stdout) == []


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


def test_a_terminal_shows_statuses_in_color(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    fill(url)
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color"}
    env.pop("NO_COLOR", None)
    process = subprocess.Popen([COMMAND, "log", "--ledger-url", url], stdout=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    assert process.wait(30) == 0
    assert b"\x1b[32mSuccess" in shown
    assert b"\x1b[31mFailed" in shown


def a_line(**changes: Any) -> Line:
    line = Line(at(1), "purchase", "Success", 200, 118, 1, "tiktok", "default", "evt_9f1c2d", "", "0", "")
    return line._replace(**changes)


def shown(*lines: Line, width: int | None) -> list[str]:
    return [*Layout(lines, width, colored=False).rows(lines)]


AWKWARD = [
    a_line(),
    a_line(event="complete_registration", account="game_europe", event_id="0d9c2a4e-5b64-4f8b-9a51-3d1b2a7c9e01"),
    a_line(status="Failed", code="40002", message="Invalid value for parameter data[0].properties.currency " * 3),
    a_line(status="Skipped", network="", account="", http_status=None, latency_ms=None, attempt=None, reason="organic"),
    a_line(event_id="注文" * 30, event="購入", status="Open", reason="transient", latency_ms=30_001),
    a_line(event_id="evt\x1b[2J\r\n"),
]


@pytest.mark.parametrize("width", [80, 100, 119, 120, 160, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    found = shown(*AWKWARD, width=width)
    assert max(map(cell_len, found)) <= width
    assert all(text.isprintable() for text in found)


@pytest.mark.parametrize("width", [80, 100, 120, 160, None])
def test_columns_stand_under_their_heads(width: int | None) -> None:
    head, *found = shown(*AWKWARD[:2], width=width)
    for name, cell in (("Status", "Success"), ("Event ", "purchase")):
        line = next(each for each in found if "purchase" in each)
        assert line.index(cell) == head.index(name)


def test_at_80_columns_a_line_fits_and_the_day_stands_above() -> None:
    assert shown(a_line(), a_line(time="2026-11-21T00:00:01.000+00:00"), width=80) == [
        "Time      Event     Status   HTTP   ms  Try  Account  Event id    Reason",
        "2026-11-20 (UTC)",
        "12:05:01  purchase  Success   200  118    1  tiktok   evt_9f1c2d",
        "2026-11-21 (UTC)",
        "00:00:01  purchase  Success   200  118    1  tiktok   evt_9f1c2d",
    ]


def test_a_reason_without_room_beside_its_line_stands_below_it() -> None:
    refused = a_line(status="Failed", code="40002", message="Invalid value for parameter currency.")
    assert shown(refused, width=80)[2:] == [
        "12:05:01  purchase  Failed    200  118    1  tiktok   evt_9f1c2d",
        "          40002: Invalid value for parameter currency.",
    ]
    (line,) = shown(refused, width=160)[1:]
    assert line.endswith("evt_9f1c2d  40002: Invalid value for parameter currency.")


def test_a_cut_id_keeps_its_end() -> None:
    (line,) = [line for line in shown(a_line(event_id=f"{'x' * 60}-42"), width=80) if "tiktok" in line]
    assert line.endswith("xxx-42")
    assert "…" in line


def test_nothing_to_show_is_said_beside_the_output(ledger_url: str) -> None:
    fill(ledger_url)
    result = run(ledger_url, "--network", "nobody")
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


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger(url, "run-1")
    ledger.write(at(1), [a_row(f"evt-{number}") for number in range(5000)], [an_attempt()])
    ledger.close()
    with subprocess.Popen(
        [COMMAND, "log", "--ledger-url", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
