"""adpostbacks doctor as it is typed: inputs of every kind, formats, exit codes, signals."""

from __future__ import annotations

import csv
import fcntl
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest
from click.testing import CliRunner, Result
from conftest import SETTINGS
from patience import PATIENCE
from rich.cells import cell_len

from target_adpostbacks.cli.doctor import doctor, table
from target_adpostbacks.doctor import FINDINGS, Diagnosis

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from target_adpostbacks.cli import main; main()", "doctor"]
NOTHING = sha256(b"").hexdigest()
SHORT_AGO = (datetime.now(timezone.utc) - timedelta(minutes=5)).isoformat()


@pytest.fixture(autouse=True)
def in_a_folder_without_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not [*tmp_path.glob("*.db*")], "no ledger is opened"


def a_row(**changes: Any) -> dict[str, Any]:
    row = {
        "event_name": "sign_up",
        "event_id": "evt-1",
        "event_time": SHORT_AGO,
        "network": "tiktok",
        "ttclid": "E.C.P.invented0000000001",
        "email": "ada@lovelace.dev",
        **changes,
    }
    return {column: value for column, value in row.items() if value is not None}


def lines(*rows: Any) -> bytes:
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


def run(data: bytes, *arguments: str, **environment: str) -> Result:
    env = {"FORCE_COLOR": "1", "COLUMNS": "80", **environment}
    return CliRunner().invoke(doctor, ["--input", "-", *arguments], input=data, env=env)


def said(data: bytes, *arguments: str) -> dict[str, Any]:
    result = run(data, "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_json_is_what_the_committed_schema_says() -> None:
    answer = said(
        lines(a_row(email=NOTHING), a_row(event_id="2", network="reddit", ttclid=None, email=None), b"no JSON")
    )
    jsonschema.validate(answer, json.loads((ROOT / "docs" / "doctor.schema.json").read_text()))
    assert [*answer] == ["records", "coverage", "findings"]
    first = answer["findings"][0]
    assert [*first] == ["finding", "level", "column", "network", "count", "share", "example", "advice"]
    assert first | {"advice": ""} == {
        "finding": "empty_hash",
        "level": "error",
        "column": "email",
        "network": None,
        "count": 1,
        "share": 0.3333,
        "example": {"line": 1, "event_id": "evt-1"},
        "advice": "",
    }
    assert {each["finding"] for each in answer["findings"]} == {"empty_hash", "missing_match_key", "unreadable_line"}


def test_the_example_in_the_documentation_is_what_the_schema_says() -> None:
    text = (ROOT / "docs" / "doctor.md").read_text()
    example = json.loads(text.partition("```json\n")[2].partition("```")[0])
    jsonschema.validate(example, json.loads((ROOT / "docs" / "doctor.schema.json").read_text()))


def test_csv_has_a_row_for_each_finding_and_no_formula() -> None:
    result = run(lines(a_row(email=NOTHING, event_id="=1+1")), "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert (row["finding"], row["level"], row["column"], row["network"]) == ("empty_hash", "error", "email", "")
    assert (row["count"], row["share"], row["line"], row["event_id"]) == ("1", "1.0", "1", "'=1+1")
    assert row["advice"] == FINDINGS["empty_hash"].advice


def test_a_table_in_a_pipe_has_a_line_for_each_finding_without_colours() -> None:
    result = run(lines(a_row(email=NOTHING)))
    assert "\x1b" not in result.stdout
    assert "1 record: 1 error." in result.stdout
    assert "error  empty_hash  email        1  100.0%" in result.stdout
    advice = FINDINGS["empty_hash"]
    assert f"\n         {advice.what} {advice.advice}\n" in result.stdout
    assert "First: line 1, evt-1." in result.stdout


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_table_fits_its_terminal(width: int) -> None:
    sick = a_row(email=NOTHING, country="Nowhereland", ip_address="10.0.0.1", phone="0171 2345678")
    answer = run(lines(sick, a_row(event_id="x" * 300, network="reddit", email=NOTHING)), "--format", "json").stdout
    diagnosis = msgspec.json.decode(answer, type=Diagnosis)
    shown = [*table(diagnosis, width, colored=False)]
    assert max(map(cell_len, shown)) <= width
    colored = [click.unstyle(line) for line in table(diagnosis, width, colored=True)]
    assert colored == shown
    if width > 40:
        assert any(re.match(r"warning +phone_without_country_code +phone, tiktok +1 ", line) for line in shown)


def test_no_input_is_no_mistake() -> None:
    result = run(b"")
    assert (result.exit_code, result.stdout) == (0, "0 records: nothing found.\n")
    assert said(b"\n\r\n") == {"records": 0, "coverage": [], "findings": []}


@pytest.mark.parametrize(
    ("rows", "fail_on", "code"),
    [
        ([a_row()], "warning", 0),
        ([a_row(email="test@gmail.com")], "warning", 1),
        ([a_row(email="test@gmail.com")], "error", 0),
        ([a_row(email=NOTHING)], "warning", 1),
        ([a_row(email=NOTHING)], "error", 1),
        ([a_row(event_id=None, order_id="O-1")], "warning", 0),
    ],
)
def test_fail_on_gives_monitors_an_exit_code(rows: list[Any], fail_on: str, code: int) -> None:
    assert run(lines(*rows)).exit_code == 0
    assert run(lines(*rows), "--fail-on", fail_on).exit_code == code


def test_lines_from_windows_arrays_and_singer_messages_are_read() -> None:
    schema = {"type": "SCHEMA", "stream": "orders", "schema": {"properties": {}}, "key_properties": ["id"]}
    record = {"type": "RECORD", "stream": "orders", "record": {**a_row(event_id=None, email=NOTHING), "id": 7}}
    assert said(lines(a_row(), a_row(event_id="2")).replace(b"\n", b"\r\n"))["records"] == 2
    assert said(lines([a_row(), a_row(event_id="2", email=NOTHING)]))["findings"][0]["example"]["line"] == 1
    answer = said(lines(schema, record, {"type": "STATE", "value": {}}))
    assert [each["finding"] for each in answer["findings"]] == ["empty_hash", "missing_event_id"]
    assert answer["findings"][0]["example"]["event_id"].startswith("orders-")


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(lines(a_row(), a_row(event_id="2"))))
    result = CliRunner().invoke(doctor, ["--input", str(path), "--format", "json"])
    assert json.loads(result.stdout)["records"] == 2
    path.write_bytes(path.read_bytes()[:-20])
    cut = CliRunner().invoke(doctor, ["--input", str(path)])
    assert (cut.exit_code, cut.stdout) == (1, "")
    assert "rows.jsonl.gz: can't be read (EOFError)" in cut.stderr
    path.write_bytes(b"{}")
    assert CliRunner().invoke(doctor, ["--input", str(path)]).exit_code == 1


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"event_id,email\n1,ada@lovelace.dev\n", "looks like CSV"),
        (b"[\n{}\n]\n", "an array over several lines"),
        (gzip.compress(b"{}", mtime=0), "it is compressed"),
        ('{"a": 1}\n'.encode("utf-16"), "looks like UTF-16"),
        (b"<html>" * 9, "its first line is none"),
        (lines({"type": "RECORD", "stream": "orders", "record": {}}), "came before its schema"),
    ],
)
def test_input_that_is_something_else_is_told_in_one_line(data: bytes, why: str) -> None:
    result = run(data, "--format", "json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert why in result.stderr
    assert "lovelace" not in result.stderr


def test_a_huge_line_and_control_characters_cost_themselves_alone(tmp_path: Path) -> None:
    huge = b'{"event_id": "evt-9", "email": "' + b"x" * 11_000_000 + b'"}'
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(lines(a_row(), huge, a_row(event_id="bad\x1b[31m\u202eid"), a_row(event_id="2")))
    answer = json.loads(CliRunner().invoke(doctor, ["--input", str(rows), "--format", "json"]).stdout)
    assert answer["records"] == 4
    assert {(each["finding"], each["example"]["event_id"]) for each in answer["findings"]} == {
        ("unreadable_line", "evt-9"),
        ("invalid_record", None),
    }
    assert "\x1b" not in run(lines(a_row(event_id="bad\x1b[31mid"), a_row(event_id="3", event_name="x\x1b[1m"))).stdout


def test_the_config_is_read_as_a_run_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {name: value for name, value in SETTINGS["tiktok"].items() if name != "access_token"}
    config = {
        "fields": {"event_time": "at"},
        "default_timezone": "Europe/Berlin",
        "tiktok": {**settings, "default_phone_country_code": "49"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    local = (datetime.now(timezone(timedelta(hours=1))) - timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S")
    rows = lines(
        a_row(event_time=None, at=local, phone="0171 2345678"), a_row(event_id="2", at=local, network="reddit")
    )
    answer = said(rows, "--config", "config.json")
    assert [each["finding"] for each in answer["findings"]] == ["other_network"]
    monkeypatch.setenv("TARGET_ADPOSTBACKS_TIKTOK_TRIGGER_EVENTS", '["purchase"]')
    answer = said(rows, "--config", "config.json")
    assert [each["finding"] for each in answer["findings"]] == ["not_sent", "other_network"]


def test_stream_maps_of_the_config_are_applied(tmp_path: Path) -> None:
    maps = {"conversions": {"email": "contact", "__else__": None, "event_name": "event_name", "event_id": "event_id"}}
    maps["conversions"] |= {"event_time": "event_time", "network": "network", "ttclid": "ttclid"}
    (tmp_path / "config.json").write_text(json.dumps({"stream_maps": maps, "tiktok": SETTINGS["tiktok"]}))
    answer = said(lines(a_row(email=None, contact=NOTHING)), "--config", "config.json")
    assert [(each["finding"], each["column"]) for each in answer["findings"]] == [("empty_hash", "email")]


def test_mistakes_in_the_config_come_all_at_once_and_without_a_value(tmp_path: Path) -> None:
    wrong = {"tiktok": {"pixel_code": "my secret pixel", "concurrency": 99}, "field": {}}
    (tmp_path / "config.json").write_text(json.dumps(wrong))
    result = run(lines(a_row()), "--config", "config.json")
    assert (result.exit_code, result.stdout) == (1, "")
    for path in ("tiktok.pixel_code: ", "tiktok.concurrency: ", "field: "):
        assert path in result.stderr
    assert "secret" not in result.stderr
    missing = run(lines(a_row()), "--config", "nowhere.json")
    assert missing.exit_code == 1
    assert "config file not found: nowhere.json" in missing.stderr


def test_a_mistake_of_a_variable_is_told_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"tiktok": SETTINGS["tiktok"]}))
    monkeypatch.setenv("TARGET_ADPOSTBACKS_TIKTOK_PIXLE_CODE", "canary")
    assert "TARGET_ADPOSTBACKS_TIKTOK_PIXLE_CODE" in run(lines(a_row()), "--config", "config.json").stderr
    monkeypatch.setenv("TARGET_ADPOSTBACKS_TIKTOK_CONCURRENCY", "99")
    refused = run(lines(a_row()), "--config", "config.json").stderr
    assert "tiktok.concurrency (TARGET_ADPOSTBACKS_TIKTOK_CONCURRENCY): " in refused


def test_wrong_usage_exits_2() -> None:
    assert run(b"", "--format", "xml").exit_code == 2
    assert CliRunner().invoke(doctor, []).exit_code == 2
    assert CliRunner().invoke(doctor, ["--input", "nowhere.jsonl"]).exit_code == 2


@pytest.mark.slow
def test_a_closed_pipe_ends_it_without_a_traceback(tmp_path: Path) -> None:
    rows = (a_row(event_id=str(number), event_name=f"custom_{number}") for number in range(3_000))
    (tmp_path / "rows.jsonl").write_bytes(lines(*rows))
    with subprocess.Popen(
        [*PROGRAM, "--input", "rows.jsonl", "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.slow
def test_ctrl_c_shows_what_was_found_until_then() -> None:
    with subprocess.Popen(
        [*PROGRAM, "--input", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(lines(a_row(email=NOTHING)))
        process.stdin.flush()
        wait_until_it_has_read(process)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"1 record: 1 error." in output
    assert errors == b"Interrupted: this is true of the first 1 records.\n"


def wait_until_it_has_read(process: subprocess.Popen[bytes]) -> None:
    """Until the pipe to the process is empty, and the process sleeps: it waits for more."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        unread = fcntl.ioctl(process.stdin or 0, termios.FIONREAD, bytes(4))
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0]
        if int.from_bytes(unread, sys.byteorder) == 0 and state == "S":
            return
        os.sched_yield()
