"""What several test modules need: conversions, accounts, a fixed clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.conversion import Conversion, InvalidConversion
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.record import parse
from target_adpostbacks.core.settings import examples
from target_adpostbacks.networks import EXACT_IDS, IDS, LANDING, NETWORKS

if TYPE_CHECKING:
    from local_server import LocalServer

    from target_adpostbacks.sandbox import Sandbox

hypothesis.settings.register_profile("ours", deadline=None)  # a busy machine is no mistake
hypothesis.settings.load_profile("ours")

if find_spec("pyspark") is None:
    collect_ignore = ["spark"]  # `make test-spark` runs them where Spark is

NOW = datetime(2026, 11, 20, 12, 5, tzinfo=timezone.utc)

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    name: {
        setting: example
        for setting, example in examples(network.settings_type).items()
        if setting != network.test_setting
    }
    for name, network in NETWORKS.items()
}
"""Each network's section with its example values, but without the code of its test tool."""
TEST_CODES: Mapping[str, str] = {
    name: next(iter(examples(network.settings_type)[network.test_setting or ""].values()))
    if network.tests_by_event
    else "TEST1"
    for name, network in NETWORKS.items()
}
"""Each network's code of its test tool: any, or what receives tests."""
COLUMNS = Columns(IDS, exact=EXACT_IDS, landing=LANDING)


def a_record(**changes: Any) -> dict[str, Any]:
    """A record of a purchase, with ``changes``; None removes a column."""
    record = {
        "event_name": "purchase",
        "event_id": "evt-1",
        "event_time": "2026-11-20T12:00:00Z",
        "network": "tiktok",
        "ttclid": "E.C.P.abc",
        **changes,
    }
    return {column: value for column, value in record.items() if value is not None}


def a_conversion(**changes: Any) -> Conversion:
    """The conversion that ``a_record`` tells of."""
    return parse(a_record(**changes), COLUMNS)


def fresh(number: int, **changes: Any) -> dict[str, Any]:
    """A record of now, for what runs by the clock of the machine."""
    return a_record(**{"event_id": f"evt-{number}", "event_time": datetime.now(timezone.utc).isoformat(), **changes})


def refusal(**changes: Any) -> str:
    """What is wrong with a record that is no conversion."""
    with pytest.raises(InvalidConversion) as refused:
        a_conversion(**changes)
    return str(refused.value)


def an_account(section: str = "tiktok", name: str = "default", **settings: Any) -> Account:
    """An account with example settings, and ``settings`` over them."""
    from target_adpostbacks.config import accounts

    merged = {**SETTINGS.get(section, {}), **settings}
    (account,) = accounts({section: {"accounts": {name: merged}}})[section]
    return account


def slow(*params: Any) -> list[Any]:
    """Rows of a table that `make test-all` adds: each starts a process, and others beside it show the same way."""
    return [
        pytest.param(*(param if isinstance(param, tuple) else (param,)), marks=pytest.mark.slow) for param in params
    ]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-docs", action="store_true", help="rewrite the generated tables of the README")


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """An empty database of the embedded PostgreSQL."""
    from embedded_postgres import embedded_postgres

    with embedded_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox of its own for a test. Its clock stands still at NOW, or is the machine's: mark ``machine_clock``."""
    from target_adpostbacks.sandbox import Sandbox

    with Sandbox() if request.node.get_closest_marker("machine_clock") else Sandbox(now=lambda: NOW) as running:
        yield running


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A server of its own for a test, which accepts what comes unless told otherwise."""
    from local_server import local_server

    with local_server() as local:
        yield local
