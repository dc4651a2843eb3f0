"""adpostbacks preview: what would be sent, and what another config would change."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import SETTINGS, a_record

from target_adpostbacks.cli.preview import preview

NOW = datetime.now(timezone.utc).isoformat()
NO_LEADS = {"name": "no leads", "when": "event_name == 'lead'", "send": False}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    records = [
        a_record(event_id="p", event_time=NOW, ip_address="203.0.113.9", user_agent="UA"),
        a_record(event_id="l", event_time=NOW, event_name="lead"),
        a_record(event_id="o", event_time=NOW, network="organic"),
        a_record(event_id="x", event_time="never"),
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n{broken\n")
    config(tmp_path / "config.json", rules=[NO_LEADS])
    return tmp_path


def config(path: Path, **tiktok: Any) -> None:
    section = {**SETTINGS["tiktok"], "access_token": None, **tiktok}
    path.write_text(json.dumps({"tiktok": section, "ledger_url": "sqlite:///never.db"}))


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(preview, ["--config", "config.json", "--input", "data.jsonl", *arguments], **options)


def shown(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_record_is_sent_or_says_why_not_and_by_which_rule(folder: Path) -> None:
    result = run("--format", "jsonl")
    assert result.exit_code == 0, result.output
    rows = shown(result)
    assert all([*row] == ["line", "event_id", "account", "outcome", "reason", "rule", "payload"] for row in rows)
    assert [(row["line"], row["account"], row["outcome"], row["reason"], row["rule"]) for row in rows] == [
        (1, "tiktok.default", "send", "", ""),
        (2, "tiktok.default", "skip", "by_rule", "no leads"),
        (3, "", "skip", "organic", ""),
        (4, "", "skip", "invalid", ""),
        (5, "", "skip", "invalid", ""),
    ]
    assert rows[0]["payload"]["user"]["ip"] == "<ip>"
    assert [row["payload"] for row in rows[1:]] == [None] * 4
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "data.jsonl"]  # no ledger


def test_whoever_is_in_the_configs_list_is_left_out_and_no_key_is_needed(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "suppress": "people.csv"}))
    assert "suppress: people.csv: No such file" in run().output
    (folder / "data.jsonl").write_text(
        "".join(
            json.dumps(a_record(event_id=each, event_time=NOW, email=f"{each}@example.com")) + "\n" for each in "ab"
        )
    )
    (folder / "people.csv").write_text("email\na@example.com\nnobody\n")
    result = run("--format", "jsonl")
    assert [(row["event_id"], row["outcome"], row["reason"]) for row in shown(result)] == [
        ("a", "skip", "suppressed"),
        ("b", "send", ""),
    ]
    assert result.stderr == "Warning: suppress: line 3: no usable email; it stands for nobody.\n"


def test_a_name_in_a_rule_that_no_record_had_is_warned_of_at_the_end(folder: Path) -> None:
    config(folder / "config.json", rules=[{"when": "paln == 'x'"}])
    result = run("--format", "jsonl")
    assert len(shown(result)) == 5
    warning = "Warning: tiktok.rules[0].when: no record of the run had a column paln; check its spelling."
    assert result.stderr.splitlines() == [warning]
    (folder / "data.jsonl").write_text("")
    assert run("--format", "jsonl").stderr == ""


def test_json_is_one_list(folder: Path) -> None:
    assert [row["line"] for row in json.loads(run("--format", "json").stdout)] == [1, 2, 3, 4, 5]
    (folder / "data.jsonl").write_text("")
    assert json.loads(run("--format", "json").stdout) == []


def test_the_table_says_why_in_words() -> None:
    lines = run().stdout.splitlines()
    assert lines[0] == "line 1  p  tiktok.default  send Purchase"
    assert json.loads(lines[1])["event"] == "Purchase"
    assert lines[2] == "line 2  l  tiktok.default  skip by_rule: no leads  [rule: no leads]"
    assert lines[4].endswith("skip invalid: event_time: not a time (ISO 8601 or epoch seconds expected)")


def test_raw_shows_what_goes_out_and_never_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(run("--format", "jsonl", "--raw"))[0]["payload"]["user"]["ip"] == "203.0.113.9"
    monkeypatch.setenv("CI", "true")
    result = run("--raw")
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_limit_and_a_network_narrow_it() -> None:
    assert len(shown(run("--format", "jsonl", "--limit", "1"))) == 1
    assert [row["line"] for row in shown(run("--format", "jsonl", "--network", "TikTok Ads"))] == [1, 2]
    assert run("--network", "nope").exit_code == 2


def test_another_config_is_compared_by_network_and_event(folder: Path) -> None:
    config(folder / "other.json", rules=[NO_LEADS])
    assert run("--diff", "other.json").exit_code == 0
    config(folder / "other.json", event_map={"purchase": "CompletePayment"})
    result = run("--diff", "other.json", "--format", "json")
    assert result.exit_code == 1
    rows = {row["event"]: row for row in json.loads(result.stdout)}
    assert rows["CompletePayment"]["changed"] == 1
    assert rows["CompletePayment"]["examples"][0]["changes"] == {"event": ["Purchase", "CompletePayment"]}
    assert rows["Lead"]["added"] == 1


def test_a_difference_of_what_is_masked_is_found_and_stays_masked(folder: Path) -> None:
    records = (folder / "data.jsonl").read_text()
    config(folder / "other.json", rules=[{**NO_LEADS}, {"set": {"user_agent": "canary agent"}}])
    result = run("--diff", "other.json")
    assert result.exit_code == 1
    assert '- user.user_agent: "<user_agent>"' in result.stdout
    assert "canary agent" not in result.stdout
    assert "canary" not in records


@pytest.mark.parametrize("changes", [{"pixel_code": "C4QR19SBNV8A1TKMWXYZ"}, {"base_url": "https://elsewhere.example"}])
def test_another_receiver_or_another_place_is_a_change(folder: Path, changes: dict[str, Any]) -> None:
    config(folder / "other.json", rules=[NO_LEADS], **changes)
    result = run("--diff", "other.json")
    assert result.exit_code == 1
    assert next(iter(changes.values())) in result.stdout


def test_what_only_one_of_two_configs_sends_is_added_or_removed(folder: Path) -> None:
    config(folder / "other.json", enabled=False)
    rows = json.loads(run("--diff", "other.json", "--format", "json").stdout)
    assert {row["event"]: row["removed"] for row in rows if row["removed"]} == {"Purchase": 1}


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    assert run("--limit", "2").exit_code == 0


def test_a_preview_says_that_it_does_not_look_for_clicks(folder: Path) -> None:
    written = json.loads((folder / "config.json").read_text())
    clicks = {"clicks": {"stream": "ad_clicks"}, "erasure_key": "k" * 32}
    (folder / "config.json").write_text(json.dumps({**written, **clicks}))
    result = run()
    assert "Warning: clicks: a run looks for those of the person in the ledger; a preview does not." in result.stderr
    assert not (folder / "never.db").exists()
