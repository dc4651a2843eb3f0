"""The setting ``values``: what the texts of a column mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate
from typing import Any

import msgspec

from target_adpostbacks.core.memo import MAX_TEXT

MOST_REMEMBERED = 1_000
"""Texts of a column whose meaning is remembered."""


class Meaning:
    """What a column's raw value means: ``{"Facebook Ads": "meta", "*tiktok*": "tiktok", "organic*": None}``.

    A text is trimmed and told in any case, a truth or a number is one as JSON writes it. The exact text goes before
    patterns, these are tried in their order, ``*`` comes last. What none fits stays as it is. None: it is missing.
    """

    def __init__(self, setting: Mapping[str, Any]) -> None:
        self.setting = {**setting}
        folded = {key.strip().casefold(): value for key, value in setting.items()}
        self._exact = folded
        wild = [key for key in folded if key != "*" and not {*"*?["}.isdisjoint(key)]
        self._patterns = [(re.compile(translate(key)).fullmatch, folded[key]) for key in wild]
        if "*" in folded:
            self._patterns.append((re.compile(".*", re.DOTALL).fullmatch, folded["*"]))
        self._known: dict[str, Any] = {}

    def __reduce__(self) -> tuple[type[Meaning], tuple[Mapping[str, Any]]]:
        return Meaning, (self.setting,)

    def __call__(self, value: Any) -> Any:
        """What the value means, or the value; of a list each member, without those that are missing."""
        if value.__class__ is list:
            return [meaning for member in value if (meaning := self(member)) is not None] or None
        text = value if value.__class__ is str else _written(value)
        if text is None:
            return value
        try:
            meaning = self._known[text]
        except KeyError:
            meaning = self._looked_up(text.strip().casefold())
            if len(self._known) < MOST_REMEMBERED and len(text) <= MAX_TEXT:
                self._known[text] = meaning
        return value if meaning is _ITSELF else meaning

    def _looked_up(self, text: str) -> Any:
        if text in self._exact and text != "*":
            return self._exact[text]
        return next((meaning for fits, meaning in self._patterns if fits(text)), _ITSELF)


_ITSELF = object()


def _written(value: Any) -> str | None:
    """A truth or a number as JSON writes it; None for anything else."""
    if not isinstance(value, (bool, int, float)):
        return None
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, OverflowError, ValueError):
        return None
