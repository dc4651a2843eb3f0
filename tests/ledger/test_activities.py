"""What the ledger says of each account: counts of the day, newest answers, what is open; tests and trials aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import NOW
from ledger_rows import a_row, an_attempt
from test_versions import make_version_1

from target_adpostbacks.core.health import Activity, judged
from target_adpostbacks.core.money import Stake, stakes
from target_adpostbacks.core.reasons import ERASED
from target_adpostbacks.ledger import Ledger, LedgerReader

LIVE = "PIXEL"
TRIAL = "PIXEL@http://127.0.0.1:8765"
NO_REQUEST: dict[str, Any] = {"attempt_id": None, "sent_at": None, "http_status": None}
OPEN: dict[str, Any] = {"status": "open", "reason": "transient", "code": ""}


def ago(**before: float) -> str:
    return (NOW - timedelta(**before)).isoformat(timespec="milliseconds")


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with closing(Ledger(ledger_url, "run-1")) as ledger:
        yield ledger


def write(ledger: Ledger, *event_ids: str, at: str = ago(hours=1), attempt: bool = True, **columns: Any) -> None:
    """Rows that were written then, with the request that they were in."""
    attempt_id = f"request-{event_ids[0]}-{at}-{columns.get('asset')}"
    sent = {"attempt_id": attempt_id, "sent_at": at, **columns}
    row = a_row(event_ids[0], **sent)
    request = an_attempt(
        attempt_id,
        started_at=at,
        network=row.key.network,
        account=row.account,
        asset=row.key.asset,
        code=row.status.code,
        status="Success" if row.status.status == "accepted" else "Failed",
    )
    ledger.write(at, [a_row(event_id, **sent) for event_id in event_ids], [request] if attempt else [])


def activities(url: str, quiet_hours: float = 24) -> dict[str, Activity]:
    with LedgerReader(url) as reader:
        return {each.label: each for each in reader.activities(NOW, quiet_hours)}


def at_stake(activity: Activity) -> list[Stake]:
    return stakes(activity.amounts, NOW.isoformat(timespec="milliseconds"))


def test_verdicts_of_the_last_24_hours_are_counted_by_account(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "old", at=ago(hours=25))
    write(ledger, "a", "b", at=ago(hours=23))
    write(ledger, "c", status="rejected", code="40002", message="Invalid")
    write(ledger, "d", "e", **OPEN)
    write(ledger, "f", status="skipped", reason="too_old", **NO_REQUEST, attempt=False)
    write(ledger, "g", account="second", network="reddit", at=ago(hours=2))
    known = activities(ledger_url)
    assert [*known] == ["reddit.second", "tiktok.default"]
    tiktok = known["tiktok.default"]
    assert (tiktok.accepted, tiktok.rejected, tiktok.open, tiktok.all_open) == (2, 1, 2, 2)
    assert (tiktok.last_accepted_at, tiktok.first_rejected_at) == (ago(hours=23), ago(hours=1))
    assert tiktok.refusal
    assert tiktok.refusal.words == "40002: Invalid"
    assert tiktok.answer
    assert (tiktok.answer.status, tiktok.answer.reason) == ("open", "transient")
    assert known["reddit.second"].accepted == 1


def test_the_newest_answer_is_the_one_that_changed_last(ledger: Ledger, ledger_url: str) -> None:
    refused: dict[str, Any] = {"status": "open", "reason": "credentials", "code": "40105", "message": "revoked"}
    write(ledger, "a", at=ago(days=3))
    write(ledger, "b", at=ago(hours=9), **refused)
    write(ledger, "b", "c", at=ago(hours=2), **refused)
    write(ledger, "d", at=ago(hours=1), status="open", reason="busy", code="", **NO_REQUEST, attempt=False)
    tiktok = activities(ledger_url)["tiktok.default"]
    assert tiktok.answer
    assert (tiktok.answer.reason, tiktok.answer.words) == ("credentials", "40105: revoked")
    assert (tiktok.failing_since, tiktok.last_accepted_at) == (ago(hours=9), ago(days=3))


def test_what_is_not_sent_again_since_its_person_was_erased_is_neither_open_nor_an_answer(
    ledger: Ledger, ledger_url: str
) -> None:
    refused: dict[str, Any] = {"status": "open", "reason": "credentials", "code": "40105"}
    unanswered: dict[str, Any] = {"status": "open", "reason": "no_answer", "code": "", "deadline": ago(hours=1)}
    write(ledger, "a", at=ago(hours=9), **unanswered, event_time=ago(days=9))
    write(ledger, "b", at=ago(hours=9), **{**refused, "value": 1.0, "deadline": ago(hours=-1)})
    write(ledger, "c", at=ago(hours=9), **refused, value=None)
    ledger.write(ago(hours=2), [a_row("a", **unanswered, message=ERASED, sent_at=ago(hours=9))])
    left_out: dict[str, Any] = {"status": "skipped", "reason": "suppressed", "code": "", "sent_at": ago(hours=9)}
    ledger.write(ago(hours=2), [a_row("c", **left_out)])
    tiktok = activities(ledger_url)["tiktok.default"]
    assert (tiktok.open, tiktok.all_open, [each.value for each in at_stake(tiktok)]) == (1, 1, [1.0])
    assert tiktok.oldest_open
    assert tiktok.oldest_open.reason == "credentials"
    assert tiktok.answer
    assert tiktok.answer.words == "40105"


def test_an_account_of_which_everybody_was_erased_is_still_known(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "a", status="open", reason="no_answer", message=ERASED)
    tiktok = activities(ledger_url)["tiktok.default"]
    assert (tiktok.last_sent_at, tiktok.answer, tiktok.all_open) == (ago(hours=1), None, 0)
    assert judged(tiktok, NOW, lambda _: "")[1:] == ("delivering", None, "Nothing was accepted lately.")


def test_an_outage_began_with_the_first_request_after_the_last_success(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "a", at=ago(hours=9), **OPEN)
    write(ledger, "b", at=ago(hours=8))
    write(ledger, "c", at=ago(hours=3), **OPEN)
    write(ledger, "d", at=ago(hours=2), **OPEN)
    tiktok = activities(ledger_url)["tiktok.default"]
    assert tiktok.answer
    assert (tiktok.answer.sent_at, tiktok.failing_since) == (ago(hours=2), ago(hours=3))


def test_credentials_that_were_refused_before_anything_was_sent_are_an_answer(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "a", at=ago(hours=2))
    write(ledger, "b", at=ago(hours=1), status="open", reason="credentials", code="40105", **NO_REQUEST, attempt=False)
    tiktok = activities(ledger_url)["tiktok.default"]
    assert tiktok.answer
    assert (tiktok.answer.reason, tiktok.failing_since) == ("credentials", ago(hours=1))


@pytest.mark.parametrize("has_request", [True, False], ids=["with its request", "whose request is forgotten"])
def test_a_silent_account_says_when_it_was_sent_to_last(ledger: Ledger, ledger_url: str, *, has_request: bool) -> None:
    write(ledger, "a", at=ago(days=9), attempt=has_request)
    write(ledger, "b", at=ago(days=8), attempt=has_request, status="rejected", code="40002")
    tiktok = activities(ledger_url)["tiktok.default"]
    assert (tiktok.answer, tiktok.last_sent_at, tiktok.last_accepted_at) == (None, ago(days=8), ago(days=9))
    assert (tiktok.accepted, tiktok.rejected) == (0, 0)


def test_an_asset_of_before_is_no_news_of_an_account(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "a", at=ago(days=300), asset="OLD", attempt=False)
    write(ledger, "b", at=ago(days=9))
    tiktok = activities(ledger_url)["tiktok.default"]
    assert (tiktok.last_sent_at, tiktok.last_accepted_at) == (ago(days=9), ago(days=9))


def test_an_answer_counts_for_as_long_as_the_account_may_be_quiet(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "a", at=ago(hours=70))
    assert activities(ledger_url)["tiktok.default"].answer is None
    answered = activities(ledger_url, quiet_hours=72)["tiktok.default"]
    assert answered.answer
    assert (answered.answer.at, answered.accepted) == (ago(hours=70), 0)


def test_what_is_open_carries_its_money_by_currency_and_deadline(ledger: Ledger, ledger_url: str) -> None:
    soon, later, past = (
        (NOW + timedelta(minutes=10)).isoformat(timespec="milliseconds"),
        (NOW + timedelta(days=2)).isoformat(timespec="milliseconds"),
        ago(minutes=1),
    )
    write(ledger, "a", "b", **OPEN, value=10.5, deadline=soon, event_time=ago(days=6))
    write(ledger, "c", **OPEN, value=100, deadline=later)
    write(ledger, "d", **OPEN, value=1, deadline=past, at=ago(days=30))
    write(ledger, "e", **OPEN, value=300, currency="JPY")
    write(ledger, "f", **OPEN, value=None, currency=None)
    write(ledger, "g", value=5000)
    tiktok = activities(ledger_url)["tiktok.default"]
    assert at_stake(tiktok) == [
        Stake("tiktok.default", "JPY", 300),
        Stake("tiktok.default", "USD", 122, 1, 21, soon),
    ]
    assert (tiktok.all_open, tiktok.open) == (6, 5)
    assert tiktok.oldest_open
    assert (tiktok.oldest_open.at, tiktok.oldest_open.reason) == (ago(days=6), "transient")


def test_of_deadlines_in_one_hour_the_first_is_told(ledger: Ledger, ledger_url: str) -> None:
    first, last = ("2026-11-25T18:00:00.000+00:00", "2026-11-25T18:59:00.000+00:00")
    write(ledger, "a", **OPEN, value=1, deadline=last)
    write(ledger, "b", **OPEN, value=2, deadline=first)
    assert at_stake(activities(ledger_url)["tiktok.default"]) == [Stake("tiktok.default", "USD", 3, 0, 3, first)]


def test_tests_and_what_is_for_no_network_count_nowhere(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "a", test=True, **OPEN)
    write(ledger, "b", test=True)
    write(ledger, "c", network="", account="", asset="", status="skipped", reason="organic", attempt=False)
    assert activities(ledger_url) == {}


def test_an_account_whose_conversions_were_all_skipped_was_never_sent_to(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "a", at=ago(days=3), status="skipped", reason="too_old", **NO_REQUEST, attempt=False)
    assert activities(ledger_url) == {"tiktok.default": Activity("tiktok", "default")}


def test_a_trial_counts_only_where_the_conversion_has_no_live_delivery(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "a", "b", "c", asset=TRIAL, at=ago(hours=3))
    assert activities(ledger_url)["tiktok.default"].accepted == 3
    assert activities(ledger_url)["tiktok.default"].is_trial
    write(ledger, "a", "b", asset=LIVE, at=ago(hours=2), **OPEN)
    both = activities(ledger_url)["tiktok.default"]
    assert (both.accepted, both.open, both.is_trial) == (1, 2, True)
    write(ledger, "c", asset=LIVE, at=ago(hours=1), status="rejected", code="40002")
    live = activities(ledger_url)["tiktok.default"]
    assert (live.accepted, live.open, live.rejected, live.is_trial) == (0, 2, 1, False)
    assert sum(stake.value for stake in at_stake(live)) == pytest.approx(2 * 19.99)


def test_an_open_trial_is_no_money_at_stake_once_the_conversion_is_delivered(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "a", asset=TRIAL, **OPEN)
    assert at_stake(activities(ledger_url)["tiktok.default"])
    write(ledger, "a", asset=LIVE)
    assert at_stake(activities(ledger_url)["tiktok.default"]) == []


def test_a_ledger_of_the_first_version_is_read_as_it_is(ledger_url: str) -> None:
    engine = sa.create_engine(ledger_url)
    make_version_1(engine)
    engine.dispose()
    known = activities(ledger_url)
    assert {label for label in known if label.startswith("tiktok")} == {"tiktok.default"}
    assert all(stake.deadline is None for activity in known.values() for stake in at_stake(activity))


def test_an_asset_may_hold_any_character(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "a", asset="\x1f\n'\x1f@", **OPEN)
    assert activities(ledger_url)["tiktok.default"].all_open == 1


def test_an_empty_ledger_has_no_accounts(ledger: Ledger, ledger_url: str) -> None:
    assert activities(ledger_url) == {}


def test_what_a_network_said_later_of_the_days_requests_is_added_up(ledger: Ledger, ledger_url: str) -> None:
    write(ledger, "a")
    said = {"processing": "done", "not_counted": None, "checked_at": ago(minutes=1)}
    requests = [
        {**an_attempt("a2", started_at=ago(hours=2), events=5), **said, "counted": 3},
        {**an_attempt("a3", started_at=ago(hours=3), events=2), **said, "counted": 2},
        {**an_attempt("a4", started_at=ago(hours=30), events=9), **said, "counted": 0},
        {**an_attempt("a5", started_at=ago(hours=1), events=9), **dict.fromkeys((*said, "counted"))},
    ]
    ledger.write(ago(hours=1), [], requests)
    activity = activities(ledger_url)["tiktok.default"]
    assert (activity.processed, activity.counted) == (7, 5)
