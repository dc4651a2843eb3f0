"""Answers a request: finds its network and its fault, and keeps what was received."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from aiohttp import web

from target_adpostbacks.sandbox import wire
from target_adpostbacks.sandbox.access import Access
from target_adpostbacks.sandbox.faults import NO_FAULT, Fault, FaultError, Rules, fault
from target_adpostbacks.sandbox.network import BAD, HTML, NOT_JSON, Answer, Call, Refused, SandboxNetwork
from target_adpostbacks.sandbox.networks import network_of
from target_adpostbacks.sandbox.records import Records, Seen
from target_adpostbacks.sandbox.schema import Problem

HEADER = "X-Sandbox-Fault"
MAX_BODY = 32 << 20
FORM = "application/x-www-form-urlencoded"
SECRETS = {
    *("access-token", "authorization", "cookie", "secret", "access_token", "auth_code", "appsecret_proof"),
    *("developer-token", "developertoken", "x-pixel-token", "client_secret", "refresh_token"),
    *("assertion", "code", "code_verifier"),
}


class Body(NamedTuple):
    raw: bytes
    json: Any


class Handler:
    """Answers one request after the other."""

    def __init__(self, rules: Rules, records: Records, access: Access, now: Callable[[], datetime]) -> None:
        self.rules, self.records, self.access, self.now = rules, records, access, now
        self.calls = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        network = network_of(request.path, request.method)
        if network is None:
            self.records.blame("none", "404")
            return web.json_response({"error": "no network of the sandbox has this path"}, status=404)
        version = self.rules.version
        try:
            struck, body = await self.fault(network, request)
            body = body if struck.reset == "before" else body or await read(request)
        except FaultError as error:
            return web.json_response({"error": str(error)}, status=400)
        except web.HTTPRequestEntityTooLarge:
            self.records.blame(network.name, network.failed(413).code)
            self.note(network, request, None, network.failed(413))
            return await wire.send(request, network.failed(413), NO_FAULT)
        if body is None or struck.reset == "before":
            self.note(network, request, body, None)
            return wire.reset(request)
        answer = self.answer(network, self.call(request, body, struck), struck)
        if answer.code and not (struck.replaces or struck.strikes(network.event_ids(body.json)) is not None):
            self.records.blame(network.name, answer.code)
        self.note(network, request, body, None if struck.reset else answer)
        await asyncio.sleep(struck.delay_seconds)
        while struck.hold and self.rules.version == version:
            await asyncio.sleep(0.01)
        return wire.reset(request) if struck.reset else await wire.send(request, answer, struck)

    async def fault(self, network: SandboxNetwork, request: web.Request) -> tuple[Fault, Body | None]:
        """The fault that meets the request, and its body where it had to be looked at."""
        if HEADER in request.headers:
            rule = from_header(request.headers[HEADER])
            return rule if rule.meets(network.name, request.path) else NO_FAULT, None
        body = None
        if self.rules.look_at_events(network.name, request.path):
            body = await read(request)
        event_ids = network.event_ids(body.json) if body else []
        return self.rules.pick(network.name, request.path, event_ids), body

    def call(self, request: web.Request, body: Body, struck: Fault) -> Call:
        self.calls += 1
        return Call(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body.json,
            now=self.now(),
            number=self.calls,
            access=self.access,
            silent=struck.silent,
            echo=struck.echo,
        )

    def answer(self, network: SandboxNetwork, call: Call, struck: Fault) -> Answer:
        """The network's own answer, then what the fault makes of it."""
        answer = self.process(network, call, struck) if struck.processes else Answer()
        answer = replaced(network, call, struck) if struck.replaces else answer
        if struck.retry_after is not None:
            answer = replace(answer, headers={**answer.headers, "Retry-After": str(struck.retry_after)})
        if struck.empty:
            answer = replace(answer, body=None)
        return replace(answer, headers={**answer.headers, **struck.headers})

    def process(self, network: SandboxNetwork, call: Call, struck: Fault) -> Answer:
        bad = struck.strikes(network.event_ids(call.body))
        try:
            batch = network.receive(replace(call, bad=bad))
        except Refused as refused:
            return refused.answer
        if isinstance(batch, Answer):
            return batch
        if bad is not None and batch.answer is None:
            return network.refused(call, Problem("event", BAD, bad))
        self.records.receive(network, batch, call.now)
        if batch.answer is not None:
            return batch.answer
        count = len(batch.events) if struck.wrong_count is None else struck.wrong_count
        return network.accepted(call, count)

    def note(self, network: SandboxNetwork, request: web.Request, body: Body | None, answer: Answer | None) -> None:
        seen = Seen(
            network=network.name,
            method=request.method,
            path=request.path,
            query=masked(request.query),
            headers=masked(request.headers),
            body=body and hidden(body),
            status=answer.status if answer else None,
            code=answer.code if answer else "",
        )
        self.records.note(seen, answer)


async def read(request: web.Request) -> Body:
    raw = await request.read()
    if request.method == "GET" and not raw:
        return Body(raw, dict(request.query))
    if request.content_type == FORM:
        return Body(raw, dict(parse_qsl(raw.decode("utf-8", "replace"))))
    try:
        content = json.loads(raw, parse_constant=refuse)
        if b"\\ud" in raw.lower():
            json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is no text
        return Body(raw, content)
    except (ValueError, RecursionError):
        return Body(raw, NOT_JSON)


def refuse(constant: str) -> None:
    """``NaN`` and ``Infinity``, which Python reads and JSON does not have."""
    raise ValueError(constant)


def from_header(text: str) -> Fault:
    try:
        return fault(json.loads(text), HEADER)
    except FaultError:
        raise
    except ValueError:
        raise FaultError(f"{HEADER}: not valid JSON") from None


def replaced(network: SandboxNetwork, call: Call, struck: Fault) -> Answer:
    """The answer that stands in the place of the network's own."""
    if struck.error is not None:
        answer = network.error(call, str(struck.error))
    elif struck.redirect is not None:
        answer = Answer(status=302, headers={"Location": struck.redirect}, code="302")
    elif struck.html:
        answer = Answer(body=HTML, code="html")
    elif struck.status is not None:
        answer = Answer(status=200) if struck.status < 300 else network.failed(struck.status)
    elif struck.retry_after is not None:
        answer = network.failed(429)
    else:
        answer = Answer()
    if struck.status is not None:
        answer = replace(answer, status=struck.status)
    return answer if struck.body is None else replace(answer, body=struck.body)


def masked(pairs: Mapping[str, str]) -> dict[str, str]:
    return {name: "***" if name.lower() in SECRETS else value for name, value in pairs.items()}


def hidden(body: Body) -> bytes:
    """The body as it came; secrets at its top level are masked."""
    if isinstance(body.json, dict) and SECRETS & body.json.keys():
        return json.dumps(masked(body.json)).encode()
    return body.raw
