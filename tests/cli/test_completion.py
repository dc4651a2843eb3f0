"""What a shell completes: commands, options, and the accounts of a config."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from click.shell_completion import CompletionItem, ShellComplete
from patience import run_to_its_end

from target_adpostbacks.cli import main

ACCOUNTS = {"tiktok": {"accounts": {"eu": {}, "us": {}, "not a name": {}}}, "meta": {"pixel_id": "1"}}


def completed(*words: str) -> list[str]:
    """What the last word may become."""
    complete = ShellComplete(main, {}, "adpostbacks", "_ADPOSTBACKS_COMPLETE")
    items: list[CompletionItem] = complete.get_completions([*words[:-1]], words[-1])
    return [item.value for item in items]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_are_completed() -> None:
    assert completed("val") == ["validate"]


@pytest.mark.parametrize("command", ["validate", "rotate", "send-test"])
def test_accounts_are_those_of_the_config_in_the_folder_or_of_the_one_that_is_named(command: str, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(ACCOUNTS))
    (folder / "other.json").write_text(json.dumps({"reddit": {}, "snapchat": {"accounts": None}}))
    assert completed(command, "") == ["meta", "tiktok", "tiktok.eu", "tiktok.us"]
    assert completed(command, "tiktok.") == ["tiktok.eu", "tiktok.us"]
    assert completed(command, "--config", "other.json", "--config", "ENV", "") == ["reddit", "snapchat"]


@pytest.mark.parametrize("text", [None, "{", "[]", '{"tiktok": 3, "meta": {"accounts": [1]}}'])
def test_whatever_is_no_config_completes_nothing_and_says_nothing(
    text: str | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (folder / "config.json").write_text(text)
    assert completed("validate", "t") == []
    assert capsys.readouterr() == ("", "")


def test_a_shell_completes_with_the_line_that_the_documents_name(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(ACCOUNTS))
    page = (Path(__file__).parents[2] / "docs" / "connect.md").read_text()
    line = 'eval "$(_ADPOSTBACKS_COMPLETE=bash_source adpostbacks)"'
    assert line in page
    asked = "COMP_WORDS=(adpostbacks validate tiktok.) COMP_CWORD=2; _adpostbacks_completion adpostbacks"
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = f'{line}\n{asked}\necho "${{COMPREPLY[@]}}"'
    ran = run_to_its_end(["bash", "-c", script], cwd=folder, env=env)
    assert ran.stdout == "tiktok.eu tiktok.us\n", ran.stderr
