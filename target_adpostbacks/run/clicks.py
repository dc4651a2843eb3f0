"""Records that wait for their people's clicks, looked up for many of them at once, and rows of clicks themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.delivery.queued import UNMARKED, Mark
from target_adpostbacks.ledger import UnusableLedger
from target_adpostbacks.run.preparing import Pending
from target_adpostbacks.run.stitching import Stitching

MOST_WAITING = 500
"""Records whose clicks are looked up at once."""


class Clicks:
    """What ``clicks`` names, for a run. Belongs to the reading thread.

    ``prepare_all``, ``take``: as ``Run.prepare_all`` and ``Run.take_all``, for records whose clicks are known.
    ``failed``: why nothing can be looked up any more; then what waits stays open.
    """

    def __init__(
        self,
        stitching: Stitching,
        prepare_all: Callable[[Iterable[Pending | Prepared | None]], Iterable[Prepared | None]],
        take: Callable[[Iterable[Prepared | None], Mark, str], None],
    ) -> None:
        self._stitching, self._prepare_all, self._take = stitching, prepare_all, take
        self.stream = stitching.stream
        self.leave_out = stitching.leave_out
        self.failed: UnusableLedger | None = None
        self._waiting: list[tuple[Sequence[Pending | Prepared | None], Mark, str]] = []
        self._since = 0.0

    @property
    def waiting(self) -> int:
        """How many records of the input wait."""
        return len(self._waiting)

    @staticmethod
    def pending(record: Mapping[str, Any], *, stream: str, key: Sequence[str], line: int) -> Pending:
        """A record that is to wait."""
        return Pending(record, stream, key, line)

    def wait(self, members: Sequence[Pending | Prepared | None], mark: Mark, file: str = "") -> None:
        """Take what one record of the input is, once its clicks are looked up, with those of many others.

        None: a stream map has left it out.
        """
        self._since = self._since if self._waiting else time.monotonic()
        mark.expect(1)  # it holds state back until its own outcomes do
        self._waiting.append((members, mark, file))
        if len(self._waiting) >= MOST_WAITING:
            self._take_waiting()

    def keep(self, row: Mapping[str, Any], mark: Mark = UNMARKED, line: int = 0) -> None:
        """Keep what a row of the stream of clicks tells; it is no record of the run's counts."""
        if self.failed is None:
            try:
                self._stitching.take(row, mark, line)
            except UnusableLedger as error:
                self.failed = error

    def tick(self, age_seconds: float) -> None:
        """Take, and commit, what has waited so long."""
        if self.failed is None:
            self._commit(age_seconds)
            if self._waiting and time.monotonic() - self._since >= age_seconds:
                self._take_waiting()

    def settle(self) -> None:
        """Take all that waits, and commit all rows."""
        self._take_waiting()
        if self.failed is None:
            self._commit(0)

    def end(self) -> None:
        """Say how many rows there were; forget what is too old. Raises UnusableLedger."""
        self._stitching.end()

    def _commit(self, age_seconds: float) -> None:
        try:
            self._stitching.tick(age_seconds)
        except UnusableLedger as error:
            self.failed = error

    def _take_waiting(self) -> None:
        """Take what waits; where clicks can't be looked up, it stays open."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        those = [each for members, _, _ in waiting for each in members]
        try:
            if self.failed is None:
                self._stitching.look_up(each for each in those if isinstance(each, Pending))
        except UnusableLedger as error:
            self.failed = error
        prepared = iter(() if self.failed else self._prepare_all(those))
        for members, mark, file in waiting:
            if self.failed:
                mark.hold(1)
                continue
            self._take(islice(prepared, len(members)), mark, file)
            mark.settle(1)
