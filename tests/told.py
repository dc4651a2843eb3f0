"""What a network says of itself, as a person reads it: tables of Markdown, durations, and what differs by source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.settings import examples

SOURCES = {"web": "web", "app": "app", "offline": "store", "crm": "CRM"}

Kind = type[Network[Any]]


def row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """In Markdown, with an empty line before and after."""
    columns = [*head]
    return "\n".join(["", row(*columns), row(*("---" for _ in columns)), *(row(*cells) for cells in rows), ""])


def code(names: Iterable[object]) -> str:
    return " ".join(f"`{name}`" for name in names)


def an_account_of(network: Kind) -> Network[Any]:
    return network(msgspec.convert(examples(network.settings_type), network.settings_type))


def a_conversion(source: Any, event: str = "purchase") -> Conversion:
    now = datetime(2026, 11, 20, tzinfo=timezone.utc)
    return Conversion(event_name=event, event_spelling=event, event_id="1", event_time=now, event_source=source)


def by_source(network: Kind, told: Callable[[Conversion], str]) -> dict[str, str]:
    """What is told of each kind of conversion that the network takes → the names of those kinds."""
    kinds = defaultdict(list)
    for source in EVENT_SOURCES:
        if source in network.assets:
            kinds[told(a_conversion(source))].append(SOURCES[source])
    return {words: ", ".join(names) for words, names in kinds.items()}


def differing(network: Kind, told: Callable[[Conversion], str]) -> str:
    """``'7 days; store: 62 days'``."""
    (first, _), *others = by_source(network, told).items()
    return "; ".join([first, *(f"{names}: {words}" for words, names in others)])


def duration(time: timedelta | None) -> str:
    """Days or hours, rounded up, or minutes: a margin for batching is nobody's business."""
    if time is None:
        return "–"
    if time >= timedelta(days=36_500):
        return "no limit"
    days, hours = -(-time // timedelta(days=1)), -(-time // timedelta(hours=1))
    if hours > 72:
        return f"{days} days"
    return f"{hours} hours" if time >= timedelta(hours=1) else f"{time // timedelta(minutes=1)} min"


def test_code(network: Kind) -> str:
    setting = f"`{network.test_setting}`" if network.test_setting else ""
    if network.tests_without_code:
        return f"{setting} (optional)" if setting else "no code needed"
    return setting or "–"
