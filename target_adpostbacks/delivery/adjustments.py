"""Keeps an account's adjustments until what they adjust has its verdict, and gives them out in their order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.postback import Key
from target_adpostbacks.delivery.batches import Batches
from target_adpostbacks.delivery.queued import Queued

MOST_WAITING = 2_000
"""Adjustments of an account that wait; then the reader waits for what was read before them."""


class Adjustments:
    """The adjustments of an account that wait. ``max_rows``: as in Batches; ``clock``: monotonic seconds."""

    def __init__(
        self, account: Account, max_rows: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.account = account
        self.since = 0.0  # when the oldest came
        self._max_rows = max_rows
        self._clock = clock
        self._waiting: list[Queued] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, queued: Queued) -> None:
        """Let one wait."""
        if not self._waiting:
            self.since = self._clock()
        self._waiting.append(queued)

    def take(self, *, in_order: bool = True) -> list[list[Queued]]:
        """Take out batches that may be sent side by side: of each conversion its next adjustment.

        Without ``in_order`` they are all that is left, for when none of it is sent any more.
        """
        batches = Batches(self.account, self._max_rows)
        taken: dict[Any, Key] = {}  # a conversion, as the ledger and as the network know it → its adjustment
        full: list[list[Queued]] = []
        later: list[Queued] = []
        for queued in self._waiting:
            postback = queued.postback
            key, conversion = postback.key, postback.key._replace(adjustment="")
            known_as = (conversion, postback.once or conversion)
            if in_order and any(taken.get(name, key) != key for name in known_as):
                later.append(queued)
            else:
                full += batches.add(queued)
            for name in known_as:  # what waits keeps those after it waiting
                taken.setdefault(name, key)
        self._waiting = later
        return full + batches.due()
