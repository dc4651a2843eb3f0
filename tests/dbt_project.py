"""A user's dbt project that takes the package from git, run by the dbt of an environment of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from filelock import FileLock

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent / "dbt"
DBT = Path(sys.prefix, "dbt")
SCHEMA = "adpostbacks"


def dbt_environment() -> Path:
    """The folder of dbt's programs, which `make` installs where it is not there yet."""
    with FileLock(f"{DBT}.lock"):
        command = ["make", "--silent", "-C", str(ROOT), f"VENV={sys.prefix}", f"{DBT}/.ready"]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return DBT / "bin"


class Project:
    """A project whose warehouse is a DuckDB in its folder, or the PostgreSQL of ``postgres``: a profile."""

    def __init__(self, folder: Path, postgres: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self._programs = dbt_environment()
        self._warehouse = str(folder / "warehouse.duckdb")
        profile = postgres or {"type": "duckdb", "path": self._warehouse, "threads": 2}
        files = {
            "dbt_project.yml": {"name": "mine", "profile": "mine", "flags": {"send_anonymous_usage_stats": False}},
            "packages.yml": packages(f"file://{folder}/repository"),
            "profiles.yml": {"mine": {"target": "mine", "outputs": {"mine": profile}}},
        }
        for name, content in files.items():
            (folder / name).write_text(yaml.safe_dump(content))
        for part in ("seeds", "tests"):
            shutil.copytree(HERE / "golden" / part, folder / part)
        repository = folder / "repository"
        shutil.copytree(ROOT / "dbt", repository / "dbt", ignore=shutil.ignore_patterns("target", "logs"))
        for words in (["init", "-q", "-b", "main"], ["add", "."], [*IDENTITY, "commit", "-qm", "All of it"]):
            subprocess.run(["git", *words], cwd=repository, check=True)
        self.dbt("deps")  # the commands of docs/dbt.md: this one, and build

    def dbt(self, *words: str, **variables: Any) -> str:
        """What a command of dbt says; it succeeds."""
        arguments = ["--vars", json.dumps(variables)] if variables else []
        own = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
        ran = subprocess.run(
            [str(self._programs / "dbt"), "--no-use-colors", *words, *arguments],
            cwd=self.folder,
            env={**own, "DBT_PROFILES_DIR": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def load(self, lines: bytes) -> None:
        """Write Singer messages into the DuckDB, as a target would."""
        self._python("load", self._warehouse, SCHEMA, lines=lines)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The answer of the DuckDB; what JSON does not have is text."""
        return [tuple(row) for row in json.loads(self._python("rows", self._warehouse, lines=query.encode()))]

    def _python(self, *words: str, lines: bytes) -> bytes:
        command = [str(self._programs / "python"), str(HERE / "warehouse.py"), *words]
        return subprocess.run(command, input=lines, check=True, stdout=subprocess.PIPE).stdout


def packages(url: str) -> Any:
    """What docs/dbt.md says that `packages.yml` should hold, with another address of the repository."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "dbt.md").read_text(), re.DOTALL)
    said = yaml.safe_load(next(block for block in blocks if "packages:" in block))
    said["packages"][0]["git"] = url
    return said


IDENTITY = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
