"""Keeps corrections that came before what they correct, until the input's end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from target_adpostbacks.core.postback import Key
from target_adpostbacks.delivery.queued import Queued
from target_adpostbacks.delivery.repeats import adjusted_by

MOST_PUT_OFF = 2_000
"""Corrections of an account that wait for more of the input."""
LONGEST_SECONDS = 3_600
"""For which they do: an input may have no end, and state is held back meanwhile."""


class PutOff:
    """The corrections of an account that wait. Safe to use from several threads. ``clock``: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[Queued] = []
        self._corrected: set[Key] = set()
        self._since = 0.0
        self._is_over = False

    def add(self, early: Iterable[Queued], corrections: Sequence[Queued]) -> list[Queued]:
        """Let the early ones of a batch's corrections wait, and those behind one that waits; which. Once over, none."""
        early_ids = {id(queued) for queued in early}
        with self._lock:
            if self._is_over or not (early_ids or self._waiting):
                return []
            put_off = [
                queued
                for queued in corrections
                if id(queued) in early_ids or not self._corrected.isdisjoint(adjusted_by(queued.postback))
            ]
            if put_off and not self._waiting:
                self._since = self._clock()
            self._waiting += put_off
            self._corrected.update(key for queued in put_off for key in adjusted_by(queued.postback))
        return put_off

    @property
    def is_due(self) -> bool:
        """Whether too many wait, or for too long."""
        with self._lock:
            is_late = bool(self._waiting) and self._clock() - self._since >= LONGEST_SECONDS
            return is_late or len(self._waiting) > MOST_PUT_OFF

    def take(self, *, is_over: bool) -> list[Queued]:
        """Take out those that wait, in their order. ``is_over``: nothing more of the input comes."""
        with self._lock:
            taken, self._waiting, self._corrected = self._waiting, [], set()
            self._is_over = self._is_over or is_over
        return taken
