"""Requests that may reach the internet only: no host of one's own, whatever its name is and wherever it leads."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from local_server import Answer, LocalServer, local_server
from peer import Peer, tls_peer, unreachable, written

from target_adpostbacks.core.answers import Request
from target_adpostbacks.delivery.public import is_public, is_public_name
from target_adpostbacks.delivery.transport import HttpTransport, Unreachable

REFUSED = "a private or loopback address; if it is yours, set allow_private_hosts: true"
PUBLIC = "93.184.215.14"


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as local:
        local.answer = lambda _: Answer()
        yield local


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.7", "224.0.0.1"),
        *("240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%1", "fc00::1", "fd12::1", "fec0::1"),
        *("ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::10.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:0a00:1::1", "2001:db8::1", "::7f00:1", "2001::1"),
    ],
)
def test_an_address_of_ones_own_is_not_public(address: str) -> None:
    assert not is_public(address)
    assert not is_public_name(address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)
    assert is_public_name(address)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "a.localhost", "127.1", "2130706433", "0x7f000001", "0"])
def test_a_name_that_is_this_machine_by_itself_is_not_public(name: str) -> None:
    assert not is_public_name(name)
    assert is_public_name("tracker.example.com")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"])
def test_nothing_is_sent_to_this_machine_where_only_public_hosts_may_be_reached(server: LocalServer, host: str) -> None:
    port = server.url.rpartition(":")[2]
    with pytest.raises(Unreachable) as refused:
        HttpTransport()(Request(url=f"http://{host}:{port}/p", target="/p?canary", public_only=True), 60)
    assert not refused.value.sent
    assert refused.value.why == f"{REFUSED}: {host}:{port}"
    assert server.received == []
    assert HttpTransport()(Request(url=f"http://{host}:{port}/p"), 60).status == 200


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Every name has these addresses, the last ones for good; addresses stay what they are."""
    left, real = [*answers], socket.getaddrinfo

    def resolved(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host.replace(".", "").isdecimal() or ":" in host:
            return real(host, port, *args, **kwargs)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [entry for each in found for entry in real(each, port, *args, **kwargs)]

    monkeypatch.setattr("socket.getaddrinfo", resolved)


def connecting(monkeypatch: pytest.MonkeyPatch, server: LocalServer | Peer, *refusing: str) -> list[str]:
    """Each connection reaches the server, and the list tells for which address; some refuse."""
    connected: list[str] = []

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        connected.append(address[0])
        if address[0] in refusing:
            raise ConnectionRefusedError
        port = int(server.url.rpartition(":")[2])
        return socket.create_connection(("127.0.0.1", port))

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    return connected


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::1"], ["::ffff:10.0.0.1"], [PUBLIC, "169.254.169.254"]])
def test_a_name_that_leads_to_ones_own_network_is_not_connected_to(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolving(monkeypatch, addresses)
    connected = connecting(monkeypatch, server)
    with pytest.raises(Unreachable) as refused:
        HttpTransport()(Request(url="http://tracker.example/p", public_only=True), 60)
    assert (refused.value.why, refused.value.sent) == (f"{REFUSED}: tracker.example", False)
    assert (connected, server.received) == ([], [])


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, [PUBLIC], ["127.0.0.1"])  # the second answer is for who would ask again
    connected = connecting(monkeypatch, server)
    transport = HttpTransport()
    for n in range(2):
        transport(Request(url="http://tracker.example/p", target=f"/p?n={n}", method="GET", public_only=True), 60)
    assert connected == [PUBLIC]  # once: the connection is kept
    assert [(request.path, request.headers["host"]) for request in server.received] == [
        ("/p?n=0", "tracker.example"),
        ("/p?n=1", "tracker.example"),
    ]


@pytest.mark.parametrize(("name", "came"), [("tracker.example", 1), ("other.example", 0)])
def test_tls_asks_for_the_name_of_the_host_whose_address_was_checked_and_compares_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, came: int
) -> None:
    """``name``: of the certificate; ``came``: requests."""
    authority = trustme.CA()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", written(authority, tmp_path))
    asked: list[str] = []
    with tls_peer(authority, name, asked) as made:
        resolving(monkeypatch, [PUBLIC])
        connected = connecting(monkeypatch, made)
        request = Request(url="https://tracker.example/p", public_only=True)
        if came:
            assert HttpTransport()(request, 60).status == 200
        else:
            assert unreachable(HttpTransport(), request).why == "TLS certificate not trusted: tracker.example"
    assert (connected, asked, len(made.heads)) == ([PUBLIC], ["tracker.example"], came)


def test_another_address_of_the_host_is_tried_when_one_refuses(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, [PUBLIC, "8.8.8.8"])
    connected = connecting(monkeypatch, server, PUBLIC)
    assert HttpTransport()(Request(url="http://tracker.example/p", public_only=True), 60).status == 200
    assert connected == [PUBLIC, "8.8.8.8"]


def test_a_connection_to_ones_own_network_is_not_used_by_who_may_not_reach_it(
    server: LocalServer,
) -> None:
    transport = HttpTransport()
    transport(Request(url=server.url), 60)
    with pytest.raises(Unreachable):
        transport(Request(url=server.url, public_only=True), 60)


def test_a_redirect_to_ones_own_network_is_not_followed(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, [PUBLIC])
    connected = connecting(monkeypatch, server)
    server.answer = lambda _: Answer(302, {}, {"Location": "http://169.254.169.254/latest/meta-data/"})
    response = HttpTransport()(Request(url="http://tracker.example/p", public_only=True, text_bytes=64), 60)
    assert (response.status, connected) == (302, [PUBLIC])


@pytest.fixture
def proxy(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    return server


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "0x7f000001", "[::1]"])
def test_a_proxy_is_not_asked_for_an_address_of_ones_own(proxy: LocalServer, host: str) -> None:
    with pytest.raises(Unreachable) as refused:
        HttpTransport()(Request(url=f"http://{host}/p", public_only=True), 60)
    assert not refused.value.sent
    assert refused.value.why.startswith(f"{REFUSED}: {host}, through the proxy")
    assert proxy.received == []


def test_what_a_proxy_resolves_is_told_as_unchecked(proxy: LocalServer) -> None:
    request = Request(url="http://tracker.example/p", target="/p?cid=canary", public_only=True)
    response = HttpTransport()(request, 60)
    assert proxy.received[0].path == "http://tracker.example/p?cid=canary"
    assert "nobody checks that it is public" in response.warning
    assert "canary" not in response.warning
    assert HttpTransport()(Request(url="http://tracker.example/p"), 60).warning == ""
