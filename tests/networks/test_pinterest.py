"""What is particular to Pinterest and stands in no table of its vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from conftest import COLUMNS, NOW, a_conversion, a_record, an_account

from target_adpostbacks.config import InvalidConfig
from target_adpostbacks.core.answers import Response, Skip
from target_adpostbacks.core.match_keys import sha256
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.networks.pinterest import Pinterest
from target_adpostbacks.rules.rule import rules_of
from target_adpostbacks.sandbox import Sandbox

MAIL = {"email": "abc@gmail.com"}
PROCESSED = {"status": "processed", "error_message": "", "warning_message": ""}
FAILED = {"status": "failed", "error_message": "Invalid event_name", "warning_message": None}


def pinterest(**settings: Any) -> Pinterest:
    network = an_account("pinterest", **settings).network
    assert isinstance(network, Pinterest)
    return network


def a_pin(**columns: Any) -> Any:
    return a_conversion(**{"network": "pinterest", "ttclid": None, "event_name": "sign_up", **MAIL, **columns})


def ready(**columns: Any) -> Postback:
    return prepare(an_account("pinterest"), a_pin(**columns), NOW)


def payload(network: Any = None, **columns: Any) -> Any:
    return (network or pinterest()).payload(a_pin(**columns))


def in_the_app(**columns: Any) -> Any:
    return payload(**{"event_source": "app", "platform": "ios", **columns})


def verdicts(body: Any, count: int = 2, status: int = 200) -> list[tuple[str, str, bool]]:
    outcomes = pinterest().outcomes(Response(status=status, body=body), count)
    return [(outcome.verdict.name, outcome.reason, outcome.shared) for outcome in outcomes]


def counted(events: Any, processed: Any, received: Any = 2) -> Any:
    return {"num_events_received": received, "num_events_processed": processed, "events": events}


def test_a_request_is_the_one_of_the_documentation() -> None:
    """https://developers.pinterest.com/docs/api-features/track-conversions/, the example of a web checkout."""
    conversion = a_pin(
        event_name="purchase",
        event_id="eventId0001",
        event_time=1795176062,
        event_source_url="https://www.my-clothing-shop.org/",
        email="abc@gmail.com",
        ip_address="203.0.113.7",
        user_agent="Mozilla/5.0",
        opt_out=False,
        language="en",
        value=72.39,
        currency="USD",
        order_id="my_order_id",
        contents=[{"id": "pid1", "quantity": 1, "price": 72.39}],
    )
    network = pinterest()
    request = network.request(network.envelope(conversion), [network.payload(conversion)])
    assert request.url == "https://api.pinterest.com/v5/ad_accounts/549755885175/events"
    assert request.query == {}
    assert request.headers["Authorization"] == "Bearer pina_example-access-token"
    assert request.body == {
        "data": [
            {
                "event_name": "checkout",
                "action_source": "web",
                "event_time": 1795176062,
                "event_id": "eventId0001",
                "event_source_url": "https://www.my-clothing-shop.org/",
                "opt_out": False,
                "language": "en",
                "user_data": {
                    "em": [sha256("abc@gmail.com")],
                    "client_ip_address": "203.0.113.7",
                    "client_user_agent": "Mozilla/5.0",
                },
                "custom_data": {
                    "currency": "USD",
                    "value": "72.39",
                    "order_id": "my_order_id",
                    "num_items": 1,
                    "content_ids": ["pid1"],
                    "contents": [{"id": "pid1", "item_price": "72.39", "quantity": 1}],
                },
            }
        ]
    }


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"ad_account_id": "My account"}, "ad_account_id: digits only, 18 at most"),
        ({"ad_account_id": "549-755"}, "ad_account_id: digits only, 18 at most"),
        ({"ad_account_id": "5" * 19}, "ad_account_id: digits only, 18 at most"),
        ({"ad_account_id": "٥٤٩٧"}, "ad_account_id: digits only, 18 at most"),
        ({"access_token": "pina two"}, "access_token: contains white space or a character that cannot"),
        ({"partner_name": "Acme"}, "partner_name: ss- and lower-case letters or digits, or direct"),
        ({"partner_name": "ss-Acme"}, "partner_name: ss- and lower-case letters or digits, or direct"),
        ({"default_phone_country_code": "033"}, "default_phone_country_code: one to three digits without leading 0"),
    ],
)
def test_a_setting_of_the_wrong_form_is_a_mistake(settings: dict[str, Any], mistake: str) -> None:
    with pytest.raises(InvalidConfig) as invalid:
        pinterest(**settings)
    (said,) = invalid.value.mistakes
    assert said.startswith(f"pinterest.accounts.default.{mistake}")


def test_spaces_around_the_account_go_and_an_unusual_token_is_taken_with_a_hint() -> None:
    assert pinterest(ad_account_id=" 549755885175 ").settings.ad_account_id == "549755885175"
    assert not list(pinterest(partner_name="ss-acme").settings.hints())
    hint = "access_token: does not begin with pina_; was it copied whole?"
    assert list(pinterest(access_token="EAAB").settings.hints()) == [hint]


def test_a_name_that_pinterest_does_not_have_is_taken_with_a_hint() -> None:
    network = pinterest(event_map={"raid": "Raid", "vip": "subscribe", "clan": None})
    hint = "event_map.raid: not one of Pinterest's names; it is sent as custom, without its name"
    assert list(network.settings.hints()) == [hint]
    assert network.event(a_pin(event_name="raid")) == "custom"


def test_store_events_may_be_older_and_are_never_sent_again_after_no_answer() -> None:
    network = pinterest()
    ages = {source: network.age_limit(a_pin(event_source=source)).days for source in ("web", "app", "offline", "crm")}
    assert ages == {"web": 7, "app": 7, "offline": 28, "crm": 28}
    assert pinterest(max_event_age_days=40).age_limit(a_pin(event_source="web")) == timedelta(days=40)
    resend = {source: ready(event_source=source).resend_seconds for source in ("web", "offline", "crm")}
    assert resend == {"web": 48 * 3600, "offline": None, "crm": None}
    assert ready(event_source="app", platform="ios").resend_seconds == 48 * 3600


@pytest.mark.parametrize(
    ("settings", "columns", "source"),
    [
        ({}, {}, "web"),
        ({"default_event_source": "offline"}, {}, "offline"),
        ({"default_event_source": "app_android"}, {}, "app_android"),
        ({"default_event_source": "app_ios"}, {"event_source": "app"}, "app_ios"),
        ({"default_event_source": "app_ios"}, {"event_source": "crm"}, "offline"),
        ({"default_event_source": "app_ios"}, {"platform": "android"}, "app_android"),
        ({"default_event_source": "app_ios", "defaults": {"event_source": "web"}}, {}, "web"),
    ],
)
def test_a_record_that_does_not_say_where_it_happened_has_the_accounts_default(
    settings: dict[str, Any], columns: dict[str, Any], source: str
) -> None:
    sections = {"pinterest": [an_account("pinterest", **settings)]}
    names = {"pinterest": "pinterest"}
    preparation = Preparation(sections, COLUMNS, names, rules_of(sections, COLUMNS))
    record = a_record(network="pinterest", **MAIL, **columns)
    (postback,) = preparation.prepare(record, NOW, stream="orders").postbacks
    assert json.loads(postback.payload)["action_source"] == source


def test_a_test_says_so_in_the_query_and_needs_no_code() -> None:
    network = pinterest()
    envelopes = [network.envelope(a_pin(test=test)) for test in (True, False)]
    assert [network.request(envelope, [{}]).query for envelope in envelopes] == [{"test": "true"}, {}]
    assert [network.limits(envelope).events for envelope in envelopes] == [20, 1000]


@pytest.mark.parametrize(
    ("columns", "source"),
    [
        *(({"platform": platform}, "app_ios") for platform in ("ios", "iOS", "iPadOS", "iphone")),
        ({"platform": "Android"}, "app_android"),
        *(({"platform": platform}, None) for platform in ("windows", "roku", None)),
    ],
)
def test_an_app_event_is_one_of_ios_or_of_android(columns: dict[str, Any], source: str | None) -> None:
    if source:
        event = in_the_app(**columns)
        assert (event["action_source"], "app_" + event["device_info"]["os_family"]) == (source, source)
        return
    with pytest.raises(Skip, match="unsupported"):
        in_the_app(**columns)


@pytest.mark.parametrize(
    ("columns", "opt_out"),
    [
        *(({"att_status": status}, True) for status in ("denied", "RESTRICTED", 1, 2, False)),
        *(({"att_status": status}, False) for status in ("authorized", "Authorized", 3)),
        *(({"att_status": status}, None) for status in ("not_determined", "", 0)),
        ({"att_status": "authorized", "opt_out": True}, True),
        ({"att_status": "denied", "opt_out": False}, True),
        ({"opt_out": False}, False),
        ({"event_source": "web", "att_status": "denied"}, None),
    ],
)
def test_who_refused_tracking_anywhere_has_opted_out(columns: dict[str, Any], opt_out: bool | None) -> None:
    assert in_the_app(**columns).get("opt_out") is opt_out


def test_the_tracking_flag_goes_only_where_it_is_switched_on() -> None:
    assert "advertiser_tracking_enabled" not in in_the_app(att_status="authorized")
    network = pinterest(send_advertiser_tracking=True)
    flags = [
        payload(network, event_source="app", **columns).get("advertiser_tracking_enabled")
        for columns in ({"platform": "ios", "att_status": "3"}, {"platform": "ios"}, {"platform": "android"})
    ]
    assert flags == [True, False, True]
    assert "advertiser_tracking_enabled" not in payload(network)


def test_several_advertising_ids_are_sent_once_each_whatever_the_source() -> None:
    ids = {"idfa": "CDDA802E-FB9C-47AD-9866-0794D394C912", "gaid": "38400000-8cf0-11bd-b23e-10b96e40000d"}
    sent = payload(**ids, advertising_id=ids["idfa"].lower(), event_source="offline", email=None)
    assert sent["user_data"] == {"hashed_maids": [sha256(ids["idfa"].lower()), sha256(ids["gaid"])]}


def test_of_the_properties_only_those_that_pinterest_names_are_sent() -> None:
    named = {"content_name": 7, "content_category": "Toys", "content_brand": "Acme", "predicted_ltv": "1e-7"}
    custom = payload(properties={**named, "np": "acme", "opt_out_type": "LDP", "clan": "red"})["custom_data"]
    assert custom == {**named, "content_name": "7", "predicted_ltv": "0.0000001"}
    wrong = {"content_name": ["a"], "content_category": {}, "content_brand": True, "predicted_ltv": "much"}
    assert "custom_data" not in payload(properties=wrong)


def test_an_item_without_an_id_is_counted_but_not_sent() -> None:
    custom = payload(contents=[{"name": "Gift", "quantity": 1}, {"id": "1", "quantity": 2, "price": 0}])["custom_data"]
    assert custom == {"num_items": 3, "content_ids": ["1"], "contents": [{"id": "1", "item_price": "0", "quantity": 2}]}


def test_what_pinterest_would_find_too_long_is_left_out_of_an_app() -> None:
    app = {"app_id": "1" * 201, "app_name": "x" * 200, "app_version": "1" * 101}
    assert in_the_app(**app)["app_info"] == {"app_name": "x" * 200}


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"gender": "x"}, ["gender: not m, f or n, nor male, female or non-binary"]),
        *(({"gender": gender}, []) for gender in ("N", "non-binary", "n/a", sha256("n"), None)),
        ({"phone": "5105550011"}, []),
    ],
)
def test_a_gender_that_pinterest_does_not_have_is_told(columns: dict[str, Any], told: list[str]) -> None:
    conversion = a_pin(**columns)
    sent = prepare(an_account("pinterest"), conversion, NOW).facts.match_keys.split(",")
    assert [*pinterest().unusable(conversion, sent)] == told


@pytest.mark.parametrize(
    ("columns", "note"),
    [
        ({}, "sent without external_id and click_id, which Pinterest recommends"),
        ({"epik": "dj0y"}, "sent without external_id, which Pinterest recommends"),
        ({"external_id": "7"}, "sent without click_id, which Pinterest recommends"),
        ({"external_id": "7", "epik": "dj0y"}, ""),
        ({"event_source": "offline"}, "sent without external_id, which Pinterest recommends"),
    ],
)
def test_a_match_key_that_pinterest_recommends_and_does_not_get_is_noted(columns: dict[str, Any], note: str) -> None:
    assert ready(**columns).note == note


REJECTED, ACCEPTED = ("REJECTED", "", False), ("ACCEPTED", "", False)
DOUBTED = ("REJECTED", "unconfirmed", False)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (counted([PROCESSED, PROCESSED], 1), [ACCEPTED, ACCEPTED]),
        (counted([PROCESSED, PROCESSED], 0), [DOUBTED, DOUBTED]),
        (counted([PROCESSED, PROCESSED], 3), [DOUBTED, DOUBTED]),
        (counted([FAILED, PROCESSED], 2), [REJECTED, DOUBTED]),
        (counted([PROCESSED, PROCESSED], None), [ACCEPTED, ACCEPTED]),
        (counted([PROCESSED], 2), [ACCEPTED, ACCEPTED]),
        (counted([PROCESSED], 1), [DOUBTED, DOUBTED]),
        (counted([PROCESSED] * 3, 3, 3), [DOUBTED, DOUBTED]),
        (counted([PROCESSED, {"status": "queued"}], 1), [ACCEPTED, DOUBTED]),
        (counted([{"status": ["processed"]}, {}], 0), [DOUBTED, DOUBTED]),
        (counted([PROCESSED, None], True), [DOUBTED, DOUBTED]),
        (counted(None, "2"), [DOUBTED, DOUBTED]),
        (counted(None, 2, None), [DOUBTED, DOUBTED]),
        ({"code": 5, **counted([PROCESSED, PROCESSED], 2)}, [("REJECTED", "", True)] * 2),
    ],
)
def test_a_200_is_believed_only_as_far_as_its_words_and_counts_agree(body: Any, expected: list[Any]) -> None:
    assert verdicts(body) == expected


@pytest.mark.parametrize("details", [None, [], "no", {"events": [PROCESSED]}, {"events": [PROCESSED, "x"]}])
def test_a_422_that_does_not_name_every_event_is_halved(details: Any) -> None:
    assert verdicts({"code": 1, "message": "m", "details": details}, status=422) == [("REJECTED", "", True)] * 2


def test_warnings_are_told_but_for_those_that_every_event_gets() -> None:
    usual = "external_id is missing. We highly recommend this on all events. ; click_id is missing"
    events = [{**PROCESSED, "warning_message": text} for text in (usual, f"{usual}; event_time is late", "odd", None)]
    response = Response(status=200, body=counted(events, 4, 4))
    assert [outcome.message for outcome in pinterest().outcomes(response, 4)] == ["", "event_time is late", "odd", ""]
    assert pinterest().warning(response) == "event_time is late; odd"
    silent = [Response(status=200), Response(status=200, body=[]), Response(status=200, body={"events": [7]})]
    assert [pinterest().warning(response) for response in silent] == ["", "", ""]


def test_the_id_of_a_request_and_when_to_come_again_are_in_the_headers() -> None:
    headers = {"x-pinterest-rid": "123", "x-ratelimit-reset": "58"}
    assert pinterest().request_id(Response(status=200, headers=headers)) == "123"
    assert pinterest().retry_after(Response(status=429, headers=headers)) == "58"
    assert pinterest().retry_after(Response(status=200, headers=headers)) == ""


@pytest.mark.parametrize(
    ("body", "verdict"),
    [(None, "NO_ANSWER"), ('{"num_events_received": 1, "nu', "NO_ANSWER"), ("<html>", "TRANSIENT")],
)
def test_a_success_that_is_empty_or_cut_off_is_a_doubt(body: Any, verdict: str) -> None:
    (outcome,) = pinterest().outcomes(Response(status=200, body=body), 1)
    assert outcome.verdict.name == verdict


# Against the sandbox.


def exchange(sandbox: Sandbox, conversions: Sequence[Any], **settings: Any) -> list[str]:
    """What a request for these conversions is answered, for each."""
    account = an_account("pinterest", base_url=sandbox.url, **settings)
    assert account.network is not None
    postbacks = [prepare(account, conversion, NOW) for conversion in conversions]
    payloads = [msgspec.Raw(postback.payload) for postback in postbacks]
    response = HttpTransport()(account.network.request(postbacks[0].envelope, payloads), 60)
    return [outcome.summary for outcome in account.network.outcomes(response, len(postbacks))]


def test_a_bad_event_is_refused_alone_and_the_sandbox_takes_the_others(sandbox: Sandbox) -> None:
    conversions = [a_pin(event_id=event_id) for event_id in ("a", "b", "c")]
    sandbox.faults = [{"refuse_event_id": "b", "times": 1}, {"refuse_event_id": "b", "silent": True}]
    assert exchange(sandbox, conversions) == ["accepted", "rejected: Invalid event: refused by a fault", "accepted"]
    assert [event["event_id"] for event in sandbox.received] == ["a", "c"]
    sandbox.reset()
    sandbox.faults = [{"refuse_event_id": "b", "silent": True}]
    assert {*exchange(sandbox, conversions)} == {"rejected: 422001: Not all events were successfully processed."}
    assert sandbox.received == []
    sandbox.faults = []


def test_a_test_is_kept_apart_and_offline_events_are_counted_each_time(sandbox: Sandbox) -> None:
    for _ in range(2):
        exchange(sandbox, [a_pin(event_id="t", test=True)])
        exchange(sandbox, [a_pin(event_id="w"), a_pin(event_id="o", event_source="offline")])
    assert [(event["event_id"], event["times"]) for event in sandbox.test_events] == [("t", 2)]
    assert [(event["event_id"], event["times"]) for event in sandbox.received] == [("w", 2), ("o", 1), ("o", 1)]


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("pina_revoked", "credentials: 2: Authentication failed."),
        ("pina_forbidden", "credentials: 29: You are not permitted to access that resource."),
    ],
)
def test_a_token_that_is_refused_is_told_as_that(sandbox: Sandbox, token: str, told: str) -> None:
    assert exchange(sandbox, [a_pin()], access_token=token) == [told]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("not_found", "credentials: 2: AdAccount not found."),
        ("rate_limited", "throttled: 8: This request exceeded a rate limit."),
        ("ramped_down", "transient: 4197: This endpoint is ramped down."),
        ("bad_request", "rejected: 4196: The request was invalid."),
        ("none_processed", "rejected: Invalid event: refused by a fault"),
        ("partly_unprocessable", "rejected: Invalid event: refused by a fault"),
    ],
)
def test_the_sandboxs_errors_are_read(sandbox: Sandbox, error: str, told: str) -> None:
    sandbox.faults = [{"network": "pinterest", "error": error}]
    assert exchange(sandbox, [a_pin()]) == [told]
    sandbox.faults = []


def test_a_wrong_count_is_no_success(sandbox: Sandbox) -> None:
    sandbox.faults = [{"network": "pinterest", "wrong_count": 0}]
    assert exchange(sandbox, [a_pin()]) == ["rejected: 0 of 1 processed, other than listed"]
    sandbox.faults = []


def test_match_keys_are_named_never_told() -> None:
    postback = ready(ip_address="8.8.8.8", user_agent="Mozilla/5.0", event_source_url="https://a.example/?epik=dj0y")
    assert postback.facts.match_keys == ",".join(json.loads(postback.payload)["user_data"])
    assert postback.facts.match_keys == "em,client_ip_address,client_user_agent,click_id"
    assert postback.key.event_name == "sign_up"
    assert datetime.fromtimestamp(json.loads(postback.payload)["event_time"], timezone.utc) < NOW
