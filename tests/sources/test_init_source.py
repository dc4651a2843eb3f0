"""adpostbacks init --source: from an empty folder to a config that reads a source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner
from sourced import cases

from target_adpostbacks.cli.init import init
from target_adpostbacks.cli.preview import preview
from target_adpostbacks.config import files, read, stand_ins
from target_adpostbacks.rules import sources


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str, answers: str = "") -> Mapping[str, Any]:
    """The config that the command writes."""
    monkeypatch.chdir(folder)
    ran = CliRunner().invoke(init, ["--network", "tiktok", *options], input=answers, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return files.read([str(folder / "config.json")])


@pytest.mark.parametrize("name", sources.names())
def test_what_it_writes_unasked_reads_the_source(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = written(tmp_path, monkeypatch, "--source", name, "--yes")
    assert config["source"] == name
    assert read(stand_ins.with_secrets(config))
    (target,) = yaml.safe_load((tmp_path / "meltano.yml").read_text())["plugins"]["loaders"]
    assert target["config"]["source"] == name
    for setting, value in sources.shipped(name).target.items():  # GA4's filter on events, for example
        assert target["config"][setting] == config[setting] == value
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(case.row) + "\n" for case in cases(name)))
    ran = CliRunner().invoke(preview, ["--config", "config.json", "--input", "rows.jsonl", "--format", "jsonl"])
    assert ran.exit_code == 0
    assert ran.stdout


@pytest.mark.parametrize("name", sources.names())
def test_every_answer_that_it_offers_is_a_config_without_mistakes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = [[*question.choices][-1] if question.choices else "" for question in sources.shipped(name).requires]
    config = written(tmp_path, monkeypatch, "--source", name, answers="\n".join([*last, "y", ""]))
    assert read(stand_ins.with_secrets(config))


def test_answers_become_settings_at_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = "mailto://shop\nshop.example.com/\nnet\npending\nnotes[\nnote_attributes[eid]\ny\n"
    config = written(tmp_path, monkeypatch, "--source", "shopify_orders", answers=answers)
    assert config["defaults"] == {"event_source_url": "https://shop.example.com/"}
    assert config["fields"]["value"][0] == "subtotal_price"
    assert config["fields"]["event_id"] == "note_attributes[eid]"
    assert [row["name"] for row in config["rows"]] == [
        "paid, then refunded in part, net",
        "refunded in part, net",
        "authorized or pending",
    ]
    project = yaml.safe_load((tmp_path / "meltano.yml").read_text())["plugins"]
    assert [tap["name"] for tap in project["extractors"]] == ["tap-shopify"]
    (target,) = project["loaders"]
    assert {name: target["config"][name] for name in ("source", "fields", "rows")} == {
        name: config[name] for name in ("source", "fields", "rows")
    }


def test_it_warns_of_what_a_first_sync_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for options, is_told in (["--source", "stripe_charges"], True), ([], False):
        ran = CliRunner().invoke(init, ["--network", "tiktok", *options, "--yes"])
        assert ("set `not_before`" in ran.output) is is_told


def test_an_app_that_is_for_tests_and_a_column_of_consent_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(tmp_path, monkeypatch, "--source", "snowplow", answers="app\nagreed\nshop-test\ny\n")
    assert config["fields"] == {"consent": "agreed"}
    assert config["values"] == {"event_source": {"srv": "app"}, "test": {"shop-test": True}}
