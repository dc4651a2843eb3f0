"""What is made of conversions together is what is made of each alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from conftest import a_conversion

from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.together import Together


class Maker:
    """Makes a conversion's id in capitals; ``made`` is what it was asked for at a time."""

    def __init__(self) -> None:
        self.made: list[list[str]] = []

    def __call__(self, conversions: Sequence[Conversion]) -> list[str]:
        self.made.append([c.event_id for c in conversions])
        if "bad" in self.made[-1]:
            raise ValueError("bad")
        return [c.event_id.upper() for c in conversions]


def some(*ids: str) -> list[Conversion]:
    return [a_conversion(event_id=each) for each in ids]


def test_what_is_expected_is_made_at_once() -> None:
    maker = Maker()
    together = Together(maker)
    conversions = some("a", "b", "c")
    for _ in range(2):
        maker.made.clear()
        for c in conversions:
            together.expect(c)
        assert [together.of(c) for c in reversed(conversions)] == ["C", "B", "A"]
        assert maker.made == [["a", "b", "c"]]


def test_what_nobody_expected_is_made_alone() -> None:
    maker = Maker()
    together = Together(maker)
    a, b, c = some("a", "b", "c")
    together.expect(a)
    assert (together.of(b), together.of(c), together.of(a)) == ("B", "C", "A")


def test_one_that_cannot_be_made_takes_no_other_with_it() -> None:
    together = Together(Maker())
    a, bad, c = some("a", "bad", "c")
    for each in (a, bad, c):
        together.expect(each)
    assert together.of(a) == "A"
    with pytest.raises(ValueError, match="bad"):
        together.of(bad)
    assert together.of(c) == "C"


def test_what_is_never_asked_for_is_not_kept() -> None:
    together = Together(Maker())
    for c in some(*"abc"):
        together.expect(c)
    (last,) = some("d")
    for _ in range(2):
        together.expect(last)
        assert together.of(last) == "D"
    assert (together._expected, together._made) == ([], {})
