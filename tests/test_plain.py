"""Rows of other libraries as Python's own types."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from target_adpostbacks.run.plain import plain

AT = datetime(2026, 11, 20, 12, 5, 1, 7, timezone(timedelta(hours=1)))


class Timestamp(datetime):
    """As pandas has one."""


class NotATime(datetime):
    """As pandas writes that there is no time: like nothing, itself included."""

    def __eq__(self, _: object) -> bool:
        return False

    def __ne__(self, _: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Missing:
    """As pandas writes that there is nothing: nobody may ask whether it is true."""

    def __ne__(self, _: object) -> Any:
        return self

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("ambiguous")


class Array:
    """As NumPy has one, or a number of it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def tolist(self) -> Any:
        return self._value

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")


class Text(str):
    __slots__ = ()


class Name(str, Enum):
    PURCHASE = "purchase"


class Number(float):
    """A float of NumPy is one of Python's, too."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Timestamp(2026, 11, 20, 12, 5, 1, 7, AT.tzinfo), AT),
        (NotATime(2026, 11, 20), None),
        (Missing(), None),
        (float("nan"), None),
        (Number("nan"), None),
        (Array([1, Array(2.5), {"price": Array(3)}]), [1, 2.5, {"price": 3}]),
        (Array(7), 7),
        (Text("abc"), "abc"),
        (Name.PURCHASE, "purchase"),
        (Number(1.5), 1.5),
        ([{"price": Array(3)}, Missing()], [{"price": 3}, None]),
    ],
)
def test_a_value_of_another_library_is_pythons_own(value: Any, expected: Any) -> None:
    made = plain({"x": value, "y": Text()})["x"]
    assert made == expected
    assert type(made) is type(expected)


def test_a_record_is_copied_with_all_that_is_in_it_for_the_caller_may_change_it() -> None:
    record: dict[str, Any] = {"a": "1", "b": 1, "c": 1.5, "d": None, "e": AT, "f": date(2026, 1, 1), "g": Decimal(1)}
    nested = {**record, "h": [1, [2]], "i": {"j": {"k": "1"}}}
    for each in (record, nested):
        made = plain(each)
        assert (made, [*made]) == (each, [*each])
        assert made is not each
    made = plain(nested)
    nested["h"][1].append(3)
    nested["i"]["j"]["k"] = "2"
    assert (made["h"], made["i"]) == ([1, [2]], {"j": {"k": "1"}})


def test_what_is_missing_within_a_value_is_none_whatever_else_the_record_has() -> None:
    assert plain({"x": [{"price": float("nan")}, 1]}) == {"x": [{"price": None}, 1]}


@pytest.mark.parametrize("beside", ["a text", float("nan")])
def test_a_record_that_is_nested_too_deeply_is_left_to_the_reader_of_records(beside: Any) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    made = plain({"x": deep, "y": beside})
    assert made["x"] is deep
    while deep:  # Python ends too when it frees one as deep
        deep = deep.pop()
