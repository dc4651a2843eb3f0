"""What to do next about a delivery: as its network's file says of the answer, else as the reason says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_adpostbacks.core.reasons import AFTER_ERASURE, ERASED, REASONS

if TYPE_CHECKING:
    from target_adpostbacks.core.network import Network


def advice(
    network: type[Network[Any]] | None,
    *,
    reason: str,
    code: str = "",
    message: str = "",
    http_status: int | None = None,
) -> str:
    """A sentence or more; empty where there is nothing to say. ``network``: None where it is none that we know."""
    if message == ERASED:
        return AFTER_ERASURE
    own = REASONS.get(reason)
    is_ours = own is not None and own.status == "skipped"
    by_network = network.advice_on(code, http_status, message) if network and not is_ours else ""
    return by_network or (own.advice if own else "")
