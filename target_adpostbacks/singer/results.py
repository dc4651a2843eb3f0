"""Writes the run's deliveries as a Singer file, the setting ``results_path``."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from target_adpostbacks.delivery import disk
from target_adpostbacks.ledger import IDENTITY, Ledger, UnusableLedger, key, schema

STREAM = "deliveries"
UNKEPT: Mapping[str, Any] = {
    "type": "object",
    "properties": {name: of for name, of in schema(STREAM)["properties"].items() if name != "delivery_id"},
    "required": [*IDENTITY],
}
"""Rows of which not all have a number, in a compact ledger."""
BEGINNING = b'{"type":"SCHEMA","stream":"deliveries"'
DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d{1,9})").fullmatch


class UnusablePath(ValueError):
    """Nothing can be written there: the rule and the next step, never the path."""


class Results:
    """Opened before the first record, so that a mistake costs nothing; written at the end.

    Of a compact ledger, what is accepted is written as it goes: the ledger does not keep it.
    """

    def __init__(self, path: str, run_id: str) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._last = 0  # the highest seq
        try:
            self._file = _opened(named := path.replace("{run_id}", run_id))
        except (OSError, ValueError) as error:
            why = error if isinstance(error, UnusablePath) else getattr(error, "strerror", None) or "not a path"
            raise UnusablePath(f"results_path: {why}; name a file in a folder that exists, or `/dev/fd/3`") from None
        self._folder = Path(named).parent

    def follow(self, ledger: Ledger) -> None:
        """Write what a compact ledger does not keep, from now on, to the disk before its key is committed."""
        if ledger.layout == "compact":
            disk.keep_names(self._folder)
            self._announce(UNKEPT, IDENTITY)
            ledger.tell = self._tell

    def write(self, ledger: Ledger) -> None:
        """SCHEMA, a RECORD for each delivery that the run wrote, STATE. Raises OSError and UnusableLedger."""
        self._last = max(self._last, ledger.started_at_seq)
        with self._file as file:
            if ledger.tell is None:
                self._announce(schema(STREAM), key(STREAM))
            for row in ledger.changes_of_run():
                if ledger.tell is not None:
                    del row["delivery_id"]
                self._record(row)
            file.write(self._encode({"type": "STATE", "value": _state(self._last)}) + b"\n")

    def _announce(self, described: Mapping[str, Any], keys: Sequence[str]) -> None:
        announced = {"schema": described, "key_properties": [*keys], "bookmark_properties": ["seq"]}
        self._file.write(self._encode({"type": "SCHEMA", "stream": STREAM, **announced}) + b"\n")

    def _record(self, row: Mapping[str, Any]) -> None:
        self._last = max(self._last, row["seq"])
        self._file.write(self._encode({"type": "RECORD", "stream": STREAM, "record": row}) + b"\n")

    def _tell(self, rows: Iterable[Mapping[str, Any]]) -> None:
        try:
            for row in rows:
                self._record(row)
            disk.keep(self._file)  # a key in the ledger that has lost its row would never be told again
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise UnusableLedger(
                f"results_path: {why}; what a compact ledger does not keep has to be written"
            ) from None


def _state(seq: int) -> dict[str, Any]:
    """As tap-adpostbacks would have it after the same rows."""
    return {"bookmarks": {STREAM: {"replication_key": "seq", "replication_key_value": seq}}}


def _may_be_replaced(path: Path) -> bool:
    """Results of an earlier run may be; a config or a ledger that was named by mistake may not."""
    if not path.is_file() or not path.stat().st_size:
        return True
    with path.open("rb") as file:
        return file.read(len(BEGINNING)) == BEGINNING


def _opened(path: str) -> IO[bytes]:
    if path in ("-", "/dev/stdout"):
        raise UnusablePath("standard output is for state alone")
    descriptor = DESCRIPTOR(path)
    if not descriptor:
        if not _may_be_replaced(Path(path)):
            raise UnusablePath("the file exists and is not a results file")
        return open(path, "wb")  # noqa: PTH123 - closed by write
    number = int(descriptor[1])
    if number <= 2:
        raise UnusablePath("standard input, output and error are taken")
    # What our parent gave us is inheritable. What we opened ourselves is not: it may be our own standard output.
    ours = fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    if ours or fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise UnusablePath("that descriptor is not open for writing (`3>results.jsonl`)")
    return os.fdopen(os.dup(number), "wb")
