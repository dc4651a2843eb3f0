"""How a config says that records become postbacks, and the clock by which they are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from target_adpostbacks import config as configuration
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.preparation import Preparation, Rule
from target_adpostbacks.networks import EXACT_IDS, IDS, LANDING, NAMES
from target_adpostbacks.rules import presets
from target_adpostbacks.rules.rule import columns_of, rules_of


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(timezone.utc)


def preparation_of(
    general: configuration.General, accounts: Mapping[str, Sequence[Account]], rules: Sequence[Rule] = ()
) -> Preparation:
    """How a config says that records become postbacks; ``rules``: further ones, after the config's own."""
    fields = {**presets.columns(general.preset), **general.fields}
    columns = columns_of(
        accounts, Columns(IDS, fields, general.zone, general.defaults, exact=EXACT_IDS, landing=LANDING)
    )
    all_rules: Sequence[Rule] = (*rules_of(accounts, columns), *rules)
    return Preparation(accounts, columns, NAMES, all_rules, identifies=general.erasure_key is not None)
