"""A ledger for those who only read: the tap, the commands, a report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from target_adpostbacks.core.health import Activity
from target_adpostbacks.ledger import log, story
from target_adpostbacks.ledger.connections import UnusableLedger
from target_adpostbacks.ledger.counts import Written, written
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.definition import Layout
from target_adpostbacks.ledger.erasure import Kept, kept
from target_adpostbacks.ledger.filters import ALL, Only, known
from target_adpostbacks.ledger.log import Line, Newest
from target_adpostbacks.ledger.story import Story
from target_adpostbacks.ledger.tables import TABLES

if TYPE_CHECKING:
    from target_adpostbacks.core.performance.counting import By, Counting, Own, Spend, Window
    from target_adpostbacks.core.reconciliation import Ours
    from target_adpostbacks.ledger.overview import Learned, Overview

COMPACT = (
    "ledger: it is compact, without rows of what was accepted, so it can't tell; the runs' results have them"
    " (results_path)"
)
"""What is said to a question about all that was sent."""


def changes(
    database: Database, table: str, after: int = 0, until: int | None = None, **equal: Any
) -> Iterator[dict[str, Any]]:
    """The rows of a table that were changed after that seq, in its order, up to ``until`` or what is committed now.

    ``equal``: only rows with these values. What changes meanwhile has a seq past the end, and waits for the next
    reading: one that goes on as long as others write would never end.
    """
    source = TABLES[table]
    conditions = " AND ".join(f"{name} = :{name}" for name in equal) or "true"
    query = f"SELECT {', '.join(source.names)} FROM {database.table(source)} WHERE {conditions}"
    for page in database.pages(query, equal, "seq", after, until):
        yield from map(source.row, page)


class LedgerReader:
    """Answers questions; in PostgreSQL it needs no right but SELECT. Raises NoLedger where nothing was sent yet.

    A question is a function of a Database, ``changes``, ``log.lines`` or ``health.activities`` for example,
    and a method here.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url, "read")

    def changes(self, table: str, after: int = 0, until: int | None = None, **equal: Any) -> Iterator[dict[str, Any]]:
        """See ``changes``: the rows of a table that were changed after that seq."""
        return changes(self._database, table, after, until, **equal)

    @property
    def last_seq(self) -> int:
        """The seq of the newest change, in any table."""
        return self._database.last_seq

    def lines(self, since: str = "", status: str | None = None, only: Only = ALL) -> Iterator[Line]:
        """The delivery log: one line for each request that a conversion was in, or one if it was in none.

        ``since``: lines from that time on, as the ledger writes it; ``status``: RETRIED or one of STATUSES, for
        verdicts that no other has replaced.
        """
        return log.lines(self._database, since, status, only)

    def newest(
        self, limit: int, since: str = "", status: str | None = None, only: Only = ALL, *, by_id: bool = False
    ) -> Newest:
        """The last so many of ``lines``."""
        return log.newest(self._database, limit, since, status, only, by_id=by_id)

    def known(self, column: str) -> list[str]:
        """The values that deliveries have in a column, sorted."""
        return known(self._database, column)

    def written(self, run_id: str, after: int) -> list[Written]:
        """The deliveries of a run, counted. ``after``: the seq at its start."""
        return written(self._whole, run_id, after)

    def activities(self, now: datetime, quiet_hours: float = 24) -> list[Activity]:
        """What is known of every account, by name: the last 24 hours, the newest answers, and what is open.

        ``quiet_hours``: how old an answer may be to count. Tests count nowhere, and a trial's deliveries only where the
        same conversion has none that is live.
        """
        from target_adpostbacks.ledger import health  # SQLAlchemy takes a while to import

        return health.activities(self._whole, now, quiet_hours)

    def overview(self, starts: Sequence[str], end: str) -> Overview:
        """A period added up. ``starts``: when each of its days begins, as the ledger writes it; ``end``: its end."""
        from target_adpostbacks.ledger.overview import overview

        return overview(self._whole, starts, end)

    def learned(self, networks: Iterable[str], starts: Sequence[str], end: str) -> list[Learned]:
        """What these networks accepted on each day, for each of their assets and ad groups."""
        from target_adpostbacks.ledger.overview import learned

        return learned(self._whole, networks, starts, end)

    def spend(self, window: Window, network: str = "") -> list[Spend]:
        """See ``performance.spend``."""
        from target_adpostbacks.ledger import performance

        return performance.spend(self._database, window, network)

    def own(
        self, counting: Counting, window: Window, named_by_account: Collection[str] = (), network: str = ""
    ) -> list[Own]:
        """See ``performance.own``."""
        from target_adpostbacks.ledger import performance

        return performance.own(self._whole, counting, window, named_by_account, network)

    def recorded(
        self,
        window: Window,
        by: By,
        click_keys: Collection[str],
        named_by_account: Collection[str] = (),
        network: str | None = None,
    ) -> list[Ours]:
        """See ``reconciliation.recorded``."""
        from target_adpostbacks.ledger import reconciliation

        return reconciliation.recorded(self._whole, window, by, click_keys, named_by_account, network)

    def networks_with_deliveries(self, named_by_account: Collection[str] = ()) -> set[str]:
        """See ``performance.networks_with_deliveries``."""
        from target_adpostbacks.ledger import performance

        return performance.networks_with_deliveries(self._whole, named_by_account)

    def networks_with_statistics(self) -> set[str]:
        """See ``reconciliation.networks_with_statistics``."""
        from target_adpostbacks.ledger import reconciliation

        return reconciliation.networks_with_statistics(self._database)

    def daily(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """See ``daily.daily``: each day added up, as far as something of it has changed after that seq."""
        from target_adpostbacks.ledger.daily import daily

        return daily(self._whole, after)

    def stories(self, event_id: str) -> list[Story]:
        """Everything that is known of the conversions with this event id, a story for each account and event."""
        return story.stories(self._database, event_id)

    def erasure(self) -> Kept:
        """What it knows of digests: their key's fingerprint, and whether people were erased."""
        return kept(self._database)

    @property
    def layout(self) -> Layout:
        """Whether it has rows of what was accepted, or keys alone."""
        return self._database.layout

    @property
    def _whole(self) -> Database:
        """The database, for questions about all that was sent. Raises UnusableLedger where it is compact."""
        if self._database.layout == "compact":
            raise UnusableLedger(COMPACT)
        return self._database

    @property
    def location(self) -> str:
        """Where the ledger is, without a password."""
        return self._database.location

    def close(self) -> None:
        """Give back every connection."""
        self._database.close()

    def __enter__(self) -> LedgerReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
