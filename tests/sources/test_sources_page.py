"""What docs/sources.md and the README show is a config without mistakes, and does what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from conftest import SETTINGS
from sourced import records

from target_adpostbacks.config import read

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "sources.md").read_text()
BLOCKS: list[dict[str, Any]] = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
PAID = {"id": 1, "processed_at": "2026-11-20T10:00:00Z", "financial_status": "paid", "tags": "", "total_price": 9}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: next(iter(block)))
def test_every_example_is_a_config_without_mistakes(block: dict[str, Any]) -> None:
    sources: dict[str, Any] = {"mine": {}} if "mine" in str(block.get("source")) else {}
    assert read({"sources": sources, **block, "tiktok": SETTINGS["tiktok"]})


def test_the_source_of_ones_own_does_what_the_page_says() -> None:
    (own,) = [block for block in BLOCKS if "sources" in block]
    (record,) = records(own, {**PAID, "subtotal_price": "7.50"}, "orders")
    assert record["value"] == 7.5
    (left_out,) = records(own, {**PAID, "tags": "wholesale, new"}, "orders")
    assert left_out == {"skipped": "by_rule", "message": "wholesale"}


def test_the_rows_of_the_page_do_what_it_says() -> None:
    (rows,) = [block for block in BLOCKS if [*block] == ["rows"]]
    row = {"event_id": "1", "event_time": "2026-11-20T10:00:00Z"}
    assert records(rows, {**row, "status": "paid"}, "orders")[0]["event_name"] == "purchase"
    assert records(rows, {**row, "status": "paid", "gift_card": True}, "orders")[0]["message"] == "gift cards"
    assert records(rows, {**row, "status": "open"}, "orders")[0]["skipped"] == "by_rule"


def test_every_path_of_the_page_is_one() -> None:
    table = PAGE[PAGE.index("### Paths") : PAGE.index("### Values")]
    paths = [
        text
        for line in table.splitlines()
        if line.startswith("| `")
        for text in re.findall(r"`([^`]+)`", line.split("|")[1])
    ]
    assert len(paths) > 6
    for path in paths:
        assert read({"fields": {"city": path}, "tiktok": SETTINGS["tiktok"]})


def test_the_readmes_example_is_a_source() -> None:
    readme = (ROOT / "README.md").read_text()
    section = readme[readme.index("## With your source") : readme.index("## From Python")]
    (text,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert read({**yaml.safe_load(text), "tiktok": SETTINGS["tiktok"]})
