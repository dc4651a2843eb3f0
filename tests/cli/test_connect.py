"""adpostbacks connect: a token by OAuth, kept where no one else looks."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit

import dotenv
import pytest
from click.testing import CliRunner, Result

from target_adpostbacks.cli import _callback
from target_adpostbacks.cli.connect import connect
from target_adpostbacks.config import accounts
from target_adpostbacks.sandbox import Sandbox

SECRET = "canary-app-secret"
TOKEN = "TARGET_ADPOSTBACKS_TIKTOK_ACCESS_TOKEN"
PIXEL = "TARGET_ADPOSTBACKS_TIKTOK_PIXEL_CODE"
PICKED = ("--advertiser", "7000000000000000001", "--pixel", "C4QR19SBNV8A1TKMWXYZ")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(tokens=[]) as running:
        yield running


class Browser:
    """What a person's browser does: it opens the page, and comes back with a code."""

    def __init__(self) -> None:
        self.opened = ""
        self.code = "code-1"
        self.visits: list[dict[str, str]] = [{}]  # each visit's query, over what the network sends
        self._statuses: list[int] = []
        self._pages: list[str] = []
        self._thread: threading.Thread | None = None

    def open(self, url: str) -> bool:
        self.opened = url
        self._thread = threading.Thread(target=self._come_back)
        self._thread.start()
        return True

    @property
    def statuses(self) -> list[int]:
        self.close()
        return self._statuses

    @property
    def pages(self) -> list[str]:
        self.close()
        return self._pages

    def close(self) -> None:
        """Wait until it has read what it was answered."""
        if self._thread:
            self._thread.join()

    def _come_back(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.opened).query).items()}
        for visit in self.visits:
            came = urlencode({"auth_code": self.code, "state": query["state"], **visit})
            try:
                with urllib.request.urlopen(f"{query['redirect_uri']}?{came}") as page:
                    self._statuses.append(page.status)
                    self._pages.append(page.read().decode())
            except HTTPError as error:
                self._statuses.append(error.code)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    playing = Browser()
    monkeypatch.setattr("webbrowser.open", playing.open)
    yield playing
    playing.close()


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIKTOK_APP_SECRET", SECRET)
    return tmp_path


def run(sandbox: Sandbox, port: int, *arguments: str, **options: Any) -> Result:
    said = ["tiktok", "--app-id", "7012345678901234567", "--base-url", sandbox.url, "--port", str(port), *arguments]
    return CliRunner().invoke(connect, said, **options)


def test_where_an_account_needs_more_than_its_consent_it_is_not_tried(
    sandbox: Sandbox, browser: Browser, port: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_ADS_APP_SECRET", SECRET)
    browser.visits = [{"code": "4/code-9"}]
    client = "123-example.apps.googleusercontent.com"
    said = ["google_ads", "--app-id", client, "--base-url", sandbox.url, "--port", str(port)]
    result = CliRunner().invoke(connect, said)
    assert (result.exit_code, browser.statuses) == (0, [200])
    kept = dotenv.dotenv_values(folder / ".env")
    assert kept["TARGET_ADPOSTBACKS_GOOGLE_ADS_OAUTH_CLIENT_SECRET"] == SECRET
    assert str(kept["TARGET_ADPOSTBACKS_GOOGLE_ADS_REFRESH_TOKEN"]).startswith("1//sandbox")
    assert result.stdout.endswith("then try it: adpostbacks validate google_ads\n")
    assert SECRET not in result.output


def test_the_token_and_the_pixel_that_was_picked_are_kept_for_their_owner_alone(
    sandbox: Sandbox, browser: Browser, port: int, folder: Path
) -> None:
    result = run(sandbox, port, *PICKED, "--test-code", "TEST1")
    assert (result.exit_code, browser.statuses) == (0, [200])
    kept = dotenv.dotenv_values(folder / ".env")
    assert kept[PIXEL] == "C4QR19SBNV8A1TKMWXYZ"
    assert str(kept[TOKEN]).startswith("sandbox")
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert "C4QR19SBNV8A1TKMWXYZ: ok" in result.stdout


def test_neither_code_nor_secret_nor_token_is_shown_anywhere(
    sandbox: Sandbox, browser: Browser, port: int, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    browser.code = "canary-code"
    result = run(sandbox, port, *PICKED)
    assert result.exit_code == 0
    token = dotenv.dotenv_values(folder / ".env")[TOKEN] or "?"
    for text in (result.output, caplog.text, *browser.pages):
        for hidden in ("canary-code", SECRET, token):
            assert hidden not in text


def test_an_answer_to_another_attempt_is_refused_and_the_right_one_still_awaited(
    sandbox: Sandbox, browser: Browser, port: int
) -> None:
    browser.visits = [{"state": "forged"}, {"state": ""}, {}]
    assert run(sandbox, port, *PICKED).exit_code == 0
    assert browser.statuses == [400, 400, 200]


def test_a_consent_that_is_denied_ends_it_at_once(sandbox: Sandbox, browser: Browser, port: int, folder: Path) -> None:
    browser.visits = [{"error": "access_denied", "auth_code": ""}]
    result = run(sandbox, port, *PICKED)
    browser.close()
    assert (result.exit_code, browser.statuses) == (1, [200])
    assert "the network says: access_denied" in result.stderr
    assert not (folder / ".env").exists()


def test_a_code_that_the_network_refuses_ends_with_its_words_and_nothing_is_written(
    sandbox: Sandbox, browser: Browser, port: int, folder: Path
) -> None:
    browser.code = "invalid-code"
    result = run(sandbox, port, *PICKED)
    assert result.exit_code == 1
    assert "40110" in result.stderr
    assert "Connect once more" in result.stderr
    assert not (folder / ".env").exists()


def test_several_pixels_are_listed_and_one_has_to_be_named(sandbox: Sandbox, browser: Browser, port: int) -> None:
    result = run(sandbox, port, "--advertiser", "7000000000000000001")
    assert result.exit_code == 1
    assert "--pixel: one of these expected: D7VH38JC77U3LFDOLGRG (Pixel 1), C4QR19SBNV8A1TKMWXYZ" in result.stderr


def test_a_pasted_address_does_as_well(sandbox: Sandbox, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: "state-1")
    pasted = f"http://127.0.0.1:{port}/callback?auth_code=code-1&state=state-1\n"
    assert run(sandbox, port, *PICKED, "--paste", input=pasted).exit_code == 0
    pasted = pasted.replace("state-1", "state-2")
    result = run(sandbox, port, *PICKED, "--paste", input=pasted)
    assert (result.exit_code, "answer is to another attempt" in result.stderr) == (1, True)


def test_one_account_of_several_goes_into_a_config(sandbox: Sandbox, browser: Browser, port: int, folder: Path) -> None:
    before = {
        "tiktok": {
            "concurrency": 2,
            "accounts": {"game_b": {"pixel_code": "D7VH38JC77U3LFDOLGRG", "access_token": "b"}},
        }
    }
    (folder / "config.json").write_text(json.dumps(before))
    assert run(sandbox, port, *PICKED, "--account", "game_a", "--to", "config.json").exit_code == 0
    config = json.loads((folder / "config.json").read_text())
    assert config["tiktok"]["accounts"]["game_b"] == before["tiktok"]["accounts"]["game_b"]  # type: ignore[index]
    assert [account.label for account in accounts(config)["tiktok"]] == ["tiktok.game_b", "tiktok.game_a"]


def test_for_meltano_the_secret_alone_is_written_and_the_rest_are_commands(
    sandbox: Sandbox, browser: Browser, port: int, folder: Path
) -> None:
    result = run(sandbox, port, *PICKED, "--meltano")
    assert [*dotenv.dotenv_values(folder / ".env")] == [TOKEN]
    assert "meltano config set target-adpostbacks tiktok.pixel_code C4QR19SBNV8A1TKMWXYZ" in result.stdout


@pytest.mark.parametrize("is_tracked", [True, False])
def test_no_secret_goes_into_a_file_that_git_has_or_would_take(
    sandbox: Sandbox, browser: Browser, port: int, folder: Path, is_tracked: bool
) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    (folder / ".env").write_text("A=1\n")
    if is_tracked:
        subprocess.run(["git", "add", ".env"], check=True)
    result = run(sandbox, port, *PICKED)
    assert (result.exit_code, browser.opened) == (1, "")
    assert ("git tracks it" if is_tracked else "write .env into .gitignore first") in result.stderr
    assert (folder / ".env").read_text() == "A=1\n"


def test_an_ignored_file_is_written_and_keeps_what_it_has(
    sandbox: Sandbox, browser: Browser, port: int, folder: Path
) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    (folder / ".gitignore").write_text(".env\n")
    (folder / ".env").write_text(f"# mine\nA=1\n{TOKEN}=old\n")
    assert run(sandbox, port, *PICKED).exit_code == 0
    text = (folder / ".env").read_text()
    assert text.startswith("# mine\nA=1\n")
    assert "old" not in text


@pytest.mark.parametrize("to", ["nowhere/.env", ".", "broken.json"])
def test_a_place_that_cannot_be_written_is_told_before_anybody_signs_in(
    sandbox: Sandbox, browser: Browser, port: int, folder: Path, to: str
) -> None:
    (folder / "broken.json").write_text("{broken")
    result = run(sandbox, port, *PICKED, "--to", to)
    assert (result.exit_code, browser.opened, sandbox.requests) == (1, "", [])
    assert to in result.stderr


def test_a_file_that_others_could_read_is_its_owners_alone_afterwards(
    sandbox: Sandbox, browser: Browser, port: int, folder: Path
) -> None:
    (folder / ".env").write_text("A=1\n")
    (folder / ".env").chmod(0o644)
    assert run(sandbox, port, *PICKED).exit_code == 0
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_a_run_goes_where_the_token_is_from(sandbox: Sandbox, browser: Browser, port: int, folder: Path) -> None:
    assert run(sandbox, port, *PICKED).exit_code == 0
    assert dotenv.dotenv_values(folder / ".env")["TARGET_ADPOSTBACKS_TIKTOK_BASE_URL"] == sandbox.url


def test_advertisers_are_listed_with_the_ids_to_name(sandbox: Sandbox, browser: Browser, port: int) -> None:
    result = run(sandbox, port)
    assert "--advertiser: one of these expected: 7000000000000000001 (Example Games)" in result.stderr


def test_nobody_is_waited_for_longer_than_that(port: int) -> None:
    with pytest.raises(_callback.NoCode, match="nobody came back"):
        _callback.Callback(port, ("code",), "state-1").wait(0.1)


def test_a_port_that_is_taken_is_said(sandbox: Sandbox, port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        result = run(sandbox, port)
    assert (result.exit_code, "take another --port" in result.stderr) == (1, True)
