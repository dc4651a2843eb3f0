"""Reads ``performance`` and ``report``: which streams are statistics of ads, and what is counted beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from target_adpostbacks.config.values import read_level, struct_fields, unknown
from target_adpostbacks.core.countries import currencies
from target_adpostbacks.core.events import canonical_event
from target_adpostbacks.core.performance import presets
from target_adpostbacks.core.performance.counting import By, Counting
from target_adpostbacks.core.performance.days import zone
from target_adpostbacks.core.performance.presets import Columns, Dated, Preset, Unit, listed
from target_adpostbacks.core.performance.statistics import COLUMNS, Spec
from target_adpostbacks.core.settings import doc
from target_adpostbacks.networks import NAMES

WINDOW = re.compile(r"([1-9]\d{0,2})d", re.ASCII).fullmatch


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a stream in ``performance``."""

    preset: Annotated[
        str | None,
        doc("The tap, one that docs/spend.md lists: it says the network and the columns. What stands beside it wins."),
    ] = None
    network: Annotated[
        str | None, doc("The network, by any of its names, or another one by its own. Default: the preset's.")
    ] = None
    account: Annotated[str | None, doc("The ad account's id, for a stream that has none.")] = None
    currency: Annotated[
        str | None, doc("Currency of the ad account, ISO 4217, where the rows do not say it: `EUR`.")
    ] = None
    time_zone: Annotated[
        str | None,
        doc("Time zone of the ad account, `Europe/Berlin`, where the rows do not say it. Default: UTC is assumed."),
    ] = None
    unit: Annotated[Unit, doc("Unit of `spend`: `major`, `cents` or `micros`. Default: the preset's, or major.")] = (
        "major"
    )
    value_unit: Annotated[Unit, doc("Unit of `value`. Default: the preset's, or that of `spend`.")] = "major"
    columns: Annotated[
        Columns,
        doc(
            'Our columns, each to yours: `{"day": "date", "campaign_id": "cid", "spend": "cost"}`; dots reach into'
            " objects. Of a list, figures are added up, and of names the first one counts that is there."
        ),
    ] = {}
    segments: Annotated[
        Sequence[str] | None, doc("Columns that split a day's row, a device for example. Default: the preset's.")
    ] = None
    conversions: Annotated[
        Sequence[str] | None,
        doc("Columns of conversions to add up; where a tap lists actions, their types. Default: the preset's."),
    ] = None
    values: Annotated[Sequence[str] | None, doc("The same for the value of conversions. Default: the preset's.")] = None


class ReportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of ``report``."""

    conversions: Annotated[Sequence[str], doc("Events that are counted beside spend. Default: `install`.")] = (
        "install",
    )
    revenue: Annotated[Sequence[str], doc("Events whose values are revenue. Default: `purchase` and `subscribe`.")] = (
        "purchase",
        "subscribe",
    )
    window: Annotated[str, doc("How many days back, `30d`, where nothing else is said. Default: 30d.")] = "30d"
    by: Annotated[
        Literal["conversion", "click"],
        doc("On whose day a conversion counts: its own, or that of its click. Default: conversion."),
    ] = "conversion"


def problems_of_report(report: Mapping[str, Any], mistakes: list[str]) -> None:
    """Add what is wrong with ``report``."""
    names = {field.name for field in struct_fields(ReportSettings)}
    mistakes += [unknown(f"report.{name}", name, names) for name in report if name not in names]
    values = read_level("report.", ReportSettings, report, mistakes).values
    for name in ("conversions", "revenue"):
        if values.get(name) is not None and not all(values[name]):
            mistakes.append(f"report.{name}: empty; an event's name expected")
    if values.get("conversions") == []:
        mistakes.append("report.conversions: empty; name the events to count, or leave the setting out")
    if "window" in values and not WINDOW(values["window"]):
        mistakes.append("report.window: not a number of days, for example `30d`")


def counting(report: Mapping[str, Any]) -> Counting:
    """What ``report`` says, of which nothing is wrong; its defaults where it says nothing."""
    settings = ReportSettings(**read_level("report.", ReportSettings, report, []).values)
    by: By = settings.by
    window = WINDOW(settings.window)
    return Counting(
        conversions=tuple(map(canonical_event, settings.conversions)),
        revenue=tuple(map(canonical_event, settings.revenue)),
        window_days=int(window[1]) if window else 30,
        by=by,
    )


def problems_of_streams(performance: Mapping[str, Any], mistakes: list[str]) -> None:
    """Add what is wrong with ``performance``."""
    for stream, raw in performance.items():
        path = f"performance.{stream}"
        if not isinstance(raw, Mapping):
            mistakes.append(f"{path}: an object expected, with `preset` or `network`")
            continue
        names = {field.name for field in struct_fields(StreamSettings)}
        mistakes += [unknown(f"{path}.{name}", name, names) for name in raw if name not in names]
        level = read_level(f"{path}.", StreamSettings, raw, mistakes)
        mistakes += [f"{path}{problem}" for problem in _problems(level.values, level.wrong)]


def _problems(values: Mapping[str, Any], wrong: frozenset[str]) -> Iterator[str]:
    name = values.get("preset")
    if name is not None and name not in presets.names():
        rule = unknown(
            ".preset", name, presets.names(), what="preset", otherwise=f"known: {', '.join(presets.names())}"
        )
        yield rule
        return
    preset = presets.preset(name) if name else None
    if not (preset or values.get("network") or "network" in values.get("columns", {}) or {"preset", "network"} & wrong):
        yield ": `preset` or `network` expected, to say whose statistics these are"
    if values.get("currency") and values["currency"].upper() not in currencies():
        yield ".currency: not an ISO 4217 code, for example `EUR`"
    if values.get("time_zone") and zone(values["time_zone"]) is None:
        yield ".time_zone: not a time zone, for example `Europe/Berlin`"
    columns = values.get("columns", {})
    for column, theirs in columns.items():
        if column not in {*COLUMNS, "network"}:
            yield unknown(f".columns.{column}", column, {*COLUMNS, "network"}, what="column")
        elif not all(listed(theirs)) or not theirs:
            yield f".columns.{column}: empty; the name of your column expected"
    if "columns" in wrong:
        return
    lacks = [each for each in ("day", "spend") if each not in {**(preset.columns if preset else {}), **columns}]
    if lacks and (preset or values.get("network") or columns):
        yield f".columns: {' and '.join(f'`{each}`' for each in lacks)} missing"


def specs(performance: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Spec]:
    """How each stream is read. Nothing is wrong with these settings."""
    by = counting(report).by
    return {stream: _spec(stream, raw, by) for stream, raw in performance.items()}


def _spec(stream: str, raw: Mapping[str, Any], by: By) -> Spec:
    values = read_level("", StreamSettings, raw, []).values
    settings = StreamSettings(**values)
    preset = presets.preset(settings.preset) if settings.preset else Preset("", "", {})
    named = settings.network or ("" if "network" in settings.columns else preset.network)
    columns = {**preset.columns, **preset.columns_of_streams.get(stream, {}), **settings.columns}
    unit = values.get("unit") or preset.unit
    dated = preset.by_conversion if by == "conversion" else Dated()
    own_value = [listed(columns["value"])] if "value" in columns else []
    own_conversions = [listed(columns["conversions"])] if "conversions" in columns else []
    return Spec(
        stream=stream,
        network=NAMES.get(named.lower(), named),
        networks={**NAMES, **preset.networks},
        account=settings.account or "",
        currency=(settings.currency or "").upper(),
        time_zone=settings.time_zone or preset.time_zone,
        unit=unit,
        value_unit=values.get("value_unit") or preset.value_unit or unit,
        columns={name: listed(theirs) for name, theirs in columns.items()},
        segments=preset.segments if settings.segments is None else settings.segments,
        conversions=_alternatives(settings.conversions, own_conversions, dated.conversions, preset.conversions),
        values=_alternatives(settings.values, own_value, dated.values, preset.values),
        actions={
            kind: column
            for kind, column in preset.actions.items()
            if ("conversions" if kind == "conversions" else "value") not in settings.columns
        },
    )


def _alternatives(
    chosen: Sequence[str] | None, mapped: Sequence[Sequence[str]], *presets_own: Sequence[str]
) -> list[Sequence[str]]:
    """Whose columns are read: the user's list, else the mapped column, else what the preset has, first to last."""
    if chosen is not None:
        return [chosen]
    return [*mapped] or [columns for columns in presets_own if columns]
