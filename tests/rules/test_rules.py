"""Which rule applies to a conversion, and what it makes of it."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest
from conftest import NOW, SETTINGS, a_record
from ruled import TWO, a_config, preparation, prepared, sent, skipped

from target_adpostbacks.core.columns import READERS
from target_adpostbacks.core.record import NO_EVENT_ID
from target_adpostbacks.networks import NETWORKS

PAID = {"value": 20, "currency": "EUR"}


def test_what_a_rule_does_not_send_is_skipped_with_its_name() -> None:
    config = a_config(rules=[{"name": "no small ones", "when": "value < 50", "send": False}])
    assert skipped(config, **PAID) == ("by_rule", "no small ones")
    assert sent(config, value=60, currency="EUR")["event"] == "Purchase"


def test_a_rule_without_a_name_is_called_by_its_place() -> None:
    nothing = {"when": "False"}
    assert skipped(a_config(rules=[nothing, {"send": False}]))[1] == "tiktok.rules[1]"
    assert skipped(a_config({"rules": [nothing, {"send": False}]}))[1] == "rules[1]"
    config = a_config(accounts={"eu": {"rules": [nothing, {"send": False}]}})
    assert skipped(config)[1] == "tiktok.accounts.eu.rules[1]"


def test_the_nearest_rule_applies_and_no_other() -> None:
    top = {"rules": [{"name": "top", "set": {"description": "top"}}]}
    section = [{"name": "section", "when": "value > 10", "set": {"content_type": "hotel"}}]
    account = [{"name": "account", "when": "value > 30"}]
    config = a_config(top, rules=section, accounts={"eu": {"rules": account}})
    applied = {
        value: [postback.rule for postback in prepared(config, value=value, currency="EUR").postbacks]
        for value in (5, 20, 40)
    }
    assert applied == {5: ["top"], 20: ["section"], 40: ["account"]}
    assert "description" not in sent(config, **PAID)["properties"]


@pytest.mark.parametrize(
    "inherited",
    [
        {"rules": [{"send": False}]},
        {"trigger_events": ["lead"]},
        {"preset": "pingtree"},
        {"defaults": {"consent": False}},
    ],
)
def test_null_takes_an_inherited_setting_away(inherited: dict[str, Any]) -> None:
    null = dict.fromkeys(inherited)
    assert skipped(a_config(inherited))
    assert sent(a_config(inherited, **null))["event"] == "Purchase"
    assert sent(a_config(inherited, accounts={"eu": null}))["event"] == "Purchase"


def test_what_applied_is_known_of_what_is_not_sent_either() -> None:
    result = prepared(a_config(rules=[{"name": "mine", "set": {"ttclid": None}}]))
    assert [(each.reason, each.rule) for each in result.not_sent] == [("no_match_key", "mine")]
    assert [postback.rule for postback in prepared(a_config()).postbacks] == [""]


def test_an_event_gets_another_name_the_networks_own_or_a_custom_one() -> None:
    result = prepared(a_config(rules=[{"event": "Subscribe"}]))
    (postback,) = result.postbacks
    assert (postback.facts.network_event, postback.key.event_name) == ("Subscribe", "subscribe")
    assert sent(a_config(rules=[{"event": "returning_purchase"}]))["event"] == "returning_purchase"
    assert sent(a_config(rules=[{"event": "purchase"}]), event_name="lead")["event"] == "Purchase"


def test_a_name_at_the_top_is_canonical_for_every_network() -> None:
    config = {**a_config({"rules": [{"event": "sign_up"}]}), "reddit": SETTINGS["reddit"]}
    result = prepared(config, network=None, rdt_cid="r-1")
    assert [postback.facts.network_event for postback in result.postbacks] == ["SIGN_UP", "CompleteRegistration"]


def test_event_map_and_trigger_events_judge_the_name_that_a_rule_gave() -> None:
    rule = {"event": "vip"}
    assert sent(a_config(rules=[rule], event_map={"vip": "Subscribe", "purchase": None}))["event"] == "Subscribe"
    assert skipped(a_config(rules=[rule], event_map={"vip": None}))[0] == "event_off"
    assert skipped(a_config(rules=[rule], trigger_events=["purchase"]))[0] == "event_off"
    assert sent(a_config(rules=[rule], trigger_events=["vip"]))["event"] == "vip"
    assert sent(a_config(rules=[{"event": "Purchase"}], event_map={"purchase": "Subscribe"}))["event"] == "Purchase"


@pytest.mark.parametrize(("section", "event"), [("google_ads", "ad_click"), ("google_ads", "foo"), ("snapchat", "foo")])
@pytest.mark.parametrize("settings", [{"trigger_events": ["ad_click", "foo"]}, {"rules": [{"event": "sdasd"}]}])
def test_a_name_of_the_users_is_unsupported_where_the_network_takes_none(
    section: str, event: str, settings: dict[str, Any]
) -> None:
    network = NETWORKS[section]
    record = {network.click_ids[0]: network.click_id_example, "network": section, "event_name": event}
    assert skipped({section: {**SETTINGS[section], **settings}}, **record)[0] == "unsupported"


def test_a_rule_picks_accounts_and_writes_nothing_for_the_others() -> None:
    config = a_config(rules=[{"when": "buyer == 'x'", "account": "eu"}], accounts=TWO)
    result = prepared(config, buyer="x")
    assert [postback.account for postback in result.postbacks] == ["tiktok.eu"]
    assert (result.not_sent, result.outcomes) == ([], 1)
    assert len(prepared(config, buyer="y").postbacks) == 2


def test_where_no_account_gets_it_there_is_a_row_for_each() -> None:
    accounts = {"eu": TWO["eu"], "us": {**TWO["us"], "send": "all"}}
    config = a_config(rules=[{"name": "all to eu", "account": "eu"}], accounts=accounts)
    config["reddit"] = {**SETTINGS["reddit"], "send": "all"}
    result = prepared(config, network=None, ttclid=None)  # without a click id it is none for eu
    (not_sent,) = (each for each in result.not_sent if each.account == "us")
    assert (not_sent.reason, not_sent.rule) == ("by_rule", "all to eu")
    assert not_sent.message == "all to eu: none of the accounts that it names gets the conversion"


def test_rules_that_send_it_from_one_account_to_another_lose_nothing() -> None:
    rules = [{"when": "content_type == 'a'", "account": "us"}, {"account": "eu"}]
    crossed = {"eu": {**TWO["eu"], "defaults": {"content_type": "a"}}, "us": TWO["us"]}
    off = {"uk": {"pixel_code": "CCCCCCCCCCCCCCCCCCCC", "enabled": False}}
    for accounts, others in ((crossed, []), ({**crossed, **off}, [("uk", "disabled")])):
        result = prepared(a_config(rules=rules, accounts=accounts))
        told = [(each.account, each.reason) for each in result.not_sent]
        assert sorted(told) == [("eu", "by_rule"), *others, ("us", "by_rule")]


def test_a_list_picks_several_and_the_records_own_account_wins() -> None:
    three = {**TWO, "uk": {"pixel_code": "CCCCCCCCCCCCCCCCCCCC"}}
    config = a_config(rules=[{"account": ["eu", "uk"]}], accounts=three)
    assert [postback.account for postback in prepared(config).postbacks] == ["tiktok.eu", "tiktok.uk"]
    assert [postback.account for postback in prepared(config, account="us").postbacks] == ["tiktok.us"]


def test_the_only_account_of_a_section_is_called_default() -> None:
    assert sent(a_config(rules=[{"account": "default"}]))["event"] == "Purchase"


def test_constants_stand_over_a_records_columns_wherever_they_are() -> None:
    config = a_config(rules=[{"set": {"value": 10, "currency": "EUR", "email": None}}])
    for record in ({}, PAID, {"order": {"value": 3, "currency": "USD"}}, {"CURRENCY": "USD", "VALUE": 7}):
        assert sent(config, **record)["properties"] == {"currency": "EUR", "value": 10}
    for person in ({"email": "ada@example.com"}, {"user": {"email": "ada@example.com"}}, {"email_address": "a@b.de"}):
        assert "email" not in sent(config, **person)["user"]


def test_what_a_record_has_wrong_does_not_matter_where_a_constant_stands() -> None:
    config = a_config(rules=[{"set": {"currency": "EUR", "value": 5}}])
    assert sent(config, value="much", currency="Taler")["properties"] == {"currency": "EUR", "value": 5}


def test_properties_are_merged() -> None:
    rule = {"set": {"properties": {"a": 1, "b": 2}}, "compute": {"properties": {"c": "plan", "d": "None"}}}
    properties = sent(a_config(rules=[rule]), properties={"a": 0, "z": 9}, plan="gold")["properties"]
    assert properties == {"a": 1, "b": 2, "c": "gold", "z": 9}


def test_a_property_that_is_computed_from_the_person_is_left_out() -> None:
    rule = {"compute": {"properties": {"contact": "reply_to", "note": "'for ' + reply_to"}}}
    event = sent(a_config(rules=[rule]), email="ada@example.com", reply_to="ada@example.com", description="x")
    assert "contact" not in event["properties"]
    assert "note" not in event["properties"]


def test_columns_are_computed_from_the_record_as_it_was() -> None:
    rule = {"set": {"content_type": "hotel"}, "compute": {"value": "revenue - cost", "description": "content_type"}}
    event = sent(a_config(rules=[rule]), revenue=50, cost=20, currency="EUR", content_type="product")
    assert event["properties"] == {"currency": "EUR", "value": 30, "content_type": "hotel", "description": "product"}


@pytest.mark.parametrize(("revenue", "value"), [("50.5", 40.4), ("50", 40), ("1E+1", 8)])
def test_a_decimal_is_a_number(revenue: str, value: float) -> None:
    rule = {"when": "str(order.number) == '17'", "compute": {"value": "revenue * 0.8", "order_id": "order.number"}}
    record = {"revenue": Decimal(revenue), "order": {"number": Decimal(17)}, "currency": "EUR"}
    assert sent(a_config(rules=[rule]), **record)["properties"]["value"] == pytest.approx(value)


@pytest.mark.parametrize("revenue", ["NaN", "sNaN", "Infinity", "1E+999999999"])
def test_a_decimal_that_is_no_number_fails_as_one_or_is_left_out(revenue: str) -> None:
    result = prepared(a_config(rules=[{"compute": {"value": "revenue * 0.8"}}]), revenue=Decimal(revenue))
    assert result.outcomes == 1


def test_a_computed_value_that_no_column_takes_is_left_out_and_told() -> None:
    config = a_config(rules=[{"compute": {"value": "revenue - cost"}}])
    result = prepared(config, revenue=1, cost=20, currency="EUR")
    assert len(result.postbacks) == 1
    assert result.unusable == ("rule tiktok.rules[0], compute.value: not a number from 0 to 10^15",)


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("currency", "not an ISO 4217 code"),
        ("country", "not an ISO 3166 country"),
        ("email", "not an e-mail address"),
        ("phone", "not a phone number with its country code"),
        ("ip_address", "not a public IP address"),
        ("value", "not a number"),
        ("landing_url", "not an http or https URL"),
    ],
)
def test_what_is_left_out_of_a_rules_columns_names_the_rule_and_the_key(column: str, why: str) -> None:
    config = a_config(rules=[{"name": "mine", "compute": {column: "note"}}])
    result = prepared(config, note="canary", referrer_url="no url")
    assert len(result.postbacks) == 1
    others = [each for each in result.unusable if not each.startswith("rule ")]
    assert others == ["referrer_url: not an http or https URL"]
    (told,) = {*result.unusable} - {*others}
    assert told.startswith(f"rule mine, compute.{column}: {why.partition(',')[0]}")
    assert "canary" not in told


def test_an_id_is_computed() -> None:
    rule = {"compute": {"event_id": "player and 'launch-' + player"}}
    assert sent(a_config(rules=[rule]), player="p7")["event_id"] == "launch-p7"


@pytest.mark.parametrize("expression", ["player", "player or ''", "'  ' + (player or '')", "player or '{{id}}'"])
@pytest.mark.parametrize("record", [{}, {"order_id": "o-1"}, {"event_id": None, "id": 17}])
def test_an_id_that_is_computed_to_nothing_is_invalid(expression: str, record: dict[str, Any]) -> None:
    config = a_config(rules=[{"name": "once", "compute": {"event_id": expression}}])
    assert skipped(config, **record) == ("invalid", "rule once, compute.event_id: empty; it identifies the conversion")


def test_an_id_that_is_set_to_null_gives_way_to_the_order_id_and_then_to_the_derived_one() -> None:
    config = a_config(rules=[{"set": {"event_id": None}}])
    assert sent(config, order_id="o-1")["event_id"] == "o-1"
    derived = prepared(a_config(), event_id=None, id=17).postbacks[0].key.event_id
    (postback,) = prepared(config, id=17).postbacks
    assert postback.key.event_id == derived
    assert prepared(config, id=17, event_id=None).postbacks[0].key.event_id == derived
    renamed = a_config(rules=[{"event": "Subscribe", "set": {"event_id": None}}])
    assert prepared(renamed, id=17).postbacks[0].key.event_id == derived
    told = f"rule tiktok.rules[0], set.event_id: {NO_EVENT_ID}"
    assert skipped(config) == ("invalid", told)
    ordered = a_config(rules=[{"set": {"event_id": None}, "compute": {"order_id": "'n-' + str(number)"}}])
    assert sent(ordered, number=5, order_id="o-1")["event_id"] == "n-5"


def test_an_id_is_derived_from_columns_that_fields_maps() -> None:
    config = a_config({"fields": {"value": "total"}})
    ruled = {**config, "rules": [{"set": {"event_id": None}}]}
    derived = [prepared(each, event_id=None, id=17).postbacks[0].key.event_id for each in (config, ruled)]
    assert derived[0] == derived[1]


PERSON = {
    "email": "Ada.Lovelace@Example.com",
    "phone": "+49 176 1234567",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "external_id": "player-7",
}


@pytest.mark.parametrize("column", ["event_id", "order_id"])
@pytest.mark.parametrize("hashed", ["", "md5", "sha256"])
@pytest.mark.parametrize(
    "contact",
    [
        *("Ada.Lovelace@Example.com", "ada.lovelace@example.com", "+491761234567", "491761234567", "01761234567"),
        *("Ada", "lovelace", "Ada Lovelace"),
    ],
)
def test_an_id_that_comes_to_hold_the_person_is_invalid(contact: str, hashed: str, column: str) -> None:
    for around in ("{}", "'launch-' + {}", "{} + '-1'"):
        rule = {"name": "mine", "compute": {column: around.format(f"{hashed}(contact)" if hashed else "contact")}}
        result = prepared(a_config(rules=[rule]), **PERSON, contact=contact)
        (not_sent,) = result.not_sent
        told = f"rule mine, compute.{column}: holds an e-mail address, a phone number or a name of the person"
        assert (not_sent.reason, not_sent.message, not_sent.key.event_id) == ("invalid", told, "evt-1")
        assert result.postbacks == []


@pytest.mark.parametrize(
    "contact", ["LOVELACE ada", "0176/1234567", "00491761234567", "ADA_LOVELACE", " ada.lovelace@example.com"]
)
def test_no_spelling_of_the_person_makes_an_id(contact: str) -> None:
    config = a_config(rules=[{"compute": {"event_id": "'launch-' + contact"}}])
    assert skipped(config, **PERSON, contact=contact)[0] == "invalid"


@pytest.mark.parametrize(
    "expression", ["sha256(external_id)", "'launch-' + sha256(external_id)", "plan + '-1761'", "md5(plan)"]
)
def test_an_id_that_says_nothing_of_the_person_is_sent(expression: str) -> None:
    assert sent(a_config(rules=[{"compute": {"event_id": expression}}]), **PERSON, plan="gold")["event_id"] != "evt-1"


def test_a_derived_id_is_the_same_with_and_without_a_rule() -> None:
    record = {"event_id": None, "id": 17}
    plain, ruled = (
        prepared(config, **record).postbacks[0]
        for config in (a_config(), a_config(rules=[{"event": "Subscribe", "set": {"value": 1, "currency": "EUR"}}]))
    )
    assert plain.key.event_id == ruled.key.event_id
    assert [key.event_id for key in plain.other_keys] == [key.event_id for key in ruled.other_keys]


@pytest.mark.parametrize(
    ("column", "denied", "given"),
    [
        *((column, False, True) for column in ("consent", "ad_user_data", "ad_personalization", "ad_storage")),
        ("consent", "denied", True),
        ("consent", 0, None),
    ],
)
def test_no_rule_makes_a_denied_consent_a_given_one(column: str, denied: Any, given: Any) -> None:
    for rule in ({"set": {column: given}}, {"compute": {column: str(given)}}):
        assert skipped(a_config(rules=[rule]), **{column: denied})[0] == "no_consent"
        assert sent(a_config(rules=[rule]))


@pytest.mark.parametrize("column", ["limited_data_use", "opt_out", "gpc"])
def test_no_rule_lifts_a_restriction(column: str) -> None:
    config = a_config(rules=[{"set": {column: False}}])
    assert sent(config, **{column: True})["limited_data_use"] is True


def test_a_rule_may_deny() -> None:
    assert skipped(a_config(rules=[{"set": {"consent": False}}]))[0] == "no_consent"


@pytest.mark.parametrize(
    ("columns", "when"),
    [
        ({"value": "20", "currency": "EUR"}, "value == 20"),
        ({"value": "20"}, "value == 20"),  # though no network gets a value without a currency
        ({"order": {"value": 20}}, "value == 20"),
        ({"event_name": "Order Completed"}, "event_name == 'purchase'"),
        ({"email": ["a@example.com", "b@example.com"]}, "email == 'a@example.com'"),
        ({"contents": [{"id": "s", "price": 3}]}, "len(contents) == 1 and contents[0].price == 3"),
        ({"properties": {"plan": "gold"}}, "properties.plan == 'gold'"),
        ({}, "ttclid == 'E.C.P.abc' and email is None and event_source == 'web' and test == False"),
        ({"customer": {"tier": 2}}, "customer.tier == 2"),
        ({"country": "Germany"}, "country == 'DE'"),
        ({"order": {"currency": "eur", "value": 5}}, "currency == 'EUR'"),
        ({"click_time": "2026-11-20T11:00:00Z"}, "event_time - click_time == 3600"),
    ],
)
def test_names_are_columns_as_parsed_and_others_as_they_are(columns: dict[str, Any], when: str) -> None:
    assert skipped(a_config(rules=[{"when": when, "send": False}]), **columns)[0] == "by_rule"


@pytest.mark.parametrize("name", sorted({*READERS, "ttclid", "plan"} - {"event_name", "event_id", "event_time"}))
def test_what_a_record_lacks_is_none_or_empty_as_the_page_says(name: str) -> None:
    absent = {"test": "False", "event_source": "'web'"}.get(name)
    when = f"{name} == {absent}" if absent else f"{name} is None"
    if name in ("properties", "contents"):
        when = f"len({name}) == 0 and {name} is not None"
    config = a_config(rules=[{"when": when, "send": False}], send="all")
    assert skipped(config, network=None, ttclid=None)[0] == "by_rule"


def test_names_are_what_fields_maps_too() -> None:
    config = a_config({"fields": {"value": "total", "currency": "cur"}}, rules=[{"when": "value > 5", "send": False}])
    assert skipped(config, total="7", cur="EUR")[0] == "by_rule"


NO_IDS = dict.fromkeys(name for network in NETWORKS.values() for name in network.ids)


@pytest.mark.parametrize("section", NETWORKS)
def test_a_click_id_is_known_by_its_name_wherever_the_conversion_has_it(section: str) -> None:
    network = NETWORKS[section]
    name, click_id = network.click_ids[0], network.click_id_example
    config = {section: {**SETTINGS[section], "rules": [{"when": f"{name} == '{click_id}'", "send": False}]}}
    for spelling in network.click_ids if section == "snapchat" else (name,):
        for column in ("event_source_url", "landing_url") if name in network.ids else ():  # `click_id` is in no URL
            url = f"https://shop.example/?{spelling}={click_id}"
            assert skipped(config, **NO_IDS, network=None, **{column: url})[0] == "by_rule"
    record = {**NO_IDS, "network": section, "click_id": click_id}
    assert skipped(config, **record)[0] == "by_rule"
    made = preparation(config)
    made.prepare(a_record(**record), NOW, stream="orders")
    assert made.unmet == {}


def test_a_click_id_of_another_kind_or_of_another_network_is_none() -> None:
    config = {"google_ads": {**SETTINGS["google_ads"], "rules": [{"when": "gbraid is None and gclid", "send": False}]}}
    url = "https://shop.example/?gclid=EAIaIQobChMI"
    assert skipped(config, **NO_IDS, network=None, landing_url=url)[0] == "by_rule"
    of_tiktok = a_config(rules=[{"when": "gclid is None", "send": False}])
    assert skipped(of_tiktok, landing_url=url)[0] == "by_rule"


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"when": "value > 5"}, "rule tiktok.rules[0], when: TypeError"),
        ({"name": "mine", "when": "note.lower() == 'x'"}, "rule mine, when: TypeError"),
        ({"compute": {"value": "int(note)"}}, "rule tiktok.rules[0], compute.value: TypeError"),
        (
            {"compute": {"properties": {"p": "1 / (value or 0)"}}},
            "rule tiktok.rules[0], compute.properties.p: ZeroDivisionError",
        ),
        ({"compute": {"event_time": "note"}}, "rule tiktok.rules[0], compute.event_time: not a time"),
    ],
)
def test_what_goes_wrong_with_a_record_names_rule_key_and_kind(rule: dict[str, Any], told: str) -> None:
    note = "canary" if "compute.event_time" in told else None
    result = prepared(a_config(rules=[rule]), email="canary@example.com", note=note)
    (not_sent,) = result.not_sent
    assert (not_sent.reason, not_sent.account) == ("invalid", "default")
    assert not_sent.message.startswith(told)
    assert result.mistakes == (not_sent.message,)
    assert "canary" not in repr(result)


def test_a_rule_that_fails_for_one_account_leaves_the_others() -> None:
    accounts = {"eu": {**TWO["eu"], "rules": [{"when": "value > 1"}]}, "us": TWO["us"]}
    result = prepared(a_config(accounts=accounts))
    assert [postback.account for postback in result.postbacks] == ["tiktok.us"]
    assert [each.reason for each in result.not_sent] == ["invalid"]


def test_names_that_no_record_had_are_known_with_their_places() -> None:
    rules = [{"when": "paln == 'x'"}, {"when": "plan == 'x' and email", "compute": {"value": "paln or value"}}]
    made = preparation(a_config(rules=rules))
    for record in ({"email": "ada@example.com"}, {"plan": None, "network": "organic"}):
        made.prepare(a_record(**record) | record, NOW, stream="orders")
    assert made.unmet == {
        "paln": ("tiktok.rules[0].when", "tiktok.rules[1].compute.value"),
        "value": ("tiktok.rules[1].compute.value",),
    }
    assert preparation(a_config()).unmet == {}


def test_rules_can_be_sent_to_another_process() -> None:
    rule = {"when": "value > 5", "event": "vip", "compute": {"description": "plan"}, "set": {"content_type": "hotel"}}
    original = preparation(a_config(rules=[rule], defaults={"currency": "EUR"}, preset="datalyr"))
    copy = pickle.loads(pickle.dumps(original))
    record = a_record(value=7, plan="gold")
    result = copy.prepare(record, NOW, stream="orders")
    assert result == original.prepare(record, NOW, stream="orders")
    assert result.postbacks[0].facts.network_event == "vip"


def test_a_config_without_rules_has_nothing_to_do_for_a_record() -> None:
    assert preparation(a_config()).rules == ()
    assert preparation(a_config({"defaults": {"currency": "EUR"}}, trigger_events=["purchase"])).rules == ()
    assert preparation(a_config(defaults={"currency": "EUR"}, accounts=TWO)).rules == ()
    assert preparation(a_config({"preset": "pingtree"})).rules == ()
    assert preparation(a_config(preset="appsprint")).rules == ()
