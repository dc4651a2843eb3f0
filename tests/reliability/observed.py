"""What came of a run, to the byte: events on the wire, the ledger's rows, the log, the state; and what differs."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
from local_server import LocalServer, Received
from run_target import COMMAND, Target

LEDGER = "adpostbacks.db"
NEARLY, SHOWN = 160, 200
"""Characters that two have in common, which are taken for one; those that are shown of each side of a difference."""
OF_ONE_RUN = frozenset(
    "delivery_id seq run_id http_status latency_ms attempts attempt_id network_request_id sent_at updated_at".split()
)
"""Columns of deliveries that tell of requests and moments."""
# A thread of its own writes what is skipped: which comes first in a run, that or an answer, is chance.
HISTORY = "network, asset, event_id, event_name, adjustment, test, h.status, h.reason, h.code, h.message"
_TIME = re.compile(r"(20\d\d-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(\+00:00|Z)?|\b(1[0-9]{9})([0-9]{3})?\b")
_LOG = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ \| (\w+) *\| [\w.-]+ *\| ")
_RECORDS = re.compile(r'"metric":"record_count","value":(\d+),"tags":\{"stream":"(\w+)"')
_OF_A_RUN = re.compile(r"\b[0-9a-f]{32}\b|\bin [\d.]+ s\b|\b\d+ postbacks? a second")


@dataclass
class Observed:
    """Of one or several runs on one ledger; each counter holds what is the same however requests are cut."""

    events: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    history: Counter[str] = field(default_factory=Counter)
    attempted: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    ends: list[str] = field(default_factory=list)  # of each run: exit code, newest state, counts

    def differences(self, other: Observed) -> list[str]:
        """What only one of them has, a line each: ``-`` here, ``+`` there; two that are nearly the same as one."""
        told = []
        for name in ("events", "rows", "history", "attempted", "said"):
            ours, theirs = getattr(self, name), getattr(other, name)
            told += [f"{name}: {each}" for each in _told(ours - theirs, theirs - ours)]
        for number, (end, other_end) in enumerate(zip(self.ends, other.ends, strict=True), 1):
            told += [
                f"run {number}: {each}" for each in _told(Counter([end]), Counter([other_end])) if end != other_end
            ]
        return told


def _told(ours: Counter[str], theirs: Counter[str]) -> list[str]:
    left, told = sorted(theirs), []
    for text in sorted(ours):
        if left:
            nearest = max(left, key=lambda each: _alike(text, each))
            if (alike := _alike(text, nearest)) > NEARLY:
                left.remove(nearest)
                sides = (f"{sign} {side[max(0, alike - 20) :][:SHOWN]}" for sign, side in (("-", text), ("+", nearest)))
                told.append(f"{text[:NEARLY]} …: {' '.join(sides)}")
                continue
        told.append(_short(f"- {text}"))
    return told + [_short(f"+ {text}") for text in left]


def _alike(text: str, other: str) -> int:
    """How many characters they have in common from the beginning."""
    return next((at for at, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), len(text))


def _short(text: str) -> str:
    return text if len(text) <= 2 * SHOWN else text[: 2 * SHOWN - 1] + "…"


def observe(
    server: LocalServer,
    folder: Path,
    config: Mapping[str, Any],
    inputs: Iterable[Sequence[bytes]],
    command: Sequence[str] = (COMMAND,),
) -> Observed:
    """Run the command over each input, one after the other on one ledger, and look at all that it leaves."""
    folder.mkdir()
    target = Target(folder, server.url)
    target.config = {**config}
    observed = Observed()
    clock = Clock()
    for lines in inputs:
        server.received.clear()
        ran = target.run(lines, command=command)
        clock.ended = time.time()
        for event in sent(server.received):
            observed.events[clock.hidden(event)] += 1
        for line in ran.stderr.replace(str(folder), "…").splitlines():
            if counted := _RECORDS.search(line):  # as often as a stream begins anew
                observed.said[f"records of the stream {counted[2]}"] += int(counted[1])
            elif "METRIC: " not in line and "So far: " not in line:
                observed.said[normal(line)] += 1
        state = ran.states[-1] if ran.states else None
        assert (folder / LEDGER).exists(), ran.stderr
        ((counts,),) = _query(folder, "SELECT counts FROM runs ORDER BY seq DESC LIMIT 1")
        observed.ends.append(f"exit {ran.code}, state {json.dumps(state)}, {_sorted(counts)}")
    read_ledger(folder, observed, clock)
    return observed


class Clock:
    """From the first moment of the runs to the last one."""

    def __init__(self) -> None:
        self.began = self.ended = time.time()

    def hidden(self, text: str) -> str:
        """A text with ``<now>`` for each time within the runs: the clock's, not the input's."""
        return _TIME.sub(self._hidden, text)

    def _hidden(self, found: re.Match[str]) -> str:
        day, second, fraction, _, epoch, _ = found.groups()
        if epoch:
            seconds = float(epoch)
        else:
            try:
                moment = datetime.fromisoformat(f"{day}T{second}{(fraction or '.0')[:4]:0<4}")
            except ValueError:
                return found[0]
            seconds = moment.replace(tzinfo=timezone.utc).timestamp()
        return "<now>" if self.began - 1 <= seconds <= self.ended + 1 else found[0]


def normal(line: str) -> str:
    """A line of the log without what is of one run: times, ids, speeds."""
    return _OF_A_RUN.sub("…", _LOG.sub(r"\1 ", line))


def sent(received: Iterable[Received]) -> Iterator[str]:
    """Each event's path, envelope and bytes; a request without events, a sign-in, is left out."""
    for request in received:
        if not request.raw.startswith(b"{"):
            continue
        envelope: dict[str, Any] = msgspec.json.decode(request.raw, type=dict[str, msgspec.Raw])
        holder = envelope
        if (data := envelope.get("data")) is not None and bytes(data).startswith(b"{"):
            holder = envelope["data"] = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        name = next(name for name, value in holder.items() if name != "destinations" and bytes(value).startswith(b"[{"))
        events = msgspec.json.decode(holder.pop(name), type=list[msgspec.Raw])
        for event in events:
            yield f"{request.path} {_envelope(envelope, bytes(event))} {bytes(event).decode()}"


def _envelope(envelope: Mapping[str, Any], event: bytes) -> str:
    """What a request says once, as far as it is said of this event."""
    said: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(envelope))
    if "destinations" in said and (own := msgspec.json.decode(event).get("destinationReferences")):
        said["destinations"] = [each for each in said["destinations"] if each.get("reference") in own]
    return json.dumps(said)


def read_ledger(folder: Path, observed: Observed, clock: Clock) -> None:
    """Add what the ledger in the folder has."""
    columns = [name for _, name, *_ in _query(folder, "PRAGMA table_info(deliveries)") if name not in OF_ONE_RUN]
    for row in _query(folder, f"SELECT {', '.join(columns)} FROM deliveries"):
        told = {name: value for name, value in zip(columns, row, strict=True) if value not in (None, "")}
        observed.rows[clock.hidden(json.dumps(told))] += 1
    for row in _query(
        folder, f"SELECT {HISTORY} FROM history h JOIN deliveries d USING (delivery_id) WHERE h.status != 'skipped'"
    ):
        observed.history[clock.hidden(json.dumps(row))] += 1
    attempted = (
        "SELECT network, account, asset, status, code, http_status, sum(events) FROM attempts GROUP BY 1, 2, 3, 4, 5, 6"
    )
    for *whose, events in _query(folder, attempted):
        observed.attempted[json.dumps(whose)] += events


def _query(folder: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(folder / LEDGER)) as connection:
        return connection.execute(query).fetchall()


def _sorted(counts: str) -> str:
    return json.dumps(json.loads(counts), sort_keys=True)
