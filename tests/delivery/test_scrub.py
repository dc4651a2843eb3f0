"""What of a network's message is kept: no secret, and nothing that it echoes of a payload."""

from __future__ import annotations

import html
import json
from urllib.parse import quote, quote_plus, urlencode

import msgspec
import pytest

from target_adpostbacks.delivery.scrub import scrubbed, scrubbed_code, texts_of

TOKEN = "example-access-token"


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("Invalid value for event_id: not a valid string.", "Invalid value for event_id: not a valid string."),
        (f"bad token {TOKEN}!", "bad token ***!"),
        ("no user ada.l+x@example.com here", "no user *** here"),
        ("email=<ada@example.com>", "email=<***>"),
        (f"hash {'a1' * 32} seen", "hash *** seen"),
        (f"md5 {'0F' * 16}", "md5 ***"),
        ("from 203.0.113.7:443", "from ***:443"),
        ("from 2001:db8::1 and 2a00::1, ::1", "from *** and ***, ***"),
        ("from 2001:0db8:85a3:0000:0000:8a2e:0370:7334.", "from ***."),
        ("call +1 (415) 555-0100 now", "call *** now"),
        ("click 3184742045291813272 unknown", "click *** unknown"),
        ("at 12:00:05 code 40002", "at 12:00:05 code 40002"),
        ("two\nlines\r\n\tand\x00\x1b[31mred\u2028end", "two lines and [31mred end"),
        ("  ", ""),
    ],
)
def test_what_a_network_says_is_scrubbed(message: str, kept: str) -> None:
    assert scrubbed(message, [TOKEN]) == kept


def test_what_a_network_echoes_of_a_payload_is_scrubbed() -> None:
    payload = b'{"event_id":"order-77","user":{"ttclid":"E.C.P","list":["Ada Lovelace","Ada"]},"n":40002,"s":"web"}'
    message = "event order-77 of Ada Lovelace (E.C.P) on web: 40002"
    assert scrubbed(message, [], texts_of([b"{}", payload])) == "event *** of *** (***) on web: 40002"


PERSON = "Zoë.Ada+x@exämple.com"
STREET = 'Rue "Saint" Honoré 5'


@pytest.mark.parametrize(
    "written",
    [
        f"{PERSON} of {STREET}",
        f"{quote(PERSON)} of {quote(STREET)}",
        f"{quote(quote(PERSON))} of {quote(STREET)}",
        f"{quote(PERSON, safe='@+')} of {quote_plus(STREET)}",
        json.dumps({PERSON: STREET}),
        html.escape(f"{PERSON} of {STREET}"),
    ],
)
def test_what_is_echoed_is_scrubbed_however_it_is_written(written: str) -> None:
    kept = scrubbed(f"bad: {written}!", [], texts_of([msgspec.json.encode([PERSON, STREET])]))
    assert kept in ("bad: *** of ***!", 'bad: {"***": "***"}!')


def test_the_longest_echo_is_taken_first() -> None:
    assert scrubbed("id order-77-b", [], texts_of([b'["order-77","order-77-b"]'])) == "id ***"


def test_length_is_limited() -> None:
    assert len(scrubbed("word " * 2000, [])) <= 500


@pytest.mark.parametrize("length", range(3970, 4001))
def test_no_half_of_a_secret_is_left_by_a_cut(length: int) -> None:
    long_addresses = ("a" * 94 + "@b.cd ") * 39
    text = long_addresses + " " * (length - len(long_addresses)) + TOKEN
    assert "example" not in scrubbed(text, [TOKEN])


def test_codes_and_request_ids_keep_their_digits() -> None:
    request_id = "2025062217554691FA1E8FB37D612053A0"
    assert scrubbed(request_id, [TOKEN], keep_ids=True) == request_id
    assert scrubbed(f"{TOKEN} ada@example.com", [TOKEN], keep_ids=True) == "*** ***"


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        *[
            (code, code)
            for code in ("40001", "100/2804019", "INVALID_CONVERSION_ACTION_TYPE", "Err.Name:7", "", "website1")
        ],
        ("INVALID_IP 203.0.113.9", "INVALID_IP ***"),
        ("203.0.113.9", "***"),
        ("bad Zoella Leak", "bad ***"),
        ("Zoella%20Leak", "***"),
        ("order-77", "***"),
        (f"bad {TOKEN}", "bad ***"),
    ],
)
def test_a_code_is_kept_unless_it_says_what_was_sent(code: str, kept: str) -> None:
    texts = texts_of([b'["Zoella Leak","order-77","website","action"]'])
    assert scrubbed_code(code, [TOKEN], texts) == kept


AWKWARD = 'eyJ+a/b=c&d"e%f.0123456789-abcdefghij_KLMNOPQRST'


@pytest.mark.parametrize(
    "written",
    [
        *(AWKWARD, AWKWARD.upper(), quote(AWKWARD), quote(AWKWARD, safe=""), quote(AWKWARD, safe="").lower()),
        *(quote(quote(AWKWARD, safe=""), safe=""), "".join(f"%{ord(char):02X}" for char in AWKWARD)),
        *(
            html.escape(AWKWARD),
            json.dumps(AWKWARD),
            json.dumps(AWKWARD).replace("/", "\\/"),
            urlencode({"q": AWKWARD}),
        ),
        *(json.dumps(json.dumps(AWKWARD)), "".join(f"\\u{ord(char):04X}" for char in AWKWARD)),
        *(
            "".join(f"&#{ord(char)};" for char in AWKWARD),
            AWKWARD[:30],
            AWKWARD[15:],
            f"{AWKWARD[:25]}…{AWKWARD[-20:]}",
        ),
    ],
)
def test_a_secret_is_masked_however_it_is_written_and_in_part_too(written: str) -> None:
    message = scrubbed(f"Token {written} was refused", [AWKWARD])
    assert message.startswith("Token ")
    assert message.endswith(" was refused")
    assert "***" in message
    parts = [AWKWARD[at : at + 8].lower() for at in range(len(AWKWARD) - 7)]
    assert not [part for part in parts if part in message.lower()]


def test_what_only_resembles_a_secret_is_told() -> None:
    assert scrubbed("access_token is missing", ["access_token-of-account-1"]) == "access_token is missing"


def test_an_echo_is_found_whatever_becomes_of_it_in_lower_case() -> None:
    texts = texts_of([msgspec.json.encode(["İstanbul Moda"])])
    assert scrubbed("Invalid value İstanbul Moda for city", [], texts) == "Invalid value *** for city"
