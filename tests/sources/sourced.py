"""Rows of sources in, records out: what the tests of source presets share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from conftest import SETTINGS

from target_adpostbacks.config import read
from target_adpostbacks.core.columns import DERIVED
from target_adpostbacks.core.conversion import Conversion, InvalidConversion
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.record import parse
from target_adpostbacks.core.rows import Row
from target_adpostbacks.rules.sources import names, shipped
from target_adpostbacks.run import preparation_of

ROWS = Path(__file__).parent / "rows"
USUAL = {"event_source": "web", "test": False}
"""What a record need not say."""


class Case(NamedTuple):
    """A row of a fixture: what is particular to it, the row as the tap gives it, and the records that it becomes."""

    about: str
    row: dict[str, Any]
    becomes: list[dict[str, Any]] | None = None  # None: still to be written down
    config: Mapping[str, Any] = {}  # settings at the top, beside the source
    stream: str = ""


def cases(name: str) -> list[Case]:
    """The fixture of a preset, a line for each row."""
    lines = (ROWS / f"{name}.jsonl").read_text().splitlines()
    return [Case(**json.loads(line)) for line in lines if line.strip()]


def preparation(top: Mapping[str, Any], **tiktok: Any) -> Preparation:
    """How a config with these settings at its top reads records, for one network that gets all of them."""
    section = {**SETTINGS["tiktok"], "send": "all", **tiktok}
    return preparation_of(*read({**top, "tiktok": section}))


@lru_cache(maxsize=16)
def _prepared(top: str) -> Preparation:
    """One for all rows of a fixture that have the same config."""
    return preparation(json.loads(top))


def stream_of(name: str) -> str:
    """One of the streams that a preset reads."""
    streams = shipped(name).streams if name in names() else ()
    return next((stream.replace("*", "1") for stream in streams if not stream.startswith("!")), "rows")


def records(top: Mapping[str, Any], row: Mapping[str, Any], stream: str = "", key: tuple[str, ...] = ("id",)) -> Any:
    """What a row becomes: records in our words, or why there is none."""
    made = _prepared(json.dumps(top))
    named = top.get("source")
    stream = stream or (stream_of(named) if isinstance(named, str) else "rows")
    read_as = made.read(row, stream)
    if read_as is None:
        return ["a stream of no source"]
    way, rows = read_as
    return [record(each, way.columns, stream, key) for each in rows]


def record(row: Mapping[str, Any], columns: Any, stream: str, key: tuple[str, ...]) -> dict[str, Any]:
    """One of them."""
    if isinstance(row, Row) and row.left_out:
        reason, message = row.left_out
        return {"skipped": reason, "message": message} if message else {"skipped": reason}
    try:
        return told(parse(row, columns, key, stream))
    except InvalidConversion as error:
        return {"invalid": str(error)}


def told(c: Conversion) -> dict[str, Any]:
    """A conversion as a record would say it, with what could not be used."""
    said = {name: value for name, value in msgspec.structs.asdict(c).items() if name not in DERIVED}
    said = {name: value for name, value in said.items() if value not in (None, (), {}, USUAL.get(name, ""))}
    said |= {name: value for name, value in c.ids.items() if name not in said}
    if c.unusable:
        said["left out"] = [*c.unusable]
    return {name: _plain(value) for name, value in said.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        several = [_plain(member) for member in value]
        return several[0] if len(several) == 1 and isinstance(several[0], str) else several
    if isinstance(value, msgspec.Struct):
        return {name: member for name, member in msgspec.structs.asdict(value).items() if member is not None}
    return value
