"""Looks at every record of an input, sends nothing, and says what is wrong with the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.conversion import Conversion, InvalidConversion
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.core.record import parse
from target_adpostbacks.core.rows import is_left_out as is_no_conversion
from target_adpostbacks.core.ways import Way
from target_adpostbacks.doctor.case import Case, ClickIdForm, Memory, written
from target_adpostbacks.doctor.coverage import Coverage, Row
from target_adpostbacks.doctor.findings import CHECKS, FINDINGS, LEVELS, Level, Spot
from target_adpostbacks.doctor.ids import is_personal
from target_adpostbacks.doctor.outcomes import LEFT_OUT, OF_LEFT_OUT, is_left_out
from target_adpostbacks.doctor.whole import Lengths, Repeated, Sum, Where

NOBODY = Prepared("", 0)


class Example(msgspec.Struct, frozen=True):
    """Where a finding was seen first. ``event_id`` is None where there is none, or where it tells of a person."""

    line: int
    event_id: str | None


class Found(msgspec.Struct, frozen=True):
    """A finding: in how many conversions, and in what share of its network's, or of all where ``network`` is None."""

    finding: str
    level: Level
    column: str | None
    network: str | None
    count: int
    share: float
    example: Example
    advice: str

    @property
    def words(self) -> str:
        """The part of the advice that is about this finding and not about all of its kind."""
        return self.advice.removesuffix(FINDINGS[self.finding].advice).rstrip()


class Diagnosis(msgspec.Struct, frozen=True):
    """Everything that was found, the gravest first."""

    records: int
    coverage: list[Row]
    findings: list[Found]

    def worst(self) -> Level | None:
        """The gravest level that was found."""
        return self.findings[0].level if self.findings else None


class Examination:
    """Takes records one by one; ``diagnosis`` may be asked at any time. Never raises for data.

    ``networks``: those whose click ids are known; ``fields``: the columns that the config maps; ``is_zone_known``:
    whether it says in which zone naive times are.
    """

    def __init__(
        self,
        preparation: Preparation,
        networks: Iterable[type[Network[Any]]],
        memory: Memory,
        *,
        fields: Iterable[str] = (),
        is_zone_known: bool = False,
    ) -> None:
        self._preparation = preparation
        self._memory = memory
        self._is_zone_known = is_zone_known
        self._forms = [ClickIdForm.of(network) for network in networks]
        self._by_label = {each.label: each for section in preparation.accounts.values() for each in section}
        self.records = 0
        self._unmet = [*fields]  # columns whose path has met nothing yet
        self._begun: Where | None = None  # the first record
        self._of_network: Counter[str] = Counter()
        self._counts: Counter[tuple[str, Spot]] = Counter()
        self._first: dict[tuple[str, Spot], Where] = {}
        self._coverage, self._repeated, self._lengths = Coverage(), Repeated(), Lengths()

    def refuse(self, line: int, field: str, rule: str, event_id: str = "") -> None:
        """Count a line that is no record."""
        self.records += 1
        self._add("unreadable_line", Spot(field, None, rule), Where(line, _shown(event_id)))

    def take(
        self, record: Mapping[str, Any], now: datetime, *, stream: str, key: Sequence[str] = (), line: int
    ) -> None:
        """Look at one record of a stream whose key properties are ``key``."""
        self.records += 1
        if self._unmet:
            self._unmet = self._preparation.columns.unmet(record, self._unmet)
        read = self._preparation.read(record, stream)
        if read is None:
            return  # of a stream that no source reads
        way, rows = read
        for row in rows:
            prepared = self._preparation.prepare_row(row, way, now, stream=stream, key=key, line=line)
            self._look(row, way, prepared, key)

    def _look(self, row: Mapping[str, Any], way: Way, prepared: Prepared, key: Sequence[str]) -> None:
        """Look at what a record is read as, one of several conversions perhaps."""
        conversion = _conversion(row, way, key, prepared.stream)
        case = Case(
            written(row, way.columns),
            conversion,
            prepared,
            self._accounts(conversion, prepared),
            self._forms,
            self._memory,
            self._is_zone_known,
            way.columns.landing,
        )
        line = prepared.line
        where = Where(line, _event_id(case))
        self._begun = self._begun or where
        networks = {postback.key.network for postback in prepared.postbacks}
        self._of_network.update(networks.union(each.key.network for each in prepared.not_sent))
        if is_left_out(prepared):
            for slug in OF_LEFT_OUT:
                for spot in CHECKS[slug](case):
                    self._add(slug, spot, where)
            return
        for slug, spot in _spots(case):
            self._add(slug, spot, where)
        self._coverage.see(case)
        self._repeated.see(case, where)
        self._lengths.see(case, where)

    def _accounts(self, conversion: Conversion | None, prepared: Prepared) -> Sequence[Account]:
        """Those that get the conversion, or would if nothing were wrong with it."""
        if conversion is None:
            return ()
        labels = {postback.account for postback in prepared.postbacks}
        labels |= {f"{each.key.network}.{each.account}" for each in prepared.not_sent if each.reason not in LEFT_OUT}
        return [self._by_label[label] for label in sorted(labels) if label in self._by_label]

    def _add(self, slug: str, spot: Spot, where: Where, count: int = 1) -> None:
        found = slug, spot
        self._counts[found] += count
        if found not in self._first or where.line < self._first[found].line:
            self._first[found] = where

    def diagnosis(self) -> Diagnosis:
        """What was found up to now."""
        sums = [
            Sum(slug, spot, count, self._first[slug, spot])
            for (slug, spot), count in self._counts.items()
            if count >= spot.least
        ]
        sums += [*self._repeated.sums(), *self._lengths.sums()]
        if self._begun:
            sums += [Sum("unmet_field", Spot(column), self.records, self._begun) for column in self._unmet]
            sums += [
                Sum("unmet_field", Spot(setting, None, told), self.records, self._begun)
                for setting, told in self._preparation.unmet_paths.items()
            ]
            rules = self._preparation.unmet.items()
            sums += [
                Sum("unmet_rule", Spot(name, None, ", ".join(places)), self.records, self._begun)
                for name, places in rules
            ]
        of_kind: Counter[str] = Counter()
        for each in sums:
            of_kind[each.slug] += each.records
        findings = sorted(
            map(self._found, sums),
            key=lambda each: (LEVELS.index(each.level), -of_kind[each.finding], each.finding, -each.count, each.advice),
        )
        return Diagnosis(self.records, self._coverage.rows(), findings)

    def _found(self, each: Sum) -> Found:
        finding, spot = FINDINGS[each.slug], each.spot
        total = self._of_network[spot.network] if spot.network else self.records
        share = round(min(1.0, each.records / max(total, 1)), 4)
        advice = f"{_sentence(spot.words)} {finding.advice}".lstrip()
        example = Example(each.where.line, each.where.event_id)
        return Found(each.slug, finding.level, spot.column, spot.network, each.records, share, example, advice)


def _conversion(row: Mapping[str, Any], way: Way, key: Sequence[str], stream: str) -> Conversion | None:
    if is_no_conversion(row):
        return None
    try:
        return parse(row, way.columns, key, stream)
    except (InvalidConversion, RecursionError):
        return None


def _spots(case: Case) -> list[tuple[str, Spot]]:
    """Each finding of a record once. What the core left out is told only where no check knows why."""
    spots = dict.fromkeys((slug, spot) for slug, check in CHECKS.items() for spot in check(case))
    known = {spot.column for slug, spot in spots if slug != "unusable_value"}
    return [(slug, spot) for slug, spot in spots if slug != "unusable_value" or spot.column not in known]


def _sentence(words: str) -> str:
    """``'not a number'`` -> ``'Not a number.'``; what begins with the name of a column or setting stays as it is."""
    first = words.split(" ", 1)[0]
    text = words[:1].upper() + words[1:] if first.rstrip(":,;").isalpha() else words
    return text if not text or text.endswith((".", "?")) else f"{text}."


def _event_id(case: Case) -> str | None:
    if case.conversion is not None:
        return _shown(case.conversion.event_id)
    return next((shown for text in case.texts("event_id") if (shown := _shown(text))), None)


def _shown(event_id: str) -> str | None:
    """An event id that may be told: printable, not too long, and nobody's address or number."""
    return (
        event_id if event_id and event_id.isprintable() and len(event_id) <= 500 and not is_personal(event_id) else None
    )
