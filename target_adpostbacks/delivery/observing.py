"""What watches a run from outside: its requests, and what became of conversions. By default nobody does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Outcome
from target_adpostbacks.delivery.transport import Transport

Answered = Callable[[Sequence[Outcome]], object]
"""Is told the outcomes of a request, one for each postback."""


class Observer:
    """Sees nothing. Whoever looks overrides it; any thread calls it, for requests and batches, never for a record."""

    def watching(self, transport: Transport) -> Transport:
        """The same transport, with each of its requests seen."""
        return transport

    def exchange(self, _account: Account, _events: int, _attempt: int) -> AbstractContextManager[Answered]:
        """The thread's requests until the end are one try of a batch, the last of them the batch itself.

        ``_attempt``: which try it is, from 1.
        """
        return _NOTHING

    def queued(self, account: str, count: int) -> None:
        """So many conversions more, or fewer, wait for their verdict. ``account``: its label."""

    def ended(self, account: str, status: str, count: int) -> None:
        """So many conversions have ended so: ``"accepted"``, ``"open throttled"``, as ``Verdicts.counts`` has it."""

    def close(self, _exit_code: int) -> None:
        """The run is over: begin to hand over what is left."""

    def wait(self, _seconds: float) -> str:
        """Wait for that, so long at most; what went wrong, empty where nothing did."""
        return ""


_NOTHING: AbstractContextManager[Answered] = nullcontext(lambda _: None)
NOBODY = Observer()
