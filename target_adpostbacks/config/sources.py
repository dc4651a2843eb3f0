"""Reads ``source``, ``sources`` and the settings that say what rows mean, and says what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from target_adpostbacks.config import persons
from target_adpostbacks.config.general import is_zone
from target_adpostbacks.config.rules import (
    columns,
    problem_of_name,
    problems_of_keys,
    problems_of_names,
    unreadable,
)
from target_adpostbacks.config.source_settings import AT_TOP, RowSettings, SourceSettings
from target_adpostbacks.config.values import Level, read_level, struct_fields, unknown
from target_adpostbacks.core.conversion import InvalidConversion, Item
from target_adpostbacks.core.countries import currencies
from target_adpostbacks.core.fields import CLICK_IDS
from target_adpostbacks.core.paths import BadPath, Path
from target_adpostbacks.core.times import moment
from target_adpostbacks.rules import presets, sources
from target_adpostbacks.rules.expressions import Refused
from target_adpostbacks.rules.rows import RowExpression, RowRule
from target_adpostbacks.rules.sources import NO_SOURCE, Source

_is_name = re.compile(r"[a-z][a-z0-9_]*").fullmatch
MOST_DIGITS = 4
"""Of a currency's minor unit."""


def read_sources(level: Level, mistakes: list[str]) -> None:
    """Check what the top of the config says of sources; ``rows`` become ``RowRule``s there, ``sources`` ``Source``s."""
    values = level.values
    person = persons.names(all_fields(level.raw))
    _check(level, "", person, mistakes)
    own: dict[str, Source] = {}
    raw = level.raw.get("sources")
    for name, settings in (raw if isinstance(raw, Mapping) else {}).items():
        if (source := _own(str(name), settings, person, mistakes)) is not None:
            own[str(name)] = source
    mistakes += _problems_of_lines(own)
    values["sources"] = own
    chosen = values.get("source")
    if chosen is None:
        return
    mistakes += _problems_of_source(chosen, raw if isinstance(raw, Mapping) else {}, own)
    named = values.get("preset")
    if named in presets.names() and presets.columns(named):
        mistakes.append(
            f"preset: {named} brings columns of its own, and `source` says already what rows mean; take one of them out"
        )


def names_of(source: str | Mapping[str, str] | None) -> list[str]:
    """The sources that the setting names."""
    if source is None:
        return []
    return [name for name in ([source] if isinstance(source, str) else source.values()) if name != NO_SOURCE]


def top_layer(values: Mapping[str, Any]) -> Source:
    """What the top of the config says for every source."""
    return Source(**{name: values[name] for name in AT_TOP if values.get(name) is not None})


def all_fields(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Every path of every column, of the config's top and of whatever sources it names; whatever else is wrong."""
    raw = config.get("sources")
    layers = [config, *(raw.values() if isinstance(raw, Mapping) else ())]
    said = [layer.get("fields") for layer in layers if isinstance(layer, Mapping)]
    bases = [layer.get("extends") for layer in layers if isinstance(layer, Mapping)]
    chosen = config.get("source")
    bases += [chosen] if isinstance(chosen, str) else [*chosen.values()] if isinstance(chosen, Mapping) else []
    said += [sources.shipped(name).fields for name in sources.names() if name in bases]
    paths: dict[str, list[str]] = {}
    for fields in said:
        for column, where in fields.items() if isinstance(fields, Mapping) else ():
            listed = where if isinstance(where, list) else [where]
            paths.setdefault(str(column), []).extend(path for path in listed if isinstance(path, str))
    return paths


def _own(name: str, settings: Any, person: persons.Names, mistakes: list[str]) -> Source | None:
    path = f"sources.{name}"
    if name == NO_SOURCE:
        mistakes.append(f"{path}: `{name}` stands for no source; take another name")
        return None
    if name in sources.names():
        mistakes.append(f"{path}: the name of a preset; take another one, and set `extends: {name}`")
        return None
    if not _is_name(name):
        mistakes.append(f"{path}: not a name; a lower-case letter, then lower-case letters, digits or _ expected")
    if not isinstance(settings, Mapping):
        return None  # which was told when the top of the config was read
    known = [field.name for field in struct_fields(SourceSettings)]
    mistakes += [unknown(f"{path}.{each}", str(each), known) for each in settings if each not in known]
    level = read_level(f"{path}.", SourceSettings, settings, mistakes)
    _check(level, f"{path}.", person, mistakes)
    return Source(**level.values)


def _problems_of_lines(own: Mapping[str, Source]) -> Iterator[str]:
    """What is wrong with what sources extend."""
    known = [*own, *sources.names()]
    for name, source in own.items():
        if source.extends and source.extends not in known:
            yield unknown(f"sources.{name}.extends", source.extends, known, what="source")
        elif own.get(last := sources.line_of(name, own)[-1], Source()).extends:
            yield f"sources.{name}.extends: leads back to {last}; a source may not extend itself"


def _problems_of_source(chosen: Any, raw: Mapping[str, Any], own: Mapping[str, Source]) -> Iterator[str]:
    known = [*raw, *sources.names()]
    if chosen == {}:
        yield "source: empty; name a source, or leave the setting out"
    for path, name in (
        [("source", chosen)]
        if isinstance(chosen, str)
        else [(f"source.{pattern}", name) for pattern, name in chosen.items()]
    ):
        if name not in known and (name != NO_SOURCE or isinstance(chosen, str)):
            yield unknown(path, name, known, what="source", otherwise=f"there are {', '.join(known)}")


def unanswered(source: Source, name: str) -> Iterator[str]:
    """A mistake for each question without a default whose setting the whole of a source lacks."""
    for question in source.requires:
        if question.default is None and not _has(source, question.setting):
            yield f"{question.setting}: missing; the source {name} needs it. {question.ask}"


def _has(source: Source, setting: str) -> bool:
    name, _, member = setting.partition(".")
    said = getattr(source, name, None)
    return bool(said.get(member) if member and isinstance(said, Mapping) else said)


def _check(level: Level, place: str, person: persons.Names, mistakes: list[str]) -> None:
    """Check the settings of one place; what is wrong is taken out of them."""
    values = level.values
    mistakes += [f"{place}{problem}" for problem in _problems(values)]
    if "rows" in values:
        values["rows"] = [
            rule
            for index, raw in enumerate(values["rows"])
            if (rule := _row(f"{place}rows[{index}]", raw, person, mistakes))
        ]


def _problems(values: Mapping[str, Any]) -> Iterator[str]:
    for column, where in values.get("fields", {}).items():
        if column != CLICK_IDS and (problem := problem_of_name(column)):
            yield f"fields.{column}: {problem}"
        yield from (f"fields.{column}: {problem}" for problem in _problems_of_paths(where, is_wild=column == CLICK_IDS))
    for column, where in values.get("item_fields", {}).items():
        if column not in Item.__struct_fields__:
            yield unknown(f"item_fields.{column}", column, Item.__struct_fields__, what="column of contents")
        yield from (f"item_fields.{column}: {problem}" for problem in _problems_of_paths(where))
    for name in ("id_columns", "deleted"):
        if values.get(name) is not None:
            where = values[name]
            yield from (
                f"{name}: {problem}" for problem in _problems_of_paths([*where] if name == "id_columns" else where)
            )
    yield from _problems_of_values(values.get("values", {}))
    for name in ("defaults", "constants"):
        for column, value in values.get(name, {}).items():
            if (problem := problem_of_name(column)) or (value is not None and (problem := unreadable(column, value))):
                yield f"{name}.{column}: {problem}"
    for code, digits in values.get("minor_digits", {}).items():
        if code not in currencies():
            yield f"minor_digits.{code}: not an ISO 4217 code, for example ISK"
        if not 0 <= digits <= MOST_DIGITS:
            yield f"minor_digits.{code}: a whole number from 0 to {MOST_DIGITS} expected"
    yield from _problems_of_times(values)


def _problems_of_paths(where: Any, *, is_wild: bool = False) -> Iterator[str]:
    listed = [] if where is None else where if isinstance(where, list) else [where]
    if where == []:
        yield "empty; the path of your column expected, or a list of paths"
    for text in listed:
        if problem := _problem_of_path(text):
            yield problem
        elif is_wild and text.count("*") != 1:
            yield "one * expected in place of the identifier's name: `note_attributes[*]`"


def _problem_of_path(text: str) -> str:
    try:
        Path(text)
    except BadPath as bad:
        return str(bad)
    return ""


def _problems_of_values(values: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for column, meanings in values.items():
        if problem := problem_of_name(column):
            yield f"values.{column}: {problem}"
            continue
        for text, meaning in meanings.items():
            if isinstance(meaning, (dict, list)):
                yield f"values.{column}.{text}: a text, a number, true, false or null expected"
            elif meaning is not None and (problem := unreadable(column, meaning)):
                yield f"values.{column}.{text}: {problem}"


def _problems_of_times(values: Mapping[str, Any]) -> Iterator[str]:
    if (zone := values.get("default_timezone")) is not None and not is_zone(zone):
        yield "default_timezone: not a time zone, for example `Europe/Berlin`"
    if (time := values.get("not_before")) is not None:
        try:
            moment("not_before", time)
        except InvalidConversion:
            yield "not_before: not a time, for example `2026-11-01` or `2026-11-01T00:00:00Z`"


def rows_of(raw: Sequence[Any], place: str, mistakes: list[str]) -> list[RowRule]:
    """Rows of a shipped preset, checked."""
    nobody = persons.names(None)
    return [rule for at, each in enumerate(raw) if (rule := _row(f"{place}rows[{at}]", each, nobody, mistakes))]


def _row(path: str, raw: Any, person: persons.Names, mistakes: list[str]) -> RowRule | None:
    """The rule; None where something is wrong with it."""
    if not isinstance(raw, Mapping) or not raw:
        mistakes.append(f"{path}: an object expected, with the keys of docs/sources.md")
        return None
    found = [f"{path}.{problem}" for problem in problems_of_keys(raw, RowSettings)]
    values = read_level(f"{path}.", RowSettings, raw, found).values
    problems: list[str] = []
    rule = RowRule(
        path,
        values.get("name") or path,
        when=_expression("when", values["when"], problems) if "when" in values else None,
        sends=values.get("send", True),
        event=values.get("event", ""),
        constants=values.get("set", {}),
        computed={
            column: expression
            for column, text in values.get("compute", {}).items()
            if (expression := _expression(f"compute.{column}", text, problems))
        },
        goes_on=values.get("each", False),
    )
    problems += [*_problems_of_row(rule), *persons.misplaced_columns(rule.computed, person)]
    found += (f"{path}.{problem}" for problem in problems)
    mistakes += found
    return None if found else rule


def _expression(key: str, text: str, problems: list[str]) -> RowExpression | None:
    try:
        expression = RowExpression(text)
    except Refused as refused:
        problems.append(f"{key}: {refused}")
        return None
    problems += (
        f"{key}: {name} is no column; what the row itself holds is at('{name}')"
        for name in expression.columns
        if name not in columns()
    )
    return expression


def _problems_of_row(rule: RowRule) -> Iterator[str]:
    yield from problems_of_names(rule.name, rule.event, rule.path)
    idle = {"event": rule.event, "set": rule.constants, "compute": rule.computed, "each": rule.goes_on}
    if not rule.sends and (said := [key for key, value in idle.items() if value]):
        yield f"send: false leaves nothing to do for {', '.join(said)}; take {'it' if len(said) == 1 else 'them'} out"
    for key, members in (("set", rule.constants), ("compute", rule.computed)):
        for column in members:
            if column == "event_name":
                yield f"{key}.event_name: `event` names the event"
            elif problem := problem_of_name(column):
                yield f"{key}.{column}: {problem}"
    for column, value in rule.constants.items():
        if column in rule.computed:
            yield f"set.{column}: `compute` gives it a value, too; keep one of them"
        if column in columns() and value is not None and (problem := unreadable(column, value)):
            yield f"set.{column}: {problem}"


def own_sources(general: Any) -> Mapping[str, Source]:
    """Those of the user's own, as they were read."""
    own: Mapping[str, Source] = general.sources
    return own


def whole(general: Any, name: str) -> Source:
    """All that holds for a source by a config that was read; its rows are checked."""
    top = top_layer(msgspec.structs.asdict(general))
    source = sources.whole(name, general.sources, top)
    rows = [row if isinstance(row, RowRule) else None for row in source.rows]
    if None in rows:
        first = rows.index(None)  # those of a shipped preset come last
        base = sources.line_of(name, general.sources)[-1]
        source = msgspec.structs.replace(
            source, rows=(*source.rows[:first], *rows_of(source.rows[first:], f"source {base}, ", []))
        )
    return source


def used(general: Any) -> Iterable[str]:
    """The sources that a config reads by, each once."""
    return dict.fromkeys(names_of(general.source))


def has_zone(general: Any) -> bool:
    """Whether each source that the config reads by says in which zone its naive times are."""
    names = [*used(general)]
    return bool(names) and all(whole(general, name).default_timezone for name in names)


def warnings(general: Any) -> list[str]:
    """What the sources that a config reads by have to say at the start of a run."""
    return [f"source {name}: {warning}" for name in used(general) for warning in whole(general, name).warns]
