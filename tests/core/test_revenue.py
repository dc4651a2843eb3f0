"""Value and currency are sent together or not at all, and a network may complete them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from conftest import COLUMNS, NOW, a_conversion, a_record

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.revenue import completed, paired, total_of_contents
from target_adpostbacks.networks.tiktok import TikTok, TikTokSettings


class InFrancs(TikTok):
    """Completes money with francs; a currency stays for the prices of its contents."""

    def priced(self, conversion: Conversion) -> Conversion:
        return completed(conversion, "CHF")


FRANCS = Account(
    section="tiktok", network=InFrancs(TikTokSettings(pixel_code="D7VH38JC77U3LFDOLGRG", access_token="t"))
)


def money(thing: Conversion | Any) -> tuple[Any, Any]:
    return thing.value, thing.currency


def ready(**columns: Any) -> Postback:
    return prepare(FRANCS, a_conversion(**columns), NOW)


def test_what_stands_alone_is_taken_away() -> None:
    assert money(paired(a_conversion(value=5))) == (None, None)
    assert money(paired(a_conversion(currency="EUR"))) == (None, None)
    whole, neither = a_conversion(value=0, currency="EUR"), a_conversion()
    assert paired(whole) is whole
    assert paired(neither) is neither


@pytest.mark.parametrize(
    ("columns", "default", "expected"),
    [
        ({"value": 5}, "CHF", (5, "CHF")),
        ({"value": 5}, None, (5, None)),
        ({"value": 0, "currency": "EUR"}, "CHF", (0, "EUR")),
        ({"currency": "EUR"}, "CHF", (None, "EUR")),
        ({}, "CHF", (None, "CHF")),
        ({"contents": [{"price": 2.5}]}, "CHF", (2.5, "CHF")),
        ({"value": 9, "contents": [{"price": 2.5}]}, "CHF", (9, "CHF")),
        ({"value": "much", "contents": [{"price": 2.5}]}, "CHF", (None, "CHF")),
        ({"value": -5, "contents": [{"price": 2.5}]}, "CHF", (None, "CHF")),
        ({"value": 5, "currency": "Taler"}, "CHF", (5, None)),
        ({"contents": [{"price": 2.5, "quantity": "many"}]}, "CHF", (None, "CHF")),
        ({"contents": [{"price": 2.5}, {"price": -1, "id": "a"}]}, "CHF", (None, "CHF")),
    ],
)
def test_the_default_currency_and_the_sum_of_the_contents_stand_in_for_what_is_lacking(
    columns: dict[str, Any], default: str | None, expected: tuple[Any, Any]
) -> None:
    assert money(completed(a_conversion(**columns), default)) == expected


@pytest.mark.parametrize(
    ("contents", "total"),
    [
        ([], None),
        ([{"id": "a"}], None),
        ([{"id": "a", "price": 1}, {"id": "b"}], None),
        ([{"price": 19.99, "quantity": 3}, {"price": 0.1}], 60.07),
        ([{"price": 5, "quantity": 0}], 0),
    ],
)
def test_contents_have_a_total_if_all_have_prices(contents: list[dict[str, Any]], total: float | None) -> None:
    assert total_of_contents(a_conversion(contents=contents)) == total


def test_the_ledger_keeps_what_a_network_has_completed() -> None:
    postback = ready(value=5)
    assert money(postback.facts) == (5, "CHF")
    assert json.loads(postback.payload)["properties"]["currency"] == "CHF"


def test_a_currency_that_only_the_payload_needs_is_not_in_the_ledger() -> None:
    postback = ready(currency="EUR")
    assert money(postback.facts) == (None, None)
    assert json.loads(postback.payload)["properties"]["currency"] == "EUR"


def test_what_is_not_sent_has_the_same_identity_and_money_as_if_it_were() -> None:
    restatement = a_record(value=5, adjustment="restate", event_time=(NOW - timedelta(days=99)).isoformat())
    preparation = Preparation({"tiktok": [FRANCS]}, COLUMNS, {"tiktok": "tiktok"})
    (not_sent,) = preparation.prepare(restatement, NOW, stream="orders").not_sent
    assert (not_sent.key.adjustment, *money(not_sent.facts)) == ("restate:5 CHF", 5, "CHF")


def test_a_restatement_without_currency_states_no_value() -> None:
    account = msgspec.structs.replace(FRANCS, network=TikTok(FRANCS.network.settings)) if FRANCS.network else FRANCS
    preparation = Preparation({"tiktok": [account]}, COLUMNS, {"tiktok": "tiktok"})
    (not_sent,) = preparation.prepare(a_record(value=5, adjustment="restate"), NOW, stream="orders").not_sent
    assert (not_sent.key.adjustment, *money(not_sent.facts)) == ("restate", None, None)
