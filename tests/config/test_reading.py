"""Sections and accounts merged, and values as they are meant."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from configs import config, mistakes, settings
from conftest import NOW, SETTINGS, an_account

from target_adpostbacks.config import hints, read
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.networks.tiktok import TikTok, TikTokSettings


def test_a_section_is_an_account_called_default() -> None:
    (account,) = read(config())[1]["tiktok"]
    assert (account.section, account.name, account.label) == ("tiktok", "default", "tiktok.default")
    assert account.secrets == ("example-access-token",)


def test_accounts_take_what_they_lack_from_their_section() -> None:
    game_a = {"pixel_code": "AAAAAAAAAAAAAAAAAAAA", "event_map": {"lead": None, "signup": "Lead"}, "send": "all"}
    section = {"event_map": {"lead": "Contact", "purchase": "Subscribe"}, "tiktok_app_id": None}
    raw = config(**section, accounts={"game_a": game_a, "game_b": {}})
    first, second = settings(raw, "game_a"), settings(raw, "game_b")
    assert (first.pixel_code, second.pixel_code) == ("AAAAAAAAAAAAAAAAAAAA", "D7VH38JC77U3LFDOLGRG")
    assert first.event_map == {"lead": None, "purchase": "Subscribe", "signup": "Lead"}
    assert second.event_map == {"lead": "Contact", "purchase": "Subscribe"}
    assert (first.send, second.send) == ("all", "attributed")


def test_an_accounts_secrets_are_its_own() -> None:
    accounts: dict[str, Any] = {"game_a": {"access_token": "another-token"}, "game_b": {}}
    raw = config(accounts=accounts, allow_same_asset=True)
    assert [account.secrets for account in read(raw)[1]["tiktok"]] == [("another-token",), ("example-access-token",)]


@pytest.mark.parametrize("name", ["Game", "game-a", "7th", "", "a.b", "_a", "game a", "gäme"])
def test_an_accounts_name_is_one_that_meltano_takes(name: str) -> None:
    rule = "not a name; a lower-case letter, then lower-case letters, digits or _ expected"
    assert mistakes(config(accounts={name: {}})) == [f"tiktok.accounts.{name}: {rule}"]


def test_delivery_settings_at_the_top_are_defaults_for_every_network() -> None:
    raw = {**config(concurrency=2), "reddit": SETTINGS["reddit"], "concurrency": 8, "max_attempts": 3}
    sections = read(raw)[1]
    networks = [account.network for section in sections.values() for account in section]
    delivery = [(network.settings.concurrency, network.settings.max_attempts) for network in networks if network]
    assert delivery == [(8, 3), (2, 3)]


def test_a_switched_off_account_needs_no_credentials() -> None:
    (account,) = read({"tiktok": {"enabled": False}})[1]["tiktok"]
    assert account.network is None
    raw = config(accounts={"game_a": {"enabled": False, "access_token": ""}, "game_b": {}})
    assert [account.network is None for account in read(raw)[1]["tiktok"]] == [True, False]


def test_a_network_without_a_section_is_not_there() -> None:
    assert list(read({**config(), "reddit": None})[1]) == ["tiktok"]


def test_of_an_inherited_setting_the_nearest_wins() -> None:
    accounts = {"game_a": {"trigger_events": [" install "]}, "game_b": {}}
    section = config(trigger_events=["lead"], accounts=accounts, allow_same_asset=True)
    raw = {**section, "reddit": SETTINGS["reddit"]}
    sections = read({**raw, "trigger_events": ["purchase"]})[1]
    networks = [account.network for section in sections.values() for account in section]
    assert [network.settings.trigger_events for network in networks if network] == [["purchase"], ["install"], ["lead"]]


def test_spaces_around_a_value_do_no_harm() -> None:
    tiktok = settings(config(access_token="\texample ", event_map={"lead": " Lead "}))
    assert (tiktok.access_token, tiktok.event_map) == ("example", {"lead": "Lead"})


def test_a_number_that_yaml_made_of_an_id_is_text_again() -> None:
    assert settings(config(tiktok_app_id=7123456789012345678)).tiktok_app_id == "7123456789012345678"


@pytest.mark.parametrize("text", ["8", " 8 "])
def test_an_environment_variables_text_is_a_number_again(text: str) -> None:
    assert settings(config(concurrency=text, hash_device_ids="true")).concurrency == 8


@pytest.mark.parametrize("empty", [None, "", "   "])
def test_what_is_empty_is_missing(empty: Any) -> None:
    (missing,) = mistakes(config(access_token=empty))
    assert missing.startswith("tiktok.access_token: missing. Token of the Events API")
    assert missing.endswith("Events Manager > the pixel > Settings > Events API > Generate access token.")
    tiktok = settings(config(test_event_code=empty, concurrency=empty, event_map=empty, base_url=empty))
    assert (tiktok.test_event_code, tiktok.concurrency, tiktok.event_map, tiktok.base_url) == (None, 4, {}, None)


@pytest.mark.parametrize(
    "url",
    [
        "https://proxy.example",
        "https://proxy.example:8443/path/",
        "http://127.0.0.1:8080",
        "http://localhost",
        "http://[::1]:1",
    ],
)
def test_the_base_url_is_https_or_this_machine(url: str) -> None:
    assert settings(config(base_url=url)).base_url == url


@pytest.mark.parametrize("url", ["http://proxy.example", "http://127.0.0.1.example", "http://10.0.0.1"])
def test_plain_http_goes_to_this_machine_only(url: str) -> None:
    assert mistakes(config(base_url=url)) == [
        "tiktok.base_url: plain http is for this machine only (127.0.0.1); use https"
    ]


@pytest.mark.parametrize(
    "url",
    [
        *(
            "proxy.example",
            "ftp://a.example",
            "https://",
            "https://user:pass@a.example",
            "http://[",
            "https://a b.example",
        ),
        *("https://a.example?x=1", "https://a.example#x", "https://a.example:port"),
    ],
)
def test_a_base_url_is_scheme_and_host(url: str) -> None:
    assert mistakes(config(base_url=url)) == [
        "tiktok.base_url: not a scheme and a host, for example https://host.example"
    ]


def test_the_general_settings() -> None:
    general, _ = read({**config(), "default_timezone": "Europe/Berlin", "fields": {"email": "customer.mail"}})
    assert (general.zone, general.fields) == (ZoneInfo("Europe/Berlin"), {"email": "customer.mail"})
    general, _ = read(config())
    assert (general.zone, general.fields, general.max_batch_age_seconds) == (timezone.utc, {}, 5)


def test_hints_name_the_account() -> None:
    raw = {"tiktok": [an_account("tiktok", "game_a", pixel_code="D7VH38JC77U3LFDOL"), an_account(enabled=False)]}
    assert hints(raw, NOW) == ["tiktok.game_a.pixel_code: not 20 or 21 capitals and digits; was it copied whole?"]


class OfAVersion(TikTokSettings, frozen=True, kw_only=True):
    def expiring(self, now: datetime) -> Iterable[str]:
        if now > NOW:
            yield "version: will soon be turned off"


def test_hints_tell_what_will_soon_no_longer_be_good() -> None:
    settings = OfAVersion(pixel_code="D7VH38JC77U3LFDOLGRG", access_token="example-access-token")
    accounts = [Account(section="tiktok", name="game_a", network=TikTok(settings))]
    assert hints({"tiktok": accounts}, NOW) == []
    assert hints({"tiktok": accounts}, NOW + timedelta(days=1)) == ["tiktok.game_a.version: will soon be turned off"]
