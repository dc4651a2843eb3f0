"""Which deliveries a question is about."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from target_adpostbacks.core.events import canonical_event
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.tables import DELIVERIES


class Only(NamedTuple):
    """Deliveries of one network, account or event; what is empty is not asked for.

    ``event``: a canonical name, one of its aliases, or the network's own name.
    """

    network: str = ""
    account: str = ""
    event: str = ""

    def conditions(self, table: sa.FromClause) -> list[sa.ColumnElement[bool]]:
        """What is true of these rows of deliveries."""
        columns = table.c
        conditions = [columns[name] == value for name in ("network", "account") if (value := getattr(self, name))]
        if self.event:
            by_name = columns.event_name.in_((self.event, canonical_event(self.event)))
            conditions.append(sa.or_(by_name, sa.func.lower(columns.network_event) == self.event.lower()))
        return conditions


ALL = Only()


def known(database: Database, column: str) -> list[str]:
    """The values that deliveries have in a column, sorted."""
    values = database.table(DELIVERIES).c[column]
    return sorted(row[0] for row in database.read(sa.select(values).where(values != "").distinct()))
