"""How records are laid out: which columns they have, under which names, and how these are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import timezone, tzinfo
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

from target_adpostbacks.core.columns import (
    CLOSED_READERS,
    COLUMN_ALIASES,
    DERIVED,
    PRINTABLE_READERS,
    READERS,
    TEXT_READERS,
    TIMES,
    Reader,
    Unusable,
    read_exactly,
    read_key,
)
from target_adpostbacks.core.conversion import MAX_EVENT_ID, InvalidConversion
from target_adpostbacks.core.fields import Fields
from target_adpostbacks.core.landing import Landing
from target_adpostbacks.core.memo import MAX_TEXT
from target_adpostbacks.core.times import moment

Values = Callable[[Mapping[str, Any]], tuple[Any, ...]]


class Shape(NamedTuple):
    """How a clean record with certain columns is read at once, without a look at each of them."""

    texts: Values  # of the columns that are text
    text_columns: tuple[str, ...]  # those that may hold no control character first
    printable: int  # how many of them these are
    others: tuple[tuple[str, str, Callable[[Any], Any]], ...]  # column, field, what reads a value
    unknown: tuple[str, ...]
    ids: tuple[str, ...]


class _Remembered(dict[str, Any]):
    """What a column's few values are read as, by their spelling: that saves up to a microsecond each time."""

    def __init__(self, column: str, reader: Reader) -> None:
        self.column, self.reader = column, reader

    def __missing__(self, value: Any) -> Any:
        clean = self.reader(self.column, value)
        if value.__class__ is str and len(value) <= MAX_TEXT and len(self) < MAX_SPELLINGS:
            self[value] = clean
        return clean


MAX_SPELLINGS = 1_000
MAX_SHAPES = 1_000
"""Shapes that are remembered: a tap has one or a few for each stream."""


class Columns:
    """How records are read: the user's own column names, the zone of naive times, the identifiers to keep.

    ``fields`` maps a column to where it is found, dots reaching into objects: ``{"email": "customer.email"}``; or to a
    list of such paths, of which the first counts that leads to something. ``defaults`` are values, as a record could
    have them, for columns that it lacks, ``constants`` values over those that it has; None: the column is missing.
    ``exact``: identifiers that are kept byte for byte, each with the names of the network whose click id it is: in a
    record of that network, ``click_id`` is kept so, too.
    ``landing``: how the URLs of ads are read.
    ``minor_digits``: a record's money is in minor units, with so many digits of a currency where ISO 4217 has others.
    """

    def __init__(
        self,
        ids: Iterable[str] = (),
        fields: Mapping[str, str | Sequence[str] | None] | None = None,
        zone: tzinfo = timezone.utc,
        defaults: Mapping[str, Any] | None = None,
        constants: Mapping[str, Any] | None = None,
        exact: Mapping[str, Iterable[str]] | None = None,
        landing: Landing = Landing(),  # noqa: B008 - it is a constant
        minor_digits: Mapping[str, int] | None = None,
    ) -> None:
        self.minor_digits = minor_digits
        self.ids = frozenset(ids)
        self.fields = Fields(fields, self.ids) if fields else None
        mapped = self.fields.columns if self.fields else ()
        self.mapped_columns = frozenset(COLUMN_ALIASES.get(column, column) for column in mapped)
        self.zone = zone
        self.landing = landing
        self.defaults = {name: value for name, value in (defaults or {}).items() if value is not None}
        self.constants = {**(constants or {})}
        self.completes = bool(self.defaults or self.constants)
        self.default_properties = _properties(self.defaults)
        self.exact = exact or {}
        self.exact_click_ids = {network: name for name, networks in self.exact.items() for network in networks}
        self.readers: dict[str, Reader] = {
            **dict.fromkeys(self.ids, read_key),
            **dict.fromkeys(self.exact, read_exactly),
            **READERS,
        }
        for field in TIMES:
            self.readers[field] = partial(moment, zone=zone)
        for alias, column in COLUMN_ALIASES.items():
            self.readers[alias] = self.readers[column]
        self._remembered = {
            name: _Remembered(name, reader).__getitem__
            for name, reader in self.readers.items()
            if reader in CLOSED_READERS
        }
        self._spellings = {name.lower(): name for name in (*self.readers, "address")}
        self._shapes: dict[tuple[str, ...], Shape | None] = {}

    def completed(self, defaults: Mapping[str, Any], constants: Mapping[str, Any]) -> Columns:
        """The same with other defaults and constants."""
        other = copy(self)
        other.defaults, other.constants = {**defaults}, {**constants}
        other.completes = bool(defaults or constants)
        other.default_properties = _properties(defaults)
        return other

    def shape(self, record: Mapping[str, Any]) -> Shape | None:
        """How a clean record with these columns is read at once; None where that can't be."""
        names = tuple(record)
        try:
            return self._shapes[names]
        except KeyError:
            if len(self._shapes) >= MAX_SHAPES:
                return None
            shape = self._shapes[names] = self._shape(names)
            return shape

    def _shape(self, names: Sequence[str]) -> Shape | None:
        columns = {COLUMN_ALIASES.get(name, name) for name in names}
        if not columns.issuperset(("event_name", "event_id", "event_time")) or not columns.isdisjoint(DERIVED):
            return None
        if len(columns) < len(names) or self._respelled(names):  # one fills in for the other
            return None
        readers = {name: self.readers.get(name) for name in names}
        if any(readers[name] in TEXT_READERS for name in names if name in COLUMN_ALIASES):
            return None  # texts are read at once under their own names
        plain = [name for name, reader in readers.items() if reader in TEXT_READERS]
        printable = [name for name, reader in readers.items() if reader in PRINTABLE_READERS]
        return Shape(
            texts=itemgetter(*printable, *plain),
            text_columns=(*printable, *plain),
            printable=len(printable),
            others=tuple(
                (name, COLUMN_ALIASES.get(name, name), self._remembered.get(name) or partial(reader, name))
                for name, reader in readers.items()
                if reader and reader not in TEXT_READERS and reader not in PRINTABLE_READERS
            ),
            unknown=tuple(name for name, reader in readers.items() if reader is None),
            ids=tuple(self.ids.intersection(names)),
        )

    def spelled(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The record with ``EVENT_NAME`` as ``event_name``, where it has none of that spelling."""
        respelled = self._respelled(record)
        return {respelled.get(name, name): value for name, value in record.items()} if respelled else record

    def _respelled(self, names: Iterable[str]) -> dict[str, str]:
        names = tuple(names)
        strange = [name for name in names if name not in self.readers]
        spellings = {name: self._spellings.get(str(name).lower(), name) for name in strange}
        return {name: column for name, column in spellings.items() if column not in names}

    def is_respelled(self, name: str) -> bool:
        """Whether a name stands for a column that a record lacks: ``EVENT_NAME``."""
        return name not in self.readers and self._spellings.get(str(name).lower(), name) != name

    def own_id(self, record: Mapping[str, Any]) -> str:
        """The event id, else the order id, of a record that is no conversion; empty where it has none of use."""
        try:
            columns = self.spelled(self.mapped(record))
            for name in ("event_id", "order_id"):
                text = self.readers[name](name, columns.get(name)) if columns.get(name) is not None else None
                if text and len(text) <= MAX_EVENT_ID:
                    return str(text)
        except (InvalidConversion, Unusable, RecursionError):
            pass
        return ""

    def unmet(self, record: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
        """Those of the columns whose path in ``fields`` leads to nothing in the record."""
        return self.fields.unmet(record, columns) if self.fields else []

    def mapped(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The record with the ``fields`` setting applied."""
        return self.fields.applied(record) if self.fields else record


def _properties(defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    raw = defaults.get("properties")
    return {} if raw is None else READERS["properties"]("properties", raw) or {}
