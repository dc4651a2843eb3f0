"""Every command looks for the ledger where target-adpostbacks does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from ledger_rows import NOW, a_row

from target_adpostbacks.cli import main
from target_adpostbacks.ledger import Ledger

VARIABLE = "TARGET_ADPOSTBACKS_LEDGER_URL"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and an environment that says nothing."""
    for name in (VARIABLE, "MELTANO_PROJECT_ROOT"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "project" / "extract"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def fill(file: Path) -> Path:
    """A ledger whose only conversion has the file's name as its event id."""
    ledger = Ledger(f"sqlite:///{file}", "run-1")
    ledger.write(NOW, [a_row(file.stem)])
    ledger.close()
    return file


def log(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["log", "--format", "jsonl", *arguments])


def ids(*arguments: str) -> list[str]:
    result = log(*arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line)["event_id"] for line in result.stdout.splitlines()]


def test_option_variable_and_config_are_asked_in_this_order(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("option", "variable", "config", "adpostbacks"):
        fill(here / f"{name}.db")
    (here / "config.json").write_text('{"ledger_url": "sqlite:///config.db", "tiktok": {}}')
    assert ids() == ["adpostbacks"]
    assert ids("--config", "config.json") == ["config"]
    monkeypatch.setenv(VARIABLE, "sqlite:///variable.db")
    assert ids("--config", "config.json") == ["variable"]
    assert ids("--ledger-url", "sqlite:///option.db", "--config", "config.json") == ["option"]


def test_from_a_subfolder_of_a_meltano_project_it_is_the_project_s(here: Path) -> None:
    (here.parent / "meltano.yml").touch()
    fill(here.parent / "adpostbacks.db")
    assert ids() == ["adpostbacks"]


def test_a_dot_env_above_says_it_when_asked_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")  # restored at the end
    monkeypatch.delenv(VARIABLE)
    fill(here / "dot env.db")
    (here.parent / ".env").write_text(f"{VARIABLE}='sqlite:///dot env.db'\n")
    assert ids("--config", "ENV") == ["dot env"]


def test_resolve_takes_the_same_options(here: Path) -> None:
    fill(here / "mine.db")
    (here / "config.json").write_text('{"ledger_url": "sqlite:///mine.db"}')
    result = CliRunner().invoke(main, ["resolve", "mine", "--as", "resend", "--config", "config.json"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "config file not found: config.json"),
        (b'{"ledger_url":', "config file: config.json is not valid JSON (line 1, column 15)"),
        (b"[1]", "config file: config.json: a JSON object expected"),
        (b"\xff\xfe{", "config file: config.json: a JSON object in UTF-8 expected"),
        (b"[" * 100_000, "config file: config.json: a JSON object in UTF-8 expected"),
    ],
)
def test_a_config_that_cannot_be_read_ends_in_one_line(here: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (here / "config.json").write_bytes(content)
    result = log("--config", "config.json")
    assert (result.exit_code, result.stderr) == (1, f"Error: {said}\n")


def test_yaml_in_place_of_a_config_is_told_what_to_write(here: Path) -> None:
    (here / "config.yml").write_text("tiktok:\n  pixel_code: X\n")
    result = log("--config", "config.yml")
    assert result.exit_code == 1
    assert (
        "config.yml is not valid JSON (line 1, column 1). Write what stands under `config` in a meltano.yml"
        in result.stderr
    )


def test_a_dot_env_that_cannot_be_read_ends_in_one_line(here: Path) -> None:
    (here / ".env").write_bytes(b"\xff\xfe")
    result = log("--config", "ENV")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: config file: .env: ")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:can%40ary@127.0.0.1:9/x",
        "postgresql://ada:can@ary@127.0.0.1:9/x",
        "postgresql://ada@127.0.0.1:9/x?password=canary",
        "postgresql://ada:canary@127.0.0.1:port/x",
        "postgresql+nothing://ada:canary@127.0.0.1:9/x",
        "mysql://ada:canary@127.0.0.1/x",
        "sqlite://ada:canary@127.0.0.1/x",
        "sqlite:///gone.db?password=canary",
    ],
)
def test_a_password_is_never_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, url)
    result = log()
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "ary" not in result.output.replace("binary", "")


def test_the_help_says_where_it_is_looked_for() -> None:
    words = " ".join(CliRunner().invoke(main, ["--help"]).stdout.split())
    places = [VARIABLE, "`ledger_url` in the config", "MELTANO_PROJECT_ROOT", "current folder", "Meltano project above"]
    assert sorted(places, key=words.index) == places
