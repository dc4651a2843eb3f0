"""Locks on assets, so that two runs with one ledger never send to the same one. They end with the process."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from filelock import FileLock, Timeout

LOST = "the lock that keeps other runs away was lost with its connection or file"


class Locks(Protocol):
    """Named locks of one run; each is held until ``close`` or the end of the process."""

    def take(self, name: str) -> bool:
        """Whether it is this run's; at once. Raises OSError or SQLAlchemyError."""

    def close(self) -> None:
        """Free all of them."""


class FileLocks:
    """Locked files beside a SQLite ledger: ``adpostbacks.db.1f2e3d4c.lock``."""

    def __init__(self, ledger: str) -> None:
        self._ledger = Path(ledger).resolve()
        self._held: dict[str, tuple[FileLock, int]] = {}

    def take(self, name: str) -> bool:
        path = self._ledger.with_name(f"{self._ledger.name}.{hashlib.sha256(name.encode()).hexdigest()[:8]}.lock")
        if name in self._held:
            if _number(path) != self._held[name][1]:  # a new file of that name can be locked by others
                raise OSError(0, LOST)
            return True
        lock = FileLock(path, mode=0o600, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        self._held[name] = (lock, _number(path))
        return True

    def close(self) -> None:
        for lock, _ in self._held.values():
            lock.release()
        self._held.clear()


def _number(path: Path) -> int:
    """The file's inode; 0 where there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


class AdvisoryLocks:
    """Advisory locks of a PostgreSQL session, which lives as long as its connection does."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._session: sa.Connection | None = None
        self._held: set[str] = set()

    def take(self, name: str) -> bool:
        if self._session is None:
            self._session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        number = int.from_bytes(hashlib.sha256(f"adpostbacks {name}".encode()).digest()[:8], "big", signed=True)
        try:
            if name in self._held:
                self._session.execute(sa.select(1))  # a lost session has lost its locks
                return True
            taken = bool(self._session.execute(sa.select(sa.func.pg_try_advisory_lock(number))).scalar_one())
        except sa.exc.DBAPIError as error:
            raise OSError(0, LOST) from error
        if taken:
            self._held.add(name)
        return taken

    def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            try:
                session.execute(sa.select(sa.func.pg_advisory_unlock_all()))
            finally:
                session.close()
