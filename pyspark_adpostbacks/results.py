"""What became of each conversion, as Parquet files beside the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from pyspark_adpostbacks.reading import batches
from target_adpostbacks.delivery.disk import keep, keep_names


class Results:
    """Writes rows of deliveries into a folder, a file each time that it is called; from any thread.

    ``name``: how the files of this task begin.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name, self._numbers = folder, name, count(1)
        new = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for each in new:
            keep_names(each.parent)

    def __call__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write them; a file is there as a whole or not at all, and outlives a loss of power. Raises OSError."""
        if not (some := [*batches("deliveries", rows)]):
            return
        file = f"{self._name}-{next(self._numbers)}.parquet"
        unfinished = self._folder / f"_{file}"  # Spark passes by what begins so
        with unfinished.open("wb") as written:
            pa.parquet.write_table(pa.Table.from_batches(some), written)
            keep(written)
        unfinished.rename(self._folder / file)
        keep_names(self._folder)
