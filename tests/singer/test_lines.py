"""A block of lines → what its records come to, packed: the pure step that a worker does."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from conftest import SETTINGS
from run_target import encoded, record, schema, state

from target_adpostbacks import config as configuration
from target_adpostbacks.core.settings import secrets
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.run import preparation_of
from target_adpostbacks.singer.lines import Lines, Stream
from target_adpostbacks.singer.messages import Overlong, decoded, usual_record
from target_adpostbacks.workers.work import Answer, Each, packed, unpacked

NOW = datetime.now(timezone.utc)
DIRECT = {"conversions": Stream({"conversions": ["order_id"]})}


def purchase(number: int = 1, **columns: Any) -> dict[str, Any]:
    return {
        "event_name": "purchase",
        "event_id": f"evt-{number}",
        "event_time": (NOW - timedelta(hours=1)).isoformat(),
        "network": "tiktok",
        "ttclid": "E.C.P.abc",
        **columns,
    }


def work(
    streams: Mapping[str, Stream] = DIRECT,
    *,
    plain: bool = False,
    sdk_settings: Mapping[str, Any] | None = None,
    **config: Any,
) -> Lines:
    """The work of a run with this config, as a process gets it."""
    general, accounts = configuration.read({**SETTINGS, **config})
    lines = Lines(preparation_of(general, accounts), general.fields, plain=plain, sdk_settings=sdk_settings or {})
    lines.tell(streams)
    copy: Lines = pickle.loads(pickle.dumps(lines))
    return copy


def answered(lines: Lines, messages: Sequence[Any], number: int = 1) -> Answer:
    answer = unpacked(packed(lines.answered(number, b"".join(map(encoded, messages))[:-1])))
    assert answer
    return answer


def came(each: Each | None) -> list[str] | None:
    """Of a line: the accounts and reasons; None where the parent sees to it."""
    if each is None:
        return None
    return [
        text
        for prepared in each
        for text in (
            ["filtered"]
            if prepared is None
            else [postback.account for postback in prepared.postbacks]
            + [not_sent.reason for not_sent in prepared.not_sent]
        )
    ]


def test_each_line_has_its_answer_in_order_and_what_is_no_record_is_left_to_the_parent() -> None:
    messages = [
        record(**purchase(1)),
        state({"a": 1}),
        record(**purchase(2, network="organic")),
        b"garbage",
        b"",
        record("unknown", **purchase(3)),
        schema(),
        [record(**purchase(4))],
        {"type": "RECORD", "stream": "conversions", "record": []},
        record(**purchase(5, event_time="no time")),
    ]
    answer = answered(work(), messages, number=7)
    assert [came(each) for each in answer.members] == [
        ["tiktok.default"],
        None,
        ["organic"],
        *[None] * 6,
        ["invalid"],
    ]
    assert ([at for at, each in enumerate(answer.postbacks) if each], [*answer.others]) == ([0], [2, 9])
    (first,), (last,) = (answer.members[at] for at in (0, -1))  # type: ignore[misc]
    assert first is not None
    assert last is not None
    assert (first.line, last.line, last.invalid.partition(":")[0]) == (7, 16, "event_time")


ENVELOPE = b'{"type": "RECORD", "stream": "s", "record": {"a": 1}'


@pytest.mark.parametrize(
    "line",
    [
        ENVELOPE + b"}",
        ENVELOPE + b', "time_extracted": "2026-11-20T12:00:00Z", "version": 7}',
        ENVELOPE + b', "time_extracted": null, "stream": "t", "record": {"a": 2, "a": 3}} ',
        ENVELOPE + b', "type": "STATE"}',
        b'{"type": "STATE", ' + ENVELOPE[1:] + b"}",
        ENVELOPE + b', "record": []}',
        ENVELOPE + b', "record": null}',
        ENVELOPE + b', "stream": 7}',
        ENVELOPE + b', "version": 1e999}',
        ENVELOPE + b', "time_extracted": "\xff"}',
        ENVELOPE + b', "note": "\xff"}',
        ENVELOPE + b', "time_extracted": "\\ud800"}',
        ENVELOPE + b', "version": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        ENVELOPE + b"}}",
        ENVELOPE + b'} {"a": 1}',
        Overlong.of(ENVELOPE + b"}" + b" " * 5_000, 11_000_000),
        b'{"stream": "s", "record": {"a": 1}}',
        b'{"type": "RECORD", "stream": "s", "record": {"a": NaN}}',
        b'["RECORD", "s", {"a": 1}]',
        b'"RECORD"',
        b"\xef\xbb\xbf" + ENVELOPE + b"}",
        b"",
    ],
)
def test_a_record_of_the_usual_form_is_what_its_line_says(line: bytes) -> None:
    if usual := usual_record(line):
        message = decoded(line)
        assert (message["type"], message["stream"], message["record"]) == ("RECORD", usual.stream, usual.record)


@pytest.mark.parametrize("more", [b"}", b', "time_extracted": "2026-11-20T12:00:00Z", "version": 7}'])
def test_a_line_as_taps_write_it_is_of_the_usual_form(more: bytes) -> None:
    assert usual_record(ENVELOPE + more)


def test_it_comes_to_what_the_run_itself_makes_of_it() -> None:
    records = [
        purchase(1, network=None, **{name: f"click-{name}" for network in NETWORKS.values() for name in network.ids}),
        purchase(2, event_source="app", app_id="1", platform="ios", value="19.5", currency="EUR"),
        purchase(3, value=10**17 + 1, currency="JPY", email="no address", phone=["+14155550100", "x"]),
        purchase(4, _sdc_deleted_at="2026-01-01"),
        purchase(5, event_id=None, order_id="o-5"),
        purchase(6, properties={"n": [1, {"a": "é"}]}, consent=False),
        *(purchase(10 + at, network=name, value=3, currency="USD") for at, name in enumerate(NETWORKS)),
    ] * 4  # more than are prepared together
    general, accounts = configuration.read(SETTINGS)
    preparation = preparation_of(general, accounts)
    answer = answered(work(), [record(**each) for each in records])
    for number, (each, columns) in enumerate(zip(answer.members, records, strict=True), 1):
        told = json.loads(json.dumps(columns))
        assert each == [preparation.prepare(told, NOW, stream="conversions", key=["order_id"], line=number)]


def test_plain_objects_are_records_until_a_schema_comes() -> None:
    lines = work(plain=True)
    answer = answered(lines, [purchase(1), {"type": "RECORD", "event_name": "lead"}, schema()])
    assert [came(each) for each in answer.members] == [["tiktok.default"], ["invalid"], None]


def test_streams_that_are_told_are_read_and_forgotten_ones_are_not() -> None:
    lines = work({})
    assert [came(each) for each in answered(lines, [record(**purchase())]).members] == [None]
    lines.tell({"conversions": Stream({"shop": []})})
    (each,) = answered(lines, [record(**purchase())]).members
    assert each
    assert each[0]
    assert each[0].postbacks[0].facts.stream == "shop"
    lines.tell({"conversions": None})
    assert answered(lines, [record(**purchase())]).members == [None]


def test_stream_maps_are_applied() -> None:
    settings = {
        "stream_maps": {
            "conversions": {"event_name": "name.lower()", "__filter__": "name != 'NO'", "ratio": "1 / value"},
            "second": {"__source__": "conversions", "event_name": "'lead'"},
            "__else__": None,
        }
    }
    properties: dict[str, Any] = {name: {} for name in ("name", "value", *purchase())}
    stream = Stream({"conversions": ["event_id"], "second": []}, {"properties": properties}, ["event_id"])
    lines = work({"conversions": stream}, sdk_settings=settings)
    messages = [record(**purchase(1, name="PURCHASE", value=2)), record(**purchase(2, name="NO", value=2))]
    answer = answered(lines, [*messages, record(**purchase(3, name="PURCHASE", value=0, _sdc_deleted_at="x"))])
    assert [came(each) for each in answer.members] == [
        ["tiktok.default", "tiktok.default"],
        ["filtered", "tiktok.default"],
        ["invalid", "deleted"],
    ]
    assert "__else__" in settings["stream_maps"]


def test_what_no_record_has_met_comes_back_with_each_block() -> None:
    rule = {"when": "plan == 'gold' or colour", "send": False}
    lines = work(fields={"value": "total", "currency": "unit"}, rules=[rule])
    first = answered(lines, [record(**purchase(plan="x"))])
    assert (sorted(first.unmet), first.unmet_names) == (["currency", "value"], ["colour"])
    second = answered(lines, [record(**purchase(total=3, colour="red"))])
    assert (second.unmet, second.unmet_names) == (["currency"], [])


def test_what_can_not_be_written_is_left_to_the_parent() -> None:
    (good,) = answered(work(), [record(**purchase())]).postbacks
    assert good
    bad = msgspec.structs.replace(good, note="\ud800")
    answer = unpacked(packed(Answer([good, bad, None, None, None], {2: [None], 3: [object()]})))  # type: ignore[list-item]
    assert answer
    assert (answer.postbacks, answer.others) == ([good, None, None, None, None], {2: [None]})


def test_the_work_holds_no_secret() -> None:
    def canary(setting: str, example: Any) -> Any:
        return (
            {name: canary(name, each) for name, each in example.items()}
            if isinstance(example, dict)
            else (f"canary-{setting}")
        )

    config = {
        name: {
            **SETTINGS[name],
            **{
                each: canary(each, SETTINGS[name][each])
                for each in secrets(network.settings_type) & SETTINGS[name].keys()
            },
        }
        for name, network in NETWORKS.items()
    }
    config["generic"] |= {"headers": {"X-Key": "canary-header"}, "auth": {"type": "bearer", "token": "canary-token"}}
    general, accounts = configuration.read({**config, "ledger_url": "postgresql+psycopg://u:canary-pass@h/d"})
    lines = Lines(preparation_of(general, accounts), (), plain=False, sdk_settings={})
    assert b"canary-" not in pickle.dumps(lines)


@pytest.mark.slow
def test_a_process_that_reads_lines_imports_the_core_and_the_networks_alone() -> None:
    program = (
        "import pickle, sys\n"
        "lines = pickle.load(sys.stdin.buffer)\n"
        'lines.answered(1, b\'{"type": "RECORD", "stream": "conversions", "record": {}}\')\n'
        "print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(work()), capture_output=True, check=True)
    modules = {*ran.stdout.decode().split()}
    rooms = {name.split(".")[1] for name in modules if name.startswith("target_adpostbacks.")}
    assert rooms == {"core", "networks", "singer", "workers"}
    assert {name for name in modules if name.startswith("target_adpostbacks.singer.")} == {
        f"target_adpostbacks.singer.{name}" for name in ("lines", "mending", "messages")
    }
    assert not modules & {"singer_sdk", "sqlalchemy", "requests", "urllib3", "click", "simpleeval"}
