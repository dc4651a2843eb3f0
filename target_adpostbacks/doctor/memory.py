"""Remembers every event of an input, in memory that does not grow: a temporary file holds digests of 16 bytes."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

CACHE_KIB = 16 * 1024


class FileMemory:
    """What was seen before, exactly. Digests have a secret of their own, so that the file tells nothing of anybody.

    The file has no name: SQLite removes it when it is closed, or the process dies.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, facts BLOB) WITHOUT ROWID")
        self._file.execute("BEGIN")

    def recall(self, kind: str, key: Sequence[Any], facts: Sequence[Any]) -> bool | None:
        """Remembers the facts of a key. None: it is new; else whether the same facts came first."""
        key_digest, fact_digest = self._digest((kind, *key)), self._digest(facts)
        inserted = self._file.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key_digest, fact_digest))
        if inserted.rowcount:
            return None
        (first,) = self._file.execute("SELECT facts FROM seen WHERE key = ?", (key_digest,)).fetchone()
        return bool(first == fact_digest)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def _digest(self, values: Sequence[Any]) -> bytes:
        return blake2b(repr(values).encode(errors="replace"), digest_size=16, key=self._secret).digest()
