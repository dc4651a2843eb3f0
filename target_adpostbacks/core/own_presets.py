"""What a network knows of its own accounts by name: settings that stand below those of the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class OwnPreset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A partner whose accounts look alike but for what only the user knows."""

    title: str
    yours: Sequence[str]  # the settings that only the user knows: "host", "constants.nid"
    note: str
    settings: Mapping[str, Any]
