"""The trigger by which a ledger keeps a verdict or a reason that another one replaces.

Only the UPDATE itself knows what it replaces. So a conversion that comes for the first time costs nothing, and whoever
changes a verdict can't forget it.
"""

from __future__ import annotations

from target_adpostbacks.ledger.connections import Connection
from target_adpostbacks.ledger.tables import NOTED

KEPT = ("delivery_id", "attempt_id", "status", "reason", "code", "message", "updated_at")
"""Columns of deliveries that are kept."""

KEEP = f"INSERT INTO history (seq, {', '.join(KEPT)}) VALUES (new.seq, {', '.join(f'old.{name}' for name in KEPT)});"
IS_REPLACED = f"""
(old.status = 'rejected' OR old.status <> new.status OR old.reason <> new.reason)
AND NOT (old.message = '{NOTED}' AND old.run_id = new.run_id)
"""
"""Refused again is a verdict too; open for the same reason is none. A run's own note was no verdict."""

STATEMENTS = {
    "sqlite": (
        f"""
        CREATE TRIGGER IF NOT EXISTS keep_history AFTER UPDATE OF status ON deliveries
        WHEN {IS_REPLACED} BEGIN {KEEP} END
        """,
    ),
    "postgresql": (
        f"""
        CREATE OR REPLACE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN {KEEP} RETURN NULL; END $$
        """,
        "DROP TRIGGER IF EXISTS keep_history ON deliveries",
        f"""
        CREATE TRIGGER keep_history AFTER UPDATE OF status ON deliveries FOR EACH ROW
        WHEN ({IS_REPLACED}) EXECUTE FUNCTION keep_history()
        """,
    ),
}


def keep_history(connection: Connection) -> None:
    """Let the database do it from now on."""
    for statement in STATEMENTS[connection.dialect]:
        connection.run(statement)
