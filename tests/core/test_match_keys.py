"""What identifies a person, normalized: tables of input and output."""

from __future__ import annotations

import doctest
from hashlib import sha256

import pytest

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import places
from target_adpostbacks.networks import meta, reddit

HASH = sha256(b"ada@example.com").hexdigest()
IDFA = "ea7583cd-a667-48bc-b806-42ecb2b48606"
NO_ID = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("module", [keys, meta, reddit])
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
        *(("ada@x@y", None), ("Ada <ada@example.com>", None), ("a@b.c,d@e.f", None), ("ada@exam\nple.com", None)),
    ],
)
def test_email(raw: str, normalized: str | None) -> None:
    assert keys.email(raw) == normalized


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        ("+14155550100", "+14155550100"),
        (" +1 (415) 555-0100 ", "+14155550100"),
        ("1.415.555.0100", "+14155550100"),
        ("0014155550100", "+14155550100"),
        ("+001 415 555 0100", "+14155550100"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("0044 (0)20 7946 0958", "+442079460958"),
        ("+49 (0) 30 901820", "+4930901820"),
        ("+39 06 6982 0000", "+390669820000"),  # Italy's leading zero belongs to the number
        ("+1 650 555 1212 ext. 450", "+16505551212"),
        ("+1 650 555 1212 ext 450", "+16505551212"),
        ("+16505551212x450", "+16505551212"),
        ("+16505551212#450", "+16505551212"),
        ("+16505551212 Extension: 450", "+16505551212"),
        ("tel:+1-650-555-1212", "+16505551212"),
        ("＋１４１５５５５０１００", "+14155550100"),  # full-width digits
        ("6107217230", "+6107217230"),
        *(("020 7946 0958", None), ("(020) 7946 0958", None), ("", None), ("+", None), ("n/a", None), ("x450", None)),
        *(("123456", None), ("+1234567890123456", None), ("+0123456789", None), ("1" * 5000, None)),
        ("+1" + " " * 200_000 + "4155550100", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_phone_e164(raw: str, normalized: str | None) -> None:
    assert keys.phone_e164(raw) == normalized


@pytest.mark.parametrize(
    ("raw", "country_code", "normalized"),
    [
        ("06 12 34 56 78", "33", "+33612345678"),
        ("(020) 7946 0958", "44", "+442079460958"),
        ("06 6982 0000", "39", "+390669820000"),
        ("0 30 901820", "49", "+4930901820"),
        ("+44 7911 123456", "33", "+447911123456"),
        ("0044 7911 123456", "33", "+447911123456"),
        ("(213) 373-4253", "1", "+12133734253"),
        ("612345678", "33", "+33612345678"),
        ("33612345678", "33", "+33612345678"),
        ("14155550100", "1", "+14155550100"),
        ("447911123456", "33", "+447911123456"),  # not possible in France: it holds its own country code
        ("06 12", "33", None),
        ("06 12 34 56 78", "999", None),
        ("06 12 34 56 78", "9" * 5000, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_national_number_is_completed_by_the_country_code(
    raw: str, country_code: str, normalized: str | None
) -> None:
    assert keys.phone_e164(raw, country_code) == normalized


@pytest.mark.parametrize(
    ("raw", "country_code", "normalized"),
    [
        *(("+1 (415) 555-0100", None, "14155550100"), ("0014155550100", None, "14155550100")),
        *(("+44-0447-234-2344", None, "444472342344"), ("+44 (0)20 7946 0958", None, "442079460958")),
        *(("020 7946 0958", "44", "442079460958"), ("020 7946 0958", None, "2079460958")),
        *(("(650)555-1212", None, "6505551212"), ("020 7946 0958 ext. 12", None, "2079460958")),
        *(("00000000", None, None), ("012345", None, None), ("n/a", None, None), ("0" + "1" * 16, None, None)),
        *(("+1234567890123456", None, None), ("+0123456789", None, None), ("020 7946 0958" + " " * 100, None, None)),
        ("abcdefabcdefabcdefabcdef12345678", None, None),  # an MD5
        # Their area codes begin like a country's, and nobody says that it is meant.
        *(("(610) 721-7230", None, "6107217230"), ("(270) 936-8531", None, "2709368531")),
        *(("2619359067", None, "2619359067"), ("4402079460958", None, "4402079460958")),
        ("(610) 721-7230", "1", "16107217230"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_phone_digits(raw: str, country_code: str | None, normalized: str | None) -> None:
    assert keys.phone_digits(raw, country_code) == normalized


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
    assert keys.hashed("Ontario", places.state, "CA") == keys.sha256("ontario")
    assert keys.each_hashed(["06 12 34 56 78"], keys.phone_digits, "33") == [keys.sha256("33612345678")]


def test_a_hash_is_not_sent_where_the_plain_value_is_wanted() -> None:
    assert [keys.unhashed(raw) for raw in ("US", HASH, HASH.upper(), None)] == ["US", None, None, None]


def test_nothing_is_never_hashed() -> None:
    assert keys.hashed(None, keys.email) is None
    assert keys.hashed("", keys.trimmed) is None
    assert keys.sha256("") is None
    assert keys.sha256(None) is None


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
        *(("::1", None), ("fe80::1", None), ("100.64.0.1", None), ("8.8.8.8:443", None), ("8.8.8", None), ("", None)),
        *(("::ffff:10.0.0.1", None), ("fe80::1%eth0", None), ("8.8.8.8, 10.0.0.1", None)),
    ],
)
def test_public_ip(raw: str, address: str | None) -> None:
    assert keys.public_ip(raw) == address
