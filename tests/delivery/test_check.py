"""Credentials are tried in a way that counts nothing, and the answer says what to do."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest
from conftest import SETTINGS, TEST_CODES, an_account

from target_adpostbacks.core.network import Network
from target_adpostbacks.core.settings import secrets
from target_adpostbacks.delivery.check import Checked, check
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock

TESTED = [name for name, network in NETWORKS.items() if network.takes_tests() or network.check is not Network.check]
"""The networks that a token can be tried at without a conversion that counts."""
each_network = pytest.mark.parametrize("name", TESTED)


def checked(sandbox: Sandbox, name: str, test_code: str | None = None, **settings: Any) -> list[Checked]:
    account = an_account(name, **{"base_url": sandbox.url, **settings})
    return check(
        account,
        HttpTransport(),
        lambda: datetime.now(timezone.utc),
        TEST_CODES[name] if test_code is None else test_code,
    )


def token_setting(name: str) -> str:
    return next(setting for setting in secrets(NETWORKS[name].settings_type) if setting in SETTINGS[name])


@each_network
def test_good_credentials_are_ok_and_nothing_counts(sandbox: Sandbox, name: str) -> None:
    found = checked(sandbox, name)
    assert "ok" in {each.result for each in found}
    assert {each.result for each in found} <= {"ok", "unchecked"}
    assert len({each.asset for each in found}) == len(found)
    assert sandbox.received == []  # tests are not among them


@each_network
def test_a_token_that_the_network_does_not_know_fails_with_cause_and_fix(sandbox: Sandbox, name: str) -> None:
    found = checked(sandbox, name, **{token_setting(name): "EAAinvalidinvalidinvalid"})
    asked = [each for each in found if each.result != "unchecked"]
    assert asked
    assert {(each.result, each.cause) for each in asked} == {
        ("failed", "The network refused the account's credentials.")
    }
    assert all(each.fix for each in asked)


@each_network
def test_without_the_code_of_a_test_tool_nothing_is_sent(sandbox: Sandbox, name: str) -> None:
    network = an_account(name).network
    assert network is not None
    sandbox.faults = []
    found = checked(sandbox, name, test_code="")
    if network.tests_without_code or network.check() is not None:
        assert "ok" in {each.result for each in found}
        return
    assert sandbox.requests == []
    assert {(each.result, each.fix) for each in found} == {
        ("unchecked", "Give the code of its test tool with --test-code.")
    }


@each_network
def test_what_leaves_conversions_out_does_not_keep_an_account_from_being_tried(sandbox: Sandbox, name: str) -> None:
    rules: dict[str, Any] = {
        "trigger_events": ["purchase"],
        "event_map": {"view_content": None},
        "max_event_age_days": 1,
    }
    assert checked(sandbox, name, **rules)[0].result == "ok"


@each_network
def test_no_answer_and_an_outage_prove_nothing(sandbox: Sandbox, name: str) -> None:
    sandbox.faults = [{"status": 503}]
    for found in (checked(sandbox, name), checked(sandbox, name, base_url="http://127.0.0.1:1", proxy=True)):
        assert {each.result for each in found} == {"unchecked"}
        assert "" not in {each.message for each in found if each.http_status is None}


@each_network
def test_no_word_of_the_network_repeats_a_secret(sandbox: Sandbox, name: str) -> None:
    token = "EAAcanarycanarycanarycanary"
    said = {"error": {"code": 190, "message": f"{token} TEST1CODE"}, "message": f"{token} TEST1CODE", "code": 40105}
    sandbox.faults = [{"status": 401, "body": said}]
    found = checked(sandbox, name, "TEST1CODE", **{token_setting(name): token})
    text = msgspec.json.encode(found).decode()
    assert token not in text
    assert "TEST1CODE" not in text


def test_a_write_only_token_of_meta_is_no_failure(sandbox: Sandbox) -> None:
    sandbox.faults = [{"network": "meta", "error": "permission_missing"}]
    (found,) = checked(sandbox, "meta")
    assert (found.result, found.http_status, found.code) == ("unchecked", 403, "200")
    assert [request["method"] for request in sandbox.requests] == ["GET"]


def test_a_disabled_account_is_not_asked(sandbox: Sandbox) -> None:
    (found,) = checked(sandbox, "tiktok", enabled=False)
    assert (found.result, found.message, sandbox.requests) == ("unchecked", "enabled: false", [])
