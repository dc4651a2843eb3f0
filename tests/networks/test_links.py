"""The links of every network: generate one, fill in its macros, read it back."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from conftest import COLUMNS
from hypothesis import given
from hypothesis import strategies as st

from target_adpostbacks.core.landing import PARAMETERS
from target_adpostbacks.core.links import Link, NoLink, link, parameters
from target_adpostbacks.networks import NETWORKS

PAGE = "https://shop.example/sale"
LINKED = [name for name, network in NETWORKS.items() if network.link_field]
SAMPLES = {
    "campaign_id": "1790123456789012345",
    "campaign_name": "Été 50% & more=yes/no?#1",
    "ad_group_id": "1790123456789012346",
    "ad_id": "1790123456789012347",
    "creative_id": "1790123456789012348",
    "placement": "TikTok feed_2+",
}


def the_link(name: str, url: str = PAGE, *, with_utm: bool = True) -> Link:
    return link(NETWORKS[name], url, with_utm=with_utm)


def read_back(url: str, name: str) -> dict[str, str]:
    """What the parser reads of a link, in an otherwise empty record of the network."""
    out = {"landing_url": url, "network": name}
    COLUMNS.landing.read(out)
    return {column: out[column] for column in SAMPLES if column in out}


def asked(name: str) -> dict[str, str]:
    """Column of the ad → the macro, or the blank, that fills it."""
    return {**NETWORKS[name].links} or {"campaign_name": "{campaign_name}", "campaign_id": "{campaign_id}"}


def filled_in(url: str, name: str) -> str:
    """The URL as a visitor comes with it: each macro that is a whole value is replaced, and encoded."""
    by_macro = {macro: quote(SAMPLES[column], safe="") for column, macro in asked(name).items()}
    before, hash_, fragment = url.partition("#")
    page, _, query = before.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")]
    return page + "?" + "&".join(f"{key}={by_macro.get(value, value)}" for key, _, value in pairs) + hash_ + fragment


@pytest.mark.parametrize("name", LINKED)
@pytest.mark.parametrize("with_utm", [True, False])
@pytest.mark.parametrize("page", [PAGE, f"{PAGE}?color=red&q=a%20b#top", f"{PAGE}?", f"{PAGE}?x&", f"{PAGE}#a?b"])
def test_what_a_network_fills_in_is_read_back(name: str, with_utm: bool, page: str) -> None:
    made = the_link(name, page, with_utm=with_utm).url
    assert "?&" not in made
    assert "&&" not in made
    assert read_back(filled_in(made, name), name) == {column: SAMPLES[column] for column in asked(name)}


@pytest.mark.parametrize("name", LINKED)
@pytest.mark.parametrize("with_utm", [True, False])
def test_what_nobody_fills_in_gives_nothing(name: str, with_utm: bool) -> None:
    made = the_link(name, with_utm=with_utm).url
    assert read_back(made, name) == {}
    assert read_back(made.replace("{", "%7B").replace("}", "%7D"), name) == {}


@pytest.mark.parametrize("name", LINKED)
def test_macros_stay_as_they_are(name: str) -> None:
    made = the_link(name)
    for column, macro in asked(name).items():
        assert f"={macro}&" in f"{made.url}&"
        assert column in PARAMETERS
    assert all(unquote(macro) == macro and "&" not in macro for macro in asked(name).values())


@pytest.mark.parametrize("name", LINKED)
def test_the_source_of_a_link_is_the_network(name: str) -> None:
    assert f"?utm_source={name}&utm_medium=paid&utm_campaign=" in the_link(name).url
    assert "utm_" not in the_link(name, with_utm=False).url


def test_only_networks_whose_accounts_are_the_users_own_have_no_links() -> None:
    assert {*NETWORKS} - {*LINKED} == {name for name, network in NETWORKS.items() if network.accounts_are_networks}


def test_a_link_of_each_kind_looks_so() -> None:
    assert the_link("tiktok", f"{PAGE}?a=b#top").paste == (
        f"{PAGE}?a=b&utm_source=tiktok&utm_medium=paid&utm_campaign=__CAMPAIGN_NAME__&campaign_id=__CAMPAIGN_ID__"
        "&ad_group_id=__AID__&ad_id=__CID__&placement=__PLACEMENT__#top"
    )
    assert the_link("google_ads", with_utm=False).paste == (
        "campaign_id={campaignid}&ad_group_id={adgroupid}&ad_id={creative}&placement={placement}"
    )
    assert the_link("google_ads").url.startswith(f"{PAGE}?utm_source=google_ads&utm_medium=paid&utm_campaign={{camp")
    assert the_link("x").blanks == ["{campaign_name}", "{campaign_id}"]
    assert the_link("meta").blanks == []


@pytest.mark.parametrize("name", LINKED)
def test_a_name_that_the_url_has_already_is_refused(name: str) -> None:
    for parameter in parameters(NETWORKS[name]):
        for pair in (f"{parameter}=1", f"{parameter}=", parameter, parameter.replace("_", "%5F")):
            with pytest.raises(NoLink, match=f"the URL has {parameter} already"):
                the_link(name, f"{PAGE}?a=b&{pair}#c")
    assert the_link(name, f"{PAGE}?utm_source=mine", with_utm=False).url.startswith(f"{PAGE}?utm_source=mine&")
    assert the_link(name, f"{PAGE}#?campaign_id=1").url.endswith("#?campaign_id=1")


@pytest.mark.parametrize(
    "url", ["", "shop.example", "/sale", "ftp://shop.example", "https://", "https://a.example/a b"]
)
def test_what_is_no_web_url_is_refused(url: str) -> None:
    with pytest.raises(NoLink, match="an http or https URL expected"):
        the_link("tiktok", url)


@given(st.sampled_from(LINKED), st.text("ab1&=?#/%", max_size=12))
def test_the_whole_url_stays(name: str, rest: str) -> None:
    url = f"{PAGE}{rest}"
    before, hash_, fragment = url.partition("#")
    made = the_link(name, url).url
    assert made.startswith(before)
    assert made.endswith(hash_ + fragment)
