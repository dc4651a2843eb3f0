"""What landing URLs say of the ad: its columns, and the network where click ids name several."""

from __future__ import annotations

import pytest
from conftest import COLUMNS, a_conversion
from hypothesis import given
from hypothesis import strategies as st

from target_adpostbacks.core.landing import PARAMETERS, utm_source
from target_adpostbacks.networks import LANDING

PAGE = "https://shop.example/p"
UNKNOWN = {"network": None, "ttclid": None}


@pytest.mark.parametrize(
    ("column", "parameter"), [(column, name) for column, names in PARAMETERS.items() for name in names]
)
@pytest.mark.parametrize("url", ["landing_url", "event_source_url"])
def test_a_column_of_the_ad_is_read_from_each_of_its_parameters(column: str, parameter: str, url: str) -> None:
    conversion = a_conversion(**{url: f"{PAGE}?a=b&{parameter}=1790123456789012345&c"})
    assert getattr(conversion, column) == "1790123456789012345"
    assert getattr(a_conversion(**{url: f"{PAGE}?a=b#c&{parameter}=7"}), column) is None


@pytest.mark.parametrize("url", ["/p?campaign_id=7", "?campaign_id=7", "//shop.example/?campaign_id=7"])
def test_a_landing_url_may_lack_its_host(url: str) -> None:
    conversion = a_conversion(landing_url=f" {url} ")
    assert (conversion.landing_url, conversion.campaign_id, conversion.unusable) == (url, "7", ())
    assert a_conversion(landing_url="p?campaign_id=7").unusable == ("landing_url: not an http or https URL",)
    assert a_conversion(event_source_url=url).unusable == ("event_source_url: not an http or https URL",)


def test_our_name_goes_before_others_wherever_it_stands() -> None:
    assert a_conversion(landing_url=f"{PAGE}?utm_id=7&campaign_id=8").campaign_id == "8"
    assert a_conversion(landing_url=f"{PAGE}?campaign_id=8&utm_id=7").campaign_id == "8"
    assert a_conversion(landing_url=f"{PAGE}?adset_id=7&adgroupid=8&ad_group_id=").ad_group_id == "8"


def test_the_first_usable_value_of_a_repeated_name_counts() -> None:
    assert a_conversion(landing_url=f"{PAGE}?ad_id=__CID__&ad_id=7&ad_id=8").ad_id == "7"


def test_the_first_url_that_tells_of_an_ad_counts_alone_and_a_column_before_it() -> None:
    first, second = f"{PAGE}?campaign_id=1&x=1", f"{PAGE}?campaign_id=2&ad_id=2"
    both = a_conversion(landing_url=first, event_source_url=second)
    assert (both.campaign_id, both.ad_id) == ("1", None)
    later = a_conversion(landing_url=f"{PAGE}?campaign_id=%7B%7Bcampaign.id%7D%7D", event_source_url=second)
    assert (later.campaign_id, later.ad_id) == ("2", "2")
    column = a_conversion(landing_url=second, campaign_id="column")
    assert (column.campaign_id, column.ad_id) == ("column", "2")


def test_a_referrer_tells_of_no_ad() -> None:
    page = f"{PAGE}?campaign_id=2"
    assert a_conversion(referrer_url=page, event_source_url=PAGE).campaign_id is None


@pytest.mark.parametrize("columns", [{}, {"campaign_id": "17"}])
def test_utm_campaign_is_the_campaigns_name_unless_it_is_its_id(columns: dict[str, str]) -> None:
    named = a_conversion(landing_url=f"{PAGE}?utm_campaign=Summer+Sale%21&campaign_id=17", **columns)
    assert (named.campaign_id, named.campaign_name) == ("17", "Summer Sale!")
    numbered = a_conversion(landing_url=f"{PAGE}?utm_campaign=17&campaign_id=17", **columns)
    assert (numbered.campaign_id, numbered.campaign_name) == ("17", None)


@pytest.mark.parametrize(
    "columns",
    [
        {"network": "tiktok"},
        {"network": "TikTok Ads", "ttclid": None},
        {"network": None},
        {"network": None, "ttclid": None, "landing_url": f"{PAGE}?ttclid=E.C.P.abc&aid=1&cid=2"},
    ],
)
def test_aid_and_cid_are_the_ad_group_and_the_ad_of_tiktok(columns: dict[str, str | None]) -> None:
    conversion = a_conversion(**{"landing_url": f"{PAGE}?aid=1&cid=2", **columns})
    assert (conversion.ad_group_id, conversion.ad_id) == ("1", "2")


@pytest.mark.parametrize("columns", [UNKNOWN, {"network": "reddit"}, {**UNKNOWN, "rdt_cid": "1"}])
def test_aid_and_cid_say_nothing_of_another_networks_ad(columns: dict[str, str | None]) -> None:
    url = f"{PAGE}?aid=1&cid=2&utm_source=tiktok&ttclid=__CLICKID__"
    conversion = a_conversion(**{"landing_url": url, **columns})
    assert (conversion.ad_group_id, conversion.ad_id) == (None, None)


NOTHING = [
    *("", "%20", "null", "undefined", "(not%20set)", "(not+set)", "__CAMPAIGN_ID__", "_CAMPAIGN_ID_"),
    *("{{campaign.id}}", "%7B%7Bcampaign.id%7D%7D", "%257B%257Bcampaign.id%257D%257D", "{campaignid}"),
    *("%7Bcampaignid%7D", "%257Bcampaignid%257D", "{_custom1}", "{ad:id}", "${CAMPAIGN_ID}", "%24%7Bid%7D"),
    *("sale-{{campaign.name}}", *map(str, sorted(LANDING.macros))),
]


@pytest.mark.parametrize("value", NOTHING)
@pytest.mark.parametrize("parameter", ["campaign_id", "utm_campaign"])
def test_words_for_nothing_and_unfilled_macros_are_missing(parameter: str, value: str) -> None:
    conversion = a_conversion(landing_url=f"{PAGE}?{parameter}={value}&ad_id=7")
    assert (conversion.campaign_id, conversion.campaign_name, conversion.ad_id) == (None, None, "7")


@pytest.mark.parametrize("name", ["US_Brand_2026", "100%", "50%+off", "a_b__c", "BLACK", "Größe {x", "Herbst"])
def test_a_name_is_no_macro(name: str) -> None:
    written = name.replace("%", "%25").replace("+", "%2B")
    assert a_conversion(landing_url=f"{PAGE}?utm_campaign={written}".replace(" ", "+")).campaign_name == name


def test_the_parameters_of_unfilled_links_are_named() -> None:
    url = f"{PAGE}?utm_term=%7Bkeyword%7D&ad_id=_CID_&ttclid=__CLICKID__&filter={{x}}&campaign_id=7"
    assert [*LANDING.unfilled(url)] == [("utm_term", "{keyword}"), ("ad_id", "_CID_"), ("ttclid", "__CLICKID__")]


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("utm_source=TikTok", "tiktok"),
        ("utm_source=tik+tok&utm_medium=paid", "tik tok"),
        ("utm_source=tiktok&utm_medium=Email", ""),
        ("utm_source=tiktok&utm_medium=organic", ""),
        ("utm_source=tiktok&utm_medium=social", ""),
        ("utm_source=tiktok&utm_medium=referral", ""),
        ("utm_source=__SOURCE__", ""),
        ("", ""),
    ],
)
def test_the_source_of_a_paid_link_is_told(query: str, source: str) -> None:
    assert utm_source(a_conversion(landing_url=f"{PAGE}?{query}")) == source
    assert utm_source(a_conversion(landing_url=PAGE, event_source_url=f"{PAGE}?{query}")) == source


@given(st.text(), st.text())
def test_no_url_is_too_strange(path: str, query: str) -> None:
    out = {"landing_url": f"/{path}?{query}&campaign_id={query}"}
    COLUMNS.landing.read(out)
    assert all(value and value == value.strip() for value in out.values() if value is not out["landing_url"])
