"""How much of an account may wait for its threads before the reader waits too."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

import pytest
from conftest import an_account

from target_adpostbacks.delivery.lane import Lane


@pytest.mark.parametrize(
    ("section", "concurrency", "most"),
    [
        ("generic", 4, 4 + 8),  # one in a request
        ("tiktok", 1, 1 + 2),  # a thousand
        ("tiktok", 4, 4 + 2),
        ("meta", 4, 4 + 4),  # five hundred
        ("linkedin", 4, 4 + 1),  # five thousand
    ],
)
def test_fewer_batches_wait_where_they_are_larger(section: str, concurrency: int, most: int) -> None:
    lane = Lane(an_account(section, concurrency=concurrency), lambda _seconds: False, lambda _text: None)
    gate = threading.Event()

    def wait() -> None:
        gate.wait()

    submitted = 0
    while lane.has_room():
        lane.submit(wait, datetime.now(timezone.utc), lambda: True)
        submitted += 1
    gate.set()
    lane.close()
    assert submitted == most
