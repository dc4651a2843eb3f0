"""A record is a conversion or is refused: its identity, where its columns are found, and no message tells a value."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import datetime, timezone
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from conftest import COLUMNS, a_conversion, a_record, refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_adpostbacks.core import record as record_module
from target_adpostbacks.core.columns import READERS
from target_adpostbacks.core.conversion import Conversion, InvalidConversion
from target_adpostbacks.core.layout import MAX_SPELLINGS, Columns
from target_adpostbacks.core.record import is_deleted, parse

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize("column", ["event_name", "event_time"])
@pytest.mark.parametrize("missing", [None, "", "  \t"])
def test_a_required_column_is_asked_for(column: str, missing: Any) -> None:
    assert refusal(**{column: missing}).startswith(f"{column}: missing; map the column")


def test_a_record_with_the_required_columns_alone_is_a_conversion() -> None:
    record = {"event_name": "purchase", "event_id": "evt-1", "event_time": "2026-11-20T12:00:00Z"}
    assert parse(record, COLUMNS) == Conversion(
        event_name="purchase", event_spelling="purchase", event_id="evt-1", event_time=NOON
    )


@pytest.mark.parametrize("missing", [None, "", " "])
def test_a_missing_event_id_is_the_order_id(missing: Any) -> None:
    assert a_conversion(event_id=missing, order_id=1001).event_id == "1001"


def test_without_an_order_id_the_event_id_is_derived_from_the_streams_key() -> None:
    record = {"event_name": "purchase", "event_time": NOON.isoformat(), "shop": "a", "row": 7}
    derived = parse(record, COLUMNS, ("shop", "row"), "orders").event_id
    assert derived == "orders-" + sha256(b'[[7,"a"],"purchase"]').hexdigest()[:32]
    others: list[dict[str, Any]] = [{"row": 8}, {"shop": "b"}, {"event_name": "lead"}]
    assert derived not in {parse({**record, **other}, COLUMNS, ("shop", "row"), "orders").event_id for other in others}


def derived_ids(key: tuple[str, ...], **values: Any) -> tuple[str, ...]:
    record = {"event_name": "purchase", "event_time": NOON.isoformat(), **values}
    return parse(record, COLUMNS, key, "orders").derived_ids


def test_the_order_in_which_a_tap_lists_its_key_changes_no_derived_id() -> None:
    assert derived_ids(("shop", "row"), shop="a", row=7)[0] == derived_ids(("row", "shop"), shop="a", row=7)[0]


@pytest.mark.parametrize("same", [7, "7", 7.0, Decimal(7), Decimal("7.00")])
def test_a_whole_number_in_a_key_is_the_same_as_text_or_number(same: Any) -> None:
    assert derived_ids(("row",), row=same)[0] == "orders-" + sha256(b'[7,"purchase"]').hexdigest()[:32]


@pytest.mark.parametrize("other", ["007", "7.0", "7 a", " 7", "+7", "٧", 7.5, True, "9" * 40, Decimal("NaN"), 1e300])
def test_anything_else_in_a_key_is_a_value_of_its_own(other: Any) -> None:
    assert derived_ids(("row",), row=other)[0] != derived_ids(("row",), row=7)[0]
    assert derived_ids(("row",), row="-0")[0] != derived_ids(("row",), row=0)[0]


def test_a_large_whole_number_in_a_key_is_the_same_as_text_or_number() -> None:
    assert derived_ids(("row",), row=2**63)[0] == derived_ids(("row",), row=str(2**63))[0]


def test_two_values_that_change_places_are_never_one_conversion() -> None:
    ids = [derived_ids(("b", "a"), a=first, b=second) for first, second in ((1, 2), (2, 1))]
    assert ids[0][0] not in ids[1]
    assert ids[1][0] not in ids[0]


def older(*encoded: bytes) -> set[str]:
    return {f"orders-{sha256(each).hexdigest()[:32]}" for each in encoded}


def test_the_ids_that_earlier_versions_derived_are_remembered() -> None:
    assert {*derived_ids(("shop", "row"), shop="a", row=7)[1:]} == older(b'["a",7,"purchase"]', b'["a","7","purchase"]')
    assert {*derived_ids(("row",), row="7")[1:]} == older(b'["7","purchase"]')
    assert {*derived_ids(("row",), row=7)[1:]} == older(b'["7","purchase"]')
    assert {*derived_ids(("row",), row=7.0)[1:]} == older(b'[7.0,"purchase"]', b'["7","purchase"]')
    assert derived_ids(("row",), row="a")[1:] == ()
    assert a_conversion().derived_ids == ()


@pytest.mark.parametrize("record", [{}, {"row": None}, {"row": ""}, {"row": "  "}])
def test_without_a_whole_key_there_is_no_event_id(record: dict[str, Any]) -> None:
    for key in ((), ("row",)):
        for word in (None, " ", "null", "N/A"):
            with pytest.raises(InvalidConversion, match="event_id: missing, or a word for nothing such as null; map"):
                parse({**a_record(event_id=word), **record}, COLUMNS, key, "orders")


@pytest.mark.parametrize(("raw", "kept"), [(1001, "1001"), (1001.0, "1001"), (1.5, "1.5"), (" evt-1 ", "evt-1")])
def test_a_number_becomes_the_text_of_an_id(raw: Any, kept: str) -> None:
    assert a_conversion(event_id=raw).event_id == kept
    assert a_conversion(order_id=raw).order_id == kept
    assert a_conversion(contents=[{"id": raw}]).contents[0].id == kept


def test_a_long_whole_number_keeps_every_digit() -> None:
    assert a_conversion(ttclid=3184742045291813272).ids["ttclid"] == "3184742045291813272"


@pytest.mark.parametrize("column", ["event_id", "order_id", "event_name"])
@pytest.mark.parametrize("value", ["a\r\nb", "a\x00b", "a\x1b[31mb", "a\u2028b", "a\x7fb", "a\ud800b"])
def test_control_characters_in_names_and_ids_are_refused(column: str, value: str) -> None:
    assert refusal(**{column: value}) == f"{column}: contains a control character"


@pytest.mark.parametrize("value", [True, [], {}, ["a"], float("nan"), float("inf")])
def test_what_is_no_text_is_refused_where_text_belongs(value: Any) -> None:
    for column in ("event_id", "ttclid", "user_agent", "event_name"):
        assert refusal(**{column: value}) == f"{column}: text expected"


@pytest.mark.parametrize("column", [{"event_spelling": "Ada"}, {"unusable": ["x"]}, {"ids": {"ttclid": "x"}}])
def test_a_column_that_has_the_name_of_a_derived_field_says_nothing(column: dict[str, Any]) -> None:
    assert a_conversion(**column) == a_conversion()


def test_nested_objects_fill_what_the_top_lacks() -> None:
    record = a_record(user={"email": "ada@example.com", "ttclid": "nested"}, order={"value": 5, "currency": "eur"})
    conversion = parse(record, COLUMNS)
    assert (conversion.email, conversion.value, conversion.currency) == (("ada@example.com",), 5, "EUR")
    assert conversion.ids == {"ttclid": "E.C.P.abc"}


@pytest.mark.parametrize("alias", ["phone", "mobile", "phone_number"])
def test_a_phone_has_three_names(alias: str) -> None:
    assert a_conversion(**{alias: "+14155550100"}).phone == ("+14155550100",)
    assert a_conversion(phone="+14155550100", mobile="+1").phone == ("+14155550100",)


def test_the_users_own_column_names_are_mapped_with_dots_into_objects() -> None:
    fields = {"event_time": "converted_at", "email": "customer.contact.mail", "event_name": "what", "phone": "no.where"}
    record = {
        "event_id": "evt-1",
        "converted_at": "2026-11-20T12:00:00Z",
        "customer": {"contact": {"mail": "ada@example.com"}},
        "what": "signup",
        "phone": "+14155550100",
    }
    conversion = parse(record, Columns(fields=fields))
    assert (conversion.event_name, conversion.event_time) == ("sign_up", NOON)
    assert (conversion.email, conversion.phone) == (("ada@example.com",), ("+14155550100",))


def test_a_mapped_column_wins_over_one_of_the_same_name() -> None:
    assert parse(a_record(email="a@example.com", mail="b@example.com"), Columns(fields={"email": "mail"})).email == (
        "b@example.com",
    )


def test_a_mapped_column_that_is_empty_is_not_filled_from_another() -> None:
    assert parse(a_record(email="agent@example.com", mail=None), Columns(fields={"email": "mail"})).email
    assert not parse({**a_record(email="agent@example.com"), "mail": None}, Columns(fields={"email": "mail"})).email


@pytest.mark.parametrize(("column", "longest"), [("event_id", 500), ("event_name", 100)])
@pytest.mark.parametrize("other", [{}, {"properties": "{}"}])
def test_an_identity_has_a_length_that_every_ledger_takes(column: str, longest: int, other: dict[str, Any]) -> None:
    assert getattr(a_conversion(**{column: "x" * longest}, **other), column) == "x" * longest
    with pytest.raises(InvalidConversion, match=f"^{column}: longer than {longest} characters$"):
        a_conversion(**{column: "x" * (longest + 1)}, **other)


def test_a_long_spelling_of_a_known_event_is_refused_as_any_long_name() -> None:
    assert refusal(event_name="purchase" + "!" * 93) == "event_name: longer than 100 characters"
    assert a_conversion(event_name="purchase" + "!" * 92).event_name == "purchase"


def test_unknown_columns_are_ignored() -> None:
    assert a_conversion(colour="red", sizes=[1], nothing={}) == a_conversion()


@pytest.mark.parametrize("empty", [None, "", "   ", "\t\n"])
def test_empty_text_is_missing_in_every_column(empty: Any) -> None:
    columns = set(READERS) - {"event_name", "event_time", "event_id", "network"}
    assert a_conversion(**dict.fromkeys(columns, empty)) == a_conversion()


@pytest.mark.parametrize("column", ["email", "phone", "external_id"])
def test_a_match_key_may_be_a_list(column: str) -> None:
    conversion = a_conversion(**{column: [" a ", "", None, 7]})
    assert getattr(conversion, column) == ("a", "7")
    assert getattr(a_conversion(**{column: []}), column) == ()
    assert refusal(**{column: [["x"]]}) == f"{column}: text expected"


@pytest.mark.parametrize("click_id", ["E.C.P.AbC", "0012345678901234567890", "1e5", "MixedCase-_~", "True"])
def test_a_click_id_is_text_in_its_own_case(click_id: str) -> None:
    assert a_conversion(ttclid=f" {click_id} ", rdt_cid=click_id).ids == {"ttclid": click_id, "rdt_cid": click_id}
    assert a_conversion(click_id=click_id).click_id == click_id


def test_only_the_networks_own_ids_are_kept() -> None:
    assert parse(a_record(rdt_cid="1"), Columns(ids=["rdt_cid"])).ids == {"rdt_cid": "1"}


def test_what_cannot_be_printed_is_left_out_of_a_campaigns_name() -> None:
    assert a_conversion(landing_url="https://a.example/?utm_campaign=a%1B[31m%0Ab%00c").campaign_name == "a [31m b c"


@pytest.mark.parametrize(("at", "deleted"), [("2026-11-20", True), (None, False), ("", False)])
def test_a_deleted_row_is_told(at: Any, deleted: bool) -> None:
    assert is_deleted(a_record(_sdc_deleted_at=at)) is deleted


TEXTS = st.text(st.characters(), max_size=12)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXTS
    | st.sampled_from(["true", "2026-11-20", "7", "[]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(sorted({*READERS, "ttclid", "mobile", "user", "event_spelling"})) | TEXTS
PLAUSIBLE = st.fixed_dictionaries({}, optional=dict.fromkeys(a_record(), VALUES))


OUR_WORDS = "".join(path.read_text() for path in Path(record_module.__file__).parent.glob("*.py"))
"""The code that writes the messages: Hypothesis likes to make values of its words, which tell nothing."""


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for member in value.values() for text in texts(member)]
    if isinstance(value, list):
        return [text for member in value for text in texts(member)]
    return [value] if isinstance(value, str) else []


def message_about(record: dict[str, Any]) -> str:
    """What is told of a record: why it is refused, or what of it can't be used."""
    try:
        return " ".join(parse(record, COLUMNS, ("row",), "rows").unusable)
    except InvalidConversion as refused:
        shown = refused.__cause__ or (None if refused.__suppress_context__ else refused.__context__)
        return f"{refused} {shown or ''}"


@settings(max_examples=400, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES, max_size=6), PLAUSIBLE)
def test_any_record_is_a_conversion_or_is_refused_without_telling_a_value(
    columns: dict[str, Any], plausible: dict[str, Any]
) -> None:
    record = {**a_record(), **plausible, **columns}
    message = message_about(record)
    assert not [text for text in map(str.strip, texts(record)) if text in message and text not in OUR_WORDS]


@settings(max_examples=200, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_a_record_reads_the_same_whatever_the_order_of_its_columns(columns: dict[str, Any]) -> None:
    flat = {name: value for name, value in columns.items() if not isinstance(value, dict)}
    record = {**a_record(), **flat}
    try:
        one = parse(record, COLUMNS)
    except InvalidConversion:
        return
    other = parse(dict(reversed(record.items())), COLUMNS)
    assert sorted(one.unusable) == sorted(other.unusable)
    assert one.event_id == other.event_id
    assert (one.value, one.currency, one.ids) == (other.value, other.currency, other.ids)


ODD: list[Any] = [
    *(
        None,
        "",
        " ",
        " x ",
        "a\tb",
        "x",
        1,
        0,
        -1,
        2.5,
        1e400,
        float("nan"),
        True,
        False,
        [],
        {},
        ["a", " b "],
        ["a", ""],
        ["a", 3, None],
    ),
    *(
        "us",
        "USD",
        "EUR",
        "true",
        "12.5",
        "2026-11-20T12:00:00+02:00",
        "2026-11-20 12:00:00",
        1795257600,
        "https://a.b/",
    ),
    *(
        [{"id": "a", "quantity": 1, "price": 2.5}],
        [{"id": " a"}],
        [{"quantity": -1}],
        [{"price": "3"}],
        [{}],
        '{"a": 1}',
    ),
    {"email": "ada@example.com", "country": "us"},
]


COLUMN_NAMES = sorted({*READERS, "ttclid", "mobile", "phone_number", "event_spelling", "ids", "unusable", "user"})
FULL = {"email": ["ada@example.com"], "value": 1.5, "currency": "USD", "contents": [{"id": "a"}], "country": "US"}


def outcome(record: dict[str, Any]) -> Conversion | str:
    """The conversion, or why there is none."""
    try:
        return parse(record, COLUMNS)
    except InvalidConversion as invalid:
        return str(invalid)


def with_care(record: dict[str, Any]) -> dict[str, Any]:
    """The record with a column that nothing is known of, so that it isn't read at once."""
    return {**record, "an unknown object": {}}


@pytest.mark.parametrize("column", COLUMN_NAMES)
def test_a_record_read_at_once_is_the_one_read_with_care(column: str) -> None:
    for value in ODD:
        record = {**a_record(**FULL), column: value}
        assert outcome(record) == outcome(with_care(record)), value


@settings(max_examples=400, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(COLUMN_NAMES), st.sampled_from(ODD) | VALUES, max_size=6))
def test_several_odd_columns_at_once_are_read_as_with_care(columns: dict[str, Any]) -> None:
    record = {**a_record(**FULL), **columns}
    assert repr(outcome(record)) == repr(outcome(with_care(record)))  # NaN differs from itself


ADDRESS = {"first_name": "Ada", "sha256_last_name": "a" * 64, "city": "Paris", "region": "IDF", "postal_code": "75001"}


@pytest.mark.parametrize("address", [ADDRESS, [ADDRESS]])
def test_a_persons_data_as_google_tag_manager_writes_them_are_read(address: Any) -> None:
    person = {"email_address": "ada@example.com", "sha256_phone_number": ["b" * 64], "address": address}
    for columns in ({"user_data": person}, person):
        c = a_conversion(**columns)
        assert (c.email, c.phone) == (("ada@example.com",), ("b" * 64,))
        assert (c.first_name, c.last_name, c.city, c.state) == ("Ada", "a" * 64, "Paris", "IDF")
        assert c.postal_code == "75001"


def test_a_raw_address_wins_over_its_hash() -> None:
    both = {"sha256_email_address": "a" * 64, "email_address": "ada@example.com"}
    assert a_conversion(**both).email == ("ada@example.com",)
    assert a_conversion(sha256_email_address="a" * 64).email == ("a" * 64,)
    assert a_conversion(sha256_first_name="a" * 64).first_name == "a" * 64


@pytest.mark.parametrize("address", [[], ["x"], [ADDRESS, ADDRESS], "5 Main Street", 7])
def test_an_address_of_another_shape_says_nothing(address: Any) -> None:
    assert a_conversion(address=address) == a_conversion()


def in_capitals(record: dict[str, Any]) -> dict[str, Any]:
    return {name.upper(): value for name, value in record.items()}


@pytest.mark.parametrize("changes", [{}, {"event_id": None, "order_id": "o-1"}, {"email": " ada@example.com "}])
def test_columns_in_capitals_are_read(changes: dict[str, Any]) -> None:
    record = a_record(**{"ttclid": "E.C.P.abc", "email": "ada@example.com", "value": 1.5, "currency": "EUR", **changes})
    assert parse(in_capitals(record), COLUMNS) == parse(record, COLUMNS)


def test_a_column_of_the_canonical_spelling_goes_before_one_in_capitals() -> None:
    assert a_conversion(order_id="right", ORDER_ID="wrong").order_id == "right"
    assert a_conversion(Order_Id="right").order_id == "right"
    assert a_conversion(order_id=None, ORDER_ID="right").order_id == "right"


def test_nested_columns_in_capitals_are_read() -> None:
    assert a_conversion(USER={"EMAIL": "ada@example.com"}).email == ("ada@example.com",)


def test_a_key_in_capitals_makes_the_event_id() -> None:
    record = {**in_capitals(a_record(event_id=None)), "ID": 7}
    lower = {**a_record(event_id=None), "ID": 7}
    assert parse(record, COLUMNS, ["ID"], "s").event_id == parse(lower, COLUMNS, ["ID"], "s").event_id
    assert parse({**record, "EMAIL": "x@y.z"}, COLUMNS, ["EMAIL"], "s").event_id.startswith("s-")


def test_a_row_that_is_deleted_in_capitals_is_deleted() -> None:
    assert is_deleted({"_SDC_DELETED_AT": "2026-11-20T00:00:00Z"})


def test_a_nested_column_is_not_read_for_one_that_fields_maps() -> None:
    columns = Columns(fields={"country": "customer.address.country", "phone": "customer.tel"})
    record = a_record(customer={"address": {"country": "Nowhere"}, "tel": "+4930123456", "mobile": "+4930654321"})
    conversion = parse(record, columns)
    assert conversion.phone == ("+4930123456",)
    assert len([said for said in conversion.unusable if said.startswith("country: ")]) == 1
    assert parse(a_record(customer={"mobile": "+4930654321"}), columns).phone == ()


def test_a_path_that_leads_to_nothing_is_unmet() -> None:
    columns = Columns(fields={"email": "customer.email", "phone": "tel"})
    assert columns.unmet({"customer": {"email": None}}, ["email", "phone"]) == ["phone"]
    assert columns.unmet({"customer": None, "tel": 1}, ["email"]) == ["email"]


@pytest.mark.parametrize(
    ("record", "email"),
    [
        ({"mail": "a@example.com", "customer": {"email": "b@example.com"}}, ("a@example.com",)),
        ({"customer": {"email": "b@example.com"}}, ("b@example.com",)),
        ({"mail": " ", "customer": '{"email": "b@example.com"}'}, ("b@example.com",)),
        ({"mail": None, "customer": {"email": "b@example.com"}, "email": "own@example.com"}, ("b@example.com",)),
        ({"mail": None, "email": "own@example.com"}, ()),
        ({"email": "own@example.com"}, ("own@example.com",)),
    ],
)
def test_of_alternatives_the_first_that_is_there_counts(record: dict[str, Any], email: tuple[str, ...]) -> None:
    columns = Columns(fields={"email": ["mail", "customer.email"]})
    assert parse({**a_record(), **record}, columns).email == email


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_an_empty_mapped_column_gives_way_to_the_plain_one(blank: str | None) -> None:
    columns = Columns(fields={"event_id": "transaction_id", "value": "v2", "consent": "agreed"})
    record = a_record(transaction_id=blank, value=3, v2=blank, currency="EUR")
    conversion = parse({**record, "event_id": "own", "agreed": blank, "consent": True}, columns)
    assert (conversion.event_id, conversion.value) == ("own", 3)
    assert conversion.consent is None  # whoever maps consent means that column alone
    assert parse({**record, "event_id": "own", "transaction_id": "t-1", "v2": 0}, columns).value == 0


def test_a_list_of_paths_is_unmet_only_where_all_of_them_are() -> None:
    columns = Columns(fields={"email": ["mail", "customer.email"]})
    assert columns.unmet({"customer": {"email": None}}, ["email"]) == []
    assert columns.unmet({"customer": {}}, ["email"]) == ["email"]


@pytest.mark.parametrize("column", ["platform", "country", "network"])
def test_a_column_of_few_values_that_holds_long_texts_keeps_none_of_them(column: str) -> None:
    columns = Columns()

    def read(of: range) -> int:
        for number in of:
            parse(a_record(**{column: f"{number} " + "x" * 50_000}), columns)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = read(range(5))
        assert read(range(5, 105)) - before < 1_000_000
    finally:
        tracemalloc.stop()


def test_what_is_remembered_of_a_column_has_an_end() -> None:
    columns = Columns()
    for number in range(MAX_SPELLINGS + 10):
        assert parse(a_record(platform=f"Platform {number}"), columns).platform == f"platform {number}"
    assert parse(a_record(platform="Platform 3"), columns).platform == "platform 3"
    with pytest.raises(InvalidConversion, match="text expected"):
        parse(a_record(platform=True), columns)
    assert parse(a_record(platform=1), columns).platform == "1"


def test_names_of_properties_that_are_no_text_become_text() -> None:
    c = a_conversion(properties={1: "a", "sizes": {2.5: "b", None: [{3: "c"}]}}, email="ada@example.com")
    assert c.properties == {"1": "a", "sizes": {"2.5": "b", "None": [{"3": "c"}]}}
