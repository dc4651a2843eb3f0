"""The setting ``fields``: the user's own names of columns, and where in a record they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from target_adpostbacks.core.meanings import Meaning
from target_adpostbacks.core.paths import ABSENT, Path, Reader, decoded, paths, spellings_of, value_of
from target_adpostbacks.core.properties import MATCH_COLUMNS

CONSENT = frozenset({"consent", "ad_user_data", "ad_personalization", "ad_storage"})
ALONE = MATCH_COLUMNS | CONSENT
"""Columns for which no other stands in where they are mapped: another person may be there, or another consent."""
ALWAYS = CONSENT | {"gpc", "opt_out", "limited_data_use"}
"""Columns that are read at the top of a record even where ``only_fields`` leaves out its others."""
OBJECTS = frozenset({"contents", "properties"})
"""Columns that may be objects; in others an object is nothing."""
CLICK_IDS = "click_ids"
"""Stands in the setting for every identifier that a network declares: ``note_attributes[*]``."""
MAX_SHAPES = 1_000
"""Sets of columns that are remembered: a tap has one or a few for each stream."""


class Plan(NamedTuple):
    """Where a record with certain columns has what is mapped."""

    columns: Sequence[tuple[str, Sequence[Reader], Meaning | None, bool]]  # the last: whether it may be an object
    click_ids: Sequence[Reader]  # of objects or lists with identifiers among their members
    kept: Sequence[tuple[str, str, Meaning | None]]  # the record's own name, the column
    lacking: Sequence[str]  # mapped columns none of whose paths begins in such a record


class Fields:
    """Columns, each with the paths at which it may be, the first one that is there before the others.

    ``setting``: ``{"email": "customer.email", "value": ["total", "order.total"]}``; ``ids``: the networks' identifiers;
    ``values``: column → what its raw values mean; ``only``: no other column of a record is read but identifiers and
    consent.
    """

    def __init__(
        self,
        setting: Mapping[str, str | Sequence[str] | None],
        ids: frozenset[str],
        values: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        only: bool = False,
    ) -> None:
        said = {column: where for column, where in setting.items() if where}
        self._wild = [text for path in paths(said.pop(CLICK_IDS, ())) for text in [path.text]]
        self._ids = ids
        self.only = only
        self.columns = frozenset(said).union(ids if self._wild else ())
        self._paths = {column: paths(where) for column, where in said.items()}
        self._meanings = {column: Meaning(meanings) for column, meanings in (values or {}).items()}
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._personal = [*self._personal_properties()]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_plans": {}}

    def _personal_properties(self) -> Iterator[Sequence[str]]:
        """Members of ``properties`` that are mapped because they tell of a person."""
        roots = [path.names for path in self._paths.get("properties", ())] or [("properties",)]
        for column, where in self._paths.items():
            if column in MATCH_COLUMNS or column in self._ids:
                for names in (path.names for path in where):
                    yield from (
                        names[len(root) :] for root in roots if names[: len(root)] == root and len(names) > len(root)
                    )

    def plan(self, record: Mapping[str, Any]) -> Plan:
        """How a record with these columns is read."""
        names = tuple(record)
        try:
            return self._plans[names]
        except KeyError:
            if len(self._plans) >= MAX_SHAPES:
                self._plans.clear()
            plan = self._plans[names] = self._made(names)
            return plan

    def _made(self, names: Sequence[str]) -> Plan:
        spellings = spellings_of(names)
        columns, lacking = [], []
        for column, where in {**self._paths, **self._of_wild(spellings)}.items():
            readers = [reader for path in where if (reader := path.reader(names, spellings))]
            if readers:
                columns.append((column, readers, self._meanings.get(column), column in OBJECTS))
            elif column in self._paths:
                lacking.append(column)
        if self.only:
            own = {column: spellings.get(column.lower(), "") for column in sorted(self._ids | ALWAYS)}
            named = ((column if column in names else name, column) for column, name in own.items())
        else:
            mapped = {column for column, *_ in columns}
            named = ((column, column) for column in self._meanings if column not in mapped and column in names)
        kept = [(name, column, self._meanings.get(column)) for name, column in named if name]
        gathers = [
            reader
            for text in self._wild
            if (end := text[-3:]) == "[*]" or end[-2:] == ".*"
            if (reader := Path(text[: -3 if end == "[*]" else -2]).reader(names, spellings))
        ]
        return Plan(columns, gathers, kept, lacking)

    def _of_wild(self, spellings: Mapping[str, str]) -> dict[str, list[Path]]:
        """Identifiers with a path of their own, such as ``*__c``."""
        texts = [text for text in self._wild if not text.endswith(("[*]", ".*"))]
        return {
            name: [*self._paths.get(name, ()), *(Path(text.replace("*", name)) for text in texts)]
            for name in (self._ids if texts else ())
        }

    def read(self, record: Mapping[str, Any], into: dict[str, Any], plan: Plan) -> dict[str, Any]:
        """Add the columns that have something to ``into``; the raw value of each that only ``values`` takes away."""
        taken: dict[str, Any] = {}
        for column, readers, meaning, is_object in plan.columns:
            for read in readers:
                value = read(record)
                if value is ABSENT or value is None:
                    continue
                kind = value.__class__
                if (kind is str and (not value or value.isspace())) or (kind is dict and not is_object):
                    continue
                if meaning is not None and (known := meaning(value)) is not value:
                    if known is None:
                        taken[column] = value
                        continue
                    value = known
                into[column] = value
                break
        for read in plan.click_ids:
            for name, value in _identifiers(read(record), self._ids):
                if name not in into and not _is_blank(value) and not isinstance(value, (dict, list)):
                    into[name] = value
        return taken

    def only_mapped(self, record: Mapping[str, Any], into: dict[str, Any]) -> dict[str, Any]:
        """Add the mapped columns, the identifiers and what the record says of consent; returns as ``read`` does."""
        plan = self.plan(record)
        taken = self.read(record, into, plan)
        for name, column, meaning in plan.kept:
            if column not in into and not _is_blank(value := record[name]):
                known = value if meaning is None else meaning(value)
                if known is not None:
                    into[column] = known
        return taken

    def applied(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record with each column that was found, and without the properties that identify the person."""
        return self.merged(record)[0]

    def merged(self, record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """As ``applied``; and the raw value of each column that only ``values`` takes away."""
        plan = self.plan(record)
        merged = {**record}
        taken = {}
        for name, column, meaning in plan.kept:
            if meaning is not None and (value := merged[name]) is not None:
                merged[column] = meaning(value)
                if merged[column] is None:
                    taken[column] = value
        found: dict[str, Any] = {}
        taken |= self.read(record, found, plan)
        for column, readers, meaning, _ in plan.columns:
            if column in found:
                merged[column] = found[column]
            elif any(read(record) is not ABSENT for read in readers):
                if column in ALONE or column not in record:
                    merged[column] = None
                elif meaning is not None and merged[column] is not None:
                    merged[column] = meaning(merged[column])
        merged |= {name: value for name, value in found.items() if name in self._ids}
        for path in self._personal:
            merged["properties"] = _without(merged.get("properties"), path)
        return merged, taken

    def unmet(self, record: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
        """Those of the columns whose paths lead to nothing in the record."""
        plan = self.plan(record)
        met = {
            column
            for column, readers, *_ in plan.columns
            if column in columns and any(read(record) is not ABSENT for read in readers)
        }
        if CLICK_IDS in columns and any(read(record) is not ABSENT for read in plan.click_ids):
            met.add(CLICK_IDS)
        return [column for column in columns if column not in met]


def _identifiers(value: Any, ids: Collection[str]) -> Iterator[tuple[str, Any]]:
    """The identifiers among an object's members or a list's key-value pairs."""
    value = decoded(value) if isinstance(value, str) else value
    if isinstance(value, Mapping):
        yield from ((name, value[name]) for name in value if name in ids)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            if isinstance(entry, Mapping):
                for key in (entry.get("key"), entry.get("name")):
                    if isinstance(key, str) and key in ids:
                        yield key, value_of(entry.get("value"))


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _without(value: Any, path: Sequence[str]) -> Any:
    """An object without what the path leads to."""
    inside = members(value)
    if path[0] not in inside:
        return value
    rest = {name: member for name, member in inside.items() if name != path[0]}
    return {**rest, path[0]: _without(inside[path[0]], path[1:])} if len(path) > 1 else rest


def members(value: Any) -> Mapping[str, Any]:
    """An object, or one that is written as JSON text; empty for anything else."""
    value = decoded(value) if isinstance(value, str) else value
    return value if isinstance(value, Mapping) else {}
