"""What connections promise: they are kept, bring nothing twice, and each request has one deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from local_server import Answer, LocalServer, local_server
from patience import PATIENCE
from peer import OK, Peer, answering, peer, unreachable

from target_adpostbacks.core.answers import Request
from target_adpostbacks.delivery.connections import Watch
from target_adpostbacks.delivery.transport import MAX_BODY, HttpTransport


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as local:
        local.answer = lambda _: Answer()
        yield local


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    with closing(HttpTransport()) as made:
        yield made


def test_requests_share_a_connection(transport: HttpTransport) -> None:
    with peer(answering) as made:
        for path in ("a", "b", "a"):
            transport(Request(url=f"{made.url}/{path}", body={}), 60)
    assert (len(made.heads), made.connections) == (3, 1)


def test_a_connection_that_ended_while_nobody_used_it_is_made_anew(transport: HttpTransport) -> None:
    ended = threading.Event()

    def once(made: Peer, connection: socket.socket) -> None:
        made.read(connection)
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_RDWR)
        ended.set()

    with peer(once) as made:
        for _ in range(3):
            ended.clear()
            assert transport(Request(url=made.url, body={}), 60).status == 200
            assert ended.wait(PATIENCE)
            time.sleep(0.05)  # until our end has heard of it
    assert (len(made.heads), made.connections) == (3, 3)


def test_what_a_kept_connection_may_have_brought_is_not_sent_again(transport: HttpTransport) -> None:
    def once(made: Peer, connection: socket.socket) -> None:
        made.read(connection)
        connection.sendall(OK)
        made.read(connection)  # and no answer to it

    with peer(once) as made:
        transport(Request(url=made.url, body={}), 60)
        silence = unreachable(transport, Request(url=made.url, body={}))
        assert silence.sent
        assert (len(made.heads), made.connections) == (2, 1)


def test_an_answer_in_pieces_that_is_cut_off_is_none(transport: HttpTransport) -> None:
    def cut(made: Peer, connection: socket.socket) -> None:
        made.read(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")

    with peer(cut) as made:
        silence = unreachable(transport, Request(url=made.url, body={}))
    assert (silence.sent, silence.why) == (True, "answer cut off")


def test_an_answer_in_pieces_is_put_together(transport: HttpTransport) -> None:
    def pieces(made: Peer, connection: socket.socket) -> None:
        while made.read(connection):
            connection.sendall(
                b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'
            )

    with peer(pieces) as made:
        assert [transport(Request(url=made.url, body={}), 60).body for _ in range(2)] == [{"a": 1}, {"a": 1}]
    assert made.connections == 1


def silent(made: Peer, connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.recv(1 << 16)


def test_tls_that_is_never_agreed_upon_ends_at_the_deadline_with_nothing_sent(transport: HttpTransport) -> None:
    with peer(silent) as made:
        silence = unreachable(transport, Request(url=made.url.replace("http:", "https:"), body={}), 0.5)
    assert (silence.why.partition(":")[0], silence.sent) == ("timed out", False)


@pytest.mark.parametrize("is_late", [False, True], ids=["", "the socket is first"])
def test_a_body_that_nobody_takes_ends_at_the_deadline(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch, *, is_late: bool
) -> None:
    done = threading.Event()
    if is_late:
        monkeypatch.setattr(Watch, "cut", lambda _: None)

    def deaf(_made: Peer, _connection: socket.socket) -> None:
        done.wait(PATIENCE)

    with peer(deaf) as made:
        started = time.monotonic()
        silence = unreachable(transport, Request(url=made.url, body=b"x" * (64 << 20)), 0.5)
        assert time.monotonic() - started < PATIENCE
        done.set()
    assert (silence.why, silence.sent) == ("timed out", True)


def test_each_request_has_a_deadline_of_its_own(transport: HttpTransport) -> None:
    """The shorter of two ends though the longer one began before it, and does not end that. Both answers drip."""
    has_begun, is_over = threading.Event(), threading.Event()

    def late(made: Peer, connection: socket.socket) -> None:
        made.read(connection)
        has_begun.set()
        for byte in OK.replace(b"\r\n", b"\r\nX: " + b"x" * 400 + b"\r\n", 1):
            connection.sendall(bytes([byte]))
            is_over.wait(0.05)

    with peer(late) as made, ThreadPoolExecutor(1) as other:
        patient = other.submit(transport, Request(url=made.url, body={}), PATIENCE)
        assert has_begun.wait(PATIENCE)
        silence = unreachable(transport, Request(url=made.url, body={}), 0.3)
        is_over.set()
        assert (silence.why, silence.sent) == ("timed out", True)
        assert patient.result().status == 200


def test_a_deadline_that_was_kept_cuts_nothing_later(transport: HttpTransport) -> None:
    with peer(answering) as made:
        transport(Request(url=made.url, body={}), 1)
        time.sleep(1.2)
        transport(Request(url=made.url, body={}), 60)
    assert made.connections == 1


def test_a_deadline_holds_after_a_while_without_requests(server: LocalServer, transport: HttpTransport) -> None:
    transport(Request(url=server.url, body={}), 1)
    time.sleep(1.2)
    server.answer = lambda _: Answer(body=b"x" * 50, drip_seconds=0.05)
    assert unreachable(transport, Request(url=server.url, body={}), 0.3).why == "timed out"


def test_what_is_left_of_a_long_answer_is_not_the_beginning_of_the_next(
    server: LocalServer, transport: HttpTransport
) -> None:
    server.answer = lambda _: Answer(200, b" " * (MAX_BODY + 500_000))
    unreachable(transport, Request(url=server.url, body={}))
    server.answer = lambda _: Answer(200, {"mine": True})
    assert transport(Request(url=server.url, body={}), 60).body == {"mine": True}


@pytest.mark.parametrize("head", [b"204 No Content\r\n", b"200 OK\r\nContent-Length: 0\r\n"])
def test_an_answer_without_a_body_keeps_its_connection(transport: HttpTransport, head: bytes) -> None:
    def empty(made: Peer, connection: socket.socket) -> None:
        while made.read(connection):
            connection.sendall(b"HTTP/1.1 " + head + b"\r\n")

    with peer(empty) as made:
        assert [transport(Request(url=made.url, body={}), 60).body for _ in range(3)] == [None] * 3
    assert made.connections == 1


def test_many_at_once_each_get_their_own_answer(server: LocalServer, transport: HttpTransport) -> None:
    server.answer = lambda request: Answer(200, request.path)
    urls = [f"{server.url}/{number}" for number in range(200)]
    with ThreadPoolExecutor(16) as threads:
        bodies = [*threads.map(lambda url: transport(Request(url=url, body={}), 60).body, urls)]
    assert bodies == [f"/{number}" for number in range(200)]


@pytest.mark.parametrize("value", ["hush\r\nX-Own: 1", " hush"])
def test_a_header_that_cannot_be_sent_is_not_shown(server: LocalServer, transport: HttpTransport, value: str) -> None:
    silence = unreachable(transport, Request(url=server.url, headers={"Access-Token": value}, body={}))
    assert not silence.sent
    assert "hush" not in silence.why
    assert server.received == []


@pytest.mark.parametrize("status", [200, 307])
def test_a_network_sets_no_cookie(server: LocalServer, transport: HttpTransport, status: int) -> None:
    server.answer = lambda _: Answer(status, {}, {"Set-Cookie": "who=canary; Path=/", "Location": "/y"})
    for _ in range(2):
        transport(Request(url=server.url, body={}), 60)
    assert "cookie" not in server.received[1].headers


@pytest.mark.parametrize("path", ["/a b", "/%7Eme/~x", "/é", "/a%2Fb:c", "/x/../y"])
def test_a_path_goes_out_encoded_once(server: LocalServer, transport: HttpTransport, path: str) -> None:
    transport(Request(url=server.url + path, body={}), 60)
    expected = {"/a b": "/a%20b", "/%7Eme/~x": "/~me/~x", "/é": "/%C3%A9", "/x/../y": "/y"}
    assert server.received[0].path == expected.get(path, path)
