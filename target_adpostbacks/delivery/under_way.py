"""Knows which postbacks are under way, so that one that comes twice is sent once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from target_adpostbacks.core.postback import Key
from target_adpostbacks.delivery.queued import Queued


class UnderWay:
    """Each key to the postback that is sent for it, and those of the same key that came later.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._same: dict[Key, list[Queued]] = {}
        self._turns: dict[tuple[str, bool, str], tuple[Key, int]] = {}  # whose it is, and how many of that key have it

    def take_turn(self, queued: Queued) -> bool:
        """Whether its turn is free, or has been taken by its own key; then it has it, until it is released."""
        postback = queued.postback
        if (turn := postback.turn) is None:
            return True
        with self._lock:
            key, count = self._turns.get(turn, (postback.key, 0))
            if key != postback.key:
                return False
            self._turns[turn] = (key, count + 1)
        queued.turn = turn
        return True

    def claim(self, batch: Sequence[Queued]) -> tuple[list[Queued], list[tuple[Queued, Queued]]]:
        """Those whose key is not under way; the others, each with the first one of its key."""
        fresh, later = [], []
        with self._lock:
            for queued in batch:
                queued.claimed = queued.postback.key  # it may go on under an older one
                same = self._same.setdefault(queued.claimed, [])
                if same:
                    later.append((queued, same[0]))
                else:
                    fresh.append(queued)
                same.append(queued)
        return fresh, later

    def release(self, batch: Iterable[Queued]) -> list[list[Queued]]:
        """Each of them with those that followed it; the keys may come again."""
        with self._lock:
            released = [self._same.pop(_claimed(queued)) for queued in batch]
            for same in released:
                for queued in same:
                    if queued.turn:
                        self._end_turn(queued.turn)
        return released

    def _end_turn(self, turn: tuple[str, bool, str]) -> None:
        key, count = self._turns[turn]
        if count > 1:
            self._turns[turn] = (key, count - 1)
        else:
            del self._turns[turn]

    def still(self, batch: Sequence[Queued]) -> list[Queued]:
        """Those of a batch that are under way: a part of it may have been released before."""
        with self._lock:
            return [queued for queued in batch if self._is_first(queued)]

    def _is_first(self, queued: Queued) -> bool:
        same = self._same.get(_claimed(queued), [])
        return bool(same) and same[0] is queued

    def all(self) -> list[list[Queued]]:
        """Every key's postbacks, the one that is sent first."""
        with self._lock:
            return [list(same) for same in self._same.values()]


def _claimed(queued: Queued) -> Key:
    return queued.claimed or queued.postback.key
