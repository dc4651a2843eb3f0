"""What five rules with one comparison each cost a record bound for one network, beside the same record without rules.

Measured is the way from a decoded record to its postback, in CPU time: reading lines, the ledger and HTTP, which a run
adds to both, would only make the share smaller. The configs take turns, so that a busy machine is busy for all of them,
and the best turn of each counts. ``--rounds`` changes how many turns there are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from throughput import records

from target_adpostbacks.config import read
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.settings import examples
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.run import preparation_of

RECORDS = 200
"""In each turn."""
NETWORK = "tiktok"
SECTION = examples(NETWORKS[NETWORK].settings_type)
FIVE = [
    {"when": "value > 100000", "send": False},
    {"when": "country == 'DE'", "send": False},
    {"when": "event_name == 'lead'", "event": "Subscribe"},
    {"when": "city in ['Bern', 'Basel']", "set": {"content_type": "product"}},
    {"when": "campaign_name == 'Spring'", "compute": {"value": "value * 0.2"}},
]
KINDS: dict[str, dict[str, Any]] = {
    "without rules": {},
    "five rules, none of which applies": {"rules": FIVE},
    "one that sets a value": {"rules": [{"set": {"content_type": "product"}}]},
    "one that computes a value": {"rules": [{"compute": {"value": "value * 0.2"}}]},
    "a default": {"defaults": {"content_type": "product"}},
}


def preparations() -> dict[str, Preparation]:
    """For each kind of config, how its records become postbacks."""
    return {kind: preparation_of(*read({NETWORK: {**SECTION, **settings}})) for kind, settings in KINDS.items()}


def microseconds(preparation: Preparation, some: Sequence[Any], now: datetime) -> float:
    """CPU time of one record, on average over a turn."""
    begun = time.process_time()
    for record in some:
        assert preparation.prepare(record, now, stream="conversions").postbacks
    return (time.process_time() - begun) / len(some) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    some = [record for record in records(RECORDS * 2) if record["network"] == NETWORK]
    now, made = datetime.now(timezone.utc), preparations()
    best = dict.fromkeys(made, float("inf"))
    for _ in range(rounds):
        for kind, preparation in made.items():
            best[kind] = min(best[kind], microseconds(preparation, some, now))
    without = best["without rules"]
    for kind, cost in best.items():
        print(f"{kind:34} {cost:6.1f} µs of CPU a record, {cost / without - 1:+5.0%}")


if __name__ == "__main__":
    main()
