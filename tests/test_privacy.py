"""Nothing personal and nothing secret in the ledger, on standard output or in a log, at any level."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_server import Answer, LocalServer, Received, accepted, local_server
from run_target import Ran, Target, encoded, record, schema, state
from test_target import a_purchase

SECRETS = {"tiktok": "canary-token-tiktok", "reddit": "canary-token-reddit"}

PERSONAL = {
    "email": "canary.mail@example.com",
    "phone": "+14155550199",
    "external_id": "canary-external-id",
    "first_name": "Canaryfirst",
    "last_name": "Canarylast",
    "gender": "canarygender",
    "date_of_birth": "1987-06-05",
    "city": "Canarycity",
    "state": "Canarystate",
    "postal_code": "98765",
    "ip_address": "203.0.113.77",
    "user_agent": "CanaryAgent/1.0",
    "language": "xx-CANARY",
    "advertising_id": "ca4a47ca-a667-48bc-b806-42ecb2b48606",
    "idfv": "ca4a47ca-7d4f-4b7a-9c63-2c6e4b2e8f11",
    "ttclid": "CanaryClick",
    "ttp": "CanaryCookie",
    "rdt_cid": "CanaryReddit",
    "rdt_uuid": "CanaryUuid",
    "lead_id": "canary-lead",
    "anonymous_id": "canary-anonymous",
    "event_source_url": "https://example.com/canary-page",
    "referrer_url": "https://example.com/canary-referrer",
    "landing_url": "https://example.com/canary-landing?ttclid=CanaryLanding",
    "search_query": "canary search",
    "description": "canary description",
    "properties": {"note": "canary-property"},
    "unknown_column": "canary-unknown",
}
CANARIES = [
    *SECRETS.values(),
    *(value for value in PERSONAL.values() if isinstance(value, str)),
    "CanaryLanding",
    "canary-property",
    "canary.mail",
    "4155550199",
]


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


def everything(folder: Path, ran: Ran) -> str:
    """All that a run leaves behind, but for its config."""
    files = [path for path in folder.iterdir() if path.name != "config.json"]
    return ran.stdout + ran.stderr + "".join(path.read_bytes().decode("utf-8", "replace") for path in files)


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
    left = everything(made.folder, ran).lower()
    assert [canary for canary in CANARIES if canary.lower() in left] == []
    assert "canary" not in left  # nor any other form of one
    assert server.received  # they were on their way, hashed


def test_a_crash_shows_no_value(target: tuple[Target, LocalServer]) -> None:
    made, _ = target
    made.config["stream_maps"] = {"conversions": {"event_id": "int(email)", "__filter__": "len(email) > missing"}}
    ran = made.run(lines(), env={"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG"})
    assert "canary" not in everything(made.folder, ran).lower()


def test_a_config_mistake_shows_no_secret(target: tuple[Target, LocalServer]) -> None:
    made, _ = target
    made.config["tiktok"] |= {"pixel_code": "canary pixel", "send": "canary-choice", "concurrency": "canary-number"}
    made.config["reddit"] = "canary-section"
    ran = made.run([encoded(a_purchase()).strip()], env={"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG"})
    assert ran.code == 1
    assert "canary" not in (ran.stdout + ran.stderr).lower()
