"""The settings of sources: what each does to a row, in its place, and over which other it goes."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from conftest import NOW, SETTINGS
from sourced import preparation, records

from target_adpostbacks.config import InvalidConfig, read
from target_adpostbacks.run import preparation_of

AN_ORDER = {"event_name": "purchase", "event_id": "e-1", "event_time": "2026-11-20T12:00:00Z"}

SENT = {**AN_ORDER, "ttclid": "E.1"}


def mine(**settings: Any) -> dict[str, Any]:
    """A config with one source of one's own."""
    return {"source": "mine", "sources": {"mine": settings}}


def became(top: dict[str, Any], /, **row: Any) -> dict[str, Any]:
    """The only record that a row becomes, without what every row here has."""
    (record,) = records(top, {**AN_ORDER, **row}, "rows")
    return {name: value for name, value in record.items() if AN_ORDER.get(name) != value}


def mistakes(top: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidConfig) as refused:
        read({**top, "tiktok": SETTINGS["tiktok"]})
    return refused.value.mistakes


PLAIN = {"fields": {"event_name": "event_name", "event_id": "event_id", "event_time": "event_time"}}
"""A source that reads what ``AN_ORDER`` has."""


def with_plain(**settings: Any) -> dict[str, Any]:
    """The same with these settings."""
    fields = {**PLAIN["fields"], **settings.pop("fields", {})}
    return mine(fields=fields, **settings)


# Fields


def test_with_a_source_only_its_columns_click_ids_and_consent_are_read() -> None:
    row = {"email": "a@example.com", "user": {"phone": "+14155550100"}, "state": "CA", "TTCLID": "E.1", "Consent": True}
    assert became(with_plain(), **row) == {"ttclid": "E.1", "consent": True}
    assert became(with_plain(only_fields=False), **row)["state"] == "CA"
    assert became({"only_fields": True, **PLAIN}, **row) == {"ttclid": "E.1", "consent": True}


@pytest.mark.parametrize("nothing", [None, "", "  ", {"nested": 1}, "absent"])
def test_of_several_paths_the_first_counts_where_there_is_something(nothing: Any) -> None:
    row = {"a": nothing, "b": "Bern"} if nothing != "absent" else {"b": "Bern"}
    assert became(with_plain(fields={"city": ["a", "b"]}), **row) == {"city": "Bern"}
    assert became({"fields": {"city": ["a", "b"]}, "id_columns": ["x"]}, **row) == {"city": "Bern"}


def test_click_ids_are_found_by_their_own_names() -> None:
    attributes = [{"name": "ttclid", "value": "E.1"}, {"name": "gift", "value": "x"}, {"key": "fbclid", "value": "Iw1"}]
    top = with_plain(fields={"click_ids": ["notes[*]", "meta.*", "*__c"], "gclid": "own"})
    row = {"notes": attributes, "meta": '{"fbclid": "no", "msclkid": "m1"}', "GCLID__c": "G1", "own": ""}
    assert became(top, **row) == {"ttclid": "E.1", "fbclid": "Iw1", "msclkid": "m1", "gclid": "G1"}
    assert became(top, ttclid="top", notes=None) == {"ttclid": "top"}


def test_null_takes_away_what_a_preset_says() -> None:
    top = {"source": "shopify_orders", "fields": {"email": None}}
    row = {"id": 1, "processed_at": "2026-11-20T12:00:00Z", "financial_status": "paid", "email": "a@example.com"}
    (record,) = records(top, row)
    assert "email" not in record


# Values


@pytest.mark.parametrize(
    ("raw", "meaning"),
    [
        ("Facebook Ads", "meta"),
        (" facebook ads ", "meta"),
        ("tiktokglobal_int", "tiktok"),
        ("tiktok_exact", "reddit"),
        ("Organic", None),
        ("other", "other"),
    ],
)
def test_values_say_what_texts_mean(raw: str, meaning: str | None) -> None:
    meanings = {"*tiktok*": "tiktok", "facebook ads": "meta", "organic": None, "tiktok_exact": "reddit"}
    for top in (with_plain(fields={"network": "source"}, values={"network": meanings}),):
        assert became(top, source=raw).get("network") == meaning
    assert became({"values": {"network": meanings}}, network=raw).get("network") == meaning


def test_truths_and_numbers_are_told_as_json_writes_them() -> None:
    top = with_plain(fields={"test": "livemode"}, values={"test": {"true": False, "false": True, "3": True}})
    assert became(top, livemode=False) == {"test": True}
    assert became(top, livemode=True) == {}
    assert became(top, livemode=3) == {"test": True}
    assert became(top, livemode="FALSE") == {"test": True}


def test_a_star_comes_last_and_null_leads_to_the_next_path() -> None:
    top = with_plain(
        fields={"platform": ["os", "store"]}, values={"platform": {"*": None, "APP_STORE": "ios", "ios": "ios"}}
    )
    assert became(top, os="windows", store="APP_STORE") == {"platform": "ios"}


def test_each_member_of_a_list_has_its_meaning() -> None:
    top = with_plain(fields={"email": "mails"}, values={"email": {"none@*": None}})
    assert became(top, mails=["none@example.com", "a@example.com"]) == {"email": "a@example.com"}


def test_an_event_that_is_null_is_off() -> None:
    top = with_plain(values={"event_name": {"session_*": None}})
    assert records(top, {**AN_ORDER, "event_name": "session_end"}, "rows")[0]["skipped"] == "event_off"
    (not_sent,) = preparation(top).prepare({**AN_ORDER, "event_name": "session_end"}, NOW, stream="rows").not_sent
    assert (not_sent.reason, not_sent.key.event_name, not_sent.key.event_id) == ("event_off", "session_end", "e-1")
    named = with_plain(values={"event_name": {"session_*": None}}, rows=[{"event": "session_start"}])
    assert became(named, event_name="session_end") == {"event_name": "session_start"}


# Rows


def test_the_first_row_that_fits_counts_and_what_none_fits_is_left_out() -> None:
    rows = [
        {"name": "tests", "when": "at('kind') == 'test'", "send": False},
        {"when": "float(value) > 100", "event": "lead", "set": {"description": "large"}},
        {"when": "at('kind') == 'sale'", "compute": {"order_id": "'o-' + str(at('number'))", "city": "None"}},
    ]
    top = with_plain(fields={"value": "total", "city": "town"}, rows=rows)
    assert became(top, kind="test", total=200) == {"skipped": "by_rule", "message": "tests"}
    assert became(top, total="200") == {"event_name": "lead", "value": 200, "description": "large"}
    assert became(top, total=1, kind="sale", number=7, town="Bern") == {"value": 1, "order_id": "o-7"}
    assert became(top, total=1)["skipped"] == "by_rule"
    (not_sent,) = preparation(top).prepare({**AN_ORDER, "total": 1}, NOW, stream="rows").not_sent
    assert (not_sent.reason, not_sent.key.event_name, not_sent.key.event_id) == ("by_rule", "purchase", "e-1")


def test_a_row_may_be_several_conversions() -> None:
    rows = [
        {"when": "at('paid')", "event": "purchase", "each": True},
        {"when": "total('refunds[].amount') > 0", "set": {"adjustment": "restate"}, "compute": {"value": REST}},
    ]
    top = with_plain(fields={"value": "total"}, rows=rows)
    row = {**AN_ORDER, "total": 10, "paid": True, "refunds": [{"amount": "1.50"}, {"amount": 2}, {}]}
    first, second = records(top, row, "rows")
    assert (first["value"], second["value"], second["adjustment"]) == (10, 6.5, "restate")
    prepared = preparation(top).prepare(row, NOW, stream="rows")
    assert (prepared.conversions, prepared.outcomes) == (2, 2)
    assert len(records(top, {**row, "refunds": []}, "rows")) == 1
    assert records(top, {**row, "refunds": [], "paid": False}, "rows")[0]["skipped"] == "by_rule"


def test_a_correction_that_a_row_makes_awaits_its_original_and_a_records_own_does_not() -> None:
    network = {**SETTINGS["google_ads"], "send": "all"}
    row = {**AN_ORDER, "gclid": "Cj0", "email": "ada@example.com", "value": 5, "currency": "EUR"}

    def awaits(rows: list[dict[str, Any]], **changes: Any) -> list[bool]:
        fields = {name: name for name in ("value", "currency", "email", "adjustment")}
        made = preparation_of(*read({**with_plain(fields=fields, rows=rows), "google_ads": network}))
        return [each.awaits_original for each in made.prepare({**row, **changes}, NOW, stream="rows").postbacks]

    assert awaits([{"event": "purchase", "set": {"adjustment": "restate"}}]) == [True]
    assert awaits([{"event": "purchase"}], adjustment="restate") == [False]
    assert awaits([{"event": "purchase"}]) == [False]


def test_a_mistake_of_a_later_row_leaves_the_conversions_before_it() -> None:
    rows = [
        {"name": "sold", "event": "purchase", "each": True},
        {"name": "refunded", "when": "float(at('back') or 0) > 0", "set": {"adjustment": "retract"}},
    ]
    made = preparation(with_plain(rows=rows)).prepare({**SENT, "back": "canary"}, NOW, stream="rows")
    assert [(each.key.event_name, each.key.event_id) for each in made.postbacks] == [("purchase", "e-1")]
    assert [(each.reason, each.message) for each in made.not_sent] == [("invalid", "refunded: when: ValueError")]
    assert made.conversions == 2


@pytest.mark.parametrize("blank", [None, "", "  ", "\t"])
def test_what_is_blank_is_nothing_to_an_expression(blank: Any) -> None:
    rows = [{"when": "at('a', 'b') == 'y'", "event": "lead"}, {"when": "at('a') is None", "event": "contact"}]
    top = with_plain(rows=rows)
    assert became(top, a=blank, b="y")["event_name"] == "lead"
    assert became(top, a=blank)["event_name"] == "contact"


REST = "float(value) - total('refunds[].amount')"


def test_an_expression_that_fails_makes_the_row_invalid_without_its_value() -> None:
    top = with_plain(fields={"value": "total"}, rows=[{"name": "mine", "when": "float(value) > 0"}])
    assert records(top, {**AN_ORDER, "total": "canary"}, "rows") == [{"skipped": "invalid", "message": FAILS}]
    prepared = preparation(top).prepare({**AN_ORDER, "total": "canary"}, NOW, stream="rows")
    assert (prepared.invalid, prepared.not_sent[0].key.event_id) == (FAILS, "e-1")


FAILS = "mine: when: ValueError"


# Money, contents, ids, times


@pytest.mark.parametrize(
    ("currency", "raw", "value"),
    [
        ("EUR", 1999, 19.99),
        ("eur", "1999", 19.99),
        ("JPY", 500, 500),
        ("KWD", 1500, 1.5),
        ("ISK", 500, 5),
        ("EUR", 0, 0),
    ],
)
def test_minor_units_are_read_by_the_digits_of_the_currency(currency: str, raw: Any, value: float) -> None:
    top = with_plain(
        fields={"value": "amount", "currency": "currency", "contents": "lines"},
        value_unit="minor",
        minor_digits={"ISK": 2},
    )
    record = became(top, amount=raw, currency=currency, lines=[{"id": "a", "price": raw}])
    assert record["value"] == value
    assert [item.get("price") for item in record["contents"]] == [value]


def test_minor_units_without_a_currency_are_no_money() -> None:
    top = with_plain(fields={"value": "amount"}, value_unit="minor")
    assert became(top, amount=1999)["left out"] == ["value: in minor units, and there is no currency"]
    assert became({**top, "defaults": {"currency": "EUR"}}, amount=1999) == {"value": 19.99, "currency": "EUR"}


def test_a_rule_sees_and_sets_major_units() -> None:
    top = with_plain(fields={"value": "amount", "currency": "currency"}, value_unit="minor")
    made = preparation({**top, "rules": [{"when": "value > 19 and value < 20", "compute": {"value": "value * 2"}}]})
    (postback,) = made.prepare({**SENT, "amount": 1999, "currency": "EUR"}, NOW, stream="rows").postbacks
    assert postback.facts.value == 39.98


def test_entries_of_contents_have_columns_of_their_own() -> None:
    top = with_plain(
        fields={"contents": "lines"},
        item_fields={"id": ["sku", "variant", "product"], "name": "title", "quantity": "n"},
    )
    lines = [
        {"id": 1, "sku": False, "variant": 0, "product": 31, "title": "Lamp", "n": 0},
        {"id": 2, "sku": "S", "variant": 41},
    ]
    assert became(top, lines=lines)["contents"] == [{"id": "31", "name": "Lamp", "quantity": 0}, {"id": "S"}]
    assert became(top, lines={"sku": "S"})["contents"] == [{"id": "S"}]
    assert became(top, lines="[507f1]")["left out"] == ["contents: not JSON"]


def test_ids_are_derived_from_columns_of_the_source() -> None:
    top = mine(fields={"event_name": "event", "event_time": "at", "order_id": "order"}, id_columns=["user", "batch.n"])
    row = {"event": "purchase", "at": "2026-11-20T12:00:00Z", "user": "u1", "batch": {"n": 7}}

    def event_id(**changes: Any) -> str:
        (record,) = records(top, {**row, **changes}, "rows")
        return str(record.get("event_id") or record)

    assert event_id().startswith("mine-")
    assert len(event_id()) == len("mine-") + 32
    assert event_id() == event_id(batch={"n": "7"}, other=1)
    assert len({event_id(), event_id(user="u2"), event_id(batch=None), event_id(event="lead")}) == 4
    assert event_id(order="o-1") == "o-1"
    assert "id_columns" in event_id(user=None, batch=None)
    assert records(top, row, "another") == records(top, row, "rows")


def test_a_source_has_a_time_zone_of_its_own() -> None:
    zones = {"default_timezone": "Europe/Berlin"}
    assert became({**with_plain(), **zones}, event_time="2026-11-20T12:00:00")["event_time"] == "2026-11-20T11:00:00Z"
    own = {**with_plain(default_timezone="Asia/Tokyo"), **zones}
    assert became(own, event_time="2026-11-20T12:00:00")["event_time"] == "2026-11-20T03:00:00Z"


@pytest.mark.parametrize(
    ("value", "is_deleted"),
    [
        *((value, True) for value in (True, "true", 1, "2026-11-20T12:00:00Z", 1795168800)),
        *((value, False) for value in (False, "false", 0, None, "")),
    ],
)
def test_a_row_that_its_source_has_deleted_is_skipped(value: Any, is_deleted: bool) -> None:
    for top in (with_plain(deleted=["gone", "archived"]), {"deleted": "archived"}):
        assert (became(top, archived=value) == {"skipped": "deleted"}) is is_deleted
    (not_sent,) = preparation(with_plain(deleted="gone")).prepare({**AN_ORDER, "gone": 1}, NOW, stream="rows").not_sent
    assert (not_sent.reason, not_sent.key.event_id) == ("deleted", "e-1")


def test_what_says_neither_is_invalid() -> None:
    assert became(with_plain(deleted="gone"), gone="canary") == {
        "skipped": "invalid",
        "message": "deleted: true, false or a time expected",
    }


@pytest.mark.parametrize("place", ["top", "source"])
def test_conversions_before_a_time_are_too_old(place: str) -> None:
    time = {"not_before": "2026-11-20T12:00:00"}
    top = {**with_plain(), **time} if place == "top" else with_plain(**time)
    made = preparation(top)
    (not_sent,) = made.prepare({**AN_ORDER, "event_time": "2026-11-20T11:59:59Z"}, NOW, stream="rows").not_sent
    assert (not_sent.reason, not_sent.key.event_id) == ("too_old", "e-1")
    assert made.prepare(SENT, NOW, stream="rows").postbacks


# Which source reads a stream


def test_a_source_reads_its_streams_behind_a_schema_and_plain_lines() -> None:
    made = preparation(with_plain(streams=["orders", "shop_*"]))
    assert made.sources
    for stream, is_read in {
        "orders": 1,
        "mart-orders": 1,
        "shop_x": 1,
        "conversions": 1,
        "customers": 0,
        "orders2": 0,
    }.items():
        assert (made.sources.way(stream) is not None) == bool(is_read), stream
        assert made.prepare(AN_ORDER, NOW, stream=stream).conversions == is_read


def test_rows_of_records_that_are_prepared_together_stay_with_their_record() -> None:
    rows = [{"when": "at('n') >= 2", "event": "purchase", "each": True}, {"when": "at('n') >= 1", "event": "lead"}]
    made = preparation(with_plain(rows=rows, streams=["rows"]))
    records = [{**AN_ORDER, "event_id": f"e-{at}", "n": at % 3} for at in range(7)]
    together = made.prepare_all(records, NOW, stream="rows", lines=range(1, 8))
    assert [each.conversions for each in together] == [1, 1, 2, 1, 1, 2, 1]
    assert together == [made.prepare(each, NOW, stream="rows", line=at) for at, each in enumerate(records, 1)]
    assert [each.conversions for each in made.prepare_all(records, NOW, stream="others", lines=range(7))] == [0] * 7


def test_streams_are_named_in_any_case_of_letters() -> None:
    for top, expected in (
        (with_plain(streams=["Orders", "!Tracks"]), {"orders": True, "SHOP-ORDERS": True, "tracks": False}),
        ({**with_plain(), "source": {"Shop-*": "mine"}}, {"shop-a": True, "SHOP-A": True, "a": False}),
    ):
        sources = preparation(top).sources
        assert sources
        assert {stream: sources.way(stream) is not None for stream in expected} == expected


def test_a_map_names_sources_for_streams() -> None:
    top = {
        **with_plain(rows=[{"event": "lead"}]),
        "source": {"*-orders": "mine", "plain": "none", "*": "shopify_orders"},
    }
    made = preparation({**top, "fields": {"event_name": "event_name"}})
    events = {
        stream: [each.key.event_name for each in made.prepare(SENT, NOW, stream=stream).postbacks]
        for stream in ("a-orders", "plain", "other")
    }
    assert events == {"a-orders": ["lead"], "plain": ["purchase"], "other": []}


def test_nothing_is_built_without_such_a_setting() -> None:
    assert preparation({}).sources is None
    assert preparation({"fields": {"city": "town[0]"}, "defaults": {"currency": "EUR"}}).sources is None


def test_a_config_with_sources_can_be_pickled() -> None:
    made = preparation(with_plain(rows=[{"when": "at('a.b') is None", "event": "lead"}], values={"city": {"a*": "b"}}))
    made.prepare(AN_ORDER, NOW, stream="rows")
    again = pickle.loads(pickle.dumps(made.without_secrets()))
    assert again.prepare(AN_ORDER, NOW, stream="rows") == made.prepare(AN_ORDER, NOW, stream="rows")


# Layers


def test_ones_own_source_goes_before_the_top_and_that_before_a_preset() -> None:
    row = {"id": 1, "processed_at": "2026-11-20T12:00:00Z", "financial_status": "paid", "a": "A", "b": "B", "tags": "x"}
    top: dict[str, Any] = {
        "source": "mine",
        "fields": {"city": "a", "order_id": "a"},
        "values": {"event_source": {"pos": "crm"}},
        "rows": [{"when": "at('tags') == 'y'", "event": "lead"}],
        "sources": {
            "base": {"extends": "shopify_orders", "fields": {"city": "b"}, "defaults": {"currency": "USD"}},
            "mine": {"extends": "base", "rows": [{"when": "at('tags') == 'z'", "event": "contact"}]},
        },
    }
    (record,) = records(top, {**row, "source_name": "pos"}, "orders")
    assert (record["city"], record["order_id"], record["event_id"], record["event_source"]) == ("B", "A", "1", "crm")
    assert record["currency"] == "USD"
    assert [records(top, {**row, "tags": tag}, "orders")[0]["event_name"] for tag in "xyz"] == [
        "purchase",
        "lead",
        "contact",
    ]
    (record,) = records({**top, "source": "shopify_orders"}, row, "orders")
    assert record["city"] == "A"


def test_defaults_and_constants_of_a_source() -> None:
    top = with_plain(
        fields={"currency": "c", "city": "town"}, defaults={"currency": "USD"}, constants={"event_source": "app"}
    )
    assert became({**top, "defaults": {"currency": "EUR", "city": "Bern"}}, town="") == {
        "currency": "USD",
        "city": "Bern",
        "event_source": "app",
    }
    assert became(top, c="GBP")["currency"] == "GBP"


def test_an_accounts_default_goes_before_a_presets() -> None:
    row = {"id": 1, "processed_at": "2026-11-20T12:00:00Z", "financial_status": "paid", "total_price": 5}
    row |= {"ttclid": "E.1"}
    made = preparation({"source": "shopify_orders"}, defaults={"currency": "CHF"})
    (postback,) = made.prepare(row, NOW, stream="orders").postbacks
    assert (postback.facts.value, postback.facts.currency) == (5, "CHF")


# Mistakes


@pytest.mark.parametrize(
    ("top", "mistake"),
    [
        ({"source": "shopify"}, "source: no such source; did you mean shopify_orders?"),
        ({"source": {"a": "nine"}}, "source.a: no such source"),
        ({"source": {}}, "source: empty"),
        ({"source": "none"}, "source: no such source"),
        ({"sources": {"shopify_orders": {}}}, "sources.shopify_orders: the name of a preset"),
        ({"sources": {"Mine": {}}}, "sources.Mine: not a name"),
        ({"sources": {"": {}}}, "sources.: not a name"),
        ({"sources": {"none": {}}}, "sources.none: `none` stands for no source"),
        ({"sources": {"mine": 5}}, "sources"),
        ({"sources": {"mine": {"feilds": {}}}}, "sources.mine.feilds: no such setting; did you mean fields?"),
        ({"sources": {"mine": {"extends": "shopify"}}}, "sources.mine.extends: no such source"),
        ({"sources": {"a": {"extends": "b"}, "b": {"extends": "a"}}}, "sources.a.extends: leads back to"),
        ({"source": "shopify_orders", "preset": "pingtree"}, "preset: pingtree brings columns of its own"),
        ({"fields": {"city": "a["}}, "fields.city: a bracket is not closed"),
        ({"fields": {"click_ids": "a"}}, "fields.click_ids: one * expected"),
        ({"item_fields": {"sku": "a"}}, "item_fields.sku: no such column of contents"),
        ({"item_fields": {"id": "a..b"}}, "item_fields.id: an empty member"),
        ({"id_columns": ["a["]}, "id_columns: a bracket is not closed"),
        ({"deleted": "a["}, "deleted: a bracket is not closed"),
        ({"values": {"emial": {"a": "b"}}}, "values.emial: no such column; did you mean email?"),
        ({"values": {"test": {"a": "canary"}}}, "values.test.a: true or false expected"),
        ({"values": {"city": {"a": []}}}, "values.city.a: a text, a number, true, false or null expected"),
        ({"value_unit": "cents"}, "value_unit: not one of its choices"),
        ({"minor_digits": {"ISKK": 2}}, "minor_digits.ISKK: not an ISO 4217 code"),
        ({"minor_digits": {"ISK": 9}}, "minor_digits.ISK: a whole number from 0 to 4 expected"),
        ({"not_before": "canary"}, "not_before: not a time"),
        ({"sources": {"mine": {"default_timezone": "canary"}}}, "sources.mine.default_timezone: not a time zone"),
        (
            {"sources": {"mine": {"defaults": {"currency": "canary"}}}},
            "sources.mine.defaults.currency: not an ISO 4217",
        ),
        ({"rows": ["x"]}, "rows[0]: an object expected, with the keys of docs/sources.md"),
        ({"rows": [{"wen": "1"}]}, "rows[0].wen: no such key of a rule; did you mean when?"),
        (
            {"rows": [{"when": "status == 1"}]},
            "rows[0].when: status is no column; what the row itself holds is at('status')",
        ),
        ({"rows": [{"when": "at(1)"}]}, "rows[0].when: at takes paths as texts"),
        ({"rows": [{"when": "at('a', b='c')"}]}, "rows[0].when: at takes paths as texts"),
        ({"rows": [{"when": "at('a[')"}]}, "rows[0].when: at: a bracket is not closed"),
        ({"rows": [{"when": "at('a[]')"}]}, "rows[0].when: at: empty brackets"),
        ({"rows": [{"when": "total('a', 'b')"}]}, "rows[0].when: total takes one path"),
        ({"rows": [{"when": "open('x')"}]}, "rows[0].when: character 1: no such function"),
        ({"rows": [{"send": False, "event": "lead"}]}, "rows[0].send: false leaves nothing to do for event"),
        ({"rows": [{"set": {"event_name": "x"}}]}, "rows[0].set.event_name: `event` names the event"),
        ({"rows": [{"set": {"test": "canary"}}]}, "rows[0].set.test: true or false expected"),
        ({"rows": [{"compute": {"emial": "1"}}]}, "rows[0].compute.emial: no such column"),
        ({"rows": [{"compute": {"event_id": "email"}}]}, "rows[0].compute.event_id: made of a column of the person"),
        ({"rows": [{"compute": {"order_id": "at('customer.email')"}}]}, "rows[0].compute.order_id: made of a column"),
        (
            {"fields": {"email": "kontakt.adr"}, "rows": [{"compute": {"order_id": "at('kontakt.adr')"}}]},
            "rows[0].compute.order_id: made of a column of the person",
        ),
        ({"sources": {"mine": {"rows": [{"when": "("}]}}}, "sources.mine.rows[0].when: not an expression"),
    ],
)
def test_a_mistake_names_path_rule_and_next_step(top: dict[str, Any], mistake: str) -> None:
    said = mistakes(top)
    assert any(each.startswith(mistake) for each in said), said
    assert not [each for each in said if "canary" in each.split(": ", 1)[1]]


@pytest.mark.parametrize("settings", [None, "", "x", 5, True, []])
def test_a_source_that_is_no_object_is_told_once(settings: Any) -> None:
    (said,) = mistakes({"sources": {"a": settings}})
    assert said.startswith("sources.a: an object expected. Sources of your own,")


def test_the_mistakes_of_a_row_do_not_hide_each_other() -> None:
    row = {"when": "status == 1", "event": ["x"], "set": {"emial": 1}, "compute": {"zipp": "value"}, "sent": False}
    said = mistakes({"rows": [row]})
    assert {each.split(":")[0] for each in said} == {
        f"rows[0].{key}" for key in ("when", "event", "set.emial", "compute.zipp", "sent")
    }
    assert len(said) == 5


def test_all_mistakes_come_at_once() -> None:
    top = {
        "source": "x",
        "fields": {"city": "a["},
        "rows": [{"when": "("}, {"event": ""}],
        "sources": {"mine": {"rows": [1]}},
    }
    assert len(mistakes(top)) == 5
