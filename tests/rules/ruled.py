"""What becomes of a record with a config, up to the moment when it would be sent."""

from __future__ import annotations

from typing import Any

import msgspec
from conftest import NOW, SETTINGS, a_record

from target_adpostbacks.config import read
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.run import preparation_of

TWO = {"eu": {"pixel_code": "AAAAAAAAAAAAAAAAAAAA"}, "us": {"pixel_code": "BBBBBBBBBBBBBBBBBBBB"}}
"""Two accounts of TikTok's section."""


def a_config(top: dict[str, Any] | None = None, **tiktok: Any) -> dict[str, Any]:
    """A config with a section for TikTok, and these settings over its own; its accounts share the app."""
    return {**(top or {}), "tiktok": {**SETTINGS["tiktok"], "allow_same_asset": True, **tiktok}}


def preparation(config: dict[str, Any]) -> Preparation:
    general, accounts = read(config)
    return preparation_of(general, accounts)


def prepared(config: dict[str, Any], /, **record: Any) -> Prepared:
    return preparation(config).prepare(a_record(**record), NOW, stream="orders", key=("id",))


def sent(config: dict[str, Any], /, **record: Any) -> dict[str, Any]:
    """The only event that is sent."""
    result = prepared(config, **record)
    assert [not_sent[2:] for not_sent in result.not_sent] == []
    (postback,) = result.postbacks
    event: dict[str, Any] = msgspec.json.decode(postback.payload)
    return event


def skipped(config: dict[str, Any], /, **record: Any) -> tuple[str, str]:
    """Why nothing is sent: reason and message."""
    result = prepared(config, **record)
    assert result.postbacks == []
    (not_sent,) = result.not_sent
    return not_sent.reason, not_sent.message
