"""The process is killed at random moments, started again from its last state as a pipeline would, until it is done.

``make test-kills KILLS=200 SEED=7`` kills more often, at other moments; without them twenty kills, always the same.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from contextlib import closing, suppress
from datetime import datetime, timezone
from pathlib import Path
from random import Random
from typing import Any

import pytest
from canaries import ERASURE_KEY, canaries_in, left_behind
from eager import command, workers_of
from hostile import (
    KNOWN,
    LEDGER,
    Stage,
    accepted_by,
    purchase,
    sent_events,
    sent_with_other_bytes,
    start,
)
from ledger_rows import changes, rows
from patience import PATIENCE
from run_target import COMMAND, Target, record, schema, state

from target_adpostbacks.core.digests import digests, fingerprint
from target_adpostbacks.ledger import IDENTITY, Ledger
from target_adpostbacks.ledger.compact import digest
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS") or 20)
SEED = os.environ.get("SEED") or "1"
KILLS_EACH = 5
RECORDS = 150
EMAILS = [f"canary.mail.{number}@example.com" for number in range(20)]
AT_ONCE = {"concurrency": 2, "batch_size_rows": 5}
UNDER_WAY = len(KNOWN) * AT_ONCE["concurrency"] * AT_ONCE["batch_size_rows"]
"""Postbacks that can be on their way when a process dies: of each account, so many requests of so many each."""

Sent = tuple[str, str]
"""Network and event id."""


class Story:
    """An input, the network that receives it, and a process that is killed again and again."""

    def __init__(
        self,
        seed: str,
        folder: Path,
        sandbox: Sandbox,
        ledger_url: str | None = None,
        *,
        workers: int = 0,
        erases: bool = False,
    ) -> None:
        self.random = Random(seed)
        self.workers = workers
        self.erases = erases
        self.erased: set[str] = set()
        self.sandbox = sandbox
        self.target = Target(folder, sandbox.url, max_batch_age_seconds=0, **AT_ONCE)
        self.ledger_url = ledger_url or f"sqlite:///{folder / LEDGER}"
        self.target.config["ledger_url"] = self.ledger_url
        for name in NETWORKS.keys() - KNOWN:
            self.target.config.pop(name, None)
        if erases:
            self.target.config |= {"erasure_key": ERASURE_KEY, "erasure_index": True}
        self.records = [
            purchase(number, network=self._network(), email=EMAILS[number % len(EMAILS)])
            for number in range(1, RECORDS + 1)
        ]
        self.states = {*self.random.sample(range(1, RECORDS), RECORDS // 3), RECORDS}
        self.state = 0  # how many records the last one covers
        self.kills = 0
        self.repeats_allowed = 0
        self.times_once_settled: dict[Sent, int] = {}

    def _network(self) -> str | None:
        """One of the four; nobody; None: all of them, for the record has the click ids of all."""
        return self.random.choices([*KNOWN, "organic", None], [20] * len(KNOWN) + [5, 15])[0]

    @property
    def lines(self) -> list[Any]:
        """What the tap sends: everything after state."""
        lines: list[Any] = [schema()]
        for number, columns in enumerate(self.records[self.state :], self.state + 1):
            lines.append(record(**columns))
            if number in self.states:
                lines.append(state(number))
        return lines

    def play(self) -> None:
        """Kill it so often, then let it end."""
        while self.kills < KILLS_EACH:
            if self._run(self._kill_some_time) == 0:
                break  # nothing was left to do
        if self.state < RECORDS:
            assert self._run(lambda _: None, calm=True) == 0
        self._compare()

    def _run(self, act: Any, *, calm: bool = False) -> int:
        """One run, and what must hold after it, however it ended."""
        self.sandbox.faults = [] if calm else self._faults()
        if self.erases:
            self._erase()
        of_erased = self._of_erased()
        before = self._times()
        process = start(self.target, command=command(self.workers) if self.workers else (COMMAND,))
        stage = Stage(self.target, self.sandbox, process, self.lines)
        try:
            act(stage)
        finally:
            stage.end()
        if stage.states:
            assert stage.states == sorted(stage.states)
            self.state = stage.states[-1]
        assert canaries_in(left_behind(stage.folder, stage.stdout, stage.stderr)) == []
        settled, accepted = self._ledger()
        before_state = {sent for columns in self.records[: self.state] for sent in receivers(columns)}
        assert before_state - settled - self._of_erased() == set(), "state is ahead of a verdict"
        times = self._times()
        assert {sent for sent in of_erased if times[sent] > before[sent]} == set(), "sent though erased before"
        assert accepted - times.keys() == set(), "accepted, and the network never had it"
        for sent in accepted:
            assert times[sent] == self.times_once_settled.setdefault(sent, times[sent]), "sent again though accepted"
        return stage.process.returncode

    def _faults(self) -> list[dict[str, Any]]:
        """Answers take a moment, so that a kill finds requests under way; some go wrong."""
        slow = {"delay_seconds": self.random.choice([0.01, 0.05, 0.2])}
        effect = self.random.choice([{"reset": "after"}, {"reset": "before"}, {"status": 503}, None])
        if effect is None:
            return [slow]
        if effect == {"reset": "after"}:
            self.repeats_allowed += AT_ONCE["batch_size_rows"]
        return [{**effect, "after": self.random.randrange(9), "times": 1}, slow]

    def _kill_some_time(self, stage: Stage) -> None:
        """In the beginning, or once some requests have come or some states are out; and then a moment later."""
        kind = self.random.choice(["beginning", "requests", "requests", "states", "end"])
        count = self.random.randint(1, 1 + (RECORDS - self.state) // AT_ONCE["batch_size_rows"])
        later = self.random.random() * (1.5 if kind == "beginning" else 0.05)
        if kind == "end":
            stage.close_input()
        until = time.monotonic() + self.random.uniform(2, 6)  # that much may never come: then it is killed anyway
        while kind != "beginning" and time.monotonic() < until and stage.process.poll() is None:
            if (stage.requests if kind in ("requests", "end") else len(stage.states)) >= count:
                break
            time.sleep(0.002)
        time.sleep(later)
        if self.erases:
            self._erase()
        if self.workers and self.random.random() < 0.5:
            self._kill_a_worker(stage)
        if stage.process.poll() is None:
            stage.signal(signal.SIGKILL)
            stage.process.wait(PATIENCE)
            self.kills += 1
            self.repeats_allowed += UNDER_WAY

    def _erase(self) -> None:
        """Somebody of whom something may have been sent."""
        email = self.random.choice(EMAILS)
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        with closing(Ledger(self.ledger_url)) as ledger:
            ledger.erasure.erase(digests("email", email, ERASURE_KEY), fingerprint(ERASURE_KEY), now)
        self.erased.add(email)

    def _of_erased(self) -> set[Sent]:
        return {sent for columns in self.records if columns["email"] in self.erased for sent in receivers(columns)}

    def _kill_a_worker(self, stage: Stage) -> None:
        """Its blocks are done again; a moment later the run itself is killed."""
        with suppress(OSError, IndexError):
            os.kill(workers_of(stage.process)[0], signal.SIGKILL)
        time.sleep(self.random.random() * 0.1)

    def _ledger(self) -> tuple[set[Sent], set[Sent]]:
        """Whose verdict is final, and who of them was accepted."""
        known = changes(self.ledger_url) + self._told()
        final = {(row["network"], row["event_id"]) for row in known if row["status"] != "open"}
        return final, {(row["network"], row["event_id"]) for row in known if row["status"] == "accepted"}

    def _told(self) -> list[dict[str, Any]]:
        """What the results have of the keys that a compact ledger keeps: each was told before it was kept."""
        if self.target.config.get("ledger_layout") != "compact":
            return []
        lines = [line for file in self.target.folder.glob("results-*") for line in file.read_bytes().splitlines(True)]
        messages = [json.loads(line) for line in lines if line.endswith(b"\n")]
        told = [message["record"] for message in messages if message["type"] == "RECORD"]
        by_key = {digest([row[name] for name in IDENTITY]): row for row in told if row["status"] == "accepted"}
        kept = rows(self.ledger_url, "key", "accepted_keys") if by_key else []
        return [by_key[key if isinstance(key, bytes) else key.bytes] for (key,) in kept]

    def _times(self) -> Counter[Sent]:
        """How often each conversion came to each network."""
        return Counter({(event["network"], event["event_id"]): event["times"] for event in self.sandbox.received})

    def _compare(self) -> None:
        wanted = {sent for columns in self.records for sent in receivers(columns) if sent[0]}
        times, of_erased = self._times(), self._of_erased()
        assert times.keys() - of_erased == wanted - of_erased, "what the network has is not what was fed"
        taken = {(network, event_id) for network, _, event_id in accepted_by(self.sandbox)}
        assert taken - of_erased == wanted - of_erased
        assert self._ledger()[1] - of_erased == wanted - of_erased, "the ledger does not agree"
        assert sent_with_other_bytes(self.sandbox) == []
        if not self.erases:
            assert len({event_id for _, event_id, _ in sent_events(self.sandbox)}) == len({sent[1] for sent in wanted})
        assert sum(times.values()) - len(times) <= self.repeats_allowed, "more was sent again than was under way"
        assert self.state == RECORDS


def receivers(columns: dict[str, Any]) -> set[Sent]:
    """The rows that a record becomes in the ledger; the network is empty where it is for nobody."""
    network = columns["network"]
    networks = {None: tuple(KNOWN), "organic": ("",)}.get(network, (network,))
    return {(name, columns["event_id"]) for name in networks}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(max(1, KILLS // KILLS_EACH)), ids=lambda number: f"SEED={SEED}, {number}")
def test_killed_at_any_moment_it_loses_nothing_and_repeats_only_what_was_under_way(number: int, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        Story(f"{SEED}-{number}", tmp_path, sandbox).play()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_holds_with_worker_processes_which_are_killed_too(workers: int, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        Story(f"{SEED}-{workers} workers", tmp_path, sandbox, workers=workers).play()


@pytest.mark.slow
def test_the_same_holds_with_a_ledger_in_postgresql(tmp_path: Path, postgres_url: str) -> None:
    with Sandbox() as sandbox:
        Story(f"{SEED}-postgresql", tmp_path, sandbox, postgres_url).play()


@pytest.mark.slow
def test_nothing_is_sent_about_whoever_was_erased_between_two_kills(tmp_path: Path, ledger_url: str) -> None:
    with Sandbox() as sandbox:
        story = Story(f"{SEED}-erased", tmp_path, sandbox, ledger_url, erases=True)
        story.play()
        assert {row["reason"] for row in changes(ledger_url) if row["status"] == "skipped"} >= {"suppressed"}


@pytest.mark.slow
def test_the_same_holds_with_a_compact_ledger_whose_results_have_every_key(tmp_path: Path, ledger_url: str) -> None:
    with Sandbox() as sandbox:
        story = Story(f"{SEED}-compact", tmp_path, sandbox, ledger_url)
        story.target.config |= {
            "ledger_layout": "compact",
            "results_path": str(tmp_path / "results-{run_id}.jsonl"),
        }
        story.play()
