"""docs/spend.md: its config is one, and its worked example is what the command shows."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import golden
import yaml  # type: ignore[import-untyped]
from ledger_rows import NOW

from target_adpostbacks import config as configuration
from target_adpostbacks.cli._performance import answer
from target_adpostbacks.cli.performance import table
from target_adpostbacks.config.performance import counting, specs
from target_adpostbacks.core.performance.counting import Counting
from target_adpostbacks.core.performance.statistics import parse
from target_adpostbacks.ledger import Ledger, LedgerReader

DOCUMENT = (Path(__file__).parents[2] / "docs/spend.md").read_text()
NARROW = 100


def test_the_worked_example_is_what_the_command_shows(ledger_url: str) -> None:
    read_by = specs(golden.PERFORMANCE, {})
    rows = [parse(record, read_by[stream], NOW) for stream, record in golden.SPEND]
    with closing(Ledger(ledger_url, "run")) as ledger:
        ledger.write_performance([*{row.key: row for row in rows}.values()])
        ledger.write(NOW, golden.own())
    general = configuration.General(performance=golden.PERFORMANCE)
    with LedgerReader(ledger_url) as reader:
        made = answer(reader, general, Counting(), golden.WINDOW, datetime(2026, 11, 4, tzinfo=timezone.utc))
    assert "```\n" + "\n".join(table(made, Counting(), "campaign", NARROW)) + "\n```" in DOCUMENT


def test_the_config_is_one() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    settings = yaml.safe_load(block)["plugins"]["loaders"][0]["config"]
    general, accounts = configuration.read(settings)
    assert accounts == {}
    read_by = specs(general.performance, general.report).values()
    assert [spec.network for spec in read_by] == ["tiktok", "meta", "taboola"]
    assert counting(general.report) == Counting()
