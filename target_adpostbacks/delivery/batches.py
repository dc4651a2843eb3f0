"""Fills an account's batches: postbacks of one envelope share a request, up to the network's limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.delivery.queued import Queued, deadline


class Batch:
    """Postbacks of one envelope on their way to one request."""

    __slots__ = ("events", "max_bytes", "max_events", "max_rows", "queued", "since", "size")

    def __init__(self, max_rows: int, max_events: int, max_bytes: int, since: float) -> None:
        self.queued: list[Queued] = []
        self.size = self.events = 0
        self.since = since
        self.max_rows = max_rows
        self.max_events = max_events
        self.max_bytes = max_bytes


class Batches:
    """The batches of an account that are not full yet.

    ``max_rows``: fewer postbacks in one than the network takes; ``clock``: monotonic seconds.
    """

    def __init__(
        self, account: Account, max_rows: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        assert account.network is not None  # noqa: S101 - disabled accounts get no postbacks
        self.account = account
        self._network = account.network
        self._max_rows = max_rows
        self._clock = clock
        self._filling: dict[tuple[Any, ...], Batch] = {}

    def add(self, queued: Queued) -> list[list[Queued]]:
        """Take a postback in; the batches that are full now."""
        return [*self.add_all((queued,))]

    def add_all(self, several: Iterable[Queued]) -> Iterator[list[Queued]]:
        """Take postbacks in, in their order; each batch once it is full. Meanwhile others may be taken out."""
        batch: Batch | None = None  # that of the postback before
        asset = ""
        contents: dict[str, Any] = {}
        for queued in several:
            postback = queued.postback
            if batch is None or postback.key.asset != asset or postback.envelope != contents:
                asset, contents = postback.key.asset, postback.envelope
                envelope = (asset, *contents.items())
                batch = self._filling.get(envelope) or self._begin(envelope)
            events, size = batch.events + postback.events, batch.size + len(postback.payload) + 1
            if batch.queued and (size > batch.max_bytes or events > batch.max_events):
                yield self._filling.pop(envelope).queued
                batch = self._begin(envelope)
                events, size = postback.events, len(postback.payload) + 1
            batch.queued.append(queued)
            batch.events, batch.size = events, size
            if events >= batch.max_events or len(batch.queued) >= batch.max_rows:
                batch = None
                yield self._filling.pop(envelope).queued

    def _begin(self, envelope: tuple[Any, ...]) -> Batch:
        limits = self._network.limits(dict(envelope[1:]))
        max_rows = self._max_rows or limits.events
        batch = self._filling[envelope] = Batch(max_rows, limits.events, limits.payload_bytes, self._clock())
        return batch

    def due(self, max_age_seconds: float = 0) -> list[list[Queued]]:
        """Take out the batches that have waited so long, the one with the earliest deadline first."""
        before = self._clock() - max_age_seconds
        envelopes = [envelope for envelope, batch in self._filling.items() if batch.since <= before]
        return sorted((self._filling.pop(envelope).queued for envelope in envelopes), key=deadline)
