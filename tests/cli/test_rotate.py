"""adpostbacks rotate: a new token takes the old one's place once the network takes it, or nothing changes."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import dotenv
import pytest
from click.testing import CliRunner, Result
from conftest import SETTINGS, TEST_CODES

from target_adpostbacks.cli.rotate import rotate
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock

TOKEN = "TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN"
ACCOUNTS = "TARGET_ADPOSTBACKS_TIKTOK_ACCOUNTS"
OLD, NEW = "old-canary", "new-canary"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(TOKEN, "")  # set and forgotten again: what a test's .env sets is gone after it
    monkeypatch.delenv(TOKEN)
    monkeypatch.setenv(ACCOUNTS, "")
    monkeypatch.delenv(ACCOUNTS)
    return tmp_path


def config(sandbox: Sandbox, **tiktok: Any) -> None:
    sandbox.faults = []
    section = {**SETTINGS["tiktok"], "access_token": OLD, "base_url": sandbox.url, "tiktok_app_id": None, **tiktok}
    Path("config.json").write_text(json.dumps({"default_timezone": "UTC", "tiktok": section}))


def run(name: str, *arguments: str, token: str = NEW) -> Result:
    said = [name, "--config", "config.json", "--test-code", "TEST1", *arguments]
    return CliRunner().invoke(rotate, said, input=f"{token}\n")


def section() -> Any:
    return json.loads(Path("config.json").read_text())["tiktok"]


def test_a_token_that_the_network_takes_replaces_the_old_one(sandbox: Sandbox, folder: Path) -> None:
    config(sandbox)
    (folder / "config.json").chmod(0o640)
    before = section()
    result = run("tiktok")
    assert result.exit_code == 0, result.output
    assert section() == {**before, "access_token": NEW}
    assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o640
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    assert OLD not in result.output
    assert NEW not in result.output


@pytest.mark.parametrize("token", ["invalid-canary", "two words", "new-canary\nanother-canary", "", "  "])
def test_one_that_is_refused_or_none_changes_nothing(sandbox: Sandbox, folder: Path, token: str) -> None:
    config(sandbox)
    before = (folder / "config.json").read_bytes()
    result = run("tiktok", token=token)
    assert result.exit_code == 1
    assert "nothing was changed" in result.stderr
    assert (folder / "config.json").read_bytes() == before
    assert not token.strip() or token not in result.output


def test_one_that_nobody_can_tell_of_needs_a_word(sandbox: Sandbox) -> None:
    config(sandbox)
    sandbox.faults = [{"status": 503}]
    assert run("tiktok").exit_code == 1
    assert section()["access_token"] == OLD
    assert run("tiktok", "--unchecked").exit_code == 0
    assert section()["access_token"] == NEW


def test_each_account_has_its_own_or_the_sections(sandbox: Sandbox) -> None:
    config(sandbox, accounts={"game_a": {"access_token": "a"}, "game_b": {"pixel_code": "C4QR19SBNV8A1TKMWXYZ"}})
    assert run("tiktok").exit_code == 2
    assert run("tiktok.game_a").exit_code == 0
    assert (section()["access_token"], section()["accounts"]["game_a"]["access_token"]) == (OLD, NEW)
    result = run("tiktok.game_b", token="newer-canary")
    assert section()["access_token"] == "newer-canary"
    assert "every account of tiktok" in result.stdout


def test_one_of_the_env_file_is_replaced_there(sandbox: Sandbox, folder: Path) -> None:
    config(sandbox, access_token=None)
    (folder / ".env").write_text(f"A=1\n{TOKEN}={OLD}\n")
    result = run("tiktok", "--config", "ENV")
    assert result.exit_code == 0, result.output
    assert dotenv.dotenv_values(folder / ".env") == {"A": "1", TOKEN: NEW}
    assert section()["access_token"] is None


def test_an_account_of_the_env_file_is_replaced_there(sandbox: Sandbox, folder: Path) -> None:
    config(sandbox, access_token=None)
    accounts = {"game_a": {"access_token": OLD}, "game_b": {"access_token": "b", "pixel_code": "C4QR19SBNV8A1TKMWXYZ"}}
    (folder / ".env").write_text(f"{ACCOUNTS}='{json.dumps(accounts)}'\n")
    result = run("tiktok.game_a", "--config", "ENV")
    assert result.exit_code == 0, result.output
    kept = json.loads(dotenv.dotenv_values(folder / ".env")[ACCOUNTS] or "")
    assert kept == {**accounts, "game_a": {"access_token": NEW}}


def test_one_that_is_set_elsewhere_is_left_to_whoever_sets_it(
    sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(sandbox)
    monkeypatch.setenv(TOKEN, OLD)
    result = run("tiktok")
    assert (result.exit_code, section()["access_token"]) == (1, OLD)
    assert f"comes from the variable {TOKEN}" in result.stderr


GENERIC = "TARGET_ADPOSTBACKS_GENERIC"
TRACKER = {
    "url": "https://t.example.com/postback?cid={click_id}&eid={event_id}&key={key}&test={test}",
    "secrets": {"key": OLD, "pin": 7},
    "send_test": True,
}


def postbacks(sandbox: Sandbox, **section: Any) -> None:
    sandbox.faults = []
    Path("config.json").write_text(json.dumps({"generic": {"base_url": sandbox.url, **section}}))


def kept() -> Any:
    return json.loads(Path("config.json").read_text())["generic"]


@pytest.mark.parametrize("setting", ["secrets.key", "auth.token"])
def test_a_secret_within_an_object_is_replaced_alone(sandbox: Sandbox, setting: str) -> None:
    auth = {"type": "bearer", "token": "old-bearer"}
    postbacks(sandbox, accounts={"tracker": {**TRACKER, "auth": auth}, "other": TRACKER})
    before = kept()
    result = run("generic.tracker", "--setting", setting)
    assert result.exit_code == 0, result.output
    assert NEW not in result.output
    outer, _, inner = setting.partition(".")
    before["accounts"]["tracker"][outer][inner] = NEW
    assert kept() == before


def test_a_refused_one_within_an_object_changes_nothing(sandbox: Sandbox) -> None:
    postbacks(sandbox, accounts={"tracker": TRACKER})
    before = kept()
    result = run("generic.tracker", "--setting", "secrets.key", token="invalid-key")
    assert (result.exit_code, kept()) == (1, before)
    assert "invalid-key" not in result.output


def test_the_only_secret_need_not_be_named_and_of_several_one_has_to_be(sandbox: Sandbox) -> None:
    postbacks(sandbox, accounts={"tracker": TRACKER, "one": {**TRACKER, "secrets": {"key": OLD}}})
    result = run("generic.tracker")
    assert (result.exit_code, "secrets.key, secrets.pin" in result.output) == (2, True)
    assert run("generic.one").exit_code == 0
    assert kept()["accounts"]["one"]["secrets"] == {"key": NEW}


@pytest.mark.parametrize("setting", ["secrets", "secrets.none", "auth.type", "url.key", "url"])
def test_what_is_no_secret_of_the_account_is_not_replaced(sandbox: Sandbox, setting: str) -> None:
    auth = {"type": "bearer", "token": "old-bearer"}
    postbacks(sandbox, accounts={"tracker": {**TRACKER, "auth": auth}})
    before = kept()
    result = run("generic.tracker", "--setting", setting)
    assert (result.exit_code, kept()) == (2, before)
    assert "secrets.key" in result.output or "no secret of generic" in result.output


def test_one_that_all_accounts_share_is_replaced_beside_them(sandbox: Sandbox) -> None:
    own = {name: value for name, value in TRACKER.items() if name != "secrets"}
    postbacks(sandbox, secrets={"key": OLD}, accounts={"tracker": {**own, "secrets": {"pin": 7}}, "other": own})
    result = run("generic.tracker", "--setting", "secrets.key")
    assert result.exit_code == 0, result.output
    assert "every account of generic" in result.stdout
    assert (kept()["secrets"], kept()["accounts"]["tracker"]["secrets"]) == ({"key": NEW}, {"pin": 7})


@pytest.mark.parametrize("of_account", [False, True])
def test_one_within_an_object_of_the_env_file_is_replaced_there(
    sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch, of_account: bool
) -> None:
    for name in ("SECRETS", "ACCOUNTS"):
        monkeypatch.setenv(f"{GENERIC}_{name}", "")
        monkeypatch.delenv(f"{GENERIC}_{name}")
    secrets = {"key": OLD, "pin": 7}
    own = {name: value for name, value in TRACKER.items() if name != "secrets"}
    postbacks(sandbox, **({} if of_account else {"accounts": {"tracker": own}}))
    name, value = ("ACCOUNTS", {"tracker": TRACKER, "b": TRACKER}) if of_account else ("SECRETS", secrets)
    (folder / ".env").write_text(f"A=1\n{GENERIC}_{name}='{json.dumps(value)}'\n")
    result = run("generic.tracker", "--config", "ENV", "--setting", "secrets.key")
    assert result.exit_code == 0, result.output
    told = json.loads(dotenv.dotenv_values(folder / ".env")[f"{GENERIC}_{name}"] or "")
    changed = {"key": NEW, "pin": 7}
    assert told == ({"tracker": {**TRACKER, "secrets": changed}, "b": TRACKER} if of_account else changed)


def test_a_setting_that_is_no_secret_is_no_token(sandbox: Sandbox) -> None:
    config(sandbox)
    assert run("tiktok", "--setting", "pixel_code").exit_code == 2


@pytest.mark.parametrize("held", ["pixel_token", "access_token"])
def test_of_several_kinds_of_token_the_one_that_the_account_has_is_replaced(sandbox: Sandbox, held: str) -> None:
    sandbox.faults = []
    signing = {"consumer_key": "key", "consumer_secret": "secret", "access_token_secret": "secret"}
    others = {"pixel_token": None, **signing} if held == "access_token" else {}
    section = {**SETTINGS["x"], **others, held: OLD, "base_url": sandbox.url}
    Path("config.json").write_text(json.dumps({"x": section}))
    said = ["x", "--config", "config.json", "--test-code", TEST_CODES["x"]]
    result = CliRunner().invoke(rotate, said, input=f"{NEW}\n")
    assert result.exit_code == 0, result.output
    assert json.loads(Path("config.json").read_text())["x"] == {**section, held: NEW}
