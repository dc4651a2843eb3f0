"""Reads the values of a Settings type from a config, and says in words what is wrong with them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec
from msgspec.structs import fields

struct_fields = cache(fields)  # half a millisecond each, asked for again and again


class Level(NamedTuple):
    """The settings that stand in one place: at the top of the config, in a section, or in one of its accounts."""

    path: str  # of the place, with a dot at its end; empty for the top
    raw: Mapping[str, Any]  # as they stand there
    values: dict[str, Any]  # trimmed and converted, without what is empty or wrong
    wrong: frozenset[str]  # settings that can't be converted; of an object the members that can be stay in ``values``
    maps: frozenset[str]  # settings that are objects of the user's own names, and merged with those of other levels


def read_level(
    path: str,
    settings: type[msgspec.Struct],
    raw: Mapping[str, Any],
    mistakes: list[str],
    *,
    strict: bool = False,
) -> Level:
    """The settings of one place; what can't be converted is added to ``mistakes``."""
    values: dict[str, Any] = {}
    wrong: set[str] = set()
    for field in struct_fields(settings):
        value = _trimmed(raw.get(field.name))
        if value is None:
            if field.default is not None and field.name in raw and raw[field.name] is None and _takes_none(field.type):
                values[field.name] = None  # for a setting with another default, null says something
            continue
        if isinstance(value, int) and not isinstance(value, bool) and _takes_text(field.type):
            value = str(value)  # YAML makes numbers of ids
        if (value is False or value == "false") and "off" in _choices(field.type):
            value = "off"  # YAML makes false of it
        try:
            values[field.name] = msgspec.convert(value, field.type, strict=strict)
        except msgspec.ValidationError as error:
            wrong.add(field.name)
            if isinstance(value, Mapping) and _takes_members(field.type):
                values[field.name] = _members(f"{path}{field.name}", field.type, value, mistakes)
            else:
                mistakes.append(_mistake(f"{path}{field.name}", field.type, error))
    maps = frozenset(field.name for field in struct_fields(settings) if _takes_members(field.type))
    return Level(path, raw, values, frozenset(wrong), maps)


def _takes_members(annotation: Any) -> bool:
    """Whether a setting is an object of the user's own names: each member is right or wrong by itself."""
    return get_origin(get_args(annotation)[0]) is Mapping


def _members(path: str, type_: Any, members: Mapping[str, Any], mistakes: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in members.items():
        member = {name: value}
        try:
            values |= msgspec.convert(member, type_)
        except msgspec.ValidationError as error:
            mistakes.append(_mistake(f"{path}.{name}", type_, error))
    return values


def _trimmed(value: Any, depth: int = 4) -> Any:
    if isinstance(value, str):
        return value.strip() or (None if depth == 4 else "")
    if isinstance(value, Mapping) and depth:
        return {key: _trimmed(member, depth - 1) for key, member in value.items()}
    return [_trimmed(member, depth - 1) for member in value] if isinstance(value, list) and depth else value


def _takes_text(annotation: Any) -> bool:
    return get_args(annotation)[0] in (str, str | None)


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The texts that a setting may be; none where it is no choice."""
    type_ = get_args(annotation)[0]
    return get_args(type_) if get_origin(type_) is Literal else ()


def _takes_none(annotation: Any) -> bool:
    return type(None) in get_args(get_args(annotation)[0])


def _mistake(path: str, type_: Any, error: msgspec.ValidationError) -> str:
    index = _INDEX(str(error))
    rule = _rule(str(error))
    if rule == NO_CHOICE and (choices := _choices(type_)):
        rule += f": {', '.join(map(str, choices))}"
    return f"{path}{index[1] if index else ''}: {'. '.join(filter(None, (rule, description(type_))))}"


_INDEX = re.compile(r".* - at `\$(\[\d+\])`", re.DOTALL).fullmatch


NO_CHOICE = "not one of its choices"
_EXPECTED = re.compile(r"Expected `([a-z]+)[^`]*`(?: (>=|<=) ([0-9]+))?").match
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    ">=": "of at least",
    "<=": "of at most",
}


def _rule(message: str) -> str:
    """What msgspec found wrong, in words; its text of an invalid choice holds the value, so that is left out."""
    if expected := _EXPECTED(message):
        return f"{' '.join(_WORDS.get(word, word) for word in expected.groups() if word)} expected"
    return NO_CHOICE


class Merged(NamedTuple):
    """The settings of an account: each as it stands in the last of the levels that name it."""

    values: dict[str, Any]
    wrong: frozenset[str]
    paths: Mapping[str, str]
    path_of_missing: str

    def path(self, problem: str) -> str:
        """``"setting: what is wrong"`` with the place where the setting stands."""
        return self.paths.get(setting_of(problem), self.path_of_missing) + problem


def merged(*levels: Level) -> Merged:
    """The settings of several levels, the last one's before those of the others; maps are merged, rules joined."""
    level_of = {name: level for level in levels for name in level.raw}
    values = {name: level.values[name] for name, level in level_of.items() if name in level.values}
    for name in values:
        if name in level_of[name].maps:
            maps = [level.values.get(name, {}) for level in levels]
            values[name] = _joined(maps)
            if name == "defaults" and all(isinstance(each.get("properties", {}), Mapping) for each in maps):
                properties = _joined(each["properties"] for each in maps if "properties" in each)
                values[name] |= {"properties": properties} if properties else {}
    if "rules" in values:  # the first one that applies counts, so the nearest come first
        values["rules"] = tuple(rule for level in reversed(levels) for rule in level.values.get("rules", ()))
    wrong = frozenset(name for name, level in level_of.items() if name in level.wrong)
    return Merged(values, wrong, {name: level.path for name, level in level_of.items()}, levels[-1].path)


def _joined(maps: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: member for each in maps for key, member in each.items()}


def setting_of(problem: str) -> str:
    """``"event_map.lead: what is wrong"`` -> ``"event_map"``."""
    return re.split(r"[.:]", problem, maxsplit=1)[0]


def unknown(path: str, name: str, names: Iterable[str], *, what: str = "setting", otherwise: str = "") -> str:
    """The mistake of a name that is no setting, with the one that is most like it; ``otherwise``: where none is."""
    close = difflib.get_close_matches(name, sorted(names), n=1)
    next_step = f"did you mean {close[0]}?" if close else otherwise
    return f"{path}: no such {what}" + (f"; {next_step}" if next_step else "")


def description(annotation: Any) -> str:
    """What a field's ``doc`` says; empty without one."""
    metas = (meta for meta in getattr(annotation, "__metadata__", ()) if isinstance(meta, msgspec.Meta))
    return next((meta.description for meta in metas if meta.description), "")
