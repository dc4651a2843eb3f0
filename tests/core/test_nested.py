"""A column within an object is read where the object is known to hold it."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import COLUMNS, NOW, a_conversion, a_record, an_account
from test_record import COLUMN_NAMES

from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.nested import DEVICE, HOLDERS, MONEY, OF_CONVERSION, PERSON, PLACE, RESERVED, SEEN
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.record import parse

VALUES: dict[str, Any] = {
    **dict.fromkeys(PERSON, "Ada"),
    **dict.fromkeys(PLACE, "Paris"),
    **dict.fromkeys(DEVICE, "1"),
    **dict.fromkeys(OF_CONVERSION, "reddit"),
} | {"country": "France", "language": "fr", "ip_address": "81.2.69.142", "user_agent": "Mozilla/5.0"}
VALUES |= {"value": 5, "currency": "EUR", "order_id": "o-1", "contents": [{"id": "LAMP"}]}
EVERYWHERE: dict[str, Any] = {
    "rdt_cid": "r-1",
    "lead_id": "l-1",
    "campaign_id": "7",
    "test": True,
    "consent": False,
    "event_source_url": "https://shop.example.com/",
    "click_time": NOW,
    "search_query": "lamp",
}
OBJECTS = [name for names, _ in HOLDERS for name in names]


def read(**columns: Any) -> dict[str, Any]:
    """What of these columns the conversion has."""
    base = {"network": None}
    c, without = a_conversion(**base | columns), a_conversion(**base)
    names = Conversion.__struct_fields__
    return {name: now for name in names if (now := getattr(c, name)) != getattr(without, name)}


def test_what_is_read_of_an_object_is_what_its_name_is_known_to_hold() -> None:
    assert VALUES.keys() == RESERVED
    for names, columns in HOLDERS:
        for name in names:
            found = read(**{name: VALUES})
            assert found.keys() - {"nested_columns"} == {*columns}, name
            assert {*found["nested_columns"]} == {f"{name}.{column}" for column in columns}


@pytest.mark.parametrize("name", ["card", "payment", "account_data", "property_num_notes", "$email", "users", "", 7])
def test_an_object_of_no_known_name_holds_nothing_that_another_is_known_for(name: Any) -> None:
    c = parse(a_record() | {name: VALUES | EVERYWHERE}, COLUMNS)
    assert {name for name in RESERVED if getattr(c, name) != getattr(a_conversion(), name)} == set()
    assert c.ids == {"rdt_cid": "r-1", "ttclid": "E.C.P.abc"}


@pytest.mark.parametrize("name", [*OBJECTS, "anything"])
@pytest.mark.parametrize("column", EVERYWHERE)
def test_every_other_column_is_read_from_any_object(name: str, column: str) -> None:
    at_the_top = read(**{column: EVERYWHERE[column]})
    nested = read(**{name: {column: EVERYWHERE[column]}})
    assert nested.pop("nested_columns") == (f"{name if name in OBJECTS else '*'}.{column}",)
    assert nested == at_the_top


def test_each_column_is_at_home_in_one_list() -> None:
    lists = [*PERSON, *PLACE, *SEEN, *DEVICE, *MONEY, *OF_CONVERSION]
    assert len(lists) == len({*lists})
    assert {*lists} <= {*COLUMN_NAMES}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"customer": {"state": "enabled", "email": "ada@example.com"}}, {"email": ("ada@example.com",)}),
        ({"customer": {"address": {"state": "Ohio"}}}, {"state": "Ohio"}),
        ({"user": {"state": "Ohio"}}, {"state": "Ohio"}),
        ({"customer": {"Address": {"region": "Ohio"}}}, {"state": "Ohio"}),
        ({"address": {"region": "Ohio", "state": "Texas"}}, {"state": "Texas"}),
        ({"geo": {"region": "Ohio", "city": "Troy"}}, {"city": "Troy"}),
        ({"context": {"ip_address": "81.2.69.142"}}, {"ip_address": "81.2.69.142"}),
        ({"user": {"card": {"country": "US"}}}, {}),
        (
            {
                "payment_method_details": {"card": {"country": "US"}},
                "billing_details": {"address": {"country": "DE"}},
            },
            {"country": "DE"},
        ),
        (
            {"property_num_notes": {"value": "3"}, "property_amount": {"value": "1500"}, "currency": "EUR"},
            {"currency": "EUR"},
        ),
        ({"$email": {"value": "ada@example.com"}}, {}),
        ({"data": {"order": {"value": 5, "currency": "eur"}}}, {"value": 5, "currency": "EUR"}),
        ({"order": {"customer": {"email": "a@b.de"}}}, {"email": ("a@b.de",)}),
        ({"order": {"email": "a@b.de"}}, {}),
        ({"conversion": {"network": "reddit", "value": 2}}, {"network": "reddit", "value": 2}),
        ({"source": {"network": "reddit", "description": "x", "placement": "feed", "account": "main"}}, {}),
        ({"source": {"network": {"rdt_cid": "r-1"}}}, {"ids": {"ttclid": "E.C.P.abc", "rdt_cid": "r-1"}}),
        ({"customer": {"idfa": "x"}, "device": {"platform": "iOS"}}, {"platform": "ios"}),
        ({"USER": {"EMAIL": "a@b.de", "Mobile": "+331"}}, {"email": ("a@b.de",), "phone": ("+331",)}),
        ({"user": [{"email": "a@b.de"}]}, {"email": ("a@b.de",)}),
        ({"user": [[{"email": "a@b.de"}]]}, {}),
        ({"user": [{"email": "a@b.de"}, {"email": "c@d.de"}]}, {}),
        ({"user": []}, {}),
        ({"user": ({"email": "a@b.de"},)}, {}),
        ({"touches": [{"rdt_cid": "r-1"}]}, {"ids": {"ttclid": "E.C.P.abc", "rdt_cid": "r-1"}}),
        ({"shipping_address": {"first_name": "Bob", "region": "Ohio", "city": "Troy"}}, {"city": "Troy"}),
    ],
)
def test_the_innermost_objects_name_decides(record: dict[str, Any], expected: dict[str, Any]) -> None:
    found = read(**record)
    assert {name: value for name, value in found.items() if name != "nested_columns"} == expected


def test_what_is_not_read_makes_nothing_invalid_and_is_not_told_as_left_out() -> None:
    odd = {"account": {"id": 7}, "value": "three", "country": "Nowhere", "network": [], "description": {}}
    assert a_conversion(data=odd) == a_conversion()


def test_the_top_goes_before_an_object_and_the_first_object_before_the_next() -> None:
    nested = {"customer": {"email": "b@example.com", "phone": "+331"}, "user": {"email": "c@example.com"}}
    assert read(**nested, phone="+332") == {
        "email": ("b@example.com",),
        "phone": ("+332",),
        "nested_columns": ("customer.email",),
    }
    assert read(user={"email_address": "b@example.com"}, email="a@example.com") == {"email": ("a@example.com",)}
    assert read(user={"email_address": "b@example.com"})["nested_columns"] == ("user.email_address",)


def test_a_path_in_fields_reads_any_object() -> None:
    columns = Columns(fields={"state": "customer.state", "value": "property_amount.value"})
    c = parse(a_record(customer={"state": "Ohio"}, property_amount={"value": "3"}), columns)
    assert (c.state, c.value) == ("Ohio", 3)


def test_what_was_nested_is_told_by_names_that_are_known() -> None:
    preparation = Preparation({"tiktok": [an_account()]}, COLUMNS, {"tiktok": "tiktok"})
    record = a_record(people={"canary@example.com": {"rdt_cid": "1"}}, user={"email": "canary@example.com"})
    prepared = preparation.prepare(record, NOW, stream="orders")
    assert prepared.nested == ("*.rdt_cid", "user.email")
    assert preparation.prepare(a_record(), NOW, stream="orders").nested == ()
