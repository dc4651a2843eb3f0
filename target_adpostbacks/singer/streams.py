"""Standard streams that whoever started the program has closed."""

from __future__ import annotations

import os
import sys


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
