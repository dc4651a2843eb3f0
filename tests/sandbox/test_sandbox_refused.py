"""What the sandbox refuses of every network: golden requests with one thing wrong, rows of the vectors.

``taken``: how many of the events are taken nevertheless, by a network that answers for each.
"""

from __future__ import annotations

from typing import Any

import pytest
from sandbox_calls import VECTORS, at, changed, events_at, golden, path_of, post, refusals, without

from target_adpostbacks.sandbox import Sandbox

ROWS = [(network, row) for network, vectors in VECTORS.items() for row in vectors["refused"]]
GOLDEN = sorted({(network, row.get("of", VECTORS[network]["minimal"])) for network, row in ROWS})


def repeated(network: str, name: str | None, times: int) -> Any:
    """The body of a golden request that holds its first event ``times`` times."""
    body = golden(network, name)["body"]
    path = events_at(network, body)
    return changed(body, path, [at(body, path)[0]] * times)


def broken(network: str, row: Any) -> Any:
    """The golden request, its event twice, with the row's change; paths with a 1 are in the second event."""
    body = repeated(network, row.get("of"), row.get("repeat", 2))
    for path, value in row.get("set", {}).items():
        body = changed(body, path_of(path), value)
    for path in row.get("without", []):
        body = without(body, *path_of(path))
    return body


@pytest.mark.parametrize(("network", "name"), GOLDEN)
def test_a_golden_request_is_taken_before_it_is_broken(sandbox: Sandbox, network: str, name: str) -> None:
    post(network, sandbox, repeated(network, name, 2), of=name)
    assert refusals(sandbox, network) == {}
    assert [event["times"] for event in sandbox.received] == [2]


@pytest.mark.parametrize(("network", "row"), ROWS, ids=[f"{network}-{row['name']}" for network, row in ROWS])
def test_one_broken_rule_is_refused(sandbox: Sandbox, network: str, row: Any) -> None:
    answer = post(network, sandbox, broken(network, row), of=row.get("of"))
    assert answer.status_code == row["status"]
    assert row["says"] in str(answer.json())
    assert refusals(sandbox, network) == {row["code"]: 1}
    assert sum(event["times"] for event in sandbox.received) == row.get("taken", 0)
