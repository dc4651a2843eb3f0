"""docs/scale.md: its commands are run, and its numbers are those of the settings."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conftest import SETTINGS
from patience import run_to_its_end
from test_docs import BIN, commands, with_sandbox

from target_adpostbacks.config import InvalidConfig, read

PAGE = (Path(__file__).parents[1] / "docs" / "scale.md").read_text()


@pytest.mark.slow
def test_two_shards_deliver_each_conversion_once_between_them(tmp_path: Path) -> None:
    (block,) = re.findall(r"```console\n(.*?)\n```", PAGE, re.DOTALL)
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    script = with_sandbox(commands(block))
    ran = run_to_its_end(["bash", "-mec", script], cwd=tmp_path, env=env)
    assert ran.returncode == 0, ran.stderr
    kept = []
    for shard in (0, 1):
        with closing(sqlite3.connect(tmp_path / f"shard-{shard}.db")) as connection:
            kept += connection.execute("SELECT count(*) FROM accepted_keys").fetchone()
    assert sum(kept) == 8
    assert min(kept) > 0
    messages = [json.loads(line) for file in tmp_path.glob("results-*") for line in file.read_text().splitlines()]
    told = [message["record"]["event_id"] for message in messages if message["type"] == "RECORD"]
    assert sorted(told) == [f"evt_{number}" for number in range(1, 9)]


def test_the_mistake_that_it_shows_is_what_the_config_says() -> None:
    (shown,) = re.findall(r"```\n(dedup_days: .*); …\n```", PAGE)
    with pytest.raises(InvalidConfig) as invalid:
        read({"meta": SETTINGS["meta"], "dedup_days": 30})
    assert invalid.value.mistakes[0].startswith(f"{shown}; ")
