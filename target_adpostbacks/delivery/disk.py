"""Sees that what is written outlives a loss of power."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

NO_DISK = (errno.EINVAL, errno.ENOTSUP)
"""What a system says of a pipe, a socket or a terminal: there is nothing to wait for."""


def keep(file: IO[bytes] | IO[str]) -> None:
    """Wait until all that was written to a file is on its disk, if it has one. Raises OSError."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in NO_DISK:
            raise


def keep_names(folder: Path) -> None:
    """The same for the names of files that were made or moved there, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
