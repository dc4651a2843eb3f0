"""Decides on postbacks that earlier runs know: leaves out, sends apart, repeats, or leaves open."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from target_adpostbacks.core.network import Network
from target_adpostbacks.core.postback import Facts, Key, Postback
from target_adpostbacks.delivery.in_turn import LeftOpen
from target_adpostbacks.delivery.queued import Queued
from target_adpostbacks.ledger import Earlier, Ledger

COMPARED = ("event_time", "network_event", "match_keys", "value", "currency")
"""Facts that are to be the same when a conversion comes again."""
UNRECOGNIZED = (
    "sent earlier and never answered, and too late for the network to recognize a repetition; check the network's own "
    "report, then run: adpostbacks resolve EVENT_ID --as accepted|resend"
)


class Sorted(NamedTuple):
    """A batch by what earlier runs know of it."""

    new: list[Queued]
    accepted: list[Queued]
    refused: list[Queued]  # to be sent apart: they must not spoil the rest again
    unrecognized: list[Queued]  # unanswered, and too late to send again: the network would count them twice

    def without(self, others: Sequence[Queued]) -> Sorted:
        """The same, but for these."""
        ids = {id(queued) for queued in others}
        return Sorted(*([queued for queued in group if id(queued) not in ids] for group in self))


class Repeats:
    """What a run knows of its postbacks from earlier ones. Safe to use from several threads."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self.differences: Counter[str] = Counter()  # "tiktok.default: value": of what came again
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.Lock()

    def sort(self, batch: Sequence[Queued], network: Network[Any]) -> Sorted:
        """Ask the ledger."""
        earlier = self._ledger.earlier([key for queued in batch for key in _keys(queued.postback)])
        if not earlier:
            return Sorted(list(batch), [], [], [])
        by_status = Sorted([], [], [], [])
        for queued in batch:
            postback = queued.postback
            known = [(key, row) for key in _keys(postback) if (row := earlier.get(key))]
            if not known:
                by_status.new.append(queued)
                continue
            key, row = next(((key, row) for key, row in known if row.status == "accepted"), known[0])
            if row.status == "accepted":
                self.compare(postback, row)
                queued.earlier = row
                by_status.accepted.append(queued)
                continue
            if key.event_id != postback.key.event_id:
                queued.postback = postback.under(key.event_id)
            if row.adjustment_time and postback.dated_now:
                queued.postback = _redated(queued.postback, row.adjustment_time, network)
            if row.status == "rejected":
                by_status.refused.append(queued)
            elif row.reason != "no_answer":
                by_status.new.append(queued)
            else:
                self.compare(postback, row)
                queued.earlier = row
                queued.unanswered_since = row.sent_at
                is_recognized = self._is_recognized(postback, row, network.settings.max_retry_seconds)
                (by_status.new if is_recognized else by_status.unrecognized).append(queued)
        return by_status

    def held_back(self, batch: Sequence[Queued], left_open: LeftOpen) -> tuple[list[Queued], list[Queued]]:
        """Those that would overtake what this run left open, or the conversion that they adjust, open in the ledger.

        And of the others those that are only sent where the ledger has what they adjust accepted, and it has not.
        """
        adjusted = {id(queued): _adjusted(queued.postback) for queued in batch if queued.postback.key.adjustment}
        if not adjusted and not left_open:
            return [], []
        earlier = self._ledger.earlier([key for keys in adjusted.values() for key in keys])
        too_early, groundless = [], []
        for queued in batch:
            keys = adjusted.get(id(queued), ())
            statuses = {row.status for key in keys if (row := earlier.get(key))}
            if "open" in statuses or left_open.is_before(queued, keys):
                too_early.append(queued)
            elif keys and queued.postback.awaits_original and not queued.in_doubt_since and "accepted" not in statuses:
                groundless.append(queued)
        return too_early, groundless

    def _is_recognized(self, postback: Postback, row: Earlier, max_retry_seconds: float) -> bool:
        """Whether the network still takes a repetition for one: to the end of the retries that it may need."""
        if postback.resend_seconds is None or not row.sent_at:
            return False
        since = (self._clock() - datetime.fromisoformat(row.sent_at)).total_seconds()
        return since + max_retry_seconds < postback.resend_seconds

    def compare_later(self, same: Sequence[Queued]) -> None:
        """Compare what came while the first one was under way with what was sent first: that, or an earlier one."""
        first, *later = same
        for queued in later:
            self.compare(queued.postback, first.earlier or first.postback.facts)

    def compare(self, postback: Postback, earlier: Earlier | Facts) -> None:
        """What was sent first stands, whatever the conversion looks like when it comes again: count what differs."""
        if earlier.event_time is None:
            return  # the ledger has forgotten
        for name in COMPARED:
            if getattr(postback.facts, name) != getattr(earlier, name):
                with self._lock:
                    self.differences[f"{postback.account}: {name}"] += 1


def _redated(postback: Postback, first_read_at: str, network: Network[Any]) -> Postback:
    """A correction as it was when it was read first: what corrects it later stays the later one."""
    return msgspec.structs.replace(
        postback,
        payload=network.redated(postback.payload, datetime.fromisoformat(first_read_at)),
        facts=postback.facts._replace(adjustment_time=first_read_at),
        dated_now=False,
    )


def _keys(postback: Postback) -> tuple[Key, ...]:
    return (postback.key, *postback.other_keys)


def _adjusted(postback: Postback) -> tuple[Key, ...]:
    """The identities of the conversion that it adjusts."""
    return tuple(key._replace(adjustment="") for key in _keys(postback))
