"""adpostbacks init: a folder in which only secrets and ids are missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from target_adpostbacks import config
from target_adpostbacks.cli import _configs, _settings_file, main
from target_adpostbacks.core.settings import examples, secrets
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.rules import presets

FILES = {"config.json", ".env.example", "meltano.yml"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(main, ["init", *arguments], **options)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def secrets_of(network: str) -> dict[str, str]:
    """The variables of the secrets that an ordinary section has, with its examples."""
    type_ = NETWORKS[network].settings_type
    hidden = secrets(type_)
    return {
        f"TARGET_ADPOSTBACKS_{network}_{setting}".upper(): example if isinstance(example, str) else json.dumps(example)
        for setting, example in examples(type_).items()
        if setting in hidden
    }


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_written_is_a_config_once_the_secrets_are_in(
    network: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("--network", network, "--yes").exit_code == 0
    assert names(folder) == FILES
    lacking = CliRunner().invoke(main, ["validate", "--config", "config.json"])
    assert lacking.exit_code == 1
    type_ = NETWORKS[network].settings_type
    assert all(secret in lacking.output for secret in secrets(type_) & examples(type_).keys())
    for variable, example in secrets_of(network).items():
        monkeypatch.setenv(variable, example)
    configured = _configs.read(["config.json"])
    assert [account.label for account in configured.chosen([])] == [f"{network}.default"]


@pytest.mark.parametrize("preset", presets.names())
def test_every_preset_makes_a_config_with_all_networks(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = [word for network in NETWORKS for word in ("--network", network)]
    assert run(*everything, "--preset", preset, "--yes").exit_code == 0
    for network in NETWORKS:
        for variable, example in secrets_of(network).items():
            monkeypatch.setenv(variable, example)
    configured = _configs.read(["config.json"])
    assert configured.general.preset == preset
    assert {*configured.accounts} == {*NETWORKS}


def test_no_secret_is_written_and_none_is_asked_for(folder: Path) -> None:
    result = run(input="tiktok,Google Ads\n\n\n")
    assert result.exit_code == 0, result.output
    texts = result.output + "".join((folder / name).read_text() for name in FILES)
    for network in ("tiktok", "google_ads"):
        assert not [example for example in secrets_of(network).values() if example in texts]


def test_the_variables_of_all_secrets_are_named_and_empty(folder: Path) -> None:
    run("--network", "google_ads", "--network", "tiktok", "--yes")
    assert dotenv_values(folder / ".env.example") == dict.fromkeys(
        {**secrets_of("google_ads"), **secrets_of("tiktok")}, ""
    )
    assert "# TARGET_ADPOSTBACKS_GOOGLE_ADS_SERVICE_ACCOUNT_JSON=\n" in (folder / ".env.example").read_text()


@pytest.mark.parametrize("network", NETWORKS)
def test_examples_of_objects_are_shown_as_json(network: str, folder: Path) -> None:
    run("--network", network, "--yes")
    written = (folder / "config.json").read_text() + " ".join((folder / ".env.example").read_text().split())
    assert "{'" not in written
    if network == "generic":
        assert 'As JSON: {"key": "example-key"}.' in written.replace("# ", "")


@pytest.mark.parametrize("network", NETWORKS)
def test_every_setting_to_be_looked_for_has_its_place_in_a_comment(network: str, folder: Path) -> None:
    run("--network", network, "--yes")
    section = json.loads((folder / "config.json").read_text())[network]
    for name, schema in config.described(NETWORKS[network].settings_type).items():
        if "where" in schema:
            place = f"Where: {schema['where']}."
            hidden = name in secrets(NETWORKS[network].settings_type)
            commented = (folder / ".env.example").read_text().replace("\n# ", " ") if hidden else section[f"// {name}"]
            assert place in commented


def test_the_comments_stay_where_a_command_writes_the_config_anew(folder: Path) -> None:
    run("--network", "tiktok", "--yes")
    before = json.loads((folder / "config.json").read_text())
    _settings_file.write(folder / "config.json", "tiktok", "", {"pixel_code": "C4QR19SBNV8A1TKMWXYZ"})
    after = json.loads((folder / "config.json").read_text())
    assert after.pop("tiktok") == {**before.pop("tiktok"), "pixel_code": "C4QR19SBNV8A1TKMWXYZ"}
    assert after == before


def test_the_project_of_meltano_has_the_same_values_and_the_settings_of_these_networks_alone(folder: Path) -> None:
    run("--network", "tiktok", "--preset", "immutable", "--yes")
    (target,) = yaml.safe_load((folder / "meltano.yml").read_text())["plugins"]["loaders"]
    assert target["config"] == {"preset": "immutable", "tiktok": {"pixel_code": "D7VH38JC77U3LFDOLGRG"}}
    declared = {setting["name"]: setting for setting in target["settings"]}
    assert declared["tiktok.access_token"]["sensitive"]
    assert {"ledger_url", "fields", "rules"} <= declared.keys()
    assert {name.partition(".")[0] for name in declared} & {*NETWORKS} == {"tiktok"}


def test_files_that_exist_are_kept_and_named(folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    (folder / ".env.example").symlink_to("nowhere")
    result = run("--network", "tiktok", "--yes")
    assert result.exit_code == 0
    assert "Written: meltano.yml\nKept as it is: config.json, .env.example\n" in result.output
    assert (folder / "config.json").read_text() == "{}"
    assert not (folder / "nowhere").exists()


def test_beside_a_project_of_meltano_there_is_a_fragment_for_it(folder: Path) -> None:
    (folder / "meltano.yml").write_text("plugins: {}\n")
    result = run("--network", "tiktok", "--yes")
    assert "add the line: include_paths: [adpostbacks.meltano.yml]" in result.output
    assert [*yaml.safe_load((folder / "adpostbacks.meltano.yml").read_text())] == ["plugins"]
    assert (folder / "meltano.yml").read_text() == "plugins: {}\n"


def test_a_second_time_nothing_is_written(folder: Path) -> None:
    run("--network", "tiktok", "--yes")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    result = run("--network", "reddit", "--yes")
    assert result.exit_code == 0
    assert "Written" not in result.output
    assert "Kept as it is: config.json, .env.example, meltano.yml\n" in result.output
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_the_next_command_is_named_and_works_with_what_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run("--network", "tiktok", "--yes").output.splitlines()
    assert lines[1:3] == ["Next, put your own values into config.json, or into meltano.yml:", "  tiktok.pixel_code"]
    assert lines[-2:] == [
        "  cp .env.example .env && chmod 600 .env",
        "  adpostbacks validate --config config.json --config ENV",
    ]
    monkeypatch.setenv("TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN", "any")
    result = CliRunner().invoke(main, lines[-1].split()[1:])
    assert (result.exit_code, "unchecked" in result.stdout) == (0, True), result.output


def test_secrets_that_are_there_are_not_to_be_written_over(folder: Path) -> None:
    (folder / ".env").write_text("TOKEN=mine\n")
    lines = run("--network", "tiktok", "--yes").output.splitlines()
    assert lines[-2] == "  add the lines of .env.example to the .env that is there"
    assert (folder / ".env").read_text() == "TOKEN=mine\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--yes"], "name one --network at least; known: generic, google_ads,"),
        (["--network", "newspaper", "--network", "tiktok"], "newspaper: not known; known: generic, google_ads,"),
        (["--network", "tiktok", "--preset", "nope"], "'nope' is not one of"),
    ],
)
def test_wrong_usage_ends_it_with_2_and_writes_nothing(arguments: list[str], said: str, folder: Path) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert not names(folder)


def test_a_no_and_an_unknown_network_write_nothing(folder: Path) -> None:
    result = run(input="tiktok, newspaper\n\ntiktok\nimmutable\nn\n")
    assert result.exit_code == 1
    assert "Error: newspaper: not known" in result.output
    assert not names(folder)


def test_a_folder_that_cannot_be_written_is_one_line(folder: Path) -> None:
    (folder / "meltano.yml").mkdir()
    result = run("--network", "tiktok", "--yes")
    assert result.exit_code == 1
    assert result.output.startswith("Error: meltano.yml: ")
