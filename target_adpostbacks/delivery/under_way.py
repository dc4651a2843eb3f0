"""Knows which postbacks are under way, so that one that comes twice is sent once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from target_adpostbacks.core.postback import Key
from target_adpostbacks.delivery.queued import Queued


class UnderWay:
    """Each key to the postback that is sent for it; and to those of the same key that came later, where there are some.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: dict[Key, Queued] = {}
        self._later: dict[Key, list[Queued]] = {}
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

    def claim(self, batch: Iterable[Queued]) -> list[Queued]:
        """Those whose key is not under way; the others share their verdict."""
        fresh = []
        with self._lock:
            take = self._first.setdefault
            for queued in batch:
                queued.claimed = key = queued.postback.key  # it may go on under an older one
                if take(key, queued) is queued:
                    fresh.append(queued)
                else:
                    self._later.setdefault(key, []).append(queued)
        return fresh

    def release(self, batch: Iterable[Queued]) -> list[list[Queued]]:
        """Their keys may come again. Those that others of their key followed, each with these."""
        followed = []
        with self._lock:
            for queued in batch:
                key = _claimed(queued)
                del self._first[key]
                if queued.turn:
                    self._end_turn(queued.turn)
                if self._later and (later := self._later.pop(key, None)):
                    followed.append([queued, *later])
                    for each in later:
                        if each.turn:
                            self._end_turn(each.turn)
        return followed

    def _end_turn(self, turn: tuple[str, bool, str]) -> None:
        key, count = self._turns[turn]
        if count > 1:
            self._turns[turn] = (key, count - 1)
        else:
            del self._turns[turn]

    def still(self, batch: Sequence[Queued]) -> list[Queued]:
        """Those of a batch that are under way: a part of it may have been released before."""
        with self._lock:
            return [queued for queued in batch if self._first.get(_claimed(queued)) is queued]

    def all(self) -> list[list[Queued]]:
        """Every key's postbacks, the one that is sent first."""
        with self._lock:
            return [[first, *self._later.get(key, ())] for key, first in self._first.items()]


def _claimed(queued: Queued) -> Key:
    return queued.claimed or queued.postback.key
