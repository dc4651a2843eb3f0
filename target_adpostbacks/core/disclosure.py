"""What of a person may leave: the settings ``match_keys`` and ``ip_address``, applied to a conversion.

Whatever is made of a conversion afterwards is made without the rest, so that no network has to know of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any
from urllib.parse import unquote

from msgspec.structs import fields, replace

from target_adpostbacks.core import phones
from target_adpostbacks.core.columns import COLUMN_ALIASES
from target_adpostbacks.core.conversion import Conversion, Item
from target_adpostbacks.core.match_keys import truncated_ip
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.properties import (
    MATCH_COLUMNS,
    digests,
    folded,
    forms_of_ip,
    identifying,
    is_personal,
    telling,
    texts,
)
from target_adpostbacks.core.settings import PhoneSettings, Settings

MATCH_KEYS = frozenset({*MATCH_COLUMNS, "language"} - COLUMN_ALIASES.keys())
"""The columns that are match keys, beside the click ids and cookies of the networks."""
EMPTY = {field.name: field.default for field in fields(Conversion) if field.name in MATCH_KEYS}

OTHER_CLICK_IDS = frozenset("gclsrc twclid qclid ndclid ctwa_clid yclid irclickid".split())
"""Names under which a URL or a property may hold a click id of a network that there is no module for."""
URLS = ("event_source_url", "referrer_url", "landing_url")
FREE_TEXTS = ("description", "search_query")
SHORTEST = 3
"""Characters of a value that is looked for elsewhere: a gender or a country's code says nothing by itself."""
DEEPEST = 5
"""How often a URL within a URL is decoded; what is encoded more often is taken for hidden."""

_has_hash = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])").search
_has_shorter_hash = re.compile(r"[0-9a-fA-F]{32}").search
_pieces = re.compile(r"[?&;#=]").split
_parameters = re.compile(r"[?&;#/\s]").split
_origin = re.compile(r"(https?://)(?:[^/?#@]*@)?([^/?#]*)", re.IGNORECASE).match


class Disclosure:
    """A conversion → what an account may disclose of it. ``ids``: the click ids and cookies of all networks."""

    def __init__(self, settings: Settings, match_properties: Iterable[str], ids: Iterable[str]) -> None:
        listed = settings.match_keys
        self.settings = settings
        self.listed = None if listed is None else frozenset(listed)
        self._hidden_columns: frozenset[str] = frozenset()
        self._hidden_members: frozenset[str] = frozenset()
        if listed is not None:
            self._hidden_columns = MATCH_KEYS.difference(listed)
            names = {name.lower() for name in OTHER_CLICK_IDS.union(ids)}.difference(name.lower() for name in listed)
            self._has_click_id = re.compile(rf"[?&;#/]_?(?:{'|'.join(sorted(map(re.escape, names)))})=", re.IGNORECASE)
            members = {name.rpartition(".")[2] for name in match_properties if f"properties.{name}" not in listed}
            self._hidden_members = frozenset(map(folded, names | members))

    def __call__(self, c: Conversion) -> Conversion:
        """The conversion without what may not leave, in its columns or anywhere else."""
        changes: dict[str, Any] = {column: EMPTY[column] for column in self._hidden_columns if getattr(c, column)}
        if self.settings.ip_address != "send" and c.ip_address and "ip_address" not in changes:
            truncate = self.settings.ip_address == "truncate"
            changes["ip_address"] = truncated_ip(c.ip_address) if truncate else None
        if self.listed is not None and not c.ids.keys() <= self.listed:
            changes["ids"] = {name: value for name, value in c.ids.items() if name in self.listed}
        if "country" in changes and "phone" not in changes:
            changes["phone"] = self._completed(c)
        if c.properties or c.contents or any(_texts_of(c)):
            told = [*self._hidden_values(c, changes)]
            if self.listed is not None and _has_shorter_hash(repr((c.properties, c.contents, *_texts_of(c)))):
                told += digests(c)
            changes |= self._clean_texts(c, telling(told))
        return replace(c, **changes) if changes else c

    def _completed(self, c: Conversion) -> tuple[str, ...]:
        """National phone numbers with the country code that they would lack without the record's country."""
        settings = self.settings
        if not isinstance(settings, PhoneSettings) or not settings.phone_country_from_record:
            return c.phone
        codes = settings.country_codes(c.country)
        return tuple(raw if "+" in raw else phones.e164(raw, codes) or raw for raw in c.phone)

    def _hidden_values(self, c: Conversion, changes: Mapping[str, Any]) -> Iterable[str]:
        if "ip_address" in changes and c.ip_address:
            yield from forms_of_ip(c.ip_address)
        if self.listed is None:
            return
        yield from identifying(c)  # raw, even where its hash may leave
        for column in changes.keys() & EMPTY.keys() - {"ip_address", "phone"}:
            value = getattr(c, column)
            yield from (raw for raw in ((value,) if isinstance(value, str) else value) if len(raw) >= SHORTEST)
        yield from (value for name, value in c.ids.items() if name not in self.listed)

    def _clean_texts(self, c: Conversion, tells: Callable[[str], bool]) -> dict[str, Any]:
        """What is left of URLs, properties and free texts, where something of them may not leave."""
        hides = partial(self._hides, tells)
        clean: dict[str, Any] = {name: _url(url, hides) for name in URLS if (url := getattr(c, name))}
        clean |= {name: None for name in FREE_TEXTS if (text := getattr(c, name)) and hides(text)}
        if c.properties:
            members = self._without_members(c.properties)
            clean["properties"] = {
                name: value for name, value in members.items() if not any(map(hides, (name, *texts(value))))
            }
        if c.contents:
            clean["contents"] = tuple([_item(item, hides) for item in c.contents])
        return clean

    def _hides(self, tells: Callable[[str], bool], text: str) -> bool:
        """Whether a text, a URL within a URL too, holds what may not leave."""
        for _ in range(DEEPEST):
            if any(map(tells, (text, *_pieces(text)))):
                return True
            if self.listed is not None and self._names_one(text, self.listed):
                return True
            if (decoded := unquote(text)) == text:
                return False
            text = decoded
        return True

    def _names_one(self, text: str, listed: frozenset[str]) -> bool:
        """Whether a text holds a hash or a click id, or has a parameter of a personal name."""
        names = [piece.partition("=")[0] for piece in _parameters(text) if "=" in piece] if "=" in text else ()
        named = any((name in MATCH_KEYS or name not in listed) and is_personal(name) for name in names)
        return named or _has_hash(text) is not None or self._has_click_id.search(f"&{text}") is not None

    def _without_members(self, value: Any) -> Any:
        if isinstance(value, dict):
            hidden = self._hidden_members
            return {name: self._without_members(member) for name, member in value.items() if folded(name) not in hidden}
        return [self._without_members(member) for member in value] if isinstance(value, list) else value


_texts_of = attrgetter(*URLS, *FREE_TEXTS)


def _url(url: str, hides: Callable[[str], bool]) -> str | None:
    """A URL without the parameters, the fragment and the path that hide something; its host stays."""
    match = _origin(url)
    if match is None and url[0] not in "/?":
        return None
    origin = match[1] + match[2] if match else ""  # a landing page's URL may lack it
    rest, hash_, fragment = url[match.end() if match else 0 :].partition("#")
    path, mark, query = rest.partition("?")
    if hides(path):
        path = "/"
    kept = [pair for pair in query.split("&") if not hides(pair)]
    ending = "" if hides(fragment) else hash_ + fragment
    return origin + path + (mark + "&".join(kept) if kept else "") + ending


def _item(item: Item, hides: Callable[[str], bool]) -> Item:
    """A line without what its words tell of the person; ids of products stay, whatever the person's is."""
    hidden = [name for name in ("name", "category", "brand") if (text := getattr(item, name)) and hides(text)]
    return replace(item, **dict.fromkeys(hidden)) if hidden else item


def disclosure(network: Network[Any], ids: Iterable[str]) -> Disclosure | None:
    """What an account may disclose; None where it may disclose everything."""
    settings = network.settings
    if settings.match_keys is None and settings.ip_address == "send":
        return None
    return Disclosure(settings, network.match_properties, ids)
