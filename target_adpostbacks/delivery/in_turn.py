"""Keeps what must not overtake until what goes before it has its verdict, and gives it out in its order.

An adjustment must not overtake what it adjusts. Nor may two conversions overtake one another that a network takes for
one, such as two with one order id: a request has only one of them, and requests go side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.postback import Key, Postback
from target_adpostbacks.delivery.batches import Batches
from target_adpostbacks.delivery.queued import Queued

MOST_WAITING = 2_000
"""Postbacks of an account that wait in turn."""


class InTurn:
    """The postbacks of an account that wait. ``max_rows``: as in Batches; ``clock``: monotonic seconds."""

    def __init__(
        self, account: Account, max_rows: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.account = account
        self.since = 0.0  # when the oldest came
        self._max_rows = max_rows
        self._clock = clock
        self._waiting: list[Queued] = []
        self._names: set[Any] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, queued: Queued) -> None:
        """Let one wait."""
        if not self._waiting:
            self.since = self._clock()
        self._waiting.append(queued)
        self._names.update(_known_as(queued.postback))

    @property
    def waiting(self) -> Sequence[Queued]:
        """What waits, in its order."""
        return self._waiting

    def holds(self, postback: Postback) -> bool:
        """Whether one waits that this one must not overtake."""
        return not self._names.isdisjoint(_known_as(postback))

    def is_before(self, postback: Postback) -> bool:
        """Whether one waits that the network takes for the same."""
        return bool(self._waiting) and postback.turn in self._names

    def take(self, *, in_order: bool = True) -> list[list[Queued]]:
        """Take out batches that may be sent side by side: of each conversion the next that waits.

        Without ``in_order`` they are all that is left, for when none of it is sent any more.
        """
        batches = Batches(self.account, self._max_rows)
        taken: dict[Any, Key] = {}  # a name of a conversion → what goes next of it
        full: list[list[Queued]] = []
        later: list[Queued] = []
        for queued in self._waiting:
            key, names = queued.postback.key, _known_as(queued.postback)
            if in_order and any(taken.get(name, key) != key for name in names):
                later.append(queued)
            else:
                full += batches.add(queued)
            for name in names:  # what waits keeps those after it waiting
                taken.setdefault(name, key)
        self._waiting = later
        self._names = {name for queued in later for name in _known_as(queued.postback)}
        return full + batches.due()


class LeftOpen:
    """What a run leaves open, so that nothing overtakes it that comes later in the run. Any thread may ask."""

    def __init__(self) -> None:
        self._adjusted: set[Key] = set()  # conversions of which an adjustment is open
        self._turns: dict[Any, Key] = {}  # a turn → the first conversion of it that is open

    def __bool__(self) -> bool:
        """Whether there is anything that others could overtake."""
        return bool(self._adjusted or self._turns)

    def add(self, batch: Iterable[Queued]) -> None:
        """These stay open."""
        for queued in batch:
            key = queued.postback.key
            if key.adjustment:
                self._adjusted.add(key._replace(adjustment=""))
            if queued.turn:
                self._turns.setdefault(queued.turn, key._replace(adjustment=""))

    def is_before(self, queued: Queued, adjusted: Iterable[Key]) -> bool:
        """Whether one has to stay open too. ``adjusted``: the identities of the conversion, if it is an adjustment."""
        if any(key in self._adjusted for key in adjusted):
            return True
        first = self._turns.get(queued.turn) if queued.turn else None
        return first is not None and first != queued.postback.key._replace(adjustment="")


def _known_as(postback: Postback) -> tuple[Any, ...]:
    """The names of a conversion in the ledger and at the network."""
    conversion = postback.key._replace(adjustment="")
    return (conversion, postback.turn or conversion)
