"""Waits for another run on the same ledger that sends to the same asset."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from target_adpostbacks.delivery.lane import Wait
from target_adpostbacks.delivery.queued import Queued

POLL_SECONDS = 0.2
"""Between two looks at whether another run has ended."""


class OtherRuns:
    """Lets a batch wait until no other run sends to its asset. Safe to use from several threads.

    ``is_ours``: takes a batch's asset for this run, where no other has it; ``wait``: as Delivery has it; ``seconds``:
    how long is waited at the most.
    """

    def __init__(
        self, is_ours: Callable[[Sequence[Queued]], bool], wait: Wait, inform: Callable[[str], None], seconds: float
    ) -> None:
        self._is_ours, self._wait, self._inform, self._seconds = is_ours, wait, inform, seconds
        self._given_up_at: dict[tuple[str, str], float] = {}  # monotonic: an asset is no longer waited for

    def await_end(self, batch: Sequence[Queued], account: str) -> bool:
        """Whether this run alone sends to the batch's asset, after waiting for another run to end.

        All batches of an asset share one wait, or each would take the whole of it. ``account``: its label.
        """
        key = batch[0].postback.key
        asset = (key.network, key.asset)
        while not self._is_ours(batch):
            now = time.monotonic()
            if asset not in self._given_up_at and self._seconds:
                self._inform(f"{account}: another run is sending to it; waiting for its end.")
            if now >= self._given_up_at.setdefault(asset, now + self._seconds):
                return False
            if self._wait(POLL_SECONDS):
                return False
        return True
