"""What every command of adpostbacks has in common."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from target_adpostbacks.cli import main


def test_modules_that_commands_share_are_no_commands() -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout
    assert {"demo", "doctor", "log", "resolve", "sandbox", "vectors"} <= {*shown.split()}
    assert "_options" not in shown
    assert CliRunner().invoke(main, ["_options"]).exit_code == 2


@pytest.mark.parametrize("command", ["doctor", "init", "log", "report", "resolve", "vectors"])
def test_the_help_of_a_command_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"]).stdout
    assert f"Example: adpostbacks {command} " in shown
