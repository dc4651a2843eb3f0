"""What starts often starts cheaply: nothing imports SQLAlchemy that does not need it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = ("target_adpostbacks.__main__", "target-adpostbacks --config config.json")
LOG = ("target_adpostbacks.cli", "adpostbacks log --ledger-url sqlite:///ledger.db")
VERSION = ("target_adpostbacks.cli", "adpostbacks --version")


@pytest.mark.parametrize("started", [RUN, LOG, VERSION], ids=["a run without a record", "log", "version"])
def test_a_start_imports_no_library_of_databases(tmp_path: Path, started: tuple[str, str]) -> None:
    section = {"pixel_code": "C4A7B2D9E1F03G5H", "access_token": "x"}
    (tmp_path / "config.json").write_text(json.dumps({"tiktok": section, "ledger_url": "sqlite:///ledger.db"}))
    _run(tmp_path, *RUN)  # there is a ledger
    imported = _run(tmp_path, *started)
    assert "target_adpostbacks" in imported
    assert not imported & {"sqlalchemy", "psycopg", "filelock"}


def _run(folder: Path, module: str, command: str) -> set[str]:
    """The packages that a program has imported when it ends well."""
    program = f"import sys; sys.argv = {command.split()!r}; from {module} import main; main()"
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program], cwd=folder, input="", capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-500:]
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
