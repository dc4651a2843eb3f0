"""A mark of a place in the input, for tests of what state may pass."""

from __future__ import annotations


class Counted:
    """A mark that counts. Nothing is to be flagged."""

    def __init__(self) -> None:
        self.expected = self.settled = self.held = 0

    def expect(self, count: int) -> None:
        self.expected += count

    def settle(self, count: int) -> None:
        self.settled += count

    def hold(self, count: int) -> None:
        self.held += count

    def flag(self, kind: str) -> None:
        raise AssertionError(kind)
