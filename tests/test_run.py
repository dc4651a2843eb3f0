"""``deliver``: records in from any Python program, a tally out."""

from __future__ import annotations

import gc
import io
import json
import logging
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, redirect_stdout
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import SETTINGS, fresh
from patience import PATIENCE

import target_adpostbacks
from target_adpostbacks import deliver
from target_adpostbacks.config import InvalidConfig, read
from target_adpostbacks.core.answers import Elsewhere, Request, Response
from target_adpostbacks.ledger import UnusableLedger
from target_adpostbacks.run import Run, ahead, utc_now
from target_adpostbacks.sandbox import Sandbox
from target_adpostbacks.workers import pool

pytestmark = pytest.mark.machine_clock


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    sections = {name: {**SETTINGS[name], "base_url": sandbox.url} for name in ("tiktok", "reddit")}
    return {**sections, "ledger_url": f"sqlite:///{tmp_path}/ledger.db"}


def exit_codes(config: dict[str, Any]) -> list[Any]:
    with closing(sqlite3.connect(config["ledger_url"].removeprefix("sqlite:///"))) as connection:
        return [code for (code,) in connection.execute("SELECT exit_code FROM runs WHERE ended_at IS NOT NULL")]


def test_an_account_that_fails_validation_is_sent_nothing_and_the_others_go_on(
    config: dict[str, Any], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config["tiktok"] |= {"access_token": "revoked-token", "test_event_code": "TEST1"}
    tally = deliver([fresh(1), fresh(2, network="reddit", rdt_cid="x")], {**config, "validate": True})
    assert (tally.accepted, tally.open) == (1, {"credentials": 1})
    assert [event["event_id"] for event in sandbox.received] == ["evt-2"]
    assert [request for request in sandbox.requests if "evt-1" in str(request)] == []
    assert "tiktok.default: validation failed (40105: Access token is incorrect" in caplog.text
    assert "reddit.default: validated, unchecked" in caplog.text


def test_the_end_of_a_run_says_which_money_is_open_and_until_when_it_can_be_sent(
    config: dict[str, Any], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.faults = [{"network": "reddit", "status": 503}]
    config["max_attempts"] = 1
    config["reddit"]["max_event_age_days"] = 1
    hour = datetime.now(timezone.utc).replace(minute=30, second=0, microsecond=0) - timedelta(hours=2)
    happened = {"network": "reddit", "rdt_cid": "1", "value": 1240.5, "currency": "USD", "test": None}
    early = {**happened, "event_time": (hour - timedelta(hours=20)).isoformat()}
    records = [
        fresh(1, **early),
        fresh(2, **{**early, "event_time": (hour - timedelta(hours=20, minutes=-20)).isoformat()}),
        fresh(3, **{**happened, "event_time": hour.isoformat(), "value": 10_000}),
        fresh(4, **{**happened, "event_time": hour.isoformat(), "currency": "JPY", "value": 300}),
        fresh(5, **{**happened, "value": None}),
        fresh(6, value=7, currency="USD"),
    ]
    deliver(records, config)
    told = [record.getMessage() for record in caplog.records if " open for " in record.getMessage()]
    first, last = ((hour + timedelta(hours=hours)).isoformat(" ")[:16] for hours in (4, 24))
    now = datetime.now(timezone.utc).isoformat(" ")
    first, last = (time[11:] if time[:10] == now[:10] else time for time in (first, last))
    assert told == [
        f"300 JPY open for reddit (a trial), 300 of it can't be sent after {last} UTC.",
        f"12,481.00 USD open for reddit (a trial), 2,481.00 of it can't be sent after {first} UTC.",
    ]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "was cut when it was copied, or was revoked."),
        (404, "There is no such pixel, or the token can't see it."),
        (503, "The next run sends it. If this goes on, see the network's status page."),
    ],
)
def test_the_end_of_a_run_says_what_to_do_about_what_is_open(
    config: dict[str, Any], sandbox: Sandbox, caplog: pytest.LogCaptureFixture, status: int, told: str
) -> None:
    sandbox.faults = [{"network": "reddit", "status": status}]
    deliver([fresh(1, network="reddit", rdt_cid="1")], {**config, "max_attempts": 1})
    (line,) = [record.getMessage() for record in caplog.records if "stay open" in record.getMessage()]
    assert line.startswith("Postbacks that stay open: 1, reddit.default: ")
    assert line.endswith(told)


def test_records_are_delivered_and_counted(config: dict[str, Any], sandbox: Sandbox) -> None:
    records = [fresh(1), fresh(2, network="organic"), fresh(3, event_time="never")]
    tally = deliver(records, config)
    assert (tally.read, tally.accepted, tally.already_accepted, tally.rejected) == (3, 1, 0, 0)
    assert (tally.skipped, tally.open) == ({"invalid": 1, "organic": 1}, {})
    assert [event["event_id"] for event in sandbox.received] == ["evt-1"]


def test_what_was_accepted_is_not_sent_twice(config: dict[str, Any], sandbox: Sandbox) -> None:
    records = [fresh(1), fresh(2)]
    deliver(records, config)
    again = deliver(records, config)
    assert (again.accepted, again.already_accepted) == (0, 2)
    assert len(sandbox.received) == 2


def test_a_trial_keeps_nothing_from_the_network_and_is_announced(
    config: dict[str, Any], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    records = [fresh(1), fresh(2)]
    with caplog.at_level(logging.INFO):
        deliver(records, config)
    (told,) = [line for line in caplog.messages if line.startswith("Trial: ")]
    assert told.startswith(f"Trial: reddit.default, tiktok.default sends to {sandbox.url}. ")
    caplog.clear()
    config["tiktok"]["proxy"] = True  # from here on it is taken for the network
    live = deliver(records, config)
    assert (live.accepted, live.already_accepted) == (2, 0)
    again = deliver(records, config)
    assert (again.accepted, again.already_accepted) == (0, 2)


def test_a_network_has_what_a_proxy_at_loopback_took(config: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    config["tiktok"]["proxy"] = config["reddit"]["proxy"] = True
    with caplog.at_level(logging.INFO):
        deliver([fresh(1)], config)
    assert "Trial" not in caplog.text


def test_what_no_network_answers_stays_open_and_goes_with_the_next_call(
    config: dict[str, Any], sandbox: Sandbox
) -> None:
    config["max_attempts"] = 1
    records = [fresh(1)]
    sandbox.faults = [{"status": 503}]
    assert deliver(records, config).open == {"transient": 1}
    sandbox.faults = []
    assert deliver(records, config).accepted == 1


def test_a_config_may_stand_in_a_file(config: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert deliver([fresh(1)], path).accepted == 1
    assert deliver([fresh(1)], str(path)).already_accepted == 1


@pytest.mark.parametrize(
    ("content", "rule"), [(None, "No such file"), ("{", "not valid JSON"), ("[]", "a JSON object expected")]
)
def test_a_config_file_that_cannot_be_read_is_told(content: str | None, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidConfig, match=rule):
        deliver([], path)


def test_mistakes_in_the_config_and_a_ledger_that_cannot_be_opened_are_raised(config: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig, match="no network"):
        deliver([], {})
    with pytest.raises(UnusableLedger):
        deliver([], {**config, "ledger_url": "sqlite:////nowhere/at/all/ledger.db"})


def test_a_record_that_is_no_mapping_is_a_row_and_stops_nothing(config: dict[str, Any]) -> None:
    records: list[Any] = ["evt-1", None, fresh(2)]
    tally = deliver(records, config)
    assert (tally.read, tally.accepted, tally.skipped) == (3, 1, {"invalid": 2})


def test_no_records_are_a_run_too(config: dict[str, Any]) -> None:
    assert deliver([], config).read == 0


def test_new_conversions_that_are_all_refused_fail_a_run_whatever_was_accepted_before(
    config: dict[str, Any], sandbox: Sandbox
) -> None:
    sandbox.faults = [{"refuse_event_id": f"evt-{number}", "silent": True} for number in range(1, 6)]
    config["batch_size_rows"] = 1
    accepted_before = fresh(0)
    deliver([accepted_before], config)
    again = deliver([accepted_before, *(fresh(number) for number in range(1, 6))], config)
    assert (again.already_accepted, again.rejected) == (1, 5)
    assert exit_codes(config) == [0, 1]


def test_a_key_names_records_without_an_event_id(config: dict[str, Any], sandbox: Sandbox) -> None:
    records = [{**fresh(number), "event_id": None, "order": number} for number in (1, 2)]
    assert deliver(records, config, stream="orders", key=("order",)).accepted == 2
    assert all(event["event_id"].startswith("orders-") for event in sandbox.received)


def test_what_the_records_raise_comes_through_once_everything_before_it_is_delivered(
    config: dict[str, Any], sandbox: Sandbox
) -> None:
    def records() -> Iterator[dict[str, Any]]:
        yield fresh(1)
        raise LookupError("the warehouse is gone")

    with pytest.raises(LookupError, match="warehouse"):
        deliver(records(), config)
    assert [event["event_id"] for event in sandbox.received] == ["evt-1"]
    assert exit_codes(config) == [1]


def test_an_interrupt_ends_the_runs_books(config: dict[str, Any]) -> None:
    def records() -> Iterator[dict[str, Any]]:
        yield fresh(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver(records(), config)
    assert exit_codes(config) == [128 + signal.SIGINT]


@pytest.mark.parametrize(
    "setting",
    [
        {"stream_maps": {"conversions": {"__filter__": "False"}}},
        {"flattening_enabled": True},
        {"results_path": "r.jsonl"},
    ],
)
def test_a_setting_that_only_singer_applies_is_refused_and_not_ignored(
    config: dict[str, Any], sandbox: Sandbox, setting: dict[str, Any]
) -> None:
    with pytest.raises(InvalidConfig, match=f"^{next(iter(setting))}: only the Singer target applies it"):
        deliver([fresh(1)], {**config, **setting})
    assert sandbox.received == []


@pytest.mark.parametrize("config", [None, 7, ["config.json"]])
def test_a_config_of_another_type_is_told(config: Any) -> None:
    with pytest.raises(InvalidConfig, match="a mapping, or the path of a JSON file expected"):
        deliver([], config)


def test_a_ledger_that_breaks_in_mid_run_is_raised(config: dict[str, Any], tmp_path: Path) -> None:
    def records() -> Iterator[dict[str, Any]]:
        with sqlite3.connect(tmp_path / "ledger.db") as connection:
            connection.execute("DROP TABLE deliveries")
        yield fresh(1)

    with pytest.raises(UnusableLedger):
        deliver(records(), config)


def test_batches_keep_to_the_size_that_the_config_names(config: dict[str, Any], sandbox: Sandbox) -> None:
    deliver([fresh(number) for number in range(5)], {**config, "batch_size_rows": 2})
    assert sorted(len(request["body"]["data"]) for request in sandbox.requests) == [1, 2, 2]


def test_a_record_that_rules_keep_from_every_account_is_skipped(config: dict[str, Any]) -> None:
    general, accounts = read(config)
    run = Run(general, accounts, log=logging.getLogger("test"), rules=[lambda *_: Elsewhere("by_rule")])
    run.begin()
    run.add(fresh(1))
    run.settle()
    assert (run.tally.read, run.tally.skipped, run.tally.filtered) == (1, {"by_rule": 1}, 0)
    assert run.close() == 0


def test_it_works_in_any_thread_and_leaves_the_process_as_it_was(config: dict[str, Any]) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    logger = logging.getLogger()
    logging_before = (logger.level, [*logger.handlers])
    threads_before = {thread.name for thread in threading.enumerate()}
    turns = sys.getswitchinterval()
    tallies: list[Any] = []
    output = io.StringIO()
    with redirect_stdout(output):
        thread = threading.Thread(target=lambda: tallies.append(deliver([fresh(1)], config)))
        thread.start()
        thread.join(PATIENCE)
    assert tallies[0].accepted == 1
    assert output.getvalue() == ""
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert (logger.level, [*logger.handlers]) == logging_before
    assert gc.isenabled()
    assert sys.getswitchinterval() == turns
    assert {each.name for each in threading.enumerate()} <= threads_before | {"sandbox"}


def test_the_public_door_names_what_is_behind_it() -> None:
    assert target_adpostbacks.__all__ == ["__version__", "deliver"]
    assert target_adpostbacks.__version__
    assert "Raises" in (deliver.__doc__ or "")


def test_the_door_alone_imports_nothing() -> None:
    program = "import sys, target_adpostbacks; print({'sqlalchemy', 'singer_sdk', 'msgspec'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "set()\n"


class Gates:
    """A transport whose requests wait at their network's gate."""

    def __init__(self, *open_to: str) -> None:
        self._gates = {name: threading.Event() for name in ("tiktok", "reddit")}
        for name in open_to:
            self._gates[name].set()

    def __call__(self, request: Request, timeout_seconds: float) -> Response:
        network = "tiktok" if "tiktok" in request.url else "reddit"
        assert self._gates[network].wait(PATIENCE)
        if network == "tiktok":
            return Response(status=200, body={"code": 0, "message": "OK"})
        count = len(request.body["data"]["events"])
        return Response(status=200, body={"data": {"message": f"Successfully processed {count} conversion events."}})

    def open(self, name: str) -> None:
        self._gates[name].set()


def a_run(tmp_path: Path, transport: Any = None, clock: Any = utc_now, **config: Any) -> Run:
    general, accounts = read({**config, "ledger_url": f"sqlite:///{tmp_path}/ledger.db"})
    run = Run(general, accounts, log=logging.getLogger("test"), transport=transport, clock=clock, max_batch_rows=2)
    run.begin()
    return run


def test_while_one_account_keeps_the_reader_waiting_another_full_one_does_not(tmp_path: Path) -> None:
    gates = Gates()
    sections = {name: {**SETTINGS[name], "concurrency": 1} for name in ("tiktok", "reddit")}
    run = a_run(tmp_path, gates, max_batch_age_seconds=0, **sections)
    for number in range(7):  # three batches fill the account, one conversion waits for its batch
        run.add(fresh(number, network="reddit", ttclid=None, rdt_cid="1"))
    done = threading.Event()

    def feed() -> None:
        for number in range(8):  # the fourth batch waits for a place
            run.add(fresh(number))
        done.set()

    waiting = threading.Event()
    run.waiting = waiting.set
    threading.Thread(target=feed).start()
    assert waiting.wait(PATIENCE)
    gates.open("tiktok")
    assert done.wait(PATIENCE), "the reader waits for Reddit"
    gates.open("reddit")
    run.settle()
    assert run.tally.accepted == 15
    assert run.close() == 0


@pytest.mark.parametrize(("signal_number", "kept"), [(signal.SIGTERM, True), (0, False)])
def test_a_run_that_a_signal_ends_leaves_forgetting_to_the_next(tmp_path: Path, signal_number: int, kept: bool) -> None:
    sections = {"tiktok": SETTINGS["tiktok"], "ledger_retention_days": 30}
    first = a_run(tmp_path, Gates("tiktok"), **sections)
    first.add(fresh(1))
    first.settle()
    first.close()
    later = a_run(tmp_path, clock=lambda: utc_now() + timedelta(days=40), **sections)
    later.settle()
    later.close(signal_number=signal_number)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        ((match_keys,),) = connection.execute("SELECT match_keys FROM deliveries")
    assert bool(match_keys) == kept


@pytest.mark.parametrize(("days", "kept"), [(41, 1), (39, 0)])
def test_what_was_accepted_is_known_for_the_days_of_dedup(tmp_path: Path, days: int, kept: int) -> None:
    sections = {"tiktok": SETTINGS["tiktok"], "ledger_retention_days": 0, "dedup_days": days}
    first = a_run(tmp_path, Gates("tiktok"), **sections)
    first.add(fresh(1))
    first.settle()
    first.close()
    later = a_run(tmp_path, clock=lambda: utc_now() + timedelta(days=40), **sections)
    later.settle()
    later.close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        assert connection.execute("SELECT count(*) FROM deliveries").fetchone() == (kept,)


@pytest.mark.parametrize(("layout", "owner"), [("full", None), ("compact", None), ("compact", "a task")])
def test_a_caller_gets_the_rows_that_the_call_wrote(
    config: dict[str, Any], sandbox: Sandbox, layout: str, owner: str | None
) -> None:
    told: list[Mapping[str, Any]] = []
    records = [fresh(1), fresh(2), fresh(3, network="organic")]
    deliver(records, {**config, "ledger_layout": layout}, owner=owner, results=told.extend)
    assert sorted((row["event_id"], row["status"]) for row in told) == [
        *(("evt-1", "accepted"), ("evt-2", "accepted"), ("evt-3", "skipped"))
    ]
    assert {row["value"] for row in told} == {None}
    again = deliver(records, {**config, "ledger_layout": layout}, owner=owner, results=told.extend)
    assert again.already_accepted == 2
    assert len(told) == 3
    assert {event["times"] for event in sandbox.received} == {1}


class Own(dict[str, Any]):
    """A type of the caller's that no worker knows."""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [None, 0, 1, 3])
def test_deliver_has_workers_where_its_config_says_so(
    config: dict[str, Any],
    sandbox: Sandbox,
    workers: int | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(ahead, "WORKERS_AFTER", 10)
    started: list[int] = []

    class Counted(pool.Workers):
        def __init__(self, work: Any, count: int, warn: Any) -> None:
            super().__init__(work, count, warn)
            started.append(count)
            while len(self.ready) < count:
                self.wait(seconds=1)

    monkeypatch.setattr(ahead, "Workers", Counted)
    told: dict[str, Any] = {}

    def records() -> Iterator[Any]:
        for number in range(300):
            told.clear()  # the caller may use one record again and again
            told.update(fresh(number))
            if number % 50 == 20:
                yield Own(told)
            elif number % 50 == 21:
                yield "no record"
            elif number % 50 == 22:
                yield {**told, "value": Decimal("1.5"), "currency": "EUR", "x": lambda: None}
            elif number % 50 == 23:
                yield {**told, "event_time": datetime.fromisoformat(told["event_time"])}
            elif number == 275:  # prepared by a worker, if there are some
                yield {**told, "user": {"phone": "+4930123456"}}
            else:
                yield told
        raise KeyError("canary")

    with pytest.raises(KeyError):
        deliver(records(), {**config, **({} if workers is None else {"workers": workers})})
    assert started == ([workers] if workers else [])
    assert len(sandbox.received) == 294
    assert len({event["event_id"] for event in sandbox.received}) == 294
    assert "worker process" not in caplog.text
    assert told_of_nested(caplog) == ["Read from nested objects: user.phone."]


def test_what_was_read_from_nested_objects_is_told_once_by_the_run(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    records = [fresh(number, user={"email": f"canary{number}@example.com"}, a={"rdt_cid": "1"}) for number in range(9)]
    assert deliver([*records, fresh(9)], config).accepted == 10
    assert told_of_nested(caplog) == ["Read from nested objects: *.rdt_cid, user.email."]
    assert "canary" not in caplog.text


def told_of_nested(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.getMessage().startswith("Read from")]


def test_streams_of_statistics_are_nothing_to_a_caller_in_python(config: dict[str, Any]) -> None:
    performance = {"conversions": {"preset": "tap-tiktok", "currency": "USD"}}
    assert deliver([fresh(1)], {**config, "performance": performance}).accepted == 1
