"""Sends what a job writes: ``deliver`` in each task, and what became of it all at the end."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pyspark import TaskContext
from pyspark.sql.datasource import DataSourceArrowWriter, WriterCommitMessage

from pyspark_adpostbacks.ledgers import shared_ledger
from pyspark_adpostbacks.options import LOG, TO_WRITE, InvalidOptions, checked, place_of, truth
from pyspark_adpostbacks.records import records
from target_adpostbacks import deliver
from target_adpostbacks.delivery.balance import Share, Tally, added, summary

if TYPE_CHECKING:
    import pyarrow as pa


class NotDelivered(Exception):
    """Something stays open, or nothing was of use: the job fails. The message has counts alone."""


@dataclass
class Result(WriterCommitMessage):
    """What became of the records of one task, and of how much the config says that it is too much."""

    tally: Tally
    most_invalid: float | None = 100  # percent; None: never too many
    most_rejected: float | None = 100


class Job:
    """What one write or one stream is to do. Made on the driver; pickled, without a secret, to every task."""

    def __init__(self, options: Mapping[str, str], columns: Sequence[str], *, overwrite: bool) -> None:
        if overwrite:
            raise InvalidOptions(
                "mode: what networks were told can't be overwritten; write with mode('append'), streams with"
                " outputMode('append')"
            )
        if twice := sorted(name for name, count in Counter(columns).items() if count > 1):
            raise InvalidOptions(f"The DataFrame has several columns of one name: {', '.join(twice)}; rename them")
        said = checked(options, TO_WRITE)
        self.place = place_of(said)
        self.stream = said.get("stream", "").strip() or "conversions"
        self.key = [name.strip() for name in said.get("key", "").split(",") if name.strip()] or ["event_id"]
        self.allows_open = truth(said, "allow_open")
        self.results = said.get("results", "").strip()
        if self.results and not Path(self.results).is_absolute():
            raise InvalidOptions("results: the whole path of a folder expected, to which every executor can write")
        self.host = os.uname().nodename
        self.id = uuid4().hex

    def send(self, batches: Iterable[pa.RecordBatch]) -> Result:
        """Deliver what one task has; in the task. A partition without rows has no run in the ledger."""
        rows = records(batches)
        if (first := next(rows, None)) is None:
            return Result(Tally())
        _show_log()
        config = self.place.read()
        shared_ledger(config, self.host)
        task = TaskContext.get()
        owner = f"spark-{self.id}-{task.partitionId()}-{task.taskAttemptId()}" if task else f"spark-{self.id}"
        results = None
        if self.results:
            from pyspark_adpostbacks.results import Results  # most jobs have none

            results = Results(Path(self.results), owner)
        tally = deliver(
            chain([first], rows),
            {**config, "workers": 0},  # the cores are Spark's to give
            stream=self.stream,
            key=self.key,
            owner=owner,
            results=results,
        )
        return Result(tally, *(_percent(config, f"fail_above_{kind}_percent") for kind in ("invalid", "rejected")))

    def end(self, messages: Iterable[WriterCommitMessage | None], part: str = "") -> None:
        """Say what became of all records; on the driver. Raises NotDelivered."""
        results = [message for message in messages if isinstance(message, Result)]
        tally = added(result.tally for result in results)
        _show_log()
        LOG.info("Spark job %s%s: %s", self.id, part, summary(tally))
        for what, status, share in too_many(tally, next((each for each in results if each.tally.read), Result(tally))):
            raise NotDelivered(f"{share.told(what)}: `adpostbacks log --status {status}` says why.")
        if tally.open and not self.allows_open:
            raise NotDelivered(
                f"{sum(tally.open.values())} conversions are not delivered yet: {told(tally.open)}. `adpostbacks log"
                " --status open` says why. The same rows are sent when the job runs again, and nothing twice;"
                " option allow_open lets it end all the same."
            )

    def give_up(self, messages: Iterable[WriterCommitMessage | None], part: str = "") -> None:
        """Say what tasks had done before the job failed; on the driver."""
        done = [message.tally for message in messages if isinstance(message, Result)]
        _show_log()
        LOG.error(
            "Spark job %s%s failed; %d tasks had ended: %s. What networks accepted stays accepted.",
            self.id,
            part,
            len(done),
            summary(added(done)),
        )


class Writer(DataSourceArrowWriter):
    """Sends a DataFrame."""

    def __init__(self, options: Mapping[str, str], columns: Sequence[str], *, overwrite: bool) -> None:
        self._job = Job(options, columns, overwrite=overwrite)

    def write(self, iterator: Iterator[pa.RecordBatch]) -> WriterCommitMessage:
        """Send one task's rows."""
        return self._job.send(iterator)

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """Every task has ended well."""
        self._job.end(messages)

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        """A task, or the commit, has failed."""
        self._job.give_up(messages)


def too_many(tally: Tally, limits: Result) -> Iterator[tuple[str, str, Share]]:
    """Of which kinds a job has too many, as a run would; each with the status that the log shows them by."""
    invalid = Share(tally.skipped.get("invalid", 0), tally.read, limits.most_invalid)
    rejected = Share(tally.rejected, tally.rejected + tally.accepted, limits.most_rejected)
    kinds = (("records were invalid", "skipped", invalid), ("conversions were rejected", "failed", rejected))
    yield from (kind for kind in kinds if kind[2].is_enough and kind[2].is_too_large)


def _percent(config: Mapping[str, Any], name: str) -> float | None:
    said = config.get(name, 100)
    return None if said is None else float(said)


def told(counts: Mapping[str, int]) -> str:
    """``busy 2, no_answer 1``."""
    return ", ".join(f"{reason} {count}" for reason, count in counts.items())


def _show_log() -> None:
    """What Spark's Python processes write to standard error is in the log of the driver or the executor."""
    if not LOG.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s adpostbacks: %(message)s"))
        LOG.addHandler(handler)
        LOG.setLevel(logging.INFO)
