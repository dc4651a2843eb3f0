"""Nothing personal and nothing secret in the ledger, on standard output or in a log, at any level."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from canaries import PERSONAL, SECRETS, canaries_in, left_behind
from local_server import Answer, LocalServer, Received, accepted, local_server
from run_target import Target, encoded, record, schema, state
from test_target import a_purchase


@pytest.fixture
def target(tmp_path: Path) -> Iterator[tuple[Target, LocalServer]]:
    with local_server() as server:
        made = Target(tmp_path, server.url, max_attempts=2)
        for network, token in SECRETS.items():
            made.config[network]["access_token"] = token
        yield made, server


def lines() -> list[Any]:
    """Good, bad and unsendable records, each full of canaries."""
    person = {**PERSONAL, "consent": True}
    records = [
        a_purchase(1, **person),
        a_purchase(2, **{**person, "network": "reddit"}),
        a_purchase(3, **{**person, "event_time": "canary-time"}),
        a_purchase(4, **{**person, "network": "canary-network"}),
        a_purchase(5, **{**person, "value": "canary-value", "currency": "canary-currency"}),
        a_purchase(6, **{**person, "country": "canary-country", "num_items": "canary-items"}),
        a_purchase(7, **{**person, "test": "canary-truth"}),
        a_purchase(8, **{**person, "contents": "canary-contents"}),
        a_purchase(9, **{**person, "email": {"canary-nested": 1}}),
        {**person, "event_name": "purchase"},
    ]
    return [
        schema(),
        *(record(**columns) for columns in records),
        b'{"type":"RECORD","record":{"email":"canary.mail@example.com"',
        b'{"type":"canary-type","email":"canary.mail@example.com"}',
        b'{"type":"RECORD","stream":"conversions","record":"canary.mail@example.com"}',
        state({"line": 1}),
    ]


def echo(request: Received) -> Answer:
    """A network that tells in its error whatever it was sent."""
    said = json.dumps(request.body)[:3000] + " " + " ".join(request.headers.values()) + " canary.mail@example.com"
    if "/event/track" in request.path:
        return Answer(body={"code": 40002, "message": said, "request_id": "r"})
    return Answer(400, {"error": {"code": 400, "message": said}})


def refuse(request: Received) -> Answer:
    """A network that echoes the token that it refuses."""
    token = request.headers.get("access-token") or request.headers["authorization"]
    return Answer(401, {"code": 40105, "message": f"Access token {token} is incorrect."})


@pytest.mark.parametrize(
    "answer",
    [accepted, echo, refuse, lambda _: Answer(503, b"down"), lambda _: Answer(reset=True)],
    ids=["accepted", "echo", "refused", "down", "reset"],
)
def test_nothing_personal_and_no_secret_is_left_behind(target: tuple[Target, LocalServer], answer: Any) -> None:
    made, server = target
    server.answer = answer
    ran = made.run(lines(), env={"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"})
    assert canaries_in(left_behind(made.folder, ran.stdout, ran.stderr)) == []
    assert server.received  # they were on their way, hashed


def test_a_crash_shows_no_value(target: tuple[Target, LocalServer]) -> None:
    made, _ = target
    made.config["stream_maps"] = {"conversions": {"event_id": "int(email)", "__filter__": "len(email) > missing"}}
    ran = made.run(lines(), env={"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG"})
    assert canaries_in(left_behind(made.folder, ran.stdout, ran.stderr)) == []


def test_a_config_mistake_shows_no_secret(target: tuple[Target, LocalServer]) -> None:
    made, _ = target
    made.config["tiktok"] |= {"pixel_code": "canary pixel", "send": "canary-choice", "concurrency": "canary-number"}
    made.config["reddit"] = "canary-section"
    ran = made.run([encoded(a_purchase()).strip()], env={"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG"})
    assert ran.code == 1
    assert canaries_in(left_behind(made.folder, ran.stdout, ran.stderr)) == []
