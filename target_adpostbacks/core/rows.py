"""A record as a source reads it, before its values are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.money import in_major


class Row(dict[str, Any]):
    """A record as a source reads it: in our own columns, each raw.

    ``raw``: the record itself. ``identity``: the name of the source, the stream's where it is empty, and what derives
    the event id in place of the stream's key; None: the key does. ``left_out``: reason and message, where no conversion
    comes of it. ``awaits_original``: a correction that is sent only where what it corrects was.
    """

    __slots__ = ("awaits_original", "identity", "left_out", "raw")

    def __init__(
        self,
        columns: Mapping[str, Any],
        raw: Mapping[str, Any],
        identity: tuple[str, Sequence[Any]] | None = None,
        left_out: tuple[str, str] | None = None,
        *,
        awaits_original: bool = False,
    ) -> None:
        super().__init__(columns)
        self.raw = raw
        self.identity = identity
        self.left_out = left_out
        self.awaits_original = awaits_original


def is_left_out(record: Mapping[str, Any]) -> bool:
    """Whether a source says that it is no conversion."""
    return isinstance(record, Row) and record.left_out is not None


def raw_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record as it came."""
    return record.raw if isinstance(record, Row) else record


def in_major_units(c: Conversion, record: Mapping[str, Any], columns: Columns, over: Mapping[str, Any]) -> Conversion:
    """The conversion with the record's money, which is in minor units, in major ones."""
    changes: dict[str, Any] = {}
    is_own = "value" not in over and ("value" in record or "value" not in columns.defaults)
    prices = [] if "contents" in over else [item for item in c.contents if item.price]
    if not (prices or (is_own and c.value is not None)):
        return c
    if c.currency is None:
        lacking = [*(["value"] if is_own and c.value is not None else []), *(["contents.price"] if prices else [])]
        changes["unusable"] = (*c.unusable, *(f"{name}: in minor units, and there is no currency" for name in lacking))
    if is_own and c.value is not None:
        changes["value"] = in_major(c.value, c.currency, columns.minor_digits)
    if prices:
        changes["contents"] = tuple(
            msgspec.structs.replace(item, price=in_major(item.price, c.currency, columns.minor_digits))
            for item in c.contents
        )
    return msgspec.structs.replace(c, **changes)
