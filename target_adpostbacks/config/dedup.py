"""Checks ``dedup_days``: nothing may be forgotten while a network would take it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from operator import itemgetter
from typing import Any

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.network import Network

DAY = timedelta(days=1)
NO_LIMIT_DAYS = 36_500
"""The age limit of a network that has none."""


def problems(days: int, sections: Mapping[str, Iterable[Account]]) -> Iterator[str]:
    """What is wrong with so many days, for these accounts."""
    limited: list[tuple[int, str, Network[Any]]] = []
    for account in (account for section in sections.values() for account in section):
        network = account.network
        if network is None:
            continue
        if _oldest_days(network) < NO_LIMIT_DAYS:
            limited.append((least_days(network), account.label, network))
            continue
        yield (
            f"dedup_days: {account.label} takes conversions of any age, and one that is forgotten would be sent twice;"
            " set max_event_age_days of that account, or leave dedup_days out"
        )
    if not limited:
        return
    least, label, network = max(limited, key=itemgetter(0))
    if days < least:
        window = network.longest_dedup
        recognized = f", and knows an id again for {_days(window)} days" if window else ""
        yield (
            f"dedup_days: {least} or more expected, since {label} takes what is {_oldest_days(network)} days old"
            f"{recognized}; a smaller max_event_age_days of that account lowers it"
        )


def least_days(network: Network[Any]) -> int:
    """How long what it accepted has to be known: until it is too old to be taken again, and the network forgets it."""
    after = max(network.longest_dedup or timedelta(), network.max_ahead)
    return _days(timedelta(days=_oldest_days(network)) + after)


def _oldest_days(network: Network[Any]) -> int:
    oldest = _days(network.longest_age)
    return min(oldest, network.settings.max_event_age_days or oldest)


def _days(length: timedelta) -> int:
    return -(-length // DAY)
