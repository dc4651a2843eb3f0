"""The configuration: read, checked without showing a value, and described."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_adpostbacks.config.describing import described, schema
    from target_adpostbacks.config.general import General, SdkSettings
    from target_adpostbacks.config.notify import Notify
    from target_adpostbacks.config.reading import InvalidConfig, accounts, hints, of_top, read, trials

__all__ = [
    "General",
    "InvalidConfig",
    "Notify",
    "SdkSettings",
    "accounts",
    "described",
    "hints",
    "of_top",
    "read",
    "schema",
    "trials",
]

_MODULES = {
    "describing": ("described", "schema"),
    "general": ("General", "SdkSettings"),
    "notify": ("Notify",),
    "reading": ("InvalidConfig", "accounts", "hints", "of_top", "read", "trials"),
}


def __getattr__(name: str) -> Any:
    """Imported when it is first asked for: a config's files are read before all that takes time."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
