"""The Singer target: messages in, records to the run, state out."""

from __future__ import annotations

import gc
import hashlib
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Any, ClassVar

import msgspec
from singer_sdk import metrics
from singer_sdk.exceptions import ConfigValidationError, RecordsWithoutSchemaException
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.mapper import CustomStreamMap, SameRecordTransform

from target_adpostbacks import config as configuration
from target_adpostbacks.core.postback import Postback
from target_adpostbacks.core.prepared import Prepared, invalid
from target_adpostbacks.delivery.attempts import pauses
from target_adpostbacks.delivery.balance import summary
from target_adpostbacks.delivery.transport import Transport
from target_adpostbacks.ledger import UnusableLedger
from target_adpostbacks.run import Run, utc_now
from target_adpostbacks.run.preparing import Pending, may_be_conversions
from target_adpostbacks.singer import maps, starting
from target_adpostbacks.singer.batch_files import batch_lines
from target_adpostbacks.singer.click_rows import ClickRows
from target_adpostbacks.singer.command import CommandTarget
from target_adpostbacks.singer.line_workers import LineWorkers
from target_adpostbacks.singer.lines import MAPPED, through
from target_adpostbacks.singer.mending import event_id
from target_adpostbacks.singer.messages import BadLine, UnreadableInput
from target_adpostbacks.singer.progress import Progress
from target_adpostbacks.singer.reader import LineReader
from target_adpostbacks.singer.results import Results, UnusablePath
from target_adpostbacks.singer.sinks import ConversionSink
from target_adpostbacks.singer.state import States
from target_adpostbacks.singer.statistics import Statistics
from target_adpostbacks.singer.streams import FULL
from target_adpostbacks.workers.pool import Worker, Workers
from target_adpostbacks.workers.work import Each

if TYPE_CHECKING:
    from target_adpostbacks.run.clicks import Clicks
    from target_adpostbacks.singer.head_start import HeadStart

COLLECT_SECONDS = 30
TURN_SECONDS = 0.03
"""For which a thread has the interpreter to itself while others wait for it: each change of turns empties caches.

Python's own 5 ms took 7 to 10 % more CPU.
"""


class Described:
    """The JSON Schema of the config, made when it is first asked for, which few runs do."""

    def __get__(self, _: object, __: object) -> dict[str, Any]:
        return self._schema

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return configuration.schema()


class TargetAdpostbacks(CommandTarget):
    """Posts attributed conversions back to ad networks' conversion APIs, server to server."""

    name = "target-adpostbacks"
    package_name = "target-adpostbacks"
    default_sink_class = ConversionSink
    config_jsonschema = Described()
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    transport: ClassVar[Transport | None] = None
    """What sends requests. None: HTTP."""
    started: ClassVar[Sequence[Worker]] = ()
    """Worker processes that were started before all this was imported."""
    head_start: ClassVar[HeadStart | None] = None
    """Those that have begun with the input."""
    pauses = staticmethod(pauses)
    """Seconds between the attempts of a batch."""
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
        count = None if self.general.clicks else starting.count(self.general.workers)  # clicks: record by record
        self.line_workers = LineWorkers(count, self.config, self.logger.warning, self.started, self.head_start)
        if setup_mapper:
            self.setup_mapper()
        self.max_parallelism = 1  # no sink holds anything that could be drained beside others
        self._metrics_logger = metrics.get_metrics_logger()
        self._file, self._file_line = "", 0  # of a BATCH message, while it is read
        self._checked: set[str] = set()  # streams whose maps have met a record
        self._direct: dict[str, tuple[Any, ConversionSink]] = {}
        self._sinks: dict[str, ConversionSink] = {}  # of records that workers prepare
        self._collected = time.monotonic()
        self.states = States(self._write_state, lambda kind: self.delivery_run.limits.may_pass(kind))
        self.delivery_run = self._open_run()
        run = self.delivery_run
        if self.head_start:
            self.head_start.compare(run.preparation)
        self.click_rows = ClickRows(run)
        may_be = partial(may_be_conversions, self.general, run.preparation)
        self.statistics = Statistics(self.general, run.ledger, self.logger, self.now, may_be)
        self.results = self._open_results()  # once there is a ledger, whose file it may not be
        self.progress = Progress(lambda: summary(self.delivery_run.tally), self.logger.info)
        self.delivery_run.waiting = self._while_waiting
        self.message_reader.bad_line = self._bad_line
        self.message_reader.tick = self._tick
        self.message_reader.start_workers = self._start_workers
        self.message_reader.head_start = self.head_start
        self.message_reader.schema_came = self._schema_came
        self.message_reader.activated = self._activated
        self.message_reader.postbacks = self._take_postbacks
        self.message_reader.prepared = self._take_prepared
        self.message_reader.met = self.delivery_run.meet
        self.delivery_run.begin()

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Read the config; the SDK's validator echoes values and warns of an id that YAML made a number."""
        try:
            self.general, self.accounts = configuration.read(self.config)
        except configuration.InvalidConfig as error:
            raise _invalid(*error.mistakes) from None
        return []

    def setup_mapper(self) -> None:
        """Read stream_maps; raises ConfigValidationError."""
        if misshaped := maps.misshaped(self.config.get("stream_maps") or {}):
            raise _invalid(*misshaped)
        try:
            super().setup_mapper()
        except ConfigValidationError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the SDK makes of a wrong shape
            raise _invalid(f"stream_maps: not of the shape that the SDK documents ({type(error).__name__})") from None

    def _open_run(self) -> Run:
        try:
            return Run(
                self.general,
                self.accounts,
                log=self.logger,
                transport=self.transport,
                clock=self.now,
                pauses=self.pauses,
                max_batch_rows=self.config.get("batch_size_rows"),
                delivered=self._time_batch,
            )
        except configuration.InvalidConfig as error:
            raise _invalid(*error.mistakes) from None

    def _open_results(self) -> Results | None:
        path = self.general.results_path
        ledger = self.delivery_run.ledger
        if not path:
            if ledger.layout == "compact":
                self.logger.warning(
                    "Of what is accepted a compact ledger keeps a key alone: set results_path for rows."
                )
            return None
        try:
            results = Results(path, self.delivery_run.run_id)
        except UnusablePath as error:
            raise _invalid(str(error)) from None
        results.follow(ledger)
        return results

    @staticmethod
    def now() -> datetime:
        """The clock."""
        return utc_now()

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """The SDK's settings without those that mean nothing here: no table is loaded, the SDK validates nothing."""
        super().append_builtin_config(config_jsonschema)
        for name in ("add_record_metadata", "load_method", "validate_records"):
            config_jsonschema["properties"].pop(name, None)
        properties = config_jsonschema["properties"]
        properties["stream_maps"] = _mended(properties["stream_maps"])

    def run(self, file_input: IO[str] | None = None) -> None:
        """Read everything, deliver it, and exit."""
        # Records make no reference cycles, but looking for some took a fifth of a run: it is left to _tick.
        gc.freeze()
        gc.disable()
        sys.setswitchinterval(TURN_SECONDS)
        self.progress.start()
        super().run(file_input)

    # The next three override private methods of the SDK: tests/singer/test_sdk_watch.py tells when they change there.

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Hand a record to its stream's sink, through its stream maps where it has any."""
        stream = message_dict["stream"]
        direct = self._direct.get(stream)
        if direct is None or direct[0] is not self.mapper.stream_maps.get(stream):
            if not self._is_direct(stream):
                self._process_mapped(stream, message_dict["record"], message_dict.get("time_extracted"))
                return
            direct = self._direct[stream]
        if clicks := self.delivery_run.clicks:
            clicks.wait([self._pending(clicks, message_dict["record"], direct[1])], self.states.place, self._file)
            return
        prepared = self._prepare(message_dict["record"], direct[1])
        self.delivery_run.count_read(self.delivery_run.take(prepared, self.states.place, self._file))

    def _is_direct(self, stream: str) -> bool:
        """Whether records of a stream go to one sink as they are; remembers it."""
        self._direct.pop(stream, None)
        maps = self.mapper.stream_maps.get(stream)
        if maps is None or len(maps) != 1 or type(maps[0]) is not SameRecordTransform or maps[0].flattening_enabled:
            return False
        if self.statistics.has(maps[0]) or self.click_rows.has(maps[0]):
            return False
        sink = self._conversion_sink(maps[0].stream_alias)
        self._direct[stream] = (maps, sink)
        self._know(stream, maps, [sink], direct=True)
        return True

    def _process_mapped(self, stream: str, record: dict[str, Any], extracted: Any) -> None:
        if stream not in self.mapper.stream_maps:
            raise RecordsWithoutSchemaException(
                f"A record of stream '{stream}' came before its schema: the tap must send a SCHEMA message first."
            )
        if stream not in self._checked:
            self._check_maps(stream, record)
        stream_maps: Sequence[Any] = self.mapper.stream_maps[stream]
        if any(map(self.statistics.has, stream_maps)):
            stream_maps = self.statistics.take(stream_maps, record, self.states.place, self._line, extracted)
            if not stream_maps:
                return
        elif not self.line_workers.knows(stream):
            sinks = [self._conversion_sink(each.stream_alias) for each in stream_maps]
            self._know(stream, stream_maps, sinks, direct=False)

        if clicks := self.delivery_run.clicks:

            def wait(mapped: Mapping[str, Any], alias: str) -> Pending:
                return self._pending(clicks, mapped, self._conversion_sink(alias))

            if stream_maps := self.click_rows.take(stream_maps, record, self.states.place, self._line):
                members = through(stream_maps, record, wait, stream=stream, line=self._line)
                clicks.wait(members, self.states.place, self._file)
            return

        def prepare(mapped: Mapping[str, Any], alias: str) -> Prepared:
            return self._prepare(mapped, self._conversion_sink(alias))

        prepared = through(stream_maps, record, prepare, stream=stream, line=self._line)
        self.delivery_run.take_all(prepared, self.states.place, self._file)

    def _pending(self, clicks: Clicks, record: Mapping[str, Any], sink: ConversionSink) -> Pending:
        """A record that waits for its person's clicks."""
        sink.records += 1
        return clicks.pending(record, stream=sink.stream_name, key=sink.key_properties, line=self._line)

    def _know(self, stream: str, stream_maps: Sequence[Any], sinks: Sequence[ConversionSink], *, direct: bool) -> None:
        """The workers, if there are some, read the stream's next records."""
        self._sinks |= {sink.stream_name: sink for sink in sinks}
        self.line_workers.know(stream, stream_maps, sinks, direct=direct)

    def _start_workers(self, after: int) -> Workers | None:
        run, reader = self.delivery_run, self.message_reader
        plain, line = bool(reader.plain), reader.line
        return self.line_workers.start(run.preparation, run.unmet, plain=plain, after=after, line=line)

    def _activated(self, message: dict[str, Any]) -> None:
        """A tap has sent all of a stream."""
        self.statistics.activate(self.mapper.stream_maps.get(message.get("stream", ""), ()))

    def _schema_came(self) -> None:
        self.statistics.schema_came()
        plain = bool(self.message_reader.plain)
        self.line_workers.schema_came(self.mapper.stream_maps, self._conversion_sink, plain=plain)

    def _take_postbacks(self, postbacks: Sequence[Postback]) -> None:
        """Deliver what a worker says that as many records come to."""
        for stream, count in Counter([postback.facts.stream for postback in postbacks]).items():
            self._sinks[stream].records += count
        self.delivery_run.take_postbacks(postbacks, self.states.place)

    def _take_prepared(self, prepared: Each) -> None:
        """Deliver what a worker says that a record comes to."""
        for each in prepared:
            if each is not None and not each.invalid.startswith(MAPPED):
                self._sinks[each.stream].records += 1
        self.delivery_run.take_all(prepared, self.states.place, self._file)

    def _check_maps(self, stream: str, record: Mapping[str, Any]) -> None:
        self._checked.add(stream)
        columns = {*self.message_reader.columns.get(stream, ()), *record}
        custom = [made for made in self.mapper.stream_maps[stream] if isinstance(made, CustomStreamMap)]
        if custom and (said := maps.mistakes(self.config["stream_maps"], stream, custom[0], columns)):
            raise UnreadableInput(". ".join(said))

    def _conversion_sink(self, stream: str) -> ConversionSink:
        if not self.sink_exists(stream):
            return ConversionSink(self, stream, {"properties": {}}, [])
        sink = self.get_sink(stream)
        assert isinstance(sink, ConversionSink)  # noqa: S101 - there are no others
        return sink

    def _prepare(self, record: Mapping[str, Any], sink: ConversionSink) -> Prepared:
        """What a record comes to, which may be one of several that stream maps made of a message."""
        sink.records += 1
        key = sink.key_properties
        return self.delivery_run.prepare(record, stream=sink.stream_name, key=key, line=self._line)

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """State waits for every outcome before it."""
        self.states.state(msgspec.json.encode(message_dict["value"]))

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """The lines of a BATCH message's files take the way of RECORD messages."""
        stream = message_dict["stream"]
        try:
            for self._file, self._file_line, line in batch_lines(message_dict):
                if self.message_reader.stopped:
                    self.states.place.hold(1)  # what was not read is not covered by the next state
                    return
                if not self._file_line & 127:
                    self.message_reader.tick_if_due()
                if line and not line.isspace():
                    self._process_batch_line(stream, line)
        finally:
            self._file, self._file_line = "", 0

    @property
    def _line(self) -> int:
        """Where the record at hand stands: its line in a BATCH file, or in the input."""
        return self._file_line or self.message_reader.line

    def _process_batch_line(self, stream: str, line: bytes) -> None:
        try:
            record = self.message_reader.deserialize_json(line)
        except BadLine as bad:
            said = stream, bad.field, bad.rule, self._line
            if self.statistics.leave_out_line(*said) or self.click_rows.leave_out_line(*said):
                return
            told = hashlib.sha256(line).hexdigest(), bad.field, bad.rule, event_id(line)
            outcomes = self._invalid_line(stream, *told)
            self.delivery_run.count_read(outcomes)
        else:
            self._process_record_message({"stream": stream, "record": record})

    def _bad_line(self, digest: str, bad: BadLine) -> None:
        self.delivery_run.count_read(self._invalid_line("", digest, bad.field, bad.rule, bad.event_id))

    def _invalid_line(self, stream: str, digest: str, field: str, rule: str, event_id: str = "") -> int:
        prepared = invalid(stream, self._line, digest, field, rule, event_id)
        return self.delivery_run.take(prepared, self.states.place, self._file)

    def _time_batch(self, label: str, seconds: float) -> None:
        """The SDK's metric of a batch: how long an account took from hand-over to the verdicts."""
        tags = {metrics.Tag.STREAM.value: label}
        metrics.log(self._metrics_logger, metrics.Point("timer", metrics.Metric.BATCH_PROCESSING_TIME, seconds, tags))

    def _tick(self) -> None:
        """Between two lines: send what has waited long enough, write state, and say how far the run is."""
        self.delivery_run.tick()
        self.statistics.tick(self.general.max_batch_age_seconds)
        self._while_waiting()
        if self.delivery_run.failed or self.states.failed:
            self.message_reader.stop()
        if time.monotonic() - self._collected >= COLLECT_SECONDS:
            self._collected = time.monotonic()
            gc.collect()

    def _while_waiting(self) -> None:
        """Now and then, whatever the run is at: write the state that is free, and say how far the run is."""
        self.states.write_due()
        self.progress.show()

    def stop(self) -> None:
        """End reading and waits; what is under way finishes. May be called by a signal handler."""
        self.message_reader.stop()
        self.delivery_run.stop()

    def process_endofpipe(self) -> None:
        """After the last line: send what is left, wait for every verdict, close the run."""
        for name, count in self.statistics.counts.items():
            self._conversion_sink(name).records += count  # for the SDK's metric
        super().process_endofpipe()
        failed = [*self.statistics.end()]
        self.delivery_run.settle(self._is_hurried)
        self.states.end()
        self.progress.stop()
        mistakes = [mistake for mistake in (self._why_stopped(), *failed, self._write_results()) if mistake]
        streams = self.message_reader.columns
        for path in maps.unmet(self.config.get("stream_maps") or {}, streams) if streams else ():
            self.logger.warning("%s: no stream of the input has this name; nothing was mapped by it.", path)
        if self.delivery_run.tally.open or self.states.waiting:
            self.logger.error("State is held back: the next run begins at the last state that was written.")
        self.exit_code = self.delivery_run.close(mistakes, self.signals[0] if self.signals else 0)

    def _is_hurried(self) -> bool:
        """While verdicts are waited for, now and then: whether to wait no longer."""
        self._while_waiting()
        return len(self.signals) > 1

    def _why_stopped(self) -> str | None:
        if self.delivery_run.failed:
            return None  # the run itself tells
        if self.states.failed is None:
            return self.failure
        number = getattr(self.states.failed, "errno", None)
        why = f"is full ({os.strerror(number)})" if number in FULL else "is closed"
        return f"State can't be written: standard output {why}."

    def _write_results(self) -> str | None:
        """Write the run's deliveries to results_path; or say why that can't be done."""
        try:
            if self.results:
                self.results.write(self.delivery_run.ledger)
        except OSError as error:
            return f"results_path: {error.strerror or type(error).__name__}; the ledger has what is missing there."
        except UnusableLedger as error:
            return str(error)
        return None

    def _write_state(self, state: bytes) -> None:
        stdout = self.stdout or sys.stdout
        stdout.write(state.decode() + "\n")
        stdout.flush()


def _invalid(*mistakes: str) -> ConfigValidationError:
    return ConfigValidationError("Config validation failed", errors=list(mistakes), schema={})


def _mended(schema: Any) -> Any:
    """A JSON Schema in which the SDK names a type where a schema belongs: ``{"anyOf": [{…}, "null"]}``."""
    if isinstance(schema, list):
        return [_mended(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    mended = {name: _mended(member) for name, member in schema.items()}
    if "anyOf" in mended:
        mended["anyOf"] = [{"type": each} if isinstance(each, str) else each for each in mended["anyOf"]]
    return mended
