import json
import os
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from patience import run_to_its_end

from target_adpostbacks.sandbox.faults import script
from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sandbox.md").read_text("utf-8")
RULE = json.loads((ROOT / "target_adpostbacks/sandbox/faults.json").read_text("utf-8"))["definitions"]["rule"]


@pytest.mark.parametrize(
    "name", [*RULE["properties"], *(name for network in SANDBOX_NETWORKS.values() for name in network.errors)]
)
def test_the_page_names_every_effect_and_every_error(name: str) -> None:
    assert f"`{name}`" in PAGE or f'"{name}"' in PAGE


def test_the_faults_on_the_page_can_be_read() -> None:
    files = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    scripts = [script(content) for content in files if isinstance(content, list) or "faults" in content]
    assert [len(read.faults) for read in scripts] == [3, 0]


def the_example_for_pytest() -> str:
    blocks: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (example,) = (block for block in blocks if "adpostbacks_sandbox" in block)
    return example


def run_pytest(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """pytest as a user's project has it: with nothing of ours but what is installed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    env = {**os.environ, "PYTEST_ADDOPTS": "", **environ}
    return run_to_its_end(command, cwd=folder, env=env)


def test_the_example_for_pytest_passes_in_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "test_conversions.py").write_text(the_example_for_pytest())
    ran = run_pytest(tmp_path, "test_conversions.py")
    assert (ran.returncode, "1 passed" in ran.stdout) == (0, True), ran.stdout


def test_the_workflow_runs_the_example() -> None:
    (workflow,) = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    assert workflow["jobs"]["test"]["steps"][-1] == {"run": "pytest test_conversions.py"}


@pytest.mark.parametrize(("token", "code"), [("any", 0), ("revoked", 1)])
def test_the_lines_for_a_shell_exit_as_the_page_says(token: str, code: int, tmp_path: Path) -> None:
    (script,) = re.findall(r"## In a shell.*?```\n(.*?)```", PAGE, re.DOTALL)
    port = str(30_000 + os.getpid() % 10_000)
    section = {"access_token": token, "pixel_code": "D7VH38JC77U3LFDOLGRG", "base_url": f"http://127.0.0.1:{port}"}
    now = datetime.now(timezone.utc).isoformat()
    record = {"event_name": "purchase", "event_id": "order-1001", "event_time": now, "ttclid": "E.C.P.abc"}
    (tmp_path / "sandbox.json").write_text(json.dumps({"tiktok": section}))
    (tmp_path / "conversions.jsonl").write_text(json.dumps(record))
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = run_to_its_end(["bash", "-c", script.replace("8765", port)], cwd=tmp_path, env=env)
    assert ran.returncode == code, ran.stderr
    assert '"requests": 1' in ran.stdout
    assert ("refused: tiktok 40105 (1 request)" in ran.stderr) == bool(code)
