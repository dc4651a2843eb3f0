"""Which deliveries a question is about."""

from __future__ import annotations

from typing import NamedTuple

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

    def conditions(self) -> tuple[list[str], dict[str, str]]:
        """What is true of these rows of deliveries, and the values that the conditions name."""
        values = {name: value for name in ("network", "account") if (value := getattr(self, name))}
        conditions = [f"deliveries.{name} = :{name}" for name in values]
        if self.event:
            by_name = "deliveries.event_name IN (:event, :canonical_event)"
            conditions.append(f"({by_name} OR lower(deliveries.network_event) = :network_event)")
            values |= {"event": self.event, "canonical_event": canonical_event(self.event)}
            values["network_event"] = self.event.lower()
        return conditions, values


ALL = Only()


def known(database: Database, column: str) -> list[str]:
    """The values that deliveries have in a column, sorted."""
    query = f"SELECT DISTINCT {column} FROM {database.table(DELIVERIES)} WHERE {column} <> ''"
    return sorted(row[0] for row in database.read(query))
