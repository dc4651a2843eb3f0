"""Any Singer stream, any answers, run after run: the real target in this process, with a scripted network.

Hypothesis plays it; ``EXAMPLES=500 SEED=7 pytest tests/reliability/test_random_streams.py`` plays longer, and others.
"""

from __future__ import annotations

import io
import itertools
import logging
import os
import signal
import sqlite3
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, urlsplit

import eager
import msgspec
import pytest
from canaries import SECRET_SETTINGS, canaries_in, left_behind
from conftest import SETTINGS
from hostile import KNOWN, purchase
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from run_target import encoded, record, schema, state

from target_adpostbacks.core.answers import Request, Response
from target_adpostbacks.delivery.transport import Unreachable
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.sandbox.access import Access
from target_adpostbacks.sandbox.network import Answer, Batch, Call, Refused, SandboxNetwork
from target_adpostbacks.sandbox.networks import network_of
from target_adpostbacks.sandbox.schema import Problem
from target_adpostbacks.singer import line_workers
from target_adpostbacks.singer.lines import Lines
from target_adpostbacks.singer.reader import LineReader
from target_adpostbacks.singer.target import TargetAdpostbacks
from target_adpostbacks.workers import work

pytestmark = pytest.mark.slow

IN_MEMORY = Path("/dev/shm")
"""No power is cut here: nothing has to be on a disk."""
BAD = frozenset({"bad-1", "bad-2"})
"""Ids that every network refuses, most of them the batch with them."""
IDS = ["evt-1", "evt-2", "evt-3", "evt-4", "evt-5", "evt-6", *sorted(BAD)]

Sent = tuple[str, str]
"""Network and event id."""

records = st.builds(
    lambda event_id, network, **columns: purchase(0, event_id=event_id, network=network, **columns),
    st.sampled_from(IDS),
    st.sampled_from([*KNOWN, None, "organic"]),  # None: all, for the record has the click ids of all
)
junk = st.sampled_from(
    [
        b"{",
        b'{"type":"RECORD","stream":"a","record":"canary.mail@example.com"}',
        b'{"type":"canary-type"}',
        encoded(record("a", email="canary.mail@example.com")).strip(),
        b"\xff\xfe canary.mail@example.com",
    ]
)
lines = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.sampled_from("ab"), records),
        st.tuples(st.just("record"), st.sampled_from("ab"), records),
        st.tuples(st.just("state")),
        st.tuples(st.just("schema"), st.sampled_from("ab"), st.sampled_from([(), ("event_id",)])),
        st.tuples(st.just("junk"), junk),
        st.tuples(st.just("batch"), st.sampled_from("ab"), st.lists(records, max_size=4)),
    ),
    min_size=1,
    max_size=15,
)
FAULTS = ["well", "down", "busy", "parked", "silence", "lost", "unsent", "portal", "refused", "stop"]
faults = st.lists(st.sampled_from(FAULTS), max_size=8)
breaks = st.one_of(st.none(), st.none(), st.integers(0, 4))


class Network:
    """All networks: takes in what it is sent, refuses what is bad, and fails as it is told, request by request."""

    def __init__(self, ledger: Path) -> None:
        self.script: deque[str] = deque()
        self.received: Counter[Sent] = Counter()
        self.mistakes: list[str] = []
        self.stop: Callable[[], None] = lambda: None
        self._ledger = ledger
        self._bytes: dict[Sent, bytes] = {}
        self._under_way: set[Sent] = set()
        self._lock = threading.Lock()

    def __call__(self, request: Request, timeout_seconds: float) -> Response:
        call = call_of(request)
        network = network_of(call.path)
        assert network is not None
        batch = network.receive(call)
        if isinstance(batch, Answer):
            return response(batch)
        sent = sent_in(network, batch)
        with self._lock:
            fault = self.script.popleft() if self.script else "well"
            self._check(sent, [event.payload for event in batch.events])
        try:
            return self._answer(network, call, fault, sent)
        finally:
            with self._lock:
                self._under_way -= {*sent}

    def _check(self, sent: list[Sent], events: list[Any]) -> None:
        """What must be true of every request, at the moment when it is made."""
        again = {*sent} & {sent for sent, row in statuses(self._ledger).items() if row == "accepted"}
        if again:
            self.mistakes.append(f"sent although accepted: {again}")
        if {*sent} & self._under_way or len({*sent}) < len(sent):
            self.mistakes.append("sent twice at once")
        self._under_way |= {*sent}
        for key, event in zip(sent, events, strict=True):
            if self._bytes.setdefault(key, msgspec.json.encode(event)) != msgspec.json.encode(event):
                self.mistakes.append(f"other bytes: {key}")

    def _answer(self, network: SandboxNetwork, call: Call, fault: str, sent: list[Sent]) -> Response:
        if fault == "unsent":
            raise Unreachable("connection refused", sent=False)
        if fault == "lost":
            raise Unreachable("connection reset", sent=True)
        if fault in ("down", "busy", "parked", "refused"):
            status = {"down": 503, "busy": 429, "parked": 429, "refused": 401}[fault]
            return Response(status=status, headers={"retry-after": "999999"} if fault == "parked" else {})
        if fault == "portal":
            return Response(status=200, body="<html>canary.mail@example.com</html>")
        said = network.accepted(call, len(sent))
        bad = [index for index, (_, event_id) in enumerate(sent) if event_id in BAD]
        if bad:
            call = replace(call, bad=bad[0], silent=bad[0] % 2 == 0, echo=True)
            sent, said = without_the_bad(network, call, alone=len(bad) == 1)
        with self._lock:
            self.received.update(sent)
        if fault == "silence":
            raise Unreachable("connection reset", sent=True)
        if fault == "stop":
            self.stop()
        return response(said)


def call_of(request: Request) -> Call:
    """A request as the sandbox reads it."""
    is_form = isinstance(request.body, bytes)
    return Call(
        method=request.method,
        path=urlsplit(request.url).path,
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=dict(parse_qsl(request.body.decode()))
        if is_form
        else msgspec.json.decode(msgspec.json.encode(request.body)),
        now=datetime.now(timezone.utc),
        number=1,
        access=Access(),
    )


def response(answer: Answer) -> Response:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(status=answer.status, body=answer.body, headers=headers)


def sent_in(network: SandboxNetwork, batch: Batch) -> list[Sent]:
    return [(network.name, str(event.event_id)) for event in batch.events]


def without_the_bad(network: SandboxNetwork, call: Call, *, alone: bool) -> tuple[list[Sent], Answer]:
    """What the network takes of a request with bad events, and what it says: nothing, unless it answers for each."""
    said = "bad event of canary.mail@example.com"
    refused = network.refused(call, Problem("event", said, call.bad, value=said))
    try:
        taken = network.receive(call)
    except Refused as refusal:
        return [], refusal.answer
    if alone and isinstance(taken, Batch) and taken.answer is not None:
        return sent_in(network, taken), taken.answer
    return [], refused


@pytest.fixture(scope="module", autouse=True)
def no_network_wants_to_be_left_alone() -> Iterator[None]:
    """One that throttles without a word is asked again at once: its pause would be a minute of the test's time."""
    with pytest.MonkeyPatch.context() as patch:
        for network in NETWORKS.values():
            patch.setattr(network, "throttled_seconds", 0)
        yield


class RandomStreams(RuleBasedStateMachine):
    """A source that grows, and a target that is run on what follows its last state."""

    workers = 0
    chunk: int | None = None  # bytes that are read at once

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.exists() else None)
        self.folder, self.batches = Path(self._folder.name, "run"), Path(self._folder.name, "batches")
        self.folder.mkdir()
        self.batches.mkdir()
        self.ledger = self.folder / "ledger.db"
        self.network = Network(self.ledger)
        self.source: list[bytes] = []
        self.owed: list[set[Sent]] = []  # line by line, who is to receive something
        self.state = 0  # lines of the source that the last one covers
        self.logged = ""

    @rule(new=lines, script=faults, breaks=breaks)
    def run(self, new: list[Any], script: list[str], breaks: int | None) -> None:
        """Something new comes, and a run begins: the network fails now and then, the ledger after so many requests."""
        for line in new:
            self._append(*line)
        self.network.script = deque(script)
        with self._broken_ledger(breaks):
            self._run()

    def teardown(self) -> None:
        """In the end all is well, and one run more must settle everything."""
        try:
            self.network.script.clear()
            self._append("state")
            target = self._run()
            assert target.exit_code == 0, self.logged
            assert self.state == len(self.source)
            wanted = {sent for owed in self.owed for sent in owed}
            assert {*self.network.received} == {sent for sent in wanted if sent[1] not in BAD}
            final = statuses(self.ledger)
            assert {sent: final.get(sent) for sent in wanted} == {
                sent: "rejected" if sent[1] in BAD else "accepted" for sent in wanted
            }
        finally:
            self._folder.cleanup()

    def _append(self, kind: str, *what: Any) -> None:
        self.owed.append(set())
        if kind == "record":
            stream, columns = what
            line: Any = record(stream, **columns)
            self.owed[-1] |= receivers(columns)
        elif kind == "schema":
            line = schema(*what)
        elif kind == "junk":
            (line,) = what
        elif kind == "batch":
            stream, many = what
            path = self.batches / f"{len(self.source)}"
            path.write_bytes(b"".join(encoded(columns) for columns in many))
            self.owed[-1] |= {sent for columns in many for sent in receivers(columns)}
            line = {"type": "BATCH", "stream": stream, "encoding": {"format": "jsonl", "compression": "none"}}
            line["manifest"] = [path.as_uri()]
        else:
            line = state(len(self.source) + 1)
        self.source.append(encoded(line))

    def _run(self) -> TargetAdpostbacks:
        logged = io.StringIO()
        text = b"".join([*map(encoded, (schema("a"), schema("b"))), *self.source[self.state :]])
        with self._feed(text) as feed, logged_into(logged):
            target = self._target()
            try:
                target.listen(feed)
            finally:
                target.message_reader.close()
        self.logged = logged.getvalue()
        assert isinstance(target.stdout, io.StringIO)
        written = [int(line) for line in target.stdout.getvalue().splitlines()]
        assert written == sorted(written)
        self.state = max([self.state, *written])
        assert self.network.mistakes == []
        assert target.exit_code in (0, 1, 128 + signal.SIGTERM), self.logged
        assert canaries_in(left_behind(self.folder, target.stdout.getvalue(), self.logged)) == []
        self._check_ledger()
        return target

    def _feed(self, text: bytes) -> IO[Any]:
        return io.BytesIO(text)

    def _target(self) -> TargetAdpostbacks:
        sections = {name: {**SETTINGS[name], **SECRET_SETTINGS[name]} for name in KNOWN}
        # A bad id alone, refused by each of six networks, is all that a run may bring.
        limits = {
            "fail_above_rejected_percent": None,
            "max_attempts": 3,
            "batch_size_rows": 3,
            "concurrency": 2,
            "ledger_url": f"sqlite:///{self.ledger}",
            "workers": self.workers,
        }
        members = {"transport": self.network, "pauses": staticmethod(lambda: itertools.repeat(0.0))}
        kind = type("ScriptedTarget", (TargetAdpostbacks,), members)
        reader = LineReader(chunk=self.chunk) if self.chunk else LineReader()
        target: TargetAdpostbacks = kind(config={**sections, **limits}, message_reader=reader)
        target.stdout = io.StringIO()
        self.network.stop = lambda: target._on_signal(signal.SIGTERM, None)
        return target

    def _check_ledger(self) -> None:
        now = statuses(self.ledger)
        passed, to_come = self.owed[: self.state], self.owed[self.state :]
        refused_and_here_again = {sent for sent in set().union(*to_come) if sent[1] in BAD}
        final = {sent for sent, row in now.items() if row in ("accepted", "rejected")}
        assert set().union(*passed) - final - refused_and_here_again == set()
        accepted = {sent for sent, row in now.items() if row == "accepted"}
        assert accepted <= {*self.network.received}
        with closing(sqlite3.connect(self.ledger)) as connection:
            silent = "SELECT * FROM deliveries WHERE reason = 'no_answer' AND sent_at IS NULL"
            assert connection.execute(silent).fetchall() == [], self.logged

    @contextmanager
    def _broken_ledger(self, after: int | None) -> Iterator[None]:
        """After so many requests of the run the ledger takes no more: the database itself says so."""
        if after is None or not self.ledger.exists():
            yield
            return
        with closing(sqlite3.connect(self.ledger)) as connection:
            ((before,),) = connection.execute("SELECT count(*) FROM attempts")
            connection.execute(
                "CREATE TRIGGER broken BEFORE INSERT ON attempts "
                f"WHEN (SELECT count(*) FROM attempts) >= {before + after} "
                "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
            yield
            connection.execute("DROP TRIGGER broken")


def receivers(columns: dict[str, Any]) -> set[Sent]:
    """The networks that a record is for."""
    network = columns["network"]
    return {(name, columns["event_id"]) for name in KNOWN if network in (name, None)}


def statuses(ledger: Path) -> dict[Sent, str]:
    """What the ledger says of each conversion."""
    if not ledger.exists():
        return {}
    with closing(sqlite3.connect(ledger)) as connection:
        rows = connection.execute("SELECT network, event_id, status FROM deliveries WHERE network != ''").fetchall()
    return {(network, event_id): status for network, event_id, status in rows}


@contextmanager
def logged_into(text: io.StringIO) -> Iterator[None]:
    """Everything that anyone logs, at any level."""
    root, handler = logging.getLogger(), logging.StreamHandler(text)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


class FromAFile(RandomStreams):
    """The same, from a file, whose records are prepared some at a time."""

    chunk = 600

    def _feed(self, text: bytes) -> IO[Any]:
        file = (self.batches / "input").open("w+b")
        file.write(text)
        file.seek(0)
        return file


class WithWorkers(FromAFile):
    """The same, with two processes that prepare from the first records on."""

    workers = 2


def played(machine: type[RandomStreams], examples: int) -> None:
    play = settings(
        max_examples=int(os.environ.get("EXAMPLES") or examples),
        stateful_step_count=4,
        database=None,
        phases=[Phase.generate],  # threads take turns by chance: what is made smaller may no longer fail
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(int(os.environ.get("SEED") or 1))(machine), settings=play)


@pytest.mark.parametrize("examples", [8, pytest.param(60, marks=pytest.mark.slow)])
def test_whatever_comes_and_whatever_is_answered_the_promises_hold(examples: int) -> None:
    played(RandomStreams, examples)


def test_the_same_holds_where_records_are_prepared_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[Any] = []

    class Heard(Lines):
        def answered(self, number: int, block: bytes) -> work.Answer:
            answer = super().answered(number, block)
            prepared.extend(answer.members)
            return answer

    monkeypatch.setitem(vars(line_workers), "Lines", Heard)
    played(FromAFile, 8)
    assert any(prepared)


@pytest.mark.slow
def test_the_same_holds_with_worker_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[eager.Eager] = []

    class Made(eager.Eager):
        def __init__(self, *given: Any, **others: Any) -> None:
            super().__init__(*given, **others)
            made.append(self)

    monkeypatch.setattr(eager, "COUNT", WithWorkers.workers)
    monkeypatch.setitem(vars(line_workers), "Workers", Made)
    played(WithWorkers, 4)
    assert made
