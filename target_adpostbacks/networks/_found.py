"""Finds the networks, and says what is known of all of them together."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from target_adpostbacks.core.landing import Landing
from target_adpostbacks.core.network import Network

NETWORKS: Mapping[str, type[Network[Any]]] = {
    network.name: network
    for module in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda module: module.name)
    if not module.name.startswith("_")
    for network in [importlib.import_module(f"{__package__}.{module.name}").NETWORK]
}

NAMES: Mapping[str, str] = {alias: name for name, network in NETWORKS.items() for alias in (name, *network.aliases)}
"""What a network may be called, in lower case, to its name."""

IDS = frozenset(name for network in NETWORKS.values() for name in network.ids)
"""Every identifier that some network wants kept from a record."""

EXACT_IDS: Mapping[str, tuple[str, ...]] = {
    name: (network.name, *network.aliases) if name == network.click_ids[0] else ()
    for network in NETWORKS.values()
    for name in network.exact_ids
}
"""Those that are kept byte for byte, each with the names of the network whose usual click id it is."""
LANDING = Landing.of(NETWORKS.values())
"""How landing URLs of their ads are read."""

_titles = [network.title for network in NETWORKS.values() if not network.accounts_are_networks]
TITLES = " and ".join(filter(None, (", ".join(_titles[:-1]), _titles[-1])))
"""The names of ad networks in a sentence: ``'Meta, Reddit, Snapchat and TikTok'``."""
