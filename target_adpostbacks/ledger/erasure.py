"""Who was erased, and whose a delivery is: keyed digests of what identifies a person, and never a value.

``erasure`` has one row: the fingerprint of the key that all digests are made with, and since when the index is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import msgspec

from target_adpostbacks.core.reasons import ERASED
from target_adpostbacks.ledger import statements
from target_adpostbacks.ledger.connections import Connection
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.tables import DELIVERIES, ERASURE, ERASURE_SUPPRESSIONS

KEEP = "INSERT INTO erasure (id, fingerprint) VALUES (1, :fingerprint) ON CONFLICT DO NOTHING"
SUPPRESSED = "SELECT seq, digest FROM erasure_suppressions WHERE seq > :after ORDER BY seq"
SUPPRESS = {
    "sqlite": """
        INSERT INTO erasure_suppressions (digest, seq, erased_at)
        SELECT value, :seq, :now FROM json_each(:digests) WHERE true ON CONFLICT DO NOTHING
    """,
    "postgresql": """
        INSERT INTO erasure_suppressions (digest, seq, erased_at)
        SELECT value, :seq, :now FROM json_array_elements_text(:digests) WHERE true ON CONFLICT DO NOTHING
    """,
}
INDEX = {
    "sqlite": """
        INSERT INTO erasure_index (digest, delivery_id)
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:entries)
        WHERE true ON CONFLICT DO NOTHING
    """,
    "postgresql": """
        INSERT INTO erasure_index (digest, delivery_id)
        SELECT value->>0, (value->>1)::bigint FROM json_array_elements(:entries) WHERE true ON CONFLICT DO NOTHING
    """,
}
WRITTEN = "SELECT seq, delivery_id FROM deliveries WHERE seq BETWEEN :first AND :last"
OF_PERSON = f"""
    SELECT erasure_index.digest, {", ".join(f"deliveries.{name}" for name in DELIVERIES.names)}
    FROM erasure_index JOIN deliveries ON deliveries.delivery_id = erasure_index.delivery_id WHERE
"""
"""A condition on ``digest`` follows."""
LEAVE_OUT = """
    UPDATE deliveries SET seq = :seq, status = 'skipped', reason = 'suppressed', code = '', message = '',
    deadline = NULL, updated_at = :now
    WHERE delivery_id = :delivery_id AND status = 'open' AND reason <> 'no_answer'
"""
"""What is known of its requests stays: the network may have seen it."""
MAY_BE_THERE = """
    UPDATE deliveries SET seq = :seq, message = :message, updated_at = :now
    WHERE delivery_id = :delivery_id AND status = 'open' AND reason = 'no_answer' AND message <> :message
"""
"""What was sent and never answered stays so; its message says that it is not sent again."""
BEFORE_THE_INDEX = """
    SELECT network, account, asset, count(*) AS conversions, min(sent_at) AS first, max(sent_at) AS last
    FROM deliveries WHERE network <> '' AND sent_at IS NOT NULL AND sent_at < :before
    GROUP BY network, account, asset ORDER BY network, account, asset
"""
COMPACT_BEFORE = """
    SELECT network, account, asset, sum(events) AS conversions, min(started_at) AS first, max(started_at) AS last
    FROM attempts WHERE started_at < :before GROUP BY network, account, asset ORDER BY network, account, asset
"""
"""The same by requests, where what was accepted has no rows: what was sent several times counts so often."""
UNDER_WAY = "SELECT max(started_at) AS started_at FROM runs WHERE ended_at IS NULL"
ENDLESS = "9999"
"""After every time in a ledger."""


class Kept(NamedTuple):
    """What a ledger knows of digests. ``fingerprint``: of their key; empty: it has none yet."""

    fingerprint: str = ""
    indexed_since: str | None = None  # from then on the index has every delivery
    has_suppressions: bool = False


class Found(NamedTuple):
    """A delivery of a person. ``digests``: by which it was found; ``delivery``: its row, by its columns' names."""

    digests: frozenset[str]
    delivery: Mapping[str, Any]
    requested: str | None  # when a request with it went out; None: never
    status: str  # that it had after the newest request


class OtherKey(Exception):
    """The ledger's digests are made with another key."""


def kept(database: Database) -> Kept:
    """What a ledger has, of whatever version."""
    query = f"""
        SELECT fingerprint, indexed_since, EXISTS (SELECT 1 FROM {database.table(ERASURE_SUPPRESSIONS)})
        AS has_suppressions FROM {database.table(ERASURE)}
    """
    rows = database.read(query)
    return Kept(rows[0].fingerprint, rows[0].indexed_since, bool(rows[0].has_suppressions)) if rows else Kept()


class Erasure:
    """The part of a ledger that knows digests. ``writing``: a transaction, with a seq for each of so many changes."""

    def __init__(self, database: Database, writing: Callable[[int], AbstractContextManager[Any]]) -> None:
        self._database = database
        self._writing = writing

    def kept(self) -> Kept:
        """What there is."""
        return kept(self._database)

    def know(self, fingerprint: str) -> None:
        """Digests are made with the key of this fingerprint, and no other, from now on. Raises OtherKey."""
        with self._writing(0) as (connection, _):
            _keep(connection, fingerprint)

    def index_from(self, now: str, fingerprint: str) -> None:
        """Every delivery is in the index from now on. Raises OtherKey."""
        with self._writing(0) as (connection, _):
            _keep(connection, fingerprint)
            connection.run("UPDATE erasure SET indexed_since = :now WHERE indexed_since IS NULL", {"now": now})

    def end_index(self) -> None:
        """Deliveries are written that are not in the index: it is no longer whole."""
        with self._writing(0) as (connection, _):
            connection.run("UPDATE erasure SET indexed_since = NULL")

    def suppressed(self, after: int = 0) -> tuple[int, list[str]]:
        """The digests of whoever was erased after that seq, and the newest seq."""
        rows = self._database.read(SUPPRESSED, {"after": after})
        return (rows[-1].seq if rows else after), [row.digest for row in rows]

    def erase(self, digests: Sequence[str], fingerprint: str, now: str) -> int:
        """Suppress these; what is open of theirs and may not be at a network becomes skipped. How many of those.

        Their clicks are deleted.

        Raises OtherKey.
        """
        with self._writing(1) as (connection, seqs):
            _keep(connection, fingerprint)
            encoded = msgspec.json.encode(digests).decode()
            connection.run(SUPPRESS[connection.dialect], {"digests": encoded, "seq": next(seqs), "now": now})
            is_theirs, values = self._database.among("digest", "digests", digests)
            found = connection.read(f"SELECT DISTINCT delivery_id FROM erasure_index WHERE {is_theirs}", values)
            connection.run(statements.RAISE, {"changes": len(found)})
            newest = connection.value(statements.NEWEST)
            left_out = 0
            for number, row in enumerate(found):
                change = {"seq": newest - number, "now": now, "delivery_id": row.delivery_id}
                left_out += connection.run(LEAVE_OUT, change)
                connection.run(MAY_BE_THERE, {**change, "message": ERASED})
            _forget_clicks(connection, self._database, digests)
        return left_out

    def under_way(self) -> str | None:
        """When the newest run began that has not ended, or was killed; None: each has ended."""
        (row,) = self._database.read(UNDER_WAY)
        return str(row.started_at) if row.started_at else None

    def of_person(self, digests: Sequence[str]) -> list[Found]:
        """The deliveries that the index has under any of these, in the order of their changes."""
        is_theirs, values = self._database.among("digest", "digests", digests)
        by_id: dict[int, tuple[set[str], dict[str, Any]]] = {}
        for digest, *row in self._database.read(OF_PERSON + is_theirs, values):
            delivery = DELIVERIES.row(row)
            by_id.setdefault(delivery["delivery_id"], (set(), delivery))[0].add(digest)
        earlier = self._earlier_requests([*by_id])
        found = []
        for delivery_id, (those, delivery) in by_id.items():
            newest = (delivery["sent_at"], delivery["status"])
            requested, status = newest if newest[0] else earlier.get(delivery_id, newest)
            found.append(Found(frozenset(those), delivery, requested, status))
        return sorted(found, key=lambda each: (each.requested or "", each.delivery["seq"]))

    def _earlier_requests(self, delivery_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
        """Deliveries that were in requests before the last change: when the first was answered, and the last status."""
        is_asked, values = self._database.among("delivery_id", "ids", delivery_ids)
        query = f"""
            SELECT delivery_id, updated_at, status FROM history WHERE (attempt_id IS NOT NULL OR reason = 'no_answer')
            AND {is_asked} ORDER BY delivery_id, seq
        """
        requests: dict[int, tuple[str, str]] = {}
        for delivery_id, updated_at, status in self._database.read(query, values):
            first, _ = requests.get(delivery_id, (updated_at, status))
            requests[delivery_id] = (first, status)
        return requests

    def told_before(self, time: str | None) -> list[Any]:
        """Which accounts were sent conversions before the index was whole; None: until now."""
        query = COMPACT_BEFORE if self._database.layout == "compact" else BEFORE_THE_INDEX
        return self._database.read(query, {"before": time or ENDLESS})


def _forget_clicks(connection: Connection, database: Database, digests: Sequence[str]) -> None:
    from target_adpostbacks.ledger import clicks  # few ledgers keep any

    clicks.forget(connection, database, digests)


def _keep(connection: Connection, fingerprint: str) -> None:
    connection.run(KEEP, {"fingerprint": fingerprint})
    if connection.value("SELECT fingerprint FROM erasure") != fingerprint:
        raise OtherKey


def index(connection: Connection, seq_of: Mapping[Any, int], people: Mapping[Any, Iterable[str]]) -> None:
    """Remember whose the rows are that were just written. ``seq_of`` and ``people``: by identity, seqs and digests."""
    rows = connection.read(WRITTEN, {"first": min(seq_of.values()), "last": max(seq_of.values())})
    ids = {row.seq: row.delivery_id for row in rows}
    entries = [
        (digest, delivery_id)
        for key, seq in seq_of.items()
        if (delivery_id := ids.get(seq)) is not None
        for digest in people.get(key, ())
    ]
    if entries:
        connection.run(INDEX[connection.dialect], {"entries": msgspec.json.encode(entries).decode()})
