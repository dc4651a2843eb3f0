"""What commands write with ``--format json`` is what the committed schemas say."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
import jsonschema_rs
import pytest
import schemas
from click.testing import CliRunner
from conftest import SETTINGS, a_record
from ledger_rows import a_row, an_attempt

from target_adpostbacks.cli import main
from target_adpostbacks.core.digests import digests
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.sandbox import Sandbox

DOCS = Path(__file__).parents[2] / "docs"
NOW = datetime.now(timezone.utc).isoformat()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config, another one, conversions, and a ledger."""
    monkeypatch.chdir(tmp_path)
    with closing(Ledger("sqlite:///ledger.db", "run-1")) as ledger:
        ledger.write(NOW, [a_row("e1"), a_row("e2", "rejected", code="40002")], [an_attempt()])
        ledger.write(NOW, [a_row("e3", "skipped", reason="too_old", attempt_id=None, attempts=0, sent_at=None)])
    lead = a_record(event_id="l", event_time=NOW, event_name="lead")
    records = [a_record(event_id="p", event_time=NOW, email="ada@example.com"), lead, a_record(event_time="never")]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, records)))
    for name, changes in {"config": {}, "other": {"event_map": {"purchase": "Pay", "lead": None}}}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"tiktok": {**SETTINGS["tiktok"], **changes}}))
    return tmp_path


def written(*arguments: str) -> Any:
    result = CliRunner().invoke(main, [*arguments, "--format", "json"])
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


def holds(command: str, rows: Any) -> None:
    """There are rows, and they are as the schema says."""
    assert rows
    schema = json.loads((DOCS / "schemas" / schemas.file_of(command)).read_text())
    jsonschema_rs.validator_for(schema).validate(rows)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("log", ["log", "--ledger-url", "sqlite:///ledger.db"]),
        ("preview", ["preview", "--config", "config.json", "--input", "data.jsonl"]),
        ("preview --diff", ["preview", "--config", "config.json", "--input", "data.jsonl", "--diff", "other.json"]),
        ("vectors", ["vectors"]),
        ("links", ["links", "https://shop.example/"]),
    ],
)
def test_a_command_writes_what_its_schema_says(command: str, arguments: list[str], folder: Path) -> None:
    holds(command, written(*arguments))


def test_erase_writes_what_its_schema_says(folder: Path) -> None:
    key = "0123456789abcdef0123456789abcdef"
    with closing(Ledger("sqlite:///ledger.db", "run-2")) as ledger:
        row, digest = a_row("e4"), digests("email", "ada@example.com", key)
        ledger.write(NOW, [row], people={row.key: digest})
    (folder / "config.json").write_text(json.dumps({"erasure_key": key, "ledger_url": "sqlite:///ledger.db"}))
    made = written("erase", "--email", "ada@example.com", "--config", "config.json")
    assert made["told"]
    assert made["before_the_index"]
    holds("erase", made)


def test_validate_writes_what_its_schema_says(folder: Path) -> None:
    with Sandbox() as sandbox:
        sections = {
            "tiktok": {**SETTINGS["tiktok"], "test_event_code": "TEST1"},
            "reddit": {**SETTINGS["reddit"], "access_token": "revoked", "test_id": "t2_x"},
            "snapchat": {**SETTINGS["snapchat"], "enabled": False},
        }
        config = {name: {**section, "base_url": sandbox.url} for name, section in sections.items()}
        (folder / "config.json").write_text(json.dumps(config))
        rows = written("validate", "--config", "config.json")
    assert {row["result"] for row in rows} == {"ok", "failed", "unchecked"}
    holds("validate", rows)


def test_every_command_that_writes_json_has_a_schema() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command
        styles = [each.type for each in command.params if each.name == "style"]
        if any(isinstance(style, click.Choice) and "json" in style.choices for style in styles):
            assert (DOCS / "schemas" / f"{name}.json").exists() or (DOCS / f"{name}.schema.json").exists(), name
