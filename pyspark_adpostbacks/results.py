"""What became of each conversion, as Parquet files beside the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from pyspark_adpostbacks.reading import batches


class Results:
    """Writes rows of deliveries into a folder, a file each time that it is called; from any thread.

    ``name``: how the files of this task begin.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name, self._numbers = folder, name, count(1)
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write them; a file is there as a whole or not at all. Raises OSError."""
        if not (some := [*batches("deliveries", rows)]):
            return
        file = f"{self._name}-{next(self._numbers)}.parquet"
        unfinished = self._folder / f"_{file}"  # Spark passes by what begins so
        pa.parquet.write_table(pa.Table.from_batches(some), unfinished)
        unfinished.rename(self._folder / file)
