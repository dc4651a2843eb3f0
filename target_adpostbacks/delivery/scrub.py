"""Cleans a network's messages of secrets and of values that they repeat from the request."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote, unquote_plus

import msgspec

from target_adpostbacks.core.answers import JSON


def scrubbed(text: str, secrets: Iterable[str], texts: Iterable[str] = (), *, keep_ids: bool = False) -> str:
    """A network's message on one line of at most 500 characters, without secrets and without values that were sent.

    ``texts``: what was sent, as ``texts_of`` gives it. ``keep_ids``: for codes and request ids, which look like hashes
    and numbers.
    """
    text = text[:20_000]
    for secret in secrets:
        text = _without_pieces(_written(secret).sub("***", text), secret)
    text = "".join(char if char.isprintable() else " " for char in text[:4000])
    readings = _readings(text)
    echoed = (value for value in texts if any(value.lower() in reading for reading in readings))
    for value in sorted(echoed, key=len, reverse=True):
        text = _written(value).sub("***", text)
    for pattern in _PERSONAL[:1] if keep_ids else _PERSONAL:
        text = pattern.sub("***", text)
    return " ".join(text.split())[:500]


def scrubbed_code(code: str, secrets: Iterable[str], texts: Iterable[str] = ()) -> str:
    """A network's code of at most 100 characters: digits stay in it, unless it is a text or a value that was sent."""
    is_code = _is_code(code) is not None and all(code.lower() != text.lower() for text in texts)
    return scrubbed(code, secrets, () if is_code else texts, keep_ids=is_code)[:100]


_is_code = re.compile(r"(?!\d{1,3}(?:\.\d{1,3}){3})[\w.:/-]*", re.ASCII).fullmatch
_PERSONAL = [
    re.compile(r"[^\s@\"'<>(),;:=]+@[^\s@\"'<>(),;]+"),  # an e-mail address
    re.compile(r"\b[0-9a-fA-F]{32,}\b"),  # a hash
    re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),  # IPv4
    re.compile(r"\b(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}\b"),  # IPv6
    re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?::[0-9a-fA-F:]*(?!\w)"),  # IPv6, shortened: ::1
    re.compile(r"\+?\d[\d ().-]{6,}\d"),  # a phone number, a click id
]


@lru_cache(maxsize=100)
def _written(secret: str) -> re.Pattern[str]:
    """A secret as it is, and as a URL, JSON or HTML would write any of its characters."""
    return re.compile("".join(f"(?:{'|'.join(_spellings(char))})" for char in secret), re.IGNORECASE)


def _readings(text: str) -> set[str]:
    """A text in lower case, as it is and as what reads URLs, JSON or HTML would have it."""
    once = unquote(text)
    from_json = re.sub(r"\\+(?:u([0-9a-fA-F]{4}))?", lambda code: chr(int(code[1], 16)) if code[1] else "", text)
    forms = (text, once, unquote(once), unquote_plus(text), from_json, html.unescape(text))
    return {form.lower() for form in forms}


def _spellings(char: str) -> Iterable[str]:
    if char == " ":
        yield r"\+"
    yield rf"\\*{re.escape(char)}"
    yield "".join(f"%(?:25)*{byte:02x}" for byte in char.encode())  # twice encoded: %252F
    yield rf"\\+u{ord(char):04x}"
    yield f"&#(?:{ord(char)}|x{ord(char):x});"
    if (entity := html.escape(char)) != char:
        yield re.escape(entity)


PIECE = 16
"""A piece of a secret of this many characters is no coincidence."""


def _without_pieces(text: str, secret: str) -> str:
    """The text without pieces of a secret that was repeated in part, or cut off."""
    pieces = {secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)}
    starts = [at for at in range(len(text) - PIECE + 1) if text[at : at + PIECE] in pieces]
    for at in starts:
        text = text[:at] + "\0" * PIECE + text[at + PIECE :]
    return re.sub("\0+", "***", text) if starts else text


def texts_of(payloads: Iterable[bytes]) -> frozenset[str]:
    """Every text in what was sent that is long enough to be known again."""
    return frozenset(value for payload in payloads for value in _texts(msgspec.json.decode(payload)) if len(value) > 3)


def _texts(value: JSON) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)
