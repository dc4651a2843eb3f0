"""Every source preset: its rows become the records that its fixture says, and every network takes them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from canaries import canaries_in, left_behind
from conftest import NOW, SETTINGS, TEST_CODES
from sourced import ROWS, Case, cases, records, stream_of

from target_adpostbacks.config import read
from target_adpostbacks.config.sources import rows_of
from target_adpostbacks.delivery.balance import Tally
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.rules import sources
from target_adpostbacks.run import Run
from target_adpostbacks.sandbox import Sandbox

NAMES = sources.names()
FEWEST = 50
"""Rows of a fixture: ordinary, updated again, refunded, cancelled, test, missing, hostile."""


def config_of(name: str, case: Case) -> dict[str, object]:
    return {"source": name, **case.config}


@pytest.mark.parametrize("name", NAMES)
def test_each_row_becomes_the_records_that_it_should(name: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-docs"):
        _write_down(name)
    for case in cases(name):
        assert records(config_of(name, case), case.row, case.stream) == case.becomes, case.about


def _write_down(name: str) -> None:
    """Fill in what rows become that do not say so yet, to be read by whoever adds them."""
    lines = []
    for case in cases(name):
        becomes = case.becomes
        if becomes is None:
            becomes = records(config_of(name, case), case.row, case.stream)
        said = {**case._asdict(), "becomes": becomes}
        lines.append(json.dumps({key: value for key, value in said.items() if value}, ensure_ascii=False))
    (ROWS / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_has_every_kind_of_row(name: str) -> None:
    about = [case.about for case in cases(name)]
    assert len(about) == len({*about}) >= FEWEST


@pytest.mark.parametrize("name", NAMES)
def test_the_example_becomes_the_record_of_its_page(name: str) -> None:
    preset = sources.shipped(name)
    (record,) = records({"source": name}, preset.example)
    assert record == preset.record


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_has_no_mistake_and_needs_no_answer(name: str) -> None:
    preset, mistakes = sources.shipped(name), list[str]()
    assert rows_of(preset.rows, "", mistakes)[: len(preset.rows)] or not preset.rows
    own = {each: getattr(preset, each) for each in sources.Source.__struct_fields__}
    own = {each: said for each, said in own.items() if said and each not in ("requires", "warns", "extends")}
    own = {each: [*said] if isinstance(said, tuple) else said for each, said in own.items()}
    assert read({"source": "mine", "sources": {"mine": own}, "tiktok": SETTINGS["tiktok"]})
    assert mistakes == []
    for question in preset.requires:
        assert question.default is not None
        assert bool(question.choices) != bool(question.setting)
        assert question.default in question.choices or not question.choices
        for settings in question.choices.values():
            mine = {"extends": name, **settings}
            assert read({"source": "mine", "sources": {"mine": mine}, "tiktok": SETTINGS["tiktok"]})


@pytest.mark.parametrize("name", NAMES)
def test_every_network_takes_what_comes_of_the_rows_and_takes_it_once(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Sandbox(now=lambda: NOW) as sandbox:
        networks = {
            section: {**SETTINGS[section], "send": "all", "base_url": sandbox.url}
            | (
                {network.test_setting: TEST_CODES[section]}
                if network.test_setting and not network.tests_by_event
                else {}
            )
            for section, network in NETWORKS.items()
            if not network.accounts_are_networks
        }
        shop = {"defaults": {"event_source_url": "https://shop.example.com/"}}
        config = {"source": name, **shop, **networks, "ledger_url": f"sqlite:///{tmp_path}/ledger.db"}
        first, second = (_run(name, config) for _ in range(2))
        assert (first.rejected, first.open) == (0, {})
        assert first.accepted
        assert (second.accepted, second.already_accepted) == (0, first.accepted + first.already_accepted)
        assert (second.skipped, second.open) == (first.skipped, {})
    assert canaries_in(left_behind(tmp_path, caplog.text)) == []


def _run(name: str, config: dict[str, Any]) -> Tally:
    run = Run(*read(config), log=logging.getLogger("sourced"), clock=lambda: NOW)
    run.begin()
    for case in cases(name):
        if not case.config:
            run.add(case.row, stream=case.stream or stream_of(name), key=("id",))
    run.settle()
    assert run.close() == 0
    return run.tally
