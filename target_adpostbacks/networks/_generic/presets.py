"""What partners' postbacks look like, as data."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import msgspec

from target_adpostbacks.core.own_presets import OwnPreset

PRESETS: Mapping[str, OwnPreset] = msgspec.json.decode(
    files(__package__).joinpath("presets.json").read_bytes(), type=dict[str, OwnPreset]
)
