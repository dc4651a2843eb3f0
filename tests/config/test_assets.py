"""Two accounts that send to the same pixel, app or event set."""

from __future__ import annotations

from typing import Any

import pytest
from configs import config, mistakes
from conftest import SETTINGS

from target_adpostbacks.config import read

APP, STORE = "7012345678901234567", "7012345678901234568"


def shared(account: str, setting: str, other: str) -> str:
    return (
        f"tiktok.accounts.{account}.{setting}: the account {other} sends to the same, where a conversion for both"
        " is sent once only; give each account its own, or set allow_same_asset: true"
    )


def accounts(*settings: dict[str, Any], **section: Any) -> dict[str, Any]:
    """A config with these accounts, ``a``, ``b`` and so on, and a section that names no app."""
    return config(tiktok_app_id=None, accounts=dict(zip("abc", settings, strict=False)), **section)


def test_accounts_with_the_sections_pixel_are_told_each() -> None:
    assert mistakes(accounts({}, {}, {})) == [shared("b", "pixel_code", "a"), shared("c", "pixel_code", "a")]


def test_each_of_several_assets_is_compared() -> None:
    ids = {"tiktok_app_id": APP, "offline_event_set_id": STORE}
    config_ = accounts({"pixel_code": "A" * 20, **ids}, {"pixel_code": "B" * 20, **ids})
    assert mistakes(config_) == [shared("b", "tiktok_app_id", "a"), shared("b", "offline_event_set_id", "a")]


def test_an_id_is_the_same_under_another_setting_and_as_a_number() -> None:
    first, second = {"pixel_code": None, "tiktok_app_id": int(APP)}, {"pixel_code": None, "crm_event_set_id": APP}
    assert mistakes({"tiktok": {"access_token": "x", "accounts": {"a": first, "b": second}}}) == [
        shared("b", "crm_event_set_id", "a")
    ]


def test_it_is_told_beside_every_other_mistake() -> None:
    told = mistakes(accounts({"send": "canary"}, {"send": "canary"}))
    assert [mistake.partition(": ")[0] for mistake in told] == [
        *("tiktok.accounts.a.send", "tiktok.accounts.b.send", "tiktok.accounts.b.pixel_code")
    ]
    assert "canary" not in " ".join(told)


@pytest.mark.parametrize(
    "raw",
    [
        accounts({}, {"pixel_code": "B" * 20}),
        accounts({}, {"enabled": False}),
        accounts({"enabled": False}, {}),
        accounts({}, {}, allow_same_asset=True),
        accounts({}, {"allow_same_asset": True}),
        accounts({"allow_same_asset": True}, {}),
        {**accounts({}, {}), "allow_same_asset": True},
        accounts({}, {"base_url": "http://127.0.0.1:8765"}),
        accounts({"tiktok_app_id": APP, "offline_event_set_id": APP}),  # of one account
        {**config(), "reddit": SETTINGS["reddit"]},
    ],
)
def test_what_no_other_account_sends_to_is_no_mistake(raw: dict[str, Any]) -> None:
    assert read(raw)


@pytest.mark.parametrize(
    "raw",
    [
        {**accounts({"allow_same_asset": False}, {"allow_same_asset": False}), "allow_same_asset": True},
        accounts({}, {"base_url": "http://127.0.0.1:8765", "proxy": True}),
        accounts({}, {}, base_url="http://127.0.0.1:8765"),
    ],
)
def test_where_both_count_it_is_one(raw: dict[str, Any]) -> None:
    assert mistakes(raw) == [shared("b", "pixel_code", "a")]


def test_a_url_that_is_none_is_told_alone() -> None:
    told = mistakes(accounts({"base_url": "http://["}, {"pixel_code": "B" * 20}))
    assert told == ["tiktok.accounts.a.base_url: not a scheme and a host, for example https://host.example"]
