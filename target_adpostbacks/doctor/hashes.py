"""Hashes that match nobody: of nothing, of the wrong kind, of something that was not normalized first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import md5, sha1, sha256

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import phones
from target_adpostbacks.core.placeholders import HASHES
from target_adpostbacks.doctor.case import Case
from target_adpostbacks.doctor.findings import Spot, finding

_HEX = re.compile(r"[0-9a-fA-F]+").fullmatch
IDS = "external_id"
"""One of 32 hex digits may be just that."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=").fullmatch
OTHER_LENGTHS = {32: "MD5", 40: "SHA-1", 56: "SHA-224", 96: "SHA-384", 128: "SHA-512"}
NOTHING = frozenset(hash_(text).hexdigest() for hash_ in (md5, sha1) for text in (b"", b" ", b"null"))


def digest(text: str) -> str:
    """SHA-256 in hex."""
    return sha256(text.encode(errors="replace")).hexdigest()


HASHES_OF_HASHES = frozenset(map(digest, HASHES))


def _distinct(columns: Iterable[str]) -> Iterator[Spot]:
    return map(Spot, dict.fromkeys(columns))


def _is_other_hash(text: str) -> bool:
    is_hex = _HEX(text) is not None and not text.isdecimal()
    return (is_hex and len(text) in OTHER_LENGTHS) or _BASE64(text) is not None


@finding(
    "error",
    what="The column holds a hash of nothing: of an empty text, of white space or of a word such as null.",
    cost="It matches nobody. A network that takes it joins all these people into one.",
    change="Hash only what is there, and leave the column empty otherwise.",
)
def empty_hash(case: Case) -> Iterable[Spot]:
    return _distinct(column for column, text in case.suspects if text[:64].lower() in HASHES or text.lower() in NOTHING)


@finding(
    "error",
    what="The column holds an MD5, a SHA-1 or another hash that is not SHA-256 in hex.",
    cost="Networks compare SHA-256 in hex. This matches nobody and is left out.",
    change="Map the raw value, which is hashed here, or hash it with SHA-256 and write it as 64 hex digits.",
)
def not_sha256(case: Case) -> Iterable[Spot]:
    return _distinct(
        column
        for column, text in case.suspects
        if column != IDS and _is_other_hash(text) and text.lower() not in NOTHING
    )


@finding(
    "error",
    what="The column holds hex digits that are too few or too many for any hash.",
    cost="A hash that lost a character matches nobody.",
    change="Make the column wider, at least 64 characters, and load it again.",
)
def cut_hash(case: Case) -> Iterable[Spot]:
    return _distinct(
        column
        for column, text in case.suspects
        if column != IDS and _HEX(text) and not text.isdecimal() and len(text) != 64 and len(text) not in OTHER_LENGTHS
    )


@finding(
    "note",
    what="The hash is written in capitals.",
    cost="Nothing here, since it is sent in lower case. Where it goes by another way, it matches nobody.",
    change="Write hashes in lower case.",
)
def upper_case_hash(case: Case) -> Iterable[Spot]:
    return _distinct(column for column, text in case.suspects if keys.is_hash(text) and text[:64] != text[:64].lower())


@finding(
    "error",
    what="The column holds the hash of a hash. The simple hash, or the raw value, stands beside it.",
    cost="It matches nobody.",
    change="Hash once. What is 64 hex digits here is passed on as it is.",
)
def double_hash(case: Case) -> Iterable[Spot]:
    return _distinct(_double(case))


def _double(case: Case) -> Iterator[str]:
    for column in _with_hashes(case):
        hashes, raws = _hashes_and_raws(case, column)
        once = {*hashes}
        if column in GOOD_FORMS:
            once |= {digest(form) for raw in raws for form in GOOD_FORMS[column](raw)}
        twice = {digest(simple) for simple in once}
        if not twice.isdisjoint(hashes) or not HASHES_OF_HASHES.isdisjoint(hashes):
            yield column


@finding(
    "error",
    what="The hash is that of the value as it was written beside it, not of the normalized one.",
    cost="Networks hash the normalized value: trimmed, in lower case, phones with country code. It matches nobody.",
    change="Map the raw column, which is normalized here, or normalize before you hash: `adpostbacks vectors` has"
    " examples.",
)
def unnormalized_hash(case: Case) -> Iterable[Spot]:
    return _distinct(_unnormalized(case))


def _unnormalized(case: Case) -> Iterator[str]:
    for column in _with_hashes(case):
        hashes, raws = _hashes_and_raws(case, column)
        for raw in raws if column in GOOD_FORMS else ():
            good = {*GOOD_FORMS[column](raw)}
            bad = {form for form in BAD_FORMS[column](raw) if form} - good
            if not hashes.isdisjoint(map(digest, bad)):
                yield column


def _with_hashes(case: Case) -> Iterable[str]:
    return dict.fromkeys([*(column for column, text in case.suspects if keys.is_hash(text)), *case.written.beside])


def _hashes_and_raws(case: Case, column: str) -> tuple[set[str], list[str]]:
    hashes = {text.lower() for text in case.written.beside.get(column, ())}
    raws = []
    for text in case.texts(column):
        if simple := keys.digest_of(text):
            hashes.add(simple)
        else:
            raws.append(text)
    return hashes, raws


def _emails(raw: str) -> Iterator[str]:
    """What one network or another hashes of an address."""
    address = keys.email(raw)
    if address is None:
        return
    yield address
    local, _, domain = address.partition("@")
    without_tag = local.partition("+")[0]
    for part in (without_tag, local.replace(".", ""), without_tag.replace(".", "")):
        yield f"{part}@{domain}"
    yield f"{''.join(filter(str.isalnum, without_tag))}@{domain}"


def _phones(raw: str) -> Iterator[str]:
    if number := phones.e164(raw):
        yield number
        yield number[1:]


def _names(raw: str) -> Iterator[str]:
    name = raw.strip().lower()
    yield name
    yield "".join(filter(str.isalnum, name))


def _any_case(raw: str) -> Iterator[str]:
    yield from (raw, f"{raw}\n", f" {raw}", f"{raw} ", raw.upper(), raw.capitalize(), raw.title())


def _national(raw: str) -> Iterator[str]:
    digits = "".join(filter(str.isdecimal, raw))
    yield from (raw, digits, digits.lstrip("0"), f"+{digits}")
    if number := phones.e164(raw):
        yield f"00{number[1:]}"
        for length in (1, 2, 3):  # of its country code
            yield from (number[1 + length :], f"0{number[1 + length :]}")


Forms = Callable[[str], Iterable[str]]
GOOD_FORMS: dict[str, Forms] = {"email": _emails, "phone": _phones, "first_name": _names, "last_name": _names}
BAD_FORMS: dict[str, Forms] = {"email": _any_case, "phone": _national, "first_name": _any_case, "last_name": _any_case}
