"""What docs/connect.md and the networks' pages say of connecting an account works as it stands there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner
from conftest import SETTINGS
from patience import run_to_its_end

from target_adpostbacks.cli import main
from target_adpostbacks.core.settings import secrets
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.sandbox import Sandbox

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "connect.md").read_text()
TOKEN = "TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN"
RECORD = '{"event_name": "purchase", "event_id": "e1", "event_time": "NOW", "ttclid": "E.C.P.abc"}'


def commands(page: str) -> list[str]:
    """The lines behind the prompts of a page."""
    blocks: list[str] = re.findall(r"```console\n(.*?)\n```", page, re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def bash(script: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if name != "CI"}
    env = {**own, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environ}
    return run_to_its_end(["bash", "-ec", script], cwd=folder, env=env)


def test_the_commands_of_the_page_work_one_after_the_other(tmp_path: Path) -> None:
    begin, copy, *others = [line for line in commands(PAGE) if not line.startswith("adpostbacks connect")]
    assert len(others) == 5
    with Sandbox() as sandbox:
        ran = bash(f"{begin}\n{copy}", tmp_path)
        assert ran.returncode == 0, ran.stderr
        env = tmp_path / ".env"
        env.write_text(f"{TOKEN}=any\nTARGET_ADPOSTBACKS_TIKTOK_BASE_URL={sandbox.url}\n")
        (tmp_path / "new-token.txt").write_text("another\n")
        (tmp_path / "conversions.jsonl").write_text(RECORD.replace("NOW", "2026-11-20T12:00:00Z"))
        ran = bash("\n".join(others), tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert len(sandbox.test_events) == 3
        assert sandbox.received == []
    assert f"{TOKEN}='another'" in env.read_text()
    assert "line 1  e1  tiktok.default" in ran.stdout


def steps() -> str:
    """The steps of the workflow that a repository's own state decides on."""
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    runs: list[str] = [step["run"] for step in yaml.safe_load(block)["jobs"]["preview"]["steps"] if "run" in step]
    assert runs[0].startswith("pip install ")
    return "\n".join(runs[1:])


@pytest.mark.parametrize(("changes", "code"), [({}, 0), ({"event_map": {"purchase": "CompletePayment"}}, 1)])
def test_the_workflow_fails_where_something_else_would_be_sent(
    changes: dict[str, Any], code: int, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    section = {"pixel_code": "D7VH38JC77U3LFDOLGRG"}
    config.write_text(json.dumps({"tiktok": section}))
    (tmp_path / "examples.jsonl").write_text(RECORD)
    git = "git -c user.name=x -c user.email=x@example.com"
    made = bash(
        f"git init -q && git add . && {git} commit -qm x && git update-ref refs/remotes/origin/main HEAD", tmp_path
    )
    assert made.returncode == 0, made.stderr
    config.write_text(json.dumps({"tiktok": {**section, **changes}}))
    ran = bash(steps(), tmp_path, CI="true", GITHUB_BASE_REF="main")
    assert ran.returncode == code, ran.stderr
    assert ('+ event: "CompletePayment"' in ran.stdout) == bool(code)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_commands_of_a_networks_page_work_with_the_sandbox(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for line in commands((DOCS / "networks" / f"{network}.md").read_text()) if "connect" not in line]
    has_token = any(isinstance(value, str) for value in secret_values(network))
    expected = ["validate", *["send-test"] * NETWORKS[network].takes_tests(), *["rotate"] * has_token]
    assert [line.split()[1] for line in lines] == expected
    asset = next(iter(NETWORKS[network].assets.values()))
    others = {*NETWORKS[network].assets.values()} - {asset}
    section = {name: value for name, value in SETTINGS[network].items() if name not in others}
    with Sandbox() as sandbox:
        (tmp_path / "config.json").write_text(json.dumps({network: {**section, "base_url": sandbox.url}}))
        for line in lines:
            result = CliRunner().invoke(main, shlex.split(line)[1:], input="another-token\n")
            assert result.exit_code == 0, result.output
        assert sandbox.received == [] or NETWORKS[network].counts_tests
    changed = json.loads((tmp_path / "config.json").read_text())[network]
    changes = [name for name in secrets(NETWORKS[network].settings_type) if changed.get(name) == "another-token"]
    assert bool(changes) == has_token


def secret_values(network: str) -> list[Any]:
    return [SETTINGS[network][name] for name in secrets(NETWORKS[network].settings_type) if name in SETTINGS[network]]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_page_names_connect_where_there_is_a_way_by_oauth(network: str) -> None:
    lines = commands((DOCS / "networks" / f"{network}.md").read_text())
    connects = [line for line in lines if line.startswith("adpostbacks connect")]
    assert bool(connects) == bool(NETWORKS[network].connection)
    for line in connects:
        assert CliRunner().invoke(main, [*line.split()[1:3], "--help"]).exit_code == 0
