"""How a config says that the rows of its sources are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec

from target_adpostbacks import config as configuration
from target_adpostbacks.config import sources as configured
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.times import moment
from target_adpostbacks.core.ways import Rule, Way
from target_adpostbacks.networks import EXACT_IDS, IDS, LANDING
from target_adpostbacks.rules import sources
from target_adpostbacks.rules.reading import IDENTIFYING, Reading, Stream, StreamSources, Watched
from target_adpostbacks.rules.rule import columns_of, rules_of
from target_adpostbacks.rules.sources import NO_SOURCE, Source

Accounts = Mapping[str, Sequence[Account]]


def sources_of(
    general: configuration.General, accounts: Accounts, fields: Mapping[str, sources.Paths], rules: Sequence[Rule]
) -> StreamSources:
    """Which way the records of each stream are read."""
    top = msgspec.structs.replace(configured.top_layer(msgspec.structs.asdict(general)), fields=fields)
    if general.source is None:
        return StreamSources([Stream(_way(general, accounts, top, "", {}, rules), "*", watched=[*_of_top(general)])])
    if isinstance(general.source, str):
        return StreamSources([_stream(general, accounts, None, general.source, rules)])
    return StreamSources(
        [_stream(general, accounts, pattern, name, rules, top) for pattern, name in general.source.items()]
    )


def _stream(
    general: configuration.General,
    accounts: Accounts,
    pattern: str | None,
    name: str,
    rules: Sequence[Rule],
    top: Source = Source(),  # noqa: B008 - it is a constant
) -> Stream:
    if name == NO_SOURCE:
        return Stream(_way(general, accounts, top, "", {}, rules), pattern, watched=[*_of_top(general)])
    own = configured.own_sources(general)
    source = configured.whole(general, name)
    line = sources.line_of(name, own)
    own_defaults: dict[str, object] = {}
    for each in reversed([each for each in line if each in own]):
        own_defaults |= own[each].defaults
    prefix = name if line[-1] in own else line[-1]
    source = msgspec.structs.replace(source, only_fields=source.only_fields is not False)
    way = _way(general, accounts, source, prefix, own_defaults, rules)
    return Stream(way, pattern, source.streams, name, [*_watched(general, source, name, line)])


def _way(
    general: configuration.General,
    accounts: Accounts,
    source: Source,
    prefix: str,
    own_defaults: Mapping[str, object],
    rules: Sequence[Rule],
) -> Way:
    zone = ZoneInfo(source.default_timezone) if source.default_timezone else general.zone
    defaults = {column: value for column, value in source.defaults.items() if column not in own_defaults}
    columns = Columns(
        IDS,
        {},
        zone,
        {**defaults, **general.defaults},
        exact=EXACT_IDS,
        landing=LANDING,
        minor_digits=source.minor_digits if source.value_unit == "minor" else None,
    )
    columns = columns_of(accounts, columns, defaults)
    not_before = moment("not_before", source.not_before, zone) if source.not_before else None
    reading = Reading(source, IDS, prefix, own_defaults)
    return Way(columns, (*rules_of(accounts, columns, defaults), *rules), reading, not_before)


def _of_top(general: configuration.General) -> Iterator[Watched]:
    for column, where in general.fields.items():
        if where:
            yield _of_user(f"fields.{column}", column)


def _of_user(setting: str, column: str) -> Watched:
    return Watched(setting, f"{setting}: its path was in no record of the run; check how it is spelled.", column)


def _watched(general: configuration.General, source: Source, name: str, line: Sequence[str]) -> Iterator[Watched]:
    """What some row ought to have: the user's columns, a preset's most important ones, what rows ask for."""
    own = configured.own_sources(general)
    places = {column: f"fields.{column}" for column in general.fields}
    for each in reversed([each for each in line if each in own]):
        places |= {column: f"sources.{each}.fields.{column}" for column in own[each].fields}
    for column, where in source.fields.items():
        if where and column in places:
            yield _of_user(places[column], column)
        elif where and column in IDENTIFYING:
            paths = " or ".join([where] if isinstance(where, str) else where)
            told = f"source {name}: no row of the run had {paths}, read as {column}; see that the tap selects it."
            yield Watched(f"{name}.fields.{column}", told, column)
    asked = {
        each.name: each
        for row in source.rows
        for key, expression in row.expressions()
        if key == "when" or key.removeprefix("compute.") in IDENTIFYING
        for each in expression.asked
    }
    optional = sources.shipped(line[-1]).optional if line[-1] not in own else ()
    for each in asked.values():
        if all(path.first in optional for path in each.parsed()):
            continue
        told = (
            f"source {name}: no row of the run had {' or '.join(each.paths)}, which `rows` reads; see that the tap"
            " selects it."
        )
        yield Watched(f"{name}.rows.{each.function}({', '.join(each.paths)})", told, asked=each)
