"""What identifies a person, normalized: tables of input and output."""

from __future__ import annotations

import doctest
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import phones, places
from target_adpostbacks.networks import reddit
from target_adpostbacks.networks._meta import hashes

HASH = sha256(b"ada@example.com").hexdigest()
IDFA = "ea7583cd-a667-48bc-b806-42ecb2b48606"
DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
NO_ID = "00000000-0000-0000-0000-000000000000"

ADDRESSES = (
    *("mailto:ada@example.com", "MAILTO:ada@example.com?subject=hi", '"ada@example.com"', "'ada@example.com'"),
    *("'ada@example.com", "“ada@example.com”", "Ada <ada@example.com>", '"Lovelace, Ada" <ada@example.com>'),
    *("<ada@example.com>", "<mailto:ada@example.com>", "ada@example.com.", "ada@example.com,", "ada@example.com;"),
    *("'ada@example.com';", "Ada <ada@example.com>;", "ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "\ufeffada@example.com"),
    *("ada@exam\u200bple.com", "\u202aada@example.com\u202c", "ad\u00ada@example.com"),
)


@pytest.mark.parametrize("module", [keys, hashes, reddit])
def test_the_examples_in_the_docstrings_are_true(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried
    assert not failed


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        (" Ada.L+x@Example.com ", "ada.l+x@example.com"),
        ("JOSÉ@Example.com", "josé@example.com"),
        ("JOSE\u0301@Example.com", "josé@example.com"),  # composed: one person, one hash
        *(("", None), ("ada", None), ("@example.com", None), ("ada@", None), ("a b@example.com", None)),
        *(("ada@x@y", None), ("a@b.c,d@e.f", None), ("ada@exam\nple.com", None), ("ada(at)example.com", None)),
        *((written, "ada@example.com") for written in ADDRESSES),
        *(("o'brien@example.com", "o'brien@example.com"), ("<>", None), ("mailto:", None), ('"ada"@example.com', None)),
        *(("ada@exam;ple.com", None), ("ada@example.com\u200b.", "ada@example.com")),
    ],
)
def test_email(raw: str, normalized: str | None) -> None:
    assert keys.email(raw) == normalized


def test_folded_is_trimmed_and_lower_case() -> None:
    assert keys.folded(" User_7 ") == "user_7"
    assert keys.folded("  ") is None


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [("M", "m"), (" male ", "m"), ("Female", "f"), ("f", "f"), ("other", None), ("woman", None), ("", None)],
)
def test_gender(raw: str, normalized: str | None) -> None:
    assert keys.gender(raw) == normalized


def test_an_advertising_id_keeps_its_case() -> None:
    assert keys.advertising_id(f" {IDFA.upper()} ") == IDFA.upper()
    assert keys.advertising_id(IDFA) == IDFA
    assert [keys.advertising_id(raw) for raw in (NO_ID, HASH, "", "unknown")] == [None] * 4


def test_advertising_ids() -> None:
    assert keys.idfa(f" {IDFA} ") == IDFA.upper()
    assert keys.gaid(f" {IDFA.upper()} ") == IDFA
    assert [keys.idfa(raw) or keys.gaid(raw) for raw in (NO_ID, f" {NO_ID} ", "", " ")] == [None] * 4


def test_trimmed_keeps_the_case() -> None:
    assert keys.trimmed(" User_7 ") == "User_7"
    assert keys.trimmed("  ") is None


@pytest.mark.parametrize("raw", [HASH, HASH.upper(), f" {HASH} "])
def test_a_hash_passes_on_in_lower_case(raw: str) -> None:
    assert keys.hashed(raw.strip(), keys.email) == HASH
    assert keys.is_hash(raw.strip())


@pytest.mark.parametrize("raw", [HASH[:-1], HASH + "0", "g" * 64, HASH[:32], "1" * 63 + "２", HASH[:-1] + "\n"])
def test_what_is_no_sha_256_is_no_hash(raw: str) -> None:
    assert not keys.is_hash(raw)
    assert keys.hashed(raw, keys.email) is None


def test_what_a_value_stands_beside_decides_how_it_is_normalized() -> None:
    assert keys.hashed("Ontario", places.state, "CA") == keys.sha256("on")
    assert keys.each_hashed(["06 12 34 56 78"], phones.digits, ("33",)) == [keys.sha256("33612345678")]


def test_a_hash_is_not_sent_where_the_plain_value_is_wanted() -> None:
    assert [keys.unhashed(raw) for raw in ("US", HASH, HASH.upper(), None)] == ["US", None, None, None]


def test_nothing_is_never_hashed() -> None:
    assert keys.hashed(None, keys.email) is None
    assert keys.hashed("", keys.trimmed) is None
    assert keys.sha256("") is None
    assert keys.sha256(None) is None


@pytest.mark.parametrize("raw", [" Ontario ", HASH, HASH.upper(), "e3b0c44298fc1c149afbf4c8996fb924" * 2, "", None])
@pytest.mark.parametrize("country", ["CA", "DE", None])
def test_a_remembered_hash_is_the_one_that_is_made_anew(raw: str | None, country: str | None) -> None:
    hash_of = keys.remembering(places.state)
    assert [hash_of(raw, country) for _ in range(2)] == [keys.hashed(raw, places.state, country)] * 2


def public(address: IPv4Address) -> str | None:
    """What the standard library says of it."""
    is_documentation = any(address in IPv4Network(block) for block in DOCUMENTATION)
    return str(address) if is_documentation or (address.is_global and not address.is_multicast) else None


def test_of_every_first_byte_it_is_known_whether_the_address_is_public() -> None:
    addresses = [IPv4Address(first << 24 | 0x010203) for first in range(256)]
    assert {address: keys.public_ip(str(address)) for address in addresses} == {
        each: public(each) for each in addresses
    }


@given(st.ip_addresses(v=4))
def test_an_ip_address_is_public_where_the_standard_library_says_so(address: IPv4Address) -> None:
    assert keys.public_ip(str(address)) == public(address)


@given(st.from_regex(r"[a-z0-9._+'-]{1,9}@[a-z0-9._-]{1,12}", fullmatch=True))
def test_a_usual_address_is_read_as_it_is_within_brackets(address: str) -> None:
    assert keys.email(address.rstrip(".")) == keys.email(f"<{address}>")


def test_a_list_gives_its_usable_members() -> None:
    assert keys.each_hashed(["nobody", "Ada@example.com", HASH], keys.email) == [HASH, HASH]
    assert keys.first_hashed(["nobody", "ada@example.com"], keys.email) == HASH
    assert keys.distinct_hashed(["nobody", "Ada@example.com", HASH], keys.email) == [HASH]
    assert keys.first_hashed(["nobody"], keys.email) is None


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        *((" 8.8.8.8 ", "8.8.8.8"), ("203.0.113.1", "203.0.113.1"), ("2001:db8::1", "2001:db8::1")),
        *(("2606:4700::1111", "2606:4700::1111"), ("192.168.0.1", None), ("10.0.0.1", None), ("127.0.0.1", None)),
        *(
            ("::1", None),
            ("fe80::1", None),
            ("100.64.0.1", None),
            ("8.8.8.8:443", "8.8.8.8"),
            ("8.8.8", None),
            ("", None),
        ),
        *(("::ffff:10.0.0.1", None), ("fe80::1%eth0", None), ("8.8.8.8, 10.0.0.1", "8.8.8.8")),
        *(("10.0.0.1, 203.0.113.9, 8.8.8.8", "203.0.113.9"), ("unknown, 8.8.8.8", "8.8.8.8"), ("10.0.0.1,::1", None)),
        *(("8.8.8.8 10.0.0.1", "8.8.8.8"), ("[2001:db8::1]:443", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1")),
        *(
            ("2001:db8::1%eth0", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("203.0.113.9/32", "203.0.113.9"),
        ),
        *(("::ffff:cb00:7109", "203.0.113.9"), ("[::ffff:203.0.113.9]:80", "203.0.113.9"), ('"8.8.8.8"', "8.8.8.8")),
        ('for="[2001:db8::1]:4711";proto=https, for=8.8.8.8', "2001:db8::1"),
    ],
)
def test_public_ip(raw: str, address: str | None) -> None:
    assert keys.public_ip(raw) == address
