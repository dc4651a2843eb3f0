"""Each finding: a record that shows it and nothing else, and one beside it that does not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from hashlib import md5, sha256
from typing import Any

import pytest
from conftest import NOW, SETTINGS
from examine import a_good_record, diagnosis, findings, slugs
from honest import honest

from target_adpostbacks.core.reasons import REASONS
from target_adpostbacks.doctor import FINDINGS
from target_adpostbacks.doctor.findings import CHECKS
from target_adpostbacks.doctor.outcomes import MEANT


def sha(text: str) -> str:
    return sha256(text.encode()).hexdigest()


ADA = sha("ada@lovelace.dev")
PRICED = {"event_name": "purchase", "currency": "EUR"}
META = {"network": "meta", "ttclid": None, "fbclid": "IwAR0invented", "event_source_url": "https://shop.dev/"}
REDDIT = {"network": "reddit", "ttclid": None}

SICK: list[tuple[str, str | None, str | None, Mapping[str, Any]]] = [
    ("empty_hash", "email", None, {"email": sha("")}),
    ("empty_hash", "email", None, {"email": [ADA, sha(" ")]}),
    ("empty_hash", "external_id", None, {"external_id": sha("null")}),
    ("empty_hash", "phone", None, {"phone": md5(b"").hexdigest()}),
    ("not_sha256", "email", None, {"email": md5(b"ada@lovelace.dev").hexdigest()}),
    ("not_sha256", "phone", None, {"user": {"phone": "a" * 40}}),
    ("not_sha256", "email", None, {"email": "qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc="}),
    ("cut_hash", "email", None, {"email": ADA[:50]}),
    ("upper_case_hash", "email", None, {"email": ADA.upper()}),
    ("double_hash", "email", None, {"email": [ADA, sha(ADA)]}),
    ("double_hash", "email", None, {"email": "ada@lovelace.dev", "email_sha256": sha(ADA)}),
    ("double_hash", "phone", None, {"phone": sha(sha("")), "email": "a@b.dev"}),
    ("unnormalized_hash", "email", None, {"email": "Ada@Lovelace.dev", "hashed_email": sha("Ada@Lovelace.dev")}),
    ("unnormalized_hash", "phone", None, {"phone": ["+1 415-555-2671", sha("4155552671")]}),
    ("unnormalized_hash", "first_name", None, {"first_name": "Ada", "sha256_first_name": sha("Ada")}),
    ("placeholder_email", "email", None, {"email": "test@gmail.com"}),
    ("placeholder_email", "email", None, {"email": sha("noreply@example.com")}),
    ("placeholder_email", "email", None, {"customer": {"email": "ada@example.com"}}),
    ("relay_email", "email", None, {"email": "x7k2@privaterelay.appleid.com"}),
    ("phone_without_country_code", "phone", "tiktok", {"phone": "(415) 555-2671"}),
    ("phone_without_country_code", "phone", "tiktok", {"phone": "0171 2345678"}),
    ("phone_without_country_code", "phone", "tiktok", {"phone": "2079460958", "country": "US"}),
    ("placeholder_phone", "phone", None, {"phone": "+10000000000"}),
    ("private_ip", "ip_address", None, {"ip_address": "10.1.2.3"}),
    ("private_ip", "ip_address", None, {"ip_address": "192.168.0.7:443, ::1"}),
    ("data_center_ip", "ip_address", None, {"ip_address": "66.249.66.1"}),
    ("bot_user_agent", "user_agent", None, {"user_agent": "python-requests/2.32.3"}),
    ("bot_user_agent", "user_agent", None, {"user_agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://x.dev)"}),
    ("wrong_encoding", "city", None, {"city": "MÃ¼nchen"}),
    ("time_without_zone", "event_time", None, {"event_time": "2026-11-20 11:00:00"}),
    ("time_without_zone", "click_time", None, {"click_time": "2026-11-20T11:00:00.123"}),
    ("date_without_time", "event_time", None, {"event_time": "20261119"}),
    ("before_click", "click_time", None, {"click_time": "2026-11-20T12:02:00Z"}),
    ("in_future", "event_time", "tiktok", {"event_time": "2026-11-20T13:00:00Z"}),
    ("too_old", "event_time", "tiktok", {"event_time": "2026-10-01T13:00:00Z"}),
    ("value_without_currency", "currency", None, {"value": 3}),
    ("purchase_without_value", "value", None, {"event_name": "Purchase", "currency": "EUR"}),
    ("negative_value", "value", None, {"value": "-9.99", "currency": "EUR"}),
    ("value_in_cents", "value", None, {**PRICED, "value": 4498, "contents": [{"price": 19.99, "quantity": 2}]}),
    ("wrong_click_id", "ttclid", "tiktok", {"ttclid": "IwAR0invented"}),
    ("wrong_click_id", "click_id", "tiktok", {"ttclid": None, "click_id": "3184742045291813272"}),
    ("click_id_of_another_network", "fbclid", "tiktok", {"ttclid": None, "fbclid": "IwAR0invented"}),
    ("cut_click_id", "ttclid", "tiktok", {"ttclid": "E.C.P.v3fQ2RHacdk..."}),
    ("cut_click_id", "rdt_cid", "reddit", {**REDDIT, "rdt_cid": 3184742045291813272.0}),
    ("lower_case_click_id", "fbclid", "meta", {**META, "fbclid": "iwar0invented"}),
    ("rounded_number", "phone", None, {"phone": "4.9151E+11"}),
    ("rounded_number", "order_id", None, {"order_id": 12345678901234567890.0}),
    ("unexpanded_macro", "ttclid", None, {"ttclid": "__CLICKID__"}),
    ("unfilled_link", "landing_url", None, {"landing_url": "https://shop.dev/?campaign_id=__CAMPAIGN_ID__"}),
    ("unfilled_link", "event_source_url", None, {"event_source_url": "https://shop.dev/?ttclid=%7Bclickid%7D"}),
    ("placeholder_value", "external_id", None, {"external_id": "undefined"}),
    ("personal_id", "event_id", None, {"event_id": "ada@lovelace.dev"}),
    ("personal_id", "order_id", None, {"order_id": "+14155552671"}),
    ("personal_url", "event_source_url", None, {"event_source_url": "https://shop.dev/thanks?mail=ada%40lovelace.dev"}),
    ("missing_event_id", "event_id", None, {"event_id": None, "order_id": "O-1"}),
    ("missing_match_key", None, "tiktok", {"ttclid": None, "email": None, "user_agent": None}),
    ("invalid_record", "event_time", None, {"event_time": None}),
    ("invalid_record", "event_id", None, {"event_id": "bad\x1b[31m"}),
    ("unsupported", None, "tiktok", {"event_name": "Größe"}),
    ("too_large", None, "tiktok", {"description": "x" * 1_000_000}),
    ("unusable_value", "country", None, {"country": "Nowhereland"}),
    ("incomplete", None, "meta", {**META, "user_agent": None}),
    ("custom_event", "event_name", "tiktok", {"event_name": "Purchse"}),
    ("not_attributed", "network", None, {"network": None, "ttclid": None}),
    ("other_network", "network", None, {"network": "applovin"}),
    ("not_sent", None, "reddit", {**REDDIT, "event_name": "ad_click"}),
]

HEALTHY: list[Mapping[str, Any]] = [
    {},
    {"email": ADA},
    {"email": ["ada@lovelace.dev", ADA]},
    {"email": "Ada.L+x@gmail.com", "email_sha256": sha("adal@gmail.com")},
    {"email": "ada@lovelace.dev", "shoe_md5": md5(b"x").hexdigest(), "email_md5": md5(b"x").hexdigest()},
    {"phone": "+1 (415) 555-2671"},
    {"phone": "0041 44 668 18 00"},
    {"phone": "14155552671"},
    {"phone": ["+14155552671", sha("14155552671"), sha("+14155552671")]},
    {"external_id": "0123456789abcdef0123456789abcdef"},
    {"landing_url": "/p?filter={size}&utm_source=tiktok&utm_campaign=Summer+Sale&cid=17"},
    {"first_name": "Null", "last_name": "None Smith", "city": "Ōsaka", "state": "NA"},
    {"ip_address": "10.0.0.1, 81.2.69.142"},
    {"ip_address": "2003:c1:7::1"},
    {"user_agent": "Mozilla/5.0 (Linux; Android 16; CUBOT X90) Chrome/139.0 Mobile"},
    {"user_agent": "okhttp/4.12.0"},
    {"event_time": 1795175400},
    {"event_time": "1795175400000"},
    {"event_time": "2026-11-20 12:00:00 UTC", "click_time": "2026-11-20T13:00:10+01:00"},
    {**PRICED, "value": 0},
    {**PRICED, "value": 300, "contents": [{"price": 3}]},
    {**PRICED, "value": 45, "contents": [{"price": 19.99, "quantity": 2}]},
    {**PRICED, "value": 5, "contents": [{"id": "a"}, {"price": 500}]},
    {"order_id": "2026-000000000000001"},
    {**REDDIT, "rdt_cid": "3184742045291813000"},
    {"fbclid": "IwAR0invented"},
    {"network": "organic", "ttclid": None, "email": sha("")},
    {"consent": False, "event_name": "purchase"},
    {"_sdc_deleted_at": "2026-11-20", "email": sha("")},
    {"event_source_url": "https://shop.dev/@ada?utm=a%40b"},
    {"event_name": "Pageview"},
    {"customer": {"state": "enabled"}, "server": {"ip_address": "10.1.2.3"}},
]


@pytest.mark.parametrize(("slug", "column", "network", "changes"), SICK, ids=lambda each: str(each)[:30])
def test_a_record_shows_what_is_wrong_with_it(
    slug: str, column: str | None, network: str | None, changes: Mapping[str, Any]
) -> None:
    found = findings(a_good_record(**changes))
    assert (slug, column, network) in found
    others = {each for each, _, _ in found} - {slug}
    assert others <= BESIDE.get(slug, set())
    one = found[slug, column, network]
    assert (one.count, one.share, one.example.line) == (1, 1.0, 1)
    assert one.level == FINDINGS[slug].level
    assert one.advice.endswith(FINDINGS[slug].change)


BESIDE = {
    "purchase_without_value": {"unsupported"},
    "rounded_number": {"unusable_value"},
    "wrong_click_id": {"click_id_of_another_network"},
    "lower_case_click_id": set[str](),
}
"""What may be found in the same record, because it is a consequence."""


@pytest.mark.parametrize("changes", HEALTHY, ids=str)
def test_nothing_is_found_in_a_record_where_nothing_is_wrong(changes: Mapping[str, Any]) -> None:
    assert slugs(a_good_record(**changes)) == []


def test_an_honest_export_of_ten_thousand_rows_gives_no_finding() -> None:
    said = diagnosis(*honest(10_000, NOW))
    assert said.findings == []
    assert said.records == 10_000


@pytest.mark.parametrize(
    ("columns", "cause"),
    [
        ({}, "Cid: the ad was clicked, so the macro is misspelled or another network's."),
        ({"ttclid": None, "landing_url": "/?cid=__CID__&ttclid=E.C.P.a"}, "Cid: the ad was clicked"),
        ({"ttclid": None}, "Cid: no click id is beside it: a preview of the ad, or a link that was shared."),
        ({"landing_url": "/?cid=_CID_"}, "Cid: a typo, one underscore where two belong."),
    ],
)
def test_why_a_macro_was_not_filled_in_is_guessed(columns: Mapping[str, Any], cause: str) -> None:
    record = a_good_record(**{"landing_url": "/?cid=__CID__", **columns})
    found = findings(record)["unfilled_link", "landing_url", None]
    assert found.advice.startswith(cause)


def test_prices_in_cents_are_told_from_a_coupon_by_their_number() -> None:
    sales = [
        a_good_record(**PRICED, value=value, contents=[{"price": price, "quantity": 1}], event_id=f"e{price}")
        for value, price in ((1, 100), (45, 4498), (20, 1999))
    ]
    assert slugs(*sales[:2]) == []
    assert slugs(*sales) == ["value_in_cents"]


def test_every_finding_is_shown_by_a_record_or_needs_several() -> None:
    several = {
        "duplicate_event_id",
        "duplicate_order_id",
        "repeated_value",
        "unmet_field",
        "unmet_rule",
        "unreadable_line",
    }
    assert {slug for slug, *_ in SICK} | several == {*FINDINGS}
    assert {*CHECKS} | {"repeated_value", "unmet_field", "unmet_rule", "unreadable_line"} == {*FINDINGS}


def test_a_finding_says_everything_in_whole_sentences() -> None:
    for finding in FINDINGS.values():
        for text in (finding.what, finding.cost, finding.change):
            assert text[0].isupper() or text[0] == "`"
            assert text.endswith(".")


def test_a_reason_without_a_finding_of_its_own_is_told_by_its_name() -> None:
    (found,) = diagnosis(a_good_record(test=True), tiktok={**SETTINGS["tiktok"]}).findings
    assert found.finding == "not_sent"
    assert found.words == "test_without_code: set test_event_code."
    assert {"event_off", "test_without_code"} <= REASONS.keys() - FINDINGS.keys() - MEANT


def test_a_conversion_that_nobody_gets_is_not_looked_at_any_further() -> None:
    sick = a_good_record(email=sha(""), event_time="2026-11-20 11:00:00")
    assert len(slugs(sick)) == 2
    assert slugs({**sick, "network": "applovin"}) == ["other_network"]
    off = diagnosis(sick, tiktok={**SETTINGS["tiktok"], "trigger_events": ["purchase"]})
    assert [found.finding for found in off.findings] == ["not_sent"]
    assert off.coverage == []


def test_settings_decide_what_is_wrong() -> None:
    national, naive = a_good_record(phone="0171 2345678"), a_good_record(event_time="2026-11-20 11:00:00")
    tiktok = SETTINGS["tiktok"]
    assert slugs(national, tiktok=tiktok) == ["phone_without_country_code"]
    assert slugs(national, tiktok={**tiktok, "default_phone_country_code": "49"}) == []
    assert slugs(naive, tiktok=tiktok) == ["time_without_zone"]
    assert slugs(naive, tiktok=tiktok, default_timezone="UTC") == []
    assert slugs(a_good_record(event_time="2026-11-10T12:00:00Z"), tiktok={**tiktok, "max_event_age_days": 3}) == [
        "too_old"
    ]


def test_columns_are_read_where_fields_says() -> None:
    record = {**a_good_record(email=None), "customer": {"mail": sha(""), "email": ADA.upper()}}
    fields = {"email": "customer.mail", "phone": "customer.tel"}
    found = findings(record, fields=fields, tiktok=SETTINGS["tiktok"])
    assert {(slug, column) for slug, column, _ in found} == {("empty_hash", "email"), ("unmet_field", "phone")}


def test_what_defaults_and_rules_complete_is_no_finding() -> None:
    record = a_good_record(event_name="purchase", value=3)
    tiktok = SETTINGS["tiktok"]
    assert slugs(record, tiktok=tiktok) == ["value_without_currency"]
    assert slugs(record, tiktok=tiktok, defaults={"currency": "EUR"}) == []
    accounts: dict[str, Any] = {"a": {}, "b": {}}
    tiktok = {**tiktok, "allow_same_asset": True}
    accounts["a"]["defaults"] = {"currency": "EUR"}
    assert slugs(record, tiktok={**tiktok, "accounts": accounts}) == ["value_without_currency"]
    accounts["b"]["defaults"] = {"currency": "USD"}
    assert slugs(record, tiktok={**tiktok, "accounts": accounts}) == []


def test_a_rule_that_names_a_column_of_no_record_is_found() -> None:
    rules = [{"name": "big", "when": "margin == 3", "send": False}]
    (found,) = diagnosis(a_good_record(), tiktok=SETTINGS["tiktok"], rules=rules).findings
    assert (found.finding, found.column) == ("unmet_rule", "margin")


def test_a_conversion_before_its_view_is_found_by_the_tolerance_of_the_settings() -> None:
    record = a_good_record(view_time="2026-11-20T12:02:00Z")
    tiktok = SETTINGS["tiktok"]
    assert [*findings(record, tiktok=tiktok)] == [("before_click", "view_time", None)]
    assert slugs(record, tiktok={**tiktok, "click_time_tolerance_seconds": 120}) == []
    assert slugs(record, tiktok={**tiktok, "view_window_days": 7}) == ["before_click"]


def test_a_finding_of_a_network_has_a_share_of_its_conversions() -> None:
    old = (NOW - timedelta(days=9)).isoformat()
    of_reddit = {**REDDIT, "rdt_cid": "3184742045291813272"}
    records = [
        a_good_record(event_id="1", **of_reddit, event_time=old),
        a_good_record(event_id="2", **of_reddit),
        a_good_record(event_id="3", event_time=old),
        a_good_record(event_id="4"),
    ]
    (found,) = diagnosis(*records).findings
    assert (found.finding, found.network, found.count, found.share) == ("too_old", "reddit", 1, 0.5)


def test_the_gravest_come_first_and_one_kind_stays_together() -> None:
    records = [
        a_good_record(event_id="1", email="test@gmail.com"),
        a_good_record(event_id="2", email=ADA.upper()),
        a_good_record(event_id="3", email=sha("")),
        a_good_record(event_id="4", email=sha(""), phone=sha("")),
        a_good_record(event_id="5", user_agent="curl/8"),
        a_good_record(event_id="6", user_agent="curl/8"),
    ]
    assert [(each.level, each.finding, each.column, each.count) for each in diagnosis(*records).findings] == [
        ("error", "empty_hash", "email", 2),
        ("error", "empty_hash", "phone", 1),
        ("warning", "bot_user_agent", "user_agent", 2),
        ("warning", "placeholder_email", "email", 1),
        ("note", "upper_case_hash", "email", 1),
    ]


def test_an_example_names_an_event_id_only_if_it_tells_of_nobody() -> None:
    found = findings(a_good_record(event_id="ada@lovelace.dev", email=sha("")), a_good_record(email=sha("")))
    assert found["empty_hash", "email", None].example.event_id is None
    found = findings(a_good_record(email=sha("")))
    assert found["empty_hash", "email", None].example.event_id == "evt-1"


def test_no_value_is_ever_told() -> None:
    for slug, column, network, changes in SICK:
        found = findings(a_good_record(**changes))[slug, column, network]
        told = f"{found.advice} {found.example}"
        for value in changes.values():
            assert not isinstance(value, str) or len(value) < 12 or value not in told
