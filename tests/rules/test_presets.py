"""Presets: each row of each, and where they hold."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import SETTINGS
from ruled import a_config, prepared, sent, skipped

from target_adpostbacks.config import read
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.rules import presets

ROWS: dict[tuple[str, str], dict[str, str]] = {
    ("immutable", "tiktok"): {
        "purchase": "Purchase",
        "wishlist_add": "AddToWishlist",
        "wishlist_remove": "wishlist_remove",
        "email_acquired": "CompleteRegistration",
        "game_launch": "CompleteRegistration",
    },
    ("immutable", "reddit"): {"purchase": "PURCHASE", "game_launch": "game_launch"},
    ("appsprint", "tiktok"): {
        "install": "Download",
        "session_start": "ViewContent",
        "sign_up": "CompleteRegistration",
        "start_trial": "StartTrial",
        "subscribe": "Subscribe",
        "purchase": "Purchase",
    },
    ("datalyr", "tiktok"): {
        "purchase": "CompletePayment",
        "add_to_cart": "AddToCart",
        "begin_checkout": "InitiateCheckout",
        "sign_up": "CompleteRegistration",
        "lead": "SubmitForm",
        "view_content": "ViewContent",
        "search": "Search",
    },
    ("pingtree", "tiktok"): {
        "form_submission": "SubmitForm",
        "lead_sold": "Purchase",
        "offer_click": "ClickButton",
        "offer_conversion": "CompleteRegistration",
    },
}
OFF = {
    "begin_checkout": "InitiateCheckout",
    "add_payment_info": "AddPaymentInfo",
    "add_to_cart": "AddToCart",
    "wishlist_add": "AddToWishlist",
    "view_content": "ViewContent",
    "search": "Search",
}
"""What appsprint knows and has off."""


def with_preset(preset: str, **tiktok: Any) -> dict[str, Any]:
    return {**a_config({"preset": preset}, **tiktok), "reddit": SETTINGS["reddit"]}


def network_event(config: dict[str, Any], network: str, **record: Any) -> str:
    (postback,) = prepared(config, network=network, rdt_cid="r-1", **record).postbacks
    return postback.facts.network_event


@pytest.mark.parametrize(
    ("preset", "network", "event", "native"),
    [(*of, event, native) for of, rows in ROWS.items() for event, native in rows.items()],
)
def test_each_row_of_each_preset(preset: str, network: str, event: str, native: str) -> None:
    assert network_event(with_preset(preset), network, event_name=event) == native


def test_these_are_all_presets_with_all_their_networks() -> None:
    assert {name for name, _ in ROWS} == {*presets.names()}
    for name in presets.names():
        said = presets.preset(name).networks
        assert {(name, network): dict(of.events) for network, of in said.items()} == {
            of: rows for of, rows in ROWS.items() if of[0] == name
        }
        assert said.keys() <= NETWORKS.keys()


@pytest.mark.parametrize("preset", presets.names())
def test_what_a_preset_brings_is_a_config_without_mistakes(preset: str) -> None:
    for network, said in presets.preset(preset).networks.items():
        section = {**SETTINGS[network], **said.settings, "rules": [{"set": dict(said.constants)}]}
        assert read({"fields": presets.columns(preset), network: section})
    assert read(with_preset(preset))


@pytest.mark.parametrize(("event", "native"), OFF.items())
def test_what_is_known_but_off_is_switched_on_under_its_name(event: str, native: str) -> None:
    assert skipped(with_preset("appsprint"), event_name=event)[0] == "event_off"
    assert sent(with_preset("appsprint", trigger_events=[event]), event_name=event)["event"] == native
    assert sent(with_preset("appsprint", event_map={event: "ClickButton"}), event_name=event)["event"] == "ClickButton"


@pytest.mark.parametrize("event", ["lead", "Lead", "generate_lead", "ClickButton", "level_up", "my_event"])
def test_what_a_preset_does_not_list_is_off_until_the_user_names_it(event: str) -> None:
    assert skipped(with_preset("immutable"), event_name=event)[0] == "event_off"
    assert sent(with_preset("immutable", event_map={event: "Subscribe"}), event_name=event)["event"] == "Subscribe"
    assert sent(with_preset("immutable", trigger_events=[event]), event_name=event)
    config = with_preset("immutable", trigger_events=[event], event_map={event: None})
    assert skipped(config, event_name=event)[0] == "event_off"


def test_what_the_user_switches_on_has_our_own_tables_name_where_the_preset_knows_none() -> None:
    assert sent(with_preset("immutable", trigger_events=["lead"]), event_name="generate_lead")["event"] == "Lead"
    assert sent(with_preset("immutable", trigger_events=["raid"]), event_name="raid")["event"] == "raid"


def test_a_rule_switches_on_the_name_that_it_gives() -> None:
    assert sent(with_preset("immutable", rules=[{"event": "vip"}]))["event"] == "vip"
    assert sent(with_preset("immutable", rules=[{"event": "Lead"}]))["event"] == "Lead"


@pytest.mark.parametrize("spelling", ["purchase", "Order Completed", "Purchase", "CompletePayment"])
def test_an_event_is_listed_under_each_of_its_names(spelling: str) -> None:
    own = spelling if spelling in ("Purchase", "CompletePayment") else "Purchase"
    assert sent(with_preset("immutable"), event_name=spelling)["event"] == own


def test_a_networks_own_name_is_listed_where_the_table_leads_to_it() -> None:
    assert sent(with_preset("pingtree"), event_name="ClickButton")["event"] == "ClickButton"
    assert skipped(with_preset("pingtree"), event_name="ViewContent")[0] == "event_off"


@pytest.mark.parametrize("event", ["subscribe", "page_view", "my_event"])
def test_any_other_event_of_datalyr_is_a_custom_one_as_it_is(event: str) -> None:
    assert sent(with_preset("datalyr"), event_name=event)["event"] == event


def test_a_preset_says_nothing_for_other_networks() -> None:
    config = with_preset("datalyr")
    assert network_event(config, "reddit", event_name="sign_up") == "SIGN_UP"
    assert network_event(config, "reddit", event_name="purchase", click_time="2026-01-01T00:00:00Z") == "PURCHASE"
    appsprint = with_preset("appsprint")
    (postback,) = prepared(appsprint, network="reddit", rdt_cid="r-1", event_source="app").postbacks
    assert b'"action_source":"APP"' in postback.payload


@pytest.mark.parametrize("source", ["app", "offline", "crm", "web", "SDK", None])
@pytest.mark.parametrize("others", [[], ["reddit"]])
def test_everything_of_appsprint_is_a_web_event(source: str | None, others: list[str]) -> None:
    config = a_config({"preset": "appsprint"}) | {name: SETTINGS[name] for name in others}
    (postback,) = prepared(config, event_source=source).postbacks
    assert postback.envelope["event_source"] == "web"


def test_a_source_that_can_not_be_read_is_refused_where_appsprint_says_nothing() -> None:
    result = prepared(with_preset("appsprint"), event_source="SDK", network=None, rdt_cid="r-1")
    assert [each.account for each in result.postbacks] == ["tiktok.default"]
    assert [(each.key.network, each.reason) for each in result.not_sent] == [("reddit", "invalid")]
    assert result.mistakes == ("event_source: web, app, offline or crm expected",)


def test_datalyr_has_windows_and_the_users_own_win() -> None:
    clicked = {"click_time": "2026-10-20T12:00:00Z"}  # 31 days before
    seen = {"view_time": "2026-11-18T12:00:00Z"}
    assert skipped(with_preset("datalyr"), **clicked)[0] == "outside_window"
    assert skipped(with_preset("datalyr"), **seen)[0] == "outside_window"
    assert sent(with_preset("datalyr"), click_time="2026-10-25T12:00:00Z")
    assert sent(with_preset("datalyr", attribution_window_days=40), **clicked)
    assert sent({**with_preset("datalyr"), "view_window_days": 3}, **seen)


def test_pingtree_reads_its_own_columns_and_the_users_own_win() -> None:
    record = {
        "event_name": "lead_sold",
        "event_id": None,
        "event_time": None,
        "transaction_id": "t-1",
        "utc_timestamp": "2026-11-20T11:00:00Z",
        "mobile": "+14155550100",
        "ip": "203.0.113.7",
        "user_agent": "Agent",
        "revenue": "12.50",
        "payout": 3,
    }
    event = sent(with_preset("pingtree"), **record)
    assert (event["event"], event["event_id"], event["event_time"]) == ("Purchase", "t-1", 1795172400)
    assert event["properties"] == {"currency": "USD", "value": 12.5, "content_type": "product"}
    assert event["user"].keys() >= {"phone", "ip"}
    own = {**with_preset("pingtree"), "fields": {"value": "payout"}, "defaults": {"currency": "EUR"}}
    assert sent(own, **record)["properties"] == {"currency": "EUR", "value": 3, "content_type": "product"}
    assert sent(with_preset("pingtree"), **{**record, "currency": "GBP"})["properties"]["currency"] == "GBP"


def test_the_nearest_preset_holds() -> None:
    accounts = {"eu": {"preset": "datalyr"}, "us": {}}
    result = prepared(a_config({"preset": "immutable"}, preset="appsprint", accounts=accounts), event_name="lead")
    assert [(each.account, each.facts.network_event) for each in result.postbacks] == [("tiktok.eu", "SubmitForm")]
    assert [(each.account, each.reason) for each in result.not_sent] == [("us", "event_off")]
