"""What starts often starts cheaply: it imports nothing heavy that it does not need."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from ledger_rows import NOW, a_row

from target_adpostbacks import config as configuration
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.run.preparing import preparation_of

RUN = ("target_adpostbacks.__main__", "target-adpostbacks --config config.json")
LOG = ("target_adpostbacks.cli", "adpostbacks log --ledger-url sqlite:///ledger.db")
VERSION = ("target_adpostbacks.cli", "adpostbacks --version")

HEAVY = {
    "opentelemetry",
    "sqlalchemy",
    "psycopg",
    "filelock",
    "pycountry",
    "rich.console",
    "target_adpostbacks.config.sources",
    "target_adpostbacks.rules.reading",
    "target_adpostbacks.delivery.claims",
    "target_adpostbacks.ledger.claims",
}
HEAVY |= {"target_adpostbacks.core.performance", "target_adpostbacks.config.performance"}
OF_A_RUN = {"singer_sdk", "requests", "urllib3", "target_adpostbacks.networks", "target_adpostbacks.config"}


@pytest.mark.parametrize(
    ("started", "needless"),
    [(RUN, HEAVY), (LOG, HEAVY | OF_A_RUN), (VERSION, HEAVY | OF_A_RUN | {"target_adpostbacks.ledger"})],
    ids=["a run without a record", "log", "version"],
)
def test_a_start_imports_nothing_needless(tmp_path: Path, started: tuple[str, str], needless: set[str]) -> None:
    section = {"pixel_code": "C4A7B2D9E1F03G5H", "access_token": "x"}
    (tmp_path / "config.json").write_text(json.dumps({"tiktok": section, "ledger_url": "sqlite:///ledger.db"}))
    with closing(Ledger(f"sqlite:///{tmp_path}/ledger.db", "run-1")) as ledger:
        ledger.write(NOW, [a_row(), a_row("evt-2", status="rejected")])
    imported = _run(tmp_path, *started)
    assert "target_adpostbacks" in imported
    assert imported & needless == set()


def _run(folder: Path, module: str, command: str) -> set[str]:
    """The modules that a program has imported when it ends well."""
    program = f"import sys; sys.argv = {command.split()!r}; from {module} import main; main()"
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program], cwd=folder, input="", capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-500:]
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")}


def test_a_worker_imports_the_networks_alone_that_it_prepares_for() -> None:
    accounts = {"meta": {"pixel_id": "123456789012345", "access_token": "x"}}
    general, read = configuration.read(accounts)
    work = pickle.dumps(preparation_of(general, read))
    program = "import pickle, sys; pickle.load(sys.stdin.buffer); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], input=work, capture_output=True, check=True)
    imported = {*ran.stdout.decode().split()}
    assert "target_adpostbacks.networks.meta" in imported
    assert not imported & {"target_adpostbacks.networks.tiktok", "target_adpostbacks.networks.google_ads"}


def test_usual_codes_of_countries_and_currencies_need_no_list_of_all() -> None:
    program = (
        "import sys; from target_adpostbacks.core.countries import alpha2; from target_adpostbacks.core import columns;"
        " print(alpha2('us'), columns._currency('', 'eur'), *sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert ran.stdout.startswith("US EUR ")
    assert "pycountry" not in ran.stdout.split()
