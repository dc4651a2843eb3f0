"""What a run could not read, use or send of its records, and what it found in objects: summed up at the end."""

from __future__ import annotations

import logging
from collections import Counter

from target_adpostbacks.core.prepared import Prepared


class Noticed:
    """Messages name columns and rules, never values."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._unusable: Counter[str] = Counter()  # "value: not a number (stream orders)"
        self._unread: Counter[str] = Counter()  # lines of no stream: what they were to be is not known
        self._not_sent: Counter[str] = Counter()
        self._nested: set[str] = set()  # "user.email"

    def take(self, prepared: Prepared, file: str) -> None:
        """Count what is wrong with a record, and say it where it is the first. ``file``: as in ``Run.take``."""
        self._nested.update(prepared.nested)
        place = f"{file}, line {prepared.line}: " if file else f"Line {prepared.line}: "
        of_stream = f" (stream {prepared.stream})" if prepared.stream else ""
        if prepared.invalid:
            counts, came = (self._not_sent, "Not sent") if prepared.stream else (self._unread, "Not read")
            self._say_once(counts, prepared.invalid + of_stream, place, came)
        for mistake in prepared.mistakes:
            self._say_once(self._not_sent, mistake + of_stream, place, "Not sent")
        for column in prepared.unusable:
            self._say_once(self._unusable, column + of_stream, place, "Left out")

    def _say_once(self, counts: Counter[str], what: str, place: str, came: str) -> None:
        if not counts[what]:
            self._log.warning("%s%s. %s; more of these are counted, and logged at the end.", place, what, came)
        counts[what] += 1

    def sum_up(self) -> None:
        """Log how often each came."""
        if self._nested:
            self._log.info("Read from nested objects: %s.", ", ".join(sorted(self._nested)))
        for column, count in self._unusable.items():
            self._log.warning("%s: left out of %s.", column, _several("conversion", count))
        for rule, count in self._unread.items():
            self._log.warning("%s: %s not read.", rule, _several("line", count))
        for rule, count in self._not_sent.items():
            self._log.warning("%s: %s not sent.", rule, _several("conversion", count))


def _several(what: str, count: int) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
