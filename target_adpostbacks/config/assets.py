"""Accounts of a section that share what is one account's: a pixel, app or event set, or the file of a token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from target_adpostbacks.config.values import Merged
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.settings import Settings
from target_adpostbacks.networks import NETWORKS


def shared_assets(section: str, accounts: Mapping[str, Merged]) -> Iterator[str]:
    """A mistake for each asset that an enabled account shares with one before it, unless one of them allows it."""
    first: dict[tuple[str, str], str] = {}
    for name, settings in accounts.items():
        values = settings.values
        if not values.get("enabled", True) or values.get("allow_same_asset"):
            continue
        for setting, asset in NETWORKS[section].receivers(values).items():
            other = first.setdefault((asset, _trial_at(settings)), name)
            if other != name:
                yield (
                    f"{section}.accounts.{name}.{setting}: the account {other} sends to the same, where a conversion"
                    " for both is sent once only; give each account its own, or set allow_same_asset: true"
                )


def shared_token_files(accounts: Iterable[Account]) -> Iterator[str]:
    """A mistake for each account that would keep its refresh token where one before it keeps another."""
    first: dict[str, Account] = {}
    for account in accounts:
        network = account.network
        if network is None or not network.refresh_token_path:
            continue
        other = first.setdefault(network.refresh_token_path, account)
        if other.network and other.network.credentials() != network.credentials():
            yield (
                f"{account.section}.accounts.{account.name}.refresh_token_path: the account {other.name} keeps another"
                " token there; name a file for each"
            )


def _trial_at(settings: Merged) -> str:
    """Where the account's deliveries are a trial, which counts at no network."""
    of_trials = {name: settings.values[name] for name in ("base_url", "proxy") if name in settings.values}
    try:
        return Settings(**of_trials).trial_at
    except ValueError:  # a URL that is told as a mistake of its own
        return ""
