"""Tasks that send to one asset side by side: with a scripted network, a real ledger, and what one does in the middle
of what another one does."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, a_conversion, an_account
from patience import PATIENCE
from test_delivery import BAD, CORRECTING, DOWN, OK, REFUSED, RESET, Answers, Place, Said, refusing

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.delivery.claims import Claims
from target_adpostbacks.delivery.delivery import Delivery
from target_adpostbacks.delivery.queued import Queued
from target_adpostbacks.delivery.rows import rows_of
from target_adpostbacks.ledger import Ledger, UnusableLedger

HOUR = 3600


class Task:
    """A run of a task, with a scripted network. ``waiting``: is called with each wait for others."""

    def __init__(
        self, path: Path, owner: str, *script: Any, wait_seconds: float = 0, lease_seconds: float = 45, run_id: str = ""
    ) -> None:
        self.path = path
        self.ledger = Ledger(f"sqlite:///{path}", run_id or owner)
        self.answers = Answers(*script)
        self.place = Place()
        self.waiting: Callable[[], object] = lambda: None
        self.clock: Callable[[], datetime] = lambda: NOW
        self.claims = Claims(
            self.ledger,
            owner,
            lambda: self.clock(),
            lease_seconds=lease_seconds,
            wait_seconds=wait_seconds,
            max_rows=2,
        )
        self.delivery = Delivery(
            self.ledger,
            self.answers,
            clock=lambda: self.clock(),
            wait=lambda seconds: bool(self.waiting()),
            pauses=lambda: itertools.repeat(0.0),
            claims=self.claims,
        )

    def submit(self, *event_ids: str, account: Account | None = None, **record: Any) -> Task:
        account = account or an_account()
        postbacks = [prepare(account, a_conversion(event_id=each, **record), NOW, "s", 1) for each in event_ids]
        self.delivery.submit(account, [Queued(postback, self.place) for postback in postbacks])
        return self

    def settle(self) -> Task:
        assert self.delivery.settle()
        return self

    def deliver(self, *event_ids: str, account: Account | None = None, **record: Any) -> Task:
        return self.submit(*event_ids, account=account, **record).settle()

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.delivery.counts)

    def read(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.path, timeout=PATIENCE)) as connection:
            return connection.execute(query).fetchall()

    def statuses(self) -> dict[str, str]:
        rows = self.read("SELECT event_id || adjustment, status, reason FROM deliveries ORDER BY delivery_id")
        return {event_id: reason or status for event_id, status, reason in rows}

    def claimed(self) -> list[str]:
        return [event_id for (event_id,) in self.read("SELECT event_id FROM claims ORDER BY event_id")]

    def end(self) -> None:
        self.claims.end()
        self.ledger.close()


Begin = Callable[..., Task]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    tasks: list[Task] = []

    def make(owner: str, *script: Any, **how: Any) -> Task:
        tasks.append(Task(tmp_path / "ledger.db", owner, *(script or (OK,)), **how))
        return tasks[-1]

    yield make
    for task in tasks:
        task.end()


def age(task: Task, seconds: float) -> None:
    """Let time pass for what is claimed."""
    with closing(sqlite3.connect(task.path, timeout=PATIENCE)) as connection, connection:
        connection.execute("UPDATE claim_owners SET until = until - ?", (seconds,))
        connection.execute("UPDATE claims SET requested_at = requested_at - ?", (seconds,))


def meanwhile(act: Callable[[], object], said: Said = OK) -> Callable[[list[str]], Said]:
    """An answer, before which something happens."""

    def answer(_ids: list[str]) -> Said:
        act()
        return said

    return answer


class Other:
    """Another task, as the ledger knows it: what it claims, sends and delivers."""

    def __init__(self, path: Path, owner: str) -> None:
        self.ledger = Ledger(f"sqlite:///{path}", owner)
        self.claims = self.ledger.claims(owner, 60)
        self.claims.begin()

    def take(self, *event_ids: str, requests: bool = False, **record: Any) -> Other:
        keys = [self._postback(each, **record).key for each in event_ids]
        assert self.claims.take(keys, "default").keys() == {*keys}
        if requests:
            self.claims.request(keys)
        return self

    def deliver(self, *event_ids: str, **record: Any) -> None:
        """Have the answer that the network took them."""
        postbacks = [self._postback(each, **record) for each in event_ids]
        rows = rows_of([Queued(postback, Place()) for postback in postbacks], Outcome(Verdict.ACCEPTED), None)
        keys = [postback.key for postback in postbacks]
        self.ledger.write(NOW.isoformat(), rows, also=lambda connection: self.claims.settle(connection, keys, ()))

    def _postback(self, event_id: str, **record: Any) -> Postback:
        return prepare(an_account(), a_conversion(event_id=event_id, **record), NOW, "s", 1)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Other]:
    made = Other(tmp_path / "ledger.db", "other")
    yield made
    made.ledger.close()


def test_a_claim_is_given_up_with_its_verdict(begin: Begin) -> None:
    task = begin("one", refusing("b"))
    seen: list[list[str]] = []
    task.answers = task.delivery._transport = Answers(meanwhile(lambda: seen.append(task.claimed())))
    task.deliver("a", "b")
    assert seen == [["a", "b"]]
    assert task.claimed() == []
    assert task.deliver("a", "c").counts == {"accepted": 3, "already accepted": 1}
    assert task.claimed() == []


def test_what_another_task_has_claimed_is_left_to_it(begin: Begin, other: Other) -> None:
    other.take("b")
    task = begin("one").deliver("a", "b", "c")
    assert task.answers.batches == [["a", "c"]]
    assert task.counts == {"accepted": 2, "open busy": 1}
    assert task.statuses() == {"a": "accepted", "b": "busy", "c": "accepted"}
    assert (task.place.settled, task.place.held) == (2, 1)
    assert [(why.told, count) for why, count in task.delivery.why_open] == [
        ("tiktok.default: busy: another task has claimed it, and has not told yet what became of it", 1)
    ]
    assert task.claimed() == ["b"]


def test_what_another_task_has_delivered_meanwhile_was_sent_before(begin: Begin, other: Other) -> None:
    other.take("b")
    task = begin("one", wait_seconds=60)
    task.waiting = lambda: other.deliver("b")
    task.deliver("a", "b")
    assert task.answers.batches == [["a"]]
    assert task.counts == {"accepted": 1, "already accepted": 1}
    assert task.statuses() == {"a": "accepted", "b": "accepted"}


def test_what_another_task_gives_up_is_sent(begin: Begin, other: Other) -> None:
    other.take("b", "c", "d")
    task = begin("one", wait_seconds=60)
    task.waiting = other.claims.end
    task.deliver("a", "b", "c", "d")
    assert sorted(task.answers.batches) == [["a"], ["b", "c"], ["d"]]  # as many in a request as ``max_rows`` says
    assert task.counts == {"accepted": 4}


def test_others_are_waited_for_as_long_as_a_dead_one_may_seem_to_live(begin: Begin) -> None:
    waits = {seconds: begin(f"task-{seconds}", wait_seconds=seconds).claims.wait_seconds for seconds in (0, 1, 100)}
    assert waits == {0: 0, 1: 46, 100: 100}


def test_a_signal_ends_the_wait_for_other_tasks(begin: Begin, other: Other) -> None:
    other.take("a", "b")
    task = begin("one", wait_seconds=60)

    def wait() -> None:
        task.delivery.stop()
        other.claims.end()

    task.waiting = wait
    task.deliver("a", "b")
    assert task.answers.batches == []
    assert sum(task.counts.values()) == 2
    assert task.place.held == 2


def test_what_comes_twice_while_it_is_put_aside_has_one_outcome_each(begin: Begin, other: Other) -> None:
    other.take("a")
    task = begin("one").submit("a").submit("a", "b")
    task.settle()
    assert task.counts == {"accepted": 1, "open busy": 2}
    assert task.place.held == 2


def test_what_a_dead_task_had_not_sent_yet_is_sent(begin: Begin, other: Other) -> None:
    other.take("a")
    task = begin("one").deliver("a")
    assert task.counts == {"open busy": 1}
    age(task, HOUR)
    assert task.deliver("a").answers.batches == [["a"]]
    assert task.statuses() == {"a": "accepted"}
    assert task.read("SELECT count(*) FROM history WHERE reason = 'no_answer'") == [(0,)]


def test_what_a_dead_task_had_sent_is_replayed_inside_the_networks_window(begin: Begin, other: Other) -> None:
    other.take("a", requests=True)
    task = begin("one").deliver("b")
    age(task, 47 * HOUR)
    task.deliver("a")
    assert task.answers.batches == [["b"], ["a"]]
    assert task.statuses() == {"a": "accepted", "b": "accepted"}
    assert task.read("SELECT reason, message FROM history") == [
        ("no_answer", "the task that sent it ended before the answer came")
    ]
    assert task.claimed() == []


def test_and_outside_of_it_it_stays_open_for_somebody_to_resolve(begin: Begin, other: Other) -> None:
    other.take("a", requests=True)
    task = begin("one").deliver("b")
    age(task, 49 * HOUR)
    task.deliver("a")
    assert task.answers.batches == [["b"]]
    assert task.counts == {"accepted": 1, "open no_answer": 1}
    ((reason, sent_at, event_time),) = task.read(
        "SELECT reason, sent_at, event_time FROM deliveries WHERE event_id = 'a'"
    )
    assert (reason, event_time[:10]) == ("no_answer", "2026-11-20")
    assert NOW - datetime.fromisoformat(sent_at) == pytest.approx(timedelta(hours=49), abs=timedelta(minutes=1))
    assert task.claimed() == []
    sending = "a run is sending to"
    with closing(Ledger(f"sqlite:///{task.path}")) as ledger, pytest.raises(UnusableLedger, match=sending):
        ledger.resolve("a", "resend", "2026-11-23T00:00:00.000+00:00")
    task.end()
    with closing(Ledger(f"sqlite:///{task.path}")) as ledger:
        assert ledger.resolve("a", "resend", "2026-11-23T00:00:00.000+00:00")
    assert begin("later").deliver("a").answers.batches == [["a"]]


def test_what_is_resolved_as_resend_is_sent_though_an_heir_died_of_it_too(begin: Begin, tmp_path: Path) -> None:
    silent = begin("silent", RESET)
    silent.deliver("a", account=an_account(max_attempts=1)).end()
    heir = Other(tmp_path / "ledger.db", "heir").take("a", requests=True)
    heir.ledger.close()
    age(silent, 60 * HOUR)
    with closing(Ledger(f"sqlite:///{silent.path}")) as ledger:
        assert ledger.resolve("a", "resend", "2026-11-23T00:00:00.000+00:00")
    task = begin("one").deliver("a")
    assert task.answers.batches == [["a"]]
    assert task.counts == {"accepted": 1}


def test_silence_is_counted_from_the_first_time_whoever_dies_of_it(begin: Begin, tmp_path: Path) -> None:
    for number, passes in enumerate((20, 20)):
        dead = Other(tmp_path / "ledger.db", f"dead-{number}").take("a", requests=True)
        dead.ledger.close()
        age(begin(f"task-{number}"), passes * HOUR)
    task = begin("heir", RESET)
    task.deliver("a", account=an_account(max_attempts=1))
    assert task.answers.batches == [["a"]]
    ((sent_at,),) = task.read("SELECT sent_at FROM deliveries")
    assert NOW - datetime.fromisoformat(sent_at) == pytest.approx(timedelta(hours=40), abs=timedelta(minutes=1))


def test_what_the_ledger_knows_outweighs_a_dead_tasks_silence(begin: Begin, other: Other) -> None:
    begin("first").deliver("a").end()
    first = begin("second", RESET)
    first.clock = lambda: NOW - timedelta(hours=40)
    first.deliver("b", account=an_account(max_attempts=1)).end()
    other.take("a", "b", requests=True)
    task = begin("one")
    age(task, 10 * HOUR)
    task.clock = lambda: NOW + timedelta(hours=10)
    task.deliver("a", "b")
    assert task.answers.batches == []
    assert task.counts == {"already accepted": 1, "open no_answer": 1}
    ((sent_at,),) = task.read("SELECT sent_at FROM deliveries WHERE event_id = 'b'")
    assert sent_at == (NOW - timedelta(hours=40)).isoformat(timespec="milliseconds")


def test_the_clocks_of_the_machines_do_not_matter(begin: Begin, other: Other) -> None:
    ahead = begin("ahead")
    ahead.clock = lambda: NOW + timedelta(days=2)
    other.take("a", requests=True)
    ahead.deliver("a", "b")
    assert ahead.counts == {"accepted": 1, "open busy": 1}
    age(ahead, HOUR)
    ahead.deliver("a")
    assert ahead.answers.batches == [["b"], ["a"]]  # it was silent for an hour, whatever the clocks say


def test_a_task_that_was_asleep_sends_no_retry_of_what_another_has_now(begin: Begin, tmp_path: Path) -> None:
    slow = begin("slow", wait_seconds=60)

    def sleep() -> None:
        age(slow, HOUR)
        other = Other(tmp_path / "ledger.db", "quick").take("b", requests=True)
        slow.waiting = lambda: other.deliver("b")

    slow.delivery._transport = slow.answers = Answers(meanwhile(sleep, DOWN), OK)
    slow.deliver("a", "b")
    assert slow.answers.batches == [["a", "b"], ["a"]]
    assert slow.counts == {"accepted": 1, "already accepted": 1}
    assert slow.place.settled == 2


def test_a_task_that_was_asleep_and_lost_all_still_hears_its_answer(begin: Begin, tmp_path: Path) -> None:
    slow = begin("slow")

    def sleep() -> None:
        age(slow, HOUR)
        Other(tmp_path / "ledger.db", "quick").take("a", requests=True)

    slow.delivery._transport = slow.answers = Answers(meanwhile(sleep))
    assert slow.deliver("a").counts == {"accepted": 1}
    assert slow.statuses() == {"a": "accepted"}
    assert slow.claimed() == ["a"]  # it is the other's


@pytest.mark.parametrize("said", [DOWN, REFUSED, BAD])
def test_what_was_answered_is_not_in_doubt_when_its_task_dies_before_a_retry(begin: Begin, said: Said) -> None:
    doubted: list[Any] = []
    task = begin("one")
    look = meanwhile(lambda: doubted.append(task.read("SELECT event_id FROM claims WHERE requested_at IS NOT NULL")))

    def pause() -> Iterator[float]:
        while True:
            look([])
            yield 0

    task.delivery._pauses = pause
    task.delivery._transport = task.answers = Answers(said, OK)
    stored = task.delivery._verdicts.store
    after: list[Any] = []

    def store(*args: Any, **kwargs: Any) -> None:
        stored(*args, **kwargs)
        after.append(task.read("SELECT event_id FROM claims WHERE requested_at IS NOT NULL"))

    task.delivery._verdicts.store = store  # type: ignore[method-assign]
    task.deliver("a", "b")
    assert doubted[0] == [("a",), ("b",)]
    assert after[0] == []


def test_what_got_no_answer_is_left_to_the_ledger(begin: Begin) -> None:
    task = begin("one", RESET, DOWN, RESET)
    task.deliver("a", account=an_account(max_attempts=3))
    assert task.statuses() == {"a": "no_answer"}
    assert task.claimed() == []


def test_halves_and_what_was_refused_before_are_claimed_too(begin: Begin) -> None:
    unclaimed: list[Any] = []
    task = begin("one")

    def refuse(event_ids: list[str]) -> Said:
        (claimed,) = task.read("SELECT group_concat(event_id) FROM claims WHERE requested_at IS NOT NULL")[0]
        unclaimed.extend({*event_ids} - {*claimed.split(",")})
        return refusing("c")(event_ids)

    task.delivery._transport = task.answers = Answers(refuse)
    task.deliver("a", "b", "c", "d", "e").deliver("c")
    assert task.statuses() == {"a": "accepted", "b": "accepted", "c": "rejected", "d": "accepted", "e": "accepted"}
    assert len(task.answers.batches) > 3
    assert unclaimed == []
    assert task.claimed() == []


RETRACT: dict[str, Any] = {"account": CORRECTING, "adjustment": "retract"}


def test_a_correction_does_not_overtake_what_another_task_sends(begin: Begin, other: Other) -> None:
    other.take("a")
    task = begin("one", wait_seconds=60).submit("a", "b", account=CORRECTING)
    assert task.delivery.finish(CORRECTING)
    task.waiting = other.claims.end
    task.submit("a", "b", **RETRACT).settle()
    assert task.answers.batches == [["b"], ["b"], ["a"], ["a"]]
    assert {*task.statuses().values()} == {"accepted"}


def test_nor_what_was_put_aside_here_though_it_is_free_by_now(begin: Begin, other: Other) -> None:
    other.take("a")
    task = begin("one").submit("a", account=CORRECTING)
    assert task.delivery.finish(CORRECTING)
    other.claims.end()
    task.submit("a", **RETRACT)
    assert task.delivery.finish(CORRECTING)
    assert task.answers.batches == []
    task.settle()
    assert task.statuses() == {"a": "accepted", "aretract": "accepted"}


def test_nor_the_one_of_another_task_that_was_not_read_here(begin: Begin, other: Other) -> None:
    other.take("a")
    task = begin("one").deliver("a", "b", **RETRACT)
    assert task.answers.batches == [["b"]]
    assert task.statuses() == {"aretract": "busy", "bretract": "accepted"}
    other.deliver("a")
    assert begin("later").deliver("a", **RETRACT).answers.batches == [["a"]]


def test_a_correction_of_what_stays_with_another_task_stays_open_behind_it(begin: Begin, other: Other) -> None:
    other.take("a")
    task = begin("one").submit("a", account=CORRECTING)
    assert task.delivery.finish(CORRECTING)
    task.submit("a", **RETRACT).settle()
    assert task.answers.batches == []
    assert task.statuses() == {"a": "busy", "aretract": "busy"}


def test_a_run_that_has_the_asset_for_itself_keeps_tasks_away_and_they_keep_it_away(
    begin: Begin, tmp_path: Path
) -> None:
    alone = Ledger(f"sqlite:///{tmp_path}/ledger.db", "alone")
    assert alone.claim("tiktok", "D7VH38JC77U3LFDOLGRG")
    task = begin("one").deliver("a")
    assert task.counts == {"open busy": 1}
    alone.close()
    assert task.deliver("a").counts == {"open busy": 1, "accepted": 1}
    assert begin("another").deliver("b").counts == {"accepted": 1}
    alone = Ledger(f"sqlite:///{tmp_path}/ledger.db", "alone")
    assert not alone.claim("tiktok", "D7VH38JC77U3LFDOLGRG")
    alone.close()


def test_a_later_run_of_a_task_takes_over_at_once(begin: Begin) -> None:
    first = begin("task-7", run_id="run-1")
    second = begin("task-7", run_id="run-2")
    first.delivery._transport = first.answers = Answers(meanwhile(lambda: second.deliver("a"), DOWN), OK)
    first.deliver("a")
    assert second.answers.batches == [["a"]]
    assert first.answers.batches == [["a"]]  # and no retry
    assert first.counts == {"open busy": 1}
    assert first.statuses() == {"a": "accepted"}


def test_a_lease_is_renewed_while_a_request_takes_its_time(begin: Begin) -> None:
    slow, other = begin("slow", lease_seconds=6), begin("other")

    def ends() -> float:
        ((until,),) = slow.read("SELECT until FROM claim_owners WHERE owner = 'slow'")
        return float(until)

    def wait() -> None:
        first, patience = ends(), time.monotonic() + PATIENCE
        while ends() == first and time.monotonic() < patience:
            time.sleep(0.1)
        assert ends() > first
        assert other.deliver("a").counts == {"open busy": 1}

    slow.delivery._transport = slow.answers = Answers(meanwhile(wait))
    assert slow.deliver("a").counts == {"accepted": 1}
    assert other.answers.batches == []
