"""What several records show together: repetitions, lengths, coverage; and any record at all."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from contextlib import closing
from typing import Any

import pytest
from conftest import NOW, SETTINGS
from examine import a_good_record, diagnosis, findings, slugs
from hypothesis import given, settings
from hypothesis import strategies as st

from target_adpostbacks import config
from target_adpostbacks.config.stand_ins import every_network
from target_adpostbacks.demo.conversions import conversions
from target_adpostbacks.doctor import Examination, FileMemory, Row
from target_adpostbacks.doctor.coverage import MOST_ROWS, OTHERS, Missing
from target_adpostbacks.doctor.outcomes import MEANT
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.run import preparation_of


def rows(count: int, **columns: Any) -> list[dict[str, Any]]:
    """Records of different people, but for the columns that are given; a function gets the row's number."""
    return [
        a_good_record(
            **{
                "event_id": f"evt-{number}",
                "email": f"person{number}@lovelace.dev",
                "ip_address": f"81.2.{number // 200}.{number % 200 + 1}",
                "ttclid": f"E.C.P.invented{number}" + "x" * (number % 60),
                **{column: value(number) if callable(value) else value for column, value in columns.items()},
            }
        )
        for number in range(count)
    ]


def test_an_event_id_that_comes_again_with_other_facts_is_found() -> None:
    purchase = a_good_record(event_name="purchase", value=3, currency="EUR")
    assert slugs(purchase, purchase, {**purchase, "network": "reddit", "ttclid": None}) == []
    found = findings(purchase, {**purchase, "value": 4}, {**purchase, "event_time": "2026-11-20T11:00:00Z"})
    assert found["duplicate_event_id", "event_id", None].count == 2
    assert found["duplicate_event_id", "event_id", None].example.line == 2
    assert slugs(purchase, {**purchase, "event_name": "sign_up"}) == []


def test_an_order_that_comes_again_under_another_event_id_is_found() -> None:
    purchase = a_good_record(event_name="purchase", value=3, currency="EUR", order_id="O-1")
    assert slugs(purchase, purchase) == []
    assert slugs(purchase, {**purchase, "event_id": "evt-2"}) == ["duplicate_order_id"]
    assert slugs(purchase, {**purchase, "event_id": "evt-2", "event_name": "add_to_cart"}) == []


def test_one_value_in_a_tenth_of_all_rows_is_found() -> None:
    shared = rows(250, ip_address=lambda number: "81.2.69.142" if number % 8 == 3 else f"81.2.{number % 250}.7")
    found = findings(*shared)
    assert [*found] == [("repeated_value", "ip_address", None)]
    one = found["repeated_value", "ip_address", None]
    assert (one.count, one.example.line) == (31, 4)
    assert slugs(*rows(250)) == []
    assert slugs(*rows(19, ip_address="81.2.69.142")) == []
    assert slugs(*rows(400, phone=lambda number: "+14155552671" if number < 39 else f"+1415{5_000_000 + number}")) == []


def test_the_memory_of_frequent_values_is_bounded_and_misses_none() -> None:
    many = rows(3_000, email=lambda number: "shop@lovelace.dev" if number % 5 == 0 else f"p{number}@lovelace.dev")
    one = findings(*many)["repeated_value", "email", None]
    assert 600 - 3 <= one.count <= 600


def test_click_ids_that_end_where_a_column_ends_are_found() -> None:
    cut = rows(60, ttclid=lambda number: f"E.C.P.{number:03}{'v' * (20 + number * 3)}"[:64])
    one = findings(*cut)["cut_click_id", "ttclid", "tiktok"]
    assert one.words == "Many end at 64 characters."
    assert one.count == 48
    assert slugs(*rows(60, ttclid=lambda number: f"E.C.P.{number:03}{'v' * (20 + number * 3)}")) == []


def test_click_ids_that_a_spreadsheet_rounded_are_found() -> None:
    reddit: dict[str, Any] = {"network": "reddit", "ttclid": None}
    rounded = rows(10, **reddit, rdt_cid=lambda number: f"31847420452{number:04}0000")
    assert findings(*rounded)["cut_click_id", "rdt_cid", "reddit"].count == 10
    whole = rows(200, **reddit, rdt_cid=lambda number: f"3184742045{number:04}0000{number % 9 + 1}")
    assert slugs(*whole[:-1], {**whole[-1], "rdt_cid": "3184742045291810000"}) == []


def test_coverage_says_what_conversions_have() -> None:
    records = [
        a_good_record(event_id="1", phone="+14155552671"),
        a_good_record(event_id="2", ttclid=None, event_source_url="https://shop.dev/?ttclid=E.C.P.invented"),
        a_good_record(event_id="3", ttclid=None, email="no address", ip_address="10.0.0.1"),
        a_good_record(event_id="4", network=None, ttclid=None, phone="+14155552671"),
    ]
    of_nobody, of_tiktok = diagnosis(*records).coverage
    assert of_tiktok == Row(
        network="tiktok",
        event="sign_up",
        count=3,
        click_id=2,
        email=2,
        phone=1,
        ip_and_user_agent=2,
        unmatched=1,
        add=Missing(column="phone", count=2, unmatched=1),
    )
    assert (of_nobody.network, of_nobody.count, of_nobody.email, of_nobody.phone) == (None, 1, 1, 1)
    assert of_nobody.add is None


def test_the_column_that_adds_most_is_first_one_that_makes_conversions_sendable() -> None:
    nothing = {"ttclid": None, "email": None, "ip_address": None, "user_agent": None, "network": "reddit"}
    records = [a_good_record(event_id="1", **nothing), *rows(3, network="reddit", ttclid=None, rdt_cid="1")]
    (row,) = diagnosis(*records).coverage
    assert row.unmatched == 1
    assert row.add is not None
    assert row.add.column in ("rdt_cid", "email"), "a phone number alone is not enough there"


def test_only_columns_that_a_network_takes_are_asked_for() -> None:
    (row,) = diagnosis(a_good_record(event_source="offline", ttclid=None, phone="+14155552671")).coverage
    assert row.add is None
    (row,) = diagnosis(a_good_record(phone="+14155552671", ttclid=None)).coverage
    assert row.add == Missing(column="ttclid", count=1, unmatched=0)
    (row,) = diagnosis(a_good_record(phone="+14155552671", user_agent=None)).coverage
    assert row.add == Missing(column="user_agent", count=1, unmatched=0)


def test_event_names_without_end_end_in_one_row() -> None:
    said = diagnosis(*(a_good_record(event_id=str(number), event_name=f"e{number}") for number in range(MOST_ROWS + 9)))
    assert len(said.coverage) == MOST_ROWS + 1
    assert {row.event: row.count for row in said.coverage}[OTHERS] == 9
    assert [found.finding for found in said.findings].count("custom_event") == 1


def test_a_line_that_is_no_record_counts_as_one() -> None:
    with closing(FileMemory()) as memory:
        examination = Examination(preparation_of(config.General(), every_network()), NETWORKS.values(), memory)
        examination.refuse(7, "line", "malformed JSON", "evt-\x1b")
        (found,) = examination.diagnosis().findings
    assert (found.finding, found.column, found.example.line, found.example.event_id) == (
        "unreadable_line",
        "line",
        7,
        None,
    )
    assert examination.records == 1


def test_the_memory_tells_the_same_from_the_new_and_keeps_no_value(tmp_path: Any) -> None:
    with closing(FileMemory()) as memory:
        assert memory.recall("event", ("a", 1), ("ada@lovelace.dev",)) is None
        assert memory.recall("order", ("a", 1), ("x",)) is None
        assert memory.recall("event", ("a", 1), ("ada@lovelace.dev",)) is True
        assert memory.recall("event", ("a", 1), ("grace@lovelace.dev",)) is False


@pytest.mark.slow
def test_memory_does_not_grow_with_the_input() -> None:
    with closing(FileMemory()) as memory:
        examination = Examination(preparation_of(config.General(), every_network()), NETWORKS.values(), memory)

        def take(start: int) -> None:
            for number, record in enumerate(rows(3_000), start):
                examination.take({**record, "event_id": f"{number}"}, NOW, stream="s", line=number)

        take(0)
        tracemalloc.start()
        take(3_000)
        take(6_000)
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/target_adpostbacks/doctor/*")])
        grown = sum(each.size for each in ours.statistics("filename"))
        tracemalloc.stop()
    assert grown < 500_000


COLUMNS = st.sampled_from(
    "event_name event_id event_time network account click_id ttclid fbclid rdt_cid email phone external_id city "
    "ip_address user_agent value currency contents properties user address click_time event_source_url adjustment test "
    "consent order_id EVENT_ID _sdc_deleted_at email_sha256 event_source".split()
)
TEXTS = st.sampled_from(
    [
        *("", " ", "null", "{{x}}", "[", "[[[", '["a"]', "{", "1e400", "-1", "NaN", "\x1b[31m", "a@b.c", "0" * 64),
        *("2026-11-20", "2026-11-20T12:00:00Z", "tiktok", "meta", "purchase", "+1", "...", "é" * 70, "https://x/?a=@"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(COLUMNS, inner, max_size=4), max_leaves=8
)


@given(st.lists(st.dictionaries(COLUMNS, VALUES, max_size=12), max_size=3))
@settings(max_examples=150)
def test_no_record_makes_it_fail(records: list[dict[str, Any]]) -> None:
    said = diagnosis(*records)
    assert said.records == len(records)
    assert all(0 < found.count <= len(records) and 0 < found.share <= 1 for found in said.findings)


def test_a_record_nested_without_end_is_invalid() -> None:
    deep: Any = "ada@lovelace.dev"
    for _ in range(100_000):
        deep = {"user": deep}
    assert "not_attributed" in slugs(a_good_record(network=None, ttclid=None, user=deep))
    (found,) = diagnosis({**a_good_record(), "properties": deep}).findings
    assert found.finding == "invalid_record"


def test_what_a_run_would_not_send_is_what_the_doctor_says() -> None:
    records = [json.loads(json.dumps(row, default=str)) for row in conversions(NOW)]
    preparation = preparation_of(config.General(), every_network())
    reasons = Counter(
        (not_sent.reason, not_sent.key.network or None)
        for record in records
        for not_sent in preparation.prepare(record, NOW, stream="orders").not_sent
    )
    found: Counter[tuple[str, str | None]] = Counter()
    for each in diagnosis(*records).findings:
        found[each.finding, each.network] += each.count
    named = {"no_match_key": "missing_match_key", "invalid": "invalid_record"}
    told = {(named.get(reason, reason), network): count for (reason, network), count in reasons.items()}
    assert {slug for slug, _ in told} >= {"missing_match_key", "too_old", "invalid_record", "organic", "other_network"}
    for key, count in told.items():
        assert found[key] == (0 if key[0] in MEANT else count), key


def test_accounts_are_those_of_the_config() -> None:
    accounts = {"eu": {}, "us": {"enabled": False}}
    said = diagnosis(
        a_good_record(), a_good_record(network="reddit"), tiktok={**SETTINGS["tiktok"], "accounts": accounts}
    )
    assert [found.finding for found in said.findings] == ["other_network"]
    assert [(row.network, row.count) for row in said.coverage] == [("tiktok", 1)]
