"""The lines of a BATCH message's files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from gzip import GzipFile
from gzip import open as gzip_open
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from singer_sdk.helpers._batch import BaseBatchFileEncoding, StorageTarget

from target_adpostbacks.singer.messages import MAX_LINE, Overlong, UnreadableInput
from target_adpostbacks.singer.reader import BOM
from target_adpostbacks.singer.strange import GZIP


class Line(NamedTuple):
    """A line of a file: the file's name, the line's number from 1, and the line without its end."""

    file: str
    number: int
    data: bytes


def batch_lines(message: Mapping[str, Any]) -> Iterator[Line]:
    """The lines of all files; raises UnreadableInput."""
    try:
        encoding = BaseBatchFileEncoding.from_dict(dict(message["encoding"]))
        for path in message["manifest"]:
            name = urlsplit(path).path.rpartition("/")[2]
            for number, data in enumerate(_file_lines(encoding, path), 1):
                yield _new(Line, (name, number, data))
    except ImportError:
        raise UnreadableInput(
            f"BATCH message of stream '{message['stream']}': a package is missing that reads its files; for S3: "
            "pip install 'target-adpostbacks[s3]'"
        ) from None
    except (OSError, EOFError, ValueError, TypeError, AttributeError, zlib.error) as error:
        raise UnreadableInput(
            f"BATCH message of stream '{message['stream']}': can't be read ({type(error).__name__})"
        ) from None


_new = tuple.__new__  # a NamedTuple's own call takes twice as long


def _file_lines(encoding: BaseBatchFileEncoding, path: str) -> Iterator[bytes]:
    if encoding.format != "jsonl" or encoding.compression not in (None, "none", "gzip"):
        raise UnreadableInput("BATCH message: only files of JSON lines can be read, with compression gzip or none")
    head, tail = StorageTarget.split_url(path)
    with StorageTarget.from_url(head).open(tail, mode="rb") as file:
        if encoding.compression == "gzip":
            with gzip_open(file) as lines:
                yield from bounded(lines)
        else:
            yield from bounded(file)


def bounded(file: IO[bytes] | GzipFile, longest: int = MAX_LINE) -> Iterator[bytes]:
    """Lines without their ends; of one that is longer than ``longest`` bytes only the head is held in memory."""
    first = True
    while line := file.readline(longest + 1 + len(BOM)):
        ended = line.endswith(b"\n")
        line = line.removesuffix(b"\n")
        if first:
            if line.startswith(GZIP):
                raise UnreadableInput("BATCH message: a file is compressed, but its encoding does not say so")
            line, first = line.removeprefix(BOM), False
        if len(line) > longest:
            length = len(line)
            while not ended and (more := file.readline(longest)):
                length, ended = length + len(more), more.endswith(b"\n")
            line = Overlong.of(line, length)
        yield line
