"""A ledger whose layout is compact: what was accepted is a hash of its identity and a day, in place of a row.

The hash is BLAKE2b of 128 bits: among 10^11 identities the chance that any two have the same is 10^-17. PostgreSQL has
the keys in partitions by their hash, so that a vacuum and the ageing take a part at a time. They have none by day: each
look-up would search all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from target_adpostbacks.core.postback import Key
from target_adpostbacks.ledger.connections import Connection
from target_adpostbacks.ledger.tables import IDENTITY, KEY_PARTITIONS, Delivered, Earlier
from target_adpostbacks.ledger.upserts import CHUNKS

if TYPE_CHECKING:
    from target_adpostbacks.ledger.database import Database

SQLITE_PARTS = 256
"""Ranges of keys, which the ageing goes through one by one in SQLite."""
KNOWN = """
    SELECT number FROM unnest(CAST(:keys AS UUID[])) WITH ORDINALITY AS asked (key, number),
    LATERAL (SELECT 1 FROM accepted_keys WHERE accepted_keys.key = asked.key OFFSET 0) AS there
"""
"""In PostgreSQL: each key is looked up in its own partition. ``key = ANY`` would look for all in every one."""
ADD = """
    INSERT INTO accepted_keys (key, accepted_day) SELECT key, :day FROM unnest(CAST(:keys AS UUID[])) AS added (key)
    ON CONFLICT DO NOTHING
"""
ACCEPTED = Earlier("accepted", "", None, None, "", "", None, None, None)
"""What the ledger has of a key: that it was accepted, without details, as of what it has forgotten."""
EPOCH = date(1970, 1, 1)


def digest(key: Sequence[Any]) -> bytes:
    """The 16 bytes that stand for an identity, in the order of IDENTITY."""
    return blake2b(msgspec.json.encode(key), digest_size=16).digest()


def day(time: str) -> int:
    """The days from 1970 to a time, as the ledger writes it."""
    return (date.fromisoformat(time[:10]) - EPOCH).days


def is_narrow(row: Delivered) -> bool:
    """Whether a key is all that is kept of it. Tests keep their rows: they are few, and looked at."""
    return row.status.status == "accepted" and not row.key.test


class Compact:
    """The keys of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, keys: Collection[tuple[Any, ...]], connection: Connection | None = None) -> set[tuple[Any, ...]]:
        """Those of the identities that were accepted. ``connection``: the transaction that asks."""
        by_digest = {digest(key): key for key in keys}
        if not by_digest:
            return set()
        database = connection or self._database
        if database.dialect == "postgresql":
            each = [*by_digest.values()]
            return {each[row.number - 1] for row in database.read(KNOWN, {"keys": _array(by_digest)})}
        there: set[tuple[Any, ...]] = set()
        for some in _chunks([*by_digest]):
            query = f"SELECT key FROM accepted_keys WHERE key IN ({', '.join('?' * len(some))})"
            there.update(by_digest[row.key] for row in database.read(query, some))
        return there

    def part(
        self, connection: Connection, rows: Mapping[Key, Delivered], now: str
    ) -> tuple[dict[Key, Delivered], list[Delivered]]:
        """Keep what is accepted, and give what still is to be written, and what is not: the accepted ones.

        What was accepted before stays so, whatever a row says now.
        """
        narrow = {key: row for key, row in rows.items() if is_narrow(row)}
        self._add(connection, narrow.keys(), now)
        others = {key: row for key, row in rows.items() if key not in narrow}
        for key in self.known(others, connection):
            del others[Key(*key)]
        return others, [*narrow.values()]

    def _add(self, connection: Connection, keys: Collection[tuple[Any, ...]], now: str) -> None:
        if not keys:
            return
        self._forget_rows(connection, keys)
        digests, today = [*map(digest, keys)], day(now)
        if connection.dialect == "postgresql":
            connection.run(ADD, {"keys": _array(digests), "day": today})
            return
        for some in _chunks(digests):
            values = ", ".join([f"(?, {today})"] * len(some))
            connection.run(f"INSERT INTO accepted_keys VALUES {values} ON CONFLICT DO NOTHING", some)

    def _forget_rows(self, connection: Connection, keys: Collection[tuple[Any, ...]]) -> None:
        """Delete the rows that were open or rejected until now, with their history."""
        by_asset: dict[tuple[str, str], list[str]] = {}
        for network, asset, _, event_id, *_ in keys:
            by_asset.setdefault((network, asset), []).append(event_id)
        for (network, asset), event_ids in by_asset.items():
            is_asked, ids = self._database.among("event_id", "ids", event_ids)
            query = f"SELECT {', '.join(IDENTITY)}, delivery_id FROM deliveries WHERE network = :network"
            values = {"network": network, "asset": asset, **ids}
            for row in connection.read(f"{query} AND asset = :asset AND {is_asked}", values):
                if _key(row) in keys:
                    for table in ("history", "deliveries"):
                        connection.run(f"DELETE FROM {table} WHERE delivery_id = :id", {"id": row.delivery_id})

    def expire(self, before: str) -> None:
        """Forget what was accepted on days before that time's, a part of the keys in each transaction."""
        is_sqlite = self._database.is_sqlite
        for part in range(SQLITE_PARTS if is_sqlite else KEY_PARTITIONS):
            table, among = f"accepted_keys_{part}", ""
            if is_sqlite:
                end = f" AND key < x'{part + 1:02x}'" if part + 1 < SQLITE_PARTS else ""
                table, among = "accepted_keys", f" AND key >= x'{part:02x}'{end}"
            with self._database.begin() as connection:
                connection.run(f"DELETE FROM {table} WHERE accepted_day < :day{among}", {"day": day(before)})


def _key(row: Any) -> Key:
    return Key(*row[: len(IDENTITY)])._replace(test=bool(row.test))


def _array(digests: Iterable[bytes]) -> str:
    return f"{{{','.join(each.hex() for each in digests)}}}"


def _chunks(digests: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """In lengths of which there are few, as each is a statement of its own."""
    done = 0
    for size in CHUNKS:
        while len(digests) - done >= size:
            yield digests[done : done + size]
            done += size
