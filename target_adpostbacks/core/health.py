"""How an account does, judged by what its ledger says of the last day: delivering, degraded, refused or silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from target_adpostbacks.core.advice import advice
from target_adpostbacks.core.money import Amount

if TYPE_CHECKING:
    from target_adpostbacks.core.network import Network

STATES = {
    "credential_failures": "The newest answer refused the account's credentials.",
    "degraded": "The newest request failed and something is open, too much is refused, something is open for too long,"
    " or the token is too old.",
    "no_recent_activity": "No request went out lately. That is normal for an account that is new.",
    "delivering": "The network takes what is sent.",
}
"""Each state of an account and what it means, the worst one first."""

THRESHOLDS: Mapping[str, float] = {"rejected_percent": 10, "rejected_of": 20, "open_hours": 6, "quiet_hours": 24}
"""What the setting ``health`` changes: the share of refusals and of how many, hours of waiting and of silence."""


class Answer(NamedTuple):
    """What the network, or the run, said last of a delivery."""

    status: str
    reason: str
    code: str
    message: str
    http_status: int | None
    at: str
    sent_at: str | None = None  # of the newest request; None: there was none

    @property
    def words(self) -> str:
        """``'40105: Access token is incorrect or has been revoked.'``."""
        code = self.code or (f"HTTP {self.http_status}" if self.http_status else "")
        return ": ".join(filter(None, (code, self.message)))


class Activity(NamedTuple):
    """What the ledger knows of an account. Counts are of the last 24 hours, times as the ledger writes them."""

    network: str
    account: str
    accepted: int = 0
    rejected: int = 0
    open: int = 0
    last_accepted_at: str | None = None
    last_sent_at: str | None = None
    answer: Answer | None = None  # the newest, unless it is older than the account may be quiet
    failing_since: str | None = None  # where that was no success: the first request after the last one that was
    refusal: Answer | None = None  # the newest rejection of the last 24 hours
    first_rejected_at: str | None = None  # of the last 24 hours
    all_open: int = 0
    oldest_open: Answer | None = None  # ``at``: when the oldest open conversion happened
    amounts: tuple[Amount, ...] = ()
    processed: int = 0  # events of the day's requests of which the network has said what it counted of them
    counted: int = 0  # of these
    is_trial: bool = False  # a trial's deliveries are among those that are counted

    @property
    def label(self) -> str:
        """``tiktok.default``."""
        return f"{self.network}.{self.account}"

    @property
    def decided(self) -> int:
        """What the network accepted or rejected in the last 24 hours."""
        return self.accepted + self.rejected


class Health(NamedTuple):
    """How an account does."""

    activity: Activity
    state: str
    since: str | None  # None: it is delivering, or new
    advice: str

    @property
    def is_well(self) -> bool:
        """Whether it is delivering or merely new."""
        return self.state == "delivering" or (self.state == "no_recent_activity" and self.since is None)


class Token(NamedTuple):
    """The age of an account's token, where the config says it."""

    created_at: datetime | None = None
    max_age_days: int | None = None


NO_TOKEN = Token()
WHY_NOT = "`adpostbacks log` says why not the rest."
NOT_SENT_TO = "put the account back into the config and switch it on, or what is open is lost at its deadline."


class Finding(NamedTuple):
    """Something that is not as it should be, since when, and what to do."""

    since: str
    advice: str


Advice = Callable[[Answer], str]
"""What to do after an answer of the account's network."""


def judged(
    activity: Activity,
    now: datetime,
    advice: Advice,
    changed: Mapping[str, float] | None = None,
    token: Token = NO_TOKEN,
) -> Health:
    """How the account does: the worst state that holds. ``changed``: of THRESHOLDS."""
    limits = {**THRESHOLDS, **(changed or {})}
    if activity.answer and activity.answer.at < before(now, limits["quiet_hours"]):
        activity = activity._replace(answer=None)
    not_counted = activity.processed - activity.counted
    processed = (
        f"Of {activity.processed:,} events that the network processed, it counted {activity.counted:,}: {WHY_NOT}"
    )
    trial = ("This counts a trial at a loopback address: no network has its deliveries.",) if activity.is_trial else ()

    def health(state: str, since: str | None, *sentences: str) -> Health:
        told = (*sentences, processed if not_counted > 0 else "", *trial)
        return Health(activity, state, since, " ".join(filter(None, told)))

    answer = activity.answer
    if answer and answer.reason == "credentials":
        return health("credential_failures", activity.failing_since, _ended(answer.words), advice(answer))
    if findings := [*_findings(activity, now, advice, limits, token)]:
        since = min(finding.since for finding in findings)
        return health("degraded", since, *(finding.advice for finding in findings))
    if activity.last_sent_at is None and answer is None:
        return health("no_recent_activity", None, "Nothing was sent to it yet.")
    if answer is None and (activity.last_sent_at or "") < before(now, limits["quiet_hours"]):
        silence = "Look whether the pipeline still runs and has conversions for it."
        return health("no_recent_activity", activity.last_sent_at, silence)
    if answer is None:  # whom it was about was erased since
        return health("delivering", None, "Nothing was accepted lately.")
    if answer.status != "accepted" and not activity.accepted:
        return health("delivering", None, f"Nothing was accepted lately: {_ended(answer.words)}", advice(answer))
    return health("delivering", None)


def not_sent_to(activity: Activity, now: datetime) -> Health:
    """How an account does to which the config sends nothing any more, while something is open for it."""
    oldest = activity.oldest_open
    since = activity.last_sent_at or (oldest.at if oldest else None) or before(now, 0)
    is_open = "1 is" if activity.all_open == 1 else f"{activity.all_open:,} are"
    return Health(activity, "degraded", since, f"The config no longer sends to it, and {is_open} open: {NOT_SENT_TO}")


def advice_on(network: type[Network[Any]] | None) -> Advice:
    """What to do about an answer of this network; None: it is none that we know."""

    def to_do(answer: Answer) -> str:
        facts = {"reason": answer.reason, "code": answer.code, "message": answer.message}
        return advice(network, http_status=answer.http_status, **facts)

    return to_do


def _findings(
    activity: Activity, now: datetime, advice: Advice, limits: Mapping[str, float], token: Token
) -> Iterator[Finding]:
    answer, refusal, oldest = activity.answer, activity.refusal, activity.oldest_open
    if answer and (answer.reason == "throttled" or (activity.all_open and _has_failed(activity, answer))):
        what = "The network throttles" if answer.reason == "throttled" else "The newest request had no success"
        since = activity.failing_since or answer.sent_at or answer.at
        yield Finding(since, f"{what}: {_ended(answer.words or answer.reason)} {advice(answer)}")
    if refusal and too_many_rejected(activity, limits["rejected_percent"], limits["rejected_of"]):
        since = activity.first_rejected_at or refusal.at
        refused = f"{activity.rejected} of {activity.decided} were refused"
        yield Finding(since, f"{refused}, the last one: {_ended(refusal.words)} {advice(refusal)}")
    if oldest and oldest.at < before(now, limits["open_hours"]):
        waits = f"{activity.all_open:,} open, {oldest.reason}; the oldest happened at {shown(oldest.at)}."
        crossed = datetime.fromisoformat(oldest.at) + timedelta(hours=limits["open_hours"])
        yield Finding(crossed.isoformat(timespec="milliseconds"), f"{waits} {advice(oldest)}")
    if token.created_at and token.max_age_days is not None:
        too_old_at = token.created_at + timedelta(days=token.max_age_days)
        if now > too_old_at:
            days = (now - token.created_at).days
            yield Finding(
                too_old_at.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
                f"The token is {days} days old, and token_max_age_days is {token.max_age_days}: rotate it.",
            )


def too_many_rejected(activity: Activity, percent: float, of: float = THRESHOLDS["rejected_of"]) -> bool:
    """Whether more than so many percent were rejected, of at least so many that the network decided on."""
    return activity.decided >= of and 100 * activity.rejected > percent * activity.decided


def _has_failed(activity: Activity, answer: Answer) -> bool:
    """Whether the newest request, or the attempt to make one, had no success, not even with a part of its batch."""
    return answer.status != "accepted" and (activity.last_accepted_at or "") < (answer.sent_at or answer.at)


def before(now: datetime, hours: float) -> str:
    """The time so many hours ago, as the ledger writes it."""
    return (now - timedelta(hours=hours)).isoformat(timespec="milliseconds")


def shown(time: str) -> str:
    """``'2026-11-20 12:05 UTC'``."""
    return f"{time[:10]} {time[11:16]} UTC"


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."
