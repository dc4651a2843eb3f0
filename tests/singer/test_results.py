"""results_path: what a run did, as a Singer file, and never on standard output."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import slow
from local_server import Answer, LocalServer
from patience import PATIENCE
from run_target import Target, a_purchase, encoded, end, record, schema, state, wait_for_warning
from sqlalchemy import make_url

from target_adpostbacks.singer.results import Results, UnusablePath
from target_adpostbacks.singer.tap import TapAdpostbacks

pytestmark = pytest.mark.slow


@pytest.fixture
def target(tmp_path: Path, server: LocalServer) -> Target:
    return Target(tmp_path, server.url, results_path=str(tmp_path / "results.jsonl"))


def results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def records(messages: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    found = [message["record"] for message in messages if message["type"] == "RECORD"]
    return [(row["event_id"], row["status"], row["reason"]) for row in found]


def test_the_runs_deliveries_are_written_as_schema_records_and_state(target: Target) -> None:
    ran = target.run([schema(), record(**a_purchase(1)), record(**a_purchase(2, network="organic")), state(1)])
    assert (ran.code, ran.stdout) == (0, "1\n")
    messages = results(target.folder / "results.jsonl")
    assert [message["type"] for message in messages] == ["SCHEMA", "RECORD", "RECORD", "STATE"]
    assert {message["stream"] for message in messages[:3]} == {"deliveries"}
    assert sorted(records(messages)) == [("evt-1", "accepted", ""), ("evt-2", "skipped", "organic")]
    newest = {"replication_key": "seq", "replication_key_value": messages[2]["record"]["seq"]}
    assert messages[3]["value"] == {"bookmarks": {"deliveries": newest}}


def test_it_announces_what_the_tap_announces(target: Target) -> None:
    target.run([a_purchase()])
    announced = results(target.folder / "results.jsonl")[0]
    streams = TapAdpostbacks(config={}).catalog_dict["streams"]
    stream = next(each for each in streams if each["stream"] == "deliveries")
    assert announced["key_properties"] == stream["key_properties"]
    assert announced["schema"]["properties"] == stream["schema"]["properties"]


def test_another_runs_deliveries_are_not_in_it(target: Target) -> None:
    target.run([a_purchase(1)])
    target.run([a_purchase(1), a_purchase(2)])
    assert records(results(target.folder / "results.jsonl")) == [("evt-2", "accepted", "")]


def test_the_runs_id_can_be_in_the_name(target: Target) -> None:
    target.config["results_path"] = str(target.folder / "results-{run_id}.jsonl")
    target.run([a_purchase()])
    ((run_id,),) = target.rows("run_id", "runs")
    assert records(results(target.folder / f"results-{run_id}.jsonl")) == [("evt-1", "accepted", "")]


def test_a_run_that_leaves_something_open_writes_it_too(target: Target, server: LocalServer) -> None:
    server.answer = lambda _: Answer(503)
    target.config["max_attempts"] = 1
    assert target.run([a_purchase()]).code == 1
    assert records(results(target.folder / "results.jsonl")) == [("evt-1", "open", "transient")]


def test_a_run_that_is_stopped_writes_it_too(target: Target) -> None:
    target.config["max_batch_age_seconds"] = 3600
    process = target.start()
    assert process.stdin
    process.stdin.write(b"".join(encoded(line) for line in (schema(), record(**a_purchase()), b"oops")))
    process.stdin.flush()
    wait_for_warning(process)
    assert end(process).code == 143
    assert ("evt-1", "open", "transient") in records(results(target.folder / "results.jsonl"))


def test_a_run_without_input_writes_schema_and_state(target: Target) -> None:
    (target.folder / "results.jsonl").write_text('{"type":"SCHEMA","stream":"deliveries", "of": "an earlier run"}')
    target.run([])
    assert [message["type"] for message in results(target.folder / "results.jsonl")] == ["SCHEMA", "STATE"]


def test_a_descriptor_of_the_caller_can_be_given(target: Target) -> None:
    reader, writer = os.pipe()
    target.config["results_path"] = f"/dev/fd/{writer}"
    process = target.start(pass_fds=(writer,))
    os.close(writer)
    stdout, stderr = process.communicate(encoded(a_purchase()), timeout=PATIENCE)
    with os.fdopen(reader, "rb") as pipe:
        messages = [json.loads(line) for line in pipe]
    assert (process.returncode, stdout) == (0, b""), stderr
    assert records(messages) == [("evt-1", "accepted", "")]


def test_what_a_descriptor_held_before_stays(target: Target) -> None:
    path = target.folder / "appended.jsonl"
    with path.open("ab") as file:
        file.write(b'{"of": "before"}\n')
        file.flush()
        target.config["results_path"] = f"/dev/fd/{file.fileno()}"
        target.start(pass_fds=(file.fileno(),)).communicate(encoded(a_purchase()), timeout=PATIENCE)
    assert results(path)[0] == {"of": "before"}
    assert records(results(path)[1:]) == [("evt-1", "accepted", "")]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("-", "standard output is for state alone"),
        ("/dev/stdout", "standard output is for state alone"),
        ("/dev/fd/1", "standard input, output and error are taken"),
        ("/proc/self/fd/1", "standard input, output and error are taken"),
        ("/dev/fd/999", "Bad file descriptor"),
        ("/canary/results.jsonl", "No such file or directory; name a file in a folder that exists"),
        ("{folder}", "Is a directory"),
        ("a\0b", "not a path"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_and_not_named(tmp_path: Path, path: str, why: str) -> None:
    with pytest.raises(UnusablePath, match=f"^results_path: {why}") as refused:
        Results(path.replace("{folder}", str(tmp_path)), "run-1")
    assert "canary" not in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


def test_a_descriptor_of_our_own_is_refused_since_it_may_be_standard_output() -> None:
    own = os.dup(1)
    with pytest.raises(UnusablePath, match="that descriptor is not open for writing"):
        Results(f"/dev/fd/{own}", "run-1")
    os.close(own)


def test_a_descriptor_that_can_only_be_read_is_refused() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    with pytest.raises(UnusablePath, match="that descriptor is not open for writing"):
        Results(f"/dev/fd/{reader}", "run-1")
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("path", ["/dev/stdout", *slow("/dev/fd/3", "/canary/results.jsonl")])
def test_a_mistake_ends_the_run_before_anything_is_sent(target: Target, server: LocalServer, path: str) -> None:
    target.config["results_path"] = path
    ran = target.run([schema(), record(**a_purchase()), state(1)])
    assert (ran.code, ran.stdout, server.received) == (1, "", [])
    assert "results_path: " in ran.stderr
    assert "canary" not in ran.stderr
    assert "Traceback" not in ran.stderr
    assert target.rows("run_id", "runs") == []  # it has not begun


def test_a_reader_that_goes_away_is_an_error_and_the_ledger_has_it_all(target: Target) -> None:
    reader, writer = os.pipe()
    target.config["results_path"] = f"/dev/fd/{writer}"
    process = target.start(pass_fds=(writer,))
    os.close(writer)
    os.close(reader)
    lines = (schema(), record(**a_purchase()), state(1))
    stdout, stderr = process.communicate(b"".join(map(encoded, lines)), timeout=PATIENCE)
    assert (process.returncode, stdout) == (1, b"1\n")
    assert b"results_path: Broken pipe" in stderr
    assert target.rows("exit_code", "runs") == [(1,)]


@pytest.mark.slow
def test_many_deliveries_are_all_there(target: Target) -> None:
    target.run(b"".join(encoded(a_purchase(number)) for number in range(5500)))
    assert len({row[0] for row in records(results(target.folder / "results.jsonl"))}) == 5500


@pytest.mark.slow
def test_a_run_with_its_ledger_in_postgresql_is_no_different(
    target: Target, server: LocalServer, postgres_url: str
) -> None:
    target.config["ledger_url"] = postgres_url
    lines = [a_purchase(1), a_purchase(2, network="organic"), a_purchase(3, campaign_name="a\0b")]
    ran = target.run(lines)
    assert ran.code == 0, ran.stderr
    expected = [("evt-1", "accepted", ""), ("evt-2", "skipped", "organic"), ("evt-3", "accepted", "")]
    assert sorted(records(results(target.folder / "results.jsonl"))) == expected
    assert str(make_url(postgres_url).password) not in ran.stderr
    assert target.run(lines).code == 0
    assert server.event_ids == ["evt-1", "evt-3"]
    assert records(results(target.folder / "results.jsonl")) == []


def test_a_file_that_is_no_results_file_is_not_overwritten(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"tiktok": {}}')
    with pytest.raises(UnusablePath, match="not a results file"):
        Results(str(config), "run-1")
    assert config.read_text() == '{"tiktok": {}}'
