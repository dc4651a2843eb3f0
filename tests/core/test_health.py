"""The state of an account: the worst that holds, since when, and what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from conftest import NOW

from target_adpostbacks.core.health import NO_TOKEN, STATES, Activity, Answer, Health, Token, judged


def ago(**before: float) -> str:
    return (NOW - timedelta(**before)).isoformat(timespec="milliseconds")


def an_answer(
    status: str = "accepted", reason: str = "", code: str = "0", message: str = "", **before: float
) -> Answer:
    return Answer(status, reason, code, message, 200, ago(**(before or {"hours": 1})))


REFUSED = an_answer("open", "credentials", "40105", "Access token is incorrect or has been revoked")
REJECTED = an_answer("rejected", code="40002", message="Invalid value for event_id")


def health(token: Token = NO_TOKEN, changed: dict[str, float] | None = None, **facts: Any) -> Health:
    activity = Activity("tiktok", "default", **{"accepted": 5, "answer": an_answer(), **facts})
    return judged(activity, NOW, lambda answer: f"<advice on {answer.code or answer.reason}>", changed, token)


def opened(**before: float) -> dict[str, Any]:
    return {"oldest_open": Answer("open", "transient", "", "", None, ago(**before)), "all_open": 3}


def test_an_account_that_is_accepted_delivers() -> None:
    assert (health().state, health().since, health().advice, health().is_well) == ("delivering", None, "", True)


def test_an_account_that_never_sent_is_new_and_well() -> None:
    new = health(answer=None, accepted=0)
    assert (new.state, new.since, new.is_well) == ("no_recent_activity", None, True)
    assert new.advice == "Nothing was sent to it yet."


def test_an_account_that_fell_silent_says_since_when_and_is_not_well() -> None:
    silent = health(answer=None, accepted=0, last_sent_at=ago(days=9))
    assert (silent.state, silent.since, silent.is_well) == ("no_recent_activity", ago(days=9), False)


def test_a_refused_token_comes_with_the_networks_words_and_what_to_do() -> None:
    refused = health(answer=REFUSED, failing_since=ago(hours=3))
    assert (refused.state, refused.since, refused.is_well) == ("credential_failures", ago(hours=3), False)
    assert refused.advice == "40105: Access token is incorrect or has been revoked. <advice on 40105>"


def test_a_refusal_before_the_newest_answer_is_over() -> None:
    assert health(answer=an_answer(), failing_since=None).state == "delivering"


@pytest.mark.parametrize(
    ("accepted", "rejected", "state"),
    [(18, 2, "delivering"), (17, 3, "degraded"), (0, 19, "delivering"), (0, 20, "degraded"), (90, 10, "delivering")],
)
def test_more_than_a_tenth_of_twenty_or_more_refused_is_degraded(accepted: int, rejected: int, state: str) -> None:
    share = health(accepted=accepted, rejected=rejected, refusal=REJECTED, first_rejected_at=ago(hours=5))
    assert share.state == state
    if state == "degraded":
        assert share.since == ago(hours=5)
        assert share.advice == (
            f"{rejected} of {accepted + rejected} were refused, the last one: 40002: Invalid value for event_id."
            " <advice on 40002>"
        )


@pytest.mark.parametrize(("hours", "state"), [(6, "delivering"), (8, "degraded")])
def test_what_is_open_for_more_than_six_hours_is_degraded(hours: float, state: str) -> None:
    waiting = health(**opened(hours=hours))
    assert waiting.state == state
    assert waiting.since == (ago(hours=2) if state == "degraded" else None)


def test_a_throttled_account_is_degraded() -> None:
    throttled = health(answer=an_answer("open", "throttled", "40100", "Too many requests."))
    assert (throttled.state, throttled.since) == ("degraded", ago(hours=1))
    assert throttled.advice == "The network throttles: 40100: Too many requests. <advice on 40100>"


@pytest.mark.parametrize(("days", "state"), [(365, "delivering"), (366, "degraded")])
def test_an_old_token_is_to_be_rotated(days: int, state: str) -> None:
    old = health(Token(NOW - timedelta(days=days), 365))
    assert old.state == state
    if state == "degraded":
        assert old.since == ago(days=1)
        assert old.advice == "The token is 366 days old, and token_max_age_days is 365: rotate it."


def test_the_worst_state_holds() -> None:
    old = Token(NOW - timedelta(days=400), 365)
    assert health(old, answer=REFUSED, **opened(days=2)).state == "credential_failures"
    both = health(old, answer=None, last_sent_at=ago(days=3), **opened(days=2))
    assert (both.state, both.since) == ("degraded", ago(days=35))
    assert "rotate it" in both.advice
    assert "3 open, transient" in both.advice


@pytest.mark.parametrize(
    ("changed", "facts", "state"),
    [
        ({"rejected_percent": 20}, {"accepted": 17, "rejected": 3, "refusal": REJECTED}, "delivering"),
        ({"rejected_of": 5}, {"accepted": 3, "rejected": 2, "refusal": REJECTED}, "degraded"),
        ({"open_hours": 48}, opened(hours=40), "delivering"),
        ({"quiet_hours": 72}, {"answer": an_answer(hours=70)}, "delivering"),
        ({"quiet_hours": 2}, {"answer": an_answer(hours=3), "last_sent_at": ago(hours=3)}, "no_recent_activity"),
    ],
)
def test_the_setting_health_changes_the_limits(changed: dict[str, float], facts: dict[str, Any], state: str) -> None:
    assert health(changed=changed, **facts).state == state


def test_an_account_whose_newest_request_failed_with_something_open_is_degraded_since_the_first_failure() -> None:
    failed = an_answer("open", "transient", "", "unavailable")._replace(sent_at=ago(hours=1), http_status=503)
    failing = health(answer=failed, accepted=0, open=2, all_open=2, failing_since=ago(hours=3))
    assert (failing.state, failing.since, failing.is_well) == ("degraded", ago(hours=3), False)
    assert failing.advice == "The newest request had no success: HTTP 503: unavailable. <advice on transient>"
    after_success = health(answer=failed, all_open=2, last_accepted_at=ago(hours=2), failing_since=ago(hours=1))
    assert (after_success.state, after_success.since) == ("degraded", ago(hours=1))


def test_a_request_that_took_a_part_of_its_batch_is_a_success() -> None:
    partly = an_answer("open", "transient")._replace(sent_at=ago(hours=1))
    assert health(answer=partly, all_open=2, last_accepted_at=ago(hours=1)).state == "delivering"


def test_a_few_refusals_with_nothing_open_are_told_and_no_failure() -> None:
    refused = health(answer=REJECTED, accepted=0, rejected=2)
    assert (refused.state, refused.advice) == (
        "delivering",
        "Nothing was accepted lately: 40002: Invalid value for event_id. <advice on 40002>",
    )


def test_what_counts_a_trial_says_so() -> None:
    assert health(is_trial=True).advice == "This counts a trial at a loopback address: no network has its deliveries."


def test_every_state_is_explained_in_the_order_of_how_bad_it_is() -> None:
    assert [*STATES] == ["credential_failures", "degraded", "no_recent_activity", "delivering"]


def test_what_a_network_processed_and_did_not_count_is_told() -> None:
    told = health(processed=1_005, counted=1_000).advice
    assert (
        told == "Of 1,005 events that the network processed, it counted 1,000: `adpostbacks log` says why not the rest."
    )
    assert health(processed=1_000, counted=1_000).advice == ""
