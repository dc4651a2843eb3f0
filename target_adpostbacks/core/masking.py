"""A payload as others may see it: hashes as they are, a column's name for what is the person's and unhashed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import JSON, Skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.disclosure import OTHER_CLICK_IDS
from target_adpostbacks.core.postback import TooLarge, prepare

LABELS: Mapping[str, str] = {
    **{column: column for column in ("email", "phone", "external_id", "first_name", "last_name", "gender")},
    **{column: column for column in ("date_of_birth", "city", "state", "postal_code", "country", "user_agent")},
    **{column: column for column in ("language", "advertising_id", "idfa", "gaid", "idfv", "lead_id", "click_id")},
    **{column: column for column in ("device_brand", "device_model", "carrier", "timezone", "att_status")},
    "ip_address": "ip",
}
"""Each column of the person to what is shown for it."""

KNOWN_AGAIN = 4
"""Letters and digits from which on a value is looked for within other texts."""
OTHER_ADDRESSES = ("8.8.4.4", "1.1.1.1")
_is_hash = re.compile(r"[0-9a-f]{64}(\..{2,8})?").fullmatch
_ROTATED = str.maketrans(
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "1234567890bcdefahijklmnopqrstuvwxyzgBCDEFAHIJKLMNOPQRSTUVWXYZG",
)
"""Keeps the form of what it changes: hexadecimal digits stay such."""

Path = tuple[Any, ...]


def masked(account: Account, conversion: Conversion, now: datetime, payload: bytes, ids: Iterable[str] = ()) -> JSON:
    """A payload made of a conversion (its rules applied) for an account, with ``<ip>`` and its like in it.

    Each column of the person is changed in turn: whatever then differs, and is no hash, came from it. So nothing has
    to be known of where a network puts it, or how it writes it. A text that holds the value, an order id or a
    description for example, is hidden too; and what has the name of a click id or a cookie. ``ids``: of all networks.
    """
    original = dict(_leaves(msgspec.json.decode(payload)))
    names = {name.lower() for name in OTHER_CLICK_IDS.union(ids)}
    labels = {path: f"<{path[-1]}>" for path in original if path and str(path[-1]).lower() in names}
    match_properties = account.network.match_properties if account.network else ()
    for label, changed in _variants(conversion, match_properties):
        try:
            other = dict(_leaves(msgspec.json.decode(prepare(account, changed, now).payload)))
        except (Skip, TooLarge):
            other = {path: leaf for path, leaf in original.items() if not _holds(leaf, conversion, label)}
        for path, leaf in original.items():
            if isinstance(leaf, str) and _is_hash(leaf):
                continue
            if other.get(path) != leaf or (
                isinstance(leaf, str) and _holds(_shown(leaf), conversion, label, KNOWN_AGAIN)
            ):
                labels.setdefault(path, f"<{label}>")
    return _written(msgspec.json.decode(payload), labels)


def _variants(c: Conversion, match_properties: Iterable[str]) -> Iterator[tuple[str, Conversion]]:
    """The conversion with another value in one column of the person, for each that it has; or in one such property."""
    replace = msgspec.structs.replace
    for column, label in LABELS.items():
        if value := getattr(c, column):
            yield label, replace(c, **{column: _other(column, value)})
    for name, value in c.ids.items():
        yield name, replace(c, ids={**c.ids, name: _other(name, value)})
    for name in match_properties:
        changed = _with_other(c.properties, name.split("."))
        if changed != c.properties:
            yield name.rpartition(".")[2], replace(c, properties=changed)


def _with_other(value: Any, path: Sequence[str]) -> Any:
    """An object with another value where the path leads to a text or a number."""
    if isinstance(value, Mapping) and path and path[0] in value:
        return {**value, path[0]: _with_other(value[path[0]], path[1:])}
    return _other("", value) if not path and isinstance(value, (str, int)) else value


def _other(column: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_other(column, each) for each in value)
    if column == "ip_address":
        return next(address for address in OTHER_ADDRESSES if address != value)
    other = str(value).translate(_ROTATED)
    return re.sub(r"\w", "x", other) if other == str(value) else other  # a name in another script


def _holds(leaf: Any, conversion: Conversion, label: str, least: int = 1) -> bool:
    """Whether a value of the payload has a column's value in it, however it is spelled, of so many characters."""
    column = next((column for column, each in LABELS.items() if each == label), None)
    raw = getattr(conversion, column) if column else conversion.ids.get(label, "")
    folded, values = _folded(leaf), map(_folded, raw if isinstance(raw, tuple) else (raw,))
    return any(value in folded for value in values if len(value) >= least)


def _folded(value: Any) -> str:
    return "".join(filter(str.isalnum, str(value).lower()))


def _leaves(value: JSON, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _leaves(member, (*path, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _leaves(member, (*path, index))
    else:
        yield path, value


def _written(value: JSON, labels: Mapping[Path, str], path: Path = ()) -> JSON:
    if isinstance(value, Mapping):
        return {name: _written(member, labels, (*path, name)) for name, member in value.items()}
    if isinstance(value, list):
        return [_written(member, labels, (*path, index)) for index, member in enumerate(value)]
    if not _is_url(value):
        return labels.get(path, value)
    return without_query(value, labels.get(path, ""))


def _shown(text: str) -> str:
    """What is left of a text once it is no URL's query or fragment."""
    try:
        return unquote(urlsplit(text).path) if _is_url(text) else text
    except ValueError:
        return ""


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://"))


def without_query(url: str, label: str = "") -> str:
    """``https://example.com/a?<query>#<fragment>``; ``label``: in place of a path that holds what it names."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "<url>"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(
        (
            parts.scheme,
            host,
            f"/{label}" if label else parts.path,
            "<query>" * bool(parts.query),
            "<fragment>" * bool(parts.fragment),
        )
    )
