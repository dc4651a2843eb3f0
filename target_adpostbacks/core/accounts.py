"""The accounts of a config, and which of them a conversion is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from target_adpostbacks.core.answers import Skip, or_skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.landing import utm_source
from target_adpostbacks.core.network import Network


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One of a section's accounts; ``network`` is None where ``enabled: false`` switches it off."""

    section: str
    name: str = "default"
    network: Network[Any] | None
    secrets: tuple[str, ...] = ()
    is_network: bool = False  # a record's `network` may be its name, and means it alone
    label: str = ""  # "tiktok.default"

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "label", f"{self.section}.{self.name}")

    def without_secrets(self) -> Account:
        """The account as conversions are prepared for it; a request can't be made with it."""
        network = self.network
        if network is None:
            return self
        return msgspec.structs.replace(self, network=network.of(network.settings.without_secrets()), secrets=())


NOBODY = frozenset(
    {
        *("organic", "organic search", "organic_search", "google organic search", "direct", "(direct)", "typein"),
        *("none", "(none)", "unattributed", "unassigned", "untrusted devices", "no user consent"),
        *("(not set)", "not set", "not_set", "unknown", "untracked", "null", "n/a"),
    }
)
"""Values of ``network`` that name no network."""


def route(conversion: Conversion, accounts: Mapping[str, Sequence[Account]], names: Mapping[str, str]) -> list[Account]:
    """The accounts that a conversion is for; raises Skip where it is for none.

    ``accounts``: section → its accounts; ``names``: every name and alias of a network → its section or own name.
    """
    name = conversion.network
    if name is None:
        chosen = [account for section in accounts.values() for account in section if _wants(account, conversion)]
        if not chosen:
            raise Skip("not_attributed", "no network, and no click id of a configured one; `send: all` needs neither")
        if len(chosen) > 1:
            chosen = _of_source(chosen, conversion, names)
    elif name in NOBODY:
        raise Skip("organic")
    else:
        chosen = list(accounts.get(names.get(name, ""), ())) or _called(name, accounts)
        if not chosen:
            raise Skip("other_network", "no section of the config is for this network")
    if conversion.account is not None:
        chosen = [account for account in chosen if account.name == conversion.account]
        if not chosen:
            raise Skip("other_network", "account: no account of that name in the network's section")
    return chosen


def routed(
    conversions: Sequence[Conversion], accounts: Mapping[str, Sequence[Account]], names: Mapping[str, str]
) -> list[Sequence[Account] | Skip]:
    """``route`` of each, or the Skip that it raises: at once where a click id leads to one account alone."""
    every = [account for section in accounts.values() for account in section]
    alone = [[account] for account in every]
    unnamed = [c for c in conversions if c.network is None and c.account is None]
    wanted = zip(*[_wanted(account, unnamed) for account in every], strict=True)
    chosen: list[Sequence[Account] | Skip] = []
    for c in conversions:
        wants = next(wanted, ()) if c.network is None and c.account is None else ()
        is_one = wants.count(True) == 1
        chosen.append(alone[wants.index(True)] if is_one else or_skip(route, c, accounts, names))
    return chosen


def _of_source(chosen: list[Account], conversion: Conversion, names: Mapping[str, str]) -> list[Account]:
    """Of several networks whose click ids a conversion has, the one alone that its link names as the source."""
    clicked = {each.section for each in chosen if each.network and each.network.click_id(conversion) is not None}
    if len(clicked) < 2:
        return chosen
    source = names.get(utm_source(conversion), "")
    return [each for each in chosen if each.section not in clicked - {source}] if source in clicked else chosen


def _called(name: str, accounts: Mapping[str, Sequence[Account]]) -> list[Account]:
    """The account that a record's network is."""
    return [each for section in accounts.values() for each in section if each.is_network and each.name == name]


def _wanted(account: Account, conversions: Sequence[Conversion]) -> Sequence[bool]:
    """``_wants`` of each."""
    network = account.network
    if network is None or network.settings.send == "all":
        return [network is not None] * len(conversions)
    return [click_id is not None for click_id in network.click_ids_of(conversions)]


def _wants(account: Account, conversion: Conversion) -> bool:
    network = account.network
    return network is not None and (network.settings.send == "all" or network.click_id(conversion) is not None)
