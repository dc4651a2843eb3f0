"""Lists of people: CSV with the header email, phone, external_id, each value raw or SHA-256."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from target_adpostbacks.core.columns import COLUMN_ALIASES
from target_adpostbacks.core.digests import KINDS, forms

DELIMITERS = ",;\t"
ID = "external_id"
_VALUE = re.compile(r"@|[0-9]{5}").search
"""What no name of a column has."""


class Given(NamedTuple):
    """A value that identifies a person, without the value. ``forms``: as in ``digests``; none: it is no such value."""

    line: int
    kind: str
    forms: tuple[str, ...]


class UnusableList(Exception):
    """A list can't be read. The message says where and why, without its text."""


def given(line: int, kind: str, value: str, country_codes: Iterable[tuple[str, ...]] = ()) -> Given:
    """One value, a phone number with what may complete it. An address or a number may be the person's id as well."""
    found = [form for codes in dict.fromkeys(((), *country_codes)) for form in forms(kind, value, codes)]
    if found and kind != ID:
        found += [ID + form.removeprefix(kind) for form in found]
    return Given(line, kind, tuple(dict.fromkeys(found)))


def kinds_of(header: str) -> tuple[str, list[str]] | None:
    """The delimiter and the columns of a header, ``""`` for another column; None for a line that is none."""
    if _VALUE(header):
        return None
    delimiter = next((each for each in DELIMITERS if each in header), ",")
    names = [name.strip().strip('"').strip().lower() for name in header.split(delimiter)]
    columns = [COLUMN_ALIASES.get(name, name) for name in names]
    kinds = [column if column in KINDS else "" for column in columns]
    return (delimiter, kinds) if any(kinds) else None


def people(lines: Iterable[str], country_codes: Sequence[tuple[str, ...]] = ()) -> Iterator[Given]:
    """Each value of a list. Raises UnusableList."""
    numbered = iter(lines)
    header = kinds_of(next(numbered, "").removeprefix("\ufeff").strip())
    if header is None:
        raise UnusableList("its first line is no header: email, phone, external_id, or some of them expected")
    delimiter, kinds = header
    reader = csv.reader(numbered, delimiter=delimiter, skipinitialspace=True, strict=True)
    # strict: a quote that is never closed would take the people after it for a part of its value
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            raise UnusableList(f"line {reader.line_num + 1}: not CSV") from None
        if row is None:
            return
        for kind, value in zip(kinds, row, strict=False):
            if kind and value.strip():
                yield given(reader.line_num + 1, kind, value, country_codes)


def from_file(path: str, country_codes: Sequence[tuple[str, ...]] = ()) -> Iterator[Given]:
    """Each value of the list in a file. Raises UnusableList."""
    try:
        with Path(path).expanduser().open(encoding="utf-8", newline="") as file:
            yield from people(file, country_codes)
    except OSError as error:
        raise UnusableList(f"{path}: {error.strerror or type(error).__name__}") from None
    except (UnicodeDecodeError, ValueError):
        raise UnusableList(f"{path}: not text in UTF-8") from None
    except UnusableList as unusable:
        raise UnusableList(f"{path}: {unusable}") from None
