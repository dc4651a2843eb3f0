"""What a column may hold, what is left out with a note, and what is refused."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from conftest import a_conversion, refusal

from target_adpostbacks.core.countries import alpha2


@pytest.mark.parametrize(
    ("raw", "source"),
    [
        *(("website", "web"), ("mobile", "app"), ("mobile_app", "app"), ("In App", "app"), ("in-app", "app")),
        *(("store", "offline"), ("physical_store", "offline"), ("CRM", "crm"), ("", "web"), (" Offline ", "offline")),
    ],
)
def test_the_source_is_folded(raw: str, source: str) -> None:
    assert a_conversion(event_source=raw).event_source == source


def test_what_is_no_source_or_adjustment_is_refused() -> None:
    assert refusal(event_source="fax") == "event_source: web, app, offline or crm expected"
    assert refusal(adjustment="undo") == "adjustment: retract or restate expected"
    assert a_conversion(adjustment=" Retract ").adjustment == "retract"
    assert a_conversion(adjustment="").adjustment is None


def test_what_the_ledger_keeps_of_the_campaign_has_no_control_characters() -> None:
    conversion = a_conversion(campaign_name="Summer\x00 sale\r\n\x1b[2J", placement="\x00")
    assert (conversion.campaign_name, conversion.placement) == ("Summer sale [2J", None)


@pytest.mark.parametrize("form", [list, json.dumps], ids=["list", "JSON text"])
def test_contents_are_a_list_or_its_json(form: Any) -> None:
    lines = [{"id": 1, "name": " Sword ", "quantity": "2", "price": "9.99", "colour": "red"}, {"id": ""}, {}]
    (item,) = a_conversion(contents=form(lines)).contents
    assert (item.id, item.name, item.quantity, item.price) == ("1", "Sword", 2, 9.99)


@pytest.mark.parametrize("contents", [7, True, ["x"], [None], '"x"', "7", '["x"]'])
def test_contents_of_another_shape_are_left_out(contents: Any) -> None:
    conversion = a_conversion(contents=contents)
    assert (conversion.contents, conversion.unusable) == ((), ("contents: a list of objects expected",))


@pytest.mark.parametrize("form", [dict, json.dumps], ids=["object", "JSON text"])
def test_contents_that_are_an_object_are_a_list_of_one(form: Any) -> None:
    (item,) = a_conversion(contents=form({"id": "1"})).contents
    assert item.id == "1"


@pytest.mark.parametrize("text", ["[", "no json", "[" * 100_000, "[507f1, 505bd]"], ids=["cut", "none", "deep", "bare"])
def test_contents_that_are_no_json_are_left_out(text: str) -> None:
    assert a_conversion(contents=text).unusable == ("contents: not JSON",)


@pytest.mark.parametrize("text", ["[", "no json", "[" * 100_000, "\ud800"], ids=["cut", "none", "deep", "surrogate"])
def test_json_text_that_is_none_is_refused(text: str) -> None:
    assert refusal(properties=text) == "properties: not JSON"


def test_a_mistake_in_contents_is_left_out_with_the_name_of_its_column() -> None:
    conversion = a_conversion(contents=[{"id": ["x", "y"], "name": "Lamp", "quantity": ["2"]}])
    assert [(item.id, item.name, item.quantity) for item in conversion.contents] == [(None, "Lamp", None)]
    assert conversion.unusable == ("contents.id: text expected", "contents.quantity: a number expected")


def test_what_cannot_be_used_in_contents_is_left_out_with_a_note() -> None:
    conversion = a_conversion(contents=[{"id": "1", "price": "free", "quantity": 1.5}])
    assert conversion.contents[0].price is None
    assert conversion.unusable == ("contents.price: not a number", "contents.quantity: not a whole number")


@pytest.mark.parametrize("spelled", ["curbside", " Curbside", "CURBSIDE"])
def test_a_delivery_category_is_one_of_three(spelled: str) -> None:
    assert (
        a_conversion(contents=[{"id": "1", "delivery_category": spelled}]).contents[0].delivery_category == "curbside"
    )
    unknown = a_conversion(contents=[{"id": "1", "delivery_category": "drone"}])
    assert unknown.contents[0].delivery_category is None
    assert unknown.unusable == ("contents.delivery_category: not in_store, curbside or home_delivery",)


def test_properties_lose_what_is_empty_at_any_depth() -> None:
    empties: list[Any] = [None, "", " ", [], {}, float("nan"), {"g": {"h": [None]}}]
    properties = {"a": empties, "b": {"c": [*empties, 0]}, "d": False}
    assert a_conversion(properties=properties).properties == {"b": {"c": [0]}, "d": False}


def test_properties_are_an_object_or_its_json() -> None:
    assert a_conversion(properties='{"a": 1}').properties == {"a": 1}
    for other in ([1], "[1]", 7, True):
        assert refusal(properties=other) == "properties: an object expected"


def nested(depth: int) -> dict[str, Any]:
    record: dict[str, Any] = {"leaf": "value"}
    for _ in range(depth):
        record = {"in": record}
    return record


def test_deep_nesting_does_no_harm() -> None:
    assert a_conversion(extra=nested(5000)).event_name == "purchase"
    assert refusal(properties=nested(5000)) == "properties: nested too deeply"


TRUTHS = ("test", "consent", "ad_user_data", "ad_personalization", "ad_storage", "limited_data_use", "opt_out", "gpc")


@pytest.mark.parametrize("column", TRUTHS)
@pytest.mark.parametrize(
    ("truth", "spellings"),
    [
        (True, [True, 1, 1.0, "true", "True", " YES ", "y", "t", "1", "on", "granted", "GRANTED"]),
        (False, [False, 0, 0.0, "false", "No", "n", "f", "0", "off", "denied", "Denied"]),
    ],
)
def test_a_truth_is_read_in_every_spelling(column: str, truth: bool, spellings: list[Any]) -> None:
    assert {getattr(a_conversion(**{column: spelling}), column) for spelling in spellings} == {truth}


@pytest.mark.parametrize("column", TRUTHS)
@pytest.mark.parametrize("value", ["maybe", "2", 2, -1, 0.5, [], {}, [True], float("nan")])
def test_a_truth_is_never_guessed(column: str, value: Any) -> None:
    assert refusal(**{column: value}) == f"{column}: true or false expected"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("19.99", 19.99),
        (19.99, 19.99),
        (20, 20),
        (0, 0),
        ("0", 0),
        (" 5 ", 5),
        (Decimal("19.99"), 19.99),
        ("1e3", 1000),
    ],
)
def test_a_value_is_a_number_from_0_up(raw: Any, value: float) -> None:
    conversion = a_conversion(value=raw, currency="USD")
    assert (conversion.value, conversion.currency) == (value, "USD")
    assert not conversion.unusable


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        *(("free", "not a number"), ("19,99", "not a number"), ("$5", "not a number"), ("1_000", "not a number")),
        *(
            (-1, "not a number from 0 to 10^15"),
            ("-0.01", "not a number from 0 to 10^15"),
            ("1e400", "not a number from 0 to 10^15"),
        ),
        *(
            (float("nan"), "not a number from 0 to 10^15"),
            ("nan", "not a number from 0 to 10^15"),
            (1e300, "not a number from 0 to 10^15"),
        ),
        (10**400, "not a number from 0 to 10^15"),
        ("9" * 5000, "not a number"),
    ],
    ids=lambda raw: str(raw)[:30] if not isinstance(raw, int) or raw < 9 else "huge",
)
def test_an_unusable_value_is_left_out_with_a_note(raw: Any, note: str) -> None:
    conversion = a_conversion(value=raw, currency="USD")
    assert (conversion.value, conversion.currency) == (None, "USD")
    assert conversion.unusable == (f"value: {note}",)


@pytest.mark.parametrize("value", [True, [5], {"amount": 5}])
def test_a_value_of_another_type_is_refused(value: Any) -> None:
    assert refusal(value=value, currency="USD") == "value: a number expected"


@pytest.mark.parametrize("empty", [None, "", " "])
def test_a_value_without_currency_and_a_currency_without_value_stay(empty: Any) -> None:
    for columns in ({"value": 5, "currency": empty}, {"value": empty, "currency": "USD"}, {"value": 5}):
        conversion = a_conversion(**columns)
        said = (columns["value"] or None, columns.get("currency") or None)
        assert (conversion.value, conversion.currency) == tuple(None if each == " " else each for each in said)


@pytest.mark.parametrize("currency", ["eur", " EUR ", "Eur"])
def test_a_currency_is_upper_cased(currency: str) -> None:
    assert a_conversion(value=1, currency=currency).currency == "EUR"


@pytest.mark.parametrize("currency", ["euro", "€", "EURO", "ZZZ", 978, True, ["EUR"]])
def test_what_is_no_currency_is_left_out_with_a_note(currency: Any) -> None:
    conversion = a_conversion(value=1, currency=currency)
    assert (conversion.value, conversion.currency) == (1, None)
    assert conversion.unusable == ("currency: not an ISO 4217 code",)


@pytest.mark.parametrize(
    ("raw", "country"),
    [
        ("us", "US"),
        ("USA", "US"),
        ("united states", "US"),
        ("Germany", "DE"),
        ("deu", "DE"),
        ("UK", "GB"),
        ("Türkiye", "TR"),
        *(("U.S.", "US"), ("The Netherlands", "NL"), ("Great Britain", "GB"), ("uae", "AE"), ("Cape Verde", "CV")),
        *(("Macedonia", "MK"), ("Brunei", "BN"), ("Macau", "MO"), ("Palestine", "PS"), ("Reunion", "RE")),
    ],
)
def test_a_country_is_folded_to_two_letters(raw: str, country: str) -> None:
    assert a_conversion(country=raw).country == country


def test_a_hashed_country_stays_for_networks_that_want_it_hashed() -> None:
    digest = hashlib.sha256(b"us").hexdigest()
    assert a_conversion(country=f" {digest.upper()} ").country == digest
    assert a_conversion(country="g" * 64).unusable == ("country: not an ISO 3166 country",)


def test_an_addresss_scheme_is_in_lower_case() -> None:
    assert a_conversion(event_source_url="HTTPS://Example.com/A").event_source_url == "https://Example.com/A"
    assert a_conversion(landing_url="Http://a.example/").landing_url == "http://a.example/"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ada:pass@w@shop.example/a?b=c@d", "https://shop.example/a?b=c@d"),
        ("HTTPS://ada@shop.example", "https://shop.example"),
        ("https://shop.example/@ada?mail=a@b.example", "https://shop.example/@ada?mail=a@b.example"),
        ("https://shop.example?mail=a@b.example#c@d", "https://shop.example?mail=a@b.example#c@d"),
    ],
)
def test_a_pages_address_keeps_no_user_and_password(url: str, kept: str) -> None:
    c = a_conversion(event_source_url=url, referrer_url=url, landing_url=url)
    assert (c.event_source_url, c.referrer_url, c.landing_url) == (kept, kept, kept)


@pytest.mark.parametrize(("raw", "status"), [(True, "true"), (False, "false"), (3, "3"), (" Denied ", "Denied")])
def test_a_tracking_status_may_be_a_flag(raw: Any, status: str) -> None:
    assert a_conversion(att_status=raw).att_status == status


def test_what_is_no_country_is_left_out_with_a_note() -> None:
    assert a_conversion(country="Atlantis").unusable == ("country: not an ISO 3166 country",)
    assert alpha2("Atlantis") is None


def test_whole_numbers_stay_whole() -> None:
    assert a_conversion(num_items="3", screen_width=1920.0).num_items == 3
    assert a_conversion(num_items=1.5).unusable == ("num_items: not a whole number",)


def test_a_line_as_google_analytics_writes_it_is_read() -> None:
    line = {
        "item_id": "sku-1",
        "item_name": "Shoe",
        "item_brand": "Acme",
        "item_category": "Shoes",
        "price": 5,
        "quantity": 2,
    }
    (item,) = a_conversion(contents=[line]).contents
    assert (item.id, item.name, item.brand, item.category) == ("sku-1", "Shoe", "Acme", "Shoes")
    assert (item.price, item.quantity) == (5, 2)
    assert a_conversion(contents=[{**line, "id": "own"}, {"id": "2"}]).contents[0].id == "own"


def test_a_line_of_which_nothing_is_understood_is_told() -> None:
    told = "contents: a line with none of id, name, category, brand, quantity and price"
    conversion = a_conversion(contents=[{"id": "1"}, {"sku": "canary"}])
    assert [item.id for item in conversion.contents] == ["1"]
    assert conversion.unusable == (told,)
    assert not a_conversion(contents=[{}, {"sku": None}]).unusable
