"""What is particular to TikTok and stands in no table of its vectors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.config import InvalidConfig
from target_adpostbacks.core.answers import Response, Skip, Verdict
from target_adpostbacks.core.postback import prepare
from target_adpostbacks.networks.tiktok import TikTok


def tiktok(**settings: Any) -> TikTok:
    network = an_account("tiktok", **settings).network
    assert isinstance(network, TikTok)
    return network


def payload(network: TikTok, **columns: Any) -> Any:
    return network.payload(a_conversion(**columns))


TOKEN_RULE = "access_token: contains white space or a character that cannot be sent; copy it again"


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"pixel_code": "My shop"}, "pixel_code: looks like the pixel's name; take the code beside it"),
        ({"pixel_code": "d7vh38jc77u3lfdolgrg"}, "pixel_code: looks like the pixel's name; take the code beside it"),
        ({"pixel_code": "D7VH38JC77 U3LFDOLGRG"}, "pixel_code: looks like the pixel's name; take the code beside it"),
        ({"pixel_code": "7123456789012345678"}, "pixel_code: looks like the numeric pixel id; take the code"),
        ({"pixel_code": 7123456789012345678}, "pixel_code: looks like the numeric pixel id; take the code"),
        (
            {"pixel_code": None, "tiktok_app_id": None},
            "pixel_code: missing; set it, or tiktok_app_id, offline_event_set_id",
        ),
        ({"access_token": "two words"}, TOKEN_RULE),
        ({"access_token": "dash\u2014ed"}, TOKEN_RULE),
        ({"access_token": "a\x00b"}, TOKEN_RULE),
        ({"tiktok_app_id": "com.example"}, "tiktok_app_id: digits only"),
        ({"offline_event_set_id": "12a"}, "offline_event_set_id: digits only"),
        ({"crm_event_set_id": "１２"}, "crm_event_set_id: digits only"),
        ({"default_phone_country_code": "033"}, "default_phone_country_code: one to three digits without leading 0"),
        ({"default_phone_country_code": "FR"}, "default_phone_country_code: one to three digits without leading 0"),
        ({"default_page_url": "play.example.com"}, "default_page_url: an absolute http or https URL expected"),
    ],
)
def test_a_setting_of_the_wrong_form_is_a_mistake(settings: dict[str, Any], mistake: str) -> None:
    with pytest.raises(InvalidConfig) as invalid:
        tiktok(**settings)
    (said,) = invalid.value.mistakes
    assert said.startswith(f"tiktok.accounts.default.{mistake}")


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"pixel_code": "D7VH38JC77U3LFDOLGR"}, "pixel_code: not 20 or 21 capitals and digits; was it copied whole?"),
        ({"test_event_code": "04030"}, "test_event_code: not TEST and digits; was it copied whole?"),
    ],
)
def test_an_unusual_setting_is_hinted_at(settings: dict[str, Any], hint: str) -> None:
    assert list(tiktok(**settings).settings.hints()) == [hint]
    assert not list(tiktok(test_event_code="TEST04030").settings.hints())


def test_one_asset_of_any_kind_is_enough() -> None:
    assert tiktok(pixel_code=None, crm_event_set_id="7345678901234567890").asset(a_conversion(event_source="crm"))


def test_base_url_replaces_scheme_and_host() -> None:
    assert tiktok(base_url="http://127.0.0.1:8080").request({}, []).url == (
        "http://127.0.0.1:8080/open_api/v1.3/event/track/"
    )


def test_event_map_is_asked_by_the_records_spelling_first_then_by_the_canonical_name() -> None:
    network = tiktok(event_map={"purchase": "Subscribe", "CompletePayment": None, "Order Completed": "vip_order"})
    assert network.event(a_conversion(event_name="purchase")) == "Subscribe"
    assert network.event(a_conversion(event_name="Transaction")) == "Subscribe"
    assert network.event(a_conversion(event_name="Order Completed")) == "vip_order"
    with pytest.raises(Skip, match="event_off"):
        network.event(a_conversion(event_name="CompletePayment"))


def test_a_name_of_the_networks_own_wins_over_an_alias() -> None:
    assert tiktok().event(a_conversion(event_name="CompletePayment")) == "CompletePayment"
    assert tiktok().event(a_conversion(event_name="completepayment")) == "Purchase"
    with pytest.raises(Skip, match="unsupported"):
        tiktok().event(a_conversion(event_name="vip order"))


def test_a_test_event_needs_a_code_and_a_live_one_has_none() -> None:
    with pytest.raises(Skip, match="test_without_code"):
        tiktok().envelope(a_conversion(test=True))
    network = tiktok(test_event_code="TEST04030")
    assert network.envelope(a_conversion(test=True))["test_event_code"] == "TEST04030"
    assert "test_event_code" not in network.envelope(a_conversion())


def test_custom_properties_never_replace_the_conversions_own() -> None:
    properties = {"value": 1, "currency": "EUR", "order_id": "other", "predicted_ltv": 9}
    assert payload(tiktok(), properties=properties)["properties"] == {"predicted_ltv": 9}


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [
        *((name, name) for name in "product product_group hotel flight destination vehicle".split()),
        *((None, "product"), ("Hotel", "hotel"), ("ticket", None), ("home_listing", "home_listing")),
    ],
)
def test_a_content_type_is_one_of_tiktoks_and_never_relabelled(content_type: str | None, sent: str | None) -> None:
    properties = payload(tiktok(), content_type=content_type, contents=[{"id": "1"}])["properties"]
    assert properties.get("content_type") == sent


def test_the_ids_of_what_is_sold_come_from_properties_where_no_line_has_one() -> None:
    properties = {"content_ids": [7, "8"]}
    assert payload(tiktok(), properties=properties)["properties"] == {"content_ids": ["7", "8"]}
    sold = payload(tiktok(), properties=properties, contents=[{"id": "1"}])["properties"]
    assert sold["content_ids"] == ["1"]


def test_an_app_event_without_an_app_is_unsupported() -> None:
    with pytest.raises(Skip, match="unsupported"):
        payload(tiktok(), event_source="app", email="ada@example.com")


@pytest.mark.parametrize(("column", "form"), [("idfa", str.upper), ("gaid", str.lower)])
def test_device_ids_go_raw_or_hashed(column: str, form: Any) -> None:
    device = {"event_source": "app", "app_id": "1", column: "38400000-8cf0-11bd-B23E-10b96e40000d"}
    assert payload(tiktok(), **device)["user"] == {column: form(device[column])}
    assert len(payload(tiktok(hash_device_ids=True), **device)["user"][column]) == 64


def test_national_numbers_are_completed_with_the_default_country_code() -> None:
    completed = payload(tiktok(default_phone_country_code="1"), phone="(213) 373-4253")["user"]["phone"]
    assert completed == payload(tiktok(), phone="+1 213 373 4253")["user"]["phone"]


def test_a_refused_event_that_is_named_stands_alone() -> None:
    body = {"code": 40002, "message": "data.2.event_id: not a valid string"}
    outcomes = tiktok().outcomes(Response(status=200, body=body), 4)
    assert [outcome.verdict for outcome in outcomes] == [
        *(Verdict.TRANSIENT, Verdict.TRANSIENT, Verdict.REJECTED, Verdict.TRANSIENT),
    ]


def test_credentials_are_refused_for_the_whole_batch_whatever_index_the_message_names() -> None:
    body = {"code": 40001, "message": "No permission, see data.1.event_id"}
    outcomes = tiktok().outcomes(Response(status=200, body=body), 3)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.CREDENTIALS}


@pytest.mark.parametrize("body", [None, [], {}, {"request_id": None}, "no JSON"])
def test_the_request_id_is_kept_for_tiktoks_support(body: Any) -> None:
    assert tiktok().request_id(Response(status=200, body={"code": 0, "request_id": "20250622"})) == "20250622"
    assert tiktok().request_id(Response(status=200, body=body)) == ""


def test_match_keys_are_named_never_told() -> None:
    postback = prepare(an_account(), a_conversion(email="ada@example.com", ip_address="8.8.8.8"), NOW)
    assert postback.facts.match_keys == ",".join(json.loads(postback.payload)["user"]) == "email,ip,ttclid"


def test_a_hashed_country_is_left_out_where_the_code_is_wanted() -> None:
    assert "country" not in payload(tiktok(), country="a" * 64)["user"]


def test_what_tiktok_cannot_use_is_told() -> None:
    network = tiktok()
    assert [*network.unusable(a_conversion(content_type="ticket"), ["ttclid"])] == [
        "content_type: not one that TikTok documents"
    ]
    long = a_conversion(ttclid="E.C.P." + "x" * 1000)
    assert [*network.unusable(long, [])] == ["ttclid: longer than 1,000 characters"]
