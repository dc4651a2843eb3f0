"""A real PostgreSQL for tests: one server a process, an empty database each time it is asked for."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count

import psycopg

from target_adpostbacks.demo.postgres import Postgres, postgres

UNICODE = "TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
"""Knows letters beyond a to z, as most databases do."""

_numbers = count(1)


@contextmanager
def embedded_postgres() -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, dropped at the end. The server stops with the process."""
    server = _server()
    own = server._replace(database=f"test_{next(_numbers)}")
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {own.database} {UNICODE}".encode())
        try:
            yield own.url
        finally:
            connection.execute(f"DROP DATABASE {own.database} WITH (FORCE)".encode())


@cache
def _server() -> Postgres:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(postgres())
