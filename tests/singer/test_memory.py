"""What the C library keeps of what a run has freed."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from target_adpostbacks.singer.memory import POOLS

PROGRAM = """
import ctypes, threading
from target_adpostbacks.singer.memory import give_back
give_back()
large = bytearray(8 * 2**20)
del large  # by itself the library would keep what is smaller from now on
bodies = [bytearray(2**20) for _ in range(40)]
together = threading.Barrier(9)
for _ in range(8):
    threading.Thread(target=lambda: (bytearray(4096), together.wait())).start()
library = ctypes.CDLL(None)
library.fdopen.restype = ctypes.c_void_p
told = ctypes.c_void_p(library.fdopen(1, b"w"))
library.malloc_info(0, told)
library.fflush(told)
together.wait()
"""


@pytest.mark.parametrize(("settings", "is_set"), [({}, True), ({"MALLOC_ARENA_MAX": "20"}, False)])
def test_what_is_large_is_given_back_and_threads_share_pools(settings: dict[str, str], *, is_set: bool) -> None:
    """Nothing is set where the environment has settings of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **settings}, capture_output=True, text=True, check=True
    )
    (mapped,) = re.findall(r'type="mmap" count="\d+" size="(\d+)"', done.stdout)
    assert (done.stdout.count("<heap nr=") <= POOLS) is is_set
    assert (int(mapped) >= 40 * 2**20) is is_set
