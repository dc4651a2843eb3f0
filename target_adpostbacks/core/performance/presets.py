"""How the taps that are known write their statistics: a JSON file each, in the folder ``taps``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

Unit = Literal["major", "cents", "micros"]
Columns = Mapping[str, str | list[str]]
"""Ours → theirs, dots reaching into objects. Of a list, figures are added up; of names the first one counts."""


class Dated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures that a tap has twice: these are of the day on which a conversion happened, not of its click's."""

    conversions: list[str] = []
    values: list[str] = []


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the folder ``taps``."""

    title: str
    stream: str  # what the tap calls it
    columns: Columns
    columns_of_streams: Mapping[str, Columns] = {}  # over ``columns``, in the tap's streams of these names
    network: str = ""  # empty: a column says it
    networks: Mapping[str, str] = {}  # what that column says → the network's name
    unit: Unit = "major"
    value_unit: Unit | None = None  # None: as ``unit``
    time_zone: str = ""
    segments: list[str] = []
    conversions: list[str] = []
    values: list[str] = []
    by_conversion: Dated = Dated()
    actions: Mapping[str, str] = {}  # conversions, values → lists of {action_type, value}


@cache
def names() -> tuple[str, ...]:
    """What presets there are."""
    found = (entry.name for entry in files(__package__).joinpath("taps").iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in found if name.endswith(".json")))


@cache
def preset(name: str) -> Preset:
    """The preset of that name, one of ``names``."""
    return msgspec.json.decode(files(__package__).joinpath("taps", f"{name}.json").read_bytes(), type=Preset)


def listed(columns: str | Sequence[str]) -> tuple[str, ...]:
    """One name, or several, as several."""
    return (columns,) if isinstance(columns, str) else tuple(columns)
