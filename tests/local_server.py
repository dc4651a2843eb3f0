"""A real HTTP server on loopback that answers as a test says and remembers what it was sent."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from target_adpostbacks.sandbox.access import Access
from target_adpostbacks.sandbox.network import Answer as SandboxAnswer
from target_adpostbacks.sandbox.network import Call, SandboxNetwork
from target_adpostbacks.sandbox.networks import network_of
from target_adpostbacks.sandbox.schema import Problem


class Received(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes = b""  # the body to the byte

    @property
    def event_ids(self) -> list[str]:
        """The ids of its events."""
        query = dict(parse_qsl(urlsplit(self.path).query)) if self.method == "GET" else None
        return self.network.event_ids(query if self.body is None else self.body)

    @property
    def network(self) -> SandboxNetwork:
        """The network whose path it is."""
        network = network_of(urlsplit(self.path).path)
        assert network is not None, self.path
        return network

    @property
    def call(self) -> Call:
        """It, as the sandbox reads it."""
        return Call(
            method=self.method,
            path=urlsplit(self.path).path,
            query={},
            headers=self.headers,
            body=self.body,
            now=datetime.now(timezone.utc),
            number=1,
            access=Access(),
        )


class Answer(NamedTuple):
    """What comes back. ``body``: bytes as they are, anything else as JSON."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012
    delay_seconds: float = 0
    reset: bool = False  # the connection is reset instead of an answer
    drip_seconds: float = 0  # between two bytes of the body
    claimed_length: int | None = None  # Content-Length, where it lies


def accepted(request: Received) -> Answer:
    """What the network answers when all is well; to a sign-in, too."""
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        signed_in = request.network.receive(replace(request.call, body=dict(parse_qsl(request.raw.decode()))))
        assert isinstance(signed_in, SandboxAnswer)
        return Answer(signed_in.status, signed_in.body)
    answer = request.network.accepted(request.call, len(request.event_ids))
    return Answer(answer.status, answer.body, {**answer.headers})


def refused(request: Received, said: str) -> Answer:
    """What the network answers when it finds something wrong with the first event, and what it says of it."""
    answer = request.network.refused(replace(request.call, echo=True), Problem("event", said, 0, value=said))
    return Answer(answer.status, answer.body, {**answer.headers})


class LocalServer:
    """``answer`` is called with each request; ``received`` holds them in order."""

    def __init__(self) -> None:
        self.answer: Callable[[Received], Answer] = accepted
        self.received: list[Received] = []
        self.url = ""

    @property
    def event_ids(self) -> list[str]:
        """Every event id that came, in order."""
        return [event_id for request in self.received for event_id in request.event_ids]


class Server(ThreadingHTTPServer):
    """Lets as many connections wait as a run opens at once, however busy the machine is."""

    request_queue_size = 128
    daemon_threads = True


@contextmanager
def local_server() -> Iterator[LocalServer]:
    """Serve until the block ends."""
    local = LocalServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            try:
                body = json.loads(raw) if raw else None
            except ValueError:
                body = raw
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.command, self.path, headers, body, raw)
            local.received.append(request)
            self._send(local.answer(request))

        do_GET = do_POST  # noqa: N815

        def _send(self, answer: Answer) -> None:
            time.sleep(answer.delay_seconds)
            if answer.reset:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                os.close(self.connection.detach())  # close() alone would wait for its files
                self.close_connection = True
                return
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header(
                "Content-Length", str(len(body) if answer.claimed_length is None else answer.claimed_length)
            )
            self.end_headers()
            try:
                if not answer.drip_seconds:
                    self.wfile.write(body)
                else:
                    for byte in body:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(answer.drip_seconds)
            except OSError:  # the client has gone
                self.close_connection = True
            if answer.claimed_length is not None:
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            """Nothing."""

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (OSError, ValueError):
                self.close_connection = True

    server = Server(("127.0.0.1", 0), Handler)
    local.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield local
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
