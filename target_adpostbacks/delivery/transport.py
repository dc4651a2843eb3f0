"""The only module that opens a socket: one request out, one bounded answer in, within one deadline."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from importlib.metadata import version
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from target_adpostbacks.core.answers import Request, Response

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
        exchange = _Exchange(urlencode(request.query))
        _current.exchange = exchange
        deadline = threading.Timer(timeout_seconds, exchange.cut)
        deadline.daemon = True
        deadline.start()
        try:
            answer = session.request(
                request.method,
                request.url,  # without its query: see _Watched
                headers=dict(request.headers),
                data=None if request.body is None else msgspec.json.encode(request.body),
                timeout=timeout_seconds,
                allow_redirects=False,
                stream=True,
            )
            body = _read(answer, exchange)
        except Exception as error:
            if not exchange.sent and not isinstance(error, FAILURES):
                raise  # our own mistake; once bytes are out, whatever breaks means that no answer was heard
            late = exchange.overdue or isinstance(error, requests.Timeout)
            why = "timed out" if late else _why(error)
            raise Unreachable(why, sent=exchange.sent, latency_ms=_since(started)) from None
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
            adapter = _Adapter(pool_connections=4, pool_maxsize=1, max_retries=0)
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


def _read(answer: requests.Response, exchange: _Exchange) -> bytes:
    body = b""
    try:
        for chunk in answer.iter_content(65536):
            body += chunk
            if len(body) > MAX_BODY:
                raise requests.ConnectionError("answer too long")
            if exchange.overdue:
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


def _why(error: BaseException) -> str:
    """The kind of error, without the URL and whatever else its text holds."""
    text = str(error)
    for sign, words in WHYS.items():
        if sign in text:
            return words
    return f"no answer ({type(error).__name__})"


FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
WHYS = {
    "Tunnel connection failed": "the proxy refuses",
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


# --- The deadline and the query --------------------------------------------------------------------------------------
# requests' timeout is for each read: an answer that drips never ends. So each connection tells which socket the
# thread's exchange is on, and a timer shuts that down.
# A query may hold a token, and a URL ends up in debug logs, warnings and the texts of exceptions of requests, urllib3
# and http.client. So none of them is given the query: the connection adds it to the line that goes out.


class _Exchange:
    """What is known of the request under way: its query and socket, whether bytes went out, whether time is up."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.sent = False
        self.overdue = False
        self.sock: Any = None

    def cut(self) -> None:
        """End it: whoever waits on its socket gets an error at once."""
        self.overdue = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


_current = threading.local()


class _Watched(HTTPConnection):
    debuglevel = 0  # http.client prints what it sends where somebody has set its own
    _connecting = False

    def connect(self) -> None:
        """What goes out meanwhile is for a proxy."""
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        """The request line, with the query that nobody else was given."""
        exchange: _Exchange = _current.exchange
        target = f"{url}{'&' if '?' in url else '?'}{exchange.query}" if exchange.query else url
        super().putrequest(method, target, skip_host=skip_host, skip_accept_encoding=skip_accept_encoding)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        exchange: _Exchange = _current.exchange
        exchange.sock = self.sock
        if exchange.overdue:
            raise TimeoutError
        exchange.sent = exchange.sent or not self._connecting
        super().send(data)


class _WatchedTls(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager
