"""What of a person may leave: the settings ``match_keys`` and ``ip_address``."""

from __future__ import annotations

import hashlib
import json
import pickle
from typing import Any
from urllib.parse import quote

import pytest
from conftest import COLUMNS, NOW, a_conversion, a_record, an_account

from target_adpostbacks.core.columns import COLUMN_ALIASES, READERS
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.disclosure import MATCH_KEYS, disclosure
from target_adpostbacks.core.match_keys import truncated_ip
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.prepared import Prepared

NO_MATCH_KEYS = frozenset(
    "event_name event_id event_time event_source event_source_url referrer_url network account click_time view_time "
    "platform app_id app_name app_version os_version device_model device_brand carrier timezone screen_width "
    "screen_height att_status campaign_id campaign_name ad_group_id ad_id creative_id placement landing_url value "
    "currency order_id contents content_type num_items search_query description test consent ad_user_data "
    "ad_personalization ad_storage limited_data_use opt_out gpc adjustment adjustment_time properties".split()
)


def disclosed(settings: dict[str, Any], **columns: Any) -> Conversion:
    network = an_account(**settings).network
    assert network
    disclose = disclosure(network, COLUMNS.ids)
    assert disclose
    return disclose(a_conversion(**columns))


def prepared(*settings: dict[str, Any], **columns: Any) -> Prepared:
    accounts = [an_account(name=name, **each) for name, each in zip("abc", settings, strict=False)]
    preparation = Preparation({"tiktok": accounts}, COLUMNS, {"tiktok": "tiktok"})
    return pickle.loads(pickle.dumps(preparation)).prepare(a_record(**columns), NOW, stream="orders")  # type: ignore[no-any-return]


def only(*listed: str) -> dict[str, Any]:
    return {"match_keys": [*listed]}


def test_every_column_is_a_match_key_or_none() -> None:
    assert READERS.keys() - COLUMN_ALIASES.keys() - MATCH_KEYS == NO_MATCH_KEYS


def test_without_the_settings_nothing_is_looked_at() -> None:
    preparation = Preparation({"tiktok": [an_account(), an_account(name="b", ip_address="send")]}, COLUMNS, {})
    assert preparation.disclosures == {}


def test_each_account_discloses_what_its_own_list_says() -> None:
    result = prepared(only("email"), only("ttclid"), {}, email="ada@example.com")
    assert [postback.facts.match_keys for postback in result.postbacks] == ["email", "ttclid", "email,ttclid"]


def test_what_is_held_back_is_not_warned_of_and_what_cannot_be_used_is() -> None:
    result = prepared(only("ttclid", "phone"), email="none", phone="12")
    assert result.unusable == ("phone: not a phone number with its country code",)


def test_where_nothing_listed_is_there_the_conversion_is_skipped() -> None:
    result = prepared(only("email"), phone="+14155550142")
    assert [not_sent.reason for not_sent in result.not_sent] == ["no_match_key"]


@pytest.mark.parametrize(
    ("listed", "left"),
    [
        ("ttclid", "https://shop.example/a?ttclid=E.C.P.url&x=1"),
        ("fbclid", "https://shop.example/a?x=1&fbclid=F"),
        ("email", "https://shop.example/a?x=1"),
    ],
)
def test_of_a_url_go_the_click_ids_that_are_not_listed(listed: str, left: str) -> None:
    url = "https://ada:pw@shop.example/a?ttclid=E.C.P.url&x=1&fbclid=F&_fbp=P&GCLID=G&%66bc=C&a=1;wbraid=W#?epik=E"
    conversion = disclosed(only(listed), ttclid=None, event_source_url=url)
    assert conversion.event_source_url == left


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://shop.example/?", "https://shop.example/?"),
        ("https://shop.example/a/?x=1&&y#top", "https://shop.example/a/?x=1&&y#top"),
        ("https://shop.example/ada@example.com/?x=1", "https://shop.example/?x=1"),
        ("https://shop.example/a;ttclid=E.C.P/b", "https://shop.example/"),
        ("https://shop.example/a?email=other%40example.com&city=Bern&x=1", "https://shop.example/a?x=1"),
        ("https://shop.example/a?x=Ada%2540Example.com", "https://shop.example/a"),
        (f"https://shop.example/a?x={'aB' * 32}", "https://shop.example/a"),
        ("/a?email=other%40example.com&x=1#top", "/a?x=1#top"),
        ("/ada@example.com?x=1", "/?x=1"),
        ("?email=other%40example.com&x=1", "?x=1"),
    ],
)
def test_of_a_url_go_the_parts_that_tell_of_the_person(url: str, left: str) -> None:
    assert disclosed(only("email"), email="ada@example.com", landing_url=url).landing_url == left


@pytest.mark.parametrize(
    "inner",
    [
        "https://y.example/?email=foo%40bar.example",
        "https://y.example/?a=1&email=foo",
        "https://y.example/a;user_email=foo",
        "https://y.example/%23first_name=foo",
        "https://y.example/email=foo/",
        "https://y.example/?v=https%3A%2F%2Fz.example%2F%3Fcity%3DBern",
    ],
)
def test_of_a_url_within_a_url_go_the_parts_that_have_a_personal_name(inner: str) -> None:
    for times in range(7):
        url = f"https://shop.example/p?x=1&u={inner if times or '&' not in inner else inner.replace('&', ';')}"
        left = disclosed(only("ttp", "external_id"), event_source_url=url, properties={"to": inner})
        assert (left.event_source_url, left.properties) == ("https://shop.example/p?x=1", {})
        inner = quote(inner, safe="")


def test_a_url_within_a_url_stays_where_it_says_nothing() -> None:
    url = f"https://shop.example/p?u={quote('https://y.example/?item=7&size=M', safe='')}"
    assert disclosed(only("email"), email="ada@example.com", event_source_url=url).event_source_url == url


NUMBERS = [
    "01761234567",
    "0176 1234567",
    "1761234567",
    "+49 (0)176/123-45-67",
    "00491761234567",
    "tel:1761234567",
    1761234567,
]


@pytest.mark.parametrize("phone", ["+491761234567", "0049 176 1234567", "+49 (0) 176 1234567", "491761234567"])
def test_a_phone_number_leaves_in_no_national_spelling(phone: str) -> None:
    for written in NUMBERS:
        url = f"https://shop.example/?q={quote(str(written))}&x=1"
        left = disclosed(only("ttclid"), phone=phone, event_source_url=url, properties={"p": written, "x": "1761"})
        assert (left.event_source_url, left.properties) == ("https://shop.example/?x=1", {"x": "1761"})


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize(
    "form", ["Ada@Example.com", "ada@example.com", "+491761234567", "491761234567", "01761234567", "1761234567"]
)
def test_the_hash_of_an_email_or_phone_leaves_nowhere(kind: str, form: str) -> None:
    digest = hashlib.new(kind, form.encode()).hexdigest()
    for written in (digest, digest.upper(), f"id-{digest}"):
        left = disclosed(
            only("ttclid"),
            email="Ada@Example.com",
            phone="+491761234567",
            landing_url=f"https://shop.example/?h={written}&x=1",
            properties={"h": written, "other": hashlib.md5(b"order").hexdigest()},
        )
        assert left.landing_url == "https://shop.example/?x=1"
        assert [*left.properties] == ["other"]


@pytest.mark.parametrize("written", ["10.12.1990", "12/10/1990", "1990-12-10", "10121990", "19901210", 10121990])
def test_a_birth_date_leaves_in_no_order(written: Any) -> None:
    left = disclosed(only("ttclid"), date_of_birth="1990-12-10", properties={"b": written, "since": "1990"})
    assert left.properties == {"since": "1990"}


def test_a_match_key_that_a_network_reads_from_properties_is_listed_by_its_place() -> None:
    ad = {"callback": "c-1", "campaign_id": "7"}
    assert disclosed(only("email"), properties={"ad": ad, "color": "red"}).properties == {
        "ad": {"campaign_id": "7"},
        "color": "red",
    }
    assert disclosed(only("properties.ad.callback"), properties={"ad": ad}).properties == {"ad": ad}


def test_a_national_number_keeps_the_code_of_a_country_that_is_held_back() -> None:
    settings = {**only("phone"), "default_phone_country_code": "33", "phone_country_from_record": True}
    conversion = disclosed(settings, phone=["030 901820", "+33 1 70 18 99 00"], country="DE")
    assert (conversion.phone, conversion.country) == (("+4930901820", "+33 1 70 18 99 00"), None)


def test_ids_of_products_stay_though_the_persons_is_the_same() -> None:
    (item,) = disclosed(only("email"), external_id="1001", contents=[{"id": "1001", "name": "1001"}]).contents
    assert (item.id, item.name) == ("1001", None)


IPS = [
    ("203.0.113.77", "203.0.113.0"),
    ("203.0.113.0", "203.0.113.0"),
    ("2001:db8:85a3:8d3:1319:8a2e:370:7348", "2001:db8:85a3::"),
    ("2A00:1450:4001:82A::200E", "2a00:1450:4001::"),
    ("2001:db8:85a3:8d3::1%eth0", "2001:db8:85a3::"),
    ("::ffff:203.0.113.77", "203.0.113.0"),
    ("::ffff:cb00:714d", "203.0.113.0"),
    ("[2001:db8:85a3:8d3::1]:443", "2001:db8:85a3::"),
    ("203.0.113.77:443", "203.0.113.0"),
    ("10.0.0.1, 203.0.113.77", "203.0.113.0"),
    ("203.0.113.77.AQQCAQMC", "203.0.113.0"),
    ("10.0.0.1", None),
    ("fe80::1%eth0", None),
    ("a" * 64, None),
    ("nonsense", None),
]


@pytest.mark.parametrize(("raw", "truncated"), IPS)
def test_an_ip_address_is_truncated_however_it_is_written(raw: str, truncated: str | None) -> None:
    assert truncated_ip(raw) == truncated
    assert disclosed({"ip_address": "truncate"}, ip_address=raw).ip_address == truncated
    assert disclosed({"ip_address": "drop"}, ip_address=raw).ip_address is None
    assert disclosed({"ip_address": "truncate", **only("email")}, ip_address=raw).ip_address is None
    assert disclosed({"ip_address": "truncate", **only("ip_address")}, ip_address=raw).ip_address == truncated


def test_six_to_four_holds_an_ipv4_address_whole() -> None:
    assert truncated_ip("2002:808:808::1") in ("8.8.8.0", None)  # None where Python takes it for private


@pytest.mark.parametrize("mode", ["truncate", "drop"])
def test_a_truncated_ip_address_stands_nowhere_else_either(mode: str) -> None:
    url = "https://shop.example/?ip=203.0.113.77&ttclid=E.C.P&email=ada#x"
    said = {"event_source_url": url, "description": "from 203.0.113.77"}
    conversion = disclosed({"ip_address": mode}, ip_address="203.0.113.77", **said)
    assert conversion.event_source_url == "https://shop.example/?ttclid=E.C.P&email=ada#x"
    assert conversion.description is None


def test_what_is_truncated_is_sent_so() -> None:
    (postback,) = prepared({"ip_address": "truncate"}, ip_address="::ffff:203.0.113.77").postbacks
    assert json.loads(postback.payload)["user"]["ip"] == "203.0.113.0"
