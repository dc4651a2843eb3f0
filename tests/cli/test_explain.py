"""``adpostbacks explain``: the whole story of one conversion, for every account, with what to do next."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from ledger_rows import a_row, an_attempt
from test_health_command import on_terminal
from test_log import UNSENT, at, fill

from target_adpostbacks.cli import main
from target_adpostbacks.core.advice import advice
from target_adpostbacks.core.reasons import ERASED
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.networks import NETWORKS

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/explain.json").read_text())


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", "--ledger-url", url, *arguments])


def stories(url: str, *arguments: str) -> list[dict[str, Any]]:
    result = run(url, *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    told: list[dict[str, Any]] = json.loads(result.stdout)
    jsonschema_rs.validator_for(SCHEMA, validate_formats=True).validate(told)
    return told


def write(url: str, *rows: Any, now: str = at(9), attempts: Any = ()) -> None:
    with closing(Ledger(url, "run-2")) as ledger:
        ledger.write(now, rows, attempts)


def test_a_story_has_what_came_in_what_was_sent_and_every_request(ledger_url: str) -> None:
    fill(ledger_url)
    (story,) = stories(ledger_url, "evt-1")
    assert story["came_in"] == {"stream": "conversions", "line": 7, "run_id": "run-1"}
    assert story["sent"] == {
        "network_event": "Place_an_Order",
        "event_time": "2026-11-20T12:00:00.000+00:00",
        "value": 19.99,
        "currency": "USD",
        "match_keys": ["ttclid", "email"],
        "sent_at": at(3),
    }
    assert [(each["started_at"], each["http_status"], each["status"]) for each in story["requests"]] == [
        (at(1), 503, "Retried"),
        (at(2), 200, "Retried"),
        (at(3), 200, "Success"),
    ]
    assert story["requests"][0]["network_request_id"] == "r1"


def test_a_request_that_succeeded_is_told_without_its_code(ledger_url: str) -> None:
    write(ledger_url, a_row("evt-1", attempt_id="a1", sent_at=at(1)), attempts=[an_attempt("a1", None, code="0")])
    assert not re.search(r"Success.*, 0\b", run(ledger_url, "evt-1").stdout)
    assert "Success" in run(ledger_url, "evt-1").stdout


def test_a_conversion_of_several_accounts_and_events_has_a_story_for_each(ledger_url: str) -> None:
    write(
        ledger_url,
        a_row("10234"),
        a_row("10234", "skipped", network="reddit", account="eu", reason="too_old", **UNSENT),
        a_row("10234", event_name="lead", stream="crm"),
        a_row("10235"),
    )
    told = stories(ledger_url, "--order-id", "10234")
    assert sorted((each["network"], each["account"], each["event_name"], each["status"]) for each in told) == [
        ("reddit", "eu", "purchase", "skipped"),
        ("tiktok", "default", "lead", "accepted"),
        ("tiktok", "default", "purchase", "accepted"),
    ]
    assert {each["came_in"]["stream"] for each in told} == {"conversions", "crm"}
    assert told == stories(ledger_url, "10234")


def test_a_verdict_that_was_replaced_is_told_with_its_requests(ledger_url: str) -> None:
    fill(ledger_url)
    write(
        ledger_url,
        a_row("evt-2", attempt_id="a9", sent_at=at(8), account="eu"),
        attempts=[an_attempt("a9", None, started_at=at(8), events=1)],
    )
    (story,) = stories(ledger_url, "evt-2")
    assert story["status"] == "accepted"
    assert [(each["status"], each["code"], each["at"]) for each in story["earlier_verdicts"]] == [
        ("rejected", "40002", at(4))
    ]
    assert [(each["started_at"], each["status"]) for each in story["requests"]] == [
        (at(1), "Retried"),
        (at(2), "Retried"),
        (at(4), "Failed"),
        (at(8), "Success"),
    ]


@pytest.mark.parametrize("style", ["table", "json", "jsonl"])
def test_an_unknown_id_says_which_ledger_was_read(ledger_url: str, style: str) -> None:
    fill(ledger_url)
    result = run(ledger_url, "evt-none", "--format", style)
    assert (result.exit_code, result.stdout) == (1, "")
    place = sa.make_url(ledger_url).set(query={}).render_as_string(hide_password=True)
    assert result.stderr == f"Error: evt-none: no conversion has this event id; the ledger is {place}\n"


def test_where_there_is_no_ledger_none_is_made(tmp_path: Path) -> None:
    result = run(f"sqlite:///{tmp_path}/none.db", "evt-1")
    assert result.exit_code == 1
    assert f"no ledger at {tmp_path}/none.db yet" in result.stderr
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("arguments", [(), ("evt-1", "--order-id", "10234")])
def test_one_id_is_asked_for(ledger_url: str, arguments: tuple[str, ...]) -> None:
    assert run(ledger_url, *arguments).exit_code == 2


def test_the_table_tells_the_same_to_people(ledger_url: str) -> None:
    deadline = "2026-11-27T12:00:00.000+00:00"
    open_ = {"status": "open", "reason": "throttled", "code": "40100", "message": "Too many requests."}
    request = an_attempt("b1", code="40100", message="Too many requests.", status="Failed", events=3)
    write(ledger_url, a_row("evt-7", **open_, attempt_id="b1", deadline=deadline), attempts=[request])
    answer = "Failed, HTTP 200 in 5 ms, with 2 others, 40100: Too many requests, request id r1"
    assert run(ledger_url, "evt-7").stdout.splitlines() == [
        "evt-7  purchase  tiktok.default  open",
        "  Came in     line 7 of stream conversions, happened 2026-11-20 12:00 UTC, 19.99 USD, run run-2",
        "  Verdict     open, throttled: 40100: Too many requests.",
        "              The network asked for fewer requests until the run gave up.",
        "  Event       Purchase, sent to PIXEL",
        "  Match keys  ttclid, email",
        f"  Requests    2026-11-20 12:05:00  {answer}",
        "  Deadline    It can't be sent after 2026-11-27 12:00 UTC.",
        "  What next   Lower requests_per_second; the next run sends what is open.",
    ]


def test_what_a_rule_left_out_names_the_rule(ledger_url: str) -> None:
    write(ledger_url, a_row("evt-8", "skipped", reason="by_rule", **{**UNSENT, "message": "no micro-conversions"}))
    shown = run(ledger_url, "evt-8").stdout
    assert "skipped, by_rule: no micro-conversions" in shown


def test_a_trial_says_that_it_is_one(ledger_url: str) -> None:
    write(ledger_url, a_row("evt-9", asset="PIXEL@http://127.0.0.1:8765"), a_row("evt-9", test=True))
    heads = [line for line in run(ledger_url, "evt-9").stdout.splitlines() if line.startswith("evt-9")]
    assert sorted(heads) == [
        "evt-9  purchase  tiktok.default  accepted (test)",
        "evt-9  purchase  tiktok.default  accepted (trial)",
    ]
    assert sorted(each["is_trial"] for each in stories(ledger_url, "evt-9")) == [False, True]


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_gets_no_line_that_is_wider_and_nothing_that_it_would_obey(tmp_path: Path, width: int) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    hostile = "\x1b]0;owned\x07" * 9
    row = a_row("evt-1", "rejected", message=hostile, stream=hostile, account=hostile[:9], network_event="\x1b[2J")
    write(url, row, attempts=[an_attempt(message=hostile, network_request_id=hostile)])
    shown = [
        re.sub(r"\x1b\[[0-9;]*m", "", line) for line in on_terminal(width, "explain", "evt-1", "--ledger-url", url)
    ]
    assert max(map(len, shown)) <= width
    assert not [line for line in shown if "\x1b" in line or "\x07" in line]
    for style in ("json", "jsonl"):
        assert "\x1b" not in run(url, "evt-1", "--format", style).stdout


@pytest.mark.parametrize(
    ("network", "code", "message", "http_status", "told"),
    [
        (
            "tiktok",
            "40001",
            "No permission to operate pixel code",
            200,
            "pixel_code is the code beside the pixel's name",
        ),
        ("tiktok", "40001", "No permission to operate pixel code", 200, "as an admin or operator of the ad account"),
        ("tiktok", "40105", "Access token is incorrect", 200, "was cut when it was copied"),
        ("reddit", "", "Authorization Required", 401, "was cut when it was copied"),
        ("reddit", "", "", 403, "as an admin of the ad account that the pixel belongs to"),
        ("reddit", "", "no such pixel", 404, "it begins with a2_"),
        ("reddit", "400", "event_at timestamp must be less than 168h0m0s old", 400, "takes an event for seven days"),
        ("meta", "100/2804003", "", 400, "Meta takes an event for seven days"),
        ("meta", "100/2804050", "", 400, "ip_address with user_agent"),
        ("meta", "190/463", "", 400, "this one has expired"),
        ("snapchat", "", "", 403, "of the organization"),
    ],
)
def test_each_usual_cause_has_its_advice(network: str, code: str, message: str, http_status: int, told: str) -> None:
    assert told in advice(NETWORKS[network], reason="", code=code, message=message, http_status=http_status)


def test_a_code_is_not_taken_for_a_status() -> None:
    assert advice(NETWORKS["meta"], reason="unconfirmed", http_status=200).startswith(
        "Look for it in the network's own"
    )
    assert advice(NETWORKS["meta"], reason="", code="200", http_status=400).startswith("Give the token's system user")


@pytest.mark.parametrize("network", [None, *NETWORKS])
def test_what_was_sent_before_its_person_was_erased_is_not_said_to_be_sent_again(network: str | None) -> None:
    """Nor do a network's own words on a code say so."""
    of_network = NETWORKS[network] if network else None
    for code in ("", "429", "40100"):
        told = advice(of_network, reason="no_answer", code=code, message=ERASED, http_status=429)
        assert told.startswith("It is not sent again. The network may have it: ask it for deletion")


def test_a_reason_of_ours_goes_before_the_networks_advice() -> None:
    assert advice(NETWORKS["reddit"], reason="too_old", http_status=400).startswith("Run more often.")
    assert advice(None, reason="organic") == "Nothing to do."


def test_what_was_sent_without_an_address_is_told_how_more_people_are_found(ledger_url: str) -> None:
    write(ledger_url, a_row("evt-1"), a_row("evt-2", match_keys="ttclid,ip,user_agent"))
    assert "map `ip_address` and `user_agent`" in stories(ledger_url, "evt-1")[0]["advice"]
    assert stories(ledger_url, "evt-2")[0]["advice"] == ""


def test_a_click_that_was_found_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    write(url, a_row("evt-1", stitched_by="email", click_row=7), a_row("evt-1", network="reddit", asset="t2"))
    clicks = {story["network"]: story["click"] for story in stories(url, "evt-1")}
    assert clicks["tiktok"] == {"stitched_by": "email", "click_row": 7}
    assert clicks["reddit"] == {"stitched_by": None, "click_row": None}
    told = run(url, "evt-1").stdout
    assert told.count("Found by email: it came before, and is number 7 in the table clicks.") == 1
