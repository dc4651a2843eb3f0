"""Asks a network what became of the requests that it had accepted, and writes it to their rows in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Counted, NoAccess, Outcome, Verdict
from target_adpostbacks.core.postback import receiver
from target_adpostbacks.delivery.access import SignedIn
from target_adpostbacks.delivery.flow import drive
from target_adpostbacks.delivery.scrub import scrubbed
from target_adpostbacks.delivery.transport import Transport, Unreachable
from target_adpostbacks.ledger import UNKNOWN, Accepted, Ledger


class Asked(NamedTuple):
    """A request, and what became of it; None: the network did not say, and why."""

    request: Accepted
    counted: Counted | None
    why: str = ""


def tells_counts(account: Account) -> bool:
    """Whether the account's network tells more than its verdicts."""
    network = account.network
    return bool(network and network.counted_after and network.counted("") is not None)


def count(account: Account, ledger: Ledger, transport: Transport, clock: Callable[[], datetime]) -> Iterator[Asked]:
    """Each request that is to be asked about, the oldest first. Ends with the first that nobody answers for."""
    network = account.network
    if network is None or network.counted_after is None:
        return
    signed_in = SignedIn(network, transport) if network.credentials() else None
    before = (clock() - network.counted_after).isoformat(timespec="milliseconds")
    for asset in network.receivers(msgspec.structs.asdict(network.settings)).values():
        for request in ledger.uncounted(account.section, receiver(asset, network.trial_at), before):
            flow = network.counted(request.network_request_id)
            if flow is None:
                return
            try:
                said = drive(flow, signed_in or transport, network.settings.request_timeout_seconds)
            except Unreachable as unreachable:
                said = Outcome(Verdict.TRANSIENT, message=unreachable.why)
            except NoAccess as no_access:
                said = no_access.outcome
            if isinstance(said, Outcome) and said.verdict is not Verdict.REJECTED:
                secrets = (*account.secrets, *(signed_in.secrets if signed_in else ()))
                yield Asked(request, None, scrubbed(said.summary, secrets))
                return
            counted = said if isinstance(said, Counted) else Counted(UNKNOWN, 0, {}, is_final=True)
            ledger.write_count(request.attempt_id, counted, clock().isoformat(timespec="milliseconds"))
            yield Asked(request, counted)
