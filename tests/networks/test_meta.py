"""What is particular to Meta and stands in no table of its vectors."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from itertools import chain
from typing import Any

import msgspec
import pytest
from conftest import NOW, a_conversion, a_record, an_account
from hypothesis import given, settings
from hypothesis import strategies as st

from target_adpostbacks.config import InvalidConfig
from target_adpostbacks.core import phones
from target_adpostbacks.core.answers import Response, Skip, Verdict, or_skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.match_keys import sha256
from target_adpostbacks.core.postback import prepare
from target_adpostbacks.core.record import parse
from target_adpostbacks.networks import IDS
from target_adpostbacks.networks._meta import cookies, hashes
from target_adpostbacks.networks.meta import Meta

LEAD = {"network": "meta", "event_name": "lead", "ttclid": None, "email": "jane@example.com"}
APP = {**LEAD, "event_source": "app", "platform": "android", "os_version": "14", "app_id": "com.example.game"}
MD5 = "9e26471d35a78862c17e467d87cddedf"
IDFA = "6D92078A-8246-4BA4-AE5B-76104861E7DC"


def meta(**settings: Any) -> Meta:
    network = an_account("meta", **settings).network
    assert isinstance(network, Meta)
    return network


def payload(of: Meta, **columns: Any) -> Any:
    return of.payload(a_conversion(**{**LEAD, **columns}))


def user(of: Meta, **columns: Any) -> Any:
    return payload(of, **columns)["user_data"]


def custom(of: Meta, **columns: Any) -> Any:
    return payload(of, **columns).get("custom_data", {})


def answer(status: int, body: Any = None, **headers: str) -> Response:
    return Response(status=status, body=body, headers=headers)


def error(code: Any, subcode: Any = None, **more: Any) -> Any:
    return {"error": {"message": "told", "code": code, "error_subcode": subcode, **more}}


# https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api
def test_the_request_of_the_documentation() -> None:
    network = meta(access_token="EAAtoken", pixel_id="123456789012345", test_event_code="TEST123")
    conversion = a_conversion(
        **{**LEAD, "event_name": "purchase", "event_id": "123", "value": 142.52, "currency": "USD"},
        phone="+1 (650) 555-1212",
        ip_address="203.0.113.7",
        user_agent="$CLIENT_USER_AGENT",
        fbc="fb.1.1795163741205.AbCdEfGhIjKlMnOpQrStUvWxYz1234567890",
        fbp="fb.1.1558571054389.1098115397",
        event_source_url="https://www.example.com/",
        test=True,
    )
    request = network.request(network.envelope(conversion), [network.payload(conversion)])
    assert request.url == "https://graph.facebook.com/v25.0/123456789012345/events"
    assert request.headers["Authorization"] == "Bearer EAAtoken"
    assert json.loads(msgspec.json.encode(request.body)) == {
        "data": [
            {
                "event_name": "Purchase",
                "event_time": 1795176000,
                "event_id": "123",
                "action_source": "website",
                "event_source_url": "https://www.example.com/",
                "user_data": {
                    "em": ["8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d"],
                    "ph": ["e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"],
                    "client_ip_address": "203.0.113.7",
                    "client_user_agent": "$CLIENT_USER_AGENT",
                    "fbc": "fb.1.1795163741205.AbCdEfGhIjKlMnOpQrStUvWxYz1234567890",
                    "fbp": "fb.1.1558571054389.1098115397",
                },
                "custom_data": {"currency": "USD", "value": 142.52},
            }
        ],
        "test_event_code": "TEST123",
    }


STATE = "data_processing_options_state: country 1 needs a state from 1000 on, and country 0 takes none"


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        *(
            ({"pixel_id": given}, "pixel_id: digits only")
            for given in ("demo", "1234", "1" * 21, "12345/x", "１２３４５")
        ),
        *(
            ({"access_token": given}, "access_token: contains white space or a character that cannot")
            for given in ("two words", "EAA\u200bx", "a\x00b")
        ),
        *(({"app_secret": given}, "app_secret: 32 hex digits") for given in ("A" * 32, "a" * 31, "g" * 32)),
        *(({"api_version": given}, "api_version: v, two digits") for given in ("25.0", "v25", "v25.0/x", "v9.0")),
        *(({"partner_agent": given}, "partner_agent: at most 22 characters") for given in ("p" * 23, "a1", "12")),
        ({"default_phone_country_code": "033"}, "default_phone_country_code: one to three digits without leading 0"),
        ({"data_processing_options_country": 1}, STATE),
        ({"data_processing_options_state": 1000}, STATE),
        ({"data_processing_options_state": 1015}, "data_processing_options_state: 0 or one of 1000 to 1014"),
    ],
)
def test_a_setting_of_the_wrong_form_is_a_mistake(settings: dict[str, Any], mistake: str) -> None:
    with pytest.raises(InvalidConfig) as invalid:
        meta(**settings)
    (told,) = invalid.value.mistakes
    assert told.startswith(f"meta.accounts.default.{mistake}")


def test_an_unusual_setting_is_taken_with_a_hint() -> None:
    unusual = meta(pixel_id="12345", access_token="abc", test_event_code="code 1")
    assert [hint.partition(":")[0] for hint in unusual.settings.hints()] == [
        *("pixel_id", "access_token", "test_event_code"),
    ]
    assert not list(meta(test_event_code="TEST12345").settings.hints())


def test_the_proof_is_made_of_token_and_secret_and_neither_is_in_the_url() -> None:
    network = meta(access_token="access-token-234", app_secret="0123456789abcdef0123456789abcdef")
    network = Meta(msgspec.structs.replace(network.settings, app_secret="appsecret-123"))
    request = network.request({}, [])
    assert request.body["appsecret_proof"] == "cdfcbc87edc90f8123cd3797a0d6f6f7eedf63d97038a15d1693d297f653d7f2"
    assert "appsecret" not in request.url + str(request.headers)


CLICKED = {"fbclid": "IwAR0abcDEF", "click_time": "2026-11-20T11:50:00Z"}
MADE = "fb.1.1795175400000.IwAR0abcDEF"


@pytest.mark.parametrize(
    ("columns", "fbc"),
    [
        (CLICKED, MADE),
        ({**CLICKED, "click_time": "2026-11-20T11:50:00.123Z"}, "fb.1.1795175400123.IwAR0abcDEF"),
        ({"fbclid": "IwAR0abcDEF"}, "fb.1.1795176000000.IwAR0abcDEF"),
        ({**CLICKED, "click_time": "2026-11-20T12:03:00Z"}, "fb.1.1795176000000.IwAR0abcDEF"),
        ({**CLICKED, "click_time": "2031-01-01T00:00:00Z"}, "fb.1.1795176000000.IwAR0abcDEF"),
        ({"fbclid": MADE}, MADE),
        ({"fbclid": MADE, "fbc": "fb.1.1795100000000.OLD"}, MADE),
        ({"fbclid": "fb.1.1795100000000.OLD", "fbc": MADE}, MADE),
        ({"fbclid": "abc def"}, None),
        ({"fbclid": "abc def", "fbc": "fb.1.1795100000000.OLD"}, "fb.1.1795100000000.OLD"),
        ({"event_source": "crm", "event_source_url": "https://example.com/?fbclid=IwAR0"}, "fb.1.1795176000000.IwAR0"),
        ({"fbclid": "fb.odd"}, None),
        ({"fbclid": "fb.odd", "fbc": MADE}, MADE),
        ({"fbc": "fb.1.1787399999999.IwAR0abcDEF", "fbclid": "IwAR0abcDEF"}, None),
        ({"fbc": "fb.1.1787399999999.OLD", **CLICKED}, MADE),
        ({"fbc": "fb.1.1795176060001.LATER", **CLICKED}, MADE),
        ({"fbclid": "fb.1.1795176060001.LATER", "fbc": MADE}, MADE),
        ({"click_id": "IwAR0abcDEF"}, "fb.1.1795176000000.IwAR0abcDEF"),
        ({"click_id": "IwAR0abcDEF", "network": "instagram"}, "fb.1.1795176000000.IwAR0abcDEF"),
        ({"landing_url": "https://example.com/?fbclid=Iw%41R0"}, "fb.1.1795176000000.IwAR0"),
        ({"fbc": "fb.1.1795100000000.OLD", **CLICKED}, MADE),
        ({"fbc": "fb.1.1795175999000.NEWER", **CLICKED}, "fb.1.1795175999000.NEWER"),
        ({"fbc": "fb.1.1795175999.NEWER", **CLICKED}, "fb.1.1795175999.NEWER"),
        ({"fbc": "fb.1.1795100000000.OLD", "fbclid": "IwAR0abcDEF"}, "fb.1.1795176000000.IwAR0abcDEF"),
        ({"fbc": "fb.2.1795100000000.IwAR0abcDEF.AQYBAQIA", **CLICKED}, "fb.2.1795100000000.IwAR0abcDEF.AQYBAQIA"),
        ({"fbc": "IwAR0abcDEF"}, None),
        ({"fbc": "fb.1.17951.IwAR0abcDEF"}, None),
        ({"fbp": "fb.1.1795100000000.1116446470"}, None),
    ],
)
def test_fbc_says_when_the_click_was_never_later_than_the_event(columns: dict[str, Any], fbc: str | None) -> None:
    assert user(meta(), **columns).get("fbc") == fbc


def test_what_is_no_cookie_of_a_browser_is_left_out() -> None:
    assert "fbp" not in user(meta(), fbp="undefined")


def test_the_click_cookie_attributes_a_conversion_as_the_click_id_does() -> None:
    network = meta()
    assert network.click_id(a_conversion(fbc=MADE)) == MADE
    assert network.click_id(a_conversion(fbclid="IwAR0")) == "IwAR0"
    assert network.click_id(a_conversion(fbp="fb.1.1795100000000.1116446470")) is None
    assert network.click_id(a_conversion(fbc="undefined")) is None


@pytest.mark.parametrize(
    "columns",
    [
        {"city": "Paris", "country": "FR", "gender": "f", "user_agent": "M", "postal_code": "75001", "state": "TX"},
        *({"date_of_birth": "1997-02-16", "user_agent": "M"}, {"first_name": "Mary", "gender": "f"}),
        *({"last_name": "Smith", "gender": "m"}, {"fbp": "undefined"}, {"lead_id": "l:1"}, {"ip_address": "10.0.0.1"}),
        *({"lead_id": "0"}, {"properties": {"subscription_id": False}}, {"first_name": MD5, "last_name": MD5}),
    ],
)
def test_match_keys_that_meta_refuses_never_reach_a_batch(columns: dict[str, Any]) -> None:
    with pytest.raises(Skip, match="no_match_key"):
        payload(meta(), email=None, **columns)


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        *(({"first_name": "Mary", "last_name": "Smith"}, "ln"), ({"date_of_birth": "1997-02-16", "gender": "f"}, "db")),
        *(({"city": "Paris", "date_of_birth": "1997-02-16"}, "ct"), ({"lead_id": "123456789012345"}, "lead_id")),
        *(({"properties": {"subscription_id": "s-1"}}, "subscription_id"), ({"fbc": MADE}, "fbc")),
    ],
)
def test_one_match_key_outside_those_sets_is_enough(columns: dict[str, Any], field: str) -> None:
    assert field in user(meta(), email=None, **columns)


def test_an_md5_is_left_out_where_no_person_has_such_a_value() -> None:
    columns = dict.fromkeys(("first_name", "last_name", "city", "state", "postal_code"), MD5)
    assert user(meta(), **columns).keys() == {"em"}


def test_an_external_id_is_hashed_without_white_space() -> None:
    spelled = user(meta(), external_id=["User  42", " user42 "])["external_id"]
    assert spelled == [sha256("user42")]


def test_names_lose_ascii_punctuation_only() -> None:
    assert hashes.name("O'Brien-Smith Jr.") == "obriensmithjr"
    assert hashes.name("Gal·la") == "gal·la"
    assert hashes.name("--") is None
    assert hashes.name("JOSE\u0301") == "josé"


@pytest.mark.parametrize("address", ["jane@localhost", "jane@.com", "jane@example.", "jane"])
def test_an_address_without_a_dot_in_its_domain_is_none(address: str) -> None:
    assert hashes.email(address) is None


def a_column_of(*texts: str, alphabet: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(texts) | st.text(alphabet + "\n \u212a\u00e9", min_size=1, max_size=8), min_size=1)


EMAILS = ("Ada.L+x@Shop.Example-1.com", "a@b", "a@b.c", "a@b-.c", "a@b..c", "\u212a@b.c", "a@b.c\nd@e.f")
PHONES = ("+14155550100", "+49301234567", "+01234567", "+123456", "+1234567\n+7654321", "030 1234567")
EXTERNAL_IDS = ("User_7", "x" * 63, "A" * 64, "a b", "Z\u00c4", "q\nr", "a" * 64 + ".AQ")


@settings(max_examples=400, derandomize=True)
@given(
    a_column_of(*EMAILS, alphabet="aB@.-+_1"),
    a_column_of(*PHONES, alphabet="+019"),
    a_column_of(*EXTERNAL_IDS, alphabet="aB7"),
)
def test_a_column_is_hashed_as_each_of_its_values(emails: list[str], numbers: list[str], ids: list[str]) -> None:
    for texts, usual, without, normalize in (
        (emails, hashes.USUAL_EMAILS, "", hashes.email),
        (numbers, hashes.USUAL_PHONES, "+", phones.digits),
        (ids, hashes.USUAL_IDS, "", hashes.external_id),
    ):
        alone: list[list[tuple[str, ...]]] = [[(text,)] for text in texts]
        columns = [*alone, [*chain.from_iterable(alone)], [tuple(texts)]]
        for column in columns:
            made = hashes.of_usual(column, usual, without)
            assert made in ([], [hashes.of_distinct(each, normalize) for each in column])


COOKIES = (
    "fb.1.1795000000000.IwAR1",
    "fb.1.1795000000.1",
    "fb.1.1795000000001.a.AQ",
    "fb.1.1795000000000.",
    "x\nfb.1.2.3",
)


@settings(max_examples=400, derandomize=True)
@given(st.lists(st.sampled_from(COOKIES) | st.from_regex(r"fb\.1\.[0-9]{13}\.\w{1,3}\n?", fullmatch=True), min_size=1))
def test_the_times_of_a_column_of_cookies_are_those_of_each(texts: list[str]) -> None:
    assert cookies.all_created_at(texts) in (None, [cookies.created_at(each) for each in texts])


JUST_NOW = f"fb.1.{int(NOW.timestamp() * 1000)}.IwAR1"
FBCS = (None, "fb.1.1795000000000.IwAR1", "fb.1.1795000000.1", "fb.1.1700000000000.old", JUST_NOW, "y")
MANY: dict[str, tuple[Any, ...]] = {
    "event_name": ("lead", "purchase"),
    "event_time": (NOW, NOW - timedelta(days=3, microseconds=1), NOW - timedelta(hours=1)),
    "email": (None, "Ada@example.com", "ada@b", ["a@b.c", "A@B.C", "d@e.f"]),
    "phone": (None, "+14155550100", "0301234567", "x"),
    "country": (None, "US", "CA", sha256("us")),
    "state": (None, "California", "--"),
    "postal_code": (None, "2115", "K1A 0B1"),
    "ip_address": (None, "203.0.113.7", "8.8.8.8, 1.1.1.1", "10.0.0.1"),
    "user_agent": (None, "M"),
    "value": (None, 0, 2.5),
    "currency": (None, "EUR"),
    "order_id": (None, "o-1"),
    "event_source": (None, "crm", "offline"),
    "properties": (None, {"plan": "gold"}, {"subscription_id": 7, "content_ids": ["a"]}),
    "contents": (None, [{"id": "a", "quantity": 2}], [{"name": "b"}, {"id": "c"}]),
    "fbc": FBCS,
    "fbp": FBCS,
}


@settings(max_examples=300, derandomize=True)
@given(st.lists(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in MANY.items()})))
def test_payloads_made_together_are_those_made_alone(given: list[dict[str, Any]]) -> None:
    columns = Columns(IDS)  # its own, since all these shapes are remembered
    conversions = [parse(a_record(**{**LEAD, **each}), columns) for each in given]
    alone = [or_skip(meta().payload, each) for each in conversions]
    assert [*map(written, meta().payloads(conversions, NOW))] == [*map(written, alone)]


A_PAGE, CLICKED_PAGE = "https://shop.example.com/", "https://shop.example.com/?fbclid=IwAR2"
CLICKS: dict[str, tuple[Any, ...]] = {
    "event_time": (NOW, NOW - timedelta(days=3)),
    "fbc": ("fb.1.1795000000001.IwAR1", *FBCS),
    "fbclid": (None, "IwAR0"),
    "click_id": (None, "IwAR3"),
    "network": (None, "meta"),
    "landing_url": (None, A_PAGE, CLICKED_PAGE),
    "event_source_url": (None, A_PAGE, CLICKED_PAGE),
    "referrer_url": (None, A_PAGE, CLICKED_PAGE),
}
USUAL_CLICK = dict.fromkeys(CLICKS) | {"event_time": NOW, "fbc": "fb.1.1795000000000.IwAR1"}


@settings(max_examples=300, derandomize=True)
@given(
    st.lists(
        st.sampled_from([{name: value} for name, values in CLICKS.items() for value in values])
        | st.fixed_dictionaries({name: st.sampled_from(values) for name, values in CLICKS.items()}),
        max_size=60,
    )
)
def test_the_click_ids_of_many_are_those_of_each(given: list[dict[str, Any]]) -> None:
    conversions = [a_conversion(**{"ttclid": None, **USUAL_CLICK, **each}) for each in given]
    alone = [click and click[1] for click in map(meta().click, conversions)]
    network = meta()
    for several in (conversions, conversions[:3], conversions[:1]):
        assert [*network.click_ids_of(several)] == alone[: len(several)]
        assert [*map(network.click_id, several)] == alone[: len(several)]


SAID = {
    **{name: MANY[name] for name in ("email", "phone", "ip_address", "properties", "event_time")},
    **{name: CLICKS[name] for name in ("fbclid", "landing_url", "fbc")},
    "gender": (None, "f", "x"),
    "date_of_birth": (None, "1990-02-03", "soon"),
    "fbp": FBCS,
    "lead_id": (None, "1", "l:1"),
    "content_type": (None, "hotel", "ticket"),
}


OLD, AHEAD = "fb.1.1700000000000.old", {"fbp": JUST_NOW, "event_time": NOW - timedelta(days=3)}
ODD_CLICKS: list[dict[str, Any]] = [
    {"fbc": "IwAR0", "fbclid": "IwAR0"},
    {"fbc": OLD, "fbclid": "IwAR0"},
    {"fbc": None, "fbclid": "Iw AR0"},
    {"fbc": OLD},
    {**AHEAD, "fbc": None},
    AHEAD,
    {"email": ["ada@example.com", "x"]},
]


@settings(max_examples=300, derandomize=True)
@given(
    st.lists(
        st.sampled_from(ODD_CLICKS)
        | st.sampled_from([{name: value} for name, values in SAID.items() for value in values])
        | st.fixed_dictionaries({name: st.sampled_from(values) for name, values in SAID.items()}),
        min_size=1,
        max_size=60,
    )
)
def test_where_all_is_used_nothing_is_told_of_any(given: list[dict[str, Any]]) -> None:
    network = meta()
    alike: dict[frozenset[str], list[Conversion]] = {}
    for each in given:
        conversion = a_conversion(**{**LEAD, **USUAL_CLICK, **each})
        with suppress(Skip):
            match_keys = frozenset(prepare(an_account("meta"), conversion, NOW).facts.match_keys.split(","))
            alike.setdefault(match_keys, []).append(conversion)
    for sent, conversions in alike.items():
        for several in (conversions, conversions[:1]):
            if network.uses_all(several, sent):
                assert [[*meta().unusable(c, sent)] for c in several] == [[] for _ in several]


def test_all_is_used_of_what_is_usual() -> None:
    usual = a_conversion(**LEAD, gender="f", fbc="fb.1.1795000000000.IwAR1", fbp="fb.1.1795000000000.1")
    assert meta().uses_all([usual] * 3, {"em", "ge", "fbc", "fbp"})
    assert not meta().uses_all([usual] * 3, {"em", "fbc", "fbp"})
    assert not meta().uses_all([usual, a_conversion(**LEAD, lead_id="1")], {"em", "ge", "fbc", "fbp", "lead_id"})


def written(payload: Any) -> Any:
    return (payload.reason, payload.message) if isinstance(payload, Skip) else msgspec.json.encode(payload)


@pytest.mark.parametrize("odd", ["ada@example", "ada@example.com ", "a" * 9999, "@"])
def test_one_odd_value_behind_many_is_found_without_end_of_tries(odd: str) -> None:
    usual = [f"ada.lovelace-{at}@mail-{at}.shop.example-{at}.com" for at in range(49)]
    assert hashes.of_usual([(text,) for text in usual], hashes.USUAL_EMAILS)
    assert not hashes.of_usual([(text,) for text in [*usual, odd]], hashes.USUAL_EMAILS)


def test_an_external_id_is_sent_as_it_is_where_the_pixel_does_so() -> None:
    given = ["User-42", "User-42", "AB" * 32]
    assert user(meta(hash_external_id=False), external_id=given)["external_id"] == ["User-42", "ab" * 32]


def test_a_hashed_country_does_not_keep_a_us_state_from_its_code() -> None:
    found = user(meta(), country="79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621", state="New York")
    assert found["st"] == user(meta(), state="NY")["st"]


def test_a_match_keys_name_is_told_and_a_user_agent_is_none() -> None:
    personal = {"fbc": MADE, "user_agent": "M", "ip_address": "203.0.113.7"}
    postback = prepare(an_account("meta"), a_conversion(**LEAD, **personal), NOW)
    assert postback.facts.match_keys == "em,client_ip_address,fbc"


@pytest.mark.parametrize("columns", [{}, {"value": 1}, {"currency": "USD"}, {"value": -1, "currency": "USD"}])
@pytest.mark.parametrize("source", ["web", "offline"])
def test_a_purchase_without_value_and_currency_is_not_sent(columns: dict[str, Any], source: str) -> None:
    purchase = a_conversion(**{**LEAD, "event_name": "purchase", "event_source": source, **columns})
    with pytest.raises(Skip, match="unsupported"):
        prepare(an_account("meta"), purchase, NOW)


def test_an_event_that_is_mapped_to_a_purchase_needs_a_value_too() -> None:
    with pytest.raises(Skip, match="unsupported"):
        payload(meta(event_map={"lead": "Purchase"}))


@pytest.mark.parametrize("name", ["AppendValue", "AppendAttribution"])
def test_a_correction_is_no_event(name: str) -> None:
    with pytest.raises(Skip, match="unsupported"):
        meta().event(a_conversion(event_name=name))


def test_a_test_event_needs_a_code() -> None:
    with pytest.raises(Skip, match="test_without_code"):
        meta().envelope(a_conversion(test=True))
    assert meta(test_event_code="TEST1").envelope(a_conversion()) == {}


def test_the_action_source_decides_how_old_an_event_may_be_and_whether_an_app_is_needed() -> None:
    web = a_conversion(**LEAD)
    assert meta(action_source="physical_store").age_limit(web).days == 61
    assert meta().age_limit(web).days == 6
    with pytest.raises(Skip, match="unsupported"):
        meta(action_source="app").payload(web)


def test_custom_properties_are_plain_and_nobodys() -> None:
    ours = {"level": 7, "tags": ["a"], "price": 0, "predicted_ltv": 1.5}
    personal = {"First Name": "Ada", "e-mail": "a@b.c"}
    shadows = {"value": 1, "Event Source": "x", "nested": {"a": 1}, "list": [{"a": 1}]}
    properties = {**ours, **personal, **shadows, "anon_id": "i-1", "campaign_ids": "c", "os_version": "14"}
    assert custom(meta(), properties=properties) == {**ours, "os_version": "14"}
    found = meta().payload(a_conversion(**{**APP, "properties": properties}))
    assert found["custom_data"] == ours
    assert found["user_data"]["anon_id"] == "i-1"
    assert found["app_data"]["campaign_ids"] == "c"


@pytest.mark.parametrize(
    "name",
    "email_address user_email customerPhone mobile_number telephone billing_city street_address full_address postal "
    "addressLine1 nickname passport IPAddress username".split(),
)
def test_a_property_that_is_named_like_something_personal_stays_home(name: str) -> None:
    assert custom(meta(), properties={name: "x", "level_name": "Castle", "velocity": 3}) == {
        "level_name": "Castle",
        "velocity": 3,
    }


@pytest.mark.parametrize(
    ("place", "given", "sent"),
    [
        (
            "custom_data",
            {"item_number": 7, "net_revenue": "12.5", "predicted_ltv": "9"},
            {"item_number": "7", "net_revenue": 12.5, "predicted_ltv": 9},
        ),
        ("custom_data", {"item_number": [7], "net_revenue": "much", "predicted_ltv": True}, {}),
        (
            "user_data",
            {"subscription_id": 42, "fb_login_id": "123", "page_id": 12.0},
            {"subscription_id": "42", "fb_login_id": 123, "page_id": "12"},
        ),
        ("user_data", {"whatsapp_business_account_id": 42}, {"whatsapp_business_account_id": "42"}),
        ("user_data", {"subscription_id": {"a": 1}, "fb_login_id": "x", "ctwa_clid": ["x"]}, {}),
        ("app_data", {"url_schemes": "fb1", "campaign_ids": 5}, {"url_schemes": ["fb1"], "campaign_ids": "5"}),
        ("app_data", {"url_schemes": [{}, "fb1", 2], "install_referrer": False}, {"url_schemes": ["fb1", "2"]}),
    ],
)
def test_a_property_that_meta_knows_is_sent_as_it_wants_it(place: str, given: Any, sent: dict[str, Any]) -> None:
    found = meta().payload(a_conversion(**APP, properties=given)).get(place, {})
    assert {name: found[name] for name in given if name in found} == sent


def test_an_install_id_is_of_apps_only() -> None:
    assert "anon_id" not in user(meta(), properties={"anon_id": "i-1"})


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ([{"name": "gift"}], {"content_name": "gift"}),
        (
            [{"id": "1", "name": "a", "category": "b", "brand": "c", "quantity": 2, "price": 0}],
            {
                "content_type": "product",
                "content_ids": ["1"],
                "content_name": "a",
                "content_category": "b",
                "contents": [{"id": "1", "title": "a", "category": "b", "brand": "c", "quantity": 2, "item_price": 0}],
            },
        ),
        ([{"id": "1", "name": "a"}, {"id": "2"}], {"content_type": "product", "content_ids": ["1", "2"]}),
    ],
)
def test_contents_are_told_in_metas_words(contents: list[Any], expected: dict[str, Any]) -> None:
    found = custom(meta(), contents=contents)
    assert {**expected, "contents": found.get("contents")} == {"contents": None, **found}


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [
        *((name, name) for name in "product product_group hotel flight destination vehicle home_listing".split()),
        *((None, "product"), ("Hotel", "hotel"), ("ticket", None), ("products", None)),
    ],
)
def test_a_content_type_is_one_of_metas_and_never_relabelled(content_type: str | None, sent: str | None) -> None:
    assert custom(meta(), content_type=content_type, contents=[{"id": "1"}]).get("content_type") == sent
    assert "content_type" not in custom(meta(), content_type=content_type)


def test_what_is_sold_comes_from_properties_where_no_line_says_it() -> None:
    properties = {"content_ids": [7, "8"], "content_name": "Stay", "content_category": "Rooms"}
    told = {"content_ids": ["7", "8"], "content_name": "Stay", "content_category": "Rooms"}
    assert custom(meta(), properties=properties) == told
    assert custom(meta(), properties=properties, content_type="hotel") == {**told, "content_type": "hotel"}
    line = custom(meta(), properties=properties, contents=[{"id": "1", "name": "Suite", "category": "Best"}])
    assert (line["content_ids"], line["content_name"], line["content_category"]) == (["1"], "Suite", "Best")


def test_a_line_says_how_it_is_delivered() -> None:
    (line,) = custom(meta(), contents=[{"id": "1", "delivery_category": "Home Delivery"}])["contents"]
    assert line == {"id": "1", "delivery_category": "home_delivery"}


def test_a_crm_event_names_its_crm() -> None:
    crm = {"event_source": "crm", "event_name": "Qualified Lead", "lead_id": "123456789012345", "email": None}
    assert custom(meta(lead_event_source="Example CRM"), **crm) == {
        "lead_event_source": "Example CRM",
        "event_source": "crm",
    }
    own = {"properties": {"lead_event_source": "Other CRM"}}
    assert custom(meta(lead_event_source="Example CRM"), **crm, **own)["lead_event_source"] == "Other CRM"
    assert custom(meta(lead_event_source="Example CRM")) == {}


@pytest.mark.parametrize(
    ("settings", "limited", "sent"),
    [
        *(({}, None, None), ({}, True, (0, 0)), ({}, False, None)),
        *(({"data_processing_options": ["LDU"]}, None, (0, 0)), ({"data_processing_options": ["LDU"]}, False, None)),
        ({"data_processing_options_country": 1, "data_processing_options_state": 1014}, True, (1, 1014)),
    ],
)
def test_limited_data_use_is_the_records_word_then_the_settings(
    settings: dict[str, Any], limited: bool | None, sent: tuple[int, int] | None
) -> None:
    found = payload(meta(**settings), limited_data_use=limited)
    fields = {name: found[name] for name in found if name.startswith("data_processing")}
    assert fields == (
        {}
        if sent is None
        else {
            "data_processing_options": ["LDU"],
            "data_processing_options_country": sent[0],
            "data_processing_options_state": sent[1],
        }
    )


@pytest.mark.parametrize(
    ("columns", "advertiser", "madid"),
    [
        ({"platform": "ios", "idfa": IDFA, "att_status": "authorized"}, 1, IDFA),
        ({"platform": "ios", "idfa": IDFA, "att_status": "denied"}, 0, None),
        ({"platform": "ios", "idfa": IDFA}, 0, None),
        ({"platform": "android", "gaid": IDFA.lower()}, 1, IDFA.lower()),
        ({"platform": "android", "gaid": IDFA.lower(), "opt_out": True}, 0, IDFA.lower()),
        ({"platform": "android", "gaid": IDFA.lower(), "att_status": "NOT_APPLICABLE"}, 1, IDFA.lower()),
    ],
)
def test_tracking_is_told_and_without_permission_no_advertising_id(
    columns: dict[str, Any], advertiser: int, madid: str | None
) -> None:
    found = meta().payload(a_conversion(**{**APP, **columns}))
    assert found["app_data"]["advertiser_tracking_enabled"] == advertiser
    assert found["user_data"].get("madid") == madid


@pytest.mark.parametrize(
    ("source", "sent"), [("web", False), ("crm", False), ("offline", True)], ids=["web", "crm", "offline"]
)
def test_an_advertising_id_is_for_apps_and_stores(source: str, sent: bool) -> None:
    assert ("madid" in user(meta(), event_source=source, advertising_id=IDFA)) is sent


@pytest.mark.parametrize(("status", "sent"), [("denied", False), ("authorized", True), (None, True)])
def test_without_a_platform_a_refusal_to_be_tracked_counts(status: str | None, sent: bool) -> None:
    assert ("madid" in user(meta(), event_source="offline", idfa=IDFA, att_status=status)) is sent


@pytest.mark.parametrize(
    ("setting", "told", "flag"), [(1, None, 1), (0, None, 0), (0, True, 1), (1, 0, 0), (1, "false", 0), (0, "1", 1)]
)
def test_application_tracking_is_the_records_word_then_the_setting(setting: int, told: Any, flag: int) -> None:
    properties = {} if told is None else {"application_tracking_enabled": told}
    found = meta(app_tracking_default=setting).payload(a_conversion(**APP, properties=properties))
    assert found["app_data"]["application_tracking_enabled"] == flag
    assert "custom_data" not in found


@pytest.mark.parametrize("platform", [None, "windows"])
def test_an_app_event_needs_its_platform(platform: str | None) -> None:
    with pytest.raises(Skip, match="unsupported"):
        meta().payload(a_conversion(**{**APP, "platform": platform}))


@pytest.mark.parametrize(
    ("columns", "note"),
    [
        (LEAD, "sent without user_agent and event_source_url, which Meta wants"),
        ({**LEAD, "user_agent": "M", "event_source_url": "https://example.com/"}, ""),
        ({**LEAD, "event_source": "offline"}, ""),
        (APP, ""),
        ({**APP, "os_version": None}, "sent without os_version, which Meta wants"),
        ({**APP, "limited_data_use": True}, "sent without ip_address, which Meta wants"),
        ({**APP, "limited_data_use": True, "ip_address": "203.0.113.7"}, ""),
    ],
)
def test_what_meta_wants_and_does_not_get_is_noted(columns: dict[str, Any], note: str) -> None:
    assert prepare(an_account("meta"), a_conversion(**columns), NOW).note == note


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (error(190), Verdict.CREDENTIALS),
        (error(100, 33), Verdict.CREDENTIALS),
        (error(4), Verdict.THROTTLED),
        (error(80007), Verdict.THROTTLED),
        (error(100, 2804003), Verdict.REJECTED),
        (error(100, is_transient=True), Verdict.REJECTED),
        (error(-3), Verdict.TRANSIENT),
        (error(960, is_transient=True), Verdict.TRANSIENT),
    ],
)
def test_the_code_says_it_whatever_the_status_does(status: int, body: Any, verdict: Verdict) -> None:
    outcome = meta().outcomes(answer(status, body), 2)[0]
    assert (outcome.verdict, outcome.shared) == (verdict, True)


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        *(
            (401, None, Verdict.CREDENTIALS),
            (403, "<html></html>", Verdict.CREDENTIALS),
            (404, None, Verdict.TRANSIENT),
        ),
        *((200, error(99), Verdict.REJECTED), (200, error("190"), Verdict.REJECTED), (200, [], Verdict.TRANSIENT)),
        *((400, error(True), Verdict.REJECTED), (429, "<html></html>", Verdict.THROTTLED)),
        *((500, error(None), Verdict.TRANSIENT), (413, "<html></html>", Verdict.REJECTED)),
        *((400, error(None), Verdict.REJECTED), (404, {}, Verdict.TRANSIENT)),
        (400, error(100, message="Invalid appsecret_proof"), Verdict.CREDENTIALS),
        (400, error(100, error_user_msg="Unknown field appsecret_proof_x"), Verdict.REJECTED),
    ],
)
def test_without_a_known_code_the_status_says_it(status: int, body: Any, verdict: Verdict) -> None:
    assert meta().outcomes(answer(status, body), 1)[0].verdict is verdict


def test_what_is_told_of_an_error_is_kept() -> None:
    body = error(100, 2804003, error_user_title="Event Timestamp Too Old", error_user_msg="Send it sooner.")
    assert meta().error(body) == ("100/2804003", "told: Event Timestamp Too Old: Send it sooner.")
    assert meta().error("<html>") == ("", "<html>")
    warned = {"events_received": 1, "messages": ["One parameter is odd."]}
    assert meta().outcomes(answer(200, warned), 1)[0].message == "One parameter is odd."


@pytest.mark.parametrize("received", [True, "2", None, 1, 1.5])
def test_a_success_that_does_not_count_every_event_is_unconfirmed(received: Any) -> None:
    outcomes = meta().outcomes(answer(200, {"events_received": received}), 2)
    assert [(outcome.verdict, outcome.reason, outcome.shared) for outcome in outcomes] == [
        (Verdict.REJECTED, "unconfirmed", False)
    ] * 2


def test_the_trace_is_the_requests_id() -> None:
    network = meta()
    assert network.request_id(answer(200, {"events_received": 1, "fbtrace_id": "A8sXbq1"})) == "A8sXbq1"
    assert network.request_id(answer(400, error(100, fbtrace_id="AK_aR-Y2"))) == "AK_aR-Y2"
    assert network.request_id(answer(502)) == ""


@pytest.mark.parametrize(
    ("usage", "wait"),
    [
        ('{"1": [{"estimated_time_to_regain_access": 5}, {"estimated_time_to_regain_access": 7}]}', "420"),
        ('{"1": [{"call_count": 100}], "2": [{"estimated_time_to_regain_access": 0}]}', ""),
        ('{"1": [{"estimated_time_to_regain_access": 1e308}]}', "60000000"),
        *(("{}", ""), ("no JSON", ""), ('{"1": 5}', ""), ('{"1": [{"estimated_time_to_regain_access": "x"}]}', "")),
    ],
)
def test_a_limit_says_when_to_come_back_in_minutes(usage: str, wait: str) -> None:
    assert meta().retry_after(answer(400, **{"x-business-use-case-usage": usage})) == wait


@pytest.mark.parametrize(
    ("header", "usage", "is_told"),
    [
        ("x-app-usage", '{"call_count": 28, "total_time": 91.5, "total_cputime": 25}', True),
        ("x-business-use-case-usage", '{"1": [{"call_count": 10}, {"total_cputime": 100}]}', True),
        ("x-ad-account-usage", '{"acc_id_util_pct": 95.2}', True),
        ("x-app-usage", '{"call_count": 89.9, "total_time": 25}', False),
        *(("x-app-usage", usage, False) for usage in ("{}", "", "[]", "no JSON", '{"call_count": "x"}')),
    ],
)
def test_a_rate_limit_that_is_nearly_used_up_is_warned_of(header: str, usage: str, is_told: bool) -> None:
    told = "90 % or more of a rate limit is used (X-App-Usage, X-Business-Use-Case-Usage, X-Ad-Account-Usage)"
    assert meta().warning(answer(200, **{header: usage})) == (told if is_told else "")


def test_an_old_version_is_warned_of() -> None:
    told = "The call has been auto-upgraded to v26.0 as v20.0 has been deprecated."
    assert meta().warning(answer(200, **{"x-ad-api-version-warning": told})) == told
    both = {"x-ad-api-version-warning": told, "x-app-usage": '{"call_count": 99}'}
    assert meta().warning(answer(200, **both)).startswith(f"{told} 90 % or more")
    assert meta().warning(answer(200)) == ""


@pytest.mark.parametrize("name", ["Facebook", "Instagram Ads", "fb"])
def test_records_of_meta_are_known_by_its_other_names(name: str) -> None:
    assert a_conversion(network=name).network in Meta.aliases


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"gender": "x"}, ["gender: not m, male, f or female"]),
        ({"fbc": MADE, "fbp": "fb.1.1795100000000.1116446470", "fbclid": "IwAR0"}, []),
        ({"fbc": "IwAR0"}, ["fbc: not a cookie of Meta's"]),
        ({"fbc": "IwAR0", "fbclid": "IwAR0"}, ["fbc: not a cookie of Meta's"]),
        ({"fbc": "fb.1.1795176060001.IwAR0"}, ["fbc: created more than a minute after the event"]),
        ({"fbp": "fb.1.1795176060001.1116446470"}, ["fbp: created more than a minute after the event"]),
        ({"fbc": "fb.1.1787399999999.IwAR0"}, ["fbc: created more than 90 days before the event"]),
        ({"fbclid": "IwAR0 abc"}, ["fbclid: not a click id"]),
        (
            {"fbclid": "IwAR0", "click_time": "2026-08-01T00:00:00Z"},
            ["fbclid: clicked more than 90 days before the event"],
        ),
        ({"lead_id": "l:1"}, ["lead_id: not digits alone"]),
        ({"content_type": "ticket"}, ["content_type: not one that Meta documents"]),
        (
            {"gender": "x", "date_of_birth": "soon"},
            ["gender: not m, male, f or female", "date_of_birth: not a birth date"],
        ),
    ],
)
def test_what_meta_cannot_use_is_told(columns: dict[str, Any], told: list[str]) -> None:
    conversion = a_conversion(**LEAD, **columns)
    postback = prepare(an_account("meta"), conversion, NOW)
    assert [*meta().unusable(conversion, postback.facts.match_keys.split(","))] == told
