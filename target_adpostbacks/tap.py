"""tap-adpostbacks: the ledger as Singer streams, so that what was delivered can be loaded beside everything else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar

from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities

from target_adpostbacks.ledger import TABLES, Ledger, default_url

TYPES = {"TEXT": th.StringType, "INTEGER": th.IntegerType, "BIGINT": th.IntegerType, "DOUBLE": th.NumberType}
TIMES = frozenset({"event_time", "sent_at", "updated_at", "started_at", "ended_at"})


class LedgerStream(Stream):
    """One table. Incremental by ``seq``, which rises with every change: what was read before never comes again."""

    replication_key = "seq"
    is_sorted = True

    def __init__(self, tap: TapAdpostbacks, name: str) -> None:
        self._tap_ledger = tap
        super().__init__(tap=tap, schema=_schema(name), name=name)
        self.primary_keys = [column.name for column in TABLES[name].primary_key]

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        """Rows that changed since the bookmark."""
        after = self.get_starting_replication_key_value(context)
        return self._tap_ledger.ledger.changes(self.name, int(after or 0))


class TapAdpostbacks(Tap):
    """The delivery ledger of target-adpostbacks: every conversion and what became of it, requests and runs."""

    name = "tap-adpostbacks"
    package_name = "target-adpostbacks"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "ledger_url",
            th.StringType,
            secret=True,
            description="Database of the ledger, as target-adpostbacks has it. Default: the SQLite file"
            " `adpostbacks.db` in the Meltano project, else in the current directory.",
        )
    ).to_dict()
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
        TapCapabilities.CATALOG,
        TapCapabilities.DISCOVER,
        TapCapabilities.STATE,
    ]

    _ledger: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        """Opened when the first row is asked for: the catalog needs none."""
        if self._ledger is None:
            self._ledger = Ledger(self.config.get("ledger_url") or default_url(os.environ))
        return self._ledger

    def discover_streams(self) -> list[Stream]:
        """One stream a table."""
        return [LedgerStream(self, name) for name in TABLES]


def _schema(table: str) -> dict[str, Any]:
    properties = []
    for column in TABLES[table].columns:
        kind: Any = th.BooleanType if column.name == "test" else TYPES[str(column.type).partition(" ")[0]]
        kind = th.DateTimeType if column.name in TIMES else kind
        properties.append(th.Property(column.name, kind, required=column.primary_key, nullable=not column.primary_key))
    return th.PropertiesList(*properties).to_dict()


main = TapAdpostbacks.cli
