"""Configs for tests: TikTok's section, what is wrong with one, and the settings that it gives."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import SETTINGS

from target_adpostbacks.config import InvalidConfig, read
from target_adpostbacks.networks.tiktok import TikTokSettings

GENERAL = (
    *("ledger_url", "fields", "default_timezone", "max_batch_age_seconds", "lock_wait_seconds", "workers"),
    *("performance", "report", "clicks"),
    *("source", "sources", "only_fields", "values", "rows", "value_unit", "minor_digits", "item_fields", "id_columns"),
    *("deleted", "not_before"),
    *("validate", "results_path", "ledger_retention_days", "ledger_layout", "dedup_days"),
    *("fail_above_invalid_percent", "fail_above_rejected_percent"),
    "notify",
    *("erasure_key", "erasure_index", "suppress"),
)
"""The settings at the top, beside those that every network takes."""


def config(**tiktok: Any) -> dict[str, Any]:
    """A config with a section for TikTok, and these settings over its own."""
    return {"tiktok": {**SETTINGS["tiktok"], **tiktok}}


def mistakes(raw: dict[str, Any]) -> list[str]:
    """What is wrong with a config."""
    with pytest.raises(InvalidConfig) as invalid:
        read(raw)
    assert str(invalid.value).splitlines() == invalid.value.mistakes
    return invalid.value.mistakes


def settings(raw: dict[str, Any], name: str = "default") -> TikTokSettings:
    """The settings of one of TikTok's accounts."""
    (account,) = [account for account in read(raw)[1]["tiktok"] if account.name == name]
    assert account.network is not None
    assert isinstance(account.network.settings, TikTokSettings)
    return account.network.settings
