"""Every worked example of docs/rules.md is run, and does what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]
from conftest import NOW, SETTINGS, a_record
from ruled import preparation

from target_adpostbacks.core.prepared import Prepared

PAGE = Path(__file__).parent.parent.parent / "docs" / "rules.md"
EXAMPLE = re.compile(r"^### ([^\n]+)\n(?:(?!^###? ).)*?```yaml\n(.*?)```\n\n```\n(.*?)```", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    title: str
    config: dict[str, Any]
    lines: list[str]

    def cases(self) -> Iterator[tuple[dict[str, Any], list[str]]]:
        """Each record with the lines that say what becomes of it."""
        for index, line in enumerate(self.lines):
            if line.startswith("{"):
                said = self.lines[index + 1 :]
                length = next((at for at, later in enumerate(said) if later.startswith("{")), len(said))
                yield json.loads(line), said[:length]


def examples() -> list[Example]:
    page = PAGE.read_text()
    found = EXAMPLE.findall(page[page.index("## Worked examples") : page.index("## Presets")])
    return [Example(title, yaml.safe_load(config), said.splitlines()) for title, config, said in found]


def completed(config: dict[str, Any]) -> dict[str, Any]:
    """With a token and a pixel."""
    return {**config, "tiktok": {**SETTINGS["tiktok"], "tiktok_app_id": None, **config.get("tiktok", {})}}


def outcomes(result: Prepared) -> dict[str, Any]:
    sent = {postback.account: msgspec.json.decode(postback.payload) for postback in result.postbacks}
    return sent | {f"tiktok.{each.account}": f"skipped, {each.reason}: {each.message}" for each in result.not_sent}


def is_within(expected: Any, whole: Any) -> bool:
    """Whether an object has all that is expected; null: it lacks it."""
    if isinstance(expected, Mapping):
        return all(is_within(value, (whole or {}).get(name)) for name, value in expected.items())
    return bool(expected == whole)


def test_the_readmes_example_does_what_it_says() -> None:
    readme = (PAGE.parent.parent / "README.md").read_text()
    (config,) = re.findall(r"## Your own rules\n.*?```yaml\n(.*?)```", readme, re.DOTALL)
    made = preparation(completed(yaml.safe_load(config)))
    lead, refund, subscription, other = (
        outcomes(made.prepare(a_record(**record), NOW, stream="orders"))["tiktok.default"]
        for record in (
            {"event_name": "lead"},
            {"total": 0.5},
            {"event_name": "subscription_started", "total": 9},
            {"event_name": "search", "total": 9},
        )
    )
    assert lead["properties"] == {"value": 10, "currency": "EUR"}
    assert refund == "skipped, by_rule: no refunds in disguise"
    assert subscription["event"] == "subscription_started"
    assert other.startswith("skipped, event_off")


def test_the_page_has_the_examples_that_people_ask_for() -> None:
    assert len(examples()) == 9
    assert all([*example.cases()] for example in examples())


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.title)
def test_a_worked_example_does_what_it_says(example: Example) -> None:
    made = preparation(completed(example.config))
    for record, said in example.cases():
        result = outcomes(made.prepare(a_record(**record), NOW, stream="orders"))
        expected = dict(line.removeprefix("→ ").split(" ", 1) for line in said)
        assert result.keys() == expected.keys()
        for account, text in expected.items():
            assert is_within(json.loads(text) if text.startswith("{") else text, result[account]), result[account]
