"""Says where an unexpected error happened, without its text, which may hold values."""

from __future__ import annotations

import traceback
from pathlib import Path


def located(error: BaseException) -> str:
    """``'Unexpected KeyError in postback.py:12; please report it.'``"""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "target_adpostbacks" in frame.filename]
    frame = (ours or frames)[-1]
    return f"Unexpected {type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}; please report it."
