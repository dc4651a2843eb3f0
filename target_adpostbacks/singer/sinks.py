"""The SDK's sink of each stream, for its name and key. The target delivers the records itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import Sink

if TYPE_CHECKING:
    from singer_sdk.helpers._batch import BaseBatchFileEncoding


class ConversionSink(Sink):
    """Conversions of one stream. The target delivers them itself; the sink counts them for the SDK's metric."""

    current_size = 0
    is_full = False
    records = 0

    def get_validator(self) -> None:
        """The SDK's validator takes most of a run's time and logs values; ``record.parse`` checks instead."""

    def clean_up(self) -> None:
        """Log the stream's metric."""
        self.record_counter_metric.increment(self.records)
        super().clean_up()

    def process_batch(self, context: Mapping[str, Any]) -> None:
        """Nothing is held here."""

    def process_record(self, record: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        """Never called, though the SDK demands it; were it called all the same, the run must end."""
        raise RuntimeError("records are delivered by the target")

    def process_batch_files(self, encoding: BaseBatchFileEncoding, files: Sequence[str]) -> None:
        """Never called either. The SDK's own method would drop the lines unnoticed."""
        raise RuntimeError("BATCH files are read by the target")
