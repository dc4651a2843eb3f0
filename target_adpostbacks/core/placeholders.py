"""What programs write where a value is missing: words, macros that nobody expanded, and hashes of these."""

from __future__ import annotations

import re
from collections.abc import Collection
from hashlib import sha256
from itertools import product
from operator import itemgetter

WORDS = frozenset({"null", "none", "undefined", "nan", "n/a", "(not set)", "[object object]"})
"""In lower case."""
AS_PROGRAMS_WRITE_THEM = frozenset(
    ("null", "NULL", "none", "None", "nan", "NaN", "undefined", "n/a", "N/A", "(not set)", "[object Object]")
)
"""Those that are nobody's name: ``Null`` is one."""
NO_IDS = frozenset(
    {"\\n", "(none)", "(null)", "[null]", "<null>", "<na>", "#n/a", "nil", "na", "nat", "not set", "unknown", "-", "--"}
)
"""Words for nothing in an id or a match key, in lower case; elsewhere they are words like others."""
FIRST = frozenset("nNuU([{$%_\\<#-@\"'")
"""What each of them begins with, but hashes."""

_MACRO_FIRST = frozenset("{$%_")
_SIGNS = FIRST.difference("nNuU")
_QUOTES = frozenset("\"'")
_MACRO = re.compile(
    r"\{\{.*\}\}|\$\{.*\}|%7[Bb](?:%7[Bb].*|[A-Za-z_.]+)%7[Dd]|\{[A-Za-z_.]+\}|%%[A-Z_]+%%|__?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*__?",
    re.DOTALL,
).fullmatch

_ID_MACRO = re.compile(r"\[[a-z_]+\]|<[a-z_]+>|%[a-z_]+%|\$[a-z_]+\$|##[a-z_]+##|@[a-z_]+@").fullmatch

NOTHING = frozenset(
    "".join(letters)
    for text in ("", " ", "null", "none", "undefined", "nan", "n/a", "(not set)")
    for letters in product(*({letter, letter.upper()} for letter in text))
)
HASHES = frozenset(sha256(text.encode()).hexdigest() for text in NOTHING)
"""SHA-256 of nothing, of each word in any case of letters."""


def is_macro(text: str) -> bool:
    """Whether a trimmed text is nothing but an unexpanded macro: ``{{click_id}}``, ``__CLICKID__``."""
    return text[:1] in _MACRO_FIRST and _MACRO(text) is not None


def is_placeholder(text: str) -> bool:
    """Whether a trimmed text, meant for an id or a match key, is a macro or a word for nothing in any case."""
    if text[:1] not in FIRST:
        return False
    word = text.lower().strip("\"'")
    return word in WORDS or word in NO_IDS or is_macro(text) or _ID_MACRO(word) is not None


def has_placeholder(texts: Collection[str]) -> bool:
    """Whether one of these texts, none of which is empty, is a placeholder."""
    if FIRST.isdisjoint(map(_first, texts)):
        return False
    odd = [text for text in texts if text[0] in FIRST]
    if _SIGNS.isdisjoint(map(_first, odd)) and _QUOTES.isdisjoint(map(_last, odd)):  # words, if anything
        return not _ALL_WORDS.isdisjoint(map(str.lower, odd))
    return any(map(is_placeholder, odd))


_first, _last = itemgetter(0), itemgetter(-1)
_ALL_WORDS = WORDS | NO_IDS
