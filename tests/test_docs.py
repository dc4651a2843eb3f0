"""README's tables and the sample config match the code; ``pytest tests/test_docs.py --update-docs`` rewrites them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from target_adpostbacks import config
from target_adpostbacks.core.columns import READERS
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.reasons import REASONS, STATUSES
from target_adpostbacks.core.settings import Settings
from target_adpostbacks.networks import NETWORKS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BIN = Path(sys.executable).parent
SANDBOX = "-o /dev/null http://127.0.0.1:{}/_stats"


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
    lines.append(row("events in a request", *(f"{network.request_limits.events:,}" for network in networks)))
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


def statuses_table() -> str:
    """Each status of the ledger, with the reasons that belong to it."""
    lines = [row("status in the ledger", "means"), row("---", "---")]
    for status, sentence in STATUSES.items():
        reasons = _code(reason.name for reason in REASONS.values() if reason.status == status)
        lines.append(row(f"`{status}`", f"{sentence} {reasons}".rstrip()))
    return "\n".join(lines)


def reasons_table() -> str:
    """What happened and what to do, for each reason."""
    lines = [row("status", "reason", "what happened", "what to do"), row("---", "---", "---", "---")]
    lines += [
        row(f"`{reason.status}`", f"`{reason.name}`", reason.sentence, reason.advice) for reason in REASONS.values()
    ]
    return "\n".join(lines)


TABLES = {
    "networks": (README, networks_table),
    "settings": (README, settings_tables),
    "statuses": (README, statuses_table),
    "reasons": (ROOT / "docs" / "ledger.md", reasons_table),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_part_of_a_document_is_as_the_code_says(name: str, request: pytest.FixtureRequest) -> None:
    document, table = TABLES[name]
    text = document.read_text()
    pattern = re.compile(rf"(<!-- generated: {name}\b[^\n]*-->\n)(.*?)(<!-- /generated -->)", re.DOTALL)
    assert pattern.search(text), f"{document.name} has no place for {name}"
    expected = pattern.sub(lambda match: f"{match[1]}\n{table()}\n\n{match[3]}", text)
    if request.config.getoption("--update-docs"):
        document.write_text(expected)
    assert document.read_text() == expected, "run: pytest tests/test_docs.py --update-docs"


def test_the_sample_config_is_a_config() -> None:
    _, sections = config.read(json.loads((ROOT / "sample_config.json").read_text()))
    assert sorted(sections) == sorted(NETWORKS)
    assert config.hints(sections) == []


def commands(block: str) -> str:
    """The lines of a console block as a shell reads them: prompts gone, here-documents as they are."""
    return "\n".join(line.removeprefix("$ ") for line in block.splitlines())


def console_blocks() -> list[str]:
    return [commands(block) for block in re.findall(r"```console\n(.*?)\n```", README.read_text(), re.DOTALL)]


def test_the_readmes_way_by_hand_gives_the_result_that_it_shows(tmp_path: Path) -> None:
    (block,) = [block for block in console_blocks() if "adpostbacks sandbox" in block]
    port = 20_000 + os.getpid() % 10_000  # the system gives none of these to the tests beside this one
    script = re.sub(r"^pip install .*$", "", block, flags=re.MULTILINE).replace("8765", str(port))
    script = script.replace("&\n", f"& until curl -s {SANDBOX.format(port)}; do :; done\n")
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", "-mc", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "read 2, accepted 1, already accepted 0, rejected 0, skipped 1 (organic 1), open 0" in ran.stderr
    assert "read 2, accepted 1, already accepted 0, rejected 0, skipped 1 (organic 1), open 0" in README.read_text()
    assert "evt_9f1c2d" in ran.stdout


def test_every_other_command_of_the_readme_is_one_that_exists() -> None:
    """make's and meltano's run in their own tests, or run these."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    plugins = re.findall(r"- name: ((?:tap|target)-[a-z]+)", (ROOT / "meltano.yml").read_text())
    for block in console_blocks():
        for line in block.splitlines():
            first, *words = line.split()
            if first == "make":
                assert words[0] in targets
            elif first == "meltano":
                assert words[0] == "run"
                assert {*words[1:]} <= {*plugins}
    ran = subprocess.run([BIN / "tap-adpostbacks", "--discover"], capture_output=True, check=True)
    assert [stream["stream"] for stream in json.loads(ran.stdout)["streams"]] == ["attempts", "deliveries", "runs"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "length", "said"),
    [
        ("throughput.py", ["--records", "3000"], "of the bare loop"),
        ("tap.py", ["--rows", "3000"], "of the bare loop"),
        ("record.py", ["--rounds", "2"], "times its decoding"),
        ("state.py", ["--minutes", "0.1"], "6 STATE messages, 240 records, "),
    ],
)
def test_the_benchmarks_run(script: str, length: list[str], said: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / script), *length]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert said in ran.stdout


def test_the_extras_of_the_readme_are_declared() -> None:
    declared = re.findall(r"^([a-z]+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    for extra in re.findall(r"target-adpostbacks\[([a-z]+)\]|the extra `([a-z]+)`", README.read_text()):
        assert "".join(extra) in declared


def test_every_column_that_is_read_is_in_the_readmes_table_of_the_record() -> None:
    table = README.read_text().partition("## The record")[2].partition("\n## ")[0]
    ids = {name for network in NETWORKS.values() for name in network.ids} - {"ScCid", "sccid"}  # as a URL spells it
    assert {*READERS, *ids} - {*re.findall(r"`(\w+)`", table)} == set()


def test_every_token_has_its_variable_in_the_walk_through_meltano() -> None:
    text = (ROOT / "docs" / "meltano.md").read_text()
    assert [name for name in NETWORKS if f"`TARGET_ADPOSTBACKS_{name.upper()}_ACCESS_TOKEN`" not in text] == []


def test_no_document_names_a_place_on_somebodys_machine() -> None:
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "requirements-dev.txt"):
        assert not re.search(r"/work/|/root/|/home/\w|file://|https?://[^\s]*(pypi|registry)", path.read_text()), (
            path.name
        )


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda path: path.name)
def test_every_link_to_a_file_or_heading_of_ours_leads_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text()):
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{target}#{anchor}"
