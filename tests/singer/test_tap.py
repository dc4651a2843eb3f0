"""The ledger as Singer streams: everything once, nothing twice, whoever writes meanwhile."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import jsonschema_rs
import pytest
from click.testing import CliRunner
from ledger_rows import NOW, a_row, a_statistic, an_attempt, values_of
from singer_sdk import Stream, Tap
from singer_sdk.io_base import SingerWriter
from singer_sdk.singerlib import RecordMessage
from singer_sdk.testing import get_tap_test_class
from singer_sdk.testing.suites import tap_stream_attribute_tests, tap_stream_tests, tap_tests
from singer_sdk.testing.templates import AttributeTestTemplate

from target_adpostbacks.cli import main
from target_adpostbacks.core.performance.statistics import Performance
from target_adpostbacks.ledger import TABLES, Ledger, LedgerReader
from target_adpostbacks.ledger.tables import AD_PERFORMANCE
from target_adpostbacks.singer.summaries import DailyStream, HealthStream
from target_adpostbacks.singer.tap import LedgerStream, TapAdpostbacks, Writer

pytestmark = pytest.mark.slow

COMMAND = str(Path(sys.executable).with_name("tap-adpostbacks"))


class Read(NamedTuple):
    """What came of a run of the tap."""

    code: int
    messages: list[dict[str, Any]]
    stderr: str

    def records(self, stream: str = "deliveries") -> list[dict[str, Any]]:
        return [each["record"] for each in self.messages if each["type"] == "RECORD" and each["stream"] == stream]

    @property
    def state(self) -> Any:
        """The last state."""
        return [each["value"] for each in self.messages if each["type"] == "STATE"][-1]


def read(folder: Path, ledger_url: str, state: Any = None, catalog: Any = None, **config: Any) -> Read:
    """Run the real command."""
    arguments = [COMMAND]
    for name, content in (("config", {"ledger_url": ledger_url, **config}), ("state", state), ("catalog", catalog)):
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content))
            arguments += [f"--{name}", str(path)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("TAP_", "TARGET_", "MELTANO_"))}
    ran = subprocess.run(arguments, capture_output=True, check=False, cwd=folder, env=env)
    return Read(ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()], ran.stderr.decode())


def fill(ledger: Ledger, count: int = 3) -> None:
    """A run with so many deliveries and one request."""
    ledger.start_run("2026-11-20T12:05:00.000+00:00", "0.1.0")
    ledger.write(NOW, [a_row(f"evt-{number}") for number in range(count)], [an_attempt()])
    ledger.end_run(NOW, 0, {"read": count})


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url, "run-1")
    yield ledger
    ledger.close()


def test_rows_come_as_they_were_written(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    strange = a_row("Ünïcode 😀 ' \\", test=True, value=0.1, campaign_name='a "b"', line=2**40, http_status=None)
    ledger.write(NOW, [strange], [an_attempt(parent_id=None)])
    ran = read(tmp_path, ledger_url)
    assert ran.code == 0
    (record,) = ran.records()
    assert record == {"delivery_id": 1, "seq": 1, "run_id": "run-1", "updated_at": NOW, **values_of(strange)}
    unchecked = dict.fromkeys(("processing", "counted", "not_counted", "checked_at"))
    assert ran.records("attempts") == [{**an_attempt(), "seq": 2, "run_id": "run-1", **unchecked}]


def test_a_run_with_nothing_new_emits_no_record(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    fill(ledger)
    first = read(tmp_path, ledger_url)
    assert [len(first.records(stream)) for stream in ("deliveries", "attempts", "runs")] == [3, 1, 1]
    second = read(tmp_path, ledger_url, first.state)
    of_health = [each for each in second.messages if each["type"] == "RECORD"]
    assert [each["stream"] for each in of_health] == ["health"]  # as it is now, each time
    assert second.state == first.state


def test_what_changed_comes_again_and_nothing_else(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row("a", "open"), a_row("b")])
    state = read(tmp_path, ledger_url).state
    ledger.write(NOW, [a_row("a"), a_row("b"), a_row("c")])
    ran = read(tmp_path, ledger_url, state)
    records = ran.records()
    assert [(row["seq"], row["delivery_id"], row["status"]) for row in ran.records("history")] == [
        (records[0]["seq"], 1, "open")
    ]
    assert [(row["event_id"], row["status"], row["delivery_id"]) for row in records] == [
        ("a", "accepted", 1),
        ("c", "accepted", records[1]["delivery_id"]),
    ]


def test_state_comes_after_its_records(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    fill(ledger, 10_500)
    read_so_far = 0
    for message in read(tmp_path, ledger_url).messages:
        if message["type"] == "RECORD" and message["stream"] == "deliveries":
            read_so_far = message["record"]["seq"]
        elif message["type"] == "STATE":
            assert message["value"]["bookmarks"].get("deliveries", {}).get("replication_key_value", 0) <= read_so_far


def test_the_catalog_names_keys_and_the_replication_key() -> None:
    streams = {stream["tap_stream_id"]: stream for stream in TapAdpostbacks(config={}).catalog_dict["streams"]}
    assert {name: stream["key_properties"] for name, stream in streams.items()} == {
        "deliveries": ["delivery_id"],
        "attempts": ["attempt_id"],
        "history": ["seq"],
        "runs": ["run_id"],
        "performance": [*AD_PERFORMANCE.key],
        "daily": ["network", "account", "event", "day", "currency"],
        "health": ["account"],
    }
    whole = streams.pop("health")
    assert (whole["replication_method"], whole.get("replication_key")) == ("FULL_TABLE", None)
    assert {stream["replication_key"] for stream in streams.values()} == {"seq"}
    properties = streams["deliveries"]["schema"]["properties"]
    assert properties["updated_at"] == {"type": ["string"], "format": "date-time"}
    assert properties["value"] == {"type": ["number", "null"]}
    assert properties["test"] == {"type": ["boolean"]}


def test_statistics_of_ads_come_again_when_they_are_restated(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    ledger.write_performance([a_statistic(), a_statistic(ad_id="A2")])
    first = read(tmp_path, ledger_url)
    assert [row["ad_id"] for row in first.records("performance")] == ["A1", "A2"]
    ledger.write_performance([a_statistic(spend_micros=7)])
    (row,) = read(tmp_path, ledger_url, first.state).records("performance")
    assert {name: row[name] for name in Performance._fields} == a_statistic(spend_micros=7)._asdict()


def test_a_day_comes_again_when_something_of_it_changed(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row("a", "open", value=0.5), a_row("b", event_time="2026-11-19T12:00:00.000+00:00")])
    first = read(tmp_path, ledger_url)
    assert [(row["day"], row["open"], row["accepted"]) for row in first.records("daily")] == [
        ("2026-11-20", 1, 0),
        ("2026-11-19", 0, 1),
    ]
    ledger.write(NOW, [a_row("a", value=0.5)])
    ran = read(tmp_path, ledger_url, first.state)
    (day,) = ran.records("daily")
    assert (day["day"], day["open"], day["accepted"], day["accepted_value"]) == ("2026-11-20", 0, 1, 0.5)
    assert ran.state["bookmarks"]["daily"]["replication_key_value"] == day["seq"] == 3


def test_health_is_what_the_command_says(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    refused = {"reason": "credentials", "code": "40105", "message": "Access token is incorrect", "value": 7.5}
    ledger.write(at, [a_row("a"), a_row("b", "open", network="reddit", asset="t2", **refused)])
    said = CliRunner().invoke(main, ["health", "--ledger-url", ledger_url, "--format", "json"])
    rows = read(tmp_path, ledger_url).records("health")
    times = [datetime.fromisoformat(row.pop("checked_at")) for row in rows]
    assert rows == json.loads(said.stdout)
    assert [(row["account"], row["state"]) for row in rows] == [
        ("reddit.default", "credential_failures"),
        ("tiktok.default", "delivering"),
    ]
    assert all(abs(datetime.now(timezone.utc) - time) < timedelta(minutes=5) for time in times)


def test_records_of_every_stream_are_as_its_schema_says(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    fill(ledger)
    ledger.write(NOW, [a_row("x", "open", value=None, currency=None, latency_ms=None, attempt_id=None)])
    ledger.write(NOW, [a_row("x")])
    ledger.write_performance([a_statistic(campaign_name=None)])
    ran = read(tmp_path, ledger_url)
    schemas = {each["stream"]: each["schema"] for each in ran.messages if each["type"] == "SCHEMA"}
    assert schemas.keys() == {*TABLES, "daily", "health"}
    for stream, schema in schemas.items():
        validator = jsonschema_rs.validator_for({**schema, "additionalProperties": False}, validate_formats=True)
        assert ran.records(stream)
        for record in ran.records(stream):
            validator.validate(record)
            assert record.keys() == schema["properties"].keys()


def test_streams_and_columns_can_be_left_out(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    fill(ledger)
    catalog = TapAdpostbacks(config={}).catalog_dict
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == []:
                entry["metadata"]["selected"] = stream["stream"] == "deliveries"
            elif entry["breadcrumb"][-1] == "match_keys":
                entry["metadata"]["selected"] = False
    ran = read(tmp_path, ledger_url, catalog=catalog)
    assert {each["stream"] for each in ran.messages if each["type"] == "SCHEMA"} == {"deliveries"}
    assert len(ran.records()) == 3
    assert "match_keys" not in ran.records()[0]


def test_stream_maps_apply(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    fill(ledger)
    maps = {
        "deliveries": {
            "shown": "event_id + ' ' + network",
            "__filter__": "event_id != 'evt-1'",
            "__alias__": "postbacks",
        }
    }
    ran = read(tmp_path, ledger_url, stream_maps=maps)
    assert [(row["event_id"], row["shown"]) for row in ran.records("postbacks")] == [
        ("evt-0", "evt-0 tiktok"),
        ("evt-2", "evt-2 tiktok"),
    ]


def test_before_the_first_send_there_are_schemas_and_no_file_is_made(tmp_path: Path) -> None:
    ran = read(tmp_path, f"sqlite:///{tmp_path}/none.db")
    assert ran.code == 0
    assert [each["type"] for each in ran.messages if each["type"] != "STATE"] == ["SCHEMA"] * 7
    assert "no ledger at" in ran.stderr
    assert not (tmp_path / "none.db").exists()


def test_a_ledger_that_cannot_be_reached_ends_the_run_in_words_without_its_password(tmp_path: Path) -> None:
    ran = read(tmp_path, "postgresql+psycopg://ada:hush-hush@127.0.0.1:1/ledger")
    assert ran.code == 1
    assert "check ledger_url" in ran.stderr
    assert "hush" not in ran.stderr
    assert "Traceback" not in ran.stderr


def test_nothing_is_lost_while_two_runs_write(tmp_path: Path, ledger_url: str) -> None:
    ledgers = [Ledger(ledger_url, f"run-{number}") for number in range(2)]

    def write(ledger: Ledger) -> None:
        for number in range(60):
            ledger.write(NOW, [a_row(f"{ledger.run_id}-{number}-{each}", "open") for each in range(5)])
            ledger.write(NOW, [a_row(f"{ledger.run_id}-{number}-{each}") for each in range(3)])  # some change at once

    threads = [threading.Thread(target=write, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    seen: dict[int, dict[str, Any]] = {}
    after, reader, going = 0, LedgerReader(ledger_url), True
    while going:
        going = any(thread.is_alive() for thread in threads)  # read once more after the last write
        for row in reader.changes("deliveries", after):
            assert row["seq"] > after
            after = row["seq"]
            seen[row["delivery_id"]] = row
    expected = {row["delivery_id"]: row for row in reader.changes("deliveries")}
    for ledger in ledgers:
        ledger.close()
    reader.close()
    assert len(expected) == 600
    assert seen == expected


def test_a_reading_ends_though_others_go_on_writing(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row(f"evt-{number}", "open") for number in range(2500)])
    read_so_far = 0
    with LedgerReader(ledger_url) as reader:
        for _ in reader.changes("deliveries"):
            read_so_far += 1
            if read_so_far % 500 == 0:
                ledger.write(NOW, [a_row(f"evt-{number}", "open") for number in range(500)])
    assert read_so_far <= 2500


@pytest.mark.slow
def test_memory_does_not_grow_with_the_ledger(tmp_path: Path) -> None:
    peaks = []
    for count in (20_000, 100_000):
        url = f"sqlite:///{tmp_path}/{count}.db"
        ledger = Ledger(url, "run-1")
        for start in range(0, count, 1000):
            ledger.write(NOW, [a_row(f"evt-{number}") for number in range(start, start + 1000)])
        ledger.close()
        (tmp_path / "config.json").write_text(json.dumps({"ledger_url": url}))
        with (tmp_path / "out").open("wb") as out:
            process = subprocess.Popen(
                [COMMAND, "--config", str(tmp_path / "config.json")], stdout=out, stderr=subprocess.DEVNULL
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peaks.append(_mebibytes(usage))
    assert peaks[1] < peaks[0] + 10, peaks


def _mebibytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def test_a_record_of_any_type_is_written_as_the_sdk_would(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    value = {
        "decimal": Decimal("1.10"),
        "nan": float("nan"),
        "text": "é\u2028",
        "other": PurePosixPath("x"),
        "none": None,
    }
    for writer in (Writer(), SingerWriter()):
        writer.write_message(RecordMessage("deliveries", value))
    sys.stdout.flush()
    ours, theirs = capfdbinary.readouterr().out.splitlines()
    assert json.loads(ours, parse_float=str) == json.loads(theirs, parse_float=str)


def test_no_private_method_of_the_sdk_is_overridden() -> None:
    for mine, theirs in (
        (TapAdpostbacks, Tap),
        (LedgerStream, Stream),
        (DailyStream, Stream),
        (HealthStream, Stream),
        (Writer, SingerWriter),
    ):
        private = {name for name in vars(mine) if name.startswith("_") and not name.startswith("__")}
        assert private & {*dir(theirs)} <= {"_abc_impl"}


def tap(folder: Path, *arguments: str, **variables: str) -> Read:
    """The real command with these variables alone."""
    env = {"PATH": os.environ["PATH"], **variables}
    ran = subprocess.run([COMMAND, *arguments], capture_output=True, check=False, cwd=folder, env=env)
    return Read(ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()], ran.stderr.decode())


@pytest.mark.slow
def test_its_own_variable_goes_before_the_targets_and_both_before_the_file(tmp_path: Path) -> None:
    for name in ("own", "target", "file"):
        ledger = Ledger(f"sqlite:///{tmp_path}/{name}.db", "run-1")
        ledger.write(NOW, [a_row(name)])
        ledger.close()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"ledger_url": "sqlite:///file.db"}))
    own = {"TAP_ADPOSTBACKS_LEDGER_URL": "sqlite:///own.db"}
    targets = {"TARGET_ADPOSTBACKS_LEDGER_URL": "sqlite:///target.db"}
    for variables, name in (({**own, **targets}, "own"), (targets, "target"), ({}, "file")):
        ran = tap(tmp_path, "--config", str(config), **variables)
        assert [record["event_id"] for record in ran.records()] == [name]


@pytest.mark.slow
def test_a_mistake_in_its_config_names_the_variable_and_shows_no_value(tmp_path: Path) -> None:
    variables = {"STREAM_MAPS": "canary", "FLATTENING_MAX_DEPTH": "canary", "LEDGER_ULR": "canary"}
    ran = tap(tmp_path, **{f"TAP_ADPOSTBACKS_{name}": value for name, value in variables.items()})
    assert ran.code == 1
    assert "stream_maps (TAP_ADPOSTBACKS_STREAM_MAPS): an object expected" in ran.stderr
    assert "flattening_max_depth (TAP_ADPOSTBACKS_FLATTENING_MAX_DEPTH): a whole number" in ran.stderr
    assert "TAP_ADPOSTBACKS_LEDGER_ULR: no such setting; did you mean TAP_ADPOSTBACKS_LEDGER_URL?" in ran.stderr
    assert "canary" not in ran.stderr


def test_a_config_file_that_cannot_be_read_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[1]")
    ran = tap(tmp_path, "--config", "config.json")
    assert (ran.code, ran.stderr) == (1, "Error: config file: config.json: a JSON object expected\n")


def test_a_reader_that_has_seen_enough_ends_the_tap_quietly(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    fill(ledger)
    reads, writes = os.pipe()
    os.close(reads)
    ran = onto(writes, tmp_path, ledger_url)
    assert (ran.returncode, [line for line in ran.stderr.splitlines() if "rror" in line]) == (0, [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has this device")
def test_a_full_disk_ends_the_tap_with_one_line(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    fill(ledger)
    ran = onto(os.open("/dev/full", os.O_WRONLY), tmp_path, ledger_url)
    errors = [line for line in ran.stderr.splitlines() if "rror" in line]
    assert (ran.returncode, errors) == (1, ["Error: the output can't be written: No space left on device"])


def onto(stdout: int, folder: Path, ledger_url: str) -> subprocess.CompletedProcess[str]:
    """The real command, with this descriptor for its standard output."""
    env = {"PATH": os.environ["PATH"], "TAP_ADPOSTBACKS_LEDGER_URL": ledger_url}
    command = [COMMAND, "--config", "ENV"]
    try:
        return subprocess.run(
            command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, cwd=folder, env=env
        )
    finally:
        os.close(stdout)


@pytest.fixture(scope="class")
def _ledger_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("project")
    ledger = Ledger(f"sqlite:///{folder}/adpostbacks.db", "run-1")
    fill(ledger)
    ledger.write(
        NOW, [a_row("evt-9", "skipped", reason="too_old", value=None, campaign_id="c1", campaign_name="Autumn")]
    )
    ledger.write(NOW, [a_row("evt-10", "open", reason="transient")], [an_attempt("a2", "a1")])
    ledger.write(NOW, [a_row("evt-10")])
    ledger.write_performance([a_statistic(clicks=3, value_micros=5)])
    ledger.close()
    values = vars(AttributeTestTemplate)["non_null_attribute_values"].func
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MELTANO_PROJECT_ROOT", str(folder))
        # The SDK caches an attribute's values in a test that all attributes share: only the first would be looked at.
        patch.setattr(AttributeTestTemplate, "non_null_attribute_values", property(values))
        yield


@pytest.mark.filterwarnings("ignore:Fields in transformed catalog")
@pytest.mark.usefixtures("_ledger_here")
class TestStandard(get_tap_test_class(TapAdpostbacks, config={}, parse_env_config=False)):  # type: ignore[misc]
    """The SDK's standard tap tests, all of them."""


def test_every_standard_test_is_among_them() -> None:
    names = {f"test_tap_{test.name}" for test in tap_tests.tests}
    names |= {f"test_tap_stream_{test.name}" for test in tap_stream_tests.tests}
    names |= {f"test_tap_stream_attribute_{test.name}" for test in tap_stream_attribute_tests.tests}
    apply_to_no_column = {"test_tap_stream_attribute_is_object"}
    assert names - apply_to_no_column <= {*dir(TestStandard)}


def test_of_a_compact_ledger_it_has_the_rows_that_are_kept_and_says_so(tmp_path: Path, ledger_url: str) -> None:
    with closing(Ledger(ledger_url, "run-1", layout="compact")) as ledger:
        fill(ledger)
        ledger.write(NOW, [a_row("evt-open", "open")])
    made = read(tmp_path, ledger_url)
    assert (made.code, [row["event_id"] for row in made.records()]) == (0, ["evt-open"])
    assert len(made.records("attempts")) == len(made.records("runs")) == 1
    assert made.records("daily") == made.records("health") == []
    assert "The ledger is compact: the stream deliveries has what is open, rejected or skipped" in made.stderr
