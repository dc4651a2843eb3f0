"""The documents and the sample config match the code; ``pytest tests/test_docs.py --update-docs`` rewrites them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import schemas
from conftest import NOW
from documents import PARTS, alert_schema, config_schema, doctor_schema, filled, kept, keywords, page, sample_config
from patience import run_to_its_end

from target_adpostbacks import config
from target_adpostbacks.config import files
from target_adpostbacks.core.columns import COLUMN_ALIASES, READERS
from target_adpostbacks.networks import IDS, NETWORKS
from target_adpostbacks.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BIN = Path(sys.executable).parent
SANDBOX = "-o /dev/null http://127.0.0.1:{}/_stats"
PAGES = ROOT / "docs" / "networks"


@pytest.mark.parametrize(("path", "part"), [(path, part) for path, parts in PARTS.items() for part in parts])
def test_a_generated_part_is_as_the_code_says(path: str, part: str, request: pytest.FixtureRequest) -> None:
    kept(ROOT / path, filled((ROOT / path).read_text(), part, PARTS[path][part]()), request)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_page_and_something_to_say_that_is_not_generated(
    name: str, request: pytest.FixtureRequest
) -> None:
    path, network = PAGES / f"{name}.md", NETWORKS[name]
    made = page(name, network)
    kept(path, filled(path.read_text(), name, made), request)
    title, prose = filled(path.read_text(), name, "").split(f"<!-- generated: {name}")
    assert title == f"# {network.title}\n\n"
    assert prose.partition("<!-- /generated -->")[2].count(" ") > 20, "which traps are there?"


def test_no_page_is_left_of_a_network_that_is_gone() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*NETWORKS}


def test_the_sample_config_has_a_section_for_each_network(request: pytest.FixtureRequest) -> None:
    kept(ROOT / "sample_config.json", sample_config(), request)


def test_the_schema_of_the_config_is_what_about_prints(request: pytest.FixtureRequest) -> None:
    kept(ROOT / "docs" / "config.schema.json", config_schema(), request)


def test_editors_can_use_the_schema_of_the_config() -> None:
    schema = json.loads((ROOT / "docs" / "config.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    takes = jsonschema.Draft202012Validator(schema).is_valid
    assert takes(json.loads((ROOT / "sample_config.json").read_text()))
    assert takes({"$schema": "./config.schema.json", "//": "a comment", "tiktok": {"accounts": {"eu": {}}}})
    assert not takes({"tiktok": {"accounts": {"eu": {"concurrency": "4"}}}})


def test_the_schema_of_the_doctors_json_is_committed(request: pytest.FixtureRequest) -> None:
    kept(ROOT / "docs" / "doctor.schema.json", doctor_schema(), request)


def test_the_schema_of_a_notification_is_committed(request: pytest.FixtureRequest) -> None:
    kept(ROOT / "docs" / "alert.schema.json", alert_schema(), request)


@pytest.mark.parametrize("command", [*schemas.ROWS, *schemas.OBJECTS])
def test_the_schema_of_a_commands_json_is_committed(command: str, request: pytest.FixtureRequest) -> None:
    kept(ROOT / "docs" / "schemas" / schemas.file_of(command), schemas.schema_of(command), request)


def test_each_network_is_a_keyword_of_the_package(request: pytest.FixtureRequest) -> None:
    path = ROOT / "pyproject.toml"
    kept(path, filled(path.read_text(), "networks", keywords()), request)


def test_the_sample_config_is_a_config() -> None:
    _, sections = config.read(files.read([str(ROOT / "sample_config.json")]))
    assert sorted(sections) == sorted(NETWORKS)
    assert config.hints(sections, NOW) == []


def commands(block: str) -> str:
    """The lines of a console block as a shell reads them: prompts gone, here-documents as they are."""
    return "\n".join(line.removeprefix("$ ") for line in block.splitlines())


def console_blocks() -> list[str]:
    return [commands(block) for block in re.findall(r"```console\n(.*?)\n```", README.read_text(), re.DOTALL)]


def with_sandbox(script: str) -> str:
    """The script with a port of its own, that waits for the sandbox once it has started one."""
    port = 20_000 + os.getpid() % 10_000  # the system gives none of these to the tests beside this one
    wait = f"& until curl -s {SANDBOX.format(port)}; do :; done\n"
    return re.sub(r" &\n", f" {wait}", script).replace("8765", str(port))


def test_the_readmes_way_by_hand_gives_the_result_that_it_shows(tmp_path: Path) -> None:
    blocks = [block for block in console_blocks() if "adpostbacks " in block and "meltano " not in block]
    script = re.sub(r"^(python3 -m venv|pip install) .*$", "", "\n".join(blocks), flags=re.MULTILINE)
    script = with_sandbox(script)
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    ran = run_to_its_end(["bash", "-mc", script], cwd=tmp_path, env=env)
    assert ran.returncode == 0, ran.stderr
    assert "read 2, accepted 1, already accepted 0, rejected 0, skipped 1 (organic 1), open 0" in ran.stderr
    assert "read 2, accepted 1, already accepted 0, rejected 0, skipped 1 (organic 1), open 0" in README.read_text()
    assert re.search(r"^tiktok\.default +D7VH38JC77U3LFDOLGRG +ok ", ran.stdout, re.MULTILINE)
    assert "evt_9f1c2d" in ran.stdout
    catalog = json.loads(ran.stdout[ran.stdout.index("\n{") :])
    streams = [stream["stream"] for stream in catalog["streams"]]
    assert streams == ["attempts", "daily", "deliveries", "health", "history", "performance", "runs"]


def test_the_readmes_lines_of_python_deliver_to_the_sandbox(tmp_path: Path) -> None:
    (lines,) = re.findall(r"```python\n(.*?)\n```", README.read_text(), re.DOTALL)
    with Sandbox() as sandbox:
        program = lines.replace("http://127.0.0.1:8765", sandbox.url)
        ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert f"# {ran.stdout.strip()}" in lines
        assert [event["event_id"] for event in sandbox.received] == ["evt_7a31b0"]


def test_the_commands_of_make_in_the_readme_exist() -> None:
    """They run in tests of their own, or run the tests."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for block in console_blocks():
        for line in block.splitlines():
            first, *words = line.split()
            if first == "make":
                assert words[0] in targets


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "length", "said"),
    [
        ("throughput.py", ["--records", "3000", "--turns", "1"], "of the bare loop"),
        ("tap.py", ["--rows", "3000"], "of the bare loop"),
        ("record.py", ["--rounds", "2"], "times its decoding"),
        ("memory.py", ["--records", "20000"], "accepted 20000, already accepted 0"),
        ("state.py", ["--minutes", "0.1"], "6 STATE messages, 240 records, "),
    ],
)
def test_the_benchmarks_run(script: str, length: list[str], said: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / script), *length]
    ran = run_to_its_end(command)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert said in ran.stdout


def test_the_extras_of_the_readme_are_declared() -> None:
    declared = re.findall(r"^([a-z]+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    for extra in re.findall(r"target-adpostbacks\[([a-z]+)\]|the extra `([a-z]+)`", README.read_text()):
        assert "".join(extra) in declared


def test_every_column_that_is_read_is_in_the_table_of_the_record() -> None:
    table = (ROOT / "docs" / "record.md").read_text().partition("## Columns")[2].partition("\n## ")[0]
    assert {*READERS, *COLUMN_ALIASES, *IDS} - {*re.findall(r"`(\w+)`", table)} == set()


def test_no_document_names_a_place_on_somebodys_machine() -> None:
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("requirements-*.txt")):
        assert not re.search(r"/work/|/root/|/home/\w|file://|https?://[^\s]*(pypi|registry)", path.read_text()), (
            path.name
        )


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda path: path.name)
def test_every_link_to_a_file_or_heading_of_ours_leads_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text()):
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{target}#{anchor}"


def test_the_milestones_of_the_dbt_package_are_those_of_the_networks(request: pytest.FixtureRequest) -> None:
    lines = ["network,event,events,unlocks,needed,days"]
    for name, network in sorted(NETWORKS.items()):
        for milestone in network.milestones:
            events = ", ".join(sorted(milestone.events))
            lines += [
                f'{name},{event},"{events}",{milestone.unlocks},{milestone.conversions},{milestone.days}'
                for event in sorted(milestone.events) or [""]
            ]
    kept(ROOT / "dbt" / "seeds" / "adpostbacks_milestones.csv", "\n".join([*lines, ""]), request)
