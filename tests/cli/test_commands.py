"""What every command of adpostbacks has in common."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from ledger_rows import NOW, a_row

from target_adpostbacks.cli import main
from target_adpostbacks.ledger import Ledger

COMMAND = str(Path(sys.executable).with_name("adpostbacks"))
METAVARS = {"CODE", "DAY", "DAYS", "EMAIL", "FILE", "FOLDER", "ID", "N", "NAME", "PHONE", "URL", "WHEN", "ZONE"}
"""What the help calls a value. Those of a choice stand there themselves."""
WRITING = [["log"], ["log", "--ids"], ["explain", "evt-1"], ["health"], ["vectors"], ["vectors", "--help"]]


def test_modules_that_commands_share_are_no_commands() -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout
    assert {"demo", "doctor", "log", "resolve", "sandbox", "vectors"} <= {*shown.split()}
    assert "_options" not in shown
    assert CliRunner().invoke(main, ["_options"]).exit_code == 2


@pytest.mark.parametrize("command", ["doctor", "init", "links", "log", "reconcile", "report", "resolve", "vectors"])
def test_the_help_of_a_command_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"]).stdout
    assert f"Example: adpostbacks {command} " in shown


def test_the_help_says_what_the_commands_are_for() -> None:
    said = main.get_short_help_str(limit=200)
    for what in ("Set up", "try", "delivered", "cost", "erase"):
        assert what in said


def test_the_help_lists_commands_with_whole_sentences() -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout.partition("Commands:")[2].partition("\n\n")[0]
    assert [line for line in shown.splitlines() if "..." in line] == []


def test_the_help_says_once_where_the_ledger_is() -> None:
    said = {name: " ".join(CliRunner().invoke(main, [*name, "--help"]).stdout.split()) for name in ((), ("log",))}
    assert "adpostbacks.db in the folder that MELTANO_PROJECT_ROOT names" in said[()]
    assert "`adpostbacks --help` says where it is" in said["log",]
    assert "MELTANO_PROJECT_ROOT" not in said["log",]


@pytest.mark.parametrize(
    ("typed", "meant"), [("lgo", " Did you mean log?"), ("reconsile", " Did you mean reconcile?"), ("xyzzy", "")]
)
def test_a_command_that_is_none_is_told_with_the_nearest_one(typed: str, meant: str) -> None:
    result = CliRunner().invoke(main, [typed])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"Error: No such command '{typed}'.{meant}"


def options(group: click.Group) -> Iterator[tuple[str, click.Option]]:
    """Every option of every command, with the names of both."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from options(command)
        for option in command.params:
            if isinstance(option, click.Option):
                yield f"{name} {option.opts[0]}", option


def test_the_help_calls_all_values_in_one_style() -> None:
    taking = [
        (name, each) for name, each in options(main) if not each.is_flag and not isinstance(each.type, click.Choice)
    ]
    assert taking
    assert {name: each.metavar for name, each in taking if each.metavar not in METAVARS} == {}


def written_to(stdout: int, folder: Path, arguments: list[str]) -> tuple[int, str]:
    """The exit code and standard error of the real command, over a ledger with one delivery."""
    ledger = Ledger(f"sqlite:///{folder}/adpostbacks.db", "run-1")
    ledger.write(NOW, [a_row("evt-1")])
    ledger.close()
    try:
        command = [COMMAND, *arguments]
        ran = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, cwd=folder)
    finally:
        os.close(stdout)
    return ran.returncode, ran.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has this device")
@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
def test_a_full_disk_ends_a_command_with_one_line(tmp_path: Path, arguments: list[str]) -> None:
    ended = written_to(os.open("/dev/full", os.O_WRONLY), tmp_path, arguments)
    assert ended == (1, "Error: the output can't be written: No space left on device\n")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
def test_a_reader_that_has_seen_enough_ends_a_command_quietly(tmp_path: Path, arguments: list[str]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    assert written_to(writes, tmp_path, arguments) == (0, "")
