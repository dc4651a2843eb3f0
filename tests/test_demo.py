"""``adpostbacks demo``: its fictional conversions, what it tells, and that it leaves nothing behind."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import COLUMNS, NOW, SETTINGS, an_account
from patience import PATIENCE, run_to_its_end
from rich.console import Console

from target_adpostbacks.cli.demo import demo
from target_adpostbacks.config import read
from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.preparation import Preparation
from target_adpostbacks.core.record import parse
from target_adpostbacks.core.settings import examples
from target_adpostbacks.demo import orders
from target_adpostbacks.demo.conversions import POISONED, conversions, singer
from target_adpostbacks.demo.story import Story
from target_adpostbacks.demo.summary import outcomes
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.run import preparation_of

COMMAND = str(Path(sys.executable).with_name("adpostbacks"))
MISLEADING = {
    "TARGET_ADPOSTBACKS_TIKTOK_BASE_URL": "https://tiktok.invalid",
    "TARGET_ADPOSTBACKS_REDDIT": "{}",
    "TAP_POSTGRES_HOST": "warehouse.invalid",
    "MELTANO_ENVIRONMENT": "prod",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "COLUMNS": "80",
}
"""Of whoever runs the demo; it must not care."""


def test_the_conversions_are_about_two_thousand_of_the_last_days_in_the_order_of_their_arrival() -> None:
    rows = conversions(NOW)
    assert len(rows) == 2000
    assert len({row["event_id"] for row in rows}) == len({row["conversion_id"] for row in rows}) == 2000
    arrived = [row["updated_at"] for row in rows]
    assert arrived == sorted(arrived)
    assert NOW - timedelta(days=5) < arrived[0] < arrived[-1] < NOW


@pytest.mark.parametrize(("code", "answer"), [("100", "it answered 100: not valid"), ("", "it answered not valid")])
def test_a_refusal_is_told_with_the_networks_code_where_it_gave_one(code: str, answer: str) -> None:
    row = {"network": "meta", "status": "rejected", "reason": "", "test": False, "code": code, "message": "not valid"}
    console = Console(file=io.StringIO(), width=80)
    console.print(outcomes([row]))
    assert isinstance(console.file, io.StringIO)
    assert answer in console.file.getvalue()


def test_the_conversions_are_the_same_each_time() -> None:
    assert conversions(NOW) == conversions(NOW)


def test_all_but_two_of_the_conversions_are_conversions() -> None:
    rows = conversions(NOW)
    invalid = [row for row in rows if not (row["event_time"] and row["event_name"])]
    assert len(invalid) == 2
    for row in invalid:
        with pytest.raises(InvalidConversion):
            parse(row, COLUMNS)
    assert not any(parse(row, COLUMNS).unusable for row in rows if row not in invalid)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_conversions_of_each_kind(name: str) -> None:
    network = NETWORKS[name]
    rows = [row for row in conversions(NOW) if row["network"] == name]
    assert any(row["event_id"] == POISONED.get(name) for row in rows) == (name in POISONED)
    assert any(row[network.click_ids[0]] for row in rows)
    assert any(row["event_time"] and NOW - row["event_time"] > network.max_age for row in rows)
    assert any(row["test"] for row in rows) == network.takes_tests()
    sources = {row["event_source"] for row in rows}
    assert ("app" in sources) == (network.assets.get("app") in examples(network.settings_type))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_click_id_has_the_form_that_the_network_asks_for(name: str) -> None:
    network, account = NETWORKS[name], an_account(name)
    rows = [row for row in conversions(NOW) if row["network"] == name and row[network.click_ids[0]]]
    preparation = Preparation({name: [account]}, COLUMNS, {name: name})
    prepared = [preparation.prepare(row, NOW, stream="conversions") for row in rows]
    assert len({row[network.click_ids[0]] for row in rows}) == len(rows)
    assert {unusable for each in prepared for unusable in each.unusable} == set()


def test_a_network_is_also_meant_by_an_alias_and_by_a_click_id_alone() -> None:
    rows = conversions(NOW)
    assert {network.aliases[0] for network in NETWORKS.values()} <= {row["network"] for row in rows}
    for network in NETWORKS.values():
        assert any(row["network"] is None and row[network.click_ids[0]] for row in rows)


def test_the_singer_file_is_what_a_tap_would_write() -> None:
    messages = [json.loads(line) for line in singer(conversions(NOW))]
    assert Counter(message["type"] for message in messages) == {"SCHEMA": 1, "RECORD": 2000, "STATE": 4}
    assert messages[0]["type"] == "SCHEMA"
    assert messages[-1]["type"] == "STATE"


@pytest.mark.parametrize(
    ("logged", "told"),
    [
        ("2026-11-20T12:00:00.1Z [warning  ] target-adpostbacks Line 3: odd.", "Line 3: odd."),
        ("2026-11-20 12:00:00,123 | WARNING  | target-adpostbacks   | Line 3: odd.", "Line 3: odd."),
        ("2026-11-20T12:00:00.1Z [info     ] target-adpostbacks Done in 1 s: read 2", "Done in 1 s: read 2"),
        ("2026-11-20T12:00:00.1Z [info     ] target-adpostbacks METRIC", ""),
        ("2026-11-20T12:00:00.1Z [warning  ] meltano      No state was found.", ""),
        ("something else", ""),
    ],
)
def test_of_what_the_programs_log_the_story_tells_warnings_and_the_end(logged: str, told: str) -> None:
    out = io.StringIO()
    Story(Console(file=out, width=80)).line(logged)
    assert out.getvalue().strip() == told


@contextmanager
def a_folder_that_stays_empty(but: str = "") -> Iterator[str]:
    """A place for temporary files; at the end no file is there and no process knows of it. ``but``: what may be."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL does not run as root, and must get there all the same
        yield folder
        left = [path for path in Path(folder).rglob("*") if path.is_file()] or [*Path(folder).iterdir()]
        assert [path.name for path in left] == ([but] if but else [])
        running = subprocess.run(["ps", "-A", "-o", "args"], check=True, capture_output=True, text=True).stdout
        assert folder not in running


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--no-postgres"], []], ids=["piped", "scheduled"])
def test_the_demo_sends_everything_once_and_leaves_nothing(options: list[str]) -> None:
    with a_folder_that_stays_empty("report.html") as folder:
        environ = {**os.environ, **MISLEADING, "TMPDIR": folder}
        ran = run_to_its_end([COMMAND, "demo", *options], env=environ)
        *_, page, hint = ran.stdout.splitlines()
        assert "Conversions delivered" in Path(page).read_text()
        assert hint.startswith("Once more with files")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = " ".join(ran.stdout.split())
    (accepted,) = re.findall(rf"read 2000, accepted (\d+), already accepted 0, rejected {len(POISONED)},", told)
    assert f"read 2001, accepted 0, already accepted {int(accepted) - 1}, rejected {len(POISONED)}," in told
    assert "suppressed 2" in told
    assert "Left out, suppressed: 1, the purchase after they were erased." in told
    assert "Whom to ask for deletion: " in told
    ((live, tests),) = re.findall(r"([\d,]+) live conversions and (\d+) test ones, every one once", told)
    assert int(live.replace(",", "")) + int(tests) == int(accepted) > 1000
    assert "deliveries 2,000" in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80


@pytest.mark.slow
def test_the_same_story_is_told_from_the_rows_of_a_shop() -> None:
    with a_folder_that_stays_empty("report.html") as folder:
        environ = {**os.environ, **MISLEADING, "TMPDIR": folder}
        options = ["--source", "shopify_orders"]
        ran = run_to_its_end([COMMAND, "demo", *options], env=environ)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = " ".join(ran.stdout.split())
    (accepted,) = re.findall(r"read 2000 \(2100 conversions\), accepted (\d+), already accepted 0,", told)
    assert re.search(rf"read 2001 \(2101 conversions\), accepted 0, already accepted {int(accepted) - 1},", told)
    assert "Left out, suppressed: 1, the purchase after they were erased." in told
    assert "every one once. 10 of them were corrected, each once." in told


def test_the_shops_orders_are_of_every_kind() -> None:
    rows = orders.ordered(conversions(NOW))
    made = [orders.order(row) for row in rows]
    assert len({row["event_id"] for row in rows}) == len({str(each["id"]) for each in made}) == 2000
    preparation = preparation_of(*read({**orders.SETTINGS, **{name: SETTINGS[name] for name in ("tiktok", "meta")}}))
    prepared = [preparation.prepare(each, NOW, stream="orders", key=["id"]) for each in made]
    assert sum(each.conversions for each in prepared) == 2100
    assert {each.reason for one in prepared for each in one.not_sent} >= {"by_rule", "not_attributed", "no_adjustments"}
    assert {each.key.network for one in prepared for each in one.postbacks} == {"tiktok", "meta"}
    messages = [json.loads(line) for line in orders.singer(rows)]
    assert Counter(message["type"] for message in messages) == {"SCHEMA": 1, "RECORD": 2000, "STATE": 1}


@pytest.mark.slow
def test_a_demo_that_is_stopped_leaves_nothing_either() -> None:
    with a_folder_that_stays_empty() as folder:
        environ = {**os.environ, "TMPDIR": folder, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen([COMMAND, "demo"], stdout=subprocess.PIPE, text=True, env=environ) as process:
            assert process.stdout
            next(line for line in process.stdout if re.search(r"Line \d+: ", line))
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            assert process.wait(PATIENCE) == 128 + signal.SIGTERM


@pytest.mark.parametrize("folder", ["file/demo", "file", "x" * 300])
def test_a_folder_that_cannot_be_kept_is_told_in_one_line(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(demo, ["--no-postgres", "--keep", str(tmp_path / folder)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: --keep {tmp_path / folder}: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_demo_keeps_its_files_where_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "meltano.yml").touch()  # a project, whose ledger it must not touch
    command = [COMMAND, "demo", "--no-postgres", "--keep", str(tmp_path / "demo")]
    run_to_its_end(command).check_returncode()
    assert {"adpostbacks.db", "config.json", "conversions.jsonl", "report.html"} <= {
        path.name for path in tmp_path.glob("demo/*")
    }
    again = run_to_its_end(command)
    assert again.returncode == 2
    assert "has files in it" in again.stderr


@pytest.mark.parametrize(
    ("missing", "options", "extra"), [("jsonschema_rs", ["--no-postgres"], "sandbox"), ("target_postgres", [], "demo")]
)
def test_without_its_extra_the_demo_says_what_to_install(missing: str, options: list[str], extra: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from target_adpostbacks.cli.demo import demo; demo()"
    ran = subprocess.run([sys.executable, "-c", program, *options], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"Error: the demo needs its extra: pip install 'target-adpostbacks[{extra}]'\n"
