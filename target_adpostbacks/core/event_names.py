"""What events of an account are called at its network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from target_adpostbacks.core.answers import Skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.events import EventTable, spellings
from target_adpostbacks.core.settings import Settings


class Tables(Protocol):
    """What a network says of names of events; ``network.Network`` tells what each means."""

    @property
    def only_mapped(self) -> bool: ...

    def native_events(self, conversion: Conversion) -> Collection[str]: ...

    def canonical_events(self, conversion: Conversion) -> Mapping[str, str | None]: ...

    def custom_event(self, name: str, conversion: Conversion) -> str: ...


class EventNames:
    """The network's name for an event, by an account's settings, a preset, and what the network says itself.

    First ``event_map``, then the network's own exact names, then the preset's table, then the canonical one, then a
    custom event. Where there are ``trigger_events``, these alone.
    """

    def __init__(self, settings: Settings, preset: EventTable | None) -> None:
        self._mapped = settings.event_map
        self._triggers = None if settings.trigger_events is None else spellings(settings.trigger_events)
        self._preset = preset

    def name(self, c: Conversion, network: Tables) -> str:
        """The name that is sent; raises Skip("event_off") or Skip("unsupported")."""
        triggers = self._triggers
        if triggers is not None and c.event_name not in triggers and c.event_spelling not in triggers:
            raise Skip("event_off", "trigger_events does not name it")
        is_named = triggers is not None or c.is_renamed  # the user names it
        for spelling in (c.event_spelling,) if c.is_renamed else (c.event_spelling, c.event_name):
            if spelling in self._mapped:
                name = self._mapped[spelling]
                is_on = name is not None
                break
        else:
            is_on, name = self._look_up(c, network)
            is_on = is_on and not network.only_mapped
            if is_named:
                is_on, name = True, name or c.event_name
        if not is_on or name is None:
            raise Skip("event_off", "switch it on with event_map or trigger_events")
        if name in network.native_events(c):
            return name
        try:
            return network.custom_event(name, c)
        except Skip as skip:
            reason = "unsupported" if is_named and skip.reason == "event_off" else skip.reason
            raise Skip(reason, skip.message) from None

    def _look_up(self, c: Conversion, network: Tables) -> tuple[bool, str | None]:
        """Whether the tables have the event on, and the network's name for it; None where they know none."""
        is_native = c.event_spelling in network.native_events(c)
        own = c.event_spelling if is_native else network.canonical_events(c).get(c.event_name, c.event_spelling)
        if self._preset is None:
            return own is not None, own
        is_on, known = self._preset.look_up(c.event_name, c.event_spelling)
        return is_on, own if is_native or known is None else known
