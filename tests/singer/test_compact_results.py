"""results_path with a compact ledger: what is accepted is written as it goes, for nothing else keeps it."""

from __future__ import annotations

import errno
import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ledger_rows import NOW, a_row, rows
from local_server import Answer, LocalServer, accepted
from run_target import Target, a_purchase

from target_adpostbacks.cli import main
from target_adpostbacks.ledger import IDENTITY, Ledger, UnusableLedger
from target_adpostbacks.ledger.compact import digest
from target_adpostbacks.ledger.definition import Layout
from target_adpostbacks.singer.results import Results

pytestmark = pytest.mark.slow


@pytest.fixture
def target(tmp_path: Path, server: LocalServer, ledger_url: str) -> Target:
    results = str(tmp_path / "results.jsonl")
    return Target(tmp_path, server.url, results_path=results, ledger_layout="compact", ledger_url=ledger_url)


def messages(target: Target) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (target.folder / "results.jsonl").read_bytes().splitlines()]


def test_what_was_accepted_is_in_the_results_and_its_key_in_the_ledger(target: Target, ledger_url: str) -> None:
    ran = target.run([a_purchase(1), a_purchase(2, network="organic")])
    assert ran.code == 0, ran.stderr
    schema, *records, state = messages(target)
    assert schema["key_properties"] == [*IDENTITY]
    kept = {record["record"]["event_id"]: record["record"] for record in records}
    assert {event_id: row["status"] for event_id, row in kept.items()} == {"evt-1": "accepted", "evt-2": "skipped"}
    assert all({*row} == {*schema["schema"]["properties"]} for row in kept.values())
    assert state["value"]["bookmarks"]["deliveries"]["replication_key_value"] == max(
        row["seq"] for row in kept.values()
    )
    key = digest([kept["evt-1"][name] for name in IDENTITY]).hex()
    ((there,),) = rows(ledger_url, "key", "accepted_keys")
    assert key == (there.hex() if isinstance(there, bytes) else there.hex)
    assert rows(ledger_url) == [("evt-2", "skipped")]


@pytest.mark.parametrize(("layout", "synced"), [("compact", [(1, 0), (2, 1)]), ("full", [])])
def test_what_a_power_cut_must_not_lose_is_on_the_disk_before_its_key(
    tmp_path: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch, layout: Layout, synced: list[tuple[int, int]]
) -> None:
    path, sync = tmp_path / "results.jsonl", os.fsync
    seen: list[tuple[int, int]] = []

    def noting(descriptor: int) -> None:
        sync(descriptor)
        if os.path.sameopenfile(descriptor, on_disk.fileno()):
            seen.append((path.read_text().count('"RECORD"'), rows(ledger_url, "count(*)", "accepted_keys")[0][0]))

    with closing(Ledger(ledger_url, "run-1", layout=layout)) as ledger:
        results = Results(str(path), "run-1")
        monkeypatch.setattr(os, "fsync", noting)
        with path.open("rb") as on_disk:
            results.follow(ledger)
            for row in (a_row("evt-1"), a_row("evt-2"), a_row("evt-3", "rejected")):
                ledger.write(NOW, [row])
            assert seen == synced
            results.write(ledger)
            assert seen == synced


def test_a_pipe_takes_rows_though_it_has_no_disk(ledger_url: str) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    with closing(Ledger(ledger_url, "run-1", layout="compact")) as ledger, os.fdopen(reading, "rb") as read:
        results = Results(f"/dev/fd/{writing}", "run-1")
        os.close(writing)
        results.follow(ledger)
        ledger.write(NOW, [a_row()])
        results.write(ledger)
        assert [json.loads(line)["type"] for line in read] == ["SCHEMA", "RECORD", "STATE"]


def test_a_disk_that_fails_keeps_keys_back(tmp_path: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with closing(Ledger(ledger_url, "run-1", layout="compact")) as ledger:
        results = Results(str(tmp_path / "results.jsonl"), "run-1")
        results.follow(ledger)
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(UnusableLedger, match="results_path: Input/output error"):
            ledger.write(NOW, [a_row()])
        assert ledger.earlier([a_row().key]) == {}
        monkeypatch.undo()
        results.write(ledger)


def test_what_was_accepted_is_not_sent_again_whatever_its_time(target: Target, server: LocalServer) -> None:
    target.run([a_purchase(1)])
    asked = len(server.received)
    again = target.run([a_purchase(1), a_purchase(1, event_time="2026-11-19T00:00:00Z")])
    assert again.code == 0
    assert "accepted 0, already accepted 2" in again.summary
    assert len(server.received) == asked
    assert [message["type"] for message in messages(target)] == ["SCHEMA", "STATE"]


def test_what_stays_open_is_kept_whole_until_it_is_accepted(
    target: Target, server: LocalServer, ledger_url: str
) -> None:
    server.answer = lambda _: Answer(503)
    target.config["max_attempts"] = 1
    assert target.run([a_purchase(1)]).code == 1
    assert rows(ledger_url, "event_id, reason") == [("evt-1", "transient")]
    server.answer = accepted
    assert target.run([a_purchase(1)]).code == 0
    assert rows(ledger_url, "count(*)") == rows(ledger_url, "count(*)", "history") == [(0,)]


def test_a_config_of_another_layout_is_a_mistake(target: Target) -> None:
    target.run([a_purchase(1)])
    del target.config["ledger_layout"]
    ran = target.run([a_purchase(2)])
    assert ran.code == 1
    assert "ledger: it was made with ledger_layout: compact, and the config has full" in ran.stderr


def test_without_results_the_run_says_that_rows_are_kept_nowhere(target: Target) -> None:
    del target.config["results_path"]
    assert "keeps a key alone: set results_path for rows" in target.run([a_purchase(1)]).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["log"], 0, "The ledger is compact: what was accepted is not in the log, but in the results of its run"),
        (["explain", "evt-1"], 1, "which is compact: it has no rows of what was accepted"),
        (["health"], 1, "it is compact, without rows of what was accepted, so it can't tell; the runs' results"),
        (["report", "--output", "report.html"], 1, "it is compact, without rows of what was accepted"),
        (["performance"], 1, "it is compact, without rows of what was accepted"),
        (["reconcile"], 1, "it is compact, without rows of what was accepted"),
        (["resolve", "evt-1", "--as", "resend"], 1, "what was accepted is not known by its id in a compact ledger"),
    ],
)
def test_commands_say_what_a_compact_ledger_cannot_tell(
    target: Target, ledger_url: str, arguments: list[str], code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.run([a_purchase(1), a_purchase(2, network="organic")])
    monkeypatch.chdir(target.folder)
    command, *others = arguments
    result = CliRunner().invoke(main, [command, "--ledger-url", ledger_url, *others])
    assert (result.exit_code, told in result.output) == (code, True), result.output
    if command == "log":
        assert "evt-2" in result.output
