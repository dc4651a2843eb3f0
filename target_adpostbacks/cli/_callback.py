"""Waits on the loopback for the browser that comes back from a network's authorization page."""

from __future__ import annotations

import hmac
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

PATH = "/callback"
SECONDS = 300
PAGES = {
    200: "The answer has arrived. Close this page and go back to the terminal: it says what came of it.",
    400: "This is not the answer that adpostbacks waits for. Go back to the terminal.",
    404: "There is nothing here.",
}


class NoCode(Exception):
    """Why there is no code."""


class Denied(NoCode):
    """The answer to this attempt is that there will be none."""


def code_in(url: str, names: Sequence[str], state: str) -> str:
    """The code in the query of a callback's URL. Raises NoCode, also where its state is not ours."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(url.strip()).query).items()}
    if not hmac.compare_digest(query.get("state", "").encode(), state.encode()):
        raise NoCode("the answer is to another attempt (its state differs): begin anew")
    if "error" in query:
        raise Denied(f"the network says: {query['error'][:100]}")
    for name in names:
        if code := query.get(name):
            return code
    raise NoCode(f"the answer has no {' or '.join(names)}")


class Callback:
    """A server at 127.0.0.1 that takes one callback; everything else gets a page that says nothing."""

    def __init__(self, port: int, names: Sequence[str], state: str) -> None:
        self.code = ""
        self.is_denied = False
        self.refused = ""
        callback = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10  # seconds, for a browser that opens a connection and says nothing

            def do_GET(self) -> None:
                status = callback._take(self.path, names, state)
                page = f"<!doctype html><title>adpostbacks</title><p>{PAGES[status]}".encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.send_header("Referrer-Policy", "no-referrer")
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *args: object) -> None:
                """Nothing: the URL holds the code."""

        self._server = HTTPServer(("127.0.0.1", port), Handler)
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def _take(self, target: str, names: Sequence[str], state: str) -> int:
        if urlsplit(target).path != PATH:
            return 404
        try:
            self.code = code_in(target, names, state)
        except NoCode as no_code:
            self.refused, self.is_denied = str(no_code), isinstance(no_code, Denied)
            return 200 if self.is_denied else 400
        return 200

    def wait(self, seconds: float = SECONDS) -> str:
        """The code. Raises NoCode where none came in time."""
        until = time.monotonic() + seconds
        with self._server:
            while not (self.code or self.is_denied) and (left := until - time.monotonic()) > 0:
                self._server.timeout = left
                self._server.handle_request()
        if not self.code:
            raise NoCode(self.refused or f"nobody came back within {seconds:.0f} seconds")
        return self.code
