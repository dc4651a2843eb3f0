"""The setting ``fields``: the user's own names of columns, and where in a record they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from target_adpostbacks.core.properties import MATCH_COLUMNS

ALONE = MATCH_COLUMNS | {"consent", "ad_user_data", "ad_personalization", "ad_storage"}
"""Columns for which no other stands in where they are mapped: another person may be there, or another consent."""

Path = Sequence[str]
"""``customer.email`` as ``["customer", "email"]``."""


class Fields:
    """Columns, each with the paths at which it may be, the first one that is there before the others.

    ``setting``: ``{"email": "customer.email", "value": ["total", "order.total"]}``; ``ids``: the networks' identifiers.
    """

    def __init__(self, setting: Mapping[str, str | Sequence[str]], ids: frozenset[str]) -> None:
        self.columns = frozenset(setting)
        self._paths = [(column, [*_paths(where)]) for column, where in setting.items()]
        properties = [path for column, paths in self._paths if column == "properties" for path in paths]
        self._personal = [
            path[len(root) :]
            for column, paths in self._paths
            if column in MATCH_COLUMNS or column in ids
            for path in paths
            for root in properties or [["properties"]]
            if path[: len(root)] == root and len(path) > len(root)
        ]

    def applied(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The record with each column that was found, and without the properties that identify the person."""
        mapped = {column: value for column, paths in self._paths if (value := _first(record, paths)) is not _ABSENT}
        merged = {**record, **mapped}
        for column, value in mapped.items():
            if column in record and column not in ALONE and _is_blank(value):
                merged[column] = record[column]  # as of alternatives, the one that says something
        for path in self._personal:
            merged["properties"] = _without(merged.get("properties"), path)
        return merged

    def roots(self, column: str) -> list[str]:
        """The columns of records in which a column may be found, the first step of each path."""
        return [path[0] for each, paths in self._paths if each == column for path in paths]

    def unmet(self, record: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
        """Those of the columns whose paths lead to nothing in the record."""
        return [column for column, paths in self._paths if column in columns and _first(record, paths) is _ABSENT]


_ABSENT = object()


def _paths(where: str | Sequence[str]) -> Iterable[Path]:
    return (path.split(".") for path in ([where] if isinstance(where, str) else where))


def _first(record: Mapping[str, Any], paths: Iterable[Path]) -> Any:
    """What is at the first path where there is something; None where there is only nothing."""
    value = _ABSENT
    for path in paths:
        here = _dig(record, path)
        if here is not _ABSENT and not _is_blank(here):
            return here
        value = here if value is _ABSENT else value
    return value


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _dig(record: Any, path: Sequence[str]) -> Any:
    for key in path:
        record = members(record).get(key, _ABSENT)
    return record


def _without(value: Any, path: Sequence[str]) -> Any:
    """An object without what the path leads to."""
    inside = members(value)
    if path[0] not in inside:
        return value
    rest = {name: member for name, member in inside.items() if name != path[0]}
    return {**rest, path[0]: _without(inside[path[0]], path[1:])} if len(path) > 1 else rest


def members(value: Any) -> Mapping[str, Any]:
    """An object, or one that is written as JSON text; empty for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}
