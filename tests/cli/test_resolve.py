"""adpostbacks resolve: what was sent without an answer, settled by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ledger_rows import NOW, a_row, rows

from target_adpostbacks.cli.resolve import resolve
from target_adpostbacks.ledger import Ledger

SILENT: dict[str, Any] = {"status": "open", "reason": "no_answer", "http_status": None, "message": "timed out"}


@pytest.fixture
def unanswered(ledger_url: str) -> str:
    """A ledger where evt-1 is open at two networks, and evt-2 for another reason."""
    ledger = Ledger(ledger_url, "run-1")
    ledger.write(
        NOW,
        [
            a_row("evt-1", **SILENT),
            a_row("evt-1", network="reddit", asset="a2_demo", **SILENT),
            a_row("evt-2", "open", reason="throttled"),
            a_row("evt-3"),
        ],
    )
    ledger.close()
    return ledger_url


def run(ledger_url: str, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(resolve, ["--ledger-url", ledger_url, *arguments], input=stdin)


def statuses(ledger_url: str) -> list[tuple[str, str, str, str]]:
    return sorted(rows(ledger_url, "event_id, network, status, reason"))


def test_what_has_arrived_is_accepted_from_then_on(unanswered: str) -> None:
    result = run(unanswered, "evt-1", "--as", "accepted")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "evt-1  purchase  tiktok.default  accepted: never sent again",
        "evt-1  purchase  reddit.default  accepted: never sent again",
    ]
    assert statuses(unanswered)[:2] == [("evt-1", "reddit", "accepted", ""), ("evt-1", "tiktok", "accepted", "")]


def test_what_has_not_is_left_for_the_next_run(unanswered: str) -> None:
    run(unanswered, "evt-1", "--as", "resend", "--network", "reddit")
    assert statuses(unanswered)[:2] == [("evt-1", "reddit", "open", "resend"), ("evt-1", "tiktok", "open", "no_answer")]
    ledger = Ledger(unanswered, "run-2")
    key = ("reddit", "a2_demo", "purchase", "evt-1", "", False)
    assert ledger.earlier([key])[key].reason == "resend"
    ledger.close()


def test_a_change_by_hand_has_a_number_of_its_own(unanswered: str) -> None:
    before = rows(unanswered, "max(seq)")[0][0]
    run(unanswered, "evt-1", "--as", "accepted")
    assert sorted(rows(unanswered, "seq", "deliveries WHERE event_id = 'evt-1'")) == [(before + 1,), (before + 2,)]


@pytest.mark.parametrize("event_id", ["evt-2", "evt-3", "evt-9"])
def test_only_what_is_open_for_want_of_an_answer_can_be_settled(unanswered: str, event_id: str) -> None:
    before = statuses(unanswered)
    result = run(unanswered, event_id, "--as", "accepted")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{event_id}: no unanswered delivery with this id\n"
    assert statuses(unanswered) == before


def test_what_a_trial_of_the_past_accepted_can_be_sent_again(unanswered: str) -> None:
    result = run(unanswered, "evt-3", "--as", "resend")
    assert (result.exit_code, result.stdout) == (
        0,
        "evt-3  purchase  tiktok.default  sent again by the next run that reads it\n",
    )
    assert ("evt-3", "tiktok", "open", "resend") in statuses(unanswered)
    ledger = Ledger(unanswered, "run-2")
    key = ("tiktok", "PIXEL", "purchase", "evt-3", "", False)
    assert ledger.earlier([key])[key].reason == "resend"
    ledger.write(NOW, [a_row("evt-3")])
    ledger.close()
    assert ("evt-3", "tiktok", "accepted", "") in statuses(unanswered)


def test_what_was_accepted_is_not_sent_again_where_something_of_its_id_is_unanswered(ledger_url: str) -> None:
    ledger = Ledger(ledger_url, "run-1")
    ledger.write(NOW, [a_row("evt-1"), a_row("evt-1", network="reddit", asset="a2_demo", **SILENT)])
    ledger.close()
    run(ledger_url, "evt-1", "--as", "resend")
    assert statuses(ledger_url) == [("evt-1", "reddit", "open", "resend"), ("evt-1", "tiktok", "accepted", "")]


def test_ids_can_come_from_standard_input(unanswered: str) -> None:
    result = run(unanswered, "-", "--as", "accepted", stdin="evt-1\n\nevt-1\n")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 2)


def test_nothing_is_settled_while_a_run_is_sending_there(unanswered: str) -> None:
    running = Ledger(unanswered, "run-2")
    assert running.claim("reddit", "a2_demo")
    result = run(unanswered, "evt-1", "--as", "accepted")
    running.close()
    assert result.exit_code == 1
    assert result.stderr == "Error: a run is sending to reddit.default; try again when it has ended\n"
    assert {status for _, _, status, _ in statuses(unanswered)[:2]} == {"open"}


def test_where_there_is_no_ledger_nothing_is_made(tmp_path: object) -> None:
    result = run(f"sqlite:///{tmp_path}/none.db", "evt-1", "--as", "accepted")
    assert result.exit_code == 1
    assert "no ledger at" in result.stderr
    assert [*Path(str(tmp_path)).iterdir()] == []
