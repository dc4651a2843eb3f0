"""How each account of a ledger does, for commands, monitors and notifications."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.health import THRESHOLDS, Activity, Advice, Health, Token, judged, not_sent_to
from target_adpostbacks.core.money import decimals, stakes
from target_adpostbacks.core.times import moment
from target_adpostbacks.ledger.connections import NoLedger
from target_adpostbacks.ledger.reading import LedgerReader


def healths(
    url: str,
    now: datetime,
    configured: Mapping[str, Sequence[Account]] | None = None,
    *,
    advice: Callable[[Activity], Advice] = lambda _: lambda _: "",
    tell: Callable[[str], object] = lambda _: None,
) -> Iterator[Health]:
    """Of each account that the config switches on, and of those of the ledger that it does not while something is open.

    Without a config, of each account that the ledger knows. ``url``: of the ledger; where there is none yet, nothing
    was sent, and with a config ``tell`` is called with a sentence that says which was looked for. ``advice``: what to
    do after an answer, by account. Raises UnusableLedger.
    """
    accounts = {account.label: account for section in (configured or {}).values() for account in section}
    limits = [account.network.settings.health for account in accounts.values() if account.network]
    quiet_hours = max((each.get("quiet_hours", 0) for each in limits), default=0)
    try:
        with LedgerReader(url) as ledger:
            known = {each.label: each for each in ledger.activities(now, max(quiet_hours, THRESHOLDS["quiet_hours"]))}
    except NoLedger as error:
        known = {}
        if configured is not None:
            tell(f"{str(error).rstrip('.')}.")
    if configured is None:
        yield from (judged(activity, now, advice(activity)) for activity in known.values())
        return
    for label, account in accounts.items():
        if account.network is not None:
            activity, settings = known.get(label, Activity(account.section, account.name)), account.network.settings
            token = Token(moment("token_created_at", settings.token_created_at or ""), settings.token_max_age_days)
            yield judged(activity, now, advice(activity), settings.health, token)
    for label, activity in known.items():
        if activity.all_open and (label not in accounts or accounts[label].network is None):
            yield not_sent_to(activity, now)


def row(health: Health, now: datetime) -> dict[str, Any]:
    """The account as JSON and CSV have it."""
    activity = health.activity
    return {
        "account": activity.label,
        "state": health.state,
        "since": health.since,
        "last_accepted_at": activity.last_accepted_at,
        "last_24h": {"accepted": activity.accepted, "rejected": activity.rejected, "open": activity.open},
        "open_money": {
            stake.currency: round(stake.value, decimals(stake.currency) or None)
            for stake in stakes(activity.amounts, now.isoformat(timespec="milliseconds"))
        },
        "advice": health.advice,
    }
