"""When a conversion is not sent and why, and what is made of it otherwise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import JSON, Skip, or_skip
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion
from target_adpostbacks.core.postback import Key, Postback, _all_begun, _begun, facts, key, prepare, prepare_all
from target_adpostbacks.networks.tiktok import TikTok, TikTokSettings


def ready(account: Account | None = None, **columns: Any) -> Postback:
    return prepare(account or an_account(), a_conversion(**columns), NOW, "orders", 3)


def skipped(account: Account | None = None, **columns: Any) -> str:
    with pytest.raises(Skip) as skip:
        ready(account, **columns)
    return skip.value.reason


def test_a_disabled_account_gets_nothing() -> None:
    assert skipped(an_account("tiktok", enabled=False)) == "disabled"


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


def test_what_awaits_its_original_says_so() -> None:
    correction = msgspec.structs.replace(a_conversion(), awaits_original=True)
    assert prepare(an_account(), correction, NOW).awaits_original
    assert not ready().awaits_original
    assert not a_conversion(awaits_original=True).awaits_original  # no column of a record


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


@pytest.mark.parametrize(
    ("section", "settings", "columns", "limit"),
    [
        ("tiktok", {}, {}, timedelta(days=28)),
        ("tiktok", {"max_event_age_days": 3}, {}, timedelta(days=3)),
        ("tiktok", {"max_event_age_days": 400}, {}, timedelta(days=28)),
        ("snapchat", {"max_event_age_days": 37}, {"email": "ada@example.com"}, timedelta(days=37)),
        ("meta", {}, {"email": "ada@example.com"}, timedelta(days=7, minutes=-5)),
        ("meta", {}, {"email": "ada@example.com", "event_source": "offline"}, timedelta(days=62, minutes=-5)),
    ],
)
def test_a_postback_says_until_when_it_can_be_sent(
    section: str, settings: dict[str, Any], columns: dict[str, Any], limit: timedelta
) -> None:
    account = an_account(section, **settings)
    postback = ready(account, value=5, currency="USD", network=section, **columns)
    assert postback.deadline == datetime(2026, 11, 20, 12, tzinfo=timezone.utc) + limit


def test_a_postback_says_who_what_and_how_long_a_resend_is_harmless() -> None:
    account = an_account()
    postback = ready(account, value=5, currency="USD", campaign_id="c1")
    assert postback.key == Key("tiktok", "D7VH38JC77U3LFDOLGRG", "purchase", "evt-1", "", test=False)
    assert postback.key == key(account, a_conversion())
    assert postback.resend_seconds == 48 * 3600
    kept = postback.facts
    assert (kept.stream, kept.line, kept.network_event, kept.match_keys) == ("orders", 3, "Purchase", "ttclid")
    assert (kept.event_time, kept.campaign_id, kept.value) == ("2026-11-20T12:00:00.000+00:00", "c1", 5)


def test_a_network_says_for_each_conversion_how_long_a_resend_is_harmless() -> None:
    class CountsStoresTwice(TikTok):
        def resend_window(self, conversion: Conversion) -> timedelta | None:
            return None if conversion.event_source == "offline" else self.dedup_window

    network = an_account(offline_event_set_id="7012345678901234567").network
    assert isinstance(network, TikTok)
    account = Account(section="tiktok", network=CountsStoresTwice(network.settings))
    store, web = (ready(account, event_source=source, email="a@example.com") for source in ("offline", "web"))
    assert (store.resend_seconds, web.resend_seconds) == (None, 48 * 3600)


def test_a_test_event_and_an_adjustment_are_deliveries_of_their_own() -> None:
    account = an_account(test_event_code="TEST1")
    changes: list[dict[str, Any]] = [{}, {"test": True}, {"adjustment": "retract"}, {"event_id": "evt-2"}]
    assert len({key(account, a_conversion(**change)) for change in changes}) == 4


class Correcting(TikTok):
    def adjusts(self, conversion: Conversion) -> bool:
        return conversion.adjustment == "restate"

    def payload(self, conversion: Conversion) -> JSON:
        return {"user": {}, "adjusted_at": f"{conversion.adjustment_time}"}


SETTINGS = TikTokSettings(pixel_code="D7VH38JC77U3LFDOLGRG", access_token="t")


def correcting() -> Account:
    return msgspec.structs.replace(an_account(), network=Correcting(SETTINGS))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"value": 24.5}, "restate:24.5 USD"),
        ({"value": "24.50"}, "restate:24.5 USD"),
        ({"value": 30}, "restate:30 USD"),
        ({"value": 30.0}, "restate:30 USD"),
        ({"value": 0}, "restate:0 USD"),
        ({}, "restate"),
    ],
)
def test_a_restatement_with_another_value_is_another_delivery(changes: dict[str, Any], named: str) -> None:
    restated = ready(correcting(), adjustment="restate", currency="USD", **changes)
    assert restated.key == key(an_account(), a_conversion())._replace(adjustment=named)


def test_only_the_corrections_that_a_network_takes_are_sent_to_it() -> None:
    with pytest.raises(Skip, match="no_adjustments") as skip:
        ready(correcting(), adjustment="retract")
    assert skip.value.message == "the network takes no corrections of this kind"


def test_a_correction_is_of_the_time_that_its_record_says_else_of_the_reading() -> None:
    told = ready(correcting(), adjustment="restate", adjustment_time="2026-11-20T13:00:00+01:00")
    assert (told.facts.adjustment_time, told.dated_now) == ("2026-11-20T12:00:00.000+00:00", False)
    now = ready(correcting(), adjustment="restate")
    assert (now.facts.adjustment_time, now.dated_now) == (NOW.isoformat(timespec="milliseconds"), True)
    assert json.loads(now.payload)["adjusted_at"] == str(NOW)


def test_a_denied_signal_goes_to_a_network_that_wants_to_know() -> None:
    class Told(TikTok):
        takes_denied = frozenset({"ad_personalization"})

    account = msgspec.structs.replace(an_account(), network=Told(SETTINGS))
    assert ready(account, ad_personalization=False)
    for denied in ({"ad_user_data": False}, {"ad_storage": False, "ad_personalization": False}, {"consent": False}):
        with pytest.raises(Skip, match="no_consent"):
            ready(account, **denied)


def test_facts_hold_nothing_personal() -> None:
    conversion = a_conversion(email="ada@example.com", ttclid="click", user_agent="agent", ip_address="8.8.8.8")
    assert not {"ada@example.com", "click", "agent", "8.8.8.8"} & set(facts(conversion, "orders", 1))


def test_a_currency_that_the_network_does_not_take_is_left_out_and_noted() -> None:
    postback = ready(value=5, currency="ISK")
    assert (postback.note, postback.facts.value) == ("", 5)
    postback = ready(value=5, currency="XPF")
    assert "properties" not in json.loads(postback.payload)
    assert (postback.note, postback.facts.value, postback.facts.currency) == (
        "the network does not accept the currency: sent without value and currency",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("base_url", "trial"),
    [
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://localhost:8765/tiktok/", "http://localhost:8765"),
        ("https://[::1]:8765", "https://[::1]:8765"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("https://networks.localhost", "https://networks.localhost"),
    ],
)
def test_a_trial_at_loopback_is_a_delivery_of_its_own(base_url: str, trial: str) -> None:
    plain, on_trial = ready(an_account()), ready(an_account(base_url=base_url))
    assert on_trial.key == plain.key._replace(asset=f"{plain.key.asset}@{trial}")
    assert (on_trial.payload, on_trial.envelope) == (plain.payload, plain.envelope)
    assert key(an_account(base_url=base_url), a_conversion()) == on_trial.key


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "http://127.0.0.1:8765", "proxy": True},
        {"base_url": "https://proxy.example.com"},
        {"base_url": "https://10.0.0.7:8443"},
    ],
)
def test_what_a_proxy_takes_is_the_networks(settings: dict[str, Any]) -> None:
    assert ready(an_account(**settings)).key == ready(an_account()).key


def test_where_no_asset_is_configured_a_trial_has_none_either() -> None:
    account = an_account(base_url="http://127.0.0.1:8765")
    assert key(account, a_conversion(event_source="offline")).asset == ""


class Timed(TikTok):
    """A network that is told when a payload was made."""

    def payload_at(self, conversion: Conversion, now: datetime) -> JSON:
        return {"user": {}, "made": now.isoformat()}


def test_a_payload_may_say_when_it_was_made() -> None:
    timed = msgspec.structs.replace(an_account(), network=Timed(SETTINGS))
    assert json.loads(ready(timed).payload)["made"] == NOW.isoformat()


class Picky(TikTok):
    """A network that skips one event id, and has a mistake in it about another."""

    def payload(self, conversion: Conversion) -> JSON:
        if conversion.event_id == "skipped":
            raise Skip("no_match_key") from ValueError(conversion.event_id)
        return {"user": {}, "known": {"good": 1, "deep": deep()}[conversion.event_id]}


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def test_what_keeps_one_of_several_back_keeps_no_other_back() -> None:
    picky = msgspec.structs.replace(an_account(), network=Picky(SETTINGS))
    ids = ("good", "skipped", "unforeseen", "good", "deep", "old")
    conversions = [a_conversion(event_id=each, **({"event_time": LATE} if each == "old" else {})) for each in ids]
    made = prepare_all(picky, conversions, NOW, "orders", range(3, 9))
    reasons = [each.reason if isinstance(each, Skip) else type(each).__name__ for each in made]
    assert reasons == ["Postback", "no_match_key", "KeyError", "Postback", "invalid", "too_old"]
    assert [each.facts.line for each in made if isinstance(each, Postback)] == [3, 6]


FLAGS = ("consent", "ad_user_data", "ad_personalization", "ad_storage", "limited_data_use", "opt_out", "gpc")
ODD: dict[str, Sequence[Any]] = {
    "event_name": ["purchase", "lead", "ad_click", "vip upgrade", "VIP"],
    "event_source": EVENT_SOURCES,
    "event_time": [LATE, EARLY, "2026-11-13T12:10:00Z", "2026-11-20T12:15:00.001Z", "2026-11-20T12:01:00"],
    "value": [None],
    "currency": [None, "XPF"],
    "test": [True],
    "adjustment": ["retract", "restate"],
    "click_time": ["2026-11-18T12:00:00Z"],
    **dict.fromkeys(FLAGS, (None, True, False)),
}
OF_CONTENTS = {"value": None, "currency": None, "contents": [{"id": "s-1", "price": 2}]}
EACH_ODD = [OF_CONTENTS, *({name: value} for name, values in ODD.items() for value in values)]
ACCOUNTS = (
    an_account(),
    an_account(test_event_code="TEST1", consent_required=True, max_event_age_days=7, event_map={"lead": None}),
    an_account(attribution_window_days=1),
    an_account("meta"),
    an_account("x", default_currency="EUR"),
    an_account("linkedin"),
    msgspec.structs.replace(an_account(), network=Correcting(SETTINGS)),
)


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.section)
def test_conversions_begin_together_as_each_does_by_itself(account: Account) -> None:
    network = account.network
    assert network is not None
    usual = {"value": 5, "currency": "USD"}
    conversions = [a_conversion(**{**usual, **one, **other}) for one in EACH_ODD for other in EACH_ODD]
    lines = range(3, 3 + len(conversions))
    alone = [or_skip(_begun, network, c, line, NOW) for c, line in zip(conversions, lines, strict=True)]
    assert [*map(said, _all_begun(network, conversions, lines, NOW))] == [*map(said, alone)]


def said(begun: Any) -> Any:
    return (begun.reason, begun.message) if isinstance(begun, Skip) else begun


def test_a_reason_holds_on_to_no_conversion() -> None:
    picky = msgspec.structs.replace(an_account(), network=Picky(SETTINGS))
    (skip,) = prepare_all(picky, [a_conversion(event_id="skipped")], NOW, "orders", (3,))
    assert isinstance(skip, Skip)
    assert (skip.__traceback__, skip.__context__, skip.__cause__) == (None, None, None)
