"""The config read: sections and accounts merged, and checked without ever echoing a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfoNotFoundError

from target_adpostbacks.config.general import General, SdkSettings
from target_adpostbacks.config.values import description, read_values, struct_fields, unknown
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.columns import READERS
from target_adpostbacks.core.settings import DELIVERY_SETTINGS, Settings, secrets
from target_adpostbacks.networks import NETWORKS

ACCOUNT_NAME = re.compile(r"[a-z][a-z0-9_]*").fullmatch
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class InvalidConfig(ValueError):
    """Every mistake in the configuration, a line each: path, rule, next step; never a value."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(self.mistakes))


def read(config: Mapping[str, Any]) -> tuple[General, dict[str, list[Account]]]:
    """The general settings and every section's accounts. Raises InvalidConfig with all mistakes at once."""
    mistakes: list[str] = []
    known = {field.name for kind in (General, SdkSettings) for field in struct_fields(kind)}
    known |= NETWORKS.keys() | set(DELIVERY_SETTINGS)
    mistakes += [unknown(name, name, known) for name in config if name not in known]
    read_values(str, SdkSettings, config, mistakes, strict=True)  # the SDK converts nothing
    general = _general(config, mistakes)
    sections: dict[str, list[Account]] = {}
    try:
        sections = accounts(config)
    except InvalidConfig as error:
        mistakes += error.mistakes
    if not mistakes and not sections:
        mistakes.append(f"no network: add a section for one of {', '.join(NETWORKS)}")
    if mistakes:
        raise InvalidConfig(mistakes)
    return general, sections


def accounts(config: Mapping[str, Any]) -> dict[str, list[Account]]:
    """Section → its accounts, of the networks that the config has. Raises InvalidConfig with all mistakes at once."""
    mistakes: list[str] = []
    common = read_values(str, Settings, {name: config.get(name) for name in DELIVERY_SETTINGS}, mistakes)
    found = {
        section: list(_section(section, config[section], common, mistakes))
        for section in NETWORKS
        if config.get(section) is not None
    }
    if mistakes:
        raise InvalidConfig(dict.fromkeys(mistakes))  # a section's own mistake would be told for each account
    return found


def hints(sections: Mapping[str, Iterable[Account]]) -> list[str]:
    """What is unusual about the accounts' settings, though it may work."""
    return [
        f"{account.label}.{hint}"
        for section in sections.values()
        for account in section
        if account.network
        for hint in account.network.settings.hints()
    ]


def _general(config: Mapping[str, Any], mistakes: list[str]) -> General:
    given = {field.name: config[field.name] for field in struct_fields(General) if field.name in config}
    values = read_values(str, General, given, mistakes)
    if not isinstance(values.get("fields"), Mapping):
        values.pop("fields", None)
    columns = _columns()
    mistakes += [unknown(f"fields.{name}", name, columns) for name in values.get("fields", ()) if name not in columns]
    try:
        General(default_timezone=values.get("default_timezone", "UTC")).zone  # noqa: B018 - it raises
    except (ZoneInfoNotFoundError, ValueError, OSError):
        mistakes.append("default_timezone: no zone of that name; `Europe/Berlin` is one")
        del values["default_timezone"]
    return General(**values)


def _columns() -> set[str]:
    return set(READERS) | {name for network in NETWORKS.values() for name in network.ids}


def _section(section: str, given: Any, common: Mapping[str, Any], mistakes: list[str]) -> Iterable[Account]:
    if not isinstance(given, Mapping):
        mistakes.append(f"{section}: an object expected, as in sample_config.json")
        return
    shared = {**common, **{name: value for name, value in given.items() if name != "accounts"}}
    several = given.get("accounts") or {}
    if not isinstance(several, Mapping):
        mistakes.append(f"{section}.accounts: an object expected: your own name for each account to its settings")
        return
    if not several:
        if account := _account(section, "default", shared, lambda field: f"{section}.{field}", mistakes):
            yield account
        return
    for name, own in several.items():
        if not ACCOUNT_NAME(name):
            mistakes.append(f"{section}.accounts: names are a lower-case letter, then lower-case letters, digits or _")
        elif not isinstance(own, Mapping):
            mistakes.append(f"{section}.accounts.{name}: an object expected")
        elif account := _account(section, name, _merged(shared, own), _path(section, name, shared, own), mistakes):
            yield account


def _path(section: str, name: str, shared: Mapping[str, Any], own: Mapping[str, Any]) -> Callable[[str], str]:
    """Where a field of an account (or ``"field: what is wrong"``) stands: there, or in the section it is taken from."""

    def path(field: str) -> str:
        setting = re.split(r"[.:]", field, maxsplit=1)[0]
        inherited = setting in shared and setting not in own
        return f"{section}.{field}" if inherited else f"{section}.accounts.{name}.{field}"

    return path


def _merged(section: Mapping[str, Any], account: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**section, **account}
    if isinstance(section.get("event_map"), Mapping) and isinstance(account.get("event_map"), Mapping):
        merged["event_map"] = {**section["event_map"], **account["event_map"]}
    return merged


def _account(
    section: str, name: str, given: Mapping[str, Any], path: Callable[[str], str], mistakes: list[str]
) -> Account | None:
    network = NETWORKS[section]
    before = len(mistakes)
    known = {field.name for field in struct_fields(network.settings_type)}
    mistakes += [unknown(path(key), key, known) for key in given if key not in known]
    values = read_values(path, network.settings_type, given, mistakes)
    if not values.get("enabled", True):
        return Account(section=section, name=name, network=None)
    told = {mistake.partition(":")[0] for mistake in mistakes}
    for field in struct_fields(network.settings_type):
        if field.required and field.name not in values and path(field.name) not in told:
            mistakes.append(f"{path(field.name)}: missing; {description(field.type)}")
    if len(mistakes) > before:
        return None
    settings = network.settings_type(**values)
    secret = {name: values[name] for name in secrets(network.settings_type) if values.get(name)}
    mistakes += [path(problem) for problem in (*_problems(settings), *settings.problems())]
    for name_, text in secret.items():
        if re.search(r"[^!-~]", text):  # no header takes it; an invisible character is easily copied along
            mistakes.append(f"{path(name_)}: white space or a character that can't be sent; copy it once more")
    return Account(section=section, name=name, network=network(settings), secrets=tuple(secret.values()))


def _problems(settings: Settings) -> Iterable[str]:
    if settings.max_event_age_days is not None and settings.max_event_age_days < 1:
        yield "max_event_age_days: 1 or more expected"
    for name, native in settings.event_map.items():
        if native == "":
            yield f"event_map.{name}: empty; a name of the network's, or null: off"
    if not settings.base_url:
        return
    try:
        base = urlsplit(settings.base_url)
        host, _ = base.hostname, base.port
    except ValueError:
        base, host = urlsplit(""), None
    more = base.username or base.query or base.fragment or re.search(r"\s", settings.base_url)
    if not host or more or base.scheme not in ("http", "https"):
        yield "base_url: scheme and host expected, https://host.example"
    elif base.scheme == "http" and host not in LOOPBACK:
        yield "base_url: plain http goes to this machine only (127.0.0.1); use https"
