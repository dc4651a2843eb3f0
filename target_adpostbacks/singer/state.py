"""Holds each state back until every postback before it has a final verdict in the ledger."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Place:
    """A stretch of the input between two states. Only the reading thread adds; any thread settles."""

    __slots__ = ("_states", "added", "held", "settled", "state")

    def __init__(self, states: States) -> None:
        self._states = states
        self.added = 0  # outcomes that its records are owed
        self.settled = 0
        self.held = 0
        self.state: bytes | None = None  # state that ends it

    def settle(self, count: int) -> None:
        """So many postbacks have a final verdict."""
        self._states.settle(self, count)

    def hold(self, count: int) -> None:
        """So many stay open, or were not even read: this state and all after it are not written in this run."""
        self.held += count


class States:
    """States in the order of the input; the newest free one is written as soon as it is free."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.place = Place(self)
        self.failed: OSError | None = None  # nobody reads them any more
        self._write = write
        self._lock = threading.Lock()
        self._closed: deque[Place] = deque()
        self._added = 0  # before the place at hand

    def state(self, value: bytes) -> None:
        """State has come: it covers all that was added before."""
        with self._lock:
            if self._closed and self._closed[0].held:  # none comes any more in this run: they are not kept
                while len(self._closed) > 1:
                    self._closed.pop()
                self._added += self.place.added
                self.place = Place(self)
                return
            if self.place.added == 0 and self._closed:
                self._closed[-1].state = value  # nothing came between the two
            else:
                self.place.state = value
                self._closed.append(self.place)
                self._added += self.place.added
                self.place = Place(self)
            self._release()

    def settle(self, place: Place, count: int) -> None:
        with self._lock:
            place.settled += count
            if self._closed and place is self._closed[0]:
                self._release()

    @property
    def owed(self) -> int:
        """How many outcomes the input is owed so far."""
        return self._added + self.place.added

    @property
    def waiting(self) -> bool:
        """Whether state is held back."""
        return bool(self._closed)

    def _release(self) -> None:
        newest = None
        while self._closed and self._closed[0].settled == self._closed[0].added and not self._closed[0].held:
            newest = self._closed.popleft().state
        if newest is not None and self.failed is None:
            try:
                self._write(newest)
            except (OSError, ValueError) as error:
                self.failed = OSError(str(error))
