"""Signs an account in before its first request, and again before its access ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from target_adpostbacks.core.answers import Access, NoAccess, Outcome, Request, Response, Verdict
from target_adpostbacks.core.network import Network
from target_adpostbacks.delivery.refresh_tokens import InUse, Keeping, KeptToken, NotKept
from target_adpostbacks.delivery.transport import Transport, Unreachable

MARGIN_SECONDS = 60
"""Before its end, in which access is no longer used: a request may take a while."""
NO_LONGER_GOOD = "invalid_grant"
"""What every OAuth 2.0 endpoint says of a refresh token that has ended or was revoked."""
UNKEPT = "the network gave a new refresh token in place of the one in the settings, and it is not kept"


class SignedIn:
    """A transport for the accounts of one network that sign in with the same credentials; may raise NoAccess.

    Called from several threads at once: one of them signs in, and the others wait for it. What the network refuses once
    it is not asked again. ``clock``: monotonic seconds.
    """

    def __init__(
        self,
        network: Network[Any],
        transport: Transport,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._network = network  # with the newest refresh token that is known
        self._configured = network
        self._transport = transport
        self._clock = clock
        self._tell = tell
        self._kept = KeptToken(network.refresh_token_path) if network.refresh_token_path else None
        self._in_file = ""  # as it was seen last
        self._refresh_tokens: tuple[str, ...] = ()  # but the settings' own
        self._told = False
        self._lock = threading.Lock()
        self._access = network.access()
        self._until = clock() + (self._access.seconds if self._access else 0)
        self._refused: NoAccess | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may repeat."""
        access = self._access
        return (access.token, *self._refresh_tokens) if access else self._refresh_tokens

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
            if self._kept is None:
                return self._renewed(self._exchange(timeout_seconds), None)
            with self._kept.taken(wait_seconds=2 * timeout_seconds) as keeping:
                return self._renewed(self._exchange_kept(keeping, timeout_seconds), keeping)
        except NotKept as why:
            self._refused = NoAccess(Outcome(Verdict.CREDENTIALS, message=str(why), shared=True))
            raise self._refused from None
        except InUse:
            raise NoAccess(Outcome(Verdict.TRANSIENT, message="another run is signing in", shared=True)) from None
        except Unreachable as unreachable:  # whether bytes went out or not: no conversion was among them
            raise NoAccess(Outcome(Verdict.TRANSIENT, message=f"signing in: {unreachable.why}", shared=True)) from None
        except NoAccess as no_access:
            if no_access.outcome.verdict is Verdict.CREDENTIALS:
                self._refused = no_access
            raise

    def _exchange(self, timeout_seconds: float) -> Access:
        return self._network.sign_in(lambda request: self._transport(request, timeout_seconds))

    def _exchange_kept(self, keeping: Keeping, timeout_seconds: float) -> Access:
        """With the token of the file, unless a newer one could not be written there.

        Where that has ended, with the settings' own: a user may have consented anew.
        """
        if keeping.token and keeping.token != self._in_file:
            self._use(keeping.token)
        self._in_file = keeping.token
        try:
            return self._exchange(timeout_seconds)
        except NoAccess as no_access:
            is_own = self._network.settings.refresh_token == self._configured.settings.refresh_token
            if no_access.outcome.code != NO_LONGER_GOOD or is_own:
                raise
            self._network = self._configured
            return self._exchange(timeout_seconds)

    def _renewed(self, access: Access, keeping: Keeping | None) -> Access:
        """The access, once the refresh token that came with it is kept, in the file or for the run alone."""
        if not access.refresh_token:
            return access
        self._use(access.refresh_token)
        if keeping is None:
            self._tell_once(f"{UNKEPT}; set refresh_token_path to a file for it")
            return access
        try:
            keeping.replace(access.refresh_token)
        except NotKept as why:
            self._tell_once(f"{UNKEPT}; {why}")
        return access

    def _use(self, refresh_token: str) -> None:
        self._refresh_tokens = tuple(dict.fromkeys((*self._refresh_tokens, refresh_token)))
        settings = msgspec.structs.replace(self._configured.settings, refresh_token=refresh_token)
        self._network = self._configured.of(settings)

    def _tell_once(self, what: str) -> None:
        if not self._told:
            self._told = True
            self._tell(what)


def _with(access: Access, request: Request) -> Request:
    return msgspec.structs.replace(request, headers={**request.headers, **access.headers})
