"""What of a network's message is kept: no secret, and nothing that it echoes of a payload."""

from __future__ import annotations

import base64
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


@pytest.mark.parametrize("secret", ["a", "is", "key", "1"])
def test_a_tiny_secret_takes_no_word_out_of_a_message(secret: str) -> None:
    for message in (
        "a key is wrong: it is a key that is 1 of 1000",
        "This (a token, a key) isn't alive: ask a person",
        "read/write a-key is_a key.",
    ):
        assert scrubbed(message, [secret]) == message


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("https://t.example.com/p?k=ab&x=abc", "https://t.example.com/p?k=***&x=abc"),
        ("/ab/postback?cid=1 about", "/***/postback?cid=1 about"),
        ("p%3Fk%3Dab%26x", "p%3Fk%3D***%26x"),
        ('{"key":"ab"} and {"key": "AB"}', '{"key":"***"} and {"key": "***"}'),
        ("unknown key ab.", "unknown key ***."),
        ("token: ab", "token: ***"),
        ("k=ab is about", "k=*** is about"),
        ("Authorization:ab", "Authorization:***"),
        ("'ab' and (ab)", "'***' and (***)"),
        ("Basic YWI= refused", "Basic *** refused"),
        ("k=YWI=, YWI%3D", "k=***, ***"),
    ],
)
def test_a_tiny_secret_is_masked_where_values_stand(message: str, kept: str) -> None:
    assert scrubbed(message, ["ab"]) == kept


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("hush hushed shush", "*** hushed shush"),
        ("k%3Dhush%26", "k%3D***%26"),
        (r'"a\nhush\u0020hush"', r'"a\n***\u0020***"'),
        ("x-hush/hush, HUSH", "x-***/***, ***"),
        ("hush_1 1hush", "hush_1 1hush"),
    ],
)
def test_a_short_secret_is_masked_as_a_word_of_its_own(message: str, kept: str) -> None:
    assert scrubbed(message, ["hush"]) == kept


def test_a_secret_of_nothing_masks_nothing() -> None:
    assert scrubbed("all is well", ["", "x"]) == "all is well"


BODY = json.dumps({"user": {"email": PERSON, "street": STREET}, "n": 1})


@pytest.mark.parametrize(
    "written",
    [
        *(base64.b64encode(text.encode()).decode() for text in (PERSON, BODY, f"{STREET}, Paris", f"x{PERSON}")),
        base64.urlsafe_b64encode(BODY.encode()).decode().rstrip("="),
        f"data/{base64.b64encode(BODY.encode()).decode()}",
        quote(base64.b64encode(f"??>>{PERSON}".encode()).decode(), safe=""),
        base64.b64encode(quote(PERSON + BODY).encode()).decode()[:-6],
    ],
)
def test_an_echo_in_base64_is_masked(written: str) -> None:
    texts = texts_of([msgspec.json.encode([PERSON, STREET, "purchase", "1234"])])
    kept = scrubbed(f"Invalid request body: {written} was refused, see documentation", [], texts)
    assert kept == "Invalid request body: *** was refused, see documentation"


@pytest.mark.parametrize("secret", [AWKWARD, "hush", "s3cret/key"])
def test_a_secret_in_base64_is_masked(secret: str) -> None:
    for text in (secret, f"ada:{secret}", json.dumps({"key": secret})):
        written = base64.b64encode(text.encode()).decode()
        assert scrubbed(f"Authorization Basic {written} refused", [secret]) == "Authorization Basic *** refused"


def test_an_echo_is_found_whatever_becomes_of_it_in_lower_case() -> None:
    texts = texts_of([msgspec.json.encode(["İstanbul Moda"])])
    assert scrubbed("Invalid value İstanbul Moda for city", [], texts) == "Invalid value *** for city"
