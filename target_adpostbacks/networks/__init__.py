"""Every module in this folder is a network: NETWORKS maps its name to its class.

One that needs several modules has them in a folder with its name behind an underscore. What is known of all of them is
found when it is first asked for: a worker process imports only its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_adpostbacks.core.late import late

if TYPE_CHECKING:
    from target_adpostbacks.networks._found import EXACT_IDS, IDS, LANDING, NAMES, NETWORKS, TITLES

__all__ = ["EXACT_IDS", "IDS", "LANDING", "NAMES", "NETWORKS", "TITLES"]

__getattr__ = late(__name__, {"_found": __all__})
