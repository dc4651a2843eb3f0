"""The setting ``notify``: read, and refused without showing its URL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from configs import config, mistakes
from test_environment import mistakes as named_mistakes
from test_environment import read as of_environment

from target_adpostbacks.cli.doctor import doctor
from target_adpostbacks.cli.validate import validate
from target_adpostbacks.config import Notify, read
from target_adpostbacks.config.stand_ins import with_secrets

URL = "https://hooks.example/services/canary?key=canary"


def notify(raw: Any) -> Notify | None:
    return read({**config(), "notify": raw})[0].notify


@pytest.mark.parametrize("raw", [None, {}])
def test_it_is_off_by_default(raw: Any) -> None:
    assert read(config())[0].notify is None
    assert notify(raw) is None


def test_a_url_is_enough() -> None:
    read_ = notify({"url": f" {URL} "})
    assert read_
    assert (read_.url, read_.on.credential_failures, read_.on.rejected_percent, read_.on.open_money) == (
        URL,
        True,
        10,
        {},
    )


def test_each_condition_may_be_changed_or_switched_off() -> None:
    read_ = notify(
        {"url": URL, "on": {"credential_failures": False, "rejected_percent": None, "open_money": {"USD": "1000"}}}
    )
    assert read_
    assert (read_.on.credential_failures, read_.on.rejected_percent, read_.on.open_money) == (
        False,
        None,
        {"USD": 1000},
    )


@pytest.mark.parametrize("on", [True, "true"])
def test_on_may_be_what_yaml_makes_of_it(on: Any) -> None:
    read_ = notify({"url": URL, on: {"rejected_percent": 5}})
    assert read_
    assert read_.on.rejected_percent == 5


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "[::1]:80", "hooks.localhost"])
def test_plain_http_is_for_this_machine(host: str) -> None:
    assert notify({"url": f"http://{host}/x"})


@pytest.mark.parametrize(
    ("raw", "mistake"),
    [
        ("canary", "notify: an object expected, with `url` and `on`"),
        ({"on": {}}, "notify.url: missing. URL of the webhook"),
        ({"url": " "}, "notify.url: missing. URL of the webhook"),
        ({"url": ["canary"]}, "notify.url: text expected. URL of the webhook"),
        ({"url": "http://hooks.example/canary"}, "notify.url: plain http is for this machine only"),
        ({"url": "hooks.example/canary"}, "notify.url: not a webhook's URL; https, a host and a path expected"),
        ({"url": "ftp://hooks.example/canary"}, "notify.url: not a webhook's URL"),
        ({"url": "https://user:canary@hooks.example/"}, "notify.url: not a webhook's URL"),
        ({"url": f"{URL}#canary"}, "notify.url: not a webhook's URL"),
        ({"url": "https://hooks.example:canary/"}, "notify.url: not a webhook's URL"),
        ({"url": "https://hooks.example/can ary"}, "notify.url: contains white space or a character"),
        ({"url": "https://hooks.example/canarü"}, "notify.url: contains white space or a character"),
        ({"url": URL, "uri": 1}, "notify.uri: no such setting; did you mean url?"),
        ({"url": URL, "on": True}, "notify.on: an object expected"),
        ({"url": URL, "on": {"open_mony": {}}}, "notify.on.open_mony: no such setting; did you mean open_money?"),
        ({"url": URL, "on": {"credential_failures": "canary"}}, "notify.on.credential_failures: true or false"),
        ({"url": URL, "on": {"rejected_percent": 101}}, "notify.on.rejected_percent: a number of at most 100"),
        ({"url": URL, "on": {"open_money": 1000}}, "notify.on.open_money: an object expected"),
        ({"url": URL, "on": {"open_money": {"USD": "canary"}}}, "notify.on.open_money.USD: a number expected"),
        ({"url": URL, "on": {"open_money": {"USD": -1}}}, "notify.on.open_money.USD: a number from 0 expected"),
        ({"url": URL, "on": {"open_money": {"usd": 1}}}, "notify.on.open_money.usd: not a currency"),
    ],
)
def test_a_mistake_is_told_once_with_its_path_and_no_value(raw: Any, mistake: str) -> None:
    (told,) = mistakes({**config(), "notify": raw})
    assert told.startswith(mistake)
    assert "canar" not in told


def test_the_environment_has_a_variable_for_each() -> None:
    settings = of_environment(
        config(), _NOTIFY_URL=URL, _NOTIFY_ON_REJECTED_PERCENT="5", _NOTIFY_ON_OPEN_MONEY='{"USD": 1000}'
    )
    assert settings.config["notify"] == {"url": URL, "on": {"rejected_percent": 5, "open_money": {"USD": 1000}}}
    assert read(settings.config)[0].notify
    whole = of_environment(config(), _NOTIFY=json.dumps({"url": URL, "on": {"credential_failures": False}}))
    assert read(whole.config)[0].notify
    wrong = of_environment({**config(), "notify": {"on": {}}}, _NOTIFY_URL="http://hooks.example/canary")
    (told,) = named_mistakes(wrong)
    assert told.startswith("notify.url (TARGET_ADPOSTBACKS_NOTIFY_URL): plain http")


def test_the_commands_check_it(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**config(), "notify": {"url": "http://hooks.example/canary", "on": {"x": 1}}}))
    for command in (validate, doctor):
        words = ["--input", str(path)] if command is doctor else []
        ran = CliRunner().invoke(command, ["--config", str(path), *words])
        assert ran.exit_code == 1
        assert "notify.url: plain http is for this machine only" in ran.output
        assert "notify.on.x: no such setting" in ran.output
        assert "canary" not in ran.output


def test_a_command_that_sends_nothing_needs_no_url() -> None:
    without = {**config(), "notify": {"on": {"rejected_percent": 5}}}
    assert read(with_secrets(without))[0].notify
    assert with_secrets({**config(), "notify": {}})["notify"] == {}
