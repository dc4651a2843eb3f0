"""Every module in this folder is a network: NETWORKS maps its name to its class.

One that needs several modules has them in a folder with its name behind an underscore.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_adpostbacks.networks._found import EXACT_IDS, IDS, LANDING, NAMES, NETWORKS, TITLES

__all__ = ["EXACT_IDS", "IDS", "LANDING", "NAMES", "NETWORKS", "TITLES"]


def __getattr__(name: str) -> Any:
    """What is known of all of them, found when it is first asked for: a worker process imports only its own."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}._found"), name)
