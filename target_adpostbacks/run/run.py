"""One run without Singer: prepares, batches and delivers records, and counts what became of them."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from target_adpostbacks import config as configuration
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.mistakes import located
from target_adpostbacks.core.postback import Postback
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.core.ways import Rule
from target_adpostbacks.delivery import refresh_tokens
from target_adpostbacks.delivery.attempts import pauses
from target_adpostbacks.delivery.balance import Tally, counted, summary, unbalanced
from target_adpostbacks.delivery.delivery import Delivery
from target_adpostbacks.delivery.people import People
from target_adpostbacks.delivery.queued import UNMARKED, Mark, Queued, Skipped
from target_adpostbacks.delivery.rows import row_of
from target_adpostbacks.delivery.transport import HttpTransport, Transport
from target_adpostbacks.ledger import Ledger, UnusableLedger, ledger_url
from target_adpostbacks.run import left_open
from target_adpostbacks.run.erasing import people_of
from target_adpostbacks.run.limits import Limits
from target_adpostbacks.run.noticed import Noticed
from target_adpostbacks.run.observers import observer
from target_adpostbacks.run.outgoing import Outgoing
from target_adpostbacks.run.preparing import Pending, in_blocks, preparation_of, unmet_of, utc_now

if TYPE_CHECKING:
    from target_adpostbacks.delivery.claims import Claims
    from target_adpostbacks.run.clicks import Clicks
    from target_adpostbacks.run.notifying import Notifier

OBSERVER_SECONDS, HURRIED_SECONDS = 10, 5
"""At the end, for handing over spans and metrics; where a signal has come there is less time."""


class Run:
    """One run. Everything belongs to one thread but ``stop``, which a signal handler may call.

    ``begin`` opens the run's books, ``add`` takes records, ``tick`` lets time pass, ``settle`` waits for the verdicts,
    ``close`` ends the books. Raises UnusableLedger, and InvalidConfig where its key or its list of people is unusable.
    ``max_batch_rows``: fewer postbacks in a request than the network takes; ``delivered``: is called on any thread with
    an account's label and the seconds that each batch took from hand-over to its verdicts. ``owner``: the task's name,
    where tasks send side by side.
    """

    def __init__(
        self,
        general: configuration.General,
        accounts: Mapping[str, Sequence[Account]],
        *,
        log: logging.Logger,
        transport: Transport | None = None,
        clock: Callable[[], datetime] = utc_now,
        pauses: Callable[[], Iterator[float]] = pauses,
        rules: Sequence[Rule] = (),
        max_batch_rows: int | None = None,
        delivered: Callable[[str, float], None] = lambda _label, _seconds: None,
        owner: str | None = None,
    ) -> None:
        self.general = general
        self.preparation = preparation_of(general, accounts, rules)
        self._accounts = [account for section in accounts.values() for account in section]
        self.run_id = uuid.uuid4().hex
        self.read = self.owed = self.filtered = 0
        self.unmet = unmet_of(general, self.preparation)
        self._several = 0  # conversions that records were, beyond one each
        self._other_streams: Counter[str] = Counter()  # records that no source reads
        self._is_stopped = False
        self._without_outcome = 0  # records
        self._log = log
        self._clock = clock
        self._started = time.monotonic()
        self._noticed = Noticed(log)
        url = ledger_url(os.environ, general.ledger_url)
        self.ledger = Ledger(url, self.run_id, layout=general.ledger_layout)
        codes = self.preparation.country_codes
        self._people = people_of(general, self.ledger, codes, self._now(), log)
        self.clicks = self._clicks_of(self._people)
        self._notifier = self._notifier_of(url)
        self._http = HttpTransport()
        self._observer = observer(self.run_id, os.environ, log)
        self._claims = self._claims_of(owner, max_batch_rows) if owner else None
        self._delivery = Delivery(
            self.ledger,
            self._observer.watching(transport or self._http),
            log=log.error,
            inform=log.info,
            clock=clock,
            pauses=pauses,
            lock_wait_seconds=general.lock_wait_seconds,
            people=self._people,
            observer=self._observer,
            claims=self._claims,
        )
        self.limits = Limits(general, self._delivery.counts)
        self._delivery.delivered = delivered
        self._delivery.idle = self._idle
        self.waiting: Callable[[], object] = lambda: None  # called now and then while the reader waits
        self.outgoing = Outgoing(self._delivery, self._accounts, general.max_batch_age_seconds, max_batch_rows)

    def _clicks_of(self, people: People | None) -> Clicks | None:
        if not (self.general.clicks and people):
            return None
        from target_adpostbacks.run.clicks import Clicks  # most runs have none
        from target_adpostbacks.run.stitching import Stitching

        stitching = Stitching(self.general, self.ledger, self.preparation, people, self._clock, self._log)
        self.preparation.stitch = stitching
        return Clicks(stitching, self.prepare_all, self.take_all)

    def _notifier_of(self, url: str) -> Notifier | None:
        if not self.general.notify:
            return None
        from target_adpostbacks.run.notifying import Notifier  # most runs have none

        return Notifier(self.general.notify, self.preparation.accounts, url, self._clock, self._log)

    def _claims_of(self, owner: str, max_batch_rows: int | None) -> Claims:
        from target_adpostbacks.delivery.claims import LEASE_MARGIN, Claims  # most runs send to an asset alone

        networks = [account.network for account in self._accounts if account.network]
        return Claims(
            self.ledger,
            owner,
            self._clock,
            lease_seconds=max(network.settings.request_timeout_seconds for network in networks) + LEASE_MARGIN,
            wait_seconds=self.general.lock_wait_seconds,
            max_rows=max_batch_rows,
        )

    def begin(self) -> None:
        """Open the run's books, before its first record."""
        self.ledger.start_run(self._now(), version("target-adpostbacks"))
        for hint in self._hints():
            self._log.warning(hint)
        for trial in configuration.trials(self.preparation.accounts):
            self._log.info(trial)
        self._log.info("Ledger: %s (run %s)", self.ledger.location, self.run_id)
        if self.general.validate:
            self._delivery.validate([account for account in self._accounts if account.network])

    def _hints(self) -> Iterator[str]:
        yield from configuration.hints(self.preparation.accounts, self._clock())
        if self.general.source is not None:
            from target_adpostbacks.config import sources

            yield from sources.warnings(self.general)
        yield from refresh_tokens.problems(self._accounts)

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")

    def add(
        self,
        record: Mapping[str, Any],
        mark: Mark = UNMARKED,
        *,
        stream: str = "conversions",
        key: Sequence[str] = (),
        line: int | None = None,
    ) -> None:
        """Take one record of the input: batch its postbacks, send them in the background, settle ``mark``.

        ``key``: the columns that make a record one record; ``line``: where it stands in the input, from 1. Without it,
        records are counted.
        """
        if line is None:
            line = self.read + (self.clicks.waiting if self.clicks else 0) + 1
        if self.clicks:
            self.clicks.wait([self.clicks.pending(record, stream=stream, key=key, line=line)], mark)
            return
        self.count_read(self.take(self.prepare(record, stream=stream, key=key, line=line), mark))

    def prepare(self, record: Mapping[str, Any], *, stream: str, key: Sequence[str], line: int) -> Prepared:
        """What a record comes to; nothing is counted, logged or sent."""
        if self.unmet:
            self.unmet = self.preparation.columns.unmet(record, self.unmet)
        return self.preparation.prepare(record, self._clock(), stream=stream, key=key, line=line)

    def prepare_all(self, members: Iterable[Pending | Prepared | None]) -> list[Prepared | None]:
        """The same of several, in blocks; what is no record that waits stays as it is."""
        return in_blocks(members, self._prepare_block)

    def _prepare_block(self, block: Sequence[Pending]) -> Iterable[Prepared]:
        records = [each.record for each in block]
        for record in records if self.unmet else ():
            self.unmet = self.preparation.columns.unmet(record, self.unmet)
        _, stream, key, _ = block[0]
        lines = [each.line for each in block]
        return self.preparation.prepare_all(records, self._clock(), stream=stream, key=key, lines=lines)

    def meet(self, unmet: Sequence[str], unmet_names: Sequence[str]) -> None:
        """Elsewhere, records have met every path in ``fields`` and every name in rules but these."""
        if self.unmet:
            self.unmet = [column for column in self.unmet if column in unmet]
        if self.preparation.unmet or self.preparation.unmet_paths:
            self.preparation.meet(unmet_names)

    def take_all(self, members: Iterable[Prepared | None], mark: Mark = UNMARKED, file: str = "") -> None:
        """Take all that one record of the input is, and count it; None: a stream map has left it out."""
        outcomes = 0
        for each in members:
            if each is None:
                self.filtered += 1
                outcomes += 1
            else:
                outcomes += self.take(each, mark, file)
        self.count_read(outcomes)

    def take_postbacks(self, postbacks: Sequence[Postback], mark: Mark = UNMARKED) -> None:
        """Take records that are a postback each, and nothing else, and count them."""
        count = len(postbacks)
        mark.expect(count)
        self.owed += count
        self.limits.prepared += count
        self.read += count
        self.outgoing.add_all(postbacks, mark)

    def take(self, prepared: Prepared, mark: Mark = UNMARKED, file: str = "") -> int:
        """Batch and send what was prepared; how many outcomes it is owed.

        ``file``: where its line is, if not in the input.
        """
        if prepared.person and self._people:
            prepared = self._people.left_out(prepared)
        outcomes = prepared.outcomes
        if prepared.conversions != 1:
            if not prepared.conversions:
                return self._pass_by(prepared.stream)
            self._several += prepared.conversions - 1
            self._without_outcome += max(0, prepared.conversions - outcomes)
        mark.expect(outcomes)
        self.owed += outcomes
        self.limits.prepared += outcomes > 0
        if prepared.not_sent:
            self.limits.invalid += any(not_sent.reason == "invalid" for not_sent in prepared.not_sent)
        for postback in prepared.postbacks:
            queued = Queued(postback, mark)
            if prepared.person:
                queued.person = prepared.person
            self.outgoing.add(queued)
        for not_sent in prepared.not_sent:
            self.outgoing.skip(Skipped(row_of(not_sent), mark, not_sent.other_keys))
        if prepared.unusable or prepared.nested or prepared.invalid or prepared.mistakes:
            self._noticed.take(prepared, file)
        return outcomes

    def _pass_by(self, stream: str) -> int:
        """Count a record of a stream that no source reads: it has no row in the ledger."""
        if stream not in self._other_streams:
            self._log.info("Stream %s: no source of the config reads it; its records are skipped, by_rule.", stream)
        self._other_streams[stream] += 1
        self.owed += 1
        return 1

    def count_read(self, outcomes: int) -> None:
        """Count one record of the input, and the number of its outcomes."""
        self.read += 1
        if not outcomes:
            self._without_outcome += 1

    def tick(self, waited: float = 0) -> None:
        """Send what has waited long enough for its batch to fill; ``waited``: seconds before it was handed over."""
        if self.clicks:
            self.clicks.tick(self.general.max_batch_age_seconds)
        self.outgoing.tick(waited)

    def _idle(self) -> None:
        """While an account keeps the reader waiting."""
        self.outgoing.idle()
        self.waiting()

    @property
    def failed(self) -> BaseException | None:
        """Why nothing more can be delivered: the ledger could not be written, or a mistake of ours."""
        return (self.clicks and self.clicks.failed) or self._delivery.failed

    @property
    def tally(self) -> Tally:
        """What became of the records so far."""
        delivered = dict(self._delivery.counts)
        if self._other_streams:
            passed = "skipped by_rule"
            delivered[passed] = delivered.get(passed, 0) + self._other_streams.total()
        return counted(self.read, self.owed, self.filtered, delivered, self._several)

    def stop(self) -> None:
        """End waits: requests under way finish and are written down, everything else stays open."""
        self._is_stopped = True
        if self._notifier:
            self._notifier.stop()
        self._delivery.stop()

    def settle(self, is_hurried: Callable[[], bool] = lambda: False) -> None:
        """Send what is left and wait until every verdict is written, or until ``is_hurried``; asked now and then."""
        if self.clicks:
            self.clicks.settle()
        self.outgoing.settle()
        if not self._delivery.settle(self._told_while(is_hurried)):
            self._delivery.abandon()
        self.limits.is_settled = True

    def _told_while(self, is_hurried: Callable[[], bool]) -> Callable[[], bool]:
        """The same question; meanwhile the webhook of ``notify`` is called, if a signal leaves little time for it."""
        if (notifier := self._notifier) is None:
            return is_hurried

        def asked() -> bool:
            if notifier.is_due:
                notifier.tell(self.run_id, self.ledger.started_at_seq, self.tally, None)
            return is_hurried()

        return asked

    def close(self, mistakes: Iterable[str] = (), signal_number: int = 0) -> int:
        """Log how the run ended and end its books; the exit code.

        0: all is settled; 1: something is open, or something failed; 3: the run does not balance. 128 more than
        ``signal_number``, where a signal ended it. ``mistakes``: what else has failed.
        """
        tally = self.tally
        if self.clicks and self.failed is None:
            with suppress(UnusableLedger):
                self.clicks.end()
        self._report_counts()
        unbalance = unbalanced(tally, self._without_outcome)
        all_mistakes = [*mistakes, *self._mistakes(), *([unbalance] if unbalance else [])]
        for mistake in all_mistakes:
            self._log.error(mistake)
        code = 128 + signal_number if signal_number else 3 if unbalance else int(bool(all_mistakes or tally.open))
        if self._claims:
            with suppress(UnusableLedger):
                self._claims.end()
        with suppress(UnusableLedger):
            if not signal_number:
                self._expire()
            self.ledger.end_run(self._now(), code, msgspec.structs.asdict(tally))
        self._delivery.close()
        self._http.close()
        self.ledger.close()
        self._observer.close(code)
        if self._notifier:  # once other runs may have the assets
            self._notifier.tell(self.run_id, self.ledger.started_at_seq, tally, code)
        if said := self._observer.wait(HURRIED_SECONDS if self._is_stopped else OBSERVER_SECONDS):
            self._log.warning("OpenTelemetry: %s.", said)
        self._log.info("Done in %.1f s: %s", time.monotonic() - self._started, summary(tally))
        return code

    def _report_counts(self) -> None:
        self._noticed.sum_up()
        for stream, count in self._other_streams.items():
            self._log.info("Stream %s: %d records skipped, for no source of the config reads it.", stream, count)
        for column in self.unmet if self.limits.prepared else ():
            self._log.warning("fields.%s: its path was in no record of the run; check how it is spelled.", column)
        for warning in self.preparation.unmet_names() if self.read else ():
            self._log.warning(warning)
        for column, count in self._delivery.differences.items():
            self._log.warning(
                "%s: differs in %d conversions that came again; what was sent first stands.", column, count
            )
        for too_many in self.limits.told(is_enough=False):
            self._log.warning("%s These are too few to fail the run.", too_many)
        left_open.report(self._delivery, self._accounts, self._now(), self._log)

    def _mistakes(self) -> Iterator[str]:
        if (failed := self.failed) is not None:
            yield str(failed) if isinstance(failed, UnusableLedger) else located(failed)
        yield from self.limits.told(is_enough=True)

    def _expire(self) -> None:
        """Let the ledger forget what is too old; the first run of a day does it for all."""
        now = self._clock()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if not self.ledger.has_run_since(today.isoformat(timespec="milliseconds")):
            if self._claims:
                self._claims.put_away()
            general = self.general
            self.ledger.expire(
                *(
                    (now - timedelta(days=days)).isoformat(timespec="milliseconds") if days else None
                    for days in (general.ledger_retention_days, general.dedup_days)
                )
            )
