"""The Singer side of sending: records become postbacks in one sink per stream, batches in one per network account."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from gzip import GzipFile
from gzip import open as gzip_open
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.helpers._batch import StorageTarget
from singer_sdk.sinks import Sink

from target_adpostbacks.core.accounts import Account, route
from target_adpostbacks.core.answers import Skip
from target_adpostbacks.core.conversion import Conversion, InvalidConversion
from target_adpostbacks.core.network import Limits
from target_adpostbacks.core.postback import Facts, Key, Postback, facts, key, prepare
from target_adpostbacks.core.record import is_deleted, parse
from target_adpostbacks.delivery.delivery import Queued, skipped
from target_adpostbacks.singer.command import located
from target_adpostbacks.singer.reader import BOM, MAX_LINE, Overlong, UnreadableInput

if TYPE_CHECKING:
    from singer_sdk.helpers._batch import BaseBatchFileEncoding

    from target_adpostbacks.singer.target import TargetAdpostbacks

GZIP = b"\x1f\x8b"
ENVELOPE_BYTES = 4096
"""Of a request's bytes, what is left for its envelope."""
FOR_NOBODY = Key("", "", "", "", "", False)


class ConversionSink(Sink):
    """One per stream: record → conversion → postbacks, or the reason why not. Holds nothing back itself."""

    current_size = 0
    is_full = False

    def __init__(
        self, target: TargetAdpostbacks, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.adpostbacks = target

    def get_validator(self) -> None:
        """The SDK's validator takes most of a run's time and logs values; ``record.parse`` checks instead."""

    def process_record(self, record: dict[str, Any], context: Mapping[str, Any]) -> None:
        """Queue the postbacks of one record; what is not sent becomes a row of the ledger. Never raises for data."""
        target = self.adpostbacks
        line = target.message_reader.line
        try:
            if is_deleted(record):
                self._skip_deleted(record, line)
                return
            conversion = parse(record, target.columns, self.key_properties, self.stream_name)
        except InvalidConversion as invalid:
            self.invalid(record, line, invalid.field, invalid.rule)
            return
        except RecursionError:
            self.invalid(record, line, "record", "nested too deep")
            return
        if conversion.unusable:
            target.warn_unusable(self.stream_name, line, conversion.unusable)
        try:
            accounts = route(conversion, target.accounts, target.network_names)
        except Skip as skip:
            own = FOR_NOBODY._replace(
                event_name=conversion.event_name, event_id=conversion.event_id, test=conversion.test
            )
            self._skip(own, "", facts(conversion, self.stream_name, line), skip.reason, skip.detail)
            return
        for account in accounts:
            self._prepare(account, conversion, line)

    def _prepare(self, account: Account, conversion: Conversion, line: int) -> None:
        target = self.adpostbacks
        try:
            postback = prepare(account, conversion, target.now(), self.stream_name, line)
        except Skip as skip:
            own = facts(conversion, self.stream_name, line)
            self._skip(key(account, conversion), account.name, own, skip.reason, skip.detail)
            return
        except Exception as error:  # noqa: BLE001 - a mistake of ours about one conversion; the text may hold values
            target.logger.error("Line %d: %s", line, located(error))
            own = facts(conversion, self.stream_name, line)
            self._skip(key(account, conversion), account.name, own, "invalid", located(error))
            return
        target.network_sinks[account.label].add(postback)

    def invalid(self, record: Mapping[str, Any], line: int, field: str, rule: str) -> None:
        """A record that is no conversion: a row of the ledger and one warning."""
        self.adpostbacks.invalid(self.stream_name, line, _digest(record, line), field, rule)

    def _skip_deleted(self, record: Mapping[str, Any], line: int) -> None:
        columns = self.adpostbacks.columns.mapped(record)
        try:
            conversion = parse(record, self.adpostbacks.columns, self.key_properties, self.stream_name)
        except (InvalidConversion, RecursionError):
            identity = [columns.get(name) for name in (*self.key_properties, "event_id")]
            own = FOR_NOBODY._replace(event_id=f"{self.stream_name[:200]}-{_digest(identity, line)[:32]}")
            self._skip(own, "", Facts(self.stream_name, line, None), "deleted")
            return
        own = FOR_NOBODY._replace(event_name=conversion.event_name, event_id=conversion.event_id, test=conversion.test)
        self._skip(own, "", facts(conversion, self.stream_name, line), "deleted")

    def _skip(self, own: Key, account: str, known: Facts, reason: str, detail: str = "") -> None:
        self.adpostbacks.skip(skipped(own, account, known, reason, detail))

    def process_batch(self, context: Mapping[str, Any]) -> None:
        """Nothing is held here: the network sinks have the batches."""

    def activate_version(self, new_version: int) -> None:
        """Conversions have no table versions."""

    def process_batch_files(self, encoding: BaseBatchFileEncoding, files: Sequence[str]) -> None:
        """Never called: the target reads a BATCH message's files itself, so that stream maps apply to them.

        Were the SDK to call it all the same, the run must end: its own method would drop the lines in silence.
        """
        raise RuntimeError("BATCH files are read by the target")


def _digest(value: Any, line: int) -> str:
    """SHA-256 of a value's JSON; of the line's number where it has none."""
    try:
        encoded = msgspec.json.encode(value, order="sorted")
    except (RecursionError, msgspec.MsgspecError, TypeError, ValueError, OverflowError):
        encoded = b"%d" % line
    return hashlib.sha256(encoded).hexdigest()


class Batch:
    """Postbacks of one envelope on their way to one request."""

    __slots__ = ("limits", "queued", "since", "size")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.queued: list[Queued] = []
        self.size = 0
        self.since = time.monotonic()


class NetworkSink(Sink):
    """One per network account: postbacks → batches, by envelope, up to the network's limits."""

    def __init__(
        self, target: TargetAdpostbacks, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.adpostbacks = target
        self.account = target.account(stream_name)
        network = self.account.network
        assert network is not None  # noqa: S101 - target.py makes no sink for a disabled account
        self._network = network
        self._filling: dict[tuple[Any, ...], Batch] = {}
        self._full: list[Batch] = []

    def get_validator(self) -> None:
        """Postbacks are not records of a schema."""

    def add(self, postback: Postback) -> None:
        """Queue one postback; a full batch is handed to delivery at once."""
        place = self.adpostbacks.place()
        length = len(postback.payload) + 1
        envelope = (postback.key.asset, *postback.envelope.items())
        batch = self._filling.get(envelope)
        limits = batch.limits if batch else self._limits(postback.envelope)
        if length > limits.bytes:
            detail = "larger than the network takes in a request"
            row = skipped(postback.key, self.account.name, postback.facts, "too_large", detail, "rejected")
            self.adpostbacks.skip(row)
            return
        if batch is None or batch.size + length > limits.bytes:
            if batch:
                self._full.append(batch)
            batch = self._filling[envelope] = Batch(limits)
        place.added += 1
        batch.queued.append(Queued(postback, place))
        batch.size += length
        if len(batch.queued) >= limits.events:
            self._full.append(self._filling.pop(envelope))
        if self._full:
            self.adpostbacks.drain_one(self)

    def _limits(self, envelope: Mapping[str, Any]) -> Limits:
        limits = self._network.limits(envelope)
        return Limits(min(limits.events, self.batch_size_rows or limits.events), limits.bytes - ENVELOPE_BYTES)

    @property
    def current_size(self) -> int:
        """Postbacks that wait for their batch to fill."""
        return sum(len(batch.queued) for batch in (*self._full, *self._filling.values()))

    @property
    def is_full(self) -> bool:
        """Whether a batch has reached the network's limits."""
        return bool(self._full)

    def close_due(self, max_age_seconds: float) -> bool:
        """Take the batches that have waited long enough for full; whether there is one."""
        before = time.monotonic() - max_age_seconds
        due = [envelope for envelope, batch in self._filling.items() if batch.since <= before]
        self._full += [self._filling.pop(envelope) for envelope in due]
        return bool(self._full)

    def process_record(self, record: dict[str, Any], context: Mapping[str, Any]) -> None:
        """Never called, though the SDK demands it: postbacks come through ``add``."""
        raise RuntimeError("postbacks come through add()")

    def process_batch(self, context: Mapping[str, Any]) -> None:
        """Hand over the full batches; where none is full it is a flush: all of them."""
        ready = self._full or list(self._filling.values())
        if not self._full:
            self._filling = {}
        self._full = []
        for batch in ready:
            self.tally_record_read(len(batch.queued))
            self.record_counter_metric.increment(len(batch.queued))
            self.adpostbacks.delivery.submit(self.account, batch.queued)


def batch_lines(encoding: BaseBatchFileEncoding, path: str) -> Iterator[bytes]:
    """The lines of one file of a BATCH message, without their ends; raises UnreadableInput for another encoding."""
    if encoding.format != "jsonl" or encoding.compression not in (None, "none", "gzip"):
        raise UnreadableInput("BATCH message: files of JSON lines are read, with compression gzip or none")
    head, tail = StorageTarget.split_url(path)
    with StorageTarget.from_url(head).open(tail, mode="rb") as file:
        if encoding.compression == "gzip":
            with gzip_open(file) as lines:
                yield from bounded(lines)
        else:
            yield from bounded(file)


def bounded(file: IO[bytes] | GzipFile, longest: int = MAX_LINE) -> Iterator[bytes]:
    """Lines without their ends; of one that is longer than ``longest`` bytes only the head is held in memory."""
    first = True
    while line := file.readline(longest + 1 + len(BOM)):
        ended = line.endswith(b"\n")
        line = line.removesuffix(b"\n")
        if first:
            if line.startswith(GZIP):
                raise UnreadableInput("BATCH message: a file is compressed, but its encoding does not say so")
            line, first = line.removeprefix(BOM), False
        if len(line) > longest:
            length = len(line)
            while not ended and (more := file.readline(longest)):
                length, ended = length + len(more), more.endswith(b"\n")
            line = Overlong.of(line, length)
        yield line
