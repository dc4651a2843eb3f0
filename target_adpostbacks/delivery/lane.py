"""What all requests of an account share: whether it is closed for this run, and when the next one may go out."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable
from datetime import datetime

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Outcome


class Pace:
    """A ceiling of requests a second for all who share it: each gets a turn of its own."""

    def __init__(self, per_second: float) -> None:
        self._apart = 1 / per_second
        self._next = 0.0  # monotonic
        self._lock = threading.Lock()

    def turn(self) -> float:
        """Seconds until the turn that is hereby taken."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._apart
            return turn - now


class Way:
    """What all requests of an account share: whether it is closed for this run, and how long it is to wait."""

    def __init__(self, account: Account, pace: Pace | None = None) -> None:
        assert account.network is not None  # noqa: S101 - disabled accounts get no postbacks
        self.account = account
        self.network = account.network
        self.closed: Outcome | None = None
        self.answered = 0.0  # monotonic: when the network last accepted something
        self._not_before = 0.0  # monotonic
        self._told: Outcome | None = None
        self._pace = pace
        self._warned: set[str] = set()

    def warn(self, warning: str, log: Callable[[str], None]) -> None:
        """Log what the network warns of, once."""
        if warning not in self._warned:
            self._warned.add(warning)
            log(f"{self.account.label}: the network warns: {warning}")

    def wait(self, until: float, stopping: threading.Event) -> tuple[float, Outcome | None]:
        """Wait until a request may go out: for as long as the network asked, then for a turn.

        The seconds that the turn took, which ``until`` does not count; and what is to wait for, if that comes later.
        """
        paced = 0.0
        while True:
            if told := self._hold_off_over(until + paced, stopping):
                return paced, told
            before = self._not_before
            paced += self._take_turn(stopping)
            if self._not_before == before:  # nothing was asked meanwhile
                return paced, None

    def _take_turn(self, stopping: threading.Event) -> float:
        pause = self._pace.turn() if self._pace and not self.closed else 0.0
        if pause > 0:
            stopping.wait(pause)
        return pause

    def hold_off(self, wait_seconds: float, told: Outcome) -> None:
        """No request of the account goes out before the time is over that the network asked for."""
        self._not_before, self._told = max(self._not_before, time.monotonic() + wait_seconds), told

    def _hold_off_over(self, until: float, stopping: threading.Event) -> Outcome | None:
        waited_for = 0.0
        while self._not_before > max(waited_for, time.monotonic()):
            if self._not_before > until:
                return self._told
            waited_for = self._not_before
            stopping.wait(waited_for - time.monotonic())
        return None


def seconds(retry_after: str, now: datetime) -> float:
    """``'30'`` or an HTTP date as seconds from now; 0 for what is neither or lies in the past."""
    text = retry_after.strip()
    if text.isdecimal():
        return float(text[:12])
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    if when.tzinfo is None:
        when = when.replace(tzinfo=now.tzinfo)
    return max(0.0, (when - now).total_seconds())
