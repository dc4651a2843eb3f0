"""How a config says that records become postbacks, and the clock by which they are judged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from typing import Any, NamedTuple

from target_adpostbacks import config as configuration
from target_adpostbacks.config.source_settings import AT_TOP
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.columns import COLUMN_ALIASES
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.network import IN_STEP
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.core.ways import Rule, Sources
from target_adpostbacks.networks import EXACT_IDS, IDS, LANDING, NAMES
from target_adpostbacks.rules import presets
from target_adpostbacks.rules.rule import columns_of, rules_of


class Pending(NamedTuple):
    """A record that waits, to be prepared together with others."""

    record: Mapping[str, Any]
    stream: str
    key: Sequence[str]
    line: int


def in_blocks(
    members: Iterable[Pending | Prepared | None], prepare: Callable[[Sequence[Pending]], Iterable[Prepared]]
) -> list[Prepared | None]:
    """What the records among them come to, in their places; the others stay. ``prepare``: a block of one stream's."""
    all_prepared: list[Prepared | None] = []
    streams: dict[tuple[str, ...], dict[int, Pending]] = {}
    for at, each in enumerate(members):
        if isinstance(each, Pending):
            streams.setdefault((each.stream, *each.key), {})[at] = each
            all_prepared.append(None)
        else:
            all_prepared.append(each)
    for records in streams.values():
        waiting = iter(records.items())
        while block := dict(islice(waiting, IN_STEP)):
            for at, prepared in zip(block, prepare([*block.values()]), strict=True):
                all_prepared[at] = prepared
    return all_prepared


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(timezone.utc)


def may_be_conversions(
    general: configuration.General, preparation: Preparation, stream: str, columns: Iterable[str]
) -> bool:
    """Whether a stream with these columns may be one of conversions: something of it names their event."""
    if general.source is not None and preparation.sources and preparation.sources.way(stream) is not None:
        return True
    if general.defaults.get("event_name") or general.rows:
        return True
    where = {**presets.columns(general.preset), **general.fields}.get("event_name") or ()
    roots = {re.split(r"[.\[]", path)[0] for path in ([where] if isinstance(where, str) else where)}
    aliases = {alias for alias, column in COLUMN_ALIASES.items() if column == "event_name"}
    known = map(str.lower, {"event_name", *aliases, *roots})
    return not {*known}.isdisjoint(map(str.lower, columns))


def preparation_of(
    general: configuration.General, accounts: Mapping[str, Sequence[Account]], rules: Sequence[Rule] = ()
) -> Preparation:
    """How a config says that records become postbacks; ``rules``: further ones, after the config's own."""
    fields: dict[str, str | list[str] | None] = {**presets.columns(general.preset), **general.fields}
    sources: Sources | None = None
    if general.source is not None or any(getattr(general, name) for name in AT_TOP if name != "fields"):
        from target_adpostbacks.run import sourced  # many runs have none

        sources = sourced.sources_of(general, accounts, fields, rules)
    columns = columns_of(
        accounts,
        Columns(IDS, {} if sources else fields, general.zone, general.defaults, exact=EXACT_IDS, landing=LANDING),
    )
    all_rules: Sequence[Rule] = (*rules_of(accounts, columns), *rules)
    return Preparation(accounts, columns, NAMES, all_rules, sources, identifies=general.erasure_key is not None)


def unmet_of(general: configuration.General, preparation: Preparation) -> Sequence[str]:
    """Columns whose path in ``fields`` has met nothing yet. Sources know for themselves what they have met."""
    return [] if preparation.sources else [*general.fields]
