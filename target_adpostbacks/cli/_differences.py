"""What another config would change on the wire, by network and event."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import click
import msgspec

from target_adpostbacks.cli._output import as_json, printable
from target_adpostbacks.cli._tables import columns
from target_adpostbacks.core.answers import JSON

EXAMPLES = 3
"""Differences of payloads that are shown for a network and event."""
KINDS = ("same", "changed", "added", "removed", "reason")


class Previewed(Protocol):
    """See preview.Previewed."""

    line: int
    event_id: str
    account: str
    outcome: str
    reason: str
    payload: JSON


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. ``changes``: path in the payload to its value before and after, null where it has none."""

    line: int
    event_id: str
    account: str
    before: str  # send, or why not
    after: str
    changes: dict[str, tuple[JSON, JSON]]


class Row(msgspec.Struct, kw_only=True):
    """The outcomes of a network and event: how many are the same, and how many are not."""

    network: str
    event: str
    same: int = 0
    changed: int = 0  # sent before and after, with another payload
    added: int = 0  # sent only after
    removed: int = 0  # sent only before
    reason: int = 0  # not sent, for another reason
    examples: list[Example] = []


class Kept(NamedTuple):
    """One outcome, to be compared."""

    network: str
    event: str
    word: str  # send, or the reason why not
    event_id: str
    wire: bytes = b""
    payload: bytes = b""  # as it is shown


ABSENT = "not there"


class Difference:
    """Takes what becomes of the same records before and after, and compares."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        self._before: dict[tuple[int, str, int], Kept] = {}
        self._counts: tuple[Counter[tuple[int, str]], Counter[tuple[int, str]]] = (Counter(), Counter())

    def before(self, shown: Any) -> None:
        """One outcome of the config that there is."""
        self._before[self._key(shown.previewed, 0)] = _kept(shown)

    def after(self, shown: Any) -> None:
        """One outcome of the other config, once all of the first are in."""
        old = self._before.pop(self._key(shown.previewed, 1), None)
        if old is not None or shown.previewed.outcome == "send":
            self._compare(shown.previewed, old, _kept(shown))

    def rows(self) -> list[Row]:
        """Each network and event, in order; what only the first config sends counts as removed."""
        for (line, account, _), old in self._before.items():
            if old.word == "send":
                self._count(line, account, old, Kept("", "", ABSENT, old.event_id), "removed")
        self._before.clear()
        return [self._rows[key] for key in sorted(self._rows)]

    @property
    def changes(self) -> int:
        """How many outcomes differ."""
        return sum(row.changed + row.added + row.removed + row.reason for row in self.rows())

    def _key(self, previewed: Previewed, side: int) -> tuple[int, str, int]:
        of_line = (previewed.line, previewed.account)
        self._counts[side][of_line] += 1
        return (*of_line, self._counts[side][of_line])

    def _compare(self, previewed: Previewed, old: Kept | None, new: Kept) -> None:
        if old is None:
            kind = "added"
        elif (old.word, new.word) == ("send", "send"):
            kind = "same" if (old.wire, old.event_id) == (new.wire, new.event_id) else "changed"
        elif "send" in (old.word, new.word):
            kind = "added" if new.word == "send" else "removed"
        else:
            kind = "same" if old.word == new.word else "reason"
        self._count(previewed.line, previewed.account, old or Kept("", "", ABSENT, new.event_id), new, kind)

    def _count(self, line: int, account: str, old: Kept, new: Kept, kind: str) -> None:
        sent = old if new.word != "send" and old.word == "send" else new
        row = self._rows.setdefault((sent.network, sent.event), Row(network=sent.network, event=sent.event))
        setattr(row, kind, getattr(row, kind) + 1)
        if kind != "same" and len(row.examples) < EXAMPLES:
            changes = _changes(old, new) if kind == "changed" else {}
            row.examples.append(
                Example(
                    line=line, event_id=new.event_id, account=account, before=old.word, after=new.word, changes=changes
                )
            )


def _kept(shown: Any) -> Kept:
    each = shown.previewed
    word = each.outcome if each.outcome == "send" else each.reason
    payload = b"" if each.payload is None else msgspec.json.encode(each.payload)
    return Kept(shown.network, shown.event, word, each.event_id, shown.wire, payload)


def _changes(old: Kept, new: Kept) -> dict[str, tuple[JSON, JSON]]:
    """Each path whose value on the wire differs, with what is shown for both values."""
    before, after = (dict(_leaves(_of_wire(each.wire))) for each in (old, new))
    shown_before, shown_after = (
        {**wire, **dict(_leaves(msgspec.json.decode(each.payload)))} for wire, each in ((before, old), (after, new))
    )
    return {
        path: (shown_before.get(path), shown_after.get(path))
        for path in dict.fromkeys((*before, *after))
        if before.get(path) != after.get(path)
    }


def _of_wire(wire: bytes) -> JSON:
    """The payload's members, and under ``request`` what its request says once."""
    both = msgspec.json.decode(wire)
    return {"request": both["request"], **both["payload"]}


def _leaves(value: JSON, path: str = "") -> Iterator[tuple[str, JSON]]:
    """``user.email``, ``contents[0].price`` and their values."""
    if isinstance(value, Mapping) and value:
        for name, member in value.items():
            yield from _leaves(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for index, member in enumerate(value):
            yield from _leaves(member, f"{path}[{index}]")
    else:
        yield path, value


def _write_table(difference: Difference) -> None:
    rows = difference.rows()
    head = ("Network", "Event", "Same", "Changed", "Added", "Removed", "Other reason")
    numbers = [tuple(str(getattr(row, kind)) for kind in KINDS) for row in rows]
    cells = [(row.network or "-", row.event, *counts) for row, counts in zip(rows, numbers, strict=True)]
    lines = [*columns([head, *cells], None)] if rows else ["Nothing would be sent by either."]
    for number, line in enumerate(lines):
        click.echo(printable(line))
        for example in rows[number - 1].examples if number else ():
            click.echo(printable(f"    line {example.line}  {example.event_id}  {_words(example)}"))
            for path, (old, new) in example.changes.items():
                click.echo(printable(f"      - {path}: {as_json(old)}") if old is not None else "", nl=old is not None)
                click.echo(printable(f"      + {path}: {as_json(new)}") if new is not None else "", nl=new is not None)


def _words(example: Example) -> str:
    return "sent with another payload" if example.changes else f"{example.before} -> {example.after}"


def _write_json(difference: Difference) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(difference.rows())).decode() + "\n")


def _write_jsonl(difference: Difference) -> None:
    for row in difference.rows():
        sys.stdout.write(as_json(row) + "\n")


WRITERS: Mapping[str, Callable[[Difference], None]] = {
    "table": _write_table,
    "json": _write_json,
    "jsonl": _write_jsonl,
}
