"""Reads ``ledger_url``: the forms of SQLAlchemy's URLs, without importing it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote

FORM = re.compile(
    r"(?P<driver>[\w+]+)://"
    r"(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?:\[(?P<v6>[^/?]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>[^/?]*))?"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
)
DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    **dict.fromkeys(("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"), "postgresql+psycopg"),
}
"""What may stand before ``://`` to what it is shown as; psycopg 3 serves PostgreSQL, whichever name is given."""
YES = {"1", "true", "t", "yes", "y", "on"}
OF_PYTHON = ("uri", "timeout", "cached_statements", "isolation_level", "detect_types", "check_same_thread")
"""Parameters of Python's sqlite3. All others are SQLite's, in a ``file:`` URI."""


class Address(NamedTuple):
    """Where a database is. ``query``: each parameter of the driver to its values, of which most have one."""

    driver: str
    user: str
    password: str
    host: str
    port: int | None
    database: str
    query: Mapping[str, Sequence[str]]

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file; else it is PostgreSQL."""
        return self.driver == "sqlite"

    @property
    def location(self) -> str:
        """The URL without password and parameters, of which some are secret too."""
        user = quote(self.user, safe=" +") + (":***" if self.password else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"{self.driver}://{f'{user}@' if user else ''}{host}{port}/{self.database}"

    @property
    def file(self) -> str:
        """The path of a SQLite database, also of one that is named by a ``file:`` URI."""
        if not self._is_uri:
            return self.database
        path = self.database.removeprefix("file:")
        if path.startswith("//"):  # a host, which can only be this one
            path = f"/{path[2:].partition('/')[2]}"
        return unquote(path)

    @property
    def _is_uri(self) -> bool:
        return self._last("uri").lower() in YES

    def _last(self, name: str) -> str:
        return (self.query.get(name) or ("",))[-1]

    def of_sqlite(self) -> dict[str, Any]:
        """What ``sqlite3.connect`` is called with."""
        arguments: dict[str, Any] = {"database": str(Path(self.database).absolute())}
        if self._is_uri:
            own = [f"{name}={values[-1]}" for name, values in self.query.items() if name not in OF_PYTHON]
            arguments = {"database": "?".join([self.database, *filter(None, ["&".join(own)])]), "uri": True}
        try:
            kinds = {"timeout": float, "cached_statements": int}
            return arguments | {name: kind(self._last(name)) for name, kind in kinds.items() if name in self.query}
        except ValueError:
            raise ValueError("ledger_url: timeout and cached_statements are numbers") from None

    def of_postgresql(self) -> dict[str, Any]:
        """What ``psycopg.connect`` is called with; parameters of the query go before the rest of the URL."""
        named = {"user": self.user, "password": self.password, "host": self.host, "dbname": self.database}
        arguments: dict[str, Any] = {name: value for name, value in named.items() if value}
        if self.port:
            arguments["port"] = self.port
        arguments |= {name: ",".join(values) for name, values in self.query.items()}
        hosts = [re.fullmatch(r"([^/:]*):(\d*)", each) for each in self.query.get("host", ())]
        if "port" not in self.query and any(hosts):  # host=one:5432&host=other:5433
            pairs = [
                each.groups() if each else (host, "") for each, host in zip(hosts, self.query["host"], strict=True)
            ]
            arguments["host"], arguments["port"] = (",".join(part) for part in zip(*pairs, strict=True))
        return arguments


def parsed(url: str) -> Address:
    """The parts of a URL; raises ValueError without its text, which may hold a piece of the password."""
    form = FORM.match(url)
    port = (form and form["port"]) or ""
    host = (form and (form["v6"] or form["host"])) or ""
    is_whole = form is not None and form.end() == len(url)  # after an IPv6 address anything could follow
    is_number = not port or port.isdecimal()
    if form is None or not (is_whole and is_number) or (host and "@" in host + (form["database"] or "")):
        raise ValueError("ledger_url: not a URL; in a password, write %40 for @, %3A for :, %2F for /")
    if form["driver"] not in DRIVERS:
        is_ours = form["driver"].partition("+")[0] in DRIVERS
        what = "write sqlite:/// or postgresql://, without a driver" if is_ours else "sqlite or postgresql expected"
        raise ValueError(f"ledger_url: {what}")
    return Address(
        DRIVERS[form["driver"]],
        unquote(form["user"] or ""),
        unquote(form["password"] or ""),
        host,
        int(port) if port else None,
        form["database"] or "",
        parse_qs(form["query"] or ""),
    )
