"""One SDK sink per stream: it hands records to the run and holds nothing back itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import Sink

if TYPE_CHECKING:
    from singer_sdk.helpers._batch import BaseBatchFileEncoding

    from target_adpostbacks.singer.target import TargetAdpostbacks


class ConversionSink(Sink):
    """Conversions of one stream."""

    current_size = 0
    is_full = False

    def __init__(
        self, target: TargetAdpostbacks, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._adpostbacks = target
        self._records = 0

    def get_validator(self) -> None:
        """The SDK's validator takes most of a run's time and logs values; ``record.parse`` checks instead."""

    def deliver(self, record: Mapping[str, Any]) -> int:
        """Deliver one record; how many outcomes it is owed. Never raises for data."""
        self._records += 1
        return self._adpostbacks.take_record(record, self.stream_name, self.key_properties)

    def process_record(self, record: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        """Deliver one record, as the SDK would ask for it."""
        self.deliver(record)

    def clean_up(self) -> None:
        """Log the stream's metric."""
        self.record_counter_metric.increment(self._records)
        super().clean_up()

    def process_batch(self, context: Mapping[str, Any]) -> None:
        """Nothing is held here."""

    def process_batch_files(self, encoding: BaseBatchFileEncoding, files: Sequence[str]) -> None:
        """Never called: the target reads a BATCH message's files itself, so that stream maps apply to them.

        Were the SDK to call it all the same, the run must end: its own method would drop the lines in silence.
        """
        raise RuntimeError("BATCH files are read by the target")
