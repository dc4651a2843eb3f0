"""A value is known again by its digest, raw or hashed, and so is what a network is sent of it."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.core.answers import Skip
from target_adpostbacks.core.digests import digests, fingerprint, forms, forms_of
from target_adpostbacks.core.postback import prepare
from target_adpostbacks.core.settings import PhoneSettings
from target_adpostbacks.networks import NETWORKS

KEY = "0123456789abcdef0123456789abcdef"
OTHER = "x" * 32


def hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def meet(kind: str, one: str, other: str) -> bool:
    return not {*digests(kind, one, KEY)}.isdisjoint(digests(kind, other, KEY))


SAME = [
    ("email", "Ada@Example.com", " ada@example.com "),
    ("email", "ada@example.com", hashed("ada@example.com")),
    ("email", hashed("ada@example.com").upper(), " ADA@example.com"),
    ("email", "j.doe+promo@gmail.com", hashed("jdoe@gmail.com")),  # Google
    ("email", "j.doe+promo@gmail.com", hashed("j.doe+promo@gmail.com")),  # most
    ("email", "j.doe+promo@example.com", hashed("jdoe@example.com")),  # Microsoft
    ("email", "j_doe$+promo@example.com", hashed("jdoe@example.com")),  # Reddit
    ("email", "ada l@example.com", hashed("adal@example.com")),  # LinkedIn
    ("email", "jürgen@example.com", hashed("jürgen@example.com")),
    ("email", "mailto:ada@example.com", "ada@example.com"),
    ("phone", "+1 (415) 555-0100", "14155550100"),
    ("phone", "+1 (415) 555-0100", "001 415 555 0100"),
    ("phone", "+14155550100", hashed("+14155550100")),
    ("phone", "+14155550100", hashed("14155550100")),
    ("phone", "+39 06 1234 5678", hashed("39612345678")),  # Snap
    ("phone", "0176 1234567", "(0176) 1234567"),
    ("external_id", " User_7 ", "User_7"),
    ("external_id", "User_7", hashed("user_7")),
    ("external_id", "User_7", hashed("User_7")),
    ("external_id", "User 7", hashed("user7")),
    ("external_id", "7", "7"),
    ("anonymous_id", "Visitor-1", "Visitor-1 "),
]


@pytest.mark.parametrize(("kind", "one", "other"), SAME)
def test_two_spellings_of_one_value_have_a_digest_in_common(kind: str, one: str, other: str) -> None:
    assert meet(kind, one, other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("email", "ada@example.com", "ada@example.org"),
        ("email", "ada@example.com", hashed("adam@example.com")),
        ("phone", "+14155550100", "+14155550101"),
        ("phone", "+49 176 1234567", "+1 176 1234567"),
        ("external_id", "User_7", "User_8"),
        ("anonymous_id", "Visitor-1", "visitor-1"),
    ],
)
def test_two_values_have_none_in_common(kind: str, one: str, other: str) -> None:
    assert digests(kind, one, KEY)
    assert digests(kind, other, KEY)
    assert not meet(kind, one, other)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("email", text) for text in ("", " ", "ada", "n/a", "null", hashed(""), hashed("null"), "{{email}}")),
        *(("phone", text) for text in ("", "12", "ada@example.com", "null", hashed(""))),
        *(("external_id", text) for text in ("", " ", "null", "(not set)", hashed("undefined"))),
    ],
)
def test_what_is_no_value_has_none(kind: str, value: str) -> None:
    assert digests(kind, value, KEY) == ()


def test_a_country_code_completes_a_national_number() -> None:
    assert {*digests("phone", "0176 1234567", KEY, ("49",))} >= {*digests("phone", "+49 176 1234567", KEY)}


def test_the_same_value_of_another_kind_or_under_another_key_has_another_digest() -> None:
    of_email = digests("email", hashed("7"), KEY)
    assert {*of_email}.isdisjoint(digests("external_id", hashed("7"), KEY))
    assert {*of_email}.isdisjoint(digests("email", hashed("7"), OTHER))
    assert fingerprint(KEY) != fingerprint(OTHER)


def test_a_digest_shows_nothing_of_the_value_or_the_key() -> None:
    made = [*digests("email", "ada@example.com", KEY), fingerprint(KEY)]
    assert all(re.fullmatch("[0-9a-f]{24}", each) for each in made)
    assert not any(each in hashed("ada@example.com") for each in made)


def test_all_that_identifies_the_person_of_a_conversion_counts() -> None:
    c = a_conversion(email=["ada@example.com", "a.l@example.com"], phone="0176 1234567", external_id="User_7")
    found = {*forms_of(c, [("49",), ()])}
    for kind, value in (("email", "a.l@example.com"), ("phone", "+49 176 1234567"), ("external_id", "user_7")):
        assert found >= {*forms(kind, value)}
    assert forms_of(a_conversion()) == ()
    assert len(found) == len(forms_of(c, [("49",), ()]))


@pytest.mark.parametrize(
    "text",
    [
        "+49 176 1234567, +1 415 555 0100",
        "0176 1234567; 0014155550100",
        "+491761234567 +14155550100",
        "0176/1234567 | 001 (415) 555-0100",
        "Mobil: 0176 1234567\nTel. +1 415 555 0100",
    ],
)
def test_each_number_of_a_text_is_the_persons(text: str) -> None:
    found = {*forms_of(a_conversion(phone=text), [("49",)])}
    for value in ("+491761234567", "+14155550100"):
        assert found >= {*forms("phone", value)}


AWKWARD: dict[str, list[str]] = {
    "email": [
        *("Ada@Example.com", "j.doe+promo@gmail.com", "J.Doe+x@googlemail.com", "al.ice$+apple@example.com"),
        *("MÜLLER@example.com", "ada l@example.com", '"Ada" <ada@example.com>', "a-b_c.d+e@sub.example.co.uk"),
        hashed("somebody@example.com"),
    ],
    "phone": [
        *("+1 (415) 555-0100", "0044 20 7946 0958", "+44 (0)20 7946 0958", "+39 06 1234 5678", "14155550100"),
        *("+44-0447-234-2344", "0176 1234567", "030 901820", "Tel. +49 30 901820 ext. 7", hashed("+14155550100")),
    ],
    "external_id": [" User 7 ", "ABC-123", "Ünï", "4711", hashed("User_7")],
}


@pytest.mark.parametrize("section", [name for name in NETWORKS if name != "generic"])
@pytest.mark.parametrize("kind", AWKWARD)
@pytest.mark.parametrize("source", ["web", "app", "offline", "crm"])
def test_whatever_a_network_is_sent_of_a_value_is_one_of_its_forms(section: str, kind: str, source: str) -> None:
    takes_phones = issubclass(NETWORKS[section].settings_type, PhoneSettings)
    settings: list[dict[str, Any]] = [{}, {"default_phone_country_code": "49"}] if takes_phones else [{}]
    without = sent(section, source, {})
    for value in AWKWARD[kind]:
        for changes in settings:
            codes = [("49",)] if changes else [()]
            known = {*(form.partition(":")[2] for form in forms_of(a_conversion(**{kind: value}), codes))}
            told = sent(section, source, {kind: value}, **changes) - without
            assert told <= known, value


def sent(section: str, source: str, person: dict[str, str], **settings: Any) -> set[str]:
    """Every SHA-256 in the payload of a conversion with other match keys beside."""
    network = NETWORKS[section]
    account = an_account(section, **settings)
    columns: dict[str, Any] = {
        "network": section,
        "event_source": source,
        "value": 9.99,
        "currency": "EUR",
        "platform": "ios",
    }
    columns |= {"event_source_url": "https://shop.example.com/", "app_id": "123", "os_version": "17.0"}
    columns |= {
        "ttclid": None,
        network.click_ids[0]: network.click_id_example,
        "ip_address": "8.8.8.8",
        "user_agent": "Agent/1.0",
    }
    try:
        postback = prepare(account, a_conversion(**{**columns, **person}), NOW)
    except Skip:
        return set()
    return {*re.findall("[0-9a-f]{64}", msgspec.json.encode(msgspec.json.decode(postback.payload)).decode())}


def test_that_test_does_see_hashes() -> None:
    assert sum(bool(sent(name, "web", {"email": "ada@example.com"})) for name in NETWORKS) == len(NETWORKS) - 1


def test_half_a_character_in_an_id_is_no_mistake() -> None:
    for value in ("\ud800", "user-\ud800"):
        assert len(forms_of(a_conversion(external_id=value))) == 1
        assert digests("external_id", value, KEY)
