"""What is particular to Snapchat and stands in no table of its vectors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.config import InvalidConfig
from target_adpostbacks.core import phones
from target_adpostbacks.core.answers import Response, Skip, Verdict
from target_adpostbacks.core.match_keys import sha256
from target_adpostbacks.core.phones import calling_codes
from target_adpostbacks.core.postback import prepare
from target_adpostbacks.networks.snapchat import Snapchat

PIXEL, APP = "0f2e6c1a-5b3d-4c8e-9a7f-1d2c3b4a5e6f", "7a9b8c7d-1e2f-4a3b-8c5d-6e7f8a9b0c1d"
MAIL = {"email": "ada@example.com"}


def snapchat(**settings: Any) -> Snapchat:
    network = an_account("snapchat", **settings).network
    assert isinstance(network, Snapchat)
    return network


def a_snap(**columns: Any) -> Any:
    return a_conversion(**{"network": "snapchat", "ttclid": None, "event_name": "sign_up", **MAIL, **columns})


def payload(network: Any = None, **columns: Any) -> Any:
    return (network or snapchat()).payload(a_snap(**columns))


def in_the_app(**columns: Any) -> Any:
    return payload(**{"event_source": "app", "app_id": "1234567890", **columns})


def answer(body: Any, count: int = 2) -> list[tuple[str, bool]]:
    outcomes = snapchat().outcomes(Response(status=200, body=body), count)
    return [(outcome.verdict.name, outcome.shared) for outcome in outcomes]


def test_a_request_is_the_one_of_the_documentation() -> None:
    """https://developers.snap.com/api/marketing-api/Conversions-API/UsingTheAPI, the example of a web event."""
    conversion = a_snap(
        event_name="purchase",
        event_id="evt_9f1c2d",
        event_time=1795176062,
        event_source_url="https://play.example.com/checkout",
        email="Person@Example.com",
        phone="+44 844 412 4653",
        sc_cookie1="3a1f0c9e-4b7d-4f0e-9d0b-2f1f6b1a7c55",
        value="19.98",
        currency="usd",
        contents=[{"id": "gem-pack-500", "quantity": 2, "price": 9.99, "brand": "Acme"}],
    )
    network = snapchat()
    request = network.request(network.envelope(conversion), [network.payload(conversion)])
    assert request.url == f"https://tr.snapchat.com/v3/{PIXEL}/events"
    assert request.query == {"access_token": "example-access-token"}
    assert request.body == {
        "data": [
            {
                "event_name": "PURCHASE",
                "event_time": 1795176062,
                "event_id": "evt_9f1c2d",
                "action_source": "WEB",
                "event_source_url": "https://play.example.com/checkout",
                "user_data": {
                    "em": ["542d240129883c019e106e3b1b2d3f3cb3537c43c425364de8e951d5a3083345"],
                    "ph": ["dc008fda46e2e64002cf2f82a4906236282d431c4f75e5b60bfe79fc48546383"],
                    "sc_cookie1": "3a1f0c9e-4b7d-4f0e-9d0b-2f1f6b1a7c55",
                },
                "custom_data": {
                    "currency": "USD",
                    "value": 19.98,
                    "num_items": 2,
                    "content_ids": ["gem-pack-500"],
                    "contents": [{"id": "gem-pack-500", "quantity": 2, "item_price": 9.99, "brand": "Acme"}],
                },
            }
        ]
    }


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        *(
            ({"access_token": given}, "access_token: contains white space or a character that cannot")
            for given in ("two words", "EAA\u200bx", "a\x00b")
        ),
        ({"pixel_id": APP, "snap_app_id": APP}, "snap_app_id: is the pixel's id; take the app's"),
        ({"pixel_id": None, "snap_app_id": None}, "pixel_id: missing; set it for web and offline events, or"),
        ({"app_id": "id1234567890"}, "app_id: the App Store's number, digits only, or the Android package expected"),
        ({"app_id": "My Game"}, "app_id: the App Store's number, digits only, or the Android package expected"),
        ({"default_phone_country_code": "033"}, "default_phone_country_code: one to three digits without leading 0"),
        ({"max_event_age_days": 38}, "max_event_age_days: 37 at most, which is how long Snapchat reports"),
        ({"max_event_age_days": 0}, "max_event_age_days: 1 or more expected"),
    ],
)
def test_a_setting_of_the_wrong_form_is_a_mistake(settings: dict[str, Any], mistake: str) -> None:
    with pytest.raises(InvalidConfig) as invalid:
        snapchat(**settings)
    (said,) = invalid.value.mistakes
    assert said.startswith(f"snapchat.accounts.default.{mistake}")


@pytest.mark.parametrize("asset", ["pixel_id", "snap_app_id"])
def test_an_asset_that_is_no_uuid_is_taken_with_a_hint(asset: str) -> None:
    hint = f"{asset}: not a UUID (8-4-4-4-12 hex digits); was it copied whole?"
    assert list(snapchat(**{asset: "My pixel"}).settings.hints()) == [hint]
    assert not list(snapchat(app_id="com.example.game").settings.hints())


@pytest.mark.parametrize(("missing", "source"), [("snap_app_id", "app"), ("pixel_id", "web"), ("pixel_id", "crm")])
def test_one_of_pixel_and_app_is_enough_and_the_others_events_are_unsupported(missing: Any, source: str) -> None:
    unset: Any = {missing: None}
    with pytest.raises(Skip, match="unsupported"):
        prepare(an_account("snapchat", **unset), a_snap(event_source=source, app_id="1"), NOW)


@pytest.mark.parametrize(
    ("columns", "path"),
    [
        ({}, f"{PIXEL}/events"),
        ({"event_source": "offline"}, f"{PIXEL}/events"),
        ({"event_source": "app"}, f"{APP}/events"),
        ({"test": True}, f"{PIXEL}/events/validate"),
        ({"test": True, "event_source": "app"}, f"{APP}/events/validate"),
    ],
)
def test_asset_and_test_decide_the_path(columns: dict[str, Any], path: str) -> None:
    network = snapchat(base_url="http://127.0.0.1:8080")
    assert network.request(network.envelope(a_snap(**columns)), [{}]).url == f"http://127.0.0.1:8080/v3/{path}"


def test_the_test_event_code_goes_with_test_events_only() -> None:
    network = snapchat(test_event_code="code-1")
    bodies = [network.request(network.envelope(a_snap(test=test)), [{}]).body for test in (True, False)]
    assert bodies == [{"test_event_code": "code-1", "data": [{}]}, {"data": [{}]}]


def test_an_id_of_an_asset_never_leaves_its_place_in_the_path() -> None:
    network = snapchat(pixel_id="a/../b?c")
    assert network.request(network.envelope(a_snap()), [{}]).url.endswith("/v3/a%2F..%2Fb%3Fc/events")


def test_a_name_of_snapchats_is_taken_in_any_case_and_sent_in_upper_case() -> None:
    assert snapchat().event(a_snap(event_name="login")) == "LOGIN"
    assert snapchat(event_map={"raid": "Custom_Event_2"}).event(a_snap(event_name="raid")) == "CUSTOM_EVENT_2"


def test_a_web_event_without_its_page_is_sent_with_a_note() -> None:
    notes = [
        prepare(an_account("snapchat"), a_snap(**columns), NOW).note
        for columns in ({}, {"event_source_url": "https://example.com/"}, {"event_source": "offline"})
    ]
    assert notes == ["sent without event_source_url, which Snapchat wants for web events", "", ""]


@pytest.mark.parametrize(
    ("place", "country", "state"),
    [
        ({}, 0, 0),
        ({"country": "US"}, 0, 0),
        ({"country": "US", "state": "NY"}, 0, 0),
        ({"country": "US", "state": "California"}, 1, 1000),
        ({"country": "CA", "state": "CA"}, 0, 0),
        ({"state": "CA"}, 0, 0),
    ],
)
@pytest.mark.parametrize("column", ["limited_data_use", "opt_out"])
def test_limited_data_use_lets_snapchat_find_the_place_unless_it_is_california(
    column: str, place: dict[str, Any], country: int, state: int
) -> None:
    restricted = payload(**{column: True, **place})
    assert restricted["data_processing_options"] == ["LDU"]
    assert restricted["data_processing_options_country"] == country
    assert restricted["data_processing_options_state"] == state
    assert not [key for key in payload(**{column: False, **place}) if key.startswith("data_processing")]


def test_a_date_of_birth_is_sent_only_where_it_is_switched_on() -> None:
    born = {"date_of_birth": "1997-02-16"}
    assert "db" not in payload(**born)["user_data"]
    assert payload(snapchat(send_date_of_birth=True), **born)["user_data"]["db"] == sha256("19970216")


@pytest.mark.parametrize(
    ("raw", "country_code", "digits"),
    [
        *(("+44(0)20 7946 0958", None, "442079460958"), ("+44.020.7946.0958", None, "442079460958")),
        *(("+39 06 698 12345", None, "39669812345"), ("00 44 020 7946 0958", None, "442079460958")),
        *(("+１ ４１５ ５５５ ０１００", None, "14155550100"), ("+1\u2010415\u2013555\u20140100", None, "14155550100")),
        *(("(415) 555-0100", "1", "14155550100"), ("+33 6 12 34 56 78", "1", "33612345678")),
        *(("+(1) 415-555-0100", None, "14155550100"), ("+(44) 020 7946 0958", None, "442079460958")),
        ("(610) 721-7230", None, "6107217230"),
        *(("+1 415 555 0100 x12", None, "14155550100"), ("+123", None, None), ("+1234567890123456", None, None)),
        *(("+1 800 FLOWERS", None, None), ("00ab5555abcd00ab5555abcd00ab5555", None, None), ("+", None, None)),
    ],
)
def test_a_phone_is_written_as_snaps_libraries_do(raw: str, country_code: str | None, digits: str | None) -> None:
    assert phones.digits_by_groups(raw, calling_codes(None, country_code)) == digits


def test_the_same_address_in_two_spellings_is_sent_once() -> None:
    assert len(payload(email=["Ada@Example.com", "ada@example.com"])["user_data"]["em"]) == 1


def test_an_app_without_its_id_is_unsupported() -> None:
    with pytest.raises(Skip, match="unsupported"):
        payload(event_source="app")
    assert payload(snapchat(app_id="com.example.game"), event_source="app")["app_data"]["app_id"] == "com.example.game"


@pytest.mark.parametrize(
    ("columns", "package"),
    [
        ({"app_id": "com.example.game", "app_name": "Quest"}, "com.example.game"),
        ({"app_id": "1234567890", "app_name": "com.example.game"}, "com.example.game"),
        ({"app_id": "1234567890"}, ""),
    ],
)
def test_the_package_is_the_apps_id_unless_that_is_the_stores_number(columns: dict[str, Any], package: str) -> None:
    assert in_the_app(**columns)["app_data"]["extinfo"][1] == package


@pytest.mark.parametrize(
    ("columns", "version", "enabled"),
    [
        ({"platform": "ios"}, "i2", 0),
        ({"platform": "ios", "att_status": "AUTHORIZED"}, "i2", 1),
        ({"app_id": "com.example.game"}, "a2", 1),
        ({"platform": "android", "limited_data_use": True}, "a2", 0),
        ({"platform": "windows"}, "i2", 0),
        ({"platform": "android", "att_status": "NOT_APPLICABLE"}, "a2", 1),
    ],
)
def test_tracking_is_enabled_by_the_person_on_ios_and_unless_it_is_limited_on_android(
    columns: dict[str, Any], version: str, enabled: int
) -> None:
    app = in_the_app(**columns)["app_data"]
    assert (app["extinfo"][0], app["advertiser_tracking_enabled"]) == (version, enabled)


def test_device_ids_stay_home_outside_an_app() -> None:
    device = {"idfv": "7B1F52C6-0A3D-4E57-9C61-2F6F0D6A1E90", "idfa": "CDDA802E-FB9C-47AD-9866-0794D394C912"}
    assert payload(**device)["user_data"].keys() == {"em"}
    assert in_the_app(**device)["user_data"].keys() == {"em", "madid", "idfv"}


def test_of_the_properties_only_those_that_snapchat_names_are_sent() -> None:
    properties = {"sign_up_method": "email", "event_tag": "a", "predicted_ltv": 9.5, "brands": ["x"], "note": "y"}
    assert payload(properties=properties)["custom_data"] == {
        "sign_up_method": "email",
        "event_tag": "a",
        "predicted_ltv": 9.5,
    }
    wrong = {"sign_up_method": {"a": 7}, "event_tag": ["a"], "predicted_ltv": True}
    assert "custom_data" not in payload(properties=wrong)
    assert payload(properties={"predicted_ltv": "9.5"})["custom_data"] == {"predicted_ltv": 9.5}


def test_an_item_without_an_id_is_counted_but_not_sent() -> None:
    custom = payload(contents=[{"name": "Gift", "quantity": 1}, {"id": "1", "quantity": 2, "category": "Toys"}])
    assert custom["custom_data"] == {
        "num_items": 3,
        "content_ids": ["1"],
        "content_name": "Gift",
        "content_category": "Toys",
        "contents": [{"id": "1", "quantity": 2}],
    }


def a_log(event: Any, status: Any = "INVALID", **more: Any) -> dict[str, Any]:
    return {"event": event, "status": status, **more}


@pytest.mark.parametrize(
    ("body", "outcomes"),
    [
        ({"status": "INVALID", "event_logs": [a_log(0)]}, [("REJECTED", True)] * 2),
        ({"status": "INVALID", "event_logs": [a_log(0, "VALID"), a_log(1, "VALID")]}, [("REJECTED", True)] * 2),
        ({"status": "VALID", "event_logs": [a_log(1)]}, [("ACCEPTED", False), ("REJECTED", False)]),
        ({"status": "VALID", "event_logs": [a_log(7), a_log(-1), a_log(True), "x"]}, [("ACCEPTED", False)] * 2),
        ({"status": "SUCCESS", "error_records": [{"record_indexes": [-1, 9]}]}, [("REJECTED", False)] * 2),
        ({"status": "PARTIAL", "error_records": [{"record_indexes": [1]}]}, [("ACCEPTED", False), ("REJECTED", False)]),
        ({"error_records": [{"record_indexes": [0]}]}, [("REJECTED", False), ("ACCEPTED", False)]),
        ({"status": "INVALID", "error_records": [{"record_indexes": [0]}]}, [("REJECTED", True)] * 2),
        ({"status": "VALID", "errors": {"codes": ["E1"]}}, [("REJECTED", False)] * 2),
        ({"status": "VALID", "errors": {"codes": [17]}}, [("REJECTED", False)] * 2),
        ({"status": "DEFERRED"}, [("REJECTED", False)] * 2),
        ({"reason": "Events have been processed successfully."}, [("REJECTED", False)] * 2),
        ({"status": "valid"}, [("ACCEPTED", False)] * 2),
        ("<!doctype html><title>Sign in</title>", [("TRANSIENT", True)] * 2),
    ],
)
def test_a_200_is_believed_only_as_far_as_its_words_go(body: Any, outcomes: list[tuple[str, bool]]) -> None:
    assert answer(body) == outcomes


def test_what_a_validation_says_of_an_event_is_told() -> None:
    errors = {"codes": ["E1"], "error_msgs": ["value is missing", "currency is missing"]}
    logs = [a_log(0, "VALID", warnings=["event_source_url is missing"]), a_log(1, errors=errors)]
    body = {"status": "INVALID", "test_event": True, "reason": "…", "event_logs": logs}
    first, second = snapchat().outcomes(Response(status=200, body=body), 2)
    assert first.summary == "accepted: event_source_url is missing"
    assert second.summary == "rejected: E1: value is missing; currency is missing"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"reason": "no", "errors": {"codes": [], "error_msgs": ["no", "why"]}}, "no; why"),
        *(("Bad Request", "Bad Request"), ({}, ""), ([], ""), ({"reason": None, "errors": []}, "")),
        ({"errors": {"codes": "E1", "error_msgs": [None, 7]}}, ""),
    ],
)
def test_the_message_is_found_wherever_snapchat_puts_it(body: Any, message: str) -> None:
    assert snapchat().error(body) == ("", message)


@pytest.mark.parametrize(
    "body",
    [
        *({"status": "INVALID", "reason": reason} for reason in ("event_time is missing", "the tokenizer failed")),
        {"status": "INVALID", "event": 0, "reason": "contents[0].id 'tokens-100' is invalid"},
    ],
)
def test_a_400_that_speaks_of_no_token_is_a_refusal(body: Any) -> None:
    (outcome,) = snapchat().outcomes(Response(status=400, body=body), 1)
    assert outcome.verdict is Verdict.REJECTED


@pytest.mark.parametrize(
    "body",
    [
        *("Invalid token", ["Invalid token"], {"message": "Invalid token"}, {"error": {"message": "token expired"}}),
        *({"reason": said} for said in ("Invalid access_token", "invalid_token", "accessToken is invalid")),
        *({"debug_message": "Unauthorized"}, {"errors": {"codes": ["INVALID_TOKEN"], "error_msgs": []}}),
        {"errors": {"error_msgs": "Token expired"}},
    ],
)
def test_a_400_that_speaks_of_the_token_is_about_the_account(body: Any) -> None:
    (outcome,) = snapchat().outcomes(Response(status=400, body=body), 1)
    assert outcome.verdict is Verdict.CREDENTIALS


def test_a_success_that_is_no_json_is_warned_of() -> None:
    network = snapchat()
    assert network.warning(Response(status=200, body="ok")) == "the answer is no JSON; taken for a success"
    silent = [Response(status=200), Response(status=200, body={"status": "VALID"}), Response(status=500, body="oh")]
    assert [network.warning(response) for response in silent] == ["", "", ""]


def test_match_keys_are_named_never_told() -> None:
    postback = prepare(an_account("snapchat"), a_snap(ScCid="click-1", ip_address="8.8.8.8"), NOW)
    assert postback.facts.match_keys == ",".join(json.loads(postback.payload)["user_data"])
    assert postback.facts.match_keys == "em,client_ip_address,sc_click_id"


@pytest.mark.parametrize("name", ["ScCid", "sccid", "SCCID", "Sccid"])
def test_a_click_id_is_read_from_a_url_in_any_case_of_its_name(name: str) -> None:
    snap = an_account("snapchat").network
    assert snap is not None
    assert snap.click(a_snap(landing_url=f"/?x=1&{name}=click%2D1#top")) == ("sc_click_id", "click-1")
    assert snap.click(a_snap(landing_url=f"/?{name}=__CLICKID__&my{name}=2")) is None
