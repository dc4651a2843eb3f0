"""``ledger_layout``: what needs the rows of a full ledger is refused beside a compact one."""

from __future__ import annotations

from typing import Any

import pytest
from configs import config, mistakes

from target_adpostbacks import config as configuration

COMPACT = {**config(), "ledger_layout": "compact", "erasure_key": "k" * 32}


@pytest.mark.parametrize(
    ("name", "value"),
    [("erasure_index", True), ("notify", {"url": "https://hooks.example/1", "on": {"rejected_percent": 5}})],
)
def test_what_needs_rows_of_what_was_accepted_is_a_mistake(name: str, value: Any) -> None:
    told = mistakes({**COMPACT, name: value})
    assert f"{name}: needs rows of what was accepted; use a ledger with ledger_layout: full, or leave it out" in told


def test_a_ledger_is_full_where_nothing_is_said() -> None:
    assert configuration.read(config())[0].ledger_layout == "full"
    assert configuration.read(COMPACT)[0].ledger_layout == "compact"
    (mistake,) = mistakes({**config(), "ledger_layout": "narrow"})
    assert mistake.startswith("ledger_layout: not one of its choices: full, compact")
