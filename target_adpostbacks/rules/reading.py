"""How the rows of a source become records in our own columns: its settings, made ready once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from target_adpostbacks.core.columns import read_truth
from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.fields import MAX_SHAPES, Fields
from target_adpostbacks.core.items import Items
from target_adpostbacks.core.paths import spellings_of
from target_adpostbacks.core.record import is_deleted
from target_adpostbacks.core.rows import Row
from target_adpostbacks.core.times import moment
from target_adpostbacks.core.ways import Way
from target_adpostbacks.rules.rows import Asked, Lookups, RowRule, RowValues, evaluated
from target_adpostbacks.rules.sources import Source, fits, reads

IDENTIFYING = ("event_time", "event_id", "value")
"""Columns of a shipped preset that some row ought to have."""


class Reading:
    """A ``core.ways.Rows`` by the settings of a source. ``ids``: the networks' identifiers.

    ``source``: all that holds for it, its rows checked; ``own_defaults``: those that go before everybody else's;
    ``name``: stands before ids that it derives; empty: the stream's does.
    """

    def __init__(
        self, source: Source, ids: frozenset[str], name: str, own_defaults: Mapping[str, Any] | None = None
    ) -> None:
        only = bool(source.only_fields)
        self._fields = Fields(source.fields, ids, source.values, only=only)
        self._only = only
        self._items = Items(source.item_fields, only=only) if source.item_fields else None
        self._rules: Sequence[RowRule] = source.rows
        asked = {
            each.name: each for rule in self._rules for _, expression in rule.expressions() for each in expression.asked
        }
        deleted = [source.deleted] if isinstance(source.deleted, str) else source.deleted or []
        identity = [Asked("at", (path,)) for path in source.id_columns]
        deletions = [Asked("at", (path,)) for path in deleted]
        self.asked = [*asked.values()]
        self._lookups = Lookups([*self.asked, *identity, *deletions])
        self._identity = [each.name for each in identity]
        self._deletions = [each.name for each in deletions]
        self._looks_up = bool(self._rules or identity or deletions)
        self._name = name
        self._defaults = {column: value for column, value in (own_defaults or {}).items() if value is not None}
        self._constants = source.constants

    def __call__(self, record: Mapping[str, Any]) -> Sequence[Row]:
        """A row for each conversion, or one that says why it is left out."""
        columns: dict[str, Any] = {}
        if self._only:
            taken = self._fields.only_mapped(record, columns)
        else:
            columns, taken = self._fields.merged(record)
        if self._items is not None and "contents" in columns:
            columns["contents"] = self._items.applied(columns["contents"])
        looks = self._lookups.of(record) if self._looks_up else {}
        identity = (self._name, [looks[name](record) for name in self._identity]) if self._identity else None
        rows: list[Row] = []
        try:
            if is_deleted(record) or any(_tells_deleted(looks[name](record)) for name in self._deletions):
                return [Row(columns, record, identity, ("deleted", ""))]
            values = RowValues(columns, record, looks)
            rows.extend(self._made(columns, record, identity, values, taken.get("event_name")))
        except InvalidConversion as error:  # of a later rule; the conversions of those before it stay
            rows.append(Row(columns, record, identity, ("invalid", str(error))))
        return rows

    def _made(
        self,
        columns: Mapping[str, Any],
        record: Mapping[str, Any],
        identity: tuple[str, Sequence[Any]] | None,
        values: RowValues,
        event_off: Any,
    ) -> Iterator[Row]:
        """What the rules say; where there are none, the row as it is."""
        is_made = False
        for rule in self._rules or (AS_IT_IS,):
            if rule.when is not None and not evaluated(rule, "when", rule.when, values):
                continue
            if not rule.sends:
                if not is_made:
                    yield Row(columns, record, identity, ("by_rule", rule.name))
                return
            made = {**columns, **self._said(rule, values)}
            off = event_off is not None and made.get("event_name") is None
            if off:
                made["event_name"] = str(event_off)
            made = {column: value for column, value in made.items() if value is not None}
            for column, value in self._defaults.items():
                if _is_blank(made.get(column)):
                    made[column] = value
            made |= self._constants
            left_out = ("event_off", "`values` has it off") if off else None
            yield Row(made, record, identity, left_out, awaits_original=rule.adjusts)
            is_made = True
            if not rule.goes_on:
                return
        if not is_made:
            yield Row(columns, record, identity, ("by_rule", "none of `rows` fits"))

    def _said(self, rule: RowRule, values: RowValues) -> dict[str, Any]:
        said = {"event_name": rule.event} if rule.event else {}
        said |= rule.constants
        for column, expression in rule.computed.items():
            said[column] = evaluated(rule, f"compute.{column}", expression, values)
        return said

    def met(self, record: Mapping[str, Any], column: str) -> bool:
        """Whether a path of the column leads to something, be it null."""
        return not self._fields.unmet(record, [column])


AS_IT_IS = RowRule("", "")


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _tells_deleted(value: Any) -> bool:
    """Whether it is true, or the time of a deletion. Raises InvalidConversion."""
    if value is None:
        return False
    try:
        return bool(read_truth("deleted", value))
    except InvalidConversion:
        pass
    try:
        return moment("deleted", value) is not None
    except InvalidConversion:
        raise InvalidConversion("deleted", "true, false or a time expected") from None


class Watched(NamedTuple):
    """Something that some row of a source ought to have."""

    setting: str  # "fields.value": its place in the config
    told: str  # what to say if none has
    column: str = ""  # a mapped one
    asked: Asked | None = None  # what expressions read

    def is_met(self, record: Mapping[str, Any], reading: Reading, spellings: Mapping[str, str] | None) -> bool:
        """Whether a row has it. ``spellings``: of its columns, by their lower case; None: they are no news."""
        if self.asked is None:
            return reading.met(record, self.column)
        if spellings is None:
            return False
        return any(path.first.lower() in spellings or path.text in record for path in self.asked.parsed())


class Stream(NamedTuple):
    """A source as the config names it for streams."""

    way: Way
    pattern: str | None = None  # None: those that the source itself names
    streams: Sequence[str] = ()
    name: str = ""  # of the source; empty: records are read without one
    watched: Sequence[Watched] = ()

    def takes(self, stream: str) -> bool:
        """Whether it reads a stream."""
        return reads(stream, self.streams) if self.pattern is None else fits(stream, self.pattern)


class StreamSources:
    """The ``core.ways.Sources`` of a config: the first that takes a stream reads it."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._of: dict[str, Stream | None] = {}
        self._met: set[tuple[str, tuple[str, ...]]] = set()  # streams with columns that records have had

    def _reads(self, stream: str) -> Stream | None:
        try:
            return self._of[stream]
        except KeyError:
            taken = self._of[stream] = next((each for each in self._streams if each.takes(stream)), None)
            return taken

    def way(self, stream: str) -> Way | None:
        """See ``core.ways.Sources``."""
        taken = self._reads(stream)
        return taken and taken.way

    def ways(self) -> Iterable[Way]:
        """See ``core.ways.Sources``."""
        return [each.way for each in self._streams]

    def unmet(self) -> dict[str, str]:
        """See ``core.ways.Sources``."""
        rows = {
            _met(
                each.name
            ): f"source {each.name}: no record of the run was a row of it; check the names of its streams."
            for each in self._streams
            if each.name
        }
        return rows | {watched.setting: watched.told for each in self._streams for watched in each.watched}

    def met(self, record: Mapping[str, Any], stream: str, unmet: Sequence[str]) -> Iterable[str]:
        """See ``core.ways.Sources``."""
        taken = self._reads(stream)
        if taken is None:
            return
        if (name := _met(taken.name)) in unmet:
            yield name
        reading = taken.way.rows
        if isinstance(reading, Reading):
            names = tuple(record)
            spellings = None if (stream, names) in self._met else spellings_of(names)
            if len(self._met) < MAX_SHAPES:
                self._met.add((stream, names))
            for watched in taken.watched:
                if watched.setting in unmet and watched.is_met(record, reading, spellings):
                    yield watched.setting


def _met(name: str) -> str:
    return f"source: {name}"
