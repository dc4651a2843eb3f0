"""Accounts for those who only look at data: nothing can be sent with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from target_adpostbacks.config.notify import Notify
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.digests import SHORTEST_KEY
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.settings import examples, secrets
from target_adpostbacks.networks import NETWORKS


def every_network() -> dict[str, list[Account]]:
    """An account of each network, as if every asset and its test tool were configured."""
    return {name: [Account(section=name, network=_stand_in(network))] for name, network in NETWORKS.items()}


def _stand_in(network: type[Network[Any]]) -> Network[Any]:
    names = {*network.assets.values(), *([network.test_setting] if network.test_setting else [])}
    settings: dict[str, Any] = dict.fromkeys(names, "1")
    settings |= {name: _for_every_event(value, network) for name, value in examples(network.settings_type).items()}
    return network(network.settings_type(**settings))


def _for_every_event(example: Any, network: type[Network[Any]]) -> Any:
    """What maps some events to something, for all of them; anything else as it is."""
    if not isinstance(example, Mapping) or not network.events.keys() >= example.keys():
        return example
    return {**dict.fromkeys(network.events, next(iter(example.values()))), **example}


def with_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with an example for each secret that it lacks: the real one may come from the environment."""
    needs_key = (config.get("erasure_index") or config.get("suppress")) and not config.get("erasure_key")
    config = {**config, "erasure_key": "x" * SHORTEST_KEY} if needs_key else config
    types = {name: network.settings_type for name, network in NETWORKS.items()} | {"notify": Notify}
    return {
        name: {**section, **_example_secrets(types[name], section)}
        if name in types and isinstance(section, Mapping) and (section or name in NETWORKS)
        else section
        for name, section in config.items()
    }


def _example_secrets(type_: type[msgspec.Struct], section: Mapping[str, Any]) -> dict[str, str]:
    """Those that the section lacks: empty and null are no secrets either."""
    lacking = {setting for setting in secrets(type_) if not section.get(setting)}
    return {setting: example for setting, example in examples(type_).items() if setting in lacking}
