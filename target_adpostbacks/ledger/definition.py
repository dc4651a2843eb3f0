"""How a table is described, and what SQLite and PostgreSQL call its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

Dialect = Literal["sqlite", "postgresql"]
Layout = Literal["full", "compact"]
"""Whether a ledger has rows of what was accepted, or keys alone."""


class Kind(NamedTuple):
    """A column's type in each database, and in JSON Schema."""

    sqlite: str
    postgresql: str
    json: str

    def of(self, dialect: Dialect) -> str:
        """Its name in that database."""
        return self.sqlite if dialect == "sqlite" else self.postgresql


TEXT = Kind("TEXT", "TEXT", "string")
INTEGER = Kind("INTEGER", "INTEGER", "integer")
LARGE = Kind("INTEGER", "BIGINT", "integer")
NUMBERED = Kind("INTEGER", "BIGSERIAL", "integer")
"""The database numbers the rows."""
DOUBLE = Kind("DOUBLE", "DOUBLE PRECISION", "number")
BOOLEAN = Kind("BOOLEAN", "BOOLEAN", "boolean")


class Column(NamedTuple):
    """A column; without ``nullable`` each row has a value in it."""

    name: str
    kind: Kind = TEXT
    nullable: bool = False
    default: str | None = None  # what rows get that are there already
    indexed: bool = False

    def defined(self, dialect: Dialect) -> str:
        """As a table's definition has it."""
        default = "" if self.default is None else f" DEFAULT '{self.default}'"
        return f"{self.name} {self.kind.of(dialect)}{default}{'' if self.nullable else ' NOT NULL'}"

    def absent(self, dialect: Dialect) -> str:
        """What is read of it where a ledger does not have it yet."""
        kind = LARGE if self.kind is NUMBERED else self.kind
        value = "NULL" if self.default is None else f"'{self.default}'"
        return f"CAST({value} AS {kind.of(dialect)}) AS {self.name}"


class Table(NamedTuple):
    """A table. Its first column is its key, where ``keys`` names no others."""

    name: str
    columns: tuple[Column, ...]
    identity: tuple[str, ...] = ()  # columns that no two rows share
    keys: tuple[str, ...] = ()
    constraint: str = "identity"  # its name, of which a database has one
    is_rowless: bool = False  # in SQLite the key is the table, in half the space

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that make a row one row."""
        return self.keys or (self.columns[0].name,)

    @property
    def names(self) -> list[str]:
        """Of its columns."""
        return [column.name for column in self.columns]

    def row(self, values: Sequence[Any]) -> dict[str, Any]:
        """A row by the names of its columns; SQLite has numbers for true and false."""
        row = dict(zip(self.names, values, strict=True))
        return row | {column.name: bool(row[column.name]) for column in self.columns if column.kind is BOOLEAN}

    def created(self, dialect: Dialect) -> Iterator[str]:
        """The statements that make it where it is not there."""
        parts = [column.defined(dialect) for column in self.columns] + [f"PRIMARY KEY ({', '.join(self.key)})"]
        if self.identity:
            parts.append(f"CONSTRAINT {self.constraint} UNIQUE ({', '.join(self.identity)})")
        lines = ", \n\t".join(parts)
        ending = " WITHOUT ROWID" if self.is_rowless and dialect == "sqlite" else ""
        yield f"CREATE TABLE IF NOT EXISTS {self.name} (\n\t{lines}\n){ending}"
        yield from (self.index_of(column.name) for column in self.columns if column.indexed)

    def index_of(self, column: str) -> str:
        """The statement that makes the index of a column where it is not there."""
        return f"CREATE INDEX IF NOT EXISTS ix_{self.name}_{column} ON {self.name} ({column})"
