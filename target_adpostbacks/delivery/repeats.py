"""What comes again: left out where it was accepted, apart where it was refused, with care where no answer came."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.postback import Facts, Key, Postback
from target_adpostbacks.delivery.attempts import Entry, Group
from target_adpostbacks.ledger import Earlier, Ledger

COMPARED = ("event_time", "network_event", "match_keys", "value", "currency")
"""Facts that are to be the same when a conversion comes again."""
UNRECOGNIZED = (
    "sent before without an answer, and the network would no longer recognize a repetition; "
    "see what it has, then: adpostbacks resolve EVENT_ID --as accepted|resend"
)


class Sorted(NamedTuple):
    """A batch by what earlier runs know of it."""

    new: list[Any]
    accepted: list[Any]
    refused: list[Any]  # to be sent apart: they must not spoil the rest again
    unanswered: list[Any]  # too late to send again: the network would count them twice


class Repeats:
    """What a run knows of its postbacks from earlier ones. Safe to use from several threads."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self.differences: Counter[str] = Counter()  # "tiktok.default: value": of what came again
        self.unanswered: dict[Key, str] = {}  # first sent when, and still without an answer
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.Lock()

    def sort(self, batch: Sequence[Entry]) -> Sorted:
        """Ask the ledger."""
        earlier = self._ledger.earlier([entry.postback.key for entry in batch])
        if not earlier:
            return Sorted(list(batch), [], [], [])
        found = Sorted([], [], [], [])
        for entry in batch:
            known = earlier.get(entry.postback.key)
            if known is None:
                found.new.append(entry)
            elif known.status == "accepted":
                self.compare(entry.postback, known)
                found.accepted.append(entry)
            elif known.status == "rejected":
                found.refused.append(entry)
            else:
                self.compare(entry.postback, known)
                self.unanswered[entry.postback.key] = known.sent_at or ""
                (found.new if self._recognized(entry.postback, known) else found.unanswered).append(entry)
        return found

    def _recognized(self, postback: Postback, known: Earlier) -> bool:
        """Whether the network still takes a repetition for one: to the end of the retries that it may need."""
        network = postback.account.network
        if postback.resend_seconds is None or not known.sent_at or network is None:
            return False
        since = (self._clock() - datetime.fromisoformat(known.sent_at)).total_seconds()
        return since + float(network.settings.max_retry_seconds) < postback.resend_seconds

    def compare(self, postback: Postback, known: Earlier | Facts) -> None:
        """What was sent first stands, whatever the conversion looks like when it comes again: count what differs."""
        if known.event_time is None:
            return  # the ledger has forgotten
        for name in COMPARED:
            if getattr(postback.facts, name) != getattr(known, name):
                with self._lock:
                    self.differences[f"{postback.account.label}: {name}"] += 1

    def doubted(self, group: Group) -> Iterator[Group]:
        """What an earlier run sent without an answer is not merely throttled or down now: the network may have it."""
        outcome, batch = group
        unanswered = self.unanswered
        doubted = [] if outcome.verdict.final else [entry for entry in batch if entry.postback.key in unanswered]
        if not doubted:
            yield group
            return
        yield Outcome(Verdict.NO_ANSWER, detail=f"no answer in an earlier run; now {outcome.said}"), doubted
        if others := [entry for entry in batch if entry.postback.key not in unanswered]:
            yield outcome, others
