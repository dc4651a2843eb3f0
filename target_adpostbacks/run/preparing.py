"""How a config says that records become postbacks, and the clock by which they are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from target_adpostbacks import config as configuration
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.ways import Rule
from target_adpostbacks.networks import EXACT_IDS, IDS, LANDING, NAMES
from target_adpostbacks.rules import presets
from target_adpostbacks.rules.rule import columns_of, rules_of
from target_adpostbacks.run import sourced


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(timezone.utc)


def preparation_of(
    general: configuration.General, accounts: Mapping[str, Sequence[Account]], rules: Sequence[Rule] = ()
) -> Preparation:
    """How a config says that records become postbacks; ``rules``: further ones, after the config's own."""
    fields: dict[str, str | list[str] | None] = {**presets.columns(general.preset), **general.fields}
    sources = sourced.sources_of(general, accounts, fields, rules)
    columns = columns_of(
        accounts,
        Columns(IDS, {} if sources else fields, general.zone, general.defaults, exact=EXACT_IDS, landing=LANDING),
    )
    all_rules: Sequence[Rule] = (*rules_of(accounts, columns), *rules)
    return Preparation(accounts, columns, NAMES, all_rules, sources, identifies=general.erasure_key is not None)
