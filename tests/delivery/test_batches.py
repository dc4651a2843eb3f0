"""Batches fill by envelope, and none waits longer than it may."""

from __future__ import annotations

import msgspec
from conftest import NOW, a_conversion, an_account
from hypothesis import given
from hypothesis import strategies as st

from target_adpostbacks.core.postback import prepare
from target_adpostbacks.delivery.batches import Batches
from target_adpostbacks.delivery.queued import UNMARKED, Queued

ACCOUNT = an_account(test_event_code="TEST1")


def queued(number: int, **changes: object) -> Queued:
    return Queued(prepare(ACCOUNT, a_conversion(event_id=f"evt-{number}", **changes), NOW), UNMARKED)


def event_ids(batches: list[list[Queued]]) -> list[list[str]]:
    return [[each.postback.key.event_id for each in batch] for batch in batches]


def test_a_rare_envelope_beside_a_busy_one_is_due_in_its_own_time() -> None:
    seconds = [0.0]
    batches = Batches(ACCOUNT, 2, clock=lambda: seconds[0])
    assert batches.add(queued(0, test=True)) == []
    seconds[0] = 3600
    assert batches.add(queued(1)) == []
    assert event_ids(batches.add(queued(2))) == [["evt-1", "evt-2"]]
    assert batches.add(queued(3)) == []
    assert event_ids(batches.due(3600)) == [["evt-0"]]
    assert batches.due(3600) == []
    assert event_ids(batches.due()) == [["evt-3"]]


def test_of_batches_that_are_due_the_one_with_the_earliest_deadline_comes_first() -> None:
    batches = Batches(ACCOUNT)
    batches.add(queued(0))
    batches.add(queued(1, test=True, event_time="2026-11-20T11:00:00Z"))
    assert event_ids(batches.due()) == [["evt-1"], ["evt-0"]]


def test_a_batch_keeps_room_for_its_envelope() -> None:
    assert ACCOUNT.network
    one = queued(0, description="x" * 500_000)
    room = ACCOUNT.network.limits(one.postback.envelope).bytes
    batches = Batches(ACCOUNT)
    assert batches.add(one) == []
    rest = room - 4096 - 2 * (len(one.postback.payload) + 1)
    fits = queued(1, description="x" * (500_000 + rest))
    assert batches.add(fits) == []
    assert event_ids(batches.add(queued(2))) == [["evt-0", "evt-1"]]


def test_a_batch_is_sent_before_it_is_too_large() -> None:
    assert ACCOUNT.network
    one = queued(0, description="x" * 500_000)
    room = ACCOUNT.network.limits(one.postback.envelope).bytes
    batches = Batches(ACCOUNT)
    batches.add(one)
    rest = room - 4096 - 2 * (len(one.postback.payload) + 1)
    assert event_ids(batches.add(queued(1, description="x" * (500_001 + rest)))) == [["evt-0"]]


ONE = queued(0).postback
SEVERAL = st.lists(
    st.builds(
        lambda size, events, test: Queued(
            msgspec.structs.replace(
                ONE, payload=b"x" * size, events=events, envelope={"test_event_code": "TEST1"} if test else {}
            ),
            UNMARKED,
        ),
        st.sampled_from([10, 900_000]),
        st.sampled_from([1, 2, 600]),
        st.booleans(),
    ),
    max_size=30,
)


@given(SEVERAL, st.sampled_from([None, 1, 3]))
def test_several_fill_the_batches_that_each_by_itself_would(several: list[Queued], max_rows: int | None) -> None:
    together, one_by_one = Batches(ACCOUNT, max_rows), Batches(ACCOUNT, max_rows)
    assert [*together.add_all(several)] == [full for each in several for full in one_by_one.add(each)]
    assert together.due() == one_by_one.due()


@given(SEVERAL, st.sampled_from([None, 1, 3]))
def test_what_is_taken_out_while_several_are_taken_in_is_in_one_batch(
    several: list[Queued], max_rows: int | None
) -> None:
    batches = Batches(ACCOUNT, max_rows)
    out = [each for full in batches.add_all(several) for each in (full, *batches.due())] + batches.due()
    assert sorted(id(each) for batch in out for each in batch) == sorted(map(id, several))
    assert all(out)
