"""A refresh token that each use replaces is kept: by one run after the other, and by several at once."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import an_account

from target_adpostbacks.core.answers import Access, NoAccess, Request, Response, Send, Verdict
from target_adpostbacks.core.oauth import refreshed
from target_adpostbacks.delivery.access import SignedIn
from target_adpostbacks.delivery.refresh_tokens import InUse, KeptToken, problems
from target_adpostbacks.networks.tiktok import TikTok, TikTokSettings

A_REQUEST = Request(url="https://api.example.com/events")
URL = "https://id.example.com/token"


class RotatingSettings(TikTokSettings, frozen=True, kw_only=True):
    refresh_token: str = "refresh-0"
    refresh_token_path: str | None = None


class Rotating(TikTok):
    """Signs in with a refresh token, which may be kept in a file."""

    def __init__(self, settings: Any, *more: Any) -> None:
        super().__init__(settings, *more)
        self.refresh_token_path = settings.refresh_token_path

    def credentials(self) -> tuple[str, ...]:
        return (self.settings.refresh_token,)  # type: ignore[attr-defined]

    def sign_in(self, send: Send) -> Access:
        token = self.settings.refresh_token  # type: ignore[attr-defined]
        return refreshed(send, URL, refresh_token=token, client_id="client-1").access


class Endpoint:
    """A transport whose token endpoint takes each refresh token once, and numbers those that it gives."""

    def __init__(self, good: str = "refresh-0") -> None:
        self.good = good
        self.asked: list[str] = []
        self.during: Callable[[], object] = lambda: None
        self._lock = threading.Lock()

    def __call__(self, request: Request, timeout_seconds: float) -> Response:
        if request.url != URL:
            return Response(status=200)
        token = request.body.decode().rpartition("refresh_token=")[2].partition("&")[0]
        with self._lock:
            self.asked.append(token)
            self.during()
            if token != self.good:
                description = f"{token} was used before"
                return Response(status=400, body={"error": "invalid_grant", "error_description": description})
            self.good = f"refresh-{len(self.asked)}"
            body = {"access_token": f"access-{len(self.asked)}", "expires_in": 100, "refresh_token": self.good}
            return Response(status=200, body=body)


class Run:
    """A run, which signs in through an endpoint; its clock stands until it is moved."""

    def __init__(self, endpoint: Endpoint, path: Path | None = None, refresh_token: str = "refresh-0") -> None:
        self.told: list[str] = []
        self.now = 0.0
        settings = RotatingSettings(
            pixel_code="D7VH38JC77U3LFDOLGRG",
            access_token="unused",
            refresh_token=refresh_token,
            refresh_token_path=None if path is None else str(path),
        )
        self.signed_in = SignedIn(Rotating(settings), endpoint, lambda: self.now, self.told.append)

    def send(self) -> None:
        self.signed_in(A_REQUEST, 0.1)

    def send_later(self) -> None:
        self.now += 100  # the access has ended
        self.send()

    def refused(self) -> NoAccess:
        with pytest.raises(NoAccess) as refused:
            self.send()
        return refused.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "token"


def kept(path: Path) -> str:
    """What is kept, and nothing is left beside it but the lock."""
    assert {file.name for file in path.parent.iterdir()} <= {path.name, f".{path.name}.lock"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path.read_text()


def test_each_run_signs_in_with_what_the_one_before_it_was_given(path: Path) -> None:
    endpoint = Endpoint()
    for _ in range(3):
        run = Run(endpoint, path)
        run.send()
        run.send_later()
        assert run.told == []
    assert endpoint.asked == [f"refresh-{n}" for n in range(6)]
    assert kept(path) == "refresh-6\n"


def test_a_file_that_others_could_read_is_its_owners_alone_once_it_is_replaced(path: Path) -> None:
    path.write_text(" refresh-newer\n")
    path.chmod(0o644)
    endpoint = Endpoint("refresh-newer")
    Run(endpoint, path).send()
    assert endpoint.asked == ["refresh-newer"]  # it goes before the settings
    assert kept(path) == "refresh-1\n"


def test_without_a_file_it_is_told_once_that_there_is_a_new_one_and_the_run_goes_on_with_it() -> None:
    endpoint = Endpoint()
    run = Run(endpoint)
    run.send()
    run.send_later()
    run.send_later()
    assert endpoint.asked == ["refresh-0", "refresh-1", "refresh-2"]
    (told,) = run.told
    assert "set refresh_token_path" in told
    assert "refresh-" not in told


def test_where_the_kept_one_has_ended_the_settings_own_is_tried(path: Path) -> None:
    path.write_text("refresh-old")
    endpoint = Endpoint()
    Run(endpoint, path).send()
    assert endpoint.asked == ["refresh-old", "refresh-0"]
    assert kept(path) == "refresh-2\n"


@pytest.mark.parametrize("held", ["refresh-old", "refresh-0", ""])
def test_where_none_is_good_each_is_asked_once_and_the_account_is_refused(path: Path, held: str) -> None:
    path.write_text(held)
    path.chmod(0o600)
    endpoint = Endpoint("another")
    run = Run(endpoint, path)
    assert run.refused().outcome.code == "invalid_grant"
    run.refused()
    assert endpoint.asked == [*dict.fromkeys(filter(None, (held, "refresh-0")))]
    assert kept(path) == held
    assert held in ("", "refresh-0") or held in run.signed_in.secrets  # which the endpoint repeats


def test_two_runs_at_once_never_use_one_token_twice(path: Path) -> None:
    endpoint = Endpoint()
    runs = [Run(endpoint, path) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(run.signed_in, A_REQUEST, 5) for run in runs for _ in range(4)]:
            done.result()
    assert endpoint.asked == [f"refresh-{n}" for n in range(8)]
    assert kept(path) == "refresh-8\n"


def test_a_run_that_finds_another_signing_in_tries_again_later(path: Path) -> None:
    endpoint = Endpoint()
    run = Run(endpoint, path)
    with KeptToken(str(path)).taken():
        assert run.refused().outcome.verdict is Verdict.TRANSIENT
        with pytest.raises(InUse), KeptToken(str(path)).taken():
            pass
        assert KeptToken(str(path)).problem() == ""
    run.send()
    assert endpoint.asked == ["refresh-0"]


def test_what_ends_before_the_new_one_is_written_leaves_the_old_one(path: Path) -> None:
    path.write_text("refresh-0\n")
    path.chmod(0o600)
    endpoint = Endpoint()

    def interrupted() -> None:
        raise KeyboardInterrupt

    endpoint.during = interrupted
    with pytest.raises(KeyboardInterrupt):
        Run(endpoint, path).send()
    assert endpoint.asked == ["refresh-0"]
    assert kept(path) == "refresh-0\n"


def test_what_a_killed_run_left_beside_the_token_is_in_nobodys_way(path: Path) -> None:
    path.with_name(".token.new").write_text("refresh-half")
    Run(Endpoint(), path).send()
    assert kept(path) == "refresh-1\n"


def test_of_a_link_what_it_leads_to_is_replaced(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "links" / "token"
    link.parent.mkdir()
    link.symlink_to(path)
    Run(Endpoint(), link).send()
    assert link.is_symlink()
    assert path.read_text() == "refresh-1\n"


def no_folder(path: Path) -> Path:
    path.write_text("a file")
    return path / "token"


def a_folder_that_is_not_there(path: Path) -> Path:
    return path.with_name("nowhere") / "token"


def a_folder(path: Path) -> Path:
    path.mkdir()
    return path


def another_file(path: Path) -> Path:
    path.write_text("[section]\nuser = me\n")
    return path


def a_large_file(path: Path) -> Path:
    path.write_text("x" * 20_000)
    return path


@pytest.mark.parametrize("made", [no_folder, a_folder_that_is_not_there, a_folder, another_file, a_large_file])
def test_where_it_can_not_be_kept_nobody_signs_in(path: Path, made: Callable[[Path], Path]) -> None:
    place = made(path)
    endpoint = Endpoint()
    run = Run(endpoint, place)
    outcome = run.refused().outcome
    assert outcome.verdict is Verdict.CREDENTIALS
    assert outcome.message.startswith("refresh_token_path: ")
    assert KeptToken(str(place)).problem() == outcome.message
    assert endpoint.asked == []
    assert not path.with_name("nowhere").exists()


def test_a_new_one_that_can_not_be_written_is_told_and_used_for_the_run(path: Path) -> None:
    path.write_text("refresh-0")
    endpoint = Endpoint()
    run = Run(endpoint, path)

    def blocked() -> None:
        path.unlink()
        path.mkdir()

    endpoint.during = blocked
    run.send()
    endpoint.during = lambda: None
    path.rmdir()
    path.write_text("refresh-0")  # as it was before: the newer one is in memory
    (told,) = run.told
    assert "refresh_token_path: can't be written" in told
    assert "refresh-" not in told
    run.send_later()
    assert endpoint.asked == ["refresh-0", "refresh-1"]
    assert path.read_text() == "refresh-2\n"


def test_what_keeps_accounts_from_it_is_told_before_one_signs_in(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    account = an_account("tiktok")
    assert account.network
    assert problems([account]) == []
    account.network.refresh_token_path = str(tmp_path / "file" / "token")
    (told,) = problems([account])
    assert told.startswith("tiktok.default.refresh_token_path: there is no such folder")
