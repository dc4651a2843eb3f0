"""Says at the end of a run what stays open: why, what to do about it, and which money it is."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.advice import advice
from target_adpostbacks.core.money import told
from target_adpostbacks.delivery.delivery import Delivery
from target_adpostbacks.delivery.queued import WhyOpen
from target_adpostbacks.networks import NETWORKS

WHY_OPEN = 20
"""Reasons why postbacks are open that are logged, the most frequent first."""


def report(delivery: Delivery, accounts: Iterable[Account], now: str, log: logging.Logger) -> None:
    """Log it. ``now``: as the ledger writes times."""
    for why, count in delivery.why_open[:WHY_OPEN]:
        log.error("Postbacks that stay open: %d, %s. %s", count, why.told.removesuffix("."), _advice(why))
    trials = {account.label for account in accounts if account.network and account.network.trial_at}
    for stake in delivery.at_stake:
        name = f"{stake.account.removesuffix('.default')} (a trial)" if stake.account in trials else ""
        log.warning("%s.", told(stake, now, name))


def _advice(why: WhyOpen) -> str:
    outcome, network = why.outcome, NETWORKS.get(why.account.partition(".")[0])
    words = {"reason": outcome.verdict.value, "code": outcome.code, "message": outcome.message}
    return advice(network, http_status=why.http_status, **words)
