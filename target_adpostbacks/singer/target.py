"""The Singer target: wiring, messages, and the run from its first line to its last."""

from __future__ import annotations

import gc
import hashlib
import os
import sys
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import IO, Any, ClassVar

import msgspec
from singer_sdk.exceptions import ConfigValidationError, RecordsWithoutSchemaException
from singer_sdk.helpers._batch import BaseBatchFileEncoding
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.sinks import Sink

from target_adpostbacks import config as configuration
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.postback import Facts
from target_adpostbacks.core.record import Columns
from target_adpostbacks.delivery.balance import Counts, counted, summary, too_many_rejected, unbalanced
from target_adpostbacks.delivery.delivery import Delivery, Skipped, skipped
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.ledger import Delivered, Ledger, UnusableLedger, default_url
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.singer.command import CommandTarget, located
from target_adpostbacks.singer.progress import Progress
from target_adpostbacks.singer.reader import BadLine, LineReader, UnreadableInput
from target_adpostbacks.singer.results import Results, UnusablePath
from target_adpostbacks.singer.sinks import FOR_NOBODY, ConversionSink, NetworkSink, batch_lines
from target_adpostbacks.singer.state import Place, States

SKIPPED_ROWS = 500
"""Rows of conversions that are not sent, before they are written to the ledger."""
COLLECT_SECONDS = 30
NO_CONTEXT: Mapping[str, Any] = {}


class TargetAdpostbacks(CommandTarget):
    """Posts attributed conversions back to ad networks' conversion APIs, server to server."""

    name = "target-adpostbacks"
    package_name = "target-adpostbacks"
    config_jsonschema: ClassVar[dict[str, Any]] = configuration.schema()
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    message_reader: LineReader

    def __init__(
        self,
        *,
        config: dict[str, Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        setup_mapper: bool = True,
        message_reader: LineReader | None = None,
    ) -> None:
        super().__init__(
            config=config,
            parse_env_config=parse_env_config,
            validate_config=validate_config,
            setup_mapper=False,
            message_reader=message_reader or LineReader(),
        )
        if setup_mapper:
            self.setup_mapper()
        self.max_parallelism = 1  # sinks belong to one thread
        self.columns = Columns(
            {name for network in NETWORKS.values() for name in network.ids}, self.general.fields, self.general.zone
        )
        self.network_names = {alias: name for name, network in NETWORKS.items() for alias in (name, *network.aliases)}
        self.run_id = uuid.uuid4().hex
        self.records_read = 0
        self._without_outcome = 0  # records
        self._unusable: Counter[str] = Counter()
        self._skipped: list[Skipped] = []
        self._skipped_since = 0.0
        self._direct: dict[str, tuple[Any, ConversionSink]] = {}
        self._started = self._collected = time.monotonic()
        self.progress = Progress(lambda: summary(self.counts), self.logger.info)
        self.states = States(self._write_state)
        self.ledger = Ledger(self.general.ledger_url or default_url(os.environ), self.run_id)
        self.results = self._open_results()  # once there is a ledger, whose file it may not be
        self.ledger.start_run(self.now().isoformat(timespec="milliseconds"), self.plugin_version)
        self.delivery = Delivery(self.ledger, HttpTransport(), log=self.logger.error, clock=self.now)
        self.network_sinks = {
            account.label: self._network_sink(account)
            for section in self.accounts.values()
            for account in section
            if account.network
        }
        self.delivery.idle = self._idle
        self.message_reader.bad_line = self._bad_line
        self.message_reader.tick = self._tick
        for hint in configuration.hints(self.accounts):
            self.logger.warning(hint)
        self.logger.info("Ledger: %s (run %s)", self.ledger.location, self.run_id)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Read the config; the SDK's validator echoes values and warns of an id that YAML made a number."""
        try:
            self.general, self.accounts = configuration.read(self.config)
        except configuration.InvalidConfig as invalid:
            raise _invalid(*invalid.mistakes) from None
        return []

    def setup_mapper(self) -> None:
        """Read stream_maps; raises ConfigValidationError."""
        try:
            super().setup_mapper()
        except ConfigValidationError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the SDK makes of a wrong shape
            raise _invalid(f"stream_maps: not of the shape that the SDK documents ({type(error).__name__})") from None

    def _open_results(self) -> Results | None:
        path = self.general.results_path
        try:
            return Results(path, self.run_id) if path else None
        except UnusablePath as error:
            raise _invalid(str(error)) from None

    def _network_sink(self, account: Account) -> NetworkSink:
        sink = self.get_sink(account.label, schema={"properties": {}}, key_properties=[])
        assert isinstance(sink, NetworkSink)  # noqa: S101 - get_sink_class says so
        return sink

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """A network account's own sink for its label, else the sink of conversions."""
        return NetworkSink if self._labelled(stream_name) else ConversionSink

    def account(self, label: str) -> Account:
        """The account of that label."""
        account = self._labelled(label)
        assert account is not None  # noqa: S101 - only labels of accounts come here
        return account

    def _labelled(self, label: str) -> Account | None:
        return next((account for many in self.accounts.values() for account in many if account.label == label), None)

    @staticmethod
    def now() -> datetime:
        """The clock."""
        return datetime.now(timezone.utc)

    def place(self) -> Place:
        """The place in the input that is being read."""
        return self.states.place

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """The SDK's settings without those that mean nothing here: no table is loaded, the SDK validates nothing."""
        super().append_builtin_config(config_jsonschema)
        for name in ("add_record_metadata", "load_method", "validate_records"):
            config_jsonschema["properties"].pop(name, None)

    def run(self, file_input: IO[str] | None = None) -> None:
        """Read everything, deliver it, and exit."""
        # Records make no reference cycles, but looking for some took a fifth of a run: it is left to _tick.
        gc.freeze()
        gc.disable()
        self.progress.start()
        super().run(file_input)

    # --- Messages ---------------------------------------------------------------------------------------------------
    # These three override private methods of the SDK: tests/test_tripwires.py fails when they change there.

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Hand a record to its stream's sink, through its stream maps where it has any."""
        stream = message_dict["stream"]
        direct = self._direct.get(stream)
        if direct is None or direct[0] is not self.mapper.stream_maps.get(stream):
            if not self._is_direct(stream):
                self._process_mapped(stream, message_dict["record"])
                return
            direct = self._direct[stream]
        place = self.states.place
        owed = place.added
        self.records_read += 1
        direct[1].process_record(message_dict["record"], NO_CONTEXT)
        if place.added == owed:
            self._without_outcome += 1

    def _is_direct(self, stream: str) -> bool:
        """Whether records of a stream go to one sink as they are; remembers it."""
        self._direct.pop(stream, None)
        maps = self.mapper.stream_maps.get(stream)
        if maps is None or len(maps) != 1 or type(maps[0]) is not SameRecordTransform or maps[0].flattening_enabled:
            return False
        self._direct[stream] = (maps, self._conversion_sink(maps[0].stream_alias))
        return True

    def _process_mapped(self, stream: str, record: dict[str, Any]) -> None:
        if stream not in self.mapper.stream_maps:
            raise RecordsWithoutSchemaException(
                f"A record of stream '{stream}' came before its schema: the tap must send a SCHEMA message first."
            )
        self.records_read += 1
        outcomes = self._outcomes
        for stream_map in self.mapper.stream_maps[stream]:
            try:
                mapped = stream_map.transform(dict(record))
            except Exception as error:  # noqa: BLE001 - an expression of the user's, on any value
                sink = self._conversion_sink(stream)
                rule = f"an expression failed ({type(error).__name__})"
                sink.invalid(record, self.message_reader.line, "stream_maps", rule)
                continue
            if mapped is None:
                self.delivery.counts["filtered"] += 1
                continue
            if "_sdc_deleted_at" in record:  # a map may drop it, and the row must not be sent
                mapped["_sdc_deleted_at"] = record["_sdc_deleted_at"]
            self._conversion_sink(stream_map.stream_alias).process_record(mapped, NO_CONTEXT)
        if self._outcomes == outcomes:
            self._without_outcome += 1

    @property
    def _outcomes(self) -> int:
        return self.states.owed + self.delivery.counts["filtered"]

    def _conversion_sink(self, stream: str) -> ConversionSink:
        if not self.sink_exists(stream):
            return ConversionSink(self, stream, {"properties": {}}, [])
        sink = self.get_sink(stream)
        if not isinstance(sink, ConversionSink):
            raise RecordsWithoutSchemaException(f"Stream '{stream}' has the name of a network's account: rename it.")
        return sink

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """State waits for every postback before it."""
        self.states.state(msgspec.json.encode(message_dict["value"]))

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """The lines of a BATCH message's files take the way of RECORD messages."""
        stream = message_dict["stream"]
        for number, line in enumerate(_batch_lines(message_dict)):
            if self.message_reader.stopped:
                self.place().hold(1)  # what was not read is not covered by the next state
                return
            if not number & 127:
                self.message_reader.tick_if_due()
            if line and not line.isspace():
                self._process_batch_line(stream, line)

    def _process_batch_line(self, stream: str, line: bytes) -> None:
        try:
            record = self.message_reader.deserialize_json(line)
        except BadLine as bad:
            self.records_read += 1
            self.invalid(stream, self.message_reader.line, hashlib.sha256(line).hexdigest(), bad.field, bad.rule)
        else:
            self._process_record_message({"stream": stream, "record": record})

    # --- What is not sent -------------------------------------------------------------------------------------------

    def skip(self, row: Delivered) -> None:
        """A conversion that is not sent: state passes once its row is in the ledger."""
        place = self.place()
        place.added += 1
        self._skipped_since = self._skipped_since or time.monotonic()
        self._skipped.append(Skipped(row, place))
        if len(self._skipped) >= SKIPPED_ROWS:
            self._write_skipped()

    def _write_skipped(self) -> None:
        rows, self._skipped, self._skipped_since = self._skipped, [], 0.0
        if rows:
            self.delivery.skip(rows)

    def invalid(self, stream: str, line: int, digest: str, field: str, rule: str) -> None:
        """A line or record that is no conversion: one row, one warning, and the run goes on."""
        self.logger.warning("Line %d: %s: %s. Not sent.", line, field, rule)
        own = FOR_NOBODY._replace(event_id=f"{stream[:200]}:{digest}")
        self.skip(skipped(own, "", Facts(stream, line, None), "invalid", f"{field}: {rule}"))

    def _bad_line(self, digest: str, bad: BadLine) -> None:
        self.records_read += 1
        self.invalid("", self.message_reader.line, digest, bad.field, bad.rule)

    def warn_unusable(self, stream: str, line: int, unusable: tuple[str, ...]) -> None:
        """An optional column that can't be used: one warning for each column and rule, the others are counted."""
        for what in unusable:
            if not self._unusable[what]:
                self.logger.warning(
                    "Line %d: %s (stream %s). Sent without it; further ones are counted.", line, what, stream
                )
            self._unusable[what] += 1

    # --- Time passing -----------------------------------------------------------------------------------------------

    def _idle(self) -> None:
        """While an account keeps the reader waiting: the others send what has waited long enough."""
        age = self.general.max_batch_age_seconds
        for sink in self.network_sinks.values():
            if self.delivery.has_room(sink.account) and sink.close_due(age):
                self.drain_one(sink)
        self.progress.show()

    def _tick(self) -> None:
        """Between two lines: send what has waited long enough, and say how far the run is."""
        age = self.general.max_batch_age_seconds
        for sink in self.network_sinks.values():
            if sink.close_due(age):
                self.drain_one(sink)
        if self._skipped and time.monotonic() - self._skipped_since >= age:
            self._write_skipped()
        if self.delivery.failed or self.states.failed:
            self.message_reader.stop()
        self.progress.show()
        if time.monotonic() - self._collected >= COLLECT_SECONDS:
            self._collected = time.monotonic()
            gc.collect()

    def stop(self) -> None:
        """End reading and waits; what is under way finishes. May be called by a signal handler."""
        self.message_reader.stop()
        self.delivery.stop()

    def process_endofpipe(self) -> None:
        """After the last line: send what is left, wait for every verdict, close the run."""
        self._write_skipped()
        super().process_endofpipe()
        settled = self.delivery.settle(self._waiting)
        if not settled:
            self.delivery.abandon()
        self.progress.stop()
        self._finish()

    def _waiting(self) -> bool:
        """While verdicts are waited for: say how far the run is; whether to wait no longer."""
        self.progress.show()
        return len(self.signals) > 1

    # --- The end ----------------------------------------------------------------------------------------------------

    @property
    def counts(self) -> Counts:
        """What became of the run's records so far: Singer's way in, the ledger's way out."""
        return counted(self.records_read, self.states.owed, dict(self.delivery.counts))

    def _finish(self) -> None:
        for what, count in self._unusable.items():
            self.logger.warning("%s: %d conversions sent without it.", what, count)
        for what, count in self.delivery.differences.items():
            self.logger.warning(
                "%s: differs for %d conversions that came again; what was sent first stands.", what, count
            )
        for why, count in self.delivery.why_open[:20]:
            self.logger.error("Open: %d for %s.", count, why)
        counts = self.counts
        unbalance = unbalanced(counts, self._without_outcome)
        too_many = too_many_rejected(counts, self.general.fail_above_rejected_percent)
        mistakes = [why for why in (self._why_failed(), self._write_results(), too_many, unbalance) if why]
        for why in mistakes:
            self.logger.error(why)
        is_open = bool(counts["open"])
        code = 128 + self.signals[0] if self.signals else 3 if unbalance else int(bool(mistakes) or is_open)
        with suppress(UnusableLedger):
            self._expire()
            self.ledger.end_run(self.now().isoformat(timespec="milliseconds"), code, counts)
            self.ledger.close()
        if is_open or self.states.waiting:
            self.logger.error("State is held back: the next run reads again from the last one, and sends what is open.")
        self.exit_code = code
        self.logger.info("Done in %.1f s: %s", time.monotonic() - self._started, summary(counts))

    def _expire(self) -> None:
        """Let the ledger forget what is too old; the first run of a day does it for all."""
        days, now = self.general.ledger_retention_days, self.now()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if days and not self.signals and not self.ledger.has_run_since(today.isoformat(timespec="milliseconds")):
            self.ledger.expire((now - timedelta(days=days)).isoformat(timespec="milliseconds"))

    def _write_results(self) -> str | None:
        """Write the run's deliveries to results_path; or say why that can't be done."""
        try:
            if self.results:
                self.results.write(self.ledger)
        except OSError as error:
            return f"results_path: {error.strerror or type(error).__name__}; what is missing there is in the ledger."
        except UnusableLedger as error:
            return str(error)
        return None

    def _why_failed(self) -> str | None:
        error = self.delivery.failed
        if error is not None:
            return str(error) if isinstance(error, UnusableLedger) else located(error)
        if self.states.failed:
            return "State can't be written: standard output is closed."
        return self.failure

    def _write_state(self, state: bytes) -> None:
        stdout = self.stdout or sys.stdout
        stdout.write(state.decode() + "\n")
        stdout.flush()


def _invalid(*mistakes: str) -> ConfigValidationError:
    return ConfigValidationError("Config validation failed", errors=list(mistakes), schema={})


def _batch_lines(message: Mapping[str, Any]) -> Iterator[bytes]:
    try:
        encoding = BaseBatchFileEncoding.from_dict(dict(message["encoding"]))
        for path in message["manifest"]:
            yield from batch_lines(encoding, path)
    except (OSError, EOFError, ValueError, TypeError, AttributeError, ImportError, zlib.error) as error:
        raise UnreadableInput(
            f"BATCH message of stream '{message['stream']}': can't be read ({type(error).__name__})"
        ) from None
