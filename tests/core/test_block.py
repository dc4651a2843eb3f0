"""Records that are read together are read as each of them alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import permutations
from typing import Any

import pytest
from conftest import COLUMNS, NOW, a_record, an_account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_record import COLUMN_NAMES, FULL, ODD, VALUES

from target_adpostbacks.core.block import LEAST, _is_printable, read_block
from target_adpostbacks.core.conversion import Conversion, InvalidConversion
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.record import parse
from target_adpostbacks.networks import EXACT_IDS, IDS, LANDING

CLEAN: Mapping[str, Sequence[Any]] = {
    "event_name": ("purchase", "Add To Cart", "Nameless"),
    "event_id": ("e-1", "unknown-2", "Nr. 3"),
    "event_time": (
        "2026-11-20T12:00:00Z",
        1_795_000_000,
        "2026-11-20T12:00:00",
        "2026-11-20T12:00:00+02:00",
        200_000_000_000,
    ),
    "email": (
        "ada@example.com",
        "nan@example.com",
        "Ünal@example.com",
        '["c@example.com"]',
        ["a@example.com", "b@example.com"],
    ),
    "phone": ("+14155550100", "0171 1234567"),
    "external_id": ("user_1", "a" * 64, "$7", sha256(b"null").hexdigest().upper(), "[7]"),
    "first_name": ("Ada", "Nancy", "Ümit", "O'Neill"),
    "city": ("Cluj-Napoca", "New York"),
    "country": ("US", "de", "Peru"),
    "value": (19.5, 7, "3.50", 1e15, 10**15, 0, -0.0),
    "currency": ("USD", "eur"),
    "test": (False, True, "no"),
    "event_source_url": (
        "https://example.com/checkout",
        "HTTPS://example.com/?campaign_id=7&utm_campaign=Spring",
        "https://name:word@example.com/",
        "http://example.com/?ad_id=nan&placement=feed",
        "https://kähne.example/ä?campaign_id=8",
    ),
    "landing_url": ("/?ad_id=4&campaign_id=5", "https://example.com/?x=1", "https://example.com/?creative=12"),
    "campaign_name": ("Spring", "12"),
    "campaign_id": ("1", 12),
    "fbc": ("fb.1.1795000000000.IwAR1", "fb.1.1795000000001.IwAR2"),
    "oppref": (" x ", "y"),
    "click_id": ("c-1", " c-2"),
    "network": ("meta", "openai_ads", "TikTok"),
    "contents": ([{"id": "a", "quantity": 1, "price": 2.5}], [{"item_id": "b"}], []),
    "properties": ({"plan": "gold"}, {"contact": "ada@example.com", "size": "M"}),
    "note": ("of no column", 3),
}
"""Values of columns that all can be read."""
OTHERS = sorted({*COLUMN_NAMES, "EMAIL", "Address", "address", "_sdc_deleted_at"})


def one_by_one(records: Sequence[Mapping[str, Any]], columns: Columns = COLUMNS) -> list[Conversion | str]:
    def read(record: Mapping[str, Any]) -> Conversion | str:
        try:
            return parse(record, columns)
        except InvalidConversion as invalid:
            return str(invalid)

    return [*map(read, records)]


def differences(records: Sequence[Mapping[str, Any]], columns: Columns = COLUMNS) -> list[tuple[Any, Any]]:
    """What is read together of records in another way than alone; NaN differs from itself."""
    pairs = zip(read_block(records, columns), one_by_one(records, columns), strict=True)
    return [(one, other) for one, other in pairs if one is not None and one != other and repr(one) != repr(other)]


def columns_of_some(values: Any) -> Any:
    """Records with the same columns, by the values that each column may have."""
    names = st.lists(st.sampled_from(sorted(values)), unique=True, max_size=8)
    count = st.integers(LEAST, 7)
    return st.tuples(names, count).flatmap(
        lambda given: st.lists(
            st.fixed_dictionaries({name: values[name] for name in given[0]}), min_size=given[1], max_size=given[1]
        )
    )


SOME = {name: st.sampled_from((*values, None, "")) for name, values in CLEAN.items()}
ANY = {name: st.sampled_from([*CLEAN.get(name, ()), *ODD]) | VALUES for name in {*OTHERS, *CLEAN}}


@settings(max_examples=400, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(columns_of_some(SOME))
def test_clean_records_are_read_together_as_each_alone(changes: list[dict[str, Any]]) -> None:
    assert differences([{**a_record(**FULL), **each} for each in changes]) == []


@settings(max_examples=600, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(columns_of_some(ANY), st.dictionaries(st.sampled_from(OTHERS), st.sampled_from(ODD) | VALUES, max_size=3))
def test_untidy_records_are_read_together_as_each_alone(changes: list[dict[str, Any]], other: dict[str, Any]) -> None:
    records = [{**a_record(**FULL), **each} for each in changes]
    assert differences([*records, {**records[0], **other}]) == []


@pytest.mark.parametrize("column", sorted(CLEAN))
def test_clean_values_of_a_column_are_read_together(column: str) -> None:
    """In whatever order they come, and none of them is left to be read alone."""
    values = [value for value in CLEAN[column] if parse(a_record(**{column: value}), COLUMNS)]
    for order in permutations((*values, *([None] if column not in a_record() else [])), 2):
        records = [{**a_record(event_id=f"e-{at}"), column: value} for at, value in enumerate(order * LEAST)]
        assert differences(records) == []


PLAIN = {
    "email": "ada@example.com",
    "event_source_url": "https://example.com/?utm_campaign=Spring",
    "note": "of no column",
    "_sdc_deleted_at": None,
    "state": "",
}


def test_of_clean_records_each_is_read() -> None:
    cities = ("Graz", "", None, "Wien", "Ürzig")
    assert None not in read_block([{**a_record(), **PLAIN, "city": city} for city in cities], COLUMNS)


@pytest.mark.parametrize(
    "odd",
    [
        {"city": "null"},
        {"city": "a\tb"},
        {"city": sha256(b"null").hexdigest()},
        {"event_source_url": "https://a.example/\nhttps://b.example/"},
        {"network": "openai_ads", "click_id": "c-1"},
        {"event_id": ""},
        {"event_id": "x" * 501},
        {"event_name": "x" * 101},
        {"event_time": None},
        {"event_time": True},
        {"event_time": 1e300},
        {"value": "x"},
        {"value": float("nan")},
        {"value": -1},
        {"value": 1.1e15},
        {"value": 10**400},
        {"value": True},
        {"note": {"email": "b@example.com"}},
        {"event_id": ["x"]},
        {"contents": [{"id": " a"}]},
    ],
)
def test_only_what_is_odd_is_left_to_be_read_alone(odd: dict[str, Any]) -> None:
    base = {**PLAIN, "city": "Graz", "value": 1.5, "contents": [{"id": "a"}], "click_id": "c"}
    records = [{**a_record(), **base, **each} for each in ({}, {}, odd, {}, {})]
    read = read_block(records, COLUMNS)
    assert [each is None for each in read] == [False, False, True, False, False]
    assert differences(records) == []


@pytest.mark.parametrize("odd", ["example.com", "https://user@example.com/", "https://example.com/two words", "/cart"])
def test_one_odd_url_behind_many_is_found_without_end_of_tries(odd: str) -> None:
    """A pattern that may match a URL in several ways would try them all, for each URL before: it never ended."""
    urls = [f"https://shop.example.com/orders/{at}" for at in range(49)]
    records = [a_record(event_id=f"e-{at}", event_source_url=url) for at, url in enumerate([*urls, odd])]
    assert all(read_block(records, COLUMNS)[:-1])
    assert differences(records) == []


@pytest.mark.parametrize("character", [*map(chr, (*range(0x100), 0x2028, 0xD800, 0xFEFF))])
def test_a_text_is_printable_if_all_its_characters_are(character: str) -> None:
    assert _is_printable(f"a{character}b") == character.isprintable()


def test_records_of_several_sets_of_columns_are_read_in_their_order() -> None:
    records = [a_record(event_id=f"e-{at}", **({"city": "Graz"} if at % 2 else {})) for at in range(12)]
    records.insert(5, a_record(event_id="alone", state="Utah", city="Provo"))
    read = read_block(records, COLUMNS)
    assert [each and each.event_id for each in read] == [
        *(f"e-{at}" for at in range(5)),
        None,
        *(f"e-{at}" for at in range(5, 12)),
    ]
    assert differences(records) == []


def test_the_order_of_columns_is_no_matter() -> None:
    records = [a_record(event_id=f"e-{at}", city=f"Graz {at}") for at in range(6)]
    records[3] = dict(reversed(records[3].items()))
    assert read_block(records, COLUMNS) == one_by_one(records)


def test_where_most_records_are_odd_all_are_read_alone() -> None:
    records = [a_record(note={"city": "Graz"} if at < 4 else "x", email="ada@example.com") for at in range(6)]
    assert read_block(records, COLUMNS) == [None] * 6
    assert None not in read_block(records[:1] + records[4:] * 2, COLUMNS)[1:]


def test_a_column_in_capitals_fills_in_for_one_that_is_empty_in_some_records() -> None:
    records = [
        {**a_record(EMAIL="b@example.com"), "email": email} for email in ("a@example.com", "", None, "c@example.com")
    ]
    assert differences(records) == []


@pytest.mark.parametrize(
    "columns",
    [
        Columns(IDS, {"email": "who.mail", "city": "town"}, exact=EXACT_IDS, landing=LANDING),
        Columns(IDS, defaults={"currency": "EUR", "properties": {"plan": "gold"}}),
        Columns(IDS, constants={"currency": "EUR"}),
        Columns(IDS, minor_digits={}),
    ],
)
def test_settings_of_columns_hold_for_what_is_read_together(columns: Columns) -> None:
    records = [a_record(value=at, currency=None, town="Graz", **{"who.mail": f"{at}@a.example"}) for at in range(6)]
    assert differences(records, columns) == []
    assert differences([{**each, "currency": "USD", "properties": {"size": 1}} for each in records], columns) == []


def test_few_records_or_none_are_read_alone() -> None:
    assert read_block([], COLUMNS) == []
    assert read_block([a_record()] * (LEAST - 1), COLUMNS) == [None] * (LEAST - 1)


@pytest.mark.parametrize("depth", [*range(150, 1000, 25), 100_000])
def test_a_record_that_is_nested_too_deeply_takes_no_other_with_it(depth: int) -> None:
    deep: Any = []
    for _ in range(depth):
        deep = [deep, "x"]
    records = [a_record(event_id=f"e-{at}", properties={"plan": deep if at == 2 else "gold"}) for at in range(6)]
    read = read_block(records, COLUMNS)
    assert [each is None or each.event_id == f"e-{at}" for at, each in enumerate(read)] == [True] * 6


SECTIONS = ("meta", "tiktok", "reddit", "snapchat")
FOR_ALL = {name: values for name, values in CLEAN.items() if name not in ("network", "click_id", "event_id")}
SENT = {name: st.sampled_from((*values, None, "")) for name, values in FOR_ALL.items()}
UNTIDY = {name: st.sampled_from([*FOR_ALL.get(name, ()), *ODD]) for name in {*FOR_ALL, *COLUMN_NAMES} - {"network"}}


def for_several_networks() -> Preparation:
    accounts = {name: [an_account(name, send="all")] for name in SECTIONS}
    return Preparation(accounts, COLUMNS, {name: name for name in SECTIONS})


@settings(max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(columns_of_some(SENT) | columns_of_some(UNTIDY))
def test_what_is_prepared_together_is_what_each_record_comes_to_alone(changes: list[dict[str, Any]]) -> None:
    person = {"email": "ada@example.com", "value": 5, "currency": "EUR", "fbp": "fb.1.1795000000000.1", "network": None}
    records = [{**a_record(event_id=f"e-{at}"), **person, **each} for at, each in enumerate(changes)]
    together = for_several_networks().prepare_all(records, NOW, stream="rows", lines=range(len(records)))
    alone = [for_several_networks().prepare(each, NOW, stream="rows", line=at) for at, each in enumerate(records)]
    assert together == alone
