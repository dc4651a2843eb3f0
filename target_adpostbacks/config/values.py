"""Values of a Settings type, taken out of a config: trimmed, converted, and what is wrong with them in words."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, get_args

import msgspec
from msgspec.structs import fields

struct_fields = cache(fields)  # half a millisecond each, asked for again and again


def read_values(
    path: Callable[[str], str],
    settings: type[msgspec.Struct],
    given: Mapping[str, Any],
    mistakes: list[str],
    *,
    strict: bool = False,
) -> dict[str, Any]:
    """The fields that are given, trimmed and converted; missing and empty ones are left out."""
    values = {}
    for field in struct_fields(settings):
        value = _trimmed(given.get(field.name))
        if value is None:
            continue
        if isinstance(value, int) and not isinstance(value, bool) and _takes_text(field.type):
            value = str(value)  # YAML makes numbers of ids
        try:
            values[field.name] = msgspec.convert(value, field.type, strict=strict)
        except msgspec.ValidationError as error:
            told = (_rule(str(error)), description(field.type))
            mistakes.append(f"{path(field.name)}: {'; '.join(filter(None, told))}")
    return values


def _trimmed(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, Mapping):
        return {key: member.strip() if isinstance(member, str) else member for key, member in value.items()}
    return value


def _takes_text(annotation: Any) -> bool:
    return get_args(annotation)[0] in (str, str | None)


def _rule(message: str) -> str:
    """What msgspec found wrong, in words; its text of an invalid choice holds the value, so that is left out."""
    if message.startswith("Expected"):
        rule = message.partition(" - at ")[0].partition(", got ")[0].replace("`", "").replace(" | null", "")
        return rule.replace("Expected ", "").replace("str", "text").replace("bool", "true or false") + " expected"
    return "none of its choices"


def unknown(path: str, name: str, known: Iterable[str]) -> str:
    """The mistake of a name that is no setting, with the one that is most like it."""
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"{path}: no such setting" + (f"; did you mean {close[0]}?" if close else "")


def description(annotation: Any) -> str:
    """What a field's ``doc`` says; empty without one."""
    metas = (meta for meta in getattr(annotation, "__metadata__", ()) if isinstance(meta, msgspec.Meta))
    return next((meta.description for meta in metas if meta.description), "")
