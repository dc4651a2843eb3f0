"""Values that say nothing are missing, wherever they stand."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from conftest import a_conversion

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.placeholders import is_macro, is_placeholder

NOBODY = a_conversion(ttclid=None)
MACROS = (
    *("{{click_id}}", "{{ ad.id }}", "%7B%7Bclick_id%7D%7D", "%7b%7bad.id%7d%7d", "${click_id}", "__CLICKID__"),
    *("__CLICK_ID__", "_X_", "_CLICK_ID_", "{gclid}", "%%CLICK_ID%%"),
)
WORDS = ("null", "NULL", "Null", "none", "None", "undefined", "Undefined", "NaN", "nan", "N/A", "(not set)")
NO_MACROS = ("{3F2504E0-4F89-41D3-9A0C-0305E82C3301}", "__init__", "_x_", "E.C.P.abc", "{", "${", "a{{b}}", "_A", "{}")


@pytest.mark.parametrize("text", MACROS)
def test_an_unexpanded_macro_is_missing_in_every_column(text: str) -> None:
    columns = ("ttclid", "external_id", "first_name", "city", "campaign_name", "network", "event_source")
    conversion = a_conversion(**dict.fromkeys((*columns, "order_id", "search_query", "adjustment"), text))
    assert conversion == a_conversion(ttclid=None, network=None)
    assert is_macro(text)


@pytest.mark.parametrize("text", NO_MACROS)
def test_what_only_looks_like_a_macro_stays(text: str) -> None:
    assert a_conversion(external_id=text, ttclid=text).external_id == (text,)
    assert not is_placeholder(text)


@pytest.mark.parametrize("text", [*WORDS, "[object Object]"])
def test_a_word_for_nothing_is_no_id(text: str) -> None:
    ids: dict[str, Any] = dict.fromkeys(("ttclid", "external_id", "lead_id", "idfa", "order_id", "postal_code"), text)
    assert a_conversion(**ids) == NOBODY
    assert a_conversion(external_id=["user_7", text]).external_id == ("user_7",)


@pytest.mark.parametrize("text", ["null", "NULL", "none", "None", "nan", "NaN", "undefined", "N/A"])
def test_a_name_is_missing_as_programs_write_it(text: str) -> None:
    assert a_conversion(ttclid=None, first_name=text, last_name=text, city=text, state=text) == NOBODY


@pytest.mark.parametrize("name", ["Null", "Nan", "None of them", "Nulle", "NONE"])
def test_a_persons_name_may_look_like_a_word_for_nothing(name: str) -> None:
    assert a_conversion(last_name=name).last_name == name


@pytest.mark.parametrize("text", ["", " ", *WORDS, "nULL"])
def test_the_hash_of_nothing_is_missing(text: str) -> None:
    digest = sha256(text.encode()).hexdigest()
    for raw in (digest, digest.upper()):
        assert a_conversion(external_id=raw).external_id == a_conversion(external_id=[raw]).external_id == ()
        assert a_conversion(country=raw).country is None
        assert keys.hashed(raw, keys.email) is None
        assert keys.each_hashed([raw], keys.email) == []


def test_a_flag_that_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(InvalidConversion, match="consent"):
        a_conversion(consent="{{consent}}")


def test_a_placeholder_in_a_url_is_no_click_id_and_no_campaign() -> None:
    conversion = a_conversion(landing_url="https://example.com/?utm_campaign={{campaign.name}}&utm_id=__CAMPAIGN_ID__")
    assert (conversion.campaign_name, conversion.campaign_id) == (None, None)


def test_a_property_and_a_lines_id_that_are_placeholders_are_left_out() -> None:
    conversion = a_conversion(properties={"plan": "{{plan}}", "size": "none"}, contents=[{"id": "null", "name": "Hat"}])
    assert conversion.properties == {"size": "none"}
    assert (conversion.contents[0].id, conversion.contents[0].name) == (None, "Hat")


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b", "\u200e", "\u202a", "\u2066", "\u00ad", "\u2060"])
def test_invisible_characters_are_no_part_of_a_key(mark: str) -> None:
    columns = {"email": "ada@example.com", "external_id": "User_7", "ttclid": "E.C.P", "postal_code": "94105"}
    columns |= {"first_name": "Chloé", "city": "Zürich", "country": "CH", "phone": "+14155550100"}
    marked = {column: f"{mark}{value[:2]}{mark}{value[2:]}{mark}" for column, value in columns.items()}
    assert a_conversion(**marked) == a_conversion(**columns)
    assert a_conversion(external_id=mark, first_name=mark, ttclid=mark) == NOBODY


def test_joiners_stay_within_a_name() -> None:
    conversion = a_conversion(first_name="\u200cعلی\u200cرضا\u200d", external_id="a\u200cb")
    assert (conversion.first_name, conversion.external_id) == ("علی\u200cرضا", ("ab",))


@pytest.mark.parametrize("column", ["email", "phone", "external_id"])
def test_a_list_written_as_json_is_a_list(column: str) -> None:
    assert getattr(a_conversion(**{column: '["a@b.c", null, 7, "null"]'}), column) == ("a@b.c", "7")
    assert getattr(a_conversion(**{column: "[a@b.c]"}), column) == ("[a@b.c]",)


@pytest.mark.parametrize(
    "word",
    [
        *("\\N", "(none)", "NULL", '"NULL"', "nil", "NA", "#N/A", "NaT", "<NA>", "<null>", "not set"),
        *("unknown", "-", "--"),
        *("[click_id]", "[CLICK_ID]", "$CLICK_ID$", "%CLICK_ID%", "##CLICK##", "@clickid@", "<ttclid>"),
    ],
)
def test_what_stands_for_nothing_is_no_id_and_no_click(word: str) -> None:
    c = a_conversion(event_id=word, order_id="ord-1", ttclid=word, network=None, campaign_name=word, first_name="Nat")
    assert (c.event_id, c.ids, c.first_name) == ("ord-1", {}, "Nat")
    assert c.campaign_name in (word, None)
