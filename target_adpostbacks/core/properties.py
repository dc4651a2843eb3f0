"""Which of a conversion's ``properties`` may be passed on: those that say nothing of the person."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import phones
from target_adpostbacks.core.birth_dates import date_of_birth, orders
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.memo import remembered

MATCH_COLUMNS = frozenset(
    "email phone mobile phone_number external_id first_name last_name gender date_of_birth city state postal_code "
    "country ip_address user_agent advertising_id idfa gaid idfv lead_id click_id".split()
)
"""Columns that identify the person: a property that ``fields`` maps to one of them is no property any more."""

PERSONAL = frozenset(
    "email emails em hashedemail mail phone phonenumber mobile ph hashedphone name fullname firstname fn lastname ln "
    "surname gender ge sex dateofbirth dob birthday birthdate db age address street city ct state st region zip "
    "customername buyername contactname givenname familyname middlename fname lname msisdn contactnumber cellphone "
    "whatsapp deviceid xff nationalid taxid vatid iban cpf yob vorname nachname telefon plz "
    "zipcode zp postalcode postcode country externalid userid customerid ip ipaddress clientipaddress useragent "
    "clientuseragent madid advertisingid idfa gaid aaid idfv fbc fbp fbclid leadid ssn".split()
)
"""Names of personal properties, in lower case, without what parts their words."""
PERSONAL_WORDS = frozenset(
    "email emails phone phones telephone tel mobile cell address street city zip zipcode postal postcode firstname "
    "lastname surname nickname username fullname gender birthday birthdate birth dob passport ssn ip".split()
)
"""What a personal property's name has among its words: ``billing_city``, ``customerPhone``."""
ENVELOPE = frozenset(
    "event eventname eventid eventtime eventat eventsource eventsourceid eventsourceurl actionsource referrerurl user "
    "userdata customdata appdata testeventcode testid pixelid pixelcode accesstoken appsecretproof partneragent "
    "page app data timestamp context originaleventdata attributiondata uploadtag "
    "partnername optout limiteddatause dataprocessingoptions dataprocessingoptionscountry "
    "dataprocessingoptionsstate".split()
)
"""Names that a network gives to what stands around the properties."""

SHORTEST_PART = 7
"""Characters from which on a value is looked for within a longer text, too."""

SHORTEST_NAME = 3
"""Characters from which on a name is looked for among the words of an id."""

_PARTS = re.compile(r"[^\W_]+").findall
_has_digest = re.compile(r"[0-9a-fA-F]{32}").search
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+").findall


def passed_on(properties: Mapping[str, Any], taken: Container[str] = frozenset()) -> dict[str, Any]:
    """Those that have no personal name, at any depth, no name of the envelope, and no ``taken`` one.

    ``taken``: names in the form of ``folded``, of parameters that the network fills from elsewhere.
    """
    return {
        name: _without_personal_names(value)
        for name, value in properties.items()
        if (plain := folded(name)) not in taken and plain not in ENVELOPE and not is_personal(name)
    }


def _without_personal_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_personal_names(member) for name, member in value.items() if not is_personal(name)}
    return [_without_personal_names(member) for member in value] if isinstance(value, list) else value


@remembered(maxsize=2_000)
def folded(name: str) -> str:
    """``'First Name'`` -> ``'firstname'``."""
    return "".join(filter(str.isalnum, name.lower()))


@remembered(maxsize=2_000)
def is_personal(name: str) -> bool:
    """Whether a property's name is one of what identifies a person."""
    return folded(name) in PERSONAL or not PERSONAL_WORDS.isdisjoint(word.lower() for word in _WORDS(name))


def impersonal(c: Conversion) -> dict[str, Any]:
    """``properties`` without those that are, or hold at any depth, what identifies the person.

    That is the e-mail, phone, external id, IP address, device id, birth date or full name of the same record, raw or
    normalized, in whatever case and punctuation. Gender and places are not looked for: a size is ``M``, too.
    """
    tells = telling(identifying(c))
    return {
        name: value for name, value in c.properties.items() if not any(tells(text) for text in (name, *texts(value)))
    }


def telling(raws: Iterable[str]) -> Callable[[str], bool]:
    """Whether a text is one of these values or holds a longer one, in whatever case and punctuation."""
    values = {text for raw in raws if (text := _plain(raw))}
    parts = [text for text in values if len(text) >= SHORTEST_PART]

    def tells(text: str) -> bool:
        plain = _plain(text)
        return plain in values or any(part in plain for part in parts)

    return tells


def identifying(c: Conversion) -> Iterator[str]:
    """What identifies the person of a conversion by itself, in the forms that it may be written in."""
    yield from c.external_id
    for raw in c.email:
        yield raw
        yield keys.email(raw) or ""
    for raw in c.phone:
        yield raw
        yield phones.national(raw)  # it stands in every spelling
    for device in (c.advertising_id, c.idfa, c.gaid, c.idfv):
        yield device or ""
    if c.ip_address:
        yield from forms_of_ip(c.ip_address)
    if born := c.date_of_birth:
        yield born
        if normalized := date_of_birth(born, c.event_time.year):
            yield from orders(normalized)
    if c.first_name and c.last_name:
        yield c.first_name + c.last_name
        yield c.last_name + c.first_name


def tells_of(c: Conversion, text: str) -> bool:
    """Whether an id holds the person's e-mail, phone or name, raw or hashed, in whatever case and punctuation."""
    names = [plain for name in (c.first_name, c.last_name) if name and (plain := _plain(name))]
    whole = ["".join(order) for order in (names, names[::-1]) if len(names) > 1]
    reached = [form for raw in c.email for form in (raw, keys.email(raw) or "")]
    reached += [form for raw in c.phone for form in (raw, phones.national(raw))]
    if telling([*reached, *whole])(text):
        return True
    words = {_plain(word) for word in _PARTS(text)}
    if not words.isdisjoint(name for name in names if len(name) >= SHORTEST_NAME) or _plain(text) in names:
        return True
    return _has_digest(text) is not None and any(digest in text.lower() for digest in digests(c))


def digests(c: Conversion) -> Iterator[str]:
    """The hashes, in hexadecimal digits, of a conversion's e-mails, phones and names in their usual spellings."""
    written = [form for raw in c.email for form in (raw, raw.lower(), keys.email(raw))]
    for raw in c.phone:
        code_and_number, number = phones.digits(raw), phones.national(raw)
        written += (raw, number, f"0{number}", code_and_number, f"+{code_and_number}", f"00{code_and_number}")
    names = [name for name in (c.first_name, c.last_name) if name]
    for raw in (*names, " ".join(names), "".join(names)):
        written += (raw, raw.lower())
    for form in filter(None, dict.fromkeys(written)):
        encoded = form.encode()
        for kind in (hashlib.md5, hashlib.sha1, hashlib.sha256):
            yield kind(encoded, usedforsecurity=False).hexdigest()


def forms_of_ip(raw: str) -> Iterator[str]:
    """An IP address as it may be written."""
    yield raw
    if public := keys.public_ip(raw):
        address = ipaddress.ip_address(public)
        yield from (public, address.compressed, address.exploded)


def texts(value: Any) -> Iterator[str]:
    """Every name and value of a property, at any depth."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)
    elif isinstance(value, float) and value.is_integer():
        yield str(int(value))
    elif not isinstance(value, bool):
        yield str(value)


def _plain(text: str) -> str:
    """Letters and digits alone: what is left of ``'Ada%40Example.com '`` and of ``'ada@example.com'`` is the same."""
    if "%" in text:
        text = unquote(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return "".join(filter(str.isalnum, text.lower()))
