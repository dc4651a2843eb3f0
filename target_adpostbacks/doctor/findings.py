"""The catalogue of findings: what each one is, how grave, what it costs and what to change, beside its check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, get_args

from target_adpostbacks.doctor.case import Case

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""error: the network would refuse it, or it can match nobody; warning: money or matches suffer; note: the rest."""


class Spot(NamedTuple):
    """Where something was found. ``network`` None: for every one; ``words``: the core's own on what is wrong.

    ``least``: records from which on it is a finding, where one may be honest.
    """

    column: str | None = None
    network: str | None = None
    words: str = ""
    least: int = 1


Check = Callable[[Case], Iterable[Spot]]


class Finding(NamedTuple):
    """One thing that may be wrong with data."""

    slug: str
    level: Level
    what: str
    cost: str
    change: str

    @property
    def advice(self) -> str:
        """What it costs and what to change."""
        return f"{self.cost} {self.change}"


FINDINGS: dict[str, Finding] = {}
"""Each finding by its slug, the order in which they are looked for."""
CHECKS: dict[str, Check] = {}
"""The check of each finding that a record shows by itself. Others need the whole input: see ``whole``."""


def finding(level: Level, *, what: str, cost: str, change: str) -> Callable[[Check], Check]:
    """Registers a check; its name is the slug."""

    def register(check: Check) -> Check:
        add(check.__name__, level, what=what, cost=cost, change=change)
        CHECKS[check.__name__] = check
        return check

    return register


def add(slug: str, level: Level, *, what: str, cost: str, change: str) -> None:
    """Register a finding that no single record shows."""
    FINDINGS[slug] = Finding(slug, level, what, cost, change)
