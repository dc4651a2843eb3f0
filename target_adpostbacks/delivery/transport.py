"""Sends one request over HTTP. The answer is bounded in size and time."""

from __future__ import annotations

import threading
import time
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import urlencode, urlsplit

import msgspec
import requests
import urllib3

from target_adpostbacks.core.answers import Request, Response
from target_adpostbacks.delivery.connections import Deadlines, Watch, WatchedAdapter, watch
from target_adpostbacks.delivery.public import is_public_name

MAX_BODY = 1024 * 1024
"""Bytes of an answer that are read, after decompression; a longer answer counts as none."""
MAX_TEXT = 2_000
"""Characters that are kept of an answer that is no JSON."""

MOST_WAYS = 64
"""URLs whose way is remembered, and servers to which connections are kept."""
KEPT = 256
"""Connections to one server that are kept while nobody uses them."""
NO_RETRIES = urllib3.Retry(0, read=False)

HEADERS = {
    **requests.utils.default_headers(),
    "User-Agent": f"target-adpostbacks/{version('target-adpostbacks')}",
}
"""Of every request."""


class Unreachable(Exception):
    """No answer came. ``sent``: bytes went out, so that the network may have taken them.

    ``why``: with the place that was not reached, where it is known; ``cause``: without it.
    """

    def __init__(self, cause: str, *, sent: bool, latency_ms: int = 0, place: str = "") -> None:
        self.cause = cause
        self.why = f"{cause}: {place}" if place else cause
        super().__init__(self.why)
        self.sent = sent
        self.latency_ms = latency_ms


class Transport(Protocol):
    """Sends a request; raises Unreachable. Called from several threads at once."""

    def __call__(self, request: Request, timeout_seconds: float) -> Response: ...


class Way(NamedTuple):
    """How a URL is reached: through its pool of connections, under what it is called there."""

    pool: urllib3.HTTPConnectionPool
    target: str  # its path; the whole URL, for a proxy that makes the request itself


class HttpTransport:
    """HTTPS with kept connections; redirects are answers, not followed; ~/.netrc never changes who we are.

    requests finds the way to a URL, by the proxies and certificates of the environment, once; each request takes it
    through urllib3 alone, for a quarter of the work.
    """

    def __init__(self) -> None:
        self._session = requests.Session()
        self._adapters = {
            public_only: WatchedAdapter(
                public_only=public_only, pool_connections=MOST_WAYS, pool_maxsize=KEPT, max_retries=0
            )
            for public_only in (False, True)
        }
        self._ways: dict[tuple[str, bool], Way] = {}
        self._lock = threading.Lock()
        self._deadlines = Deadlines()

    def close(self) -> None:
        """Give back every connection; requests under way are not cut."""
        for adapter in self._adapters.values():
            adapter.close()

    def __call__(self, request: Request, timeout_seconds: float) -> Response:
        started = time.monotonic()
        watched = watch(urlencode(request.query), _checked(request.target))
        warning = _unchecked(request.url) if request.public_only else ""
        try:
            with self._deadlines.kept(watched, timeout_seconds):
                answer = self._send(request, timeout_seconds)
                body = _read(answer, watched, request.text_bytes)
        except Exception as error:
            if not watched.sent and not isinstance(error, FAILURES):
                raise  # our own mistake; once bytes are out, whatever breaks means that no answer was heard
            why = "timed out" if watched.overdue or _is_timeout(error) else _why(error)
            place, is_proxied = _place(request.url)
            place = place if is_proxied or not watched.sent else ""
            raise Unreachable(why, sent=watched.sent, latency_ms=_since(started), place=place) from None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(
            status=answer.status,
            body=_decoded(body) if request.text_bytes is None else body.decode("utf-8", "replace"),
            headers=headers,
            latency_ms=_since(started),
            warning=warning,
        )

    def _send(self, request: Request, timeout_seconds: float) -> urllib3.BaseHTTPResponse:
        for header in request.headers.items():
            requests.utils.check_header_validity(header)
        way = self._ways.get((request.url, request.public_only)) or self._way(request)
        return way.pool.urlopen(
            request.method,
            way.target,  # without its query: the connection adds it
            body=_encoded(request.body),
            headers={**HEADERS, **request.headers},
            timeout=timeout_seconds,
            retries=NO_RETRIES,
            redirect=False,
            assert_same_host=False,  # a target that is no path
            preload_content=False,
            decode_content=False,
        )

    def _way(self, request: Request) -> Way:
        adapter = self._adapters[request.public_only]
        with self._lock:
            prepared = requests.Request(request.method, request.url).prepare()
            settings = self._session.merge_environment_settings(prepared.url, {}, None, None, None)
            proxies, verify = settings["proxies"], settings["verify"]
            pool = adapter.get_connection_with_tls_context(prepared, verify, proxies)
            adapter.cert_verify(pool, prepared.url, verify, None)  # type: ignore[no-untyped-call]
            target = adapter.request_url(prepared, proxies)
            if len(self._ways) >= MOST_WAYS:
                self._ways.clear()
            way = self._ways[request.url, request.public_only] = Way(cast("urllib3.HTTPConnectionPool", pool), target)
            return way


def _encoded(body: Any) -> bytes | None:
    return body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)


def _checked(target: str) -> str:
    """A target as it is; raises ValueError, without its text, for what would end the line that it stands on."""
    if not target.isascii() or any(char <= " " or char == "\x7f" for char in target):
        raise ValueError("a request's target has a character that no URL has")
    return target


def _read(answer: urllib3.BaseHTTPResponse, watched: Watch, most: int | None) -> bytes:
    """The answer; its first ``most`` bytes, where there is such a limit."""
    body = b""
    try:
        for chunk in answer.stream(65536, decode_content=True):
            body += chunk
            if most is not None and len(body) >= most:
                answer.close()
                return body[:most]
            if len(body) > MAX_BODY:
                raise urllib3.exceptions.HTTPError("answer too long")
        if watched.overdue:
            raise TimeoutError
    except BaseException:
        answer.close()  # and its connection, on which the rest may still come
        raise
    return body


def _decoded(body: bytes) -> Any:
    if not body.strip():
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")[:MAX_TEXT]


def _unchecked(url: str) -> str:
    """What can't be checked of a host behind a proxy; empty: nothing. Raises Unreachable for an address on its face."""
    place, is_proxied = _place(url)
    if is_proxied and not is_public_name(urlsplit(url).hostname or ""):
        raise Unreachable(NOT_PUBLIC, sent=False, place=place)
    return f"{place}: the proxy finds the host's address, so that nobody checks that it is public" if is_proxied else ""


def _place(url: str) -> tuple[str, bool]:
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


def _is_timeout(error: BaseException) -> bool:
    reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
    is_refused = isinstance(reason, urllib3.exceptions.NewConnectionError)
    if isinstance(reason, urllib3.exceptions.ProtocolError):  # the socket's own time-out while a body was sent
        return any(isinstance(each, TimeoutError) for each in reason.args)
    return isinstance(reason, urllib3.exceptions.TimeoutError) and not is_refused


def _why(error: BaseException) -> str:
    """The kind of error, without the URL and whatever else its text holds."""
    text = str(error)
    for sign, words in WHYS.items():
        if sign in text:
            return words
    return f"no answer ({type(error).__name__})"


NOT_PUBLIC = "a private or loopback address; if it is yours, set allow_private_hosts: true"
FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
WHYS = {
    "NotPublic": NOT_PUBLIC,
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
    "ended prematurely": "answer cut off",
    "InvalidChunkLength": "answer cut off",
}


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
