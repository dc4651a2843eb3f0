"""Reads ``rules``, ``defaults`` and ``preset`` of one place in the config, and says what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple

import msgspec

from target_adpostbacks.config import persons
from target_adpostbacks.config.values import Level, read_level, struct_fields, unknown
from target_adpostbacks.core import match_keys
from target_adpostbacks.core.accounts import NOBODY
from target_adpostbacks.core.columns import COLUMN_ALIASES, READERS, Reader, Unusable, read_key
from target_adpostbacks.core.conversion import MAX_EVENT_NAME, InvalidConversion
from target_adpostbacks.core.events import canonical_event
from target_adpostbacks.core.left_out import READINGS
from target_adpostbacks.core.match_keys import is_hash
from target_adpostbacks.core.phones import digits
from target_adpostbacks.core.settings import INHERITED, Settings, doc
from target_adpostbacks.networks import NAMES, NETWORKS
from target_adpostbacks.rules import presets
from target_adpostbacks.rules.expressions import Expression, Refused
from target_adpostbacks.rules.rule import Rule

MAX_NAME = 100
"""Characters of a rule's name: the ledger keeps it."""
READ_ONCE = ("event_name", "event_id", "event_time", "network", "account")
"""Columns that say what a record is and where it goes, before any account is asked."""
FIXED = ("network", "account", "test")
"""Columns that no rule changes."""


USES: Mapping[str, Callable[[str], object]] = {
    "email": match_keys.email,
    "phone": digits,  # with a country code, or one that the settings or the record know
    "ip_address": match_keys.public_ip,
    "gender": match_keys.gender,
}
"""For a column, what networks make of a text; nothing where none can use it."""


class RuleSettings(msgspec.Struct, kw_only=True):
    """The keys of a rule."""

    name: Annotated[
        str | None,
        doc("What the log and the ledger call it. Without a name they say its place, `rules[2]`, counted from 0."),
    ] = None
    when: Annotated[
        str | None, doc("An expression: the rule applies where it is true. Without one the rule always applies.")
    ] = None
    send: Annotated[bool, doc("false: the conversion is not sent; it is skipped, `by_rule`.")] = True
    event: Annotated[
        str | None,
        doc(
            "Another name for the event. In a section it is one of the network's own or a custom one, at the top a"
            " canonical or a custom one."
        ),
    ] = None
    account: Annotated[
        str | list[str] | None,
        doc(
            "In a section: one of its accounts, or a list of some. The conversion goes to these, and nothing is written"
            " for the others. A record's own `account` wins."
        ),
    ] = None
    set: Annotated[
        Mapping[str, Any],
        doc("Columns and the values that they get, whatever the record says. null: the column is left out."),
    ] = {}
    compute: Annotated[
        Mapping[str, str | dict[str, str]], doc("Columns and the expressions that give them their values.")
    ] = {}


class Place(NamedTuple):
    """Where settings stand, and what has to be known there."""

    path: str = ""  # with a dot at its end; empty for the top
    accounts: Collection[str] | None = None  # of a section: the names of its accounts
    own_presets: Collection[str] = ()  # of a section: the names of the network's own presets
    person: persons.Names = persons.names(None)  # what a record calls the columns of a person


@cache
def columns() -> frozenset[str]:
    """Every column that a record may have a value for."""
    return frozenset(READERS).union(name for network in NETWORKS.values() for name in network.ids)


def problem_of_name(column: str) -> str:
    """What is wrong with a column's name; empty where nothing is."""
    if column in COLUMN_ALIASES:
        return f"another name of a column; write {COLUMN_ALIASES[column]}"
    if column in columns():
        return ""
    return unknown("", column, columns(), what="column", otherwise="docs/record.md lists them").removeprefix(": ")


def read_rules(place: Place, level: Level, mistakes: list[str]) -> None:
    """Check what stands in a place; its rules become ``Rule``s there."""
    values = level.values
    if "defaults" in values:
        mistakes += (f"{place.path}defaults.{problem}" for problem in _problems_of_defaults(place, values["defaults"]))
    if (name := values.get("preset")) is not None:
        mistakes += (f"{place.path}preset: {problem}" for problem in _problems_of_preset(place, name))
        if name not in presets.names() and name not in place.own_presets:
            del values["preset"]
    if "rules" in values:
        values["rules"] = [
            rule
            for index, raw in enumerate(values["rules"])
            if (rule := _rule(place, f"{place.path}rules[{index}]", raw, mistakes))
        ]


def rules_for_nobody(rules: Iterable[Rule], enabled: Collection[str]) -> Iterator[str]:
    """A mistake for each rule of a section all of whose accounts are switched off, while others are not."""
    for rule in rules:
        if rule.accounts and enabled and not any(name in enabled for name in rule.accounts):
            yield (
                f"{rule.path}.account: enabled: false switches off each account that it names, and no other would get"
                " the conversion; name one that is enabled, or set send: false"
            )


def withheld(rules: Iterable[Rule], person: persons.Names, settings: Mapping[str, Any]) -> Iterator[str]:
    """A mistake for each column that a rule computes from what an account's settings keep back."""
    if leaves := persons.leaving(settings):
        for rule in rules:
            yield from (f"{rule.path}.{problem}" for problem in persons.misplaced(rule, person, leaves))


def preset_level(settings: type[Settings], preset: presets.ForNetwork, mistakes: list[str]) -> Level:
    """What a preset says for a network, as settings of a place below all others."""
    known = {name: value for name, value in preset.settings.items() if name in INHERITED}
    level = read_level("preset.", settings, known, mistakes)
    read_rules(Place("preset."), level, mistakes)
    return level


def _problems_of_preset(place: Place, name: str) -> Iterator[str]:
    if name in place.own_presets:
        return
    if name not in presets.names():
        yield f"no such preset; there are {', '.join([*place.own_presets, *presets.names()])}"
    elif place.path and presets.columns(name):
        yield "it brings columns, and a record is read once for all networks; set it at the top of the config"


def _problems_of_defaults(place: Place, defaults: Mapping[str, Any]) -> Iterator[str]:
    for column, value in defaults.items():
        if problem := problem_of_name(column):
            yield f"{column}: {problem}"
        elif place.path and column in READ_ONCE:
            yield f"{column}: only at the top of the config, since it is read once for all networks"
        elif value is not None and (problem := unreadable(column, value)):
            yield f"{column}: {problem}"


def problems_of_route(defaults: Mapping[str, Any], accounts: Mapping[str, Collection[str]]) -> Iterator[str]:
    """What is wrong with the default network and account at the top; ``accounts``: section → names of its accounts."""
    network, account = defaults.get("network"), defaults.get("account")
    name = network.strip().lower() if isinstance(network, str) else ""
    section = NAMES.get(name, "")
    own = {each for part in accounts if NETWORKS[part].accounts_are_networks for each in accounts[part]}
    if name in own:
        accounts, section = {"": [name]}, ""
    if name and name not in NOBODY and section not in accounts:
        yield f"defaults.network: no such network in this config; there are {', '.join(accounts)}"
        return
    names = [each for part in ([section] if section else accounts) for each in accounts[part]]
    if isinstance(account, str) and account.strip() and account.strip() not in names:
        known = f"there are {', '.join(dict.fromkeys(names))}"
        yield unknown("defaults.account", account.strip(), names, what="account", otherwise=known)


def unreadable(column: str, value: Any) -> str:
    """Why a column can't have a value, whatever the record; empty: it can."""
    reader: Reader = READERS.get(column, read_key)
    try:
        clean = reader(column, value)
        return _useless(column, clean) if clean is not None else "empty; a value expected"
    except Unusable as unusable:
        return str(unusable)
    except InvalidConversion as invalid:
        return invalid.rule


def _useless(column: str, clean: Any) -> str:
    """Why no network has a use for a constant, whatever the record; empty: one may have."""
    is_useful = USES.get(column)
    values = (clean,) if isinstance(clean, str) else clean
    if is_useful is None or all(is_useful(value) or is_hash(value) for value in values):
        return ""
    return READINGS[column][0]


def _rule(place: Place, path: str, raw: Any, mistakes: list[str]) -> Rule | None:
    """The rule; None where something is wrong with it."""
    if not isinstance(raw, Mapping):
        mistakes.append(f"{path}: an object expected, with the keys of docs/rules.md")
        return None
    if not raw:
        mistakes.append(f"{path}: empty; docs/rules.md has the keys of a rule")
        return None
    found = [f"{path}.{problem}" for problem in problems_of_keys(raw, RuleSettings)]
    values = read_level(f"{path}.", RuleSettings, raw, found).values
    rule = Rule(
        path,
        values.get("name") or path,
        sends=values.get("send", True),
        event=values.get("event", "") if place.path else canonical_event(values.get("event", "")),
        accounts=(named,) if isinstance(named := values.get("account", ()), str) else tuple(named),
    )
    set_, compute = values.get("set", {}), values.get("compute", {})
    problems = [*_problems(place, rule, values), *_problems_of_columns(set_, compute)]
    rule = rule._replace(
        when=_expression("when", values["when"], problems) if "when" in values else None,
        origins={
            column: f"rule {rule.name}, {key}.{column}" for key in ("set", "compute") for column in values.get(key, {})
        },
        constants={column: value for column, value in set_.items() if column != "properties"},
        properties=_object(set_.get("properties")),
        computed={
            column: expression
            for column, text in compute.items()
            if isinstance(text, str) and (expression := _expression(f"compute.{column}", text, problems))
        },
        computed_properties={
            name: expression
            for name, text in _object(compute.get("properties")).items()
            if (expression := _expression(f"compute.properties.{name}", text, problems))
        },
    )
    problems += [*_problems_of_constants(rule), *persons.misplaced(rule, place.person)]
    found += (f"{path}.{problem}" for problem in problems)
    mistakes += found
    return None if found else rule


def problems_of_keys(raw: Mapping[str, Any], settings: type[msgspec.Struct]) -> Iterator[str]:
    """What is wrong with the keys of an object of the config that is one of a list."""
    names = sorted(field.name for field in struct_fields(settings))
    for name, value in raw.items():
        if name not in names:
            yield unknown(name, str(name), names, what="key of a rule", otherwise=f"there are {', '.join(names)}")
        elif value is None or (isinstance(value, str) and not value.strip()):
            yield f"{name}: empty; give it a value, or leave it out"


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _expression(key: str, text: str, problems: list[str]) -> Expression | None:
    try:
        return Expression(text)
    except Refused as refused:
        problems.append(f"{key}: {refused}")
        return None


def problems_of_names(name: str, event: str, path: str) -> Iterator[str]:
    """What is wrong with a rule's own name and with that of its event. ``path``: its name where it has none."""
    if len(name) > max(MAX_NAME, len(path)):
        yield f"name: longer than {MAX_NAME} characters; shorten it"
    if len(event) > MAX_EVENT_NAME:
        yield f"event: longer than {MAX_EVENT_NAME} characters; shorten it"
    for key, text in (("name", name), ("event", event)):
        if not text.isprintable():
            yield f"{key}: one line of printable characters expected"


def _problems(place: Place, rule: Rule, values: Mapping[str, Any]) -> Iterator[str]:
    yield from problems_of_names(rule.name, rule.event, rule.path)
    idle = [key for key in ("event", "account", "set", "compute") if values.get(key)]
    if not rule.sends and idle:
        yield f"send: false leaves nothing to do for {', '.join(idle)}; take {'it' if len(idle) == 1 else 'them'} out"
    if values.get("account") == []:
        yield "account: empty; a name expected, or a list of names"
    if rule.accounts and place.accounts is None:
        yield "account: only in the rules of a network's section, for it names the section's accounts"
    elif place.accounts is not None:
        for name in rule.accounts:
            if name not in place.accounts:
                known = f"there are {', '.join(place.accounts)}"
                yield unknown("account", name, place.accounts, what="account in this section", otherwise=known)


def _problems_of_columns(set_: Mapping[str, Any], compute: Mapping[str, Any]) -> Iterator[str]:
    for key, members in (("set", set_), ("compute", compute)):
        for column in members:
            if problem := _problem_of_column(column):
                yield f"{key}.{column}: {problem}"
    for column, value in set_.items():
        if column in compute and column != "properties":
            yield f"set.{column}: `compute` gives it a value, too; keep one of them"
        if column == "event_time" and value is None:
            yield "set.event_time: a conversion always has one"
        elif column in columns() and value is not None and (problem := unreadable(column, value)):
            yield f"set.{column}: {problem}"
    for column, text in compute.items():
        if (column == "properties") is isinstance(text, str):
            expected = "an object of properties and their expressions" if column == "properties" else "an expression"
            yield f"compute.{column}: {expected} expected"


def _problem_of_column(column: str) -> str:
    if column == "event_name":
        return "`event` names the event"
    if column in FIXED:
        return "no rule changes it" + ("; `account` picks an account" if column == "account" else "")
    return problem_of_name(column)


def _problems_of_constants(rule: Rule) -> Iterator[str]:
    """Of expressions that have the same value for every record."""
    for column, expression in rule.computed.items():
        if not expression.is_constant or column not in columns():
            continue
        value = expression.value({})
        if value is None and column == "event_id":
            yield "compute.event_id: empty; it identifies the conversion"
        elif value is not None and (problem := unreadable(column, value)):
            yield f"compute.{column}: {problem}"
