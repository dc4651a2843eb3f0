"""The configuration: read, checked without showing a value, and described."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_adpostbacks.core.late import late

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

__getattr__ = late(
    __name__,
    {
        "describing": ("described", "schema"),
        "general": ("General", "SdkSettings"),
        "notify": ("Notify",),
        "reading": ("InvalidConfig", "accounts", "hints", "of_top", "read", "trials"),
    },
)
