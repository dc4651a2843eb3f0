"""What a person's consent, or the lack of it, lets go to a network."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Skip
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.networks.tiktok import TikTok


class TakesSignals(TikTok):
    """A network that is told of consent signals, of one even where it is denied."""

    consent_signals = frozenset({"ad_user_data", "ad_personalization"})
    takes_denied = frozenset({"ad_personalization"})


def account(kind: type[TikTok] = TikTok, **settings: Any) -> Account:
    network = an_account(**settings).network
    assert isinstance(network, TikTok)
    return Account(section="tiktok", network=kind(network.settings))


def ready(to: Account, **columns: Any) -> Postback:
    return prepare(to, a_conversion(**{"email": "ada@example.com", **columns}), NOW)


def refusal(to: Account, **columns: Any) -> str:
    with pytest.raises(Skip, match="no_consent") as skip:
        ready(to, **columns)
    return skip.value.message


@pytest.mark.parametrize("columns", [{"consent": True}, {"consent": "granted", "ad_storage": True}])
def test_where_consent_is_required_what_has_it_is_sent(columns: dict[str, Any]) -> None:
    assert ready(account(consent_required=True), **columns)
    assert ready(account(TakesSignals, consent_required=True), **columns)


@pytest.mark.parametrize("columns", [{}, {"ad_user_data": True}, {"ad_storage": True, "ad_personalization": True}])
def test_where_consent_is_required_nothing_else_stands_for_it(columns: dict[str, Any]) -> None:
    assert refusal(account(consent_required=True), **columns) == "consent_required: consent is not true"
    assert ready(account(), **columns)


def test_a_network_that_takes_signals_gets_what_has_the_signal() -> None:
    strict = account(TakesSignals, consent_required=True)
    assert ready(strict, ad_user_data="granted")
    assert ready(strict, ad_user_data="granted", ad_personalization="denied")
    message = "consent_required: neither consent nor ad_user_data is true"
    assert refusal(strict) == message
    assert refusal(strict, ad_personalization=True) == message


def test_required_or_not_a_denial_is_a_denial() -> None:
    for to in (account(), account(consent_required=True), account(TakesSignals, consent_required=True)):
        assert refusal(to, consent=False, ad_user_data=True) == ""
        assert refusal(to, consent=True, ad_user_data=False) == "an ad consent signal is denied"


@pytest.mark.parametrize("section", NETWORKS)
def test_global_privacy_control_says_the_same_as_limited_data_use(section: str) -> None:
    to, page = an_account(section), "https://shop.example.com/"
    priced = {"value": 5, "currency": "EUR", "limited_data_use": True, "network": section, "event_source_url": page}
    assert to.network
    if to.network.limits_data_use(a_conversion(**priced)):
        assert ready(to, **{**priced, "limited_data_use": False}, gpc=True) == ready(to, **priced)
    else:
        assert refusal(to, **priced, gpc=True)


@pytest.mark.parametrize("limited", [None, True, False])
@pytest.mark.parametrize("source", ["web", "app"])
def test_global_privacy_control_limits_the_use_of_the_data(source: str, limited: bool | None) -> None:
    to = account(tiktok_app_id="7012345678901234567", app_id="1")
    postback = ready(to, gpc="1", event_source=source, limited_data_use=limited)
    assert postback == ready(to, event_source=source, limited_data_use=True)
    assert b'"limited_data_use":true' in postback.payload


def test_where_the_use_cannot_be_limited_global_privacy_control_keeps_the_conversion_back() -> None:
    to = account(offline_event_set_id="7012345678901234567")
    message = "gpc is true, and the network takes no limited_data_use of offline events"
    assert refusal(to, gpc=True, consent=True, event_source="offline") == message
    assert ready(to, gpc=False, event_source="offline") == ready(to, event_source="offline")


def test_consent_is_asked_before_anything_else_of_an_account() -> None:
    strict = account(consent_required=True, event_map={"purchase": None})
    assert refusal(strict, adjustment="retract", event_time="2020-01-01")
    assert refusal(strict, gpc=True, event_source="offline", consent=True, adjustment="retract")


class HasNoField(TikTok):
    """A network that has no field for what these flags say."""

    denials = ("opt_out", "limited_data_use")


@pytest.mark.parametrize("flag", ["opt_out", "limited_data_use"])
def test_what_a_network_has_no_field_for_is_a_denial_there(flag: str) -> None:
    told = f"{flag} is true, and the network has no field for it"
    assert refusal(account(HasNoField), **{flag: True, "consent": True}) == told
    assert ready(account(HasNoField), **{flag: False})
    assert ready(account(), **{flag: True})
