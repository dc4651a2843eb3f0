"""adpostbacks vectors: what each network gets for a value, row by row: input, normalized, hash."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import click

from target_adpostbacks.cli import _options
from target_adpostbacks.cli._output import escaped, plain, write_csv, write_json
from target_adpostbacks.cli._tables import columns, terminal

COLUMNS = ("network", "field", "input", "with", "settings", "normalized", "sha256", "why")

Row = Mapping[str, Any]


@click.command()
@click.option("--network", metavar="NAME", help="Only this network, by any of its names.")
@click.option("--field", metavar="NAME", help="Only this column of the record: email, phone, …")
@_options.output("table", "json", "csv")
def vectors(network: str | None, field: str | None, style: str) -> None:
    """Print what each network gets for a value.

    A row has the input, the normalized text and its SHA-256. Compare the hashes of your warehouse with them. All values
    are made up, or examples that the networks publish. A network gets the hash and, where a row has none, the
    normalized value. A value with neither is not sent.

    \b
    Example: adpostbacks vectors --network meta --field phone --format json
    """
    name = network and (_options.network_named(network) or network)
    WRITERS[style](_chosen(_chosen(_rows(), "network", name), "field", field))


def _rows() -> list[Row]:
    """Every row of every network, as target_adpostbacks/vectors/README.md describes it, with its network."""
    tables = sorted(
        (file.name.removesuffix(".json"), json.loads(file.read_text("utf-8"))["normalize"])
        for file in (files("target_adpostbacks") / "vectors").iterdir()
        if file.name.endswith(".json")
    )
    return [{"network": network, **row} for network, table in tables for row in table]


def _chosen(rows: list[Row], key: str, value: str | None) -> list[Row]:
    """The rows whose ``key`` has this value; all of them where nobody asked for one."""
    chosen = [row for row in rows if value in (None, row[key])]
    if not chosen:
        known_values = ", ".join(dict.fromkeys(row[key] for row in rows))
        raise click.BadParameter(f"there are no rows of {value!r}, only of {known_values}", param_hint=f"--{key}")
    return chosen


def _write_table(rows: list[Row]) -> None:
    """Fitted to a terminal; in a pipe every value in full."""
    head = ["Network", "Field", "Input", "With", "Normalized", "SHA-256", "Why"]
    cells = [
        [
            *(row["network"], row["field"], quoted(row["input"]), _context(row)),
            *(quoted(row["normalized"]), plain(row["sha256"]) or "-", row["why"]),
        ]
        for row in rows
    ]
    for text in columns([head, *cells], terminal()[0]):
        sys.stdout.write(text + "\n")


def quoted(value: Any) -> str:
    """A value as JSON, so that spaces and characters that nobody sees can be seen; ``-`` for null."""
    return "-" if value is None else escaped(json.dumps(value, ensure_ascii=False))


def _context(row: Row) -> str:
    beside = {**row.get("with", {}), **row.get("settings", {})}
    return ", ".join(f"{name}={value if isinstance(value, str) else quoted(value)}" for name, value in beside.items())


WRITERS: Mapping[str, Callable[[list[Row]], None]] = {
    "table": _write_table,
    "json": write_json,
    "csv": lambda rows: write_csv(COLUMNS, rows),
}
