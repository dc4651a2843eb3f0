"""What is particular to OpenAI Ads and stands in no table of its vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.config import InvalidConfig
from target_adpostbacks.core.answers import Response, Skip
from target_adpostbacks.core.match_keys import sha256
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.networks.openai_ads import OpenAIAds, custom_name, minor_units
from target_adpostbacks.sandbox import Sandbox

PAGE = "https://shop.example.com/done"
ITEM = {"id": "sku", "price": 5}


def openai(**settings: Any) -> OpenAIAds:
    network = an_account("openai_ads", **settings).network
    assert isinstance(network, OpenAIAds)
    return network


def an_event(**columns: Any) -> Any:
    usual = {"network": "openai_ads", "ttclid": None, "email": "ada@example.com", "event_source_url": PAGE}
    return a_conversion(**{**usual, **columns})


def ready(*, settings: Any = None, **columns: Any) -> Postback:
    return prepare(an_account("openai_ads", **(settings or {})), an_event(**columns), NOW)


def payload(**columns: Any) -> Any:
    return json.loads(ready(**columns).payload)


def outcome(body: Any, status: int = 200, count: int = 2) -> tuple[str, str, str, bool]:
    first, *others = openai().outcomes(Response(status=status, body=body), count)
    assert others == [first] * (count - 1)
    return first.verdict.name, first.reason, first.message, first.shared


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        *(({"pixel_id": value}, "pixel_id: 4 to 80 letters, digits, _ or -") for value in ("abc", "x" * 81, "a b c d")),
        *(({"api_key": value}, "api_key: contains white space") for value in ("sk-a b", "sk-a\u200bb", "sk-a\x00")),
        *(({"default_currency": value}, "default_currency: three capital letters") for value in ("eur", "EURO", "€")),
        *(
            ({"integration_source": value}, "integration_source: up to 64 letters")
            for value in ("my shop", "-shop", "x" * 65)
        ),
        ({"default_phone_country_code": "033"}, "default_phone_country_code: one to three digits without leading 0"),
    ],
)
def test_a_setting_of_the_wrong_form_is_a_mistake(settings: dict[str, Any], mistake: str) -> None:
    with pytest.raises(InvalidConfig) as invalid:
        openai(**settings)
    (said,) = invalid.value.mistakes
    assert said.startswith(f"openai_ads.accounts.default.{mistake}")
    assert not [value for value in settings.values() if len(value) > 5 and value in said]


def test_a_key_of_an_unusual_form_is_taken_with_a_hint() -> None:
    assert not list(openai().settings.hints())
    hint = "api_key: does not begin with sk-; is it a conversion key, and copied whole?"
    assert list(openai(api_key="key-1").settings.hints()) == [hint]


def test_a_name_that_openai_does_not_take_is_told_before_it_is_used() -> None:
    names = {"raid": "attribution_appended", "vip": "VIP Level", "clan": None, "win": "order_created", "chat": "!"}
    hints = list(openai(event_map=names).settings.hints())
    assert hints == [
        f"event_map.{event}: no name that OpenAI takes; such events are skipped, unsupported"
        for event in ("raid", "chat")
    ]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("VIP Upgrade!", "vip_upgrade"),
        ("__vip--", "vip"),
        ("a", "a"),
        ("7th-day", "7th-day"),
        ("Größe", "gr__e"),
        ("x" * 64, "x" * 64),
        ("x" * 63 + "!", "x" * 63),
        *(
            (name, None)
            for name in ("x" * 65, "", "é", "-_-", "custom", "Order Created", "order_created", "APP_OPENED")
        ),
    ],
)
def test_a_name_of_your_own_gets_the_form_that_openai_takes(name: str, sent: str | None) -> None:
    assert custom_name(name) == sent


def test_an_app_event_elsewhere_says_what_to_do() -> None:
    with pytest.raises(Skip) as skip:
        openai().event(an_event(event_name="app_opened"))
    assert (skip.value.reason, skip.value.message.partition(" ")[0]) == ("unsupported", "app_opened")
    assert openai().event(an_event(event_name="app_opened", event_source="app")) == "app_opened"


@pytest.mark.parametrize(
    ("major", "currency", "minor"),
    [
        *((19.99, "USD", 1999), (1.005, "USD", 101), (0.1 + 0.2, "USD", 30), (4.35, "EUR", 435), (1e15, "KWD", 10**18)),
        *(
            (1e-7, "USD", 0),
            (0.5, "JPY", 1),
            (2, "USD", 200),
            (1.0005, "BHD", 1001),
            (None, "USD", None),
            (1, None, None),
        ),
    ],
)
def test_money_is_counted_in_whole_units_by_decimal_arithmetic(
    major: float | None, currency: str | None, minor: int | None
) -> None:
    assert minor_units(major, currency) == minor


def test_the_ledger_has_the_value_that_was_sent() -> None:
    postback = ready(settings={"default_currency": "CHF"}, contents=[{**ITEM, "quantity": 2}])
    assert (postback.facts.value, postback.facts.currency) == (10, "CHF")
    assert json.loads(postback.payload)["data"]["amount"] == 1000
    alone = ready(value=5)
    assert (alone.facts.value, alone.facts.currency) == (None, None)


def test_match_keys_are_named_with_the_click_id_and_never_told() -> None:
    postback = ready(oppref="opp", obref="obr", ip_address="8.8.8.8", city="Bern")
    assert postback.facts.match_keys == "emails_sha256,cities,obref,ip_address,oppref"
    settings = {"require_strong_id": False}
    assert ready(settings=settings, email=None).facts.match_keys == ""


EXACT = " Opp\u200bRef+%2B "


@pytest.mark.parametrize(
    "columns",
    [
        {"oppref": EXACT},
        {"click_id": EXACT},
        {"click_id": EXACT, "network": "ChatGPT Ads "},
        {"click_id": EXACT, "value": "5", "user": {"email": "ada@example.com"}, "email": None},
        {"CLICK_ID": EXACT},
        {"click_id": "other", "oppref": EXACT},
        {"event_source_url": f"{PAGE}?a=1&oppref={quote(EXACT)}"},
        {"landing_url": f"{PAGE}?oppref={quote(EXACT)}#top"},
    ],
    ids=str,
)
def test_an_oppref_goes_byte_for_byte_wherever_it_comes_from(columns: dict[str, Any]) -> None:
    assert payload(**columns)["oppref"] == EXACT


def test_white_space_is_no_oppref_and_belongs_to_no_other_networks_click_id() -> None:
    assert "oppref" not in payload(oppref=" ", event_source_url=f"{PAGE}?oppref=%20")
    assert an_event(click_id=" abc ", network="tiktok").click_id == "abc"
    assert not an_event(click_id=" abc ", network="tiktok").ids


def test_what_is_hashed_is_not_sent_where_the_plain_text_is_wanted() -> None:
    digest = sha256("bern")
    sent = payload(city=digest, state=digest, postal_code=digest, country=digest, first_name=digest)["user"]
    assert sent == {"emails_sha256": [sha256("ada@example.com")], "first_names_sha256": [digest]}


@pytest.mark.parametrize("source", ["app", "offline", "crm"])
def test_only_a_web_event_has_a_page(source: str) -> None:
    assert "source_url" in payload()
    assert "source_url" not in payload(event_source=source)


def test_a_custom_event_takes_properties_but_nothing_that_identifies_and_no_name_that_means_something() -> None:
    own = {"tier": "gold", "deep": {"seats": 3, "email": "x@example.com"}}
    identity = {
        **dict.fromkeys(("Emails_SHA256", "external_ids_sha256", "first_names_sha256", "postal_codes", "oppref"), "x"),
        **dict.fromkeys(("obref", "android_advertising_id", "countries", "ip_address", "user"), "x"),
    }
    names = ("type", "amount", "currency", "contents", "plan_id", "custom_event_name", "opt_out")
    meant = {name: {"x": 1} for name in names}
    data = payload(event_name="vip", properties={**own, **identity, **meant, "said": "to ADA@example.com"})["data"]
    assert data == {"tier": "gold", "deep": {"seats": 3}, "type": "custom"}


def test_properties_go_with_no_other_event_but_a_plan_has_its_id() -> None:
    columns = {"properties": {"plan_id": "pro", "tier": "gold"}}
    assert payload(event_name="subscribe", **columns)["data"] == {"type": "plan_enrollment", "plan_id": "pro"}
    assert payload(event_name="lead", **columns)["data"] == {"type": "customer_action"}
    assert payload(event_name="page_view", **columns)["data"] == {"type": "contents"}


def test_a_moment_keeps_its_milliseconds() -> None:
    assert payload(event_time="2026-11-20T12:00:00.999999Z")["timestamp_ms"] == 1795176000999
    assert payload(event_time="2026-11-20T12:00:00.001Z")["timestamp_ms"] == 1795176000001


def test_a_test_goes_apart_and_stores_nothing() -> None:
    live, test = ready(), ready(test=True)
    requests = [openai().request(postback.envelope, [{}]).body for postback in (live, test)]
    assert [body["validate_only"] for body in requests] == [False, True]
    assert live.payload == test.payload


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"accepted_events": 2}, ("ACCEPTED", "", "", False)),
        ({"accepted_events": 3}, ("ACCEPTED", "", "", False)),
        ({"accepted_events": 1}, ("REJECTED", "unconfirmed", "1 of 2 accepted, not which", False)),
        ({"accepted_events": True}, ("REJECTED", "unconfirmed", "not said how many of 2 accepted, not which", False)),
        ({"accepted_events": None}, ("ACCEPTED", "", "", False)),
        ({"errors": [{"index": 0}]}, ("REJECTED", "", "2xx with an error", True)),
        ({"error": "no"}, ("REJECTED", "", "no", True)),
        ([], ("ACCEPTED", "", "", False)),
        (False, ("ACCEPTED", "", "", False)),
        ("ok", ("ACCEPTED", "", "", False)),
        ({"code": 200}, ("ACCEPTED", "", "", False)),
        ({"accepted_events": "2"}, ("ACCEPTED", "", "", False)),
        ({"accepted_events": "1"}, ("REJECTED", "unconfirmed", "1 of 2 accepted, not which", False)),
        ({"accepted_events": "²"}, ("REJECTED", "unconfirmed", "not said how many of 2 accepted, not which", False)),
        (" <!doctype html>", ("TRANSIENT", "", "a web page, no answer", True)),
        ('{"accepted_ev', ("TRANSIENT", "", "half an answer", True)),
        ('[{"', ("TRANSIENT", "", "half an answer", True)),
    ],
)
def test_a_2xx_is_a_success_unless_it_counts_fewer_or_names_an_error(body: Any, expected: tuple[Any, ...]) -> None:
    assert outcome(body) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "a"}, "message": "b"}, "a"),
        ({"error": {"type": "x"}, "message": "b"}, "b"),
        ({"message": "b"}, "b"),
        ("plain", "plain"),
        ({"error": ["x"]}, ""),
        (["x"], ""),
        (None, ""),
    ],
)
def test_an_error_says_why_wherever_it_says_it(body: Any, message: str) -> None:
    assert outcome(body, status=400) == ("REJECTED", "", message, True)


def test_a_missing_scope_is_told_as_a_key_of_another_api() -> None:
    advice = OpenAIAds.advice_on("", 401, "You have insufficient permissions. Missing scopes: ads.x.write")
    assert "another API" in advice
    assert "revoked" in OpenAIAds.advice_on("invalid_api_key", 401, "Incorrect API key provided.")


# Against the sandbox.


def exchange(sandbox: Sandbox, conversions: Sequence[Any], **settings: Any) -> list[str]:
    """What a request for these conversions is answered, for each."""
    account = an_account("openai_ads", base_url=sandbox.url, **settings)
    assert account.network is not None
    postbacks = [prepare(account, conversion, NOW) for conversion in conversions]
    payloads = [msgspec.Raw(postback.payload) for postback in postbacks]
    response = HttpTransport()(account.network.request(postbacks[0].envelope, payloads), 60)
    return [outcome.summary for outcome in account.network.outcomes(response, len(postbacks))]


def test_one_bad_event_refuses_them_all_and_is_not_named(sandbox: Sandbox) -> None:
    sandbox.faults = [{"refuse_event_id": "b"}]
    told = "rejected: invalid_request: Invalid event: refused by a fault"
    assert exchange(sandbox, [an_event(event_id=name) for name in "abc"]) == [told] * 3
    assert sandbox.received == []
    sandbox.faults = []


def test_an_id_counts_once_for_each_event_and_custom_name(sandbox: Sandbox) -> None:
    names = ("purchase", "page_view", "vip", "raid")
    for _ in range(2):
        exchange(sandbox, [an_event(event_name=name) for name in names])
    assert [(event["event"], event["times"]) for event in sandbox.received] == [
        *(("order_created", 2), ("page_viewed", 2), ("vip", 2), ("raid", 2))
    ]


def test_a_test_is_checked_and_not_counted(sandbox: Sandbox) -> None:
    assert exchange(sandbox, [an_event(test=True)]) == ["accepted"]
    assert (len(sandbox.test_events), sandbox.received) == (1, [])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"api_key": "sk-revoked"}, "credentials: invalid_api_key: Incorrect API key provided."),
        ({"api_key": "sk-forbidden"}, "credentials: missing_scope: You have insufficient permissions"),
    ],
)
def test_a_key_that_is_refused_is_told_as_that(sandbox: Sandbox, settings: dict[str, Any], told: str) -> None:
    (said,) = exchange(sandbox, [an_event()], **settings)
    assert said.startswith(told)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("not_found", "rejected: not_found: Not found"),
        ("rate_limited", "throttled: rate_limited: Too many requests"),
        ("overloaded", "transient: overloaded: The server is overloaded."),
        ("error_with_200", "rejected: invalid_event: Invalid event"),
        ("message_alone", "rejected: Invalid request body"),
        ("bad_gateway", "transient: <html><body>Bad Gateway</body></html>"),
    ],
)
def test_the_sandboxs_errors_are_read(sandbox: Sandbox, error: str, told: str) -> None:
    sandbox.faults = [{"network": "openai_ads", "error": error}]
    assert exchange(sandbox, [an_event()]) == [told]
    sandbox.faults = []


def test_a_smaller_count_is_no_success(sandbox: Sandbox) -> None:
    sandbox.faults = [{"network": "openai_ads", "wrong_count": 1}]
    assert exchange(sandbox, [an_event(), an_event(event_id="b")]) == ["rejected: 1 of 2 accepted, not which"] * 2
    sandbox.faults = []


def test_a_request_to_no_pixel_is_refused(sandbox: Sandbox) -> None:
    account = an_account("openai_ads", base_url=sandbox.url)
    assert account.network is not None
    request = account.network.request({}, [msgspec.Raw(ready().payload)])
    response = HttpTransport()(msgspec.structs.replace(request, query={}), 60)
    assert (response.status, response.body["error"]["message"]) == (400, "Missing required field: pid")
