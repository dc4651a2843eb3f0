"""Streams of ad statistics: their rows go into the ledger a thousand at a time, and nothing of them is sent."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from target_adpostbacks.config import General
from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.record import is_deleted
from target_adpostbacks.core.times import moment
from target_adpostbacks.delivery.balance import ENOUGH
from target_adpostbacks.ledger import Ledger, UnusableLedger
from target_adpostbacks.singer.state import Place

if TYPE_CHECKING:
    from singer_sdk.mapper import StreamMap

    from target_adpostbacks.core.performance.statistics import Performance, Spec

ROWS = 1_000
SIGNS = frozenset({"spend", "cost_micros", "stat_time_day"})
"""Columns that a stream of conversions hardly has."""


class Statistics:
    """What ``performance`` names. Belongs to the reading thread; raises UnusableLedger.

    ``clock``: the time of arrival, aware; ``may_be_conversions``: whether a stream with these columns may
    be one of them. A row holds its place in the input until it is committed, and no longer.
    """

    def __init__(
        self,
        general: General,
        ledger: Ledger,
        log: logging.Logger,
        clock: Callable[[], datetime],
        may_be_conversions: Callable[[str, Iterable[str]], bool],
    ) -> None:
        self._ledger, self._log, self._clock, self._may_be_conversions = ledger, log, clock, may_be_conversions
        self._specs: Mapping[str, Spec] = {}
        if general.performance:
            from target_adpostbacks.config.performance import specs  # most configs have none
            from target_adpostbacks.core.performance.statistics import LeftOut, parse

            self._specs = specs(general.performance, general.report)
            self._parse, self._left_out_by = parse, LeftOut
        self._strange: dict[str, bool] = {}  # streams that are not listed → whether they look like statistics
        self._told: set[str] = set()
        self._rows: dict[tuple[str, ...], Performance] = {}
        self._places: Counter[Place] = Counter()  # of what is not committed yet
        self._used: Counter[str] = Counter()  # rows, by stream
        self._left_out: Counter[tuple[str, str]] = Counter()  # by stream and reason
        self._first_days: dict[str, str] = {}
        self._since = 0.0
        self.failed: UnusableLedger | None = None

    def has(self, stream_map: StreamMap) -> bool:
        """Whether what a stream map makes is statistics, or looks like them: then it is told once."""
        name = stream_map.stream_alias
        if name in self._specs:
            return True
        if name not in self._strange:
            columns = {*((stream_map.transformed_schema or {}).get("properties") or {})}
            self._strange[name] = bool(SIGNS & columns) and not self._may_be_conversions(name, columns)
            if self._strange[name] and name not in self._told:
                self._told.add(name)
                self._log.warning(
                    "Stream %s looks like ad performance: add it to `performance`, and load it in full once. "
                    "Its rows are left out.",
                    name,
                )
        return self._strange[name]

    def schema_came(self) -> None:
        """A SCHEMA message: what a stream looks like may have changed."""
        self._strange.clear()

    def take(
        self, stream_maps: Sequence[StreamMap], record: Mapping[str, Any], place: Place, line: int, extracted: Any
    ) -> list[StreamMap]:
        """Take what a record has for statistics; the stream maps of the others."""
        others = []
        for stream_map in stream_maps:
            if self.has(stream_map):
                self._take(stream_map, record, place, line, extracted)
            else:
                others.append(stream_map)
        return others

    def _take(self, stream_map: StreamMap, record: Mapping[str, Any], place: Place, line: int, extracted: Any) -> None:
        name = stream_map.stream_alias
        if name not in self._specs:
            self._left_out[name, "not_listed"] += 1
            return
        if is_deleted(record):
            self._leave_out(name, "deleted", "the source has deleted it", line)
            return
        try:
            mapped = stream_map.transform(dict(record))
        except Exception as error:  # noqa: BLE001 - an expression of the user's, on any value
            self._leave_out(name, "stream_maps", f"an expression failed ({type(error).__name__})", line)
            return
        if mapped is None:
            return
        at = _time(mapped.get("_sdc_extracted_at")) or _time(extracted) or _text(self._clock())
        try:
            row = self._parse(mapped, self._specs[name], at)
        except self._left_out_by as why:
            self._leave_out(name, why.reason, str(why), line)
            return
        self._since = self._since if self._rows else time.monotonic()
        place.expect(1)
        self._places[place] += 1
        self._rows[row.key] = row
        self._used[name] += 1
        self._first_days[name] = min(row.day, self._first_days.get(name, row.day))
        if self._places.total() >= ROWS:
            self.flush()

    def leave_out_line(self, name: str, field: str, rule: str, line: int) -> bool:
        """Whether a line of that stream that can't be read is none of conversions; then it is counted."""
        if name in self._specs:
            self._leave_out(name, "unreadable", f"{field}: {rule}", line)
        return name in self._specs

    def _leave_out(self, name: str, reason: str, why: str, line: int) -> None:
        if not self._left_out[name, reason]:
            self._log.warning("Line %d: performance.%s: %s. Left out; more of these are counted.", line, name, why)
        self._left_out[name, reason] += 1

    def tick(self, age_seconds: float) -> None:
        """Commit what has waited so long."""
        if self._rows and time.monotonic() - self._since >= age_seconds:
            self.flush()

    def flush(self) -> None:
        """Commit what has come; then it holds no state back."""
        if not self._rows:
            return
        try:
            self._ledger.write_performance([*self._rows.values()])
        except UnusableLedger as error:
            self.failed = error
            raise
        self._rows = {}
        places, self._places = self._places, Counter()
        for place, count in places.items():
            place.settle(count)

    def activate(self, stream_maps: Iterable[StreamMap]) -> None:
        """A tap says that all of a stream has come: of the days that came, what it had before is deleted."""
        for stream_map in stream_maps:
            if (first := self._first_days.get(stream_map.stream_alias)) is not None:
                self.flush()
                self._ledger.forget_performance(stream_map.stream_alias, first)

    def end(self) -> Iterator[str]:
        """Commit the rest, say how many rows there were, and give what makes the run fail."""
        if self.failed is None:
            try:
                self.flush()
            except UnusableLedger as error:
                yield str(error)
        if self._used or self._left_out:
            self._log.info("performance: %s", _told(self._used.total(), self._reasons()))
        for name in self._specs:
            reasons = self._reasons(name)
            if not self._used[name] and reasons.total() >= ENOUGH:
                yield f"performance.{name}: none of {reasons.total()} rows could be used ({_listed(reasons)})."

    @property
    def counts(self) -> Counter[str]:
        """How many rows came of each stream, whatever became of them."""
        counts = Counter(self._used)
        for (stream, _), count in self._left_out.items():
            counts[stream] += count
        return counts

    def _reasons(self, name: str | None = None) -> Counter[str]:
        reasons: Counter[str] = Counter()
        for (stream, reason), count in self._left_out.items():
            if name in (None, stream):
                reasons[reason] += count
        return reasons


def _told(used: int, reasons: Counter[str]) -> str:
    """``"120 rows, 3 left out (currency_missing 3)"``."""
    rows = f"{used} row{'s' * (used != 1)}"
    return f"{rows}, {reasons.total()} left out ({_listed(reasons)})" if reasons else rows


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))


@lru_cache(maxsize=1_000)
def _read_time(text: str) -> str | None:
    try:
        read = moment("_sdc_extracted_at", text)
    except InvalidConversion:
        return None
    return _text(read) if read else None


def _time(value: Any) -> str | None:
    """A time as the ledger writes it; None for what is none."""
    value = value.isoformat() if isinstance(value, datetime) else value
    return _read_time(value) if isinstance(value, str) and len(value) < 60 else None


def _text(moment_: datetime) -> str:
    return moment_.isoformat(timespec="milliseconds")
