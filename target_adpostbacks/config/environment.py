"""Reads settings from environment variables: a section of a file and its variables make one section."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from target_adpostbacks.config.describing import described as described_settings
from target_adpostbacks.config.general import SdkSettings
from target_adpostbacks.config.reading import missing
from target_adpostbacks.config.values import unknown
from target_adpostbacks.networks import NETWORKS

Schema = Mapping[str, Any]

STARTED_BY_MELTANO = ("MELTANO_LOADER_NAME", "MELTANO_EXTRACTOR_NAME")
"""Meltano sets one of them for a plugin. It has read the variables, and written them into the config file."""
IN_MELTANO = "MELTANO_PROJECT_ROOT"
NO_SETTINGS = frozenset({"LOGLEVEL"})
"""Variables that the SDK reads for itself."""
WORDS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


class Settings(NamedTuple):
    """The settings of the files with those of the environment over them."""

    config: dict[str, Any]
    variables: Mapping[str, str]  # path of a setting → the variable that it comes from
    warnings: list[str]  # about variables that are not used

    def named(self, mistake: str) -> str:
        """``"tiktok.concurrency: …"`` with the variable that it comes from behind the path, if there is one."""
        path, colon, rule = mistake.partition(":")
        variable = self.variables.get(path.partition("[")[0])  # of a list: tiktok.rules[0].when
        return f"{path} ({variable}){colon}{rule}" if variable else mistake


def settings(
    files: Mapping[str, Any], described: Callable[[], Schema], prefix: str, environ: Mapping[str, str]
) -> Settings:
    """The config. ``files``: what they say; ``described``: gives its JSON Schema, which no variable makes needless.

    ``TARGET_ADPOSTBACKS_TIKTOK`` holds a section as JSON, ``TARGET_ADPOSTBACKS_TIKTOK_PIXEL_CODE`` one of its settings,
    which goes before the section's. Sections and accounts are merged setting by setting, and the environment goes
    before the files. An empty variable is none. What does not fit its type is left for ``read`` to refuse.
    """
    if files and any(environ.get(name) for name in STARTED_BY_MELTANO):
        return Settings(dict(files), {}, [])
    config, variables = dict(files), dict[str, str]()
    known = _known(described(), prefix) if any(name.startswith(prefix) for name in environ) else {}
    present = [name for name in known if environ.get(name, "").strip()]
    for name in sorted(present, key=lambda name: len(known[name][0])):  # sections first
        path, schema = known[name]
        value = _value(environ[name].strip(), schema)
        if environ.get(IN_MELTANO) and isinstance(value, dict):
            value = _nested(value)
        if _put(config, path, value, schema):
            variables |= dict.fromkeys(_paths(".".join(path), value), name)
    warnings = [] if environ.get(IN_MELTANO) else _unknown(environ, prefix, known)
    for section in NETWORKS:
        if section in config and files.get(section) is None and prefix + section.upper() not in present:
            warnings += _incomplete(section, config, variables)
    return Settings(config, variables, warnings)


def _known(described: Schema, prefix: str) -> dict[str, tuple[tuple[str, ...], Schema]]:
    """Variables, each to the path and the JSON Schema of its setting."""
    properties = {**described_settings(SdkSettings), **described["properties"]}
    return {prefix + "_".join(path).upper(): (path, schema) for path, schema in _settings({"properties": properties})}


def _settings(schema: Schema, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Every setting: sections, what is in them, and what is in the objects of the SDK."""
    for name, inner in _members(schema).items():
        yield (*above, name), inner
        yield from _settings(inner, (*above, name))


def _members(schema: Schema) -> Mapping[str, Schema]:
    """The settings in an object; none in stream maps, whose keys are the user's."""
    return {name: inner for name, inner in (schema.get("properties") or {}).items() if not name.startswith("__")}


def _of_accounts(schema: Schema) -> Schema:
    """What each member of ``accounts`` may have; nothing for any other setting."""
    inner = schema.get("additionalProperties")
    return inner if isinstance(inner, Mapping) and "properties" in inner and not _members(schema) else {}


def _put(config: dict[str, Any], path: tuple[str, ...], value: Any, schema: Schema) -> bool:
    """Set one setting; False where there is something else than an object above it."""
    place = config
    for name in path[:-1]:
        above = {} if place.get(name) is None else place[name]
        if not isinstance(above, Mapping):
            return False
        place[name] = place = dict(above)
    place[path[-1]] = _merged(place.get(path[-1]), value, schema)
    return True


def _merged(before: Any, value: Any, schema: Schema) -> Any:
    """A section or its accounts with the settings of both, those of ``value`` first; else ``value``."""
    members, account = _members(schema), _of_accounts(schema)
    if not (isinstance(before, Mapping) and isinstance(value, Mapping) and (members or account)):
        return value
    inner = {name: _merged(before.get(name), value[name], members.get(name, account)) for name in value}
    return {**before, **inner}


def _value(text: str, schema: Schema) -> Any:
    """A variable's text as the type that the setting has; the text itself if it is none of that type."""
    types = schema.get("type") or "string"
    kinds = {types} if isinstance(types, str) else {*types}
    if kinds & {"object", "array"}:
        return _object_or_list(text, kinds)
    if "string" in kinds:
        return text
    if "boolean" in kinds:
        return WORDS.get(text.lower(), text)
    return None if text == "null" and "null" in kinds else _number(text, kinds)


def _object_or_list(text: str, kinds: set[str]) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, dict if "object" in kinds else list):
        return value
    if "array" in kinds and "string" not in kinds and text[0] not in '[{"':
        return [part.strip() for part in text.split(",")]
    return text


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    r"""An object as Meltano writes it into a variable, ``{"eu.event_map.my\.lead": "Lead"}``, as the config has it."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        place = nested
        *above, last = (part.replace(r"\.", ".") for part in re.split(r"(?<!\\)\.", name))
        for part in above:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                return dict(flat)
        place[last] = value
    return nested


def _number(text: str, kinds: set[str]) -> Any:
    for read in (int, float) if "number" in kinds else (int,):
        try:
            number = read(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


def _paths(path: str, value: Any) -> Iterator[str]:
    """The path, and those inside the value: ``tiktok.accounts.eu.event_map.lead`` is the longest that has a rule."""
    yield path
    if isinstance(value, Mapping) and path.count(".") < 4:
        for name, member in value.items():
            yield from _paths(f"{path}.{name}", member)


def _unknown(environ: Mapping[str, str], prefix: str, known: Mapping[str, Any]) -> list[str]:
    """Variables that look like settings, and are none."""
    read = {*known, *(prefix + name for name in NO_SETTINGS)}
    inside = tuple(f"{prefix}{name.upper()}_" for name in SdkSettings.__struct_fields__)  # only the SDK knows them all
    names = sorted(
        name for name in environ if name.startswith(prefix) and name not in read and not name.startswith(inside)
    )
    return [f"Not used: {unknown(name, name, known)}" for name in names]


def _incomplete(section: str, config: dict[str, Any], variables: dict[str, str]) -> list[str]:
    """Take out a section that consists of single variables and lacks something; say so."""
    lacking = missing(section, config[section])
    if not lacking:
        return []
    del config[section]
    names = sorted({variables.pop(path) for path in [*variables] if path.startswith(f"{section}.")})
    return [f"{_are(names)} not used: {_are(lacking)} missing. Nothing is sent to {section}."]


def _are(names: list[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
