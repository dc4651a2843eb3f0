"""Source presets: what the rows of a common tap or table mean. A JSON file each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

PLAIN_LINES = "conversions"
"""The stream of plain lines, and of what a caller in Python delivers."""
NO_SOURCE = "none"
"""Stands for a source where a stream is read as without one."""

Paths = str | list[str] | None


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What only the user knows. ``setting`` is where the answer belongs, or each of the ``choices`` says settings."""

    ask: str
    setting: str = ""  # "fields.value"
    default: str | None = None  # what holds unanswered: a choice, or the setting's value; None: it has to be answered
    means: Any = None  # where the setting is of ``values``: the answer is a raw text, and this its meaning
    choices: Mapping[str, Mapping[str, Any]] = {}  # an answer to the settings that it stands for


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rows of a source mean; each layer of settings says a part of it. None: it says nothing of this."""

    extends: str | None = None
    streams: Sequence[str] = ()
    fields: Mapping[str, Paths] = {}
    only_fields: bool | None = None
    values: Mapping[str, Mapping[str, Any]] = {}
    rows: Sequence[Any] = ()
    value_unit: Literal["major", "minor"] | None = None
    minor_digits: Mapping[str, int] = {}
    item_fields: Mapping[str, Paths] = {}
    id_columns: Sequence[str] = ()
    default_timezone: str | None = None
    deleted: Paths = None
    not_before: str | None = None
    defaults: Mapping[str, Any] = {}
    constants: Mapping[str, Any] = {}
    requires: Sequence[Question] = ()
    warns: Sequence[str] = ()


class Shipped(Source, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the folder ``sources``: a source, and what its page says of it.

    A file may extend another: its ``fields`` and ``values`` go before the other's by key, anything else replaces.
    """

    title: str
    reads: str  # which taps and tables, with their versions
    example: Mapping[str, Any]  # a row as the tap gives it
    record: Mapping[str, Any]  # the record that it becomes, in our columns as they are read
    taps: Mapping[str, Any] = {}  # the extractor in meltano.yml: name, variant, and the settings that matter
    target: Mapping[str, Any] = {}  # settings at the top of our own config that belong beside `source`
    optional: Sequence[str] = ()  # columns that `rows` reads and that not every one of its taps has
    notes: Sequence[str] = ()  # what goes wrong, a sentence or two each


MAPS = ("fields", "minor_digits", "item_fields", "defaults", "constants")
"""Settings that are merged by key."""
LISTS = ("requires", "warns")
"""Settings of which every layer's count."""


@cache
def names() -> tuple[str, ...]:
    """What shipped presets there are."""
    found = (entry.name for entry in files(__package__).joinpath("sources").iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in found if name.endswith(".json")))


@cache
def shipped(name: str) -> Shipped:
    """The shipped preset of that name, one of ``names``, with what it has of the one that its file ``extends``."""
    return msgspec.convert(_read(name), Shipped)


def _read(name: str) -> dict[str, Any]:
    own: dict[str, Any] = msgspec.json.decode(files(__package__).joinpath("sources", f"{name}.json").read_bytes())
    if (base := own.pop("extends", None)) is None:
        return own
    said = _read(base)
    return {**said, **own} | {part: {**said[part], **own[part]} for part in ("fields", "values") if part in own}


def over(upper: Source, lower: Source) -> Source:
    """A layer over another one: maps merge by key, rows go in front, anything else replaces."""
    merged: dict[str, Any] = {name: {**getattr(lower, name), **getattr(upper, name)} for name in MAPS}
    merged["values"] = {
        column: _in_front(upper.values.get(column, {}), lower.values.get(column, {}))
        for column in {**lower.values, **upper.values}
    }
    merged["rows"] = (*upper.rows, *lower.rows)
    merged |= {name: (*getattr(lower, name), *getattr(upper, name)) for name in LISTS}
    for name in Source.__struct_fields__:
        if name not in merged:
            said = getattr(upper, name)
            merged[name] = said if said is not None and said != () else getattr(lower, name)
    return Source(**merged)


def _in_front(upper: Mapping[str, Any], lower: Mapping[str, Any]) -> dict[str, Any]:
    """Patterns are tried in their order: those of the upper layer first."""
    return {**upper, **{text: meaning for text, meaning in lower.items() if text not in upper}}


def as_source(preset: Shipped) -> Source:
    """What of a shipped preset is about rows."""
    return Source(**{name: getattr(preset, name) for name in Source.__struct_fields__})


def line_of(name: str, own: Mapping[str, Source]) -> list[str]:
    """A source's name, the one that it extends, and so on; cut off where it would come again or none is known."""
    line: list[str] = []
    following: str | None = name
    while following is not None and following not in line and (following in own or following in names()):
        line.append(following)
        following = own[following].extends if following in own else None
    return line


def whole(name: str, own: Mapping[str, Source], top: Source) -> Source:
    """All that holds for a source: ``sources.NAME`` over the top of the config, that over a shipped preset."""
    line = line_of(name, own)
    source = as_source(shipped(line[-1])) if line[-1] not in own else Source()
    source = over(top, source)
    for each in reversed([each for each in line if each in own]):
        source = over(own[each], source)
    return source


def reads(stream: str, patterns: Sequence[str]) -> bool:
    """Whether a source of these streams reads one, also behind a schema, or plain lines; ``!tracks``: all but that."""
    if stream == PLAIN_LINES:
        return True
    if any(_fits(stream, pattern[1:]) for pattern in patterns if pattern.startswith("!")):
        return False
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    return not wanted or any(_fits(stream, pattern) for pattern in wanted)


def fits(stream: str, pattern: str) -> bool:
    """Whether a stream's name is of that pattern, in any case of letters."""
    return fnmatchcase(stream.lower(), pattern.lower())


def _fits(stream: str, pattern: str) -> bool:
    return fits(stream, pattern) or fits(stream, f"*-{pattern}")
