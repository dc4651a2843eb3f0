import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from sandbox_calls import a_sandbox

from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS

FILES = Path(__file__).parent.parent / "networks" / "vectors"
VECTORS = {network: json.loads((FILES / f"{network}.json").read_text("utf-8")) for network in SANDBOX_NETWORKS}


def rows(kind: str) -> list[Any]:
    return [
        pytest.param(network, row, id=f"{network}-{row['name']}")
        for network, vectors in VECTORS.items()
        for row in vectors[kind]
    ]


@pytest.mark.parametrize(("network", "row"), rows("requests"))
def test_every_golden_request_is_accepted(network: str, row: Any) -> None:
    now = datetime.fromisoformat(row["now"].replace("Z", "+00:00"))
    with a_sandbox(now=lambda: now) as sandbox:
        for expected in row["expect"]:
            url = urlsplit(expected["url"])
            answer = requests.request(
                expected["method"],
                f"{sandbox.url}{url.path}?{url.query}",
                headers=expected["headers"],
                json=expected["body"],
                timeout=5,
            )
            assert answer.status_code == 200, answer.text
            assert answer.json().get("code", 0) == 0, answer.text
        assert sandbox.stats()["networks"][network]["refused"] == {}


@pytest.mark.parametrize(("network", "row"), rows("responses"))
def test_every_documented_response_can_be_produced(network: str, row: Any) -> None:
    fault = {"network": network, "status": row["status"], "headers": row["headers"], "body": row["body"]}
    path = urlsplit(VECTORS[network]["requests"][0]["expect"][0]["url"]).path
    with a_sandbox(faults=[fault]) as sandbox:
        answer = requests.post(sandbox.url + path, json={}, timeout=5)
    assert answer.status_code == row["status"]
    assert row["headers"].items() <= answer.headers.items()
    assert (answer.text if isinstance(row["body"], str) else answer.json()) == row["body"]
