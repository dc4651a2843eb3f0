"""What another task is sending: put aside, and tried again once the input has ended."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.delivery.in_turn import InTurn
from target_adpostbacks.delivery.queued import Queued


class Aside:
    """Postbacks that wait for what another task makes of them. Safe to use from several threads.

    ``max_rows``: as in Batches.
    """

    def __init__(self, max_rows: int | None = None) -> None:
        self._max_rows = max_rows
        self._lock = threading.Lock()
        self._waiting: dict[str, InTurn] = {}  # by the account's label

    def __bool__(self) -> bool:
        return any(map(len, self._waiting.values()))

    def add(self, account: Account, batch: Sequence[Queued]) -> None:
        """Let these of an account wait, behind those that do."""
        with self._lock:
            waiting = self._waiting.setdefault(account.label, InTurn(account, self._max_rows))
            for queued in batch:
                waiting.add(queued)

    def behind(self, batch: Sequence[Queued]) -> list[Queued]:
        """Those of an account's batch that would overtake what waits."""
        with self._lock:
            waiting = self._waiting.get(batch[0].postback.account)
            return [queued for queued in batch if waiting.holds(queued.postback)] if waiting else []

    def take(self) -> list[InTurn]:
        """Take out all that waits, for each account."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            return [*waiting.values()]
