"""Rules in a whole run: what is sent, written down, logged and counted."""

from __future__ import annotations

import json
import logging
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from canaries import PERSONAL, canaries_in, left_behind
from click.testing import CliRunner
from conftest import SETTINGS, a_record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruled import TWO, a_config

from target_adpostbacks import deliver
from target_adpostbacks.cli.log import log
from target_adpostbacks.config import InvalidConfig, read
from target_adpostbacks.core.answers import Request, Response
from target_adpostbacks.run import Run
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock

JUST_NOW = datetime.now(timezone.utc) - timedelta(minutes=1)


def fresh(number: int, **changes: Any) -> dict[str, Any]:
    return a_record(**{"event_id": f"evt-{number}", "event_time": JUST_NOW.isoformat(), **changes})


def in_a_folder(folder: Path, sandbox: Sandbox, top: dict[str, Any] | None = None, **tiktok: Any) -> dict[str, Any]:
    """A config with a ledger of its own, and a network that answers."""
    return {**a_config(top, base_url=sandbox.url, **tiktok), "ledger_url": f"sqlite:///{folder}/ledger.db"}


def logged(config: dict[str, Any], *filters: str) -> list[dict[str, Any]]:
    """What ``adpostbacks log`` shows."""
    shown = CliRunner().invoke(log, ["--ledger-url", config["ledger_url"], "--format", "jsonl", *filters])
    return [json.loads(line) for line in shown.stdout.splitlines()]


def test_the_log_says_which_rule_left_a_conversion_out(tmp_path: Path, sandbox: Sandbox) -> None:
    rules = [{"name": "no small ones", "when": "value < 50", "send": False}]
    config = in_a_folder(tmp_path, sandbox, rules=rules)
    tally = deliver([fresh(1, value=10, currency="EUR"), fresh(2, value=60, currency="EUR")], config)
    assert (tally.accepted, tally.skipped) == (1, {"by_rule": 1})
    (line,) = logged(config, "--status", "skipped")
    assert (line["event_id"], line["reason"], line["message"]) == ("evt-1", "by_rule", "no small ones")


def test_a_launch_is_counted_once_for_each_player(tmp_path: Path, sandbox: Sandbox) -> None:
    rules = [{"when": "event_name == 'game_launch'", "compute": {"event_id": "'launch-' + sha256(external_id)"}}]
    config = in_a_folder(tmp_path, sandbox, {"rules": rules})
    launches = [fresh(number, event_name="game_launch", external_id=f"p{number % 2}") for number in range(4)]
    assert (deliver(launches, config).accepted, len(sandbox.received)) == (2, 2)
    again = deliver([fresh(9, event_name="game_launch", external_id="p1")], config)
    assert (again.accepted, again.already_accepted) == (0, 1)


def test_a_name_that_no_record_had_is_warned_of_at_the_end(
    tmp_path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    rules = [
        {"name": "gold", "when": "paln == 'gold'", "send": False},
        {"when": "value and plan == 'x'", "send": False},
    ]
    config = in_a_folder(tmp_path, sandbox, rules=rules)
    deliver([fresh(1, plan=None), {**fresh(2), "plan": "y"}], config)
    assert [line for line in caplog.messages if "no record of the run" in line] == [
        "tiktok.rules[0].when (gold): no record of the run had a column paln; check its spelling.",
        "tiktok.rules[1].when: no record of the run had a column value; check its spelling.",
    ]


def test_a_rule_that_fails_is_told_once_and_counted(
    tmp_path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    config = in_a_folder(tmp_path, sandbox, rules=[{"name": "big", "when": "value > 50"}])
    tally = deliver([fresh(number) for number in range(3)] + [fresh(9, value=60, currency="EUR")], config)
    assert (tally.accepted, tally.skipped) == (1, {"invalid": 3})
    told = [line for line in caplog.messages if "rule big" in line]
    assert len(told) == 2
    assert told[0].startswith("Line 1: rule big, when: TypeError (stream conversions). Not sent; more of these")
    assert told[1] == "rule big, when: TypeError (stream conversions): 3 conversions not sent."


def test_a_rule_names_an_account_that_gets_it_or_the_run_does_not_begin(tmp_path: Path, sandbox: Sandbox) -> None:
    accounts: dict[str, Any] = {"eu": TWO["eu"], "us": {**TWO["us"], "enabled": False}}
    config = in_a_folder(tmp_path, sandbox, rules=[{"account": "us"}], accounts=accounts)
    with pytest.raises(InvalidConfig, match="enabled: false switches off each account"):
        deliver([fresh(1)], config)
    config["tiktok"]["rules"] = [{"account": ["us", "eu"]}]
    tally = deliver([fresh(1)], config)
    assert (tally.accepted, tally.skipped) == (1, {"disabled": 1})
    del config["tiktok"]["accounts"]["us"]
    with pytest.raises(InvalidConfig, match="no such account in this section"):
        deliver([fresh(1)], config)


@pytest.mark.parametrize("column", ["email", "phone", "external_id", "first_name", "description", "unknown_column"])
@pytest.mark.parametrize(
    "key",
    [
        {"when": "int(COLUMN) > 1"},
        {"when": "COLUMN.plan"},
        {"compute": {"value": "float(COLUMN)"}},
        {"compute": {"event_time": "COLUMN"}},
        {"compute": {"event_source": "COLUMN"}},
        {"compute": {"currency": "COLUMN", "value": "1"}},
        {"compute": {"contents": "COLUMN"}},
        {"compute": {"properties": {"p": "int(COLUMN)"}}},
        {"compute": {"properties": {"p": "COLUMN"}}},
        {"compute": {"landing_url": "COLUMN", "referrer_url": "COLUMN", "country": "COLUMN"}},
    ],
)
def test_nothing_personal_is_left_behind_by_a_rule_that_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str, key: dict[str, Any]
) -> None:
    rule = json.loads(json.dumps(key).replace("COLUMN", column))
    config = {**a_config(rules=[rule]), "ledger_url": f"sqlite:///{tmp_path}/ledger.db"}
    if refused := mistakes_of(config):
        assert "take a column that identifies no person" in refused
        return
    general, accounts = read(config)
    with caplog.at_level(logging.DEBUG):
        run = Run(general, accounts, log=logging.getLogger("test"), transport=accepting)
        run.begin()
        for number in range(2):
            run.add(fresh(number, **{**PERSONAL, "external_id": f"canary-{number}"}))
        run.settle()
        run.close()
    assert run.tally.outcomes == 2
    assert canaries_in(left_behind(tmp_path, caplog.text)) == []


def accepting(request: Request, timeout_seconds: float) -> Response:
    """Both networks, when all is well."""
    if "/pixels/" not in request.url:
        return Response(status=200, body={"code": 0, "message": "OK"})
    count = len(msgspec.json.decode(msgspec.json.encode(request.body))["data"]["events"])
    return Response(status=200, body={"data": {"message": f"Successfully processed {count} conversion events."}})


texts = st.sampled_from(
    [
        *(
            "value > 10",
            "True",
            "1 / (value or 0)",
            "event_name == 'lead'",
            "plan.lower()",
            "sha256(external_id)",
            "plan",
            "value",
        ),
        *("'x' * 9", "None", "'9999999'", "-5", "[1, 2]", "properties", "round(value)", "email", "'2026-11-20'", "''"),
    ]
)
columns = st.sampled_from(
    "value currency event_id event_time event_source email phone contents country consent opt_out description ttclid "
    "num_items adjustment order_id click_time".split()
)
constants = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3), st.just("EUR"), st.just("web"))
rules = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.text(max_size=5),
            "when": texts,
            "send": st.booleans(),
            "event": st.sampled_from(["vip", "Subscribe", "lead", "AddToCart"]),
            "set": st.dictionaries(columns, constants, max_size=3),
            "compute": st.dictionaries(columns, texts, max_size=3),
            "account": st.sampled_from(["eu", "us", ["eu", "us"]]),
        },
    ),
    max_size=4,
)
some_records = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "event_name": st.sampled_from(["purchase", "lead", "search", "vip"]),
            "event_id": st.sampled_from(["evt-1", "evt-2", "evt-3"]),
            "network": st.sampled_from(["tiktok", "reddit", "organic", None]),
            "account": st.sampled_from(["eu", "us", "none"]),
            "value": st.sampled_from([5, 20, "much"]),
            "currency": st.just("EUR"),
            "plan": st.sampled_from(["Gold", 7]),
            "external_id": st.just("u1"),
            "consent": st.booleans(),
            "event_time": st.sampled_from([JUST_NOW.isoformat(), "never"]),
        },
    ),
    max_size=5,
)


def without_mistakes(config: dict[str, Any]) -> dict[str, Any]:
    """The config without the rules in which there are mistakes."""
    while broken := first_with_a_mistake(config):
        place, number = broken
        rules = config["tiktok"] if place else config
        rules["rules"] = [rule for index, rule in enumerate(rules["rules"]) if index != number]
    return config


def first_with_a_mistake(config: dict[str, Any]) -> tuple[str, int] | None:
    """Where a rule stands that is wrong, and its number."""
    place, _, rest = mistakes_of(config).partition("rules[")
    return (place, int(rest.partition("]")[0])) if rest else None


def mistakes_of(config: dict[str, Any]) -> str:
    """What is wrong with a config, a line for each mistake."""
    try:
        read(config)
    except InvalidConfig as invalid:
        return str(invalid)
    return ""


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    rules,
    rules,
    some_records,
    st.sampled_from([None, "immutable", "appsprint", "datalyr", "pingtree"]),
    st.sampled_from([{}, {"currency": "EUR"}, {"event_source": "app"}]),
)
def test_any_rules_leave_the_run_in_balance(
    top: list[Any], section: list[Any], records: list[dict[str, Any]], preset: str | None, defaults: dict[str, Any]
) -> None:
    made = a_config({"rules": top, "preset": preset}, rules=section, accounts=TWO, defaults=defaults)
    config = without_mistakes({**made, "reddit": SETTINGS["reddit"]})
    with tempfile.TemporaryDirectory() as folder:
        general, accounts = read({**config, "ledger_url": f"sqlite:///{folder}/ledger.db"})
        run = Run(general, accounts, log=logging.getLogger("silent"), transport=accepting)
        run.begin()
        for number, record in enumerate(records):
            run.add(fresh(number, rdt_cid="r-1", **record))
        run.settle()
        tally = run.tally
        assert run.close() in (0, 1)  # 1: all were invalid; 3 would mean that it does not balance
    ended = tally.accepted + tally.already_accepted + tally.rejected + sum(tally.skipped.values())
    assert (tally.read, ended, sum(tally.open.values())) == (len(records), tally.outcomes, 0)
