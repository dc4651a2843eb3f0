"""adpostbacks send-test: one event for a network's test tool, and never a live one."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import SETTINGS, TEST_CODES, a_record

from target_adpostbacks.cli.send_test import send_test
from target_adpostbacks.core.settings import secrets
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> Path:
    config: dict[str, Any] = {name: {**SETTINGS[name], "base_url": sandbox.url} for name in NETWORKS}
    config["fields"] = {"event_name": "kind"}
    config["tiktok"]["rules"] = [{"name": "no leads", "when": "event_name == 'lead'", "send": False}]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    return path


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(send_test, ["--config", str(config), *arguments])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    now = datetime.now(timezone.utc).isoformat()
    records = [{**a_record(event_id=kind, event_time=now), "kind": kind} for kind in ("sign_up", "lead", "purchase")]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join([*(json.dumps({**each, "event_name": None}) for each in records), "{broken"]))
    return path


@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if not network.takes_tests()])
def test_where_there_is_no_test_tool_nothing_is_sent(config: Path, sandbox: Sandbox, name: str) -> None:
    result = run(config, name)
    assert result.exit_code == 1
    assert result.output.startswith("Error: not sent: test_without_code: ")
    assert sandbox.requests == []


TAKE_TESTS = [name for name, network in NETWORKS.items() if network.takes_tests() and not network.counts_tests]


@pytest.mark.parametrize("name", TAKE_TESTS)
def test_a_made_up_event_reaches_the_test_tool_alone(config: Path, sandbox: Sandbox, name: str) -> None:
    result = run(config, name, "--test-code", TEST_CODES[name])
    assert result.exit_code == 0
    assert "accepted: HTTP 200" in result.stdout
    assert (len(sandbox.test_events), sandbox.received) == (1, [])
    hidden = {SETTINGS[name][setting] for setting in secrets(NETWORKS[name].settings_type) if setting in SETTINGS[name]}
    assert hidden
    assert [secret for secret in hidden if secret in result.output] == []


def test_what_is_printed_is_what_was_sent(config: Path, sandbox: Sandbox) -> None:
    result = run(config, "tiktok", "--event", "search", "--test-code", "TEST1")
    assert result.exit_code == 0, result.output
    _, _, head = result.stdout.partition("{\n")
    printed = json.loads("{\n" + head[: head.index("\n}\n") + 3])
    assert printed["data"][0]["event"] == "Search"
    (received,) = sandbox.test_events
    assert received["event_id"] == printed["data"][0]["event_id"]
    assert "Look for it in Events Manager > the pixel > Test events." in result.stdout


def test_a_line_of_ones_own_data_goes_as_the_config_says_but_as_a_test(
    config: Path, sandbox: Sandbox, data: Path
) -> None:
    assert run(config, "tiktok", "--test-code", "TEST1", "--input", str(data), "--line", "3").exit_code == 0
    assert ([event["event_id"] for event in sandbox.test_events], sandbox.received) == (["purchase"], [])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("2", "line 2: not sent: by_rule: no leads"),
        ("4", "line 4: line: malformed JSON"),
        ("5", "line 5: there is no conversion"),
    ],
)
def test_a_line_that_gives_no_event_says_why(config: Path, sandbox: Sandbox, data: Path, line: str, why: str) -> None:
    result = run(config, "tiktok", "--test-code", "TEST1", "--input", str(data), "--line", line)
    assert (result.exit_code, sandbox.requests) == (1, [])
    assert why in result.stderr


@pytest.mark.parametrize("code", ["", " ", "\t", "\u00a0", "\u200b"])
def test_without_a_code_nothing_is_sent(config: Path, sandbox: Sandbox, code: str) -> None:
    result = run(config, "tiktok", "--test-code", code)
    assert (result.exit_code, sandbox.requests) == (1, [])
    assert "test_without_code: set test_event_code" in result.stderr


def test_a_network_that_counts_tests_gets_one_only_when_asked_for_and_never_a_conversion(
    config: Path, sandbox: Sandbox, data: Path
) -> None:
    for arguments in ((), ("--input", str(data)), ("--input", str(data), "--counted")):
        result = run(config, "meta", "--test-code", "TEST1", *arguments)
        assert (result.exit_code, sandbox.requests) == (2, [])
    assert run(config, "meta", "--test-code", "TEST1", "--counted").exit_code == 0


def test_a_refusal_is_exit_1_with_the_networks_words(config: Path, sandbox: Sandbox) -> None:
    sandbox.faults = [{"network": "tiktok", "error": "auth_code"}]
    result = run(config, "tiktok", "--test-code", "TEST1")
    assert result.exit_code == 1
    assert "HTTP 200" in result.stdout


@pytest.mark.parametrize(("network", "reason"), [("organic", "organic"), ("reddit", "other_network")])
def test_a_conversion_of_another_network_is_not_sent_to_this_one(
    config: Path, sandbox: Sandbox, tmp_path: Path, network: str, reason: str
) -> None:
    now = datetime.now(timezone.utc).isoformat()
    path = tmp_path / "other.jsonl"
    path.write_text(json.dumps({**a_record(event_time=now, network=network), "event_name": None, "kind": "purchase"}))
    result = run(config, "tiktok", "--test-code", "TEST1", "--input", str(path))
    assert (result.exit_code, sandbox.requests) == (1, [])
    assert f"line 1: not sent: {reason}" in result.stderr


def test_a_conversion_that_names_no_network_may_be_tried_at_any(config: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults = []
    now = datetime.now(timezone.utc).isoformat()
    path = tmp_path / "any.jsonl"
    record = {"kind": "purchase", "event_id": "any", "event_time": now, "email": "a@example.com"}
    path.write_text(json.dumps(record))
    assert run(config, "tiktok", "--test-code", "TEST1", "--input", str(path)).exit_code == 0
    assert [event["event_id"] for event in sandbox.test_events] == ["any"]


def test_a_short_code_takes_no_piece_out_of_other_words(config: Path, sandbox: Sandbox) -> None:
    sandbox.faults = []
    result = run(config, "tiktok", "--test-code", "T")
    assert result.stdout.startswith("POST http")
    assert "Content-Type: application/json" in result.stdout


def test_what_a_postback_url_was_filled_with_is_printed_without_secrets(config: Path, sandbox: Sandbox) -> None:
    sandbox.faults = []
    own = {
        "url": "https://t.example.com/postback?cid={click_id}&eid={event_id}&k={path_key}&n={pin}&test={test}",
        "method": "POST",
        "headers": {"X-Key": "hdr", "Accept": "text/plain", "X-Signed": "Token long-header-key"},
        "json": {"cid": "{click_id}", "deep": {"key": "{body_key}", "pin": "{pin}"}},
        "secrets": {"path_key": "canary/key+1", "pin": 77, "body_key": 'body "canary"'},
        "auth": {"type": "basic", "username": "ada", "password": "pw"},
        "send_test": True,
        "base_url": sandbox.url,
    }
    sections = json.loads(config.read_text())
    sections["generic"] = {"accounts": {"tracker": own}}
    config.write_text(json.dumps(sections))
    result = run(config, "generic.tracker")
    assert result.exit_code == 0, result.output
    first = result.stdout.splitlines()[0]
    assert first.startswith(f"POST {sandbox.url}/postback?cid=click-")
    assert first.endswith("&k=***&n=***&test=1")
    assert "X-Key: ***\n" in result.stdout
    assert "X-Signed: Token ***\n" in result.stdout
    assert "Accept: text/plain\n" in result.stdout
    assert '"key": "***"' in result.stdout
    assert '"pin": ***' in result.stdout
    for secret in ("canary", "77", "hdr", "long-header", "pw", "YWRhOnB3"):
        assert secret not in result.stdout.partition("cid=")[2].partition("eid=")[2].partition("&k=")[2], secret


def test_a_refusal_comes_with_the_advice_on_its_words(config: Path) -> None:
    sections = json.loads(config.read_text())
    sections["openai_ads"]["api_key"] = "sk-forbidden"
    config.write_text(json.dumps(sections))
    result = run(config, "openai_ads")
    assert result.exit_code == 1
    assert "this one is of another API" in result.stdout
