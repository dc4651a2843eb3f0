"""How the environment's proxies and certificates lead to a network."""

from __future__ import annotations

import base64
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme
from peer import Peer, answering, context_of, peer, tls_peer, unreachable, written

from target_adpostbacks.core.answers import Request
from target_adpostbacks.delivery.transport import HttpTransport

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any proxy and certificate."""
    for name in (*PROXIES, *map(str.upper, PROXIES), "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    with closing(HttpTransport()) as made:
        yield made


def test_a_proxy_is_told_the_whole_address_and_who_we_are(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with peer(answering) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//ada:love%40lace@"))
        headers = {"Authorization": "Bearer ours"}
        assert transport(Request(url="http://api.example/x", query={"q": "1"}, headers=headers, body={}), 60).body == {}
        transport(Request(url="http://api.example/x", body={}), 60)
    head = proxy.heads[0].decode()
    assert head.startswith("POST http://api.example/x?q=1 HTTP/1.1\r\n")
    assert "Host: api.example" in head
    assert "Authorization: Bearer ours" in head
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'ada:love@lace').decode()}" in head
    assert proxy.connections == 1


def test_a_tunnel_is_asked_for_by_name_and_what_the_proxy_wants_stays_out_of_it(
    transport: HttpTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network's certificate is checked through it as well."""
    authority = trustme.CA()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", written(authority, tmp_path))
    context = context_of(authority, "api.example")

    def tunnel(made: Peer, connection: socket.socket) -> None:
        made.read(connection)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as inner:
            answering(made, inner)

    with peer(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//ada:lovelace@"))
        assert transport(Request(url="https://api.example/x", query={"token": "1"}, body={}), 60).status == 200
    connect, inner = (head.decode() for head in proxy.heads)
    assert connect.startswith("CONNECT api.example:443 HTTP/1.")
    assert "Proxy-Authorization: Basic" in connect
    assert "token" not in connect
    assert inner.startswith("POST /x?token=1 HTTP/1.1\r\n")
    assert "Proxy-Authorization" not in inner


@pytest.mark.parametrize(("variable", "value"), [("NO_PROXY", "127.0.0.1"), ("no_proxy", "*")])
def test_what_needs_no_proxy_goes_past_it(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv(variable, value)
    with peer(answering) as made:
        assert transport(Request(url=made.url, body={}), 60).status == 200


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("shape", ["file", "folder"])
def test_an_authority_of_the_environment_is_trusted(
    transport: HttpTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, shape: str
) -> None:
    authority = trustme.CA()
    path = Path(written(authority, tmp_path))
    if shape == "folder":
        path.rename(tmp_path / f"{subject_hash(path)}.0")
    monkeypatch.setenv(variable, str(tmp_path) if shape == "folder" else str(path))
    with tls_peer(authority) as made:
        for _ in range(2):
            assert transport(Request(url=made.url, body={}), 60).status == 200
    assert made.connections == 1


def subject_hash(certificate: Path) -> str:
    """By which OpenSSL looks for it in a folder."""
    words = ["openssl", "x509", "-hash", "-noout", "-in", str(certificate)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_no_other_certificate_is_trusted_and_nothing_is_sent(transport: HttpTransport) -> None:
    with tls_peer(trustme.CA()) as made:
        silence = unreachable(transport, Request(url=made.url, body={}))
    assert (silence.why.partition(":")[0], silence.sent) == ("TLS certificate not trusted", False)


def test_a_certificate_of_another_name_is_not_trusted_either(
    transport: HttpTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", written(authority, tmp_path))
    with tls_peer(authority, "localhost") as made:
        silence = unreachable(transport, Request(url=made.url, body={}))
    assert (silence.why.partition(":")[0], silence.sent) == ("TLS certificate not trusted", False)


def test_a_bundle_that_is_not_there_sends_nothing(transport: HttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/authority.pem")
    silence = unreachable(transport, Request(url="https://127.0.0.1:1", body={}))
    assert not silence.sent
    assert silence.why == "no answer (OSError): 127.0.0.1:1"
