"""Presets: what events are called, and what else holds, where records come from a certain program. A JSON file each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

from target_adpostbacks.core.events import EventTable, canonical_event


class ForNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a preset says for one network."""

    events: Mapping[str, str]  # by their canonical names, or custom ones
    off: Mapping[str, str] = {}  # known, but not sent until the user switches them on
    other_events: Literal["off", "custom"] = "off"  # what an event that is in neither is
    constants: Mapping[str, Any] = {}  # values of columns, whatever the record says
    settings: Mapping[str, Any] = {}  # as in the network's section of the config, which win over them

    @property
    def table(self) -> EventTable:
        """Its events by their canonical names."""
        on, off = (
            {canonical_event(name): native for name, native in names.items()} for names in (self.events, self.off)
        )
        return EventTable(on, off, self.other_events == "custom")


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the folder ``presets``."""

    title: str
    networks: Mapping[str, ForNetwork]  # it says nothing for others
    columns: Mapping[str, str | list[str]] = {}  # as the setting ``fields``


@cache
def names() -> tuple[str, ...]:
    """What presets there are."""
    found = (entry.name for entry in files(__package__).joinpath("presets").iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in found if name.endswith(".json")))


@cache
def preset(name: str) -> Preset:
    """The preset of that name, one of ``names``."""
    return msgspec.json.decode(files(__package__).joinpath("presets", f"{name}.json").read_bytes(), type=Preset)


def columns(name: str | None) -> Mapping[str, str | list[str]]:
    """The columns that a preset brings; none without one."""
    return preset(name).columns if name else {}


def for_network(name: str | None, network: str) -> ForNetwork | None:
    """What a preset says for a network; None: nothing."""
    return preset(name).networks.get(network) if name else None
