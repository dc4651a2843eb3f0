"""What is particular to postback URLs: templates, how values are written, and what a call may not tell."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import COLUMNS, NOW

from target_adpostbacks.config import InvalidConfig, accounts, hints, read
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Request, Response, Skip, Verdict
from target_adpostbacks.core.columns import READERS
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.core.record import parse
from target_adpostbacks.delivery.check import check
from target_adpostbacks.delivery.scrub import scrubbed
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.networks import IDS, NETWORKS
from target_adpostbacks.networks._generic.filters import FILTERS
from target_adpostbacks.networks._generic.macros import MACROS
from target_adpostbacks.networks.generic import Generic
from target_adpostbacks.sandbox import Sandbox

URL = "https://t.example.com/p?cid={click_id}&payout={value}&txid={order_id}"
ANY: dict[str, Any] = {"url": "https://t.example.com/p", "required": []}
PAGE = Path(__file__).parents[2] / "docs" / "networks" / "generic.md"


def mine(**settings: Any) -> Account:
    (account,) = accounts({"generic": {"accounts": {"mine": settings}}})["generic"]
    return account


def ready(account: Account, **columns: Any) -> Postback:
    record = {"event_name": "purchase", "event_id": "e1", "event_time": "2026-11-20T12:00:00.75Z", "network": "mine"}
    return prepare(account, parse({**record, **columns}, COLUMNS), NOW)


def network_of(account: Account) -> Generic:
    assert isinstance(account.network, Generic)
    return account.network


def called(settings: dict[str, Any], **columns: Any) -> Request:
    account = mine(**settings)
    postback = ready(account, **columns)
    return network_of(account).request(postback.envelope, [msgspec.Raw(postback.payload)])


def target(settings: dict[str, Any], **columns: Any) -> str:
    return called(settings, **columns).target


def told(template: str, **columns: Any) -> str:
    """What a template in a query comes to."""
    return target({**ANY, "url": f"https://t.example.com/p?x={template}", "missing": "empty"}, **columns)[5:]


def body(template: Any, **columns: Any) -> Any:
    sent = called({**ANY, "method": "POST", "json": template}, **columns).body
    assert isinstance(sent, bytes)
    return json.loads(sent)


def mistakes(settings: dict[str, Any], name: str = "mine") -> list[str]:
    with pytest.raises(InvalidConfig) as wrong:
        read({"generic": {"accounts": {name: settings}}})
    return [mistake.removeprefix(f"generic.accounts.{name}.") for mistake in wrong.value.mistakes]


def skipped(settings: dict[str, Any], **columns: Any) -> tuple[str, str]:
    with pytest.raises(Skip) as skip:
        ready(mine(**settings), **columns)
    return skip.value.reason, skip.value.message


def test_the_examples_of_the_format() -> None:
    full = {"click_id": "a/b+c=", "value": 19.9}
    assert target({"url": URL}, **full) == "/p?cid=a%2Fb%2Bc%3D&payout=19.9"
    assert target({"url": URL, "missing": "empty"}, **full) == "/p?cid=a%2Fb%2Bc%3D&payout=19.9&txid="
    template = {"id": "{event_id}", "amt": "{value|minor}", "note": "order {order_id}", "x": "{country}"}
    assert body(template, value=12.5, currency="USD", order_id=7) == {"id": "e1", "amt": 1250, "note": "order 7"}
    email = " Jane.Doe+promo@Gmail.com "
    assert told("{email|sha256_email}", email=email) == (
        "5f0d1df1fc49e30424381b57b1d4c73e067772a4267dde043a19b026935602c8"
    )


@pytest.mark.parametrize(
    ("template", "columns", "written"),
    [
        ("{event_name}", {}, "purchase"),
        ("{{event_name}}", {}, "purchase"),
        ("{EVENT_NAME}", {}, "purchase"),
        ("{value}", {"value": 20.0}, "20"),
        ("{payout}", {"value": "0"}, "0"),
        ("{amount}", {"value": 0.00001}, "0.00001"),
        ("{currency}", {"currency": "usd"}, "USD"),
        ("{event_time}", {}, "2026-11-20T12%3A00%3A00Z"),
        ("{timestamp}-{timestamp_ms}", {}, "1795176000-1795176000750"),
        ("{event_time|epoch_us}", {}, "1795176000750000"),
        ("{event_time|date:%d.%m.%Y}", {}, "20.11.2026"),
        ("{click_time|epoch_ms}", {"click_time": "2026-11-20T11:00:00+01:00"}, "1795168800000"),
        ("{properties.since|epoch}", {"properties": {"since": "2026-11-20T11:00:00+01:00"}}, "1795168800"),
        ("{properties.since|date:%Y}", {"properties": {"since": "2026-11-20"}}, "2026"),
        ("{properties.since|iso}", {"properties": {"since": "soon"}}, ""),
        ("{transaction_id}", {}, "e1"),
        ("{transaction_id}", {"order_id": 7}, "7"),
        ("{idfa}", {"advertising_id": "aaaaaaaa-0000-4000-8000-00000000cafe", "platform": "ios"},
         "AAAAAAAA-0000-4000-8000-00000000CAFE"),
        ("{gaid}", {"advertising_id": "aaaaaaaa-0000-4000-8000-00000000cafe", "platform": "ios"}, ""),
        ("{now}", {}, str(int(NOW.timestamp()))),
        ("{test}", {}, "0"),
        ("{properties.plan}", {"properties": {"plan": "a b"}}, "a%20b"),
        ("{contents.0.id}-{num_items}", {"contents": [{"id": "7"}, {"id": "8"}]}, "7-2"),
        ("{content_ids}", {"contents": [{"id": "7"}, {"id": "8"}]}, "7%2C8"),
        ("{properties}", {"properties": {"a": [1, "é"]}}, "%7B%22a%22%3A%5B1%2C%22%C3%A9%22%5D%7D"),
        ("{qclid}{oppref}", {"qclid": "q1"}, "q1"),
        ("{email}", {"email": ["", "a@example.com", "b@example.com"]}, "a%40example.com"),
        ("{search_query}", {"search_query": "{click_id} 50% & é+~'"}, "%7Bclick_id%7D%2050%25%20%26%20%C3%A9%2B~%27"),
        ("{search_query|raw}", {"search_query": "a=b&c/d"}, "a=b&c/d"),
        ("{_search_query}", {"search_query": "a b#é\r\nX: 1"}, "a%20b%23%C3%A9%0D%0AX:%201"),
        ("a%2Fb{order_id}%20", {"order_id": "/"}, "a%2Fb%2F%20"),
        ("{country|lower|prefix:c-}", {"country": "DE"}, "c-de"),
        ("{city|default:none}", {"city": "  "}, "none"),
        ("{city|upper|default:none}", {}, "none"),
        ("{event_name|map:lead=0,purchase=1}", {}, "1"),
        ("{event_name|map:lead=0}", {}, "purchase"),
        ("{value|fixed:2}", {"value": 19.005}, "19.01"),
        ("{value|fixed:1}", {"value": 0.25}, "0.3"),
        ("{value|int}", {"value": 19.99}, "19"),
        ("{value|minor}", {"value": 19.995, "currency": "EUR"}, "2000"),
        ("{value|minor}", {"value": 19.5, "currency": "JPY"}, "20"),
        ("{value|minor}", {"value": 1.2345, "currency": "KWD"}, "1235"),
        ("{value|minor}", {"value": 19.5}, ""),
        ("{phone|digits}", {"phone": "+1 (415) 555-0100"}, "14155550100"),
        ("{phone|sha256_phone}", {"phone": "no number"}, ""),
        ("{phone|sha256_phone}", {"phone": "+1 415 555 0100"}, hashlib.sha256(b"14155550100").hexdigest()),
        ("{phone|sha256_phone_plus}", {"phone": "+1 415 555 0100"}, hashlib.sha256(b"+14155550100").hexdigest()),
        ("{email|sha256_email}", {"email": "AB" * 32}, "ab" * 32),
        ("{city|md5}", {"city": "Bonn"}, hashlib.md5(b"Bonn", usedforsecurity=False).hexdigest()),
        ("{city|b64}", {"city": "Köln?"}, "S8O2bG4%2F"),
    ],
)  # fmt: skip
def test_a_macro_comes_to(template: str, columns: dict[str, Any], written: str) -> None:
    assert told(template, **columns) == written


def test_a_value_is_written_as_its_place_wants_it() -> None:
    settings = {
        "url": "https://t.example.com/{order_id}/p?a={city}&c=1&b={order_id}#".rstrip("#"),
        "method": "POST",
        "params": {"é": "{city}", "text": "a b&c"},
        "headers": {"X-City": " {city}", "X-Both": "{event_id}/{order_id}"},
        "form": {"the city": "{city}", "n": 7, "gone": "{country}", "mixed": "v{country}"},
        "required": [],
    }
    sent = called(settings, city="São Paulo", order_id="a/b")
    assert sent.target == "/a%2Fb/p?a=S%C3%A3o%20Paulo&c=1&b=a%2Fb&%C3%A9=S%C3%A3o%20Paulo&text=a%20b%26c"
    assert sent.headers == {
        "X-City": "S%C3%A3o Paulo",
        "X-Both": "e1/a/b",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert sent.body == b"the+city=S%C3%A3o+Paulo&n=7&mixed=v"


def test_json_keeps_types_and_leaves_out_what_is_missing() -> None:
    template = {
        "v": "{value}", "n": 7, "t": True, "s": "{value} {currency}", "f": "{test}", "gone": {"a": "{city}"},
        "list": ["{city}", "{order_id}"], "items": "{contents}", "text": "no {name_of braces} {",
        "deep": [{"e": "{email}"}],
    }  # fmt: skip
    columns = {"value": 20, "currency": "EUR", "order_id": "o", "contents": [{"id": "1", "quantity": 2}]}
    assert body(template, **columns) == {
        "v": 20, "n": 7, "t": True, "s": "20 EUR", "f": False, "list": ["o"],
        "items": [{"id": "1", "quantity": 2}], "text": "no {name_of braces} {",
    }  # fmt: skip
    settings = {**ANY, "method": "POST", "missing": "empty", "wrap_in_array": True, "json": {"a": "{city}"}}
    assert called(settings).body == b'[{"a":null}]'


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [
        ("application/json; charset=utf-8", r'{"a": "\"<&>\\\nz"}'),
        ("application/xml", '{"a": "&quot;&lt;&amp;&gt;\\\nz"}'),
        ("text/plain", '{"a": ""<&>\\\nz"}'),
    ],
)
def test_raw_text_is_escaped_as_its_type_says(content_type: str, sent: str) -> None:
    settings = {**ANY, "method": "POST", "raw": '{"a": "{properties.x}"}', "headers": {"content-type": content_type}}
    request = called(settings, properties={"x": '"<&>\\\nz'})
    assert (request.body, request.headers) == (sent.encode(), {"content-type": content_type})


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00"])
def test_a_value_that_would_be_a_header_of_its_own_is_not_sent(value: str) -> None:
    settings = {**ANY, "headers": {"X-Note": "n {properties.note}"}}
    assert skipped(settings, properties={"note": value})[0] == "unsupported"
    assert "\r" not in told("{properties.note|raw}", properties={"note": value})


@pytest.mark.parametrize(
    ("over", "signed"),
    [
        ("url", b"https://t.example.com/p?cid=a%20b&k=s3cret%2Fkey"),
        ("body", b'{"id":"e1"}'),
    ],
)
def test_a_signature_is_over_what_is_sent_byte_for_byte(over: str, signed: bytes) -> None:
    settings = {
        "url": "https://t.example.com/p?cid={click_id}&k={key}",
        "method": "POST",
        "json": {"id": "{event_id}"},
        "secrets": {"key": "s3cret/key"},
        "auth": {"type": "hmac_sha256", "secret": "hush", "header": "X-Sign", "over": over},
    }
    request = called(settings, click_id="a b")
    assert request.headers["X-Sign"] == hmac.new(b"hush", signed, "sha256").hexdigest()
    assert (request.url, request.target) == ("https://t.example.com/p", "/p?cid=a%20b&k=s3cret%2Fkey")


def test_the_other_ways_to_sign_in() -> None:
    basic = {"type": "basic", "username": "ada", "password": "hush"}
    assert called({**ANY, "auth": basic}).headers == {"Authorization": "Basic YWRhOmh1c2g="}
    assert called({**ANY, "auth": {"type": "bearer", "token": "t0"}}).headers == {"Authorization": "Bearer t0"}
    assert {"hush", "YWRhOmh1c2g="} <= {*mine(**ANY, auth=basic).secrets}


def test_what_is_secret_is_hidden_and_what_is_not_stays_readable() -> None:
    account = mine(
        **ANY,
        secrets={"key": "s3cret"},
        headers={"X-Key": "Token abcdefgh12", "Content-Type": "application/json", "X-M": "{event_name|upper}"},
        auth={"type": "bearer", "token": "t0ken"},
    )
    assert {*account.secrets} == {"s3cret", "abcdefgh12", "t0ken"}


TYPED = {"whole": 12345678, "part": 12.5, "yes": True, "no": False}


@pytest.mark.parametrize("setting", ["constants", "secrets"])
def test_constants_and_secrets_are_texts_numbers_or_flags(setting: str) -> None:
    own: dict[str, Any] = {setting: TYPED}
    query = "&".join(f"{name}={{{name}}}" for name in TYPED)
    assert target({**ANY, **own, "url": f"https://t.example.com/p?{query}"}) == "/p?whole=12345678&part=12.5&yes=1&no=0"
    body = {**{name: f"{{{name}}}" for name in TYPED}, "text": "n={whole}"}
    sent = called({**ANY, **own, "method": "POST", "json": body}).body
    assert msgspec.json.decode(sent or b"") == {**TYPED, "text": "n=12345678"}
    assert ("12345678" in mine(**ANY, **own).secrets) is (setting == "secrets")


def test_a_preset_takes_a_key_that_is_a_number() -> None:
    settings = {"preset": "keitaro", "host": "k.example.com", "secrets": {"key": 0}}
    assert target(settings, click_id="a").startswith("/0/postback?subid=a")
    with pytest.raises(InvalidConfig, match=r"secrets\.key: missing"):
        mine(**{**settings, "secrets": {"key": ""}})


def test_a_secret_with_a_line_break_is_a_mistake_that_does_not_tell_it() -> None:
    with pytest.raises(InvalidConfig) as invalid:
        mine(**ANY, secrets={"key": "abc-\ndef"})
    assert "secrets.key: contains a line break" in str(invalid.value)
    assert "def" not in str(invalid.value)


PAYS = {"url": URL, "required": ["click_id", "idfa|gaid"]}


def test_a_conversion_without_what_is_required_is_skipped() -> None:
    assert skipped({"url": URL}) == ("no_match_key", "needed: click_id")
    assert skipped(PAYS, click_id="a") == ("no_match_key", "needed: idfa|gaid")
    assert ready(mine(**PAYS), click_id="a", gaid="aaaaaaaa-0000-4000-8000-00000000cafe").payload


def test_events_outside_the_map_are_off_unless_it_is_said_otherwise() -> None:
    settings = {**ANY, "url": "https://t.example.com/p?e={event_name}&r={event_name_raw}"}
    mapped = {**settings, "event_map": {"purchase": "sale", "lead": None, "Order Paid": "paid"}}
    assert target(mapped) == "/p?e=sale&r=purchase"
    assert target(mapped, event_name="Order Paid") == "/p?e=paid&r=Order%20Paid"
    for event in ("lead", "sign_up", "Own Event"):
        assert skipped(mapped, event_name=event)[0] == "event_off"
    assert target({**mapped, "only_mapped": False}, event_name="signup") == "/p?e=sign_up&r=sign_up"
    assert target(settings, event_name="Own Event") == "/p?e=Own%20Event&r=Own%20Event"
    assert skipped({**settings, "only_mapped": True})[0] == "event_off"


def test_tests_are_sent_only_where_the_user_says_so() -> None:
    settings = {**ANY, "url": "https://t.example.com/p?t={test}"}
    assert skipped(settings, test=True)[0] == "test_without_code"
    assert target({**settings, "send_test": True}, test=True) == "/p?t=1"
    assert "unchecked" in {each.result for each in check(mine(**settings), HttpTransport(), lambda: NOW)}


@pytest.mark.parametrize("order_id", [".", ".."])
def test_no_value_leads_out_of_the_path(order_id: str) -> None:
    settings = {"url": "https://t.example.com/a/{order_id}/b?o={order_id}", "required": []}
    assert skipped(settings, order_id=order_id)[0] == "unsupported"
    assert target(settings, order_id=f"{order_id}1") == f"/a/{order_id}1/b?o={order_id}1"
    assert (
        target({**settings, "url": "https://t.example.com/a/b?o={order_id}"}, order_id=order_id) == f"/a/b?o={order_id}"
    )


@pytest.mark.parametrize("signal", ["ad_storage", "ad_user_data", "ad_personalization", "consent"])
def test_no_template_sends_what_was_denied(signal: str) -> None:
    asks = {**ANY, "params": {"s": f"{{{signal}}}"}} if signal != "consent" else ANY
    assert skipped(asks, **{signal: "denied"})[0] == "no_consent"
    if signal != "consent":
        assert target(asks, **{signal: "granted"}) == "/p?s=1"


def test_limits_on_the_use_of_data_keep_a_conversion_unless_the_template_tells_of_them() -> None:
    for flag in ("limited_data_use", "opt_out"):
        assert skipped(ANY, **{flag: True})[0] == "no_consent"
        assert target({**ANY, "params": {"l": f"{{{flag}}}"}}, **{flag: True}) == "/p?l=1"
    assert skipped(ANY, gpc=True)[0] == "no_consent"
    assert target({**ANY, "params": {"l": "{limited_data_use}"}}, gpc=True) == "/p?l=1"


def test_a_conversion_may_be_as_old_as_it_is_and_is_told_without_a_resend() -> None:
    old = ready(mine(**ANY), event_time="2001-01-01")
    assert (old.resend_seconds, old.key.asset, old.facts.match_keys) == (None, "mine", "")
    assert ready(mine(**ANY, dedup_hours=2)).resend_seconds == 7200
    assert skipped(ANY, event_time=(NOW + timedelta(minutes=11)).isoformat())[0] == "in_future"


def test_the_ledger_gets_names_and_a_pair_of_value_and_currency_or_neither() -> None:
    settings = {**ANY, "url": "https://t.example.com/p?e={email|sha256_email}&v={value}&q={qclid}&c={city}"}
    facts = ready(mine(**settings), email="a@example.com", value=5, qclid="q", click_id="c").facts
    assert (facts.match_keys, facts.value, facts.currency) == ("email,qclid", None, None)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "url: missing"),
        ({"url": "t.example.com/p"}, "url: https:// and a host expected"),
        ({"url": "ftp://t.example.com/p"}, "url: https:// and a host expected"),
        ({"url": "https://{click_id}.example.com/"}, "url: https:// and a host expected"),
        ({"url": "https://t.example.com:{click_id}/"}, "url: https:// and a host expected"),
        ({"url": "https://ada:hush@t.example.com/"}, "url: https:// and a host expected"),
        ({"url": "https://t.example.com\\@evil.example/"}, "url: https:// and a host expected"),
        ({"url": "https://t.example.com/p#x"}, "url: https:// and a host expected"),
        ({"url": "http://t.example.com/p"}, "url: plain http"),
        *(
            ({"url": f"https://{host}/p"}, "url: an address of your own")
            for host in ("localhost", "127.0.0.1", "10.1.2.3", "[::1]", "169.254.169.254", "192.168.0.9:8443")
        ),
        ({"url": f"{URL}&x={{foo}}"}, "url: no such macro: {foo}; if it is yours, add it to constants or secrets"),
        (
            {"url": f"{URL}&x=${{click_id}}"},
            "url: ${click_id} is a variable of the environment; write {click_id} for the macro",
        ),
        ({"url": f"{URL}&x={{city|shout}}"}, "url: {city|shout}: no such filter: shout"),
        ({"url": f"{URL}&x={{city|date}}"}, "url: {city|date}: the filter date needs an argument"),
        ({"url": URL, "json": {"a": 1}}, "json: a GET request has no body"),
        ({"url": URL, "method": "POST", "json": {"a": 1}, "form": {"a": 1}}, "form: json is there, too"),
        ({"url": URL, "wrap_in_array": True}, "wrap_in_array: only a json body"),
        ({"url": URL, "headers": {"Host": "x"}}, "headers.Host: not a header's name"),
        ({"url": URL, "headers": {"X Y": "x"}}, "headers.X Y: not a header's name"),
        ({"url": URL, "headers": {"X": "a\r\nb"}}, "headers.X: contains a line break"),
        ({"url": URL, "required": ["klick"]}, "required[0]: not a macro's name"),
        ({"url": URL, "constants": {"email": "x"}}, "constants.email: a macro of the record has this name"),
        ({"url": URL, "constants": {"a": "x"}, "secrets": {"a": "y"}}, "secrets.a: constants has this name"),
        ({"url": URL, "success": {"status": [999]}}, "success.status: a list of statuses"),
        ({"url": URL, "success": {"body_regex": "("}}, "success.body_regex: not a regular expression"),
        ({"url": URL, "success": {"body": "OK"}}, "success.body: no such test"),
        ({"url": URL, "retry_status": ["5xx"]}, "retry_status[0]: a status or a range"),
        ({"url": URL, "auth": {"type": "oauth"}}, "auth.type: one of bearer, basic, hmac_sha256"),
        ({"url": URL, "auth": {"type": "bearer"}}, "auth.token: missing; bearer needs token"),
        ({"url": URL, "auth": {"type": "bearer", "token": "a\nX: b"}}, "auth.token: contains a line break"),
        (
            {"url": URL, "auth": {"type": "bearer", "token": "a"}, "headers": {"authorization": "b"}},
            "headers.authorization: auth sets this header; leave one of the two out",
        ),
        ({"preset": "voluum", "host": "127.0.0.1"}, "host: an address of your own network"),
        ({"url": URL, "host": "t.example.com"}, "host: only with a preset"),
        ({"preset": "voluum"}, "host: missing; your partner gives it to you"),
        ({"preset": "voluum", "host": "https://t.example.com"}, "host: a host's name expected"),
        ({"preset": "everflow", "host": "t.example.com"}, "constants.nid: missing"),
        ({"preset": "nope"}, "preset: no such preset; there are applovin, everflow"),
    ],
)
def test_a_mistake_is_told_at_the_start(settings: dict[str, Any], said: str) -> None:
    assert [mistake for mistake in mistakes(settings) if mistake.startswith(said)], mistakes(settings)


@pytest.mark.parametrize("name", ["tiktok", "facebook", "organic", "generic"])
def test_an_account_has_no_name_that_means_another_network(name: str) -> None:
    assert "take another name" in str(mistakes({"url": URL}, name))


def test_a_host_of_ones_own_may_be_allowed() -> None:
    assert called({"url": "http://10.1.2.3/p", "allow_http": True, "allow_private_hosts": True, "required": []}).url
    assert not called({**ANY, "allow_private_hosts": True}).public_only
    assert called(ANY).public_only
    at_home = called({**ANY, "base_url": "http://127.0.0.1:8765/trial", "params": {"e": "{event_id}"}})
    assert (at_home.public_only, at_home.url) == (False, "http://127.0.0.1:8765/trial/p")
    assert at_home.target == "/trial/p?e=e1"


def test_a_hint_names_who_leaves_unhashed() -> None:
    _, sections = read(
        {"generic": {**ANY, "params": {"e": "{email}", "h": "{phone|sha256_phone}", "i": "{ip}", "c": "{city}"}}}
    )
    assert [hint for hint in hints(sections, NOW) if "unhashed" in hint] == [
        f"generic.default.params: {macro} goes out unhashed; if your partner does not take it so, add a filter"
        for macro in ("{email}", "{city}")
    ]


@pytest.mark.parametrize("name", NETWORKS["generic"].own_presets)
def test_every_preset_makes_a_call(name: str) -> None:
    preset = NETWORKS["generic"].own_presets[name]
    yours = [path.split(".") for path in preset.yours]
    settings: dict[str, Any] = {"preset": name, **({"host": "t.example.com"} if ["host"] in yours else {})}
    for kind, *member in yours:
        if member:
            settings[kind] = {**settings.get(kind, {}), member[0]: "4711"}
    ids = {"qclid": "q", "ndclid": "n", "aleid": "a", "gaid": "aaaaaaaa-0000-4000-8000-00000000cafe", "click_id": "c"}
    sent = called(settings, **ids, ip_address="203.0.113.7", user_agent="U/1", value=20, currency="EUR")
    assert "{" not in sent.target
    assert "4711" in f"{sent.target} {sent.headers} {sent.body!r}" or not [member for _, *member in yours if member]
    assert sent.url.startswith("https://")


CLICKED = {"click_id": "c-1", "value": 20, "currency": "EUR", "order_id": "o-1", "email": "ada@example.com"}
PLAYED: dict[str, dict[str, Any]] = {
    "taboola": {},
    "outbrain": {},
    "voluum": {"host": "t.example.com"},
    "everflow": {"host": "t.example.com", "constants": {"nid": 1234}},
    "tune": {"host": "t.example.com"},
    "keitaro": {"host": "t.example.com", "secrets": {"key": "good-key"}},
    "unity": {"constants": {"game_id": "1234567"}, "params": {"event": "{event_name}"}},
    "quora": {"constants": {"account_id": 7}, "secrets": {"token": "good-key"}},
    "nextdoor": {"constants": {"client_id": "c", "pixel_id": "p"}, "secrets": {"api_key": "good-key"}},
    "applovin": {"constants": {"pixel_id": "p"}, "secrets": {"key": "good-key"}},
}


def answered(sandbox: Sandbox, settings: dict[str, Any], **columns: Any) -> str:
    account = mine(**settings, base_url=sandbox.url)
    whole = {**CLICKED, "ip_address": "203.0.113.7", "user_agent": "U/1", "event_source_url": "https://a.example/"}
    device = {"gaid": "aaaaaaaa-0000-4000-8000-00000000cafe"}
    postback = ready(account, **{**whole, **device, **columns})
    request = network_of(account).request(postback.envelope, [msgspec.Raw(postback.payload)])
    (outcome,) = network_of(account).outcomes(HttpTransport()(request, 5), 1)
    return outcome.verdict.name


@pytest.mark.parametrize("name", NETWORKS["generic"].own_presets)
def test_the_sandbox_plays_every_preset(name: str) -> None:
    settings = {"preset": name, **PLAYED[name]}
    with Sandbox() as sandbox:
        assert answered(sandbox, settings) == "ACCEPTED"
        assert answered(sandbox, settings, value=None, order_id=None) == "ACCEPTED"
        first, *_ = sandbox.received
        assert first["event_id"] in ("e1", "o-1", None)
        lacking = {**settings, "required": []}
        nobody = dict.fromkeys(("click_id", "gaid", "email"))
        assert answered(sandbox, lacking, **nobody) == ("ACCEPTED" if name in ("quora", "nextdoor") else "REJECTED")
        if "secrets" in settings:
            refused = {**settings, "secrets": dict.fromkeys(settings["secrets"], "invalid-key")}
            assert answered(sandbox, refused) == "CREDENTIALS"


def test_the_sandbox_knows_what_nextdoor_takes() -> None:
    nextdoor = {"preset": "nextdoor", **PLAYED["nextdoor"]}
    with Sandbox() as sandbox:
        for columns in ({"event_source": "crm"}, {"event_source": "offline"}, {"event_source": "app"}):
            assert answered(sandbox, nextdoor, **columns) == "ACCEPTED"
        assert answered(sandbox, nextdoor, value=None, currency="EUR") == "ACCEPTED"
        own = {**nextdoor, "event_map": {"purchase": "Purchase"}}
        assert answered(sandbox, own) == "REJECTED"
        assert answered(sandbox, {**nextdoor, "send_test": True}, test=True) == "ACCEPTED"
        assert [event["event_id"] for event in sandbox.test_events] == ["e1"]


def test_what_an_account_sets_itself_goes_before_its_preset() -> None:
    settings = {
        "preset": "quora",
        "constants": {"account_id": 7},
        "secrets": {"token": "t"},
        "json": {"own": "{event_id}"},
    }
    assert called(settings, qclid="q").body == b'{"own":"e1"}'


OK = {"success": {"status": [200, "202-204"], "body_contains": "OK", "body_regex": "id=\\d", "body_not_regex": "err"}}


@pytest.mark.parametrize(
    ("settings", "status", "said", "verdict", "reason"),
    [
        (OK, 200, "OK id=7", "ACCEPTED", ""),
        (OK, 203, "OK id=7", "ACCEPTED", ""),
        (OK, 200, "OK id=x", "REJECTED", ""),
        (OK, 200, "id=7", "REJECTED", ""),
        (OK, 200, "OK id=7 error", "REJECTED", ""),
        (OK, 201, "OK id=7", "REJECTED", "unconfirmed"),
        ({}, 200, "", "ACCEPTED", ""),
        ({}, 200, "<html>", "ACCEPTED", ""),
        ({"success": {"status": [404]}}, 404, "", "ACCEPTED", ""),
        ({"success": {"status": [404]}}, 204, "", "REJECTED", "unconfirmed"),
        ({"retry_status": [401, 429, 404]}, 401, "", "CREDENTIALS", ""),
        ({"retry_status": [401, 429, 404]}, 429, "", "THROTTLED", ""),
        ({"retry_status": [401, 429, 404]}, 404, "", "TRANSIENT", ""),
        ({"retry_status": [401, 429, 404]}, 500, "", "REJECTED", ""),
    ],
)
def test_the_settings_say_what_an_answer_means(
    settings: dict[str, Any], status: int, said: str, verdict: str, reason: str
) -> None:
    (outcome,) = network_of(mine(**ANY, **settings)).outcomes(Response(status=status, body=said), 1)
    assert (outcome.verdict, outcome.reason) == (Verdict[verdict], reason)


def test_a_key_that_the_partner_does_not_know_fails_a_check_and_is_not_told() -> None:
    settings: dict[str, Any] = {
        "url": "https://t.example.com/postback?cid={click_id}&eid={event_id}&test={test}&key={key}",
        "send_test": True,
    }
    with Sandbox() as sandbox:
        for key, result in (("good/key", "ok"), ("invalid/key", "failed")):
            account = mine(**settings, base_url=sandbox.url, secrets={"key": key})
            (checked,) = check(account, HttpTransport(), lambda: datetime.now(timezone.utc))
            assert checked.result == result
            assert key not in str(checked)
        assert (len(sandbox.test_events), sandbox.received) == (1, [])


@pytest.mark.parametrize("body", [{}, {"method": "POST", "form": {"k": "{key}"}}])
@pytest.mark.parametrize(
    "echo",
    [
        *(
            "no canary/key+with-plus here",
            "no canary%2Fkey%2Bwith-plus here",
            "no canary%2fkey%2bwith-plus, Jane%20Doe",
        ),
        *(f"{'x' * 195} canary%2Fkey%2Bwith-plus", "Jane%2BDoe canary%252Fkey%252Bwith-plus"),
    ],
)
def test_what_a_partner_echoes_of_a_secret_is_known_again(body: dict[str, Any], echo: str) -> None:
    account = mine(**ANY, **body, secrets={"key": "canary/key+with-plus"})
    (outcome,) = network_of(account).outcomes(Response(status=400, body=echo), 1)
    kept = scrubbed(outcome.message, account.secrets, ["Jane Doe", "Jane+Doe"])
    assert not [piece for piece in ("canary", "with-plus") if piece in kept]
    assert "Doe" not in kept or body


def test_the_page_tells_every_macro_and_every_filter() -> None:
    page = PAGE.read_text()
    table = page.partition("## Macros")[2].partition("## How values")[0]
    cells = re.findall(r"^\|([^|]*)\|", table, re.MULTILINE)
    named = {re.split(r"\W", code)[0] for cell in cells for code in re.findall(r"`(.*?)`", cell)}
    columns = {"event_time", "click_time"} | {name for name in MACROS if name in COLUMNS_OF_RECORD}
    assert {*FILTERS, "default", "raw"} <= named
    assert {*MACROS} - columns - {*NETWORKS["generic"].ids} <= named


def test_every_column_of_a_record_is_a_macro() -> None:
    other_spellings = {"sccid", "ScCid", "_gcl_aw", "_gcl_ag", "FPGCLAW"}
    assert {*READERS, *IDS} - {*MACROS} == other_spellings


COLUMNS_OF_RECORD = {
    name
    for row in re.findall(r"^\| (`[^|]*`) \|", (PAGE.parents[1] / "record.md").read_text(), re.MULTILINE)
    for name in re.findall(r"`(\w+)`", row)
}
