"""State waits for verdicts, keeps its order, and flows."""

from __future__ import annotations

from target_adpostbacks.singer.state import States


def test_state_with_nothing_before_it_is_written_at_once() -> None:
    written: list[bytes] = []
    States(written.append).state(b"1")
    assert written == [b"1"]


def test_state_waits_for_every_postback_before_it() -> None:
    written: list[bytes] = []
    states = States(written.append)
    first = states.place
    first.expect(2)
    states.state(b"1")
    first.settle(1)
    assert written == []
    first.settle(1)
    assert written == [b"1"]


def test_a_later_state_never_overtakes_an_earlier_one() -> None:
    written: list[bytes] = []
    states = States(written.append)
    first = states.place
    first.expect(1)
    states.state(b"1")
    second = states.place
    second.expect(1)
    states.state(b"2")
    second.settle(1)
    assert written == []
    first.settle(1)
    assert written == [b"2"]  # the newest free one is enough


def test_what_stays_open_holds_its_state_and_all_after_it() -> None:
    written: list[bytes] = []
    states = States(written.append)
    states.state(b"0")
    first = states.place
    first.expect(2)
    states.state(b"1")
    first.settle(1)
    first.hold(1)
    states.state(b"2")
    assert written == [b"0"]
    assert states.waiting


def test_states_behind_an_open_one_are_not_kept() -> None:
    states = States(lambda _: None)
    first = states.place
    first.expect(1)
    states.state(b"1")
    first.hold(1)
    for number in range(1000):
        states.place.expect(1)
        states.state(b"%d" % number)
    assert len(states._ended) == 1
    assert states.waiting


def test_states_that_follow_each_other_directly_are_kept_as_one() -> None:
    written: list[bytes] = []
    states = States(written.append)
    first = states.place
    first.expect(1)
    for number in range(1000):
        states.state(b"%d" % number)
    first.settle(1)
    assert written == [b"999"]


def test_a_closed_output_is_remembered_and_nothing_more_is_written() -> None:
    def closed(_: bytes) -> None:
        raise BrokenPipeError

    states = States(closed)
    states.state(b"1")
    states.state(b"2")
    assert states.failed


def test_state_waits_at_what_is_invalid_while_that_is_true_of_too_many() -> None:
    written: list[bytes] = []
    allowed: set[str] = set()
    states = States(written.append, allowed.__contains__)
    for number in range(1, 4):
        place = states.place
        place.expect(1)
        states.state(b"%d" % number)
        if number == 2:
            place.flag("invalid")
        place.settle(1)
    assert (written, states.waiting) == ([b"1"], True)
    allowed.add("invalid")
    states.place.expect(1)
    states.place.settle(1)
    assert (written, states.waiting) == ([b"1", b"3"], False)


def test_at_the_end_state_is_written_that_may_pass_by_then() -> None:
    written: list[bytes] = []
    allowed: set[str] = set()
    states = States(written.append, allowed.__contains__)
    states.place.expect(1)
    states.place.flag("rejected")
    states.place.settle(1)
    states.state(b"1")
    states.end()
    assert written == []
    allowed.add("rejected")
    states.end()
    assert written == [b"1"]


def test_states_that_wait_for_the_same_thing_are_kept_as_one() -> None:
    states = States(lambda _: None, lambda _: False)
    for number in range(1000):
        place = states.place
        place.expect(1)
        states.state(b"%d" % number)
        place.flag("invalid")
        place.settle(1)
    assert len(states._ended) == 1
