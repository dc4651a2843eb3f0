"""Reads the config: merges sections and accounts, and checks them without showing a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from target_adpostbacks.config import persons
from target_adpostbacks.config.assets import shared_assets, shared_token_files
from target_adpostbacks.config.general import General, SdkSettings, is_zone
from target_adpostbacks.config.notify import read_notify
from target_adpostbacks.config.rules import (
    Place,
    preset_level,
    problems_of_route,
    read_rules,
    rules_for_nobody,
    withheld,
)
from target_adpostbacks.config.source_settings import OF_SOURCES
from target_adpostbacks.config.values import (
    Level,
    Merged,
    description,
    merged,
    read_level,
    setting_of,
    struct_fields,
    unknown,
)
from target_adpostbacks.core.accounts import NOBODY, Account
from target_adpostbacks.core.columns import COLUMN_ALIASES
from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.digests import SHORTEST_KEY
from target_adpostbacks.core.disclosure import MATCH_KEYS
from target_adpostbacks.core.health import THRESHOLDS
from target_adpostbacks.core.settings import INHERITED, Settings, examples, extras, is_loopback, secrets
from target_adpostbacks.core.times import moment
from target_adpostbacks.networks import NAMES, NETWORKS
from target_adpostbacks.rules import presets

MOST = 100_000
"""Of a threshold of ``health``: hours, percent, conversions."""
NEEDS_ROWS = "needs rows of what was accepted; use a ledger with ledger_layout: full, or leave it out"
ACCOUNT_NAME = re.compile(r"[a-z][a-z0-9_]*").fullmatch


class InvalidConfig(ValueError):
    """Every mistake in the configuration, a line each with path, rule and next step; never a value."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(self.mistakes))


def read(config: Mapping[str, Any]) -> tuple[General, dict[str, list[Account]]]:
    """The general settings and every section's accounts. Raises InvalidConfig with all mistakes at once."""
    mistakes: list[str] = []
    settings = {field.name for kind in (General, SdkSettings) for field in struct_fields(kind)}
    settings |= NETWORKS.keys() | set(INHERITED)
    mistakes += [unknown(name, name, settings) for name in config if name not in settings]
    read_level("", SdkSettings, config, mistakes, strict=True)  # the SDK converts nothing
    general = _general(config, mistakes)
    sections: dict[str, list[Account]] = {}
    try:
        sections = accounts(config)
    except InvalidConfig as error:
        mistakes += error.mistakes
    if any(isinstance(config.get(section), Mapping) for section in NETWORKS):
        mistakes += problems_of_route(general.defaults, _account_names(config))
    if general.dedup_days:
        from target_adpostbacks.config import dedup  # most configs forget nothing

        mistakes += dedup.problems(general.dedup_days, sections)
    if not mistakes and not sections and not general.performance:
        mistakes.append(f"no network: add a section for one of {', '.join(NETWORKS)}")
    if mistakes:
        raise InvalidConfig(dict.fromkeys(mistakes))  # what stands at the top is read for sections, too
    return general, sections


def of_top(config: Mapping[str, Any]) -> General:
    """The general settings alone, of a config without networks. Raises InvalidConfig."""
    mistakes: list[str] = []
    general = _general(config, mistakes)
    if mistakes:
        raise InvalidConfig(mistakes)
    return general


def _account_names(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Section → the names of its accounts, whatever else is wrong there."""
    sections = {name: config[name] for name in NETWORKS if isinstance(config.get(name), Mapping)}
    several = {name: section.get("accounts") or {} for name, section in sections.items()}
    return {
        name: [*map(str, each)] if isinstance(each, Mapping) and each else ["default"] for name, each in several.items()
    }


def accounts(config: Mapping[str, Any]) -> dict[str, list[Account]]:
    """Section → its accounts, of the networks that the config has. Raises InvalidConfig with all mistakes at once."""
    mistakes: list[str] = []
    inherited = {name: config[name] for name in INHERITED if name in config}
    top = Place(person=persons.names(_all_fields(config)))
    common = _checked(top, Settings, inherited, mistakes)
    sections = {
        section: _section(section, config[section], common, top, mistakes)
        for section in NETWORKS
        if config.get(section) is not None
    }
    if mistakes:
        raise InvalidConfig(dict.fromkeys(mistakes))  # a section's own mistake would be told for each account
    return sections


def missing(section: str, config: Any) -> list[str]:
    """The paths of settings that a section needs and lacks."""
    try:
        accounts({section: config})
    except InvalidConfig as error:
        parts = (mistake.partition(": missing") for mistake in error.mistakes)
        return [path for path, lacks, _ in parts if lacks]
    return []


def hints(sections: Mapping[str, Iterable[Account]], now: datetime) -> list[str]:
    """What is unusual about the accounts' settings, though it may work, and what soon won't."""
    return [
        f"{account.label}.{hint}"
        for section in sections.values()
        for account in section
        if account.network
        for hint in (*account.network.settings.hints(), *account.network.settings.expiring(now))
    ]


def trials(sections: Mapping[str, Iterable[Account]]) -> list[str]:
    """Which accounts send to this machine and not to their network; a line for each address."""
    labels: dict[str, list[str]] = {}
    for section in sections.values():
        for account in section:
            if account.network and account.network.trial_at:
                labels.setdefault(account.network.trial_at, []).append(account.label)
    return [
        f"Trial: {', '.join(names)} sends to {address}. What is accepted there counts for no network; "
        "if it is a proxy to the network, set `proxy: true`."
        for address, names in labels.items()
    ]


def _general(config: Mapping[str, Any], mistakes: list[str]) -> General:
    flat = {name: value for name, value in config.items() if name != "notify"}
    level = read_level("", General, flat, mistakes)
    general = level.values
    general["notify"] = read_notify(config.get("notify"), mistakes)
    is_sourced = not OF_SOURCES.isdisjoint(config)
    if is_sourced:
        from target_adpostbacks.config import sources  # many configs say nothing of them

        sources.read_sources(level, mistakes)
    if general.get("performance") or general.get("report"):
        from target_adpostbacks.config import performance  # most configs have neither

        performance.problems_of_streams(general.get("performance", {}), mistakes)
        performance.problems_of_report(general.get("report", {}), mistakes)
    if general.get("clicks"):
        from target_adpostbacks.config import clicks

        clicks.problems(general["clicks"], mistakes)
    mistakes += _erasure_problems(general)
    if general.get("ledger_layout") == "compact":
        mistakes += [f"{name}: {NEEDS_ROWS}" for name in ("erasure_index", "notify") if general.get(name)]
    if not is_zone(general.get("default_timezone", "UTC")):
        mistakes.append("default_timezone: not a time zone, for example `Europe/Berlin`")
        del general["default_timezone"]
    read = General(**general)
    if is_sourced and not mistakes:
        for name in sources.used(read):
            mistakes += sources.unanswered(sources.whole(read, name), name)
    return read


def _all_fields(config: Mapping[str, Any]) -> Mapping[str, Any]:
    if OF_SOURCES.isdisjoint(config):
        return {}
    from target_adpostbacks.config import sources

    return sources.all_fields(config)


def _erasure_problems(general: Mapping[str, Any]) -> Iterable[str]:
    key = general.get("erasure_key")
    if key is not None and len(key) < SHORTEST_KEY:
        yield f"erasure_key: shorter than {SHORTEST_KEY} characters; `openssl rand -hex 32` makes one"
    for name in ("erasure_index", "suppress", "clicks"):
        if general.get(name) and key is None:
            yield f"{name}: needs erasure_key, a secret of at least {SHORTEST_KEY} characters"


def _section(section: str, config: Any, common: Level, top: Place, mistakes: list[str]) -> list[Account]:
    if not isinstance(config, Mapping):
        mistakes.append(f"{section}: an object expected, as in sample_config.json")
        return []
    several = config.get("accounts") or {}
    names = [*map(str, several)] if isinstance(several, Mapping) and several else ["default"]
    place = top._replace(path=f"{section}.", accounts=names, own_presets=NETWORKS[section].own_presets)
    shared = _level(section, place, {name: value for name, value in config.items() if name != "accounts"}, mistakes)
    if not isinstance(several, Mapping):
        mistakes.append(f"{section}.accounts: an object expected, with your own name for each account and its settings")
        mistakes += _problems(section, merged(common, shared), in_part=True)
        return []
    if not several:
        return _account(section, "default", (common, shared), top, mistakes)
    accounts: list[Account] = []
    settings_of: dict[str, Merged] = {}
    for name, settings in several.items():
        path = f"{section}.accounts.{name}"
        if NETWORKS[section].accounts_are_networks and (name in NAMES or name in NOBODY):
            mistakes.append(f"{path}: a record's `network` may have this name and mean another; take another name")
        if not ACCOUNT_NAME(name):
            mistakes.append(f"{path}: not a name; a lower-case letter, then lower-case letters, digits or _ expected")
        if isinstance(settings, Mapping):
            level = _level(section, place._replace(path=f"{path}.", accounts=None), settings, mistakes)
            settings_of[name] = merged(common, shared, level)
            accounts += _account(section, name, (common, shared, level), top, mistakes)
        else:
            mistakes.append(f"{path}: an object expected")
            mistakes += _problems(section, merged(common, shared), in_part=True)
    mistakes += shared_assets(section, settings_of)
    mistakes += shared_token_files(accounts)
    enabled = [name for name, settings in settings_of.items() if settings.values.get("enabled", True)]
    mistakes += rules_for_nobody(shared.values.get("rules", ()), enabled)
    return accounts


def _level(section: str, place: Place, raw: Mapping[str, Any], mistakes: list[str]) -> Level:
    settings = NETWORKS[section].settings_type
    names = {field.name for field in struct_fields(settings)}
    mistakes += [unknown(f"{place.path}{name}", name, names) for name in raw if name not in names]
    return _checked(place, settings, raw, mistakes)


def _checked(place: Place, settings: type[Settings], raw: Mapping[str, Any], mistakes: list[str]) -> Level:
    """The settings of one place."""
    level = read_level(place.path, settings, raw, mistakes)
    mistakes += [place.path + problem for problem in problems_of_level(level.values)]
    read_rules(place, level, mistakes)
    return level


def _account(section: str, name: str, levels: Sequence[Level], top: Place, mistakes: list[str]) -> list[Account]:
    """The account; nothing where something is wrong with its settings."""
    network, settings = NETWORKS[section], merged(*levels)
    if not settings.values.get("enabled", True):
        return [Account(section=section, name=name, network=None, is_network=network.accounts_are_networks)]
    chosen: str = settings.values.get("preset") or ""
    own_preset = network.own_presets.get(chosen)
    preset = presets.for_network(chosen, section) if own_preset is None else None
    if own_preset is not None:
        settings = merged(read_level("preset.", network.settings_type, own_preset.settings, mistakes), *levels)
    elif preset:
        settings = merged(preset_level(network.settings_type, preset, mistakes), *levels)
    problems = _problems(section, settings)
    problems += withheld(settings.values.get("rules", ()), top.person, settings.values)
    mistakes += problems
    if problems or settings.wrong:
        return []
    made = network(network.settings_type(**settings.values), preset.table if preset else None, name)
    hidden, is_network = made.settings.hidden(), network.accounts_are_networks
    return [Account(section=section, name=name, network=made, secrets=hidden, is_network=is_network)]


def _problems(section: str, settings: Merged, *, in_part: bool = False) -> list[str]:
    """What is wrong with an account's settings beside their types; ``in_part``: settings that it has are not known.

    An example stands in for each setting that is missing or wrong, so that the others can be checked.
    """
    type_, values = NETWORKS[section].settings_type, settings.values
    if not values.get("enabled", True):
        return []
    problems: list[str] = []
    if not in_part:
        problems += [
            f"{field.name}: missing. {description(field.type)}"
            for field in struct_fields(type_)
            if field.required and field.name not in {*values, *settings.wrong}
        ]
    for name in sorted(secrets(type_)):
        if extras(type_)[name].get("multiline"):
            continue
        value = values.get(name, "")
        if isinstance(value, str) and re.search(r"[^!-~]", value):  # no header takes it
            problems.append(f"{name}: contains white space or a character that cannot be sent; copy it again")
    problems += _format_problems(values)
    reported = settings.wrong | {setting_of(problem) for problem in problems}
    stand_ins = {name: value for name, value in examples(type_).items() if in_part or name in reported}
    problems += [
        problem for problem in type_(**{**stand_ins, **values}).problems() if setting_of(problem) not in reported
    ]
    return [settings.path(problem) for problem in problems]


def problems_of_level(values: Mapping[str, Any]) -> Iterable[str]:
    """What is wrong with the settings of one place, beside their types: ``"setting: what is wrong"``."""
    for event, native in values.get("event_map", {}).items():
        if native == "":
            yield f"event_map.{event}: empty; the network's name of the event expected, or null to switch it off"
    for name, limit in values.get("health", {}).items():
        if name not in THRESHOLDS:
            yield unknown(f"health.{name}", name, THRESHOLDS, what="threshold")
        elif not 0 <= limit <= MOST:
            yield f"health.{name}: a number from 0 to {MOST} expected"
    try:
        moment("token_created_at", values.get("token_created_at", ""))
    except InvalidConversion:
        yield "token_created_at: not a date, for example `2026-05-01`"
    yield from _match_key_problems(values.get("match_keys"))
    triggers = values.get("trigger_events")
    if triggers == []:
        yield "trigger_events: empty; name the events to send, or leave the setting out to send all"
    yield from (
        f"trigger_events[{i}]: empty; an event's name expected" for i, name in enumerate(triggers or ()) if not name
    )


def _match_key_problems(listed: Sequence[str] | None) -> Iterable[str]:
    if listed is None:
        return
    if not listed:
        yield "match_keys: empty, and nobody could be found; name the columns that may leave, or leave the setting out"
    known = MATCH_KEYS.union(*(network.ids for network in NETWORKS.values()))
    known |= {f"properties.{name}" for network in NETWORKS.values() for name in network.match_properties}
    for i, name in enumerate(listed):
        if name in COLUMN_ALIASES:
            yield f"match_keys[{i}]: another name of a column; write {COLUMN_ALIASES[name]}"
        elif name not in known:
            yield unknown(f"match_keys[{i}]", name, known, what="match key")


def _format_problems(values: Mapping[str, Any]) -> Iterable[str]:
    if values.get("max_event_age_days", 1) < 1:
        yield "max_event_age_days: 1 or more expected"
    if values.get("max_event_age_days", 1) > 36_500:
        yield "max_event_age_days: at most 36500 expected"
    base_url = values.get("base_url", "")
    if not base_url:
        return
    try:
        base = urlsplit(base_url)
        host, _ = base.hostname, base.port
    except ValueError:
        base, host = urlsplit(""), None
    more = base.username or base.query or base.fragment or re.search(r"\s", base_url)
    if not host or more or base.scheme not in ("http", "https"):
        yield "base_url: not a scheme and a host, for example https://host.example"
    elif base.scheme == "http" and not is_loopback(host):
        yield "base_url: plain http is for this machine only (127.0.0.1); use https"
