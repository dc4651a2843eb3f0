"""``adpostbacks health``: a line for each account, in every format, with an exit code for monitors."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner, Result
from conftest import SETTINGS
from ledger_rows import a_row, an_attempt
from test_log import COMMAND, UNSENT

from target_adpostbacks.cli import main
from target_adpostbacks.ledger import Ledger

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/health.json").read_text())
BEGUN = datetime.now(timezone.utc)
SAMPLE = re.compile(r'adpostbacks_[a-z0-9_]+\{([a-z_]+="(\\\\|\\"|\\n|[^"\\\n])*",?)*\} -?[0-9.e+]+').fullmatch


def ago(**before: float) -> str:
    return (BEGUN - timedelta(**before)).isoformat(timespec="milliseconds")


def fill(url: str, status: str = "accepted", at: str = ago(minutes=5), **columns: Any) -> None:
    event_id = f"evt-{at}-{status}-{columns.get('network')}"
    with closing(Ledger(url, "run-1")) as ledger:
        request = an_attempt(event_id, started_at=at, status="Success" if status == "accepted" else "Failed")
        ledger.write(at, [a_row(event_id, status, **{"attempt_id": event_id, "sent_at": at, **columns})], [request])


def run(url: str, *arguments: str, config: dict[str, Any] | None = None, folder: Path | None = None) -> Result:
    if config is not None and folder is not None:
        (folder / "config.json").write_text(json.dumps(config))
        arguments += ("--config", str(folder / "config.json"))
    return CliRunner().invoke(main, ["health", "--ledger-url", url, *arguments])


def as_json(result: Result) -> list[dict[str, Any]]:
    healths: list[dict[str, Any]] = json.loads(result.stdout)
    jsonschema_rs.validator_for(SCHEMA, validate_formats=True).validate(healths)
    return healths


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


REFUSED: dict[str, Any] = {
    "status": "open",
    "reason": "credentials",
    "code": "40001",
    "message": "No permission to operate pixel code",
    "deadline": ago(hours=-3),
    "value": 100.1,
}


def test_an_account_that_delivers_exits_0(url: str) -> None:
    fill(url)
    result = run(url, "--format", "json")
    assert result.exit_code == 0
    assert as_json(result) == [
        {
            "account": "tiktok.default",
            "state": "delivering",
            "since": None,
            "last_accepted_at": ago(minutes=5),
            "last_24h": {"accepted": 1, "rejected": 0, "open": 0},
            "open_money": {},
            "advice": "",
        }
    ]


def test_a_refused_token_exits_1_with_words_advice_and_money(url: str) -> None:
    fill(url, at=ago(hours=2))
    fill(url, at=ago(hours=1), **REFUSED)
    result = run(url, "--format", "json")
    assert result.exit_code == 1
    (health,) = as_json(result)
    assert (health["state"], health["since"], health["open_money"]) == (
        "credential_failures",
        ago(hours=1),
        {"USD": 100.1},
    )
    assert health["advice"].startswith(
        "40001: No permission to operate pixel code. Generate the token in Events Manager"
    )


def test_a_network_that_is_down_exits_1(url: str) -> None:
    fill(url, "open", reason="transient", code="", message="", http_status=503, event_time=ago(minutes=6))
    result = run(url, "--format", "json")
    (health,) = as_json(result)
    assert (result.exit_code, health["state"], health["since"]) == (1, "degraded", ago(minutes=5))
    assert health["advice"].startswith("The newest request had no success: HTTP 503.")


@pytest.mark.parametrize("style", ["table", "json", "jsonl", "csv", "prometheus"])
def test_no_ledger_is_an_empty_one(url: str, tmp_path: Path, style: str) -> None:
    result = run(url, "--format", style)
    assert result.exit_code == 0
    told = f"No account has sent anything yet: no ledger at {tmp_path}/ledger.db yet"
    assert result.stderr.startswith(told) if style == "table" else not result.stderr
    assert "tiktok" not in result.stdout
    assert [*tmp_path.iterdir()] == []


def test_each_account_of_the_config_has_a_line(url: str, tmp_path: Path) -> None:
    fill(url, network="meta")
    config = {
        "tiktok": {"accounts": {"game_a": SETTINGS["tiktok"], "game_b": {**SETTINGS["tiktok"], "enabled": False}}},
        "reddit": SETTINGS["reddit"],
    }
    result = run(url, "--format", "json", config=config, folder=tmp_path)
    assert result.exit_code == 0, result.stderr
    assert [(each["account"], each["state"], each["since"]) for each in as_json(result)] == [
        ("reddit.default", "no_recent_activity", None),
        ("tiktok.game_a", "no_recent_activity", None),
    ]


@pytest.mark.parametrize("enabled", [False, None], ids=["switched off", "not in the config"])
def test_what_is_open_for_an_account_that_gets_nothing_any_more_is_told(
    url: str, tmp_path: Path, *, enabled: bool | None
) -> None:
    fill(url, at=ago(days=2), **{**REFUSED, "reason": "transient", "code": ""})
    section = {"tiktok": {**SETTINGS["tiktok"], "enabled": False}} if enabled is False else {}
    config = {"reddit": SETTINGS["reddit"], **section}
    result = run(url, "--format", "json", config=config, folder=tmp_path)
    told, *_ = [each for each in as_json(result) if each["account"] == "tiktok.default"]
    assert (result.exit_code, told["state"], told["since"]) == (1, "degraded", ago(days=2))
    assert told["open_money"] == {"USD": 100.1}
    assert told["advice"].startswith("The config no longer sends to it, and 1 is open:")


def test_with_a_config_a_ledger_that_is_not_there_is_named(url: str, tmp_path: Path) -> None:
    result = run(url, config={"tiktok": {**SETTINGS["tiktok"]}}, folder=tmp_path)
    assert result.exit_code == 0
    assert f"{tmp_path}/ledger.db yet" in result.stderr
    assert "tiktok.default  no_recent_activity" in result.stdout
    fill(url)
    assert run(url, config={"tiktok": {**SETTINGS["tiktok"]}}, folder=tmp_path).stderr == ""


def test_a_ledger_of_accounts_that_are_switched_off_is_not_called_an_empty_one(url: str, tmp_path: Path) -> None:
    fill(url)
    result = run(url, config={"tiktok": {**SETTINGS["tiktok"], "enabled": False}}, folder=tmp_path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("No account of the config is switched on, and nothing is open: the ledger is ")


def test_help_says_all_that_the_config_decides() -> None:
    told = " ".join(CliRunner().invoke(main, ["health", "--help"]).stdout.split())
    assert "for its `ledger_url`, accounts and limits." in told


def test_a_silent_account_exits_1(url: str) -> None:
    fill(url, at=ago(days=2))
    result = run(url, "--format", "json")
    assert result.exit_code == 1
    assert [(each["state"], each["since"]) for each in as_json(result)] == [("no_recent_activity", ago(days=2))]


def test_the_setting_health_and_the_tokens_age_are_read_from_the_config(url: str, tmp_path: Path) -> None:
    fill(url, at=ago(days=2))
    section = {**SETTINGS["tiktok"], "token_created_at": "2020-01-01"}
    quiet = {"health": {"quiet_hours": 72}, "tiktok": section}
    old = run(url, "--format", "json", config=quiet, folder=tmp_path)
    assert old.stderr == ""
    assert (old.exit_code, [each["state"] for each in as_json(old)]) == (1, ["degraded"])
    assert "token_max_age_days is 365: rotate it" in as_json(old)[0]["advice"]
    young = run(url, config={**quiet, "token_max_age_days": 36_500}, folder=tmp_path)
    assert (young.exit_code, "delivering" in young.stdout) == (0, True)


def test_a_config_with_mistakes_ends_with_all_of_them(url: str, tmp_path: Path) -> None:
    config = {"tiktok": SETTINGS["tiktok"], "health": {"open_hour": 1, "quiet_hours": -1}, "token_max_age_days": 0}
    result = run(url, config=config, folder=tmp_path)
    assert result.exit_code == 1
    for mistake in (
        "health.open_hour: no such threshold; did you mean open_hours?",
        "health.quiet_hours: a number from 0 to 100000 expected",
        "token_max_age_days: a whole number of at least 1 expected",
    ):
        assert mistake in result.stderr


def test_the_table_tells_state_counts_advice_and_money(url: str) -> None:
    fill(url, at=ago(hours=2), value=3)
    fill(url, at=ago(hours=1), **REFUSED)
    lines = run(url).stdout.splitlines()
    assert lines[0].split() == ["Account", "State", "Last", "accepted", "Accepted", "Rejected", "Open"]
    assert lines[1].split() == ["tiktok.default", "credential_failures", *ago(hours=2)[:16].split("T"), "1", "0", "1"]
    assert lines[2].startswith(f"    Since {ago(hours=1)[:16].replace('T', ' ')}. 40001: No permission")
    assert lines[3].startswith("    100.10 USD open for tiktok, 100.10 of it can't be sent after ")
    assert lines[-1] == "Counts are of the last 24 hours, times are UTC."


def test_what_holds_for_several_accounts_is_told_once(url: str) -> None:
    asset = "PIXEL@http://127.0.0.1:8765"
    for network in ("meta", "reddit", "tiktok"):
        fill(url, network=network, asset=asset)
    lines = run(url).stdout.splitlines()
    advice = "This counts a trial at a loopback address: no network has its deliveries."
    assert [line.split()[0] for line in lines] == [
        "Account",
        "meta.default",
        "reddit.default",
        "tiktok.default",
        "All",
        "Counts",
    ]
    assert lines[-2] == f"All accounts: {advice}"
    fill(url, network="snapchat")
    assert f"meta.default, reddit.default, tiktok.default: {advice}" in run(url).stdout.splitlines()
    assert {each["advice"] for each in as_json(run(url, "--format", "json"))} == {advice, ""}


def test_rows_are_csv_with_what_a_spreadsheet_may_run_made_harmless(url: str) -> None:
    hostile = {**REFUSED, "code": "", "message": "=HYPERLINK(1)", "network": "+cmd", "http_status": None}
    fill(url, **hostile)
    (row,) = csv.DictReader(io.StringIO(run(url, "--format", "csv").stdout))
    assert row["account"] == "'+cmd.default"
    assert row["advice"].startswith("'=HYPERLINK(1)")
    assert (row["state"], row["open"], row["open_money"]) == ("credential_failures", "1", '{"USD": 100.1}')


def test_no_file_of_rows_holds_a_character_that_nobody_sees(url: str, tmp_path: Path) -> None:
    fill(url, **{**REFUSED, "message": "\x1b[2J\u202egone\nforged,line"}, network="net\x9b\n")
    assert run(url, "--format", "csv", "--output", str(tmp_path / "x.csv")).exit_code == 1
    _, row = (tmp_path / "x.csv").read_text().splitlines()
    assert row.isprintable()
    assert "\\u001b[2J\\u202egone\\nforged,line" in row


def test_prometheus_reads_every_line_whatever_labels_hold(url: str, tmp_path: Path) -> None:
    fill(url, **REFUSED)
    fill(url, network='net"} 1\nforged{x="\\', currency="EUR", account="\x1b[31mred")
    result = run(url, "--format", "prometheus")
    assert result.exit_code == 1
    samples = [line for line in result.stdout.splitlines() if not line.startswith("# ")]
    assert all(map(SAMPLE, samples))
    assert not [line for line in samples if line.startswith("forged")]
    assert '"tiktok.default",state="credential_failures"} 1' in result.stdout
    assert 'adpostbacks_open_money{account="tiktok.default",currency="USD"} 100.1\n' in result.stdout
    assert "\x1b" not in result.stdout
    names = re.findall(r"^# TYPE (\S+) gauge$", result.stdout, re.MULTILINE)
    assert len({*names}) == len(names)


def test_output_replaces_the_file_at_once_and_leaves_nothing_beside_it(url: str, tmp_path: Path) -> None:
    fill(url)
    folder = tmp_path / "textfiles"
    folder.mkdir()
    (folder / "adpostbacks.prom").write_text("old")
    (folder / "link.prom").symlink_to("adpostbacks.prom")
    result = run(url, "--format", "prometheus", "--output", str(folder / "link.prom"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "adpostbacks_account_state" in (folder / "adpostbacks.prom").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["adpostbacks.prom", "link.prom"]
    assert (folder / "adpostbacks.prom").stat().st_mode & 0o044 == 0o044 & ~_umask()


def test_a_replaced_file_keeps_its_mode(url: str, tmp_path: Path) -> None:
    (file := tmp_path / "x.prom").touch()
    file.chmod(0o640)
    assert run(url, "--format", "prometheus", "--output", str(file)).exit_code == 0
    assert "adpostbacks_" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("place", ["-", "/dev/stdout"])
def test_output_to_standard_output_is_written_behind_what_is_there(url: str, tmp_path: Path, place: str) -> None:
    words = [COMMAND, "health", "--ledger-url", url, "--format", "json", "--output", place]
    with (tmp_path / "all.txt").open("w") as file:
        file.write("before\n")
        file.flush()
        subprocess.run(words, stdout=file, check=True, cwd=tmp_path)
        file.write("after\n")
    assert (tmp_path / "all.txt").read_text() == "before\n[\n]\nafter\n"
    assert [each.name for each in tmp_path.iterdir()] == ["all.txt"]
    assert subprocess.run(words, capture_output=True, check=True, cwd=tmp_path).stdout == b"[\n]\n"


def test_output_to_a_pipe_is_written_to_it(url: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert run(url, "--format", "json", "--output", str(tmp_path / "pipe")).exit_code == 0
    assert os.read(reading, 100) == b"[\n]\n"
    os.close(reading)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_output_that_cannot_be_written_is_told_in_one_line(url: str, tmp_path: Path) -> None:
    result = run(url, "--output", str(tmp_path / "none" / "x.prom"))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("x.prom: No such file or directory")


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_gets_no_line_that_is_wider_and_nothing_that_it_would_obey(url: str, width: int) -> None:
    fill(url, **REFUSED)
    fill(
        url,
        account="a_name_that_is_longer_than_any_that_somebody_would_choose",
        message="\x1b[2Jgone\x07" * 40,
        **UNSENT,
    )
    shown = on_terminal(width, "health", "--ledger-url", url)
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in shown) <= width
    assert not [line for line in shown if "\x1b[2J" in line or "\x07" in line]


def on_terminal(width: int, *words: str) -> list[str]:
    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": str(width), "TERM": "xterm-256color"}
    subprocess.run([COMMAND, *words], stdout=theirs, env=env, check=False)
    os.close(theirs)
    text = b""
    with suppress(OSError):  # the end
        while True:
            text += os.read(ours, 65536)
    os.close(ours)
    return text.decode().splitlines()
