"""Connections that a deadline can cut, that keep a request's query from everyone else, and that stay in the internet.

urllib3's timeout is for each read, so an answer that drips never ends. Each connection therefore tells which socket the
thread's request is on, and one thread shuts down those whose time is up.

A query may hold a token, and a URL ends up in debug logs, warnings and the texts of exceptions of requests, urllib3 and
http.client. So none of them is given the query: the connection adds it to the line that goes out.

Where only public hosts may be reached, the name is resolved once, and the address that was checked is the one that is
connected to. A pool of such connections has no others.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from target_adpostbacks.delivery.public import addresses


class Watch:
    """What is known of the request under way: its query and socket, whether bytes went out, whether time is up.

    ``target``: path and query, in place of those of the URL.
    """

    def __init__(self, query: str, target: str = "") -> None:
        self.query = query
        self.target = target
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


def watch(query: str, target: str = "") -> Watch:
    """What the thread's next request is watched by."""
    watched = Watch(query, target)
    _current.watch = watched
    return watched


class Deadlines:
    """Cuts each request that is under way when its time is up.

    One thread does it for all, since a timer for each is a thread for each. It ends once it finds nothing to wait for.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._until: dict[Watch, float] = {}  # monotonic
        self._wakes_at = math.inf  # when the thread looks next; inf: there is none

    @contextlib.contextmanager
    def kept(self, watched: Watch, seconds: float) -> Iterator[None]:
        """Cut the request after so many seconds, unless the block has ended."""
        until = time.monotonic() + seconds
        with self._changed:
            self._until[watched] = until
            if self._wakes_at == math.inf:
                self._wakes_at = until
                threading.Thread(target=self._cut, name="deadlines", daemon=True).start()
            elif until < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._until.pop(watched, None)

    def _cut(self) -> None:
        with self._changed:
            while self._until:
                now = time.monotonic()
                for watched in [each for each, until in self._until.items() if until <= now]:
                    del self._until[watched]
                    watched.cut()
                self._wakes_at = min(self._until.values(), default=now)
                self._changed.wait(self._wakes_at - now)
            self._wakes_at = math.inf


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
        """The request line, with the target or the query that nobody else was given."""
        watch: Watch = _current.watch
        if watch.target:
            url = _origin(url) + watch.target
        target = f"{url}{'&' if '?' in url else '?'}{watch.query}" if watch.query else url
        super().putrequest(method, target, skip_host=skip_host, skip_accept_encoding=skip_accept_encoding)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        watch: Watch = _current.watch
        watch.sock = self.sock
        if watch.overdue:
            raise TimeoutError
        watch.sent = watch.sent or not self._connecting
        super().send(data)


def _origin(url: str) -> str:
    """Scheme and host of a URL that is for a proxy; of another, which begins with its path, nothing."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}" if separator and not url.startswith("/") else ""


class _WatchedTls(_Watched, HTTPSConnection):
    pass


class _Public(_Watched):
    def _new_conn(self) -> socket.socket:
        """A socket to the first address of the host that answers; TLS and the Host header keep to its name."""
        name = self._dns_host
        try:
            found = addresses(name, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        try:
            for n, address in enumerate(found, 1):
                self._dns_host = address
                try:
                    return super()._new_conn()
                except (NewConnectionError, ConnectTimeoutError):
                    if n == len(found):
                        raise
        finally:
            self._dns_host = name
        raise OSError("the host has no address")


class _PublicTls(_Public, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class _PublicPool(HTTPConnectionPool):
    ConnectionCls = _Public


class _PublicTlsPool(HTTPSConnectionPool):
    ConnectionCls = _PublicTls


class WatchedAdapter(HTTPAdapter):
    """``public_only``: what it connects to by itself; behind a proxy the proxy connects."""

    def __init__(self, *, public_only: bool = False, **kwargs: Any) -> None:
        self._public_only = public_only
        super().__init__(**kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        http, https = (_PublicPool, _PublicTlsPool) if self._public_only else (_Pool, _TlsPool)
        self.poolmanager.pool_classes_by_scheme = {"http": http, "https": https}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager
