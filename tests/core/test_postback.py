"""Whom a conversion is for, when it is not sent and why, and what of a network's words is kept."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.core.accounts import Account, route
from target_adpostbacks.core.answers import Skip
from target_adpostbacks.core.postback import Key, Postback, facts, key, prepare
from target_adpostbacks.delivery.scrub import scrubbed, texts_of
from target_adpostbacks.networks import NETWORKS

NAMES = {alias: name for name, network in NETWORKS.items() for alias in (name, *network.aliases)}
TOKEN = "example-access-token"


def sections(*accounts: Account) -> Mapping[str, Sequence[Account]]:
    found: dict[str, list[Account]] = {}
    for account in accounts:
        found.setdefault(account.section, []).append(account)
    return found


BOTH = sections(an_account("tiktok"), an_account("reddit"))
TWO_GAMES = sections(an_account("tiktok", "game_a"), an_account("tiktok", "game_b"), an_account("reddit"))


def routed(accounts: Mapping[str, Sequence[Account]], **columns: Any) -> list[str]:
    conversion = a_conversion(**{"network": None, "ttclid": None, **columns})
    return [account.label for account in route(conversion, accounts, NAMES)]


def unrouted(accounts: Mapping[str, Sequence[Account]], **columns: Any) -> str:
    with pytest.raises(Skip) as skip:
        routed(accounts, **columns)
    return skip.value.reason


def ready(account: Account | None = None, **columns: Any) -> Postback:
    return prepare(account or an_account(), a_conversion(**columns), NOW, "orders", 3)


def skipped(account: Account | None = None, **columns: Any) -> str:
    with pytest.raises(Skip) as skip:
        ready(account, **columns)
    return skip.value.reason


# --- Whom it is for --------------------------------------------------------------------------------------------------


def test_an_echo_is_found_whatever_becomes_of_it_in_lower_case() -> None:
    texts = texts_of([msgspec.json.encode(["İstanbul Moda"])])
    assert scrubbed("Invalid value İstanbul Moda for city", [], texts) == "Invalid value *** for city"


def test_a_conversion_goes_to_the_network_it_is_attributed_to() -> None:
    assert routed(BOTH, network="tiktok", rdt_cid="1") == ["tiktok.default"]
    assert routed(BOTH, network="reddit") == ["reddit.default"]


@pytest.mark.parametrize("name", ["TikTok Ads", "tiktok_ads", " TIKTOK ", "ByteDance"])
def test_a_network_may_be_called_by_an_alias(name: str) -> None:
    assert routed(BOTH, network=name) == ["tiktok.default"]


def test_every_account_of_the_section_gets_it_unless_one_is_named() -> None:
    assert routed(TWO_GAMES, network="tiktok") == ["tiktok.game_a", "tiktok.game_b"]
    assert routed(TWO_GAMES, network="tiktok", account="game_b") == ["tiktok.game_b"]
    assert unrouted(TWO_GAMES, network="tiktok", account="game_c") == "other_network"
    assert unrouted(TWO_GAMES, network="reddit", account="game_a") == "other_network"


@pytest.mark.parametrize(
    "nobody", ["organic", "Organic", "direct", "none", "(none)", "(not set)", "unattributed", "Organic Search"]
)
def test_what_is_attributed_to_nobody_is_organic(nobody: str) -> None:
    assert unrouted(BOTH, network=nobody, ttclid="E.C.P.abc") == "organic"


@pytest.mark.parametrize("name", ["meta", "newspaper", "reddit"])
def test_a_network_without_a_section_is_another_network(name: str) -> None:
    assert unrouted(sections(an_account("tiktok")), network=name, ttclid="E.C.P.abc") == "other_network"


@pytest.mark.parametrize(
    "columns",
    [
        {"ttclid": "E.C.P.abc"},
        {"landing_url": "https://play.example.com/?ttclid=E.C.P.abc"},
        {"event_source_url": "https://play.example.com/?ttclid=E.C.P.abc"},
    ],
)
def test_without_a_network_the_click_id_tells_whose_it_is(columns: dict[str, str]) -> None:
    assert routed(BOTH, **columns) == ["tiktok.default"]
    assert routed(BOTH, rdt_cid="1", **columns) == ["tiktok.default", "reddit.default"]


@pytest.mark.parametrize("columns", [{}, {"click_id": "abc"}, {"ttp": "cookie"}, {"email": "ada@example.com"}])
def test_without_network_and_click_id_it_is_not_attributed(columns: dict[str, str]) -> None:
    assert unrouted(BOTH, **columns) == "not_attributed"


def test_send_all_asks_for_no_click_id() -> None:
    accounts = sections(an_account("tiktok", send="all"), an_account("reddit"))
    assert routed(accounts) == ["tiktok.default"]
    assert routed(accounts, network="reddit") == ["reddit.default"]
    assert unrouted(accounts, network="organic") == "organic"


def test_a_disabled_account_skips_what_names_its_network() -> None:
    off = an_account("tiktok", enabled=False)
    assert routed(sections(off), network="tiktok") == ["tiktok.default"]
    assert unrouted(sections(off), ttclid="E.C.P.abc") == "not_attributed"
    assert skipped(off) == "disabled"


# --- When it is not sent ---------------------------------------------------------------------------------------------

LATE, EARLY = "2026-10-01T00:00:00Z", "2026-11-20T12:20:00Z"


@pytest.mark.parametrize(
    ("reason", "columns"),
    [
        ("no_consent", {"consent": False, "ad_storage": False, "adjustment": "retract"}),
        ("no_consent", {"ad_storage": "denied", "adjustment": "retract", "event_name": "a b"}),
        ("no_consent", {"ad_user_data": "denied"}),
        ("no_consent", {"ad_personalization": False}),
        ("no_adjustments", {"adjustment": "retract", "event_name": "vip upgrade", "event_source": "offline"}),
        ("unsupported", {"event_name": "vip upgrade", "event_time": LATE}),
        ("unsupported", {"event_source": "offline", "event_time": LATE}),
        ("too_old", {"event_time": LATE, "ttclid": None}),
        ("in_future", {"event_time": EARLY, "ttclid": None}),
        ("test_without_code", {"test": True, "ttclid": None}),
        ("no_match_key", {"ttclid": None}),
    ],
)
def test_the_first_reason_in_order_is_the_one_given(reason: str, columns: dict[str, Any]) -> None:
    assert skipped(**columns) == reason


def test_an_event_that_is_off_is_skipped_before_its_age_is_looked_at() -> None:
    assert skipped(an_account(event_map={"purchase": None}), event_time=LATE) == "event_off"


def test_consent_given_or_unknown_is_sent() -> None:
    assert ready(consent=True, ad_user_data="granted", ad_storage=True, ad_personalization=None)


def aged(account: Account, age: timedelta) -> Postback:
    return ready(account, event_time=(NOW - age).isoformat())


@pytest.mark.parametrize("days", [1, 7, 27])
def test_max_event_age_days_shortens_the_networks_limit(days: int) -> None:
    account, limit = an_account(max_event_age_days=days), timedelta(days=days)
    assert aged(account, limit)
    with pytest.raises(Skip, match="too_old"):
        aged(account, limit + timedelta(milliseconds=1))


def test_the_networks_limits_hold_to_the_moment() -> None:
    account, bit = an_account(max_event_age_days=400), timedelta(milliseconds=1)
    assert aged(account, timedelta(days=28))
    assert aged(account, timedelta(minutes=-10))
    with pytest.raises(Skip, match="too_old"):
        aged(account, timedelta(days=28) + bit)
    with pytest.raises(Skip, match="in_future"):
        aged(account, timedelta(minutes=-10) - bit)


# --- What is made of it ----------------------------------------------------------------------------------------------


def test_a_postback_says_who_what_and_how_long_a_resend_is_harmless() -> None:
    account = an_account()
    postback = ready(account, value=5, currency="USD", campaign_id="c1")
    assert postback.key == Key("tiktok", "D7VH38JC77U3LFDOLGRG", "purchase", "evt-1", "", test=False)
    assert postback.key == key(account, a_conversion())
    assert postback.resend_seconds == 48 * 3600
    told = postback.facts
    assert (told.stream, told.line, told.network_event, told.match_keys) == ("orders", 3, "Purchase", "ttclid")
    assert (told.event_time, told.campaign_id, told.value) == ("2026-11-20T12:00:00.000+00:00", "c1", 5)


def test_a_test_event_and_an_adjustment_are_deliveries_of_their_own() -> None:
    account = an_account(test_event_code="TEST1")
    changes: list[dict[str, Any]] = [{}, {"test": True}, {"adjustment": "retract"}, {"event_id": "evt-2"}]
    assert len({key(account, a_conversion(**change)) for change in changes}) == 4


def test_facts_hold_nothing_personal() -> None:
    conversion = a_conversion(email="ada@example.com", ttclid="click", user_agent="agent", ip_address="8.8.8.8")
    assert not {"ada@example.com", "click", "agent", "8.8.8.8"} & set(facts(conversion, "orders", 1))


def test_a_currency_that_the_network_does_not_take_is_left_out_and_noted() -> None:
    postback = ready(value=5, currency="ISK")
    assert (postback.note, postback.facts.value) == ("", 5)
    postback = ready(value=5, currency="XPF")
    assert "properties" not in json.loads(postback.payload)
    assert (postback.note, postback.facts.value, postback.facts.currency) == (
        "currency not taken by the network: sent without value and currency",
        None,
        None,
    )


# --- What a network says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Invalid value for event_id: not a valid string.", "Invalid value for event_id: not a valid string."),
        (f"bad token {TOKEN}!", "bad token ***!"),
        ("no user ada.l+x@example.com here", "no user *** here"),
        ("email=<ada@example.com>", "email=<***>"),
        (f"hash {'a1' * 32} seen", "hash *** seen"),
        (f"md5 {'0F' * 16}", "md5 ***"),
        ("from 203.0.113.7:443", "from ***:443"),
        ("from 2001:db8::1 and 2a00::1, ::1", "from *** and ***, ***"),
        ("from 2001:0db8:85a3:0000:0000:8a2e:0370:7334.", "from ***."),
        ("call +1 (415) 555-0100 now", "call *** now"),
        ("click 3184742045291813272 unknown", "click *** unknown"),
        ("at 12:00:05 code 40002", "at 12:00:05 code 40002"),
        ("two\nlines\r\n\tand\x00\x1b[31mred\u2028end", "two lines and [31mred end"),
        ("  ", ""),
    ],
)
def test_what_a_network_says_is_scrubbed(said: str, kept: str) -> None:
    assert scrubbed(said, [TOKEN]) == kept


def test_what_a_network_echoes_of_a_payload_is_scrubbed() -> None:
    payload = b'{"event_id":"order-77","user":{"ttclid":"E.C.P","list":["Ada Lovelace","Ada"]},"n":40002,"s":"web"}'
    said = "event order-77 of Ada Lovelace (E.C.P) on web: 40002"
    assert scrubbed(said, [], texts_of([b"{}", payload])) == "event *** of *** (***) on web: 40002"


def test_the_longest_echo_is_taken_first() -> None:
    assert scrubbed("id order-77-b", [], texts_of([b'["order-77","order-77-b"]'])) == "id ***"


def test_length_is_limited() -> None:
    assert len(scrubbed("word " * 2000, [])) <= 500


@pytest.mark.parametrize("length", range(3970, 4001))
def test_no_half_of_a_secret_is_left_by_a_cut(length: int) -> None:
    long_addresses = ("a" * 94 + "@b.cd ") * 39
    text = long_addresses + " " * (length - len(long_addresses)) + TOKEN
    assert "example" not in scrubbed(text, [TOKEN])


def test_codes_and_request_ids_keep_their_digits() -> None:
    request_id = "2025062217554691FA1E8FB37D612053A0"
    assert scrubbed(request_id, [TOKEN], keep_ids=True) == request_id
    assert scrubbed(f"{TOKEN} ada@example.com", [TOKEN], keep_ids=True) == "*** ***"


AWKWARD = 'eyJ+a/b=c&d"e%f.0123456789-abcdefghij_KLMNOPQRST'


@pytest.mark.parametrize(
    "written",
    [
        *(AWKWARD, AWKWARD.upper(), quote(AWKWARD), quote(AWKWARD, safe=""), quote(AWKWARD, safe="").lower()),
        *(quote(quote(AWKWARD, safe=""), safe=""), "".join(f"%{ord(char):02X}" for char in AWKWARD)),
        *(
            html.escape(AWKWARD),
            json.dumps(AWKWARD),
            json.dumps(AWKWARD).replace("/", "\\/"),
            urlencode({"q": AWKWARD}),
        ),
        *(json.dumps(json.dumps(AWKWARD)), "".join(f"\\u{ord(char):04X}" for char in AWKWARD)),
        *(
            "".join(f"&#{ord(char)};" for char in AWKWARD),
            AWKWARD[:30],
            AWKWARD[15:],
            f"{AWKWARD[:25]}…{AWKWARD[-20:]}",
        ),
    ],
)
def test_a_secret_is_masked_however_it_is_written_and_in_part_too(written: str) -> None:
    said = scrubbed(f"Token {written} was refused", [AWKWARD])
    assert said.startswith("Token ")
    assert said.endswith(" was refused")
    assert "***" in said
    assert not [AWKWARD[at : at + 8] for at in range(len(AWKWARD) - 7) if AWKWARD[at : at + 8].lower() in said.lower()]


def test_what_only_resembles_a_secret_is_told() -> None:
    assert scrubbed("access_token is missing", ["access_token-of-account-1"]) == "access_token is missing"
