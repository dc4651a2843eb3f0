"""One request out, one bounded answer in, within one deadline: against a real server."""

from __future__ import annotations

import gzip
import http.client
import logging
import socket
import socketserver
import threading
import time
from pathlib import Path

import pytest
from local_server import Answer, LocalServer
from patience import PATIENCE

from target_adpostbacks.core.answers import Request
from target_adpostbacks.delivery.transport import MAX_BODY, HttpTransport, Unreachable


def test_a_request_arrives_as_it_was_built_and_its_answer_comes_back_decoded(server: LocalServer) -> None:
    server.answer = lambda _: Answer(201, {"ok": True}, {"Retry-After": "3"})
    response = HttpTransport()(
        Request(url=f"{server.url}/x", query={"q": "a b"}, headers={"X-Own": "1"}, body={"ä": 1}), 5
    )
    (received,) = server.received
    assert (received.method, received.path, received.body) == ("POST", "/x?q=a+b", {"ä": 1})
    assert received.headers["x-own"] == "1"
    assert received.headers["user-agent"].startswith("target-adpostbacks/")
    assert (response.status, response.body, response.headers["retry-after"]) == (201, {"ok": True}, "3")


def test_a_body_that_is_bytes_already_is_sent_as_it_is(server: LocalServer) -> None:
    server.answer = lambda _: Answer(200, {})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    HttpTransport()(Request(url=f"{server.url}/token", headers=form, body=b"grant_type=refresh_token"), 60)
    assert server.received[0].body == b"grant_type=refresh_token"
    assert server.received[0].headers["content-type"] == form["Content-Type"]


def test_a_question_is_asked_by_get_and_has_no_body(server: LocalServer) -> None:
    server.answer = lambda _: Answer(200, {"state": "DONE"})
    response = HttpTransport()(Request(url=f"{server.url}/status", method="GET", query={"id": "7"}), 60)
    (received,) = server.received
    assert (received.method, received.path, received.body) == ("GET", "/status?id=7", None)
    assert response.body == {"state": "DONE"}


@pytest.mark.parametrize("answer", [Answer(), Answer(302, {}, {"Location": "/x?q=canary"}), Answer(reset=True)])
def test_a_query_reaches_the_network_and_no_log(
    server: LocalServer,
    answer: Answer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """urllib3 logs the URL of every request, and http.client prints it where debugging is on."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    caplog.set_level(logging.DEBUG)
    server.answer = lambda _: answer
    error = ""
    try:
        HttpTransport()(Request(url=f"{server.url}/x", query={"access_token": "canary/1"}), 60)
    except Unreachable as silence:
        error = repr(silence.__context__)
    assert server.received[0].path == "/x?access_token=canary%2F1"
    assert answer.reset or "POST /x HTTP" in caplog.text
    assert "canary" not in caplog.text + error + "".join(capfd.readouterr())


@pytest.mark.parametrize("query", ["q=1&", ""])
def test_a_query_joins_the_one_that_the_url_has(server: LocalServer, query: str) -> None:
    server.answer = lambda _: Answer()
    HttpTransport()(Request(url=f"{server.url}/x?{query}".rstrip("&?"), query={"own": "2"}), 60)
    assert server.received[0].path == f"/x?{query}own=2"


@pytest.mark.parametrize(("body", "decoded"), [(b"", None), (b"<html>", "<html>"), (b"[1]", [1]), (b"\xff", "\ufffd")])
def test_an_answer_that_is_no_json_object_is_no_error(server: LocalServer, body: bytes, decoded: object) -> None:
    server.answer = lambda _: Answer(200, body)
    assert HttpTransport()(Request(url=server.url), 60).body == decoded


@pytest.mark.parametrize("location", ["/elsewhere", "http://[oops", "http://x/\xe9", "//", ""])
def test_a_redirect_is_an_answer_and_not_followed_wherever_it_leads(server: LocalServer, location: str) -> None:
    server.answer = lambda _: Answer(307, {}, {"Location": location})
    assert HttpTransport()(Request(url=server.url, body={}), 60).status == 307
    assert len(server.received) == 1


def test_a_proxy_that_refuses_means_that_nothing_was_sent(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(Unreachable) as silence:
        HttpTransport()(Request(url="https://network.example/v1", body={}), 60)
    assert not silence.value.sent
    proxy = server.url.removeprefix("http://")
    assert silence.value.why == (
        f"the proxy refused the connection: network.example, through the proxy {proxy} of the environment"
    )


def test_what_breaks_the_libraries_after_the_request_went_out_is_no_answer(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.response.HTTPResponse.stream", lambda *_, **__: 1 / 0)
    server.answer = lambda _: Answer()
    with pytest.raises(Unreachable) as silence:
        HttpTransport()(Request(url=server.url, body={}), 60)
    assert silence.value.sent


def test_nothing_listening_means_that_nothing_was_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody else may have it meanwhile
        port = unused.getsockname()[1]
        with pytest.raises(Unreachable) as silence:
            HttpTransport()(Request(url=f"http://127.0.0.1:{port}", body={}), 60)
    assert not silence.value.sent
    assert silence.value.why == f"connection refused: 127.0.0.1:{port}"


@pytest.mark.parametrize("user", ["", "ada:canary%40@"])
@pytest.mark.parametrize(
    ("variable", "url"), [("http_proxy", "http://api.example/x"), ("all_proxy", "https://api.example")]
)
def test_a_proxy_in_the_way_is_named_without_its_user_and_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str, user: str
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        monkeypatch.setenv(variable, f"http://{user}127.0.0.1:{port}")
        with pytest.raises(Unreachable) as silence:
            HttpTransport()(Request(url=url, body={}), 60)
    assert not silence.value.sent
    assert silence.value.why == (
        f"connection refused: api.example, through the proxy 127.0.0.1:{port} of the environment"
    )


def test_a_proxy_that_wants_a_password_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Proxy(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socketserver.TCPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.handle_request)
        thread.start()
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.server_address[1]}")
        with pytest.raises(Unreachable) as silence:
            HttpTransport()(Request(url="https://api.example", body={}), 60)
        thread.join()
    assert silence.value.why == (
        "the proxy wants a user and a password: api.example, through the proxy"
        f" 127.0.0.1:{proxy.server_address[1]} of the environment"
    )


def test_a_reset_after_the_request_means_that_it_was_sent(server: LocalServer) -> None:
    server.answer = lambda _: Answer(reset=True)
    with pytest.raises(Unreachable) as silence:
        HttpTransport()(Request(url=server.url, body={}), 60)
    assert silence.value.sent


def test_tls_that_fails_means_that_nothing_was_sent(server: LocalServer) -> None:
    with pytest.raises(Unreachable) as silence:
        HttpTransport()(Request(url=server.url.replace("http:", "https:"), body={}), 60)
    assert not silence.value.sent
    assert server.received == []


@pytest.mark.parametrize("url", ["{}/p/%7Bclick_id%7D", "{}", "{}/p?its=own"])
def test_a_target_is_sent_byte_for_byte_and_in_no_log(
    server: LocalServer, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer = lambda _: Answer()
    target = "//p/canary%2fB/../x?a=%41&b=~*'()&empty=&c"
    HttpTransport()(Request(url=url.format(server.url), target=target, method="GET"), 60)
    assert server.received[0].path.lstrip("/") == target.lstrip("/")
    assert "canary" not in caplog.text


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: 1", "/\x7f", "/\xe9"])
def test_a_target_that_would_be_another_line_is_refused_without_telling_it(server: LocalServer, target: str) -> None:
    with pytest.raises(ValueError, match="a request's target has a character that no URL has") as refused:
        HttpTransport()(Request(url=server.url, target=target), 60)
    assert target not in str(refused.value)
    assert server.received == []


@pytest.mark.parametrize("length", [5, 100_000])
def test_of_an_answer_whose_text_is_wanted_no_more_is_read_than_that(server: LocalServer, length: int) -> None:
    server.answer = lambda _: Answer(200, b'{"a":' + b" " * length, {})
    response = HttpTransport()(Request(url=server.url, text_bytes=64), 60)
    assert response.body == ('{"a":' + " " * length)[:64]


def test_an_answer_that_is_read_in_part_does_not_spoil_the_next(server: LocalServer) -> None:
    server.answer = lambda _: Answer(200, b"x" * 300_000)
    transport = HttpTransport()
    assert [transport(Request(url=server.url, text_bytes=9), 60).body for _ in range(2)] == ["x" * 9] * 2


def test_a_cookie_of_an_answer_is_not_sent_with_the_next_request(server: LocalServer) -> None:
    server.answer = lambda _: Answer(200, {}, {"Set-Cookie": "person=canary; Path=/"})
    transport = HttpTransport()
    for _ in range(2):
        transport(Request(url=server.url), 60)
    assert "cookie" not in server.received[1].headers


def test_an_answer_that_is_cut_off_is_none(server: LocalServer) -> None:
    server.answer = lambda _: Answer(200, b'{"code":', claimed_length=500)
    with pytest.raises(Unreachable) as silence:
        HttpTransport()(Request(url=server.url, body={}), 60)
    assert silence.value.sent


@pytest.mark.parametrize("answer", [Answer(delay_seconds=2 * PATIENCE), Answer(body=b"x" * 10_000, drip_seconds=0.3)])
def test_the_deadline_is_for_the_whole_request(server: LocalServer, answer: Answer) -> None:
    server.answer = lambda _: answer
    started = time.monotonic()
    with pytest.raises(Unreachable) as silence:
        HttpTransport()(Request(url=server.url, body={}), 1)
    assert (silence.value.why, silence.value.sent) == ("timed out", True)
    assert time.monotonic() - started < PATIENCE


def test_headers_that_drip_end_at_the_deadline_too() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        done = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                try:
                    for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 100:
                        connection.sendall(bytes([byte]))
                        if done.wait(0.1):
                            return
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(Unreachable) as silence:
            HttpTransport()(Request(url=f"http://127.0.0.1:{listener.getsockname()[1]}", body={}), 1)
        done.set()
        thread.join()
    assert silence.value.why == "timed out"


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_an_answer_is_read_up_to_a_limit(server: LocalServer, encoding: str) -> None:
    body = b" " * (MAX_BODY * 4)
    headers = {"Content-Encoding": encoding} if encoding else {}
    server.answer = lambda _: Answer(200, gzip.compress(body) if encoding else body, headers)
    with pytest.raises(Unreachable) as silence:
        HttpTransport()(Request(url=server.url, body={}), 60)
    assert silence.value.why == "answer too long"


def test_an_entry_in_netrc_does_not_replace_our_token(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.answer = lambda _: Answer()
    HttpTransport()(Request(url=server.url, headers={"Authorization": "Bearer ours"}, body={}), 60)
    assert server.received[0].headers["authorization"] == "Bearer ours"


def test_what_went_wrong_never_names_the_url(server: LocalServer) -> None:
    server.answer = lambda _: Answer(reset=True)
    with pytest.raises(Unreachable) as silence:
        HttpTransport()(Request(url=f"{server.url}/pixel", query={"access_token": "hush"}, body={}), 60)
    assert "hush" not in str(silence.value)
    assert silence.value.__cause__ is None
