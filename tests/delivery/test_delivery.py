"""Batches in, verdicts out: with a scripted network, a real ledger and no waiting."""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from conftest import NOW, a_conversion, an_account
from msgspec.structs import replace
from patience import PATIENCE

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Verdict
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.postback import Facts, Key, NotSent, prepare
from target_adpostbacks.delivery.attempts import MAX_REQUESTS, pauses
from target_adpostbacks.delivery.delivery import Delivery
from target_adpostbacks.delivery.lane import Pace, seconds
from target_adpostbacks.delivery.queued import Queued, Skipped
from target_adpostbacks.delivery.rows import row_of
from target_adpostbacks.delivery.transport import Unreachable
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.ledger.definition import Layout
from target_adpostbacks.networks.tiktok import TikTok, TikTokSettings

OK = Response(status=200, body={"code": 0, "message": "OK", "request_id": "r1"})
BAD = Response(status=200, body={"code": 40002, "message": "Invalid value."})
BUSY = Response(status=200, body={"code": 40100, "message": "Too many requests."})
DOWN = Response(status=503)
NO_TOKEN = Response(status=200, body={"code": 40105, "message": "Access token is incorrect or has been revoked."})
RESET = Unreachable("connection reset", sent=True)
REFUSED = Unreachable("connection refused", sent=False)

Said = Response | Unreachable


class Answers:
    """A scripted transport: answers in turn, the last one for ever; or a function of the event ids."""

    def __init__(self, *script: Said | Callable[[list[str]], Said]) -> None:
        self._script = deque(script)
        self.batches: list[list[str]] = []
        self.bodies: list[bytes] = []
        self._lock = threading.Lock()

    def __call__(self, request: Request, timeout_seconds: float) -> Response:
        body = msgspec.json.encode(request.body)
        ids = [event["event_id"] for event in msgspec.json.decode(body)["data"]]
        with self._lock:
            self.batches.append(ids)
            self.bodies.append(body)
            answer = self._script.popleft() if len(self._script) > 1 else self._script[0]
        said = answer if isinstance(answer, (Response, Unreachable)) else answer(ids)
        if isinstance(said, Unreachable):
            raise said
        return said


class Place:
    """A mark that counts."""

    def __init__(self) -> None:
        self.settled = 0
        self.held = 0
        self.flags: list[str] = []
        self.changed = threading.Event()

    def expect(self, count: int) -> None:
        """Not asked for."""

    def settle(self, count: int) -> None:
        self.settled += count
        self.changed.set()

    def hold(self, count: int) -> None:
        self.held += count
        self.changed.set()

    def flag(self, kind: str) -> None:
        self.flags.append(kind)


class Scene:
    """A delivery with its ledger, and what a test asks of them. ``is_patient``: no wait takes any time."""

    def __init__(
        self,
        path: Path,
        answers: Answers,
        layout: Layout,
        told: list[Mapping[str, Any]],
        *,
        is_patient: bool = False,
        lock_wait_seconds: float = 0,
    ) -> None:
        self.path = path
        self.told = told
        self.ledger = Ledger(f"sqlite:///{path}", "run-1", layout=layout)
        self.ledger.tell = told.extend if layout == "compact" else None
        self.answers = answers
        self.place = Place()
        self.logged: list[str] = []
        self.informed: list[str] = []
        self.waiting: Callable[[], bool] = lambda: False  # what each wait comes to
        self.clock: Callable[[], datetime] = lambda: NOW
        self.waited: list[float] = []
        self.delivery = Delivery(
            self.ledger,
            answers,
            log=self.logged.append,
            clock=lambda: self.clock(),
            wait=self._wait if is_patient else None,
            pauses=lambda: itertools.repeat(0.0),
            random=Random(7),
            inform=self.informed.append,
            lock_wait_seconds=lock_wait_seconds,
        )

    def _wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return self.waiting()

    def deliver(self, *event_ids: str, account: Account | None = None, **record: Any) -> Scene:
        account = account or an_account()
        batch = [self.queued(account, event_id, **record) for event_id in event_ids]
        self.delivery.submit(account, batch)
        assert self.delivery.settle()
        return self

    def queued(self, account: Account, event_id: str, **record: Any) -> Queued:
        return Queued(prepare(account, a_conversion(event_id=event_id, **record), NOW, "s", 1), self.place)

    def rows(self, columns: str = "event_id, status, reason", table: str = "deliveries") -> list[Any]:
        """What is kept, in the order of the changes; with what a compact ledger told, as if it had kept it."""
        connection = sqlite3.connect(self.path)
        try:
            if self.told:
                connection.execute("CREATE TEMP TABLE deliveries AS SELECT * FROM main.deliveries")
                for row in self.told:
                    values = ", ".join(f":{name}" for name in row)
                    connection.execute(f"INSERT INTO temp.deliveries ({', '.join(row)}) VALUES ({values})", row)
                connection.execute("CREATE TEMP TABLE in_order AS SELECT * FROM temp.deliveries ORDER BY seq")
                connection.execute("DROP TABLE temp.deliveries")
                connection.execute("ALTER TABLE in_order RENAME TO deliveries")
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()
        finally:
            connection.close()

    def statuses(self) -> dict[str, str]:
        return {event_id: reason or status for event_id, status, reason in self.rows()}


@pytest.fixture(params=["full", "compact"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    scenes: list[Scene] = []
    told: list[Mapping[str, Any]] = []

    def make(*script: Any, is_patient: bool = False, lock_wait_seconds: float = 0) -> Scene:
        for each in scenes:
            each.ledger.close()  # its run is over: the next one may send
        answers = Answers(*script)
        scenes.append(
            Scene(
                tmp_path / "ledger.db",
                answers,
                request.param,
                told,
                is_patient=is_patient,
                lock_wait_seconds=lock_wait_seconds,
            )
        )
        return scenes[-1]

    yield make
    for each in scenes:
        each.ledger.close()


Make = Callable[..., Scene]


def ids(count: int) -> list[str]:
    return [f"evt-{number}" for number in range(count)]


def refusing(*bad: str) -> Callable[[list[str]], Said]:
    return lambda event_ids: BAD if {*bad} & {*event_ids} else OK


def test_an_accepted_batch_is_in_the_ledger_and_its_state_may_pass(scene: Make) -> None:
    result = scene(OK).deliver("a", "b")
    assert result.rows() == [("a", "accepted", ""), ("b", "accepted", "")]
    assert (result.place.settled, result.place.held) == (2, 0)
    assert result.delivery.counts == {"accepted": 2}


def test_a_row_tells_which_request_gave_its_verdict(scene: Make) -> None:
    result = scene(DOWN, OK).deliver("a")
    ((attempt_id, attempts, request_id, http_status),) = result.rows(
        "attempt_id, attempts, network_request_id, http_status"
    )
    history = result.rows("attempt_id, parent_id, attempt, status, events", "attempts")
    assert [row[2:] for row in history] == [(1, "Retried", 1), (2, "Success", 1)]
    assert history[1][:2] == (attempt_id, history[0][0])
    assert (attempts, request_id, http_status) == (2, "r1", 200)


def test_what_stays_open_says_until_when_it_can_be_sent(scene: Make) -> None:
    account = an_account(max_attempts=1, max_event_age_days=2)
    scene(DOWN).deliver("a", account=account)
    assert scene(DOWN).rows("status, deadline") == [("open", "2026-11-22T12:00:00.000+00:00")]
    assert scene(OK).deliver("a", account=account).rows("status, deadline") == [("accepted", None)]


def aging(made: Scene, *answers: Said) -> Callable[[list[str]], Said]:
    """Answers in turn; with the first, an hour passes."""
    said = iter(answers)

    def answer(event_ids: list[str]) -> Said:
        made.clock = lambda: NOW + timedelta(hours=1)
        return next(said)

    return answer


def test_what_grows_too_old_between_two_tries_is_not_sent_again_with_the_others(scene: Make) -> None:
    account = an_account(max_event_age_days=2)
    made = scene(OK, is_patient=True)
    made.answers._script[0] = aging(made, DOWN, OK)
    times = {"old": NOW - timedelta(days=2) + timedelta(minutes=30), "young": NOW}
    batch = [made.queued(account, name, event_time=time.isoformat()) for name, time in times.items()]
    made.delivery.submit(account, batch)
    assert made.delivery.settle()
    assert made.answers.batches == [["old", "young"], ["young"]]
    assert sorted(made.rows()) == [("old", "skipped", "too_old"), ("young", "accepted", "")]
    assert (made.place.settled, made.place.held) == (2, 0)


def test_what_grows_too_old_and_the_network_may_have_stays_open(scene: Make) -> None:
    account = an_account(max_event_age_days=2)
    made = scene(OK, is_patient=True)
    made.answers._script[0] = aging(made, RESET, OK)
    old = NOW - timedelta(days=2) + timedelta(minutes=30)
    made.delivery.submit(account, [made.queued(account, "old", event_time=old.isoformat())])
    assert made.delivery.settle()
    assert made.answers.batches == [["old"]]
    assert made.rows() == [("old", "open", "no_answer")]
    assert made.place.held == 1


def test_of_what_waits_the_batch_with_the_earliest_deadline_is_sent_first(scene: Make) -> None:
    account = an_account(concurrency=1)
    is_sending, is_queued = threading.Event(), threading.Event()

    def waits(event_ids: list[str]) -> Said:
        is_sending.set()
        assert is_queued.wait(PATIENCE)
        return OK

    made = scene(waits)
    for event_id, hour in (("sent", "12"), ("late", "11"), ("early", "09")):
        made.delivery.submit(account, [made.queued(account, event_id, event_time=f"2026-11-20T{hour}:00:00Z")])
        assert is_sending.wait(PATIENCE)
    is_queued.set()
    assert made.delivery.settle()
    assert made.answers.batches == [["sent"], ["early"], ["late"]]


def test_what_was_accepted_is_never_sent_again(scene: Make) -> None:
    scene(OK).deliver("a")
    again = scene(OK).deliver("a", "b")
    assert again.answers.batches == [["b"]]
    assert again.delivery.counts == {"already accepted": 1, "accepted": 1}
    assert again.place.settled == 2


@pytest.mark.parametrize(
    "settings", [{"base_url": "http://127.0.0.1:1"}, {"base_url": "http://127.0.0.1:1", "proxy": True}]
)
def test_what_was_accepted_before_trials_had_an_asset_of_their_own_is_sent_to_none(
    scene: Make, settings: dict[str, Any]
) -> None:
    scene(OK).deliver("a")
    again = scene(OK).deliver("a", account=an_account(**settings))
    assert (again.answers.batches, again.delivery.counts) == ([], {"already accepted": 1})


def test_what_a_trial_accepted_is_sent_to_the_network_and_to_another_trial(scene: Make) -> None:
    first, second = (an_account(base_url=f"http://127.0.0.1:{port}") for port in (1, 2))
    scene(OK).deliver("a", account=first)
    assert scene(OK).deliver("a", account=first).answers.batches == []
    assert scene(OK).deliver("a", account=second).answers.batches == [["a"]]
    assert scene(OK).deliver("a").answers.batches == [["a"]]


@pytest.mark.parametrize("first", [BAD, DOWN])
def test_what_was_refused_or_stayed_open_is_sent_again_by_the_next_run(scene: Make, first: Response) -> None:
    scene(first).deliver("a")
    assert scene(OK).deliver("a").statuses() == {"a": "accepted"}


def test_a_key_that_is_under_way_is_not_sent_twice_but_shares_the_verdict(scene: Make) -> None:
    result = scene(OK).deliver("a", "a", "b", "a")
    assert result.answers.batches == [["a", "b"]]
    assert result.delivery.counts == {"accepted": 2, "already accepted": 2}
    assert result.place.settled == 4


def test_a_follower_of_an_open_postback_is_open_too(scene: Make) -> None:
    result = scene(DOWN).deliver("a", "a")
    assert result.delivery.counts == {"open transient": 2}
    assert (result.place.settled, result.place.held) == (0, 2)


def test_one_bad_postback_costs_few_requests_and_never_its_neighbours(scene: Make) -> None:
    result = scene(refusing("evt-700")).deliver(*ids(1000))
    assert len(result.answers.batches) <= 21
    assert result.delivery.counts == {"accepted": 999, "rejected": 1}
    assert result.statuses()["evt-700"] == "rejected"


def test_a_bad_postback_that_the_network_names_costs_two_requests(scene: Make) -> None:
    named = Response(status=200, body={"code": 40002, "message": "Invalid value for data.2.event_id."})
    result = scene(named, OK).deliver(*ids(1000))
    assert [len(batch) for batch in result.answers.batches] == [1000, 999]
    assert result.delivery.counts == {"accepted": 999, "rejected": 1}
    assert result.statuses()["evt-2"] == "rejected"


def test_a_batch_with_many_bad_ones_stops_at_the_budget_and_the_rest_stays_open(scene: Make) -> None:
    result = scene(refusing(*ids(1000)[::2])).deliver(*ids(1000))
    assert len(result.answers.batches) == MAX_REQUESTS
    counts = result.delivery.counts
    assert counts["accepted"] + counts["rejected"] + counts["open transient"] == 1000
    assert counts["rejected"] > 10
    assert counts["open transient"] > 900
    assert any("64 requests" in why.told for why, _ in result.delivery.why_open)


def test_when_everything_is_refused_alike_the_account_is_halted_and_nothing_is_rejected(scene: Make) -> None:
    account = an_account(concurrency=1)
    result = scene(BAD).deliver(*ids(1000), account=account)
    assert [len(batch) for batch in result.answers.batches] == [1000, 500, 500, 1, 1, 1]
    assert result.delivery.counts == {"open credentials": 1000}
    ((why, count),) = result.delivery.why_open
    assert count == 1000
    assert why.told.startswith(
        "tiktok.default: credentials: 40002: all 1000 conversions were refused in the same way, 3 of"
    )
    assert len(result.logged) == 1
    result.deliver("later", account=account)
    assert len(result.answers.batches) == 6
    assert result.statuses()["later"] == "credentials"


def test_what_was_refused_for_the_account_is_sent_once_that_is_right(scene: Make) -> None:
    scene(BAD).deliver(*ids(8))
    assert scene(OK).deliver(*ids(8)).delivery.counts == {"accepted": 8}


def test_a_single_one_that_is_taken_shows_that_the_others_are_bad_themselves(scene: Make) -> None:
    result = scene(refusing("evt-0", "evt-5")).deliver(*ids(8))
    assert [len(batch) for batch in result.answers.batches[:4]] == [8, 4, 4, 1]
    assert result.delivery.counts == {"accepted": 6, "rejected": 2}


def test_a_single_one_that_is_refused_for_another_reason_shows_it_too(scene: Make) -> None:
    other = Response(status=200, body={"code": 40006, "message": "Something else."})
    result = scene(lambda event_ids: other if len(event_ids) == 1 else BAD)
    result.deliver(*ids(8))
    assert result.delivery.counts == {"rejected": 8}


def test_an_account_that_accepted_something_is_not_blamed_for_a_bad_batch(scene: Make) -> None:
    account = an_account()
    result = scene(OK, BAD).deliver("good", account=account).deliver(*ids(8), account=account)
    assert result.delivery.counts == {"accepted": 1, "rejected": 8}


def test_an_account_is_halted_though_each_refusal_names_an_event(scene: Make) -> None:
    named = Response(status=200, body={"code": 40002, "message": "Invalid value for data.0.event_id."})
    result = scene(named).deliver(*ids(500))
    assert [len(batch) for batch in result.answers.batches] == [500, 499, 498, 1, 1, 1]
    assert result.delivery.counts == {"rejected": 3, "open credentials": 497}


def test_a_few_named_ones_at_the_head_of_a_batch_do_not_halt_its_account(scene: Make) -> None:
    bad = ids(5)

    def answer(event_ids: list[str]) -> Said:
        at = next((index for index, event_id in enumerate(event_ids) if event_id in bad), None)
        if at is None:
            return OK
        return Response(status=200, body={"code": 40002, "message": f"Invalid value for data.{at}.event_id."})

    result = scene(answer).deliver(*ids(500))
    assert result.delivery.counts == {"accepted": 495, "rejected": 5}


def test_what_is_probed_when_another_batch_halts_the_account_stays_open(scene: Make) -> None:
    probed, closed = threading.Event(), threading.Event()

    def answer(event_ids: list[str]) -> Said:
        if event_ids == ["other"]:
            return NO_TOKEN
        if len(event_ids) == 1 and not probed.is_set():
            probed.set()
            assert closed.wait(PATIENCE)
        return BAD

    made = scene(answer)
    account = an_account(concurrency=2)
    made.delivery.submit(account, [made.queued(account, event_id) for event_id in ids(100)])
    assert probed.wait(PATIENCE)
    made.delivery.submit(account, [made.queued(account, "other")])
    assert made.place.changed.wait(PATIENCE)
    closed.set()
    assert made.delivery.settle()
    assert made.delivery.counts == {"open credentials": 101}


def test_two_bad_conversions_are_too_few_to_blame_their_account(scene: Make) -> None:
    assert scene(BAD).deliver("a", "b").delivery.counts == {"rejected": 2}


def test_no_answer_is_remembered_when_everything_is_refused_afterwards(scene: Make) -> None:
    result = scene(RESET, BAD).deliver(*ids(4))
    assert result.delivery.counts == {"open no_answer": 4}


def test_what_was_all_refused_before_keeps_its_refusal(scene: Make) -> None:
    account = an_account()
    scene(OK, refusing(*ids(8))).deliver("good", account=account).deliver(*ids(8), account=account)
    again = scene(BAD).deliver(*ids(8))
    assert len(again.answers.batches) == 6
    assert again.delivery.counts == {"rejected": 8}


def test_what_was_refused_before_keeps_its_refusal_when_the_account_is_halted(scene: Make) -> None:
    scene(BAD).deliver("a")
    again = scene(NO_TOKEN).deliver("b", "a")
    assert again.rows() == [("a", "rejected", ""), ("b", "open", "credentials")]


def test_conversions_refused_before_never_keep_the_others_from_being_sent(scene: Make) -> None:
    bad = [f"evt-{number}" for number in range(0, 200, 2)]
    for _ in range(12):
        result = scene(refusing(*bad)).deliver(*ids(200))
        if not result.delivery.counts.keys() & {"open transient"}:
            break
    statuses = result.statuses()
    assert sorted(event_id for event_id, status in statuses.items() if status == "rejected") == sorted(bad)
    assert sum(status == "accepted" for status in statuses.values()) == 100


def test_what_the_budget_leaves_open_is_not_blamed_for_its_neighbours(scene: Make) -> None:
    named = Response(status=200, body={"code": 40002, "message": "Invalid value for data.0.event_id."})
    account = an_account()
    result = scene(OK, named).deliver("good", account=account).deliver(*ids(200), account=account)
    assert result.rows("DISTINCT message", "deliveries WHERE status = 'open'") == [
        ("not settled within 64 requests for its batch",)
    ]


def test_a_redirect_is_nobodys_verdict(scene: Make) -> None:
    result = scene(Response(status=302)).deliver("a", account=an_account(max_attempts=2))
    assert result.rows() == [("a", "open", "transient")]


def test_a_request_id_with_an_underscore_is_one(scene: Make) -> None:
    result = scene(Response(status=200, body={"code": 0, "message": "OK", "request_id": "AK_aR-Y2"})).deliver("a")
    assert result.rows("network_request_id") == [("AK_aR-Y2",)]


class Correcting(TikTok):
    """Corrects, and says when in a field of its events."""

    def adjusts(self, conversion: Conversion) -> bool:
        return True

    def payload(self, conversion: Conversion) -> JSON:
        at = conversion.adjustment_time
        return {**super().payload(conversion), "adjusted_at": at and at.isoformat()}

    def redated(self, payload: bytes, adjusted_at: datetime) -> bytes:
        return msgspec.json.encode({**msgspec.json.decode(payload), "adjusted_at": adjusted_at.isoformat()})


CORRECTING = replace(
    an_account(), network=Correcting(TikTokSettings(pixel_code="D7VH38JC77U3LFDOLGRG", access_token="t"))
)


@pytest.mark.parametrize("first", [DOWN, RESET, BAD])
def test_a_correction_that_comes_again_keeps_the_time_at_which_it_was_read_first(scene: Make, first: Said) -> None:
    scene(first).deliver("a", account=CORRECTING, adjustment="retract")
    again = scene(OK)
    late = prepare(CORRECTING, a_conversion(event_id="a", adjustment="retract"), NOW + timedelta(hours=3), "s", 1)
    again.delivery.submit(CORRECTING, [Queued(late, again.place)])
    assert again.delivery.settle()
    ((sent,),) = [msgspec.json.decode(body)["data"] for body in again.answers.bodies]
    assert sent["adjusted_at"] == NOW.isoformat()
    assert again.rows("status, adjustment_time") == [("accepted", NOW.isoformat(timespec="milliseconds"))]


def test_a_restatement_is_sent_again_with_another_value_only(scene: Make) -> None:
    restated: dict[str, Any] = {"account": CORRECTING, "adjustment": "restate", "currency": "USD"}
    scene(OK).deliver("a", value=30, **restated)
    assert scene(OK).deliver("a", value="30.00", **restated).answers.batches == []
    assert scene(OK).deliver("a", value=31, **restated).answers.batches == [["a"]]
    assert scene(OK).deliver("a", account=CORRECTING, adjustment="retract").answers.batches == [["a"]]


class Warns(TikTok):
    """A network whose answers warn."""

    def warning(self, response: Response) -> str:
        return response.headers.get("x-warning", "")

    def note(self, payload: Mapping[str, Any]) -> str:
        return "sent without something"


def test_what_a_network_warns_of_is_logged_once_and_without_secrets(scene: Make) -> None:
    network = Warns(TikTokSettings(access_token="example-access-token", pixel_code="D7VH38JC77U3LFDOLGRG"))
    account = Account(section="tiktok", network=network, secrets=("example-access-token",))
    warning = {"x-warning": "old: example-access-token"}
    answers = (Response(status=503, headers=warning), Response(status=200, body={"code": 0}, headers=warning))
    result = scene(*answers).deliver("a", account=account)
    assert result.logged == ["tiktok.default: the network warns: old: ***"]


def test_what_a_network_wants_and_did_not_get_is_told_beside_the_verdict(scene: Make) -> None:
    network = Warns(TikTokSettings(access_token="t", pixel_code="D7VH38JC77U3LFDOLGRG"))
    result = scene(Response(status=200, body={"code": 0})).deliver(
        "a", account=Account(section="tiktok", network=network)
    )
    assert result.rows("status, message") == [("accepted", "sent without something")]


def test_of_what_is_refused_only_the_networks_reason_is_told(scene: Make) -> None:
    network = Warns(TikTokSettings(access_token="t", pixel_code="D7VH38JC77U3LFDOLGRG"))
    result = scene(Response(status=400)).deliver("a", account=Account(section="tiktok", network=network))
    assert result.rows("status, message") == [("rejected", "")]


def test_what_is_too_large_even_alone_says_so(scene: Make) -> None:
    result = scene(Response(status=413)).deliver("a", "b")
    assert result.answers.batches == [["a", "b"], ["a"], ["b"]]
    assert result.rows("status, reason") == [("rejected", "too_large")] * 2


@pytest.mark.parametrize("request_id", ["203.0.113.77 E.C.P.abc", "ada@example.com", "example-access-token", "x" * 65])
def test_a_request_id_that_may_be_an_echo_is_not_stored(scene: Make, request_id: str) -> None:
    result = scene(Response(status=200, body={"code": 0, "message": "OK", "request_id": request_id})).deliver("a")
    assert result.rows("network_request_id") == [("",)]


def test_what_the_budget_leaves_open_still_tells_which_request_it_was_in(scene: Make) -> None:
    result = scene(refusing(*ids(1000)[::2])).deliver(*ids(1000))
    assert result.rows("count(*)", "deliveries WHERE status = 'open' AND (attempt_id IS NULL OR attempts = 0)") == [
        (0,)
    ]


def test_a_retry_sends_the_same_bytes(scene: Make) -> None:
    result = scene(DOWN, RESET, OK).deliver("a", "b", email="ada@example.com")
    assert len({*result.answers.bodies}) == 1
    assert len(result.answers.bodies) == 3


@pytest.mark.parametrize(("said", "reason"), [(DOWN, "transient"), (BUSY, "throttled"), (REFUSED, "transient")])
def test_what_is_transient_is_tried_so_often_and_then_stays_open(scene: Make, said: Said, reason: str) -> None:
    result = scene(said).deliver("a", account=an_account(max_attempts=3))
    assert len(result.answers.batches) == 3
    assert result.rows() == [("a", "open", reason)]
    assert [row[0] for row in result.rows("status", "attempts")] == ["Retried", "Retried", "Failed"]


def test_no_answer_is_not_success_and_stays_so_whatever_follows(scene: Make) -> None:
    result = scene(RESET, DOWN).deliver("a", account=an_account(max_attempts=2))
    assert result.rows() == [("a", "open", "no_answer")]


def test_without_deduplication_an_unanswered_request_is_not_repeated(scene: Make) -> None:
    made = scene(RESET)
    account = an_account()
    queued = made.queued(account, "a")
    made.delivery.submit(account, [replace(queued, postback=replace(queued.postback, resend_seconds=None))])
    made.delivery.settle()
    assert len(made.answers.batches) == 1
    assert made.rows() == [("a", "open", "no_answer")]


def test_refused_credentials_halt_the_account_and_no_other(scene: Make) -> None:
    account = an_account(concurrency=1)
    made = scene(NO_TOKEN)
    made.deliver("a", account=account)
    made.deliver("b", account=account)
    assert len(made.answers.batches) == 1
    assert made.rows() == [("a", "open", "credentials"), ("b", "open", "credentials")]
    assert "credentials refused" in made.logged[0]
    made.answers._script = deque([OK])
    made.deliver("c", account=an_account(name="other"))
    assert made.statuses()["c"] == "accepted"


def test_an_account_past_its_limits_is_given_up_for_the_run(scene: Make) -> None:
    made = scene(DOWN)
    account = an_account(max_attempts=2, concurrency=1)
    made.deliver("a", account=account)
    made.deliver("b", account=account)
    assert len(made.answers.batches) == 2
    assert made.delivery.counts == {"open transient": 2}
    assert made.logged == ["tiktok.default: gave up; sending to this account stops for this run (HTTP 503, transient)"]


def test_an_account_that_accepted_something_meanwhile_is_not_given_up(scene: Make) -> None:
    asked, accepted = threading.Event(), threading.Event()

    def answer(event_ids: list[str]) -> Said:
        if event_ids != ["a"]:
            return OK
        asked.set()
        assert accepted.wait(PATIENCE)
        return DOWN

    made = scene(answer)
    account = an_account(max_attempts=1, concurrency=2)
    made.delivery.submit(account, [made.queued(account, "a")])
    assert asked.wait(PATIENCE)
    made.delivery.submit(account, [made.queued(account, "b")])
    assert made.place.changed.wait(PATIENCE)
    accepted.set()
    assert made.delivery.settle()
    made.deliver("c", account=account)
    assert made.statuses() == {"a": "transient", "b": "accepted", "c": "accepted"}


def test_what_was_never_sent_is_not_taken_for_unanswered_because_others_were(scene: Make) -> None:
    made = scene(RESET)
    account = an_account(max_attempts=1, concurrency=1)
    made.deliver("a", account=account)
    made.deliver("b", account=account)
    assert made.answers.batches == [["a"]]
    assert made.rows() == [("a", "open", "no_answer"), ("b", "open", "transient")]
    assert scene(OK).deliver("a", "b").statuses() == {"a": "accepted", "b": "accepted"}


def test_a_wait_that_is_too_long_leaves_the_rest_for_the_next_run(scene: Make) -> None:
    absurd = Response(status=429, headers={"retry-after": "864000"})
    result = scene(absurd).deliver("a")
    assert len(result.answers.batches) == 1
    assert result.rows() == [("a", "open", "throttled")]


def test_requests_keep_to_the_sections_pace_whatever_the_account(scene: Make) -> None:
    made = scene(OK, is_patient=True)
    for number, name in enumerate(["game_a", "game_b", "game_a"]):
        made.deliver(f"evt-{number}", account=an_account(name=name, requests_per_second=0.01))
    assert [round(seconds, -1) for seconds in made.waited if seconds > 1] == [100, 200]
    assert made.delivery.counts == {"accepted": 3}


def test_a_pace_gives_each_turn_its_time_and_saves_none_up() -> None:
    pace = Pace(0.01)
    threading.Event().wait(0.01)
    assert pace.turn() == 0
    assert 99 < pace.turn() <= 100
    assert 199 < pace.turn() <= 200


@pytest.mark.slow
def test_after_a_pause_that_the_network_asked_for_requests_keep_to_the_pace_again(scene: Make) -> None:
    times: list[float] = []
    first = Response(status=429, headers={"retry-after": "1"})

    def answer(_: list[str]) -> Said:
        times.append(time.monotonic())
        return OK if len(times) > 1 else first

    made = scene(answer)
    account = an_account(concurrency=5, requests_per_second=4)
    for number in range(5):
        made.delivery.submit(account, [made.queued(account, f"evt-{number}")])
    assert made.delivery.settle()
    assert made.delivery.counts == {"accepted": 5}
    after = [moment for moment in times if moment > times[0] + 0.9]
    assert len(after) >= 4
    assert after[-1] - after[0] > 0.3  # at once, without the pace


def test_a_pause_is_for_the_whole_account_even_if_its_batch_gives_up(scene: Make) -> None:
    asked, answered = threading.Event(), threading.Event()

    def answer(event_ids: list[str]) -> Said:
        if event_ids == ["a"]:
            asked.set()
            assert answered.wait(PATIENCE)
            return Response(status=429, headers={"retry-after": "864000"})
        return OK

    made = scene(answer)
    account = an_account(concurrency=2)
    made.delivery.submit(account, [made.queued(account, "a")])
    assert asked.wait(PATIENCE)
    made.delivery.submit(account, [made.queued(account, "b")])
    assert made.place.changed.wait(PATIENCE)
    answered.set()
    assert made.delivery.settle()
    made.deliver("c", account=account)
    assert made.statuses() == {"a": "throttled", "b": "accepted", "c": "throttled"}
    assert made.answers.batches == [["a"], ["b"]]


def test_retry_after_is_waited_for(scene: Make) -> None:
    made = scene(Response(status=429, headers={"retry-after": "7"}), OK, is_patient=True)
    made.deliver("a")
    assert round(max(made.waited)) == 7
    assert made.statuses() == {"a": "accepted"}


@pytest.mark.parametrize(
    ("retry_after", "asked"),
    [("86400", "24 h"), ("604800", "7 days"), ("5400", "90 min"), ("9" * 400, "11574074 days")],
)
def test_a_wait_that_is_too_long_for_a_run_is_told(scene: Make, retry_after: str, asked: str) -> None:
    made = scene(Response(status=429, headers={"retry-after": retry_after}))
    made.deliver("a")
    why = f"throttled: the network asks to wait {asked}"
    assert [each.told for each, _ in made.delivery.why_open] == [f"tiktok.default: {why}"]
    assert any(f"(HTTP 429, {why})" in line for line in made.logged)
    assert made.rows("message") == [(f"the network asks to wait {asked}",)]


@pytest.mark.parametrize(
    ("status", "reason", "came"),
    [
        (200, "transient", "a web page"),
        (400, "transient", "a web page"),
        (404, "transient", "a web page"),
        (302, "transient", "a redirect"),
        (403, "credentials", "a web page"),
        (511, "transient", "a web page"),
    ],
)
def test_a_page_of_somebody_else_is_told_with_what_to_do(scene: Make, status: int, reason: str, came: str) -> None:
    made = scene(Response(status=status, body="\n<!DOCTYPE html><title>Welcome to the guest WLAN</title>"))
    made.deliver("a", account=an_account(max_attempts=1))
    assert made.statuses() == {"a": reason}
    told = (
        f"{came} came instead of the network's answer: a captive portal, a proxy or a firewall is in between."
        " Sign in there, or have requests to business-api.tiktok.com let through"
    )
    assert made.rows("message") == [(told,)]


def test_a_page_of_a_failing_server_may_be_the_networks_own(scene: Make) -> None:
    made = scene(Response(status=503, body="<html>Service Unavailable"))
    made.deliver("a", account=an_account(max_attempts=1))
    assert made.rows("message") == [("",)]


class Patient(TikTok):
    """A network that wants to be left alone for a while once it throttles."""

    throttled_seconds = 60


def test_a_network_that_throttles_without_a_word_is_left_alone_as_long_as_it_wants(scene: Make) -> None:
    made = scene(Response(status=429), OK, is_patient=True)
    network = Patient(TikTokSettings(access_token="t", pixel_code="D7VH38JC77U3LFDOLGRG"))
    made.deliver("a", account=Account(section="tiktok", network=network))
    assert 60.1 < max(made.waited) < 75  # not all runs come back at one time
    assert made.statuses() == {"a": "accepted"}


def later(made: Scene, **passed: float) -> Scene:
    made.clock = lambda: NOW + timedelta(**passed)
    return made


def test_no_answer_in_an_earlier_run_is_followed_by_a_repetition_while_the_network_recognizes_it(scene: Make) -> None:
    scene(RESET).deliver("a", account=an_account(max_attempts=1))
    result = later(scene(OK), hours=47).deliver("a")
    assert result.answers.batches == [["a"]]
    assert result.delivery.counts == {"accepted": 1}


def test_after_that_it_stays_open_and_says_how_to_settle_it(scene: Make) -> None:
    scene(RESET).deliver("a", account=an_account(max_attempts=1))
    result = later(scene(OK), hours=48, minutes=-4).deliver("a", "b")
    assert result.answers.batches == [["b"]]
    assert result.delivery.counts == {"accepted": 1, "open no_answer": 1}
    assert result.statuses() == {"a": "no_answer", "b": "accepted"}
    assert "adpostbacks resolve EVENT_ID --as accepted|resend" in result.delivery.why_open[0][0].told
    assert result.place.held == 1


def test_silence_is_counted_from_the_first_time_whatever_was_said_since(scene: Make) -> None:
    account = an_account(max_attempts=1)
    scene(RESET).deliver("a", account=account)
    for hours, said in ((20, RESET), (30, BUSY), (40, DOWN)):
        made = later(scene(said), hours=hours).deliver("a", account=account)
        assert made.rows("reason, sent_at") == [("no_answer", NOW.isoformat(timespec="milliseconds"))]
    assert later(scene(OK), hours=49).deliver("a", account=account).answers.batches == []


def test_without_deduplication_a_later_run_does_not_send_again_either(scene: Make) -> None:
    scene(RESET).deliver("a", account=an_account(max_attempts=1))
    made = scene(OK)
    account = an_account()
    queued = made.queued(account, "a")
    made.delivery.submit(account, [replace(queued, postback=replace(queued.postback, resend_seconds=None))])
    made.delivery.settle()
    assert made.answers.batches == []
    assert made.rows() == [("a", "open", "no_answer")]


def test_what_is_resolved_as_resend_is_sent(scene: Make) -> None:
    made = scene(RESET).deliver("a", account=an_account(max_attempts=1))
    made.ledger.resolve("a", "resend", "2026-11-23T00:00:00.000+00:00")
    assert later(scene(OK), hours=100).deliver("a").answers.batches == [["a"]]


def test_what_another_run_is_sending_stays_open_and_is_not_sent(scene: Make) -> None:
    made = scene(OK)
    other = Ledger(f"sqlite:///{made.path}", "run-2")
    assert other.claim("tiktok", "D7VH38JC77U3LFDOLGRG")
    made.deliver("a")
    other.close()
    assert made.answers.batches == []
    assert made.rows() == [("a", "open", "busy")]
    assert made.deliver("b").statuses() == {"a": "busy", "b": "accepted"}


def test_another_runs_end_is_waited_for(scene: Make) -> None:
    made = scene(OK, is_patient=True, lock_wait_seconds=1000)
    other = Ledger(f"sqlite:///{made.path}", "run-2")
    assert other.claim("tiktok", "D7VH38JC77U3LFDOLGRG")

    def close_the_other() -> bool:
        if len(made.waited) == 3:
            other.close()
        return False

    made.waiting = close_the_other
    made.deliver("a")
    assert (made.statuses(), len(made.waited)) == ({"a": "accepted"}, 3)
    assert made.informed == ["tiktok.default: another run is sending to it; waiting for its end."]


def test_a_signal_ends_the_wait_for_another_run(scene: Make) -> None:
    made = scene(OK, is_patient=True, lock_wait_seconds=1000)
    other = Ledger(f"sqlite:///{made.path}", "run-2")
    assert other.claim("tiktok", "D7VH38JC77U3LFDOLGRG")
    made.waiting = lambda: True
    made.deliver("a")
    other.close()
    assert (made.statuses(), len(made.waited)) == ({"a": "busy"}, 1)


def test_the_batches_of_an_asset_share_one_wait_for_another_run(scene: Make) -> None:
    made = scene(OK, is_patient=True, lock_wait_seconds=0.2)
    made.waiting = lambda: threading.Event().wait(0.3)
    other = Ledger(f"sqlite:///{made.path}", "run-2")
    assert other.claim("tiktok", "D7VH38JC77U3LFDOLGRG")
    for number in range(20):
        made.deliver(f"evt-{number}")
    other.close()
    assert {*made.statuses().values()} == {"busy"}
    assert (len(made.waited), len(made.informed)) == (1, 1)


def test_accounts_wait_for_other_runs_side_by_side(scene: Make) -> None:
    made = scene(OK, is_patient=True, lock_wait_seconds=1000)
    other = Ledger(f"sqlite:///{made.path}", "run-2")
    accounts = [an_account(name=name, pixel_code=name.upper() * 10) for name in ("aa", "bb")]
    for account in accounts:
        assert other.claim("tiktok", account.network.settings.pixel_code if account.network else "")
    both = threading.Barrier(2, timeout=PATIENCE)

    def meet() -> bool:
        both.wait()
        return True

    made.waiting = meet
    for account in accounts:
        made.delivery.submit(account, [made.queued(account, account.name)])
    made.delivery.settle()
    other.close()
    assert made.statuses() == {"aa": "busy", "bb": "busy"}


@pytest.mark.parametrize("scene", ["full"], indirect=True)  # a compact ledger does not know what was sent
def test_the_same_id_with_another_value_is_told_and_what_was_accepted_stays(scene: Make) -> None:
    scene(OK).deliver("a", "b", value=10, currency="USD")
    result = scene(OK).deliver("a", "b", value=12, currency="USD")
    assert result.answers.batches == []
    assert result.delivery.differences == {"tiktok.default: value": 2}
    assert result.rows("value") == [(10.0,), (10.0,)]


def test_the_same_id_twice_in_a_run_with_another_value_is_told_too(scene: Make) -> None:
    made = scene(OK)
    account = an_account()
    batch = [made.queued(account, "a", value=value, currency="USD") for value in (1, 2)]
    made.delivery.submit(account, batch)
    made.delivery.settle()
    assert made.delivery.differences == {"tiktok.default: value": 1}


@pytest.mark.parametrize("scene", ["full"], indirect=True)  # as above
@pytest.mark.parametrize("apart", [True, False])
def test_what_differs_does_so_from_what_was_sent_first_whatever_is_under_way(scene: Make, *, apart: bool) -> None:
    account = an_account()
    assert scene(OK).deliver("a", value=1, currency="USD").delivery.differences == {}
    again = scene(OK)
    batch = [again.queued(account, "a", value=value, currency="USD") for value in (2, 1, 1, 1)]
    for each in [[queued] for queued in batch] if apart else [batch]:
        again.delivery.submit(account, each)
        again.delivery.settle()
    assert again.delivery.counts == {"already accepted": 4}
    assert again.delivery.differences == {"tiktok.default: value": 1}


def test_what_the_ledger_has_forgotten_differs_in_nothing(scene: Make) -> None:
    made = scene(OK).deliver("a", value=1, currency="EUR")
    made.ledger.expire((NOW + timedelta(1)).isoformat())
    again = scene(OK).deliver("a", value=1, currency="EUR")
    assert (again.delivery.counts, again.delivery.differences) == ({"already accepted": 1}, {})


def test_what_comes_again_as_it_was_differs_in_nothing(scene: Make) -> None:
    record: dict[str, Any] = {"value": 0.1 + 0.2, "currency": "EUR", "email": "ada@example.com"}
    scene(OK).deliver("a", **record)
    assert scene(OK).deliver("a", **record).delivery.differences == {}


def test_stopping_ends_waits_and_leaves_the_unsent_open(scene: Make) -> None:
    made = scene(OK)
    made.delivery.stop()
    made.deliver("a")
    assert made.answers.batches == []
    assert made.rows() == [("a", "open", "transient")]
    assert (made.place.settled, made.place.held) == (0, 1)


def test_a_run_that_is_stopped_after_no_answer_keeps_the_doubt(scene: Make) -> None:
    made = scene(RESET)
    answer = made.answers._script[0]

    def stop_then_say(_: list[str]) -> Said:
        made.delivery.stop()
        return answer  # type: ignore[return-value]

    made.answers._script = deque([stop_then_say])
    made.deliver("a")
    assert made.rows() == [("a", "open", "no_answer")]


def cut_short(scene: Make, asked: str, waiting: str) -> Scene:
    """A run that is ended while one conversion is in a request and another waits for its turn."""
    under_way, over = threading.Event(), threading.Event()

    def answer(_: list[str]) -> Said:
        under_way.set()
        assert over.wait(PATIENCE)
        return OK

    made = scene(answer)
    account = an_account(concurrency=1)
    made.delivery.submit(account, [made.queued(account, asked)])
    assert under_way.wait(PATIENCE)
    made.delivery.submit(account, [made.queued(account, waiting)])
    made.delivery.stop()
    made.delivery.abandon()
    over.set()
    return made


@pytest.mark.slow
def test_what_was_answered_but_not_written_down_when_the_run_was_cut_short_is_unanswered(scene: Make) -> None:
    answered = threading.Event()

    def answer(_: list[str]) -> Said:
        answered.set()
        return OK

    made = scene(answer)
    account = an_account()
    with closing(sqlite3.connect(made.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the verdict can't be committed
        made.delivery.submit(account, [made.queued(account, "a")])
        assert answered.wait(PATIENCE)
        made.delivery.stop()
        made.delivery.abandon()
        other.execute("COMMIT")
    assert made.delivery.settle()
    assert +made.delivery.counts == {"open no_answer": 1}


def test_the_doubt_about_an_earlier_run_outlives_a_run_that_is_cut_short(scene: Make) -> None:
    scene(RESET).deliver("x", account=an_account(max_attempts=1))
    made = cut_short(scene, "a", "x")
    assert ("x", "open", "no_answer") in made.rows()


def stopped_while_waiting(made: Scene, answer: Said) -> list[Any]:
    """Stop a run while the network has its request, then let the network answer; the rows of the time between."""
    has_it, may_answer = threading.Event(), threading.Event()

    def answer_late(_: list[str]) -> Said:
        has_it.set()
        assert may_answer.wait(PATIENCE)
        return answer

    made.answers = Answers(answer_late)
    made.delivery._transport = made.answers
    made.delivery.submit(an_account(), [made.queued(an_account(), "a")])
    assert has_it.wait(PATIENCE)
    made.delivery.stop()
    between: list[Any] = []

    def look() -> bool:
        between[:] = between or made.rows()
        may_answer.set()
        return False

    assert made.delivery.settle(look)
    return between


@pytest.mark.parametrize(
    ("answer", "row"),
    [
        (OK, ("a", "accepted", "")),
        (BAD, ("a", "rejected", "")),
        (BUSY, ("a", "open", "throttled")),
        (NO_TOKEN, ("a", "open", "credentials")),
        (REFUSED, ("a", "open", "transient")),
        (RESET, ("a", "open", "no_answer")),
    ],
)
def test_what_is_under_way_at_a_signal_is_noted_at_once_and_any_answer_overwrites_it(
    scene: Make, answer: Said, row: tuple[str, ...]
) -> None:
    made = scene(OK)
    assert stopped_while_waiting(made, answer) == [("a", "open", "no_answer")]
    assert made.rows() == [row]
    (told,) = made.informed
    assert told.startswith("Stopping: 1 conversions are under way")


def test_what_is_noted_of_a_repeated_refusal_stays_open_where_no_verdict_comes(scene: Make) -> None:
    scene(BAD).deliver("a")
    made = scene(OK)
    assert stopped_while_waiting(made, BUSY) == [("a", "open", "no_answer")]
    assert made.rows() == [("a", "open", "throttled")]
    assert made.delivery.counts == {"open throttled": 1}


def test_a_signal_notes_nothing_where_no_request_is_under_way(scene: Make) -> None:
    made = scene(OK).deliver("a")
    made.delivery.stop()
    made.deliver("b")
    assert made.rows() == [("a", "accepted", ""), ("b", "open", "transient")]
    assert made.informed == []


def test_the_doubt_outlives_refused_credentials(scene: Make) -> None:
    assert scene(RESET, NO_TOKEN).deliver("a").rows() == [("a", "open", "no_answer")]


def test_the_doubt_about_a_half_is_its_own_when_everything_is_refused(scene: Make) -> None:
    lost: set[str] = set()

    def answer(event_ids: list[str]) -> Said:
        if len(event_ids) == 4 and not lost:
            lost.update(event_ids)
            return RESET
        return BAD

    statuses = scene(answer).deliver(*ids(8)).statuses()
    assert statuses == {name: "no_answer" if name in lost else "credentials" for name in ids(8)}


def test_the_doubt_about_a_probe_is_its_own(scene: Make) -> None:
    lost: list[str] = []

    def answer(event_ids: list[str]) -> Said:
        if len(event_ids) == 1 and not lost:
            lost.extend(event_ids)
            return RESET
        return BAD

    statuses = scene(answer).deliver(*ids(100)).statuses()
    assert [event_id for event_id, status in statuses.items() if status == "no_answer"] == lost
    assert {*statuses.values()} == {"no_answer", "credentials"}


def test_nothing_is_sent_once_the_run_was_cut_short(scene: Make) -> None:
    made = scene(OK)
    cut: list[datetime] = []

    def clock() -> datetime:  # first asked right before the request
        if not cut:
            cut.append(NOW)
            made.delivery.stop()
            made.delivery.abandon()
        return NOW

    made.clock = clock
    made.deliver("a")
    assert made.answers.batches == []
    assert made.rows() == [("a", "open", "transient")]


@pytest.mark.parametrize("scene", ["full"], indirect=True)  # the answer may still come, and is told before it is kept
def test_what_only_waited_when_the_run_was_cut_short_was_never_sent(scene: Make) -> None:
    made = cut_short(scene, "a", "b")
    assert +made.delivery.counts == {"open no_answer": 1, "open transient": 1}
    assert made.rows("event_id, reason, sent_at IS NULL") == [("a", "no_answer", False), ("b", "transient", True)]


def test_a_partial_answer_with_a_name_is_refused_unconfirmed_for_all(scene: Make) -> None:
    partial = Response(status=200, body={"code": 20001, "message": "Invalid value for data.0.event_id."})
    result = scene(partial).deliver("a", "b")
    assert len(result.answers.batches) == 1
    assert result.rows() == [("a", "rejected", "unconfirmed"), ("b", "rejected", "unconfirmed")]


def test_a_conversion_that_changed_while_it_was_unanswered_is_told(scene: Make) -> None:
    scene(RESET).deliver("a", value=1.5, currency="EUR", account=an_account(max_attempts=1))
    again = scene(OK).deliver("a", value=99.0, currency="EUR")
    assert again.delivery.differences == {"tiktok.default: value": 1}


def test_an_asset_that_was_lost_in_mid_run_gets_nothing_more(scene: Make) -> None:
    made = scene(BUSY, OK)
    answer = made.answers._script[0]

    def lose(_: list[str]) -> Said:
        for lock in made.path.parent.glob(".*.locks/*.lock"):
            lock.unlink()
        return answer  # type: ignore[return-value]

    made.answers._script = deque([lose, OK])
    made.deliver("a")
    assert len(made.answers.batches) == 1
    assert "lost" in str(made.delivery.failed)


def test_why_it_is_open_is_told_for_each_of_the_same_id(scene: Make) -> None:
    made = scene(DOWN)
    account = an_account(max_attempts=1)
    made.delivery.submit(account, [made.queued(account, "a") for _ in range(3)])
    assert made.delivery.settle()
    assert made.delivery.counts == {"open transient": 3}
    assert [count for _, count in made.delivery.why_open] == [3]


def test_a_partial_answer_without_names_is_refused_unconfirmed_and_not_resent(scene: Make) -> None:
    result = scene(Response(status=200, body={"code": 20001, "message": "partial"})).deliver("a", "b")
    assert len(result.answers.batches) == 1
    assert result.rows() == [("a", "rejected", "unconfirmed"), ("b", "rejected", "unconfirmed")]


def test_what_the_network_echoes_of_us_is_not_stored(scene: Make) -> None:
    echo = Response(
        status=200,
        body={"code": 40002, "message": "bad ada@example.com, token example-access-token, id E.C.P.abc\x1b[2J"},
    )
    result = scene(echo).deliver("a", email="ada@example.com")
    ((message,),) = result.rows("message")
    assert message == "bad ***, token ***, id *** [2J"


def test_different_words_for_each_of_many_are_not_all_searched_and_not_all_kept(scene: Make) -> None:
    class Wordy(TikTok):
        def outcomes(self, response: Response, count: int) -> list[Outcome]:
            return [Outcome(Verdict.REJECTED, "7", f"evt-{number} is bad: {number}") for number in range(count)]

    account = an_account()
    wordy = Wordy(account.network.settings)  # type: ignore[union-attr]
    result = scene(OK).deliver(*ids(100), account=replace(account, network=wordy))
    messages = [message for (message,) in result.rows("message")]
    assert messages[1] == "*** is bad: 1"
    assert len({*messages}) == 21
    assert not [message for message in messages if "evt-" in message]


def test_skips_are_stored_and_let_their_state_pass(scene: Make) -> None:
    made = scene(OK)
    key = Key("", "", "purchase", "evt-1", "", False)
    made.delivery.skip([Skipped(row_of(NotSent(key, "", Facts("s", 4, None), "organic")), made.place)])
    made.delivery.settle()
    assert made.rows("event_id, status, reason, line") == [("evt-1", "skipped", "organic", 4)]
    assert made.place.settled == 1
    assert made.delivery.counts == {"skipped organic": 1}


@pytest.mark.parametrize("together", [1, 2, 4])
def test_which_of_several_skips_of_one_id_stands_is_no_matter_of_how_many_are_stored_at_once(
    scene: Make, together: int
) -> None:
    made = scene(OK)
    key = Key("", "", "purchase", "evt-1", "", False)
    reasons = ["organic", "too_old", "too_old"]
    rows = [NotSent(key, "", Facts("s", line, None), reason) for line, reason in enumerate(reasons, 1)]
    for at in range(0, len(rows), together):
        made.delivery.skip([Skipped(row_of(row), made.place) for row in rows[at : at + together]])
    made.delivery.settle()
    assert made.rows("event_id, status, reason, line") == [("evt-1", "skipped", "too_old", 2)]
    assert made.delivery.counts == {"skipped organic": 1, "skipped too_old": 2}


def test_a_ledger_that_fails_keeps_state_and_ends_the_run(scene: Make) -> None:
    made = scene(OK)
    connection = sqlite3.connect(made.path)
    connection.execute("DROP TABLE deliveries")
    connection.close()
    made.deliver("a")
    assert made.delivery.failed
    assert made.delivery.stopping.is_set()
    assert (made.place.settled, made.place.held) == (0, 1)


def test_requests_of_an_account_overlap_up_to_its_concurrency(scene: Make) -> None:
    under_way, most, lock, together = 0, 0, threading.Lock(), threading.Barrier(3, timeout=PATIENCE)

    def slow(_: list[str]) -> Said:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        together.wait()
        with lock:
            under_way -= 1
        return OK

    made = scene(slow)
    account = an_account(concurrency=3)
    for number in range(6):
        made.delivery.submit(account, [made.queued(account, f"evt-{number}")])
    assert made.delivery.settle()
    assert most == 3


def test_the_reader_waits_once_too_many_are_under_way(scene: Make) -> None:
    gate = threading.Event()

    def slow(_: list[str]) -> Said:
        gate.wait(PATIENCE)
        return OK

    made = scene(slow)
    account = an_account(concurrency=1)
    submitted: list[int] = []

    def submit() -> None:
        for number in range(6):
            made.delivery.submit(account, [made.queued(account, f"evt-{number}")])
            submitted.append(number)

    waiting = threading.Event()
    made.delivery.idle = waiting.set
    reader = threading.Thread(target=submit)
    reader.start()
    assert waiting.wait(PATIENCE)
    assert len(submitted) == 3  # one under way, two that wait
    gate.set()
    reader.join()
    made.delivery.settle()
    assert made.delivery.counts == {"accepted": 6}


def test_pauses_grow_to_a_minute_with_full_jitter() -> None:
    longest: Sequence[float] = [
        max(values) for values in zip(*(itertools.islice(pauses(), 9) for _ in range(300)), strict=True)
    ]
    for limit, seen in zip([1, 2, 4, 8, 16, 32, 60, 60, 60], longest, strict=True):
        assert limit / 2 < seen <= limit


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("30", 30.0),
        (" 7 ", 7.0),
        ("Fri, 20 Nov 2026 12:06:00 GMT", 60.0),
        ("Fri, 20 Nov 2026 12:00:00 GMT", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("9" * 400, 999_999_999_999.0),
        ("Mon, 99999999999999999999999 Jan 2020 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2020 00:00:00 +99999999999999999", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, expected: float) -> None:
    assert seconds(header, NOW) == expected
    assert seconds(header, (NOW + timedelta(0)).astimezone(timezone(timedelta(hours=9)))) == expected


def test_the_clock_of_a_row_is_the_clock_that_was_passed_in(scene: Make) -> None:
    assert scene(OK).deliver("a").rows("sent_at, updated_at") == [(NOW.isoformat(timespec="milliseconds"),) * 2]
    assert isinstance(NOW, datetime)
