"""Two streams of one network, and the zones that their rows are in."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from target_adpostbacks.core.performance.overlaps import Zones, counted_once


class Row(NamedTuple):
    stream: str = "ads"
    network: str = "tiktok"
    account_id: str = "1"
    day: str = "2026-11-01"
    campaign_id: str = "111"
    time_zone: str = "UTC"
    seq: int = 1


def test_of_two_streams_the_one_that_is_named_first_counts() -> None:
    rows = [Row(stream) for stream in ("campaigns", "ads", "others")]
    assert counted_once(rows, ["campaigns", "ads"]) == ([rows[0]], {"ads": "campaigns", "others": "campaigns"})
    assert counted_once(rows, ["others"]) == ([rows[2]], {"ads": "others", "campaigns": "others"})
    assert counted_once(rows) == ([rows[1]], {"campaigns": "ads", "others": "ads"})


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (Row("campaigns"), True),
        (Row("campaigns", account_id=""), True),
        (Row("campaigns", campaign_id="222"), True),
        (Row("campaigns", account_id="2"), False),
        (Row("campaigns", day="2026-11-02"), False),
        (Row("campaigns", network="reddit"), False),
    ],
)
def test_rows_of_another_account_day_or_network_are_others(other: Row, is_same: bool) -> None:
    kept, lost = counted_once([Row(), other], ["ads"])
    assert (kept, lost) == (([Row()], {"campaigns": "ads"}) if is_same else ([Row(), other], {}))


def test_an_account_that_the_first_stream_does_not_name_may_be_any() -> None:
    assert counted_once([Row(account_id=""), Row("campaigns", account_id="2")])[0] == [Row(account_id="")]


def test_all_rows_of_one_stream_count() -> None:
    rows = [Row(campaign_id="1"), Row(campaign_id="2"), Row(account_id="")]
    assert counted_once(rows, ["campaigns"]) == (rows, {})


def test_a_campaigns_newest_row_says_its_zone_and_then_the_networks() -> None:
    rows = [
        Row(time_zone="Europe/Berlin", day="2026-11-02", seq=1),
        Row(time_zone="UTC", day="2026-11-01", seq=9),
        Row(campaign_id="222", time_zone="", seq=3),
        Row(network="reddit", campaign_id="", time_zone="America/New_York"),
        Row(network="meta", campaign_id="3", time_zone="No/Zone"),
    ]
    zones = Zones(rows, "Asia/Tokyo")
    assert zones.of("tiktok", "111") == "Europe/Berlin"
    assert zones.of("tiktok", "222") == ""
    assert zones.of("tiktok", "333") == zones.of("tiktok", "") == zones.of("snapchat", "1") == "Asia/Tokyo"
    assert zones.of("reddit", "1") == zones.of("reddit", "") == "America/New_York"
    assert zones.of("meta", "3") == ""
    moved = Zones([*rows[:2], Row(time_zone="UTC", day="2026-11-02", seq=2)], "Asia/Tokyo")
    assert moved.of("tiktok", "111") == "UTC"
