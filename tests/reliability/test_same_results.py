"""Whatever way a run takes, each event is the same to the byte, and so are the ledger, the warnings and the state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import slow
from local_server import LocalServer, local_server
from observed import Observed, observe
from run_target import COMMAND
from untidy import full_config, lines, plain_config

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
