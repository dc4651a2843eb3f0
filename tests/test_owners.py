"""Tasks that deliver side by side on one ledger, each under a name of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from conftest import SETTINGS, fresh

from target_adpostbacks import deliver
from target_adpostbacks.config import InvalidConfig
from target_adpostbacks.delivery.balance import Tally
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    return {"tiktok": {**SETTINGS["tiktok"], "base_url": sandbox.url}, "ledger_url": f"sqlite:///{tmp_path}/ledger.db"}


@pytest.mark.parametrize("owner", ["", "a\nb", "x" * 201, 7], ids=["empty", "two lines", "too long", "a number"])
def test_an_owner_is_a_short_text(config: dict[str, Any], sandbox: Sandbox, owner: Any) -> None:
    with pytest.raises(InvalidConfig, match=r"^owner: a text of 1 to 200 printable characters expected"):
        deliver([fresh(1)], config, owner=owner)
    assert sandbox.requests == []


def test_an_owner_delivers(config: dict[str, Any], sandbox: Sandbox) -> None:
    assert deliver([fresh(1), fresh(2)], config, owner="job/0/0").accepted == 2
    assert deliver([fresh(1), fresh(2)], config, owner="job/0/1").already_accepted == 2
    assert [event["times"] for event in sandbox.received] == [1, 1]


@pytest.mark.parametrize("layout", [{}, {"ledger_layout": "compact"}], ids=["rows", "compact"])
def test_tasks_in_threads_of_one_program_send_each_conversion_once(
    config: dict[str, Any], sandbox: Sandbox, layout: dict[str, Any]
) -> None:
    sandbox.faults = [{"delay_seconds": 0.02}]
    records = [fresh(number) for number in range(90)]

    def send(number: int) -> Tally:
        shuffled = Random(number).sample(records, len(records))
        return deliver(shuffled, {**config, **layout, "batch_size_rows": 7}, owner=f"job/{number}")

    with ThreadPoolExecutor(3) as pool:
        tallies = [*pool.map(send, range(3))]
    assert sum(tally.accepted for tally in tallies) == 90
    assert [tally.accepted + tally.already_accepted for tally in tallies] == [90] * 3
    assert sorted(event["times"] for event in sandbox.received) == [1] * 90
