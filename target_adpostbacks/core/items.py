"""The setting ``item_fields``: what the entries of ``contents`` call their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from target_adpostbacks.core.columns import ITEM_READERS, Unusable
from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.fields import Fields
from target_adpostbacks.core.paths import decoded

IDS = frozenset({"id", "group_id"})
TYPES: Mapping[str, type] = {"id": str, "group_id": str, "quantity": int, "price": float}
"""Columns that sources often write in another type."""


class Items:
    """Entries of ``contents`` in our own columns; ``setting`` as ``fields``; ``only``: no other column is read."""

    def __init__(self, setting: Mapping[str, str | Sequence[str] | None], *, only: bool = False) -> None:
        self._fields = Fields(setting, frozenset(), only=only)
        self._only = only

    def applied(self, contents: Any) -> Any:
        """The entries; what is no object or list of objects stays, to be refused as what it is."""
        listed = decoded(contents) if isinstance(contents, str) else contents
        entries = [listed] if isinstance(listed, Mapping) else listed
        if not isinstance(entries, (list, tuple)) or not all(isinstance(entry, Mapping) for entry in entries):
            return contents
        return [self._entry(entry) for entry in entries]

    def _entry(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        if not any(_is_no_id(value) for value in entry.values()):
            return self._read(entry)
        ids = {name: None if _is_no_id(value) else value for name, value in entry.items()}
        mapped = self._read(ids)
        return {**self._read(entry), **{name: mapped.get(name) for name in IDS}}

    def _read(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        read: dict[str, Any] = {}
        if self._only:
            self._fields.only_mapped(entry, read)
        else:
            read = self._fields.applied(entry)
        for field, value in read.items():
            if value.__class__ is not TYPES.get(field, value.__class__):
                read[field] = _converted(field, value)
        return read


def _converted(field: str, value: Any) -> Any:
    """The value as it is wanted, which spares a second look at the whole record; what can't be read stays."""
    try:
        clean = ITEM_READERS[field](field, value)
    except (Unusable, InvalidConversion):
        return value
    return value if clean is None else clean


def _is_no_id(value: Any) -> bool:
    """``false`` and 0 stand for no id."""
    return value is False or (value.__class__ in (int, str) and value in (0, "0"))
