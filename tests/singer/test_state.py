"""Bookmarks wait for verdicts, keep their order, and flow."""

from __future__ import annotations

from target_adpostbacks.singer.state import Bookmarks


def test_a_bookmark_with_nothing_before_it_is_written_at_once() -> None:
    written: list[bytes] = []
    Bookmarks(written.append).state(b"1")
    assert written == [b"1"]


def test_a_bookmark_waits_for_every_postback_before_it() -> None:
    written: list[bytes] = []
    bookmarks = Bookmarks(written.append)
    first = bookmarks.place
    first.added += 2
    bookmarks.state(b"1")
    first.settle(1)
    assert written == []
    first.settle(1)
    assert written == [b"1"]


def test_a_later_bookmark_never_overtakes_an_earlier_one() -> None:
    written: list[bytes] = []
    bookmarks = Bookmarks(written.append)
    first = bookmarks.place
    first.added += 1
    bookmarks.state(b"1")
    second = bookmarks.place
    second.added += 1
    bookmarks.state(b"2")
    second.settle(1)
    assert written == []
    first.settle(1)
    assert written == [b"2"]  # the newest free one is enough


def test_what_stays_open_holds_its_bookmark_and_all_after_it() -> None:
    written: list[bytes] = []
    bookmarks = Bookmarks(written.append)
    bookmarks.state(b"0")
    first = bookmarks.place
    first.added += 2
    bookmarks.state(b"1")
    first.settle(1)
    first.hold(1)
    bookmarks.state(b"2")
    assert written == [b"0"]
    assert bookmarks.waiting


def test_bookmarks_behind_an_open_one_are_not_kept() -> None:
    bookmarks = Bookmarks(lambda _: None)
    first = bookmarks.place
    first.added += 1
    bookmarks.state(b"1")
    first.hold(1)
    for number in range(1000):
        bookmarks.place.added += 1
        bookmarks.state(b"%d" % number)
    assert len(bookmarks._closed) == 1
    assert bookmarks.owed == 1001
    assert bookmarks.waiting


def test_bookmarks_that_follow_each_other_directly_are_kept_as_one() -> None:
    written: list[bytes] = []
    bookmarks = Bookmarks(written.append)
    first = bookmarks.place
    first.added += 1
    for number in range(1000):
        bookmarks.state(b"%d" % number)
    first.settle(1)
    assert written == [b"999"]


def test_a_closed_output_is_remembered_and_nothing_more_is_written() -> None:
    def closed(_: bytes) -> None:
        raise BrokenPipeError

    bookmarks = Bookmarks(closed)
    bookmarks.state(b"1")
    bookmarks.state(b"2")
    assert bookmarks.failed
