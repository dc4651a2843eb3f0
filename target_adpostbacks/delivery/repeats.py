"""Decides on postbacks that earlier runs know: leaves out, sends apart, repeats, or leaves open."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
        return Sorted(*_without(self, others))


class HeldBack(NamedTuple):
    """What of a batch does not leave. The last two are of corrections that await their original."""

    too_early: list[Queued]  # they would overtake what this run left open, or what they adjust, open in the ledger
    groundless: list[Queued]  # the ledger does not have accepted what they adjust
    needless: list[Queued]  # they restate the value with which that was accepted

    @property
    def early(self) -> list[Queued]:
        """Those that may have their original further down in the input."""
        return [*(queued for queued in self.too_early if queued.postback.awaits_original), *self.groundless]

    def all(self) -> list[Queued]:
        """Each of them."""
        return [*self.too_early, *self.groundless, *self.needless]

    def without(self, others: Sequence[Queued]) -> HeldBack:
        """The same, but for these."""
        return HeldBack(*_without(self, others))


class Repeats:
    """What a run knows of its postbacks from earlier ones. Safe to use from several threads."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self.differences: Counter[str] = Counter()  # "tiktok.default: value": of what came again
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.Lock()

    def sort(self, batch: Sequence[Queued], network: Network[Any]) -> Sorted:
        """Ask the ledger."""
        keys = [queued.postback.key for queued in batch]
        keys += [key for queued in batch for key in queued.postback.other_keys]
        earlier = self._ledger.earlier(keys)
        if not earlier:
            return Sorted(list(batch), [], [], [])
        by_status = Sorted([], [], [], [])
        for queued in batch:
            postback = queued.postback
            known = [(key, row) for key in keys_of(postback) if (row := earlier.get(key))]
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

    def held_back(self, batch: Sequence[Queued], left_open: LeftOpen) -> HeldBack | None:
        """Corrections that do not leave, and what would overtake what this run left open; None: nothing could."""
        adjusted = {id(queued): adjusted_by(queued.postback) for queued in batch if queued.postback.key.adjustment}
        if not adjusted and not left_open:
            return None
        held_back = HeldBack([], [], [])
        earlier = self._ledger.earlier([key for keys in adjusted.values() for key in keys], corrections=True)
        for queued in batch:
            keys = adjusted.get(id(queued), ())
            known = {row.status: row for key in keys if (row := earlier.get(key))}
            if "open" in known or left_open.is_before(queued, keys):
                held_back.too_early.append(queued)
            elif keys and queued.postback.awaits_original and not queued.in_doubt_since:
                if (original := known.get("accepted")) is None:
                    held_back.groundless.append(queued)
                elif _is_as_accepted(queued.postback, original) and not _is_newer(queued.postback, keys, earlier):
                    held_back.needless.append(queued)
        return held_back

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


def _without(groups: Iterable[list[Queued]], others: Iterable[Queued]) -> Iterator[list[Queued]]:
    ids = {id(queued) for queued in others}
    return ([queued for queued in group if id(queued) not in ids] for group in groups)


def _redated(postback: Postback, first_read_at: str, network: Network[Any]) -> Postback:
    """A correction as it was when it was read first: what corrects it later stays the later one."""
    return msgspec.structs.replace(
        postback,
        payload=network.redated(postback.payload, datetime.fromisoformat(first_read_at)),
        facts=postback.facts._replace(adjustment_time=first_read_at),
        dated_now=False,
    )


def keys_of(postback: Postback) -> tuple[Key, ...]:
    """The identities under which the ledger may know it, its own first."""
    return (postback.key, *postback.other_keys)


def adjusted_by(postback: Postback) -> tuple[Key, ...]:
    """The identities of the conversion that it adjusts."""
    return tuple(key._replace(adjustment="") for key in keys_of(postback))


def _is_as_accepted(postback: Postback, original: Earlier) -> bool:
    """Whether it restates a conversion with the value that the network has accepted."""
    is_known = original.event_time is not None  # else the ledger has forgotten
    value, currency = postback.facts.value, postback.facts.currency
    return (
        is_known
        and postback.key.adjustment.startswith("restate")
        and (value, currency) == (original.value, original.currency)
    )


def _is_newer(postback: Postback, keys: Sequence[Key], earlier: Mapping[tuple[Any, ...], Earlier]) -> bool:
    """Whether it was made after a correction that the network has, or may have, of the conversion with these keys."""
    made_at = None if postback.dated_now else postback.facts.adjustment_time
    return made_at is not None and any(
        row.status in ("accepted", "open")
        and (key := Key(*identity)).adjustment
        and key._replace(adjustment="") in keys
        and (row.adjustment_time or made_at) < made_at
        for identity, row in earlier.items()
    )
