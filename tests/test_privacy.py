"""Nothing personal and nothing secret in the ledger, on standard output or in a log, at any level."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from canaries import ERASURE_KEY, PERSONAL, SECRET_SETTINGS, SECRETS, canaries_in, left_behind
from conftest import slow
from eager import command
from local_server import Answer, LocalServer, Received, accepted, local_server, refused
from patience import PATIENCE
from run_target import COMMAND, Target, a_purchase, encoded, record, schema, state

from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def target(tmp_path: Path) -> Iterator[tuple[Target, LocalServer]]:
    with local_server() as server:
        made = Target(tmp_path, server.url, max_attempts=2)
        for network, hidden in SECRET_SETTINGS.items():
            made.config[network] |= hidden
        yield made, server


KINDS: Sequence[Mapping[str, Any]] = (
    {},
    {"test": True},
    {"event_source": "app", "app_id": "1", "platform": "ios"},
    {"event_source": "app", "platform": "android"},
    {"event_source": "offline"},
)
"""What each network gets one of."""


def lines() -> list[Any]:
    """Good, bad and unsendable records, each full of canaries."""
    person = {**PERSONAL, "consent": True}
    priced = {**person, "value": 19.99, "currency": "EUR"}
    records = [
        a_purchase(1, **person),
        a_purchase(3, **{**person, "event_time": "canary-time"}),
        a_purchase(4, **{**person, "network": "canary-network"}),
        a_purchase(5, **{**person, "value": "canary-value", "currency": "canary-currency"}),
        a_purchase(6, **{**person, "country": "canary-country", "num_items": "canary-items"}),
        a_purchase(7, **{**person, "test": "canary-truth"}),
        a_purchase(8, **{**person, "contents": "canary-contents", "properties": "canary-properties"}),
        a_purchase(9, **{**person, "email": {"canary-nested": 1}}),
        {**person, "event_name": "purchase"},
        *(
            a_purchase(number, **priced, **kind, network=network)
            for number, (network, kind) in enumerate(product(NETWORKS, KINDS), 100)
        ),
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
    sent = [request.path, unquote(request.path), *request.headers.values()]
    return refused(request, json.dumps(request.body)[:3000] + " " + " ".join(sent) + " canary.mail@example.com")


def refuse(request: Received) -> Answer:
    """A network that echoes the token that it refuses."""
    token = request.headers.get("access-token") or request.headers.get("authorization") or request.path
    said = f"Access token {token} is incorrect, {unquote(token)} is, {unquote(token)[:90]} is."
    return Answer(401, {"code": 40105, "message": said, "status": "INVALID", "reason": said})


def warn(request: Received) -> Answer:
    """A network that echoes in its warnings what it was sent."""
    said = " ".join([json.dumps(request.body), request.path, unquote(request.path)])
    answer = accepted(request)
    return Answer(answer.status, saying(answer.body, said), {"X-Ad-Api-Version-Warning": said})


def saying(body: Any, said: str) -> Any:
    """An answer that says something more wherever it has messages, reasons or warnings."""
    if isinstance(body, list):
        return [saying(member, said) for member in body]
    if not isinstance(body, dict):
        return body
    return {
        key: more(value, said) if re.search("message|reason|warning", key) else saying(value, said)
        for key, value in body.items()
    }


def more(value: Any, said: str) -> Any:
    return [*value, said] if isinstance(value, list) else f"{value or ''} {said}"


def redirect(request: Received) -> Answer:
    """A proxy that sends the request elsewhere, its query with it."""
    return Answer(302, {}, {"Location": request.path, "Link": f"<{unquote(request.path)}>"})


def down(_: Received) -> Answer:
    """A network that is down."""
    return Answer(503, b"down")


def reset(_: Received) -> Answer:
    """A network that hangs up."""
    return Answer(reset=True)


@pytest.mark.parametrize(
    ("answer", "workers"),
    [(echo, 0), (warn, 0), *slow((echo, 2), *((each, 0) for each in (accepted, refuse, redirect, down, reset)))],
    ids=lambda value: getattr(value, "__name__", f"{value} workers"),
)
def test_nothing_personal_and_no_secret_is_left_behind(
    target: tuple[Target, LocalServer], answer: Any, workers: int
) -> None:
    made, server = target
    server.answer = answer
    log = {"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"}
    ran = made.run(lines(), env=log, command=command(workers) if workers else (COMMAND,))
    assert canaries_in(left_behind(made.folder, ran.stdout, ran.stderr)) == []
    assert {request.network.name for request in server.received} == {*NETWORKS}  # they were on their way, hashed


@pytest.mark.parametrize(
    "fault", [{"echo": True}, *slow({}, {"error": "invalid_token"}, {"status": 500}, {"reset": "after"})]
)
def test_a_token_in_the_query_is_in_nothing_that_a_run_leaves_behind(tmp_path: Path, fault: dict[str, Any]) -> None:
    token = SECRETS["snapchat"]
    with Sandbox(faults=[{"network": "snapchat", **fault}] if fault else []) as sandbox:
        made = Target(tmp_path, sandbox.url, max_attempts=2, results_path=str(tmp_path / "results.jsonl"))
        made.config["snapchat"]["access_token"] = token
        person = {"network": "snapchat", "email": "ada@example.com", "value": 19.99, "currency": "EUR"}
        now = datetime.now(timezone.utc).isoformat()
        sent = [record(**a_purchase(n, **{**person, "event_time": now, "test": n == 3})) for n in (1, 2, 3)]
        ran = made.run([schema(), *sent], env={"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"})
        left = left_behind(made.folder, ran.stdout, ran.stderr, json.dumps(sandbox.requests, default=str))
        assert sandbox.requests
        assert {seen["query"]["access_token"] for seen in sandbox.requests} == {"***"}
    assert "connectionpool" in ran.stderr or "reset" in fault  # urllib3 did log its requests
    for form in (token, quote(token, safe=""), quote(token), token[:16], token[-16:]):
        assert form.lower() not in left


@pytest.mark.parametrize("workers", [0, *slow(2)])
def test_nobody_who_is_erased_and_no_key_is_left_behind(target: tuple[Target, LocalServer], workers: int) -> None:
    made, server = target
    log = {"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"}
    made.config |= {"erasure_key": ERASURE_KEY, "erasure_index": True, "max_attempts": 1}
    names = {name: PERSONAL[name] for name in ("email", "phone", "external_id")}
    said: list[str] = []

    def erase(*lines: str) -> int:
        words = [str(Path(COMMAND).with_name("adpostbacks")), "erase", "-", "--config", "config.json"]
        text = "\n".join(lines).encode()
        ran = subprocess.run(
            words, cwd=made.folder, input=text, capture_output=True, env={**os.environ, **log}, timeout=PATIENCE
        )
        said.extend((ran.stdout.decode(), ran.stderr.decode()))
        return ran.returncode

    for answer in (down, accepted):
        server.answer = answer
        ran = made.run(lines(), env=log, command=command(workers) if workers else (COMMAND,))
        said.extend((ran.stdout, ran.stderr))
        assert erase("canary-no-kind", "email canary") == 2
        assert erase(*(f"{kind} {value}" for kind, value in names.items())) == 0
    assert "suppressed" in "".join(said)
    made.config |= {"suppress": "listed", "erasure_key": f"{ERASURE_KEY}-another"}
    ran = made.run(lines(), env=log)
    assert ran.code == 1
    assert canaries_in(left_behind(made.folder, *said, ran.stdout, ran.stderr)) == []


def test_a_crash_shows_no_value(target: tuple[Target, LocalServer]) -> None:
    made, _ = target
    made.config["stream_maps"] = {"conversions": {"event_id": "int(email)", "__filter__": "int(email) > 0"}}
    ran = made.run(lines(), env={"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG"})
    assert "an expression failed" in ran.stderr
    assert canaries_in(left_behind(made.folder, ran.stdout, ran.stderr)) == []


def test_a_config_mistake_shows_no_secret(target: tuple[Target, LocalServer]) -> None:
    made, _ = target
    made.config["tiktok"] |= {"pixel_code": "canary pixel", "send": "canary-choice", "concurrency": "canary-number"}
    made.config["reddit"] = "canary-section"
    ran = made.run([encoded(a_purchase()).strip()], env={"TARGET_ADPOSTBACKS_LOGLEVEL": "DEBUG"})
    assert ran.code == 1
    assert canaries_in(left_behind(made.folder, ran.stdout, ran.stderr)) == []
