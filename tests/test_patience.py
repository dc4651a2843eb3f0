"""What hangs in a test is asked to end first."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from patience import run_to_its_end


def test_a_program_that_hangs_is_asked_to_end_before_it_is_killed(tmp_path: Path) -> None:
    program = "import pathlib, signal; signal.sigwait({signal.SIGTERM}); pathlib.Path('asked').touch()"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # it waits for a program that is not ready yet
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            run_to_its_end([sys.executable, "-c", program], cwd=tmp_path, seconds=0.1)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert (tmp_path / "asked").exists()


def test_what_a_program_says_is_told_with_its_exit_code() -> None:
    program = "import sys; print(input(), file=sys.stderr); print('out'); sys.exit(3)"
    ran = run_to_its_end([sys.executable, "-c", program], stdin="in")
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, "out\n", "in\n")
