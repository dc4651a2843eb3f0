"""What an answer means for the part of a batch that was sent: decided without threads, clocks or sockets."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.postback import prepare
from target_adpostbacks.delivery.attempts import Again, Decision, Done, Halves, Suspect, Tries, decide
from target_adpostbacks.delivery.exchange import Answer
from target_adpostbacks.delivery.queued import UNMARKED, Part, Queued
from target_adpostbacks.ledger import Sent

ACCEPTED = Outcome(Verdict.ACCEPTED)
THROTTLED = Outcome(Verdict.THROTTLED, "429", "slow down", shared=True)
REFUSED_WHOLE = Outcome(Verdict.REJECTED, "40002", "invalid", shared=True)
REFUSED_BY_NAME = Outcome(Verdict.REJECTED, "40002", "invalid")
NO_ANSWER = Outcome(Verdict.NO_ANSWER, message="timed out", shared=True)
NO_TOKEN = Outcome(Verdict.CREDENTIALS, "40105", "revoked", shared=True)
SENT = Sent(200, 12, 1, "a1", "r1", "2026-11-20T12:05:00.000+00:00")


def a_part(count: int, **changes: Any) -> Part:
    account = an_account()
    postbacks = [prepare(account, a_conversion(event_id=f"evt-{number}"), NOW) for number in range(count)]
    return Part([Queued(postback, UNMARKED) for postback in postbacks])._replace(**changes)


def decided(
    part: Part, *outcomes: Outcome, tries: Tries | None = None, wait: float = 0, now: float = 0, trusted: bool = False
) -> Decision:
    settings = an_account(max_attempts=3, max_retry_seconds=100).network.settings  # type: ignore[union-attr]
    each = list(outcomes) if len(outcomes) > 1 else list(outcomes) * len(part.batch)
    answer = Answer(SENT, each, wait, {})
    tries = tries or Tries(until=100, attempt=1)
    return decide(part, answer, tries, settings=settings, pause=2, now=now, trusted=trusted)


def ids(batch: Any) -> list[str]:
    return [queued.postback.key.event_id for queued in batch]


def test_a_batch_that_is_accepted_is_done() -> None:
    part = a_part(2)
    assert decided(part, ACCEPTED) == Done([(ACCEPTED, part.batch)])


def test_a_throttled_batch_is_sent_again_after_the_pause_or_the_longer_wait_that_is_asked_for() -> None:
    part = a_part(2)
    left = part._replace(sent=SENT, last=THROTTLED)
    assert decided(part, THROTTLED) == Again([], left, 2, Tries(100, 1))
    assert decided(part, THROTTLED, wait=30) == Again([], left, 30, Tries(100, 1))


@pytest.mark.parametrize(
    ("tries", "wait", "now"), [(Tries(100, 3), 0, 0), (Tries(100, 1), 0, 99), (Tries(100, 1), 101, 0)]
)
def test_a_batch_is_given_up_after_the_last_attempt_or_where_the_next_would_come_too_late(
    tries: Tries, wait: float, now: float
) -> None:
    part = a_part(2)
    decision = decided(part, THROTTLED, tries=tries, wait=wait, now=now)
    assert decision == Done([(THROTTLED, part.batch)], given_up=THROTTLED)


def test_a_batch_refused_whole_is_parted_in_halves() -> None:
    decision = decided(a_part(5), REFUSED_WHOLE)
    assert isinstance(decision, Halves)
    assert [ids(part.batch) for part in decision.parts] == [["evt-0", "evt-1"], ["evt-2", "evt-3", "evt-4"]]
    assert {part.cause for part in decision.parts} == {("40002", 200)}


def test_a_postback_that_is_refused_alone_is_rejected() -> None:
    part = a_part(1)
    assert decided(part, REFUSED_WHOLE) == Done([(REFUSED_WHOLE, part.batch)])


def test_a_probe_that_is_refused_is_no_verdict_yet() -> None:
    decision = decided(a_part(1, is_probe=True), REFUSED_WHOLE)
    assert isinstance(decision, Halves)
    assert [(ids(part.batch), part.refusal) for part in decision.parts] == [(["evt-0"], REFUSED_WHOLE)]


def test_a_probe_that_is_accepted_is_done() -> None:
    part = a_part(1, is_probe=True)
    assert decided(part, ACCEPTED) == Done([(ACCEPTED, part.batch)])


def test_what_was_only_kept_from_its_verdict_is_sent_again_at_once_and_with_new_tries() -> None:
    part = a_part(3, last=THROTTLED)
    decision = decided(part, REFUSED_BY_NAME, THROTTLED, THROTTLED, tries=Tries(100, 3), now=50)
    assert isinstance(decision, Again)
    assert [(outcome, ids(batch)) for outcome, batch in decision.settled] == [(REFUSED_BY_NAME, ["evt-0"])]
    assert (ids(decision.part.batch), decision.part.last) == (["evt-1", "evt-2"], None)
    assert (decision.pause, decision.tries) == (0, Tries(150, 0, named=1))


def test_an_acceptance_ends_the_row_of_refusals_by_name() -> None:
    decision = decided(a_part(2), ACCEPTED, THROTTLED, tries=Tries(100, 1, named=2))
    assert isinstance(decision, Again)
    assert decision.tries.named == 0


@pytest.mark.parametrize(("size", "trusted", "suspect"), [(5, False, True), (5, True, False), (4, False, False)])
def test_the_third_refusal_by_name_in_a_row_makes_the_account_suspect_unless_it_has_proved_good(
    size: int, trusted: bool, suspect: bool
) -> None:
    outcomes = [REFUSED_BY_NAME, *[THROTTLED] * (size - 1)]
    decision = decided(a_part(size), *outcomes, tries=Tries(100, 1, named=2), trusted=trusted)
    assert isinstance(decision, Suspect if suspect else Again)
    assert decision.part.is_suspect is suspect


def test_what_went_unanswered_is_sent_again_only_where_the_network_recognizes_it() -> None:
    part = a_part(1)
    assert isinstance(decided(part, NO_ANSWER), Again)
    (queued,) = part.batch
    forgetful = Queued(type(queued.postback)(**{**_fields(queued.postback), "resend_seconds": None}), UNMARKED)
    assert decided(Part([forgetful]), NO_ANSWER) == Done([(NO_ANSWER, [forgetful])])


def _fields(postback: Any) -> dict[str, Any]:
    return {name: getattr(postback, name) for name in postback.__struct_fields__}


def test_refused_credentials_leave_a_batch_open_without_another_attempt() -> None:
    part = a_part(2)
    assert decided(part, NO_TOKEN) == Done([(NO_TOKEN, part.batch)])
