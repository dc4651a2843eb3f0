"""State waits for verdicts, keeps its order, and flows."""

from __future__ import annotations

from target_adpostbacks.singer.state import States


def test_state_with_nothing_before_it_is_free() -> None:
    written: list[bytes] = []
    states = States(written.append)
    states.state(b"1")
    states.end()
    assert written == [b"1"]


def test_a_state_is_written_once() -> None:
    written: list[bytes] = []
    states = States(written.append)
    states.state(b"1")
    states.end()
    states.end()
    assert written == [b"1"]


def test_of_the_states_that_a_batch_frees_only_the_newest_is_written() -> None:
    written: list[bytes] = []
    states = States(written.append)
    places = []
    for number in range(2000):
        states.place.expect(1)
        places.append(states.place)
        states.state(b"%d" % number)
    for place in places:
        place.settle(1)
    states.write_due()
    assert written == [b"1999"]


def test_state_is_written_once_a_second_at_most_and_the_last_one_at_the_end() -> None:
    written: list[bytes] = []
    now = 100.0
    states = States(written.append, clock=lambda: now)
    for tenth in range(25):
        now = 100 + tenth / 10
        states.state(b"%d" % tenth)
        states.write_due()
    assert written == [b"0", b"10", b"20"]
    states.end()
    assert written == [b"0", b"10", b"20", b"24"]


def test_a_second_in_which_nothing_became_free_does_not_keep_the_next_state_waiting() -> None:
    written: list[bytes] = []
    now = 100.0
    states = States(written.append, clock=lambda: now)
    states.write_due()
    states.state(b"1")
    states.write_due()
    assert written == [b"1"]


def test_state_waits_for_every_postback_before_it() -> None:
    written: list[bytes] = []
    states = States(written.append)
    first = states.place
    first.expect(2)
    states.state(b"1")
    first.settle(1)
    states.end()
    assert written == []
    first.settle(1)
    states.end()
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
    states.end()
    assert written == []
    first.settle(1)
    states.end()
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
    states.end()
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
    states.end()
    assert written == [b"999"]


def test_a_closed_output_is_remembered_and_nothing_more_is_written() -> None:
    def closed(_: bytes) -> None:
        raise BrokenPipeError

    states = States(closed)
    states.state(b"1")
    states.end()
    assert states.failed
    states.state(b"2")
    states.end()


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
    states.end()
    assert (written, states.waiting) == ([b"1"], True)
    allowed.add("invalid")
    states.place.expect(1)
    states.place.settle(1)
    states.end()
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
