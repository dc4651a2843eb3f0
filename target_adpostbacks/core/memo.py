"""Remembers what texts of records come to."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

MAX_TEXT = 500
"""Characters of the longest user agents and cookies; what is longer is nothing that comes again and again."""


def remembered(maxsize: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """``lru_cache`` for a function of a text, which keeps one long text at most: ten thousand could fill the memory.

    To look at the length of what is known already would cost as much as the memo saves. So a long text that is not
    known forgets all others before it is remembered itself.
    """

    def remembering(function: Callable[P, T]) -> Callable[P, T]:
        of: Callable[..., T] = function

        @lru_cache(maxsize)
        @wraps(function)
        def asked(text: Any, *context: Any) -> T:
            if text and len(text) > MAX_TEXT:
                asked.cache_clear()
            return of(text, *context)

        return cast("Callable[P, T]", asked)

    return remembering
