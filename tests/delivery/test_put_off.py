"""A source's correction that comes before its original waits for more of the input, and state does not pass it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from counted_mark import Counted
from test_in_turn import APIS, DOWN, Google, OfASource, a_run, finished, once_down, purchase, restated, skipped, values

from target_adpostbacks.delivery import put_off
from target_adpostbacks.run import Run


def sent_on(run: Run) -> None:
    """Let all that waits for a batch be sent, and wait for what is under way."""
    run.tick()
    for account in run._accounts:
        run._delivery.finish(account)


@pytest.mark.parametrize("api", APIS)
def test_a_correction_that_comes_before_its_original_is_sent_after_it(tmp_path: Path, api: str) -> None:
    google = Google(once_down())
    run, mark = a_run(tmp_path, google, kind=OfASource, api=api, age=0), Counted()
    run.add(restated(1, 4), mark)
    sent_on(run)
    assert (google.taken, mark.expected, mark.settled, mark.held) == ([], 1, 0, 0)
    finished(run, purchase(1, 5), restated(2, 6))
    assert (values(google, 1), run.tally.accepted, run.tally.skipped) == ([5, 4], 2, {"by_rule": 1})
    assert (mark.settled, mark.held) == (1, 0)
    again = Google()
    run = finished(a_run(tmp_path, again, kind=OfASource, api=api), restated(1, 4), purchase(1, 5), restated(2, 6))
    assert (again.taken, run.tally.already_accepted, run.tally.skipped) == ([], 2, {"by_rule": 1})


def test_a_later_correction_does_not_overtake_one_that_waits(tmp_path: Path) -> None:
    google = Google()
    run = a_run(tmp_path, google, kind=OfASource, age=0)
    for record in (restated(1, 4), purchase(1, 5), restated(1, 3), restated(1, 2)):
        run.add(record)
        sent_on(run)
    assert values(google, 1) == [5]
    assert finished(run).tally.accepted == 4
    assert values(google, 1) == [5, 4, 3, 2]


def test_a_correction_that_comes_twice_before_its_original_is_sent_once(tmp_path: Path) -> None:
    google = Google()
    run = finished(a_run(tmp_path, google, kind=OfASource), restated(1, 4), restated(1, 4), purchase(1, 5))
    assert (values(google, 1), run.tally.accepted, run.tally.already_accepted) == ([5, 4], 2, 1)


def test_a_correction_waits_for_an_original_that_an_earlier_run_left_open(tmp_path: Path) -> None:
    down = finished(a_run(tmp_path, Google(lambda _: DOWN), kind=OfASource), restated(1, 4), purchase(1, 5))
    assert down.tally.open == {"transient": 2}
    up = Google()
    run = a_run(tmp_path, up, kind=OfASource, age=0)
    run.add(restated(1, 4))
    sent_on(run)
    assert finished(run, purchase(1, 5)).tally.accepted == 2
    assert values(up, 1) == [5, 4]


def test_a_run_that_is_stopped_leaves_open_what_waits_for_the_rest_of_the_input(tmp_path: Path) -> None:
    run, mark = a_run(tmp_path, Google(), kind=OfASource, age=0), Counted()
    run.add(restated(1, 4), mark)
    sent_on(run)
    run.add(restated(2, 4), mark)
    run.stop()
    assert finished(run).tally.open == {"transient": 2}
    assert (mark.settled, mark.held, skipped(tmp_path)) == (0, 2, [])
    google = Google()
    run = finished(a_run(tmp_path, google, kind=OfASource), restated(1, 4), purchase(1, 5))
    assert (values(google, 1), run.tally.accepted) == ([5, 4], 2)


@pytest.mark.parametrize(("limit", "most"), [("MOST_PUT_OFF", 2), ("LONGEST_SECONDS", 0)])
def test_state_is_not_held_back_for_longer_or_by_more_than_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(put_off, limit, most)
    run, mark = a_run(tmp_path, Google(), kind=OfASource, age=0), Counted()
    for number in range(3):
        run.add(restated(number, 4), mark)
    for _ in range(2):
        sent_on(run)
    assert mark.settled == 3
    assert finished(run).tally.skipped == {"by_rule": 3}


def test_corrections_may_wait_on_several_threads(tmp_path: Path) -> None:
    google = Google(once_down())
    numbers = range(60)
    records: list[dict[str, Any]] = [restated(number, 4) for number in numbers]
    run = a_run(tmp_path, google, kind=OfASource, batch=3, age=0, concurrency=4)
    for number, record in enumerate((*records, *(purchase(number, 5) for number in numbers))):
        run.add(record)
        if number % 7 == 0:
            run.tick()
    assert finished(run).tally.accepted == 120
    assert [values(google, number) for number in numbers] == [[5, 4]] * 60
