"""Sends one request over HTTP. The answer is bounded in size and time."""

from __future__ import annotations

import threading
import time
from importlib.metadata import version
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import msgspec
import requests
import urllib3

from target_adpostbacks.core.answers import Request, Response
from target_adpostbacks.delivery.connections import Watch, WatchedAdapter, watch

MAX_BODY = 1024 * 1024
"""Bytes of an answer that are read, after decompression; a longer answer counts as none."""
MAX_TEXT = 2_000
"""Characters that are kept of an answer that is no JSON."""

USER_AGENT = f"target-adpostbacks/{version('target-adpostbacks')}"


class Unreachable(Exception):
    """No answer came. ``sent``: bytes went out, so that the network may have taken them."""

    def __init__(self, why: str, *, sent: bool, latency_ms: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.sent = sent
        self.latency_ms = latency_ms


class Transport(Protocol):
    """Sends a request; raises Unreachable. Called from several threads at once."""

    def __call__(self, request: Request, timeout_seconds: float) -> Response: ...


class HttpTransport:
    """HTTPS with kept connections; redirects are answers, not followed; ~/.netrc never changes who we are."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def close(self) -> None:
        """Give back every connection; requests under way are not cut."""
        for session in self._sessions:
            session.close()

    def __call__(self, request: Request, timeout_seconds: float) -> Response:
        session = self._session()
        started = time.monotonic()
        watched = watch(urlencode(request.query))
        deadline = threading.Timer(timeout_seconds, watched.cut)
        deadline.daemon = True
        deadline.start()
        try:
            answer = session.request(
                request.method,
                request.url,  # without its query: the connection adds it
                headers=dict(request.headers),
                data=_encoded(request.body),
                timeout=timeout_seconds,
                allow_redirects=False,
                stream=True,
            )
            body = _read(answer, watched)
        except Exception as error:
            if not watched.sent and not isinstance(error, FAILURES):
                raise  # our own mistake; once bytes are out, whatever breaks means that no answer was heard
            late = watched.overdue or isinstance(error, requests.Timeout)
            why = "timed out" if late else _why(error)
            place, is_proxied = _way(request.url)
            why = f"{why}: {place}" if is_proxied or not watched.sent else why
            raise Unreachable(why, sent=watched.sent, latency_ms=_since(started)) from None
        finally:
            deadline.cancel()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(status=answer.status_code, body=_decoded(body), headers=headers, latency_ms=_since(started))

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = _Session()
            session.headers["User-Agent"] = USER_AGENT
            session.auth = _no_netrc
            adapter = WatchedAdapter(pool_connections=4, pool_maxsize=1, max_retries=0)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            self._local.session = session
            self._sessions.append(session)
        return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: even where redirects are not followed, the next request would be made, and the body read to its end."""
        return None


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """requests would put a matching entry of ~/.netrc in place of our Authorization header."""
    return request


def _encoded(body: Any) -> bytes | None:
    return body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)


def _read(answer: requests.Response, watched: Watch) -> bytes:
    body = b""
    try:
        for chunk in answer.iter_content(65536):
            body += chunk
            if len(body) > MAX_BODY:
                raise requests.ConnectionError("answer too long")
            if watched.overdue:
                raise requests.Timeout
    finally:
        answer.close()
    return body


def _decoded(body: bytes) -> Any:
    if not body.strip():
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")[:MAX_TEXT]


def _way(url: str) -> tuple[str, bool]:
    """``'api.example.com, through the proxy 10.0.0.1:3128'``, and whether there is a proxy; no user, no password."""
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url, no_proxy=None))
    if not proxy:
        return _address(url), False
    return f"{_address(url)}, through the proxy {_address(proxy)} of the environment", True


def _address(url: str) -> str:
    """Host and port, whatever else the URL has."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "an address that is not valid"
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{port}" if port else host


def _why(error: BaseException) -> str:
    """The kind of error, without the URL and whatever else its text holds."""
    text = str(error)
    for sign, words in WHYS.items():
        if sign in text:
            return words
    return f"no answer ({type(error).__name__})"


FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
WHYS = {
    "Tunnel connection failed: 407": "the proxy wants a user and a password",
    "Tunnel connection failed": "the proxy refused the connection",
    "dependencies for SOCKS": "a SOCKS proxy can't be used",
    "answer too long": "answer too long",
    "Name or service not known": "host name not found",
    "NameResolutionError": "host name not found",
    "Failed to resolve": "host name not found",
    "Connection refused": "connection refused",
    "CERTIFICATE_VERIFY_FAILED": "TLS certificate not trusted",
    "SSLError": "TLS failed",
    "SSL:": "TLS failed",
    "Connection reset": "connection reset",
    "RemoteDisconnected": "connection closed without an answer",
    "IncompleteRead": "answer cut off",
    "Connection broken": "answer cut off",
}


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
