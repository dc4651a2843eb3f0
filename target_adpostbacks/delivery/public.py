"""Tells addresses of the internet from those of a machine or network of one's own, which not every URL may reach."""

from __future__ import annotations

import ipaddress
import socket

NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses as a network without IPv4 writes them, in the last 32 bits."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotPublic(OSError):
    """The host is at an address that is not one of the internet."""


def is_public(address: str) -> bool:
    """Whether anybody on the internet may have it: not private, loopback, link-local, shared, reserved, multicast."""
    read = _within(ipaddress.ip_address(address))
    return read.is_global and not (read.is_multicast or read.is_reserved or getattr(read, "is_site_local", False))


def _within(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, all of them public; raises NotPublic, and OSError where it has none."""
    entries = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    found = [str(entry[4][0]) for entry in entries]
    if not all(map(is_public, found)):
        raise NotPublic
    return [*dict.fromkeys(found)]


def is_public_name(host: str) -> bool:
    """``is_public`` of a literal address, however it is written; of a name, that it is not this machine's."""
    try:
        return is_public(host)
    except ValueError:
        pass
    try:
        return is_public(socket.inet_ntoa(socket.inet_aton(host)))  # 127.1, 0x7f000001
    except OSError:
        name = host.rstrip(".").lower()
        return name != "localhost" and not name.endswith(".localhost")
