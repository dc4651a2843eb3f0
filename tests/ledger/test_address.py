"""``ledger_url`` has the forms of SQLAlchemy's URLs, and the drivers get what it says."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_rows import NOW, a_row, changes
from sqlalchemy import make_url

from target_adpostbacks.ledger import Ledger, UnusableLedger
from target_adpostbacks.ledger.address import parsed
from target_adpostbacks.ledger.connections import Connections

PIECES = [*"ab:/@?[]%&=1.-+", "%40", "%2F", "[::1]", "host=", "sslmode=require"]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_a_url_is_read_as_sqlalchemy_reads_it(rest: str) -> None:
    url = f"postgresql://{rest}"
    try:
        expected = make_url(url)
    except ValueError:
        return
    ends_behind_v6 = ":" in (expected.host or "") or re.search(r"\][^:/?]", rest)  # SQLAlchemy drops what is there
    if ends_behind_v6 or "@" in (expected.host or ""):
        return
    if expected.host and "@" in (expected.database or ""):
        return
    if expected.port is not None and not re.search(rf":0*{expected.port}(?![^/?])", rest):
        return  # :+5 and :-5 are no ports
    address = parsed(url)
    parts = (expected.username, expected.password, expected.host, expected.port, expected.database)
    read = (address.user, address.password, address.host, address.port, address.database)
    assert [each or None for each in read] == [each or None for each in parts]


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("postgresql://", {}),
        ("postgres://ada@db.example.com/ads", {"user": "ada", "host": "db.example.com", "dbname": "ads"}),
        (
            "postgresql+psycopg://ada:p%40s%2Fs@[::1]:5433/ads?sslmode=require&options=-csearch_path%3Dx",
            {"user": "ada", "password": "p@s/s", "host": "::1", "port": 5433, "dbname": "ads"}
            | {"sslmode": "require", "options": "-csearch_path=x"},
        ),
        ("postgresql:///ads?host=a:1&host=b:2", {"dbname": "ads", "host": "a,b", "port": "1,2"}),
        (
            "postgresql:///ads?host=/var/run&connect_timeout=5",
            {"dbname": "ads", "host": "/var/run"} | {"connect_timeout": "5"},
        ),
    ],
)
def test_psycopg_gets_what_the_url_says(url: str, arguments: dict[str, Any]) -> None:
    assert parsed(url).of_postgresql() == arguments


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://[::1]db.example.com/ads", "not a URL"),
        ("postgresql://ada:pa@ss@db.example.com/ads", "not a URL"),
        ("postgresql://db.example.com:port/ads", "not a URL"),
        ("postgresql+pg8000://db.example.com/ads", "without a driver"),
        ("sqlite+aiosqlite:///ledger.db", "without a driver"),
        ("mysql://db.example.com/ads", "sqlite or postgresql expected"),
        ("sqlite://ada:secret@/ledger.db", "a file expected"),
        ("sqlite:///ledger.db?timeout=soon", "are numbers"),
    ],
)
def test_what_is_no_address_of_a_ledger_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnusableLedger, match=why):
        Ledger(url, "run-1")
    assert not [*tmp_path.iterdir()]


def test_a_relative_path_counts_from_where_the_run_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    connections = Connections(parsed("sqlite:///ledger.db"), "create")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with closing(connections.new()):
        assert not [*Path().iterdir()]


def test_a_url_says_how_long_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger, other = Ledger(f"{url}?timeout=0.1", "run-1"), sqlite3.connect(tmp_path / "ledger.db")
    with closing(ledger), closing(other):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnusableLedger, match="locked"):
            ledger.write(NOW, [a_row()])


def test_a_transaction_is_the_ledgers_to_end_whatever_the_url_says(postgres_url: str) -> None:
    with closing(Ledger(f"{postgres_url}?autocommit=false&application_name=ads", "run-1")) as ledger:
        ledger.write(NOW, [a_row()])
    assert len(changes(postgres_url)) == 1


@pytest.mark.parametrize(
    "form", ["sqlite:///{}?timeout=5", "sqlite+pysqlite:///{}", "sqlite:///file:{}?uri=true&cache=private"]
)
def test_a_file_is_opened_and_found_again_whatever_its_form(tmp_path: Path, form: str) -> None:
    url = form.format(tmp_path / "ledger.db")
    with closing(Ledger(url, "run-1")) as ledger:
        ledger.write(NOW, [a_row()])
        assert ledger.claim("tiktok", "pixel-a")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".ledger.db.locks", "ledger.db"]
    assert len(changes(url)) == 1
