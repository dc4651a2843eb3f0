"""What only the whole input shows: one value again and again, ids that all end at the same length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.doctor.case import Case
from target_adpostbacks.doctor.findings import Spot, add
from target_adpostbacks.doctor.persons import is_nobodys

add(
    "repeated_value",
    "warning",
    what="One value stands in a tenth of all conversions or more.",
    cost="It is the shop's own, a server's or a test's. The networks take all these conversions for one person's.",
    change="Leave the column empty where the person's own value is not known. An IP address: record the browser's.",
)


class Where(NamedTuple):
    """The first record in which something was seen."""

    line: int
    event_id: str | None


class Sum(NamedTuple):
    """A finding of the whole input."""

    slug: str
    spot: Spot
    records: int
    where: Where


COUNTERS = 1_000
"""A count may be too low by a thousandth of the column's values, never too high."""
MOST = 0.1
ENOUGH = 20
"""Conversions, from which on a share means something."""
WATCHED = ("email", "phone", "external_id", "ip_address", "click_id")


class Frequent:
    """Frequent values of a column in bounded memory (Misra and Gries, 1982)."""

    def __init__(self) -> None:
        self.total = 0
        self._counts: dict[str, int] = {}
        self._where: dict[str, Where] = {}

    def see(self, value: str, where: Where) -> None:
        """Count a value."""
        self.total += 1
        if value in self._counts:
            self._counts[value] += 1
        elif len(self._counts) < COUNTERS:
            self._counts[value] = 1
            self._where[value] = where
        else:
            self._counts = {each: count - 1 for each, count in self._counts.items() if count > 1}
            self._where = {each: self._where[each] for each in self._counts}

    def most(self) -> Iterator[tuple[int, Where]]:
        """Count, at least, and first place of each value that is too frequent."""
        for value, count in self._counts.items():
            if count >= ENOUGH and count >= MOST * self.total:
                yield count, self._where[value]


class Repeated:
    """Watches the columns that tell people apart. Values stay here and are told to nobody."""

    def __init__(self) -> None:
        self._columns: dict[str, Frequent] = {}

    def see(self, case: Case, where: Where) -> None:
        """Look at a record."""
        for column in (*WATCHED, *(column for form in case.forms for column in form.columns)):
            for text in case.texts(column):
                if column != "email" or not is_nobodys(text):  # that is a finding already
                    value = keys.public_ip(text) if column == "ip_address" else text[:200]
                    if value:
                        self._columns.setdefault(column, Frequent()).see(value, where)

    def sums(self) -> Iterator[Sum]:
        """One finding for each column, of all its frequent values."""
        for column, frequent in self._columns.items():
            if most := [*frequent.most()]:
                first = min(where for _, where in most)
                yield Sum("repeated_value", Spot(column), sum(count for count, _ in most), first)


LIMITS = frozenset((50, 64, 100, 128, 150, 200, 250, 255, 256))
"""How long text columns usually are at most."""
MANY_LENGTHS = 5
_ROUNDED = re.compile(r"[1-9]\d{14}0{2,}").fullmatch
"""A spreadsheet keeps fifteen digits."""
TOO_MANY_ROUNDED = 0.02
"""Of ids with two zeros more, one in a hundred ends so by chance."""


class Lengths:
    """Click ids that end where a column ends while others are shorter, or have the digits of a spreadsheet."""

    def __init__(self) -> None:
        self._lengths: dict[tuple[str, str], Counter[int]] = {}
        self._rounded: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str, int], Where] = {}

    def see(self, case: Case, where: Where) -> None:
        """Look at a record."""
        for column, text, form in case.click_ids:
            length = min(len(text), 1000)
            self._lengths.setdefault((column, form.network), Counter())[length] += 1
            if length in LIMITS:
                self._first.setdefault((column, form.network, length), where)
            if text.isdecimal() and _ROUNDED(text):
                self._rounded[column, form.network] += 1
                self._first.setdefault((column, form.network, 0), where)

    def sums(self) -> Iterator[Sum]:
        """A finding where the longest are the most, at the length of a column; another where too many are rounded."""
        for (column, network), lengths in self._lengths.items():
            longest = max(lengths)
            count = lengths[longest]
            is_usual = longest in LIMITS and count >= ENOUGH and len(lengths) >= MANY_LENGTHS
            if is_usual and count == max(lengths.values()):
                words = f"many end at {longest} characters"
                yield Sum("cut_click_id", Spot(column, network, words), count, self._first[column, network, longest])
            rounded = self._rounded[column, network]
            if rounded > 1 and rounded >= TOO_MANY_ROUNDED * lengths.total():
                words = "many have fifteen digits and then zeros"
                yield Sum("cut_click_id", Spot(column, network, words), rounded, self._first[column, network, 0])
