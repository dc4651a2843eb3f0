"""README's tables and the sample config match the code; ``pytest tests/test_docs.py --update-docs`` rewrites them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from target_adpostbacks import config
from target_adpostbacks.network import Network, Settings
from target_adpostbacks.networks import NETWORKS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def networks_table() -> str:
    """One column a network: its events, click ids and limits."""
    networks = [network for _, network in sorted(NETWORKS.items())]
    lines = [row("", *(f"[{network.name}]({network.docs})" for network in networks))]
    lines.append(row("---", *("---" for _ in networks)))
    lines.append(row("click ids", *(_code(network.click_ids) for network in networks)))
    lines.append(row("other ids", *(_code(sorted({*network.ids} - {*network.click_ids})) for network in networks)))
    lines.append(row("called in `network`", *(_code((network.name, *network.aliases)) for network in networks)))
    lines.append(row("events in a request", *(f"{network.batch_size:,}" for network in networks)))
    events = dict.fromkeys(event for network in networks for event in network.events)
    lines += [row(f"`{event}`", *(_event(network, event) for network in networks)) for event in events]
    return "\n".join(lines)


def _code(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _event(network: type[Network[Any]], event: str) -> str:
    native = network.events.get(event)
    return f"`{native}`" if native else "off"


def settings_tables() -> str:
    """The general settings, those of every network, then each network's own."""
    parts = ["At the top:", "", _settings(config.General), "", "In every network's section:", "", _settings(Settings)]
    common = {field.name for field in fields(Settings)}
    for name, network in sorted(NETWORKS.items()):
        parts += ["", f"In `{name}`:", "", _settings(network.settings_type, common)]
    return "\n".join(parts)


def _settings(settings: type[Any], without: Iterable[str] = ()) -> str:
    described = config.described(settings)
    lines = [row("setting", "", "default"), row("---", "---", "---")]
    for field in fields(settings):
        if field.name in without:
            continue
        default = f"`{json.dumps(field.default)}`" if isinstance(field.default, (str, int)) else ""
        default = "required" if field.required else default
        lines.append(row(f"`{field.name}`", described[field.name]["description"].replace("|", "\\|"), default))
    return "\n".join(lines)


TABLES = {"networks": networks_table, "settings": settings_tables}


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_part_of_the_readme_is_as_the_code_says(name: str, request: pytest.FixtureRequest) -> None:
    text = README.read_text()
    pattern = re.compile(rf"(<!-- generated: {name}\b[^\n]*-->\n)(.*?)(<!-- /generated -->)", re.DOTALL)
    assert pattern.search(text), f"README.md has no place for {name}"
    expected = pattern.sub(lambda match: f"{match[1]}\n{TABLES[name]()}\n\n{match[3]}", text)
    if request.config.getoption("--update-docs"):
        README.write_text(expected)
    assert README.read_text() == expected, "run: pytest tests/test_docs.py --update-docs"


def test_the_sample_config_is_a_config() -> None:
    _, sections = config.read(json.loads((ROOT / "sample_config.json").read_text()))
    assert sorted(sections) == ["reddit", "tiktok"]
    assert config.hints(sections) == []


def test_the_record_of_the_readme_is_a_conversion() -> None:
    from conftest import COLUMNS

    from target_adpostbacks.conversion import parse

    (example,) = re.findall(r"```json\n(\{\"event_name\".*?)\n```", README.read_text())
    assert parse(json.loads(example), COLUMNS).event_name == "purchase"


def test_every_reason_of_the_readme_is_one_that_the_code_gives_and_the_other_way_round() -> None:
    text = README.read_text()
    (listed,) = re.findall(r"the reason says why: (.*?) \|", text)
    source = "".join(
        path.read_text() for path in (ROOT / "target_adpostbacks").rglob("*.py") if "twin" not in path.parts
    )
    given = {*re.findall(r"Skip\(\s*\"([a-z_]+)\"", source)} | {"invalid", "deleted"}
    assert {*re.findall(r"`([a-z_]+)`", listed)} == given


def test_no_document_names_a_place_on_somebodys_machine() -> None:
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "requirements-dev.txt"):
        assert not re.search(r"/work/|/root/|/home/\w|file://|https?://[^\s]*(pypi|registry)", path.read_text()), (
            path.name
        )
