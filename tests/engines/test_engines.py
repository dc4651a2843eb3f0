"""The examples of docs/engines.md, each as it stands there, in the environment that has the engines."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import a_record
from filelock import FileLock
from patience import PATIENCE, run_to_its_end

from target_adpostbacks.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.machine_clock]

ROOT = Path(__file__).parent.parent.parent
ENGINES = Path(sys.prefix, "engines")
PAGE = (ROOT / "docs" / "engines.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def python() -> Path:
    """That of the engines' environment, which is made if it is not there."""
    with FileLock(f"{ENGINES}.lock"):
        command = ["make", "--silent", "-C", str(ROOT), f"VENV={sys.prefix}", f"{ENGINES}/.ready"]
        subprocess.run(command, check=True, timeout=PATIENCE)
    return ENGINES / "bin" / "python"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the modules of the page, and three conversions as JSON lines and in DuckDB."""
    for block in BLOCKS:
        if named := re.match(r"# (?:\w+/)?(\w+\.py)\n", block):
            (tmp_path / named[1]).write_text(block)
    write(tmp_path / "conversions.jsonl", 1, 2, 3)
    return tmp_path


def write(path: Path, *numbers: int) -> None:
    now = datetime.now(timezone.utc).isoformat()
    records = [a_record(event_id=f"evt-{n}", event_time=now, value=1.5, currency="EUR") for n in numbers]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def run(python: Path, folder: Path, sandbox: Sandbox, program: str, code: int = 0) -> str:
    """What a program prints; it ends with that code."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TARGET_", "MELTANO_"))}
    env = {
        **own,
        "HOME": str(folder),  # where engines keep what they remember
        "AIRFLOW_HOME": str(folder / "airflow"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(PATIENCE),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "DO_NOT_TRACK": "1",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(folder),
        "TIKTOK_TOKEN": "any",
        "TIKTOK_BASE_URL": sandbox.url,
        "LEDGER_URL": f"sqlite:///{folder}/ledger.db",
    }
    words = [program] if program.endswith(".py") else ["-c", program]
    ran = run_to_its_end([str(python), *words], cwd=folder, env=env)
    assert ran.returncode == code, ran.stderr[-3000:]
    return ran.stdout


def ids(sandbox: Sandbox) -> list[str]:
    return sorted(event["event_id"] for event in sandbox.received)


ALL = ["evt-1", "evt-2", "evt-3"]

CALLS = {
    "airflow": """
        from conversions_dag import conversions, send_conversions
        first, again = (send_conversions.function("conversions.jsonl") for _ in range(2))
        assert conversions().task_ids == ["send_conversions"]
    """,
    "dagster": """
        from pathlib import Path
        from conversions_asset import delivered_conversions, new_conversions
        first, again = (delivered_conversions(Path("conversions.jsonl")).metadata for _ in range(2))
        import dagster
        assert dagster.materialize([new_conversions, delivered_conversions]).success
    """,
    "prefect": """
        from conversions_flow import send_conversions
        first, again = (send_conversions.fn("conversions.jsonl") for _ in range(2))
    """,
}


@pytest.mark.parametrize("engine", CALLS)
def test_a_task_delivers_and_its_retry_sends_nothing_twice(
    python: Path, folder: Path, sandbox: Sandbox, engine: str
) -> None:
    program = re.sub(r"^ {8}", "", CALLS[engine], flags=re.MULTILINE)
    first, again = json.loads(
        run(python, folder, sandbox, f"{program}\nimport json; print(json.dumps([first, again]))").splitlines()[-1]
    )
    assert first == {"accepted": 3, "already_accepted": 0, "rejected": 0}
    assert again == {"accepted": 0, "already_accepted": 3, "rejected": 0}
    assert ids(sandbox) == ALL


def test_a_task_fails_while_something_is_open_and_its_retry_sends_that(
    python: Path, folder: Path, sandbox: Sandbox
) -> None:
    sandbox.faults = [{"network": "tiktok", "error": "invalid_token"}]
    program = "from conversions_dag import send_conversions; send_conversions.function('conversions.jsonl')"
    run(python, folder, sandbox, program, code=1)
    assert ids(sandbox) == []
    sandbox.faults = []
    run(python, folder, sandbox, program)
    assert ids(sandbox) == ALL


def test_a_flow_of_prefect_delivers(python: Path, folder: Path, sandbox: Sandbox) -> None:
    told = run(python, folder, sandbox, "from conversions_flow import conversions; print(conversions())")
    assert "'accepted': 3" in told
    assert ids(sandbox) == ALL


def test_a_pipeline_of_dlt_delivers_from_duckdb_and_loads_again_what_failed(
    python: Path, folder: Path, sandbox: Sandbox
) -> None:
    run(
        python,
        folder,
        sandbox,
        "import duckdb; duckdb.connect('shop.duckdb').sql("
        "\"CREATE TABLE conversions AS SELECT *, NULL AS phone FROM read_json('conversions.jsonl')\")",
    )
    sandbox.faults = [{"network": "tiktok", "error": "invalid_token", "times": 1}]
    run(python, folder, sandbox, "conversions_pipeline.py")
    assert ids(sandbox) == ALL
    event = sandbox.received[0]
    assert event["payload"]["properties"]["value"] == 1.5
    run(python, folder, sandbox, "conversions_pipeline.py")
    assert ids(sandbox) == ALL


def test_partitions_of_dask_are_delivered_in_processes(python: Path, folder: Path, sandbox: Sandbox) -> None:
    write(folder / "conversions-a.jsonl", 1, 2)
    write(folder / "conversions-b.jsonl", 3)
    told = run(python, folder, sandbox, "conversions_dask.py")
    assert told.count("'accepted': ") == 2
    assert ids(sandbox) == ALL


def test_a_frame_of_pandas_is_delivered_with_what_it_lacks(python: Path, folder: Path, sandbox: Sandbox) -> None:
    lines = [json.loads(line) for line in (folder / "conversions.jsonl").read_text().splitlines()]
    lines[0] |= {"email": "ada@example.com", "num_items": 2, "click_time": lines[0]["event_time"]}
    lines[1] |= {"value": None, "currency": None}
    (folder / "conversions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (block,) = (block for block in BLOCKS if "pandas" in block)
    run(python, folder, sandbox, block)
    assert ids(sandbox) == ALL
    without = next(event for event in sandbox.received if event["event_id"] == "evt-2")
    assert "nan" not in json.dumps(without).lower()
    assert "email" not in without["payload"]["user"]


def test_what_the_page_says_of_pickling(python: Path, folder: Path, sandbox: Sandbox) -> None:
    program = """
import pickle
from conversions import send
from target_adpostbacks.delivery.balance import Tally
assert pickle.loads(pickle.dumps(send)) is send
assert pickle.loads(pickle.dumps(Tally(read=1, open={"busy": 1}))).open == {"busy": 1}
import cloudpickle
assert cloudpickle.loads(cloudpickle.dumps(lambda rows: send(rows)))([])["accepted"] == 0
"""
    run(python, folder, sandbox, program)


def test_every_block_of_the_page_is_python() -> None:
    blocks: list[Any] = [compile(block, "page", "exec") for block in BLOCKS]
    assert len(blocks) == 7
