"""What a run hands to its delivery: postbacks in batches, or in turn, and rows of what is not sent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.postback import Postback
from target_adpostbacks.delivery.batches import Batches
from target_adpostbacks.delivery.delivery import Delivery
from target_adpostbacks.delivery.in_turn import MOST_WAITING, InTurn
from target_adpostbacks.delivery.queued import Mark, Queued, Skipped

SKIPPED_ROWS = 500
"""Rows of conversions that are not sent, before they are written to the ledger."""

_account_of = attrgetter("account")


class Outgoing:
    """Collects what goes to each account, and submits it. Belongs to the reading thread.

    ``age_seconds``: how long something waits for its batch to fill; ``max_batch_rows``: fewer postbacks in a request
    than the network takes.
    """

    def __init__(
        self, delivery: Delivery, accounts: Iterable[Account], age_seconds: float, max_batch_rows: int | None = None
    ) -> None:
        self._delivery, self._age, self._max_batch_rows = delivery, age_seconds, max_batch_rows
        self._batches = {account.label: Batches(account, max_batch_rows) for account in accounts if account.network}
        self._in_turn: dict[str, InTurn] = {}  # by the account's label
        self.most_waiting = MOST_WAITING  # then the reader waits for what was read before them
        self._skipped: list[Skipped] = []
        self._skipped_since = 0.0

    def add(self, queued: Queued) -> None:
        """Batch a postback; what must not overtake waits."""
        postback = queued.postback
        batches = self._batches[postback.account]
        if postback.key.adjustment or (postback.once and not self._take_turn(queued)):
            self._wait_in_turn(batches.account, queued)
            return
        for full in batches.add(queued):
            self._delivery.submit(batches.account, full)

    def add_all(self, postbacks: Sequence[Postback], mark: Mark) -> None:
        """The same of several, in their order."""
        if [each for each in postbacks if each.once or each.key.adjustment]:
            for each in postbacks:
                self.add(Queued(each, mark))
            return
        for label, together in groupby(postbacks, _account_of):
            batches = self._batches[label]
            for full in batches.add_all([Queued(each, mark) for each in together]):
                self._delivery.submit(batches.account, full)

    def skip(self, skipped: Skipped) -> None:
        """Collect the row of what is not sent."""
        self._skipped_since = self._skipped_since or time.monotonic()
        self._skipped.append(skipped)
        if len(self._skipped) >= SKIPPED_ROWS:
            self._write_skipped()

    def tick(self, waited: float = 0) -> None:
        """Send what has waited long enough for its batch to fill; ``waited``: seconds before it was added."""
        age = self._age - waited
        for batches in self._batches.values():
            for batch in batches.due(age):
                self._delivery.submit(batches.account, batch)
        for waiting in self._in_turn.values():
            if len(waiting) and time.monotonic() - waiting.since >= age:
                self._send_in_turn(waiting)
            self._decide(waiting.account)
        if self._skipped and time.monotonic() - self._skipped_since >= age:
            self._write_skipped()

    def idle(self) -> None:
        """While an account keeps the reader waiting: the others send what has waited long enough."""
        for batches in self._batches.values():
            if self._delivery.has_room(batches.account):
                for batch in batches.due(self._age):
                    self._delivery.submit(batches.account, batch)

    def settle(self) -> None:
        """Send all that is left."""
        self._write_skipped()
        for batches in self._batches.values():
            for batch in batches.due():
                self._delivery.submit(batches.account, batch)
        for waiting in self._in_turn.values():
            self._send_in_turn(waiting)
        for waiting in self._in_turn.values():
            self._decide(waiting.account, is_over=True)

    def _take_turn(self, queued: Queued) -> bool:
        waiting = self._in_turn.get(queued.postback.account)
        return not (waiting and waiting.is_before(queued.postback)) and self._delivery.take_turn(queued)

    def _wait_in_turn(self, account: Account, queued: Queued) -> None:
        """Let a postback wait that must not overtake what was read before it."""
        if (waiting := self._in_turn.get(account.label)) is None:
            waiting = self._in_turn[account.label] = InTurn(account, self._max_batch_rows)
        waiting.add(queued)
        if len(waiting) >= self.most_waiting:
            self._send_in_turn(waiting)

    def _send_in_turn(self, waiting: InTurn) -> None:
        """Send what waits once all that was read before has its verdict; of a conversion one by one."""
        for batch in self._batches[waiting.account.label].due():
            self._delivery.submit(waiting.account, batch)
        while len(waiting):
            in_order = self._delivery.finish(waiting.account)
            for batch in waiting.take(in_order=in_order):
                for queued in batch:
                    self._delivery.take_turn(queued)
                self._delivery.submit(waiting.account, batch)

    def _decide(self, account: Account, *, is_over: bool = False) -> None:
        """Send the corrections that came before their original, if it has come since; of a conversion one by one."""
        waiting = InTurn(account, self._max_batch_rows)
        for queued in self._delivery.put_off(account, is_over=is_over):
            waiting.add(queued)
        while len(waiting):
            for batch in waiting.take(in_order=self._delivery.finish(account)):
                self._delivery.submit_again(account, batch)

    def _write_skipped(self) -> None:
        rows, self._skipped, self._skipped_since = self._skipped, [], 0.0
        if rows:
            self._delivery.skip(rows)
