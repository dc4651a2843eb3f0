"""The command with the whole head start that a long file gives; the file ``agreed`` says what the run made of it.

``same``: as it is; ``other``: the run has come to something else.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from target_adpostbacks import __main__
from target_adpostbacks.singer import head_start, starting
from target_adpostbacks.singer.head_start import HeadStart


def command(found: str) -> list[str]:
    """The command, whose run finds that it prepares as the workers were told, or not."""
    return [sys.executable, str(Path(__file__)), found]


def _is_of(begun: HeadStart, *told: Any) -> bool:
    begun._thread.join()
    is_agreed = IS_OF(begun, *told) and FOUND == "same"
    Path("agreed").write_text(f"{is_agreed}")
    return is_agreed


IS_OF = HeadStart.is_of

if __name__ == "__main__":
    FOUND = sys.argv.pop(1)
    vars(starting)["default_workers"] = lambda _cores: 2
    vars(head_start)["HeadStart"].is_of = _is_of
    __main__.main()
