"""What Meta gets of a person's columns: hashes, each in a list of its own; and IP addresses."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import chain
from typing import Any

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import places
from target_adpostbacks.core.birth_dates import date_of_birth
from target_adpostbacks.core.memo import remembered

# Lines of what is usual in a column. Each can be read in one way alone, so that an odd one is found at once.
USUAL_EMAILS = re.compile(r"(?:[a-z0-9._+-]+@[a-z0-9]+(?:-[a-z0-9]+)*\.[a-z0-9]+(?:[.-][a-z0-9]+)*\n)+").fullmatch
USUAL_PHONES = re.compile(r"(?:\+[1-9][0-9]{6,14}\n)+").fullmatch
USUAL_IDS = re.compile(r"(?:[!-~]{1,63}\n)+").fullmatch
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def email(raw: str) -> str | None:
    """``keys.email``, and a dot in its domain: ``'jane@localhost'`` would be refused.

    >>> email(" Jane.Doe+Promo@Gmail.com ")
    'jane.doe+promo@gmail.com'
    """
    address = keys.email(raw)
    return address if address and "." in address.partition("@")[2][1:-1] else None


def name(raw: str) -> str | None:
    """As Meta's library does: without white space and ASCII punctuation; accents and other scripts stay.

    >>> name("O'Brien")
    'obrien'
    """
    return places.name(raw.translate(_PUNCTUATION))


def _remembering(normalize: Callable[..., str | None]) -> Callable[..., list[str] | None]:
    """A list of the hash of what comes again and again, a name for example; None where there is none. Don't change it.

    The last 10,000 are remembered, as by ``keys.remembering``.
    """

    @remembered(maxsize=10_000)
    def hashes_of(raw: str, *context: Any) -> list[str] | None:
        digest = None if keys.is_md5(raw) else keys.hashed(raw, normalize, *context)  # Meta documents SHA-256 alone
        return [digest + keys.appendix(raw) if len(raw) > 64 else digest] if digest else None

    return hashes_of


of_name = _remembering(name)
of_gender = _remembering(keys.gender)
of_birth = _remembering(date_of_birth)
of_city = _remembering(places.city)
of_state = _remembering(places.state)
of_postal_code = _remembering(places.postal_code)
of_country = _remembering(keys.folded)


def of_usual(column: Sequence[Sequence[str]], usual: Callable[[str], object], without: str = "") -> list[list[str]]:
    """A list of the hash of each only text, in small letters; empty unless all are usual, as lines of a pattern."""
    lines = "\n".join(chain.from_iterable(column)).lower() + "\n"
    if lines.count("\n") != len(column) or not usual(lines):
        return []
    if without:
        lines = lines.replace(without, "")
    return [[sha256(line).hexdigest()] for line in lines.encode().splitlines()]


def of_emails(column: Sequence[Sequence[str]]) -> list[list[str]]:
    """A list of the hashes of each conversion's addresses."""
    return of_usual(column, USUAL_EMAILS) or of_each(column, email)


def of_each(column: Sequence[Sequence[str]], normalize: Callable[..., str | None]) -> list[list[str]]:
    """``of_distinct`` of each conversion's."""
    return [of_distinct(raws, normalize) for raws in column]


def of_distinct(raws: Sequence[str], normalize: Callable[..., str | None], *context: Any) -> list[str]:
    """``keys.distinct_hashed``, with what Meta's parameter builder appends: Meta takes it whole."""
    if len(raws) == 1 and len(raws[0]) < 64:
        normalized = normalize(raws[0], *context)
        return [sha256(normalized.encode()).hexdigest()] if normalized else []
    if max(map(len, raws)) > 64:
        whole = ((keys.hashed(raw, normalize, *context), raw) for raw in raws)
        return [*dict.fromkeys(digest + keys.appendix(raw) for digest, raw in whole if digest)]
    return keys.distinct_hashed(raws, normalize, *context)


def ip_addresses(raws: Sequence[str]) -> Sequence[str | None]:
    """Each as Meta takes it; None where it can't be used."""
    return raws if (*map(keys.public_ip, raws),) == raws else [*map(_ip_address, raws)]


def _ip_address(raw: str) -> str | None:
    address = keys.public_ip(raw)
    return address if address is None or address == raw else address + keys.appendix(raw)


def external_id(raw: str) -> str | None:
    """In small letters, without white space."""
    return "".join(raw.split()).lower() or None
