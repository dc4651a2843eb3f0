"""Accounts for those who only look at data."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from conftest import SETTINGS

from target_adpostbacks import config
from target_adpostbacks.config.stand_ins import every_network, with_secrets
from target_adpostbacks.core.answers import Skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.settings import secrets
from target_adpostbacks.networks import NETWORKS


def reason(network: Network[Any], conversion: Conversion) -> str:
    """Why a network has no name for the event; empty: it has one."""
    try:
        network.event(conversion)
    except Skip as skip:
        return skip.reason
    return ""


@pytest.mark.parametrize("needing", [{"erasure_index": True}, {"suppress": "people.csv"}])
def test_what_needs_a_key_of_digests_can_be_looked_at_without_it(needing: dict[str, Any]) -> None:
    general, _ = config.read(with_secrets({"tiktok": SETTINGS["tiktok"], **needing}))
    assert general.erasure_key
    assert config.read(with_secrets({"tiktok": SETTINGS["tiktok"]}))[0].erasure_key is None


@pytest.mark.parametrize("name", NETWORKS)
def test_an_account_takes_every_event_of_its_network_from_every_source(name: str) -> None:
    (account,) = every_network()[name]
    network = account.network
    assert network is not None
    for source in network.assets:
        for event in network.events:
            c = Conversion(
                event_name=event,
                event_spelling=event,
                event_id="1",
                event_time=datetime(2026, 11, 20, tzinfo=timezone.utc),
                event_source=source,  # type: ignore[arg-type]
            )
            assert network.asset(c)
            if network.canonical_events(c).get(event) is not None:
                assert reason(network, c) in ("", "unsupported"), "the network's own rule, not a setting"


def test_a_config_without_tokens_can_be_read() -> None:
    without = {
        name: {
            setting: value for setting, value in SETTINGS[name].items() if setting not in secrets(network.settings_type)
        }
        for name, network in NETWORKS.items()
    }
    _, sections = config.read(with_secrets(without))
    assert {*sections} == {*NETWORKS}
    own = {"tiktok": {"access_token": "mine"}, "fields": {}, "reddit": None}
    assert with_secrets(own) == own
