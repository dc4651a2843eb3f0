"""Rows as JSON, JSON lines or CSV, safe for a terminal and a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import click
import msgspec

Row = Mapping[str, Any]

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Where a spreadsheet sees a formula, it is to see text. https://owasp.org/www-community/attacks/CSV_Injection"""


@contextmanager
def replacing(path: Path | None) -> Iterator[None]:
    """What is written to standard output meanwhile goes to that file, which is replaced at once and keeps its mode.

    None, and ``-``: it does not. What is no regular file, a pipe or a device, is written to.
    """
    if path is None or _is_standard_output(path):
        yield
        return
    with redirect_stdout(io.StringIO()) as written:
        yield
    try:
        _write(path, written.getvalue())
    except OSError as error:
        raise click.ClickException(f"--output {path}: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    target = path.resolve()
    mode = path.stat().st_mode if path.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        with path.open("w", encoding="utf-8") as pipe:
            pipe.write(text)
        return
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(text)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _is_standard_output(path: Path) -> bool:
    """Whether it is ``-``, or another name of where standard output goes: a file that it was redirected to too."""
    if str(path) == "-":
        return True
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


def write_json(rows: Iterable[Row]) -> None:
    """One array, a row on each line."""
    sys.stdout.write("[")
    for number, row in enumerate(rows):
        sys.stdout.write((",\n" if number else "\n") + as_json(row))
    sys.stdout.write("\n]\n")


def write_jsonl(rows: Iterable[Row]) -> None:
    """An object on each line."""
    sys.stdout.writelines(as_json(row) + "\n" for row in rows)


def write_csv(names: Sequence[str], rows: Iterable[Row]) -> None:
    """A head and the rows; lists and objects are JSON. Whatever cannot be printed is escaped as in JSON."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)


def as_json(value: Any) -> str:
    """A value as JSON, in which whatever cannot be printed is escaped."""
    return escaped(msgspec.json.encode(value).decode())


def plain(value: Any) -> Any:
    """Lists and objects as JSON, everything else as it is."""
    return escaped(json.dumps(value, ensure_ascii=False)) if isinstance(value, (list, dict)) else value


def escaped(text: str) -> str:
    """Text, or JSON, without characters that nobody sees, or that a terminal would obey."""
    return (
        text if text.isprintable() else "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
    )


def printable(text: str) -> str:
    """Without what would move the cursor, change colours or end the line."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "�" for char in text)


def _cell(value: Any) -> Any:
    """A value of a CSV file that no spreadsheet runs."""
    cell = plain(value)
    if not isinstance(cell, str):
        return cell
    return escaped(f"'{cell}" if cell.lstrip(" ").startswith(FORMULA) else cell)
