"""A server by hand: what a test does with each connection, byte by byte."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from target_adpostbacks.core.answers import Request
from target_adpostbacks.delivery.transport import HttpTransport, Unreachable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """A server by hand. ``connections``: how many came; ``heads``: what each request began with."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.connections = 0
        self.heads: list[bytes] = []

    def read(self, connection: socket.socket) -> bytes:
        """A request's head, empty at the end; its body is read too."""
        head = b""
        while b"\r\n\r\n" not in head:
            if not (piece := connection.recv(65536)):
                return b""
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        self.heads.append(head)
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        while len(body) < int(length.partition(b":")[2]):
            body += connection.recv(65536)
        return head


@contextmanager
def peer(serve: Callable[[Peer, socket.socket], None]) -> Iterator[Peer]:
    """Call ``serve`` with each connection, on a thread of its own."""
    with ThreadPoolExecutor(8) as threads:
        listener = socket.create_server(("127.0.0.1", 0))
        made = Peer(listener.getsockname()[1])
        ends: list[socket.socket] = []

        def one(connection: socket.socket, end: socket.socket) -> None:
            with connection, suppress(OSError):
                serve(made, connection)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    ends.append(connection.dup())  # TLS takes the other away
                    made.connections += 1
                    threads.submit(one, connection, ends[-1])

        threads.submit(accept)
        try:
            yield made
        finally:
            for each in (listener, *ends):
                with each, suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def answering(made: Peer, connection: socket.socket) -> None:
    """Accept every request."""
    while made.read(connection):
        connection.sendall(OK)


def written(authority: trustme.CA, folder: Path) -> str:
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def context_of(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@contextmanager
def tls_peer(authority: trustme.CA, name: str = "127.0.0.1", asked: list[str] | None = None) -> Iterator[Peer]:
    """``name``: of the certificate; ``asked``: gets the name that each connection asks for."""
    context = context_of(authority, name)
    if asked is not None:
        context.sni_callback = lambda _socket, host, _context: asked.append(str(host))

    def serve(made: Peer, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as inner:
            answering(made, inner)

    with peer(serve) as made:
        made.url = made.url.replace("http:", "https:")
        yield made


def unreachable(transport: HttpTransport, request: Request, timeout_seconds: float = 60) -> Unreachable:
    """What a request comes to that gets no answer."""
    with pytest.raises(Unreachable) as silence:
        transport(request, timeout_seconds)
    return silence.value
