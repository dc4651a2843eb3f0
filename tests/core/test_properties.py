"""Nothing in ``properties`` tells who the person is."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import a_conversion, a_record

from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.properties import passed_on
from target_adpostbacks.core.record import parse

PERSON: dict[str, Any] = {
    "email": "Ada.L@Example.com",
    "phone": "+1 (415) 555-0100",
    "external_id": "U-1",
    "ip_address": "203.0.113.7",
    "gaid": "38400000-8cf0-11bd-b23e-10b96e40000d",
    "date_of_birth": "2/16/1997",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "gender": "M",
    "city": "Paris",
    "state": "CA",
    "postal_code": "75001",
    "country": "FR",
}


@pytest.mark.parametrize(
    "value",
    [
        *(
            "Ada.L@Example.com",
            "ada.l@example.com",
            "ADA.L@EXAMPLE.COM ",
            "mail ada.l@example.com",
            "ada.l%40example.com",
        ),
        *("+1 (415) 555-0100", "14155550100", 14155550100, 14155550100.0, "call 001 415 555 0100", "U-1", "u1"),
        *("203.0.113.7", "38400000-8CF0-11BD-B23E-10B96E40000D", "384000008cf011bdb23e10b96e40000d"),
        *("2/16/1997", "1997-02-16", 19970216, "Ada Lovelace", "LOVELACE, ADA", "Mrs Ada Lovelace"),
        *(["x", ["ada.l@example.com"]], {"deep": [{"er": "U-1"}]}, {"ada.l@example.com": 1}),
    ],
)
def test_a_property_that_tells_who_the_person_is_is_left_out(value: Any) -> None:
    assert a_conversion(**PERSON, properties={"note": value, "level": 7}).properties == {"level": 7}


def test_a_property_whose_name_tells_it_is_left_out() -> None:
    assert a_conversion(**PERSON, properties={"ada.l@example.com": True, "level": 7}).properties == {"level": 7}


def test_what_many_people_share_stays() -> None:
    shared = {"size": "M", "from": "Paris", "to": "CA", "desk": "75001", "tongue": "FR", "who": "Ada", "on": True}
    assert a_conversion(**PERSON, properties=shared).properties == shared


def test_a_national_number_is_known_with_any_country_code_before_it() -> None:
    assert a_conversion(phone="0151 2345678", properties={"note": "+49 151 2345678"}).properties == {}


def test_without_a_person_every_property_stays() -> None:
    assert a_conversion(properties={"note": "ada@example.com", "": ""}).properties == {"note": "ada@example.com"}


def test_a_property_that_is_mapped_to_a_match_key_is_none_any_more() -> None:
    columns = Columns(
        ["ttclid"], {"first_name": "properties.vorname", "gender": "properties.who.sex", "value": "properties.sum"}
    )
    record = a_record(properties={"vorname": "Ada", "who": {"sex": "f", "vip": True}, "sum": 5})
    assert parse(record, columns).first_name == "Ada"
    assert parse(record, columns).properties == {"who": {"vip": True}, "sum": 5}
    assert record["properties"]["vorname"] == "Ada"
    renamed = Columns(["ttclid"], {"properties": "more.facts", "city": "more.facts.town"})
    assert parse(a_record(more={"facts": {"town": "Paris", "level": 7}}), renamed).properties == {"level": 7}


@pytest.mark.parametrize(
    "name",
    "email user_email customerPhone billing_city IPAddress First_Name e-mail event_id eventTime event_source user_data "
    "test_event_code".split(),
)
def test_a_personal_name_and_one_of_the_envelope_are_not_passed_on(name: str) -> None:
    assert passed_on({name: "x", "level_name": "Castle", "velocity": 3}) == {"level_name": "Castle", "velocity": 3}


def test_a_personal_name_is_not_passed_on_from_any_depth() -> None:
    nested = {"trip": [{"contact": {"email": "x", "vip": True}}], "deal": {"phone": "1", "kept": 0}}
    assert passed_on(nested) == {"trip": [{"contact": {"vip": True}}], "deal": {"kept": 0}}
