"""Gives conversions the clicks that their people had before, and keeps clicks for those that come later."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from target_adpostbacks.config import General, InvalidConfig
from target_adpostbacks.config.clicks import kept
from target_adpostbacks.core.clicks import VISITOR, Candidate, LeftOut, Stitched, Told, identifiers, stitched, told
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.digests import fingerprint, keyed
from target_adpostbacks.core.postback import milliseconds
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.delivery.people import People
from target_adpostbacks.delivery.queued import UNMARKED, Mark
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.ledger.clicks import Found, Row
from target_adpostbacks.ledger.erasure import OtherKey
from target_adpostbacks.run.erasing import ANOTHER
from target_adpostbacks.run.preparing import Pending

CLICKS = 1_000
"""Rows of clicks that are written at once."""
NOTHING = Found({}, {}, frozenset())


class Stitching:
    """What ``clicks`` names. Belongs to the reading thread; raises UnusableLedger, and InvalidConfig for another key.

    ``clock``: aware. A row of clicks holds its place in the input until it is committed, and no longer.
    """

    def __init__(
        self,
        general: General,
        ledger: Ledger,
        preparation: Preparation,
        people: People,
        clock: Callable[[], datetime],
        log: logging.Logger,
    ) -> None:
        self.stream, self._rule, self._retention = kept(general.clicks)
        self._key = general.erasure_key or ""
        self._people, self._clock, self._log = people, clock, log
        self._preparation = preparation
        self._networks = {
            section: next(account.network for account in accounts if account.network)
            for section, accounts in preparation.accounts.items()
            if any(account.network and not account.is_network for account in accounts)
        }
        self._clicks = ledger.clicks
        self._rows: list[tuple[Row, Mark]] = []
        self._since = 0.0
        self._found = NOTHING
        self._left_out: Counter[str] = Counter()
        self._busy: set[str] = set()
        self.used = self.stitched = 0
        try:
            ledger.erasure.know(fingerprint(self._key))
        except OtherKey:
            raise InvalidConfig([ANOTHER]) from None
        self._clicks.begin()

    def take(self, record: Mapping[str, Any], mark: Mark = UNMARKED, line: int = 0) -> None:
        """Keep what a row of the stream of clicks tells."""
        columns = self._preparation.columns
        try:
            row = told(record, columns, self._networks, self._preparation.country_codes)
            if self._people.is_suppressed(row.people):
                raise LeftOut("suppressed", "the person was erased, or is in the list of `suppress`")
        except LeftOut as why:
            self.leave_out(why.reason, str(why), line)
            return
        self._since = self._since if self._rows else time.monotonic()
        mark.expect(1)
        self._rows.append((self._row(row), mark))
        self.used += 1
        if len(self._rows) >= CLICKS:
            self.flush()

    def leave_out(self, reason: str, why: str, line: int) -> None:
        """Count a row that is not kept, and tell of the first of its kind."""
        if not self._left_out[reason]:
            self._log.warning("Line %d: %s (stream %s). Left out; more of these are counted.", line, why, self.stream)
        self._left_out[reason] += 1

    def _row(self, row: Told) -> Row:
        links = [(keyed(one, self._key), keyed(other, self._key)) for one, other in row.links]
        people = [keyed(form, self._key) for form in row.people]
        return Row(row.clicks, people, links, milliseconds(self._clock()))

    def flush(self) -> None:
        """Commit the clicks that have come; then they hold no state back."""
        rows, self._rows = self._rows, []
        if rows:
            self._clicks.write(row for row, _ in rows)
            for _, mark in rows:
                mark.settle(1)

    def tick(self, age_seconds: float) -> None:
        """Commit what has waited so long."""
        if self._rows and time.monotonic() - self._since >= age_seconds:
            self.flush()

    def look_up(self, records: Iterable[Pending]) -> None:
        """Find the clicks of all that these records are about, for the next calls."""
        self.flush()
        connecting: set[str] = set()
        digests: set[str] = set()
        times = []
        for each in records:
            for conversion in self._preparation.conversions(each.record, each.stream, each.key):
                times.append(conversion.event_time)
                for kind, those in self._identifiers(conversion):
                    digests.update(those)
                    if kind != VISITOR:
                        connecting.update(those)
        self._found = NOTHING
        if digests:
            since, until = milliseconds(min(times) - self._rule.window), milliseconds(max(times))
            self._found = self._clicks.of_people(digests, connecting, since, until)
            self._busy |= self._found.busy

    def _identifiers(self, c: Conversion) -> Iterator[tuple[str, list[str]]]:
        for kind, those in identifiers(c, self._preparation.country_codes):
            yield kind, [keyed(form, self._key) for form in those]

    def __call__(self, c: Conversion) -> Stitched:
        """A conversion with the clicks of those that were looked up."""
        found = self._found
        candidates: dict[int, Candidate] = {}
        for kind, digests in self._identifiers(c):
            for digest in digests:
                if digest in found.busy:
                    continue
                reached = () if kind == VISITOR else found.others.get(digest, ())
                for each in (digest, *(other for other in reached if other not in found.busy)):
                    for row, click in found.clicks.get(each, ()):
                        candidates.setdefault(row, Candidate(row, click, kind))
        result = stitched(c, candidates.values(), self._rule, self._networks, self._preparation.names)
        self.stitched += bool(result.candidates)
        return result

    def end(self) -> None:
        """Say how many rows there were; forget what is too old."""
        self._clicks.expire(milliseconds(self._clock() - self._retention))
        if self.used or self._left_out or self.stitched:
            parts = [f"{self.used} row{'s' * (self.used != 1)}"]
            if self._left_out:
                reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self._left_out.items()))
                parts.append(f"{self._left_out.total()} left out ({reasons})")
            parts.append(f"{self.stitched} conversion{'s' * (self.stitched != 1)} got one")
            if self._busy:
                parts.append(f"{len(self._busy)} identifiers are linked to too many others, and were ignored")
            self._log.info("clicks: %s", ", ".join(parts))
