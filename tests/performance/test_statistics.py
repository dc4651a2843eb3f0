"""Records of taps become rows: days, exact money, what the network reports, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from target_adpostbacks.config.performance import problems_of_streams, specs
from target_adpostbacks.core.performance.presets import names
from target_adpostbacks.core.performance.statistics import IDS, MOST_BYTES, LeftOut, Performance, parse

ARRIVED = "2026-11-03T06:00:00.000+00:00"
SAYS: dict[str, Any] = {"preset": "tap-tiktok-ads", "currency": "USD", "time_zone": "America/Los_Angeles"}


def a_row(record: dict[str, Any], by: str = "conversion", stream: str = "s", **setting: Any) -> Performance:
    (spec,) = specs({stream: setting}, {"by": by}).values()
    return parse(record, spec, ARRIVED)


def a_record(**changes: Any) -> dict[str, Any]:
    """As tap-tiktok-ads writes it: figures are texts."""
    record = {
        "advertiser_id": 7001,
        "campaign_id": 1_890_000_000_000_000_123,
        "campaign_name": "Spring",
        "adgroup_id": "g1",
        "ad_id": "A1",
        "stat_time_day": "2026-11-01T00:00:00.000000Z",
        "spend": "60.00",
        "impressions": "12000",
        "clicks": "240",
        "conversion": "4",
        "real_time_conversion": "5",
        **changes,
    }
    return {column: value for column, value in record.items() if value is not None}


def left_out(record: dict[str, Any], **setting: Any) -> str:
    with pytest.raises(LeftOut) as why:
        a_row(record, **setting)
    return why.value.reason


def test_a_record_becomes_a_row() -> None:
    assert a_row(a_record(), **SAYS)._asdict() == {
        "stream": "s",
        "network": "tiktok",
        "account_id": "7001",
        "day": "2026-11-01",
        "campaign_id": "1890000000000000123",
        "ad_group_id": "g1",
        "ad_id": "A1",
        "segment": "",
        "campaign_name": "Spring",
        "ad_group_name": None,
        "ad_name": None,
        "currency": "USD",
        "time_zone": "America/Los_Angeles",
        "spend_micros": 60_000_000,
        "impressions": 12_000,
        "clicks": 240,
        "conversions_micros": 5_000_000,
        "value_micros": None,
        "extracted_at": ARRIVED,
    }


def test_conversions_are_those_of_the_day_on_which_ours_count() -> None:
    assert a_row(a_record(), "click", **SAYS).conversions_micros == 4_000_000
    assert a_row(a_record(real_time_conversion=None), **SAYS).conversions_micros == 4_000_000


RECORDS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "tap-tiktok": (
        {"currency": "USD"},
        {
            "campaign_id": "1",
            "stat_time_day": "2026-11-01 00:00:00",
            "spend": "1.5",
            "impressions": "10",
            "clicks": "2",
        },
        {"network": "tiktok", "spend_micros": 1_500_000, "impressions": 10, "clicks": 2, "conversions_micros": None},
    ),
    "tap-tiktok-ads": ({"currency": "USD"}, a_record(), {"network": "tiktok", "clicks": 240}),
    "tap-facebook": (
        {},
        {
            "account_id": "5",
            "account_currency": "EUR",
            "campaign_id": "333",
            "adset_id": "9",
            "ad_id": "8",
            "date_start": "2026-11-02",
            "spend": "0",
            "impressions": "0",
            "clicks": "0",
            "actions": [{"action_type": "purchase", "value": "2"}, {"action_type": "omni_purchase", "value": "3"}],
            "action_values": [{"action_type": "purchase", "value": "24.50"}, {"action_type": "lead", "value": "1"}],
        },
        {
            "network": "meta",
            "currency": "EUR",
            "account_id": "5",
            "ad_group_id": "9",
            "spend_micros": 0,
            "conversions_micros": 3_000_000,
            "value_micros": 24_500_000,
        },
    ),
    "tap-googleads": (
        {"currency": "USD"},
        {
            "campaign__id": 12,
            "adGroup__id": 13,
            "segments__date": "2026-11-01",
            "metrics__costMicros": "1234567",
            "metrics__impressions": "5",
            "metrics__clicks": "1",
            "metrics__conversions": 0.1,
            "metrics__conversionsValue": 0.3,
        },
        {
            "network": "google_ads",
            "campaign_id": "12",
            "spend_micros": 1_234_567,
            "conversions_micros": 100_000,
            "value_micros": 300_000,
        },
    ),
    "tap-google-ads": (
        {},
        {
            "customer_id": 1,
            "customer_currency_code": "chf",
            "customer_time_zone": "Europe/Zurich",
            "campaign_id": 12,
            "campaign_name": "Brand",
            "date": "2026-11-01T00:00:00.000000Z",
            "device": "MOBILE",
            "cost_micros": 2_000_000,
            "conversions": 1.5,
            "conversions_by_conversion_date": 2.5,
        },
        {
            "day": "2026-11-01",
            "currency": "CHF",
            "time_zone": "Europe/Zurich",
            "segment": '{"device":"MOBILE"}',
            "conversions_micros": 2_500_000,
            "campaign_name": "Brand",
        },
    ),
    "tap-redditads": (
        {"currency": "USD"},
        {
            "campaign_id": "r9",
            "date": "2026-11-01",
            "spend": 30_000_000,
            "impressions": 15_000,
            "clicks": 0,
            "conversion_purchase_clicks": 2,
            "conversion_purchase_views": 1,
            "conversion_purchase_total_value": 1200,
        },
        {"spend_micros": 30_000_000, "conversions_micros": 3_000_000, "value_micros": 12_000_000, "time_zone": "UTC"},
    ),
    "tap-snapchat-ads": (
        {"currency": "EUR", "time_zone": "Europe/Berlin"},
        {"id": "s-1", "start_time": "2026-11-01T23:00:00Z", "spend": 5_000_000, "impressions": 100, "swipes": 7},
        {"day": "2026-11-02", "campaign_id": "s-1", "clicks": 7, "spend_micros": 5_000_000},
    ),
    "tap-pinterest-ads": (
        {"currency": "USD"},
        {
            "CAMPAIGN_ID": "p1",
            "DATE": "2026-11-01",
            "SPEND_IN_MICRO_DOLLAR": 4_000_000,
            "IMPRESSION_1": 10,
            "IMPRESSION_2": 5,
            "TOTAL_CLICKTHROUGH": 2,
            "TOTAL_CONVERSIONS": 1,
            "TOTAL_CHECKOUT_VALUE_IN_MICRO_DOLLAR": 9_990_000,
        },
        {"impressions": 15, "clicks": 2, "spend_micros": 4_000_000, "value_micros": 9_990_000},
    ),
    "tap-pinterest": (
        {"currency": "USD"},
        {"CAMPAIGN_ID": "p1", "DATE": "2026-11-01", "metrics": {"SPEND_IN_DOLLAR": 4.25, "TOTAL_IMPRESSION": 9}},
        {"impressions": 9, "spend_micros": 4_250_000, "clicks": None},
    ),
    "tap-linkedin-ads": (
        {"currency": "EUR", "time_zone": "Europe/Berlin"},
        {
            "campaign_id": "77",
            "day": "2026-10-31T23:00:00+00:00",
            "impressions": 3,
            "dateRange": {"start": {"year": 2026, "month": 11, "day": 1}},
            "costInLocalCurrency": "12.34",
        },
        {"day": "2026-11-01", "ad_group_id": "77", "campaign_id": "", "spend_micros": 12_340_000},
    ),
    "tap-bing-ads": (
        {},
        {
            "AccountId": 3,
            "CampaignId": 4,
            "CampaignName": "Bing",
            "CurrencyCode": "USD",
            "Spend": 1.1,
            "TimePeriod": "2026-11-01T00:00:00.000000Z",
            "Conversions": 1,
            "Revenue": 8.8,
        },
        {"day": "2026-11-01", "time_zone": "Europe/London", "spend_micros": 1_100_000, "value_micros": 8_800_000},
    ),
    "fivetran": (
        {"currency": "USD"},
        {"date_day": "2026-11-01", "platform": "facebook_ads", "campaign_id": "c", "spend": 3, "conversions_value": 2},
        {"network": "meta", "spend_micros": 3_000_000, "value_micros": 2_000_000, "time_zone": ""},
    ),
}
"""Preset → what is set beside it, a record as the tap writes it, and what of the row is told."""


@pytest.mark.parametrize("preset", names())
def test_each_preset_reads_what_its_tap_writes(preset: str) -> None:
    setting, record, expected = RECORDS[preset]
    row = a_row(record, preset=preset, **setting)._asdict()
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("stream", "ids"),
    [
        ("campaign_stats_daily", {"campaign_id": "s-1"}),
        ("ad_squad_stats_daily", {"ad_group_id": "s-1"}),
        ("ad_stats_daily", {"ad_id": "s-1"}),
        ("ad_account_stats_daily", {"account_id": "s-1"}),
    ],
)
def test_an_id_is_that_of_what_the_stream_is_about(stream: str, ids: dict[str, str]) -> None:
    record = {"id": "s-1", "start_time": "2026-11-01T23:00:00Z", "spend": 5_000_000}
    row = a_row(record, stream=stream, preset="tap-snapchat-ads", currency="EUR")._asdict()
    assert {name: row[name] for name in IDS} == dict.fromkeys(IDS, "") | ids


def test_a_network_of_ones_own_is_read_by_its_columns() -> None:
    columns = {"day": "date", "campaign_id": "cid", "spend": "cost.micros", "clicks": ["a", "b"], "value": "worth"}
    record = {"date": 20261101, "cid": 7.0, "cost": '{"micros": 5}', "a": 1, "b": "2", "worth": "150", "n": "Outbrain"}
    setting: dict[str, Any] = {"currency": "EUR", "unit": "micros", "value_unit": "cents", "columns": columns}
    row = a_row(record, network="taboola", account="acc", **setting)
    assert (row.network, row.account_id, row.campaign_id, row.day) == ("taboola", "acc", "7", "2026-11-01")
    assert (row.spend_micros, row.clicks, row.value_micros) == (5, 3, 1_500_000)
    assert a_row(record, **setting | {"columns": {**columns, "network": "n"}}).network == "Outbrain"


def test_what_no_database_keeps_is_left_out_of_a_name() -> None:
    assert a_row(a_record(campaign_name="Fr\0üh\ud800ling"), **SAYS).campaign_name == "Frühling"


def test_every_column_of_ours_may_be_mapped() -> None:
    for column in (*IDS, "day", "spend", "impressions", "clicks", "conversions", "value", "currency", "time_zone"):
        mistakes: list[str] = []
        problems_of_streams({"s": {**SAYS, "columns": {column: "theirs"}}}, mistakes)
        assert mistakes == []
    mapped = a_row(a_record(total=3, worth=4), **SAYS, columns={"conversions": "total", "value": "worth"})
    assert (mapped.conversions_micros, mapped.value_micros) == (3_000_000, 4_000_000)


def test_what_stands_beside_a_preset_wins() -> None:
    row = a_row(
        a_record(link_clicks=9, total=3), **SAYS, columns={"clicks": "link_clicks"}, conversions=["total"], network="x"
    )
    assert (row.clicks, row.conversions_micros, row.network) == (9, 3_000_000, "x")


def test_action_types_are_chosen() -> None:
    actions = [{"action_type": name, "value": 1} for name in ("lead", "mobile_app_install", "omni_app_install")]
    record = {"date_start": "2026-11-01", "spend": 1, "actions": actions}
    chosen: dict[str, Any] = {"preset": "tap-facebook", "currency": "EUR"}
    assert a_row(record, **chosen, conversions=["mobile_app_install", "lead"]).conversions_micros == 2_000_000
    assert a_row(record, **chosen, conversions=["omni_app_install", "lead"]).conversions_micros == 1_000_000
    assert a_row(record, **chosen, conversions=["add_to_cart"]).conversions_micros == 0
    assert a_row({**record, "actions": None}, **chosen).conversions_micros is None


@pytest.mark.parametrize(
    ("written", "zone", "day"),
    [
        ("2026-11-01", "Europe/Berlin", "2026-11-01"),
        ("2026-11-01 00:00:00", "America/Los_Angeles", "2026-11-01"),
        ("2026-11-01T23:00:00Z", "Europe/Berlin", "2026-11-02"),
        ("2026-11-01T23:00:00Z", None, "2026-11-01"),
        ("2026-11-01T08:00:00Z", "America/Los_Angeles", "2026-11-01"),
        ("2026-11-02T07:30:00+00:00", "America/Los_Angeles", "2026-11-01"),
        ("2026-11-01T00:00:00Z", "America/Los_Angeles", "2026-11-01"),
        ("2026-11-01 00:00:00 UTC", "Asia/Kolkata", "2026-11-01"),
    ],
)
def test_a_time_with_a_zone_is_moved_and_a_date_is_not(written: str, zone: str | None, day: str) -> None:
    assert a_row(a_record(stat_time_day=written), **{**SAYS, "time_zone": zone}).day == day


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stat_time_day": None}, "day_missing"),
        ({"stat_time_day": "11/01/2026"}, "day_missing"),
        ({"stat_time_day": "2026-13-01"}, "day_missing"),
        ({"stat_time_day": True}, "day_missing"),
        ({"spend": None}, "spend_missing"),
        ({"spend": "a lot"}, "spend_missing"),
        ({"spend": "NaN"}, "spend_missing"),
        ({"spend": 1e30}, "spend_missing"),
        ({"spend": 10**40}, "spend_missing"),
        ({"spend": "1e999999999"}, "spend_missing"),
        ({"spend": True}, "spend_missing"),
        ({"currency": "DOLLARS"}, "currency_missing"),
        ({"ad_id": "x" * MOST_BYTES}, "too_long"),
    ],
)
def test_a_record_that_is_no_row_is_left_out_with_a_reason(changes: dict[str, Any], reason: str) -> None:
    assert left_out(a_record(**changes), **SAYS) == reason


def test_a_row_needs_a_currency_and_a_network() -> None:
    assert left_out(a_record(), preset="tap-tiktok-ads") == "currency_missing"
    assert left_out({"date_day": "2026-11-01", "spend": 1}, preset="fivetran", currency="EUR") == "network_missing"


def test_a_figure_that_is_no_number_is_none_and_nothing_is_rounded_twice() -> None:
    row = a_row(a_record(impressions="many", clicks="1e3", spend=0.1 + 0.2, real_time_conversion="0.0000005"), **SAYS)
    assert (row.impressions, row.clicks, row.spend_micros, row.conversions_micros) == (None, 1000, 300_000, 1)


def test_ids_are_texts_and_a_word_for_nothing_is_none() -> None:
    row = a_row(a_record(ad_id="__CID__", adgroup_id="-", campaign_id="null", campaign_name="a\0b" * 400), **SAYS)
    assert (row.ad_id, row.ad_group_id, row.campaign_id) == ("", "", "")
    assert row.campaign_name is not None
    assert (len(row.campaign_name), "\0" in row.campaign_name) == (500, False)
