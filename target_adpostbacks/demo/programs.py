"""Runs the programs of this environment, shielded from the settings and proxies of whoever runs the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

OFFLINE: Mapping[str, str] = {
    "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
    "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
    "MELTANO_HUB_URL": "http://127.0.0.1:9",  # nobody answers there
    "MELTANO_CLI_LOG_FORMAT": "uncolored",
    "NO_COLOR": "1",
    "NO_PROXY": "*",
    "PYTHONWARNINGS": "ignore",  # of the age of this Python
}
FOREIGN = ("MELTANO_", "TAP_", "TARGET_", "SINGER_", "PG", "LEDGER_URL")
PATIENCE_SECONDS = 10


class Failed(RuntimeError):
    """A program ended badly: says which, and its last lines."""


class Programs:
    """Programs in a folder. ``logged`` gets every line that they log."""

    def __init__(self, folder: Path, logged: Callable[[str], None], settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._logged = logged
        logs = {"XDG_STATE_HOME": str(folder / ".meltano")}  # Meltano's own; else in the user's home
        self._environ = {**_own(os.environ), **OFFLINE, **logs, **(settings or {})}

    def run(self, *command: str, read: str | None = None, write: str | None = None) -> None:
        """Run one to its end, with files of the folder as its input and output; raises Failed."""
        last: deque[str] = deque(maxlen=20)
        with self._files(read, write) as (stdin, stdout), self._started(command, stdin, stdout) as process:
            for line in process.stderr or process.stdout or ():
                last.append(line.rstrip("\n"))
                self._logged(last[-1])
        if process.returncode:
            raise Failed("\n".join((f"{' '.join(command)} ended with {process.returncode}:", *last)))

    @contextmanager
    def _files(self, read: str | None, write: str | None) -> Iterator[tuple[int, int]]:
        source = os.open(self.folder / read if read else os.devnull, os.O_RDONLY)
        sink = os.open(self.folder / write if write else os.devnull, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            yield source, sink
        finally:
            os.close(source)
            os.close(sink)

    @contextmanager
    def _started(self, command: tuple[str, ...], stdin: int, stdout: int) -> Iterator[subprocess.Popen[str]]:
        """A process in a session of its own, so that it ends together with all that it started."""
        process = subprocess.Popen(  # noqa: S603 - commands of the demo's own
            command,
            cwd=self.folder,
            env=self._environ,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        with process:
            try:
                yield process
                process.wait()
            except BaseException:
                _end(process)
                raise


def _end(process: subprocess.Popen[str]) -> None:
    """Ask it and all that it started, then insist."""
    with suppress(ProcessLookupError):  # none of the group is left
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_SECONDS)
        for _ in range(20):
            os.killpg(process.pid, 0)
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _own(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would change the demo; this Python's programs first."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(FOREIGN) and not name.lower().endswith("_proxy")
    }
    return {**kept, "PATH": os.pathsep.join((str(Path(sys.executable).parent), environ.get("PATH", os.defpath)))}
