"""What a source costs a row, beside the same conversion in our own columns that is read without one.

Measured as in ``rules.py``: the way from a decoded record to its postback, in CPU time, the best of many turns. The
rows are orders as the example of the preset has them. ``--rounds`` changes how many turns there are.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from rules import NETWORK, SECTION, microseconds

from target_adpostbacks.config import read
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.rules.sources import names, shipped
from target_adpostbacks.run import preparation_of

RECORDS = 200
"""In each turn."""


def a_preparation(**top: Any) -> Preparation:
    """How a config with these settings at its top reads records."""
    return preparation_of(*read({**top, NETWORK: {**SECTION, "send": "all"}}))


def some_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Records like this one."""
    return [{**record, "ttclid": f"E.C.P.{number}"} for number in range(RECORDS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    now, plain = datetime.now(timezone.utc), a_preparation()
    for name in names():
        preset = shipped(name)
        ways = (plain, some_of(preset.record)), (a_preparation(source=name), some_of(preset.example))
        best = [float("inf")] * 2
        for _ in range(rounds):
            for at, (preparation, rows) in enumerate(ways):
                best[at] = min(best[at], microseconds(preparation, rows, now))
        without, with_source = best
        print(f"{name:26} {without:6.1f} µs of CPU a record, {with_source:6.1f} as a row of the source")


if __name__ == "__main__":
    main()
