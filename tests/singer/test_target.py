"""The real command, stdin to stdout, against a real server: state, ledger, signals, exit codes."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pytest
from conftest import SETTINGS, slow
from patience import PATIENCE
from run_target import COMMAND, Target, a_purchase, encoded, end, ended, record, schema, state
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.suites import target_tests

from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.sandbox import Sandbox
from target_adpostbacks.singer.target import TargetAdpostbacks

pytestmark = [pytest.mark.slow, pytest.mark.machine_clock]


@pytest.fixture
def target(tmp_path: Path, sandbox: Sandbox) -> Target:
    return Target(tmp_path, sandbox.url)


def ids(sandbox: Sandbox) -> list[str]:
    """The live events that the networks have, in the order in which they came."""
    return [event["event_id"] for event in sandbox.received]


def batches(sandbox: Sandbox) -> list[list[str]]:
    """The event ids of each request."""
    return [[event["event_id"] for event in request["body"]["data"]] for request in sandbox.requests]


def test_plain_json_lines_are_delivered_and_a_second_run_sends_nothing(target: Target, sandbox: Sandbox) -> None:
    lines = [a_purchase(1), a_purchase(2, network="reddit", rdt_cid="123"), a_purchase(3)]
    first = target.run(lines)
    assert (first.code, first.stdout) == (0, "")
    assert first.summary == "read 3, accepted 3, already accepted 0, rejected 0, skipped 0, open 0"
    assert sorted(ids(sandbox)) == ["evt-1", "evt-2", "evt-3"]
    second = target.run(lines)
    assert second.summary == "read 3, accepted 0, already accepted 3, rejected 0, skipped 0, open 0"
    assert len(ids(sandbox)) == 3


def test_singer_messages_are_delivered_and_state_follows(target: Target) -> None:
    ran = target.run([schema(), record(**a_purchase()), state({"bookmarks": {"a": 1.10}})])
    assert (ran.code, ran.states) == (0, [{"bookmarks": {"a": 1.1}}])


def test_the_sdks_metrics_count_what_was_read_and_time_each_batch(target: Target) -> None:
    ran = target.run([schema(), record(**a_purchase(1)), record(**a_purchase(2))])
    points = [json.loads(line.partition("METRIC: ")[2]) for line in ran.stderr.splitlines() if "METRIC: " in line]
    told = {(point["metric"], point["tags"]["stream"]): point["value"] for point in points}
    assert told.keys() == {("record_count", "conversions"), ("batch_processing_time", "tiktok.default")}
    assert told["record_count", "conversions"] == 2
    assert 0 < told["batch_processing_time", "tiktok.default"] < 30


def test_of_a_state_after_every_record_the_newest_free_ones_are_written(target: Target) -> None:
    lines = [line for number in range(1, 501) for line in (record(**a_purchase(number)), state(number))]
    ran = target.run([schema(), *lines])
    assert (ran.code, ran.states[-1]) == (0, 500)
    assert ran.states == sorted(ran.states)
    assert len(ran.states) < 50


def test_nothing_but_states_is_ever_on_standard_output(target: Target) -> None:
    lines = [schema(), b"garbage", record(**a_purchase()), record(nothing=1), state({"line": 1})]
    ran = target.run(lines, env={"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG"})
    assert ran.stdout == '{"line": 1}\n'


def test_input_can_come_from_a_file(target: Target, sandbox: Sandbox) -> None:
    path = target.folder / "input.jsonl"
    path.write_bytes(encoded(a_purchase()))
    assert target.run([], "--input", str(path)).code == 0
    assert ids(sandbox) == ["evt-1"]


def test_a_record_for_two_networks_has_two_outcomes(target: Target) -> None:
    both = {**a_purchase(1, rdt_cid="1"), "network": None}
    ran = target.run([both, a_purchase(2)])
    assert ran.summary == "read 2, outcomes 3, accepted 3, already accepted 0, rejected 0, skipped 0, open 0"


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (
            "preparation.Preparation._for_account = lambda *given: iter(())",
            "2 of 2 records have no outcome, 0 of 0 outcomes were",
        ),
        ("delivery.Delivery.submit = lambda *given: None", "0 of 2 records have no outcome, 0 of 2 outcomes were"),
    ],
)
def test_a_run_that_loses_a_conversion_says_so_and_exits_3(target: Target, mistake: str, told: str) -> None:
    program = (
        "from target_adpostbacks import __main__\nfrom target_adpostbacks.delivery import delivery\n"
        f"from target_adpostbacks.core import preparation\n{mistake}\n__main__.main()"
    )
    ran = target.run([a_purchase(1), a_purchase(2)], command=[sys.executable, "-c", program])
    assert (ran.code, ran.states) == (3, [])
    assert told in ran.stderr
    assert target.rows("exit_code", "runs") == [(3,)]


def test_a_mistake_of_ours_about_a_conversion_is_told_with_its_place(target: Target) -> None:
    mistake = "tiktok.TikTok.match_keys = lambda network, payload: {}['ada@example.com']"
    program = f"from target_adpostbacks import __main__\nfrom target_adpostbacks.networks import tiktok\n{mistake}\n"
    ran = target.run([a_purchase(1)], command=[sys.executable, "-c", program + "__main__.main()"])
    assert target.rows() == [("evt-1", "skipped", "invalid")]
    assert "Unexpected KeyError in postback.py:" in ran.stderr
    assert "ada@" not in ran.stderr


@pytest.mark.parametrize(("percent", "code"), [(19.9, 1), *slow((20, 0), (0, 1), (None, 0))])
def test_too_many_rejected_conversions_fail_the_run(
    target: Target, sandbox: Sandbox, percent: float | None, code: int
) -> None:
    sandbox.faults = [{"refuse_event_id": "evt-1", "silent": True}]
    target.config["fail_above_rejected_percent"] = percent
    ran = target.run([a_purchase(number) for number in range(1, 6)])
    assert ran.code == code
    assert ("1 of 5 conversions were rejected, more than" in ran.stderr) == bool(code)


def test_the_first_run_of_a_day_lets_the_ledger_forget(target: Target) -> None:
    target.config["ledger_retention_days"] = 1
    target.run([a_purchase(1)])
    connection = sqlite3.connect(target.folder / "adpostbacks.db")
    with connection:
        connection.execute("UPDATE deliveries SET updated_at = '2026-01-01T00:00:00.000+00:00'")
    target.run([a_purchase(2)])
    assert target.rows("line > 0") == [(1,), (1,)]  # a run of today has done it before
    with connection:
        connection.execute("UPDATE runs SET started_at = '2026-01-01T00:00:00.000+00:00'")
    connection.close()
    target.run([a_purchase(1), a_purchase(2)])
    assert target.rows("event_id, status, line") == [("evt-1", "accepted", 0), ("evt-2", "accepted", 1)]


def test_no_input_at_all_is_a_run_with_nothing_to_do(target: Target) -> None:
    ran = target.run([])
    assert (ran.code, ran.stdout) == (0, "")
    assert ran.summary == "read 0, accepted 0, already accepted 0, rejected 0, skipped 0, open 0"


def test_the_run_is_in_the_ledger_with_its_counts(target: Target) -> None:
    target.run([a_purchase(), {"event_name": "x"}, a_purchase(2, network="organic")])
    ((code, counts, version),) = target.rows("exit_code, counts, version", "runs")
    assert code == 0
    assert version.count(".") == 2
    assert json.loads(counts) == {
        "read": 3,
        "outcomes": 3,
        "accepted": 1,
        "already_accepted": 0,
        "rejected": 0,
        "skipped": {"invalid": 1, "organic": 1},
        "open": {},
        "filtered": 0,
        "conversions": 0,
    }


def test_several_streams_share_a_networks_batches(target: Target, sandbox: Sandbox) -> None:
    lines = [schema("a"), schema("b"), record("a", **a_purchase(1)), record("b", **a_purchase(2))]
    assert target.run(lines).code == 0
    assert batches(sandbox) == [["evt-1", "evt-2"]]


def test_test_events_travel_in_requests_of_their_own(target: Target, sandbox: Sandbox) -> None:
    target.config["tiktok"]["test_event_code"] = "TEST1"
    target.run([a_purchase(1), a_purchase(2, test=True), a_purchase(3, test="no")])
    assert ids(sandbox) == ["evt-1", "evt-3"]
    assert [event["event_id"] for event in sandbox.test_events] == ["evt-2"]


def test_a_test_event_without_a_code_never_leaves(target: Target, sandbox: Sandbox) -> None:
    target.run([a_purchase(test=True)])
    assert sandbox.requests == []
    assert target.rows() == [("evt-1", "skipped", "test_without_code")]


def test_a_test_send_does_not_suppress_the_live_one(target: Target, sandbox: Sandbox) -> None:
    target.config["tiktok"]["test_event_code"] = "TEST1"
    target.run([a_purchase(test=True)])
    target.run([a_purchase()])
    assert (ids(sandbox), len(sandbox.test_events)) == (["evt-1"], 1)


def test_a_batch_is_as_large_as_the_network_allows(target: Target, sandbox: Sandbox) -> None:
    assert target.run([a_purchase(number) for number in range(2500)]).code == 0
    assert sorted(len(batch) for batch in batches(sandbox)) == [500, 1000, 1000]


def test_batch_size_rows_makes_batches_smaller(target: Target, sandbox: Sandbox) -> None:
    target.config["batch_size_rows"] = 2
    target.run([a_purchase(number) for number in range(5)])
    assert sorted(len(batch) for batch in batches(sandbox)) == [1, 2, 2]


def test_one_event_too_large_for_a_request_is_refused_here(target: Target, sandbox: Sandbox) -> None:
    target.run([a_purchase(1, description="x" * 1_100_000), a_purchase(2)])
    assert ids(sandbox) == ["evt-2"]
    assert ("evt-1", "rejected", "too_large") in target.rows()


def test_a_bad_record_is_a_row_and_a_warning_and_the_run_goes_on(target: Target, sandbox: Sandbox) -> None:
    deep = b"[" * 900 + b"]" * 900
    bad = {
        b"{oops": "line: malformed JSON",
        encoded({"event_time": 1}).strip(): "event_name: missing; map the column that names the event",
        encoded(a_purchase(event_id="a\r\nb")).strip(): "event_id: contains a control character",
        encoded(
            a_purchase(11, event_time="soon")
        ).strip(): "event_time: not a time (ISO 8601 or epoch seconds expected)",
        encoded(a_purchase(12, test="perhaps")).strip(): "test: true or false expected",
        b'{"event_name": "x", "event_time": 1, "properties": %b}' % deep: "properties: an object",
    }
    ran = target.run([a_purchase(1), *bad, a_purchase(2)])
    assert ran.code == 0
    assert ids(sandbox) == ["evt-1", "evt-2"]
    rows = target.rows("network, line, message", "deliveries WHERE reason = 'invalid'")
    for number, message in enumerate(bad.values(), 2):
        ((network, said),) = [(network, said) for network, line, said in rows if line == number]
        assert network == ""
        assert said.startswith(message)
        assert ran.stderr.count(f"Line {number}: ") == 1


def test_a_line_that_cannot_be_read_is_a_row_with_its_event_id(target: Target) -> None:
    path = target.folder / "batch.jsonl"
    path.write_bytes(b'{"event_id": "evt-8", "event_name": }\n{"event_id": "evt-9", "x": NaN}\n')
    encoding = {"format": "jsonl", "compression": "none"}
    batch = {"type": "BATCH", "stream": "conversions", "encoding": encoding, "manifest": [path.as_uri()]}
    ran = target.run([schema(), encoded(record(**a_purchase(7)))[:-4], batch])
    assert "| Line 2: line: malformed JSON" in ran.stderr
    assert "| batch.jsonl, line 1: line: malformed JSON (stream conversions)" in ran.stderr
    assert "| batch.jsonl, line 2: event_name: missing" in ran.stderr
    assert [row[0] for row in target.rows()][:2] == ["evt-7", "evt-8"]
    assert target.rows("line") == [(2,), (1,), (2,)]  # of the input, and of the file
    assert target.rows("message")[2] == ("event_name: missing; map the column that names the event",)


def test_numbers_as_ids_become_text(target: Target, sandbox: Sandbox) -> None:
    target.run([a_purchase(event_id=9007199254740993), a_purchase(event_id=7.5)])
    assert ids(sandbox) == ["9007199254740993", "7.5"]


def test_deep_properties_stop_nothing(target: Target, sandbox: Sandbox) -> None:
    deep: Any = 1
    for _ in range(900):
        deep = {"a": deep}
    ran = target.run([a_purchase(1, properties={"deep": deep}), a_purchase(2, user=deep), a_purchase(3)])
    assert ran.code == 0
    assert "evt-3" in ids(sandbox)


def test_a_record_that_lacks_its_key_property_is_a_row_not_an_exception(target: Target) -> None:
    ran = target.run([schema(key=["id"]), record(metric=1)])
    assert ran.code == 0
    assert target.rows("status, reason") == [("skipped", "invalid")]


def test_a_missing_event_id_is_derived_from_the_key_and_stays_the_same(target: Target, sandbox: Sandbox) -> None:
    purchase = {**a_purchase(), "event_id": None, "id": 17}
    lines = [schema(key=["id"]), record(**purchase)]
    target.run(lines)
    target.run(lines)
    (event_id,) = ids(sandbox)
    assert event_id.startswith("conversions-")


def test_rows_that_the_source_deleted_are_not_sent(target: Target, sandbox: Sandbox) -> None:
    target.config["stream_maps"] = {"mapped": {"event_name": "event_name", "_sdc_deleted_at": None}}
    deleted = {"_sdc_deleted_at": "2026-11-20T00:00:00Z"}
    lines = [
        schema("plain"),
        schema("mapped"),
        record("plain", **a_purchase(1, **deleted)),
        record("mapped", **a_purchase(2, **deleted)),
    ]
    assert target.run(lines).code == 0
    assert sandbox.requests == []
    assert [row[1:] for row in target.rows()] == [("skipped", "deleted")] * 2


def test_stream_maps_rename_filter_and_drop(target: Target, sandbox: Sandbox) -> None:
    target.config["stream_maps"] = {
        "orders": {"event_name": "'purchase'", "event_id": "str(order)", "__filter__": "amount > 5"},
        "other": None,
    }
    rows = [{**a_purchase(), "order": number, "amount": number} for number in range(4, 8)]
    lines = [schema("orders"), schema("other"), *(record("orders", **row) for row in rows)]
    lines.append(record("other", **a_purchase(99)))
    ran = target.run(lines)
    assert ran.code == 0
    assert ids(sandbox) == ["6", "7"]


def test_an_expression_that_fails_costs_one_row_and_shows_no_value(target: Target, sandbox: Sandbox) -> None:
    target.config["stream_maps"] = {"orders": {"event_id": "str(int(order))"}}
    lines = [
        schema("orders"),
        record("orders", **a_purchase(), order="canary"),
        record("orders", **a_purchase(), order=7),
    ]
    ran = target.run(lines)
    assert ran.code == 0
    assert ids(sandbox) == ["7"]
    assert "canary" not in ran.stderr


def test_fields_map_the_users_own_columns(target: Target, sandbox: Sandbox) -> None:
    target.config["fields"] = {"event_time": "converted_at", "email": "customer.email"}
    purchase = a_purchase()
    purchase["converted_at"] = purchase.pop("event_time")
    target.run([{**purchase, "customer": {"email": "ada@example.com"}}])
    assert "email" in sandbox.received[0]["payload"]["user"]


@pytest.mark.parametrize(
    ("key", "mapped", "told"),
    [
        (["id"], {"value": "1"}, "stream_maps.orders: a key property of the stream is not in its SCHEMA message"),
        (["id"], {"id": None}, "stream_maps.orders: a key property is removed"),
    ],
)
def test_a_key_that_a_stream_map_cannot_keep_is_told(
    target: Target, key: list[str], mapped: dict[str, Any], told: str
) -> None:
    target.config["stream_maps"] = {"orders": mapped}
    ran = target.run([schema("orders", key), record("orders", **a_purchase())])
    assert ran.code == 1
    assert told in ran.stderr


def test_lines_that_cannot_be_read_are_counted_as_lines(target: Target) -> None:
    lines = [schema(), record(**a_purchase()), b'{"type": "STATE", "value": {,}}', b"{", state(1)]
    ran = target.run(lines)
    assert "Line 3: line: malformed JSON. Not read; more of these are counted" in ran.stderr
    assert "line: malformed JSON: 2 lines not read." in ran.stderr
    assert "not sent" not in ran.stderr


def test_maps_and_fields_that_met_nothing_are_named_at_the_end(target: Target) -> None:
    target.config["fields"] = {"email": "customer.mail", "phone": "tel"}
    target.config["stream_maps"] = {"cc": {"email": None}}
    ran = target.run([a_purchase(1), a_purchase(2, tel="+4930123456")])
    assert ran.code == 0
    assert ran.stderr.count("fields.email: its path was in no record of the run") == 1
    assert ran.stderr.count("stream_maps.cc: no stream of the input has this name") == 1
    assert "fields.phone" not in ran.stderr
    assert "fields.email" not in target.run([]).stderr


@pytest.mark.parametrize("compression", ["gzip", *slow("none")])
def test_batch_files_take_the_way_of_records(target: Target, sandbox: Sandbox, compression: str) -> None:
    path = target.folder / "batch.jsonl"
    data = b"\xef\xbb\xbf" + b"".join(encoded(line) for line in (a_purchase(1), b"oops", b" ", a_purchase(2)))
    path.write_bytes(gzip.compress(data) if compression == "gzip" else data)
    batch = {
        "type": "BATCH",
        "stream": "conversions",
        "encoding": {"format": "jsonl", "compression": compression},
        "manifest": [path.as_uri()],
    }
    ran = target.run([schema(), batch, state({"line": 1})])
    assert (ran.code, ran.states) == (0, [{"line": 1}])
    assert ids(sandbox) == ["evt-1", "evt-2"]
    assert "skipped 1 (invalid 1)" in ran.summary


FILES = {
    "empty": b"",
    "whole": gzip.compress(b"{}"),
    "cut off": gzip.compress(b"{}")[:-4],
    "no gzip after its head": gzip.compress(b"{}")[:10] + b"\xff" * 50,
}


@pytest.mark.parametrize(
    ("compression", "file", "said"),
    [
        ("zstd", "empty", "compression gzip or none"),
        *slow(
            ("GZIP", "empty", "compression gzip or none"),
            ("none", "whole", "is compressed"),
            ("gzip", "cut off", "can't be read (EOFError)"),
            ("gzip", "no gzip after its head", "can't be read (error)"),
        ),
    ],
)
def test_a_batch_of_another_compression_keeps_state_back(
    target: Target, compression: str, file: str, said: str
) -> None:
    path = target.folder / "batch.jsonl"
    path.write_bytes(FILES[file])
    encoding = {"format": "jsonl", "compression": compression}
    batch = {"type": "BATCH", "stream": "conversions", "encoding": encoding, "manifest": [path.as_uri()]}
    ran = target.run([schema(), state(1), batch, state(2)])
    assert (ran.code, ran.states) == (1, [1])
    assert said in ran.stderr


def test_a_batch_in_s3_names_the_package_that_is_missing(target: Target) -> None:
    batch = {"type": "BATCH", "stream": "conversions", "encoding": {"format": "jsonl"}, "manifest": ["s3://b/c.jsonl"]}
    program = "import sys; sys.modules['s3fs'] = None; from target_adpostbacks.__main__ import main; main()"
    ran = target.run([schema(), batch], command=(sys.executable, "-c", program))
    assert ran.code == 1
    assert "pip install 'target-adpostbacks[s3]'" in ran.stderr


@pytest.mark.parametrize("manifest", ["file:///nowhere/b.jsonl", *slow([1, None])])
def test_a_batch_that_cannot_be_read_keeps_state_back(target: Target, manifest: Any) -> None:
    encoding = {"format": "jsonl", "compression": "none"}
    batch = {"type": "BATCH", "stream": "conversions", "encoding": encoding, "manifest": manifest}
    ran = target.run([schema(), state(1), batch, state(2)])
    assert (ran.code, ran.states) == (1, [1])


def test_what_stays_open_keeps_its_state_back_and_everything_else_is_delivered(
    target: Target, sandbox: Sandbox
) -> None:
    sandbox.faults = [{"network": "tiktok", "status": 503}]
    target.config["max_attempts"] = 1
    lines = [
        schema(),
        record(**a_purchase(1, network="reddit", rdt_cid="1")),
        state(1),
        record(**a_purchase(2)),
        state(2),
        record(**a_purchase(3, network="reddit", rdt_cid="1")),
        state(3),
    ]
    ran = target.run(lines)
    assert (ran.code, ran.states) == (1, [1])
    assert sorted(target.rows()) == [
        ("evt-1", "accepted", ""),
        ("evt-2", "open", "transient"),
        ("evt-3", "accepted", ""),
    ]
    assert "Postbacks that stay open: 1, tiktok.default: transient" in ran.stderr
    sandbox.faults = []
    again = target.run(lines)
    assert (again.code, again.states[-1]) == (0, 3)
    assert again.summary.startswith("read 3, accepted 1, already accepted 2,")


def test_who_gets_a_conversion(target: Target, sandbox: Sandbox) -> None:
    unattributed = {"network": None, "ttclid": None}
    target.run(
        [
            a_purchase(1, network="TikTok Ads"),
            a_purchase(2, network="organic"),
            a_purchase(3, network="newspaper"),
            a_purchase(4, **unattributed),
            a_purchase(5, **{**unattributed, "rdt_cid": "1"}),
            a_purchase(6, **{**unattributed, "event_source_url": "https://example.com/?ttclid=x"}),
        ]
    )
    assert sorted(target.rows("event_id, network, status, reason")) == [
        ("evt-1", "tiktok", "accepted", ""),
        ("evt-2", "", "skipped", "organic"),
        ("evt-3", "", "skipped", "other_network"),
        ("evt-4", "", "skipped", "not_attributed"),
        ("evt-5", "reddit", "accepted", ""),
        ("evt-6", "tiktok", "accepted", ""),
    ]


def test_send_all_sends_what_names_no_network_too(target: Target) -> None:
    target.config["tiktok"]["send"] = "all"
    target.run([a_purchase(1, network=None, ttclid=None, email="ada@example.com")])
    assert target.rows("event_id, network, status") == [("evt-1", "tiktok", "accepted")]


def test_several_accounts_of_a_section_each_get_it_or_the_one_that_is_named(target: Target, sandbox: Sandbox) -> None:
    pixels = {"game_a": {"pixel_code": "AAAAAAAAAAAAAAAAAAAA"}, "game_b": {"pixel_code": "BBBBBBBBBBBBBBBBBBBB"}}
    accounts = {**pixels, "old": {"enabled": False}}
    target.config["tiktok"] = {**target.config["tiktok"], "tiktok_app_id": None, "accounts": accounts}
    target.run([a_purchase(1), a_purchase(2, account="game_b"), a_purchase(3, account="old")])
    assert sorted(target.rows("event_id, account, asset, status, reason")) == [
        ("evt-1", "game_a", f"AAAAAAAAAAAAAAAAAAAA@{sandbox.url}", "accepted", ""),
        ("evt-1", "game_b", f"BBBBBBBBBBBBBBBBBBBB@{sandbox.url}", "accepted", ""),
        ("evt-1", "old", "", "skipped", "disabled"),
        ("evt-2", "game_b", f"BBBBBBBBBBBBBBBBBBBB@{sandbox.url}", "accepted", ""),
        ("evt-3", "old", "", "skipped", "disabled"),
    ]


def test_every_mistake_in_the_config_is_named_before_the_first_record(target: Target, sandbox: Sandbox) -> None:
    target.config["tiktok"] = {"access_token": ["canary-token"], "pixel_code": "My Pixel", "pixel": "canary-pixel"}
    target.config["reddit"] = {"pixel_id": "oops"}
    target.config["colour"] = "canary-colour"
    ran = target.run([a_purchase()])
    assert ran.code == 1
    for said in (
        "tiktok.access_token: ",
        "tiktok.pixel: no such setting",
        "reddit.access_token: missing",
        "colour: no",
    ):
        assert ran.stderr.count(said) == 1, said
    assert "canary" not in ran.stderr
    assert "Traceback" not in ran.stderr
    assert sandbox.requests == []


def test_a_config_without_a_network_says_what_to_add(target: Target) -> None:
    target.config = {}
    ran = target.run([a_purchase()])
    assert ran.code == 1
    assert f"no network: add a section for one of {', '.join(sorted(NETWORKS))}" in ran.stderr


def test_a_section_can_come_from_the_environment(target: Target, sandbox: Sandbox) -> None:
    section = json.dumps(target.config.pop("tiktok"))
    path = target.folder / "config.json"
    ran = target.run([a_purchase()], "--config", "ENV", env={"TARGET_ADPOSTBACKS_TIKTOK": section})
    assert path.exists()
    assert ran.code == 0
    assert ids(sandbox) == ["evt-1"]


@pytest.mark.parametrize("content", [None, "{oops", *slow("null", "[1]", "[" * 100_000)])
def test_a_config_file_that_cannot_be_read_ends_in_one_line(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    ran = subprocess.run([COMMAND, "--config", str(path)], input=b"", capture_output=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.decode().startswith("Error: config file")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            {"stream_maps": {"conversions": {"id": "event_id", "email": "md5('canary-salt' + email"}}},
            "stream_maps.conversions.email: the expression can't be parsed",
        ),
        *slow(
            ({"stream_maps": "x"}, "stream_maps: "),
            ({"stream_maps": {"conversions": {"value": 3}}}, "stream_maps.conversions.value: an expression expected"),
            (
                {"stream_maps": {"conversions": {"value": "event_id.canary()"}}},
                "conversions.value: calls a",
            ),
            ({"stream_maps": {"conversions": "canary"}}, "stream_maps.conversions: not what the SDK documents"),
            ({"flattening_enabled": True}, "flattening_max_depth is required"),
            ({"ledger_url": "sqlite://"}, "a file expected"),
            ({"ledger_url": "sqlite:///:memory:"}, "a file expected"),
        ),
    ],
)
def test_a_setting_of_the_wrong_shape_ends_in_words(target: Target, setting: dict[str, Any], said: str) -> None:
    target.config |= setting
    ran = target.run([a_purchase()])
    assert ran.code == 1
    assert said in ran.stderr
    assert not [word for word in ("Traceback", "please report", "canary") if word in ran.stderr]


def test_an_id_that_yaml_made_a_number_is_no_reason_to_warn(target: Target) -> None:
    target.config["meta"]["pixel_id"] = 123456789012345
    ran = target.run([a_purchase()])
    assert ran.code == 0
    assert "WARNING" not in ran.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TIKTOK", '{"access_token": "canary",}', "tiktok (TARGET_ADPOSTBACKS_TIKTOK): an object expected"),
        *slow(("MAX_ATTEMPTS", "canary", "max_attempts (TARGET_ADPOSTBACKS_MAX_ATTEMPTS): a whole number")),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(target: Target, name: str, value: str, said: str) -> None:
    ran = target.run([a_purchase()], env={f"TARGET_ADPOSTBACKS_{name}": value})
    assert ran.code == 1
    assert said in ran.stderr
    assert "canary" not in ran.stderr


def test_a_token_from_the_environment_completes_the_section_of_the_file(target: Target, sandbox: Sandbox) -> None:
    target.config = {"tiktok": target.config["tiktok"]}
    token = target.config["tiktok"].pop("access_token")
    env = {"TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN": token, "TARGET_ADPOSTBACKS_META_ACCESS_TOKEN": "canary"}
    ran = target.run([a_purchase()], env=env)
    assert ran.code == 0, ran.stderr
    assert ids(sandbox) == ["evt-1"]
    assert "From the environment: TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN\n" in ran.stderr
    assert ran.stderr.count("META_ACCESS_TOKEN is not used: meta.pixel_id is missing. Nothing is sent to meta.") == 1
    assert "canary" not in ran.stderr


def run_in(folder: Path, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The command with one purchase, in an environment of its own."""
    line = encoded(a_purchase())
    return subprocess.run([COMMAND, *arguments], input=line, cwd=folder, env=env, capture_output=True, check=False)


@pytest.mark.slow
def test_without_a_file_it_may_come_from_a_dot_env_above_the_folder_and_the_environment_goes_first(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    values = {**SETTINGS["tiktok"], "base_url": sandbox.url}
    lines = [f"TARGET_ADPOSTBACKS_TIKTOK_{name.upper()}='{value}'" for name, value in values.items()]
    (tmp_path / ".env").write_text("\n".join([*lines, "TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN=revoked"]))
    folder = tmp_path / "below"
    folder.mkdir()
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TARGET_", "MELTANO_"))}
    given = {**own, "TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN": values["access_token"]}
    with_file = run_in(folder, given, "--config=ENV")
    assert with_file.returncode == 0, with_file.stderr
    assert ids(sandbox) == ["evt-1"]
    without = run_in(folder, given)
    assert without.returncode == 1
    assert b"ACCESS_TOKEN is not used: tiktok.pixel_code is missing" in without.stderr
    assert b" to a file, and name it with --config" in without.stderr


def test_results_never_take_the_place_of_the_ledger_that_is_about_to_be_made(target: Target, sandbox: Sandbox) -> None:
    target.config["results_path"] = str(target.folder / "adpostbacks.db")
    ran = target.run([a_purchase()])
    assert (ran.code, sandbox.received) == (1, [])
    assert "results_path: the file exists and is not a results file" in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_ledger_is_waited_for_is_no_success(target: Target, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target.config["ledger_url"] = f"postgresql://ada:pw@127.0.0.1:{silent.getsockname()[1]}/x"
        process = target.start()
        silent.settimeout(PATIENCE)
        connection, _ = silent.accept()
        assert end(process, number).code == -number
        connection.close()


@pytest.mark.slow
def test_many_signals_at_once_end_the_run_as_two_do(target: Target, sandbox: Sandbox) -> None:
    sandbox.faults = [{"hold": True}]
    target.config["max_batch_age_seconds"] = 0
    process = target.start()
    assert process.stdin
    process.stdin.write(encoded(a_purchase()))
    process.stdin.flush()
    while not sandbox.stats()["requests"]:
        time.sleep(0.02)
    for _ in range(60):
        process.send_signal(signal.SIGTERM)
    assert end(process).code == 128 + signal.SIGTERM
    assert target.rows() == [("evt-1", "open", "no_answer")]


def unread(pipe: IO[bytes]) -> int:
    """Bytes that wait in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)


def terminated(process: subprocess.Popen[bytes]) -> int:
    """Its exit code, after as many signals as it takes: two at once may count as one."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return process.wait(0.2)
    raise AssertionError("it goes on")


@pytest.mark.slow
def test_a_second_signal_ends_a_run_whose_states_nobody_reads(target: Target) -> None:
    program = (
        "from target_adpostbacks import __main__\nfrom target_adpostbacks.singer.command import CommandTarget\n"
        "CommandTarget.hurry_seconds = 1\n__main__.main()"
    )
    process = target.start(command=[sys.executable, "-c", program])
    assert process.stdin
    process.stdin.write(encoded(schema()) + encoded(state("x" * 200_000)))  # more than a pipe takes
    process.stdin.flush()
    assert process.stdout
    until = time.monotonic() + PATIENCE
    while unread(process.stdout) < 60_000:
        assert time.monotonic() < until, "no state was written"
        time.sleep(0.05)
    assert terminated(process) == 128 + signal.SIGTERM
    ended(process)


def test_an_interrupt_while_the_program_is_still_starting_ends_it_without_a_traceback(target: Target) -> None:
    process = target.start(command=(sys.executable, "-X", "importtime", COMMAND))
    assert process.stderr
    while process.stderr.readline().rpartition(b"|")[2].strip() != b"click":  # many others come after it
        assert process.poll() is None
    ran = end(process, signal.SIGINT)
    assert ran.code == -signal.SIGINT
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(("closed", "said"), [(">&-", "output is closed"), *slow(("<&-", "standard input is closed"))])
def test_a_closed_descriptor_ends_in_words(target: Target, closed: str, said: str) -> None:
    target.run([])  # writes the config
    command = f"{COMMAND} --config config.json {closed}"
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=target.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert said in ran.stderr.lower().replace("\n", " ")
    assert "Traceback" not in ran.stderr


def test_a_closed_standard_error_stops_nothing(target: Target, sandbox: Sandbox) -> None:
    """And no file gets its number: whatever is printed would be written to it."""
    target.run([])  # writes the config
    command = f"{COMMAND} --config config.json 2>&-"
    lines = b"".join(encoded(line) for line in [schema(), record(**a_purchase()), state({"at": 1})])
    ran = subprocess.run(["bash", "-c", command], cwd=target.folder, input=lines, capture_output=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, b'{"at": 1}\n')
    assert [event["event_id"] for event in sandbox.received] == ["evt-1"]
    assert target.rows() == [("evt-1", "accepted", "")]


@pytest.mark.parametrize("style", [["--format=json"], *slow([], ["--format=markdown"])])
def test_about_describes_every_setting(style: list[str]) -> None:
    ran = subprocess.run([COMMAND, "--about", *style], capture_output=True, check=True)
    assert b"max_batch_age_seconds" in ran.stdout
    assert b"validate_records" not in ran.stdout
    assert b"load_method" not in ran.stdout


@pytest.fixture
def _ledger_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))


@pytest.mark.usefixtures("_ledger_here")
class TestStandard(
    get_target_test_class(  # type: ignore[misc]
        TargetAdpostbacks,
        config={"tiktok": {"access_token": "x", "pixel_code": "D7VH38JC77U3LFDOLGRG"}},
        parse_env_config=False,
    )
):
    """The SDK's standard target tests, all of them."""

    def test_target_record_missing_key_property(self, config: Any, resource: Any, runner: Any) -> None:
        """The SDK wants an exception; here it is a row of the ledger."""
        from singer_sdk.testing.target_tests import TargetRecordMissingKeyProperty

        runner.input_filepath = TargetRecordMissingKeyProperty().singer_filepath
        target = runner.new_target()
        runner.new_target = lambda: target
        runner.sync_all()
        assert target.delivery_run.tally.skipped == {"invalid": 1}


def test_every_standard_test_is_among_them() -> None:
    names = {f"test_target_{test.name}" for test in target_tests.tests}
    assert len(names) == 16
    assert names <= {*dir(TestStandard)}
