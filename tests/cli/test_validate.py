"""adpostbacks validate: which credentials are good, and what to do about the others."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import SETTINGS

from target_adpostbacks.cli.validate import validate
from target_adpostbacks.core.digests import digests, fingerprint
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> str:
    tiktok = {
        **SETTINGS["tiktok"],
        "base_url": sandbox.url,
        "tiktok_app_id": None,
        "accounts": {"game_a": {}, "game_b": {"access_token": "invalid-canary", "pixel_code": "C4QR19SBNV8A1TKMWXYZ"}},
    }
    return written(tmp_path, {"tiktok": tiktok, "meta": {**SETTINGS["meta"], "base_url": sandbox.url}})


def written(folder: Path, config: dict[str, Any]) -> str:
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder / "config.json")


def run(config: str, *arguments: str) -> Result:
    return CliRunner().invoke(validate, ["--config", config, *arguments])


def results(result: Result) -> dict[str, str]:
    return {each["account"]: each["result"] for each in json.loads(result.stdout)}


def test_each_account_is_ok_failed_or_unchecked_and_a_failure_is_exit_1(config: str) -> None:
    result = run(config, "--test-code", "TEST1", "--format", "json")
    assert results(result) == {"meta.default": "ok", "tiktok.game_a": "ok", "tiktok.game_b": "failed"}
    assert result.exit_code == 1
    assert "invalid-canary" not in result.output


def test_without_a_failure_it_is_exit_0(config: str) -> None:
    result = run(config, "tiktok.game_a", "meta", "--format", "json")
    assert (results(result), result.exit_code) == ({"meta.default": "ok", "tiktok.game_a": "unchecked"}, 0)


def test_a_code_may_be_for_one_account_alone(config: str) -> None:
    result = run(config, "tiktok", "--test-code", "tiktok.game_b=TEST1", "--format", "json")
    assert results(result) == {"tiktok.game_a": "unchecked", "tiktok.game_b": "failed"}
    result = run(config, "--test-code", "tiktok.game_c=TEST1")
    assert result.exit_code == 2
    assert "known: meta, meta.default, tiktok, tiktok.game_a, tiktok.game_b" in result.stderr


def test_the_table_has_the_networks_words_cause_and_fix_below(config: str) -> None:
    assert run(config, "tiktok.game_b", "--test-code", "TEST1").stdout.splitlines() == [
        "Account        Asset                 Result  HTTP  Code",
        "tiktok.game_b  C4QR19SBNV8A1TKMWXYZ  failed  200   40105",
        "    Access token is incorrect or has been revoked.",
        "    The network refused the account's credentials.",
        "    Generate a new access_token: this one was cut when it was copied, or was revoked.",
    ]


def test_an_unknown_account_is_told_with_the_known_ones(config: str) -> None:
    result = run(config, "facebook")
    assert result.exit_code == 2
    assert "facebook: no account of the config; known: meta, meta.default, tiktok" in result.stderr


def test_mistakes_of_the_config_come_all_at_once(tmp_path: Path) -> None:
    result = run(written(tmp_path, {"tiktok": {"pixel_code": "my pixel", "access_token": "a b"}}))
    assert result.exit_code == 1
    assert "tiktok.access_token: contains white space" in result.stderr
    assert "tiktok.pixel_code: looks like the pixel's name" in result.stderr


def test_the_key_of_digests_has_to_be_the_ledgers(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("TARGET_ADPOSTBACKS_LEDGER_URL", url)
    key, mistakes = "0123456789abcdef0123456789abcdef", ("erasure_key: missing", "erasure_key: not the one")
    assert run(config, "meta").exit_code == 0
    with closing(Ledger(url)) as ledger:
        ledger.erasure.erase(digests("email", "ada@example.com", key), fingerprint(key), "2026-11-20")
    for wrong, mistake in zip(("", "x" * 32), mistakes, strict=True):
        monkeypatch.setenv("TARGET_ADPOSTBACKS_ERASURE_KEY", wrong)
        refused = run(config, "meta")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert mistake in refused.stderr
    monkeypatch.setenv("TARGET_ADPOSTBACKS_ERASURE_KEY", key)
    assert run(config, "meta").exit_code == 0


def test_settings_of_the_environment_count(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_ADPOSTBACKS_TIKTOK_TEST_EVENT_CODE", "TEST1")
    assert results(run(config, "tiktok.game_a", "--format", "json")) == {"tiktok.game_a": "ok"}
