"""No message repeats a value, whatever stands where: in conversions, clicks, statistics, rows of sources, and lists."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from canaries import PERSONAL
from conftest import slow
from run_target import Target, a_purchase, schema, state

from target_adpostbacks.core.columns import COLUMN_ALIASES
from target_adpostbacks.sandbox import Sandbox

CANARIES = [
    *("canary", "canary@example.com", "+1canary", "2026-11-2canary", "12canary", "\0canary", "canary\nline"),
    *("{canary}", '{"canary": 1}', "https://canary.example.com/?ttclid=canary&email=canary%40example.com"),
]
NO_CANARIES: list[Any] = [None, True, "", "nan", [], {}, -1, 1e300, "9" * 400]
COLUMNS = sorted({*PERSONAL, *COLUMN_ALIASES, *COLUMN_ALIASES.values(), "_sdc_deleted_at", "spend", "impressions"})
ROWS = Path(__file__).with_name("sources") / "rows"
SOURCES = sorted({path.stem for path in ROWS.glob("*.jsonl")} - {"shopify_orders"})
STREAMS: dict[str, dict[str, Any]] = {
    "conversions": a_purchase(),
    "visits": {"event_time": a_purchase()["event_time"], "ttclid": "click-1"},
    "campaign_stats_daily": {"id": "1", "start_time": "2026-11-01T00:00:00Z", "spend": 1},
    "adsinsights_default": {"date_start": "2026-11-01", "spend": "1", "account_currency": "EUR"},
    "unlisted": {"campaign_id": "1", "date": "2026-11-01", "spend": 1, "impressions": 2, "clicks": 3},
}
CONFIG: dict[str, Any] = {
    "performance": {
        "campaign_stats_daily": {"preset": "tap-snapchat-ads", "currency": "EUR"},
        "adsinsights_default": {"preset": "tap-facebook"},
    },
    "max_attempts": 1,
    "erasure_key": "0123456789abcdef0123456789abcdef",
    "suppress": "people.csv",
}


class Awkward(random.Random):
    """Makes records that hold something else than they should."""

    def value(self, depth: int = 0) -> Any:
        kind = self.random()
        if kind < 0.7 or depth > 2:
            return self.choice(CANARIES if kind < 0.6 else NO_CANARIES)
        if kind < 0.85:
            return [self.value(depth + 1) for _ in range(self.randint(1, 3))]
        return {self.choice([*CANARIES, *COLUMNS]): self.value(depth + 1) for _ in range(self.randint(1, 3))}

    def record(self, usual: dict[str, Any], number: int) -> Any:
        if self.random() < 0.02:
            return self.value()
        changed = {
            name: self.value() for name in self.sample([*COLUMNS, *usual, "canary@example.com"], self.randint(0, 4))
        }
        return {**usual, **({"event_id": f"evt-{number}"} if "event_id" in usual else {}), **changed}

    def row(self, value: Any, share: float) -> Any:
        """A row of a source, of which some leaves and names are others."""
        if isinstance(value, dict):
            return {
                self.choice(CANARIES) if self.random() < share / 4 else name: self.row(each, share)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [self.row(each, share) for each in value]
        return self.value() if self.random() < share else value


def lines(awkward: Awkward) -> Iterator[Any]:
    """A stream of each kind, by turns."""
    for stream in STREAMS:
        yield {**schema(), "stream": stream, "schema": {"type": "object", "properties": {}}, "key_properties": []}
    for number in range(800):
        stream = awkward.choice([*STREAMS])
        message = {"type": "RECORD", "stream": stream, "record": awkward.record(STREAMS[stream], number)}
        if awkward.random() < 0.03:
            message |= {awkward.choice(["time_extracted", "type", "canary"]): awkward.choice(CANARIES)}
        yield b'{"canary": canary\n' if awkward.random() < 0.01 else message
    yield state(1)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    people = [f"{each},{each},{each}\n" for each in CANARIES if each.isprintable() and not {",", '"'} & {*each}]
    (tmp_path / "people.csv").write_text("email,phone,external_id\n" + "".join(people))
    with Sandbox() as sandbox:
        yield Target(tmp_path, sandbox.url, **CONFIG)


def told(target: Target, fed: list[Any]) -> list[str]:
    """The lines of a run that hold a canary."""
    ran = target.run(fed, env={"LOGLEVEL": "DEBUG", "TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG"})
    assert " s: read " in ran.stderr, ran.stderr[-1000:]
    return [line for line in (ran.stderr + ran.stdout).splitlines() if "canary" in line.lower()]


@pytest.mark.parametrize("seed", [1, *slow(2)])
def test_no_message_repeats_a_value_of_a_record(target: Target, seed: int) -> None:
    target.config["clicks"] = {"stream": "visits"}
    assert told(target, [*lines(Awkward(seed))]) == []


@pytest.mark.parametrize("source", ["shopify_orders", *slow(*SOURCES)])
def test_no_message_repeats_a_value_of_a_sources_row(target: Target, source: str) -> None:
    target.config["source"] = source
    awkward = Awkward(1)
    rows = [json.loads(line)["row"] for line in (ROWS / f"{source}.jsonl").read_text().splitlines()]
    kept = [json.loads(json.dumps(row).replace("canary", "usual").replace("Canary", "Usual")) for row in rows * 4]
    assert told(target, [awkward.row(row, 0.15) for row in kept]) == []
