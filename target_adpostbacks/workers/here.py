"""What stands for the workers of a run that has none: blocks are prepared in the run's own process."""

from __future__ import annotations

from contextlib import suppress

from target_adpostbacks.workers.pool import Workers
from target_adpostbacks.workers.work import Work


class Here(Workers):
    """Does the work itself: a block is done as soon as it is handed out."""

    def __init__(self, work: Work) -> None:
        super().__init__(work, 0, lambda _warning: None)
        self._is_closed = False

    @property
    def is_at_work(self) -> bool:
        return not self._is_closed

    @property
    def has_room(self) -> bool:
        return not self._blocks

    def hand(self, data: bytes, number: int) -> None:
        """Do a block."""
        self.keep(data, number)
        with suppress(Exception):  # the run reads its lines one by one, and says what is wrong
            self._blocks[-1].answer = self.work.answered(number, data)

    def close(self) -> None:
        self._is_closed = True
