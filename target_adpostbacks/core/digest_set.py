"""A set of digests for millions of people."""

from __future__ import annotations

from array import array


class DigestSet:
    """Millions of digests in 12 to 24 bytes each, where a set takes 74: eight bytes of one are enough to know it."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))  # a digest is in the first free one from its own on; 0: free
        self._count = 0

    def add(self, digest: bytes) -> None:
        number, slots = _number(digest), self._slots
        at = _place(number, slots)
        if slots[at] == number:
            return
        slots[at] = number
        self._count += 1
        if 3 * self._count > 2 * len(slots):
            self._slots = _twice(slots)

    def __contains__(self, digest: bytes) -> bool:
        number, slots = _number(digest), self._slots
        return slots[_place(number, slots)] == number

    def __len__(self) -> int:
        return self._count


def _number(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "little") or 1


def _place(number: int, slots: array[int]) -> int:
    """Where it is, or where it belongs."""
    last = len(slots) - 1
    at = number & last
    while (there := slots[at]) and there != number:
        at = (at + 1) & last
    return at


def _twice(slots: array[int]) -> array[int]:
    larger = array("Q", bytes(16 * len(slots)))
    for number in slots:
        if number:
            larger[_place(number, larger)] = number
    return larger
