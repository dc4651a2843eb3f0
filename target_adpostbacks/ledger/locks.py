"""Locks on assets, so that two runs with one ledger never send to the same one. They end with the process."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from target_adpostbacks.ledger.connections import CHECK_URL, Connection, UnusableLedger
from target_adpostbacks.ledger.database import Database

if TYPE_CHECKING:
    from filelock import FileLock

LOST = "the lock that keeps other runs away was lost with its connection or file"
POOLED = (
    "ledger: ledger_url leads to a connection pooler that shares sessions (PgBouncer in transaction mode), where no "
    "lock keeps other runs away; name the server itself, or a pool in session mode"
)


class Locks(Protocol):
    """Named locks of one run; each is held until ``close`` or the end of the process."""

    def take(self, name: str, *, shared: bool = False) -> bool:
        """Whether it is this run's; at once. Raises OSError or an error of the driver.

        ``shared``: it may be that of others too who ask so, and of nobody else.
        """

    def close(self) -> None:
        """Free all of them."""


class FileLocks:
    """Locked files in a hidden folder beside a SQLite ledger: ``.adpostbacks.db.locks/1f2e3d4c.lock``.

    Version 0.1.0 locks ``adpostbacks.db.1f2e3d4c.lock``. Where it has left such files, a run of it may be under way, so
    both are taken. One that begins later refuses the newer ledger. Raises UnusableLedger without the folder.
    """

    def __init__(self, ledger: str) -> None:
        self._ledger = Path(ledger).resolve()
        self._folder = self._ledger.with_name(f".{self._ledger.name}.locks")
        self._held: dict[str, list[tuple[FileLock | SharedFile, int]]] = {}
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            why = f"{self._folder}, the folder of its locks, can't be made: {error.strerror}"
            raise UnusableLedger(f"ledger: {why}; {CHECK_URL}") from None
        self._was_used_by_0_1 = any(self._ledger.parent.glob(f"{escape(self._ledger.name)}.*.lock"))

    def take(self, name: str, *, shared: bool = False) -> bool:
        if name in self._held:
            if any(_number(lock.lock_file) != number for lock, number in self._held[name]):
                raise OSError(0, LOST)  # a new file of that name can be locked by others
            return True
        from filelock import FileLock, Timeout  # takes a while to import, and a run may send nothing

        with ExitStack() as taken:
            exclusive = partial(FileLock, mode=0o600, thread_local=False)
            locks: list[FileLock | SharedFile] = [
                SharedFile(path) if shared else exclusive(path) for path in self._paths(name)
            ]
            try:
                for lock in locks:
                    taken.enter_context(lock.acquire(blocking=False))
            except Timeout:
                return False
            taken.pop_all()
        self._held[name] = [(lock, _number(lock.lock_file)) for lock in locks]
        return True

    def _paths(self, name: str) -> Iterator[Path]:
        number = hashlib.sha256(name.encode()).hexdigest()[:8]
        if self._was_used_by_0_1:
            yield self._ledger.with_name(f"{self._ledger.name}.{number}.lock")
        yield self._folder / f"{number}.lock"

    def close(self) -> None:
        for locks in self._held.values():
            for lock, _ in locks:
                lock.release()
        self._held.clear()


class SharedFile:
    """A locked file that others may lock who share it, and no ``FileLock``. The system frees it at death."""

    def __init__(self, path: Path) -> None:
        self.lock_file = str(path)
        self._file = -1

    def acquire(self, *, blocking: bool) -> SharedFile:
        """Lock it; as a context, which frees it. Raises filelock's Timeout where another has it for itself."""
        import fcntl

        from filelock import Timeout

        self._file = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | (0 if blocking else fcntl.LOCK_NB))
        except BlockingIOError:
            self.release()
            raise Timeout(self.lock_file) from None
        return self

    def __enter__(self) -> SharedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Free it."""
        os.close(self._file)


def _number(path: str) -> int:
    """The file's inode; 0 where there is none."""
    try:
        return os.stat(path).st_ino  # noqa: PTH116 - asked for each request
    except FileNotFoundError:
        return 0


SIGNATURE = "adpostbacks.session"
"""A setting of the session. A lock alone does not tell: whoever shares the session can take it once more."""
SIGNED = "SELECT current_setting(:setting, true)"
SIGN = "SELECT set_config(:setting, :signature, false)"
TAKE = "SELECT pg_try_advisory_lock(:number)"
TAKE_SHARED = "SELECT pg_try_advisory_lock_shared(:number)"
IS_HELD = """
    SELECT current_setting(:setting, true) = :signature AND EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid = 1
        AND ((classid::bigint << 32) | objid::bigint) = :number
    )
"""


class AdvisoryLocks:
    """Advisory locks of a PostgreSQL session, which lives as long as its connection does.

    A pooler that shares sessions would give a lock to every run: the session is signed, and looked at each time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Connection | None = None
        self._signed = {"setting": SIGNATURE, "signature": secrets.token_hex(16)}
        self._held: set[str] = set()

    def take(self, name: str, *, shared: bool = False) -> bool:
        number = int.from_bytes(hashlib.sha256(f"adpostbacks {name}".encode()).digest()[:8], "big", signed=True)
        try:
            session = self._session or self._sign()
            if name not in self._held and session.value(TAKE_SHARED if shared else TAKE, {"number": number}):
                self._held.add(name)
            if name not in self._held:
                return False
            is_held = session.value(IS_HELD, {**self._signed, "number": number})
        except self._database.errors as error:
            raise OSError(0, LOST) from error
        if not is_held:
            raise UnusableLedger(POOLED)
        return True

    def _sign(self) -> Connection:
        """A session that nobody else has had: a pooler gives one at rest to whoever comes next."""
        session = self._session = self._database.session()
        is_shared = bool(session.value(SIGNED, self._signed))
        session.value(SIGN, self._signed)
        with closing(self._database.session()) as other:
            is_shared = is_shared or other.value(SIGNED, self._signed) == self._signed["signature"]
        if is_shared:
            self.close()
            raise UnusableLedger(POOLED)
        return session

    def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            try:
                if self._held:
                    session.value("SELECT pg_advisory_unlock_all()")
                session.value(SIGN, {**self._signed, "signature": ""})
            finally:
                session.close()
