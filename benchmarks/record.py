"""How long it takes to read a record of each kind, alone and of a block, beside decoding its JSON in the same run.

The kinds take turns, so that a busy machine is busy for all of them, and the best turn of each counts.
``--rounds`` changes how many turns there are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from throughput import records

from target_adpostbacks.core.block import read_block
from target_adpostbacks.core.columns import READERS
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.network import IN_STEP
from target_adpostbacks.core.record import parse
from target_adpostbacks.networks import NETWORKS

CALLS = 500
"""In each turn."""


def kinds() -> dict[str, dict[str, Any]]:
    """A record of each kind: clean, and as taps write them."""
    clean = next(records(1))
    absent = [column for column in sorted(READERS) if column not in clean]
    email = clean["email"][0]
    return {
        "clean": clean,
        "2 nulls": {**clean, **dict.fromkeys(absent[:2])},
        "15 nulls": {**clean, **dict.fromkeys(absent[:15])},
        "2 empty texts": {**clean, **dict.fromkeys(absent[:2], "")},
        "an order id that is a number": {**clean, "order_id": 1001},
        "an external id that is a number": {**clean, "external_id": 1001},
        "an untrimmed e-mail": {**clean, "email": f" {email}"},
        "an untrimmed city": {**clean, "city": "Cluj-Napoca "},
        "phone_number for phone": {"phone_number": clean["phone"][0], **clean, "phone": None},
        "an object around the person": {**clean, "email": None, "user": {"email": email}},
        "no event_id": {**clean, "event_id": None},
    }


def together(records: Sequence[dict[str, Any]], columns: Columns) -> None:
    """Read a block; what is odd is read alone."""
    for record, read in zip(records, read_block(records, columns), strict=True):
        if read is None:
            parse(record, columns)


def microseconds(call: Callable[[], Any], calls: int) -> float:
    """What one of so many calls took, on average."""
    begun = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - begun) / calls * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    columns = Columns(ids=[name for network in NETWORKS.values() for name in network.ids])
    calls: dict[tuple[str, str], Callable[[], Any]] = {}
    for kind, record in kinds().items():
        calls[kind, "decoded"] = partial(msgspec.json.Decoder().decode, msgspec.json.encode(record))
        calls[kind, "read"] = partial(parse, record, columns)
        calls[kind, "of a block"] = partial(together, [record] * IN_STEP, columns)
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(parser.parse_args().rounds):
        for name, call in calls.items():
            best[name] = min(best[name], microseconds(call, CALLS // IN_STEP if name[1] == "of a block" else CALLS))
    for kind in kinds():
        read, decoded, of_block = best[kind, "read"], best[kind, "decoded"], best[kind, "of a block"] / IN_STEP
        times = f"{read / decoded:4.1f} and {of_block / decoded:4.1f} times its decoding"
        print(f"{kind:32} {read:5.1f} µs alone, {of_block:5.1f} of a block, {times}")


if __name__ == "__main__":
    main()
