"""Signs an account in before its first request, and again before its access ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from target_adpostbacks.core.answers import Access, NoAccess, Outcome, Request, Response, Verdict
from target_adpostbacks.core.network import Network
from target_adpostbacks.delivery.transport import Transport, Unreachable

MARGIN_SECONDS = 60
"""Before its end, in which access is no longer used: a request may take a while."""


class SignedIn:
    """A transport for the accounts of one network that sign in with the same credentials; may raise NoAccess.

    Called from several threads at once: one of them signs in, and the others wait for it. What the network refuses once
    it is not asked again. ``clock``: monotonic seconds.
    """

    def __init__(
        self, network: Network[Any], transport: Transport, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._network = network
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._access = network.access()
        self._until = clock() + (self._access.seconds if self._access else 0)
        self._refused: NoAccess | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may repeat."""
        access = self._access
        return (access.token,) if access else ()

    def __call__(self, request: Request, timeout_seconds: float) -> Response:
        access = self._current(timeout_seconds)
        response = self._transport(_with(access, request), timeout_seconds)
        if not self._network.ended(response):
            return response
        # Access may end early, by the owner's hand for example: one more try, with new access.
        return self._transport(_with(self._current(timeout_seconds, refused=access), request), timeout_seconds)

    def _current(self, timeout_seconds: float, refused: Access | None = None) -> Access:
        with self._lock:
            if self._refused:
                raise self._refused
            if self._access is None or self._access is refused or self._clock() >= self._until:
                self._access = self._sign_in(timeout_seconds)
                seconds = self._access.seconds
                self._until = self._clock() + seconds - min(MARGIN_SECONDS, seconds / 2)
            return self._access

    def _sign_in(self, timeout_seconds: float) -> Access:
        try:
            return self._network.sign_in(lambda request: self._transport(request, timeout_seconds))
        except Unreachable as unreachable:  # whether bytes went out or not: no conversion was among them
            raise NoAccess(Outcome(Verdict.TRANSIENT, message=f"signing in: {unreachable.why}", shared=True)) from None
        except NoAccess as no_access:
            if no_access.outcome.verdict is Verdict.CREDENTIALS:
                self._refused = no_access
            raise


def _with(access: Access, request: Request) -> Request:
    return msgspec.structs.replace(request, headers={**request.headers, **access.headers})
