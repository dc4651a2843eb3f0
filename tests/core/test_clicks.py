"""Clicks of a person: what a record tells of them, and which of them a conversion gets."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from conftest import COLUMNS, a_conversion, an_account

from target_adpostbacks.core.clicks import Candidate, Click, LeftOut, Rule, Told, stitched, told
from target_adpostbacks.core.digests import forms
from target_adpostbacks.networks import NAMES

BEGIN = datetime(2026, 11, 1, tzinfo=timezone.utc)
NETWORKS = {name: network for name in ("tiktok", "reddit", "meta") if (network := an_account(name).network)}
MONTH = timedelta(days=30)
MAIL, VISITOR = forms("email", "user@example.com"), forms("anonymous_id", "mobile")


def day(number: float) -> datetime:
    return BEGIN + timedelta(days=number)


def kept(**columns: Any) -> Told:
    return told({"anonymous_id": "mobile", "click_time": "2026-11-02T00:00:00Z", **columns}, COLUMNS, NETWORKS)


def why_not(**columns: Any) -> str:
    with pytest.raises(LeftOut) as left_out:
        kept(**columns)
    return left_out.value.reason


def test_a_click_is_kept_with_its_cookies_and_its_ad() -> None:
    page = "https://shop.example/?ttclid=xyz123&campaign_id=111&adgroup_id=2&ad_id=3"
    row = kept(landing_url=page, ttp="cookie", _fbp="other", email="user@example.com")
    assert row == Told(
        [Click("tiktok", "xyz123", "ttclid", {"ttp": "cookie"}, day(1), "111", "2", "3")],
        (*MAIL, *VISITOR),
        [(MAIL[0], VISITOR[0])],
    )


def test_a_click_may_be_of_several_networks_and_needs_no_columns_of_a_conversion() -> None:
    row = kept(ttclid="xyz123", rdt_cid="r1", event_name="page_view", event_time="never")
    assert [(each.network, each.click_id) for each in row.clicks] == [("tiktok", "xyz123"), ("reddit", "r1")]
    assert (row.people, row.links) == (VISITOR, [])


def test_two_identifiers_without_a_click_are_a_link() -> None:
    row = kept(email="user@example.com", click_time=None)
    assert (row.clicks, row.links) == ([], [(MAIL[0], VISITOR[0])])
    hashed = kept(email=MAIL[0].partition(":")[2], click_time=None)
    assert hashed.links == row.links


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({}, "nothing_to_keep"),
        ({"ttclid": "xyz", "anonymous_id": None}, "nothing_to_keep"),
        ({"ttclid": "xyz", "anonymous_id": "undefined"}, "nothing_to_keep"),
        ({"ttclid": "__CLICKID__"}, "nothing_to_keep"),
        ({"ttclid": "xyz", "click_time": None}, "click_time_missing"),
        ({"ttclid": "xyz", "click_time": "soon"}, "invalid"),
        ({"ttclid": "xyz", "consent": False}, "no_consent"),
        ({"ttclid": "xyz", "ad_user_data": "denied"}, "no_consent"),
        ({"ttclid": "xyz", "ad_storage": False}, "no_consent"),
        ({"ttclid": "xyz", "_sdc_deleted_at": "2026-11-20"}, "deleted"),
    ],
)
def test_other_rows_are_left_out(columns: dict[str, Any], reason: str) -> None:
    assert why_not(**columns) == reason


def a_click(network: str, click_id: str, at: float, row: int = 1, by: str = "email") -> Candidate:
    name = {"tiktok": "ttclid", "reddit": "rdt_cid", "meta": "fbclid"}[network]
    return Candidate(row, Click(network, click_id, name, {}, day(at), None, None, None), by)


GOLDEN = [a_click("tiktok", "xyz123", 1), a_click("reddit", "r1", 1)]
MORE = [
    a_click("tiktok", "later", 2),
    a_click("tiktok", "after", 4),
    a_click("tiktok", "old", -28),
    a_click("tiktok", "edge", -27),
]


def order(*candidates: Candidate, rule: Rule | None = None, **columns: Any) -> dict[str, str]:
    """The click ids that ``order1`` gets, at day 3."""
    record = {"network": None, "ttclid": None, "event_time": day(3).isoformat(), **columns}
    result = stitched(a_conversion(**record), candidates, rule or Rule(MONTH), NETWORKS, NAMES)
    return {name: value for name, value in result.conversion.ids.items() if name != "anonymous_id"}


def test_the_worked_example_of_clicks() -> None:
    assert order(*GOLDEN) == {"ttclid": "xyz123", "rdt_cid": "r1"}
    assert order(*GOLDEN, *MORE) == {"ttclid": "later", "rdt_cid": "r1"}
    assert order(*GOLDEN, *MORE, rule=Rule(MONTH, "first")) == {"ttclid": "edge", "rdt_cid": "r1"}
    assert order(*GOLDEN, *MORE, a_click("tiktok", "aaa", 2)) == {"ttclid": "aaa", "rdt_cid": "r1"}
    assert order(*GOLDEN, *MORE, rule=Rule(MONTH, credit="last_network")) == {"ttclid": "later"}


def test_the_last_network_alone_gets_the_conversion() -> None:
    rule = Rule(MONTH, credit="last_network")
    c = a_conversion(network=None, ttclid=None, event_time=day(3).isoformat())
    result = stitched(c, [*GOLDEN, a_click("reddit", "r2", 2)], rule, NETWORKS, NAMES)
    assert (result.conversion.network, result.conversion.ids, [*result.candidates]) == (
        "reddit",
        {"rdt_cid": "r2"},
        ["reddit"],
    )
    assert stitched(c, [], rule, NETWORKS, NAMES).conversion is c


def test_what_the_record_says_wins() -> None:
    assert order(*GOLDEN, ttclid="own") == {"ttclid": "own", "rdt_cid": "r1"}
    assert order(*GOLDEN, ttclid="own", rule=Rule(MONTH, credit="last_network")) == {"ttclid": "own"}
    assert order(*GOLDEN, event_source_url="https://a.example/?rdt_cid=own") == {"ttclid": "xyz123"}
    assert order(*GOLDEN, network="Reddit Ads") == {"rdt_cid": "r1"}
    assert order(*GOLDEN, network="reddit", rule=Rule(MONTH, credit="last_network")) == {"rdt_cid": "r1"}
    assert order(*GOLDEN, network="organic") == {}


def test_each_network_gets_the_time_and_the_ad_of_its_own_click() -> None:
    click = Click("tiktok", "t", "ttclid", {"ttp": "cookie"}, day(1), "111", None, "3")
    c = a_conversion(network=None, ttclid=None, event_time=day(3).isoformat())
    result = stitched(c, [Candidate(7, click, "email"), a_click("reddit", "r1", 2)], Rule(MONTH), NETWORKS, NAMES)
    of_tiktok, of_reddit, of_meta = map(result.of, ("tiktok", "reddit", "meta"))
    assert (of_tiktok.click_time, of_tiktok.campaign_id, of_tiktok.ad_id) == (day(1), "111", "3")
    assert (of_reddit.click_time, of_reddit.campaign_id, of_meta.click_time) == (day(2), None, None)
    assert result.conversion.ids == {"ttclid": "t", "ttp": "cookie", "rdt_cid": "r1"}
    for level in ("campaign_id", "ad_group_id", "ad_id"):
        named = a_conversion(network=None, ttclid=None, event_time=day(3).isoformat(), **{level: "own"})
        same = stitched(named, [Candidate(7, click, "email")], Rule(MONTH), NETWORKS, NAMES).of("tiktok")
        assert [each for each in (same.campaign_id, same.ad_group_id, same.ad_id) if each] == ["own"]
    dated = a_conversion(
        network=None, ttclid=None, event_time=day(3).isoformat(), click_time=day(2.5), campaign_id="own"
    )
    own = stitched(dated, [Candidate(7, click, "email")], Rule(MONTH), NETWORKS, NAMES).of("tiktok")
    assert (own.click_time, own.campaign_id, own.ad_id) == (day(2.5), "own", None)
