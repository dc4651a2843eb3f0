"""meltano.yml and the hub's definitions say what the programs say, and a real Meltano works with them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import click
import jsonschema  # type: ignore[import-untyped]
import plugin_definitions
import psycopg
import pytest
import yaml  # type: ignore[import-untyped]
from documents import filled, kept
from embedded_postgres import embedded_postgres
from ledger_rows import NOW, a_row
from patience import run_to_its_end
from sqlalchemy import make_url
from test_docs import console_blocks, with_sandbox

from target_adpostbacks import cli
from target_adpostbacks.core.settings import secrets
from target_adpostbacks.demo import warehouse
from target_adpostbacks.demo.conversions import conversions
from target_adpostbacks.demo.postgres import Postgres
from target_adpostbacks.demo.programs import FOREIGN, OFFLINE
from target_adpostbacks.demo.project import project as demo_project
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "meltano.yml"
OURS = ("target-adpostbacks", "tap-adpostbacks")


@pytest.mark.parametrize("plugin", OURS)
def test_meltano_yml_declares_every_setting(plugin: str, request: pytest.FixtureRequest) -> None:
    kept(PROJECT, filled(PROJECT.read_text(), plugin, plugin_definitions.short(plugin)), request)


def test_the_demos_project_is_meltano_yml_with_programs_that_are_installed() -> None:
    whole, shown = yaml.safe_load(PROJECT.read_text()), yaml.safe_load(demo_project())
    for kind in ("extractors", "loaders"):
        for plugin in whole["plugins"][kind]:
            del plugin["pip_url"]
    assert shown == whole


@pytest.mark.parametrize("plugin", OURS)
def test_the_definition_for_the_hub_is_what_the_program_says(plugin: str, request: pytest.FixtureRequest) -> None:
    kept(ROOT / "docs" / "hub" / f"{plugin}.yml", plugin_definitions.hub(plugin), request)


def test_every_command_that_does_not_ask_is_one_of_the_plugin() -> None:
    project = yaml.safe_load(PROJECT.read_text())
    (target,) = (plugin for plugin in project["plugins"]["loaders"] if plugin["name"] == "target-adpostbacks")
    hub = yaml.safe_load((ROOT / "docs" / "hub" / "target-adpostbacks.yml").read_text())
    names = {*cli.main.list_commands(click.Context(cli.main))}
    assert {*target["commands"]} == {*hub["commands"]} == names - plugin_definitions.NOT_FOR_A_PROJECT


def test_meltano_yml_follows_meltanos_own_schema() -> None:
    schema = json.loads((resources.files("meltano.schemas") / "meltano.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(PROJECT.read_text()), schema)


@pytest.mark.parametrize("network", NETWORKS)
def test_whatever_holds_a_token_is_sensitive(network: str) -> None:
    sensitive = {setting["name"] for setting in plugin_definitions.settings(OURS[0]) if setting.get("sensitive")}
    tokens = {f"{network}.{setting}" for setting in secrets(NETWORKS[network].settings_type)}
    assert tokens
    assert {"ledger_url", f"{network}.accounts", *tokens} <= sensitive


def test_no_setting_of_a_network_has_a_value_of_its_own() -> None:
    """It would switch the network on, in every environment."""
    project = yaml.safe_load(PROJECT.read_text())
    (target,) = (plugin for plugin in project["plugins"]["loaders"] if plugin["name"] == "target-adpostbacks")
    assert "config" not in target
    assert not [setting["name"] for setting in target["settings"] if "value" in setting]


def test_whatever_runs_without_an_environment_being_named_stays_on_this_machine() -> None:
    project = yaml.safe_load(PROJECT.read_text())
    environments = {environment["name"]: environment for environment in project["environments"]}
    (target, _) = environments[project["default_environment"]]["config"]["plugins"]["loaders"]
    for network in NETWORKS:
        assert target["config"][network]["base_url"].startswith("http://127.0.0.1:")


class Ran(NamedTuple):
    """What came of a run of Meltano."""

    code: int
    stdout: str
    log: str

    @property
    def summaries(self) -> list[str]:
        """What target-adpostbacks counted, run by run."""
        return re.findall(r"Done in [\d.]+ s: (.*)", self.log)


def shielded(folder: Path) -> dict[str, str]:
    """The environment without settings of others; Meltano and the programs are those of this Python."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**own, **OFFLINE, "XDG_STATE_HOME": str(folder), "PATH": path}


def meltano(folder: Path, *words: str, stdin: str = "", **settings: str) -> Ran:
    """Meltano in a folder of a project."""
    environ = {**shielded(folder), **settings}
    ran = run_to_its_end(["meltano", *words], cwd=folder, env=environ, stdin=stdin)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


class Project(NamedTuple):
    """The packaged project in a folder, with a warehouse and a sandbox."""

    folder: Path
    server: Postgres
    sandbox: Sandbox

    def meltano(self, *words: str, **settings: str) -> Ran:
        """Meltano in the environment ``demo``."""
        own = {f"TARGET_ADPOSTBACKS_{network.upper()}_BASE_URL": self.sandbox.url for network in NETWORKS}
        for plugin in ("TAP_POSTGRES", "TARGET_POSTGRES"):
            own[f"{plugin}_PORT"] = str(self.server.port)
            own[f"{plugin}_PASSWORD"] = self.server.password
            own[f"{plugin}_DATABASE"] = self.server.database
        return meltano(self.folder, *words, **own, **settings)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        with psycopg.connect(self.server.dsn) as connection:
            return connection.execute(sql.encode()).fetchall()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "meltano.yml").write_text(demo_project())
    with embedded_postgres() as url, Sandbox() as sandbox:
        parts = make_url(url)
        assert parts.port
        server = Postgres(parts.port, str(parts.password), str(parts.username), str(parts.database))
        yield Project(tmp_path, server, sandbox)


SOME = 200
"""Conversions that are there from the beginning."""


def seed(project: Project) -> list[dict[str, Any]]:
    """The first conversions into the warehouse; all of them back."""
    rows = conversions(datetime.now(timezone.utc))
    warehouse.seed(project.server, rows[:SOME])
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("existing", ["", "include_paths: [adpostbacks.meltano.yml]\n"])
def test_meltano_runs_with_what_init_wrote_alone_and_as_a_fragment(existing: str, tmp_path: Path) -> None:
    if existing:
        (tmp_path / "meltano.yml").write_text(existing)
    command = [str(Path(sys.executable).with_name("adpostbacks")), "init", "--network", "tiktok", "--yes"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    record = {"event_name": "purchase", "event_id": "e1", "event_time": time.time(), "ttclid": "E.C.P.abc"}
    with Sandbox() as sandbox:
        (tmp_path / ".env").write_text(
            f"TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN=any\nTARGET_ADPOSTBACKS_TIKTOK_BASE_URL={sandbox.url}\n"
        )
        ran = meltano(tmp_path, "invoke", "target-adpostbacks", stdin=json.dumps(record))
        assert ran.code == 0, ran.log
        assert [(event["event_id"], event["asset"]) for event in sandbox.received] == [("e1", "D7VH38JC77U3LFDOLGRG")]


@pytest.mark.slow
def test_two_runs_of_the_whole_way_send_and_load_each_conversion_once(project: Project) -> None:
    rows = seed(project)
    way = ("run", "tap-postgres", "target-adpostbacks", "tap-adpostbacks", "target-postgres")
    first = project.meltano(*way)
    assert first.code == 0, first.log
    assert project.query("SELECT count(*) FROM adpostbacks.deliveries") == [(SOME,)]
    assert project.query("SELECT status FROM adpostbacks.deliveries WHERE status = 'open'") == []

    warehouse.add(project.server, rows[SOME : SOME + 50])
    second = project.meltano(*way)
    assert second.code == 0, second.log
    assert second.summaries[0].startswith("read 51, ")  # the last one of the first run comes again
    assert project.query("SELECT count(*), count(DISTINCT event_id) FROM adpostbacks.deliveries") == [(250, 250)]
    assert project.query("SELECT exit_code FROM adpostbacks.runs") == [(0,), (0,)]
    assert {event["times"] for event in project.sandbox.received} == {1}
    assert (
        len(project.sandbox.received)
        == project.query("SELECT count(*) FROM adpostbacks.deliveries WHERE status = 'accepted' AND NOT test")[0][0]
    )


@pytest.mark.slow
def test_a_job_that_leaves_conversions_open_fails_and_the_scheduled_results_say_why(project: Project) -> None:
    seed(project)
    revoked = {"TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN": "revoked"}
    sent = project.meltano("run", "send", **revoked)
    assert sent.code != 0
    assert "credentials" in sent.summaries[0]
    loaded = project.meltano("schedule", "run", "load-results")
    assert loaded.code == 0, loaded.log
    assert project.query("SELECT DISTINCT network, reason FROM adpostbacks.deliveries WHERE status = 'open'") == [
        ("tiktok", "credentials")
    ]
    again = project.meltano("schedule", "run", "send-conversions")
    assert again.code == 0, again.log
    assert again.summaries[0].startswith(f"read {SOME}, ")  # its state had waited
    assert {event["times"] for event in project.sandbox.received} == {1}


@pytest.mark.slow
def test_accounts_and_secrets_reach_the_target_as_sections(project: Project) -> None:
    text = (project.folder / "meltano.yml").read_text()
    accounts = """            accounts:
              game_a: {pixel_code: D7VH38JC77U3LFDOLGRG}
              game_b: {pixel_code: C4AAAAAAAAAAAAAAAAAA, access_token: $TOKEN_B}
"""
    (project.folder / "meltano.yml").write_text(re.sub(r" *pixel_code: .*\n", accounts, text, count=1))
    settings = {"TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN": "token-a", "TOKEN_B": "token-b"}
    ran = project.meltano("invoke", "--dump=config", "target-adpostbacks", **settings)
    config = json.loads(ran.stdout)
    assert config["tiktok"]["access_token"] == "token-a"
    assert config["tiktok"]["accounts"]["game_a"] == {"pixel_code": "D7VH38JC77U3LFDOLGRG"}
    assert config["tiktok"]["accounts"]["game_b"] == {"pixel_code": "C4AAAAAAAAAAAAAAAAAA", "access_token": "token-b"}
    assert config["reddit"].keys() == {"base_url", "pixel_id", "access_token", "test_id"}


def fill(ledger_url: str, event_id: str) -> None:
    ledger = Ledger(ledger_url, "run-1")
    ledger.write(NOW, [a_row(event_id)])
    ledger.close()


def logged(folder: Path, *words: str, **settings: str) -> list[str]:
    """The event ids that the plugin's command ``log`` shows, in whatever folder of the project."""
    ran = meltano(folder, *words, "invoke", "target-adpostbacks:log", "--format=jsonl", **settings)
    assert ran.code == 0, ran.log
    return [json.loads(line)["event_id"] for line in ran.stdout.splitlines()]


@pytest.mark.slow
def test_its_commands_have_meltanos_settings_in_every_folder_and_environment(tmp_path: Path) -> None:
    root = tmp_path / "my project"
    below = root / "extract"
    below.mkdir(parents=True)
    (root / "meltano.yml").write_text(demo_project())
    for name in ("demo", "adpostbacks", "relative"):
        fill(f"sqlite:///{root}/{name}.db", name)
    assert logged(below) == ["demo"]
    assert logged(below, "--environment=prod") == ["adpostbacks"]
    assert logged(below, TARGET_ADPOSTBACKS_LEDGER_URL="sqlite:///relative.db") == ["relative"]
    with embedded_postgres() as url:
        fill(url, "postgres")
        assert logged(below, "--environment=prod", LEDGER_URL=url) == ["postgres"]
        wrong = meltano(below, "--environment=prod", "invoke", "target-adpostbacks:log", LEDGER_URL=f"{url}-gone")
        assert wrong.code == 1
        assert str(make_url(url).password) not in wrong.log + wrong.stdout
    assert (root / "meltano.yml").read_text() == demo_project()  # Meltano has not written it anew


@pytest.mark.slow
def test_accounts_and_stream_maps_of_a_project_are_those_of_a_run_and_of_its_commands(tmp_path: Path) -> None:
    """Meltano writes them into variables as well, in another form: ``{"eu.pixel_code": …}``."""
    project = yaml.safe_load(demo_project())
    project["plugins"]["loaders"][0]["config"] = {
        "stream_maps": {"c": {"ttclid": "clicked"}},
        "tiktok": {
            "access_token": "any",
            "accounts": {
                "eu": {"pixel_code": "D7VH38JC77U3LFDOLGRG", "event_map": {"purchase": "EuPurchase"}},
                "us": {"pixel_code": "C4AAAAAAAAAAAAAAAAAA"},
            },
        },
    }
    del project["environments"], project["default_environment"]
    (tmp_path / "meltano.yml").write_text(yaml.safe_dump(project))
    with Sandbox() as sandbox:
        url = {"TARGET_ADPOSTBACKS_TIKTOK_BASE_URL": sandbox.url}
        row = {"event_name": "purchase", "event_id": "evt-1", "event_time": time.time(), "clicked": "E.C.P.abc"}
        messages = [
            {"type": "SCHEMA", "stream": "c", "schema": {"properties": {}}, "key_properties": []},
            {"type": "RECORD", "stream": "c", "record": row},
        ]
        ran = meltano(tmp_path, "invoke", "target-adpostbacks", stdin="\n".join(map(json.dumps, messages)), **url)
        assert ran.code == 0, ran.log
        assert sorted((event["asset"], event["event"]) for event in sandbox.received) == [
            ("C4AAAAAAAAAAAAAAAAAA", "Purchase"),
            ("D7VH38JC77U3LFDOLGRG", "EuPurchase"),
        ]
        checked = meltano(tmp_path, "invoke", "target-adpostbacks:validate", "--format=json", **url)
    assert checked.code == 0, checked.log
    assert {each["account"] for each in json.loads(checked.stdout)} == {"tiktok.eu", "tiktok.us"}


@pytest.mark.slow
def test_the_readmes_way_with_meltano_delivers_from_a_new_project(tmp_path: Path) -> None:
    """Word for word, but for what is installed: Meltano takes the programs of this Python."""
    (block,) = (block for block in console_blocks() if "meltano init" in block)
    script = re.sub(r"^python3 -m venv .*$", "", block, flags=re.MULTILINE)
    script, count = re.subn(
        r"^(meltano add .*)$", r"\1 --no-install; sed -i '/ pip_url:/d' meltano.yml", script, flags=re.MULTILINE
    )
    assert count == 1
    clone = tmp_path / "target-adpostbacks"
    clone.symlink_to(ROOT)
    command = ["bash", "-emc", f"cd target-adpostbacks\n{with_sandbox(script)}"]
    ran = run_to_its_end(command, cwd=tmp_path, env=shielded(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert "read 1, accepted 1, already accepted 0, rejected 0, skipped 0, open 0" in ran.stderr
    assert re.search(r"purchase +Success .* tiktok +default +evt_1\n", ran.stdout)
    assert (tmp_path / "my-project" / "adpostbacks.db").exists()
    assert "TIKTOK_ACCESS_TOKEN" in (tmp_path / "my-project" / ".env").read_text()


def test_what_meltano_adds_is_installed_from_the_clone_beside_the_project() -> None:
    for plugin in OURS:
        definition = yaml.safe_load((ROOT / "docs" / "hub" / f"{plugin}.yml").read_text())
        assert definition["pip_url"].startswith("../target-adpostbacks[")
