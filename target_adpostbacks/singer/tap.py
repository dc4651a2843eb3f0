"""tap-adpostbacks: the ledger as Singer streams."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, ClassVar

import click
import msgspec
from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.io_base import SingerWriter
from singer_sdk.singerlib import Message, RecordMessage

from target_adpostbacks.config.general import TapSettings
from target_adpostbacks.config.values import read_level
from target_adpostbacks.ledger import TABLES, LedgerReader, NoLedger, UnusableLedger, key, ledger_url, schema
from target_adpostbacks.ledger.place import VARIABLE, VARIABLE_OF_TAP
from target_adpostbacks.singer.configured import Configured, ConfiguredPlugin
from target_adpostbacks.singer.streams import end_unwritten, open_closed, until_read
from target_adpostbacks.singer.summaries import DailyStream, HealthStream

COMPACT = (
    "The ledger is compact: the stream deliveries has what is open, rejected or skipped; what was accepted is in the"
    " results of its run (results_path). The streams daily and health are empty."
)


class Writer(SingerWriter):
    """Records by msgspec and without a flush after each: half of the SDK's time for a record.

    Every other message is the SDK's, which flushes: no state is written before its records.
    """

    def __init__(self) -> None:
        super().__init__()
        self._encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode

    def write_message(self, message: Message) -> None:
        """A line of standard output."""
        try:
            if isinstance(message, RecordMessage):
                sys.stdout.buffer.write(self._encode(message.to_dict()) + b"\n")
            else:
                super().write_message(message)
        except OSError as error:
            end_unwritten(error)  # before the SDK logs it as unhandled
            raise


class LedgerStream(Stream):
    """One table. Incremental by ``seq``, which rises with every change: what was read before never comes again."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # rows have their types; looking took longer than all the rest
    replication_key = "seq"
    is_sorted = True

    def __init__(self, tap: TapAdpostbacks, name: str) -> None:
        self._tap_ledger = tap
        super().__init__(tap=tap, schema=schema(name), name=name)
        self.primary_keys = key(name)

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        """Rows that changed since the state."""
        ledger = self._tap_ledger.ledger
        after = self.get_starting_replication_key_value(context)
        return ledger.changes(self.name, int(after or 0)) if ledger else ()


class TapAdpostbacks(ConfiguredPlugin, Tap):
    """The delivery ledger of target-adpostbacks: every conversion and what became of it, by run and by day."""

    name = "tap-adpostbacks"
    ledger_variables = (VARIABLE_OF_TAP, VARIABLE)
    message_writer_class = Writer
    package_name = "target-adpostbacks"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "ledger_url",
            th.StringType,
            secret=True,
            description="Database of the ledger, the same as for target-adpostbacks. Default: the SQLite file"
            " `adpostbacks.db` in the Meltano project, or in the current folder; `--help` has the whole rule.",
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

    _ledger: LedgerReader | None = None

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """The SDK's command, with a help text that says what comes out."""
        command = super().get_singer_command()
        command.help = (
            "Read the ledger of target-adpostbacks: what became of each conversion, by run and by day, and what ads "
            "cost. Writes Singer messages to standard output, everything else to standard error."
        )
        return command

    @property
    def ledger(self) -> LedgerReader | None:
        """The ledger, opened for the first row; None if nothing was sent yet."""
        if self._ledger is None:
            try:
                self._ledger = LedgerReader(
                    ledger_url(os.environ, configured=self.config.get("ledger_url"), variables=self.ledger_variables)
                )
            except NoLedger as error:
                self.logger.warning(str(error))
            else:
                if self._ledger.layout == "compact":
                    self.logger.warning(COMPACT)
        return self._ledger

    def discover_streams(self) -> list[Stream]:
        """One stream a table, and what they come to."""
        tables = [LedgerStream(self, name) for name in TABLES]
        return [*tables, *(stream(self, lambda: self.ledger) for stream in (DailyStream, HealthStream))]

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Configured:
        """Read and check the config, whatever the tap is started for; the SDK's validator would show values."""
        source = super().cb_config(ctx, param, value)
        mistakes: list[str] = []
        read_level("", TapSettings, source.config, mistakes, strict=True)
        for mistake in mistakes:
            cls.logger.error(source.settings.named(mistake))
        cls.report(source.settings)
        if mistakes:
            ctx.exit(1)
        return source

    @classmethod
    def invoke(cls, **options: Any) -> None:
        """Run the tap; a ledger that can't be read ends it with one line."""
        try:
            with until_read():
                super().invoke(**options)
        except UnusableLedger as error:
            cls.logger.error(str(error))
            sys.exit(1)


def main() -> None:
    """Run the command."""
    open_closed("stderr")
    TapAdpostbacks.cli()
