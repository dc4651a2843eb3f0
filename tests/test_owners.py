"""Tasks that deliver side by side on one ledger, each under a name of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import SETTINGS, fresh

from target_adpostbacks import deliver
from target_adpostbacks.config import InvalidConfig
from target_adpostbacks.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


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
