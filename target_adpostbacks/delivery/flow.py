"""Sends the requests of a flow, one after the other."""

from __future__ import annotations

from contextlib import closing

from target_adpostbacks.core.answers import Flow, T
from target_adpostbacks.delivery.transport import Transport


def drive(flow: Flow[T], transport: Transport, timeout_seconds: float) -> T:
    """What a flow returns, with an answer from the network to each of its requests; raises Unreachable."""
    with closing(flow):
        try:
            request = next(flow)
            while True:
                request = flow.send(transport(request, timeout_seconds))
        except StopIteration as end:
            result: T = end.value
            return result
