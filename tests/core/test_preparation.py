"""Record → Prepared: pure, picklable, and in one order."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from conftest import COLUMNS, NOW, a_record, an_account
from msgspec.structs import replace

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Elsewhere, Skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.postback import Facts
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.core.ways import Rule

NAMES = {"tiktok": "tiktok", "reddit": "reddit"}


def preparation(*rules: Rule, accounts: Mapping[str, list[Account]] | None = None) -> Preparation:
    return Preparation(accounts or {"tiktok": [an_account()]}, COLUMNS, NAMES, rules)


def prepared(*rules: Rule, accounts: Mapping[str, list[Account]] | None = None, **changes: Any) -> Prepared:
    return preparation(*rules, accounts=accounts).prepare(a_record(**changes), NOW, stream="orders", key=(), line=3)


def reasons(result: Prepared) -> list[tuple[str, str]]:
    return [(not_sent.account, not_sent.reason) for not_sent in result.not_sent]


def test_a_record_becomes_a_postback_for_each_of_its_accounts() -> None:
    accounts = {"tiktok": [an_account(name="eu"), an_account(name="us")]}
    result = prepared(accounts=accounts)
    assert [postback.account for postback in result.postbacks] == ["tiktok.eu", "tiktok.us"]
    assert (result.outcomes, result.not_sent, result.mistakes) == (2, [], ())


def test_records_that_are_prepared_together_come_to_what_each_comes_to_alone() -> None:
    def only_leads(_record: Mapping[str, Any], c: Conversion, account: Account) -> Conversion | Skip:
        return Elsewhere("") if account.name == "us" and c.event_name != "lead" else c

    both: dict[str, Any] = {"network": None, "rdt_cid": "r", "email": "ada@example.com"}
    changes: list[dict[str, Any]] = [
        {},
        both,
        {**both, "event_name": "lead", "email": "no address"},
        {"event_time": "no time"},
        {"_sdc_deleted_at": "2026-11-20"},
        {"network": "organic", "value": "x"},
        {"network": None, "ttclid": None, "landing_url": "https://example.com/?rdt_cid=2", "phone": ["x", "+1415"]},
        {"event_time": "2020-01-01", "email": "x"},
        {"consent": False},
    ]

    def made() -> Preparation:
        accounts = {"tiktok": [an_account(), an_account(name="us")], "reddit": [an_account("reddit")]}
        return preparation(only_leads, accounts=accounts)

    records = [a_record(**{"event_id": f"e-{at}", "ttclid": f"E.{at}", **each}) for at, each in enumerate(changes * 6)]
    together = made().prepare_all(records, NOW, stream="orders", lines=range(7, 7 + len(records)))
    assert together == [made().prepare(each, NOW, stream="orders", line=line) for line, each in enumerate(records, 7)]


OF_A_STITCHED_CLICK = ("stitched_by", "click_row")


def test_every_fact_of_a_conversion_is_kept_under_its_own_name() -> None:
    copied: dict[str, Any] = {
        "campaign_id": "c-1",
        "campaign_name": "Spring",
        "ad_group_id": "g-2",
        "ad_id": "a-3",
        "creative_id": "k-4",
        "placement": "feed",
        "value": 19.5,
        "currency": "EUR",
    }
    (postback,) = prepared(**copied, click_time="2026-11-20T09:00:00-01:00").postbacks
    assert postback.facts._asdict() == {
        **copied,
        "stream": "orders",
        "line": 3,
        "event_time": "2026-11-20T12:00:00.000+00:00",
        "network_event": "Purchase",
        "match_keys": "ttclid",
        "adjustment_time": None,
        "click_time": "2026-11-20T10:00:00.000+00:00",
        **dict.fromkeys(OF_A_STITCHED_CLICK),
    }
    assert len({*postback.facts}) == len(Facts._fields) - len(OF_A_STITCHED_CLICK)


def test_what_is_prepared_and_how_can_be_sent_to_another_process() -> None:
    original = preparation()
    copy = pickle.loads(pickle.dumps(original))
    result = copy.prepare(a_record(email="ada@example.com"), NOW, stream="orders")
    assert result == original.prepare(a_record(email="ada@example.com"), NOW, stream="orders")
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_postback_holds_no_secret_and_nothing_raw() -> None:
    account = an_account(access_token="canary-token")
    written = repr(prepared(accounts={"tiktok": [account]}, email="canary@example.com"))
    assert "canary" not in written


def test_a_record_that_is_no_conversion_says_which_field_and_never_the_value() -> None:
    result = prepared(event_time="canary")
    assert result.postbacks == []
    assert reasons(result) == [("", "invalid")]
    assert result.invalid.startswith("event_time: ")
    assert "canary" not in repr(result)


def test_a_deleted_row_is_not_sent() -> None:
    assert reasons(prepared(_sdc_deleted_at="2026-11-20T00:00:00Z")) == [("", "deleted")]


def test_a_record_for_no_account_says_so_once() -> None:
    assert reasons(prepared(network="organic")) == [("", "organic")]


def test_a_rule_may_change_a_conversion_for_one_account_and_leave_the_others() -> None:
    def double(record: Mapping[str, Any], conversion: Conversion, account: Account) -> Conversion:
        return replace(conversion, value=40.0) if account.name == "eu" else conversion

    accounts = {"tiktok": [an_account(name="eu"), an_account(name="us")]}
    result = prepared(double, accounts=accounts, value=20.0, currency="EUR")
    assert [postback.facts.value for postback in result.postbacks] == [40.0, 20.0]


def test_a_rule_may_skip_a_conversion_with_a_reason() -> None:
    def refuse(record: Mapping[str, Any], conversion: Conversion, account: Account) -> Skip:
        return Skip("suppressed", "a rule says so")

    result = prepared(refuse)
    assert reasons(result) == [("default", "suppressed")]
    assert result.not_sent[0].message == "a rule says so"


def test_a_rule_may_keep_a_conversion_from_an_account_without_a_row() -> None:
    accounts = {"tiktok": [an_account(name="eu"), an_account(name="us")]}
    result = prepared(
        lambda record, conversion, account: conversion if account.name == "us" else Elsewhere("by_rule"),
        accounts=accounts,
    )
    assert [postback.account for postback in result.postbacks] == ["tiktok.us"]
    assert (result.not_sent, result.outcomes) == ([], 1)


def test_rules_see_the_record_as_it_came_and_what_the_rule_before_made_of_it() -> None:
    seen: list[Any] = []

    def first(record: Mapping[str, Any], conversion: Conversion, account: Account) -> Conversion:
        return replace(conversion, event_name="lead")

    def second(record: Mapping[str, Any], conversion: Conversion, account: Account) -> Conversion:
        seen.extend((record["event_name"], record["margin"], conversion.event_name))
        return conversion

    prepared(first, second, margin=3)
    assert seen == ["purchase", 3, "lead"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"consent": False, "adjustment": "retract", "event_time": "2020-01-01T00:00:00Z"}, "no_consent"),
        ({"adjustment": "retract", "event_time": "2020-01-01T00:00:00Z"}, "no_adjustments"),
        ({"event_name": "lead", "event_source": "app", "event_time": "2020-01-01T00:00:00Z"}, "event_off"),
        ({"event_source": "offline", "event_time": "2020-01-01T00:00:00Z"}, "unsupported"),
        ({"event_time": "2020-01-01T00:00:00Z", "ttclid": None}, "too_old"),
        ({"ttclid": None}, "no_match_key"),
    ],
)
def test_the_first_step_that_refuses_gives_the_reason(changes: dict[str, Any], reason: str) -> None:
    account = an_account(event_map={"lead": None}, tiktok_app_id=None)
    assert reasons(prepared(accounts={"tiktok": [account]}, **changes)) == [("default", reason)]


def test_a_rule_comes_before_everything_else_about_an_account() -> None:
    def refuse(record: Mapping[str, Any], conversion: Conversion, account: Account) -> Skip:
        return Skip("suppressed")

    assert reasons(prepared(refuse, consent=False)) == [("default", "suppressed")]


def test_a_postback_that_no_request_takes_is_refused_before_it_is_sent() -> None:
    result = prepared(description="x" * 1_100_000)
    assert [(not_sent.status, not_sent.reason) for not_sent in result.not_sent] == [("rejected", "too_large")]


def test_a_mistake_of_ours_about_one_record_is_told_with_its_place_and_without_its_values() -> None:
    def broken(record: Mapping[str, Any], conversion: Conversion, account: Account) -> Conversion:
        raise KeyError(record["email"])

    result = prepared(broken, email="ada@example.com")
    assert reasons(result) == [("default", "invalid")]
    assert result.mistakes[0].startswith("Unexpected KeyError in ")
    assert "ada@" not in repr(result)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"email": "canary at example.com"}, "email: not an e-mail address"),
        ({"email": ["ada@example.com", "canary at example.com"]}, "email: not an e-mail address"),
        ({"phone": "0171 canary"}, "phone: not a phone number with its country code"),
        ({"ip_address": "10.0.0.1"}, "ip_address: not a public IP address"),
    ],
)
def test_what_no_network_can_use_is_told_by_column_and_rule(columns: dict[str, Any], told: str) -> None:
    accounts = {"tiktok": [an_account(name="eu"), an_account(name="us")]}
    assert prepared(accounts=accounts, **columns).unusable == (told,)
    assert "canary" not in repr(prepared(accounts=accounts, **columns))


def test_what_is_sent_or_already_hashed_is_not_told() -> None:
    good: dict[str, Any] = {
        "email": ["ada@example.com", "A" * 64],
        "phone": "+14155550100",
        "ip_address": "203.0.113.7",
    }
    assert prepared(**good).unusable == ()
    assert prepared(email="A" * 64, phone="b" * 64, event_source="offline", ip_address="203.0.113.7").unusable == ()


def test_why_nothing_identifies_the_person_is_told() -> None:
    result = prepared(ttclid=None, email="nobody", ip_address="10.0.0.1")
    assert reasons(result) == [("default", "no_match_key")]
    assert result.unusable == ("email: not an e-mail address", "ip_address: not a public IP address")


NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of the empty string


@pytest.mark.parametrize("column", ["ttclid", "idfa", "user_agent"])
def test_a_hash_of_nothing_identifies_nobody_in_whatever_column(column: str) -> None:
    columns: dict[str, Any] = {"ttp": "1.abc", column: NOTHING, "email": "ada@example.com"}
    result = prepared(**columns)
    assert NOTHING.encode() not in b"".join(postback.payload for postback in result.postbacks)


@pytest.mark.parametrize(
    ("ip_address", "form"),
    [
        ("10.0.0.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:443", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
    ],
)
def test_no_form_of_the_records_ip_address_is_passed_on_as_a_property(ip_address: str, form: str) -> None:
    (postback,) = prepared(ip_address=ip_address, properties={"seen_from": form, "plan": "gold"}).postbacks
    assert b"seen_from" not in postback.payload
    assert b"gold" in postback.payload


@pytest.mark.parametrize("name", ["customer_name", "MSISDN", "vorname", "original_event_data", "timestamp"])
def test_a_property_with_the_name_of_what_is_personal_or_the_envelopes_is_not_passed_on(name: str) -> None:
    (postback,) = prepared(properties={name: "canary"}).postbacks
    assert b"canary" not in postback.payload


def test_a_content_type_among_the_properties_is_not_relabelled() -> None:
    lines = [{"id": "h-1", "quantity": 1}]
    (hotel,) = prepared(contents=lines, properties={"content_type": "hotel"}).postbacks
    assert b'"content_type":"hotel"' in hotel.payload
    result = prepared(contents=lines, properties={"content_type": "spaceship"})
    assert b"content_type" not in result.postbacks[0].payload
    assert result.unusable == ("content_type: not one that TikTok documents",)


def test_a_property_that_is_mapped_to_a_match_key_is_none_any_more_in_json_text_too() -> None:
    columns = Columns(COLUMNS.ids, {"email": "properties.contact_info"})
    mapped = Preparation({"tiktok": [an_account()]}, columns, NAMES)
    record = a_record(properties='{"contact_info": "ada@example.com", "plan": "gold"}')
    (postback,) = mapped.prepare(record, NOW, stream="orders").postbacks
    assert postback.facts.match_keys == "email,ttclid"
    assert b"ada@" not in postback.payload
    assert b"gold" in postback.payload


def test_a_line_of_which_nothing_is_understood_is_told() -> None:
    (told,) = prepared(contents=[{"id": None, "sku": "s-1"}]).unusable
    assert told.startswith("contents: a line with none of ")


def test_a_number_that_the_default_country_completes_is_not_told_as_unusable() -> None:
    account = an_account(default_phone_country_code="49")
    result = prepared(accounts={"tiktok": [account]}, phone=["0151 12345678", "+14155550100"])
    assert result.unusable == ()


def test_a_whole_number_of_any_decimals_is_a_phone_number() -> None:
    (whole,) = prepared(phone="14155550100.000").postbacks
    (plain,) = prepared(phone="+14155550100").postbacks
    assert whole.payload == plain.payload


@pytest.mark.parametrize(
    "email", ["ada@example..com", "ada@-x.com", "ada@exa_mple.com", "ada@.com", "ada@example-.com"]
)
def test_an_address_at_no_domain_is_left_out(email: str) -> None:
    assert prepared(email=email).unusable == ("email: not an e-mail address",)


@pytest.mark.parametrize("column", ["email", "phone"])
@pytest.mark.parametrize("macro", ["{{user.contact}}", "__CONTACT__", "null"])
def test_what_nobody_expanded_is_missing_and_not_told_as_unusable(column: str, macro: str) -> None:
    columns: dict[str, Any] = {column: macro}
    result = prepared(**columns)
    assert (result.postbacks[0].facts.match_keys, result.unusable) == ("ttclid", ())


def test_an_address_that_one_network_alone_refuses_is_told() -> None:
    accounts = {"meta": [an_account("meta")]}
    meta = Preparation(accounts, COLUMNS, {"meta": "meta"})
    record = a_record(event_name="lead", network="meta", email="ada@localhost", fbclid="IwAR0")
    result = meta.prepare(record, NOW, stream="orders")
    assert result.unusable == ("email: not an e-mail address",)


def test_an_address_in_a_databases_array_of_one_is_read() -> None:
    (array,) = prepared(email="{ada@example.com}").postbacks
    (plain,) = prepared(email="ada@example.com").postbacks
    assert array.payload == plain.payload


@pytest.mark.parametrize("address", ["224.0.0.1", "ff02::1"])
def test_an_address_of_many_is_nobodys(address: str) -> None:
    assert prepared(ip_address=address).unusable == ("ip_address: not a public IP address",)


@pytest.mark.parametrize("written", ["For=203.0.113.9", '["203.0.113.9"]', ["10.0.0.1", "203.0.113.9"]])
def test_an_address_is_read_as_proxies_and_exports_write_it(written: Any) -> None:
    assert b'"ip":"203.0.113.9"' in prepared(ip_address=written).postbacks[0].payload


@pytest.mark.parametrize(
    ("columns", "kept"),
    [
        ({"event_id": "ord-1"}, "ord-1"),
        ({"EVENT_ID": 17}, "17"),
        ({"event_id": "NULL", "order_id": "ord-2"}, "ord-2"),
        ({"event_id": "a\nb"}, None),
        ({"event_id": "x" * 501}, None),
        ({"event_id": {"a": 1}}, None),
        ({}, None),
    ],
)
def test_what_is_no_conversion_keeps_the_id_that_it_has(columns: dict[str, Any], kept: str | None) -> None:
    record = {"event_name": "purchase", **columns}
    (not_sent,) = preparation().prepare(record, NOW, stream="orders", key=()).not_sent
    assert not_sent.reason == "invalid"
    assert not_sent.key.event_id == kept or (kept is None and not_sent.key.event_id.startswith("orders:"))
