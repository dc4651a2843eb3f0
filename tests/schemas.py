"""The JSON Schemas of what commands write with ``--format json``, made from the types that they write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_type_hints

import msgspec

from target_adpostbacks.cli import _differences
from target_adpostbacks.cli._erasure import Document
from target_adpostbacks.cli.preview import Previewed
from target_adpostbacks.core.links import Link
from target_adpostbacks.core.performance.rows import Source
from target_adpostbacks.core.reconciliation import Row
from target_adpostbacks.delivery.check import Checked
from target_adpostbacks.ledger import Line


class PerformanceRow(msgspec.Struct, kw_only=True):
    """A line of the table. Names, ids and a day are null where the grouping does not have them."""

    network: str | None  # "total": of a currency
    account_id: str | None
    campaign_id: str | None
    campaign_name: str | None
    day: str | None
    currency: str | None
    spend: int | float | None
    impressions: int | None
    cpm: int | float | None
    clicks: int | None
    cpc: int | float | None
    ctr: int | float | None
    conversions_ours: int | None
    conversions_delivered: int | None
    conversions_network: int | float | None
    conversions_used: int | float | None
    conversions_source: Source | None
    cpa: int | float | None
    ipm: int | float | None
    cti: int | float | None
    revenue_ours: int | float | None
    revenue_delivered: int | float | None
    revenue_network: int | float | None
    revenue_used: int | float | None
    revenue_source: Source | None
    revenue_other: dict[str, int | float] | None
    roas: int | float | None
    time_zone: str | None
    provisional: bool
    spend_as_of: str | None


LogLine = msgspec.defstruct("LogLine", [*get_type_hints(Line).items(), ("advice", str)])


class Vector(msgspec.Struct, kw_only=True, rename={"beside": "with"}):
    """What a network gets for a value of a column."""

    network: str
    field: str
    input: Any
    beside: dict[str, Any] = {}  # other columns of the record
    settings: dict[str, Any] = {}
    normalized: Any
    sha256: str | list[str | None] | None
    why: str


ROWS: Mapping[str, Any] = {
    "links": Link,
    "log": LogLine,
    "performance": PerformanceRow,
    "preview": Previewed,
    "preview --diff": _differences.Row,
    "reconcile": Row,
    "validate": Checked,
    "vectors": Vector,
}
"""A command to the type of each member of the list that it writes."""
OBJECTS: Mapping[str, Any] = {"erase": Document}
"""A command to the type of the one object that it writes."""
OPTIONAL = frozenset({"with", "settings"})
"""Of the vectors; every other name is always there."""


def file_of(command: str) -> str:
    """The name of its schema in docs/schemas: ``preview --diff`` has ``preview-diff.json``."""
    return f"{command.replace(' --', '-')}.json"


def schema_of(command: str) -> str:
    """Its JSON Schema: every object has all the names that there are, and no others."""
    written = OBJECTS.get(command) or ROWS[command]
    ((row,), kinds) = msgspec.json.schema_components([written], ref_template="#/$defs/{name}")
    top = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"adpostbacks {command} --format json"}
    closed = {name: _closed(kind) for name, kind in kinds.items()}
    of_it = row if command in OBJECTS else {"type": "array", "items": row}
    return json.dumps({**top, **of_it, "$defs": closed}, indent=2) + "\n"


def _closed(kind: Mapping[str, Any]) -> dict[str, Any]:
    members = {name: {**member} for name, member in kind["properties"].items()}
    for member in members.values():
        member.pop("default", None)
    required = [name for name in members if name not in OPTIONAL]
    said = {name: value for name, value in kind.items() if name != "title"}
    return {**said, "properties": members, "required": required, "additionalProperties": False}
