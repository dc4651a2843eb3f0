"""The beginning of a long file is prepared while the SDK is imported; the run takes it over where it agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import head_started
import pytest
from local_server import LocalServer, local_server
from patience import PATIENCE
from run_target import COMMAND, Ran, Target, a_purchase, encoded, record, schema, state

from target_adpostbacks.singer.head_start import Beginning, _beginning
from target_adpostbacks.singer.lines import Stream
from target_adpostbacks.singer.starting import LONG_FILE

SCHEMA = encoded(schema(key=["order_id"]))
RECORD = encoded(record(**a_purchase()))
OTHER = encoded(record("others", **a_purchase()))


@pytest.mark.parametrize("rest", [b"", RECORD[:-1], RECORD[:9]])
def test_a_schema_message_and_records_of_its_stream_say_how_the_rest_is_read(rest: bytes) -> None:
    size = len(SCHEMA + RECORD + RECORD)
    streams = {"conversions": Stream({"conversions": ["order_id"]})}
    assert _beginning(SCHEMA + RECORD + RECORD + rest) == Beginning(3, size, streams)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        SCHEMA,
        SCHEMA[:-1],
        RECORD + RECORD,
        SCHEMA + OTHER,
        SCHEMA + RECORD + OTHER,
        SCHEMA + SCHEMA + RECORD,
        SCHEMA + encoded(state(1)) + RECORD,
        SCHEMA + RECORD + b"\n",
        SCHEMA + RECORD + b"no JSON\n",
        b"no JSON\n" + SCHEMA + RECORD,
        encoded(a_purchase()) + encoded(a_purchase()),
        b"[]\n" + SCHEMA + RECORD,
    ],
)
def test_nothing_else_does(first: bytes) -> None:
    assert _beginning(first) is None


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as server:
        yield server


def ran(
    server: LocalServer,
    folder: Path,
    lines: Sequence[bytes],
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    **config: Any,
) -> tuple[list[str], list[Any], Ran]:
    """What was sent, what the ledger has, and what the command said, of a file on its standard input."""
    folder.mkdir()
    server.received.clear()
    target = Target(folder, server.url, **config)
    file = folder / "input.singer"
    file.write_bytes(b"".join(lines))
    assert file.stat().st_size > LONG_FILE
    with file.open("rb") as source:
        process = target.start(command=command, stdin=source, env=env)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    sent = sorted(str(event) for each in server.received for event in each.body["data"])
    rows = target.rows("event_id, status, reason, message, line, stream, value")
    return sent, sorted(map(str, rows)), Ran(process.returncode, stdout.decode(), stderr.decode())


PADDED = "x" * 1500
USUAL = [record(**a_purchase(number), description=PADDED, value=number, currency="EUR") for number in range(3500)]
ODD: list[Any] = [
    *USUAL[:500],
    b"no JSON",
    record(**{**a_purchase(9001), "event_time": "never"}),
    schema("others"),
    record("others", **a_purchase(9003)),
    b"",
    b"x" * (11 * 2**20),
    *USUAL[500:1000],
    schema(key=["value"]),
    *(record(**{**each["record"], "event_id": None}) for each in USUAL[1000:1500]),
    state({"at": 1}),
    *USUAL[1500:],
]
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "with fields and rules": {
        "fields": {"value": "nothing.of.it", "order_id": "event_id"},
        "rules": [
            {"when": "value > 3400", "send": False},
            {"when": "value < 5 or nobody", "event": "lead"},
        ],
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("found", ["same", "other", "broken"])
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("records", [USUAL, ODD], ids=["usual", "odd"])
def test_a_run_with_a_head_start_does_what_it_does_without(
    server: LocalServer, tmp_path: Path, records: Sequence[Any], config: str, found: str
) -> None:
    lines = [SCHEMA, *map(encoded, records), encoded(state({"at": 2}))]
    settings = CONFIGS[config]
    without = ran(server, tmp_path / "without", lines, [COMMAND], workers=0, **settings)
    with_one = ran(server, tmp_path / "with", lines, head_started.command(found), **settings)
    assert (tmp_path / "with" / "agreed").read_text() == str(found == "same")
    assert with_one[0] == without[0]
    assert with_one[1] == without[1]
    assert with_one[2].summary == without[2].summary
    assert with_one[2].code == without[2].code
    assert with_one[2].states[-1] == {"at": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        {"stream_maps": {"conversions": {"value": "float(value) * 2"}}},
        {"flattening_enabled": True, "flattening_max_depth": 1},
        {"workers": 6},
        {"env": {"TARGET_ADPOSTBACKS_DEFAULT_TIMEZONE": "Europe/Berlin"}},
    ],
)
def test_what_the_run_alone_can_know_has_no_head_start(
    server: LocalServer, tmp_path: Path, config: Mapping[str, Any]
) -> None:
    lines = [encoded(schema()), *map(encoded, USUAL)]
    *_, said = ran(server, tmp_path / "run", lines, head_started.command("same"), **config)
    assert said.summary.startswith("read 3500, accepted 3500"), said.stderr
    assert not (tmp_path / "run" / "agreed").exists()
