"""Keyed digests of what identifies a person, by which a value is known again that is kept nowhere.

A digest is made of the SHA-256 that a network would be sent, so that a raw value and a hashed one meet. Networks
normalize a value differently: each of its forms has a digest of its own, and one in common is enough.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b, sha256

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import phones
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.placeholders import HASHES, is_placeholder

KINDS = ("email", "phone", "external_id")
"""The columns that identify a person by themselves, wherever they are."""
SHORTEST_KEY = 32
"""Characters of a key: what is shorter could be guessed."""
_BYTES = 12
"""Of a digest: that two of a billion values have one in common by chance is one in a hundred billion."""

_BETWEEN = re.compile(r"[\s,;|/]+").split
_BETWEEN_NUMBERS = re.compile(r"[,;|\r\n]+|\s+(?=\+|00)|(?<=\d{7})\s*/").split
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=").fullmatch


def digests(kind: str, value: str, key: str, country_codes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The digests of a value, raw or SHA-256 already; none for what is no value of that kind.

    ``kind``: one of KINDS, or any other id of a person, which is taken as it is; ``country_codes``: complete a phone
    number that has none. Each digest has 24 hex digits.
    """
    return tuple([keyed(form, key) for form in forms(kind, value, country_codes)])


def keyed(form: str, key: str) -> str:
    """The digest of one of ``forms``, as the ledger keeps it."""
    return digest(form, key).hex()


def digest(form: str, key: str) -> bytes:
    """The same as bytes, which take less memory: BLAKE2b with a key, which takes a third of HMAC-SHA256's time."""
    return blake2b(form.encode(), digest_size=_BYTES, key=_key_of(key)).digest()


@lru_cache(maxsize=4)
def _key_of(key: str) -> bytes:
    return sha256(key.encode()).digest()  # a key of BLAKE2b has 64 bytes at most


def fingerprint(key: str) -> str:
    """By which a key is known again, and not found out."""
    return keyed("fingerprint of erasure_key", key)


def forms(kind: str, value: str, country_codes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """``"email:<SHA-256>"`` for each form in which a network may be sent a value; none for what is no such value."""
    text = value.strip()
    if len(text) >= 44 and (digest := _digest_of(text)):
        return () if digest in HASHES else (f"{kind}:{digest}",)
    if not text or is_placeholder(text):
        return ()
    written = FORMS.get(kind, _as_it_is)(text, country_codes)
    distinct = written if len(written) == 1 else dict.fromkeys(written)
    return tuple([f"{kind}:{sha256(_bytes_of(form)).hexdigest()}" for form in distinct if form])


def _bytes_of(form: str) -> bytes:
    try:
        return form.encode()
    except UnicodeEncodeError:  # half a character, of a caller in Python
        return form.encode(errors="surrogatepass")


def forms_of(c: Conversion, country_codes: Iterable[tuple[str, ...]] = ((),)) -> tuple[str, ...]:
    """The forms of all that identifies the person of a conversion. ``country_codes``: each account's."""
    found = [form for value in c.email for form in forms("email", value) or _in_text(value)]
    found += [form for value in c.external_id for form in forms("external_id", value)]
    for value in c.phone:
        if phones.is_e164(value):
            found += forms("phone", value)
            continue
        for number in dict.fromkeys((value, *_BETWEEN_NUMBERS(value))):
            for codes in dict.fromkeys(((), *country_codes)):
                found += forms("phone", number, codes)
    return tuple(found) if len(found) < 2 else tuple(dict.fromkeys(found))


def _in_text(text: str) -> list[str]:
    """The forms of each address in a text that is none itself; a postback URL may hold it as it is."""
    return [form for part in _BETWEEN(text) if "@" in part for form in forms("email", part)] if "@" in text else []


def _digest_of(text: str) -> str | None:
    """The 64 hex digits of SHA-256, however it is written."""
    if len(text) == 44 and _BASE64(text):
        try:
            return base64.b64decode(text, validate=True).hex()
        except binascii.Error:
            return None
    return keys.digest_of(text) if len(text) >= 64 else None


def _emails(text: str, _: tuple[str, ...]) -> Sequence[str | None]:
    """As most networks write an address; without white space; without what a plus and dots add before the @."""
    address, bare = keys.email(text), "".join(text.split())
    addresses = (address,) if bare == text else (address, keys.email(bare))
    shorter = []
    for each in addresses:
        local, _at, domain = each.rpartition("@") if each else ("", "", "")
        if not local.isalnum():
            untagged = local.partition("+")[0]
            shorter += [
                f"{each}@{domain}" for each in (untagged.replace(".", ""), keys.letters_and_digits(untagged)) if each
            ]
    return [*addresses, *shorter] if shorter else addresses


def _phones(text: str, country_codes: tuple[str, ...]) -> Sequence[str | None]:
    """E.164 with its plus and without; the digits alone, of a national number too."""
    if phones.is_e164(text):
        return text, text[1:]
    written = phones.e164(text, country_codes), phones.digits(text, country_codes)
    return *written, phones.digits_by_groups(text, country_codes)


def _external_ids(text: str, _: tuple[str, ...]) -> Sequence[str]:
    """As it is, in small letters, and without white space; without what can't be seen, as in records."""
    text = keys.visible(text)
    return text, text.lower(), "".join(text.split()).lower()


def _as_it_is(text: str, _: tuple[str, ...]) -> Sequence[str]:
    return (text,)


FORMS: Mapping[str, Callable[[str, tuple[str, ...]], Sequence[str | None]]] = {
    "email": _emails,
    "phone": _phones,
    "external_id": _external_ids,
}
"""For each kind, a value as networks normalize it, before they hash it."""
