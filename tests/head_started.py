"""The command with the whole head start that a long file gives; the file ``agreed`` says what the run made of it.

``same``: as it is; ``other``: the run has come to something else; ``broken``: a mistake of ours in the midst of it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from target_adpostbacks import __main__
from target_adpostbacks.singer import head_start, starting
from target_adpostbacks.singer.cutting import hand_out
from target_adpostbacks.singer.head_start import HeadStart
from target_adpostbacks.workers.pool import Workers


def command(found: str) -> list[str]:
    """The command, whose run finds that it prepares as the workers were told, or not."""
    return [sys.executable, str(Path(__file__)), found]


def _is_of(begun: HeadStart, *told: Any) -> bool:
    begun._thread.join()
    is_agreed = IS_OF(begun, *told) and FOUND != "other"
    Path("agreed").write_text(f"{is_agreed}")
    return is_agreed


def _hand_out(workers: Workers, texts: Sequence[bytes], number: int) -> int:
    HAND_OUT(workers, texts, number)
    raise RuntimeError("after some lines")


IS_OF, HAND_OUT = HeadStart.is_of, hand_out

if __name__ == "__main__":
    FOUND = sys.argv.pop(1)
    vars(starting)["default_workers"] = lambda _cores: 2
    vars(head_start)["HeadStart"].is_of = _is_of
    if FOUND == "broken":
        vars(head_start)["hand_out"] = _hand_out
    __main__.main()
