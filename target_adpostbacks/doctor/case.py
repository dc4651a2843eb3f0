"""What a check sees of a record: its columns as they are written, the conversion, and what a run makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.columns import COLUMN_ALIASES
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.landing import Landing
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.nested import holder_called, within
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.placeholders import FIRST
from target_adpostbacks.core.postback import NotSent
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.core.urls import click_urls, query_value

DEPTH = 8
"""How deep objects are searched for columns, as the core does."""
BESIDE = ("email", "phone", "first_name", "last_name")
"""Columns whose hash often stands beside them, in a column that nobody reads: ``email_sha256``."""
_HASH = re.compile(r"[0-9a-fA-F]{64}").fullmatch


NO_TEXTS = frozenset({"contents", "properties"})


class Memory(Protocol):
    """What was seen before, over the whole input."""

    def recall(self, kind: str, key: Sequence[Any], facts: Sequence[Any]) -> bool | None:
        """Remembers the facts of a key. None: it is new; else whether the same facts came first."""


class ClickIdForm(NamedTuple):
    """How a network's click ids look, where they have a form that no other network's have."""

    network: str
    columns: Sequence[str]
    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, network: type[Network[Any]]) -> ClickIdForm:
        """What a network says of its click ids."""
        form = network.click_id_form
        return cls(network.name, network.click_ids, re.compile(form) if form else None)


class Written(NamedTuple):
    """A record's values before they are read: of each column, the one that counts first."""

    columns: Mapping[str, Sequence[Any]]
    texts: Mapping[str, Sequence[str]]  # the same as trimmed texts, members of lists one by one, blank ones not
    beside: Mapping[str, Sequence[str]]  # hashes in columns that nobody reads, by the column whose name is in theirs


@dataclass(frozen=True)
class Case:
    """One record. ``conversion`` is None where the record is none."""

    written: Written
    conversion: Conversion | None
    prepared: Prepared
    accounts: Sequence[Account]  # those that it is for
    forms: Sequence[ClickIdForm]
    memory: Memory
    is_zone_known: bool  # the config says in which zone naive times are
    landing: Landing

    def raw(self, column: str) -> Any:
        """The value that counts, as it is written; None for a missing or a blank one."""
        values = self.written.columns.get(column)
        if not values:
            return None
        value = values[0]
        return None if value.__class__ is str and not value.strip() else value

    def texts(self, column: str) -> Sequence[str]:
        """The texts of a column, trimmed; members of lists one by one, blank ones not."""
        return self.written.texts.get(column, ())

    @cached_property
    def suspects(self) -> Sequence[tuple[str, str]]:
        """Column and text of what may be a hash, in columns that networks want hashed."""
        texts = self.written.texts
        return [
            (column, text)
            for column in HASHED
            if column in texts
            for text in texts[column]
            if len(text) >= SHORTEST_HASH and "@" not in text and " " not in text
        ]

    @cached_property
    def words(self) -> Sequence[tuple[str, str]]:
        """Column and text of what begins as macros and words for nothing do."""
        return [(column, text) for column, texts in self.written.texts.items() for text in texts if text[0] in FIRST]

    @cached_property
    def click_ids(self) -> Sequence[tuple[str, str, ClickIdForm]]:
        """Each click id with its column and what its network's look like."""
        texts = self.written.texts
        found = [
            (column, text, form)
            for form in self.forms
            for column in form.columns
            if column in texts
            for text in texts[column]
        ]
        if "click_id" in texts:
            names = {network.name for network in self.networks()}
            of_networks = [form for form in self.forms if names == {form.network}]
            found += [("click_id", text, form) for text in texts["click_id"] for form in of_networks]
        return found

    def was_clicked(self) -> bool:
        """Whether it has a click id, in a column or in a URL."""
        c = self.conversion
        if c is None:
            return False
        names = [name for form in self.forms for name in form.columns]
        return any(c.ids.get(name) or any(query_value(url, name) for url in click_urls(c)) for name in names)

    def not_sent(self, reason: str) -> Iterator[NotSent]:
        """The accounts that it is not sent to for this reason."""
        return (each for each in self.prepared.not_sent if each.reason == reason)

    def networks(self) -> Iterator[Network[Any]]:
        """The networks that it is for, with their settings."""
        return (account.network for account in self.accounts if account.network)


HASHED = "email phone first_name last_name gender date_of_birth city state postal_code country external_id".split()
"""Columns that networks want hashed."""
SHORTEST_HASH = 24


def _members(value: Any) -> Iterator[str]:
    if value.__class__ is str and value[:1] != "[":
        if text := value.strip():
            yield text
        return
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        with suppress(msgspec.MsgspecError, ValueError, RecursionError):
            value = msgspec.json.decode(value)
    for member in value if isinstance(value, (list, tuple)) else (value,):
        if member is None or isinstance(member, (bool, dict, list)):
            continue
        text = str(member).strip()
        if text:
            yield text


def written(record: Mapping[str, Any], columns: Columns) -> Written:
    """The record's values, found where the core finds them."""
    found, beside = dict[str, list[Any]](), dict[str, list[str]]()
    level: list[tuple[object, Mapping[str, Any]]] = [(None, columns.spelled(columns.mapped(record)))]
    for depth in range(DEPTH + 1):
        inner: list[tuple[object, Mapping[str, Any]]] = []
        for around, names in level:
            refused = holder_called(around).refused if depth else frozenset()
            for name, value in names.items():
                column = COLUMN_ALIASES.get(name, name)
                if depth and column in columns.mapped_columns:
                    continue  # it is where the setting says
                if name in columns.readers and column not in refused:
                    if value is not None:
                        values = found.setdefault(column, [])
                        values.insert(0 if name == column and not depth else len(values), value)
                elif (found_within := within(name, value)) is not None:
                    inner.append((name, columns.spelled(found_within)))
                elif isinstance(value, str) and _HASH(value.strip()):
                    _put_beside(str(name).lower(), value.strip(), beside)
        if not inner:
            break
        level = inner
    for name, value in columns.defaults.items():
        found.setdefault(COLUMN_ALIASES.get(name, name), [value])
    for name, value in columns.constants.items():
        found[COLUMN_ALIASES.get(name, name)] = [] if value is None else [value]
    texts = {
        column: [text for value in values for text in _members(value)]
        for column, values in found.items()
        if column not in NO_TEXTS
    }
    return Written(found, texts, beside)


def _put_beside(name: str, digest: str, beside: dict[str, list[str]]) -> None:
    for column in BESIDE:
        if column in name or (column == "phone" and "mobile" in name):
            beside.setdefault(column, []).append(digest)
