"""How accounts do, as a textfile for the node_exporter of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from target_adpostbacks.cli._output import printable
from target_adpostbacks.core.health import STATES, Health
from target_adpostbacks.core.money import Stake, stakes


class Sample(NamedTuple):
    """A value of a metric."""

    labels: Mapping[str, str]
    value: float


Metric = tuple[str, str, Iterable[Sample]]
"""Its name, what it means, its values."""


def write(healths: Sequence[Health], now: datetime) -> None:
    """All metrics, to standard output."""
    for name, meaning, samples in _metrics(healths, now):
        sys.stdout.write(f"# HELP adpostbacks_{name} {meaning}\n# TYPE adpostbacks_{name} gauge\n")
        for sample in samples:
            labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in sample.labels.items())
            sys.stdout.write(f"adpostbacks_{name}{{{labels}}} {sample.value:.15g}\n")


def _metrics(healths: Sequence[Health], now: datetime) -> Iterator[Metric]:
    stakes_ = [(each, stake) for each in healths for stake in stakes(each.activity.amounts, _text(now))]
    yield (
        "account_state",
        "1 for the state that an account is in.",
        [Sample({**_of(each), "state": state}, int(state == each.state)) for each in healths for state in STATES],
    )
    yield (
        "deliveries_last_24h",
        "Deliveries by the verdict that they got in the last 24 hours.",
        [
            Sample({**_of(each), "status": status}, getattr(each.activity, status))
            for each in healths
            for status in ("accepted", "rejected", "open")
        ],
    )
    yield (
        "open_deliveries",
        "Deliveries that are open.",
        [Sample(_of(each), each.activity.all_open) for each in healths],
    )
    yield (
        "last_accepted_timestamp_seconds",
        "When the network last accepted something.",
        [*_times((each, each.activity.last_accepted_at) for each in healths)],
    )
    yield (
        "oldest_open_timestamp_seconds",
        "When the oldest open conversion happened.",
        [*_times((each, each.activity.oldest_open and each.activity.oldest_open.at) for each in healths)],
    )
    yield "open_money", "Value of what is open.", [_money(*each, each[1].value) for each in stakes_]
    yield (
        "lost_money",
        "Value of what is open and can't be sent any more.",
        [_money(*each, each[1].lost) for each in stakes_],
    )
    yield (
        "next_lost_money",
        "Value of what is open and can't be sent after the next deadline.",
        [_money(*each, each[1].next) for each in stakes_],
    )
    yield (
        "next_deadline_timestamp_seconds",
        "When that can't be sent any more.",
        [_money(each, stake, _seconds(stake.deadline)) for each, stake in stakes_ if stake.deadline],
    )
    yield (
        "trial",
        "1 if a trial's deliveries at a loopback address are among those that are counted.",
        [Sample(_of(each), int(each.activity.is_trial)) for each in healths],
    )


def _of(health: Health) -> dict[str, str]:
    return {"account": health.activity.label}


def _money(health: Health, stake: Stake, value: float) -> Sample:
    return Sample({**_of(health), "currency": stake.currency}, value)


def _times(times: Iterable[tuple[Health, str | None]]) -> Iterator[Sample]:
    return (Sample(_of(each), _seconds(time)) for each, time in times if time)


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _text(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds")


def _escaped(value: str) -> str:
    return printable(value).replace("\\", "\\\\").replace('"', '\\"')
