"""Sends the micro-batches of a stream. A batch that fails comes again, from the stream's checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyspark
from pyspark.sql.datasource import WriterCommitMessage

from pyspark_adpostbacks.writing import Job

try:
    from pyspark.sql.datasource import DataSourceStreamArrowWriter
except ImportError:
    raise ImportError(f"streams need Spark 4.1 or newer, this is {pyspark.__version__}") from None

if TYPE_CHECKING:
    import pyarrow as pa


class StreamWriter(DataSourceStreamArrowWriter):
    """Sends each micro-batch of a stream."""

    def __init__(self, options: Mapping[str, str], columns: Sequence[str], *, overwrite: bool) -> None:
        self._job = Job(options, columns, overwrite=overwrite)

    def write(self, iterator: Iterator[pa.RecordBatch]) -> WriterCommitMessage:
        """Send one task's rows."""
        return self._job.send(iterator)

    def commit(self, messages: list[WriterCommitMessage | None], batchId: int) -> None:  # noqa: N803 - Spark's name
        """Every task has ended well."""
        self._job.end(messages, f", batch {batchId}")

    def abort(self, messages: list[WriterCommitMessage | None], batchId: int) -> None:  # noqa: N803 - Spark's name
        """A task, or the commit, has failed."""
        self._job.give_up(messages, f", batch {batchId}")
