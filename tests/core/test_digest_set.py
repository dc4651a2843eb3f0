"""A set of digests has what was added to it, in a fraction of the memory of Python's own."""

from __future__ import annotations

import random
import tracemalloc

from target_adpostbacks.core.digest_set import DigestSet


def some(count: int, seed: int) -> list[bytes]:
    make = random.Random(seed)
    return [make.randbytes(12) for _ in range(count)]


def test_it_has_what_was_added_and_nothing_else() -> None:
    digests = DigestSet()
    assert not digests
    added = some(20_000, 1)
    for number, each in enumerate(added):
        digests.add(each)
        assert len(digests) == number + 1
    assert all(each in digests for each in added)
    assert not any(each in digests for each in some(20_000, 2))


def test_what_is_added_again_is_in_it_once() -> None:
    digests = DigestSet()
    for each in some(10, 1) * 2:
        digests.add(each)
    assert len(digests) == 10


def test_digests_that_belong_in_one_place_are_told_apart() -> None:
    digests = DigestSet()
    together = [b"\xff\xff" + bytes(5) + bytes([number, 1, 1, 1, 1]) for number in range(200)]  # the last place of many
    for each in together[:100]:
        digests.add(each)
    assert [each in digests for each in together] == [True] * 100 + [False] * 100


def test_a_digest_of_zeros_is_one_too() -> None:
    digests = DigestSet()
    assert bytes(12) not in digests
    digests.add(bytes(12))
    assert bytes(12) in digests


def test_it_takes_at_most_24_bytes_for_each() -> None:
    added = some(100_000, 1)
    tracemalloc.start()
    try:
        digests = DigestSet()
        for each in added:
            digests.add(each)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= 24 * len(added) + 1_000
