"""Copies what SQLite has written ahead into the database file, beside the run: neither a batch nor its end waits."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock, Thread

from target_adpostbacks.ledger.database import Database

ROWS = 5_000
"""That are written between two copies. SQLite itself copies later, while the transaction that it follows waits."""


class Checkpoints:
    """Of a ledger in SQLite. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._rows = 0
        self._thread: Thread | None = None

    def written(self, rows: int) -> None:
        """So many have been committed."""
        with self._lock:
            self._rows += rows
            if self._rows < ROWS or (self._thread and self._thread.is_alive()):
                return
            self._rows = 0
            self._thread = Thread(target=self._copy, name="checkpoint", daemon=True)
            self._thread.start()

    def _copy(self) -> None:
        with suppress(*self._database.errors):  # what can't be copied now stays where it is, and is read there
            session = self._database.session()
            try:
                session.value("PRAGMA wal_checkpoint(PASSIVE)")  # waits for nobody, and nobody waits for it
            finally:
                session.close()

    def wait(self) -> None:
        """Until no copy is being made."""
        if self._thread:
            self._thread.join()
