"""Whatever way a run takes, each event is the same to the byte, and so are the ledger, the warnings and the state."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import slow
from local_server import LocalServer, local_server
from observed import LEDGER, Clock, Observed, normal, observe, read_ledger, sent
from run_target import COMMAND
from test_stitching import CLICK, KEY, keep
from untidy import Source, full_config, lines, plain_config

from target_adpostbacks import deliver
from target_adpostbacks.delivery.balance import summary
from target_adpostbacks.run import ahead, preparing

NOW = datetime.now(timezone.utc).replace(microsecond=0)
"""The clock of the records. The command has its own: where that shows, it is hidden."""

Config = Callable[[str], dict[str, Any]]


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as server:
        yield server


def came_of(
    server: LocalServer,
    folder: Path,
    count: int,
    config: Config,
    *,
    command: Sequence[str] = (COMMAND,),
    **settings: Any,
) -> Observed:
    """What came of two runs on one ledger, in a folder of their own: some of the input, and then all of it."""
    said = lines(count, NOW, folder)
    own = {**config(server.url), **settings}
    return observe(server, folder / f"{settings}", own, [said[: count // 2], said], command)


@pytest.mark.parametrize(
    ("count", "config"), [(300, full_config), *slow((20_000, plain_config), (20_000, full_config))]
)
def test_it_makes_no_difference_how_many_requests_there_are_at_once(
    server: LocalServer, tmp_path: Path, count: int, config: Config
) -> None:
    once = came_of(server, tmp_path, count, config, concurrency=4)
    again = came_of(server, tmp_path, count, config, concurrency=1)
    assert len(once.events) > count / 2
    assert once.differences(again) == []


@pytest.mark.parametrize("with_clicks", [False, True])
def test_deliver_does_in_blocks_what_it_does_with_one_record_at_a_time(
    server: LocalServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    with_clicks: bool,
) -> None:
    caplog.set_level(logging.INFO, "target_adpostbacks")
    records = [*Source(NOW).records(400)]
    clicks = [{**CLICK, "email": each["email"]} for each in records[:200] if each.get("email")]
    ways: list[Observed] = []
    for seconds, in_step in ((0, 1), (math.inf, 50)):
        monkeypatch.setattr(ahead, "BLOCK_SECONDS", seconds)
        monkeypatch.setattr(preparing, "IN_STEP", in_step)
        folder = tmp_path / str(in_step)
        folder.mkdir()
        config = {**full_config(server.url), "stream_maps": None, "ledger_url": f"sqlite:///{folder}/{LEDGER}"}
        if with_clicks:
            config |= {"clicks": {"stream": "ad_clicks"}, "erasure_key": KEY}
            keep(config, *clicks)
        server.received.clear()
        caplog.clear()
        clock, observed = Clock(), Observed()
        observed.ends.append(summary(deliver(records, config)))
        clock.ended = time.time()
        observed.events.update(map(clock.hidden, sent(server.received)))
        observed.said.update(normal(message.replace(str(folder), "…")) for message in caplog.messages)
        read_ledger(folder, observed, clock)
        ways.append(observed)
    once, again = ways
    assert len(once.events) > 200
    assert once.differences(again) == []
