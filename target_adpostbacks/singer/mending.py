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
    """The event id of a line that can't be read, where it stands there in full, the outermost one; else empty."""
    found: tuple[int, bytes] | None = None
    depth = 0
    for match in _TOKENS(line) if b'"event_id"' in line else ():
        if value := match[1] or match[2]:
            found = (depth, value) if found is None or depth < found[0] else found
        else:
            depth += sum(map(match[0].count, (b"{", b"["))) - sum(map(match[0].count, (b"}", b"]")))
    text = found[1].decode(errors="replace").strip() if found else ""
    return text if text.isprintable() else ""


_TOKENS = re.compile(rb'"event_id"\s*:\s*(?:"([^"\\]{1,500})"|([0-9]{1,40})(?=\s*[,}]))|[{}\[\]]+').finditer
