"""How long tests wait before they call it a hang, and programs that are asked to end before they are killed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

PATIENCE = 900
"""Seconds that nothing takes that a test waits for, on the slowest machine and the busiest."""
LAST_WORDS = 60
"""Seconds for a program that hangs to end what it has started."""


def run_to_its_end(
    command: Sequence[str], *, stdin: str = "", seconds: float = PATIENCE, **popen: Any
) -> subprocess.CompletedProcess[str]:
    """What came of a program; if it hangs, its children do not outlive it and write where a test tidies up."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **popen) as process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=LAST_WORDS)
            raise
        finally:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
