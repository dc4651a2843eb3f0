"""Reads ``clicks``: which stream has clicks, and which of them a conversion gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, NamedTuple

import msgspec

from target_adpostbacks.config.values import read_level, struct_fields, unknown
from target_adpostbacks.core.clicks import Credit, Model, Rule
from target_adpostbacks.core.settings import doc

_days = re.compile(r"([1-9]\d{0,2})d", re.ASCII).fullmatch
LONGER_DAYS = 5
"""How much longer than the window clicks are kept, where nothing else is said: a conversion may come late."""


class ClickSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of ``clicks``."""

    stream: Annotated[str, doc("The stream of clicks, by its name behind stream maps.")]
    window: Annotated[str, doc("How long after its click a conversion may happen, `30d`. Default: 30d.")] = "30d"
    model: Annotated[Model, doc("Which click of a network counts: `last` or `first`. Default: last.")] = "last"
    credit: Annotated[
        Credit,
        doc(
            "`each_network`: each network gets its own click, as networks count by themselves. `last_network`: only"
            " that of the newest click gets the conversion. Default: each_network."
        ),
    ] = "each_network"
    retention: Annotated[
        str | None, doc("How long clicks are kept, `35d`, at least for the window. Default: 5 days more than it.")
    ] = None


class Kept(NamedTuple):
    """What a config says of clicks."""

    stream: str
    rule: Rule
    retention: timedelta


def problems(clicks: Mapping[str, Any], mistakes: list[str]) -> None:
    """Add what is wrong with ``clicks``."""
    names = {field.name for field in struct_fields(ClickSettings)}
    mistakes += [unknown(f"clicks.{name}", name, names) for name in clicks if name not in names]
    values = read_level("clicks.", ClickSettings, clicks, mistakes).values
    if not values.get("stream"):
        mistakes.append("clicks.stream: missing; name the stream of clicks")
    days = {name: _days(values[name]) for name in ("window", "retention") if values.get(name)}
    mistakes += [f"clicks.{name}: not a number of days, for example `30d`" for name, match in days.items() if not match]
    window, retention = (days.get(name) for name in ("window", "retention"))
    if retention and int(retention[1]) < (int(window[1]) if window else 30):
        mistakes.append("clicks.retention: shorter than clicks.window; clicks would be gone before they count")


def kept(clicks: Mapping[str, Any]) -> Kept:
    """What ``clicks`` says, of which nothing is wrong."""
    settings = ClickSettings(**read_level("clicks.", ClickSettings, clicks, []).values)
    window = _length(settings.window)
    retention = _length(settings.retention) if settings.retention else window + timedelta(days=LONGER_DAYS)
    return Kept(settings.stream, Rule(window, settings.model, settings.credit), retention)


def _length(text: str) -> timedelta:
    match = _days(text)
    return timedelta(days=int(match[1]) if match else 30)
