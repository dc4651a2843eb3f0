"""Starts the process of a worker. Imports nothing that takes time: it is the first that a long run does."""

from __future__ import annotations

import os
import subprocess
import sys

START = (
    "import gc, sys; gc.disable(); sys.path[:] = sys.argv[1:];"
    " from target_adpostbacks.workers.process import main; main()"
)
ENVIRONMENT = (
    "PYTHONHOME PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX PYTHONTZPATH LD_LIBRARY_PATH DYLD_LIBRARY_PATH".split()
)
"""What Python needs to start; everything else may be a secret."""


def spawn() -> subprocess.Popen[bytes]:
    """Until it is given its work, it imports what it needs. Raises OSError."""
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", START, *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        start_new_session=True,  # the terminal's signals don't reach it, not even while it starts
        bufsize=0,
    )
