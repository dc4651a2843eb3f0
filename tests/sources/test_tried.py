"""What rows of common taps came to before there were sources, and what they come to now."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import NOW
from sourced import preparation, records

AN_EVENT = {"event_name": "purchase", "event_id": "e-1", "event_time": "2026-11-20T12:00:00Z"}


def without_source(top: dict[str, Any] | None = None, /, **row: Any) -> dict[str, Any]:
    """The record that a row becomes."""
    (record,) = records(top or {"id_columns": ["event_id"]}, {**AN_EVENT, **row}, "rows")
    assert isinstance(record, dict)
    return record


def test_a_landing_url_without_a_host_has_its_click_id() -> None:
    made = preparation({"fields": {"landing_url": "landing_site"}}, send="attributed")
    (postback,) = made.prepare({**AN_EVENT, "landing_site": "/p?ttclid=E.C.P.abc"}, NOW, stream="orders").postbacks
    assert b'"ttclid":"E.C.P.abc"' in postback.payload


def test_what_a_nested_object_calls_so_is_no_column_of_the_person() -> None:
    assert "state" not in without_source(customer={"state": "enabled"})
    card = {"payment_method_details": {"card": {"country": "US"}}, "billing_details": {"address": {"country": "DE"}}}
    assert without_source(**card)["country"] == "DE"
    assert "value" not in without_source(property_num_notes={"value": "3"}, property_amount=1500)
    assert "left out" not in without_source(**{"$email": {"value": "ada@example.com"}})


def test_a_charge_that_failed_is_no_conversion() -> None:
    charge = {"id": "ch_1", "created": "2026-11-20T09:00:00Z", "amount": 1999, "amount_captured": 0, "currency": "eur"}
    failed = {**charge, "status": "failed", "paid": False, "captured": False, "livemode": False}
    (record,) = records({"source": "stripe_charges"}, failed)
    assert record["skipped"] == "by_rule"


def test_contents_are_known_by_what_is_sold_and_not_by_their_line() -> None:
    line = {"id": 7, "sku": "LAMP", "quantity": 1, "price": "50.34"}
    order = {"id": 1, "processed_at": "2026-11-20T09:00:00Z", "financial_status": "paid", "line_items": [line]}
    (record,) = records({"source": "shopify_orders"}, order)
    assert [item["id"] for item in record["contents"]] == ["LAMP"]
    assert without_source(contents="[507f1, 505bd]")["left out"] == ["contents: not JSON"]


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("note_attributes[ttclid]", {"note_attributes": [{"name": "ttclid", "value": "E.1"}]}),
        ("note_attributes[0].value", {"note_attributes": [{"name": "ttclid", "value": "E.1"}]}),
        ("metadata.ttclid", {"metadata": '{"ttclid": "E.1"}'}),
    ],
)
def test_a_click_id_is_found_in_lists_and_in_json_text(path: str, row: dict[str, Any]) -> None:
    assert without_source({"fields": {"ttclid": path}, "id_columns": ["event_id"]}, **row)["ttclid"] == "E.1"


def test_an_empty_column_of_the_person_stays_empty_unless_a_list_names_both() -> None:
    row = {"customer": {"email": None}, "email": "ada@example.com"}
    ids = {"id_columns": ["event_id"]}
    assert "email" not in without_source({"fields": {"email": "customer.email"}, **ids}, **row)
    both = {"fields": {"email": ["customer.email", "email"]}, **ids}
    assert without_source(both, **row)["email"] == "ada@example.com"


def test_words_of_others_for_flags_and_sources_are_given_a_meaning() -> None:
    row = {"ad_storage": "Unset", "event_source": "SDK"}
    assert "invalid" in without_source(**row)
    meanings = {"ad_storage": {"unset": None}, "event_source": {"sdk": "app", "s2s": "app"}}
    record = without_source({"values": meanings}, **row)
    assert ("ad_storage" in record, record["event_source"]) == (False, "app")


def test_a_row_that_its_source_has_deleted_is_left_out() -> None:
    row = {"Id": "006", "IsWon": True, "IsDeleted": True, "Amount": 5, "LastStageChangeDate": "2026-11-20T09:00:00Z"}
    (record,) = records({"source": "salesforce_opportunities"}, row)
    assert record["skipped"] == "deleted"


def test_an_event_has_one_id_in_both_tables_of_its_day() -> None:
    event = {
        "event_name": "sign_up",
        "event_timestamp": 1795168800000000,
        "user_pseudo_id": "1.2",
        "event_bundle_sequence_id": 7,
        "platform": "WEB",
    }
    one, other = (
        records({"source": "ga4_bigquery"}, event, f"analytics-{table}_20261120", ())[0]["event_id"]
        for table in ("events", "events_intraday")
    )
    assert one == other


def test_records_of_another_stream_are_not_invalid_one_by_one() -> None:
    assert records({"source": "shopify_orders"}, {"email": "ada@example.com"}, "customers", ()) == [
        "a stream of no source"
    ]
