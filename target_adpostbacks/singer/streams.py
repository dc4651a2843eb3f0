"""Standard streams that are closed, full or read no further."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def open_closed(*names: str) -> None:
    """Put the null device where ``stdout`` or ``stderr`` is closed.

    Else the ledger or a socket would get its number, and whatever is printed.
    """
    for name in names:
        if getattr(sys, name) is not None:
            continue
        number = {"stdout": 1, "stderr": 2}[name]
        null = os.open(os.devnull, os.O_WRONLY)
        if null == number:
            os.set_inheritable(null, True)
        else:
            os.dup2(null, number)
            os.close(null)
        setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


@contextmanager
def until_read() -> Iterator[None]:
    """A reader that has seen enough (``| head``) ends the program quietly, exit 0; a full disk in one line, exit 1."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        end_unwritten(error)
        raise


def end_unwritten(error: OSError) -> None:
    """End the program, if the error says that nothing more can be written to standard output."""
    if error.errno != errno.EPIPE and error.errno not in FULL:
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is buffered goes there at the end
    if error.errno in FULL:
        sys.stderr.write(f"Error: the output can't be written: {error.strerror}\n")
    sys.exit(int(error.errno in FULL))


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
