"""Holds each STATE message back until every record before it is settled."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Set

WRITE_SECONDS = 1
"""Between two states that are written: Meltano stores each one, and a tap may send one after every record."""


class Place:
    """The part of the input between two STATE messages: a mark for the outcomes of its records.

    Only the reading thread expects; any thread settles and holds.
    """

    __slots__ = ("_states", "expected", "flags", "held", "settled", "state")

    def __init__(self, states: States) -> None:
        self._states = states
        self.expected = 0  # outcomes that its records are owed
        self.settled = 0
        self.held = 0
        self.flags: Set[str] = frozenset()  # what is wrong with some: "invalid", "rejected"
        self.state: bytes | None = None  # the state that ends it

    def expect(self, count: int) -> None:
        """Expect ``count`` more outcomes."""
        self.expected += count

    def settle(self, count: int) -> None:
        """``count`` outcomes are final."""
        self._states.settle(self, count)

    def hold(self, count: int) -> None:
        """``count`` outcomes stay open or were never read: this run writes neither this state nor a later one."""
        self.held += count

    def flag(self, kind: str) -> None:
        """Some are ``invalid`` or ``rejected``: this state waits while that is true of too many."""
        if kind not in self.flags:
            self.flags |= {kind}


class States:
    """STATE messages in the order of the input. The newest one with nothing open before it is free to be written.

    Any thread settles; ``write_due`` and ``end`` belong to the reading thread. ``may_pass``: whether state may be
    written past what is ``invalid``, or past what is ``rejected``; a run says no while that is true of too many.
    ``clock``: monotonic seconds.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        may_pass: Callable[[str], bool] = lambda _kind: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.place = Place(self)
        self.failed: OSError | ValueError | None = None  # nobody reads them any more
        self._write = write
        self._may_pass = may_pass
        self._clock = clock
        self._written_at = -math.inf
        self._lock = threading.Lock()
        self._ended: deque[Place] = deque()
        self._free: bytes | None = None  # the newest one that may be written

    def state(self, value: bytes) -> None:
        """A STATE message has come: it covers everything before it."""
        with self._lock:
            if self._ended and self._ended[0].held:  # none is written any more in this run: they are not kept
                while len(self._ended) > 1:
                    self._ended.pop()
                self.place = Place(self)
                return
            if self.place.expected == 0 and self._ended:
                self._ended[-1].state = value  # nothing came between the two
            else:
                self.place.state = value
                self._ended.append(self.place)
                self.place = Place(self)
            self._release()

    def settle(self, place: Place, count: int) -> None:
        """``count`` outcomes of a place are final."""
        with self._lock:
            place.settled += count
            if self._ended and (place is self._ended[0] or self._ended[0].flags):
                self._release()

    def write_due(self) -> None:
        """Write the newest free state, if none was written in the last second."""
        if self._clock() - self._written_at >= WRITE_SECONDS:
            self._write_free()

    def end(self) -> None:
        """The run is over: what may be written now is written."""
        with self._lock:
            self._release()
        self._write_free()

    def _write_free(self) -> None:
        with self._lock:
            newest, self._free = self._free, None
        if newest is None or self.failed is not None:
            return
        self._written_at = self._clock()
        try:
            self._write(newest)
        except (OSError, ValueError) as error:
            self.failed = error

    @property
    def waiting(self) -> bool:
        """Whether state is held back."""
        return bool(self._ended)

    def _release(self) -> None:
        while self._ended and _is_settled(self._ended[0]) and all(map(self._may_pass, self._ended[0].flags)):
            self._free = self._ended.popleft().state
        self._merge()

    def _merge(self) -> None:
        """States that wait for the same thing as the first are kept as one: there may be very many."""
        while len(self._ended) > 1 and all(map(_is_settled, (first := self._ended[0], second := self._ended[1]))):
            if not second.flags <= first.flags:
                return
            first.state = second.state
            del self._ended[1]


def _is_settled(place: Place) -> bool:
    return place.settled == place.expected and not place.held
