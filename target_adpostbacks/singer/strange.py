"""What input is that holds no JSON lines, by one of its first lines."""

from __future__ import annotations

import re

from target_adpostbacks.singer.messages import MALFORMED, BadLine

GZIP = b"\x1f\x8b"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_OPENS_ARRAY = re.compile(rb"\s*\[\s*(\{.*)?").fullmatch


def is_hopeless(line: bytes) -> bool:
    """Whether nothing after it can be JSON lines either."""
    return b"\0" in line or line.startswith((*UTF_16, GZIP)) or bool(_OPENS_ARRAY(line))


def why_strange(line: bytes, bad: BadLine) -> str:
    """What input is that holds no JSON object, by its first line; and what to do."""
    if line.startswith(GZIP):
        rule = "it is compressed; decompress it first"
    elif b"\0" in line or line.startswith(UTF_16):
        rule = "it looks like UTF-16; convert it to UTF-8"
    elif _OPENS_ARRAY(line):
        rule = "it looks like an array over several lines; `jq -c '.[]'` writes its objects as lines"
    elif bad.rule == MALFORMED and b"," in line and b"{" not in line:
        rule = "it looks like CSV; read it with a tap, for example tap-csv"
    else:
        rule = f"its first line is none ({bad.rule})"
    return f"The input is no JSON lines: {rule}. One JSON object on each line is expected; nothing was sent."
