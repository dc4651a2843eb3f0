"""Sections and accounts merged, every mistake told at once, and never a value."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timezone
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from conftest import SETTINGS, an_account
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from target_adpostbacks.config import InvalidConfig, SdkSettings, hints, read, schema
from target_adpostbacks.core.settings import DELIVERY_SETTINGS, examples
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.networks.tiktok import TikTokSettings

CANARY = "canary-7f3a-secret"
GENERAL = (
    *("ledger_url", "fields", "default_timezone", "max_batch_age_seconds", "results_path"),
    *("ledger_retention_days", "fail_above_rejected_percent"),
)


def config(**tiktok: Any) -> dict[str, Any]:
    return {"tiktok": {**SETTINGS["tiktok"], **tiktok}}


def mistakes(given: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidConfig) as invalid:
        read(given)
    assert str(invalid.value).splitlines() == invalid.value.mistakes
    return invalid.value.mistakes


def settings(given: dict[str, Any], name: str = "default") -> TikTokSettings:
    (account,) = [account for account in read(given)[1]["tiktok"] if account.name == name]
    assert account.network is not None
    assert isinstance(account.network.settings, TikTokSettings)
    return account.network.settings


# --- Sections and accounts -------------------------------------------------------------------------------------------


def test_a_section_is_an_account_called_default() -> None:
    (account,) = read(config())[1]["tiktok"]
    assert (account.section, account.name, account.label) == ("tiktok", "default", "tiktok.default")
    assert account.secrets == ("example-access-token",)


def test_accounts_take_what_they_lack_from_their_section() -> None:
    own = {"pixel_code": "AAAAAAAAAAAAAAAAAAAA", "event_map": {"lead": None, "signup": "Lead"}, "send": "all"}
    given = config(event_map={"lead": "Contact", "purchase": "Subscribe"}, accounts={"game_a": own, "game_b": {}})
    first, second = settings(given, "game_a"), settings(given, "game_b")
    assert (first.pixel_code, second.pixel_code) == ("AAAAAAAAAAAAAAAAAAAA", "D7VH38JC77U3LFDOLGRG")
    assert first.event_map == {"lead": None, "purchase": "Subscribe", "signup": "Lead"}
    assert second.event_map == {"lead": "Contact", "purchase": "Subscribe"}
    assert (first.send, second.send) == ("all", "attributed")


def test_an_accounts_secrets_are_its_own() -> None:
    given = config(accounts={"game_a": {"access_token": "another-token"}, "game_b": {}})
    assert [account.secrets for account in read(given)[1]["tiktok"]] == [("another-token",), ("example-access-token",)]


@pytest.mark.parametrize("name", ["Game", "game-a", "7th", "", "a.b", "_a", "game a", "gäme"])
def test_an_accounts_name_is_one_that_meltano_takes(name: str) -> None:
    rule = "not a name; a lower-case letter, then lower-case letters, digits or _ expected"
    assert mistakes(config(accounts={name: {}})) == [f"tiktok.accounts.{name}: {rule}"]


def test_delivery_settings_at_the_top_are_defaults_for_every_network() -> None:
    given = {**config(concurrency=2), "reddit": SETTINGS["reddit"], "concurrency": 8, "max_attempts": 3}
    sections = read(given)[1]
    found = [account.network.settings for section in sections.values() for account in section if account.network]
    assert [(own.concurrency, own.max_attempts) for own in found] == [(8, 3), (2, 3)]


def test_a_switched_off_account_needs_no_credentials() -> None:
    (account,) = read({"tiktok": {"enabled": False}})[1]["tiktok"]
    assert account.network is None
    given = config(accounts={"game_a": {"enabled": False, "access_token": ""}, "game_b": {}})
    assert [account.network is None for account in read(given)[1]["tiktok"]] == [True, False]


def test_a_network_without_a_section_is_not_there() -> None:
    assert list(read({**config(), "reddit": None})[1]) == ["tiktok"]


# --- Values ----------------------------------------------------------------------------------------------------------


def test_spaces_around_a_value_do_no_harm() -> None:
    own = settings(config(access_token="\texample ", event_map={"lead": " Lead "}))
    assert (own.access_token, own.event_map) == ("example", {"lead": "Lead"})


def test_a_number_that_yaml_made_of_an_id_is_text_again() -> None:
    assert settings(config(tiktok_app_id=7123456789012345678)).tiktok_app_id == "7123456789012345678"


@pytest.mark.parametrize("text", ["8", " 8 "])
def test_an_environment_variables_text_is_a_number_again(text: str) -> None:
    assert settings(config(concurrency=text, hash_device_ids="true")).concurrency == 8


@pytest.mark.parametrize("empty", [None, "", "   "])
def test_what_is_empty_is_missing(empty: Any) -> None:
    (missing,) = mistakes(config(access_token=empty))
    assert missing.startswith("tiktok.access_token: missing; Token of the Events API")
    assert missing.endswith("Events Manager > the pixel > Settings > Events API > Generate access token.")
    own = settings(config(test_event_code=empty, concurrency=empty, event_map=empty, base_url=empty))
    assert (own.test_event_code, own.concurrency, own.event_map, own.base_url) == (None, 4, {}, None)


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


# --- Mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ({}, f"no network: add a section for one of {', '.join(sorted(NETWORKS))}"),
        ({"tiktok": "on"}, "tiktok: an object expected, as in sample_config.json"),
        ({"tiktok": True}, "tiktok: an object expected, as in sample_config.json"),
        ({**config(), "tik_tok": {}}, "tik_tok: no such setting; did you mean tiktok?"),
        ({**config(), "zzz": 1}, "zzz: no such setting"),
        (config(pixel_cod="X"), "tiktok.pixel_cod: no such setting; did you mean pixel_code?"),
        (config(send="some"), "tiktok.send: not one of its choices; Conversions that name no network:"),
        (
            config(concurrency=0),
            "tiktok.concurrency: a whole number of at least 1 expected; Requests under way at once",
        ),
        (
            config(concurrency=33),
            "tiktok.concurrency: a whole number of at most 32 expected; Requests under way at once",
        ),
        (config(concurrency="many"), "tiktok.concurrency: a whole number expected; Requests under way at once"),
        (config(hash_device_ids="maybe"), "tiktok.hash_device_ids: true or false expected; Send idfa"),
        (config(pixel_code=["X"]), "tiktok.pixel_code: text expected; For web events"),
        (config(event_map={"lead": 5}), "tiktok.event_map.lead: text expected; Your event names"),
        (config(event_map={"lead": " "}), "tiktok.event_map.lead: empty; the network's name of the event"),
        (config(event_map=["lead"]), "tiktok.event_map: an object expected; Your event names"),
        (config(max_event_age_days=0), "tiktok.max_event_age_days: 1 or more expected"),
        (config(accounts=[]), None),
        (config(accounts="x"), "tiktok.accounts: an object expected, with your own name for each account"),
        (config(accounts={"a": "x"}), "tiktok.accounts.a: an object expected"),
        (config(accounts={"a": {"pixel_cod": "X"}}), "tiktok.accounts.a.pixel_cod: no such setting; did you mean"),
        ({**config(), "concurrency": "many"}, "concurrency: a whole number expected; Requests under way at once"),
        (
            {**config(), "default_timezone": "Mars/Base"},
            "default_timezone: not a time zone, for example `Europe/Berlin`",
        ),
        ({**config(), "default_timezone": "../passwd"}, "default_timezone: not a time zone"),
        ({**config(), "fields": {"emial": "x"}}, "fields.emial: no such column; did you mean email?"),
        ({**config(), "fields": {"given_name": "x"}}, "fields.given_name: no such column"),
        ({**config(), "fields": "x"}, "fields: an object expected; Your column names"),
        (
            {**config(), "max_batch_age_seconds": -1},
            "max_batch_age_seconds: a whole number of at least 0 expected; How long",
        ),
        (
            {**config(), "ledger_retention_days": 1_000_000},
            "ledger_retention_days: a whole number of at most 36500 expected",
        ),
        (
            config(request_timeout_seconds=10**11),
            "tiktok.request_timeout_seconds: a whole number of at most 3600 expected",
        ),
        ({**config(), "batch_size_rows": 0}, "batch_size_rows: a whole number of at least 1 expected"),
        ({**config(), "flattening_max_depth": "1"}, "flattening_max_depth: a whole number expected"),
        ({**config(), "flattening_enabled": "yes"}, "flattening_enabled: true or false expected"),
        ({**config(), "stream_maps": "x"}, "stream_maps: an object expected"),
    ],
)
def test_a_mistake_names_path_rule_and_next_step(given: dict[str, Any], mistake: str | None) -> None:
    if mistake is None:
        assert read(given)
        return
    (said,) = mistakes(given)
    assert said.startswith(mistake)


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        (
            {"tiktok": {"access_token": "x y", "pixel_code": "my pixel", "pixelcode": 1}},
            ["tiktok.pixelcode", "tiktok.access_token", "tiktok.pixel_code"],
        ),
        (
            {"tiktok": {"pixel_code": "my pixel", "base_url": "x", "send": "some"}, "reddit": {"pixel_id": "demo"}},
            [
                *("reddit.access_token", "reddit.pixel_id", "tiktok.send", "tiktok.access_token", "tiktok.base_url"),
                "tiktok.pixel_code",
            ],
        ),
        (
            {"tiktok": {"access_token": "x y", "concurrency": 0, "tiktok_app_id": "a1", "accounts": "x"}},
            ["tiktok.concurrency", "tiktok.accounts", "tiktok.access_token", "tiktok.tiktok_app_id"],
        ),
        ({"tiktok": {"accounts": "x"}}, ["tiktok.accounts"]),
        ({"tiktok": {"accounts": {"a": "x"}, "base_url": "x"}}, ["tiktok.accounts.a", "tiktok.base_url"]),
        (
            {"tiktok": {"access_token": "x", "accounts": {"A": {"pixel_code": "my pixel"}, "b": {"send": "x"}}}},
            [
                *("tiktok.accounts.A", "tiktok.accounts.A.pixel_code"),
                *("tiktok.accounts.b.send", "tiktok.accounts.b.pixel_code"),
            ],
        ),
        (
            {"tiktok": {"access_token": "x", "pixel_code": ["X"], "tiktok_app_id": ["1"], "base_url": "x"}},
            ["tiktok.pixel_code", "tiktok.tiktok_app_id", "tiktok.base_url"],
        ),
        ({"tiktok": {"access_token": "x", "tiktok_app_id": ["1"]}}, ["tiktok.tiktok_app_id"]),
        (
            config(event_map={"a": 5, "b": " "}, accounts={"c": {"event_map": {"d": 5}}}),
            ["tiktok.event_map.a", "tiktok.event_map.b", "tiktok.accounts.c.event_map.d"],
        ),
        (
            {**config(), "redit": {}, "default_timezone": "X", "fields": {"emial": "a", "city": 5}, "concurrency": 0},
            ["redit", "fields.city", "fields.emial", "default_timezone", "concurrency"],
        ),
        (
            {
                **config(pixel_code="my pixel"),
                "ledger_retention_days": "x",
                "results_path": [],
                "flattening_enabled": 1,
            },
            ["flattening_enabled", "results_path", "ledger_retention_days", "tiktok.pixel_code"],
        ),
    ],
)
def test_every_mistake_is_told_in_one_go(given: dict[str, Any], paths: list[str]) -> None:
    assert [mistake.partition(":")[0] for mistake in mistakes(given)] == paths


@pytest.mark.parametrize("name", NETWORKS)
def test_an_example_can_stand_in_for_every_required_setting(name: str) -> None:
    settings_type = NETWORKS[name].settings_type
    assert [*msgspec.convert(examples(settings_type), settings_type).problems()] == []


def test_a_mistake_in_the_section_is_told_once_however_many_accounts_there_are() -> None:
    given = config(concurrency="many", colour="red", accounts={"a": {}, "b": {}, "c": {"concurrency": 1}})
    assert [mistake.partition(":")[0] for mistake in mistakes(given)] == ["tiktok.colour", "tiktok.concurrency"]


WRONG: list[Any] = [
    *(CANARY, [CANARY], {"a": CANARY}, {"a": [CANARY]}, 777123777, 77.7123, True),
    *([{"a": CANARY}], CANARY + "\n", {"access_token": {"x": CANARY}}),
]


def misplaced() -> Iterator[dict[str, Any]]:
    """Every setting with every wrong kind of value, in the section, in an account and at the top."""
    for name, network in NETWORKS.items():
        fields = [*network.settings_type.__struct_fields__, "accounts", "acces_token"]
        for wrong in WRONG:
            for field in fields:
                yield {name: {**SETTINGS[name], field: wrong}}
                yield {name: {**SETTINGS[name], "accounts": {"a": {field: wrong}}}}
            for field in (*DELIVERY_SETTINGS, *GENERAL, *SdkSettings.__struct_fields__, name):
                yield {name: SETTINGS[name], field: wrong}


def said_of(given: dict[str, Any]) -> str:
    """Everything that an error about this config could print; empty: there is none."""
    try:
        read(given)
    except InvalidConfig as invalid:
        return "\n".join([str(invalid), repr(invalid), *invalid.mistakes, repr(invalid.__cause__)])
    return ""


def test_no_mistake_ever_tells_a_value() -> None:
    said = [*filter(None, map(said_of, misplaced()))]
    assert len(said) > 300
    for secret in (CANARY, "777123777", "77.7123", "example-access"):
        assert not [text for text in said if secret in text]


def test_hints_name_the_account() -> None:
    given = {"tiktok": [an_account("tiktok", "game_a", pixel_code="D7VH38JC77U3LFDOL"), an_account(enabled=False)]}
    assert hints(given) == ["tiktok.game_a.pixel_code: not 20 or 21 capitals and digits; was it copied whole?"]


# --- The schema ------------------------------------------------------------------------------------------------------


def inside(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a schema that describes something."""
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from inside(member)


def test_the_schema_describes_and_checks_nothing() -> None:
    Draft202012Validator.check_schema(schema())
    for described in inside(schema()):
        for word in ("default", "required", "pattern", "minimum", "maximum", "$ref"):
            assert not isinstance(described.get(word), (str, int, list, bool)), described
        assert described.get("additionalProperties") is not False


def test_the_schema_takes_the_example_config() -> None:
    validator = Draft202012Validator(schema())
    given = {**config(accounts={"a": {"event_map": {"lead": None}}}), "reddit": SETTINGS["reddit"]}
    assert validator.is_valid(given)
    assert not validator.is_valid({"tiktok": "on"})


@pytest.mark.parametrize("name", NETWORKS)
def test_every_setting_is_described_in_the_section_and_its_accounts(name: str) -> None:
    section = schema()["properties"][name]
    own = {field: value for field, value in section["properties"].items() if field != "accounts"}
    assert own.keys() == set(NETWORKS[name].settings_type.__struct_fields__)
    assert section["properties"]["accounts"]["additionalProperties"]["properties"] == own
    assert all(value["type"] and value["description"].endswith((".", "`")) for value in own.values())
    assert [field for field, value in own.items() if value.get("secret")] == [
        field for field in own if field.endswith(("_token", "_secret"))
    ]


def test_delivery_settings_and_general_ones_stand_at_the_top() -> None:
    top = schema()["properties"]
    assert top.keys() == {
        *DELIVERY_SETTINGS,
        *NETWORKS,
        *GENERAL,
    }
    assert top["ledger_url"]["secret"]
    assert top["tiktok"]["properties"]["send"]["enum"] == ["all", "attributed"]
    assert top["reddit"]["properties"]["action_source"]["enum"][-1] is None
