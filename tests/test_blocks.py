"""``deliver`` prepares records in blocks: what may be seen of that, and what may not."""

from __future__ import annotations

import json
import logging
import math
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import SETTINGS, fresh
from patience import PATIENCE
from test_stitching import CLICK, KEY, keep

from target_adpostbacks import deliver
from target_adpostbacks.core import accounts, preparation
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.ledger import UnusableLedger
from target_adpostbacks.run import ahead, delivering
from target_adpostbacks.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    sections = {name: {**SETTINGS[name], "base_url": sandbox.url} for name in ("tiktok", "reddit")}
    return {**sections, "ledger_url": f"sqlite:///{tmp_path}/ledger.db", "max_batch_age_seconds": 3600}


@pytest.fixture
def clicks(config: dict[str, Any]) -> dict[str, Any]:
    """The config with clicks, of which the ledger has one."""
    with_clicks = {**config, "clicks": {"stream": "ad_clicks"}, "erasure_key": KEY}
    keep(with_clicks, CLICK)
    return with_clicks


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records come quickly, however busy the machine is."""
    monkeypatch.setattr(ahead, "BLOCK_SECONDS", math.inf)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records were prepared together, each time."""
    seen: list[int] = []
    prepare_all = Preparation.prepare_all

    def watched(self: Preparation, records: Any, *args: Any, **kwargs: Any) -> Any:
        records = [*records]
        seen.append(len(records))
        return prepare_all(self, records, *args, **kwargs)

    monkeypatch.setattr(Preparation, "prepare_all", watched)
    return seen


def rows(config: dict[str, Any], query: str) -> list[Any]:
    with closing(sqlite3.connect(config["ledger_url"].removeprefix("sqlite:///"))) as connection:
        return connection.execute(query).fetchall()


def counts(config: dict[str, Any]) -> dict[str, Any]:
    """Of the newest run."""
    ((told,),) = rows(config, "SELECT counts FROM runs ORDER BY seq DESC LIMIT 1")
    counted: dict[str, Any] = json.loads(told)
    return counted


def has_received(sandbox: Sandbox, count: int) -> bool:
    return len(sandbox.received) >= count


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it does not come"
        time.sleep(0.01)


@pytest.mark.usefixtures("quick")
def test_records_that_come_quickly_are_prepared_fifty_together(config: dict[str, Any], sizes: list[int]) -> None:
    assert deliver([fresh(number) for number in range(120)], config).accepted == 120
    assert sizes == [1, 50, 50, 19]


@pytest.mark.usefixtures("quick")
def test_those_whose_clicks_were_looked_up_are_prepared_fifty_together(
    clicks: dict[str, Any], sandbox: Sandbox, sizes: list[int]
) -> None:
    records = [fresh(number, ttclid=None, email="user@example.com") for number in range(120)]
    assert deliver(records, clicks).accepted == 120
    assert sizes == [50, 50, 20]
    assert {event["payload"]["user"]["ttclid"] for event in sandbox.received} == {"E.C.P.xyz"}


@pytest.mark.parametrize("with_clicks", [False, True])
@pytest.mark.usefixtures("quick")
def test_a_caller_may_use_one_record_again_and_again(
    clicks: dict[str, Any], config: dict[str, Any], sandbox: Sandbox, with_clicks: bool
) -> None:
    def records() -> Iterator[dict[str, Any]]:
        contents: list[dict[str, Any]] = [{"id": ""}]
        told: dict[str, Any] = {"contents": contents}
        for number in range(60):
            told.update(fresh(number))
            contents[0]["id"] = f"sku-{number}"
            yield told
        told.clear()

    assert deliver(records(), clicks if with_clicks else config).accepted == 60
    bought = {event["event_id"]: event["payload"]["properties"]["contents"] for event in sandbox.received}
    assert bought == {f"evt-{number}": [{"content_id": f"sku-{number}"}] for number in range(60)}


@pytest.mark.usefixtures("quick")
def test_objects_of_other_classes_may_be_used_again_too(config: dict[str, Any], sandbox: Sandbox) -> None:
    def records() -> Iterator[dict[str, Any]]:
        properties, shared = OrderedDict[str, Any](), OrderedDict[str, Any]()
        for number in range(60):
            properties["size"] = shared["size"] = number
            yield fresh(number, properties=properties if number % 2 else {"of": (shared,)})

    assert deliver(records(), config).accepted == 60
    told = {event["event_id"]: event["payload"]["properties"] for event in sandbox.received}
    assert [told[f"evt-{number}"].get("size") for number in range(1, 60, 2)] == [*range(1, 60, 2)]
    assert [told[f"evt-{number}"]["of"] for number in range(0, 60, 2)] == [[{"size": at}] for at in range(0, 60, 2)]


@pytest.mark.usefixtures("quick")
def test_records_keep_their_order_and_numbers_whatever_is_between_them(
    config: dict[str, Any], sandbox: Sandbox, caplog: pytest.LogCaptureFixture, sizes: list[int]
) -> None:
    caplog.set_level(logging.INFO)
    records: list[Any] = [fresh(number) for number in range(1, 101)]
    records[6] = "no record"
    records[56] = fresh(57, event_time="never")
    tally = deliver(records, config)
    assert (tally.read, tally.accepted, tally.skipped) == (100, 98, {"invalid": 2})
    assert [event["event_id"] for event in sandbox.received] == [
        f"evt-{number}" for number in range(1, 101) if number not in (7, 57)
    ]
    told = [message for message in caplog.messages if message.startswith("Line ")]
    assert [message.split(":")[0] for message in told] == ["Line 7", "Line 57"]
    assert sizes == [1, 49, 49]  # what is no record has its place in a block


def test_a_record_of_a_slow_iterator_waits_for_no_other(config: dict[str, Any], sandbox: Sandbox) -> None:
    def records() -> Iterator[dict[str, Any]]:
        for number in range(4):
            yield fresh(number)
            wait_for(partial(has_received, sandbox, number + 1))
            time.sleep(2 * ahead.BLOCK_SECONDS)

    assert deliver(records(), {**config, "batch_size_rows": 1}).accepted == 4


@pytest.mark.parametrize("before", [0, 2])
def test_a_record_that_is_late_waits_for_its_batch_to_fill_as_any_other(
    config: dict[str, Any], sandbox: Sandbox, before: int
) -> None:
    def records() -> Iterator[dict[str, Any]]:
        yield from map(fresh, range(before))
        time.sleep(1.2 * delivering.TICK_SECONDS)
        yield from map(fresh, range(before, 5))

    assert deliver(records(), config).accepted == 5
    assert len(sandbox.requests) == 1


@pytest.mark.usefixtures("quick")
def test_what_came_before_a_pause_goes_as_soon_as_the_next_record_comes(
    config: dict[str, Any], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def records() -> Iterator[dict[str, Any]]:
        yield fresh(0, network="reddit", ttclid=None, rdt_cid="1")
        yield from (fresh(number) for number in (1, 2, 3))
        time.sleep(1.1)  # longer than a batch waits
        monkeypatch.setattr(ahead, "BLOCK_SECONDS", 0.01)
        yield fresh(4)
        wait_for(partial(has_received, sandbox, 5))

    assert deliver(records(), {**config, "max_batch_age_seconds": 1}).accepted == 5


@pytest.mark.parametrize("with_clicks", [False, True])
@pytest.mark.usefixtures("quick")
def test_what_an_iterator_gave_before_it_raised_is_delivered(
    clicks: dict[str, Any], config: dict[str, Any], sandbox: Sandbox, with_clicks: bool
) -> None:
    given = 0

    def records() -> Iterator[dict[str, Any]]:
        nonlocal given
        for given in range(1, 64):
            yield fresh(given)
        raise LookupError("the warehouse is gone")

    with pytest.raises(LookupError, match="warehouse"):
        deliver(records(), clicks if with_clicks else config)
    assert given == 63
    assert len(sandbox.received) == 63


@pytest.mark.usefixtures("quick")
def test_what_an_interrupt_leaves_is_counted_as_open(config: dict[str, Any], sandbox: Sandbox) -> None:
    def records() -> Iterator[dict[str, Any]]:
        yield from map(fresh, range(63))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver(records(), config)
    assert sandbox.received == []
    counted = counts(config)
    assert (counted["read"], sum(counted["open"].values())) == (63, 63)


@pytest.mark.usefixtures("quick")
def test_a_run_that_fails_counts_all_that_it_was_given(
    config: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    given = 0

    def records() -> Iterator[dict[str, Any]]:
        nonlocal given
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
            connection.execute("DROP TABLE deliveries")
        for given in range(1, 100_000):
            yield fresh(given)
            time.sleep(0.001)

    with pytest.raises(UnusableLedger):
        deliver(records(), {**config, "batch_size_rows": 1})
    assert given > 1
    (done,) = [message for message in caplog.messages if message.startswith("Done ")]
    assert f"read {given - 1}," in done  # the last one was not looked at


def test_a_mistake_of_ours_about_one_record_leaves_those_before_it_as_they_are(
    config: dict[str, Any], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def records() -> Iterator[dict[str, Any]]:
        yield from map(fresh, range(62))

    monkeypatch.setattr(preparation, "routed", raising_for("evt-60"))
    with pytest.raises(ArithmeticError):
        deliver(records(), config)
    assert sorted(event["event_id"] for event in sandbox.received) == sorted(f"evt-{number}" for number in range(60))


def raising_for(event_id: str) -> Any:
    """Routes as ever, but raises for one conversion."""

    def routed(conversions: Sequence[Conversion], *others: Any) -> Any:
        if event_id in [conversion.event_id for conversion in conversions]:
            raise ArithmeticError
        return accounts.routed(conversions, *others)

    return routed
