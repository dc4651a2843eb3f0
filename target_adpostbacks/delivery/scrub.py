"""Cleans a network's messages of secrets and of values that they repeat from the request."""

from __future__ import annotations

import base64
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
    text = without_secrets(text[:20_000], secrets)
    text = "".join(char if char.isprintable() else " " for char in text[:4000])
    text = _without_base64(text, texts)
    for value in sorted(_echoed(texts, text), key=len, reverse=True):
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


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """A text with ``***`` for each secret, however it is written; a short one only where it stands by itself."""
    known = [secret for secret in secrets if secret]
    for secret in known:
        text = _masked(secret).sub(r"\g<before>***", text)
        text = _without_pieces(text, secret)
    return _without_base64(text, [secret for secret in known if len(secret) >= SHORT])


SHORT, LONG = 4, 8
"""Characters. A secret below the second may be a piece of other words, one below the first may be a word of its own."""

_APART = r"(?:(?<!\w)|(?<=%[0-9A-Fa-f]{2})|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))"
"""Where a word begins, what stands before it may be encoded."""


@lru_cache(maxsize=100)
def _masked(secret: str) -> re.Pattern[str]:
    """A secret where it is masked, with what stays ``before`` it."""
    written = _written(secret).pattern
    apart = _APART if secret[0].isalnum() else ""
    ends = r"(?!\w)" if secret[-1].isalnum() else ""
    if len(secret) >= LONG:
        where = written
    elif len(secret) >= SHORT:
        where = f"{apart}(?:{written}){ends}"
    else:
        padded = base64.b64encode(secret.encode()).decode().replace("=", "(?:=|%3D)")
        where = "|".join(
            (
                rf"(?<=[=:]){written}{ends}",
                rf"(?<=%3[AD]){written}{ends}",
                rf"(?<=[\"'`(\[{{/]){written}(?=[\"'`)\]}}/?])",
                rf"(?<=/){written}$",
                rf"(?<=: ){written}(?=\s*(?:$|[^\w\s]))",
                rf"(?<=\b(?:key|sig) ){written}(?=\s*(?:$|[^\w\s]))",
                rf"(?<=\b(?:token|basic) ){written}(?=\s*(?:$|[^\w\s]))",
                rf"(?<=\b(?:secret|bearer) ){written}(?=\s*(?:$|[^\w\s]))",
                rf"(?<=\bpassword ){written}(?=\s*(?:$|[^\w\s]))",
                rf"{_APART}{padded}(?![\w=])",
            )
        )
    return re.compile(f"(?P<before>)(?:{where})", re.IGNORECASE)


@lru_cache(maxsize=100)
def _written(secret: str) -> re.Pattern[str]:
    """A secret as it is, and as a URL, JSON or HTML would write any of its characters."""
    return re.compile("".join(f"(?:{'|'.join(_spellings(char))})" for char in secret), re.IGNORECASE)


def _echoed(values: Iterable[str], text: str) -> list[str]:
    """Those of the values that a text repeats, however it writes them."""
    readings = _readings(text)
    return [value for value in values if any(value.lower() in reading for reading in readings)]


_RUN = re.compile(r"(?:[A-Za-z0-9+/_-]|%2[BbFf]|\\/){6,}(?:=|%3[Dd]){0,2}")
_legible = re.compile(r"[^\x00-\x1f\x7f-\x9f\ufffd]{4,}").search


def _without_base64(text: str, values: Iterable[str]) -> str:
    """The text without pieces in base64, whole or cut, that repeat one of the values."""
    decoded = {run: told for run in _RUN.findall(text) if (told := _decoded(run))}
    if not decoded or not (echoed := _echoed(values, "\n".join(decoded.values()))):
        return text
    echoing = {run for run, told in decoded.items() if _echoed(echoed, told)}
    return _RUN.sub(lambda run: "***" if run[0] in echoing else run[0], text)


def _decoded(run: str) -> str:
    """What a piece of base64 may say: it may begin anywhere in the piece, and end before its end."""
    letters = unquote(run).replace("\\/", "/").rstrip("=").translate(_FROM_URLS)
    told = []
    for start in range(4):
        whole = letters[start:]
        whole = whole[:-1] if len(whole) % 4 == 1 else whole  # no group has one letter
        written = base64.b64decode(whole + "=" * (-len(whole) % 4)).decode("utf-8", "replace")
        if _legible(written):
            told.append(written)
    return "\n".join(told)


_FROM_URLS = str.maketrans("-_", "+/")


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
