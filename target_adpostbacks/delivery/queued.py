"""The types of delivery: a postback on its way, what is not sent, a part of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.postback import Key, Postback
from target_adpostbacks.ledger import Delivered, Earlier, Sent


class Mark(Protocol):
    """A place in the input that learns what became of the outcomes before it. Any thread settles and holds."""

    def expect(self, count: int) -> None:
        """Expect ``count`` more outcomes. The reading thread calls it, before any of them is settled."""

    def settle(self, count: int) -> None:
        """``count`` outcomes are final."""

    def hold(self, count: int) -> None:
        """``count`` outcomes stay open."""

    def flag(self, kind: str) -> None:
        """One of them is ``invalid`` or ``rejected``; called before it is settled."""


class Unmarked:
    """The mark of a caller who keeps no state."""

    def expect(self, count: int) -> None:
        """Nothing to do."""

    settle = hold = expect

    def flag(self, kind: str) -> None:
        """Nobody asks."""


UNMARKED: Mark = Unmarked()


class Queued(msgspec.Struct, gc=False):
    """A postback and its place in the input.

    ``requested_at``: when the request was sent that it is in, until the ledger knows what came of it;
    ``unanswered_since``: when the first request was sent, in this run or an earlier one, to which no answer came.
    """

    postback: Postback
    mark: Mark
    claimed: Key | None = None  # the identity under which it is under way
    turn: tuple[str, bool, str] | None = None  # what it has the turn of, until its verdict
    requested_at: str | None = None
    unanswered_since: str | None = None
    earlier: Earlier | None = None  # what the ledger has of what was sent of it first
    person: tuple[str, ...] = ()  # as in ``Prepared``

    @property
    def in_doubt_since(self) -> str | None:
        """Since when the network may have it though the ledger knows of no answer; None: it has not."""
        return self.unanswered_since or self.requested_at


class Skipped(NamedTuple):
    """A row for what no request is made for, with its place in the input."""

    row: Delivered
    mark: Mark
    other_keys: tuple[Key, ...] = ()  # under which the ledger may know it from before


def deadline(batch: Iterable[Queued]) -> datetime:
    """When the first of them is too old to be sent."""
    return min(queued.postback.deadline for queued in batch)


Group = tuple[Outcome, list[Queued]]
"""An outcome and the postbacks that share it."""


class WhyOpen(NamedTuple):
    """Why postbacks of an account have no verdict."""

    account: str  # the account's label
    outcome: Outcome
    http_status: int | None = None

    @property
    def told(self) -> str:
        """``'tiktok.default: throttled: 40100: Too many requests'``."""
        return f"{self.account}: {self.outcome.summary}"


class Part(NamedTuple):
    """A batch, or a part of one that was refused whole."""

    batch: list[Queued]
    sent: Sent | None = None  # the newest request that it was in
    refusal: Outcome = Outcome(Verdict.REJECTED)  # what that answered, where it was refused whole
    last: Outcome | None = None  # the newest answer about these alone: why they stay open if nothing more comes
    is_probe: bool = False  # sent alone to learn whether it is refused too: that is no verdict yet
    is_suspect: bool = False  # one after the other was refused by name: what is left is to be probed

    @property
    def cause(self) -> tuple[str, int | None]:
        """What is alike when everything is refused for one reason: the network's code and the HTTP status."""
        return self.refusal.code, self.sent and self.sent.http_status
