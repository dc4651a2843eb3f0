"""Blocks that a run prepares itself: one after the other, in their turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from echo import Echo

from target_adpostbacks.workers.pool import Workers


def streams(here: Workers) -> list[tuple[int, str | None]]:
    """The number of each block that is there, and what came of it; None: the run reads it line by line."""
    told = []
    while block := here.next():
        member = block.answer and block.answer.members[0]
        told.append((block.number, member[0].stream if member and member[0] else None))
    return told


def alone() -> Workers:
    warnings: list[str] = []
    return Workers(Echo(), 0, warnings.append)


def test_a_block_is_done_as_soon_as_it_is_handed_out_and_what_fails_is_read_line_by_line() -> None:
    here = alone()
    assert (here.is_at_work, here.has_room, here.has_blocks) == (True, True, False)
    for number, text in enumerate([b"a", b"raise", b"b"], 7):
        here.hand(text, number)
        assert (here.is_next_done, here.has_room) == (True, False)
    here.keep(b"x", 10)
    assert streams(here) == [(7, "a"), (8, None), (9, "b"), (10, None)]
    assert here.has_room


def test_news_is_for_what_is_handed_out_after_it() -> None:
    here = alone()
    here.hand(b"1", 1)
    here.tell("new ", is_new_generation=True)
    here.hand(b"2", 2)
    assert here.generation == 1
    assert streams(here) == [(1, "1"), (2, "new 2")]


def test_closed_it_takes_nothing_more() -> None:
    here = alone()
    here.hand(b"1", 1)
    here.close()
    at_work = [here.is_at_work, streams(here), here.is_at_work]
    assert at_work == [True, [(1, "1")], False]  # as long as there is a block to be taken


@pytest.mark.slow
def test_blocks_are_done_here_until_a_process_is_ready() -> None:
    workers = Workers(Echo(), 1, lambda _warning: None)
    try:
        assert (workers.is_at_work, workers.has_room) == (True, True)
        workers.hand(b"a", 1)
        assert streams(workers) == [(1, "a")]
        while not workers.ready:
            workers.wait(seconds=0.05)
        workers.hand(b"b", 2)
        assert streams(workers) == []
        while not workers.is_next_done:
            workers.wait(seconds=0.05)
        assert streams(workers) == [(2, "b")]
    finally:
        workers.close()


@pytest.mark.slow
def test_processes_start_once_so_many_members_have_been_done_here() -> None:
    others = {*started()}
    workers = Workers(Echo(), 2, lambda _warning: None, after=3)
    try:
        workers.tell("told ")
        workers.hand(b"a", 1)
        workers.hand(b"b", 3)
        assert not {*started()} - others
        workers.hand(b"c", 4)
        assert len({*started()} - others) == 2
        while len(workers.ready) < 2:
            workers.wait(seconds=0.05)
        workers.hand(b"d", 5)
        found = streams(workers)
        while len(found) < 4:
            workers.wait(seconds=0.05)
            found += streams(workers)
        assert found == [(1, "told a"), (3, "told b"), (4, "told c"), (5, "told d")]
    finally:
        workers.close()


def started() -> Iterator[str]:
    """The processes of this one's threads."""
    for children in Path("/proc/self/task").glob("*/children"):
        yield from children.read_text().split()
