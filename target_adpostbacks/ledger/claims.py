"""Claims: which task is about to send a conversion, where several send to one asset side by side.

A ledger has these tables only once a task with a name has delivered. Times are seconds since 1970 by the database's
clock, so that the clocks of the tasks' machines do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from target_adpostbacks.core.postback import Facts, Key
from target_adpostbacks.ledger.connections import Connection
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.definition import BOOLEAN, DOUBLE, Column, Table
from target_adpostbacks.ledger.tables import DELIVERIES, NO_REQUEST, Delivered, Earlier, Status
from target_adpostbacks.ledger.upserts import storable, upsert
from target_adpostbacks.ledger.versions import has, make

OWNERS = Table("claim_owners", (Column("run_id"), Column("owner"), Column("until", DOUBLE)))
"""A row for each run that claims. It lives until ``until``, which it moves on while it does."""
CLAIMS = Table(
    "claims",
    (
        *(Column(name) for name in ("network", "asset", "event_id", "event_name", "adjustment")),
        Column("test", BOOLEAN),
        Column("account"),
        Column("run_id"),
        Column("requested_at", DOUBLE, nullable=True),  # when a request was sent of which the ledger knows nothing yet
    ),
    keys=DELIVERIES.identity,
    is_rowless=True,
)
NUL = r"\u0000"
FORGOTTEN_AFTER = 86_400
"""Seconds after which what a dead run has left is put away."""
DIED = "the task that sent it ended before the answer came"

NOW = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
}
EACH = {
    "sqlite": """
        SELECT json_extract(value, '$[3]') AS event_id, json_extract(value, '$[2]') AS event_name,
        json_extract(value, '$[4]') AS adjustment, json_extract(value, '$[5]') AS test FROM json_each(:keys)
    """,
    "postgresql": """
        SELECT value ->> 3 AS event_id, value ->> 2 AS event_name, value ->> 4 AS adjustment,
        CAST(value ->> 5 AS boolean) AS test FROM json_array_elements(CAST(:keys AS json))
    """,
}
"""The identities of one asset that are asked for, as rows."""
ALIKE = """
    SELECT value AS event_id, :event_name AS event_name, :adjustment AS adjustment, :test AS test FROM json_each(:keys)
"""
"""The same in SQLite, where they differ in nothing but the event id: in a third of the time."""
THESE = "run_id = :run_id AND network = :network AND asset = :asset"
NAMES = "event_id, event_name, adjustment, test"
ALIVE = "EXISTS (SELECT 1 FROM claim_owners WHERE claim_owners.run_id = claims.run_id AND claim_owners.until >= {now})"

TAKE = f"""
    INSERT INTO claims (network, asset, {NAMES}, account, run_id)
    SELECT :network, :asset, {NAMES}, :account, :run_id FROM ({{each}}) AS asked WHERE true
    ON CONFLICT ({", ".join(DELIVERIES.identity)}) DO UPDATE SET account = excluded.account, run_id = excluded.run_id
    WHERE claims.run_id = excluded.run_id OR NOT {ALIVE} RETURNING requested_at
"""
REQUEST = f"""
    UPDATE claims SET requested_at = coalesce(requested_at, {{now}}) WHERE {THESE} AND ({NAMES}) IN ({{each}})
"""
OURS = f"SELECT {NAMES}, {{now}} - requested_at AS silent_for FROM claims WHERE {THESE} AND ({NAMES}) IN ({{each}})"
HEAR = f"UPDATE claims SET requested_at = NULL WHERE {THESE} AND ({NAMES}) IN ({{each}})"
FREE = f"DELETE FROM claims WHERE {THESE} AND ({NAMES}) IN ({{each}})"
OF_OTHERS = f"""
    SELECT {NAMES} FROM claims WHERE network = :network AND asset = :asset AND run_id <> :run_id
    AND ({NAMES}) IN ({{each}}) AND {ALIVE}
"""

BEGIN = "INSERT INTO claim_owners (run_id, owner, until) VALUES (:run_id, :owner, {now} + :lease)"
END_NAMESAKES = "DELETE FROM claim_owners WHERE owner = :owner AND run_id <> :run_id"
RENEW = "UPDATE claim_owners SET until = {now} + :lease WHERE run_id = :run_id"
FREE_ALL = "DELETE FROM claims WHERE run_id = :run_id AND requested_at IS NULL"
END = "DELETE FROM claim_owners WHERE run_id = :run_id"

LONG_DEAD = f"""
    NOT {ALIVE} AND coalesce(
        (SELECT until FROM claim_owners WHERE claim_owners.run_id = claims.run_id), requested_at, 0
    ) < {{now}} - {FORGOTTEN_AFTER}
"""
SILENT = (
    f"SELECT claims.*, {{now}} - requested_at AS silent_for FROM claims WHERE requested_at IS NOT NULL AND {LONG_DEAD}"
)
FORGET = (
    f"DELETE FROM claims WHERE {LONG_DEAD}",
    f"DELETE FROM claim_owners WHERE until < {{now}} - {FORGOTTEN_AFTER}",
)

FORGET_DEAD = "DELETE FROM claims WHERE network = :network AND asset = :asset AND event_id = :event_id"


class Claims:
    """The part of a ledger that keeps claims, for one run. Raises UnusableLedger.

    ``owner``: the task's name. A later run of the same name takes over what this one has claimed.
    """

    def __init__(
        self,
        database: Database,
        writing: Callable[[int], AbstractContextManager[Any]],
        run_id: str,
        owner: str,
        lease_seconds: float,
    ) -> None:
        self._database = database
        self._writing = writing
        self._own = {"run_id": run_id}
        self._owner = owner
        self._lease = {"lease": lease_seconds}

    def begin(self) -> None:
        """Announce the run, after making the tables where they are not there.

        Raises UnusableLedger where they belong to another program.
        """
        with self._writing(0) as (connection, _):
            make(connection, (OWNERS, CLAIMS))
            own = {**self._own, "owner": self._owner}
            connection.run(END_NAMESAKES, own)
            _run(connection, BEGIN, {**own, **self._lease})

    def renew(self) -> bool:
        """Live on for another lease; False: another run of this name has begun."""
        with self._database.begin() as connection:
            return _run(connection, RENEW, {**self._own, **self._lease}) > 0

    def take(self, keys: Sequence[Key], account: str) -> dict[Key, float | None]:
        """Claim identities of one asset; those that are this run's now.

        Each to the seconds since a request with it was sent of which the ledger knows nothing, by a run that has died.
        None: there was none. What a living run has claimed is left out.
        """
        with self._writing(0) as (connection, _):
            if not _run(connection, RENEW, {**self._own, **self._lease}):
                return {}
            asked = self._asked(keys)
            taken = connection.read(_filled(connection, TAKE, asked), {**asked, "account": account})
            if len(taken) == len(keys) and not any(row.requested_at for row in taken):
                return dict.fromkeys(keys)
            return self._ours(connection, keys, asked)

    def request(self, keys: Sequence[Key]) -> Collection[Key]:
        """Note that a request with these identities of one asset is about to leave; those that are this run's still."""
        with self._writing(0) as (connection, _):
            if not _run(connection, RENEW, {**self._own, **self._lease}):
                return ()
            asked = self._asked(keys)
            if connection.run(_filled(connection, REQUEST, asked), asked) == len(keys):
                return keys
            return self._ours(connection, keys, asked)

    def of_others(self, keys: Sequence[Key]) -> set[Key]:
        """Of identities of one asset those that another living run has claimed."""
        asked = self._asked(keys)
        rows = self._database.read(_filled(self._database, OF_OTHERS, asked), asked)
        claimed = {*map(_name, rows)}
        return {key for key in keys if _name(_stored(key)) in claimed}

    def free(self, keys: Sequence[Key]) -> None:
        """Give up claims on identities of one asset."""
        with self._writing(0) as (connection, _):
            self.settle(connection, keys, ())

    def settle(self, connection: Connection, freed: Sequence[Key], heard: Sequence[Key]) -> None:
        """In the transaction of a verdict: give up the claims on these, and of those know the answer."""
        for statement, keys in ((FREE, freed), (HEAR, heard)):
            if keys:
                asked = self._asked(keys)
                connection.run(_filled(connection, statement, asked), asked)

    def end(self) -> None:
        """Give up every claim but those with a request of which the ledger knows nothing."""
        with self._writing(0) as (connection, _):
            connection.run(FREE_ALL, self._own)
            connection.run(END, self._own)

    def put_away(
        self, now: str, sent_at: Callable[[float], str], earlier: Callable[..., Mapping[Any, Earlier]]
    ) -> None:
        """Write what runs that died long ago have sent as ``no_answer``, and forget their claims.

        ``sent_at``: the time so many seconds ago, as the ledger writes it.
        """
        dialect = self._database.dialect
        rows = self._database.read(SILENT.format(now=NOW[dialect]))
        known = earlier([_key(row) for row in rows])
        unknown = [row for row in rows if not (before := known.get(_key(row))) or not before.outweighs_silence]
        died = Status("open", "no_answer", "", DIED)
        with self._writing(len(unknown)) as (connection, seqs):
            if unknown:
                written = [
                    Delivered(
                        _key(row),
                        row.account,
                        died,
                        NO_REQUEST._replace(sent_at=sent_at(row.silent_for)),
                        Facts("", 0, None),
                    )
                    for row in unknown
                ]
                run_ids = [row.run_id for row in unknown]
                upsert(connection, {"seq": [*seqs], "run_id": run_ids, "updated_at": [now] * len(unknown)}, written)
            for statement in FORGET:
                _run(connection, statement, {})

    def _ours(self, connection: Connection, keys: Sequence[Key], asked: Mapping[str, Any]) -> dict[Key, float | None]:
        """Those of these identities that are this run's, as ``take`` returns them."""
        ours = {_name(row): row.silent_for for row in connection.read(_filled(connection, OURS, asked), asked)}
        return {key: ours[name] for key in keys if (name := _name(_stored(key))) in ours}

    def _asked(self, keys: Sequence[Key]) -> dict[str, Any]:
        """What statements bind for identities of one asset, of which there are some."""
        first, asked = keys[0], dict[str, Any](self._own)
        parts: Sequence[Any] = keys
        if self._database.is_sqlite and all(key[2] == first[2] and key[4:] == first[4:] for key in keys):
            asked |= {name: storable(getattr(first, name)) for name in ("event_name", "adjustment", "test")}
            parts = [key.event_id for key in keys]
        text = msgspec.json.encode(parts).decode()
        if NUL in text:
            text = msgspec.json.encode([*dict.fromkeys(map(_stored, parts))]).decode()
        return {**asked, "network": storable(first.network), "asset": storable(first.asset), "keys": text}


def forget_dead(connection: Connection, deliveries: Iterable[Any], event_id: str) -> None:
    """Forget what tasks had claimed of deliveries with this event id. The caller has their assets for itself."""
    if has(connection, CLAIMS):
        for row in deliveries:
            connection.run(FORGET_DEAD, {"network": row.network, "asset": row.asset, "event_id": event_id})


def _stored(part: Key | str) -> Key | str:
    """As it is stored: JSON in SQLite and texts in PostgreSQL have no NUL."""
    return Key(*map(storable, part)) if isinstance(part, Key) else storable(part)


def _name(row: Any) -> tuple[Any, ...]:
    """What tells identities of one asset from each other."""
    return (row.event_id, row.event_name, row.adjustment, bool(row.test))


def _key(row: Any) -> Key:
    return Key(row.network, row.asset, row.event_name, row.event_id, row.adjustment, bool(row.test))


def _run(connection: Connection, statement: str, values: Mapping[str, Any]) -> int:
    return connection.run(_filled(connection, statement), values)


def _filled(database: Connection | Database, statement: str, asked: Collection[str] = ()) -> str:
    """A statement for the database, and for what is asked for."""
    each = ALIKE if "event_name" in asked else EACH[database.dialect]
    return statement.format(each=each, now=NOW[database.dialect])
