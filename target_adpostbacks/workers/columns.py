"""Postbacks written column by column, for another process: what all of a block share is there once, and made once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from types import GenericAlias
from typing import Any, get_type_hints

import msgspec

from target_adpostbacks.core.postback import Facts, Key, Postback

PARTS: dict[str, type[Key] | type[Facts]] = {"key": Key, "facts": Facts}
"""Fields of a postback that are columns themselves."""
FIELDS = Postback.__struct_fields__
_types = {name: kind for each in (Postback, Key, Facts) for name, kind in get_type_hints(each).items()}
NAMES = [name for name in _types if name not in PARTS]

Columns: Any = msgspec.defstruct(
    "Columns", [(name, GenericAlias(list, _types[name])) for name in NAMES], array_like=True, gc=False, module=__name__
)
"""A list for each column: of one value where all have the same, else of as many as there are postbacks."""


def columns_of(postbacks: Sequence[Postback]) -> Any:
    """The ``Columns`` of postbacks; None where there are none."""
    if not postbacks:
        return None
    columns = dict(zip(FIELDS, zip(*map(msgspec.structs.astuple, postbacks), strict=True), strict=True))
    for part, kind in PARTS.items():
        columns.update(zip(kind._fields, zip(*columns[part], strict=True), strict=True))
    return Columns(*(_short(columns[name]) for name in NAMES))


def _short(column: Sequence[Any]) -> Sequence[Any]:
    return column[:1] if column[0] == column[-1] and column.count(column[0]) == len(column) else column


def postbacks_of(columns: Any, count: int) -> list[Postback]:
    """The postbacks, so many, of their ``Columns``."""
    if columns is None:
        return []

    def column(name: str) -> Iterable[Any]:
        values: list[Any] = getattr(columns, name)
        return values if len(values) == count else repeat(values[0], count)

    def values(name: str) -> Iterable[Any]:
        kind = PARTS.get(name)
        return column(name) if kind is None else map(_new, repeat(kind), zip(*map(column, kind._fields), strict=True))

    return [*map(Postback, *map(values, FIELDS))]


_new = tuple.__new__  # a NamedTuple's own call takes twice as long
