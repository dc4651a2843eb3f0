"""Paths: where in a record something is, in the one way in which settings write it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import msgspec

ABSENT = object()
"""What a path leads to where there is nothing, not even null."""
Reader = Callable[[Mapping[str, Any]], Any]
"""What is at a path in a record, or ABSENT."""

MAX_TEXT = 300
"""Characters of a path."""
_global_id = re.compile(r"gid://[^/]+/([^/?]+)/([^/?]+)").match
VALUES = ("string_value", "int_value", "float_value", "double_value")
"""Members of a value in Google Analytics' export, of which one is not null."""


class Step(NamedTuple):
    """From a value to what is in it."""

    name: str  # of a member; empty: every entry of a list
    is_key: bool = False  # in brackets: of a list the entry that has it as its key
    position: int | None = None  # in a list, where the name is a number in brackets


class BadPath(ValueError):
    """Why a text is no path: the rule and the next step, never the text."""


class Path:
    """``customer.email``, ``lines[0].sku``, ``note_attributes[ttclid]``. Raises BadPath. Can be pickled.

    The whole text is tried as a column's name first: ``[order_id]`` and ``{created_at}`` are nothing else. Then its
    first name is a column, in any case of letters where that spelling is missing. ``[key]`` leads to a member of an
    object, or in a list to the value of the first entry whose ``key`` or ``name`` is that; a number is a position.
    ``every``: whether ``[]`` may stand for each entry of a list.
    """

    __slots__ = ("every", "first", "steps", "text")

    def __init__(self, text: str, *, every: bool = False) -> None:
        self.text = text
        self.every = every
        self.first, self.steps = _parsed(text, every)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Path, every=self.every), (self.text,)

    def reader(self, names: Collection[str], spellings: Mapping[str, str]) -> Reader | None:
        """What reads it in a record with these columns; None where they lack its first name.

        ``spellings``: each of the names by its lower case.
        """
        if self.text in names:
            return partial(_column, self.text)
        first = self.first if self.first in names else spellings.get(self.first.lower())
        if first is None:
            return None
        return partial(_walked, first, self.steps) if self.steps else partial(_column, first)

    def every_value(self, record: Mapping[str, Any]) -> Iterator[Any]:
        """Whatever it leads to, through every entry of its lists."""
        first = self.first if self.first in record else spellings_of(record).get(self.first.lower())
        if first is not None:
            yield from _every(record[first], self.steps)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it leads through, from the column's on."""
        return (self.first, *(step.name for step in self.steps if step.name and step.position is None))


def paths(where: str | Sequence[str]) -> list[Path]:
    """The paths of a setting that is one or a list of some. Raises BadPath."""
    return [Path(text) for text in ([where] if isinstance(where, str) else where)]


def spellings_of(names: Collection[str]) -> dict[str, str]:
    """Each name by its lower case; of two that differ in their case alone, the first."""
    return {name.lower(): name for name in reversed([*names]) if name.__class__ is str}


_PART = re.compile(r"\.(?P<member>[^.\[]*)|\[(?P<key>[^\]]*)\]", re.DOTALL)
_is_position = re.compile(r"-?[0-9]{1,6}").fullmatch


def _parsed(text: str, every: bool) -> tuple[str, tuple[Step, ...]]:
    if not text.strip():
        raise BadPath("empty; the path of your column expected, or a list of paths")
    if len(text) > MAX_TEXT:
        raise BadPath(f"longer than {MAX_TEXT} characters")
    if text.count("[") != text.count("]"):
        raise BadPath("a bracket is not closed; write `name[key]`, or the column's whole name")
    if text.startswith("["):
        return text, ()
    length = min((at for mark in ".[" if (at := text.find(mark)) >= 0), default=len(text))
    first, rest, steps = text[:length], text[length:], list[Step]()
    while rest:
        part = _PART.match(rest)
        if part is None:
            raise BadPath("`.` or `[` expected behind a bracket; write `name[key].member`")
        steps.append(_step(part["member"], part["key"], every))
        rest = rest[part.end() :]
    if not first.strip():
        raise BadPath("an empty name; write `name.member`")
    return first, tuple(steps)


def _step(member: str | None, key: str | None, every: bool) -> Step:
    text = (key or "" if member is None else member).strip()
    if member is not None:
        if not text:
            raise BadPath("an empty member; write `name.member`")
        return Step(text)
    if not text and not every:
        raise BadPath("empty brackets; write `name[key]` or `name[0]`")
    return Step(text, is_key=True, position=int(text) if _is_position(text) else None)


def _column(name: str, record: Mapping[str, Any]) -> Any:
    return record.get(name, ABSENT)


def _walked(first: str, steps: Sequence[Step], record: Mapping[str, Any]) -> Any:
    value = record.get(first, ABSENT)
    for step in steps:
        value = _inside(value, step)
    return value


def _inside(value: Any, step: Step) -> Any:
    if value.__class__ is str:
        value = decoded(value)
    if isinstance(value, Mapping):
        return value.get(step.name, ABSENT)
    if not step.is_key or not isinstance(value, (list, tuple)):
        return ABSENT
    if (position := step.position) is not None:
        return value[position] if -len(value) <= position < len(value) else ABSENT
    for entry in value:
        if isinstance(entry, Mapping) and step.name in (entry.get("key"), entry.get("name")):
            return value_of(entry.get("value", ABSENT))
    return ABSENT


def value_of(value: Any) -> Any:
    """A value as Google Analytics exports it, an object with a member for each type, as the one that is there."""
    if value.__class__ is dict and value and value.keys() <= {*VALUES}:
        return next((value[name] for name in VALUES if value.get(name) is not None), None)
    return value


def _every(value: Any, steps: Sequence[Step]) -> Iterator[Any]:
    for at, step in enumerate(steps):
        if not step.name:
            value = decoded(value) if isinstance(value, str) else value
            for entry in value if isinstance(value, (list, tuple)) else ():
                yield from _every(entry, steps[at + 1 :])
            return
        value = _inside(value, step)
    if value is not ABSENT and value is not None:
        yield value


@lru_cache(maxsize=8)
def decoded(text: str) -> Any:
    """An object or a list that is written as JSON text; any other text as None. Not to be changed.

    A global id is an object too: ``gid://shopify/Order/55`` has 55 as its ``Order``.
    """
    if ids := _global_id(text):
        return {ids[1]: ids[2]}
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
