"""Whoever is erased while a run is under way: what waits is not sent, and what went unanswered holds nothing back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, a_conversion, an_account
from test_delivery import DOWN, OK, RESET, Answers, Place, Said

from target_adpostbacks.core.digests import digests, fingerprint, forms_of
from target_adpostbacks.core.postback import prepare
from target_adpostbacks.delivery.delivery import Delivery
from target_adpostbacks.delivery.people import People
from target_adpostbacks.delivery.queued import Queued
from target_adpostbacks.ledger import Ledger

KEY = "0123456789abcdef0123456789abcdef"
ADA, GRACE = "ada@example.com", "grace@example.com"


class Scene:
    """Deliveries of one ledger, and the person who may be erased meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/ledger.db"
        self.file = folder / "ledger.db"
        self.now = NOW

    def erase(self, email: str = ADA) -> None:
        with closing(Ledger(self.url)) as ledger:
            ledger.erasure.erase(digests("email", email, KEY), fingerprint(KEY), NOW.isoformat())

    def then(self, said: Said) -> Callable[[list[str]], Said]:
        """An answer, after which she is erased."""

        def answer(_: list[str]) -> Said:
            self.erase()
            return said

        return answer

    def deliver(self, *script: Any, index: bool = False, **settings: Any) -> tuple[Answers, Place, dict[str, int]]:
        """Two conversions in one batch, hers and another's."""
        answers, place, account = Answers(*script), Place(), an_account(**settings)
        with closing(Ledger(self.url, f"run-{self.now.timestamp()}")) as ledger:
            people = People(ledger.erasure, KEY, has_index=index)
            waits: dict[str, Any] = {"pauses": lambda: iter(lambda: 0.0, 1), "wait": lambda _: False}
            delivery = Delivery(ledger, answers, clock=lambda: self.now, people=people, **waits)
            batch = []
            for event_id, email in (("hers", ADA), ("other", GRACE)):
                c = a_conversion(event_id=event_id, email=email)
                queued = Queued(prepare(account, c, NOW, "s", 1), place)
                queued.person = forms_of(c)
                batch.append(queued)
            delivery.submit(account, batch)
            assert delivery.settle()
            delivery.close()
            return answers, place, dict(delivery.counts)

    def rows(self, query: str = "SELECT event_id, status, reason FROM deliveries ORDER BY 1") -> list[Any]:
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_batch_that_is_tried_again_leaves_out_whoever_was_erased_since(scene: Scene) -> None:
    answers, place, counts = scene.deliver(scene.then(DOWN), OK)
    assert answers.batches == [["hers", "other"], ["other"]]
    assert scene.rows() == [("hers", "skipped", "suppressed"), ("other", "accepted", "")]
    assert (place.settled, place.held, counts) == (2, 0, {"skipped suppressed": 1, "accepted": 1})


def test_what_went_unanswered_before_stays_so_and_holds_nothing_back(scene: Scene) -> None:
    answers, place, counts = scene.deliver(scene.then(RESET), OK)
    assert answers.batches == [["hers", "other"], ["other"]]
    assert scene.rows() == [("hers", "open", "no_answer"), ("other", "accepted", "")]
    assert (place.settled, place.held, counts) == (2, 0, {"skipped suppressed": 1, "accepted": 1})
    ((sent_at, message),) = scene.rows("SELECT sent_at, message FROM deliveries WHERE event_id = 'hers'")
    assert sent_at == NOW.isoformat(timespec="milliseconds")
    assert "not sent again" in message


def test_a_batch_of_which_nobody_is_left_makes_no_request(scene: Scene) -> None:
    scene.erase()
    scene.erase(GRACE)
    answers, place, counts = scene.deliver(OK)
    assert (answers.batches, place.settled, counts) == ([], 2, {"skipped suppressed": 2})


def test_what_is_too_late_to_be_repeated_holds_nothing_back_either(scene: Scene) -> None:
    scene.deliver(RESET, max_attempts=1)
    assert {row[2] for row in scene.rows()} == {"no_answer"}
    hers = "SELECT * FROM deliveries WHERE event_id = 'hers'"
    before = scene.rows(hers)
    scene.erase()
    scene.now = NOW + timedelta(days=10)
    answers, place, counts = scene.deliver(OK)
    assert (answers.batches, place.settled, place.held) == ([], 1, 1)
    assert counts == {"skipped suppressed": 1, "open no_answer": 1}
    assert scene.rows(hers) == before


@pytest.mark.parametrize(("said", "reason"), [(DOWN, "suppressed"), (RESET, "no_answer")])
def test_whatever_was_in_a_request_is_found_by_the_index(scene: Scene, said: Said, reason: str) -> None:
    scene.deliver(scene.then(said), OK, index=True)
    with closing(Ledger(scene.url)) as ledger:
        for email, told in ((GRACE, ("other", "")), (ADA, ("hers", reason))):
            (found,) = ledger.erasure.of_person(digests("email", email, KEY))
            assert (found.delivery["event_id"], found.delivery["reason"]) == told
            assert found.delivery["match_keys"] == "email,ttclid"
            assert found.requested == NOW.isoformat(timespec="milliseconds")


def test_what_grows_too_old_after_an_answer_that_was_no_verdict_is_found_by_the_index_as_sent(scene: Scene) -> None:
    def answer(_: list[str]) -> Said:
        scene.now += timedelta(days=100)
        return DOWN

    sent_at = scene.now.isoformat(timespec="milliseconds")
    scene.deliver(answer, index=True)
    assert {row[1:] for row in scene.rows()} == {("skipped", "too_old")}
    with closing(Ledger(scene.url)) as ledger:
        (found,) = ledger.erasure.of_person(digests("email", ADA, KEY))
    assert (found.delivery["reason"], found.requested) == ("too_old", sent_at)
    assert scene.rows("SELECT DISTINCT http_status, attempts FROM deliveries") == [(503, 1)]


def test_without_an_index_nothing_says_whose_a_delivery_is(scene: Scene) -> None:
    scene.deliver(OK)
    assert scene.rows("SELECT count(*) FROM erasure_index") == [(0,)]
