"""Apache Spark's data source ``adpostbacks``: DataFrames and streams to ad networks, and the ledger as DataFrames.

Spark finds ``DefaultSource`` by the name of this module, which has to be installed on the driver and on every executor.
It is imported whenever Spark looks for data sources, so it imports nothing of ours before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql.datasource import DataSource

if TYPE_CHECKING:
    from pyspark.sql.datasource import DataSourceReader, DataSourceStreamWriter, DataSourceWriter
    from pyspark.sql.types import StructType

__all__ = ["DefaultSource"]


class DefaultSource(DataSource):
    """``df.write.format("adpostbacks")``, ``df.writeStream`` and ``spark.read``; docs/spark.md has the options."""

    @classmethod
    def name(cls) -> str:
        """What ``format`` is called with."""
        return "adpostbacks"

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceWriter:
        """Sends a DataFrame. Raises InvalidOptions."""
        from pyspark_adpostbacks.writing import Writer

        return Writer(self.options, schema.fieldNames(), overwrite=overwrite)

    def streamWriter(self, schema: StructType, overwrite: bool) -> DataSourceStreamWriter:  # noqa: N802 - Spark's name
        """Sends each micro-batch of a stream. Raises InvalidOptions."""
        from pyspark_adpostbacks.streaming import StreamWriter

        return StreamWriter(self.options, schema.fieldNames(), overwrite=overwrite)

    def schema(self) -> str:
        """The columns of the ledger's stream that is read. Raises InvalidOptions."""
        from pyspark_adpostbacks.options import TO_READ, checked
        from pyspark_adpostbacks.reading import ddl, stream_of

        return ddl(stream_of(checked(self.options, TO_READ)))

    def reader(self, schema: StructType) -> DataSourceReader:
        """Reads a stream of the ledger. Raises InvalidOptions."""
        from pyspark_adpostbacks.reading import Reader

        return Reader(self.options)
