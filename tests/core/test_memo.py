"""What is remembered of texts has an end, also where they are long."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from target_adpostbacks.core import birth_dates, events, match_keys, phones, places, properties
from target_adpostbacks.core.meanings import Meaning
from target_adpostbacks.core.memo import MAX_TEXT, remembered
from target_adpostbacks.doctor import persons
from target_adpostbacks.networks import openai_ads
from target_adpostbacks.networks._meta import cookies, hashes

NUMBERS = itertools.count()  # no test gives a text that another one has left


def test_what_is_remembered_is_not_made_again() -> None:
    made = []

    @remembered(maxsize=2)
    def upper(text: str) -> str:
        made.append(text)
        return text.upper()

    assert [upper(text) for text in ("a", "b", "a", "b", "c", "b", "a")] == ["A", "B", "A", "B", "C", "B", "A"]
    assert made == ["a", "b", "c", "a"]


def test_a_long_text_is_forgotten_with_the_next_one() -> None:
    made = []

    @remembered(maxsize=10)
    def length(text: str) -> int:
        made.append(len(text))
        return len(text)

    usual, long, longer = "x" * MAX_TEXT, "x" * (MAX_TEXT + 1), "x" * (MAX_TEXT + 2)
    assert [length(text) for text in (usual, usual, long, long, longer, long, usual)]
    assert made == [MAX_TEXT, MAX_TEXT + 1, MAX_TEXT + 2, MAX_TEXT + 1, MAX_TEXT]


@pytest.mark.parametrize(
    ("read", "context"),
    [
        (places.name_hash, ()),
        (places.state_hash, ("DE",)),
        (places.place, ()),
        (places.state, ("DE",)),
        (places.bare_state, ("DE",)),
        (match_keys.email, ()),
        (match_keys.public_ip, ()),
        (match_keys.truncated_ip, ()),
        (phones.legible, ()),
        (birth_dates.date_of_birth, (2026,)),
        (events.canonical_event, ()),
        (properties.folded, ()),
        (properties.is_personal, ()),
        (hashes.of_city, ()),
        (cookies.created_at, ()),
        (openai_ads.phone, ()),
        (openai_ads.name_hashes, ()),
        (persons._is_national, ("DE",)),
        (persons._is_in_data_center, ()),
        (persons._is_bot, ()),
    ],
)
def test_long_texts_are_not_kept(read: Callable[..., Any], context: tuple[Any, ...]) -> None:
    nothing_is_kept(lambda text: read(text, *context))


def nothing_is_kept(read: Callable[[str], Any]) -> None:
    def kept(count: int) -> int:
        for number in itertools.islice(NUMBERS, count):
            read(f"{number} " + "x" * 50_000)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = kept(3)
        assert kept(20) - before < 300_000
    finally:
        tracemalloc.stop()


def test_the_meaning_of_a_long_text_is_not_kept() -> None:
    nothing_is_kept(Meaning({"organic": None}))
