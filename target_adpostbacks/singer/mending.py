"""Lines that are JSON for Python and for older taps, though not for the standard."""

from __future__ import annotations

import json
import math
import re


def mended(line: bytes) -> bytes:
    """The line as JSON: NaN, Infinity and numbers that no float holds are null, half a surrogate pair is U+FFFD.

    Raises ValueError and RecursionError.
    """
    value = json.loads(line.decode(), parse_constant=lambda _: None, parse_float=_finite)
    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def event_id(line: bytes) -> str:
    """The event id of a line that can't be read, where it stands there in full; else empty."""
    match = _EVENT_ID(line)
    text = (match[1] or match[2]).decode(errors="replace").strip() if match else ""
    return text if text.isprintable() else ""


_EVENT_ID = re.compile(rb'"event_id"\s*:\s*(?:"([^"\\]{1,500})"|([0-9]{1,40})(?=\s*[,}]))').search
