"""The database that says what became of each postback: SQLite by default, PostgreSQL by URL."""

from target_adpostbacks.ledger.connections import NoLedger, UnusableLedger
from target_adpostbacks.ledger.counts import UNKNOWN, Accepted, Written
from target_adpostbacks.ledger.erasure import Erasure
from target_adpostbacks.ledger.filters import Only
from target_adpostbacks.ledger.log import RETRIED, STATUSES, Line
from target_adpostbacks.ledger.place import ledger_url
from target_adpostbacks.ledger.reading import LedgerReader
from target_adpostbacks.ledger.story import Story
from target_adpostbacks.ledger.tables import (
    IDENTITY,
    NO_REQUEST,
    NOTED,
    TABLES,
    Delivered,
    Earlier,
    Sent,
    Status,
    key,
    schema,
)
from target_adpostbacks.ledger.writing import Ledger

__all__ = [
    "IDENTITY",
    "NOTED",
    "NO_REQUEST",
    "RETRIED",
    "STATUSES",
    "TABLES",
    "UNKNOWN",
    "Accepted",
    "Delivered",
    "Earlier",
    "Erasure",
    "Ledger",
    "LedgerReader",
    "Line",
    "NoLedger",
    "Only",
    "Sent",
    "Status",
    "Story",
    "UnusableLedger",
    "Written",
    "key",
    "ledger_url",
    "schema",
]
