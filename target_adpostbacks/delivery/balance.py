"""The counts of a run, and whether they add up: the last log line, and ``runs.counts``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

ENOUGH = 5
"""So many records or verdicts tell something: fewer may be the one bad row that an incremental tap sends again."""


class Tally(msgspec.Struct, frozen=True):
    """Records in, outcomes out; as JSON, ``runs.counts`` of the ledger. ``skipped`` and ``open``: reason → count."""

    read: int = 0
    outcomes: int = 0  # rows that the records were owed: one for each account that a record is for
    accepted: int = 0
    already_accepted: int = 0
    rejected: int = 0
    skipped: dict[str, int] = {}
    open: dict[str, int] = {}
    filtered: int = 0  # that a stream map dropped
    conversions: int = 0  # that the records were, where a source has made several of one; else 0


def counted(read: int, owed: int, filtered: int, delivered: Mapping[str, int], several: int = 0) -> Tally:
    """The outcomes that records were owed, and how ``Delivery.counts`` says that it ended for each.

    ``several``: conversions that records were, beyond one each.
    """
    return Tally(
        read=read,
        outcomes=owed,
        accepted=delivered.get("accepted", 0),
        already_accepted=delivered.get("already accepted", 0),
        rejected=delivered.get("rejected", 0),
        skipped=_by_reason("skipped ", delivered),
        open=_by_reason("open ", delivered),
        filtered=filtered,
        conversions=read + several if several else 0,
    )


def _by_reason(prefix: str, delivered: Mapping[str, int]) -> dict[str, int]:
    return {
        key.removeprefix(prefix): count for key, count in sorted(delivered.items()) if count and key.startswith(prefix)
    }


def added(tallies: Iterable[Tally]) -> Tally:
    """Several runs' in one."""
    sums: dict[str, Any] = msgspec.structs.asdict(Tally())
    conversions = 0
    for tally in tallies:
        conversions += tally.conversions or tally.read
        for name, count in msgspec.structs.asdict(tally).items():
            sums[name] = dict(Counter(sums[name]) + Counter(count)) if isinstance(count, dict) else sums[name] + count
    return Tally(**(sums | {"conversions": conversions if sums["conversions"] else 0}))


def unbalanced(tally: Tally, without_outcome: int) -> str | None:
    """What is wrong if a record has no outcome, or an outcome was not counted: a mistake of ours."""
    ended = tally.accepted + tally.already_accepted + tally.rejected
    ended += sum(tally.skipped.values()) + sum(tally.open.values())
    if ended == tally.outcomes and not without_outcome:
        return None
    return (
        f"The run does not balance: {without_outcome} of {tally.read} records have no outcome, "
        f"{ended} of {tally.outcomes} outcomes were counted. This is a bug; please report it. The ledger says what was "
        "sent."
    )


class Share(NamedTuple):
    """How many were bad: of what was read ``invalid``, or of what the networks judged ``rejected``."""

    bad: int
    total: int
    limit_percent: float | None  # None: never too many

    @property
    def is_enough(self) -> bool:
        """Whether there are enough of them to conclude anything."""
        return self.total >= ENOUGH

    @property
    def is_too_large(self) -> bool:
        """Whether it is above the limit, or all were bad."""
        if self.limit_percent is None or not self.bad:
            return False
        return self.bad == self.total or 100 * self.bad > self.limit_percent * self.total

    def told(self, what: str) -> str:
        """``12 of 20 records were invalid, more than 50 %``."""
        above = f", more than {self.limit_percent:g} %" if self.bad < self.total else ""
        return f"{self.bad} of {self.total} {what}{above}"


def summary(tally: Tally) -> str:
    """``read 7, accepted 4, already accepted 0, rejected 1, skipped 2 (organic 1, too_old 1), open 0``.

    Where records were several conversions: ``read 10 (12 conversions)``.
    """
    conversions = tally.conversions or tally.read
    usual = {"outcomes": conversions, "filtered": 0, "conversions": tally.conversions}  # and then not worth a word
    parts = []
    for name, count in msgspec.structs.asdict(tally).items():
        if name == "read" and tally.conversions:
            parts.append(f"read {count} ({conversions} conversions)")
        elif isinstance(count, dict):
            reasons = ", ".join(f"{reason} {number}" for reason, number in count.items())
            parts.append(f"{name} {sum(count.values())}" + (f" ({reasons})" if reasons else ""))
        elif count != usual.get(name):
            parts.append(f"{name.replace('_', ' ')} {count}")
    return ", ".join(parts)
