"""Clicks of people whom a conversion may be about: under keyed digests of the people, and in clear, to be sent.

A ledger has these tables only once a config has ``clicks``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from target_adpostbacks.core.clicks import MOST_LINKS, Click
from target_adpostbacks.ledger.connections import Connection
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.definition import LARGE, NUMBERED, Column, Table
from target_adpostbacks.ledger.versions import has, make

CLICKS = Table(
    "clicks",
    (
        Column("id", NUMBERED),
        Column("network"),
        Column("click_id"),
        Column("name"),
        Column("cookies"),  # JSON: by native name
        Column("click_time", indexed=True),
        Column("campaign_id", nullable=True),
        Column("ad_group_id", nullable=True),
        Column("ad_id", nullable=True),
    ),
    identity=("network", "click_id"),
    constraint="click_identity",
)
IDENTITIES = Table(
    "click_identities",
    (Column("digest"), Column("click", LARGE, indexed=True)),
    keys=("digest", "click"),
    is_rowless=True,
)
LINKS = Table(
    "identity_links",
    (Column("digest"), Column("other"), Column("linked_at", indexed=True)),
    keys=("digest", "other"),
    is_rowless=True,
)
"""Each link twice, once from either end."""
TABLES = (CLICKS, IDENTITIES, LINKS)
BUSY = f"SELECT digest FROM identity_links WHERE {{is_asked}} GROUP BY digest HAVING COUNT(*) > {MOST_LINKS}"
LONGEST = 500
"""Characters of a click id that is kept: a longer one is none, and would fit into no index."""


class Row(NamedTuple):
    """What one record tells, in digests."""

    clicks: Sequence[Click]
    people: Sequence[str]
    links: Sequence[tuple[str, str]]
    at: str  # when it came, as the ledger writes times


class Found(NamedTuple):
    """The clicks of people, and who is who. ``busy``: digests that are linked to too many others to mean anybody."""

    clicks: Mapping[str, Sequence[tuple[int, Click]]]  # by digest
    others: Mapping[str, Sequence[str]]  # digests that are one hop away
    busy: frozenset[str]


class Clicks:
    """The part of a ledger that keeps clicks; makes its tables where they are not there. Raises UnusableLedger."""

    def __init__(self, database: Database, writing: Callable[[int], AbstractContextManager[Any]]) -> None:
        self._database = database
        self._writing = writing

    def begin(self) -> None:
        """Make the tables where they are not there. Raises UnusableLedger where they belong to another program."""
        with self._writing(0) as (connection, _):
            make(connection, TABLES)

    def write(self, rows: Iterable[Row]) -> None:
        """Store clicks; one that comes again replaces the one before."""
        rows = [*rows]
        clicks = {
            (click.network, click.click_id): (click, row) for row in rows for click in row.clicks if _is_fit(click)
        }
        links = {pair: row.at for row in rows for link in row.links for pair in (link, link[::-1])}
        with self._writing(0) as (connection, _):
            if clicks:
                self._insert(connection, CLICKS, [_values(click) for click, _ in clicks.values()])
                ids = self._ids(connection, [*clicks])
                people = {
                    (digest, ids[click.network, click.click_id]): None
                    for row in rows
                    for click in row.clicks
                    if (click.network, click.click_id) in ids
                    for digest in row.people
                }
                self._insert(connection, IDENTITIES, [*people])
            if links:
                self._insert(connection, LINKS, [(*pair, at) for pair, at in links.items()])

    def _insert(self, connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        names = [column.name for column in table.columns if column.kind is not NUMBERED]
        columns = {column.name: column for column in table.columns}
        if connection.dialect == "postgresql":
            source = "json_array_elements(:rows) AS value"
            each = [f"CAST(value->>{place} AS {columns[name].kind.postgresql})" for place, name in enumerate(names)]
        else:
            source = "json_each(:rows)"
            each = [f"json_extract(value, '$[{place}]')" for place in range(len(names))]
        unique = table.identity or table.keys
        newer = ", ".join(f"{name} = excluded.{name}" for name in names if name not in unique)
        connection.run(
            f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(each)} FROM {source} WHERE true"
            f" ON CONFLICT ({', '.join(unique)}) DO {f'UPDATE SET {newer}' if newer else 'NOTHING'}",
            {"rows": msgspec.json.encode(rows).decode()},
        )

    def _ids(self, connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        is_asked, values = self._database.among("click_id", "ids", sorted({click_id for _, click_id in keys}))
        rows = connection.read(f"SELECT network, click_id, id FROM clicks WHERE {is_asked}", values)
        return {(row.network, row.click_id): row.id for row in rows}

    def of_people(self, digests: Collection[str], connecting: Collection[str], since: str, until: str) -> Found:
        """The clicks between two times under these digests, and under those that they are linked to by one hop.

        ``connecting``: those of the digests that a hop may begin at.
        """
        busy = self._busy(digests)
        others = self._others([digest for digest in connecting if digest not in busy])
        reached = {each for linked in others.values() for each in linked}
        busy |= self._busy(reached)
        asked = [digest for digest in reached.union(digests) if digest not in busy]
        is_asked, values = self._database.among("digest", "digests", asked)
        query = f"""
            SELECT digest, id, network, click_id, name, cookies, click_time, campaign_id, ad_group_id, ad_id
            FROM click_identities JOIN clicks ON clicks.id = click_identities.click
            WHERE {is_asked} AND click_time >= :since AND click_time <= :until
        """
        clicks: dict[str, list[tuple[int, Click]]] = defaultdict(list)
        for digest, row, *rest in self._database.read(query, {**values, "since": since, "until": until}):
            clicks[digest].append((row, _click(*rest)))
        return Found(clicks, others, frozenset(busy))

    def _busy(self, digests: Collection[str]) -> set[str]:
        is_asked, values = self._database.among("digest", "digests", [*digests])
        return {row.digest for row in self._database.read(BUSY.format(is_asked=is_asked), values)}

    def _others(self, digests: Sequence[str]) -> dict[str, list[str]]:
        is_asked, values = self._database.among("digest", "digests", digests)
        others: dict[str, list[str]] = defaultdict(list)
        for row in self._database.read(f"SELECT digest, other FROM identity_links WHERE {is_asked}", values):
            others[row.digest].append(row.other)
        return others

    def expire(self, before: str) -> int:
        """Forget clicks and links from before that time; how many clicks."""
        with self._writing(0) as (connection, _):
            old = {"before": before}
            connection.run(
                "DELETE FROM click_identities WHERE click IN (SELECT id FROM clicks WHERE click_time < :before)", old
            )
            connection.run("DELETE FROM identity_links WHERE linked_at < :before", old)
            forgotten: int = connection.run("DELETE FROM clicks WHERE click_time < :before", old)
        return forgotten


def forget(connection: Connection, database: Database, digests: Sequence[str]) -> int:
    """Delete the clicks of an erased person, those one hop away too, and whom they are linked to; how many clicks.

    What is linked to too many others to mean anybody keeps what it has of those: it is nobody's, and is still known for
    that. Nothing happens where the ledger keeps no clicks.
    """
    if not has(connection, IDENTITIES):
        return 0
    is_theirs, values = database.among("digest", "digests", digests)
    rows = connection.read(f"SELECT DISTINCT other FROM identity_links WHERE {is_theirs}", values)
    linked = {row.other for row in rows}
    is_linked, others = database.among("digest", "others", sorted(linked))
    busy = {row.digest for row in connection.read(BUSY.format(is_asked=is_linked), others)}
    everybody = sorted({*digests, *(linked - busy)})
    is_known, known = database.among("digest", "known", everybody)
    rows = connection.read(f"SELECT DISTINCT click FROM click_identities WHERE {is_known}", known)
    is_click, clicks = database.among("id", "clicks", [row.click for row in rows])
    of_click, _ = database.among("click", "clicks", [row.click for row in rows])
    connection.run(f"DELETE FROM click_identities WHERE {of_click}", clicks)
    for end in ("digest", "other"):
        is_end, of_end = database.among(end, "known", everybody)
        connection.run(f"DELETE FROM identity_links WHERE {is_end}", of_end)
    return connection.run(f"DELETE FROM clicks WHERE {is_click}", clicks)


def _is_fit(click: Click) -> bool:
    """Whether a database can keep it: NUL is in no text of PostgreSQL."""
    return len(click.click_id) <= LONGEST and "\0" not in click.click_id


def _values(click: Click) -> Sequence[Any]:
    time = click.click_time.isoformat(timespec="milliseconds")
    cookies = msgspec.json.encode(click.cookies).decode()
    return click.network, click.click_id, click.name, cookies, time, click.campaign_id, click.ad_group_id, click.ad_id


def _click(network: str, click_id: str, name: str, cookies: str, click_time: str, *ad: str | None) -> Click:
    campaign, ad_group, ad_id = ad
    at = datetime.fromisoformat(click_time)
    return Click(network, click_id, name, msgspec.json.decode(cookies), at, campaign, ad_group, ad_id)
