"""What a line of the input says: a Singer message or a plain object. Imports nothing of the SDK, which is slow."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from target_adpostbacks.singer.mending import mended

PLAIN_STREAM = "conversions"
"""The stream of plain JSON lines."""

MAX_LINE = 10 * 1024 * 1024
OVERLONG_HEAD = 4096
MALFORMED = "malformed JSON"

TYPES = frozenset({"RECORD", "SCHEMA", "STATE", "ACTIVATE_VERSION", "BATCH"})


class BadLine(ValueError):
    """A line that is no message: field and rule, never the value."""

    event_id = ""  # where the line has one

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


class UnreadableInput(Exception):
    """Input that can't be passed over: the run ends, the state after it stays back."""


class Overlong(bytes):
    """What is kept of a line longer than MAX_LINE: its head and its length."""

    @classmethod
    def of(cls, head: bytes, length: int) -> Overlong:
        return cls(head[:OVERLONG_HEAD] + b" %d" % length)


def decoded(line: bytes) -> dict[str, Any]:
    """A line's JSON object; raises BadLine."""
    if line.__class__ is Overlong:
        raise BadLine("line", f"longer than {MAX_LINE // 2**20} MiB")
    try:
        try:
            message = _decode(line)
        except msgspec.MsgspecError:
            message = _decode(mended(line))
    except RecursionError:
        raise BadLine("line", "nested too deeply") from None
    except UnicodeDecodeError:
        raise BadLine("line", "not UTF-8") from None
    except ValueError:
        raise BadLine("line", MALFORMED) from None
    if not isinstance(message, dict):
        raise BadLine("line", "a JSON object expected")
    return message


_decode = msgspec.json.Decoder().decode


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """A RECORD message as taps write it. To check the type of each column's name, too, would cost time."""

    type: Literal["RECORD"]
    stream: str
    record: dict  # type: ignore[type-arg]
    time_extracted: Any = None
    version: Any = None


def usual_record(line: bytes) -> Record | None:
    """A line that is a RECORD message of the usual form; None for one that ``decoded`` has to read."""
    try:
        return _decode_record(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


_decode_record = msgspec.json.Decoder(Record).decode


def is_schema(message: dict[str, Any]) -> bool:
    """Whether a message is a SCHEMA message, wherever it comes."""
    return (
        message.get("type") == "SCHEMA"
        and isinstance(message.get("stream"), str)
        and isinstance(message.get("schema"), dict)
    )


def check(message: dict[str, Any]) -> None:
    """Raise BadLine for what is no Singer message; UnreadableInput where others depend on it."""
    kind = message.get("type")
    if kind == "RECORD" and message.get("stream").__class__ is str and message.get("record").__class__ is dict:
        return  # by far the most
    if not isinstance(kind, str) or kind not in TYPES:
        raise BadLine("type", "not a Singer message type")
    for field, expected in REQUIRED[kind]:
        if not isinstance(message.get(field), expected) or field not in message:
            bad = BadLine(field, "of the wrong type" if field in message else "missing")
            raise UnreadableInput(f"{kind} message: {bad}") if kind in CONTROL else bad


CONTROL = frozenset({"SCHEMA", "BATCH"})
"""Messages on which others depend. A mistake in one ends the run, since what it brings would be lost unnoticed."""

REQUIRED: dict[str, tuple[tuple[str, Any], ...]] = {
    "RECORD": (("stream", str), ("record", dict)),
    "SCHEMA": (("stream", str), ("schema", dict)),
    "STATE": (("value", object),),
    "ACTIVATE_VERSION": (),
    "BATCH": (("stream", str), ("encoding", dict), ("manifest", list)),
}
