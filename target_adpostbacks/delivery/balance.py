"""What became of a run's records, and whether it adds up: the last log line, and ``runs.counts``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Counts = Mapping[str, Any]
"""As ``counted`` makes it; JSON in the ledger."""


def counted(read: int, owed: int, delivered: Mapping[str, int]) -> Counts:
    """Records in; the outcomes that they were owed; how ``Delivery.counts`` says that it ended for each."""
    return {
        "read": read,
        "outcomes": owed,
        "accepted": delivered.get("accepted", 0),
        "already_accepted": delivered.get("already accepted", 0),
        "rejected": delivered.get("rejected", 0),
        "skipped": _by_reason("skipped ", delivered),
        "open": _by_reason("open ", delivered),
        "filtered": delivered.get("filtered", 0),
    }


def _by_reason(prefix: str, delivered: Mapping[str, int]) -> dict[str, int]:
    return {
        key.removeprefix(prefix): count for key, count in sorted(delivered.items()) if count and key.startswith(prefix)
    }


def unbalanced(counts: Counts, without_outcome: int) -> str | None:
    """What is wrong if a record has no outcome, or an outcome was not counted: a mistake of ours."""
    found = sum(counts[name] for name in ("accepted", "already_accepted", "rejected"))
    found += sum(counts["skipped"].values()) + sum(counts["open"].values())
    if found == counts["outcomes"] and not without_outcome:
        return None
    return (
        f"The run does not balance: {without_outcome} of {counts['read']} records have no outcome, "
        f"{found} of {counts['outcomes']} outcomes were counted. Please report it; the ledger says what was sent."
    )


def too_many_rejected(counts: Counts, limit_percent: float) -> str | None:
    """What is wrong if the networks rejected more than that share of what they judged."""
    judged = counts["accepted"] + counts["rejected"]
    if 100 * counts["rejected"] <= limit_percent * judged:
        return None
    return (
        f"{counts['rejected']} of {judged} conversions were rejected, more than {limit_percent:g} %: "
        "`adpostbacks log --status failed` says why."
    )


def summary(counts: Counts) -> str:
    """``read 7, accepted 4, already accepted 0, rejected 1, skipped 2 (organic 1, too_old 1), open 0``."""
    usual = {"outcomes": counts["read"], "filtered": 0}  # and then not worth a word
    parts = []
    for name, count in counts.items():
        if isinstance(count, dict):
            reasons = ", ".join(f"{reason} {number}" for reason, number in count.items())
            parts.append(f"{name} {sum(count.values())}" + (f" ({reasons})" if reasons else ""))
        elif count != usual.get(name):
            parts.append(f"{name.replace('_', ' ')} {count}")
    return ", ".join(parts)
