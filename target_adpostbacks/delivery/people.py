"""About whom nothing is sent, and whose each delivery is: all by keyed digests."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from target_adpostbacks.core.digest_set import DigestSet
from target_adpostbacks.core.digests import digest, keyed
from target_adpostbacks.core.postback import Key, NotSent, Postback
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.delivery.queued import Queued
from target_adpostbacks.ledger import Erasure

SUPPRESSED = "suppressed"


class People:
    """Who was erased until now, and whoever ``listed`` are. Safe to use from several threads.

    ``erasure``: of the ledger, if there is one; ``listed``: digests by ``key``; ``has_index``: whether the ledger is to
    know whose each delivery is.
    """

    def __init__(
        self, erasure: Erasure | None, key: str, listed: DigestSet | None = None, *, has_index: bool = False
    ) -> None:
        self.has_index = has_index
        self._erasure, self._key = erasure, key
        self._erased: set[bytes] = set()
        self._listed = listed or ()
        self._reached = 0  # seq of the newest erasure that is known
        self._lock = threading.Lock()
        self._read_on()

    def _read_on(self) -> None:
        if self._erasure is None:
            return
        with self._lock:
            self._reached, digests = self._erasure.suppressed(self._reached)
            self._erased.update(map(bytes.fromhex, digests))

    def left_out(self, prepared: Prepared) -> Prepared:
        """What was prepared; without its postbacks if nothing is sent about the person."""
        if not prepared.postbacks or not self.is_suppressed(prepared.person):
            return prepared
        rows = [*prepared.not_sent, *map(not_sent, prepared.postbacks)]
        return replace(prepared, postbacks=[], not_sent=rows)

    def parted(self, batch: Sequence[Queued]) -> tuple[list[Queued], list[Queued]]:
        """Those to send, and those about people who are erased by now."""
        self._read_on()
        sent: list[Queued] = []
        erased: list[Queued] = []
        for queued in batch:
            (erased if self.is_suppressed(queued.person) else sent).append(queued)
        return sent, erased

    def is_suppressed(self, person: Iterable[str]) -> bool:
        """Whether nothing is sent about a person; by its forms, see ``digests``."""
        erased, listed, key = self._erased, self._listed, self._key
        if not (erased or listed):
            return False
        return any((each := digest(form, key)) in erased or each in listed for form in person)

    def whose(self, batch: Iterable[Queued]) -> Mapping[Key, Sequence[str]]:
        """The digests under which the ledger's index is to find them; nothing without an index."""
        if not self.has_index:
            return {}
        key = self._key
        return {queued.postback.key: [keyed(form, key) for form in queued.person] for queued in batch if queued.person}


def not_sent(postback: Postback) -> NotSent:
    """What becomes of a postback about a person of whom nothing is sent."""
    kept = postback.facts._replace(network_event="", match_keys="")
    other_keys, rule = postback.other_keys, postback.rule
    return NotSent(postback.key, postback.account_name, kept, SUPPRESSED, other_keys=other_keys, rule=rule)
