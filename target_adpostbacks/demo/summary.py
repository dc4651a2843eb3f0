"""Tables of what became of the conversions, from the rows of the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from target_adpostbacks.core.reasons import REASONS, STATUSES

STYLES = {"accepted": "green", "rejected": "red", "open": "yellow", "skipped": ""}
ORDER = (*STYLES,)
Rows = Sequence[Mapping[str, Any]]


def outcomes(rows: Rows) -> Table:
    """How many, by network, status and reason, with one line of why."""
    groups: dict[tuple[str, str, str, bool], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["network"], row["status"], row["reason"], bool(row["test"])].append(row)
    table = _table("Network", "Status", "Reason", "", "Why")
    for (network, status, reason, _), those in sorted(groups.items(), key=_place):
        why = Text(_why(those[0]), "dim", no_wrap=True, overflow="ellipsis")
        table.add_row(network or "–", Text(status, STYLES[status]), reason, f"{len(those):,}", why)
    return table


def _why(row: Mapping[str, Any]) -> str:
    if row["status"] == "rejected":
        return f"it answered {': '.join(filter(None, (row['code'], row['message'])))}"
    if row["status"] == "accepted" and row["test"]:
        return "the network's test tool took it"
    reason = REASONS.get(row["reason"])
    return reason.sentence if reason else STATUSES[row["status"]]


def _place(group: tuple[tuple[str, str, str, bool], Any]) -> tuple[Any, ...]:
    (network, status, reason, test), those = group
    return not network, network, ORDER.index(status), test, -len(those), reason


def money(rows: Rows) -> Table:
    """What the delivered conversions are worth, by currency and network."""
    totals: Counter[tuple[str, str]] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row["status"] == "accepted" and row["value"] is not None and not row["test"]:
            totals[row["currency"], row["network"]] += row["value"]
            counts[row["currency"], row["network"]] += 1
    table = _table("Currency", "Network", "Delivered", "Value", right=("Delivered", "Value"))
    for (currency, network), total in sorted(totals.items()):
        table.add_row(currency, network, f"{counts[currency, network]:,}", f"{total:,.2f}")
    return table


def plain(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Rows of a query as they are."""
    listed = [*rows]
    numbers = [name for name, value in (listed[0] if listed else {}).items() if not isinstance(value, str)]
    table = _table(*(listed[0] if listed else {}), right=numbers)
    for row in listed:
        table.add_row(*(f"{value:,}" if name in numbers else str(value) for name, value in row.items()))
    return table


def _table(*columns: str, right: Iterable[str] = ("",)) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column != "Why")
    return table
