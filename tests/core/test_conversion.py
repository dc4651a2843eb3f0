"""The record's rules: what a column may hold, what is refused, and that no message ever tells a value."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import COLUMNS, a_conversion, a_record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_adpostbacks.core.columns import READERS
from target_adpostbacks.core.conversion import Conversion, InvalidConversion, query_value
from target_adpostbacks.core.countries import COUNTRY_NAMES, alpha2
from target_adpostbacks.core.events import ALIASES, CANONICAL
from target_adpostbacks.core.record import Columns, is_deleted, parse

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def refusal(**changes: Any) -> str:
    """What is said about a record that is no conversion."""
    with pytest.raises(InvalidConversion) as refused:
        a_conversion(**changes)
    return str(refused.value)


# --- Required columns and identity -----------------------------------------------------------------------------------


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
    assert derived == "orders-" + sha256(b'["a",7,"purchase"]').hexdigest()[:32]
    others: list[dict[str, Any]] = [{"row": 8}, {"shop": "b"}, {"event_name": "lead"}]
    assert derived not in {parse({**record, **other}, COLUMNS, ("shop", "row"), "orders").event_id for other in others}


@pytest.mark.parametrize("record", [{}, {"row": None}, {"row": ""}, {"row": "  "}])
def test_without_a_whole_key_there_is_no_event_id(record: dict[str, Any]) -> None:
    for key in ((), ("row",)):
        with pytest.raises(InvalidConversion, match="event_id: missing; map event_id or order_id"):
            parse({**a_record(event_id=None), **record}, COLUMNS, key, "orders")


@pytest.mark.parametrize(("given", "kept"), [(1001, "1001"), (1001.0, "1001"), (1.5, "1.5"), (" evt-1 ", "evt-1")])
def test_a_number_becomes_the_text_of_an_id(given: Any, kept: str) -> None:
    assert a_conversion(event_id=given).event_id == kept
    assert a_conversion(order_id=given).order_id == kept
    assert a_conversion(contents=[{"id": given}]).contents[0].id == kept


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


# --- Names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALIASES)
def test_a_canonical_name_is_told_by_any_spelling_of_it(name: str) -> None:
    spellings = {name, name.upper(), name.replace("_", " "), name.title().replace("_", ""), name.replace("_", "-")}
    assert {a_conversion(event_name=spelling).event_name for spelling in spellings} == {name}


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        *(("signup", "sign_up"), ("register", "sign_up"), ("initiate_checkout", "begin_checkout")),
        *(("add_to_wishlist", "wishlist_add"), ("view_item", "view_content"), ("completepayment", "purchase")),
        *(("complete_payment", "purchase"), ("order_completed", "purchase"), ("Order Completed", "purchase")),
    ],
)
def test_an_alias_is_folded_and_its_spelling_is_kept(alias: str, name: str) -> None:
    conversion = a_conversion(event_name=alias)
    assert (conversion.event_name, conversion.event_spelling) == (name, alias)


@pytest.mark.parametrize("name", ["VIP upgrade", "Level-Up 3", "購入"])
def test_any_other_name_is_a_custom_event_and_keeps_its_spelling(name: str) -> None:
    assert a_conversion(event_name=name).event_name == name


def test_no_alias_has_two_meanings() -> None:
    assert len(CANONICAL) == sum(len({name, *aliases.split()}) for name, aliases in ALIASES.items())


@pytest.mark.parametrize("column", [{"event_spelling": "Ada"}, {"unusable": ["x"]}, {"ids": {"ttclid": "x"}}])
def test_a_column_that_has_the_name_of_a_derived_field_says_nothing(column: dict[str, Any]) -> None:
    assert a_conversion(**column) == a_conversion()


@pytest.mark.parametrize(
    ("given", "source"),
    [
        *(("website", "web"), ("mobile", "app"), ("mobile_app", "app"), ("In App", "app"), ("in-app", "app")),
        *(("store", "offline"), ("physical_store", "offline"), ("CRM", "crm"), ("", "web"), (" Offline ", "offline")),
    ],
)
def test_the_source_is_folded(given: str, source: str) -> None:
    assert a_conversion(event_source=given).event_source == source


def test_what_is_no_source_or_adjustment_is_refused() -> None:
    assert refusal(event_source="fax") == "event_source: web, app, offline or crm expected"
    assert refusal(adjustment="undo") == "adjustment: retract or restate expected"
    assert a_conversion(adjustment=" Retract ").adjustment == "retract"
    assert a_conversion(adjustment="").adjustment is None


def test_what_the_ledger_keeps_of_the_campaign_has_no_control_characters() -> None:
    conversion = a_conversion(campaign_name="Summer\x00 sale\r\n\x1b[2J", placement="\x00")
    assert (conversion.campaign_name, conversion.placement) == ("Summer sale [2J", None)


# --- Times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "time",
    [
        *("2026-11-20T12:00:00Z", "2026-11-20T12:00:00", "2026-11-20 12:00:00", "2026-11-20T14:00:00+02:00"),
        *("2026-11-20 12:00:00+00:00", "2026-11-20T12:00:00.000Z", " 2026-11-20T12:00Z ", "20261120T120000Z"),
        "2026-11-20 12:00:00 UTC",  # BigQuery
        *(1795176000, 1795176000.0, 1795176000000, 1795176000000000, "1795176000", "1795176000.0", "1795176000000"),
        *("1795176000000000", " 1795176000 ", NOON, NOON.replace(tzinfo=None)),
        NOON.astimezone(timezone(timedelta(hours=-8))),
    ],
    ids=str,
)
def test_a_time_is_read_in_every_form(time: Any) -> None:
    event_time = a_conversion(event_time=time).event_time
    assert event_time == NOON
    assert event_time.utcoffset() == timedelta(0)


@pytest.mark.parametrize("day", ["2026-11-20", "20261120", date(2026, 11, 20)])
def test_a_date_is_its_first_moment(day: Any) -> None:
    assert a_conversion(event_time=day).event_time == datetime(2026, 11, 20, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("time", "utc_hour"),
    [("2026-11-20T12:00:00", 11), ("2026-07-20 12:00", 10), ("2026-11-20T12:00:00Z", 12), (1795176000, 12)],
)
def test_a_time_without_a_zone_is_in_the_default_one(time: Any, utc_hour: int) -> None:
    columns = Columns(zone=ZoneInfo("Europe/Berlin"))
    assert parse(a_record(event_time=time), columns).event_time.hour == utc_hour


@pytest.mark.parametrize(
    ("epoch", "year"), [(99_999_999_999, 5138), (10**11, 1973), (99_999_999_999_999, 5138), (10**14, 1973)]
)
def test_the_unit_of_an_epoch_is_told_by_its_size(epoch: int, year: int) -> None:
    times = {a_conversion(event_time=form).event_time for form in (epoch, float(epoch), str(epoch))}
    assert {time.year for time in times} == {year}


def test_parts_of_seconds_are_kept() -> None:
    assert a_conversion(event_time="2026-11-20T12:00:00.123456Z").event_time.microsecond == 123456
    assert a_conversion(event_time=1795176000123).event_time.microsecond == 123000
    assert a_conversion(event_time=1795176000123456).event_time.microsecond == 123456
    assert a_conversion(event_time=-1).event_time == datetime(1969, 12, 31, 23, 59, 59, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "time",
    [
        *(10**17, -(10**17), 10**400, float("nan"), float("inf"), "nan", "-inf", "9" * 400, "9" * 5000, "1e400"),
        *(-99999999999, "-99999999999", -99999999999999.5, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    ],
    ids=lambda time: str(time)[:40] if isinstance(time, (str, float)) or abs(time) < 10**20 else "huge",
)
def test_a_time_out_of_range_is_refused(time: Any) -> None:
    assert refusal(event_time=time) == "event_time: time out of range"


@pytest.mark.parametrize("time", ["yesterday", "20/11/2026", "2026-13-01", "12:00", "1_795_176_000", "a\ud800"])
def test_what_is_no_time_is_refused(time: str) -> None:
    assert refusal(event_time=time) == "event_time: not a time (ISO 8601 or epoch seconds expected)"
    assert refusal(click_time=time) == "click_time: not a time (ISO 8601 or epoch seconds expected)"


@pytest.mark.parametrize("time", [True, [1795176000], {"at": 1}])
def test_a_time_of_another_type_is_refused(time: Any) -> None:
    assert refusal(event_time=time) == "event_time: not a time (ISO 8601 or epoch seconds expected)"


# --- Where a column is found -----------------------------------------------------------------------------------------


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


# --- Contents and properties -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [list, json.dumps], ids=["list", "JSON text"])
def test_contents_are_a_list_or_its_json(form: Any) -> None:
    lines = [{"id": 1, "name": " Sword ", "quantity": "2", "price": "9.99", "colour": "red"}, {"id": ""}, {}]
    (item,) = a_conversion(contents=form(lines)).contents
    assert (item.id, item.name, item.quantity, item.price) == ("1", "Sword", 2, 9.99)


@pytest.mark.parametrize("contents", [7, True, {"id": "1"}, ["x"], [None], '"x"', "7", "{}", '["x"]'])
def test_contents_of_another_shape_are_refused(contents: Any) -> None:
    assert refusal(contents=contents) == "contents: a list of objects expected"


@pytest.mark.parametrize("column", ["contents", "properties"])
@pytest.mark.parametrize("text", ["[", "no json", "[" * 100_000, "\ud800"], ids=["cut", "none", "deep", "surrogate"])
def test_json_text_that_is_none_is_refused(column: str, text: str) -> None:
    assert refusal(**{column: text}) == f"{column}: not JSON"


def test_a_mistake_in_contents_names_the_column() -> None:
    assert refusal(contents=[{"name": ["x"]}]) == "contents.name: text expected"


def test_what_cannot_be_used_in_contents_is_left_out_with_a_note() -> None:
    conversion = a_conversion(contents=[{"id": "1", "price": "free", "quantity": 1.5}])
    assert conversion.contents[0].price is None
    assert conversion.unusable == ("contents.price: not a number", "contents.quantity: not a whole number")


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


# --- Truth -----------------------------------------------------------------------------------------------------------

TRUTHS = ("test", "consent", "ad_user_data", "ad_personalization", "ad_storage", "limited_data_use", "opt_out")


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


# --- Value, currency, country ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "value"),
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
def test_a_value_is_a_number_from_0_up(given: Any, value: float) -> None:
    conversion = a_conversion(value=given, currency="USD")
    assert (conversion.value, conversion.currency) == (value, "USD")
    assert not conversion.unusable


@pytest.mark.parametrize(
    ("given", "note"),
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
    ids=lambda given: str(given)[:30] if not isinstance(given, int) or given < 9 else "huge",
)
def test_an_unusable_value_is_left_out_with_a_note_and_its_currency_too(given: Any, note: str) -> None:
    conversion = a_conversion(value=given, currency="USD")
    assert (conversion.value, conversion.currency) == (None, None)
    assert conversion.unusable == (f"value: {note}",)


@pytest.mark.parametrize("value", [True, [5], {"amount": 5}])
def test_a_value_of_another_type_is_refused(value: Any) -> None:
    assert refusal(value=value, currency="USD") == "value: a number expected"


def test_value_and_currency_come_together_or_not_at_all() -> None:
    for alone in ({"value": 5}, {"currency": "USD"}, {"value": 5, "currency": ""}, {"value": "", "currency": "USD"}):
        conversion = a_conversion(**alone)
        assert (conversion.value, conversion.currency) == (None, None)


@pytest.mark.parametrize("currency", ["eur", " EUR ", "Eur"])
def test_a_currency_is_upper_cased(currency: str) -> None:
    assert a_conversion(value=1, currency=currency).currency == "EUR"


@pytest.mark.parametrize("currency", ["euro", "€", "EURO", "ZZZ", 978, True, ["EUR"]])
def test_what_is_no_currency_is_left_out_with_a_note(currency: Any) -> None:
    conversion = a_conversion(value=1, currency=currency)
    assert (conversion.value, conversion.currency) == (None, None)
    assert conversion.unusable == ("currency: not an ISO 4217 code",)


@pytest.mark.parametrize(
    ("given", "country"),
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
def test_a_country_is_folded_to_two_letters(given: str, country: str) -> None:
    assert a_conversion(country=given).country == country


def test_a_hashed_country_stays_for_networks_that_want_it_hashed() -> None:
    digest = hashlib.sha256(b"us").hexdigest()
    assert a_conversion(country=f" {digest.upper()} ").country == digest
    assert a_conversion(country="g" * 64).unusable == ("country: not an ISO 3166 country",)


def test_every_name_of_a_country_is_one_that_iso_does_not_have_or_means_otherwise() -> None:
    assert {alpha2(name) for name in COUNTRY_NAMES} == {*COUNTRY_NAMES.values()}


def test_an_addresss_scheme_is_in_lower_case() -> None:
    assert a_conversion(event_source_url="HTTPS://Example.com/A").event_source_url == "https://Example.com/A"
    assert a_conversion(landing_url="Http://a.example/").landing_url == "http://a.example/"


@pytest.mark.parametrize(("given", "status"), [(True, "true"), (False, "false"), (3, "3"), (" Denied ", "Denied")])
def test_a_tracking_status_may_be_a_flag(given: Any, status: str) -> None:
    assert a_conversion(att_status=given).att_status == status


def test_what_is_no_country_is_left_out_with_a_note() -> None:
    assert a_conversion(country="Atlantis").unusable == ("country: not an ISO 3166 country",)
    assert alpha2("Atlantis") is None


def test_whole_numbers_stay_whole() -> None:
    assert a_conversion(num_items="3", screen_width=1920.0).num_items == 3
    assert a_conversion(num_items=1.5).unusable == ("num_items: not a whole number",)


# --- Click ids -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("click_id", ["E.C.P.AbC", "0012345678901234567890", "1e5", "MixedCase-_~", "True"])
def test_a_click_id_is_text_in_its_own_case(click_id: str) -> None:
    assert a_conversion(ttclid=f" {click_id} ", rdt_cid=click_id).ids == {"ttclid": click_id, "rdt_cid": click_id}
    assert a_conversion(click_id=click_id).click_id == click_id


def test_only_the_networks_own_ids_are_kept() -> None:
    assert parse(a_record(rdt_cid="1"), Columns(ids=["rdt_cid"])).ids == {"rdt_cid": "1"}


@pytest.mark.parametrize(
    ("url", "value"),
    [
        ("https://a.example/?x=1&ttclid=E.C.P#top", "E.C.P"),
        ("https://a.example/?ttclid=a%2Fb%252Fc", "a/b%2Fc"),
        ("https://a.example/?ttclid=a+b", "a+b"),
        ("https://a.example/?ttclid=", None),
        ("https://a.example/?ttclid=%20", None),
        ("https://a.example/?myttclid=1&ttclid2=2", None),
        ("https://a.example/#ttclid=1", None),
        ("https://a.example/ttclid=1", None),
        (None, None),
        ("", None),
        ("://[", None),
    ],
)
def test_a_click_id_is_read_from_a_urls_query(url: str | None, value: str | None) -> None:
    assert query_value(url, "ttclid") == value


def test_campaign_parameters_are_read_from_the_landing_url() -> None:
    url = "https://a.example/?utm_id=7&utm_campaign=Summer+Sale%21&adgroup_id=8&ad_id=9&placement=feed"
    conversion = a_conversion(landing_url=url, ad_id="column")
    assert (conversion.campaign_id, conversion.campaign_name) == ("7", "Summer Sale!")
    assert (conversion.ad_group_id, conversion.ad_id, conversion.placement) == ("8", "column", "feed")
    assert a_conversion(landing_url="https://a.example/").campaign_id is None
    assert a_conversion(landing_url="https://a.example/?utm_campaign=a%1B[31m%0Ab%00c").campaign_name == "a [31m b c"


@pytest.mark.parametrize(("at", "deleted"), [("2026-11-20", True), (None, False), ("", False)])
def test_a_deleted_row_is_told(at: Any, deleted: bool) -> None:
    assert is_deleted(a_record(_sdc_deleted_at=at)) is deleted


# --- Any record at all -----------------------------------------------------------------------------------------------

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


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for member in value.values() for text in texts(member)]
    if isinstance(value, list):
        return [text for member in value for text in texts(member)]
    return [value] if isinstance(value, str) else []


def said_of(record: dict[str, Any]) -> str:
    """What is said about a record: why it is refused, or what of it can't be used."""
    try:
        return " ".join(parse(record, COLUMNS, ("row",), "rows").unusable)
    except InvalidConversion as refused:
        shown = refused.__cause__ or (None if refused.__suppress_context__ else refused.__context__)
        return f"{refused} {shown or ''}"


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES, max_size=6), PLAUSIBLE)
def test_any_record_is_a_conversion_or_is_refused_without_telling_a_value(
    columns: dict[str, Any], plausible: dict[str, Any]
) -> None:
    record = {**a_record(), **plausible, **columns}
    said = said_of(record)
    long = {text.strip() for text in texts(record)} - {"true", "2026-11-20"}
    assert not [text for text in long if len(text) > 3 and text in said]


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
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


@pytest.mark.parametrize("column", sorted({*READERS, "ttclid", "mobile", "event_spelling", "ids", "unusable", "user"}))
def test_a_record_read_at_once_is_the_one_read_with_care(column: str) -> None:
    def outcome(record: dict[str, Any]) -> Any:
        try:
            return parse(record, COLUMNS)
        except InvalidConversion as invalid:
            return str(invalid)

    full = {"email": ["ada@example.com"], "value": 1.5, "currency": "USD", "contents": [{"id": "a"}], "country": "US"}
    for value in ODD:
        record = {**a_record(**full), column: value}
        assert outcome(record) == outcome({**record, "an unknown object": {}}), value  # which asks for care
