"""Makes something of the conversions of a block together, a column after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from target_adpostbacks.core.conversion import Conversion

T = TypeVar("T")


class Together(Generic[T]):
    """What a function makes of conversions. All that are expected are made when the first of them is asked for."""

    def __init__(self, make: Callable[[Sequence[Conversion]], Sequence[T]]) -> None:
        self._make = make
        self._expected: list[Conversion] = []
        self._made: dict[int, tuple[Conversion, T]] = {}

    def expect(self, conversion: Conversion) -> None:
        """It is asked for soon, with others."""
        self._expected.append(conversion)

    def of(self, conversion: Conversion) -> T:
        """What is made of a conversion, expected or not. One that can't be made takes no other with it."""
        made = self._made.pop(id(conversion), None)
        if made is None:
            expected, self._expected = self._expected, []
            try:
                self._made = {id(c): (c, each) for c, each in zip(expected, self._make(expected), strict=True)}
            except Exception:  # noqa: BLE001 - each meets its own mistake, alone
                self._made = {}
            made = self._made.pop(id(conversion), None)
        return made[1] if made else self._make((conversion,))[0]
